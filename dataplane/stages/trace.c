/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/stages/trace.h"

#include <time.h>

#include <rte_ring_elem.h>

#include "common/addr.h"
#include "dataplane/core/arp.h"
#include "dataplane/core/parse.h"

void pn_trace_arm(struct pn_ctx *c, const struct pn_dp_trace_query *query)
{
    struct pn_trace *t = &c->trace;

    t->prefix_len = query->prefix_len > 128 ? 128 : query->prefix_len;
    t->net = pn_addr_masked(&query->client, t->prefix_len);
    t->left = query->packets;
    t->set = 0;
}

/* Own parse into the record: the packet's fields in the batch belong to the stages. */
static void describe(const struct pn_ctx *c, const struct pn_batch *b, unsigned i, struct pn_dp_trace_record *r)
{
    const struct rte_mbuf *m = b->m[i];
    const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
    struct pn_pkt k;
    struct pn_arp arp;
    enum pn_edge edge = pn_parse(frame, m->data_len, m->pkt_len, 0, &k);

    memset(r, 0, sizeof(*r));
    r->worker = c->id;
    r->port = b->in_port[i];
    r->frame_bytes = k.frame_bytes;
    r->vlan = k.vlan;
    r->ip_proto = k.ip_proto;
    r->tcp_flags = k.tcp_flags;
    if (m->data_len >= PN_ETHER_BYTES)
        r->ether_type = pn_get16(frame + (m->data_len >= 18 && pn_get16(frame + 12) == PN_ETHERTYPE_VLAN ? 16 : 12));
    if (edge == PN_EDGE_ARP && pn_arp_parse(frame, m->data_len, &k, &arp)) {
        r->src = pn_addr_from_v4(arp.sender_be);
        r->dst = pn_addr_from_v4(arp.target_be);
    } else if (edge == PN_EDGE_FLOW || edge == PN_EDGE_ICMP || edge == PN_EDGE_NDP || edge == PN_EDGE_FRAGMENT) {
        r->src.q[0] = k.client[0];
        r->src.q[1] = k.client[1];
        r->dst = pn_pkt_dst(frame, &k);
        r->src_port = pn_pkt_client_port(&k);
        r->dst_port = k.l4_dst;
    }
}

void pn_trace_begin(struct pn_ctx *c, const struct pn_batch *b)
{
    struct pn_trace *t = &c->trace;

    t->set = 0;
    for (unsigned i = 0; i < b->n && t->left > 0; i++) {
        struct pn_dp_trace_record *r = &t->record[i];

        describe(c, b, i, r);
        const struct pn_addr net = pn_addr_masked(&r->src, t->prefix_len);
        if (pn_addr_equal(&net, &t->net)) {
            t->set |= 1ull << i;
            t->left--;
        }
    }
}

void pn_trace_end(struct pn_ctx *c, const struct pn_batch *b)
{
    struct pn_trace *t = &c->trace;
    struct timespec now;
    uint64_t out = 0;
    unsigned i;

    for (unsigned p = 0; p < PN_MAX_PORTS; p++)
        out |= b->out[p] & ~b->refused;

    clock_gettime(CLOCK_BOOTTIME, &now); /* read in user space, no system call */
    PN_BATCH_EACH(i, t->set) {
        const struct pn_pkt *k = &b->pkt[i];
        struct pn_dp_trace_record *r = &t->record[i];

        r->boottime_ns = (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
        r->counter = out >> i & 1 ? k->tx_counter : k->counter;
        r->service = k->hash != 0 ? (uint16_t)k->port_svc : PN_ID_NONE; /* hashed once the service is known */
        r->gateway = k->gateway;
        r->flow_hit = (k->trace & PN_TRACE_FLOW_HIT) != 0;
        r->steered = (k->trace & PN_TRACE_STEERED) != 0;
        r->flow_state = k->flow_state;
        r->flow_flags = k->flow_flags;
        (void)rte_ring_sp_enqueue_elem(c->traced, r, sizeof(*r));
    }
    t->set = 0;
}
