/* SPDX-License-Identifier: BSD-3-Clause */
/* Whether this node may answer for a VIP now. */
#ifndef POSTERN_STAGES_LEASE_H
#define POSTERN_STAGES_LEASE_H

#include "dataplane/stages/ctx.h"

static inline uint64_t pn_lease_end(const struct pn_ctx *c, uint16_t vip)
{
    return atomic_load_explicit(&c->shared->lease_tsc[vip], memory_order_relaxed);
}

/* To answer for it and to take new flows. */
static inline bool pn_lease_valid(const struct pn_ctx *c, uint16_t vip)
{
    return pn_lease_end(c, vip) > c->tsc;
}

/* To go on forwarding flows it has: senders learn only slowly that the VIP has moved. */
static inline bool pn_lease_grace(const struct pn_ctx *c, uint16_t vip)
{
    uint64_t end = pn_lease_end(c, vip);

    return end != 0 && end + c->snap->vips[vip].grace_ms * (c->shared->tsc_hz / 1000) > c->tsc;
}

#endif
