/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/stages/quoted.h"

#include "dataplane/stages/lease.h"

struct pn_flow *pn_quoted_flow(struct pn_ctx *c, struct pn_pkt *k)
{
    k->hash = pn_flow_hash(c->flows, k->client, k->port_svc);
    struct pn_flow *f = pn_flow_lookup(c->flows, k->client, k->port_svc, k->hash, c->now);

    return f != NULL && c->snap->gateways[f->gateway].used ? f : NULL;
}

uint16_t pn_quoted_default(struct pn_ctx *c, const struct pn_pkt *k, enum pn_counter why_no_lease, uint16_t *why)
{
    struct pn_steer_choice choice;

    if (!pn_lease_steer(c, k->vip)) {
        *why = (uint16_t)why_no_lease;
        return c->snap->services[(uint16_t)k->port_svc].local_gateway;
    }
    pn_steer(c->snap, (uint16_t)k->port_svc, k->client, (uint16_t)(k->port_svc >> 16), NULL, &choice);
    if (choice.verdict != PN_STEER_OK)
        *why = PN_C_STEER_NO_GATEWAY;
    return choice.default_gateway;
}
