/* SPDX-License-Identifier: BSD-3-Clause */
/* How the rules stand: what there is, and who has the same. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "controlplane/api/handlers.h"
#include "controlplane/api/json.h"
#include "controlplane/api/rule.h"
#include "controlplane/api/show.h"

static json_t *class_json(const struct pn_kind *kind, const struct pn_rules_class_status *c)
{
    char digest[40];

    snprintf(digest, sizeof(digest), "%016llx%016llx", (unsigned long long)c->digest.hi,
             (unsigned long long)c->digest.lo);
    return json_pack("{s:s, s:b, s:o, s:o, s:s}", "list", kind->name, "synchronised", c->on, "entries",
                     pn_json_u64(c->entries), "deleted", pn_json_u64(c->tombstones), "digest", digest);
}

/* Lists that the peer has otherwise than we have. */
static json_t *differing(const struct pn_rules_actor_status *s, const struct pn_sync_status *peer)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < pn_kinds_count; i++) {
        const struct pn_sync_class *c = &peer->classes[pn_kinds[i].number];

        if (s->classes[pn_kinds[i].number].on && peer->greeted && (!c->both || !c->equal))
            json_array_append_new(list, json_string(pn_kinds[i].name));
    }
    return list;
}

static json_t *peer_json(const struct pn_rules_actor_status *s, const struct pn_rules_peer_status *p)
{
    const struct pn_sync_status *y = &p->sync;
    const char *state = !p->up        ? "down"
                        : p->retry_ms ? "refused"
                        : !y->greeted ? "greeting"
                        : y->equal    ? "equal"
                        : p->paused   ? "slow"
                        : y->running  ? "comparing"
                                      : "behind";

    return json_pack("{s:s, s:s, s:b, s:b, s:o, s:o, s:o, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:o}",
                     "node", p->name, "state", state, "up", p->up, "equal", p->up && y->equal, "lag_ms",
                     y->equal || y->equal_ms ? pn_json_u64(p->lag_ms) : json_null(), "equal_ms",
                     y->equal_ms ? pn_json_u64(y->equal_ms) : json_null(), "skew_ms",
                     y->greeted ? json_integer(y->skew_ms) : json_null(), "skew_alarm", y->skew_alarm, "sent_bytes",
                     pn_json_u64(y->bytes_out), "received_bytes", pn_json_u64(y->bytes_in), "sent_entries",
                     pn_json_u64(y->entries_out), "received_entries", pn_json_u64(y->entries_in), "bad_entries",
                     pn_json_u64(y->bad_entries), "waiting_bytes", pn_json_u64(p->waiting_bytes), "dropped_frames",
                     pn_json_u64(p->dropped), "violations", pn_json_u64(p->violations), "retry_ms",
                     pn_json_u64(p->retry_ms), "problem", p->problem, "differ", differing(s, y));
}

/* Blocked and welcomed networks in the dataplane; null: it has not said. */
static json_t *filter_json(const struct pn_filter_status *f)
{
    const struct pn_dp_filter *dp = f ? &f->dp : NULL;

    if (!f)
        return json_null();
    return json_pack("{s:b, s:b, s:o, s:o, s:o, s:o, s:s, s:i, s:o, s:o, s:s}", "known", f->known, "loading",
                     f->loading, "blocked_v4", pn_json_u64(dp->count[PN_FILTER_BLOCK][0]), "blocked_v6",
                     pn_json_u64(dp->count[PN_FILTER_BLOCK][1]), "welcomed_v4",
                     pn_json_u64(dp->count[PN_FILTER_WELCOME][0]), "welcomed_v6",
                     pn_json_u64(dp->count[PN_FILTER_WELCOME][1]), "action",
                     dp->block_action == PN_FILTER_RESET ? "reset" : "drop", "load_ms", (int)dp->load_ms, "loads",
                     pn_json_u64(f->loads), "changes", pn_json_u64(f->patches), "problem", f->error);
}

static json_t *status_json(const struct pn_rules_actor_status *s)
{
    json_t *lists = json_array(), *peers = json_array();
    bool equal = true;

    for (unsigned i = 0; s->open && i < pn_kinds_count; i++)
        json_array_append_new(lists, class_json(&pn_kinds[i], &s->classes[pn_kinds[i].number]));
    for (unsigned i = 0; i < s->n_peers; i++) {
        json_array_append_new(peers, peer_json(s, &s->peers[i]));
        equal &= s->peers[i].up && s->peers[i].sync.equal;
    }
    return json_pack("{s:s, s:b, s:s, s:b, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:o, s:o}", "node", s->node,
                     "open", s->open, "problem", s->problem, "clustered", s->clustered, "equal", equal && s->open,
                     "entries", pn_json_u64(s->store.entries), "deleted", pn_json_u64(s->store.tombstones), "held",
                     pn_json_u64(s->store.held), "review", pn_json_u64(s->store.review), "clock_ahead_ms",
                     pn_json_u64(s->store.clock_ahead_ms), "log_bytes", pn_json_u64(s->store.wal_bytes), "errors",
                     pn_json_u64(s->store.errors), "last_error", s->store.last_error, "lists", lists, "peers", peers);
}

static void status(struct pn_api_work *work)
{
    struct pn_rules_actor_status *s = malloc(sizeof(*s));
    json_t *reply = NULL;

    pn_rules_actor_refresh(work->arg);
    if (s) {
        pn_rules_actor_status(work->arg, s);
        reply = status_json(s);
    }
    if (reply && work->partial)
        json_object_set(reply, "filter", work->partial);
    free(s);
    pn_api_work_ok(work, reply);
}

void pn_cmd_rule_status(struct pn_api_call *call)
{
    call->partial = filter_json(call->view->filter); /* the main loop's */
    pn_rule_work(call, status);
}

/* ---- At the top of `postern status` ---- */

#define BEHIND_ALARM_MS 60000

static void alarm_add(json_t *list, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void alarm_add(json_t *list, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    json_array_append_new(list, pn_json_text(text));
}

static void peer_alarms(json_t *list, const struct pn_rules_peer_status *p)
{
    if (p->retry_ms)
        alarm_add(list, "rules: %s does not keep to the protocol and is not listened to for %llu s: %s", p->name,
                  (unsigned long long)(p->retry_ms + 999) / 1000, p->problem);
    else if (p->up && p->lag_ms > BEHIND_ALARM_MS)
        alarm_add(list, "rules: %s and this node have not had the same for %llu s (postern rule status)", p->name,
                  (unsigned long long)p->lag_ms / 1000);
}

static json_t *alarms(const struct pn_view *v, const struct pn_rules_actor_status *s)
{
    json_t *list = json_array();

    if (!s->open)
        alarm_add(list, "rules: none on this node: %s", s->problem);
    if (s->store.held)
        alarm_add(list, "rules: %llu from clocks that run ahead wait (postern rule held)",
                  (unsigned long long)s->store.held);
    if (s->store.review)
        alarm_add(list, "rules: %llu to review (postern rule review)", (unsigned long long)s->store.review);
    if (s->store.clock_ahead_ms)
        alarm_add(list, "rules: changes made here are stamped %llu s ahead of the clock (postern rule reset-clock)",
                  (unsigned long long)s->store.clock_ahead_ms / 1000);
    for (unsigned i = 0; i < s->n_peers; i++)
        peer_alarms(list, &s->peers[i]);
    if (v->filter && v->filter->error[0])
        alarm_add(list, "rules: the newest networks are not in the dataplane: %s", v->filter->error);
    return list;
}

json_t *pn_show_rules(const struct pn_view *v)
{
    struct pn_rules_actor_status *s = v->rules ? malloc(sizeof(*s)) : NULL;
    json_t *out;

    if (!s)
        return json_null();
    pn_rules_actor_status(v->rules, s);
    out =
        json_pack("{s:b, s:o, s:o}", "open", s->open, "entries", pn_json_u64(s->store.entries), "alarms", alarms(v, s));
    free(s);
    return out;
}

/* Asks all peers for their digests; how they stood is the answer. Whoever waits asks again. */
static void sync_(struct pn_api_work *work)
{
    if (!pn_rule_store(work))
        return;
    pn_rules_actor_check(work->arg);
    status(work);
}

void pn_cmd_rule_sync(struct pn_api_call *call)
{
    pn_rule_work(call, sync_);
}
