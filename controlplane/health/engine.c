/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * When which check runs, and who is told. Callbacks are called from an event of their own, with nothing of the engine
 * on the stack but its loop, so they may call back in.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/util.h>

#include "controlplane/health/engine.h"

#define SUSPECT_GAP_MS 500u

static void engine_release(struct pn_health_engine *h)
{
    pn_health_registry_free(&h->reg);
    event_free(h->flush);
    free(h->lost);
    free(h);
}

static void tell_member(struct pn_health_engine *h, struct pn_health_member *m)
{
    char pool[PN_NAME_BYTES], gateway[PN_NAME_BYTES], reason[PN_HEALTH_REASON_BYTES];

    TAILQ_REMOVE(&h->dirty, m, dirty_link);
    m->dirty = false;
    if (m->health == m->told)
        return;
    m->told = m->health;
    memcpy(pool, m->pool, sizeof(pool));
    memcpy(gateway, m->gateway, sizeof(gateway));
    snprintf(reason, sizeof(reason), "%s", m->reason[0] ? m->reason : "no check has finished");
    if (h->cb.member)
        h->cb.member(h->cb.arg, pool, gateway, m->health, reason);
}

static void tell_agent(struct pn_health_engine *h, struct pn_health_check *c)
{
    struct pn_agent_report report = c->agent;
    char gateway[PN_NAME_BYTES];
    bool gone = c->agent_gone;

    TAILQ_REMOVE(&h->agents, c, agent_link);
    c->agent_due = false;
    memcpy(gateway, c->member->gateway, sizeof(gateway));
    if (h->cb.agent)
        h->cb.agent(h->cb.arg, gateway, gone ? NULL : &report);
}

/* An agent that is no longer configured: all its orders taken back, then not reachable. */
static void tell_lost(struct pn_health_engine *h)
{
    static const struct pn_agent_report nothing = {
        .up = true, .ready = true, .has_percent = true, .percent = 100, .has_maxconn = true};
    char gateway[PN_NAME_BYTES];

    memcpy(gateway, h->lost[--h->n_lost], sizeof(gateway));
    if (h->cb.agent)
        h->cb.agent(h->cb.arg, gateway, &nothing);
    if (h->cb.agent && !h->dead)
        h->cb.agent(h->cb.arg, gateway, NULL);
}

/* Nothing taken from a list is used after its callback: that may have applied a new configuration. */
static void on_flush(evutil_socket_t fd, short what, void *arg)
{
    struct pn_health_engine *h = arg;

    (void)fd;
    (void)what;
    h->flushing = true;
    while (!h->dead) {
        if (h->n_lost)
            tell_lost(h);
        else if (!TAILQ_EMPTY(&h->dirty))
            tell_member(h, TAILQ_FIRST(&h->dirty));
        else if (!TAILQ_EMPTY(&h->agents))
            tell_agent(h, TAILQ_FIRST(&h->agents));
        else
            break;
    }
    h->flushing = false;
    if (h->dead)
        engine_release(h);
}

struct pn_health_engine *pn_health_engine_new(struct event_base *base, const struct pn_health_callbacks *cb)
{
    struct pn_health_engine *h = calloc(1, sizeof(*h));
    struct sigaction sa;

    if (!h)
        return NULL;
    h->base = base;
    h->cb = *cb;
    TAILQ_INIT(&h->dirty);
    TAILQ_INIT(&h->agents);
    TAILQ_INIT(&h->waiting);
    h->flush = event_new(base, -1, 0, on_flush, h);
    if (!h->flush) {
        free(h);
        return NULL;
    }
    if (gethostname(h->helo, sizeof(h->helo) - 1) != 0 || !h->helo[0])
        snprintf(h->helo, sizeof(h->helo), "localhost");
    /* A gateway that closes first must not end the daemon; a handler of the daemon's own stays. */
    if (sigaction(SIGPIPE, NULL, &sa) == 0 && sa.sa_handler == SIG_DFL)
        signal(SIGPIPE, SIG_IGN);
    return h;
}

void pn_health_engine_free(struct pn_health_engine *h)
{
    if (!h)
        return;
    for (unsigned i = 0; i < h->reg.n_members; i++)
        for (unsigned k = 0; k < h->reg.members[i]->n_checks; k++)
            pn_health_check_stop(h->reg.members[i]->checks[k]);
    h->dead = true;
    if (!h->flushing)
        engine_release(h);
}

void pn_health_suspect(struct pn_health_engine *h, const char *gateway)
{
    uint64_t now = pn_health_now_ms();

    for (unsigned i = 0; i < h->reg.n_members; i++) {
        struct pn_health_member *m = h->reg.members[i];

        if (strcmp(m->gateway, gateway) != 0)
            continue;
        for (unsigned k = 0; k < m->n_checks; k++) {
            struct pn_health_check *c = m->checks[k];

            if (pn_health_check_is_agent(c) || c->fsm.health == PN_HEALTH_DOWN ||
                (c->suspect_at_ms && now - c->suspect_at_ms < SUSPECT_GAP_MS))
                continue;
            c->suspect_at_ms = now;
            c->fsm.suspect = true;
            if (c->conn)
                c->again = true; /* what it has seen so far may be older than the suspicion */
            else if (!c->waiting)
                pn_health_check_schedule(c, 0);
        }
    }
}

void pn_health_each(const struct pn_health_engine *h, void (*fn)(void *arg, const struct pn_health_row *row), void *arg)
{
    for (unsigned i = 0; i < h->reg.n_members; i++) {
        const struct pn_health_member *m = h->reg.members[i];

        for (unsigned k = 0; k < m->n_checks; k++) {
            const struct pn_health_check *c = m->checks[k];
            struct pn_health_row row = {.pool = m->pool,
                                        .gateway = m->gateway,
                                        .check = c->def->conf.name,
                                        .type = c->def->conf.type,
                                        .health = c->fsm.health,
                                        .last_ms = c->last_ms,
                                        .last_at_ms = c->last_at_ms,
                                        .done = c->done,
                                        .failed = c->failed,
                                        .cert_days_left = c->cert_days_left,
                                        .reason = c->reason};
            fn(arg, &row);
        }
    }
}
