/* SPDX-License-Identifier: BSD-3-Clause */
/* The end of every packet of a batch: sent and counted, or counted and freed. */
#include <rte_ethdev.h>

#include "dataplane/stages/stages.h"

#define PN_TX_TRIES 4 /* a full queue is mostly one that the driver has not reaped yet */

/* The packets of a batch that leave through one port, in their order. */
struct leaving {
    unsigned n;
    uint8_t index[PN_BATCH_MAX]; /* in the batch */
    struct rte_mbuf *m[PN_BATCH_MAX];
};

/*
 * Counters of packets that the port took. Gateways alternate at random, so each is added by itself; what they are
 * counted as hardly ever changes within a burst, so that is added once a run.
 */
static inline void count_sent(struct pn_ctx *c, struct pn_batch *b, uint8_t port, const uint8_t *index, unsigned n)
{
    struct pn_stats_worker *s = c->stats;
    uint64_t bytes = 0, run = 0;
    uint8_t counter = 0;

    for (unsigned j = 0; j < n; j++) {
        const struct pn_pkt *k = &b->pkt[index != NULL ? index[j] : j];
        struct pn_stats_gateway *g;

        if (unlikely(k->tx_counter != counter)) {
            s->counters[counter] += run;
            run = 0;
            counter = k->tx_counter;
        }
        run++;
        bytes += k->frame_bytes;
        if (likely(k->gateway != PN_ID_NONE)) {
            g = &s->gateways[k->gateway];
            g->tx_packets++;
            g->tx_bytes += k->frame_bytes;
        }
    }
    s->counters[counter] += run;
    s->ports[port].tx_packets += n;
    s->ports[port].tx_bytes += bytes;
}

/* The same where all n went the straight way: to gateways, as forwarded. */
static inline void count_straight(struct pn_ctx *c, struct pn_batch *b, uint8_t port, unsigned n)
{
    struct pn_stats_worker *s = c->stats;

    for (unsigned i = 0; i < n; i++) {
        const struct pn_pkt *k = &b->pkt[i];
        struct pn_stats_gateway *g = &s->gateways[k->gateway];

        g->tx_packets++;
        g->tx_bytes += k->frame_bytes;
    }
    s->counters[PN_C_TX_FORWARD] += n;
    s->ports[port].tx_packets += n;
    s->ports[port].tx_bytes += b->rx_bytes;
}

static __rte_noinline void refused(struct pn_ctx *c, struct pn_batch *b, struct rte_mbuf **m, const uint8_t *index,
                                   unsigned from, unsigned n)
{
    for (unsigned j = from; j < n; j++) {
        unsigned i = index != NULL ? index[j] : j;
        struct pn_pkt *k = &b->pkt[i];

        /* Our own announcements and requests were never received, so they are no drop of a received packet. */
        k->counter = pn_counter_info[k->tx_counter].kind == 'E' ? PN_C_GEN_DROPPED : PN_C_TX_QUEUE_FULL;
        pn_count(c, k->counter, 1);
        b->refused |= 1ull << i;
    }
    rte_pktmbuf_free_bulk(m + from, n - from);
}

/* This worker has no queue on the port: the one that has sends for it. */
static __rte_noinline unsigned send_via(struct pn_ctx *c, struct pn_batch *b, uint8_t port, struct rte_mbuf **m,
                                        const uint8_t *index, unsigned n)
{
    struct rte_ring *ring = c->shared->handoff[c->shared->ports[port].tx_via];

    for (unsigned j = 0; j < n; j++) {
        unsigned i = index != NULL ? index[j] : j;
        const struct pn_pkt *k = &b->pkt[i];
        bool answer = b->answers >> i & 1;

        *pn_mbuf_meta(m[j]) = (struct pn_mbuf_meta){
            .kind = answer ? PN_META_ANSWER : PN_META_TX,
            .port = port,
            .tx_counter = k->tx_counter,
            .gateway = answer ? k->vip : k->gateway,
            .origin = c->id,
        };
    }
    unsigned sent = ring == NULL ? 0 : rte_ring_enqueue_burst(ring, (void **)m, n, NULL);
    pn_count(c, PN_C_HANDOFF_SENT, sent);
    c->stats->held += sent;
    return sent;
}

/* index: where the mbufs stand in the batch; NULL: at the same places. */
static inline void send_port(struct pn_ctx *c, struct pn_batch *b, uint8_t port, struct rte_mbuf **m,
                             const uint8_t *index, unsigned n)
{
    const struct pn_port_rt *p = &c->shared->ports[port];
    uint16_t queue = p->txq[c->id];
    unsigned sent = 0;

    if (likely(p->used && queue != PN_TXQ_NONE)) {
        for (unsigned try = 0; sent < n && try < PN_TX_TRIES; try++)
            sent += rte_eth_tx_burst(p->port_id, queue, m + sent, (uint16_t)(n - sent));
        if (likely(b->straight && sent == b->n))
            count_straight(c, b, port, sent);
        else
            count_sent(c, b, port, index, sent);
    } else if (p->used) {
        sent = send_via(c, b, port, m, index, n);
    }
    if (unlikely(sent < n))
        refused(c, b, m, index, sent, n);
}

static __rte_noinline void send_some(struct pn_ctx *c, struct pn_batch *b, uint8_t port)
{
    struct leaving l = {.n = 0};
    unsigned i;

    PN_BATCH_EACH(i, b->out[port]) {
        l.index[l.n] = (uint8_t)i;
        l.m[l.n++] = b->m[i];
    }
    send_port(c, b, port, l.m, l.index, l.n);
}

static __rte_noinline void drop(struct pn_ctx *c, struct pn_batch *b)
{
    struct rte_mbuf *m[PN_BATCH_MAX];
    unsigned i, n = 0;

    PN_BATCH_EACH(i, b->at[PN_EDGE_DROP]) {
        pn_count(c, b->pkt[i].counter, 1);
        m[n++] = b->m[i];
    }
    rte_pktmbuf_free_bulk(m, n);
}

void pn_stage_tx(struct pn_ctx *c, struct pn_batch *b)
{
    uint64_t all = pn_batch_all(b->n);

    for (uint8_t port = 0; port < PN_MAX_PORTS; port++) {
        if (likely(b->out[port] == all)) {
            send_port(c, b, port, b->m, NULL, b->n);
            return;
        }
        if (b->out[port] != 0)
            send_some(c, b, port);
    }
    if (b->at[PN_EDGE_DROP] != 0)
        drop(c, b);
}
