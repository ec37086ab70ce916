/* SPDX-License-Identifier: BSD-3-Clause */
/* How packets come into a batch: from a port, or from another lcore. */
#include <rte_prefetch.h>

#include "dataplane/core/parse.h"
#include "dataplane/stages/stages.h"

static void batch_clear(struct pn_batch *b, unsigned n, bool reentered)
{
    b->n = n;
    b->reentered = reentered;
    b->straight = false;
    b->refused = 0;
    b->answers = 0;
    /* In halves: compilers make `rep stos` of the whole, which takes longer to start than all the rest here. */
    memset(b->at, 0, sizeof(b->at) / 2);
    memset(b->at + PN_EDGE_COUNT / 2, 0, sizeof(b->at) / 2);
    memset(b->out, 0, sizeof(b->out));
}
_Static_assert(PN_EDGE_COUNT % 2 == 0, "halves");

void pn_pkt_clear(struct pn_pkt *k, const struct rte_mbuf *m, uint8_t in_port)
{
    *k = (struct pn_pkt){
        .counter = PN_COUNTER_NONE,
        .gateway = PN_ID_NONE,
        .vip = PN_ID_NONE,
        .frame_bytes = m->pkt_len > UINT16_MAX ? UINT16_MAX : (uint16_t)m->pkt_len,
        .in_port = in_port,
    };
}

/* The host's own packets leave as they came, through the port that its tap stands for. */
static void from_tap(struct pn_batch *b, const struct pn_port_rt *p, uint8_t port)
{
    for (unsigned i = 0; i < b->n; i++) {
        struct pn_pkt *k = &b->pkt[i];

        pn_pkt_clear(k, b->m[i], port);
        k->tx_counter = PN_C_TX_HOST;
        k->counter = PN_C_CLASSIFY_NOT_OURS;
    }
    if (p->peer == PN_PORT_NONE)
        b->at[PN_EDGE_DROP] = pn_batch_all(b->n);
    else
        b->out[p->peer] = pn_batch_all(b->n);
}

void pn_stage_rx(struct pn_ctx *c, struct pn_batch *b, uint8_t port, struct rte_mbuf **mbufs, unsigned n)
{
    const struct pn_port_rt *p = &c->shared->ports[port];
    uint64_t bytes = 0;

    batch_clear(b, n, false);
    if (mbufs != b->m)
        memcpy(b->m, mbufs, n * sizeof(mbufs[0]));
    memset(b->in_port, port, sizeof(b->in_port));
    for (unsigned i = 0; i < n; i++) {
        rte_prefetch0(rte_pktmbuf_mtod(mbufs[i], void *));
        bytes += mbufs[i]->pkt_len;
    }
    c->stats->ports[port].rx_packets += n;
    c->stats->ports[port].rx_bytes += bytes;
    b->rx_bytes = bytes;
    if (likely(p->kind != PN_PORT_TAP))
        b->at[PN_EDGE_PARSE] = pn_batch_all(n);
    else
        from_tap(b, p, port);
}

/* Its headers were found good before it waited; only its place in the pipeline is another. */
static void waited(struct pn_ctx *c, struct pn_batch *b, unsigned i, const struct pn_mbuf_meta *meta)
{
    struct rte_mbuf *m = b->m[i];
    struct pn_pkt *k = &b->pkt[i];

    (void)pn_parse(rte_pktmbuf_mtod(m, const uint8_t *), m->data_len, m->pkt_len, 0, k);
    k->in_port = meta->port;
    k->gateway = meta->gateway;
    k->tx_counter = meta->tx_counter;
    c->stats->held--;
    if (c->snap == NULL || k->gateway >= PN_MAX_GATEWAYS || !c->snap->gateways[k->gateway].used) {
        k->counter = PN_C_REWRITE_NO_NEIGHBOUR;
        b->at[PN_EDGE_DROP] |= 1ull << i;
    } else {
        b->at[PN_EDGE_REWRITE] |= 1ull << i;
    }
}

void pn_stage_reenter(struct pn_ctx *c, struct pn_batch *b, struct rte_mbuf **mbufs, unsigned n, bool handed)
{
    batch_clear(b, n, true);
    for (unsigned i = 0; i < n; i++) {
        const struct pn_mbuf_meta *meta = pn_mbuf_meta(mbufs[i]);
        struct pn_pkt *k = &b->pkt[i];

        b->m[i] = mbufs[i];
        b->in_port[i] = meta->port;
        switch (meta->kind) {
        case PN_META_TX:
            pn_pkt_clear(k, mbufs[i], PN_PORT_NONE);
            k->tx_counter = meta->tx_counter;
            k->gateway = handed ? meta->gateway : PN_ID_NONE;
            c->stats->held -= handed;
            b->out[meta->port % PN_MAX_PORTS] |= 1ull << i;
            b->answers |= (uint64_t)(meta->until_tsc != 0) << i;
            break;
        case PN_META_ANSWER:
            pn_pkt_clear(k, mbufs[i], PN_PORT_NONE);
            k->tx_counter = meta->tx_counter;
            k->vip = meta->gateway % PN_MAX_VIPS;
            c->stats->held -= handed;
            b->out[meta->port % PN_MAX_PORTS] |= 1ull << i;
            b->answers |= 1ull << i;
            break;
        case PN_META_REWRITE:
            waited(c, b, i, meta);
            break;
        case PN_META_ENTER:
        case PN_META_FRAG_CHOSEN:
            c->stats->held--;
            b->at[PN_EDGE_PARSE] |= 1ull << i;
            break;
        }
    }
}
