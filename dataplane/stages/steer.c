/* SPDX-License-Identifier: BSD-3-Clause */
/* Unknown flows, and known ones that need another gateway: the steering's choice is entered in the flow table. */
#include "dataplane/core/rewrite.h"
#include "dataplane/stages/account.h"
#include "dataplane/stages/lease.h"
#include "dataplane/stages/stages.h"
#include "dataplane/stages/sync.h"

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

static bool is_at(const struct pn_ctx *c, uint16_t gateway, uint64_t mac_u48)
{
    uint64_t known = pn_neigh_read(&c->shared->neigh, gateway);

    return (known & PN_NEIGH_VALID) && PN_NEIGH_MAC(known) == mac_u48;
}

/* Does the frame come from the gateway with this id, or (PN_ID_NONE) from any? */
static bool from_gateway(const struct pn_ctx *c, const uint8_t *frame, uint16_t gateway)
{
    struct pn_mac mac;

    memcpy(mac.b, frame + 6, sizeof(mac.b));
    uint64_t source = pn_mac_u48(&mac);
    if (gateway != PN_ID_NONE)
        return is_at(c, gateway, source);
    for (uint16_t g = 0; g < PN_MAX_GATEWAYS; g++) {
        if (is_at(c, g, source))
            return true;
    }
    return false;
}

/*
 * A new flow that ends here, at the node's own gateway: this node may not steer, so the owner has handed the flow over; or
 * the packet would go back to where it came from. Two nodes that are each other's secondary can't pass it to and fro.
 */
static bool handed_over(const struct pn_ctx *c, const struct pn_pkt *k, const uint8_t *frame, uint16_t choice)
{
    if (likely(c->snap->services[(uint16_t)k->port_svc].local_gateway == PN_ID_NONE))
        return false;
    if (pn_lease_valid(c, k->vip))
        return choice != PN_ID_NONE && from_gateway(c, frame, choice);
    return !pn_lease_released(c, k->vip) || from_gateway(c, frame, PN_ID_NONE);
}

/* The first packet of a flow. */
static enum pn_edge enter(struct pn_ctx *c, struct pn_pkt *k, const uint8_t *frame)
{
    bool syn = (k->tcp_flags & (PN_TCP_SYN | PN_TCP_ACK)) == PN_TCP_SYN;
    struct pn_steer_choice choice;
    struct pn_flow *f;

    if (k->tcp_flags & PN_TCP_RST) {
        k->counter = PN_C_STEER_NOT_SYN;
        return PN_EDGE_DROP;
    }
    bool steer = pn_lease_steer(c, k->vip);
    choice.gateway = PN_ID_NONE;
    if (likely(steer) && !choose(c, k, &choice)) {
        k->counter = PN_C_STEER_NO_GATEWAY;
        return PN_EDGE_DROP;
    }
    bool handed = handed_over(c, k, frame, choice.gateway);
    if (unlikely(!steer && !handed)) {
        k->counter = PN_C_STEER_NO_LEASE;
        return PN_EDGE_DROP;
    }
    if (unlikely(handed))
        choice.gateway = choice.default_gateway = c->snap->services[(uint16_t)k->port_svc].local_gateway;
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
    if (unlikely(handed)) {
        f->gateway = choice.gateway;
        f->flags |= PN_FLOW_F_SPILLED;
        pn_count(c, PN_C_STEER_HANDED_OVER, 1);
    } else if (likely(syn)) {
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
    if (unlikely(syn && f->gateway != choice.default_gateway))
        pn_sync_note_half_open(c, k->vip, f);
    if (unlikely(!syn && (k->tcp_flags & PN_TCP_FIN))) {
        struct pn_account_before before = pn_account_before(f);
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

    bool moves = retry && !c->snap->gateways[f->gateway].alive, steer = pn_lease_steer(c, k->vip);
    if (moves && !steer && pn_lease_serves(c, k->vip, f->gateway)) {
        /* Handed over: the owner knows what it does, and tries another when its own checks say so. */
    } else if (moves) {
        if (!steer) {
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
        pn_sync_note_half_open(c, k->vip, f);
    } else if (!retry) {
        struct pn_account_before before = pn_account_before(f);
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

    PN_BATCH_EACH(i, set) {
        struct pn_pkt *k = &b->pkt[i];
        struct pn_flow *f = pn_flow_lookup(c->flows, k->client, k->port_svc, k->hash, c->now);

        pn_batch_move(b, i, PN_EDGE_STEER,
                      likely(f == NULL) ? enter(c, k, pn_batch_frame(b, i))
                                        : known(c, k, f, k->trace & PN_TRACE_FLOW_HIT));
    }
}
