/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernel's neighbour table through rtnetlink: it is asked to find an address on an interface, and what it knows
 * and learns comes back through a callback. A question can wait for the kernel's RTNL lock, which any program that changes
 * an interface holds, so it leaves from a thread of its own; a lost one is made good by the next.
 */
#ifndef POSTERN_DATAPLANE_NEIGH_LINK_H
#define POSTERN_DATAPLANE_NEIGH_LINK_H

#include "postern/types.h"

enum pn_neigh_heard {
    PN_NEIGH_HEARD_CONFIRMED, /* reachable or permanent */
    PN_NEIGH_HEARD_UNSURE, /* a MAC that has not been verified lately */
    PN_NEIGH_HEARD_FAILED,
};
typedef void pn_neigh_heard_fn(void *arg, int ifindex, const struct pn_addr *addr, enum pn_neigh_heard heard,
                               const struct pn_mac *mac);

struct pn_builder;
struct pn_neigh_link;
/* kernel: the thread for what may block; ended before the link is freed. */
struct pn_neigh_link *pn_neigh_link_new(int loop, struct pn_builder *kernel, pn_neigh_heard_fn *heard, void *arg,
                                        struct pn_error *err);
void pn_neigh_link_free(struct pn_neigh_link *l); /* NULL allowed */

/*
 * Has the kernel find addr, or verify what it knows; the answer comes through the callback. anew: what it knows is
 * thrown away, so that it asks everyone instead of the address that no longer answers.
 */
void pn_neigh_link_ask(struct pn_neigh_link *l, int ifindex, const struct pn_addr *addr, bool anew);

/* Index of the kernel's VLAN interface for vlan on top of ifname; 0: none. */
int pn_neigh_link_vlan(const char *ifname, uint16_t vlan);

#endif
