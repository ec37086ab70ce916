/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A burst on its way through the stages: mbufs, what is known of each, and for every edge the set of packets that
 * stand at it. A stage takes the packets of its own edge only and moves each to one other; an empty set costs one
 * comparison, so a burst of plain TCP passes the slow stages untouched.
 */
#ifndef POSTERN_STAGES_BATCH_H
#define POSTERN_STAGES_BATCH_H

#include <rte_mbuf.h>

#include "dataplane/core/flow.h"
#include "dataplane/core/pkt.h"

#define PN_BATCH_MAX 64u /* one bit each in a mask */

struct pn_straight_slot;

/* What a packet's flow is looked for with: as far apart as the packets are, so that one index finds both. */
struct pn_look {
    struct pn_flow_key key; /* of the packets at PN_EDGE_FLOW; pkt.client is not filled in there */
    /* The straight stage's own: */
    struct pn_flow_line *line; /* the flow's home; later the line looked at */
    const struct pn_straight_slot *slot;
    uint8_t *frame;
} __attribute__((aligned(64)));
_Static_assert(sizeof(struct pn_look) == sizeof(struct pn_pkt), "one index");

struct pn_batch {
    unsigned n;
    bool reentered; /* packets came from another lcore: pn_mbuf_meta says more, they were counted as received before */
    bool straight; /* all of them went the straight way */
    uint64_t at[PN_EDGE_COUNT]; /* bit i: packet i stands at this edge; PN_EDGE_TX is kept by port instead: */
    uint64_t out[PN_MAX_PORTS]; /* leaves through this port, counted as its tx_counter if the port takes it */
    uint64_t refused; /* by their port, after tx */
    uint64_t rx_bytes; /* of all packets, as received */
    uint64_t answers; /* leave only while their VIP's lease holds, or their own time */
    uint8_t in_port[PN_BATCH_MAX]; /* index of the port it came in through */
    struct rte_mbuf *m[PN_BATCH_MAX];
    struct pn_look look[PN_BATCH_MAX];
    struct pn_pkt pkt[PN_BATCH_MAX];
} __attribute__((aligned(64)));

/* All n packets of a batch. */
static inline uint64_t pn_batch_all(unsigned n)
{
    return n >= 64 ? ~0ull : (1ull << n) - 1;
}

/* for each packet i of set (a copy: moving packets on the way is fine) */
#define PN_BATCH_EACH(i, set)                                                                                          \
    for (uint64_t pn_set_ = (set); pn_set_ != 0 && ((i) = (unsigned)__builtin_ctzll(pn_set_), 1);                      \
         pn_set_ &= pn_set_ - 1)

static inline void pn_batch_move(struct pn_batch *b, unsigned i, enum pn_edge from, enum pn_edge to)
{
    b->at[from] &= ~(1ull << i);
    b->at[to] |= 1ull << i;
}

/* The packet leaves through port; tx_counter is set. */
static inline void pn_batch_send(struct pn_batch *b, unsigned i, enum pn_edge from, uint8_t port)
{
    b->at[from] &= ~(1ull << i);
    b->out[port] |= 1ull << i;
}

/* An answer in a VIP's name leaves through port. */
static inline void pn_batch_answer(struct pn_batch *b, unsigned i, enum pn_edge from, uint8_t port)
{
    pn_batch_send(b, i, from, port);
    b->answers |= 1ull << i;
}

/* The packet ends here and its mbuf is freed by tx: kinds D and P. */
static inline void pn_batch_drop(struct pn_batch *b, unsigned i, enum pn_edge from, enum pn_counter counter)
{
    b->pkt[i].counter = (uint16_t)counter;
    pn_batch_move(b, i, from, PN_EDGE_DROP);
}

static inline uint8_t *pn_batch_frame(const struct pn_batch *b, unsigned i)
{
    return rte_pktmbuf_mtod(b->m[i], uint8_t *);
}

#endif
