/* SPDX-License-Identifier: BSD-3-Clause */
/* The gateway is chosen: the frame is made fit for the way there. One case of the switch per forwarding mode. */
#include "dataplane/core/rewrite.h"

#include "dataplane/stages/stages.h"

/* Both MACs and the tag; the frame may begin 4 bytes earlier or later afterwards. */
static void retag(struct pn_batch *b, unsigned i, uint8_t port, uint16_t vlan, uint64_t dst_u48, uint64_t src_u48)
{
    struct pn_pkt *k = &b->pkt[i];
    struct rte_mbuf *m = b->m[i];
    int shift = pn_rewrite_shift(k, vlan);

    if ((shift > 0 && rte_pktmbuf_prepend(m, (uint16_t)shift) == NULL) ||
        (shift < 0 && rte_pktmbuf_adj(m, (uint16_t)-shift) == NULL)) {
        pn_batch_drop(b, i, PN_EDGE_REWRITE, PN_C_REWRITE_NO_ROOM);
        return;
    }
    pn_rewrite_l2(pn_batch_frame(b, i), k, shift, vlan, dst_u48, src_u48);
    pn_batch_send(b, i, PN_EDGE_REWRITE, port);
}

/* The main lcore keeps it until the gateway's MAC is known. */
static void wait_neighbour(struct pn_ctx *c, struct pn_batch *b, unsigned i, uint64_t neighbour)
{
    struct pn_pkt *k = &b->pkt[i];

    if (neighbour & PN_NEIGH_DEAD) {
        pn_batch_drop(b, i, PN_EDGE_REWRITE, PN_C_REWRITE_NO_NEIGHBOUR);
        return;
    }
    *pn_mbuf_meta(b->m[i]) = (struct pn_mbuf_meta){
        .kind = PN_META_REWRITE,
        .port = k->in_port,
        .tx_counter = k->tx_counter,
        .gateway = k->gateway,
        .origin = c->id,
    };
    if (rte_ring_sp_enqueue(c->neigh_wait, b->m[i]) != 0) {
        pn_batch_drop(b, i, PN_EDGE_REWRITE, PN_C_REWRITE_QUEUE_FULL);
        return;
    }
    k->counter = PN_C_NEIGHBOUR_QUEUED;
    pn_count(c, PN_C_NEIGHBOUR_QUEUED, 1);
    c->stats->held++;
    pn_batch_move(b, i, PN_EDGE_REWRITE, PN_EDGE_HELD);
}

static void l2dsr(struct pn_ctx *c, struct pn_batch *b, unsigned i, const struct pn_dp_gateway *g)
{
    uint64_t dst = pn_neigh_read(&c->shared->neigh, b->pkt[i].gateway);

    if (unlikely(!(dst & PN_NEIGH_VALID)))
        wait_neighbour(c, b, i, dst);
    else
        retag(b, i, g->port, g->vlan, dst, pn_mac_u48(&c->shared->ports[g->port].mac));
}

/* To this node's own kernel, through the tap: as if the sender had put it on that wire itself. */
static void local(struct pn_ctx *c, struct pn_batch *b, unsigned i)
{
    struct pn_pkt *k = &b->pkt[i];
    uint8_t port = c->shared->local_port;
    struct pn_mac sender;

    if (port == PN_PORT_NONE) {
        pn_batch_drop(b, i, PN_EDGE_REWRITE, PN_C_REWRITE_NO_LOCAL);
        return;
    }
    memcpy(sender.b, pn_batch_frame(b, i) + 6, sizeof(sender.b));
    if (k->tx_counter == PN_C_TX_FORWARD)
        k->tx_counter = PN_C_TX_LOCAL;
    retag(b, i, port, 0, pn_mac_u48(&c->shared->ports[port].mac), pn_mac_u48(&sender));
}

static __rte_noinline void by_mode(struct pn_ctx *c, struct pn_batch *b, unsigned i)
{
    const struct pn_dp_gateway *g = &c->snap->gateways[b->pkt[i].gateway];

    switch ((enum pn_fwd_mode)g->mode) {
    case PN_FWD_L2DSR:
        l2dsr(c, b, i, g);
        break;
    case PN_FWD_LOCAL:
        local(c, b, i);
        break;
    case PN_FWD_COUNT:
        break;
    }
}

void pn_stage_rewrite(struct pn_ctx *c, struct pn_batch *b)
{
    uint64_t set = b->at[PN_EDGE_REWRITE], done = 0;
    unsigned i;

    if (unlikely(set == 0))
        return;
    /* Most bursts: every gateway in L2 DSR through the same port, untagged, its MAC known. */
    uint8_t port = c->snap->gateways[b->pkt[__builtin_ctzll(set)].gateway].port;
    uint64_t src = pn_mac_u48(&c->shared->ports[port].mac);

    PN_BATCH_EACH(i, set) {
        const struct pn_pkt *k = &b->pkt[i];
        const struct pn_dp_gateway *g = &c->snap->gateways[k->gateway];
        uint64_t dst = pn_neigh_read(&c->shared->neigh, k->gateway);
        unsigned other = (unsigned)(g->mode ^ PN_FWD_L2DSR) | (unsigned)(g->port ^ port) | g->vlan | k->vlan |
                         (unsigned)(k->l3_off ^ 14);

        if (unlikely(other != 0 || !(dst & PN_NEIGH_VALID))) {
            by_mode(c, b, i);
            continue;
        }
        pn_rewrite_macs(pn_batch_frame(b, i), dst, src);
        done |= 1ull << i;
    }
    b->at[PN_EDGE_REWRITE] &= ~done;
    b->out[port] |= done;
}
