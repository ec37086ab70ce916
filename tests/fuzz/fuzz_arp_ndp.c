/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Input: one byte of options (bit 0: make the ICMPv6 checksum right first), then a frame. What is accepted as a request is
 * answered, and the answer must be valid by the same rules; what is learned goes through the neighbour table.
 */
#include <assert.h>
#include <stdlib.h>

#include "dataplane/core/arp.h"
#include "dataplane/core/ndp.h"
#include "dataplane/core/neigh.h"
#include "dataplane/core/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct pn_mac own = {{0x02, 0, 0, 0, 0, 0x01}};
static struct pn_neigh_published published;
static uint32_t now_ms;

static struct pn_neigh_table *neighbours(void)
{
    static struct pn_neigh_table *t;
    static const struct pn_neigh_timers timers;

    if (t == NULL && (t = pn_neigh_table_new(&timers, &published, NULL)) == NULL)
        abort();
    return t;
}

static void learn(const struct pn_addr *addr, const struct pn_pkt *p, const struct pn_mac *mac, bool confirmed,
                  bool override)
{
    struct pn_neigh_action acts[8];
    struct pn_neigh_table *t = neighbours();
    uint64_t handle, out;

    pn_neigh_want(t, 1, addr, 0, p->vlan, NULL, now_ms);
    pn_neigh_hold(t, 1, 1, &out);
    pn_neigh_learned(t, addr, 0, p->vlan, mac, confirmed, override, PN_NEIGH_WIRE, now_ms);
    uint64_t v = pn_neigh_read(&published, 1);
    assert(v & PN_NEIGH_VALID);
    while (pn_neigh_tick(t, now_ms, acts, 8) != 0)
        while (pn_neigh_take(t, 1, &handle, 1) != 0)
            assert(handle == 1);
    assert(pn_neigh_held(t) == 0);
    now_ms += 777;
}

static void check_arp(uint8_t *frame, uint32_t bytes, const struct pn_pkt *p)
{
    struct pn_arp arp, answer;
    struct pn_pkt q;

    if (!pn_arp_parse(frame, bytes, p, &arp))
        return;
    assert(!(arp.sender_mac.b[0] & 1));
    if (arp.sender_be != 0) {
        struct pn_addr a = pn_addr_from_v4(arp.sender_be);
        learn(&a, p, &arp.sender_mac, arp.op == PN_ARP_REPLY && !arp.announcement, true);
    }
    if (arp.op != PN_ARP_REQUEST)
        return;
    pn_arp_reply(frame, p, &arp, &own);
    assert(pn_parse(frame, bytes, bytes, 0, &q) == PN_EDGE_ARP && q.vlan == p->vlan);
    if (!pn_source4_bad(arp.target_be)) {
        assert(pn_arp_parse(frame, bytes, &q, &answer));
        assert(answer.op == PN_ARP_REPLY && answer.sender_be == arp.target_be && answer.target_be == arp.sender_be);
    }
}

static void check_ndp(const uint8_t *frame, uint32_t bytes, const struct pn_pkt *p)
{
    struct pn_ndp nd, answer;
    struct pn_pkt q;

    if (!pn_ndp_parse(frame, bytes, p, &nd))
        return;
    assert(nd.target.b[0] != 0xff && (!nd.has_mac || !(nd.mac.b[0] & 1)));
    if (nd.has_mac && !nd.dad)
        learn(nd.type == PN_NDP_ADVERT ? &nd.target : &nd.src, p, &nd.mac, nd.flags & PN_NDP_SOLICITED,
              nd.flags & PN_NDP_OVERRIDE);
    if (nd.type != PN_NDP_SOLICIT)
        return;
    uint32_t room = p->l3_off + 72;
    uint8_t *reply = malloc(room); /* exactly what it says it needs */
    if (reply == NULL)
        return;
    memcpy(reply, frame, bytes < room ? bytes : room);
    assert(pn_ndp_reply(reply, room - 1, p, &nd, &own) == 0);
    assert(pn_ndp_reply(reply, room, p, &nd, &own) == room);
    assert(pn_parse(reply, room, room, 0, &q) == PN_EDGE_NDP);
    assert(pn_ndp_parse(reply, room, &q, &answer));
    assert(answer.type == PN_NDP_ADVERT && pn_addr_equal(&answer.target, &nd.target) && q.vlan == p->vlan);
    assert(!(answer.flags & PN_NDP_SOLICITED) == nd.dad);
    free(reply);
}

static void fix_checksum(uint8_t *frame, uint32_t bytes, const struct pn_pkt *p)
{
    uint32_t nd_bytes = p->l3_off + pn_pkt_ip_bytes(frame, p) - p->l4_off;
    uint8_t *ip = frame + p->l3_off, *nd = frame + p->l4_off;

    if (nd_bytes < 4 || p->l4_off + nd_bytes > bytes)
        return;
    memset(nd + 2, 0, 2);
    uint64_t sum = pn_csum_pseudo6(ip + 8, ip + 24, nd_bytes, PN_IP_ICMPV6);
    uint16_t csum = pn_csum_finish(pn_csum_add(sum, nd, nd_bytes));
    memcpy(nd + 2, &csum, 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pn_pkt p;

    if (size < 1 || size > 10000)
        return 0;
    uint32_t bytes = (uint32_t)size - 1;
    uint8_t *frame = malloc(bytes ? bytes : 1);
    if (frame == NULL)
        return 0;
    memcpy(frame, data + 1, bytes);
    enum pn_edge edge = pn_parse(frame, bytes, bytes, PN_RX_IP_CSUM_GOOD, &p);
    if (edge == PN_EDGE_ARP)
        check_arp(frame, bytes, &p);
    if (edge == PN_EDGE_NDP) {
        if (data[0] & 1)
            fix_checksum(frame, bytes, &p);
        check_ndp(frame, bytes, &p);
    }
    free(frame);
    return 0;
}
