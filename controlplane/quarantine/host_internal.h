/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the host's store share. */
#ifndef POSTERN_QUARANTINE_HOST_INTERNAL_H
#define POSTERN_QUARANTINE_HOST_INTERNAL_H

#include <pthread.h>

#include "common/error.h"
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

struct pn_host_round { /* one commit */
    struct pn_host_put *puts; /* NULL: none */
    unsigned n;
    struct pn_qtmp **tmps;
    bool *ok, *file_ok;
    int rc;
    uint32_t took_ms;
    uint64_t lapses; /* of the database before it */
    struct pn_error file_err, row_err;
};

struct pn_host {
    char path[256];
    uint64_t keep_free_bytes;
    int lock_fd;
    struct pn_qfiles *files;
    const struct pn_hostdb_ops *ops;
    struct pn_hostdb *db; /* a round under way has it: pn_host_db() */
    struct pn_hostdb *look; /* for what each frame asks while one is under way; NULL: db */
    struct pn_host_put *queue;
    unsigned n_queue, queue_size;
    uint64_t queued_ms; /* when it was first seen that something waits */
    bool queued_known;
    uint32_t took_ms; /* the last commit */
    struct pn_host_round round; /* under way; the thread's while busy */
    bool background;
    int ready_fd;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t change;
    bool busy, stop; /* under the lock */
};

int pn_host_background(struct pn_host *h, struct pn_error *err); /* starts the thread */
struct pn_hostdb *pn_host_db(struct pn_host *h); /* waits while a round has it */
void pn_host_queue_close(struct pn_host *h); /* ends a round under way; answers the rest as failed */

#endif
