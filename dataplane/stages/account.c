/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/stages/account.h"

static void gauge(struct pn_ctx *c, uint16_t gateway, struct pn_account_before as, int by)
{
    struct pn_stats_gateway *g = &c->stats->gateways[gateway];

    if (as.state == PN_FLOW_HALF_OPEN || (as.state == PN_FLOW_ESTABLISHED && as.unproven))
        g->half_open += by;
    else if (as.state == PN_FLOW_ESTABLISHED)
        g->active += by;
    else
        return;
    c->load[gateway] += by;
}

void pn_account_enter(struct pn_ctx *c, const struct pn_flow *flow)
{
    pn_count(c, PN_C_FLOW_NEW, 1);
    c->stats->gateways[flow->gateway].flows_new++;
    c->stats->services[flow->port_svc & 0xffff].flows_new++;
    gauge(c, flow->gateway, pn_account_before(flow), 1);
}

void pn_account_segment(struct pn_ctx *c, const struct pn_flow *flow, enum pn_flow_event event,
                        struct pn_account_before before, uint32_t handshake_us)
{
    struct pn_stats_gateway *g = &c->stats->gateways[flow->gateway];

    if (!pn_account_same(before, flow)) {
        gauge(c, flow->gateway, before, -1);
        gauge(c, flow->gateway, pn_account_before(flow), 1);
    }
    switch (event) {
    case PN_FLOW_EV_ESTABLISHED:
        pn_count(c, PN_C_FLOW_ESTABLISHED, 1);
        g->flows_established++;
        g->handshake_count++;
        g->handshake_us_sum += handshake_us;
        break;
    case PN_FLOW_EV_SYN_RETRY:
        pn_count(c, PN_C_FLOW_SYN_RETRY, 1);
        g->syn_retries++;
        break;
    case PN_FLOW_EV_CLOSING:
        pn_count(c, PN_C_FLOW_CLOSED, 1);
        g->flows_closed++;
        break;
    case PN_FLOW_EV_REOPENED:
        if (before.state != PN_FLOW_CLOSING) {
            pn_count(c, PN_C_FLOW_CLOSED, 1);
            g->flows_closed++;
        }
        break;
    case PN_FLOW_EV_NONE:
    case PN_FLOW_EV_RESUMED:
    case PN_FLOW_EV_TAKEN_OVER:
        break;
    }
}

void pn_account_closed(struct pn_ctx *c, const struct pn_flow *flow)
{
    if (flow->state == PN_FLOW_CLOSING)
        return;
    pn_count(c, PN_C_FLOW_CLOSED, 1);
    c->stats->gateways[flow->gateway].flows_closed++;
    gauge(c, flow->gateway, pn_account_before(flow), -1);
}

void pn_account_forget(struct pn_ctx *c, const struct pn_flow *flow)
{
    gauge(c, flow->gateway, pn_account_before(flow), -1);
}

void pn_account_move(struct pn_ctx *c, const struct pn_flow *flow, uint16_t to)
{
    pn_count(c, PN_C_FLOW_RESTEERED, 1);
    c->stats->gateways[to].flows_new++;
    gauge(c, flow->gateway, pn_account_before(flow), -1);
    gauge(c, to, pn_account_before(flow), 1);
}

void pn_account_taken_over(struct pn_ctx *c, const struct pn_flow *flow)
{
    pn_count(c, PN_C_FLOW_TAKEN_OVER, 1);
    gauge(c, flow->gateway, pn_account_before(flow), 1);
}

void pn_account_aside(void *arg, const struct pn_flow *flow)
{
    struct pn_ctx *c = arg;

    pn_count(c, PN_C_FLOW_SET_ASIDE, 1);
    gauge(c, flow->gateway, pn_account_before(flow), -1);
}

void pn_account_gone(void *arg, const struct pn_flow *flow, bool evicted)
{
    struct pn_ctx *c = arg;
    struct pn_stats_gateway *g = &c->stats->gateways[flow->gateway];

    if (flow->flags & PN_FLOW_F_SYNCED)
        return; /* its own node counts it */
    if (evicted)
        pn_count(c, PN_C_FLOW_EVICTED, 1);
    else if (flow->state == PN_FLOW_HALF_OPEN) {
        pn_count(c, PN_C_FLOW_SYN_EXPIRED, 1);
        g->syn_expired++;
    } else if (flow->state == PN_FLOW_ESTABLISHED) {
        pn_count(c, PN_C_FLOW_EXPIRED, 1);
        g->flows_closed++;
    }
    gauge(c, flow->gateway, pn_account_before(flow), -1);
}
