/* SPDX-License-Identifier: BSD-3-Clause */
/* What administrators may order at run time: gateways in and out of service, the node, the configuration. */
#include <stdio.h>

#include "controlplane/api/handlers.h"

static bool pool_has_eligible(const struct pn_view *v, unsigned pool)
{
    const struct pn_conf_pool *conf = &v->conf->pools[pool];

    for (unsigned t = 0; t < conf->n_tiers; t++)
        for (unsigned i = 0; i < conf->tiers[t].n_gateways; i++)
            if (!pn_view_member_refuses(v, pool, t, i))
                return true;
    return false;
}

static bool pool_has(const struct pn_conf_pool *pool, unsigned gateway)
{
    for (unsigned t = 0; t < pool->n_tiers; t++)
        for (unsigned i = 0; i < pool->tiers[t].n_gateways; i++)
            if (pool->tiers[t].gateways[i] == gateway)
                return true;
    return false;
}

/* An order is obeyed even when it takes the last gateway out; the one who gave it should hear so. */
static json_t *warnings(const struct pn_view *v, unsigned gateway)
{
    json_t *list = json_array();

    for (unsigned p = 0; p < v->conf->n_pools; p++) {
        char text[128];

        if (!pool_has(&v->conf->pools[p], gateway) || pool_has_eligible(v, p))
            continue;
        snprintf(text, sizeof(text), "pool %s: no gateway takes new flows now", v->conf->pools[p].name);
        json_array_append_new(list, json_string(text));
    }
    return list;
}

static void order(struct pn_api_call *call, const struct pn_gateway_order *what)
{
    const struct pn_view *v = call->view;
    const char *name = pn_api_text(call, "name");
    int gateway = pn_view_gateway(v->conf, name);
    struct pn_error err = {""};
    json_t *list;

    if (gateway < 0) {
        pn_api_fail(call, PN_API_NOT_FOUND, "no gateway \"%s\" in the running configuration", name);
        return;
    }
    if (v->ops->gateway_order(v->ops_arg, (unsigned)gateway, what, &err) < 0) {
        pn_api_fail(call, PN_API_REFUSED, "%s", err.text);
        return;
    }
    list = warnings(v, (unsigned)gateway);
    if (err.text[0])
        json_array_append_new(list, pn_json_text(err.text));
    pn_api_ok(call, json_pack("{s:o, s:o}", "gateway", pn_show_gateway(v, (unsigned)gateway, false), "warnings", list));
}

void pn_cmd_gateway_drain(struct pn_api_call *call)
{
    order(call, &(struct pn_gateway_order){.drain = 1, .disabled = -1, .weight = PN_ORDER_KEEP});
}

void pn_cmd_gateway_disable(struct pn_api_call *call)
{
    order(call, &(struct pn_gateway_order){.drain = -1, .disabled = 1, .weight = PN_ORDER_KEEP});
}

/* Back in service, whatever took it out. */
void pn_cmd_gateway_enable(struct pn_api_call *call)
{
    order(call, &(struct pn_gateway_order){.drain = 0, .disabled = 0, .weight = PN_ORDER_KEEP});
}

void pn_cmd_gateway_weight(struct pn_api_call *call)
{
    order(call,
          &(struct pn_gateway_order){.drain = -1, .disabled = -1, .weight = (int32_t)pn_api_int(call, "weight", -1)});
}

void pn_cmd_node(struct pn_api_call *call)
{
    pn_api_ok(call, pn_show_node(call->view));
}

static void standby(struct pn_api_call *call, bool on)
{
    struct pn_error err = {""};
    json_t *list;

    if (call->view->ops->node_standby(call->view->ops_arg, on, &err) < 0) {
        pn_api_fail(call, PN_API_REFUSED, "%s", err.text);
        return;
    }
    list = json_array();
    if (err.text[0])
        json_array_append_new(list, pn_json_text(err.text));
    pn_api_ok(call, json_pack("{s:o, s:o}", "node", pn_show_node(call->view), "warnings", list));
}

void pn_cmd_node_standby(struct pn_api_call *call)
{
    standby(call, true);
}

void pn_cmd_node_active(struct pn_api_call *call)
{
    standby(call, false);
}

void pn_cmd_reload(struct pn_api_call *call)
{
    struct pn_conf_error errors[32];
    unsigned n = 0;
    bool loaded = call->view->ops->reload(call->view->ops_arg, errors, 32, &n) == 0;
    json_t *list = json_array();

    for (unsigned i = 0; !loaded && i < n && i < 32; i++)
        json_array_append_new(list, json_pack("{s:o, s:i, s:o, s:o}", "file", pn_json_text(errors[i].file), "line",
                                              (int)errors[i].line, "key", pn_json_text(errors[i].key), "text",
                                              pn_json_text(errors[i].text)));
    pn_api_ok(call, json_pack("{s:b, s:o, s:i, s:o}", "loaded", loaded, "errors", list, "n_errors", (int)n, "config",
                              pn_show_config(call->view)));
}

void pn_cmd_log(struct pn_api_call *call)
{
    static const char *const level[] = {"?", "?", "?", "error", "warning", "notice", "info", "debug"};
    const struct pn_eventlog *log = call->view->events;
    uint64_t after = (uint64_t)pn_api_int(call, "after", 0), last = pn_eventlog_last(log);
    uint64_t max = (uint64_t)pn_api_int(call, "max", 1000);
    json_t *list = json_array();
    const struct pn_eventlog_row *row;

    /* A follower whose number is ahead of ours knew an earlier life of this daemon. */
    if (after > last)
        after = 0;
    if (last - after > max)
        after = last - max;
    for (; (row = pn_eventlog_next(log, after)); after = row->seq)
        json_array_append_new(list, json_pack("{s:I, s:I, s:s, s:s, s:o, s:o}", "seq", (json_int_t)row->seq, "at_ms",
                                              (json_int_t)row->at_ms, "level", level[row->level & 7], "kind", row->kind,
                                              "subject", pn_json_text(row->subject), "text", pn_json_text(row->text)));
    pn_api_ok(call, json_pack("{s:o, s:I}", "events", list, "last", (json_int_t)last));
}
