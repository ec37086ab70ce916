/* SPDX-License-Identifier: BSD-3-Clause */
/* Lists and searches: slice by slice, other work of the loop in between. */
#include <stdio.h>
#include <stdlib.h>

#include "controlplane/api/handlers.h"
#include "controlplane/api/rule.h"

#define SLICE 4000 /* rows looked at at once: some milliseconds */
#define MAX_DEFAULT 1000

struct listing {
    struct pn_rules_query query;
    struct pn_rules_page page;
    bool text, failed;
    unsigned max, n;
    size_t bytes;
    json_t *rules;
};

static int on_row(void *arg, const struct pn_rule *rule)
{
    struct listing *l = arg;
    json_t *o = pn_rule_json(rule, l->text);

    if (!o || json_array_append_new(l->rules, o) < 0) {
        l->failed = true;
        return 1;
    }
    l->bytes += 300 + (l->text ? 2 * rule->body_len : 0);
    return ++l->n == l->max || l->bytes > PN_RULE_REPLY_BYTES;
}

/* Where a page ended, as text that means nothing to others. */
static const char *page_format(const struct pn_rules_page *p, char *buf, size_t size)
{
    snprintf(buf, size, "%u,%u,%s\n%s", p->kind, p->field, p->owner, p->value);
    return buf;
}

static int page_parse(const char *text, struct pn_rules_page *p)
{
    unsigned kind, field;
    const char *end;
    int at = 0;

    if (sscanf(text, "%u,%u,%n", &kind, &field, &at) != 2 || at == 0 || kind == 0 || kind >= PN_KIND_LIMIT ||
        field >= 256)
        return -1;
    text += at;
    end = strchr(text, '\n');
    if (!end || (size_t)(end - text) >= sizeof(p->owner) || strlen(end + 1) >= sizeof(p->value))
        return -1;
    p->kind = (uint8_t)kind;
    p->field = (uint8_t)field;
    memcpy(p->owner, text, (size_t)(end - text));
    p->owner[end - text] = '\0';
    memcpy(p->value, end + 1, strlen(end + 1) + 1);
    return 0;
}

static void end(struct pn_api_work *work, struct listing *l, bool more)
{
    char after[2 * PN_RULE_VALUE_BYTES + 16];
    json_t *rules = l->rules;

    l->rules = NULL;
    pn_api_work_ok(work, json_pack("{s:o, s:b, s:s*}", "rules", rules, "more", more, "after",
                                   more ? page_format(&l->page, after, sizeof(after)) : NULL));
}

static void fail(struct pn_api_work *work, struct listing *l, enum pn_api_code code, const char *text)
{
    json_decref(l->rules);
    l->rules = NULL;
    pn_api_work_fail(work, code, "%s", text);
}

static void slice(void *arg)
{
    struct pn_api_work *work = arg;
    struct listing *l = work->job;
    struct pn_rules *r = pn_rules_actor_store(work->arg);
    struct pn_error err;
    bool all = false;

    if (!r) {
        fail(work, l, PN_API_UNAVAILABLE, pn_rules_actor_problem(work->arg));
        return;
    }
    if (pn_rules_scan(r, &l->query, &l->page, SLICE, on_row, l, &all, &err) < 0)
        fail(work, l, PN_API_REFUSED, err.text);
    else if (l->failed)
        fail(work, l, PN_API_BUSY, "posternd is out of memory");
    else if (all || l->n >= l->max || l->bytes > PN_RULE_REPLY_BYTES)
        end(work, l, !all);
    else if (pn_loop_call(pn_rules_actor_loop(work->arg), slice, work) < 0)
        fail(work, l, PN_API_BUSY, "posternd is stopping or out of memory");
}

static void list(struct pn_api_work *work)
{
    const char *after = pn_api_work_text(work, "after"), *owner = pn_api_work_text(work, "owner");
    const struct pn_kind *kind;
    struct pn_value normal;
    struct pn_error err;
    struct listing *l;
    int found;

    if (!pn_rule_store(work))
        return;
    kind = pn_rule_list(work, &found);
    if (found < 0)
        return;
    if (owner && pn_value_address(owner, &normal, &err) < 0) {
        pn_api_work_fail(work, PN_API_BAD_REQUEST, "owner: %s", err.text);
        return;
    }
    l = work->job = calloc(1, sizeof(*l) + PN_RULE_VALUE_BYTES);
    if (!l || !(l->rules = json_array())) {
        pn_api_work_fail(work, PN_API_BUSY, "posternd is out of memory");
        return;
    }
    if (after && page_parse(after, &l->page) < 0) {
        fail(work, l, PN_API_BAD_REQUEST, "after: not what an earlier answer gave");
        return;
    }
    if (owner)
        l->query.owner = memcpy(l + 1, normal.text, strlen(normal.text) + 1);
    l->query.kind = kind ? kind->number : PN_KIND_NONE;
    l->query.search = pn_api_work_text(work, "search");
    l->query.deleted = pn_api_work_bool(work, "deleted");
    l->text = pn_api_work_bool(work, "text");
    l->max = (unsigned)pn_api_work_int(work, "max", MAX_DEFAULT);
    slice(work);
}

static void show(struct pn_api_work *work)
{
    struct pn_rules *r = pn_rule_store(work);
    struct pn_rule_key key;
    struct pn_rule rule;
    struct pn_error err;
    int rc;

    if (!r || pn_rule_key(work, &key) < 0)
        return;
    pn_rule_init(&rule);
    rc = pn_rules_get(r, &key, &rule, &err);
    if (rc > 0)
        pn_api_work_ok(work, pn_rule_json(&rule, true));
    else if (rc == 0)
        pn_api_work_fail(work, PN_API_NOT_FOUND, "\"%s\" is not in %s%s%s", key.value,
                         pn_kind_by_number(key.kind)->name, key.owner[0] ? " of " : "", key.owner);
    else
        pn_api_work_fail(work, PN_API_REFUSED, "%s", err.text);
    pn_rule_clear(&rule);
}

void pn_cmd_rule_list(struct pn_api_call *call)
{
    pn_rule_work(call, list);
}

void pn_cmd_rule_show(struct pn_api_call *call)
{
    pn_rule_work(call, show);
}
