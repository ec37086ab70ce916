/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/stages/handoff.h"

void pn_handoff(struct pn_ctx *c, struct pn_batch *b, unsigned i, enum pn_edge from, uint16_t to,
                const struct pn_mbuf_meta *meta)
{
    struct rte_ring *ring = c->shared->handoff[to];

    *pn_mbuf_meta(b->m[i]) = *meta;
    if (ring == NULL || rte_ring_enqueue(ring, b->m[i]) != 0) {
        pn_batch_drop(b, i, from, PN_C_HANDOFF_FULL);
        return;
    }
    b->pkt[i].counter = PN_C_HANDOFF_SENT;
    pn_count(c, PN_C_HANDOFF_SENT, 1);
    c->stats->held++;
    pn_batch_move(b, i, from, PN_EDGE_HELD);
}

bool pn_handoff_next(struct pn_ctx *c, struct pn_batch *b, unsigned i, enum pn_edge from)
{
    uint8_t hops = (uint8_t)(pn_handoff_hops(b, i) + 1);

    if (hops >= c->n_workers)
        return false;
    const struct pn_mbuf_meta meta = {
        .kind = PN_META_ENTER,
        .port = b->in_port[i],
        .hops = hops,
        .gateway = PN_ID_NONE,
        .origin = pn_handoff_origin(c, b, i),
    };
    pn_handoff(c, b, i, from, (uint16_t)((c->id + 1) % c->n_workers), &meta);
    return true;
}
