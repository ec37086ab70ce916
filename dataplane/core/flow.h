/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The flow table of one worker: (client address, client port, service) -> gateway, with TCP state as the client's
 * side shows it. Single writer, single reader, no locks. Pure: time comes in, nothing is allocated after creation.
 *
 * Shape: lines of 64 bytes hold two 32-byte entries. Half of the hash names a flow's home line, the other half a far
 * line; each has its neighbour (index ^ 1) beside it, so a flow has up to eight slots and the insert moves others
 * about when all are taken. A line counts the flows whose home it is that live elsewhere: a miss ends after one line
 * unless there are some. At entries_max the table is PN_FLOW_FILL_PERCENT full: six of seven hits touch one line, and
 * 61 bytes a flow are taken; inserts would succeed up to 85 percent and more.
 */
#ifndef POSTERN_CORE_FLOW_H
#define POSTERN_CORE_FLOW_H

#include <stddef.h>

#ifdef __AVX2__
#include <immintrin.h>
#endif

#include "common/hash.h"
#include "postern/dpapi.h"
#include "postern/types.h"

#define PN_FLOW_FILL_PERCENT 55u
#define PN_FLOW_ALIGN 128u /* neighbour lines share a 128-byte block, which some prefetchers fetch whole */
#define PN_FLOW_SEEN_STEP_MS 512u /* seen_ms is written only when it is this far behind; idle timers add it */
#define PN_FLOW_BULK_MAX 64u

struct pn_flow {
    uint64_t client[2];
    uint32_t port_svc; /* client port << 16 | service.id */
    uint16_t gateway; /* gateway.id, written by the caller */
    union {
        struct {
            uint8_t state : 2; /* enum pn_flow_state; FREE: slot empty */
            uint8_t place : 2; /* table's own: which of its lines it lives in */
            uint8_t unproven : 1; /* table's own: nothing but its first packet seen, may be pushed out */
            uint8_t over : 3; /* table's own, of the line: flows at home here that live elsewhere */
        };
        uint8_t bits; /* all four, written at once: a narrow store before a wider load stalls */
    };
    uint8_t flags; /* PN_FLOW_F_*, written by the caller */
    uint32_t seen_ms; /* pn_now.ms of the last packet, rounded so that busy flows seldom dirty their line */
    uint32_t aux; /* half-open: pn_now.us of the SYN; closing: 1 after RST; else 0 */
};
_Static_assert(sizeof(struct pn_flow) == 32, "two to a cache line");
_Static_assert(offsetof(struct pn_flow, gateway) == 20 && offsetof(struct pn_flow, bits) == 22, "pn_flow_word");

/* Time for one burst; wraps are meant, differences are taken in 32 bits. */
struct pn_now {
    uint32_t ms;
    uint32_t us;
};

struct pn_flow_table;

/* Idle timers of one service, milliseconds, each below 2^31 - 512. */
struct pn_flow_timers {
    uint32_t half_open_ms, established_ms, closing_ms;
    uint32_t half_open_max; /* unproven flows of this service at most; 0: a quarter of entries_max */
};

/* Called for each entry that leaves by age or eviction (never for pn_flow_remove), while it still stands. */
typedef void pn_flow_gone_fn(void *arg, const struct pn_flow *flow, bool evicted);

struct pn_flow_config {
    uint32_t entries_max; /* flows it holds, 1 .. PN_FLOW_ENTRIES_MAX */
    uint64_t hash_seed[2]; /* random per process: keys come from attackers */
    void *(*alloc)(void *arg, size_t bytes, size_t align); /* zeroed memory, NULL when there is none; NULL: malloc's */
    void (*release)(void *arg, void *mem);
    void *alloc_arg;
    pn_flow_gone_fn *gone; /* may be NULL */
    void *gone_arg;
};
#define PN_FLOW_ENTRIES_MAX (1u << 29)

/* NULL and err when memory is short or a field is out of range. Released with pn_flow_table_free. */
struct pn_flow_table *pn_flow_table_new(const struct pn_flow_config *config, struct pn_error *err);
void pn_flow_table_free(struct pn_flow_table *t);

/*
 * timers: array indexed by service.id, PN_MAX_SERVICES long, owned by the caller, in use until the next call; call
 * again when its contents change. NULL: 11 minutes, 30 s, 30 s for all. A zero timer ends such flows at once; all three zero
 * (no such service) end them with the next sweep.
 */
void pn_flow_table_set_timers(struct pn_flow_table *t, const struct pn_flow_timers *timers);

/* A key on its way to the table; hash is pn_flow_hash of the rest. */
struct pn_flow_key {
    uint64_t client[2]; /* never all zero: that is no client */
    uint32_t port_svc;
    uint32_t plain; /* pn_flow_plain_word(), for pn_flow_in_line only: with it a key looks as its plain entry does */
    uint64_t hash;
} __attribute__((aligned(32)));

static inline uint64_t pn_flow_hash(const struct pn_flow_table *t, const uint64_t client[2], uint32_t port_svc);
static inline void pn_flow_prefetch(const struct pn_flow_table *t, uint64_t hash);

/*
 * Bulk lookup of n <= PN_FLOW_BULK_MAX keys whose lines were prefetched. out[i]: the live entry, or NULL (unknown, or
 * idle for too long: such an entry is removed on the way). Entries stay where they are until the next insert or age
 * call. Of equal unknown keys in one burst each is NULL: look again before each insert.
 */
void pn_flow_lookup_bulk(struct pn_flow_table *t, const struct pn_flow_key *keys, unsigned n, struct pn_now now,
                         struct pn_flow **out);
struct pn_flow *pn_flow_lookup(struct pn_flow_table *t, const uint64_t client[2], uint32_t port_svc, uint64_t hash,
                               struct pn_now now);

/*
 * Enters a flow in state half-open or established; the key must be unknown. gateway and flags are 0, for the caller
 * to fill. NULL: the table (or the share of unproven flows, in all half of entries_max) is full and nothing unproven
 * could be pushed out; the packet is then steered without an entry. Only unproven entries are ever pushed out, oldest
 * first: half-open ones, those closed while half-open, and those of pn_flow_pick_up that had no second packet.
 */
struct pn_flow *pn_flow_insert(struct pn_flow_table *t, const uint64_t client[2], uint32_t port_svc, uint64_t hash,
                               enum pn_flow_state state, struct pn_now now);
/*
 * Enters a flow first seen in the middle: established, PN_FLOW_F_PICKED_UP, but unproven until its second packet, so
 * that a flood of ACKs does no more harm than one of SYNs.
 */
struct pn_flow *pn_flow_pick_up(struct pn_flow_table *t, const uint64_t client[2], uint32_t port_svc, uint64_t hash,
                                struct pn_now now);
void pn_flow_remove(struct pn_flow_table *t, struct pn_flow *flow);

/*
 * Enters a peer's flow, half-open or established, PN_FLOW_F_SYNCED: only where there is room, an eighth of the table stays for
 * the node's own, and a half-open one is unproven as the node's own are (but pushes out none); the key must be unknown. gateway
 * is 0, for the caller to fill. pn_flow_sync must follow. NULL: no room.
 */
struct pn_flow *pn_flow_import(struct pn_flow_table *t, const uint64_t client[2], uint32_t port_svc, uint64_t hash,
                               enum pn_flow_state state, struct pn_now now);
/* The peer says what became of a flow that is still PN_FLOW_F_SYNCED: half-open, established or closing, expires_ms left. */
void pn_flow_sync(struct pn_flow_table *t, struct pn_flow *flow, enum pn_flow_state state, uint32_t expires_ms,
                  struct pn_now now);

/* What a client's segment did to its flow. Gauges: compare flow->state before and after, whatever the event. */
enum pn_flow_event {
    PN_FLOW_EV_NONE = 0,
    PN_FLOW_EV_ESTABLISHED, /* first ACK after the SYN; handshake_us is set */
    PN_FLOW_EV_SYN_RETRY, /* SYN again on a half-open flow */
    PN_FLOW_EV_REOPENED, /* SYN on a closing flow's tuple, or on one long idle: a new connection, now half-open */
    PN_FLOW_EV_CLOSING, /* FIN or RST; from half-open too */
    PN_FLOW_EV_TAKEN_OVER, /* first packet here of a peer's flow, PN_FLOW_F_SYNCED is cleared: call again for the rest */
    PN_FLOW_EV_RESUMED, /* ACK after an RST: the RST was not the client's, the flow is established again */
};

/*
 * To be called for each segment of a known flow. A SYN on an established flow changes nothing (the gateway answers
 * with a challenge ACK, RFC 5961 section 4) unless it has been idle for half its timer, when its server has given up.
 */
static inline enum pn_flow_event pn_flow_segment(struct pn_flow_table *t, struct pn_flow *flow, uint8_t tcp_flags,
                                                 struct pn_now now, uint32_t *handshake_us);

/* Makes a known flow half-open again for a new connection (its gateway is gone, a SYN came). */
void pn_flow_reopen(struct pn_flow_table *t, struct pn_flow *flow, struct pn_now now);

/*
 * A gateway that was down and came back has lost its sessions, and their clients may never say so: their entries would count as
 * established until their timer ends. An established flow of such a gateway that was last seen before `until_ms` and has been
 * silent for PN_FLOW_QUIET_MS is set aside: fn is called, then it is PN_FLOW_F_SYNCED, which its next packet ends, if one comes.
 * by_gateway: indexed by gateway id, PN_MAX_GATEWAYS long, the caller's. NULL: nothing is set aside.
 */
#define PN_FLOW_QUIET_MS 30000u
#define PN_FLOW_LAPSE_MS 86400000u /* longer ago it means nothing */
struct pn_flow_lapse {
    bool set;
    uint32_t until_ms;
};
typedef void pn_flow_aside_fn(void *arg, const struct pn_flow *flow);
void pn_flow_table_set_lapses(struct pn_flow_table *t, const struct pn_flow_lapse *by_gateway, pn_flow_aside_fn *fn,
                              void *arg);

/* Looks at the next `lines` lines for idle entries, and for those to be set aside. Call once a burst with the share due; never a full scan. */
void pn_flow_age(struct pn_flow_table *t, unsigned lines, struct pn_now now);
uint32_t pn_flow_lines(const struct pn_flow_table *t);

/* How long this entry may be idle, milliseconds (its service's timer for its state). */
uint32_t pn_flow_limit_ms(const struct pn_flow_table *t, const struct pn_flow *flow);

/*
 * Copies up to max live entries from position *cursor on; looks at no more than lines_max lines. *cursor: 0 to start
 * and again at the end. Order is the table's; flows that move meanwhile may come twice or not.
 */
unsigned pn_flow_walk(const struct pn_flow_table *t, uint64_t *cursor, struct pn_flow *out, unsigned max,
                      unsigned lines_max, struct pn_now now);

struct pn_flow_usage {
    uint32_t used; /* entries, idle ones not yet found included */
    uint32_t half_open; /* of these unproven: half-open and other flows of one packet */
    uint32_t slots;
    size_t bytes; /* all memory of the table */
};
struct pn_flow_usage pn_flow_usage(const struct pn_flow_table *t);

/* From here on: internals, in sight for the inline functions and the bench only. */

struct pn_flow_line {
    struct pn_flow slot[2]; /* slot[0].over: flows in the neighbour line; slot[1].over: in far lines, 7 = many */
} __attribute__((aligned(64)));

struct pn_flow_table {
    struct pn_flow_line *lines;
    struct pn_hash_key key;
    uint32_t n_lines; /* even */
    uint32_t live_ms; /* idle for less: alive, whatever state and service */
    const struct pn_flow_timers *timers;

    uint32_t used, entries_max;
    uint32_t n_unproven, unproven_max;
    uint32_t unproven_default; /* of one service */
    uint32_t age_line; /* next line to age */
    uint32_t log_tail, log_used, log_size;
    uint32_t *log; /* slots in the order in which they became unproven: a ring, with items that no longer are */
    pn_flow_gone_fn *gone;
    void *gone_arg;
    const struct pn_flow_lapse *lapses;
    pn_flow_aside_fn *aside;
    void *aside_arg;
    void (*release)(void *arg, void *mem);
    void *alloc_arg;
    size_t bytes;
    uint32_t unproven_of[PN_MAX_SERVICES];
} __attribute__((aligned(64)));

static inline uint64_t pn_flow_hash(const struct pn_flow_table *t, const uint64_t client[2], uint32_t port_svc)
{
    return pn_hash_flow(&t->key, client, port_svc);
}

/* The upper half of the hash decides; with the lower half below it, a multiplication does it all. */
static inline uint64_t pn_flow_home_of(uint64_t hash, uint64_t n_lines)
{
    uint64_t line;
    pn_hash_mul(hash, n_lines, &line);
    return line;
}

static inline uint32_t pn_flow_home(const struct pn_flow_table *t, uint64_t hash)
{
    return (uint32_t)pn_flow_home_of(hash, t->n_lines);
}

/* By force: gcc takes a function that only prefetches for one without effect and may drop the call. */
static inline __attribute__((always_inline)) void pn_flow_prefetch(const struct pn_flow_table *t, uint64_t hash)
{
    __builtin_prefetch(&t->lines[pn_flow_home(t, hash)], 0, 3);
}

/*
 * A plain entry: established, proven, and packets of it were seen here. A segment without SYN, FIN or RST changes no more
 * of it than seen_ms. The words are gateway, bits and flags as they lie in struct pn_flow.
 */
union pn_flow_word {
    struct {
        uint16_t gateway;
        uint8_t bits, flags;
    };
    uint32_t word;
};

static inline uint32_t pn_flow_plain_word(void)
{
    const struct pn_flow wanted = {.state = PN_FLOW_ESTABLISHED};
    const union pn_flow_word w = {.bits = wanted.bits};
    return w.word;
}

static inline uint32_t pn_flow_plain_mask(void)
{
    const struct pn_flow looked_at = {.state = 3, .unproven = 1};
    const union pn_flow_word w = {.bits = looked_at.bits, .flags = PN_FLOW_F_SYNCED};
    return w.word;
}

static inline bool pn_flow_is_plain(const struct pn_flow *flow)
{
    uint32_t word;
    memcpy(&word, &flow->gateway, sizeof(word));
    return ((word ^ pn_flow_plain_word()) & pn_flow_plain_mask()) == 0;
}

/*
 * The slot of line that holds the key as a plain entry; *there says whether one does (else it is any slot). No branches:
 * which slot it is cannot be guessed. Idle entries are found too, so look at seen_ms.
 */
static inline struct pn_flow *pn_flow_in_line(struct pn_flow_line *line, const struct pn_flow_key *key, uint64_t *there)
{
    struct pn_flow *slot = line->slot;
#ifdef __AVX2__
    const __m256i mask = _mm256_setr_epi32(-1, -1, -1, -1, -1, (int)pn_flow_plain_mask(), 0, 0);
    __m256i k = _mm256_load_si256((const __m256i *)key);
    uint64_t a = (unsigned)_mm256_testz_si256(_mm256_xor_si256(k, _mm256_load_si256((const __m256i *)&slot[0])), mask);
    uint64_t b = (unsigned)_mm256_testz_si256(_mm256_xor_si256(k, _mm256_load_si256((const __m256i *)&slot[1])), mask);
#else
    uint64_t a = ((slot[0].client[0] ^ key->client[0]) | (slot[0].client[1] ^ key->client[1]) |
                  (slot[0].port_svc ^ key->port_svc)) == 0 &&
                 pn_flow_is_plain(&slot[0]);
    uint64_t b = ((slot[1].client[0] ^ key->client[0]) | (slot[1].client[1] ^ key->client[1]) |
                  (slot[1].port_svc ^ key->port_svc)) == 0 &&
                 pn_flow_is_plain(&slot[1]);
#endif
    *there = a | b;
    return slot + b;
}

static inline uint32_t pn_flow_far(const struct pn_flow_table *t, uint64_t hash)
{
    return pn_hash_range((uint32_t)hash, t->n_lines);
}

static inline __attribute__((always_inline)) void pn_flow_prefetch_far(const struct pn_flow_table *t, uint64_t hash)
{
    uint32_t far = pn_flow_far(t, hash);

    __builtin_prefetch(&t->lines[far]);
    __builtin_prefetch(&t->lines[far ^ 1]);
}

/* The other line of a pair: where an entry goes first when its home line is full. */
static inline struct pn_flow_line *pn_flow_line_beside(const struct pn_flow_table *t, const struct pn_flow_line *line)
{
    return t->lines + ((size_t)(line - t->lines) ^ 1);
}

enum pn_flow_event pn_flow_segment_slow(struct pn_flow_table *t, struct pn_flow *flow, uint8_t tcp_flags,
                                        struct pn_now now, uint32_t *handshake_us);

static inline enum pn_flow_event pn_flow_segment(struct pn_flow_table *t, struct pn_flow *flow, uint8_t tcp_flags,
                                                 struct pn_now now, uint32_t *handshake_us)
{
    if (__builtin_expect(
            (tcp_flags & 0x07) == 0 && pn_flow_is_plain(flow) && now.ms - flow->seen_ms < PN_FLOW_SEEN_STEP_MS, 1))
        return PN_FLOW_EV_NONE;
    return pn_flow_segment_slow(t, flow, tcp_flags, now, handshake_us);
}

#endif
