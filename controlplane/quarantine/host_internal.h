/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the host's store share. */
#ifndef POSTERN_QUARANTINE_HOST_INTERNAL_H
#define POSTERN_QUARANTINE_HOST_INTERNAL_H

#include "controlplane/quarantine/host.h"

struct pn_host_put { /* queued for the next commit */
    struct pn_q_id id;
    uint8_t *item;
    size_t item_len;
    struct pn_qtmp *tmp;
    pn_host_done *done;
    void *arg;
    bool known; /* its row was there already */
};

struct pn_host {
    char path[256];
    uint64_t keep_free_bytes;
    int lock_fd;
    struct pn_qfiles *files;
    const struct pn_hostdb_ops *ops;
    struct pn_hostdb *db;
    struct pn_host_put *queue;
    unsigned n_queue, queue_size;
    uint64_t queued_ms; /* when it was first seen that something waits */
    bool queued_known;
    uint32_t took_ms; /* the last commit */
};

#endif
