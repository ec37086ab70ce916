/* SPDX-License-Identifier: BSD-3-Clause */
/* What vrrp_node.c and vrrp_router.c share: the virtual routers of a node. */
#ifndef POSTERN_VRRP_INTERNAL_H
#define POSTERN_VRRP_INTERNAL_H

#include "controlplane/vip/protocol.h"
#include "controlplane/vip/vrrp.h"

#define PN_VRRP_CENTISECOND_NS UINT64_C(10000000)

struct vrrp_router {
    struct pn_vrrp v;
    uint16_t priority; /* configured */
    uint16_t port, vlan;
    struct pn_mac mac; /* virtual; zero: the port's */
    uint16_t vips[PN_VRRP_MAX_ADDRS]; /* positions in conf.vips, in the advertisement's order */
    uint16_t ids[PN_VRRP_MAX_ADDRS]; /* of the dataplane */
    bool there[PN_VRRP_MAX_ADDRS]; /* it runs them */
    bool runs; /* at least one is there */
    uint64_t held_ns; /* lease that the dataplane held when it began to */

    bool waiting; /* an advertisement is under way: at most one */
    uint16_t seq; /* of it, or of the question whether the port works */
    uint64_t asked_ns; /* when it was made */
    uint64_t follows_ns; /* the lease that follows it */
    uint64_t granted_ns; /* the lease that was written last */
    unsigned failed; /* advertisements in a row that could not leave */
    bool mute; /* none can leave: the port is asked now and then whether it works again */
    uint64_t ask_ns;
    bool asking;
    uint64_t settle_ns; /* it works: what it had received is heard by then; 0: not asked */
    unsigned ending; /* advertisements of priority 0 under way */

    bool active_told;
    uint32_t transitions;
    uint64_t addresses_told_ns, beside_told_ns;
};

struct vrrp_routers {
    struct vrrp_router r[PN_MAX_VIPS], before[PN_MAX_VIPS];
    unsigned n, n_before;
    uint16_t seq;
    bool standby;
};

struct vrrp_routers *pn_vrrp_routers(const struct pn_node *n); /* NULL: not configured yet */
struct vrrp_router *pn_vrrp_router_find(struct vrrp_router *list, unsigned n, bool v6, uint8_t vrid, uint16_t port,
                                        uint16_t vlan); /* NULL: none */
enum pn_election_state pn_vrrp_router_state(const struct vrrp_router *r);
/* Orders the dataplane: for all addresses that it runs, answers until deadline_ns, forwards flows until forward_ns. */
void pn_vrrp_router_lease(struct pn_node *n, struct vrrp_router *r, uint64_t deadline_ns, uint64_t forward_ns,
                          uint64_t now_ns);
/*
 * Does what the state machine says. planned: for those whose caches still point here, flows are forwarded for the grace
 * time.
 */
void pn_vrrp_router_act(struct pn_node *n, struct vrrp_router *r, const struct pn_vrrp_out *out, bool planned,
                        uint64_t now_ns);
/* Of pn_vip_protocol. */
void pn_vrrp_routers_answer(struct pn_node *n, uint32_t own, unsigned status, uint64_t now_ns);
void pn_vrrp_routers_step(struct pn_node *n, uint64_t now_ns, uint64_t *wake_ns);

#endif
