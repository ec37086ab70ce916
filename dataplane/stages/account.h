/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Keeps the gauges (active, half-open, load) and flow counters true through every change of a flow entry. Each
 * entry is in exactly one gauge of exactly one gateway: half_open while PN_FLOW_HALF_OPEN, active while
 * PN_FLOW_ESTABLISHED, none while PN_FLOW_CLOSING.
 */
#ifndef POSTERN_STAGES_ACCOUNT_H
#define POSTERN_STAGES_ACCOUNT_H

#include "dataplane/stages/ctx.h"

static inline void pn_account_gauge(struct pn_ctx *c, uint16_t gateway, uint8_t state, int by)
{
    struct pn_stats_gateway *g = &c->stats->gateways[gateway];

    if (state == PN_FLOW_HALF_OPEN)
        g->half_open += by;
    else if (state == PN_FLOW_ESTABLISHED)
        g->active += by;
    else
        return;
    c->load[gateway] += by;
}

/* An entry was made, its gateway and state are set. */
void pn_account_enter(struct pn_ctx *c, const struct pn_flow *flow);

/* The entry's state went from half-open to established after handshake_us. */
void pn_account_established(struct pn_ctx *c, const struct pn_flow *flow, uint32_t handshake_us);

/* The connection is over (FIN, RST, or its tuple used anew); before: the state it had. */
void pn_account_closed(struct pn_ctx *c, uint16_t gateway, uint8_t before);

/* The entry moves to another gateway in its present state; the caller sets flow->gateway afterwards. */
void pn_account_move(struct pn_ctx *c, const struct pn_flow *flow, uint16_t to);

/* pn_flow_gone_fn: arg is the pn_ctx. */
void pn_account_gone(void *arg, const struct pn_flow *flow, bool evicted);

#endif
