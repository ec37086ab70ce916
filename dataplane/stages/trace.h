/* SPDX-License-Identifier: BSD-3-Clause */
/* Packet trace: what happened to a few packets, stage by stage. One comparison a burst while it is off. */
#ifndef POSTERN_STAGES_TRACE_H
#define POSTERN_STAGES_TRACE_H

#include "dataplane/stages/batch.h"
#include "dataplane/stages/ctx.h"

/* packets 0 disarms. The caller has checked the query's ranges; prefix_len above 128 is taken as 128. */
void pn_trace_arm(struct pn_ctx *c, const struct pn_dp_trace_query *query);

/* Before parse: finds the packets to trace and notes their addresses, which later stages may rewrite. */
void pn_trace_begin(struct pn_ctx *c, const struct pn_batch *b);
/* After tx: their records go to the traced ring. */
void pn_trace_end(struct pn_ctx *c, const struct pn_batch *b);

#endif
