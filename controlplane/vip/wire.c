/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/vip/wire.h"

#define IPV4_BYTES 20u
#define IPV6_BYTES 40u
#define UDP_BYTES 8u
#define CLASS_CS6 0xc0u /* network control, RFC 4594 */

const char *const pn_wire_verdict_name[PN_WIRE_VERDICT_COUNT] = {"ok",       "truncated", "header",
                                                                 "fragment", "hops",      "checksum"};

static void put16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

/* RFC 1071, over host-order words. */
static uint32_t sum_add(uint32_t sum, const uint8_t *p, size_t n)
{
    for (; n > 1; p += 2, n -= 2)
        sum += get16(p);
    return n ? sum + ((uint32_t)p[0] << 8) : sum;
}

static uint16_t sum_fold(uint32_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

static uint32_t sum_udp(const struct pn_addr *src, const struct pn_addr *dst, bool v4, const uint8_t *udp, size_t n)
{
    unsigned skip = v4 ? 12 : 0;
    uint32_t sum = PN_IPPROTO_UDP + (uint32_t)n;
    sum = sum_add(sum, src->b + skip, 16 - skip);
    sum = sum_add(sum, dst->b + skip, 16 - skip);
    return sum_add(sum, udp, n);
}

static void build_ipv4(const struct pn_addr *src, const struct pn_addr *dst, uint8_t proto, size_t total, uint8_t *p)
{
    memset(p, 0, IPV4_BYTES);
    p[0] = 0x45;
    p[1] = CLASS_CS6;
    put16(p + 2, (uint32_t)total);
    p[6] = 0x40; /* DF: an atomic datagram, so its identification is 0 (RFC 6864, 4.1) */
    p[8] = PN_WIRE_TTL;
    p[9] = proto;
    memcpy(p + 12, src->b + 12, 4);
    memcpy(p + 16, dst->b + 12, 4);
    put16(p + 10, (uint16_t)~sum_fold(sum_add(0, p, IPV4_BYTES)));
}

static void build_ipv6(const struct pn_addr *src, const struct pn_addr *dst, uint8_t proto, size_t l4_bytes, uint8_t *p)
{
    memset(p, 0, 8);
    p[0] = 0x60 | CLASS_CS6 >> 4;
    p[1] = (uint8_t)(CLASS_CS6 << 4);
    put16(p + 4, (uint32_t)l4_bytes);
    p[6] = proto;
    p[7] = PN_WIRE_TTL;
    memcpy(p + 8, src->b, 16);
    memcpy(p + 24, dst->b, 16);
}

size_t pn_wire_ip_build(const struct pn_addr *src, const struct pn_addr *dst, uint8_t proto, const void *payload,
                        size_t bytes, uint8_t *out, size_t cap)
{
    bool v4 = pn_addr_is_v4(dst);
    size_t ip_bytes = v4 ? IPV4_BYTES : IPV6_BYTES;
    if (pn_addr_is_v4(src) != v4 || bytes > 65000 || ip_bytes + bytes > cap)
        return 0;
    memmove(out + ip_bytes, payload, bytes);
    if (v4)
        build_ipv4(src, dst, proto, ip_bytes + bytes, out);
    else
        build_ipv6(src, dst, proto, bytes, out);
    return ip_bytes + bytes;
}

size_t pn_wire_udp_build(const struct pn_wire_udp *u, const void *payload, size_t bytes, uint8_t *out, size_t cap)
{
    bool v4 = pn_addr_is_v4(&u->dst);
    size_t ip_bytes = v4 ? IPV4_BYTES : IPV6_BYTES, l4_bytes = UDP_BYTES + bytes;
    if (pn_addr_is_v4(&u->src) != v4 || bytes > 65000 || ip_bytes + l4_bytes > cap)
        return 0;
    uint8_t *udp = out + ip_bytes;
    put16(udp, u->src_port);
    put16(udp + 2, u->dst_port);
    put16(udp + 4, (uint32_t)l4_bytes);
    put16(udp + 6, 0);
    memcpy(udp + UDP_BYTES, payload, bytes);
    uint16_t sum = (uint16_t)~sum_fold(sum_udp(&u->src, &u->dst, v4, udp, l4_bytes));
    put16(udp + 6, sum ? sum : 0xffff); /* 0 would say that there is none */
    return pn_wire_ip_build(&u->src, &u->dst, PN_IPPROTO_UDP, udp, l4_bytes, out, cap);
}

/* Addresses, protocol and the bytes behind the IP header. */
static enum pn_wire_verdict parse_ipv4(const uint8_t *p, size_t n, struct pn_wire_packet *out)
{
    uint32_t src, dst;
    if (n < IPV4_BYTES)
        return PN_WIRE_TRUNCATED;
    if (p[0] != 0x45) /* nobody who speaks with us sends options */
        return PN_WIRE_HEADER;
    size_t total = get16(p + 2);
    if (total < IPV4_BYTES || total > n)
        return PN_WIRE_TRUNCATED;
    if (sum_fold(sum_add(0, p, IPV4_BYTES)) != 0xffff)
        return PN_WIRE_CHECKSUM;
    if (get16(p + 6) & 0x3fff)
        return PN_WIRE_FRAGMENT;
    if (p[8] != PN_WIRE_TTL)
        return PN_WIRE_HOPS;
    memcpy(&src, p + 12, 4);
    memcpy(&dst, p + 16, 4);
    *out = (struct pn_wire_packet){.src = pn_addr_from_v4(src),
                                   .dst = pn_addr_from_v4(dst),
                                   .ip_proto = p[9],
                                   .payload = p + IPV4_BYTES,
                                   .bytes = total - IPV4_BYTES};
    return PN_WIRE_OK;
}

static enum pn_wire_verdict parse_ipv6(const uint8_t *p, size_t n, struct pn_wire_packet *out)
{
    if (n < IPV6_BYTES || get16(p + 4) > n - IPV6_BYTES)
        return PN_WIRE_TRUNCATED;
    if (p[6] == 44)
        return PN_WIRE_FRAGMENT;
    if (p[6] != PN_IPPROTO_UDP && p[6] != PN_IPPROTO_VRRP)
        return PN_WIRE_HEADER;
    if (p[7] != PN_WIRE_TTL)
        return PN_WIRE_HOPS;
    *out = (struct pn_wire_packet){.ip_proto = p[6], .payload = p + IPV6_BYTES, .bytes = get16(p + 4)};
    memcpy(out->src.b, p + 8, 16);
    memcpy(out->dst.b, p + 24, 16);
    if (pn_addr_is_v4(&out->src) || pn_addr_is_v4(&out->dst))
        return PN_WIRE_HEADER; /* mapped addresses are no addresses on a wire (RFC 4291, 2.5.5.2) */
    return PN_WIRE_OK;
}

static enum pn_wire_verdict parse_udp(struct pn_wire_packet *p)
{
    const uint8_t *udp = p->payload;
    bool v4 = pn_addr_is_v4(&p->dst);
    if (p->bytes < UDP_BYTES)
        return PN_WIRE_TRUNCATED;
    size_t l4_bytes = get16(udp + 4);
    if (l4_bytes < UDP_BYTES || l4_bytes > p->bytes)
        return PN_WIRE_TRUNCATED;
    bool has_sum = get16(udp + 6) != 0;
    if (has_sum ? sum_fold(sum_udp(&p->src, &p->dst, v4, udp, l4_bytes)) != 0xffff : !v4)
        return PN_WIRE_CHECKSUM;
    p->src_port = get16(udp);
    p->dst_port = get16(udp + 2);
    p->payload = udp + UDP_BYTES;
    p->bytes = l4_bytes - UDP_BYTES;
    return PN_WIRE_OK;
}

enum pn_wire_verdict pn_wire_parse(const uint8_t *packet, size_t bytes, struct pn_wire_packet *out)
{
    if (bytes == 0)
        return PN_WIRE_TRUNCATED;
    enum pn_wire_verdict verdict = packet[0] >> 4 == 4   ? parse_ipv4(packet, bytes, out)
                                   : packet[0] >> 4 == 6 ? parse_ipv6(packet, bytes, out)
                                                         : PN_WIRE_HEADER;
    return verdict == PN_WIRE_OK && out->ip_proto == PN_IPPROTO_UDP ? parse_udp(out) : verdict;
}

bool pn_wire_is_multicast(const struct pn_addr *addr)
{
    return pn_addr_is_v4(addr) ? addr->b[12] >> 4 == 0xe : addr->b[0] == 0xff;
}
