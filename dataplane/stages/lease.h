/* SPDX-License-Identifier: BSD-3-Clause */
/* Whether this node may answer for a VIP now. */
#ifndef POSTERN_STAGES_LEASE_H
#define POSTERN_STAGES_LEASE_H

#include "dataplane/stages/ctx.h"

static inline uint64_t pn_lease_end(const struct pn_ctx *c, uint16_t vip)
{
    return atomic_load_explicit(&c->shared->lease_tsc[vip], memory_order_relaxed);
}

/* To answer for it. */
static inline bool pn_lease_valid(const struct pn_ctx *c, uint16_t vip)
{
    return pn_lease_end(c, vip) > c->tsc;
}

/* Given up for another node, which may not be known everywhere yet: packets are forwarded as before. */
static inline bool pn_lease_released(const struct pn_ctx *c, uint16_t vip)
{
    return atomic_load_explicit(&c->shared->forward_tsc[vip], memory_order_relaxed) > c->tsc;
}

/* To take new flows, and to answer echo. */
static inline bool pn_lease_steer(const struct pn_ctx *c, uint16_t vip)
{
    return pn_lease_valid(c, vip) || pn_lease_released(c, vip);
}

/* To go on forwarding flows it has: senders learn only slowly that the VIP has moved. */
static inline bool pn_lease_grace(const struct pn_ctx *c, uint16_t vip)
{
    uint64_t end = pn_lease_end(c, vip);

    return (end != 0 && end + c->snap->vips[vip].grace_ms * (c->shared->tsc_hz / 1000) > c->tsc) ||
           pn_lease_released(c, vip);
}

/* To forward to this gateway: a flow that the owner handed over to this node's own needs no lease here. */
static inline bool pn_lease_serves(const struct pn_ctx *c, uint16_t vip, uint16_t gateway)
{
    return pn_lease_valid(c, vip) || pn_lease_grace(c, vip) || c->snap->gateways[gateway].mode == PN_FWD_LOCAL;
}

#endif
