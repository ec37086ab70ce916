/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/error.h"
#include "controlplane/state/runtime.h"

struct compile {
    const struct pn_conf *conf;
    const struct pn_conf_node *node;
    unsigned node_at;
    const struct pn_runtime *rt;
    struct pn_ids *ids;
    struct pn_error *err;
    struct pn_snap_header head;
    struct pn_snap_vip *vips;
    struct pn_snap_service *services;
    struct pn_snap_tier *tiers;
    struct pn_snap_gateway *gateways;
    struct pn_snap_member *members;
    uint16_t vip_id[PN_MAX_VIPS]; /* by position in conf; PN_ID_NONE: not on this node */
    uint16_t gateway_id[PN_MAX_GATEWAYS];
    bool pool_used[PN_CONF_MAX_POOLS];
    uint16_t pool_tier_first[PN_CONF_MAX_POOLS];
};

/* A priority above 0: this node may own the address, so it forwards for it even as a backup. */
static bool compile_has_vip(const struct compile *c, unsigned vip)
{
    return c->conf->vips[vip].priority[c->node_at] > 0;
}

/* What there will be, and which ids are still wanted. -1: more than a snapshot holds. */
static int compile_count(struct compile *c)
{
    const struct pn_conf *conf = c->conf;
    char key[3 * PN_NAME_BYTES];
    size_t services = 0, tiers = 0, members = 0, vips = 0;
    pn_ids_begin(c->ids);
    for (unsigned i = 0; i < conf->n_vips; i++) {
        vips += compile_has_vip(c, i);
        pn_id_key(key, "vip", conf->vips[i].name, NULL);
        pn_id_keep(c->ids->vips, PN_MAX_VIPS, key);
    }
    for (unsigned i = 0; i < conf->n_gateways; i++) {
        pn_id_key(key, "gateway", conf->gateways[i].name, NULL);
        pn_id_keep(c->ids->gateways, PN_MAX_GATEWAYS, key);
    }
    for (unsigned i = 0; i < conf->n_services; i++) {
        const struct pn_conf_service *s = &conf->services[i];
        for (unsigned j = 0; j < s->n_vips; j++) {
            if (!compile_has_vip(c, s->vips[j]))
                continue;
            services++;
            c->pool_used[s->pool] = true;
            pn_id_key(key, "service", s->name, conf->vips[s->vips[j]].name);
            pn_id_keep(c->ids->services, PN_MAX_SERVICES, key);
        }
    }
    for (unsigned p = 0; p < conf->n_pools; p++) {
        for (unsigned t = 0; t < conf->pools[p].n_tiers; t++) {
            pn_id_key(key, "tier", conf->pools[p].name, conf->pools[p].tiers[t].name);
            pn_id_keep(c->ids->tiers, PN_MAX_TIERS, key);
            tiers += c->pool_used[p];
            members += c->pool_used[p] ? conf->pools[p].tiers[t].n_gateways : 0;
        }
    }
    if (vips > PN_MAX_VIPS || conf->n_gateways > PN_MAX_GATEWAYS || services > PN_MAX_SERVICES ||
        tiers > PN_MAX_TIERS || members > PN_MAX_MEMBERS)
        return pn_error_set(c->err,
                            "too much for one dataplane: %zu vips, %zu services, %zu tiers, %u gateways, %zu members",
                            vips, services, tiers, conf->n_gateways, members);
    c->head.n_vips = (uint16_t)vips;
    c->head.n_services = (uint16_t)services;
    c->head.n_tiers = (uint16_t)tiers;
    c->head.n_gateways = (uint16_t)conf->n_gateways;
    c->head.n_members = (uint16_t)members;
    c->head.total_bytes = (uint32_t)pn_snapshot_bytes(&c->head);
    return 0;
}

/* Index of the port called name on this node, "" the first; -1 and err: there is none. */
static int compile_port(const struct compile *c, const char *name)
{
    for (unsigned i = 0; i < c->node->n_ports; i++)
        if (!name[0] || strcmp(c->node->ports[i].name, name) == 0)
            return (int)i;
    return pn_error_set(c->err, "node %s has no port \"%s\"", c->node->name, name);
}

static int compile_no_id(const struct compile *c, const char *key)
{
    return pn_error_set(c->err, "no id left for %s", key);
}

static int compile_vips(struct compile *c)
{
    struct pn_snap_vip *out = c->vips;
    char key[3 * PN_NAME_BYTES];
    for (unsigned i = 0; i < c->conf->n_vips; i++) {
        const struct pn_conf_vip *vip = &c->conf->vips[i];
        c->vip_id[i] = PN_ID_NONE;
        if (!compile_has_vip(c, i))
            continue;
        int port = compile_port(c, vip->port);
        pn_id_key(key, "vip", vip->name, NULL);
        c->vip_id[i] = pn_id_get(c->ids->vips, PN_MAX_VIPS, key);
        if (port < 0)
            return -1;
        if (c->vip_id[i] == PN_ID_NONE)
            return compile_no_id(c, key);
        memcpy(out->name, vip->name, sizeof(out->name));
        out->addr = vip->addr;
        out->id = c->vip_id[i];
        out->port = (uint16_t)port;
        out->vlan = vip->vlan;
        out->flags = PN_SNAP_VIP_ANNOUNCE | (vip->echo ? PN_SNAP_VIP_ECHO : 0u);
        out->mac = pn_conf_vip_mac(vip);
        out->grace_ms = vip->grace_ms;
        out++;
    }
    return 0;
}

static int compile_gateways(struct compile *c)
{
    char key[3 * PN_NAME_BYTES];
    for (unsigned i = 0; i < c->conf->n_gateways; i++) {
        const struct pn_conf_gateway *gw = &c->conf->gateways[i];
        const struct pn_rt_gateway *rt = &c->rt->gateways[i];
        struct pn_snap_gateway *out = &c->gateways[i];
        int port = compile_port(c, gw->port);
        pn_id_key(key, "gateway", gw->name, NULL);
        c->gateway_id[i] = pn_id_get(c->ids->gateways, PN_MAX_GATEWAYS, key);
        if (port < 0)
            return -1;
        if (c->gateway_id[i] == PN_ID_NONE)
            return compile_no_id(c, key);
        memcpy(out->name, gw->name, sizeof(out->name));
        out->addr = gw->addr;
        out->id = c->gateway_id[i];
        out->port = (uint16_t)port;
        out->vlan = gw->vlan;
        /* Another node's own gateway is reached over the wire. */
        bool elsewhere = gw->node[0] && strcmp(gw->node, c->node->name) != 0;
        out->mode = gw->mode == PN_FWD_LOCAL && elsewhere ? PN_FWD_L2DSR : gw->mode;
        out->has_static_mac = out->mode == PN_FWD_L2DSR && gw->has_mac;
        if (out->has_static_mac)
            out->mac = gw->mac;
        if (rt->drain || rt->agent_drain)
            out->flags |= PN_SNAP_GW_DRAIN;
        if (rt->disabled || rt->agent_maint)
            out->flags |= PN_SNAP_GW_DISABLED;
    }
    return 0;
}

static uint16_t compile_member_flags(const struct pn_runtime *rt, unsigned pool, unsigned tier, unsigned i)
{
    enum pn_health health = pn_rt_member(rt, pool, tier, i)->health;
    unsigned gateway = rt->conf->pools[pool].tiers[tier].gateways[i];
    if (health == PN_HEALTH_DOWN || rt->gateways[gateway].agent_down || rt->gateways[gateway].node_gone)
        return PN_SNAP_MEMBER_DOWN;
    return health == PN_HEALTH_BUSY ? PN_SNAP_MEMBER_BUSY : 0;
}

bool pn_rt_pool_is_only_busy(const struct pn_runtime *rt, unsigned pool)
{
    const struct pn_conf_pool *p = &rt->conf->pools[pool];
    for (unsigned t = 0; t < p->n_tiers; t++)
        for (unsigned i = 0; i < p->tiers[t].n_gateways; i++)
            if (compile_member_flags(rt, pool, t, i) == 0 && !pn_rt_gateway_refuses(rt, p->tiers[t].gateways[i]))
                return false;
    return true;
}

bool pn_rt_tier_takes_spill(const struct pn_runtime *rt, unsigned pool, unsigned tier)
{
    const struct pn_rt_tier *t = pn_rt_tier(rt, pool, tier);
    const struct pn_conf_tier *conf = &rt->conf->pools[pool].tiers[tier];
    bool judged = pn_rt_pool_is_judged(rt->conf, pool);
    if (!t->accepts_spill || t->in_spill)
        return false;
    for (unsigned i = 0; i < conf->n_gateways; i++) {
        enum pn_health health = pn_rt_member(rt, pool, tier, i)->health;
        bool healthy = health == PN_HEALTH_UP || (health == PN_HEALTH_UNKNOWN && !judged);
        if (healthy && !pn_rt_gateway_refuses(rt, conf->gateways[i]))
            return true;
    }
    return false;
}

static int compile_pools(struct compile *c)
{
    uint16_t tier_at = 0, member_at = 0;
    char key[3 * PN_NAME_BYTES];
    for (unsigned p = 0; p < c->conf->n_pools; p++) {
        const struct pn_conf_pool *pool = &c->conf->pools[p];
        if (!c->pool_used[p])
            continue;
        bool only_busy = pn_rt_pool_is_only_busy(c->rt, p);
        c->pool_tier_first[p] = tier_at;
        for (unsigned t = 0; t < pool->n_tiers; t++) {
            const struct pn_conf_tier *tier = &pool->tiers[t];
            const struct pn_rt_tier *rt = pn_rt_tier(c->rt, p, t);
            struct pn_snap_tier *out = &c->tiers[tier_at++];
            pn_id_key(key, "tier", pool->name, tier->name);
            out->id = pn_id_get(c->ids->tiers, PN_MAX_TIERS, key);
            if (out->id == PN_ID_NONE)
                return compile_no_id(c, key);
            memcpy(out->name, tier->name, sizeof(out->name));
            out->member_first = member_at;
            out->member_count = (uint16_t)tier->n_gateways;
            out->rank = (uint16_t)t;
            out->flags = pn_rt_tier_takes_spill(c->rt, p, t) ? PN_SNAP_TIER_ACCEPTS_SPILL : 0;
            out->spill_share = rt->in_spill ? rt->share : 0;
            out->spill_above_active = rt->in_spill ? rt->above_active : 0;
            for (unsigned i = 0; i < tier->n_gateways; i++) {
                unsigned g = tier->gateways[i];
                uint16_t flags = compile_member_flags(c->rt, p, t, i);
                c->members[member_at++] = (struct pn_snap_member){
                    .gateway = c->gateway_id[g],
                    .weight = (uint16_t)pn_rt_gateway_weight(c->rt, g),
                    .flags = only_busy ? flags & (uint16_t)~PN_SNAP_MEMBER_BUSY : flags,
                };
            }
        }
    }
    return 0;
}

static int compile_services(struct compile *c)
{
    struct pn_snap_service *out = c->services;
    char key[3 * PN_NAME_BYTES];
    for (unsigned i = 0; i < c->conf->n_services; i++) {
        const struct pn_conf_service *s = &c->conf->services[i];
        const struct pn_conf_pool *pool = &c->conf->pools[s->pool];
        for (unsigned j = 0; j < s->n_vips; j++) {
            if (c->vip_id[s->vips[j]] == PN_ID_NONE)
                continue;
            pn_id_key(key, "service", s->name, c->conf->vips[s->vips[j]].name);
            memcpy(out->name, s->name, sizeof(out->name));
            memcpy(out->pool, pool->name, sizeof(out->pool));
            out->id = pn_id_get(c->ids->services, PN_MAX_SERVICES, key);
            if (out->id == PN_ID_NONE)
                return compile_no_id(c, key);
            out->vip = c->vip_id[s->vips[j]];
            out->l4_port = s->l4_port;
            out->ip_proto = 6;
            out->affinity = (uint8_t)s->affinity;
            out->v4_prefix = s->v4_prefix;
            out->v6_prefix = s->v6_prefix;
            out->tier_first = c->pool_tier_first[s->pool];
            out->tier_count = (uint16_t)pool->n_tiers;
            out->established_s = s->established_s;
            out->half_open_s = s->half_open_s;
            out->closing_s = s->closing_s;
            out->half_open_max = s->half_open_max;
            out->flags = s->filter ? 0 : PN_SNAP_SERVICE_NO_FILTER;
            out++;
        }
    }
    return 0;
}

int pn_compile_snapshot(const struct pn_conf *conf, unsigned node, const struct pn_runtime *rt, struct pn_ids *ids,
                        uint64_t generation, void *buf, size_t cap, size_t *len, struct pn_error *err)
{
    struct compile c = {.conf = conf, .node_at = node, .rt = rt, .ids = ids, .err = err};
    if (node >= conf->n_nodes)
        return pn_error_set(err, "node %u of %u", node, conf->n_nodes);
    if (rt->conf != conf)
        return pn_error_set(err, "runtime belongs to another configuration");
    if (generation == 0)
        return pn_error_set(err, "generation 0");
    c.node = &conf->nodes[node];
    c.head.magic = PN_SNAPSHOT_MAGIC;
    c.head.version = PN_SNAPSHOT_VERSION;
    c.head.generation = generation;
    c.head.steering_seed = conf->steering_seed;
    if (compile_count(&c) != 0)
        return -1;
    if (c.head.total_bytes > cap || c.head.total_bytes > PN_SNAPSHOT_MAX_BYTES)
        return pn_error_set(err, "snapshot of %u bytes, room for %zu", c.head.total_bytes, cap);
    memset(buf, 0, c.head.total_bytes);
    memcpy(buf, &c.head, sizeof(c.head));
    c.vips = (void *)((char *)buf + sizeof(c.head));
    c.services = (void *)(c.vips + c.head.n_vips);
    c.tiers = (void *)(c.services + c.head.n_services);
    c.gateways = (void *)(c.tiers + c.head.n_tiers);
    c.members = (void *)(c.gateways + c.head.n_gateways);
    if (compile_vips(&c) != 0 || compile_gateways(&c) != 0 || compile_pools(&c) != 0 || compile_services(&c) != 0)
        return -1;
    *len = c.head.total_bytes;
    return 0;
}
