/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fragments of datagrams to a VIP: the first one has the ports, so it is steered like any segment and the others
 * follow it; those that come before it wait, a few, not long. Nothing is reassembled. Pure: time comes in, packets
 * are opaque handles, memory is the caller's and fixed; the oldest datagram makes room for a new one, so a flood of
 * fragments hurts other fragments at most.
 */
#ifndef PN_CORE_FRAG_H
#define PN_CORE_FRAG_H

#include <stddef.h>

#include "dataplane/core/pkt.h"

#define PN_FRAG_HELD_PER_DATAGRAM 8u
#define PN_FRAG_TIMEOUT_MS 2000u /* default: a burst of fragments travels together; hosts wait 15 s to 60 s */

struct pn_frag_info {
    uint64_t src[2];
    uint32_t id; /* IPv4: with the protocol in the upper half; IPv6: as in the header */
    uint16_t vip; /* p->vip: stands for the destination, and tells IPv4 from IPv6 */
    uint16_t offset_bytes;
    uint16_t payload_bytes; /* of this fragment */
    uint8_t first; /* offset 0: has the ports */
    uint8_t more;
};

/*
 * p: with edge FRAGMENT and its vip set. PN_COUNTER_NONE and *info filled, or the counter to drop it with: lengths
 * impossible, no multiple of 8 before the end, past 65535 (RFC 791, 8200 4.5); a first fragment without the whole
 * TCP header, a later one that lies on it (RFC 1858, 3128, 7112). For a first fragment of TCP the ports and flags in *p
 * are filled as parse does for a whole packet, and flags and ports are checked alike. The frame stays as it is.
 */
uint16_t pn_frag_inspect(const uint8_t *frame, uint32_t contiguous, struct pn_pkt *p, struct pn_frag_info *info);

/* Called for each held packet that will not be forwarded: why is PN_C_FRAG_NO_FIRST, _TABLE_FULL or _MALFORMED. */
typedef void pn_frag_drop_fn(void *arg, uint64_t handle, enum pn_counter why);

struct pn_frag_config {
    uint32_t datagrams; /* known at once, 1..65535 */
    uint32_t held_max; /* packets waiting in all, so that they cannot drain the packet pool */
    uint32_t timeout_ms;
    uint64_t hash_seed; /* random per process */
    pn_frag_drop_fn *drop;
    void *drop_arg;
};

struct pn_frag_table;
size_t pn_frag_table_bytes(uint32_t datagrams);
/* memory: pn_frag_table_bytes() long, 64-byte aligned, the caller's. Never fails for a config in range. */
struct pn_frag_table *pn_frag_table_init(void *memory, const struct pn_frag_config *config);

enum pn_frag_verdict {
    PN_FRAG_FORWARD = 0, /* to *gateway */
    PN_FRAG_HELD, /* the table keeps the handle */
    PN_FRAG_DROP, /* *counter says why; the handle stays the caller's */
};

/*
 * A first fragment whose gateway is known (flow table or steering). FORWARD: send it there, then the `n_released` handles
 * that waited for it, written to released[]. DROP: overlaps or contradicts what came before (RFC 5722).
 */
enum pn_frag_verdict pn_frag_first(struct pn_frag_table *t, const struct pn_frag_info *info, uint16_t gateway,
                                   uint32_t now_ms, uint64_t released[PN_FRAG_HELD_PER_DATAGRAM], unsigned *n_released,
                                   uint16_t *counter);

/* A later fragment. */
enum pn_frag_verdict pn_frag_later(struct pn_frag_table *t, const struct pn_frag_info *info, uint64_t handle,
                                   uint32_t now_ms, uint16_t *gateway, uint16_t *counter);

/* The first fragment was dropped (no gateway, no lease): those that wait go too, with FRAG_NO_FIRST. */
void pn_frag_forget(struct pn_frag_table *t, const struct pn_frag_info *info);

/* Ends datagrams older than the timeout; cheap when none is, call it once a burst or a millisecond. */
void pn_frag_expire(struct pn_frag_table *t, uint32_t now_ms);

/* Packets waiting now. */
uint32_t pn_frag_held(const struct pn_frag_table *t);

/* Gives back every held handle (shutdown, through drop with FRAG_NO_FIRST) and empties the table. */
void pn_frag_flush(struct pn_frag_table *t);

#endif
