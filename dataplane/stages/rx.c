/* SPDX-License-Identifier: BSD-3-Clause */
#include <rte_prefetch.h>

#include "dataplane/stages/stages.h"

static inline uint16_t frame_bytes_of(const struct rte_mbuf *m)
{
    return m->pkt_len > UINT16_MAX ? UINT16_MAX : (uint16_t)m->pkt_len;
}

static void batch_clear(struct pn_batch *b, unsigned n)
{
    b->n = n;
    for (unsigned e = 0; e < PN_EDGE_COUNT; e++)
        b->at[e] = 0;
}

void pn_stage_rx(struct pn_ctx *c, struct pn_batch *b, uint8_t port, struct rte_mbuf **mbufs, unsigned n)
{
    const struct pn_port_rt *p = &c->shared->ports[port];
    uint64_t bytes = 0;

    batch_clear(b, n);
    for (unsigned i = 0; i < n; i++) {
        struct rte_mbuf *m = mbufs[i];
        struct pn_pkt *k = &b->pkt[i];

        rte_prefetch0(rte_pktmbuf_mtod(m, void *));
        b->m[i] = m;
        bytes += m->pkt_len;
        k->in_port = port;
        k->frame_bytes = frame_bytes_of(m);
    }
    c->stats->ports[port].rx_packets += n;
    c->stats->ports[port].rx_bytes += bytes;

    if (likely(p->kind != PN_PORT_TAP)) {
        b->at[PN_EDGE_PARSE] = pn_batch_all(n);
        return;
    }
    /* The host's own packets: they leave as they came, through the port that the tap stands for. */
    for (unsigned i = 0; i < n; i++) {
        struct pn_pkt *k = &b->pkt[i];

        pn_pkt_clear(k);
        if (p->peer == PN_PORT_NONE) {
            k->counter = PN_C_CLASSIFY_NOT_OURS;
            b->at[PN_EDGE_DROP] |= 1ull << i;
        } else {
            k->out_port = p->peer;
            k->tx_counter = PN_C_TX_HOST;
            b->at[PN_EDGE_TX] |= 1ull << i;
        }
    }
}
