/* SPDX-License-Identifier: BSD-3-Clause */
/* Which VIP and service a packet is for; what is for no VIP is the host's. */
#include "dataplane/core/classify.h"

#include "dataplane/core/parse.h"
#include "dataplane/core/rewrite.h"
#include "dataplane/stages/stages.h"

/*
 * A run of packets of one burst to the same service: looked up once, counted once. kind holds the fields of pn_pkt that
 * say what it is (protocol, family, port, VLAN, destination port); dst the destination address.
 */
struct run {
    uint64_t kind;
    struct pn_addr dst;
    uint64_t mac[2]; /* that frames to it may be addressed to: the port's and the VIP's, u48 << 16 */
    uint64_t packets, bytes;
    uint16_t vip, service;
};

#define PN_KIND_OFFSET offsetof(struct pn_pkt, ip_proto)
_Static_assert(offsetof(struct pn_pkt, l4_dst) == offsetof(struct pn_pkt, ip_proto) + 6 &&
                   offsetof(struct pn_pkt, out_port) == offsetof(struct pn_pkt, ip_proto) + 3 &&
                   offsetof(struct pn_pkt, vlan) == offsetof(struct pn_pkt, ip_proto) + 4,
               "ip_proto, is_v6, in_port, out_port, vlan, l4_dst in one word");

static inline bool run_fits(const struct run *r, const uint8_t *frame, const struct pn_pkt *k)
{
    uint64_t kind = pn_load64((const uint8_t *)k + PN_KIND_OFFSET), mac = pn_load64(frame) << 16;
    const uint8_t *ip = frame + k->l3_off;
    bool dst;

    if (kind != r->kind || k->counter != PN_COUNTER_NONE)
        return false;
    if (k->is_v6)
        dst = ((pn_load64(ip + 24) ^ r->dst.q[0]) | (pn_load64(ip + 32) ^ r->dst.q[1])) == 0;
    else
        dst = pn_load32(ip + 16) == pn_load32(&r->dst.b[12]);
    return dst && (mac == r->mac[0] || mac == r->mac[1]);
}

static void run_end(struct pn_ctx *c, const struct run *r)
{
    if (r->packets == 0)
        return;
    c->stats->vips[r->vip].rx_packets += r->packets;
    c->stats->vips[r->vip].rx_bytes += r->bytes;
    c->stats->services[r->service].rx_packets += r->packets;
    c->stats->services[r->service].rx_bytes += r->bytes;
}

/* VIP and its counters, unless the packet is counted with a run. false: the packet has left the edge. */
static bool find_vip(struct pn_ctx *c, struct pn_batch *b, unsigned i, enum pn_edge edge, struct run *r)
{
    struct pn_pkt *k = &b->pkt[i];
    const uint8_t *frame = pn_batch_frame(b, i);

    r->dst = pn_pkt_dst(frame, k);
    k->vip = pn_classify_vip(c->snap, &r->dst, k->vlan, k->in_port);
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
    r->mac[0] = pn_mac_u48(&c->shared->ports[k->in_port].mac) << 16;
    r->mac[1] = pn_mac_u48(&c->snap->vips[k->vip].mac) << 16;
    uint64_t mac = pn_load64(frame) << 16;
    if (mac != r->mac[0] && mac != r->mac[1]) {
        pn_batch_drop(b, i, edge, PN_C_CLASSIFY_OTHER_MAC);
        return false;
    }
    return true;
}

/* Begins another run with this packet, itself counted here. false: it has left the edge, and the run is empty. */
static __rte_noinline bool run_begin(struct pn_ctx *c, struct pn_batch *b, unsigned i, struct run *r)
{
    struct pn_pkt *k = &b->pkt[i];

    run_end(c, r);
    *r = (struct run){.kind = 0};
    if (!find_vip(c, b, i, PN_EDGE_FLOW, r))
        return false;
    uint16_t service = pn_classify_service(c->snap, k->vip, k->ip_proto, k->l4_dst);
    if (service == PN_ID_NONE) {
        pn_batch_drop(b, i, PN_EDGE_FLOW, PN_C_CLASSIFY_NO_SERVICE);
        return false;
    }
    c->stats->services[service].rx_packets++;
    c->stats->services[service].rx_bytes += k->frame_bytes;
    r->kind = pn_load64((const uint8_t *)k + PN_KIND_OFFSET);
    r->vip = k->vip;
    r->service = service;
    return true;
}

static __rte_noinline void no_snapshot(struct pn_batch *b)
{
    static const enum pn_edge edges[] = {PN_EDGE_FLOW, PN_EDGE_ICMP, PN_EDGE_FRAGMENT};
    unsigned i;

    for (unsigned e = 0; e < RTE_DIM(edges); e++) {
        uint64_t set = b->at[edges[e]];

        PN_BATCH_EACH(i, set)
        {
            b->pkt[i].counter = PN_C_CLASSIFY_NO_SNAPSHOT;
            pn_batch_move(b, i, edges[e], PN_EDGE_HOST);
        }
    }
}

static __rte_noinline void not_flows(struct pn_ctx *c, struct pn_batch *b)
{
    static const enum pn_edge edges[] = {PN_EDGE_ICMP, PN_EDGE_FRAGMENT};
    struct run unused;
    unsigned i;

    for (unsigned e = 0; e < RTE_DIM(edges); e++) {
        uint64_t set = b->at[edges[e]];

        PN_BATCH_EACH(i, set)
        (void)find_vip(c, b, i, edges[e], &unused);
    }
}

void pn_stage_classify(struct pn_ctx *c, struct pn_batch *b)
{
    uint64_t set = b->at[PN_EDGE_FLOW];
    struct pn_flow_key *key = b->key;
    struct run r = {.kind = 0}; /* fits no packet: no protocol is 0 on a service */
    unsigned i;

    if (unlikely(c->snap == NULL)) {
        no_snapshot(b);
        return;
    }
    PN_BATCH_EACH(i, set)
    {
        struct pn_pkt *k = &b->pkt[i];

        if (likely(run_fits(&r, pn_batch_frame(b, i), k))) {
            k->vip = r.vip;
            r.packets++;
            r.bytes += k->frame_bytes;
        } else if (unlikely(!run_begin(c, b, i, &r))) {
            continue;
        }
        k->port_svc |= r.service;
        key->client[0] = k->client[0];
        key->client[1] = k->client[1];
        key->port_svc = k->port_svc;
        key->hash = k->hash = pn_flow_hash(c->flows, k->client, k->port_svc);
        pn_flow_prefetch(c->flows, k->hash);
        key++;
    }
    run_end(c, &r);
    if (unlikely((b->at[PN_EDGE_ICMP] | b->at[PN_EDGE_FRAGMENT]) != 0))
        not_flows(c, b);
}
