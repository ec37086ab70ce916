/* SPDX-License-Identifier: BSD-3-Clause */
/* ICMP and ICMPv6 to a VIP: echo is answered, errors go to the gateway of the flow they quote. */
#include "dataplane/core/icmp.h"

#include "dataplane/core/classify.h"
#include "dataplane/stages/handoff.h"
#include "dataplane/stages/learn.h"
#include "dataplane/stages/lease.h"
#include "dataplane/stages/quoted.h"
#include "dataplane/stages/stages.h"

static void echo(struct pn_ctx *c, struct pn_batch *b, unsigned i)
{
    struct pn_pkt *k = &b->pkt[i];

    if (!(c->snap->vips[k->vip].flags & PN_SNAP_VIP_ECHO)) {
        pn_batch_drop(b, i, PN_EDGE_ICMP, PN_C_ICMP_IGNORED);
    } else if (!pn_lease_steer(c, k->vip)) {
        pn_batch_drop(b, i, PN_EDGE_ICMP, PN_C_ICMP_NO_LEASE);
    } else {
        pn_icmp_reply(pn_batch_frame(b, i), k, pn_vip_mac(c, k));
        k->tx_counter = PN_C_ICMP_ECHOED;
        pn_batch_answer(b, i, PN_EDGE_ICMP, k->in_port);
    }
}

static void error(struct pn_ctx *c, struct pn_batch *b, unsigned i, const struct pn_icmp_quote *quote)
{
    struct pn_pkt *k = &b->pkt[i];
    uint16_t service = pn_classify_service(c->snap, k->vip, quote->ip_proto, quote->service_port);
    uint16_t why = PN_C_ICMP_NO_FLOW;

    if (service == PN_ID_NONE) {
        pn_batch_drop(b, i, PN_EDGE_ICMP, PN_C_ICMP_NO_FLOW);
        return;
    }
    k->client[0] = quote->client.q[0];
    k->client[1] = quote->client.q[1];
    k->port_svc = (uint32_t)quote->client_port << 16 | service;
    struct pn_flow *f = pn_quoted_flow(c, k);
    if (f != NULL) {
        k->trace |= PN_TRACE_FLOW_HIT;
        k->flow_state = f->state;
        k->flow_flags = f->flags;
        k->gateway = f->gateway;
    } else {
        if (pn_handoff_next(c, b, i, PN_EDGE_ICMP))
            return;
        k->gateway = pn_quoted_default(c, k, PN_C_ICMP_NO_LEASE, &why);
    }
    if (k->gateway == PN_ID_NONE) {
        pn_batch_drop(b, i, PN_EDGE_ICMP, (enum pn_counter)why);
        return;
    }
    if (!pn_lease_serves(c, k->vip, k->gateway)) {
        pn_batch_drop(b, i, PN_EDGE_ICMP, PN_C_ICMP_NO_LEASE);
        return;
    }
    k->tx_counter = PN_C_TX_ICMP_ERROR;
    pn_batch_move(b, i, PN_EDGE_ICMP, PN_EDGE_REWRITE);
}

void pn_stage_icmp(struct pn_ctx *c, struct pn_batch *b)
{
    uint64_t set = b->at[PN_EDGE_ICMP];
    unsigned i;

    PN_BATCH_EACH(i, set) {
        struct pn_icmp_quote quote;

        switch (pn_icmp_parse(pn_batch_frame(b, i), b->m[i]->data_len, &b->pkt[i], &quote)) {
        case PN_ICMP_ECHO:
            echo(c, b, i);
            break;
        case PN_ICMP_ERROR:
            error(c, b, i, &quote);
            break;
        case PN_ICMP_NO_FLOW:
            pn_batch_drop(b, i, PN_EDGE_ICMP, PN_C_ICMP_NO_FLOW);
            break;
        case PN_ICMP_OTHER:
            pn_batch_drop(b, i, PN_EDGE_ICMP, PN_C_ICMP_IGNORED);
            break;
        case PN_ICMP_MALFORMED:
            pn_batch_drop(b, i, PN_EDGE_ICMP, PN_C_ICMP_MALFORMED);
            break;
        }
    }
}
