/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The last look before answers leave. Between the stage that made one and this, or in a ring between lcores, the process may
 * have been stopped for as long as somebody liked: by then another node may own the VIP.
 */
#include <rte_cycles.h>

#include "dataplane/stages/lease.h"
#include "dataplane/stages/stages.h"

void pn_stage_answers(struct pn_ctx *c, struct pn_batch *b)
{
    uint64_t now = c->shared->clock != NULL ? c->shared->clock() : rte_rdtsc_precise(), late = 0;
    unsigned i;

    PN_BATCH_EACH(i, b->answers) {
        struct pn_pkt *k = &b->pkt[i];
        bool holds;

        if (k->vip == PN_ID_NONE) /* no answer: it has a time of its own */
            holds = pn_mbuf_meta(b->m[i])->until_tsc > now;
        else
            holds = pn_lease_end(c, k->vip) > now;
        if (!holds && k->tx_counter == PN_C_ICMP_ECHOED)
            holds = atomic_load_explicit(&c->shared->forward_tsc[k->vip], memory_order_relaxed) > now;
        if (holds)
            continue;
        late |= 1ull << i;
        k->counter = pn_counter_info[k->tx_counter].kind == 'E' ? PN_C_GEN_DROPPED : PN_C_ANSWER_EXPIRED;
    }
    if (late == 0)
        return;
    for (unsigned port = 0; port < PN_MAX_PORTS; port++)
        b->out[port] &= ~late;
    b->at[PN_EDGE_DROP] |= late;
}
