/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/api/rule.h"

#include <stdio.h>
#include <stdlib.h>

#include "controlplane/rules/hlc.h"

void pn_rule_work(struct pn_api_call *call, pn_api_work_fn *fn)
{
    struct pn_rules_actor *a = call->view->rules;
    pn_api_work(call, a ? pn_rules_actor_loop(a) : NULL, fn, a);
}

struct pn_rules *pn_rule_store(struct pn_api_work *work)
{
    struct pn_rules *r = pn_rules_actor_store(work->arg);

    if (!r)
        pn_api_work_fail(work, PN_API_UNAVAILABLE, "no rules on this node: %s", pn_rules_actor_problem(work->arg));
    return r;
}

const struct pn_kind *pn_rule_list(struct pn_api_work *work, int *found)
{
    const char *name = pn_api_work_text(work, "list");
    const struct pn_kind *kind = name ? pn_kind_by_name(name) : NULL;
    char names[300];

    *found = name && !kind ? -1 : kind != NULL;
    if (*found < 0)
        pn_api_work_fail(work, PN_API_BAD_REQUEST, "list: there is no list \"%.64s\"; there are %s", name,
                         pn_kind_names(names, sizeof(names)));
    return kind;
}

/* Which of the arguments it is about: what normalise.c finds wrong may be either's. */
static const char *culprit(const struct pn_kind *kind, const char *owner, const char *value)
{
    struct pn_rule_key key;
    struct pn_value v;
    struct pn_error err;

    if (kind->shape == PN_SHAPE_NAMED ? pn_value_name(value, &v, &err) : pn_value_normalise(value, &v, &err))
        return kind->shape == PN_SHAPE_NAMED ? "name" : "value";
    if ((owner && *owner) != kind->personal || (owner && *owner && pn_value_address(owner, &v, &err) < 0))
        return "owner";
    return pn_rule_key_make(&key, kind, owner, value, NULL, &err) == 0 ? "field" : "value";
}

int pn_rule_key(struct pn_api_work *work, struct pn_rule_key *key)
{
    const char *value = pn_api_work_text(work, "value"), *owner = pn_api_work_text(work, "owner");
    const struct pn_kind *kind;
    struct pn_error err;
    int found;

    kind = pn_rule_list(work, &found);
    if (found < 0)
        return -1;
    if (!kind || !value) {
        pn_api_work_fail(work, PN_API_BAD_REQUEST, "it takes a list and a value");
        return -1;
    }
    if (pn_rule_key_make(key, kind, owner, value, pn_api_work_text(work, "field"), &err) == 0)
        return 0;
    pn_api_work_fail(work, PN_API_BAD_REQUEST, "%s: %s", culprit(kind, owner, value), err.text);
    return -1;
}

json_t *pn_rule_key_json(const struct pn_rule_key *key)
{
    const struct pn_kind *kind = pn_kind_by_number(key->kind);
    char unknown[24];

    snprintf(unknown, sizeof(unknown), "kind-%u", key->kind); /* of a newer Postern */
    return json_pack("{s:s, s:s, s:s*, s:s*}", "list", kind ? kind->name : unknown, "value", key->value, "owner",
                     key->owner[0] ? key->owner : NULL, "field", key->field ? pn_field_name(key->field) : NULL);
}

const char *pn_rule_version_format(uint64_t stamp, char buf[20])
{
    snprintf(buf, 20, "%llx", (unsigned long long)stamp);
    return buf;
}

int pn_rule_version_parse(const char *text, uint64_t *stamp)
{
    size_t len = strlen(text);

    if (len == 0 || len > 16 || strspn(text, "0123456789abcdefABCDEF") != len)
        return -1;
    *stamp = strtoull(text, NULL, 16);
    return *stamp ? 0 : -1;
}

json_t *pn_rule_json(const struct pn_rule *rule, bool with_text)
{
    json_t *o = pn_rule_key_json(&rule->key);
    uint64_t last_ms = pn_rule_last_ms(rule), hits = pn_rule_hits_total(rule);
    char version[20];

    if (!o)
        return NULL;
    json_object_set_new(o, "present", json_boolean(rule->present));
    json_object_set_new(o, "note", json_string(rule->description));
    if (with_text && rule->body_len)
        json_object_set_new(o, "text", json_stringn(rule->body, rule->body_len));
    json_object_set_new(o, "text_bytes", json_integer(rule->body_len));
    json_object_set_new(o, "version", json_string(pn_rule_version_format(rule->stamp, version)));
    json_object_set_new(o, "at_ms", json_integer((json_int_t)pn_hlc_ms(rule->stamp)));
    json_object_set_new(o, "node", json_string(rule->node));
    json_object_set_new(o, "hits", json_integer((json_int_t)(hits & INT64_MAX)));
    json_object_set_new(o, "last_hit_ms", last_ms ? json_integer((json_int_t)last_ms) : json_null());
    return o;
}
