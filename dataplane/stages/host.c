/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets that are not for a VIP: the host's, where the port keeps an exception port for it. */
#include "dataplane/stages/stages.h"

void pn_stage_host(struct pn_ctx *c, struct pn_batch *b)
{
    uint64_t set = b->at[PN_EDGE_HOST];
    unsigned i;

    PN_BATCH_EACH(i, set) {
        struct pn_pkt *k = &b->pkt[i];
        uint8_t exception = c->shared->ports[k->in_port].exception;

        if (exception == PN_PORT_NONE) {
            /* Earlier stages say what it is where nobody takes it. */
            pn_batch_drop(b, i, PN_EDGE_HOST,
                          k->counter != PN_COUNTER_NONE ? (enum pn_counter)k->counter : PN_C_CLASSIFY_NOT_OURS);
            continue;
        }
        k->gateway = PN_ID_NONE;
        k->tx_counter = PN_C_PUNT_HOST;
        pn_batch_send(b, i, PN_EDGE_HOST, exception);
    }
}
