/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/stages/account.h"

void pn_account_enter(struct pn_ctx *c, const struct pn_flow *flow)
{
    pn_count(c, PN_C_FLOW_NEW, 1);
    c->stats->gateways[flow->gateway].flows_new++;
    c->stats->services[flow->port_svc & 0xffff].flows_new++;
    pn_account_gauge(c, flow->gateway, flow->state, 1);
}

void pn_account_established(struct pn_ctx *c, const struct pn_flow *flow, uint32_t handshake_us)
{
    struct pn_stats_gateway *g = &c->stats->gateways[flow->gateway];

    pn_count(c, PN_C_FLOW_ESTABLISHED, 1);
    g->flows_established++;
    g->handshake_count++;
    g->handshake_us_sum += handshake_us;
    g->half_open--;
    g->active++;
}

void pn_account_closed(struct pn_ctx *c, uint16_t gateway, uint8_t before)
{
    if (before == PN_FLOW_CLOSING)
        return;
    pn_count(c, PN_C_FLOW_CLOSED, 1);
    c->stats->gateways[gateway].flows_closed++;
    pn_account_gauge(c, gateway, before, -1);
}

void pn_account_move(struct pn_ctx *c, const struct pn_flow *flow, uint16_t to)
{
    pn_count(c, PN_C_FLOW_RESTEERED, 1);
    pn_account_gauge(c, flow->gateway, flow->state, -1);
    pn_account_gauge(c, to, flow->state, 1);
    c->stats->gateways[to].flows_new++;
}

void pn_account_gone(void *arg, const struct pn_flow *flow, bool evicted)
{
    struct pn_ctx *c = arg;
    struct pn_stats_gateway *g = &c->stats->gateways[flow->gateway];

    if (evicted)
        pn_count(c, PN_C_FLOW_EVICTED, 1);
    else if (flow->state == PN_FLOW_HALF_OPEN) {
        pn_count(c, PN_C_FLOW_SYN_EXPIRED, 1);
        g->syn_expired++;
    } else if (flow->state == PN_FLOW_ESTABLISHED) {
        pn_count(c, PN_C_FLOW_EXPIRED, 1);
        g->flows_closed++;
    }
    pn_account_gauge(c, flow->gateway, flow->state, -1);
}
