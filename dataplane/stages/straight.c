/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/stages/straight.h"

#ifdef __AVX2__
#include <immintrin.h>
#endif

#include "dataplane/core/parse.h"
#include "dataplane/core/rewrite.h"
#include "dataplane/stages/stages.h"

#define V4_SECOND 22u /* where the second stretch begins: it ends with the TCP header */
#define V6_SECOND 32u

/* Destination MAC, EtherType, version and header length, fragment bits, protocol; destination address and port. */
static const uint8_t mask4[2][32] __attribute__((aligned(32))) = {
    {255, 255, 255, 255, 255, 255, [12] = 255, 255, 255, [20] = 0x3f, 255, [23] = 255},
    {[30 - V4_SECOND] = 255, 255, 255, 255, [36 - V4_SECOND] = 255, 255},
};
static const uint8_t mask6[2][32] __attribute__((aligned(32))) = {
    {255, 255, 255, 255, 255, 255, [12] = 255, 255, 0xf0, [20] = 255},
    {[38 - V6_SECOND] = 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
     [56 - V6_SECOND] = 255, 255},
};

/* What the first pass found of each packet of the batch. */
struct found {
    uint8_t *frame[PN_BATCH_MAX];
    const struct pn_straight_slot *slot[PN_BATCH_MAX];
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

/* No SYN, FIN or RST, but ACK: nothing that changes an established flow. */
static inline bool plain(uint8_t tcp_flags)
{
    return (tcp_flags & (PN_TCP_SYN | PN_TCP_FIN | PN_TCP_RST | PN_TCP_ACK)) == PN_TCP_ACK;
}

static inline void fill(const struct pn_flow_table *t, const struct pn_straight_slot *s, struct pn_pkt *k,
                        struct pn_flow_key *key, uint64_t c0, uint64_t c1, uint32_t ports, uint16_t bytes,
                        uint8_t flags)
{
    uint32_t port_svc = (be32toh(ports) & 0xffff0000u) | s->service;

    key->client[0] = c0;
    key->client[1] = c1;
    key->port_svc = port_svc;
    key->hash = pn_flow_hash(t, key->client, port_svc);
    key->home = pn_flow_home(t, key->hash);
    __builtin_prefetch(&t->lines[key->home]);
    pn_store64(&k->vip, s->vip_word | (uint64_t)bytes << 16 | (uint64_t)flags << 40);
}

/*
 * First pass. The conditions are pn_parse's, but for those that the slot answers, and those that the flow's entry
 * answers: no flow was ever entered for a client address or port that cannot be.
 */
static inline bool look4(const struct pn_ctx *c, const uint8_t *f, uint16_t bytes, uint8_t port, bool checked,
                         struct pn_pkt *k, struct pn_flow_key *key, const struct pn_straight_slot **slot)
{
    const struct pn_straight_slot *s = &c->straight->v4[(f[33] ^ f[37]) % PN_STRAIGHT_SLOTS];
    uint32_t total = pn_get16(f + 16), tcp = (uint32_t)(f[46] >> 4) * 4;

    *slot = s;
    if (unlikely(!plain(f[47]) || !fits(f, f + V4_SECOND, mask4, s) || s->in_port != port || tcp < 20 ||
                 total < 20 + tcp || total + PN_ETHER_BYTES > bytes ||
                 !(checked || pn_csum_ipv4_20_ok(f + PN_ETHER_BYTES))))
        return false;
    struct pn_addr client = pn_addr_from_v4(pn_load32(f + 26));
    fill(c->flows, s, k, key, client.q[0], client.q[1], pn_load32(f + 34), bytes, f[47]);
    return true;
}

static inline bool look6(const struct pn_ctx *c, const uint8_t *f, uint16_t bytes, uint8_t port, struct pn_pkt *k,
                         struct pn_flow_key *key, const struct pn_straight_slot **slot)
{
    if (unlikely(bytes < PN_PARSE_V6_BYTES))
        return false;
    const struct pn_straight_slot *s = &c->straight->v6[(f[53] ^ f[57]) % PN_STRAIGHT_SLOTS];
    uint32_t payload = pn_get16(f + 18), tcp = (uint32_t)(f[66] >> 4) * 4;

    *slot = s;
    if (unlikely(!plain(f[67]) || !fits(f, f + V6_SECOND, mask6, s) || s->in_port != port || tcp < 20 ||
                 payload < tcp || payload + 40 + PN_ETHER_BYTES > bytes))
        return false;
    fill(c->flows, s, k, key, pn_load64(f + 22), pn_load64(f + 30), pn_load32(f + 54), bytes, f[67]);
    return true;
}

static uint64_t look_at_all(struct pn_ctx *c, struct pn_batch *b, struct found *found)
{
    uint8_t port = b->in_port[0];
    uint64_t fit = 0;

    for (unsigned i = 0; i < b->n; i++) {
        const struct rte_mbuf *m = b->m[i];
        uint8_t *f = rte_pktmbuf_mtod(m, uint8_t *);
        uint16_t bytes = m->data_len;
        bool taken;

        found->frame[i] = f;
        if (unlikely(m->nb_segs != 1 || bytes < PN_PARSE_V4_BYTES))
            continue;
        if (likely(f[12] == 0x08))
            taken = look4(c, f, bytes, port,
                          (m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) == RTE_MBUF_F_RX_IP_CKSUM_GOOD, &b->pkt[i],
                          &b->key[i], &found->slot[i]);
        else
            taken = look6(c, f, bytes, port, &b->pkt[i], &b->key[i], &found->slot[i]);
        fit |= (uint64_t)taken << i;
    }
    return fit;
}

/*
 * Second pass, one packet: true when its flow is in its home line, established, proven and not idle, the lease holds
 * and the gateway can be reached straight; then the frame is rewritten, else some other bytes are, of no account.
 */
static inline bool forward(struct pn_ctx *c, const struct pn_straight_slot *s, uint8_t *frame, struct pn_pkt *k,
                           const struct pn_flow_key *key)
{
    static __thread uint8_t nowhere[16];
    bool there;
    struct pn_flow *f = pn_flow_at_home(c->flows, key, &there);
    uint32_t idle_ms = c->now.ms - f->seen_ms;
    uint64_t way = c->straight->way[f->gateway], dst = pn_neigh_read(&c->shared->neigh, f->gateway);

    there = there & (f->state == PN_FLOW_ESTABLISHED) & !f->unproven & ((int32_t)idle_ms < (int32_t)c->flows->live_ms) &
            ((way & dst) >> 63) & (atomic_load_explicit(s->lease, memory_order_relaxed) > c->tsc);
    k->gateway = f->gateway;
    pn_pkt_note(k, PN_FLOW_ESTABLISHED, f->flags, PN_TRACE_FLOW_HIT, PN_C_TX_FORWARD);
    pn_rewrite_macs(there ? frame : nowhere, dst, way);
    if (unlikely(idle_ms >= PN_FLOW_SEEN_STEP_MS) && there)
        f->seen_ms = c->now.ms;
    return there;
}

static inline void count(struct pn_straight_slot *s, uint64_t packets, uint64_t bytes)
{
    s->vip_stats->rx_packets += packets;
    s->vip_stats->rx_bytes += bytes;
    s->service_stats->rx_packets += packets;
    s->service_stats->rx_bytes += bytes;
}

/* Straight so far, but not its flow: everything that classify would have filled in, for the flow stage. */
static __rte_noinline void complete(struct pn_ctx *c, struct pn_batch *b, unsigned i, const struct found *found)
{
    const struct pn_straight_slot *s = found->slot[i];
    const uint8_t *f = found->frame[i];
    struct pn_pkt *k = &b->pkt[i];
    const struct pn_flow_key *key = &b->key[i];
    bool v6 = f[12] != 0x08;
    bool bad = key->port_svc >> 16 == 0;

    (void)c;
    if (v6)
        bad |= pn_source6_bad(key->client[0]) ||
               (pn_load64(f + 22) == pn_load64(f + 38) && pn_load64(f + 30) == pn_load64(f + 46));
    else
        bad |= pn_source4_bad(pn_load32(f + 26)) || pn_load32(f + 26) == pn_load32(f + 30);
    if (bad)
        return; /* parse says how */
    k->hash = key->hash;
    k->port_svc = key->port_svc;
    k->counter = PN_COUNTER_NONE;
    k->gateway = PN_ID_NONE;
    pn_store64(&k->ip_proto, s->kind_word);
    pn_pkt_note(k, 0, 0, 0, 0);
    s->vip_stats->rx_packets++;
    s->vip_stats->rx_bytes += k->frame_bytes;
    s->service_stats->rx_packets++;
    s->service_stats->rx_bytes += k->frame_bytes;
    pn_batch_move(b, i, PN_EDGE_PARSE, PN_EDGE_FLOW);
}
