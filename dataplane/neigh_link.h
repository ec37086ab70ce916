/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernel's neighbour table through rtnetlink: it is asked to find an address on an interface, and what it knows
 * and learns comes back through a callback. Nothing blocks; a lost message is made good by the next question.
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

struct pn_neigh_link;
struct pn_neigh_link *pn_neigh_link_new(int loop, pn_neigh_heard_fn *heard, void *arg, struct pn_error *err);
void pn_neigh_link_free(struct pn_neigh_link *l); /* NULL allowed */

/*
 * Has the kernel find addr, or verify what it knows; the answer comes through the callback. anew: what it knows is
 * thrown away, so that it asks everyone instead of the address that no longer answers.
 */
void pn_neigh_link_ask(struct pn_neigh_link *l, int ifindex, const struct pn_addr *addr, bool anew);

/* Index of the kernel's VLAN interface for vlan on top of ifname; 0: none. */
int pn_neigh_link_vlan(const char *ifname, uint16_t vlan);

#endif
