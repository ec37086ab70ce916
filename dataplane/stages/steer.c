/* SPDX-License-Identifier: BSD-3-Clause */
/* Unknown flows, and known ones that need another gateway: the steering's choice is entered in the flow table. */
#include "dataplane/stages/account.h"
#include "dataplane/stages/lease.h"
#include "dataplane/stages/stages.h"

static void count_tiers(struct pn_ctx *c, const struct pn_steer_choice *choice)
{
    c->stats->tiers[c->snap->tiers[choice->tier].id].flows_new++;
    if (unlikely(choice->spilled)) {
        c->stats->tiers[c->snap->tiers[choice->first_tier].id].spilled_from++;
        c->stats->tiers[c->snap->tiers[choice->tier].id].spilled_into++;
        pn_count(c, PN_C_STEER_SPILLED, 1);
    }
}

/* false: no tier has a gateway for it; counted with its service. */
static bool choose(struct pn_ctx *c, const struct pn_pkt *k, struct pn_steer_choice *choice)
{
    uint16_t service = (uint16_t)k->port_svc;
    struct pn_steer_load load = {.own_now = c->load};
    bool published = c->load_pub != NULL;

    if (published) {
        load.active = c->load_pub->active;
        load.own_then = c->load_pub->share[c->id];
    }
    pn_steer(c->snap, service, k->client, (uint16_t)(k->port_svc >> 16), published ? &load : NULL, choice);
    if (likely(choice->verdict == PN_STEER_OK))
        return true;
    c->stats->services[service].no_gateway++;
    return false;
}

static void to_gateway(struct pn_pkt *k, uint16_t gateway, const struct pn_flow *f)
{
    k->gateway = gateway;
    k->tx_counter = PN_C_TX_FORWARD;
    if (f != NULL) {
        k->flow_state = f->state;
        k->flow_flags = f->flags;
    }
}

/* The first packet of a flow. */
static enum pn_edge enter(struct pn_ctx *c, struct pn_pkt *k)
{
    bool syn = (k->tcp_flags & (PN_TCP_SYN | PN_TCP_ACK)) == PN_TCP_SYN;
    struct pn_steer_choice choice;
    struct pn_flow *f;

    if (k->tcp_flags & PN_TCP_RST) {
        k->counter = PN_C_STEER_NOT_SYN;
        return PN_EDGE_DROP;
    }
    if (!pn_lease_valid(c, k->vip)) {
        k->counter = PN_C_STEER_NO_LEASE;
        return PN_EDGE_DROP;
    }
    if (!choose(c, k, &choice)) {
        k->counter = PN_C_STEER_NO_GATEWAY;
        return PN_EDGE_DROP;
    }
    k->trace |= PN_TRACE_STEERED;
    if (likely(syn))
        f = pn_flow_insert(c->flows, k->client, k->port_svc, k->hash, PN_FLOW_HALF_OPEN, c->now);
    else if (k->tcp_flags & PN_TCP_SYN)
        f = NULL; /* SYN+ACK to a service: no client begins like that, so it is worth no entry */
    else
        f = pn_flow_pick_up(c->flows, k->client, k->port_svc, k->hash, c->now);

    if (unlikely(f == NULL)) {
        /* Without an entry only the choice that needs no state meets the same gateway again. */
        pn_count(c, PN_C_FLOW_STATELESS, 1);
        to_gateway(k, choice.default_gateway, NULL);
        return PN_EDGE_REWRITE;
    }
    if (likely(syn)) {
        f->gateway = choice.gateway;
        f->flags = choice.spilled ? PN_FLOW_F_SPILLED : 0;
        count_tiers(c, &choice);
    } else {
        /* Taken up in the middle: whoever had it before went by the default, and so does every node. */
        f->gateway = choice.default_gateway;
        f->flags |= PN_FLOW_F_PICKED_UP;
        c->stats->tiers[c->snap->tiers[choice.first_tier].id].flows_new++;
        pn_count(c, PN_C_FLOW_PICKED_UP, 1);
    }
    pn_account_enter(c, f);
    if (unlikely(!syn && (k->tcp_flags & PN_TCP_FIN))) {
        uint8_t before = f->state;
        uint32_t handshake_us = 0;
        enum pn_flow_event event = pn_flow_segment(c->flows, f, k->tcp_flags, c->now, &handshake_us);
        pn_account_segment(c, f, event, before, handshake_us);
    }
    to_gateway(k, f->gateway, f);
    return PN_EDGE_REWRITE;
}

/*
 * The entry stands: an earlier packet of this burst made it, or (retry) it is half-open and its gateway will not answer.
 */
static __rte_noinline enum pn_edge known(struct pn_ctx *c, struct pn_pkt *k, struct pn_flow *f, bool retry)
{
    struct pn_steer_choice choice;

    if (retry && !c->snap->gateways[f->gateway].alive) {
        if (!pn_lease_valid(c, k->vip)) {
            k->counter = PN_C_STEER_NO_LEASE;
            return PN_EDGE_DROP;
        }
        if (!choose(c, k, &choice)) {
            k->counter = PN_C_STEER_NO_GATEWAY;
            return PN_EDGE_DROP;
        }
        k->trace |= PN_TRACE_STEERED;
        pn_account_move(c, f, choice.gateway);
        f->gateway = choice.gateway;
        f->flags = choice.spilled ? PN_FLOW_F_SPILLED : 0;
        count_tiers(c, &choice);
    } else if (!retry) {
        uint8_t before = f->state;
        uint32_t handshake_us = 0;
        enum pn_flow_event event = pn_flow_segment(c->flows, f, k->tcp_flags, c->now, &handshake_us);

        pn_account_segment(c, f, event, before, handshake_us);
        k->trace |= PN_TRACE_FLOW_HIT;
    }
    to_gateway(k, f->gateway, f);
    return PN_EDGE_REWRITE;
}

void pn_stage_steer(struct pn_ctx *c, struct pn_batch *b)
{
    uint64_t set = b->at[PN_EDGE_STEER];
    unsigned i;

    PN_BATCH_EACH(i, set)
    {
        struct pn_pkt *k = &b->pkt[i];
        struct pn_flow *f = pn_flow_lookup(c->flows, k->client, k->port_svc, k->hash, c->now);

        pn_batch_move(b, i, PN_EDGE_STEER,
                      likely(f == NULL) ? enter(c, k) : known(c, k, f, k->trace & PN_TRACE_FLOW_HIT));
    }
}
