/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/stages/straight.h"

#ifdef __AVX2__
#include <immintrin.h>
#endif

#include "dataplane/core/parse.h"
#include "dataplane/stages/stages.h"

#define V4_SECOND 22u /* where the second stretch begins: it ends with the TCP header */
#define V6_SECOND 32u

/* Destination MAC, EtherType, version and header length, fragment bits, protocol; destination address and port. */
static const uint8_t mask4[2][32] __attribute__((aligned(32))) = {
    {[0] = 255,
     [1] = 255,
     [2] = 255,
     [3] = 255,
     [4] = 255,
     [5] = 255,
     [12] = 255,
     [13] = 255,
     [14] = 255,
     [20] = 0x3f,
     [21] = 255,
     [23] = 255},
    {[30 - V4_SECOND] = 255,
     [31 - V4_SECOND] = 255,
     [32 - V4_SECOND] = 255,
     [33 - V4_SECOND] = 255,
     [36 - V4_SECOND] = 255,
     [37 - V4_SECOND] = 255},
};
static const uint8_t mask6[2][32] __attribute__((aligned(32))) = {
    {[0] = 255, [1] = 255, [2] = 255, [3] = 255, [4] = 255, [5] = 255, [12] = 255, [13] = 255, [14] = 0xf0, [20] = 255},
    {[38 - V6_SECOND] = 255,
     [39 - V6_SECOND] = 255,
     [40 - V6_SECOND] = 255,
     [41 - V6_SECOND] = 255,
     [42 - V6_SECOND] = 255,
     [43 - V6_SECOND] = 255,
     [44 - V6_SECOND] = 255,
     [45 - V6_SECOND] = 255,
     [46 - V6_SECOND] = 255,
     [47 - V6_SECOND] = 255,
     [48 - V6_SECOND] = 255,
     [49 - V6_SECOND] = 255,
     [50 - V6_SECOND] = 255,
     [51 - V6_SECOND] = 255,
     [52 - V6_SECOND] = 255,
     [53 - V6_SECOND] = 255,
     [56 - V6_SECOND] = 255,
     [57 - V6_SECOND] = 255},
};

static inline bool fits(const uint8_t *a, const uint8_t *b, const uint8_t mask[2][32], const struct pn_straight_slot *s)
{
#ifdef __AVX2__
    __m256i x = _mm256_xor_si256(_mm256_loadu_si256((const void *)a), _mm256_load_si256((const void *)s->value[0]));
    __m256i y = _mm256_xor_si256(_mm256_loadu_si256((const void *)b), _mm256_load_si256((const void *)s->value[1]));

    x = _mm256_and_si256(x, _mm256_load_si256((const void *)mask[0]));
    y = _mm256_and_si256(y, _mm256_load_si256((const void *)mask[1]));
    x = _mm256_or_si256(x, y);
    return _mm256_testz_si256(x, x);
#else
    uint64_t differs = 0;

    for (unsigned i = 0; i < 32; i += 8) {
        differs |= (pn_load64(a + i) ^ pn_load64(s->value[0] + i)) & pn_load64(mask[0] + i);
        differs |= (pn_load64(b + i) ^ pn_load64(s->value[1] + i)) & pn_load64(mask[1] + i);
    }
    return differs == 0;
#endif
}

static inline bool flags_bad(uint8_t flags)
{
    /* pn_tcp_flags_bad for each value of FIN, SYN, RST and ACK. */
#define BAD(f) ((uint32_t)pn_tcp_flags_bad(f) << (f))
    const uint32_t bad = BAD(0) | BAD(1) | BAD(2) | BAD(3) | BAD(4) | BAD(5) | BAD(6) | BAD(7) | BAD(16) | BAD(17) |
                         BAD(18) | BAD(19) | BAD(20) | BAD(21) | BAD(22) | BAD(23);
#undef BAD
    return bad >> (flags & 0x17) & 1;
}

/* What the packet's own bytes add to the slot. ports: as they stand in the packet. */
static inline void describe(const struct pn_ctx *c, const struct pn_straight_slot *s, struct pn_pkt *k,
                            struct pn_flow_key *key, uint64_t c0, uint64_t c1, uint32_t ports, uint16_t bytes,
                            uint8_t flags)
{
    key->client[0] = c0;
    key->client[1] = c1;
    key->port_svc = (be32toh(ports) & 0xffff0000u) | s->service;
    key->hash = k->hash = pn_flow_hash(c->flows, key->client, key->port_svc);
    pn_flow_prefetch(c->flows, key->hash);
    pn_store64(&k->port_svc, key->port_svc | (uint64_t)PN_COUNTER_NONE << 32 | (uint64_t)PN_ID_NONE << 48);
    pn_store64(&k->vip, s->vip_word | (uint64_t)bytes << 16 | (uint64_t)flags << 40);
    pn_store64(&k->ip_proto, s->kind_word);
    s->vip_stats->rx_packets++;
    s->vip_stats->rx_bytes += bytes;
    s->service_stats->rx_packets++;
    s->service_stats->rx_bytes += bytes;
}

/* The conditions are pn_parse's, but for those that the slot answers. */
static inline bool straight4(const struct pn_ctx *c, const uint8_t *f, uint16_t bytes, uint8_t port, bool checked,
                             struct pn_pkt *k, struct pn_flow_key *key)
{
    const struct pn_straight_slot *s = &c->straight->v4[(f[33] ^ f[37]) % PN_STRAIGHT_SLOTS];
    uint32_t total = pn_get16(f + 16), src = pn_load32(f + 26), ports = pn_load32(f + 34);
    uint32_t tcp = (uint32_t)(f[46] >> 4) * 4;

    if (unlikely(!fits(f, f + V4_SECOND, mask4, s) || s->in_port != port || tcp < 20 || total < 20 + tcp ||
                 total + PN_ETHER_BYTES > bytes || pn_source4_bad(src) || src == pn_load32(f + 30) ||
                 !(ports & htobe32(0xffff0000u)) || flags_bad(f[47]) ||
                 !(checked || pn_csum_ipv4_20_ok(f + PN_ETHER_BYTES))))
        return false;
    struct pn_addr client = pn_addr_from_v4(src);
    describe(c, s, k, key, client.q[0], client.q[1], ports, bytes, f[47]);
    return true;
}

static inline bool straight6(const struct pn_ctx *c, const uint8_t *f, uint16_t bytes, uint8_t port, struct pn_pkt *k,
                             struct pn_flow_key *key)
{
    const struct pn_straight_slot *s = &c->straight->v6[(f[53] ^ f[57]) % PN_STRAIGHT_SLOTS];
    uint32_t payload = pn_get16(f + 18), tcp = (uint32_t)(f[66] >> 4) * 4, ports = pn_load32(f + 54);
    uint64_t s0 = pn_load64(f + 22), s1 = pn_load64(f + 30);

    if (unlikely(bytes < PN_PARSE_V6_BYTES || !fits(f, f + V6_SECOND, mask6, s) || s->in_port != port || tcp < 20 ||
                 payload < tcp || payload + 40 + PN_ETHER_BYTES > bytes || pn_source6_bad(s0) ||
                 (s0 == pn_load64(f + 38) && s1 == pn_load64(f + 46)) || !(ports & htobe32(0xffff0000u)) ||
                 flags_bad(f[67])))
        return false;
    describe(c, s, k, key, s0, s1, ports, bytes, f[67]);
    return true;
}

void pn_stage_straight(struct pn_ctx *c, struct pn_batch *b)
{
    uint64_t flow = 0;
    uint8_t port = b->in_port[0];

    if (unlikely(b->reentered || b->at[PN_EDGE_PARSE] != pn_batch_all(b->n)))
        return;
    for (unsigned i = 0; i < b->n; i++) {
        const struct rte_mbuf *m = b->m[i];
        const uint8_t *f = rte_pktmbuf_mtod(m, const uint8_t *);
        uint16_t bytes = m->data_len;
        bool taken;

        if (unlikely(m->nb_segs != 1 || bytes < PN_PARSE_V4_BYTES))
            continue;
        if (likely(f[12] == 0x08))
            taken =
                straight4(c, f, bytes, port, (m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) == RTE_MBUF_F_RX_IP_CKSUM_GOOD,
                          &b->pkt[i], &b->key[i]);
        else
            taken = straight6(c, f, bytes, port, &b->pkt[i], &b->key[i]);
        flow |= (uint64_t)taken << i;
    }
    b->at[PN_EDGE_PARSE] &= ~flow;
    b->at[PN_EDGE_FLOW] = flow;
}

void pn_straight_learn(struct pn_ctx *c, const struct pn_batch *b, unsigned i)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    const struct pn_pkt *k = &b->pkt[i];
    const uint8_t *f = pn_batch_frame(b, i);
    const uint8_t(*mask)[32] = k->is_v6 ? mask6 : mask4;
    const uint8_t *second = f + (k->is_v6 ? V6_SECOND : V4_SECOND);

    /* Only frames that pn_parse itself finds straight: their bytes are all there. */
    if (b->reentered || b->m[i]->nb_segs != 1 || k->ip_proto != PN_IP_TCP || k->l3_off != PN_ETHER_BYTES ||
        k->l4_off != PN_ETHER_BYTES + (k->is_v6 ? 40 : 20))
        return;
    unsigned slot = (k->is_v6 ? f[53] ^ f[57] : f[33] ^ f[37]) % PN_STRAIGHT_SLOTS;
    struct pn_straight_slot *s = k->is_v6 ? &c->straight->v6[slot] : &c->straight->v4[slot];

    for (unsigned j = 0; j < 32; j++) {
        s->value[0][j] = f[j] & mask[0][j];
        s->value[1][j] = second[j] & mask[1][j];
    }
    s->service = k->port_svc & 0xffff;
    s->in_port = k->in_port;
    s->vip_word = k->vip | (uint64_t)PN_EDGE_FLOW << 32 | (uint64_t)k->l3_off << 48 | (uint64_t)k->l4_off << 56;
    s->kind_word = pn_load64(&k->ip_proto);
    s->vip_stats = &c->stats->vips[k->vip];
    s->service_stats = &c->stats->services[s->service];
#else
    (void)c, (void)b, (void)i; /* the words would be the other way round: every packet goes the long way */
#endif
}
_Static_assert(offsetof(struct pn_pkt, port_svc) == 24 && offsetof(struct pn_pkt, counter) == 28 &&
                   offsetof(struct pn_pkt, gateway) == 30 && offsetof(struct pn_pkt, vip) == 32 &&
                   offsetof(struct pn_pkt, frame_bytes) == 34 && offsetof(struct pn_pkt, edge) == 36 &&
                   offsetof(struct pn_pkt, tcp_flags) == 37 && offsetof(struct pn_pkt, l3_off) == 38 &&
                   offsetof(struct pn_pkt, l4_off) == 39 && offsetof(struct pn_pkt, ip_proto) == 40 &&
                   offsetof(struct pn_pkt, flow_state) == 48,
               "the words of describe");

void pn_straight_forget(struct pn_straight *s)
{
    memset(s, 0, sizeof(*s));
    for (unsigned i = 0; i < PN_STRAIGHT_SLOTS; i++)
        s->v4[i].in_port = s->v6[i].in_port = PN_PORT_NONE;
}
