/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames from one of the quarantine's threads to another: a bounded queue with one sender and one receiver, and the call
 * that tells the receiver once however many wait.
 */
#ifndef POSTERN_ACTORS_QUARANTINE_PIPE_H
#define POSTERN_ACTORS_QUARANTINE_PIPE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PN_QA_PIPE_BYTES_MAX (4u << 20) /* of frames that wait */

struct pn_qa_frame {
    struct pn_qa_frame *next;
    unsigned peer;
    size_t len;
    uint8_t bytes[];
};

struct pn_qa_pipe {
    pthread_mutex_t lock;
    struct pn_qa_frame *first, **last;
    size_t bytes;
    bool told; /* the receiver has been called and has not come yet */
    bool was_full;
    int (*tell)(void *arg); /* has the receiver come on its own thread; -1: not now */
    void *arg;
};

int pn_qa_pipe_init(struct pn_qa_pipe *p, int (*tell)(void *arg), void *arg); /* -1: no lock */
void pn_qa_pipe_free(struct pn_qa_pipe *p); /* and what waits */

/* 0: it will arrive; at once, or with the next one if the receiver could not be told. 1: full, or no memory. */
int pn_qa_pipe_send(struct pn_qa_pipe *p, unsigned peer, const uint8_t *bytes, size_t len);

/* All that waits, oldest first, now the caller's. *was_full: since the last time one was refused. */
struct pn_qa_frame *pn_qa_pipe_take(struct pn_qa_pipe *p, bool *was_full);
void pn_qa_frames_free(struct pn_qa_frame *f); /* NULL allowed */

#endif
