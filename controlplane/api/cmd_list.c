/* SPDX-License-Identifier: BSD-3-Clause */
/* status, and the lists of what is configured. */
#include "controlplane/api/handlers.h"
#include "controlplane/api/quarantine.h"

static json_t *gateway_plain(const struct pn_view *v, unsigned i)
{
    return pn_show_gateway(v, i, false);
}

static json_t *gateway_full(const struct pn_view *v, unsigned i)
{
    return pn_show_gateway(v, i, true);
}

static json_t *all(const struct pn_view *v, unsigned n, json_t *(*one)(const struct pn_view *v, unsigned i))
{
    json_t *list = json_array();

    for (unsigned i = 0; i < n; i++)
        json_array_append_new(list, one(v, i));
    return list;
}

void pn_cmd_status(struct pn_api_call *call)
{
    const struct pn_view *v = call->view;

    pn_api_ok(call,
              json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I}", "node", pn_show_node(v),
                        "nodes", pn_show_nodes(v), "config", pn_show_config(v), "dataplane", pn_show_dataplane(v),
                        "totals", pn_show_totals(v), "cluster", pn_show_cluster(v), "rules", pn_show_rules(v),
                        "quarantine", pn_json_quarantine(v), "vips", all(v, v->conf->n_vips, pn_show_vip), "services",
                        all(v, v->conf->n_services, pn_show_service), "pools", all(v, v->conf->n_pools, pn_show_pool),
                        "gateways", all(v, v->conf->n_gateways, gateway_plain), "at_ms", (json_int_t)v->now_ms()));
}

static void answer_list(struct pn_api_call *call, const char *key, unsigned n,
                        json_t *(*one)(const struct pn_view *v, unsigned i),
                        int (*find)(const struct pn_conf *conf, const char *name), const char *noun)
{
    const char *name = pn_api_text(call, "name");
    json_t *list = pn_show_list(call, name, n, one, name ? find(call->view->conf, name) : -1, noun);

    if (list)
        pn_api_ok(call, json_pack("{s:o, s:I}", key, list, "at_ms", (json_int_t)call->view->now_ms()));
}

void pn_cmd_vip_list(struct pn_api_call *call)
{
    answer_list(call, "vips", call->view->conf->n_vips, pn_show_vip, pn_view_vip, "VIP");
}

void pn_cmd_service_list(struct pn_api_call *call)
{
    answer_list(call, "services", call->view->conf->n_services, pn_show_service, pn_view_service, "service");
}

void pn_cmd_pool_list(struct pn_api_call *call)
{
    answer_list(call, "pools", call->view->conf->n_pools, pn_show_pool, pn_view_pool, "pool");
}

void pn_cmd_gateway_list(struct pn_api_call *call)
{
    answer_list(call, "gateways", call->view->conf->n_gateways,
                pn_api_text(call, "name") ? gateway_full : gateway_plain, pn_view_gateway, "gateway");
}

/* The addresses a gateway's host must accept: VIPs of the services whose pools it stands in. */
void pn_cmd_gateway_vips(struct pn_api_call *call)
{
    const struct pn_conf *conf = call->view->conf;
    int gateway = pn_view_gateway(conf, pn_api_text(call, "name"));
    bool serves[PN_MAX_VIPS] = {false};
    json_t *list;

    if (gateway < 0) {
        pn_api_fail(call, PN_API_NOT_FOUND, "no gateway \"%s\" in the running configuration",
                    pn_api_text(call, "name"));
        return;
    }
    for (unsigned s = 0; s < conf->n_services; s++) {
        const struct pn_conf_pool *pool = &conf->pools[conf->services[s].pool];
        bool member = false;

        for (unsigned t = 0; t < pool->n_tiers; t++)
            for (unsigned i = 0; i < pool->tiers[t].n_gateways; i++)
                member |= pool->tiers[t].gateways[i] == gateway;
        for (unsigned i = 0; member && i < conf->services[s].n_vips; i++)
            serves[conf->services[s].vips[i]] = true;
    }
    list = json_array();
    for (unsigned i = 0; i < conf->n_vips && i < PN_MAX_VIPS; i++)
        if (serves[i])
            json_array_append_new(list, json_pack("{s:s, s:o}", "name", conf->vips[i].name, "address",
                                                  pn_json_addr(&conf->vips[i].addr)));
    pn_api_ok(call, json_pack("{s:s, s:s, s:o}", "gateway", conf->gateways[gateway].name, "mode",
                              pn_view_fwd_name[conf->gateways[gateway].mode], "vips", list));
}

void pn_cmd_check_list(struct pn_api_call *call)
{
    const char *gateway = pn_api_text(call, "gateway");

    if (gateway && pn_view_gateway(call->view->conf, gateway) < 0)
        pn_api_fail(call, PN_API_NOT_FOUND, "no gateway \"%s\" in the running configuration", gateway);
    else
        pn_api_ok(call, json_pack("{s:o}", "checks", pn_show_checks(call->view, gateway)));
}
