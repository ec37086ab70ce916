/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The stages in the order a burst passes them. Each takes the packets at its own edges (batch.h) and moves every one
 * of them on; none logs, allocates, locks or calls the system.
 */
#ifndef POSTERN_STAGES_STAGES_H
#define POSTERN_STAGES_STAGES_H

#include "dataplane/stages/batch.h"
#include "dataplane/stages/ctx.h"

/* Counts n <= PN_BATCH_MAX mbufs as received on port and makes them the batch. mbufs: b->m, or no part of the batch. */
void pn_stage_rx(struct pn_ctx *c, struct pn_batch *b, uint8_t port, struct rte_mbuf **mbufs, unsigned n);
/*
 * What came from another lcore (pn_mbuf_meta says what each is) becomes the batch; nothing is counted as received.
 * handed: from a handoff ring, so each was counted as held.
 */
void pn_stage_reenter(struct pn_ctx *c, struct pn_batch *b, struct rte_mbuf **mbufs, unsigned n, bool handed);

void pn_stage_straight(struct pn_ctx *c, struct pn_batch *b); /* PARSE -> TX (most packets) FLOW */
void pn_stage_parse(struct pn_ctx *c, struct pn_batch *b); /* PARSE -> FLOW ARP NDP ICMP FRAGMENT HOST DROP */
/* straight: those at FLOW that are classified already. */
void pn_stage_control(struct pn_ctx *c, struct pn_batch *b, uint64_t straight); /* FLOW -> the same, or HELD DROP */
void pn_stage_classify(struct pn_ctx *c, struct pn_batch *b,
                       uint64_t straight); /* FLOW ICMP FRAGMENT -> the same, or HOST DROP */
void pn_stage_arp(struct pn_ctx *c, struct pn_batch *b); /* ARP -> TX HOST DROP */
void pn_stage_ndp(struct pn_ctx *c, struct pn_batch *b); /* NDP -> TX HOST DROP */
void pn_stage_icmp(struct pn_ctx *c, struct pn_batch *b); /* ICMP -> TX REWRITE HELD DROP */
void pn_stage_fragment(struct pn_ctx *c, struct pn_batch *b); /* FRAGMENT -> REWRITE HELD DROP */
void pn_stage_host(struct pn_ctx *c, struct pn_batch *b); /* HOST -> TX DROP */
void pn_stage_flow(struct pn_ctx *c, struct pn_batch *b); /* FLOW -> REWRITE STEER DROP */
void pn_stage_filter(struct pn_ctx *c, struct pn_batch *b); /* STEER -> the same, or TX DROP */
void pn_stage_steer(struct pn_ctx *c, struct pn_batch *b); /* STEER -> REWRITE DROP */
void pn_stage_rewrite(struct pn_ctx *c, struct pn_batch *b); /* REWRITE -> TX HELD DROP */
/* Answers in a VIP's name, of which there are some, that its lease has left behind: TX -> DROP. */
void pn_stage_answers(struct pn_ctx *c, struct pn_batch *b);
void pn_stage_tx(struct pn_ctx *c, struct pn_batch *b); /* TX DROP: every packet left ends here */

/* All of them, on a batch that rx or reenter has filled. */
void pn_pipeline(struct pn_ctx *c, struct pn_batch *b);

/* pn_frag_drop_fn: arg is the pn_ctx. */
void pn_fragment_dropped(void *arg, uint64_t handle, enum pn_counter why);

/* Every field of a packet that parse will not see. */
void pn_pkt_clear(struct pn_pkt *k, const struct rte_mbuf *m, uint8_t in_port);

#endif
