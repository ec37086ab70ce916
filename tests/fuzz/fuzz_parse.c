/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Input: one byte of options, then a frame. Both ways through the parser must agree, and whatever it says of a frame
 * must hold: offsets inside the bytes that could be read, a reason with every drop.
 */
#include <assert.h>
#include <stdlib.h>

#include "dataplane/core/frag.h"
#include "dataplane/core/parse.h"
#include "dataplane/core/rewrite.h"

#define TAIL_BYTES 1500u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const uint8_t *frame, uint32_t contiguous, uint32_t frame_bytes, unsigned rx)
{
    struct pn_pkt p, q;

    memset(&p, 0, sizeof(p));
    memset(&q, 0xff, sizeof(q));
    enum pn_edge edge = pn_parse(frame, contiguous, frame_bytes, rx, &p);
    pn_parse_any(frame, contiguous, frame_bytes, rx, &q);
    assert(memcmp(&p, &q, offsetof(struct pn_pkt, tx_counter) + 1) == 0);
    assert(edge == p.edge && edge < PN_EDGE_COUNT);
    assert(p.counter == PN_COUNTER_NONE || p.counter < PN_C_COUNT);
    assert(p.gateway == PN_ID_NONE && p.vip == PN_ID_NONE && (p.port_svc & 0xffff) == 0);
    switch (edge) {
    case PN_EDGE_FLOW:
    case PN_EDGE_ICMP:
    case PN_EDGE_NDP:
    case PN_EDGE_FRAGMENT: {
        assert(p.l3_off == 14 || p.l3_off == 18);
        assert(p.l3_off + (p.is_v6 ? 40u : 20u) <= contiguous);
        assert(p.l4_off >= p.l3_off + (p.is_v6 ? 40u : 20u));
        assert(p.l3_off + pn_pkt_ip_bytes(frame, &p) <= frame_bytes);
        struct pn_addr dst = pn_pkt_dst(frame, &p);
        /* No IPv6 packet may pass for one to or from an IPv4 address. */
        if (p.is_v6 && p.counter == PN_COUNTER_NONE && edge != PN_EDGE_NDP)
            assert(!pn_addr_is_v4(&dst) && p.client[0] != 0);
        if (edge == PN_EDGE_FLOW && p.ip_proto == PN_IP_TCP && p.counter == PN_COUNTER_NONE)
            assert(p.l4_off + 20u <= contiguous && pn_pkt_client_port(&p) != 0);
        break;
    }
    case PN_EDGE_ARP:
        assert(p.counter == PN_COUNTER_NONE);
        break;
    case PN_EDGE_HOST:
    case PN_EDGE_DROP:
        assert(p.counter < PN_C_COUNT && pn_counter_info[p.counter].kind == 'D');
        break;
    default:
        assert(!"edge that parse never gives");
    }
}

/* Rewritten for another VLAN it parses to the same packet. */
static void check_rewrite(const uint8_t *frame, uint32_t bytes, uint16_t vlan)
{
    struct pn_pkt p, q;

    if (pn_parse(frame, bytes, bytes, PN_RX_IP_CSUM_GOOD, &p) != PN_EDGE_FLOW || p.counter != PN_COUNTER_NONE)
        return;
    int shift = pn_rewrite_shift(&p, vlan);
    uint32_t n = (uint32_t)((int)bytes + shift);
    uint8_t *room = malloc(bytes + 4), *out = room + 4 - shift;
    if (room == NULL)
        return;
    memcpy(room + 4, frame, bytes);
    if (shift < 0)
        out = room + 8;
    struct pn_pkt before = p;
    pn_rewrite_l2(out, &p, shift, vlan, 0x010203040506, 0x0a0b0c0d0e0f);
    if (n <= UINT16_MAX && bytes <= UINT16_MAX) {
        assert(pn_parse(out, n, n, PN_RX_IP_CSUM_GOOD, &q) == PN_EDGE_FLOW);
        assert(q.l3_off == p.l3_off && q.l4_off == p.l4_off && q.vlan == vlan && q.l4_dst == before.l4_dst);
        assert(q.client[0] == before.client[0] && q.client[1] == before.client[1] && q.port_svc == before.port_svc);
    }
    free(room);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 70000)
        return 0;
    unsigned rx = data[0] & 1 ? PN_RX_IP_CSUM_GOOD : 0;
    uint32_t bytes = (uint32_t)size - 1;
    uint8_t *frame = malloc(bytes ? bytes : 1); /* its exact size, and aligned like an mbuf's data */

    if (frame == NULL)
        return 0;
    memcpy(frame, data + 1, bytes);
    check(frame, bytes, bytes, rx);
    check(frame, bytes, bytes + TAIL_BYTES, rx); /* goes on in a segment that cannot be read */
    check_rewrite(frame, bytes, data[0] & 2 ? 0 : 42);
    free(frame);
    return 0;
}
