/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ownership thread: heartbeats, the election and leases on a thread of their own, so that nothing the daemon's loop does
 * (files, command line, metrics) delays them; real-time where it may. It has its own connection to the dataplane. A mutex
 * with priority inheritance guards the struct pn_node: the daemon gives orders and copies what it shows under it, a few
 * microseconds each; events come back through a ring and wake the daemon's loop.
 */
#ifndef POSTERN_DAEMON_OWNERSHIP_H
#define POSTERN_DAEMON_OWNERSHIP_H

#include "controlplane/vip/node.h"

struct event_base;
struct pn_own;

struct pn_own_options {
    const char *dp_socket;
    bool realtime; /* SCHED_FIFO and locked memory; goes on without, when the system refuses */
    bool confine; /* the thread gives up its capabilities when it is let go */
};

/* event: called from the loop of base, in the order things happened. NULL: err. The thread waits until pn_own_go(). */
struct pn_own *pn_own_new(struct event_base *base, const struct pn_own_options *opt,
                          void (*event)(void *arg, enum pn_log_level level, const char *kind, const char *subject,
                                        const char *text),
                          void *arg, struct pn_error *err);
void pn_own_go(struct pn_own *o);
void pn_own_free(struct pn_own *o); /* ends the thread */

/* Between these two the node is the caller's; keep it short. unlock wakes the thread, which does what follows. */
struct pn_node *pn_own_lock(struct pn_own *o);
void pn_own_unlock(struct pn_own *o);

void pn_own_show(struct pn_own *o, struct pn_ownership *out);

#endif
