/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/state/runtime.h"

#include <stdlib.h>

static unsigned runtime_slot(unsigned pool, unsigned tier)
{
    return pool * PN_MAX_TIERS_PER_POOL + tier;
}

static void runtime_tier_reset(struct pn_rt_tier *rt, const struct pn_conf_tier *tier)
{
    /* A tier with marks takes no spill before its load is known. */
    *rt = (struct pn_rt_tier){.accepts_spill = !tier->has_marks};
}

struct pn_runtime *pn_runtime_new(const struct pn_conf *conf)
{
    struct pn_runtime *rt = calloc(1, sizeof(*rt));
    unsigned slots = conf->n_pools * PN_MAX_TIERS_PER_POOL, members = 0;
    if (!rt)
        return NULL;
    rt->conf = conf;
    rt->gateways = calloc(conf->n_gateways + 1, sizeof(*rt->gateways));
    rt->tiers = calloc(slots + 1, sizeof(*rt->tiers));
    rt->member_base = calloc(slots + 1, sizeof(*rt->member_base));
    for (unsigned p = 0; p < conf->n_pools; p++) {
        for (unsigned t = 0; t < conf->pools[p].n_tiers; t++) {
            if (rt->member_base)
                rt->member_base[runtime_slot(p, t)] = members;
            if (rt->tiers)
                runtime_tier_reset(&rt->tiers[runtime_slot(p, t)], &conf->pools[p].tiers[t]);
            members += conf->pools[p].tiers[t].n_gateways;
        }
    }
    rt->members = calloc(members + 1, sizeof(*rt->members));
    if (!rt->gateways || !rt->tiers || !rt->member_base || !rt->members) {
        pn_runtime_free(rt);
        return NULL;
    }
    for (unsigned i = 0; i < conf->n_gateways; i++)
        rt->gateways[i] = (struct pn_rt_gateway){.weight_override = -1, .agent_percent = 100, .agent_queue = -1};
    return rt;
}

void pn_runtime_free(struct pn_runtime *rt)
{
    if (!rt)
        return;
    free(rt->gateways);
    free(rt->members);
    free(rt->tiers);
    free(rt->member_base);
    free(rt);
}

struct pn_rt_member *pn_rt_member(const struct pn_runtime *rt, unsigned pool, unsigned tier, unsigned i)
{
    return &rt->members[rt->member_base[runtime_slot(pool, tier)] + i];
}

struct pn_rt_tier *pn_rt_tier(const struct pn_runtime *rt, unsigned pool, unsigned tier)
{
    return &rt->tiers[runtime_slot(pool, tier)];
}

bool pn_rt_pool_is_judged(const struct pn_conf *conf, unsigned pool)
{
    const struct pn_conf_pool *p = &conf->pools[pool];
    for (unsigned i = 0; i < p->n_checks; i++)
        if (conf->checks[p->checks[i]].type != PN_CHECK_AGENT)
            return true;
    return false;
}

unsigned pn_rt_gateway_weight(const struct pn_runtime *rt, unsigned gateway)
{
    const struct pn_rt_gateway *g = &rt->gateways[gateway];
    unsigned weight = g->weight_override >= 0 ? (unsigned)g->weight_override : rt->conf->gateways[gateway].weight;
    unsigned percent = g->agent_full ? 0 : g->agent_percent > 100 ? 100 : g->agent_percent;
    return ((weight > 256 ? 256 : weight) * percent + 99) / 100;
}

const char *pn_rt_gateway_refuses(const struct pn_runtime *rt, unsigned gateway)
{
    const struct pn_rt_gateway *g = &rt->gateways[gateway];
    return g->disabled                              ? "disabled"
           : g->agent_maint                         ? "maint"
           : g->drain || g->agent_drain             ? "drain"
           : g->agent_down || g->node_gone          ? "down"
           : pn_rt_gateway_weight(rt, gateway) == 0 ? "weight 0"
                                                    : NULL;
}

static int conf_gateway(const struct pn_conf *conf, const char *name)
{
    for (unsigned i = 0; i < conf->n_gateways; i++)
        if (strcmp(conf->gateways[i].name, name) == 0)
            return (int)i;
    return -1;
}

static const struct pn_conf_pool *conf_pool(const struct pn_conf *conf, const char *name)
{
    for (unsigned i = 0; i < conf->n_pools; i++)
        if (strcmp(conf->pools[i].name, name) == 0)
            return &conf->pools[i];
    return NULL;
}

/* Another machine under the old name: what was seen of the old one does not hold. The health engine judges the same. */
static bool gateway_is_same(const struct pn_conf_gateway *a, const struct pn_conf_gateway *b)
{
    return pn_addr_equal(&a->check_addr, &b->check_addr);
}

static void carry_gateways(struct pn_runtime *rt, const struct pn_runtime *old)
{
    for (unsigned i = 0; i < rt->conf->n_gateways; i++) {
        int o = conf_gateway(old->conf, rt->conf->gateways[i].name);
        if (o < 0)
            continue;
        struct pn_rt_gateway *to = &rt->gateways[i];
        const struct pn_rt_gateway *from = &old->gateways[o];
        if (gateway_is_same(&rt->conf->gateways[i], &old->conf->gateways[o]))
            *to = *from;
        to->drain = from->drain;
        to->disabled = from->disabled;
        to->ordered_ms = from->ordered_ms;
        to->weight_override = from->weight_override;
    }
}

/* Health belongs to the gateway in its pool; it may have changed its tier. */
static const struct pn_rt_member *carry_member(const struct pn_runtime *old, const struct pn_conf_pool *pool,
                                               const struct pn_conf_gateway *gw)
{
    unsigned p = (unsigned)(pool - old->conf->pools);
    for (unsigned t = 0; t < pool->n_tiers; t++) {
        for (unsigned i = 0; i < pool->tiers[t].n_gateways; i++) {
            const struct pn_conf_gateway *was = &old->conf->gateways[pool->tiers[t].gateways[i]];
            if (strcmp(was->name, gw->name) == 0)
                return gateway_is_same(was, gw) ? pn_rt_member(old, p, t, i) : NULL;
        }
    }
    return NULL;
}

static void carry_tier(struct pn_runtime *rt, const struct pn_runtime *old, const struct pn_conf_pool *was,
                       unsigned pool, unsigned tier)
{
    const struct pn_conf_tier *conf = &rt->conf->pools[pool].tiers[tier];
    for (unsigned t = 0; t < was->n_tiers; t++)
        if (strcmp(was->tiers[t].name, conf->name) == 0 && conf->has_marks && was->tiers[t].has_marks)
            *pn_rt_tier(rt, pool, tier) = *pn_rt_tier(old, (unsigned)(was - old->conf->pools), t);
    /* Without a check that could correct it, what was seen last would stand for ever. */
    for (unsigned i = 0; pn_rt_pool_is_judged(rt->conf, pool) && i < conf->n_gateways; i++) {
        const struct pn_rt_member *from = carry_member(old, was, &rt->conf->gateways[conf->gateways[i]]);
        if (from)
            *pn_rt_member(rt, pool, tier, i) = *from;
    }
}

void pn_runtime_carry(struct pn_runtime *rt, const struct pn_runtime *old)
{
    carry_gateways(rt, old);
    for (unsigned p = 0; p < rt->conf->n_pools; p++) {
        const struct pn_conf_pool *was = conf_pool(old->conf, rt->conf->pools[p].name);
        for (unsigned t = 0; was && t < rt->conf->pools[p].n_tiers; t++)
            carry_tier(rt, old, was, p, t);
    }
}
