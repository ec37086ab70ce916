/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The flow table of one worker: (client address, client port, service) -> gateway, with TCP state as the client's
 * side shows it. Single writer, single reader, no locks. Pure: time comes in, nothing is allocated after creation.
 *
 * Shape: lines of 64 bytes hold two 32-byte entries; a bucket is two neighbouring lines; a key has two buckets
 * (two-choice, with bounded displacement), so that a hit at normal load costs one cache miss and the table fills
 * above 0.85 before it refuses.
 */
#ifndef POSTERN_CORE_FLOW_H
#define POSTERN_CORE_FLOW_H

#include <stddef.h>

#include "postern/dpapi.h"
#include "postern/types.h"

struct pn_flow {
    uint64_t client[2];
    uint32_t port_svc; /* client port << 16 | service.id */
    uint16_t gateway; /* gateway.id */
    uint8_t state; /* enum pn_flow_state; FREE: slot empty */
    uint8_t flags; /* PN_FLOW_F_* */
    uint32_t seen_ms; /* pn_now.ms of the last packet, rounded so that busy flows seldom dirty their line */
    uint32_t aux; /* half-open: pn_now.us of the SYN; later: for flow sync */
};
_Static_assert(sizeof(struct pn_flow) == 32, "two to a cache line");

/* Time for one burst; wraps are meant, differences are taken in 32 bits. */
struct pn_now {
    uint32_t ms;
    uint32_t us;
};

struct pn_flow_table;

/* Idle timers of one service, milliseconds. */
struct pn_flow_timers {
    uint32_t half_open_ms, established_ms, closing_ms;
    uint32_t half_open_max;
};

/* Called for each entry that leaves by age or eviction (never for pn_flow_remove). */
typedef void pn_flow_gone_fn(void *arg, const struct pn_flow *flow, bool evicted);

struct pn_flow_config {
    uint32_t entries_max; /* flows it must hold; memory is at most 64 bytes each, rounded up to the geometry */
    uint64_t hash_seed[2]; /* random per process: keys come from attackers */
    void *(*alloc)(void *arg, size_t bytes, size_t align); /* zeroed memory, NULL when there is none */
    void (*release)(void *arg, void *mem);
    void *alloc_arg;
    pn_flow_gone_fn *gone;
    void *gone_arg;
};

/* NULL and err when memory is short or a field is out of range. Released with pn_flow_table_free. */
struct pn_flow_table *pn_flow_table_new(const struct pn_flow_config *config, struct pn_error *err);
void pn_flow_table_free(struct pn_flow_table *t);

/* timers: array indexed by service.id, PN_MAX_SERVICES long, owned by the caller, may be replaced at any call. */
void pn_flow_table_set_timers(struct pn_flow_table *t, const struct pn_flow_timers *timers);

uint64_t pn_flow_hash(const struct pn_flow_table *t, const uint64_t client[2], uint32_t port_svc);
void pn_flow_prefetch(const struct pn_flow_table *t, uint64_t hash);

/*
 * Bulk lookup of n <= 64 keys whose lines were prefetched. out[i]: the live entry, or NULL (unknown, or idle for too
 * long: such an entry is removed on the way). Entries stay where they are until the next insert or age call.
 */
struct pn_flow_key {
    uint64_t client[2];
    uint64_t hash;
    uint32_t port_svc;
    uint32_t reserved;
};
void pn_flow_lookup_bulk(struct pn_flow_table *t, const struct pn_flow_key *keys, unsigned n, struct pn_now now,
                         struct pn_flow **out);
struct pn_flow *pn_flow_lookup(struct pn_flow_table *t, const uint64_t client[2], uint32_t port_svc, uint64_t hash,
                               struct pn_now now);

/*
 * Enters a flow in state half-open or established; the key must be unknown. NULL: the table (or the service's
 * half-open share) is full and nothing half-open could be pushed out; the packet is then steered without an entry.
 * A half-open entry never displaces an established one out of the table.
 */
struct pn_flow *pn_flow_insert(struct pn_flow_table *t, const uint64_t client[2], uint32_t port_svc, uint64_t hash,
                               enum pn_flow_state state, struct pn_now now);
void pn_flow_remove(struct pn_flow_table *t, struct pn_flow *flow);

/* What a client's segment did to its flow. */
enum pn_flow_event {
    PN_FLOW_EV_NONE = 0,
    PN_FLOW_EV_ESTABLISHED, /* first ACK after the SYN; handshake_us is set */
    PN_FLOW_EV_SYN_RETRY,
    PN_FLOW_EV_REOPENED, /* SYN on a closing or established flow's tuple: a new connection */
    PN_FLOW_EV_CLOSING,
};
enum pn_flow_event pn_flow_segment(struct pn_flow_table *t, struct pn_flow *flow, uint8_t tcp_flags, struct pn_now now,
                                   uint32_t *handshake_us);

/* Looks at the next `lines` lines for idle entries. Call once a burst with the share due; never a full scan. */
void pn_flow_age(struct pn_flow_table *t, unsigned lines, struct pn_now now);
uint32_t pn_flow_lines(const struct pn_flow_table *t);

/* Copies up to max live entries from position *cursor on; *cursor is 0 at the end. Order is the table's. */
unsigned pn_flow_walk(const struct pn_flow_table *t, uint64_t *cursor, struct pn_flow *out, unsigned max,
                      unsigned lines_max, struct pn_now now);

struct pn_flow_usage {
    uint32_t used, half_open, slots;
    size_t bytes; /* all memory of the table */
};
struct pn_flow_usage pn_flow_usage(const struct pn_flow_table *t);

#endif
