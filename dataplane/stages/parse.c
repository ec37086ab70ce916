/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/core/parse.h"
#include "dataplane/stages/stages.h"

#define PN_HEADERS_BYTES 256u /* enough for every header we read, quoted ones too */

/* Parses one packet that is not plain TCP. Several segments: the headers are brought together first, if there is room. */
static __rte_noinline enum pn_edge parse_segments(struct rte_mbuf *m, struct pn_pkt *k, unsigned rx)
{
    if (m->data_len < PN_HEADERS_BYTES)
        (void)rte_pktmbuf_linearize(m);
    return pn_parse(rte_pktmbuf_mtod(m, const uint8_t *), m->data_len, m->pkt_len, rx, k);
}

void pn_stage_parse(struct pn_ctx *c, struct pn_batch *b)
{
    uint64_t set = b->at[PN_EDGE_PARSE], flow = 0;
    unsigned i;

    (void)c;
    b->at[PN_EDGE_PARSE] = 0;
    PN_BATCH_EACH(i, set) {
        struct rte_mbuf *m = b->m[i];
        struct pn_pkt *k = &b->pkt[i];
        unsigned rx =
            (m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) == RTE_MBUF_F_RX_IP_CKSUM_GOOD ? PN_RX_IP_CSUM_GOOD : 0;
        enum pn_edge edge;

        if (likely(m->nb_segs == 1))
            edge = pn_parse(rte_pktmbuf_mtod(m, const uint8_t *), m->data_len, m->data_len, rx, k);
        else
            edge = parse_segments(m, k, rx);
        k->in_port = b->in_port[i];
        if (likely(edge == PN_EDGE_FLOW))
            flow |= 1ull << i;
        else
            b->at[edge] |= 1ull << i;
    }
    b->at[PN_EDGE_FLOW] |= flow;
}
