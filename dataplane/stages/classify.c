/* SPDX-License-Identifier: BSD-3-Clause */
/* Which VIP and service a packet is for; what is for no VIP is the host's. */
#include "dataplane/core/classify.h"

#include "dataplane/core/parse.h"
#include "dataplane/core/rewrite.h"
#include "dataplane/stages/stages.h"
#include "dataplane/stages/straight.h"

/* Is the frame addressed to us, by the port's own address or the VIP's virtual one? */
static bool mac_ours(const struct pn_ctx *c, const uint8_t *frame, const struct pn_pkt *k)
{
    uint64_t dst = pn_load64(frame) << 16;

    /* A VIP without a virtual address has zero there, which is nobody's. */
    return dst == pn_mac_u48(&c->shared->ports[k->in_port].mac) << 16 ||
           (dst != 0 && dst == pn_mac_u48(&c->snap->vips[k->vip].mac) << 16);
}

/* VIP and its counters. false: the packet has left the edge. */
static bool find_vip(struct pn_ctx *c, struct pn_batch *b, unsigned i, enum pn_edge edge)
{
    struct pn_pkt *k = &b->pkt[i];
    const uint8_t *frame = pn_batch_frame(b, i);
    struct pn_addr dst = pn_pkt_dst(frame, k);

    k->vip = pn_classify_vip(c->snap, &dst, k->vlan, k->in_port);
    if (k->vip == PN_ID_NONE) {
        k->counter = PN_C_CLASSIFY_NOT_OURS;
        pn_batch_move(b, i, edge, PN_EDGE_HOST);
        return false;
    }
    if (!b->reentered) {
        c->stats->vips[k->vip].rx_packets++;
        c->stats->vips[k->vip].rx_bytes += k->frame_bytes;
    }
    if (k->counter != PN_COUNTER_NONE) {
        pn_batch_drop(b, i, edge, (enum pn_counter)k->counter);
        return false;
    }
    if (!mac_ours(c, frame, k)) {
        pn_batch_drop(b, i, edge, PN_C_CLASSIFY_OTHER_MAC);
        return false;
    }
    return true;
}

static void find_service(struct pn_ctx *c, struct pn_batch *b, unsigned i)
{
    struct pn_pkt *k = &b->pkt[i];
    struct pn_flow_key *key = &b->look[i].key;
    uint16_t service = pn_classify_service(c->snap, k->vip, k->ip_proto, k->l4_dst);

    if (service == PN_ID_NONE) {
        pn_batch_drop(b, i, PN_EDGE_FLOW, PN_C_CLASSIFY_NO_SERVICE);
        return;
    }
    c->stats->services[service].rx_packets++;
    c->stats->services[service].rx_bytes += k->frame_bytes;
    k->port_svc |= service;
    key->client[0] = k->client[0];
    key->client[1] = k->client[1];
    key->port_svc = k->port_svc;
    key->hash = k->hash = pn_flow_hash(c->flows, k->client, k->port_svc);
    pn_flow_prefetch(c->flows, k->hash);
    pn_straight_learn(c, b, i);
}

static void no_snapshot(struct pn_batch *b, enum pn_edge edge, uint64_t set)
{
    unsigned i;

    PN_BATCH_EACH(i, set) {
        b->pkt[i].counter = PN_C_CLASSIFY_NO_SNAPSHOT;
        pn_batch_move(b, i, edge, PN_EDGE_HOST);
    }
}

void pn_stage_classify(struct pn_ctx *c, struct pn_batch *b, uint64_t straight)
{
    static const enum pn_edge edges[] = {PN_EDGE_FLOW, PN_EDGE_ICMP, PN_EDGE_FRAGMENT};
    unsigned i;

    for (unsigned e = 0; e < RTE_DIM(edges); e++) {
        uint64_t set = b->at[edges[e]] & ~straight;

        if (unlikely(c->snap == NULL)) {
            no_snapshot(b, edges[e], set);
            continue;
        }
        PN_BATCH_EACH(i, set) {
            if (find_vip(c, b, i, edges[e]) && edges[e] == PN_EDGE_FLOW)
                find_service(c, b, i);
        }
    }
}
