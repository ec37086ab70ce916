/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads the dataplane's shared-memory counters (include/postern/stats.h), summed over its workers. */
#ifndef POSTERN_STATS_READER_H
#define POSTERN_STATS_READER_H

#include "postern/stats.h"

struct pn_stats_reader;

/* One reading. The sum is a worker block in which each cell is the sum over all blocks; its heartbeat is the oldest. */
struct pn_stats_sum {
    bool valid; /* false: no segment, all else is zero */
    uint64_t boot_id;
    uint64_t generation;
    uint64_t tsc_hz;
    uint32_t n_workers;
    uint64_t lease_deadline_boottime_ns[PN_MAX_VIPS];
    uint64_t worker_heartbeat_ns[PN_MAX_WORKERS];
    uint64_t worker_flows_used[PN_MAX_WORKERS], worker_flows_max[PN_MAX_WORKERS];
    uint64_t worker_busy_cycles[PN_MAX_WORKERS], worker_total_cycles[PN_MAX_WORKERS];
    struct pn_stats_worker sum;
};

struct pn_stats_reader *pn_stats_reader_new(void);
void pn_stats_reader_free(struct pn_stats_reader *r);
/* Maps path read-only in place of what was mapped before. -1: not a segment of this version (err); nothing is mapped. */
int pn_stats_reader_open(struct pn_stats_reader *r, const char *path, struct pn_error *err);
void pn_stats_reader_close(struct pn_stats_reader *r);
/* Fills *sum; valid is false when nothing is mapped or the segment's start is no longer what it was. */
void pn_stats_read(const struct pn_stats_reader *r, struct pn_stats_sum *sum);

#endif
