/* SPDX-License-Identifier: BSD-3-Clause */
/* Fragments to a VIP: the first goes its flow's way, the others follow it. Nothing is reassembled. */
#include "dataplane/core/frag.h"

#include "dataplane/core/classify.h"
#include "dataplane/stages/account.h"
#include "dataplane/stages/filter.h"
#include "dataplane/stages/handoff.h"
#include "dataplane/stages/lease.h"
#include "dataplane/stages/quoted.h"
#include "dataplane/stages/stages.h"

static void to_gateway(struct pn_batch *b, unsigned i, uint16_t gateway)
{
    b->pkt[i].gateway = gateway;
    b->pkt[i].tx_counter = PN_C_TX_FRAGMENT;
    pn_batch_move(b, i, PN_EDGE_FRAGMENT, PN_EDGE_REWRITE);
}

/* Those that waited for their first fragment go out with the next side work; they are still held until then. */
static void release(struct pn_ctx *c, const struct pn_pkt *first, const uint64_t *handles, unsigned n)
{
    for (unsigned j = 0; j < n; j++) {
        struct rte_mbuf *m = (struct rte_mbuf *)(uintptr_t)handles[j];

        *pn_mbuf_meta(m) = (struct pn_mbuf_meta){
            .kind = PN_META_REWRITE,
            .port = first->in_port,
            .tx_counter = PN_C_TX_FRAGMENT,
            .gateway = first->gateway,
            .origin = c->id,
        };
        if (rte_ring_enqueue(c->shared->handoff[c->id], m) != 0) {
            c->stats->held--;
            pn_count(c, PN_C_HANDOFF_FULL, 1);
            rte_pktmbuf_free(m);
        }
    }
}

static void first_to(struct pn_ctx *c, struct pn_batch *b, unsigned i, const struct pn_frag_info *info,
                     uint16_t gateway)
{
    uint64_t released[PN_FRAG_HELD_PER_DATAGRAM];
    uint16_t why = PN_C_FRAG_MALFORMED;
    unsigned n = 0;

    if (pn_frag_first(c->frags, info, gateway, c->now.ms, released, &n, &why) != PN_FRAG_FORWARD) {
        pn_batch_drop(b, i, PN_EDGE_FRAGMENT, (enum pn_counter)why);
        return;
    }
    to_gateway(b, i, gateway);
    release(c, &b->pkt[i], released, n);
}

static void first_dropped(struct pn_ctx *c, struct pn_batch *b, unsigned i, const struct pn_frag_info *info,
                          enum pn_counter why)
{
    pn_frag_forget(c->frags, info);
    pn_batch_drop(b, i, PN_EDGE_FRAGMENT, why);
}

static void first(struct pn_ctx *c, struct pn_batch *b, unsigned i, const struct pn_frag_info *info)
{
    struct pn_pkt *k = &b->pkt[i];
    uint16_t origin = pn_handoff_origin(c, b, i), why = PN_C_STEER_NO_GATEWAY, gateway;
    uint16_t service = pn_classify_service(c->snap, k->vip, k->ip_proto, k->l4_dst);

    if (b->reentered && pn_mbuf_meta(b->m[i])->kind == PN_META_FRAG_CHOSEN) {
        first_to(c, b, i, info, pn_mbuf_meta(b->m[i])->gateway);
        return;
    }
    if (service == PN_ID_NONE) {
        first_dropped(c, b, i, info, PN_C_CLASSIFY_NO_SERVICE);
        return;
    }
    k->port_svc |= service;
    struct pn_flow *f = pn_quoted_flow(c, k);
    if (f != NULL && !pn_lease_serves(c, k->vip, f->gateway)) {
        first_dropped(c, b, i, info, PN_C_STEER_NO_LEASE);
        return;
    }
    if (f != NULL) {
        struct pn_account_before before = pn_account_before(f);
        uint32_t handshake_us = 0;
        enum pn_flow_event event = pn_flow_segment(c->flows, f, k->tcp_flags, c->now, &handshake_us);

        if (event == PN_FLOW_EV_TAKEN_OVER) {
            pn_account_taken_over(c, f);
            event = pn_flow_segment(c->flows, f, k->tcp_flags, c->now, &handshake_us);
        }
        pn_account_segment(c, f, event, before, handshake_us);
        k->trace |= PN_TRACE_FLOW_HIT;
        k->flow_state = f->state;
        k->flow_flags = f->flags;
        gateway = f->gateway;
    } else {
        if (pn_handoff_next(c, b, i, PN_EDGE_FRAGMENT))
            return;
        if (pn_filter_keeps_out(c, k)) {
            first_dropped(c, b, i, info, PN_C_FILTER_BLOCKED);
            return;
        }
        gateway = pn_quoted_default(c, k, PN_C_STEER_NO_LEASE, &why);
    }
    if (gateway == PN_ID_NONE) {
        first_dropped(c, b, i, info, (enum pn_counter)why);
        return;
    }
    if (origin == c->id) {
        first_to(c, b, i, info, gateway);
        return;
    }
    /* The others wait where this one landed: it goes back there with the answer. */
    const struct pn_mbuf_meta meta = {
        .kind = PN_META_FRAG_CHOSEN,
        .port = b->in_port[i],
        .gateway = gateway,
        .origin = origin,
    };
    pn_handoff(c, b, i, PN_EDGE_FRAGMENT, origin, &meta);
}

static void later(struct pn_ctx *c, struct pn_batch *b, unsigned i, const struct pn_frag_info *info)
{
    uint16_t gateway = PN_ID_NONE, why = PN_C_FRAG_NO_FIRST;

    switch (pn_frag_later(c->frags, info, (uint64_t)(uintptr_t)b->m[i], c->now.ms, &gateway, &why)) {
    case PN_FRAG_FORWARD:
        if (!pn_lease_serves(c, b->pkt[i].vip, gateway))
            pn_batch_drop(b, i, PN_EDGE_FRAGMENT, PN_C_STEER_NO_LEASE);
        else
            to_gateway(b, i, gateway);
        break;
    case PN_FRAG_HELD:
        c->stats->held++;
        pn_count(c, PN_C_FRAG_HELD, 1);
        b->pkt[i].counter = PN_C_FRAG_HELD;
        pn_batch_move(b, i, PN_EDGE_FRAGMENT, PN_EDGE_HELD);
        break;
    case PN_FRAG_DROP:
        pn_batch_drop(b, i, PN_EDGE_FRAGMENT, (enum pn_counter)why);
        break;
    }
}

void pn_stage_fragment(struct pn_ctx *c, struct pn_batch *b)
{
    uint64_t set = b->at[PN_EDGE_FRAGMENT];
    unsigned i;

    PN_BATCH_EACH(i, set) {
        struct pn_frag_info info;
        uint16_t why = pn_frag_inspect(pn_batch_frame(b, i), b->m[i]->data_len, &b->pkt[i], &info);

        if (why != PN_COUNTER_NONE)
            pn_batch_drop(b, i, PN_EDGE_FRAGMENT, (enum pn_counter)why);
        else if (info.first)
            first(c, b, i, &info);
        else
            later(c, b, i, &info);
    }
}

void pn_fragment_dropped(void *arg, uint64_t handle, enum pn_counter why)
{
    struct pn_ctx *c = arg;

    c->stats->held--;
    pn_count(c, why, 1);
    rte_pktmbuf_free((struct rte_mbuf *)(uintptr_t)handle);
}
