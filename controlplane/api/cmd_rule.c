/* SPDX-License-Identifier: BSD-3-Clause */
/* Changes of rules. Each is on disk, and on its way to the other nodes, when it is answered. */
#include <stdlib.h>

#include "common/error.h"
#include "controlplane/api/handlers.h"
#include "controlplane/api/rule.h"

static const char *result_word(const struct pn_rules_result *r)
{
    return r->added ? "added" : r->changed ? "changed" : r->removed ? "removed" : "unchanged";
}

static void answer_change(struct pn_api_work *work, const struct pn_rule_key *key, const struct pn_rules_result *r)
{
    json_t *o = pn_rule_key_json(key);
    char version[20];

    if (o) {
        json_object_set_new(o, "result", json_string(result_word(r)));
        json_object_set_new(o, "version", json_string(pn_rule_version_format(r->stamp, version)));
        json_object_set_new(o, "held", json_boolean(r->held > 0));
    }
    pn_api_work_ok(work, o);
}

static int change(struct pn_api_work *work, const struct pn_rules_change *c, struct pn_rules_result *result)
{
    struct pn_rules *r = pn_rule_store(work);
    struct pn_error err;

    if (!r)
        return -1;
    if (pn_rules_change(r, c, 1, result, &err) == 0)
        return 0;
    pn_api_work_fail(work, PN_API_REFUSED, "%s", err.text);
    return -1;
}

/* -1 after answering. */
static int note_check(struct pn_api_work *work, const char *note)
{
    if (note && strlen(note) >= PN_RULE_DESCRIPTION_BYTES) {
        pn_api_work_fail(work, PN_API_BAD_REQUEST, "note: at most %d octets, not %zu", PN_RULE_DESCRIPTION_BYTES - 1,
                         strlen(note));
        return -1;
    }
    if (note && !pn_rule_text_ok(note, false)) {
        pn_api_work_fail(work, PN_API_BAD_REQUEST, "note: not clean UTF-8, or it has a control character");
        return -1;
    }
    return 0;
}

static void add(struct pn_api_work *work)
{
    struct pn_rule_key key;
    struct pn_rules_result result;
    struct pn_rules_change c = {.key = &key, .description = pn_api_work_text(work, "note")};

    if (pn_rule_key(work, &key) < 0 || note_check(work, c.description) < 0)
        return;
    if (pn_kind_by_number(key.kind)->shape != PN_SHAPE_LIST) {
        pn_api_work_fail(work, PN_API_BAD_REQUEST, "list: %s has rules with a text; rule put makes them",
                         pn_kind_by_number(key.kind)->name);
        return;
    }
    if (change(work, &c, &result) == 0)
        answer_change(work, &key, &result);
}

static void put(struct pn_api_work *work)
{
    struct pn_rule_key key;
    struct pn_rules_result result;
    struct pn_rules_change c = {.key = &key,
                                .description = pn_api_work_text(work, "note"),
                                .body = pn_api_work_text(work, "text"),
                                .keep = true};

    if (pn_rule_key(work, &key) < 0 || note_check(work, c.description) < 0)
        return;
    if (pn_kind_by_number(key.kind)->shape != PN_SHAPE_NAMED) {
        pn_api_work_fail(work, PN_API_BAD_REQUEST, "list: entries of %s have no text; rule add makes them",
                         pn_kind_by_number(key.kind)->name);
        return;
    }
    c.body_len = c.body ? strlen(c.body) : 0;
    if (c.body && !pn_rule_text_ok(c.body, true)) {
        pn_api_work_fail(work, PN_API_BAD_REQUEST, "text: not clean UTF-8, or it has a control character");
        return;
    }
    if (change(work, &c, &result) == 0)
        answer_change(work, &key, &result);
}

static void delete (struct pn_api_work *work)
{
    struct pn_rule_key key;
    struct pn_rules_result result;
    struct pn_rules_change c = {.key = &key, .remove = true};

    if (pn_rule_key(work, &key) < 0 || change(work, &c, &result) < 0)
        return;
    if (result.missing)
        pn_api_work_fail(work, PN_API_NOT_FOUND, "\"%s\" is not in %s%s%s", key.value,
                         pn_kind_by_number(key.kind)->name, key.owner[0] ? " of " : "", key.owner);
    else
        answer_change(work, &key, &result);
}

void pn_cmd_rule_add(struct pn_api_call *call)
{
    pn_rule_work(call, add);
}

void pn_cmd_rule_put(struct pn_api_call *call)
{
    pn_rule_work(call, put);
}

void pn_cmd_rule_remove(struct pn_api_call *call)
{
    pn_rule_work(call, delete);
}

/* ---- Many ---- */

/* Of a row, which is [list, value, field, owner, note, text]: those behind value may be missing or "". */
static const char *cell(const json_t *row, size_t i)
{
    const char *text = json_string_value(json_array_get(row, i));
    return text && *text ? text : NULL;
}

static int row_read(const json_t *row, struct pn_rule_key *key, struct pn_rules_change *c, struct pn_error *err)
{
    const char *list = cell(row, 0), *value = cell(row, 1);
    const struct pn_kind *kind = list ? pn_kind_by_name(list) : NULL;

    if (!kind || !value)
        return pn_error_set(err, list ? "there is no list \"%.64s\"" : "no list and value%.0s", list ? list : "");
    if (pn_rule_key_make(key, kind, cell(row, 3), value, cell(row, 2), err) < 0)
        return -1;
    *c = (struct pn_rules_change){.key = key, .keep = true, .description = cell(row, 4), .body = cell(row, 5)};
    c->body_len = c->body ? strlen(c->body) : 0;
    return 0;
}

/* All of them in one transaction: all or none. */
static void import(struct pn_api_work *work)
{
    const json_t *rows = json_object_get(work->args, "rows");
    size_t n = json_array_size(rows), i;
    struct pn_rules *r = pn_rule_store(work);
    struct pn_rules_change *changes = r ? calloc(n + 1, sizeof(*changes)) : NULL;
    struct pn_rule_key *keys = r ? malloc((n + 1) * sizeof(*keys)) : NULL;
    struct pn_rules_result result;
    struct pn_error err = {"out of memory"};

    if (!r)
        return;
    for (i = 0; changes && keys && i < n; i++)
        if (row_read(json_array_get(rows, i), &keys[i], &changes[i], &err) < 0)
            break;
    if (!changes || !keys)
        pn_api_work_fail(work, PN_API_BUSY, "posternd is out of memory");
    else if (i < n)
        pn_api_work_fail(work, PN_API_BAD_REQUEST, "row %zu: %s", i + 1, err.text);
    else if (pn_rules_change(r, changes, n, &result, &err) < 0)
        pn_api_work_fail(work, PN_API_REFUSED, "%s", err.text);
    else
        pn_api_work_ok(work, json_pack("{s:i, s:i, s:i}", "added", (int)result.added, "changed", (int)result.changed,
                                       "unchanged", (int)result.unchanged));
    free(changes);
    free(keys);
}

void pn_cmd_rule_import(struct pn_api_call *call)
{
    pn_rule_work(call, import);
}
