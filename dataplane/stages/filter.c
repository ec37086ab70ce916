/* SPDX-License-Identifier: BSD-3-Clause */
/* SYNs that would begin a flow, of clients that the lists know. A dataplane without lists pays for one branch. */
#include "dataplane/stages/filter.h"

#include "dataplane/core/filter.h"
#include "dataplane/core/reset.h"
#include "dataplane/stages/learn.h"
#include "dataplane/stages/lease.h"
#include "dataplane/stages/stages.h"

#define FRAME_BYTES_MIN 60u /* of Ethernet, without its checksum */

/* Who begins here. Where this node may not steer, the flow was let in by the one that handed it over, or is dropped. */
static inline bool begins(const struct pn_ctx *c, const struct pn_pkt *k)
{
    return (k->tcp_flags & (PN_TCP_SYN | PN_TCP_ACK)) == PN_TCP_SYN && !(k->trace & PN_TRACE_FLOW_HIT) &&
           !c->snap->services[(uint16_t)k->port_svc].no_filter && pn_lease_steer(c, k->vip);
}

bool pn_filter_keeps_out(struct pn_ctx *c, const struct pn_pkt *k)
{
    uint64_t client[1][2] = {{k->client[0], k->client[1]}};
    uint8_t verdict;

    if (likely(c->filter == NULL) || !begins(c, k))
        return false;
    pn_filter_find(c->filter, (const uint64_t(*)[2])client, 1, &verdict);
    pn_count(c, PN_C_FILTER_WELCOMED, verdict == PN_FILTER_WELCOMED);
    return verdict == PN_FILTER_BLOCKED;
}

/* Only the headers are left of it. */
static void cut(struct rte_mbuf *m, uint32_t bytes)
{
    uint32_t had = m->data_len;

    rte_pktmbuf_free(m->next);
    m->next = NULL;
    m->nb_segs = 1;
    if (bytes < FRAME_BYTES_MIN && had > bytes) {
        uint32_t padded = had < FRAME_BYTES_MIN ? had : FRAME_BYTES_MIN;
        memset(rte_pktmbuf_mtod_offset(m, uint8_t *, bytes), 0, padded - bytes);
        bytes = padded;
    }
    m->data_len = (uint16_t)bytes;
    m->pkt_len = bytes;
}

static void keep_out(struct pn_ctx *c, struct pn_batch *b, unsigned i)
{
    struct pn_pkt *k = &b->pkt[i];

    /* A VIP that was given up is another node's to answer for. */
    if (c->filter->block_action == PN_FILTER_DROP || !pn_lease_valid(c, k->vip)) {
        pn_batch_drop(b, i, PN_EDGE_STEER, PN_C_FILTER_BLOCKED);
        return;
    }
    cut(b->m[i], pn_tcp_reset(pn_batch_frame(b, i), k, pn_vip_mac(c, k)));
    k->frame_bytes = (uint16_t)b->m[i]->pkt_len;
    k->tx_counter = PN_C_FILTER_RESET;
    pn_batch_answer(b, i, PN_EDGE_STEER, k->in_port);
}

static __rte_noinline void look(struct pn_ctx *c, struct pn_batch *b)
{
    uint64_t set = b->at[PN_EDGE_STEER], client[PN_BATCH_MAX][2];
    uint8_t verdict[PN_BATCH_MAX], index[PN_BATCH_MAX];
    unsigned i, n = 0, welcomed = 0;

    PN_BATCH_EACH(i, set) {
        const struct pn_pkt *k = &b->pkt[i];

        if (!begins(c, k))
            continue;
        client[n][0] = k->client[0];
        client[n][1] = k->client[1];
        index[n++] = (uint8_t)i;
    }
    if (n == 0)
        return;
    pn_filter_find(c->filter, (const uint64_t(*)[2])client, n, verdict);
    for (i = 0; i < n; i++) {
        if (unlikely(verdict[i] == PN_FILTER_BLOCKED))
            keep_out(c, b, index[i]);
        welcomed += verdict[i] == PN_FILTER_WELCOMED;
    }
    pn_count(c, PN_C_FILTER_WELCOMED, welcomed);
}

void pn_stage_filter(struct pn_ctx *c, struct pn_batch *b)
{
    if (unlikely(c->filter != NULL) && b->at[PN_EDGE_STEER] != 0)
        look(c, b);
}
_Static_assert(PN_BATCH_MAX <= PN_FILTER_BURST, "a batch at once");
