/* SPDX-License-Identifier: BSD-3-Clause */
/* ARP: requests for VIPs are answered in place, what neighbours say is told to the main lcore, the rest is the host's. */
#include "dataplane/core/arp.h"

#include "dataplane/core/classify.h"
#include "dataplane/stages/control.h"
#include "dataplane/stages/lease.h"
#include "dataplane/stages/learn.h"
#include "dataplane/stages/stages.h"

static uint16_t vip_of(const struct pn_ctx *c, const struct pn_pkt *k, uint32_t addr_be)
{
    struct pn_addr addr = pn_addr_from_v4(addr_be);

    return c->snap == NULL ? PN_ID_NONE : pn_classify_vip(c->snap, &addr, k->vlan, k->in_port);
}

static void one(struct pn_ctx *c, struct pn_batch *b, unsigned i)
{
    struct pn_pkt *k = &b->pkt[i];
    uint8_t *frame = pn_batch_frame(b, i);
    struct pn_arp arp;

    if (!pn_arp_parse(frame, b->m[i]->data_len, k, &arp)) {
        pn_batch_drop(b, i, PN_EDGE_ARP, PN_C_ARP_MALFORMED);
        return;
    }
    k->client[0] = pn_addr_from_v4(arp.sender_be).q[0];
    k->client[1] = pn_addr_from_v4(arp.sender_be).q[1];
    if (arp.op == PN_ARP_REPLY || arp.announcement) {
        /* Someone who says that a VIP is his is the other node, or wrong: no neighbour of ours. */
        k->vip = vip_of(c, k, arp.sender_be);
        if (k->vip != PN_ID_NONE) {
            pn_control_claimed(c, k, &arp.sender_mac);
            pn_batch_drop(b, i, PN_EDGE_ARP, PN_C_ARP_NOT_OURS);
            return;
        }
        struct pn_addr sender = pn_addr_from_v4(arp.sender_be);
        pn_learn(c, k, &sender, &arp.sender_mac, PN_LEARN_OVERRIDE | (arp.announcement ? 0 : PN_LEARN_SOLICITED));
        k->counter = arp.op == PN_ARP_REPLY ? PN_C_PUNT_NEIGHBOUR : PN_C_ARP_NOT_OURS;
        pn_batch_move(b, i, PN_EDGE_ARP, PN_EDGE_HOST);
        return;
    }
    k->vip = vip_of(c, k, arp.target_be);
    if (k->vip == PN_ID_NONE) {
        k->counter = PN_C_ARP_NOT_OURS;
        pn_batch_move(b, i, PN_EDGE_ARP, PN_EDGE_HOST);
        return;
    }
    if (!pn_lease_valid(c, k->vip)) {
        if (arp.sender_be == 0)
            pn_control_seen(c, k, PN_PROBE_RIVAL, &arp.sender_mac);
        pn_batch_drop(b, i, PN_EDGE_ARP, PN_C_ARP_NO_LEASE);
        return;
    }
    pn_arp_reply(frame, k, &arp, pn_vip_mac(c, k));
    k->tx_counter = PN_C_ARP_REPLIED;
    pn_batch_answer(b, i, PN_EDGE_ARP, k->in_port);
}

void pn_stage_arp(struct pn_ctx *c, struct pn_batch *b)
{
    uint64_t set = b->at[PN_EDGE_ARP];
    unsigned i;

    PN_BATCH_EACH(i, set)
        one(c, b, i);
}
