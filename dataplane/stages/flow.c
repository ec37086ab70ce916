/* SPDX-License-Identifier: BSD-3-Clause */
/* TCP to a service: known flows go on to their gateway, the others are steered. */
#include "dataplane/stages/account.h"
#include "dataplane/stages/lease.h"
#include "dataplane/stages/stages.h"

/*
 * All that seldom happens to a known flow: its state changed, or its gateway went away. true: on to its gateway.
 * false, to be steered: either its entry was removed here, or it is a SYN whose half-open entry still stands and
 * wants a gateway that answers.
 */
static __rte_noinline bool known_changed(struct pn_ctx *c, struct pn_pkt *k, struct pn_flow *f,
                                         enum pn_flow_event event, uint8_t before, uint32_t handshake_us)
{
    const struct pn_dp_gateway *g = &c->snap->gateways[f->gateway];
    bool syn = (k->tcp_flags & (PN_TCP_SYN | PN_TCP_ACK)) == PN_TCP_SYN;

    pn_account_segment(c, f, event, before, handshake_us);
    if (event == PN_FLOW_EV_REOPENED) {
        pn_account_forget(c, f);
    } else if (syn && !g->alive) {
        if (f->state == PN_FLOW_HALF_OPEN)
            return false;
        pn_account_closed(c, f);
    } else if (!g->used) {
        pn_account_closed(c, f);
    } else {
        k->flow_state = f->state;
        return true;
    }
    pn_pkt_note(k, 0, 0, 0, 0);
    pn_flow_remove(c->flows, f);
    return false;
}

/* Steering wants the client in the packet. */
static __rte_noinline void to_steer(struct pn_batch *b, unsigned i)
{
    struct pn_pkt *k = &b->pkt[i];

    k->client[0] = b->key[i].client[0];
    k->client[1] = b->key[i].client[1];
    pn_batch_move(b, i, PN_EDGE_FLOW, PN_EDGE_STEER);
}

/* found: one for each packet of set, in order. */
static inline void look_up(struct pn_ctx *c, struct pn_batch *b, uint64_t set, struct pn_flow **found)
{
    struct pn_flow_key packed[PN_BATCH_MAX];
    unsigned i, n = 0;

    if (likely(set == pn_batch_all(b->n))) {
        pn_flow_lookup_bulk(c->flows, b->key, b->n, c->now, found);
        return;
    }
    PN_BATCH_EACH(i, set)
    packed[n++] = b->key[i];
    pn_flow_lookup_bulk(c->flows, packed, n, c->now, found);
}

void pn_stage_flow(struct pn_ctx *c, struct pn_batch *b)
{
    uint64_t set = b->at[PN_EDGE_FLOW], rewrite = 0;
    struct pn_flow *found[PN_BATCH_MAX];
    unsigned i, j = 0;

    if (unlikely(set == 0))
        return;
    look_up(c, b, set, found);
    PN_BATCH_EACH(i, set)
    {
        struct pn_pkt *k = &b->pkt[i];
        struct pn_flow *f = found[j++];
        uint32_t handshake_us = 0;

        /* FREE: an earlier packet of this burst ended the flow. */
        if (unlikely(f == NULL || f->state == PN_FLOW_FREE)) {
            pn_pkt_note(k, 0, 0, 0, 0);
            to_steer(b, i);
            continue;
        }
        if (unlikely(!pn_lease_valid(c, k->vip) && !pn_lease_grace(c, k->vip))) {
            pn_pkt_note(k, 0, 0, 0, 0);
            pn_batch_drop(b, i, PN_EDGE_FLOW, PN_C_STEER_NO_LEASE);
            continue;
        }
        uint8_t before = f->state;
        enum pn_flow_event event = pn_flow_segment(c->flows, f, k->tcp_flags, c->now, &handshake_us);

        k->gateway = f->gateway;
        pn_pkt_note(k, before, f->flags, PN_TRACE_FLOW_HIT, PN_C_TX_FORWARD);
        if (likely(event == PN_FLOW_EV_NONE && f->state == before && c->snap->gateways[f->gateway].used &&
                   !(k->tcp_flags & PN_TCP_SYN)))
            rewrite |= 1ull << i;
        else if (known_changed(c, k, f, event, before, handshake_us))
            rewrite |= 1ull << i;
        else
            to_steer(b, i);
    }
    b->at[PN_EDGE_FLOW] &= ~rewrite;
    b->at[PN_EDGE_REWRITE] |= rewrite;
}
