/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/daemon/filter.h"

#include <stdio.h>
#include <stdlib.h>

#include <event2/event.h>

#define POLL_MS 20 /* while the dataplane builds a set */
#define BUSY_MS 50
#define LOOK_MS 1000 /* counts after a change */
#define AGAIN_FIRST_MS 1000 /* after a failure; doubles */
#define AGAIN_MAX_MS 60000

enum phase {
    OFF, /* no dataplane */
    IDLE, /* asked the rules for what comes next */
    SENDING, /* a part is on its way */
    BUILDING, /* the dataplane makes a set */
    FAILED, /* waits, and begins anew */
};

/* Messages of one part, one after the other: each is answered before the next, so one that is refused can come again. */
enum step { BEGIN, ADD, COMMIT, PATCH, DONE };

struct pn_filter_feed {
    struct pn_filter_feed_options o;
    enum phase phase;
    uint64_t ticket; /* of the question that counts */
    struct pn_rules_prefixes *part; /* being sent */
    enum step step;
    uint64_t run; /* of the connection to the dataplane: replies of an earlier one do not count */
    uint64_t count; /* prefixes of the set so far */
    uint64_t generation; /* of the set that is being built */
    uint32_t again_ms;
    bool get_in_flight;
    struct event *timer, *look;
    struct pn_filter_status status;
    uint8_t message[sizeof(struct pn_dp_filter_patch) + sizeof(struct pn_dp_prefix) * PN_DP_PREFIXES_MAX]
        __attribute__((aligned(8)));
};

static void arm(struct event *timer, uint32_t ms)
{
    struct timeval tv = {ms / 1000, (suseconds_t)(ms % 1000) * 1000};
    evtimer_add(timer, &tv);
}

static void on_prefixes(void *arg, struct pn_rules_prefixes *p);

static void ask(struct pn_filter_feed *f, bool restart)
{
    f->phase = IDLE;
    f->ticket++;
    free(f->part);
    f->part = NULL;
    if (pn_rules_actor_prefixes(f->o.rules, restart, f->ticket, on_prefixes, f) < 0) {
        f->phase = FAILED;
        arm(f->timer, BUSY_MS);
    }
}

/* What runs stays; the whole set comes again after a while. */
static void failed(struct pn_filter_feed *f, const char *why)
{
    if (strcmp(f->status.error, why) != 0)
        pn_eventlog_add(f->o.events, PN_LOG_ERROR, "filter", "", "the dataplane goes on with the old one: %s", why);
    snprintf(f->status.error, sizeof(f->status.error), "%s", why);
    f->status.failures++;
    f->status.loading = false;
    free(f->part);
    f->part = NULL;
    f->phase = FAILED;
    f->again_ms = f->again_ms == 0 ? AGAIN_FIRST_MS : f->again_ms * 2 < AGAIN_MAX_MS ? f->again_ms * 2 : AGAIN_MAX_MS;
    arm(f->timer, f->again_ms);
}

static void succeeded(struct pn_filter_feed *f)
{
    if (f->status.error[0])
        pn_eventlog_add(f->o.events, PN_LOG_NOTICE, "filter", "", "up to date again");
    f->status.error[0] = '\0';
    f->again_ms = 0;
}

/* ---- What the dataplane says ---- */

static void on_get(void *arg, unsigned status, const void *payload, size_t len)
{
    struct pn_filter_feed *f = arg;
    struct pn_dp_filter *dp = &f->status.dp;

    f->get_in_flight = false;
    if (status != PN_DP_STATUS_OK || len != sizeof(*dp)) {
        if (f->phase == BUILDING)
            arm(f->timer, BUSY_MS);
        return;
    }
    memcpy(dp, payload, sizeof(*dp));
    dp->error[sizeof(dp->error) - 1] = '\0';
    f->status.known = true;
    if (f->phase == IDLE && dp->state == PN_DP_FILTER_FAILED)
        failed(f, dp->error[0] ? dp->error : "a change did not come to run");
    if (f->phase != BUILDING)
        return;
    if (dp->state == PN_DP_FILTER_FAILED) {
        failed(f, dp->error[0] ? dp->error : "it did not come to run");
    } else if (dp->generation == f->generation) {
        pn_eventlog_add(f->o.events, PN_LOG_INFO, "filter", "", "%llu prefixes loaded in %u ms",
                        (unsigned long long)f->count, dp->load_ms);
        f->status.loads++;
        f->status.loading = false;
        succeeded(f);
        ask(f, false);
    } else {
        arm(f->timer, POLL_MS);
    }
}

static void get(struct pn_filter_feed *f)
{
    if (!f->get_in_flight)
        f->get_in_flight = pn_dplink_send(f->o.dp, PN_DP_FILTER_GET, NULL, 0, on_get, f) != 0;
    if (!f->get_in_flight && f->phase == BUILDING)
        arm(f->timer, BUSY_MS);
}

static void part_done(struct pn_filter_feed *f)
{
    bool patch = f->part->kind == PN_RULES_PREFIXES_PATCH, last = f->part->last;

    f->generation = f->part->generation;
    f->status.sent += f->part->n;
    f->status.patches += patch;
    if (!patch && last) {
        free(f->part);
        f->part = NULL;
        f->phase = BUILDING;
        arm(f->timer, POLL_MS);
        return;
    }
    if (patch && !evtimer_pending(f->look, NULL))
        arm(f->look, LOOK_MS);
    ask(f, false);
}

static enum step step_next(const struct pn_rules_prefixes *p, enum step step)
{
    if (step == BEGIN)
        step = ADD;
    else if (step == ADD)
        return p->last ? COMMIT : DONE;
    else
        return DONE;
    return p->n ? step : p->last ? COMMIT : DONE;
}

/* ---- What it is told ---- */

static void step_send(struct pn_filter_feed *f);

struct reply {
    struct pn_filter_feed *f;
    uint64_t run;
};

static void on_reply(void *arg, unsigned status, const void *payload, size_t len)
{
    struct reply r = *(struct reply *)arg;
    struct pn_filter_feed *f = r.f;
    char why[200];

    free(arg);
    if (r.run != f->run || status == PN_DPLINK_LOST)
        return; /* the next connection begins anew */
    if (status == PN_DP_STATUS_BUSY) {
        arm(f->timer, BUSY_MS);
    } else if (status != PN_DP_STATUS_OK) {
        snprintf(why, sizeof(why), "%.*s", len < sizeof(why) ? (int)len : (int)sizeof(why) - 1,
                 len ? (const char *)payload : "");
        failed(f, why[0] ? why : pn_dplink_status_text(status));
    } else if ((f->step = step_next(f->part, f->step)) == DONE) {
        part_done(f);
    } else {
        step_send(f);
    }
}

static void message_send(struct pn_filter_feed *f, enum pn_dp_type type, const void *head, size_t head_len,
                         bool with_list)
{
    size_t list_len = with_list ? f->part->n * sizeof(f->part->list[0]) : 0;
    struct reply *r = malloc(sizeof(*r));

    memcpy(f->message, head, head_len);
    if (list_len)
        memcpy(f->message + head_len, f->part->list, list_len);
    if (r) {
        *r = (struct reply){f, f->run};
        if (pn_dplink_send(f->o.dp, type, f->message, head_len + list_len, on_reply, r) != 0)
            return;
    }
    free(r);
    arm(f->timer, BUSY_MS);
}

static void step_send(struct pn_filter_feed *f)
{
    const struct pn_rules_prefixes *p = f->part;
    uint8_t action = (uint8_t)f->o.action;
    const struct pn_dp_filter_begin begin = {.generation = p->generation, .block_action = action};
    const struct pn_dp_filter_add add = {.generation = p->generation, .count = p->n};
    const struct pn_dp_filter_commit commit = {.generation = p->generation, .count = f->count};
    const struct pn_dp_filter_patch patch = {
        .from = p->from, .generation = p->generation, .count = p->n, .block_action = action};

    f->phase = SENDING;
    if (f->step == BEGIN)
        message_send(f, PN_DP_FILTER_BEGIN, &begin, sizeof(begin), false);
    else if (f->step == ADD)
        message_send(f, PN_DP_FILTER_ADD, &add, sizeof(add), true);
    else if (f->step == COMMIT)
        message_send(f, PN_DP_FILTER_COMMIT, &commit, sizeof(commit), false);
    else
        message_send(f, PN_DP_FILTER_PATCH, &patch, sizeof(patch), true);
}

static void on_prefixes(void *arg, struct pn_rules_prefixes *p)
{
    struct pn_filter_feed *f = arg;

    if (p->ticket != f->ticket || f->phase != IDLE) {
        free(p);
        return;
    }
    if (p->kind == PN_RULES_PREFIXES_AGAIN) {
        free(p);
        ask(f, true);
        return;
    }
    if (p->kind == PN_RULES_PREFIXES_FAILED) {
        failed(f, p->error);
        free(p);
        return;
    }
    f->part = p;
    if (p->kind == PN_RULES_PREFIXES_PATCH) {
        f->step = PATCH;
    } else {
        f->status.loading = true;
        f->count = p->first ? p->n : f->count + p->n;
        f->step = p->first ? BEGIN : p->n ? ADD : COMMIT;
    }
    step_send(f);
}

/* ---- Time ---- */

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct pn_filter_feed *f = arg;

    (void)fd;
    (void)what;
    if (f->phase == BUILDING)
        get(f);
    else if (f->phase == FAILED)
        ask(f, true);
    else if (f->phase == SENDING && f->part)
        step_send(f);
}

static void on_look(evutil_socket_t fd, short what, void *arg)
{
    struct pn_filter_feed *f = arg;

    (void)fd;
    (void)what;
    if (f->phase != OFF && f->phase != BUILDING)
        get(f);
}

/* ---- From outside ---- */

struct pn_filter_feed *pn_filter_feed_new(const struct pn_filter_feed_options *options)
{
    struct pn_filter_feed *f = calloc(1, sizeof(*f));

    if (!f)
        return NULL;
    f->o = *options;
    f->timer = evtimer_new(options->base, on_timer, f);
    f->look = evtimer_new(options->base, on_look, f);
    if (f->timer && f->look)
        return f;
    pn_filter_feed_free(f);
    return NULL;
}

void pn_filter_feed_free(struct pn_filter_feed *f)
{
    if (!f)
        return;
    if (f->timer)
        event_free(f->timer);
    if (f->look)
        event_free(f->look);
    free(f->part);
    free(f);
}

void pn_filter_feed_stop(struct pn_filter_feed *f)
{
    if (f)
        pn_filter_feed_down(f);
}

void pn_filter_feed_up(struct pn_filter_feed *f)
{
    if (!f)
        return;
    f->run++;
    f->get_in_flight = false;
    f->again_ms = 0;
    ask(f, true);
}

void pn_filter_feed_down(struct pn_filter_feed *f)
{
    if (!f)
        return;
    f->run++;
    f->ticket++;
    f->phase = OFF;
    f->status.known = f->status.loading = false;
    free(f->part);
    f->part = NULL;
    evtimer_del(f->timer);
    evtimer_del(f->look);
}

void pn_filter_feed_action(struct pn_filter_feed *f, enum pn_filter_action action)
{
    if (!f || f->o.action == action)
        return;
    f->o.action = action;
    if (f->phase == OFF)
        return;
    f->run++;
    free(f->part);
    f->part = NULL;
    evtimer_del(f->timer);
    ask(f, true);
}

const struct pn_filter_status *pn_filter_feed_status(const struct pn_filter_feed *f)
{
    return &f->status;
}
