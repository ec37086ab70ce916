/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/packets/frames.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct pn_mac pn_fb_client_mac = {{0x02, 0, 0, 0, 0, 0xc1}};
const struct pn_mac pn_fb_node_mac = {{0x02, 0, 0, 0, 0, 0x01}};

static void put16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
    put16(p, v >> 16);
    put16(p + 2, v);
}

static uint8_t *grow(struct pn_fb *fb, uint32_t n)
{
    if (fb->n + n > sizeof(fb->b)) {
        fprintf(stderr, "frames: frame too long\n");
        abort();
    }
    uint8_t *p = fb->b + fb->n;
    memset(p, 0, n);
    fb->n += n;
    return p;
}

/* RFC 1071, the plain way: big-endian words, one at a time. */
static uint32_t sum_words(uint32_t sum, const uint8_t *p, uint32_t n)
{
    for (uint32_t i = 0; i < n; i += 2) {
        sum += (uint32_t)p[i] << 8 | (i + 1 < n ? p[i + 1] : 0u);
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum;
}

void pn_fb_ether_to(struct pn_fb *fb, const struct pn_mac *dst, const struct pn_mac *src, uint16_t vlan)
{
    memset(fb, 0, sizeof(*fb));
    memcpy(grow(fb, 6), dst->b, 6);
    memcpy(grow(fb, 6), src->b, 6);
    if (vlan)
        pn_fb_tag(fb, 0x8100, vlan);
}

void pn_fb_ether(struct pn_fb *fb, uint16_t vlan)
{
    pn_fb_ether_to(fb, &pn_fb_node_mac, &pn_fb_client_mac, vlan);
}

void pn_fb_tag(struct pn_fb *fb, uint16_t type, uint16_t tci)
{
    uint8_t *p = grow(fb, 4);
    put16(p, type);
    put16(p + 2, tci);
}

void pn_fb_type(struct pn_fb *fb, uint16_t ether_type)
{
    put16(grow(fb, 2), ether_type);
    fb->l3 = fb->n;
}

static bool text_is_v6(const char *text)
{
    return strchr(text, ':') != NULL;
}

static void put_addr(uint8_t *p, const char *text)
{
    if (inet_pton(text_is_v6(text) ? AF_INET6 : AF_INET, text, p) != 1) {
        fprintf(stderr, "frames: bad address %s\n", text);
        abort();
    }
}

void pn_fb_ip_options(struct pn_fb *fb, const char *src, const char *dst, const void *options, uint32_t bytes)
{
    fb->v6 = text_is_v6(dst);
    pn_fb_type(fb, fb->v6 ? 0x86dd : 0x0800);
    uint8_t *ip = grow(fb, fb->v6 ? 40 : 20 + bytes);
    if (fb->v6) {
        ip[0] = 0x60;
        ip[7] = 64;
        put_addr(ip + 8, src);
        put_addr(ip + 24, dst);
        fb->next = fb->l3 + 6;
        ip[6] = 59;
    } else {
        ip[0] = (uint8_t)(0x45 + bytes / 4);
        put16(ip + 4, 0x1234);
        ip[6] = 0x40;
        ip[8] = 64;
        put_addr(ip + 12, src);
        put_addr(ip + 16, dst);
        if (bytes)
            memcpy(ip + 20, options, bytes);
        fb->next = fb->l3 + 9;
    }
}

void pn_fb_ip(struct pn_fb *fb, const char *src, const char *dst)
{
    pn_fb_ip_options(fb, src, dst, NULL, 0);
}

void pn_fb_ext(struct pn_fb *fb, uint8_t type, uint8_t extra_units)
{
    uint32_t at = fb->n;
    uint8_t *h = grow(fb, type == 51 ? 4u * (2u + extra_units) : 8u * (1u + extra_units));
    fb->b[fb->next] = type;
    h[0] = 59;
    h[1] = extra_units;
    fb->next = at;
}

void pn_fb_fragment(struct pn_fb *fb, uint32_t id, uint16_t offset_bytes, bool more)
{
    fb->keep_l4_csum = true;
    if (!fb->v6) {
        put16(fb->b + fb->l3 + 4, id);
        put16(fb->b + fb->l3 + 6, offset_bytes / 8u | (more ? 0x2000u : 0u));
        return;
    }
    pn_fb_ext(fb, 44, 0);
    uint8_t *h = fb->b + fb->n - 8;
    put16(h + 2, (offset_bytes & 0xfff8u) | more);
    put32(h + 4, id);
}

void pn_fb_proto(struct pn_fb *fb, uint8_t proto)
{
    fb->b[fb->next] = proto;
    fb->proto = proto;
    fb->l4 = fb->n;
}

void pn_fb_tcp(struct pn_fb *fb, uint16_t src_port, uint16_t dst_port, uint8_t flags)
{
    pn_fb_proto(fb, 6);
    uint8_t *tcp = grow(fb, 20);
    put16(tcp, src_port);
    put16(tcp + 2, dst_port);
    put32(tcp + 4, 0x01020304);
    tcp[12] = 5 << 4;
    tcp[13] = flags;
    put16(tcp + 14, 64240);
}

void pn_fb_udp(struct pn_fb *fb, uint16_t src_port, uint16_t dst_port)
{
    pn_fb_proto(fb, 17);
    uint8_t *udp = grow(fb, 8);
    put16(udp, src_port);
    put16(udp + 2, dst_port);
}

void pn_fb_icmp(struct pn_fb *fb, uint8_t type, uint8_t code, uint32_t rest)
{
    pn_fb_proto(fb, fb->v6 ? 58 : 1);
    uint8_t *icmp = grow(fb, 8);
    icmp[0] = type;
    icmp[1] = code;
    put32(icmp + 4, rest);
}

void pn_fb_bytes(struct pn_fb *fb, const void *bytes, uint32_t n)
{
    uint8_t *p = grow(fb, n);
    if (n)
        memcpy(p, bytes, n);
}

void pn_fb_fill(struct pn_fb *fb, uint32_t n)
{
    uint8_t *p = grow(fb, n);
    for (uint32_t i = 0; i < n; i++)
        p[i] = (uint8_t)i;
}

static void fix_l4(struct pn_fb *fb, uint32_t end)
{
    uint8_t *l4 = fb->b + fb->l4, *ip = fb->b + fb->l3;
    uint32_t bytes = end - fb->l4, sum = 0;
    int at = fb->proto == 6 ? 16 : fb->proto == 17 ? 6 : fb->proto == 1 || fb->proto == 58 ? 2 : -1;

    if (fb->l4 == 0 || at < 0 || end > fb->n || end < fb->l4 + (uint32_t)at + 2)
        return;
    if (fb->proto == 17)
        put16(l4 + 4, bytes);
    if (fb->keep_l4_csum)
        return;
    if (fb->proto != 1)
        sum = fb->v6 ? sum_words(0, ip + 8, 32) + bytes + fb->proto : sum_words(0, ip + 12, 8) + bytes + fb->proto;
    put16(l4 + at, 0);
    sum = sum_words(sum, l4, bytes);
    sum = (sum & 0xffff) + (sum >> 16);
    put16(l4 + at, ~sum & 0xffff);
}

static uint32_t ip_end(const struct pn_fb *fb)
{
    const uint8_t *ip = fb->b + fb->l3;
    return fb->l3 + (fb->v6 ? 40u + ((uint32_t)ip[4] << 8 | ip[5]) : ((uint32_t)ip[2] << 8 | ip[3]));
}

static void fix_ip(struct pn_fb *fb)
{
    uint8_t *ip = fb->b + fb->l3;
    uint32_t header_bytes = (ip[0] & 15u) * 4u; /* at most 60, and frames have room for that */

    if (fb->next == 0)
        return;
    fix_l4(fb, ip_end(fb));
    if (fb->v6)
        return;
    put16(ip + 10, 0);
    put16(ip + 10, ~sum_words(0, ip, header_bytes) & 0xffff);
}

void pn_fb_fix(struct pn_fb *fb)
{
    fix_ip(fb);
}

void pn_fb_done_unpadded(struct pn_fb *fb)
{
    if (fb->next != 0) {
        uint8_t *ip = fb->b + fb->l3;
        if (fb->v6)
            put16(ip + 4, fb->n - fb->l3 - 40);
        else
            put16(ip + 2, fb->n - fb->l3);
    }
    fix_ip(fb);
}

void pn_fb_done(struct pn_fb *fb)
{
    pn_fb_done_unpadded(fb);
    if (fb->n < 60)
        grow(fb, 60 - fb->n);
}

void pn_fb_make_tcp(struct pn_fb *fb, const char *src, const char *dst, uint16_t src_port, uint16_t dst_port,
                    uint8_t flags, uint16_t vlan)
{
    pn_fb_ether(fb, vlan);
    pn_fb_ip(fb, src, dst);
    pn_fb_tcp(fb, src_port, dst_port, flags);
    pn_fb_done(fb);
}

void pn_fb_make_echo(struct pn_fb *fb, const char *src, const char *dst, uint32_t data_bytes, uint16_t vlan)
{
    pn_fb_ether(fb, vlan);
    pn_fb_ip(fb, src, dst);
    pn_fb_icmp(fb, fb->v6 ? 128 : 8, 0, 0x00070001);
    pn_fb_fill(fb, data_bytes);
    pn_fb_done(fb);
}

void pn_fb_make_arp(struct pn_fb *fb, uint16_t op, const struct pn_mac *sender_mac, const char *sender,
                    const struct pn_mac *target_mac, const char *target, uint16_t vlan)
{
    static const struct pn_mac broadcast = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
    static const uint8_t head[6] = {0, 1, 8, 0, 6, 4};

    pn_fb_ether_to(fb, op == 1 ? &broadcast : &pn_fb_node_mac, sender_mac, vlan);
    pn_fb_type(fb, 0x0806);
    uint8_t *a = grow(fb, 28);
    memcpy(a, head, 6);
    put16(a + 6, op);
    memcpy(a + 8, sender_mac->b, 6);
    put_addr(a + 14, sender);
    if (target_mac)
        memcpy(a + 18, target_mac->b, 6);
    put_addr(a + 24, target);
    pn_fb_done(fb);
}

static void make_nd(struct pn_fb *fb, const char *src, const char *dst, uint8_t type, uint8_t flags, const char *target,
                    uint8_t option, const struct pn_mac *lladdr, uint16_t vlan)
{
    pn_fb_ether(fb, vlan);
    pn_fb_ip(fb, src, dst);
    uint8_t *ip = fb->b + fb->l3;
    ip[7] = 255;
    if (ip[24] == 0xff) {
        fb->b[0] = fb->b[1] = 0x33;
        memcpy(fb->b + 2, ip + 36, 4);
    }
    pn_fb_icmp(fb, type, 0, (uint32_t)flags << 24);
    put_addr(grow(fb, 16), target);
    if (lladdr) {
        uint8_t *o = grow(fb, 8);
        o[0] = option;
        o[1] = 1;
        memcpy(o + 2, lladdr->b, 6);
    }
    pn_fb_done(fb);
}

void pn_fb_make_ns(struct pn_fb *fb, const char *src, const char *dst, const char *target, const struct pn_mac *lladdr,
                   uint16_t vlan)
{
    char group[INET6_ADDRSTRLEN];

    if (dst == NULL) {
        uint8_t t[16], g[16] = {0xff, 2, [11] = 1, 0xff};
        put_addr(t, target);
        memcpy(g + 13, t + 13, 3);
        inet_ntop(AF_INET6, g, group, sizeof(group));
        dst = group;
    }
    make_nd(fb, src, dst, 135, 0, target, 1, lladdr, vlan);
}

void pn_fb_make_na(struct pn_fb *fb, const char *src, const char *dst, const char *target, uint8_t flags,
                   const struct pn_mac *lladdr, uint16_t vlan)
{
    make_nd(fb, src, dst, 136, flags, target, 2, lladdr, vlan);
}

void pn_fb_make_icmp_error(struct pn_fb *fb, const char *router, const char *vip, uint8_t type, uint8_t code,
                           uint32_t rest, const struct pn_fb *quoted, uint32_t quote_bytes)
{
    uint32_t have = quoted->n - quoted->l3;

    pn_fb_ether(fb, 0);
    pn_fb_ip(fb, router, vip);
    pn_fb_icmp(fb, type, code, rest);
    pn_fb_bytes(fb, quoted->b + quoted->l3, quote_bytes < have ? quote_bytes : have);
    pn_fb_done(fb);
}

static void make_fragment(const struct pn_fb *whole, uint32_t id, uint32_t offset, uint32_t bytes, bool more,
                          struct pn_fb *out)
{
    memset(out, 0, sizeof(*out));
    pn_fb_bytes(out, whole->b, whole->l4);
    out->l3 = whole->l3;
    out->next = whole->next;
    out->v6 = whole->v6;
    pn_fb_fragment(out, id, (uint16_t)offset, more);
    pn_fb_proto(out, whole->proto);
    out->l4 = 0; /* no L4 header to fix in a fragment */
    pn_fb_bytes(out, whole->b + whole->l4 + offset, bytes);
    pn_fb_done(out);
    out->l4 = offset == 0 ? out->l3 + (out->v6 ? 48 : (out->b[out->l3] & 15u) * 4u) : 0;
}

void pn_fb_split(const struct pn_fb *whole, uint32_t id, uint32_t first_bytes, struct pn_fb *first,
                 struct pn_fb *second)
{
    uint32_t l4_bytes = ip_end(whole) - whole->l4;

    make_fragment(whole, id, 0, first_bytes, true, first);
    make_fragment(whole, id, first_bytes, l4_bytes - first_bytes, false, second);
}

uint8_t *pn_fb_heap(const struct pn_fb *fb, uint32_t bytes)
{
    uint8_t *p = malloc(bytes ? bytes : 1);

    if (p == NULL)
        abort();
    memcpy(p, fb->b, bytes < fb->n ? bytes : fb->n);
    return p;
}
