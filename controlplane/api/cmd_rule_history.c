/* SPDX-License-Identifier: BSD-3-Clause */
/* Versions of before and their return; versions that wait; entries that somebody must decide about. */
#include <stdlib.h>

#include "common/error.h"
#include "controlplane/api/handlers.h"
#include "controlplane/api/rule.h"
#include "controlplane/rules/hlc.h"

#define MAX_DEFAULT 100

struct rows {
    json_t *list;
    size_t bytes;
    unsigned n, max;
    bool more;
};

static int add(struct rows *r, json_t *o, size_t bytes)
{
    json_array_append_new(r->list, o);
    r->n++;
    r->bytes += bytes;
    r->more = r->bytes > PN_RULE_REPLY_BYTES;
    return r->more;
}

static int on_version(void *arg, const struct pn_rules_version *v)
{
    struct rows *r = arg;
    json_t *o;

    if (r->n == r->max) {
        r->more = true;
        return 1;
    }
    o = pn_rule_json(v->rule, true);
    if (o) {
        json_object_set_new(o, "why", json_string(v->why));
        json_object_set_new(o, "replaced_ms", v->at_ms ? json_integer((json_int_t)v->at_ms) : json_null());
    }
    return add(r, o, 400 + 2 * v->rule->body_len);
}

static void log_(struct pn_api_work *work)
{
    struct pn_rules *store = pn_rule_store(work);
    struct rows r = {.max = (unsigned)pn_api_work_int(work, "max", MAX_DEFAULT)};
    bool one = pn_api_work_text(work, "list") || pn_api_work_text(work, "value");
    struct pn_rule_key key;
    struct pn_error err;

    if (!store || (one && pn_rule_key(work, &key) < 0))
        return;
    r.list = json_array();
    if (pn_rules_log(store, one ? &key : NULL, r.max + 1, on_version, &r, &err) < 0) {
        json_decref(r.list);
        pn_api_work_fail(work, PN_API_REFUSED, "%s", err.text);
    } else if (one && r.n == 0) {
        json_decref(r.list);
        pn_api_work_fail(work, PN_API_NOT_FOUND, "nothing is known of \"%s\" in %s", key.value,
                         pn_kind_by_number(key.kind)->name);
    } else {
        pn_api_work_ok(work, json_pack("{s:o, s:b}", "versions", r.list, "more", r.more));
    }
}

/* ---- Restoring ---- */

struct before {
    uint64_t stamp;
    char node[PN_NAME_BYTES];
    bool found;
};

static int on_before(void *arg, const struct pn_rules_version *v)
{
    struct before *b = arg;

    if (v->at_ms == 0) /* the current one */
        return 0;
    b->stamp = v->rule->stamp;
    memcpy(b->node, v->rule->node, sizeof(b->node));
    b->found = true;
    return 1;
}

static void restore(struct pn_api_work *work)
{
    const char *version = pn_api_work_text(work, "version"), *node = pn_api_work_text(work, "node");
    struct pn_rules *store = pn_rule_store(work);
    struct before before = {0};
    struct pn_rules_result result;
    struct pn_rule_key key;
    struct pn_rule now;
    struct pn_error err;
    json_t *o;
    int rc;

    if (!store || pn_rule_key(work, &key) < 0)
        return;
    if (version && pn_rule_version_parse(version, &before.stamp) < 0) {
        pn_api_work_fail(work, PN_API_BAD_REQUEST, "version: \"%s\" is none; rule log shows them", version);
        return;
    }
    if (!version) {
        if (pn_rules_log(store, &key, 0, on_before, &before, &err) < 0) {
            pn_api_work_fail(work, PN_API_REFUSED, "%s", err.text);
            return;
        }
        if (!before.found) {
            pn_api_work_fail(work, PN_API_NOT_FOUND, "\"%s\" has no earlier version on this node", key.value);
            return;
        }
        node = before.node;
    }
    if (pn_rules_restore(store, &key, before.stamp, node, &result, &err) < 0) {
        pn_api_work_fail(work, PN_API_NOT_FOUND, "%s", err.text);
        return;
    }
    pn_rule_init(&now);
    rc = pn_rules_get(store, &key, &now, &err);
    o = rc > 0 ? pn_rule_json(&now, true) : pn_rule_key_json(&key);
    if (o)
        json_object_set_new(o, "result", json_string(rc > 0 ? "restored" : "removed"));
    pn_rule_clear(&now);
    pn_api_work_ok(work, o);
}

/* ---- Held back, under review ---- */

static int on_held(void *arg, const struct pn_rule *rule)
{
    struct rows *r = arg;
    json_t *o = pn_rule_json(rule, false);
    uint64_t due_ms = pn_hlc_ms(rule->stamp);

    if (o)
        json_object_set_new(o, "in_force_ms",
                            json_integer((json_int_t)(due_ms > PN_HLC_SKEW_MS ? due_ms - PN_HLC_SKEW_MS : 0)));
    return add(r, o, 400);
}

static int on_review(void *arg, const struct pn_rule *rule)
{
    struct rows *r = arg;

    if (r->n == r->max) {
        r->more = true;
        return 1;
    }
    return add(r, pn_rule_json(rule, false), 400);
}

static void held(struct pn_api_work *work)
{
    struct pn_rules *store = pn_rule_store(work);
    struct rows r = {.list = NULL};
    struct pn_error err;

    if (!store)
        return;
    r.list = json_array();
    if (pn_rules_held(store, on_held, &r, &err) < 0) {
        json_decref(r.list);
        pn_api_work_fail(work, PN_API_REFUSED, "%s", err.text);
    } else {
        pn_api_work_ok(work, json_pack("{s:o, s:b}", "rules", r.list, "more", r.more));
    }
}

static void review(struct pn_api_work *work)
{
    struct pn_rules *store = pn_rule_store(work);
    struct rows r = {.max = (unsigned)pn_api_work_int(work, "max", 10000)};
    struct pn_error err;

    if (!store)
        return;
    r.list = json_array();
    if (pn_rules_review(store, on_review, &r, &err) < 0) {
        json_decref(r.list);
        pn_api_work_fail(work, PN_API_REFUSED, "%s", err.text);
    } else {
        pn_api_work_ok(work, json_pack("{s:o, s:b}", "rules", r.list, "more", r.more));
    }
}

struct settling {
    unsigned accepted, dropped;
};

/* All of them, a group at a time; other work of the loop in between. */
static void settle_group(void *arg)
{
    struct pn_api_work *work = arg;
    struct settling *s = work->job;
    struct pn_rules *store = pn_rule_store(work);
    struct pn_rules_result result;
    struct pn_error err;

    if (!store)
        return;
    if (pn_rules_review_settle(store, NULL, pn_api_work_bool(work, "accept"), &result, &err) < 0) {
        pn_api_work_fail(work, PN_API_REFUSED, "%u are settled; then: %s", s->accepted + s->dropped, err.text);
        return;
    }
    s->accepted += result.added + result.changed;
    s->dropped += result.removed;
    if (result.added + result.changed + result.removed == 0)
        pn_api_work_ok(work, json_pack("{s:i, s:i}", "accepted", (int)s->accepted, "dropped", (int)s->dropped));
    else if (pn_loop_call(pn_rules_actor_loop(work->arg), settle_group, work) < 0)
        pn_api_work_fail(work, PN_API_BUSY, "posternd is stopping or out of memory");
}

static void settle(struct pn_api_work *work)
{
    struct pn_rules *store = pn_rule_store(work);
    struct pn_rules_result result;
    struct pn_rule_key key;
    struct pn_error err;

    if (!store)
        return;
    if (pn_api_work_bool(work, "all")) {
        if (pn_api_work_text(work, "value"))
            pn_api_work_fail(work, PN_API_BAD_REQUEST, "all, or one entry: not both");
        else if (!(work->job = calloc(1, sizeof(struct settling))))
            pn_api_work_fail(work, PN_API_BUSY, "posternd is out of memory");
        else
            settle_group(work);
        return;
    }
    if (pn_rule_key(work, &key) < 0)
        return;
    if (pn_rules_review_settle(store, &key, pn_api_work_bool(work, "accept"), &result, &err) < 0)
        pn_api_work_fail(work, PN_API_NOT_FOUND, "%s", err.text);
    else
        pn_api_work_ok(work, json_pack("{s:i, s:i}", "accepted", (int)(result.added + result.changed), "dropped",
                                       (int)result.removed));
}

static void clock_reset(struct pn_api_work *work)
{
    struct pn_rules *store = pn_rule_store(work);
    struct pn_error err;

    if (!store)
        return;
    if (pn_rules_clock_reset(store, &err) < 0)
        pn_api_work_fail(work, PN_API_REFUSED, "%s", err.text);
    else
        pn_api_work_ok(work, json_object());
}

void pn_cmd_rule_log(struct pn_api_call *call)
{
    pn_rule_work(call, log_);
}

void pn_cmd_rule_restore(struct pn_api_call *call)
{
    pn_rule_work(call, restore);
}

void pn_cmd_rule_held(struct pn_api_call *call)
{
    pn_rule_work(call, held);
}

void pn_cmd_rule_review(struct pn_api_call *call)
{
    pn_rule_work(call, review);
}

void pn_cmd_rule_settle(struct pn_api_call *call)
{
    pn_rule_work(call, settle);
}

void pn_cmd_rule_clock_reset(struct pn_api_call *call)
{
    pn_rule_work(call, clock_reset);
}
