/* SPDX-License-Identifier: BSD-3-Clause */
/* The nodes together: who is heard, what was refused, and the orders that move VIPs. */
#include "controlplane/api/handlers.h"

static uint64_t ago_ms(const struct pn_view *v, uint64_t at_ns)
{
    uint64_t at_ms = at_ns / 1000000u, now_ms = v->now_ms();
    return now_ms > at_ms ? now_ms - at_ms : 0;
}

static json_t *ago(const struct pn_view *v, uint64_t at_ns)
{
    return at_ns ? json_integer((json_int_t)ago_ms(v, at_ns)) : json_null();
}

/* Each way by which it may be heard. */
static json_t *paths_of(const struct pn_view *v, const struct pn_own_peer *p)
{
    json_t *list = json_array();

    for (unsigned i = 0; v->node >= 0 && i < v->conf->nodes[v->node].n_paths && i < PN_OWN_PATHS; i++)
        if (p->paths[i].configured)
            json_array_append_new(list,
                                  json_pack("{s:s, s:b, s:o}", "name", v->conf->nodes[v->node].paths[i].name, "heard",
                                            !p->paths[i].silent, "heard_ago_ms", ago(v, p->paths[i].heard_ns)));
    return list;
}

static json_t *one_node(const struct pn_view *v, unsigned i)
{
    uint8_t number = (uint8_t)(v->conf->nodes[i].number - 1);
    const struct pn_own_peer *p = &v->own->peers[number];
    bool self = v->node == (int)i;
    unsigned owned = 0;

    for (unsigned k = 0; k < v->own->n; k++)
        owned += self ? v->own->vips[k].state == PN_EL_OWNER : p->heard && p->vips[k].state == PN_EL_OWNER;
    return json_pack("{s:s, s:i, s:b, s:b, s:o, s:i, s:b, s:b, s:I, s:I, s:I, s:I, s:s, s:o, s:o}", "name",
                     v->conf->nodes[i].name, "number", (int)v->conf->nodes[i].number, "self", self, "heard",
                     self || p->heard, "heard_ago_ms", self ? json_integer(0) : ago(v, p->heard_ns), "vips_owned",
                     (int)owned, "standby", self ? v->own->standby : p->standby, "same_configuration",
                     self || p->same_generation, "hold_ms", (json_int_t)(self ? v->own->hold_ms : p->hold_ms), "starts",
                     (json_int_t)p->boots, "received", (json_int_t)p->received, "late", (json_int_t)p->late, "sync",
                     self ? "" : pn_sync_state_name[p->sync], "sync_ago_ms",
                     self ? json_null() : ago(v, p->sync_heard_ns), "paths", self ? json_array() : paths_of(v, p));
}

static json_t *refused(const struct pn_view *v)
{
    const struct pn_ownership *o = v->own;
    json_t *out = json_object();

    /* The first of each list is what was taken. */
    for (unsigned i = PN_HB_UNKNOWN_SENDER; i < PN_HB_SEAL; i++)
        json_object_set_new(out, pn_hb_verdict_name[i], pn_json_u64(o->refused[i]));
    for (unsigned i = 1; i < PN_SEAL_VERDICT_COUNT; i++)
        if (i != PN_SEAL_REPLAYED)
            json_object_set_new(out, pn_seal_verdict_name[i], pn_json_u64(o->refused_seal[i]));
    for (unsigned i = 1; i < PN_WIRE_VERDICT_COUNT; i++)
        json_object_set_new(out, pn_wire_verdict_name[i], pn_json_u64(o->refused_wire[i]));
    /* These the dataplane kept for itself. */
    json_object_set_new(out, "repeated", pn_json_u64(v->stats->sum.counters[PN_C_CONTROL_REPEATED]));
    json_object_set_new(out, "limited", pn_json_u64(v->stats->sum.counters[PN_C_CONTROL_LIMITED]));
    return out;
}

static json_t *sync_of(const struct pn_ownership *o)
{
    const struct pn_own_sync *s = &o->sync;

    return json_pack("{s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:i}", "complete", o->synced, "flows_sent",
                     pn_json_u64(s->flows_sent), "flows_received", pn_json_u64(s->flows_received), "flows_dropped_out",
                     pn_json_u64(s->dropped_out), "flows_dropped_in", pn_json_u64(s->dropped_in), "flows_unknown",
                     pn_json_u64(s->unknown), "datagrams_refused", pn_json_u64(s->refused), "ends_ignored",
                     pn_json_u64(s->ends_ignored), "queued", (int)s->queued);
}

json_t *pn_show_nodes(const struct pn_view *v)
{
    json_t *nodes = json_array();

    for (unsigned i = 0; i < v->conf->n_nodes; i++)
        json_array_append_new(nodes, one_node(v, i));
    return nodes;
}

void pn_cmd_node_list(struct pn_api_call *call)
{
    const struct pn_view *v = call->view;
    const struct pn_ownership *o = v->own;

    pn_api_ok(call, json_pack("{s:o, s:{s:o, s:o, s:I, s:b, s:b, s:o}, s:o, s:{s:I, s:b, s:I}}", "nodes",
                              pn_show_nodes(v), "heartbeats", "sent", pn_json_u64(o->heartbeats_sent), "skipped",
                              pn_json_u64(o->heartbeats_skipped), "late_us_max", (json_int_t)o->late_us_max, "realtime",
                              o->realtime, "linked", o->linked, "refused", refused(v), "sync", sync_of(o), "hold", "ms",
                              (json_int_t)o->hold_ms, "granted", o->hold_granted, "left_ms",
                              (json_int_t)pn_show_left_ms(v, o->hold_until_ns)));
}

void pn_cmd_node_hold(struct pn_api_call *call)
{
    const struct pn_view *v = call->view;
    struct pn_error err = {""};

    if (v->ops->node_hold(v->ops_arg, (uint32_t)pn_api_int(call, "ms", 0), &err) < 0)
        pn_api_fail(call, PN_API_REFUSED, "%s", err.text);
    else
        pn_api_ok(call, json_pack("{s:I, s:b}", "ms", (json_int_t)v->own->hold_ms, "granted", v->own->hold_granted));
}

/* The VIP, or NULL after answering. */
static const struct pn_conf_vip *vip_of(struct pn_api_call *call, int *at)
{
    *at = pn_view_vip(call->view->conf, pn_api_text(call, "name"));
    if (*at >= 0)
        return &call->view->conf->vips[*at];
    pn_api_fail(call, PN_API_NOT_FOUND, "no VIP \"%s\" in the running configuration", pn_api_text(call, "name"));
    return NULL;
}

void pn_cmd_vip_move(struct pn_api_call *call)
{
    const struct pn_view *v = call->view;
    struct pn_error err = {""};
    int at;
    const struct pn_conf_vip *vip = vip_of(call, &at);

    if (!vip)
        return;
    if (v->ops->vip_move(v->ops_arg, vip->name, pn_api_text(call, "node"), &err) < 0)
        pn_api_fail(call, PN_API_REFUSED, "%s", err.text);
    else
        pn_api_ok(call, json_pack("{s:o}", "vip", pn_show_vip(v, (unsigned)at)));
}

void pn_cmd_vip_force(struct pn_api_call *call)
{
    const struct pn_view *v = call->view;
    struct pn_error err = {""};
    int at;
    const struct pn_conf_vip *vip = vip_of(call, &at);

    if (!vip)
        return;
    if (v->ops->vip_force(v->ops_arg, vip->name, &err) < 0)
        pn_api_fail(call, PN_API_REFUSED, "%s", err.text);
    else
        pn_api_ok(call, json_pack("{s:o}", "vip", pn_show_vip(v, (unsigned)at)));
}
