/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>

#include "controlplane/api/show.h"

#define FOREIGN_MS 60000u

uint64_t pn_show_left_ms(const struct pn_view *v, uint64_t deadline_ns)
{
    uint64_t deadline_ms = deadline_ns / 1000000u, now_ms = v->now_ms();
    return deadline_ms > now_ms ? deadline_ms - now_ms : 0;
}

json_t *pn_show_list(struct pn_api_call *call, const char *name, unsigned n,
                     json_t *(*one)(const struct pn_view *v, unsigned i), int found, const char *noun)
{
    json_t *list;

    if (name && found < 0) {
        pn_api_fail(call, PN_API_NOT_FOUND, "no %s \"%s\" in the running configuration", noun, name);
        return NULL;
    }
    list = json_array();
    for (unsigned i = 0; i < n; i++)
        if (!name || (unsigned)found == i)
            json_array_append_new(list, one(call->view, i));
    return list;
}

/* What the dataplane holds, as far as it can be known. */
static uint64_t lease_left_ms(const struct pn_view *v, uint16_t id, const struct pn_own_vip *vip)
{
    if (v->stats->valid && id < PN_MAX_VIPS)
        return pn_show_left_ms(v, v->stats->lease_deadline_boottime_ns[id]);
    return vip ? pn_show_left_ms(v, vip->lease_ns) : 0;
}

/* How the other nodes stand to it. */
static json_t *vip_nodes(const struct pn_view *v, const struct pn_own_vip *vip)
{
    json_t *list = json_array();

    for (uint8_t i = 0; vip && vip->protocol == PN_VIP_SEALED && i < PN_MAX_NODES; i++) {
        const struct pn_own_peer *peer = &v->own->peers[i];
        const struct pn_own_peer_vip *row = &peer->vips[vip - v->own->vips];

        if (peer->configured)
            json_array_append_new(
                list, json_pack("{s:s, s:b, s:s, s:i, s:f}", "node", pn_view_node_name(v, i), "heard", peer->heard,
                                "state", peer->heard && row->there ? pn_election_state_name[row->state] : "unknown",
                                "priority", (int)row->priority, "load", row->load / 65535.0));
    }
    return list;
}

static const char *owner_name(const struct pn_view *v, const struct pn_own_vip *vip)
{
    if (!vip || (vip->owner == PN_HB_NO_NODE && vip->state != PN_EL_OWNER))
        return NULL;
    return pn_view_node_name(v, vip->state == PN_EL_OWNER ? v->own->self : vip->owner);
}

static json_t *vip_vrrp(const struct pn_own_vip *vip)
{
    const struct pn_own_vrrp *r = &vip->vrrp;

    if (r->vrid == 0)
        return json_null();
    return json_pack("{s:i, s:o, s:i, s:I, s:o, s:o}", "id", r->vrid, "active",
                     pn_addr_is_zero(&r->active) ? json_null() : pn_json_addr(&r->active), "active_priority",
                     r->active_priority, "interval_ms", (json_int_t)r->interval_ms, "sent", pn_json_u64(r->sent),
                     "received", pn_json_u64(r->received));
}

/* A speaker that went silent is no alarm any more. */
static json_t *vip_foreign(const struct pn_view *v, const struct pn_own_vip *vip)
{
    uint64_t seen_ms = vip->foreign.seen_ns / 1000000u;

    if (seen_ms == 0 || v->now_ms() > seen_ms + FOREIGN_MS)
        return json_null();
    return json_pack("{s:o, s:i}", "from", pn_json_addr(&vip->foreign.from), "id", vip->foreign.vrid);
}

static json_t *vip_ownership(const struct pn_view *v, const struct pn_conf_vip *conf, const struct pn_own_vip *vip)
{
    static const struct pn_own_vip none;
    const struct pn_own_vip *o = vip ? vip : &none;

    return json_pack("{s:s?, s:s, s:s, s:s, s:I, s:b, s:o, s:b, s:b, s:b, s:o, s:o, s:o}", "owner", owner_name(v, vip),
                     "protocol", conf->protocol == PN_CONF_VRRP ? "vrrp" : "sealed", "prefer",
                     conf->prefer == PN_CONF_EXCLUSIVE ? "exclusive" : "available", "group", conf->group, "transitions",
                     (json_int_t)o->transitions, "wanted", o->wanted, "waits",
                     o->wait ? json_string(pn_el_wait_name[o->wait]) : json_null(), "path_failed", o->path_failed,
                     "forced", o->forced, "alone", v->own->n_nodes <= 1, "nodes", vip_nodes(v, vip), "vrrp",
                     vip_vrrp(o), "foreign_vrrp", vip_foreign(v, o));
}

json_t *pn_show_vip(const struct pn_view *v, unsigned i)
{
    const struct pn_conf_vip *conf = &v->conf->vips[i];
    const struct pn_own_vip *vip = pn_own_vip_find(v->own, conf->name);
    uint16_t id = pn_view_vip_id(v, i);
    static const struct pn_stats_vip none;
    const struct pn_stats_vip *stats = id < PN_MAX_VIPS ? &v->stats->sum.vips[id] : &none;
    uint32_t lease_ms = v->own->n_nodes > 1 ? v->conf->heartbeat.lease_ms : conf->lease_ms;
    json_t *services = json_array(), *out, *more = vip_ownership(v, conf, vip);

    if (vip && vip->vrrp.lease_ms)
        lease_ms = vip->vrrp.lease_ms;
    for (unsigned s = 0; s < v->conf->n_services; s++)
        for (unsigned k = 0; k < v->conf->services[s].n_vips; k++)
            if (v->conf->services[s].vips[k] == i)
                json_array_append_new(services, json_string(v->conf->services[s].name));
    out = json_pack("{s:s, s:o, s:s, s:i, s:s, s:I, s:s, s:i, s:I, s:I, s:o, s:o, s:o}", "name", conf->name, "address",
                    pn_json_addr(&conf->addr), "port", conf->port, "vlan", conf->vlan, "state",
                    pn_election_state_name[vip ? vip->state : PN_EL_INIT], "state_for_ms",
                    (json_int_t)(vip && vip->since_ns ? v->now_ms() - vip->since_ns / 1000000u : 0), "reason",
                    vip ? vip->reason : "not in the dataplane yet", "priority",
                    v->node >= 0 ? conf->priority[v->node] : 0, "lease_ms", (json_int_t)lease_ms, "lease_left_ms",
                    (json_int_t)lease_left_ms(v, id, vip), "services", services, "rx_packets",
                    pn_json_u64(stats->rx_packets), "rx_bytes", pn_json_u64(stats->rx_bytes));
    if (out && more)
        json_object_update(out, more);
    json_decref(more);
    return out;
}

static json_t *service_vip(const struct pn_view *v, unsigned s, unsigned vip, struct pn_stats_service *total)
{
    uint16_t id = pn_view_service_id(v, s, vip);
    static const struct pn_stats_service none;
    const struct pn_stats_service *stats = id < PN_MAX_SERVICES ? &v->stats->sum.services[id] : &none;

    total->rx_packets += stats->rx_packets;
    total->rx_bytes += stats->rx_bytes;
    total->flows_new += stats->flows_new;
    total->no_gateway += stats->no_gateway;
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "name", v->conf->vips[vip].name, "address",
                     pn_json_addr(&v->conf->vips[vip].addr), "rx_packets", pn_json_u64(stats->rx_packets), "rx_bytes",
                     pn_json_u64(stats->rx_bytes), "flows_new", pn_json_u64(stats->flows_new), "no_gateway",
                     pn_json_u64(stats->no_gateway));
}

json_t *pn_show_service(const struct pn_view *v, unsigned i)
{
    const struct pn_conf_service *conf = &v->conf->services[i];
    struct pn_stats_service total = {0};
    json_t *vips = json_array();

    for (unsigned k = 0; k < conf->n_vips; k++)
        json_array_append_new(vips, service_vip(v, i, conf->vips[k], &total));
    return json_pack("{s:s, s:s, s:i, s:s, s:s, s:i, s:i, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o}", "name", conf->name,
                     "protocol", "tcp", "port", conf->l4_port, "pool", v->conf->pools[conf->pool].name, "affinity",
                     pn_view_affinity_name[conf->affinity], "v4_prefix", conf->v4_prefix, "v6_prefix", conf->v6_prefix,
                     "established_timeout_s", (json_int_t)conf->established_s, "half_open_timeout_s",
                     (json_int_t)conf->half_open_s, "closing_timeout_s", (json_int_t)conf->closing_s, "vips", vips,
                     "rx_packets", pn_json_u64(total.rx_packets), "rx_bytes", pn_json_u64(total.rx_bytes), "flows_new",
                     pn_json_u64(total.flows_new), "no_gateway", pn_json_u64(total.no_gateway));
}
