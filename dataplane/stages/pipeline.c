/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/stages/stages.h"
#include "dataplane/stages/trace.h"

void pn_pipeline(struct pn_ctx *c, struct pn_batch *b)
{
    bool traced = unlikely(c->trace.left != 0) && !b->reentered;

    if (traced)
        pn_trace_begin(c, b);
    else
        pn_stage_straight(c, b); /* which leaves no trace */
    if (likely(b->straight)) { /* all of them: no other stage has anything to do */
        pn_stage_tx(c, b);
        return;
    }
    if (b->at[PN_EDGE_PARSE] != 0) {
        uint64_t straight = b->at[PN_EDGE_FLOW];

        pn_stage_parse(c, b);
        pn_stage_control(c, b, straight);
        pn_stage_classify(c, b, straight);
        pn_stage_arp(c, b);
        pn_stage_ndp(c, b);
        pn_stage_icmp(c, b);
        pn_stage_fragment(c, b);
        pn_stage_host(c, b);
    }
    pn_stage_flow(c, b);
    pn_stage_filter(c, b);
    pn_stage_steer(c, b);
    pn_stage_rewrite(c, b);
    if (unlikely(b->answers != 0))
        pn_stage_answers(c, b);
    pn_stage_tx(c, b);
    if (traced)
        pn_trace_end(c, b);
}
