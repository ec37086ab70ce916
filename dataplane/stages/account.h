/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Keeps the gauges (active, half-open, load) and flow counters true through every change of a flow entry. Each
 * entry of this node's is in exactly one gauge of exactly one gateway: half_open while PN_FLOW_HALF_OPEN or established
 * by a single packet (taken up in the middle: one forged ACK must not pass for a session), active while
 * PN_FLOW_ESTABLISHED, none while PN_FLOW_CLOSING.
 */
#ifndef POSTERN_STAGES_ACCOUNT_H
#define POSTERN_STAGES_ACCOUNT_H

#include "dataplane/stages/ctx.h"

/* What an entry counts as, to be kept before a segment may change it. */
struct pn_account_before {
    uint8_t state; /* enum pn_flow_state */
    bool unproven;
};
static inline struct pn_account_before pn_account_before(const struct pn_flow *f)
{
    return (struct pn_account_before){.state = f->state, .unproven = f->unproven};
}
static inline bool pn_account_same(struct pn_account_before a, const struct pn_flow *f)
{
    return a.state == f->state && a.unproven == f->unproven;
}

/* An entry was made; its gateway and state are set. */
void pn_account_enter(struct pn_ctx *c, const struct pn_flow *flow);

/* A segment made event of the entry, what it counted as before. handshake_us: with PN_FLOW_EV_ESTABLISHED. */
void pn_account_segment(struct pn_ctx *c, const struct pn_flow *flow, enum pn_flow_event event,
                        struct pn_account_before before, uint32_t handshake_us);

/* The entry is about to be removed, its connection is over (unless it was closing already, and so counted before). */
void pn_account_closed(struct pn_ctx *c, const struct pn_flow *flow);
/* The entry is about to be removed and its old connection's end is counted already. */
void pn_account_forget(struct pn_ctx *c, const struct pn_flow *flow);

/* The half-open entry moves to another gateway; the caller sets flow->gateway afterwards. */
void pn_account_move(struct pn_ctx *c, const struct pn_flow *flow, uint16_t to);

/* A peer's flow (PN_FLOW_F_SYNCED, in no gauge) is this node's from now on. */
void pn_account_taken_over(struct pn_ctx *c, const struct pn_flow *flow);

/* pn_flow_aside_fn: arg is the pn_ctx. */
void pn_account_aside(void *arg, const struct pn_flow *flow);

/* pn_flow_gone_fn: arg is the pn_ctx. */
void pn_account_gone(void *arg, const struct pn_flow *flow, bool evicted);

#endif
