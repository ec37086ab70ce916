/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * RSS sees no ports in fragments and in ICMP errors, so these may land at a worker that does not know their flow.
 * They then go from worker to worker until one does; the last falls back on steering, which needs no state.
 */
#ifndef POSTERN_STAGES_HANDOFF_H
#define POSTERN_STAGES_HANDOFF_H

#include "dataplane/stages/batch.h"
#include "dataplane/stages/ctx.h"

static inline uint8_t pn_handoff_hops(const struct pn_batch *b, unsigned i)
{
    return b->reentered ? pn_mbuf_meta(b->m[i])->hops : 0;
}

static inline uint16_t pn_handoff_origin(const struct pn_ctx *c, const struct pn_batch *b, unsigned i)
{
    return b->reentered ? pn_mbuf_meta(b->m[i])->origin : c->id;
}

/* Puts the packet on worker to's ring; it leaves this batch either way (HELD, or DROP with HANDOFF_FULL). */
void pn_handoff(struct pn_ctx *c, struct pn_batch *b, unsigned i, enum pn_edge from, uint16_t to,
                const struct pn_mbuf_meta *meta);

/* To the next worker that has not looked yet. false: all have. */
bool pn_handoff_next(struct pn_ctx *c, struct pn_batch *b, unsigned i, enum pn_edge from);

#endif
