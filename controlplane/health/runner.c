/* SPDX-License-Identifier: BSD-3-Clause */
/* When which check runs, and what its results make of it. */
#include <stdio.h>

#include <event2/event.h>

#include "controlplane/health/engine.h"

#define RUNNING_MAX 256u /* descriptors that checks hold at once */
#define SUSPECT_CONNECT_MS 1500u /* one SYN and one repeat: a suspect that answers neither is gone */
#define GAP_MIN_MS 10u

static void agent_changed(struct pn_health_check *c, const struct pn_agent_report *report)
{
    c->agent_gone = !report;
    if (report)
        c->agent = *report;
    if (!c->agent_due) {
        c->agent_due = true;
        TAILQ_INSERT_TAIL(&c->engine->agents, c, agent_link);
    }
    pn_health_flush_soon(c->engine);
}

void pn_health_check_stop(struct pn_health_check *c)
{
    struct pn_health_engine *h = c->engine;

    if (c->conn) {
        pn_conn_cancel(c->conn);
        c->conn = NULL;
        h->running--;
    }
    if (c->waiting)
        TAILQ_REMOVE(&h->waiting, c, wait_link);
    if (c->agent_due)
        TAILQ_REMOVE(&h->agents, c, agent_link);
    c->waiting = c->agent_due = c->again = false;
    if (c->timer)
        event_del(c->timer);
}

void pn_health_check_schedule(struct pn_health_check *c, uint64_t delay_ms)
{
    struct timeval tv = {(time_t)(delay_ms / 1000), (suseconds_t)(delay_ms % 1000 * 1000)};

    evtimer_add(c->timer, &tv);
}

/* From start to start, give or take a sixteenth, so that checks that met once drift apart. */
void pn_health_check_schedule_next(struct pn_health_check *c)
{
    uint32_t interval = c->def->conf.interval_ms;
    uint64_t next = c->started_ms + interval - interval / 16 + pn_health_random_below(interval / 8 + 1),
             now = pn_health_now_ms();

    pn_health_check_schedule(c, next > now + GAP_MIN_MS ? next - now : GAP_MIN_MS);
}

bool pn_health_check_is_agent(const struct pn_health_check *c)
{
    return pn_check_type_ops(c->def->conf.type)->agent;
}

static void check_judged(struct pn_health_check *c, const struct pn_conn_result *r)
{
    const struct pn_conf_check *conf = &c->def->conf;
    bool agent = pn_health_check_is_agent(c), changed;

    c->done++;
    c->failed += r->verdict == PN_HEALTH_DOWN;
    c->last_ms = r->took_ms;
    c->last_at_ms = pn_health_now_ms();
    if (r->cert_days_left != INT32_MIN)
        c->cert_days_left = r->cert_days_left;
    snprintf(c->reason, sizeof(c->reason), "%s port %u: %s", pn_check_type_ops(conf->type)->name, conf->port,
             r->reason);
    changed = pn_check_fsm_step(&c->fsm, r->verdict, agent ? 1 : conf->rise, conf->fall);
    if (!agent) {
        pn_health_member_changed(c->engine, c->member);
        return;
    }
    if (r->agent)
        agent_changed(c, r->agent);
    else if (changed)
        agent_changed(c, NULL);
    if (r->agent_unknown[0] && strcmp(r->agent_unknown, c->agent_unknown) != 0) {
        snprintf(c->agent_unknown, sizeof(c->agent_unknown), "%s", r->agent_unknown);
        pn_log_limited_at(&c->agent_limit, 60000, PN_LOG_WARNING,
                          "agent of gateway \"%s\" port %u says \"%s\", which is no agent-check word; ignored",
                          c->member->gateway, conf->port, r->agent_unknown);
    }
}

static void check_done(void *arg, const struct pn_conn_result *r)
{
    struct pn_health_check *c = arg;
    struct pn_health_engine *h = c->engine;

    c->conn = NULL;
    h->running--;
    if (r->verdict == PN_HEALTH_UNKNOWN) {
        snprintf(c->reason, sizeof(c->reason), "%s port %u: not checked: %s",
                 pn_check_type_ops(c->def->conf.type)->name, c->def->conf.port, r->reason);
        pn_log_limited_at(&c->local_limit, 60000, PN_LOG_WARNING, "cannot check gateway \"%s\": %s", c->member->gateway,
                          r->reason);
    } else {
        check_judged(c, r);
    }
    if (c->again) {
        c->again = false;
        c->fsm.suspect = c->fsm.health != PN_HEALTH_DOWN;
        pn_health_check_schedule(c, 0);
    } else {
        pn_health_check_schedule_next(c);
    }
    pn_health_start_waiting(h);
}

static void check_start(struct pn_health_check *c)
{
    struct pn_health_engine *h = c->engine;
    struct pn_conn_request rq = {.base = h->base,
                                 .target = &c->target,
                                 .addr = c->member->addr,
                                 .ctx = c->def->ctx,
                                 .connect_ms = c->fsm.suspect ? SUSPECT_CONNECT_MS : 0,
                                 .done = check_done,
                                 .arg = c};

    c->started_ms = pn_health_now_ms();
    c->conn = pn_conn_start(&rq);
    if (c->conn)
        h->running++;
    else
        pn_health_check_schedule_next(c);
}

void pn_health_start_waiting(struct pn_health_engine *h)
{
    while (h->running < RUNNING_MAX && !TAILQ_EMPTY(&h->waiting)) {
        struct pn_health_check *c = TAILQ_FIRST(&h->waiting);

        TAILQ_REMOVE(&h->waiting, c, wait_link);
        c->waiting = false;
        check_start(c);
    }
}

static void check_due(evutil_socket_t fd, short what, void *arg)
{
    struct pn_health_check *c = arg;

    (void)fd;
    (void)what;
    if (c->conn || c->waiting)
        return;
    if (c->engine->running < RUNNING_MAX) {
        check_start(c);
        return;
    }
    c->waiting = true;
    TAILQ_INSERT_TAIL(&c->engine->waiting, c, wait_link);
}

int pn_health_check_timer_new(struct pn_health_check *c)
{
    c->timer = evtimer_new(c->engine->base, check_due, c);
    return c->timer ? 0 : -1;
}
