/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/loop.h"

#include <stddef.h>
#include <sys/epoll.h>

int pn_loop_new(void)
{
    return epoll_create1(EPOLL_CLOEXEC);
}

int pn_loop_add(int loop, struct pn_loop_source *source, uint32_t events)
{
    struct epoll_event ev = {.events = events, .data.ptr = source};
    return epoll_ctl(loop, EPOLL_CTL_ADD, source->fd, &ev);
}

int pn_loop_change(int loop, struct pn_loop_source *source, uint32_t events)
{
    struct epoll_event ev = {.events = events, .data.ptr = source};
    return epoll_ctl(loop, EPOLL_CTL_MOD, source->fd, &ev);
}

void pn_loop_remove(int loop, struct pn_loop_source *source)
{
    epoll_ctl(loop, EPOLL_CTL_DEL, source->fd, NULL);
}

void pn_loop_run_once(int loop, int timeout_ms)
{
    /* One event a wait: no callback can leave a stale pointer behind in the rest of a batch. */
    struct epoll_event ev;
    if (epoll_wait(loop, &ev, 1, timeout_ms) == 1) {
        struct pn_loop_source *s = ev.data.ptr;
        s->ready(s, ev.events);
    }
}
