/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A frame becomes a struct pn_pkt. Pure; every header byte is read only after its length was checked.
 *
 * Two kinds of verdict, since what is not for a VIP belongs to the host and must not suffer from our rules:
 *   - edge DROP: the link or IP header itself cannot be believed; p->counter says why. No host would take it either.
 *   - any other edge: p->counter is PN_COUNTER_NONE, or the counter to drop the packet with *if* its destination
 *     proves to be a VIP (bad source, TCP header, flags, extension headers). Else it goes to the host as it is.
 *
 * Edges: FLOW      IP with any protocol but ICMP; classify looks for (destination, ip_proto, l4_dst). Protocols without
 *                  ports have l4_dst 0.
 *        ICMP      ICMP or ICMPv6, not neighbour discovery; icmp.h goes on.
 *        NDP       neighbour solicitation or advertisement, whatever its destination; ndp.h goes on.
 *        ARP       EtherType 0x0806; arp.h goes on.
 *        FRAGMENT  of IPv4 or IPv6; pn_frag_inspect goes on. Ports are not filled yet.
 *        HOST      no IP and no ARP; p->counter is what to count it as where there is no host port.
 *        DROP      see above.
 */
#ifndef PN_CORE_PARSE_H
#define PN_CORE_PARSE_H

#include <endian.h>

#include "dataplane/core/checksum.h"
#include "dataplane/core/pkt.h"

#define PN_ETHER_BYTES 14u
#define PN_VLAN_BYTES 4u
#define PN_ETHERTYPE_IPV4 0x0800u
#define PN_ETHERTYPE_ARP 0x0806u
#define PN_ETHERTYPE_VLAN 0x8100u
#define PN_ETHERTYPE_QINQ 0x88a8u
#define PN_ETHERTYPE_IPV6 0x86ddu
#define PN_IP_ICMP 1u
#define PN_IP_TCP 6u
#define PN_IP_UDP 17u
#define PN_IP_ICMPV6 58u

#define PN_RX_IP_CSUM_GOOD 0x01u /* the NIC vouches for the IPv4 header checksum */

/*
 * frame: contiguous readable bytes, of frame_bytes in all (contiguous <= frame_bytes). rx: PN_RX_*. Fills every field
 * of *p (in_port, out_port and hash with 0, gateway and vip with PN_ID_NONE) and returns p->edge. frame_bytes in
 * *p stops at 65535. The straight case (IPv4 or IPv6 TCP, no tag, no options) is inline, the others are not.
 */
static inline enum pn_edge pn_parse(const uint8_t *frame, uint32_t contiguous, uint32_t frame_bytes, unsigned rx,
                                    struct pn_pkt *p);
enum pn_edge pn_parse_any(const uint8_t *frame, uint32_t contiguous, uint32_t frame_bytes, unsigned rx,
                          struct pn_pkt *p);

/*
 * TCP header at p->l4_off, of l4_bytes in all: ports and flags into *p. PN_COUNTER_NONE, or what is wrong with it. For
 * first fragments l4_bytes is that fragment's.
 */
uint16_t pn_parse_tcp(const uint8_t *frame, uint32_t contiguous, uint32_t l4_bytes, struct pn_pkt *p);

/* What stands behind an IPv6 header (RFC 8200 4.1): extension headers up to the first that is none, or a fragment. */
#define PN_IP6_EXTENSIONS_MAX 8u
#define PN_L3_BYTES_MAX 237u /* IP header and extensions: l4_off fits one byte, with a tag or without */
enum pn_ip6_end {
    PN_IP6_END_PROTO = 0, /* off: the upper layer's header; proto: what it is, 59 for none */
    PN_IP6_END_FRAGMENT, /* off: the fragment header (8 bytes readable) of a real fragment; proto: its next header */
    PN_IP6_END_BAD, /* too many, cut short, out of order, or source-routed on from here; proto: the one at fault */
};
struct pn_ip6_walk {
    uint32_t off;
    uint8_t proto;
    uint8_t headers; /* passed so far; 0 to start */
};
/* Walks bytes[w->off .. end-1], w->proto being the header at w->off. end: readable and inside the IP payload. */
enum pn_ip6_end pn_ip6_walk(const uint8_t *bytes, uint32_t end, struct pn_ip6_walk *w);

static inline uint16_t pn_load16(const void *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

static inline uint32_t pn_load32(const void *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

static inline uint64_t pn_load64(const void *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

static inline void pn_store16(void *p, uint16_t v)
{
    memcpy(p, &v, sizeof(v));
}

static inline void pn_store32(void *p, uint32_t v)
{
    memcpy(p, &v, sizeof(v));
}

static inline void pn_store64(void *p, uint64_t v)
{
    memcpy(p, &v, sizeof(v));
}

/* Big-endian fields of the packet in host order. */
static inline uint16_t pn_get16(const void *p)
{
    return be16toh(pn_load16(p));
}

static inline uint32_t pn_get32(const void *p)
{
    return be32toh(pn_load32(p));
}

/* Destination address of a packet with an IP edge (FLOW, ICMP, NDP, FRAGMENT). */
static inline struct pn_addr pn_pkt_src(const uint8_t *frame, const struct pn_pkt *p)
{
    const uint8_t *ip = frame + p->l3_off;
    struct pn_addr a;

    if (!p->is_v6)
        return pn_addr_from_v4(pn_load32(ip + 12));
    a.q[0] = pn_load64(ip + 8);
    a.q[1] = pn_load64(ip + 16);
    return a;
}

static inline struct pn_addr pn_pkt_dst(const uint8_t *frame, const struct pn_pkt *p)
{
    const uint8_t *ip = frame + p->l3_off;
    struct pn_addr a;

    if (!p->is_v6)
        return pn_addr_from_v4(pn_load32(ip + 16));
    a.q[0] = pn_load64(ip + 24);
    a.q[1] = pn_load64(ip + 32);
    return a;
}

/* IP bytes from the IP header's start, as its length field says: parse has checked them against the frame. */
static inline uint32_t pn_pkt_ip_bytes(const uint8_t *frame, const struct pn_pkt *p)
{
    const uint8_t *ip = frame + p->l3_off;
    return p->is_v6 ? 40u + pn_get16(ip + 4) : pn_get16(ip + 2);
}

static inline uint16_t pn_pkt_client_port(const struct pn_pkt *p)
{
    return (uint16_t)(p->port_svc >> 16);
}

/*
 * Sources that no client may have: IPv4 0/8, 127/8, 224/3 (RFC 1122 3.2.1.3; multicast, class E, broadcast), IPv6
 * ff00::/8 and ::/64 (unspecified, loopback, and IPv4-mapped, which would pass for another client's key).
 */
static inline bool pn_source4_bad(uint32_t src_be)
{
    uint8_t first = (uint8_t)(be32toh(src_be) >> 24);
    return first == 0 || first == 127 || first >= 224;
}

static inline bool pn_source6_bad(uint64_t src_q0)
{
    return src_q0 == 0 || (be64toh(src_q0) >> 56) == 0xff;
}

/* No valid segment has SYN with FIN or RST, or none of SYN, RST, ACK, FIN (RFC 9293 3.5, 3.10.7). */
static inline bool pn_tcp_flags_bad(uint8_t flags)
{
    return ((flags & PN_TCP_SYN) && (flags & (PN_TCP_FIN | PN_TCP_RST))) ||
           !(flags & (PN_TCP_SYN | PN_TCP_RST | PN_TCP_ACK | PN_TCP_FIN));
}

#define PN_PARSE_V4_BYTES 54u /* Ethernet, IPv4, TCP without options */
#define PN_PARSE_V6_BYTES 74u

/* ports: source and destination as they stand in the packet. */
static inline void pn_parse_fill(struct pn_pkt *p, uint64_t c0, uint64_t c1, uint32_t ports, uint32_t frame_bytes,
                                 uint8_t tcp_flags, bool v6)
{
    uint32_t host_ports = be32toh(ports);

    p->client[0] = c0;
    p->client[1] = c1;
    p->hash = 0;
    p->port_svc = host_ports & 0xffff0000u;
    p->counter = PN_COUNTER_NONE;
    p->gateway = PN_ID_NONE;
    p->vip = PN_ID_NONE;
    p->frame_bytes = (uint16_t)(frame_bytes < 65535 ? frame_bytes : 65535);
    p->edge = PN_EDGE_FLOW;
    p->tcp_flags = tcp_flags;
    p->l3_off = PN_ETHER_BYTES;
    p->l4_off = v6 ? PN_ETHER_BYTES + 40 : PN_ETHER_BYTES + 20;
    p->ip_proto = PN_IP_TCP;
    p->is_v6 = v6;
    p->in_port = 0;
    p->out_port = 0;
    p->vlan = 0;
    p->l4_dst = (uint16_t)host_ports;
    p->flow_state = 0;
    p->flow_flags = 0;
    p->trace = 0;
    p->tx_counter = 0;
}

static inline enum pn_edge pn_parse(const uint8_t *frame, uint32_t contiguous, uint32_t frame_bytes, unsigned rx,
                                    struct pn_pkt *p)
{
    if (__builtin_expect(contiguous < PN_PARSE_V4_BYTES || (frame[0] & 1), 0))
        return pn_parse_any(frame, contiguous, frame_bytes, rx, p);

    /* EtherType, version and header length in one word; every test below must hold, else the long way decides. */
    uint32_t head = pn_load32(frame + 12);
    if ((head & htobe32(0xffffff00u)) == htobe32(0x08004500u)) {
        uint32_t total = pn_get16(frame + 16), src = pn_load32(frame + 26);
        uint32_t tcp_bytes = (uint32_t)(frame[46] >> 4) * 4;
        uint32_t ports = pn_load32(frame + 34);
        bool straight = frame[23] == PN_IP_TCP && !(pn_load16(frame + 20) & htobe16(0x3fff)) && tcp_bytes >= 20 &&
                        total >= 20 + tcp_bytes && total + PN_ETHER_BYTES <= frame_bytes && !pn_source4_bad(src) &&
                        src != pn_load32(frame + 30) && (ports & htobe32(0xffff0000u)) &&
                        !pn_tcp_flags_bad(frame[47]) &&
                        ((rx & PN_RX_IP_CSUM_GOOD) || pn_csum_ipv4_20_ok(frame + PN_ETHER_BYTES));
        if (__builtin_expect(straight, 1)) {
            struct pn_addr client = pn_addr_from_v4(src);
            pn_parse_fill(p, client.q[0], client.q[1], ports, frame_bytes, frame[47], false);
            return PN_EDGE_FLOW;
        }
    } else if ((head & htobe32(0xfffff000u)) == htobe32(0x86dd6000u) && contiguous >= PN_PARSE_V6_BYTES) {
        uint32_t payload = pn_get16(frame + 18);
        uint32_t tcp_bytes = (uint32_t)(frame[66] >> 4) * 4;
        uint32_t ports = pn_load32(frame + 54);
        uint64_t s0 = pn_load64(frame + 22), s1 = pn_load64(frame + 30), d0 = pn_load64(frame + 38);
        bool straight = frame[20] == PN_IP_TCP && tcp_bytes >= 20 && payload >= tcp_bytes &&
                        payload + 40 + PN_ETHER_BYTES <= frame_bytes && !pn_source6_bad(s0) && d0 != 0 &&
                        (s0 != d0 || s1 != pn_load64(frame + 46)) && (ports & htobe32(0xffff0000u)) &&
                        !pn_tcp_flags_bad(frame[67]);
        if (__builtin_expect(straight, 1)) {
            pn_parse_fill(p, s0, s1, ports, frame_bytes, frame[67], true);
            return PN_EDGE_FLOW;
        }
    }
    return pn_parse_any(frame, contiguous, frame_bytes, rx, p);
}

#endif
