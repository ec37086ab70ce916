/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/quarantine/retention.h"

#include "common/error.h"

#define HOUR_MS 3600000ull
#define ROUND_MS 600000u
#define BATCH 200u

static const char *const names[PN_RETENTION_CLASS_COUNT] = {"records", "deleted", "released", "virus", "spam", "other"};

/* A round is these in order, then the nodes' quotas, then the size of all. Each row is one search by an index. */
static const struct part {
    enum pn_retention_class class;
    int kind, state, event;
} parts[] = {
    {PN_RETENTION_RECORDS, PN_Q_RECORD, -1, -1},
    {PN_RETENTION_DELETED, PN_Q_MESSAGE, PN_HOST_DELETED, -1},
    {PN_RETENTION_RELEASED, PN_Q_MESSAGE, PN_HOST_RELEASED, -1},
    {PN_RETENTION_VIRUS, PN_Q_MESSAGE, PN_HOST_NEW, PN_Q_EVENT_VIRUS},
    {PN_RETENTION_SPAM, PN_Q_MESSAGE, PN_HOST_NEW, PN_Q_EVENT_SPAM},
    {PN_RETENTION_OTHER, PN_Q_MESSAGE, PN_HOST_NEW, PN_Q_EVENT_QUARANTINED},
    {PN_RETENTION_OTHER, PN_Q_MESSAGE, PN_HOST_NEW, PN_Q_EVENT_RECEIVED},
    {PN_RETENTION_OTHER, PN_Q_MESSAGE, PN_HOST_NEW, PN_Q_EVENT_REJECTED},
    {PN_RETENTION_OTHER, PN_Q_MESSAGE, PN_HOST_NEW, PN_Q_EVENT_RELEASED},
    {PN_RETENTION_OTHER, PN_Q_MESSAGE, PN_HOST_NEW, PN_Q_EVENT_EVICTED},
};
#define PARTS ((unsigned)(sizeof(parts) / sizeof(parts[0])))
_Static_assert(PN_Q_EVENT_COUNT == 7, "a new event needs its row in parts");

const char *pn_retention_class_name(enum pn_retention_class c)
{
    return (unsigned)c < PN_RETENTION_CLASS_COUNT ? names[c] : "?";
}

int pn_retention_check(const struct pn_retention_config *c, struct pn_error *err)
{
    for (unsigned i = 0; i < PN_RETENTION_CLASS_COUNT; i++)
        if (c->age_ms[i] && c->age_ms[i] < HOUR_MS)
            return pn_error_set(err, "retention of %s: less than an hour", names[i]);
    if (c->counts_age_ms && c->counts_age_ms < 24 * HOUR_MS)
        return pn_error_set(err, "retention of the reports' counts: less than a day");
    if (c->n_quotas > PN_MAX_NODES)
        return pn_error_set(err, "retention: more than %d quotas of nodes", PN_MAX_NODES);
    for (unsigned i = 0; i < c->n_quotas; i++)
        for (unsigned k = 0; k < i; k++)
            if (strcmp(c->quotas[i].node, c->quotas[k].node) == 0)
                return pn_error_set(err, "retention: node %s has two quotas", c->quotas[i].node);
    return 0;
}

void pn_retention_init(struct pn_retention *r, const struct pn_retention_config *config)
{
    uint64_t round_ms = r->round_ms;

    memset(r, 0, sizeof(*r));
    r->config = *config;
    r->config.every_ms = config->every_ms ? config->every_ms : ROUND_MS;
    r->config.batch = config->batch ? config->batch : BATCH;
    r->round_ms = round_ms;
}

/* The step at place r->at, if the configuration has one there. */
static bool step_at(struct pn_retention *r, struct pn_retention_step *s)
{
    const struct pn_retention_config *c = &r->config;
    unsigned at = r->at;

    if (at < PARTS) {
        const struct part *p = &parts[at];
        uint64_t age = c->age_ms[p->class];
        if (age == 0 || age >= r->round_ms)
            return false;
        *s = (struct pn_retention_step){.act = PN_RETENTION_PURGE, .purge = PN_HOST_PURGE_ANY};
        s->purge.kind = p->kind;
        s->purge.state = p->state;
        s->purge.event = p->event;
        s->purge.received_before_ms = r->round_ms - age;
        s->purge.max = c->batch;
        return true;
    }
    at -= PARTS;
    if (at == 0) {
        *s = (struct pn_retention_step){.act = PN_RETENTION_COUNTS, .before_ms = r->round_ms - c->counts_age_ms};
        return c->counts_age_ms != 0 && c->counts_age_ms < r->round_ms;
    }
    if (--at < c->n_quotas) {
        *s = (struct pn_retention_step){
            .act = PN_RETENTION_NODE, .node = c->quotas[at].node, .max_bytes = c->quotas[at].bytes};
        return s->max_bytes != 0;
    }
    *s = (struct pn_retention_step){.act = PN_RETENTION_SIZE, .max_bytes = c->max_bytes};
    return c->max_bytes != 0;
}

struct pn_retention_step pn_retention_next(struct pn_retention *r, uint64_t now_ms)
{
    struct pn_retention_step s;

    if (!r->running) {
        /* A clock that was set back must not hold it up until it is caught up with. */
        if (r->round_ms && now_ms >= r->round_ms && now_ms - r->round_ms < r->config.every_ms)
            return (struct pn_retention_step){.act = PN_RETENTION_WAIT,
                                              .wait_ms = r->config.every_ms - (now_ms - r->round_ms)};
        r->running = true;
        r->round_ms = now_ms;
        r->at = 0;
    }
    for (; r->at < PARTS + 2 + r->config.n_quotas; r->at++)
        if (step_at(r, &s))
            return s;
    r->running = false;
    return (struct pn_retention_step){.act = PN_RETENTION_WAIT, .wait_ms = r->config.every_ms};
}

void pn_retention_done(struct pn_retention *r, const struct pn_retention_step *step, int gone)
{
    if (gone < 0) {
        r->running = false;
        return;
    }
    bool again = (step->act == PN_RETENTION_PURGE && (unsigned)gone >= step->purge.max) ||
                 ((step->act == PN_RETENTION_NODE || step->act == PN_RETENTION_SIZE) && gone > 0);
    if (!again)
        r->at++;
}
