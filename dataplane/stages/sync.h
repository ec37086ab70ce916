/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Flows between the nodes. What happens to a flow is noted as it happens; every third of the idle time a walk through the
 * table brings those still alive again. Flows of peers are entered between bursts, in small portions, where there is room.
 */
#ifndef POSTERN_STAGES_SYNC_H
#define POSTERN_STAGES_SYNC_H

#include "dataplane/stages/ctx.h"

/* The flow of a VIP has reached state; PN_FLOW_FREE: it is about to be removed. */
void pn_sync_note(struct pn_ctx *c, uint16_t vip, const struct pn_flow *flow, enum pn_flow_state state);

/*
 * A half-open flow that another node would send elsewhere: what its ACK meets there must be this gateway. Bounded in rate, since a
 * flood of SYNs makes any number of them.
 */
void pn_sync_note_half_open(struct pn_ctx *c, uint16_t vip, const struct pn_flow *flow);

/* What is due; about once a millisecond, between bursts. */
void pn_sync_work(struct pn_ctx *c);

#endif
