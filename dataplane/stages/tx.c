/* SPDX-License-Identifier: BSD-3-Clause */
/* The end of every packet of a batch: sent and counted, or counted and freed. */
#include <rte_ethdev.h>

#include "dataplane/stages/stages.h"

#define PN_TX_TRIES 4 /* a full queue is mostly one that the driver has not reaped yet */

/* Counters of packets that the port took. Runs of equal packets are added at once: a burst is mostly one run. */
static void count_sent(struct pn_ctx *c, struct pn_batch *b, uint8_t port, const uint8_t *index, unsigned n)
{
    struct pn_stats_worker *s = c->stats;
    uint64_t port_bytes = 0, run_bytes = 0, run = 0;
    uint16_t gateway = PN_ID_NONE, counter = 0;

    for (unsigned j = 0; j < n; j++) {
        struct pn_pkt *k = &b->pkt[index[j]];

        if (unlikely(k->gateway != gateway || k->tx_counter != counter)) {
            s->counters[counter] += run;
            if (gateway != PN_ID_NONE) {
                s->gateways[gateway].tx_packets += run;
                s->gateways[gateway].tx_bytes += run_bytes;
            }
            port_bytes += run_bytes;
            run = run_bytes = 0;
            gateway = k->gateway;
            counter = k->tx_counter;
        }
        k->counter = counter;
        run++;
        run_bytes += k->frame_bytes;
    }
    s->counters[counter] += run;
    if (gateway != PN_ID_NONE) {
        s->gateways[gateway].tx_packets += run;
        s->gateways[gateway].tx_bytes += run_bytes;
    }
    s->ports[port].tx_packets += n;
    s->ports[port].tx_bytes += port_bytes + run_bytes;
}

static void count_refused(struct pn_ctx *c, struct pn_batch *b, const uint8_t *index, unsigned n)
{
    for (unsigned j = 0; j < n; j++) {
        struct pn_pkt *k = &b->pkt[index[j]];

        /* Our own announcements and requests were never received, so they are no drop of a received packet. */
        k->counter = pn_counter_info[k->tx_counter].kind == 'E' ? PN_C_GEN_DROPPED : PN_C_TX_QUEUE_FULL;
        pn_count(c, k->counter, 1);
    }
}

/* This worker has no queue on the port: the one that has sends for it. */
static unsigned send_via(struct pn_ctx *c, struct pn_batch *b, uint8_t port, const uint8_t *index,
                         struct rte_mbuf **out, unsigned n)
{
    struct rte_ring *ring = c->shared->handoff[c->shared->ports[port].tx_via];

    for (unsigned j = 0; j < n; j++) {
        const struct pn_pkt *k = &b->pkt[index[j]];

        *pn_mbuf_meta(out[j]) = (struct pn_mbuf_meta){
            .kind = PN_META_TX,
            .port = port,
            .tx_counter = k->tx_counter,
            .gateway = k->gateway,
            .origin = c->id,
        };
    }
    unsigned sent = ring == NULL ? 0 : rte_ring_mp_enqueue_burst(ring, (void **)out, n, NULL);
    for (unsigned j = 0; j < sent; j++)
        b->pkt[index[j]].counter = PN_C_HANDOFF_SENT;
    pn_count(c, PN_C_HANDOFF_SENT, sent);
    c->stats->held += sent;
    return sent;
}

static void send_port(struct pn_ctx *c, struct pn_batch *b, uint8_t port, const uint8_t *index, struct rte_mbuf **out,
                      unsigned n)
{
    const struct pn_port_rt *p = &c->shared->ports[port];
    uint16_t queue = p->txq[c->id];
    unsigned sent = 0;

    if (unlikely(!p->used)) {
        /* falls through to the drop */
    } else if (likely(queue != PN_TXQ_NONE)) {
        for (unsigned try = 0; sent < n && try < PN_TX_TRIES; try++)
            sent += rte_eth_tx_burst(p->port_id, queue, out + sent, (uint16_t)(n - sent));
        count_sent(c, b, port, index, sent);
    } else {
        sent = send_via(c, b, port, index, out, n);
    }
    if (unlikely(sent < n)) {
        count_refused(c, b, index + sent, n - sent);
        rte_pktmbuf_free_bulk(out + sent, n - sent);
    }
}

void pn_stage_tx(struct pn_ctx *c, struct pn_batch *b)
{
    static const uint8_t straight[PN_BATCH_MAX] = {
        0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
        22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43,
        44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63,
    };
    struct rte_mbuf *out[PN_BATCH_MAX];
    uint8_t index[PN_BATCH_MAX];
    uint64_t left = b->at[PN_EDGE_TX];
    unsigned i, n;

    while (left != 0) {
        uint8_t port = b->pkt[__builtin_ctzll(left)].out_port;
        uint64_t here = 0;

        PN_BATCH_EACH(i, left)
        here |= (uint64_t)(b->pkt[i].out_port == port) << i;
        left &= ~here;
        if (likely(here == pn_batch_all(b->n))) {
            send_port(c, b, port, straight, b->m, b->n);
            break;
        }
        n = 0;
        PN_BATCH_EACH(i, here)
        {
            index[n] = (uint8_t)i;
            out[n++] = b->m[i];
        }
        send_port(c, b, port, index, out, n);
    }
    if (likely(b->at[PN_EDGE_DROP] == 0))
        return;
    n = 0;
    PN_BATCH_EACH(i, b->at[PN_EDGE_DROP])
    {
        pn_count(c, b->pkt[i].counter, 1);
        out[n++] = b->m[i];
    }
    rte_pktmbuf_free_bulk(out, n);
}
