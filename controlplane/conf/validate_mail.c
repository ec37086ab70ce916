/* SPDX-License-Identifier: BSD-3-Clause */
/* Checks, pools and services. */
#include <ctype.h>
#include <stdio.h>

#include "controlplane/conf/validate.h"
#include "controlplane/conf/value.h"

/* A little more than the 10 minutes that RFC 5321 4.5.3.2.6 lets a client wait for the answer to its message. */
#define ESTABLISHED_LEAST_S 660u

static bool text_is_graph(const char *text)
{
    while (isgraph((unsigned char)*text))
        text++;
    return *text == '\0';
}

/* A host name or an address literal: these go into SMTP and HTTP lines. */
static bool text_is_host(const char *text)
{
    while (isalnum((unsigned char)*text) || (*text && strchr(".-_:[]", *text)))
        text++;
    return *text == '\0';
}

static bool check_has_tls(const struct pn_conf_check *check)
{
    return check->type == PN_CHECK_SMTP_STARTTLS || check->type == PN_CHECK_SMTPS || check->type == PN_CHECK_HTTPS;
}

static void validate_check(struct pn_validate *v, const struct pn_conf_check *check)
{
    char quoted[96];
    if (check->port == 0)
        pn_validate_error(v, "port", "missing, expected the agent's TCP port");
    if (check->status_min > check->status_max)
        pn_validate_error(v, "status-min", "%u is above status-max, %u", check->status_min, check->status_max);
    if (check->banner_delay_ms > check->timeout_ms)
        pn_validate_error(v, "banner-delay", "%u ms is above timeout, %u ms", check->banner_delay_ms,
                          check->timeout_ms);
    if (check->path[0] != '/' || !text_is_graph(check->path))
        pn_validate_error(v, "path", "found %s, expected a path that begins with / and has no blanks",
                          pn_value_quote(check->path, quoted, sizeof(quoted)));
    if (!text_is_host(check->helo))
        pn_validate_error(v, "helo", "found %s, expected a host name",
                          pn_value_quote(check->helo, quoted, sizeof(quoted)));
    if (!text_is_host(check->host))
        pn_validate_error(v, "host", "found %s, expected a host name",
                          pn_value_quote(check->host, quoted, sizeof(quoted)));
    if (check->timeout_ms > (uint64_t)check->interval_ms * check->fall)
        pn_validate_warning(v, "timeout", "%u ms is longer than %u intervals: a silent gateway is found late",
                            check->timeout_ms, check->fall);
    if (check->verify && !check_has_tls(check))
        pn_validate_warning(v, "verify", "has no effect: this type of check has no TLS");
    if (check->ca_file[0] && !check->verify)
        pn_validate_warning(v, "ca-file", "has no effect without verify = yes");
}

void pn_validate_checks(struct pn_validate *v)
{
    const struct pn_conf *conf = v->conf;
    bool used[PN_CONF_MAX_CHECKS] = {false};
    for (unsigned p = 0; p < conf->n_pools; p++)
        for (unsigned i = 0; i < conf->pools[p].n_checks; i++)
            used[conf->pools[p].checks[i]] = true;
    for (unsigned i = 0; i < conf->n_checks; i++) {
        const struct pn_conf_check *check = &conf->checks[i];
        pn_validate_at(v, &check->where, check->name, "check.%s", check->name);
        validate_check(v, check);
        if (!used[i])
            pn_validate_warning(v, "", "no pool uses it");
    }
}

static bool pool_has_agent(const struct pn_conf *conf, const struct pn_conf_pool *pool)
{
    for (unsigned i = 0; i < pool->n_checks; i++)
        if (conf->checks[pool->checks[i]].type == PN_CHECK_AGENT)
            return true;
    return false;
}

static void validate_marks(struct pn_validate *v, const struct pn_conf_pool *pool, const struct pn_conf_tier *tier)
{
    for (unsigned m = 0; m < PN_MEASURE_COUNT; m++) {
        const struct pn_conf_mark *mark = &tier->marks[m];
        char high[64], low[64];
        snprintf(high, sizeof(high), "spill.%s-high", pn_measure_name[m]);
        snprintf(low, sizeof(low), "spill.%s-low", pn_measure_name[m]);
        if (mark->high <= 0) {
            if (mark->low > 0)
                pn_validate_error(v, low, "low mark without a high one: %s-high is missing", pn_measure_name[m]);
            continue;
        }
        if (mark->low >= mark->high)
            pn_validate_error(v, low, "%g is not below the high mark, %g", mark->low, mark->high);
        if ((m == PN_MEASURE_AGENT_LOAD || m == PN_MEASURE_AGENT_QUEUE) && !pool_has_agent(v->conf, pool))
            pn_validate_warning(v, high, "no check of type agent in pool %s: the load stays unknown", pool->name);
    }
    if (tier->has_marks && pool->n_tiers == 1)
        pn_validate_warning(v, "spill", "pool %s has no later tier to spill into", pool->name);
}

static void validate_tier(struct pn_validate *v, const struct pn_conf_pool *pool, unsigned t)
{
    const struct pn_conf_tier *tier = &pool->tiers[t];
    unsigned weight = 0;
    pn_validate_at(v, &tier->where, tier->name, "pool.%s.tier.%s", pool->name, tier->name);
    for (unsigned i = 0; i < tier->n_gateways; i++) {
        const struct pn_conf_gateway *gw = &v->conf->gateways[tier->gateways[i]];
        weight += gw->weight;
        for (unsigned u = 0; u < t; u++)
            for (unsigned j = 0; j < pool->tiers[u].n_gateways; j++)
                if (pool->tiers[u].gateways[j] == tier->gateways[i])
                    pn_validate_error(v, "gateways", "gateway %s is already in tier %s of this pool", gw->name,
                                      pool->tiers[u].name);
    }
    if (tier->n_gateways > 0 && weight == 0)
        pn_validate_warning(v, "gateways", "all have weight 0: the tier takes no connections");
    validate_marks(v, pool, tier);
}

void pn_validate_pools(struct pn_validate *v)
{
    const struct pn_conf *conf = v->conf;
    bool used[PN_CONF_MAX_POOLS] = {false};
    unsigned tiers = 0, members = 0;
    for (unsigned i = 0; i < conf->n_services; i++)
        if (conf->services[i].pool < conf->n_pools)
            used[conf->services[i].pool] = true;
    for (unsigned i = 0; i < conf->n_pools; i++) {
        const struct pn_conf_pool *pool = &conf->pools[i];
        pn_validate_at(v, &pool->where, pool->name, "pool.%s", pool->name);
        if (pool->n_tiers == 0)
            pn_validate_error(v, "tier", "missing, expected at least one section: tier \"NAME\" { ... }");
        if (pool->n_checks == 0)
            pn_validate_warning(v, "checks", "none: a gateway that is down goes on getting connections");
        if (!used[i])
            pn_validate_warning(v, "", "no service uses it");
        for (unsigned t = 0; t < pool->n_tiers; t++) {
            members += pool->tiers[t].n_gateways;
            validate_tier(v, pool, t);
        }
        tiers += pool->n_tiers;
        pn_validate_at(v, &pool->where, pool->name, "pool.%s", pool->name);
        if (tiers > PN_MAX_TIERS && tiers - pool->n_tiers <= PN_MAX_TIERS)
            pn_validate_error(v, "", "more than %d tiers in all pools", PN_MAX_TIERS);
        if (members > PN_MAX_MEMBERS) {
            pn_validate_error(v, "", "more than %d gateways in the tiers of all pools", PN_MAX_MEMBERS);
            return;
        }
    }
}

static void validate_offered(struct pn_validate *v, unsigned s)
{
    const struct pn_conf *conf = v->conf;
    const struct pn_conf_service *service = &conf->services[s];
    for (unsigned i = 0; i < service->n_vips; i++)
        for (unsigned o = 0; o < s; o++)
            for (unsigned j = 0; j < conf->services[o].n_vips; j++)
                if (conf->services[o].vips[j] == service->vips[i] && conf->services[o].l4_port == service->l4_port &&
                    service->l4_port != 0)
                    pn_validate_error(v, "port", "port %u of vip %s is already that of service %s", service->l4_port,
                                      conf->vips[service->vips[i]].name, conf->services[o].name);
}

void pn_validate_services(struct pn_validate *v)
{
    const struct pn_conf *conf = v->conf;
    unsigned total = 0;
    if (conf->n_services == 0) {
        struct pn_conf_where none = {0};
        pn_validate_at(v, &none, "", "%s", "");
        pn_validate_warning(v, "service", "none: nothing is balanced");
    }
    for (unsigned i = 0; i < conf->n_services; i++) {
        const struct pn_conf_service *service = &conf->services[i];
        pn_validate_at(v, &service->where, service->name, "service.%s", service->name);
        validate_offered(v, i);
        if (service->established_s < ESTABLISHED_LEAST_S)
            pn_validate_warning(v, "established-timeout",
                                "%u s is short for SMTP: a client may wait 10 minutes for the answer to its message",
                                service->established_s);
        if (service->half_open_s > service->established_s)
            pn_validate_warning(v, "half-open-timeout", "%u s is longer than established-timeout",
                                service->half_open_s);
        total += service->n_vips;
        if (total > PN_MAX_SERVICES && total - service->n_vips <= PN_MAX_SERVICES)
            pn_validate_error(v, "vips", "more than %d pairs of service and vip", PN_MAX_SERVICES);
    }
}
