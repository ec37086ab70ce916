/* SPDX-License-Identifier: BSD-3-Clause */
/* TCP to a service that did not go the straight way: known flows go on to their gateway, the others are steered. */
#include "dataplane/stages/account.h"
#include "dataplane/stages/lease.h"
#include "dataplane/stages/stages.h"
#include "dataplane/stages/sync.h"

/*
 * All that seldom happens to a known flow: its state changed, or its gateway went away. true: on to its gateway.
 * false, to be steered: either its entry was removed here, or it is a SYN whose half-open entry still stands and
 * wants a gateway that answers.
 */
static __rte_noinline bool known_changed(struct pn_ctx *c, struct pn_pkt *k, struct pn_flow *f,
                                         enum pn_flow_event event, struct pn_account_before before,
                                         uint32_t handshake_us)
{
    const struct pn_dp_gateway *g = &c->snap->gateways[f->gateway];
    bool syn = (k->tcp_flags & (PN_TCP_SYN | PN_TCP_ACK)) == PN_TCP_SYN;

    if (event == PN_FLOW_EV_TAKEN_OVER) {
        pn_account_taken_over(c, f);
        event = pn_flow_segment(c->flows, f, k->tcp_flags, c->now, &handshake_us);
    }
    pn_account_segment(c, f, event, before, handshake_us);
    if (event == PN_FLOW_EV_ESTABLISHED || event == PN_FLOW_EV_RESUMED || event == PN_FLOW_EV_CLOSING)
        pn_sync_note(c, k->vip, f, f->state);
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
    pn_sync_note(c, k->vip, f, PN_FLOW_FREE);
    pn_flow_remove(c->flows, f);
    return false;
}

/* Steering wants the client in the packet. */
static __rte_noinline void to_steer(struct pn_batch *b, unsigned i)
{
    struct pn_pkt *k = &b->pkt[i];

    k->client[0] = b->look[i].key.client[0];
    k->client[1] = b->look[i].key.client[1];
    pn_batch_move(b, i, PN_EDGE_FLOW, PN_EDGE_STEER);
}

/* What a known flow's packet carries on. */
static inline void note(struct pn_pkt *k, const struct pn_flow *f, uint8_t state)
{
    k->gateway = f->gateway;
    pn_pkt_note(k, state, f->flags, PN_TRACE_FLOW_HIT, PN_C_TX_FORWARD);
}

static void known_or_not(struct pn_ctx *c, struct pn_batch *b, unsigned i, struct pn_flow *f)
{
    struct pn_pkt *k = &b->pkt[i];
    uint32_t handshake_us = 0;

    pn_pkt_note(k, 0, 0, 0, 0);
    k->gateway = PN_ID_NONE;
    /* FREE: an earlier packet of this burst ended the flow. */
    if (f == NULL || f->state == PN_FLOW_FREE) {
        to_steer(b, i);
        return;
    }
    if (!pn_lease_serves(c, k->vip, f->gateway)) {
        pn_batch_drop(b, i, PN_EDGE_FLOW, PN_C_STEER_NO_LEASE);
        return;
    }
    struct pn_account_before before = pn_account_before(f);
    enum pn_flow_event event = pn_flow_segment(c->flows, f, k->tcp_flags, c->now, &handshake_us);

    note(k, f, before.state);
    if (likely(event == PN_FLOW_EV_NONE && pn_account_same(before, f) && c->snap->gateways[f->gateway].used &&
               !(k->tcp_flags & PN_TCP_SYN)) ||
        known_changed(c, k, f, event, before, handshake_us))
        pn_batch_move(b, i, PN_EDGE_FLOW, PN_EDGE_REWRITE);
    else
        to_steer(b, i);
}

void pn_stage_flow(struct pn_ctx *c, struct pn_batch *b)
{
    uint64_t set = b->at[PN_EDGE_FLOW];
    struct pn_flow_key keys[PN_BATCH_MAX];
    struct pn_flow *found[PN_BATCH_MAX];
    unsigned i, n = 0;

    if (unlikely(set == 0))
        return;
    PN_BATCH_EACH(i, set)
        keys[n++] = b->look[i].key;
    pn_flow_lookup_bulk(c->flows, keys, n, c->now, found);
    n = 0;
    PN_BATCH_EACH(i, set)
        known_or_not(c, b, i, found[n++]);
}
