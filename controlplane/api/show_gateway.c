/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>

#include "controlplane/api/show.h"

struct check_list {
    const struct pn_view *view;
    const char *gateway;
    json_t *list;
};

static void add_check(void *arg, const struct pn_health_row *row)
{
    struct check_list *c = arg;

    if (c->gateway && strcmp(row->gateway, c->gateway) != 0)
        return;
    json_array_append_new(
        c->list, json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:o, s:o, s:o, s:o, s:o}", "pool", row->pool, "gateway",
                           row->gateway, "check", row->check, "type", pn_view_check_type_name[row->type], "health",
                           pn_view_health_name[row->health], "last_ms", (json_int_t)row->last_ms, "ago_ms",
                           row->last_at_ms ? pn_json_u64(c->view->now_ms() - row->last_at_ms) : json_null(), "done",
                           pn_json_u64(row->done), "failed", pn_json_u64(row->failed), "certificate_days_left",
                           row->cert_days_left == INT32_MIN ? json_null() : json_integer(row->cert_days_left), "reason",
                           pn_json_text(row->reason ? row->reason : "")));
}

json_t *pn_show_checks(const struct pn_view *v, const char *gateway)
{
    struct check_list c = {.view = v, .gateway = gateway, .list = json_array()};

    if (v->health_each)
        v->health_each(v->health, add_check, &c);
    return c.list;
}

static json_t *agent(const struct pn_rt_gateway *rt)
{
    if (!rt->agent_known)
        return json_null();
    return json_pack("{s:i, s:b, s:b, s:b, s:o, s:o}", "percent", rt->agent_percent, "drain", rt->agent_drain, "maint",
                     rt->agent_maint, "down", rt->agent_down, "maxconn",
                     rt->agent_maxconn ? json_integer(rt->agent_maxconn) : json_null(), "queue",
                     rt->agent_queue >= 0 ? json_integer(rt->agent_queue) : json_null());
}

/* Every place it has in a pool; since_ms: of the last change anywhere. */
static json_t *memberships(const struct pn_view *v, unsigned gateway, uint64_t *since_ms)
{
    json_t *list = json_array();

    for (unsigned p = 0; p < v->conf->n_pools; p++) {
        for (unsigned t = 0; t < v->conf->pools[p].n_tiers; t++) {
            const struct pn_conf_tier *tier = &v->conf->pools[p].tiers[t];

            for (unsigned i = 0; i < tier->n_gateways; i++) {
                const struct pn_rt_member *m;

                if (tier->gateways[i] != gateway)
                    continue;
                m = pn_rt_member(v->rt, p, t, i);
                if (m->since_ms > *since_ms)
                    *since_ms = m->since_ms;
                json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:o, s:I}", "pool", v->conf->pools[p].name,
                                                      "tier", tier->name, "health", pn_view_health_name[m->health],
                                                      "reason", pn_json_text(m->reason), "for_ms",
                                                      (json_int_t)(m->since_ms ? v->now_ms() - m->since_ms : 0)));
            }
        }
    }
    return list;
}

json_t *pn_show_gateway(const struct pn_view *v, unsigned i, bool checks)
{
    const struct pn_conf_gateway *conf = &v->conf->gateways[i];
    const struct pn_rt_gateway *rt = &v->rt->gateways[i];
    const struct pn_load_gateway *load = &v->loads[i];
    uint16_t id = pn_view_gateway_id(v, i);
    static const struct pn_stats_gateway none;
    const struct pn_stats_gateway *s = id < PN_MAX_GATEWAYS ? &v->stats->sum.gateways[id] : &none;
    const char *reason;
    enum pn_health health = pn_view_gateway_health(v, i, &reason);
    uint64_t since_ms = 0;
    json_t *pools = memberships(v, i, &since_ms);
    char gone[PN_NAME_BYTES + 64];
    json_t *g;

    if (rt->drain || rt->disabled || rt->ordered_ms > since_ms)
        since_ms = rt->ordered_ms; /* its checks go on, but are not why it is in that state */
    if (rt->node_gone) {
        snprintf(gone, sizeof(gone), "its node %s is not there to deliver", conf->node);
        reason = gone;
    }

    g = json_pack("{s:s, s:o, s:s, s:s, s:s, s:o, s:I, s:i, s:i, s:b, s:b, s:b, s:o, s:o}", "name", conf->name,
                  "address", pn_json_addr(&conf->addr), "mode", pn_view_fwd_name[conf->mode], "state",
                  pn_view_gateway_state(v, i), "health", pn_view_health_name[health], "reason", pn_json_text(reason),
                  "state_for_ms", (json_int_t)(since_ms ? v->now_ms() - since_ms : 0), "weight",
                  (int)pn_rt_gateway_weight(v->rt, i), "weight_configured", conf->weight, "weight_ordered",
                  rt->weight_override >= 0, "drain", rt->drain, "disabled", rt->disabled, "agent", agent(rt), "pools",
                  pools);
    if (!g)
        return NULL;
    json_object_update_new(
        g,
        json_pack("{s:b, s:I, s:I, s:f, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "counted", v->stats->valid, "active",
                  (json_int_t)s->active, "half_open", (json_int_t)s->half_open, "new_per_s", load->new_per_s,
                  "handshake_ms", load->primed && load->handshake_ms >= 0 ? json_real(load->handshake_ms) : json_null(),
                  "flows_new", pn_json_u64(s->flows_new), "flows_established", pn_json_u64(s->flows_established),
                  "flows_closed", pn_json_u64(s->flows_closed), "tx_packets", pn_json_u64(s->tx_packets), "tx_bytes",
                  pn_json_u64(s->tx_bytes), "syn_retries", pn_json_u64(s->syn_retries), "syn_expired",
                  pn_json_u64(s->syn_expired)));
    if (checks)
        json_object_set_new(g, "checks", pn_show_checks(v, conf->name));
    return g;
}

json_t *pn_show_flow(const struct pn_view *v, const struct pn_dp_flow *f)
{
    static const char *const state[PN_FLOW_STATE_COUNT] = {"free", "half-open", "established", "closing"};
    int vip = -1, service = pn_view_service_of_id(v, f->service, &vip), gateway = pn_view_gateway_of_id(v, f->gateway);

    return json_pack("{s:o, s:i, s:s, s:s, s:s, s:s, s:b, s:b, s:I, s:I, s:i}", "client", pn_json_addr(&f->client),
                     "port", f->client_port, "service", service >= 0 ? v->conf->services[service].name : "(removed)",
                     "vip", vip >= 0 ? v->conf->vips[vip].name : "(removed)", "gateway",
                     gateway >= 0 ? v->conf->gateways[gateway].name : "(removed)", "state",
                     f->state < PN_FLOW_STATE_COUNT ? state[f->state] : "?", "spilled",
                     (f->flags & PN_FLOW_F_SPILLED) != 0, "picked_up", (f->flags & PN_FLOW_F_PICKED_UP) != 0, "idle_ms",
                     (json_int_t)f->idle_ms, "expires_ms", (json_int_t)f->expires_ms, "worker", f->worker);
}
