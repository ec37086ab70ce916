/* SPDX-License-Identifier: BSD-3-Clause */
/* From one configuration to the next: checks that ask the same go on, others are told apart from new ones by name. */
#include <stdlib.h>

#include "common/error.h"
#include "controlplane/health/engine.h"

#define FIRST_SPREAD_MS 1000u /* new checks start within this, or their interval */

static struct pn_health_member *member_find(const struct pn_health_registry *reg, const char *pool, const char *gateway)
{
    for (unsigned i = 0; i < reg->n_members; i++) {
        struct pn_health_member *m = reg->members[i];
        if (strcmp(m->gateway, gateway) == 0 && strcmp(m->pool, pool) == 0)
            return m;
    }
    return NULL;
}

static struct pn_health_check **check_find(struct pn_health_member *m, const char *name)
{
    for (unsigned i = 0; m && i < m->n_checks; i++)
        if (m->checks[i] && strcmp(m->checks[i]->def->conf.name, name) == 0)
            return &m->checks[i];
    return NULL;
}

/* The same question: the check itself goes over, with its state, its timer and a run that may be under way. */
static void check_adopt(struct pn_health_check **slot, struct pn_health_check *old)
{
    struct pn_health_check *fresh = *slot;
    bool retime = old->def->conf.interval_ms != fresh->def->conf.interval_ms;
    struct pn_health_def *def = old->def;

    old->member = fresh->member;
    old->target = fresh->target; /* equal texts that live with the new member; a running connection sees them here */
    old->def = fresh->def;
    fresh->def = def;
    *slot = old;
    pn_health_check_free(fresh);
    if (retime && !old->conn && !old->waiting)
        pn_health_check_schedule_next(old);
}

/* Another question under the same name: health stands until the first answer, which decides at once. */
static void check_inherit(struct pn_health_check *c, const struct pn_health_check *old)
{
    c->fsm.health = old->fsm.health;
    c->last_ms = old->last_ms;
    c->last_at_ms = old->last_at_ms;
    c->done = old->done;
    c->failed = old->failed;
    memcpy(c->reason, old->reason, sizeof(c->reason));
}

/* Checks of the new member that were there before, and the timers of those that were not. */
static void member_take_over(struct pn_health_member *m, struct pn_health_member *was)
{
    /* Another machine under the old name: nothing of what was seen holds, the first answer is news. */
    if (was && !pn_addr_equal(&was->addr, &m->addr))
        was = NULL;
    m->told = was ? was->told : PN_HEALTH_UNKNOWN;
    for (unsigned k = 0; k < m->n_checks; k++) {
        struct pn_health_check *c = m->checks[k];
        struct pn_health_check **before = check_find(was, c->def->conf.name);
        uint32_t interval = c->def->conf.interval_ms;

        if (before && pn_health_check_same(*before, c)) {
            check_adopt(&m->checks[k], *before);
            *before = NULL;
            continue;
        }
        if (before)
            check_inherit(c, *before);
        pn_health_check_schedule(c, pn_health_random_below(interval < FIRST_SPREAD_MS ? interval : FIRST_SPREAD_MS));
    }
}

static bool has_agent(const struct pn_health_registry *reg, const char *gateway)
{
    for (unsigned i = 0; i < reg->n_members; i++)
        for (unsigned k = 0; k < reg->members[i]->n_checks; k++)
            if (pn_health_check_is_agent(reg->members[i]->checks[k]) && strcmp(reg->members[i]->gateway, gateway) == 0)
                return true;
    return false;
}

/* Gateways whose agent is not asked any more: what it ordered has to end. Appended to h->lost. */
static int lost_agents(struct pn_health_engine *h, const struct pn_health_registry *next)
{
    for (unsigned i = 0; i < h->reg.n_members; i++) {
        const struct pn_health_member *m = h->reg.members[i];
        struct pn_health_registry one = {.members = &h->reg.members[i], .n_members = 1};
        void *grown;

        if (!has_agent(&one, m->gateway) || has_agent(next, m->gateway))
            continue;
        grown = reallocarray(h->lost, h->n_lost + 1, sizeof(*h->lost));
        if (!grown)
            return -1;
        h->lost = grown;
        memcpy(h->lost[h->n_lost++], m->gateway, PN_NAME_BYTES);
    }
    return 0;
}

static int timers_new(struct pn_health_registry *reg)
{
    for (unsigned i = 0; i < reg->n_members; i++) {
        for (unsigned k = 0; k < reg->members[i]->n_checks; k++) {
            if (pn_health_check_timer_new(reg->members[i]->checks[k]) != 0)
                return -1;
        }
    }
    return 0;
}

int pn_health_apply(struct pn_health_engine *h, const struct pn_conf *conf, struct pn_error *err)
{
    struct pn_health_registry next, old = h->reg;
    unsigned lost = h->n_lost;

    if (pn_health_registry_build(&next, h, conf, h->helo, err) != 0)
        return -1;
    if (timers_new(&next) != 0 || lost_agents(h, &next) != 0) {
        h->n_lost = lost;
        pn_health_registry_free(&next);
        return pn_error_set(err, "health checks: out of memory");
    }
    /* From here nothing fails. */
    for (unsigned i = 0; i < next.n_members; i++)
        member_take_over(next.members[i], member_find(&old, next.members[i]->pool, next.members[i]->gateway));
    for (unsigned i = 0; i < old.n_members; i++) {
        struct pn_health_member *m = old.members[i];
        if (m->dirty)
            TAILQ_REMOVE(&h->dirty, m, dirty_link);
        for (unsigned k = 0; k < m->n_checks; k++)
            if (m->checks[k])
                pn_health_check_stop(m->checks[k]);
    }
    h->reg = next;
    pn_health_registry_free(&old);
    pn_health_start_waiting(h);
    for (unsigned i = 0; i < next.n_members; i++)
        pn_health_member_changed(h, next.members[i]);
    if (h->n_lost)
        pn_health_flush_soon(h);
    return 0;
}
