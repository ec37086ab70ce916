/* SPDX-License-Identifier: BSD-3-Clause */
/* The gateway for a packet that belongs to a flow without being a plain segment of it: fragments, ICMP errors. */
#ifndef POSTERN_STAGES_QUOTED_H
#define POSTERN_STAGES_QUOTED_H

#include "dataplane/core/pkt.h"
#include "dataplane/stages/ctx.h"

/* The entry of k's flow (client, port_svc), k->hash set; NULL: not in this worker's table, or its gateway is gone. */
struct pn_flow *pn_quoted_flow(struct pn_ctx *c, struct pn_pkt *k);

/* The choice that needs no state. PN_ID_NONE with *why: no lease (why_no_lease), no gateway. */
uint16_t pn_quoted_default(struct pn_ctx *c, const struct pn_pkt *k, enum pn_counter why_no_lease, uint16_t *why);

#endif
