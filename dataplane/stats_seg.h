/* SPDX-License-Identifier: BSD-3-Clause */
/* The shared-memory segment of postern/stats.h, writer's side. */
#ifndef POSTERN_DATAPLANE_STATS_SEG_H
#define POSTERN_DATAPLANE_STATS_SEG_H

#include <stddef.h>

#include "postern/stats.h"

struct pn_stats_seg {
    struct pn_stats_header *header;
    size_t bytes;
    char path[108];
};

/*
 * Makes the file anew beside path and renames it into place, so that readers of an earlier process's segment keep a
 * whole one. n_workers + 1 zeroed blocks. 0, or -1 and err.
 */
int pn_stats_seg_new(struct pn_stats_seg *seg, const char *path, unsigned n_workers, uint64_t tsc_hz,
                     struct pn_error *err);
/* Unmaps and removes the file. */
void pn_stats_seg_free(struct pn_stats_seg *seg);

/* Block of worker i; i == n_workers: the main lcore's. */
static inline struct pn_stats_worker *pn_stats_seg_worker(const struct pn_stats_seg *seg, unsigned i)
{
    return (struct pn_stats_worker *)((uint8_t *)seg->header + seg->header->worker_offset) + i;
}

#endif
