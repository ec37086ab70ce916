/* SPDX-License-Identifier: BSD-3-Clause */
/* The main lcore's event loop: epoll with callbacks. A callback may remove any source, its own too. */
#ifndef POSTERN_DATAPLANE_LOOP_H
#define POSTERN_DATAPLANE_LOOP_H

#include <stdint.h>

struct pn_loop_source {
    int fd; /* -1: not added */
    void (*ready)(struct pn_loop_source *source, uint32_t events); /* EPOLL* bits */
    void *arg;
};

int pn_loop_new(void); /* epoll descriptor, or -1 with errno */
int pn_loop_add(int loop, struct pn_loop_source *source, uint32_t events); /* 0, or -1 with errno */
int pn_loop_change(int loop, struct pn_loop_source *source, uint32_t events);
/* Takes it out; the descriptor stays open and is the caller's to close. */
void pn_loop_remove(int loop, struct pn_loop_source *source);
/* Waits once (timeout_ms -1: without end) and calls what is ready, one source at a time. */
void pn_loop_run_once(int loop, int timeout_ms);

#endif
