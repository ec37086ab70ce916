/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/core/parse.h"

#define IP6_HOP_BY_HOP 0u
#define IP6_ROUTING 43u
#define IP6_FRAGMENT 44u
#define IP6_AUTH 51u
#define IP6_DESTINATION 60u

#define IP4_BYTES 20u
#define IP6_BYTES 40u
#define TCP_BYTES 20u
#define UDP_BYTES 8u
#define VID_RESERVED 0x0fffu

static enum pn_edge end(struct pn_pkt *p, enum pn_edge edge, uint16_t counter)
{
    p->edge = (uint8_t)edge;
    p->counter = counter;
    return edge;
}

static enum pn_edge drop(struct pn_pkt *p, enum pn_counter why)
{
    return end(p, PN_EDGE_DROP, (uint16_t)why);
}

/* The first thing found wrong is the one that is told. */
static void blame(struct pn_pkt *p, uint16_t why)
{
    if (p->counter == PN_COUNTER_NONE)
        p->counter = why;
}

uint16_t pn_parse_tcp(const uint8_t *frame, uint32_t contiguous, uint32_t l4_bytes, struct pn_pkt *p)
{
    const uint8_t *tcp = frame + p->l4_off;

    if (l4_bytes < TCP_BYTES || p->l4_off + TCP_BYTES > contiguous)
        return PN_C_PARSE_L4_HEADER;
    uint32_t ports = pn_get32(tcp), header_bytes = (uint32_t)(tcp[12] >> 4) * 4;
    p->port_svc = ports & 0xffff0000u;
    p->l4_dst = (uint16_t)ports;
    p->tcp_flags = tcp[13];
    if (header_bytes < TCP_BYTES || header_bytes > l4_bytes || ports >> 16 == 0)
        return PN_C_PARSE_L4_HEADER;
    return pn_tcp_flags_bad(p->tcp_flags) ? PN_C_PARSE_TCP_FLAGS : PN_COUNTER_NONE;
}

static uint16_t parse_udp(const uint8_t *frame, uint32_t contiguous, uint32_t l4_bytes, struct pn_pkt *p)
{
    const uint8_t *udp = frame + p->l4_off;

    if (l4_bytes < UDP_BYTES || p->l4_off + UDP_BYTES > contiguous)
        return PN_C_PARSE_L4_HEADER;
    uint32_t ports = pn_get32(udp), udp_bytes = pn_get16(udp + 4);
    p->port_svc = ports & 0xffff0000u;
    p->l4_dst = (uint16_t)ports;
    return udp_bytes < UDP_BYTES || udp_bytes > l4_bytes ? PN_C_PARSE_L4_HEADER : PN_COUNTER_NONE;
}

/* p->ip_proto and l4_off are known; l4_bytes: what the IP header leaves for the upper layer. */
static enum pn_edge parse_l4(const uint8_t *frame, uint32_t contiguous, uint32_t l4_bytes, struct pn_pkt *p)
{
    p->edge = PN_EDGE_FLOW;
    if (p->ip_proto == PN_IP_TCP) {
        blame(p, pn_parse_tcp(frame, contiguous, l4_bytes, p));
    } else if (p->ip_proto == PN_IP_UDP) {
        blame(p, parse_udp(frame, contiguous, l4_bytes, p));
    } else if (p->ip_proto == (p->is_v6 ? PN_IP_ICMPV6 : PN_IP_ICMP)) {
        p->edge = PN_EDGE_ICMP;
        /* RFC 6980: neighbour discovery comes in no fragment; with extension headers nobody sends it. */
        if (p->is_v6 && p->l4_off == p->l3_off + IP6_BYTES && p->l4_off < contiguous && l4_bytes > 0 &&
            (frame[p->l4_off] == 135 || frame[p->l4_off] == 136))
            return end(p, PN_EDGE_NDP, PN_COUNTER_NONE);
    }
    return (enum pn_edge)p->edge;
}

static enum pn_edge parse_ipv4(const uint8_t *frame, uint32_t contiguous, uint32_t frame_bytes, unsigned rx,
                               struct pn_pkt *p)
{
    const uint8_t *ip = frame + p->l3_off;

    if (p->l3_off + IP4_BYTES > contiguous)
        return drop(p, PN_C_PARSE_TRUNCATED);
    if (ip[0] >> 4 != 4)
        return drop(p, PN_C_PARSE_IP_VERSION);
    uint32_t header_bytes = (uint32_t)(ip[0] & 15) * 4, total = pn_get16(ip + 2);
    if (header_bytes < IP4_BYTES || total < header_bytes)
        return drop(p, PN_C_PARSE_IP_HEADER);
    if (p->l3_off + header_bytes > contiguous || p->l3_off + total > frame_bytes)
        return drop(p, PN_C_PARSE_TRUNCATED);
    if (!(rx & PN_RX_IP_CSUM_GOOD) && !pn_csum_ok(pn_csum_add(0, ip, header_bytes)))
        return drop(p, PN_C_PARSE_IP_CHECKSUM);

    uint32_t src = pn_load32(ip + 12);
    struct pn_addr client = pn_addr_from_v4(src);
    p->client[0] = client.q[0];
    p->client[1] = client.q[1];
    p->ip_proto = ip[9];
    p->l4_off = (uint8_t)(p->l3_off + header_bytes);
    if (pn_source4_bad(src) || src == pn_load32(ip + 16))
        blame(p, PN_C_PARSE_IP_SOURCE);
    if (pn_load16(ip + 6) & htobe16(0x3fff)) {
        p->edge = PN_EDGE_FRAGMENT;
        return PN_EDGE_FRAGMENT;
    }
    return parse_l4(frame, contiguous, total - header_bytes, p);
}

enum pn_ip6_end pn_ip6_walk(const uint8_t *bytes, uint32_t end_off, struct pn_ip6_walk *w)
{
    for (;;) {
        bool extension = w->proto == IP6_HOP_BY_HOP || w->proto == IP6_ROUTING || w->proto == IP6_FRAGMENT ||
                         w->proto == IP6_AUTH || w->proto == IP6_DESTINATION;
        if (!extension)
            return PN_IP6_END_PROTO;
        /* Hop-by-hop options stand first or not at all (RFC 8200 4.1). */
        if (w->headers >= PN_IP6_EXTENSIONS_MAX || (w->proto == IP6_HOP_BY_HOP && w->headers > 0))
            return PN_IP6_END_BAD;
        if (w->off > end_off || end_off - w->off < 8)
            return PN_IP6_END_BAD;
        const uint8_t *h = bytes + w->off;
        uint32_t header_bytes = 8;
        if (w->proto == IP6_FRAGMENT) {
            if (pn_load16(h + 2) & htobe16(0xfff9)) {
                w->proto = h[0];
                return PN_IP6_END_FRAGMENT; /* an atomic fragment (RFC 6946) is whole and goes on */
            }
        } else if (w->proto == IP6_AUTH) {
            header_bytes = ((uint32_t)h[1] + 2) * 4;
        } else {
            header_bytes = ((uint32_t)h[1] + 1) * 8;
        }
        /* Segments left: the destination is only a stop on the way, and we are no router (RFC 5095 for type 0). */
        if (header_bytes > end_off - w->off || (w->proto == IP6_ROUTING && h[3] != 0))
            return PN_IP6_END_BAD;
        w->proto = h[0];
        w->off += header_bytes;
        w->headers++;
    }
}

static enum pn_edge parse_ipv6(const uint8_t *frame, uint32_t contiguous, uint32_t frame_bytes, struct pn_pkt *p)
{
    const uint8_t *ip = frame + p->l3_off;

    if (p->l3_off + IP6_BYTES > contiguous)
        return drop(p, PN_C_PARSE_TRUNCATED);
    if (ip[0] >> 4 != 6)
        return drop(p, PN_C_PARSE_IP_VERSION);
    uint32_t ip_end = p->l3_off + IP6_BYTES + pn_get16(ip + 4);
    if (ip_end > frame_bytes)
        return drop(p, PN_C_PARSE_TRUNCATED);

    p->is_v6 = 1;
    p->client[0] = pn_load64(ip + 8);
    p->client[1] = pn_load64(ip + 16);
    uint64_t d0 = pn_load64(ip + 24), d1 = pn_load64(ip + 32);
    /* A destination in ::/64 would be taken for an IPv4 VIP when it is IPv4-mapped. */
    if (pn_source6_bad(p->client[0]) || d0 == 0 || (p->client[0] == d0 && p->client[1] == d1))
        blame(p, PN_C_PARSE_IP_SOURCE);

    struct pn_ip6_walk w = {.off = p->l3_off + IP6_BYTES, .proto = ip[6]};
    enum pn_ip6_end found = pn_ip6_walk(frame, ip_end < contiguous ? ip_end : contiguous, &w);
    p->ip_proto = w.proto;
    if (found == PN_IP6_END_BAD || w.off - p->l3_off > PN_L3_BYTES_MAX) {
        p->l4_off = (uint8_t)(p->l3_off + IP6_BYTES);
        p->edge = PN_EDGE_FLOW;
        blame(p, PN_C_PARSE_IP6_EXTENSION);
        return PN_EDGE_FLOW;
    }
    p->l4_off = (uint8_t)w.off;
    if (found == PN_IP6_END_FRAGMENT) {
        p->edge = PN_EDGE_FRAGMENT;
        return PN_EDGE_FRAGMENT;
    }
    return parse_l4(frame, contiguous, ip_end - w.off, p);
}

enum pn_edge pn_parse_any(const uint8_t *frame, uint32_t contiguous, uint32_t frame_bytes, unsigned rx,
                          struct pn_pkt *p)
{
    if (contiguous > frame_bytes)
        contiguous = frame_bytes;
    pn_parse_fill(p, 0, 0, 0, frame_bytes, 0, false);
    p->ip_proto = 0;
    p->l4_off = PN_ETHER_BYTES;
    if (contiguous < PN_ETHER_BYTES)
        return drop(p, PN_C_PARSE_TRUNCATED);

    uint16_t type = pn_get16(frame + 12);
    if (type == PN_ETHERTYPE_VLAN) {
        if (contiguous < PN_ETHER_BYTES + PN_VLAN_BYTES)
            return drop(p, PN_C_PARSE_VLAN);
        p->vlan = pn_get16(frame + 14) & VID_RESERVED; /* 0: priority only, the untagged network */
        p->l3_off = p->l4_off = PN_ETHER_BYTES + PN_VLAN_BYTES;
        type = pn_get16(frame + 16);
        if (p->vlan == VID_RESERVED)
            return drop(p, PN_C_PARSE_VLAN);
    }
    if (type == PN_ETHERTYPE_VLAN || type == PN_ETHERTYPE_QINQ)
        return end(p, PN_EDGE_HOST, PN_C_PARSE_VLAN);
    if (type == PN_ETHERTYPE_ARP)
        return end(p, PN_EDGE_ARP, PN_COUNTER_NONE);
    if (type != PN_ETHERTYPE_IPV4 && type != PN_ETHERTYPE_IPV6)
        return end(p, PN_EDGE_HOST, PN_C_PARSE_ETHERTYPE);
    if (frame[0] & 1)
        p->counter = PN_C_PARSE_ETHER_GROUP;
    return type == PN_ETHERTYPE_IPV4 ? parse_ipv4(frame, contiguous, frame_bytes, rx, p)
                                     : parse_ipv6(frame, contiguous, frame_bytes, p);
}
