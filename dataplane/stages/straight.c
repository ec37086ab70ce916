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
#define FLAGS (PN_TCP_SYN | PN_TCP_FIN | PN_TCP_RST | PN_TCP_ACK)

/* clang-format off */
/*
 * Destination MAC, EtherType, version and header length, fragment bits, protocol; destination address and port, TCP
 * flags: ACK, but no SYN, FIN or RST changes nothing of an established flow.
 */
static const uint8_t mask4[2][32] __attribute__((aligned(32))) = {
    {255, 255, 255, 255, 255, 255, [12] = 255, 255, 255, [20] = 0x3f, 255, [23] = 255},
    {[30 - V4_SECOND] = 255, 255, 255, 255, [36 - V4_SECOND] = 255, 255, [47 - V4_SECOND] = FLAGS},
};
static const uint8_t mask6[2][32] __attribute__((aligned(32))) = {
    {255, 255, 255, 255, 255, 255, [12] = 255, 255, 0xf0, [20] = 255},
    {[38 - V6_SECOND] = 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
     [56 - V6_SECOND] = 255, 255},
};
/* clang-format on */

/* What the passes keep at hand. Values, not pointers: stores into packets would have every pointer loaded again. */
struct lane {
    const struct pn_straight *straight;
    struct pn_flow_table *flows;
    struct pn_flow_line *lines;
    struct pn_hash_key hash_key;
    uint64_t n_lines;
    uint32_t now_ms, live_ms;
    const uint64_t *way, *neigh;
    uint8_t nowhere[16];
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

/* Compilers don't see where it comes from, and so don't scale the index again for each field. */
static inline const struct pn_straight_slot *opaque(const struct pn_straight_slot *s)
{
    __asm__("" : "+r"(s));
    return s;
}

/* Big-endian 16 bits at p + 2, by way of 32: compilers swap 16 bits through memory. */
static inline uint32_t low16(const uint8_t *p)
{
    return pn_get32(p) & 0xffff;
}

/* pn_csum_ipv4_20_ok, where the sum of the destination address is known. */
static inline bool checksum_ok(const uint8_t *ip, uint32_t rest_sum)
{
    uint64_t a = pn_load64(ip), b = pn_load64(ip + 8), sum = a + b;

    sum += sum < a;
    sum += sum >> 32 | sum << 32;
    uint32_t half = (uint32_t)(sum >> 32);
    half += half >> 16 | half << 16;
    return (half ^ rest_sum) >> 16 == 0;
}

/* The key's hash, which few packets need again, is left to complete_key. */
static inline void fill(struct lane *l, uint64_t i, const struct pn_straight_slot *s, struct pn_batch *b, uint64_t c0,
                        uint64_t c1, uint32_t ports, uint32_t bytes)
{
    const uint64_t client[2] = {c0, c1};
    struct pn_flow_key *key = &b->look[i].key;
    uint64_t word = (be32toh(ports) & 0xffff0000u) | s->key_word;
    uint64_t hash = pn_hash_flow(&l->hash_key, client, (uint32_t)word);
    struct pn_flow_line *line = &l->lines[pn_flow_home_of(hash, l->n_lines)];

    __builtin_prefetch(line);
    b->look[i].slot = s;
    b->look[i].line = line;
    key->client[0] = c0;
    key->client[1] = c1;
    memcpy(&key->port_svc, &word, sizeof(word));
    b->pkt[i].frame_bytes = (uint16_t)bytes;
}
_Static_assert(offsetof(struct pn_flow_key, plain) == offsetof(struct pn_flow_key, port_svc) + 4, "one word");

static struct pn_flow_key *complete_key(const struct lane *l, struct pn_batch *b, unsigned i)
{
    struct pn_flow_key *key = &b->look[i].key;

    key->hash = pn_hash_flow(&l->hash_key, key->client, key->port_svc);
    return key;
}

/*
 * First pass. The conditions are pn_parse's, but for those that the slot answers, and those that the flow's entry
 * answers: no flow was ever entered for a client address or port that cannot be.
 */
static inline const struct pn_straight_slot *look4(struct lane *l, struct pn_batch *b, uint64_t i, const uint8_t *f,
                                                   uint32_t bytes, bool checked)
{
    const struct pn_straight_slot *s = opaque(&l->straight->v4[(f[33] ^ f[37]) % PN_STRAIGHT_SLOTS]);

    if (unlikely(!fits(f, f + V4_SECOND, mask4, s)))
        return NULL;
    int32_t total = (int32_t)low16(f + 14);
    /* The TCP header's length in words is the upper half of a byte: so four times all bytes. */
    if (unlikely(f[46] < 5 << 4 || 4 * (total - 20) < (f[46] & 0xf0) || (uint32_t)total + PN_ETHER_BYTES > bytes))
        return NULL;
    if (unlikely(!checked && !checksum_ok(f + PN_ETHER_BYTES, s->rest_sum)))
        return NULL;
    struct pn_addr client = pn_addr_from_v4(pn_load32(f + 26));
    fill(l, i, s, b, 0, client.q[1], pn_load32(f + 34), bytes);
    return s;
}

/* Not inline: the loop over IPv4 keeps its registers. */
static __rte_noinline const struct pn_straight_slot *look6(struct lane *l, struct pn_batch *b, unsigned i,
                                                           const uint8_t *f, uint32_t bytes)
{
    if (unlikely(bytes < PN_PARSE_V6_BYTES))
        return NULL;
    const struct pn_straight_slot *s = &l->straight->v6[(f[53] ^ f[57]) % PN_STRAIGHT_SLOTS];
    uint32_t payload = low16(f + 16), tcp = (uint32_t)(f[66] >> 2) & 0x3c;

    if (unlikely(!fits(f, f + V6_SECOND, mask6, s) || (f[67] & FLAGS) != PN_TCP_ACK || tcp < 20 || payload < tcp ||
                 payload + 40 + PN_ETHER_BYTES > bytes))
        return NULL;
    fill(l, i, s, b, pn_load64(f + 22), pn_load64(f + 30), pn_load32(f + 54), bytes);
    return s;
}

/* Returns those that fit their slots. *same: all of them do, and it is one slot. */
static inline uint64_t look_at_all(struct lane *l, struct pn_batch *b, bool *same)
{
    /* Bits of the slots' addresses. Kept here, since loading them again would wait for the stores. */
    uintptr_t any = 0, common = UINTPTR_MAX;
    uint64_t n = b->n, misfit = 0;

    for (uint64_t i = 0; i < n; i++) {
        const struct rte_mbuf *m = b->m[i];
        const struct pn_straight_slot *s;
        uint8_t *f = rte_pktmbuf_mtod(m, uint8_t *);
        uint32_t bytes = m->data_len;
        bool checked = (m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) == RTE_MBUF_F_RX_IP_CKSUM_GOOD;

        b->look[i].frame = f;
        if (likely(m->nb_segs == 1 && bytes >= PN_PARSE_V4_BYTES)) {
            if (likely((s = look4(l, b, i, f, bytes, checked)) != NULL) ||
                (f[12] != 0x08 && (s = look6(l, b, (unsigned)i, f, bytes)) != NULL)) {
                any |= (uintptr_t)s;
                common &= (uintptr_t)s;
                continue;
            }
        }
        misfit |= 1ull << i;
    }
    *same = any == common && misfit == 0;
    return pn_batch_all(b->n) & ~misfit;
}

/* `there` (0 or 1) ? yes : no, without a branch, which compilers like to make of it. */
static inline uint8_t *choose(uint64_t there, uint8_t *yes, uint8_t *no)
{
#ifdef __x86_64__
    __asm__("test %1, %1\n\tcmovz %2, %0" : "+r"(yes) : "r"(there), "r"(no) : "cc");
    return yes;
#else
    return (uint8_t *)((uintptr_t)no ^ (((uintptr_t)no ^ (uintptr_t)yes) & -there));
#endif
}

/*
 * Second pass, one packet. 1 when its entry is there and plain, but not idle, and its gateway can be reached straight.
 * Then the frame is rewritten, else some other bytes are, of no account: what is there cannot be guessed.
 */
static inline uint64_t forward(struct lane *l, struct pn_flow *f, uint64_t there, uint8_t *frame, struct pn_pkt *k)
{
    uint16_t gateway = f->gateway;
    uint32_t idle_ms = l->now_ms - f->seen_ms, none = 0;
    uint64_t way = l->way[gateway], dst = __atomic_load_n(&l->neigh[gateway], __ATOMIC_RELAXED);

    there &= (way & dst) >> 63;
    if (unlikely(idle_ms >= PN_FLOW_SEEN_STEP_MS)) {
        there &= (int32_t)idle_ms < (int32_t)l->live_ms;
        if (there)
            f->seen_ms = l->now_ms;
    }
    k->gateway = gateway;
    memcpy(&k->flow_state, &none, sizeof(none)); /* and tx_counter: TX_FORWARD */
    uint8_t *to = choose(there, frame, l->nowhere);
    pn_store64(to, dst); /* two bytes too many, which the source covers */
    pn_store32(to + 6, (uint32_t)way);
    pn_store16(to + 10, (uint16_t)(way >> 32));
    return there;
}
_Static_assert(PN_C_TX_FORWARD == 0, "as forward takes it");

static inline uint64_t forward_from_line(struct lane *l, struct pn_batch *b, unsigned i)
{
    uint64_t there;
    struct pn_flow *f = pn_flow_in_line(b->look[i].line, &b->look[i].key, &there);

    /* When it is not there, the line beside comes next: the other of the two that share PN_FLOW_ALIGN bytes. */
    __builtin_prefetch((const void *)((uintptr_t)b->look[i].line ^ ((there - 1) & sizeof(struct pn_flow_line))));
    return forward(l, f, there, b->look[i].frame, &b->pkt[i]);
}

/* Those whose flow may live far from its home; their keys are complete. */
static __rte_noinline uint64_t forward_away(struct pn_ctx *c, struct lane *l, struct pn_batch *b, uint64_t set)
{
    struct pn_flow_key keys[PN_BATCH_MAX];
    struct pn_flow *found[PN_BATCH_MAX];
    uint64_t done = 0;
    unsigned i, n = 0;

    if (set == 0)
        return 0;
    PN_BATCH_EACH(i, set)
        keys[n++] = b->look[i].key;
    pn_flow_lookup_bulk(l->flows, keys, n, c->now, found);
    n = 0;
    PN_BATCH_EACH(i, set) {
        struct pn_flow *f = found[n++];

        if (f != NULL)
            done |= forward(l, f, pn_flow_is_plain(f), b->look[i].frame, &b->pkt[i]) << i;
    }
    return done;
}

/*
 * Those not found at home. Whose home line was full lives in the line beside it, but for a few. The home line counts who
 * lives elsewhere, so packets of other ways and of new flows cost little here.
 */
static inline uint64_t forward_elsewhere(struct pn_ctx *c, struct lane *l, struct pn_batch *b, uint64_t set)
{
    uint64_t beside = 0, far = 0, done = 0;
    unsigned i;

    PN_BATCH_EACH(i, set) {
        const struct pn_flow_line *home = b->look[i].line;

        beside |= (uint64_t)(home->slot[0].over != 0) << i;
        b->look[i].line = pn_flow_line_beside(l->flows, home);
        if (home->slot[1].over != 0) {
            far |= 1ull << i;
            pn_flow_prefetch_far(l->flows, complete_key(l, b, i)->hash);
        }
    }
    PN_BATCH_EACH(i, beside)
        done |= forward_from_line(l, b, i) << i;
    return done | forward_away(c, l, b, far & ~done);
}

static void count(const struct pn_straight_slot *s, uint64_t packets, uint64_t bytes)
{
    s->vip_stats->rx_packets += packets;
    s->vip_stats->rx_bytes += bytes;
    s->service_stats->rx_packets += packets;
    s->service_stats->rx_bytes += bytes;
}

/* Straight so far, but not its flow: everything that classify would have filled in, for the flow stage. */
static __rte_noinline void complete(struct pn_batch *b, unsigned i, const struct lane *l)
{
    const struct pn_straight_slot *s = b->look[i].slot;
    const uint8_t *f = b->look[i].frame;
    struct pn_pkt *k = &b->pkt[i];
    const struct pn_flow_key *key = complete_key(l, b, i);
    bool v6 = f[12] != 0x08;
    bool bad = key->port_svc >> 16 == 0;

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
    pn_store64(&k->vip, s->vip_word | (uint64_t)k->frame_bytes << 16 | (uint64_t)f[v6 ? 67 : 47] << 40);
    pn_store64(&k->ip_proto, s->kind_word);
    pn_pkt_note(k, 0, 0, 0, 0);
    count(s, 1, k->frame_bytes);
    pn_batch_move(b, i, PN_EDGE_PARSE, PN_EDGE_FLOW);
}

static inline bool slot_open(const struct pn_ctx *c, const struct pn_straight_slot *s, uint8_t port)
{
    return s->in_port == port && atomic_load_explicit(s->lease, memory_order_relaxed) > c->tsc;
}

/* Of the packets that fit their slots, those whose slot is of this port and leased. */
static inline uint64_t open_ones(const struct pn_ctx *c, const struct pn_batch *b, uint64_t fit, bool same)
{
    uint64_t open = 0;
    unsigned i;

    if (likely(same))
        return slot_open(c, b->look[0].slot, b->in_port[0]) ? fit : 0;
    PN_BATCH_EACH(i, fit)
        open |= (uint64_t)slot_open(c, b->look[i].slot, b->in_port[0]) << i;
    return open;
}

/* The packets of set are counted with their services. */
static void count_all(const struct pn_batch *b, uint64_t set, bool same)
{
    uint64_t others = pn_batch_all(b->n) & ~set, bytes = b->rx_bytes;
    unsigned i;

    if (likely(same)) {
        PN_BATCH_EACH(i, others)
            bytes -= b->m[i]->pkt_len;
        count(b->look[__builtin_ctzll(set)].slot, (uint64_t)__builtin_popcountll(set), bytes);
        return;
    }
    PN_BATCH_EACH(i, set)
        count(b->look[i].slot, 1, b->pkt[i].frame_bytes);
}

void pn_stage_straight(struct pn_ctx *c, struct pn_batch *b)
{
    struct lane l;
    uint64_t all = pn_batch_all(b->n), done = 0;
    bool same;
    unsigned i;

    if (unlikely(b->reentered || c->snap == NULL || b->at[PN_EDGE_PARSE] != all))
        return;
    l.straight = c->straight;
    l.flows = c->flows;
    l.lines = c->flows->lines;
    l.hash_key = c->flows->key;
    l.n_lines = c->flows->n_lines;
    l.live_ms = c->flows->live_ms;
    l.now_ms = c->now.ms;
    l.way = c->straight->way;
    l.neigh = c->shared->neigh.mac;

    uint64_t fit = look_at_all(&l, b, &same);
    if (unlikely(fit == 0))
        return;
    uint64_t open = open_ones(c, b, fit, same);
    if (likely(open == all)) {
        unsigned n = b->n;

        for (i = 0; i < n; i++)
            done |= forward_from_line(&l, b, i) << i;
    } else {
        PN_BATCH_EACH(i, open)
            done |= forward_from_line(&l, b, i) << i;
    }
    if (open != done)
        done |= forward_elsewhere(c, &l, b, open & ~done);
    if (likely(done != 0)) {
        b->at[PN_EDGE_PARSE] &= ~done;
        b->straight = done == all;
        count_all(b, done, same);
    }
    if (likely(c->straight->way_port != PN_PORT_NONE)) {
        b->out[c->straight->way_port] |= done;
    } else {
        PN_BATCH_EACH(i, done)
            b->out[c->straight->way[b->pkt[i].gateway] >> 48 & (PN_MAX_PORTS - 1)] |= 1ull << i;
    }
    uint64_t rest = open & ~done;
    PN_BATCH_EACH(i, rest)
        complete(b, i, &l);
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
    if (!k->is_v6) {
        s->value[1][47 - V4_SECOND] = PN_TCP_ACK;
        s->rest_sum = (uint32_t)pn_csum_finish(pn_load32(f + 30)) << 16;
        if (s->rest_sum == 0)
            s->rest_sum = 0xffff0000u; /* the other zero of one's complement, which sums of anything come to */
    }
    s->key_word = (uint64_t)pn_flow_plain_word() << 32 | (k->port_svc & 0xffff);
    s->in_port = k->in_port;
    s->vip_word = k->vip | (uint64_t)PN_EDGE_FLOW << 32 | (uint64_t)k->l3_off << 48 | (uint64_t)k->l4_off << 56;
    s->kind_word = pn_load64(&k->ip_proto);
    s->lease = &c->shared->lease_tsc[k->vip];
    s->vip_stats = &c->stats->vips[k->vip];
    s->service_stats = &c->stats->services[k->port_svc & 0xffff];
#else
    (void)c, (void)b, (void)i; /* the words would be the other way round: every packet goes the long way */
#endif
}
_Static_assert(offsetof(struct pn_pkt, vip) == 32 && offsetof(struct pn_pkt, frame_bytes) == 34 &&
                   offsetof(struct pn_pkt, edge) == 36 && offsetof(struct pn_pkt, tcp_flags) == 37 &&
                   offsetof(struct pn_pkt, l3_off) == 38 && offsetof(struct pn_pkt, l4_off) == 39 &&
                   offsetof(struct pn_pkt, ip_proto) == 40 && offsetof(struct pn_pkt, flow_state) == 48,
               "the words of a slot");

void pn_straight_reset(struct pn_ctx *c)
{
    struct pn_straight *s = c->straight;
    unsigned ports = 0; /* bit for each that a way leads through */

    memset(s, 0, sizeof(*s));
    for (unsigned i = 0; i < PN_STRAIGHT_SLOTS; i++)
        s->v4[i].in_port = s->v6[i].in_port = PN_PORT_NONE; /* frames of zeros are no one's */
    for (unsigned g = 0; c->snap != NULL && g < PN_MAX_GATEWAYS; g++) {
        const struct pn_dp_gateway *to = &c->snap->gateways[g];

        if (!to->used || to->mode != PN_FWD_L2DSR || to->vlan != 0)
            continue;
        s->way[g] = PN_WAY_PLAIN | (uint64_t)to->port << 48 | pn_mac_u48(&c->shared->ports[to->port].mac);
        ports |= 1u << to->port;
    }
    s->way_port = __builtin_popcount(ports) == 1 ? (uint8_t)__builtin_ctz(ports) : PN_PORT_NONE;
}
