/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/vip/vrrp.h"

#define VERSION_TYPE 0x31u /* version 3, type 1 (ADVERTISEMENT) */
#define IPV4_HEADER 20u
#define IPV6_HEADER 40u

struct pn_addr pn_vrrp_group(bool v6)
{
    struct pn_addr a = {.b = {0xff, 0x02, [15] = 0x12}};
    static const uint8_t v4[4] = {224, 0, 0, 18};
    uint32_t be;
    if (v6)
        return a;
    memcpy(&be, v4, sizeof(be));
    return pn_addr_from_v4(be);
}

struct pn_mac pn_vrrp_mac(bool v6, uint8_t vrid)
{
    return (struct pn_mac){.b = {0x00, 0x00, 0x5e, 0x00, v6 ? 0x02 : 0x01, vrid}};
}

static uint32_t sum16(const uint8_t *p, size_t n, uint32_t sum)
{
    for (size_t i = 0; i + 1 < n; i += 2)
        sum += (uint32_t)p[i] << 8 | p[i + 1];
    if (n & 1)
        sum += (uint32_t)p[n - 1] << 8;
    return sum;
}

static uint16_t fold(uint32_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

static uint32_t pseudo_header(bool v6, const struct pn_addr *src, const struct pn_addr *dst, size_t n)
{
    uint32_t sum = PN_VRRP_IP_PROTO + (uint32_t)n;
    size_t from = v6 ? 0 : 12;
    sum = sum16(src->b + from, 16 - from, sum);
    return sum16(dst->b + from, 16 - from, sum);
}

size_t pn_vrrp_encode(const struct pn_vrrp_advert *a, const struct pn_addr *src, const struct pn_addr *dst,
                      uint8_t *out, size_t cap)
{
    size_t each = a->v6 ? 16 : 4, n = PN_VRRP_HEADER_BYTES + a->n_addrs * each;
    if (a->n_addrs == 0 || a->n_addrs > PN_VRRP_MAX_ADDRS || n > cap || a->interval_cs == 0 || a->interval_cs > 4095)
        return 0;
    out[0] = VERSION_TYPE;
    out[1] = a->vrid;
    out[2] = a->priority;
    out[3] = a->n_addrs;
    out[4] = (uint8_t)(a->interval_cs >> 8);
    out[5] = (uint8_t)a->interval_cs;
    out[6] = out[7] = 0;
    for (unsigned i = 0; i < a->n_addrs; i++)
        memcpy(out + PN_VRRP_HEADER_BYTES + i * each, a->addrs[i].b + 16 - each, each);
    uint16_t check = fold(sum16(out, n, pseudo_header(a->v6, src, dst, n)));
    out[6] = (uint8_t)(check >> 8);
    out[7] = (uint8_t)check;
    return n;
}

/* The IP header of either family: where the message stands and between whom. NULL and *field if it is none of ours. */
static const uint8_t *ip_payload(const uint8_t *p, size_t n, size_t *payload, bool *v6, struct pn_addr *src,
                                 struct pn_addr *dst, const char **field)
{
    *field = "ip.length";
    if (n < IPV4_HEADER)
        return NULL;
    *v6 = p[0] >> 4 == 6;
    size_t header = *v6 ? IPV6_HEADER : (size_t)(p[0] & 0xf) * 4;
    if ((!*v6 && (p[0] >> 4 != 4 || header < IPV4_HEADER)) || n < header)
        return NULL;
    size_t total = *v6 ? header + ((size_t)p[4] << 8 | p[5]) : (size_t)p[2] << 8 | p[3];
    if (total < header || total > n)
        return NULL;
    *field = "ip.protocol";
    if (p[*v6 ? 6 : 9] != PN_VRRP_IP_PROTO)
        return NULL;
    *field = "ip.ttl"; /* 255: it has crossed no router */
    if (p[*v6 ? 7 : 8] != 255)
        return NULL;
    *field = "ip.fragment";
    if (!*v6 && (p[6] & 0x3f || p[7]))
        return NULL;
    if (*v6) {
        memcpy(src->b, p + 8, 16);
        memcpy(dst->b, p + 24, 16);
    } else {
        uint32_t be;
        memcpy(&be, p + 12, 4);
        *src = pn_addr_from_v4(be);
        memcpy(&be, p + 16, 4);
        *dst = pn_addr_from_v4(be);
    }
    *payload = total - header;
    return p + header;
}

int pn_vrrp_decode(const uint8_t *ip_packet, size_t n, struct pn_vrrp_advert *a, struct pn_addr *src,
                   const char **field)
{
    struct pn_addr dst;
    size_t len;
    const uint8_t *m = ip_payload(ip_packet, n, &len, &a->v6, src, &dst, field);
    if (!m)
        return -1;
    size_t each = a->v6 ? 16 : 4;
    *field = "length";
    if (len < PN_VRRP_HEADER_BYTES)
        return -1;
    *field = "version";
    if (m[0] != VERSION_TYPE)
        return -1;
    *field = "vrid";
    if (m[1] == 0)
        return -1;
    *field = "count";
    if (m[3] == 0 || m[3] > PN_VRRP_MAX_ADDRS)
        return -1;
    *field = "length";
    if (len < PN_VRRP_HEADER_BYTES + m[3] * each)
        return -1;
    *field = "checksum";
    bool plain = !a->v6 && fold(sum16(m, len, 0)) == 0;
    if (!plain && fold(sum16(m, len, pseudo_header(a->v6, src, &dst, len))) != 0)
        return -1;
    a->vrid = m[1];
    a->priority = m[2];
    a->n_addrs = m[3];
    a->interval_cs = (uint16_t)((m[4] & 0xf) << 8 | m[5]);
    *field = "interval";
    if (a->interval_cs == 0)
        return -1;
    for (unsigned i = 0; i < a->n_addrs; i++) {
        const uint8_t *from = m + PN_VRRP_HEADER_BYTES + i * each;
        if (a->v6) {
            memcpy(a->addrs[i].b, from, 16);
        } else {
            uint32_t be;
            memcpy(&be, from, 4);
            a->addrs[i] = pn_addr_from_v4(be);
        }
    }
    *field = NULL;
    return 0;
}
