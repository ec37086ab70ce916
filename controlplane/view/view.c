/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/view/view.h"

const char *const pn_view_health_name[PN_HEALTH_COUNT] = {"unknown", "up", "busy", "down"};
const char *const pn_view_affinity_name[PN_AFFINITY_COUNT] = {"none", "client", "network"};
const char *const pn_view_fwd_name[PN_FWD_COUNT] = {"l2dsr", "local"};
const char *const pn_view_check_type_name[PN_CHECK_TYPE_COUNT] = {"tcp",  "smtp",  "smtp-starttls", "smtps",
                                                                  "http", "https", "agent"};

void pn_view_refresh(const struct pn_view *v)
{
    if (v->own_refresh)
        v->own_refresh(v->ops_arg);
}

const char *pn_view_node_name(const struct pn_view *v, uint8_t number)
{
    for (unsigned i = 0; i < v->conf->n_nodes; i++)
        if (v->conf->nodes[i].number == number + 1)
            return v->conf->nodes[i].name;
    return "";
}

int pn_view_gateway(const struct pn_conf *conf, const char *name)
{
    for (unsigned i = 0; i < conf->n_gateways; i++)
        if (strcmp(conf->gateways[i].name, name) == 0)
            return (int)i;
    return -1;
}

int pn_view_vip(const struct pn_conf *conf, const char *name)
{
    for (unsigned i = 0; i < conf->n_vips; i++)
        if (strcmp(conf->vips[i].name, name) == 0)
            return (int)i;
    return -1;
}

int pn_view_service(const struct pn_conf *conf, const char *name)
{
    for (unsigned i = 0; i < conf->n_services; i++)
        if (strcmp(conf->services[i].name, name) == 0)
            return (int)i;
    return -1;
}

int pn_view_pool(const struct pn_conf *conf, const char *name)
{
    for (unsigned i = 0; i < conf->n_pools; i++)
        if (strcmp(conf->pools[i].name, name) == 0)
            return (int)i;
    return -1;
}

static uint16_t id_find(const struct pn_id_row *rows, unsigned n, const char *kind, const char *a, const char *b)
{
    char key[sizeof(rows->key)];

    pn_id_key(key, kind, a, b);
    return pn_id_find(rows, n, key);
}

uint16_t pn_view_vip_id(const struct pn_view *v, unsigned vip)
{
    return id_find(v->ids->vips, PN_MAX_VIPS, "vip", v->conf->vips[vip].name, NULL);
}

uint16_t pn_view_gateway_id(const struct pn_view *v, unsigned gateway)
{
    return id_find(v->ids->gateways, PN_MAX_GATEWAYS, "gateway", v->conf->gateways[gateway].name, NULL);
}

uint16_t pn_view_service_id(const struct pn_view *v, unsigned service, unsigned vip)
{
    return id_find(v->ids->services, PN_MAX_SERVICES, "service", v->conf->services[service].name,
                   v->conf->vips[vip].name);
}

uint16_t pn_view_tier_id(const struct pn_view *v, unsigned pool, unsigned tier)
{
    return id_find(v->ids->tiers, PN_MAX_TIERS, "tier", v->conf->pools[pool].name,
                   v->conf->pools[pool].tiers[tier].name);
}

int pn_view_gateway_of_id(const struct pn_view *v, uint16_t id)
{
    for (unsigned i = 0; id != PN_ID_NONE && i < v->conf->n_gateways; i++)
        if (pn_view_gateway_id(v, i) == id)
            return (int)i;
    return -1;
}

int pn_view_service_of_id(const struct pn_view *v, uint16_t id, int *vip)
{
    for (unsigned s = 0; id != PN_ID_NONE && s < v->conf->n_services; s++) {
        const struct pn_conf_service *svc = &v->conf->services[s];

        for (unsigned i = 0; i < svc->n_vips; i++) {
            if (pn_view_service_id(v, s, svc->vips[i]) != id)
                continue;
            if (vip)
                *vip = svc->vips[i];
            return (int)s;
        }
    }
    return -1;
}

enum pn_health pn_view_gateway_health(const struct pn_view *v, unsigned gateway, const char **reason)
{
    /* What an administrator wants to know first; a member no pool checks stays "unknown". */
    static const int rank[PN_HEALTH_COUNT] = {
        [PN_HEALTH_UNKNOWN] = 0, [PN_HEALTH_UP] = 1, [PN_HEALTH_BUSY] = 2, [PN_HEALTH_DOWN] = 3};
    enum pn_health worst = PN_HEALTH_UNKNOWN;

    *reason = "";
    for (unsigned p = 0; p < v->conf->n_pools; p++) {
        const struct pn_conf_pool *pool = &v->conf->pools[p];

        for (unsigned t = 0; t < pool->n_tiers; t++) {
            for (unsigned i = 0; i < pool->tiers[t].n_gateways; i++) {
                const struct pn_rt_member *m;

                if (pool->tiers[t].gateways[i] != gateway)
                    continue;
                m = pn_rt_member(v->rt, p, t, i);
                if (rank[m->health] > rank[worst] || (m->health == worst && **reason == '\0')) {
                    worst = m->health;
                    *reason = m->reason;
                }
            }
        }
    }
    return worst;
}

const char *pn_view_gateway_state(const struct pn_view *v, unsigned gateway)
{
    const char *refuses = pn_rt_gateway_refuses(v->rt, gateway), *reason;

    /* Of weight 0 by order, or full: its health is the news. */
    if (refuses && strcmp(refuses, "weight 0") != 0)
        return refuses;
    return pn_view_health_name[pn_view_gateway_health(v, gateway, &reason)];
}

const char *pn_view_member_refuses(const struct pn_view *v, unsigned pool, unsigned tier, unsigned i)
{
    unsigned g = v->conf->pools[pool].tiers[tier].gateways[i];
    const struct pn_rt_member *m = pn_rt_member(v->rt, pool, tier, i);
    const char *refuses = pn_rt_gateway_refuses(v->rt, g);

    if (refuses && strcmp(refuses, "weight 0") != 0)
        return refuses;
    if (m->health == PN_HEALTH_DOWN)
        return "down";
    if (refuses)
        return refuses;
    if (m->health == PN_HEALTH_BUSY && !pn_rt_pool_is_only_busy(v->rt, pool))
        return "busy";
    return NULL;
}
