/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/health/registry.h"

#include <stdlib.h>

#include <event2/event.h>

#include "common/error.h"
#include "controlplane/health/tls.h"

static void def_put(struct pn_health_def *def)
{
    if (!def || --def->refs)
        return;
    SSL_CTX_free(def->ctx);
    free(def);
}

static struct pn_health_def *def_new(const struct pn_conf_check *conf, struct pn_error *err)
{
    struct pn_health_def *def;
    enum pn_check_type t = conf->type;

    if (pn_check_conf_valid(conf, err) != 0)
        return NULL;
    def = calloc(1, sizeof(*def));
    if (!def) {
        pn_error_set(err, "check \"%s\": out of memory", conf->name);
        return NULL;
    }
    def->refs = 1;
    def->conf = *conf;
    def->conf.where.file = NULL; /* the configuration's own, which need not live as long */
    if (t == PN_CHECK_SMTP_STARTTLS || t == PN_CHECK_SMTPS || t == PN_CHECK_HTTPS) {
        def->ctx = pn_tls_context_new(conf, err);
        if (!def->ctx) {
            def_put(def);
            return NULL;
        }
    }
    return def;
}

void pn_health_check_free(struct pn_health_check *c)
{
    if (!c)
        return;
    pn_conn_cancel(c->conn);
    if (c->timer)
        event_free(c->timer);
    def_put(c->def);
    free(c);
}

static void member_free(struct pn_health_member *m)
{
    if (!m)
        return;
    for (unsigned i = 0; i < m->n_checks; i++)
        pn_health_check_free(m->checks[i]);
    free(m);
}

void pn_health_registry_free(struct pn_health_registry *reg)
{
    for (unsigned i = 0; i < reg->n_members; i++)
        member_free(reg->members[i]);
    free(reg->members);
    *reg = (struct pn_health_registry){0};
}

static struct pn_health_check *check_new(struct pn_health_engine *engine, struct pn_health_member *m,
                                         struct pn_health_def *def, const char *helo)
{
    struct pn_health_check *c = calloc(1, sizeof(*c));

    if (!c)
        return NULL;
    c->engine = engine;
    c->member = m;
    c->def = def;
    def->refs++;
    c->cert_days_left = INT32_MIN;
    c->target.conf = &def->conf;
    c->target.addr = m->addr_text;
    c->target.helo = def->conf.helo[0] ? def->conf.helo : helo;
    c->target.host = def->conf.host[0] ? def->conf.host : m->addr_text;
    return c;
}

static struct pn_health_member *member_new(struct pn_health_engine *engine, const struct pn_conf_pool *pool,
                                           const struct pn_conf_gateway *gw, struct pn_health_def *const *defs,
                                           const char *helo)
{
    struct pn_health_member *m = calloc(1, sizeof(*m));

    if (!m)
        return NULL;
    memcpy(m->pool, pool->name, sizeof(m->pool));
    memcpy(m->gateway, gw->name, sizeof(m->gateway));
    m->addr = pn_addr_is_zero(&gw->check_addr) ? gw->addr : gw->check_addr;
    pn_addr_format(&m->addr, m->addr_text, sizeof(m->addr_text));
    m->reason = "";
    for (unsigned i = 0; i < pool->n_checks; i++) {
        m->checks[i] = check_new(engine, m, defs[pool->checks[i]], helo);
        if (!m->checks[i]) {
            member_free(m);
            return NULL;
        }
        m->n_checks++;
    }
    return m;
}

/* Gateways of a pool, each once: it may stand in several tiers. */
static int pool_add(struct pn_health_registry *reg, struct pn_health_engine *engine, const struct pn_conf *conf,
                    const struct pn_conf_pool *pool, struct pn_health_def *const *defs, const char *helo)
{
    bool seen[PN_MAX_GATEWAYS] = {false};

    for (unsigned t = 0; t < pool->n_tiers; t++) {
        for (unsigned g = 0; g < pool->tiers[t].n_gateways; g++) {
            unsigned at = pool->tiers[t].gateways[g];
            struct pn_health_member **grown, *m;

            if (at >= PN_MAX_GATEWAYS || at >= conf->n_gateways || seen[at])
                continue;
            seen[at] = true;
            grown = reallocarray(reg->members, reg->n_members + 1, sizeof(struct pn_health_member *));
            if (!grown)
                return -1;
            reg->members = grown;
            m = member_new(engine, pool, &conf->gateways[at], defs, helo);
            if (!m)
                return -1;
            reg->members[reg->n_members++] = m;
        }
    }
    return 0;
}

int pn_health_registry_build(struct pn_health_registry *reg, struct pn_health_engine *engine,
                             const struct pn_conf *conf, const char *helo, struct pn_error *err)
{
    struct pn_health_def **defs = calloc(conf->n_checks + 1, sizeof(struct pn_health_def *));
    int rc = defs ? 0 : pn_error_set(err, "out of memory");

    *reg = (struct pn_health_registry){0};
    for (unsigned i = 0; rc == 0 && i < conf->n_checks; i++) {
        defs[i] = def_new(&conf->checks[i], err);
        if (!defs[i])
            rc = -1;
    }
    for (unsigned i = 0; rc == 0 && i < conf->n_pools; i++)
        if (pool_add(reg, engine, conf, &conf->pools[i], defs, helo) != 0)
            rc = pn_error_set(err, "pool \"%s\": out of memory", conf->pools[i].name);
    for (unsigned i = 0; defs && i < conf->n_checks; i++)
        def_put(defs[i]);
    free(defs);
    if (rc != 0)
        pn_health_registry_free(reg);
    return rc;
}

bool pn_health_check_same(const struct pn_health_check *c, const struct pn_health_check *next)
{
    const struct pn_conf_check *a = &c->def->conf, *b = &next->def->conf;

    /* Interval, timeout, rise and fall change how often is asked, not what. */
    return a->type == b->type && a->port == b->port && pn_addr_equal(&c->member->addr, &next->member->addr) &&
           strcmp(c->target.helo, next->target.helo) == 0 && strcmp(c->target.host, next->target.host) == 0 &&
           strcmp(a->path, b->path) == 0 && a->status_min == b->status_min && a->status_max == b->status_max &&
           a->verify == b->verify && strcmp(a->ca_file, b->ca_file) == 0;
}

void pn_health_member_sum(struct pn_health_member *m)
{
    bool first = true;

    m->health = PN_HEALTH_UNKNOWN;
    m->reason = "";
    for (unsigned i = 0; i < m->n_checks; i++) {
        const struct pn_health_check *c = m->checks[i];

        if (pn_check_type_ops(c->def->conf.type)->agent)
            continue;
        if (first || pn_health_worse(c->fsm.health, m->health) != m->health) {
            m->health = c->fsm.health;
            m->reason = c->reason;
        }
        first = false;
    }
}
