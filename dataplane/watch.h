/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Looks now and then whether the XDP programs are still on their interfaces. The answer takes the kernel's RTNL lock, which any
 * program holds that changes an interface, so the question is asked on the kernel's thread: the main lcore has heartbeats to
 * carry.
 */
#ifndef POSTERN_DATAPLANE_WATCH_H
#define POSTERN_DATAPLANE_WATCH_H

#include "postern/types.h"

struct pn_dataplane;
struct pn_watch;

#define PN_WATCH_EVERY_MS 500u

int pn_watch_start(struct pn_dataplane *dp, struct pn_error *err);
void pn_watch_tick(struct pn_dataplane *dp); /* every PN_WATCH_EVERY_MS */
void pn_watch_stop(struct pn_dataplane *dp); /* after the kernel's thread has ended */

#endif
