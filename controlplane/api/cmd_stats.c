/* SPDX-License-Identifier: BSD-3-Clause */
/* Every counter there is. */
#include "controlplane/api/handlers.h"

static json_t *counters(const struct pn_view *v)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < PN_C_COUNT; i++) {
        static const char *const kinds[] = {['T'] = "sent", ['P'] = "punted", ['D'] = "dropped", ['E'] = "event"};

        json_array_append_new(list, json_pack("{s:s, s:s, s:o, s:s}", "name", pn_counter_info[i].name, "kind",
                                              kinds[(unsigned char)pn_counter_info[i].kind], "value",
                                              pn_json_u64(v->stats->sum.counters[i]), "help", pn_counter_info[i].help));
    }
    return list;
}

static json_t *ports(const struct pn_view *v)
{
    json_t *list = json_array();
    unsigned named = v->n_ports ? v->n_ports : v->node >= 0 ? v->conf->nodes[v->node].n_ports : 0;

    for (unsigned i = 0; i < PN_MAX_PORTS; i++) {
        const struct pn_stats_port *p = &v->stats->sum.ports[i];
        char name[PN_NAME_BYTES];

        if (i >= named && p->rx_packets == 0 && p->tx_packets == 0)
            continue;
        json_array_append_new(list, json_pack("{s:s, s:o, s:o, s:o, s:o}", "name", pn_show_port_name(v, i, name),
                                              "rx_packets", pn_json_u64(p->rx_packets), "rx_bytes",
                                              pn_json_u64(p->rx_bytes), "tx_packets", pn_json_u64(p->tx_packets),
                                              "tx_bytes", pn_json_u64(p->tx_bytes)));
    }
    return list;
}

static json_t *each(const struct pn_view *v, unsigned n, json_t *(*one)(const struct pn_view *v, unsigned i))
{
    json_t *list = json_array();

    for (unsigned i = 0; i < n; i++)
        json_array_append_new(list, one(v, i));
    return list;
}

static json_t *gateway(const struct pn_view *v, unsigned i)
{
    return pn_show_gateway(v, i, false);
}

void pn_cmd_stats(struct pn_api_call *call)
{
    const struct pn_view *v = call->view;
    const struct pn_stats_worker *s = &v->stats->sum;

    if (!v->stats->valid) {
        pn_api_fail(call, PN_API_UNAVAILABLE, "the dataplane's counters cannot be read: %s",
                    v->dp && !pn_dplink_is_up(v->dp) ? pn_dplink_problem(v->dp) : "no statistics segment");
        return;
    }
    pn_api_ok(call,
              json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:{s:o, s:o, s:o, s:o, s:o}, s:I}", "totals",
                        pn_show_totals(v), "counters", counters(v), "ports", ports(v), "vips",
                        each(v, v->conf->n_vips, pn_show_vip), "services",
                        each(v, v->conf->n_services, pn_show_service), "pools", each(v, v->conf->n_pools, pn_show_pool),
                        "gateways", each(v, v->conf->n_gateways, gateway), "work", "polls", pn_json_u64(s->polls),
                        "idle_polls", pn_json_u64(s->idle_polls), "sleeps", pn_json_u64(s->sleeps), "busy_cycles",
                        pn_json_u64(s->busy_cycles), "total_cycles", pn_json_u64(s->total_cycles), "at_ms",
                        (json_int_t)v->now_ms()));
}
