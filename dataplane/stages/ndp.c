/* SPDX-License-Identifier: BSD-3-Clause */
/* Neighbour discovery: as arp.c, for IPv6. */
#include "dataplane/core/ndp.h"

#include "dataplane/core/classify.h"
#include "dataplane/stages/control.h"
#include "dataplane/stages/lease.h"
#include "dataplane/stages/learn.h"
#include "dataplane/stages/stages.h"

static struct pn_mac frame_source(const struct pn_batch *b, unsigned i)
{
    struct pn_mac mac;

    memcpy(mac.b, pn_batch_frame(b, i) + 6, sizeof(mac.b));
    return mac;
}

static void answer(struct pn_ctx *c, struct pn_batch *b, unsigned i, const struct pn_ndp *ndp)
{
    struct pn_pkt *k = &b->pkt[i];
    struct rte_mbuf *m = b->m[i];

    if (!pn_lease_valid(c, k->vip)) {
        if (ndp->dad) {
            const struct pn_mac rival = frame_source(b, i);
            pn_control_seen(c, k, PN_PROBE_RIVAL, &rival);
        }
        pn_batch_drop(b, i, PN_EDGE_NDP, PN_C_NDP_NO_LEASE);
        return;
    }
    /* The answer may be longer or shorter than the question. */
    uint32_t bytes = m->nb_segs != 1 ? 0
                                     : pn_ndp_reply(pn_batch_frame(b, i), m->data_len + rte_pktmbuf_tailroom(m), k, ndp,
                                                    pn_vip_mac(c, k));
    if (bytes == 0) {
        pn_batch_drop(b, i, PN_EDGE_NDP, PN_C_PARSE_TRUNCATED);
        return;
    }
    m->data_len = (uint16_t)bytes;
    m->pkt_len = bytes;
    k->frame_bytes = (uint16_t)bytes;
    k->tx_counter = PN_C_NDP_REPLIED;
    pn_batch_answer(b, i, PN_EDGE_NDP, k->in_port);
}

static void one(struct pn_ctx *c, struct pn_batch *b, unsigned i)
{
    struct pn_pkt *k = &b->pkt[i];
    struct pn_ndp ndp;
    bool good = pn_ndp_parse(pn_batch_frame(b, i), b->m[i]->data_len, k, &ndp);

    k->vip = c->snap == NULL ? PN_ID_NONE : pn_classify_vip(c->snap, &ndp.target, k->vlan, k->in_port);
    if (!good && k->vip != PN_ID_NONE) {
        pn_batch_drop(b, i, PN_EDGE_NDP, PN_C_NDP_MALFORMED);
        return;
    }
    if (good && k->vip != PN_ID_NONE && ndp.type == PN_NDP_SOLICIT) {
        answer(c, b, i, &ndp);
        return;
    }
    if (k->vip != PN_ID_NONE) {
        /* An advertisement that a VIP is elsewhere: the other node's. */
        const struct pn_mac sender = frame_source(b, i);
        pn_control_claimed(c, k, ndp.has_mac ? &ndp.mac : &sender);
        pn_batch_drop(b, i, PN_EDGE_NDP, PN_C_NDP_NOT_OURS);
        return;
    }
    k->counter = good ? PN_C_NDP_NOT_OURS : PN_C_NDP_MALFORMED;
    if (good && ndp.type == PN_NDP_ADVERT) {
        if (ndp.has_mac)
            pn_learn(c, k, &ndp.target, &ndp.mac,
                     (ndp.flags & PN_NDP_SOLICITED ? PN_LEARN_SOLICITED : 0) |
                         (ndp.flags & PN_NDP_OVERRIDE ? PN_LEARN_OVERRIDE : 0));
        k->counter = PN_C_PUNT_NEIGHBOUR;
    }
    pn_batch_move(b, i, PN_EDGE_NDP, PN_EDGE_HOST);
}

void pn_stage_ndp(struct pn_ctx *c, struct pn_batch *b)
{
    uint64_t set = b->at[PN_EDGE_NDP];
    unsigned i;

    PN_BATCH_EACH(i, set)
        one(c, b, i);
}
