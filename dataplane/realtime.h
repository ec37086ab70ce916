/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How a worker that shares its CPU is scheduled: real-time as long as it leaves time to others, ordinary while it does not.
 * Heartbeats and the answers to ARP/ND pass through it, so it must not wait behind whatever else is running; but in a flood
 * it takes all it gets, and a real-time thread that does so stops the machine until the kernel stops it instead.
 *
 * Niceness is no substitute: with autogroups (Debian's default) it counts only within a service.
 */
#ifndef POSTERN_DATAPLANE_REALTIME_H
#define POSTERN_DATAPLANE_REALTIME_H

#include <stdbool.h>
#include <stdint.h>

#define PN_REALTIME_WINDOW_NS UINT64_C(20000000) /* shortest time over which use is measured */
#define PN_REALTIME_USE_PERCENT 80u /* more than this much of a window: ordinary */
#define PN_REALTIME_PAUSE_NS UINT64_C(500000000) /* before it is tried again */
#define PN_REALTIME_WORKER 5 /* SCHED_FIFO; below the main lcore, which hands on what a worker took in */
#define PN_REALTIME_MAIN 10

struct pn_realtime {
    bool on; /* it is SCHED_FIFO now */
    bool refused; /* the system did not allow it: never tried again */
    uint64_t window_ns, window_cpu_ns; /* when it began, CPU time used by then; 0: no window */
    uint64_t again_ns; /* ordinary until then */
};

/* now_ns: any clock; cpu_ns: CPU time of this thread. True: it should change to !on now. */
bool pn_realtime_due(struct pn_realtime *r, uint64_t now_ns, uint64_t cpu_ns);
/* The same with this thread's clocks, and carries it out. Every few ms, by the thread itself. */
void pn_realtime_tick(struct pn_realtime *r);

#endif
