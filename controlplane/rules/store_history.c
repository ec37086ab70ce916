/* SPDX-License-Identifier: BSD-3-Clause */
/* Versions of before, versions that wait, entries that somebody must decide about. */
#include <stdio.h>
#include <stdlib.h>

#include "common/error.h"
#include "controlplane/rules/store.h"

#define RULE "present, stamp, node, description, body, hits"

int pn_rules_log(struct pn_rules *r, const struct pn_rule_key *key, unsigned limit, pn_rules_version_fn *fn, void *arg,
                 struct pn_error *err)
{
    struct pn_rules_version v = {.rule = &r->work};
    sqlite3_stmt *s;
    unsigned n = 0;
    int rc = SQLITE_DONE, stop = 0;

    if (key) {
        struct pn_rdb_row row;
        int known = pn_rdb_get(r, key, &row, &r->work, err);
        if (known < 0)
            return -1;
        snprintf(v.why, sizeof(v.why), "current");
        if (known && r->work.stamp) {
            stop = fn(arg, &v);
            n++;
        }
    }
    rc = sqlite3_prepare_v2(
        r->db,
        key ? "SELECT kind, owner, value, field, " RULE ", at_ms, why FROM history WHERE kind = ?1 AND"
              " owner = ?2 AND value = ?3 AND field = ?4 ORDER BY stamp DESC, node DESC"
            : "SELECT kind, owner, value, field, " RULE ", at_ms, why FROM history ORDER BY seq DESC",
        -1, &s, NULL);
    if (rc != SQLITE_OK)
        return pn_rdb_fail(r, err, "reading the history");
    if (key)
        pn_rdb_bind_key(s, 1, key);
    while (!stop && (limit == 0 || n < limit) && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        const char *why = (const char *)sqlite3_column_text(s, 11);
        pn_rdb_read_key(s, 0, &r->work.key);
        if (pn_rdb_read_rule(r, s, 4, &r->work, err) != 0) {
            sqlite3_finalize(s);
            return -1;
        }
        v.at_ms = (uint64_t)sqlite3_column_int64(s, 10);
        snprintf(v.why, sizeof(v.why), "%s", why ? why : "");
        stop = fn(arg, &v);
        n++;
    }
    if (rc != SQLITE_ROW && rc != SQLITE_DONE && rc != SQLITE_OK) {
        pn_rdb_fail(r, err, "reading the history");
        sqlite3_finalize(s);
        return -1;
    }
    sqlite3_finalize(s);
    return 0;
}

struct wanted {
    uint64_t stamp;
    const char *node;
    bool found;
    struct pn_rule rule;
};

static int find_version(void *arg, const struct pn_rules_version *version)
{
    struct wanted *w = arg;

    if (version->rule->stamp != w->stamp || (w->node && *w->node && strcmp(version->rule->node, w->node) != 0))
        return 0;
    w->found = pn_rule_copy(&w->rule, version->rule) == 0;
    return 1;
}

int pn_rules_restore(struct pn_rules *r, const struct pn_rule_key *key, uint64_t stamp, const char *node,
                     struct pn_rules_result *result, struct pn_error *err)
{
    struct wanted w = {.stamp = stamp, .node = node};
    int rc;

    pn_rule_init(&w.rule);
    if (pn_rules_log(r, key, 0, find_version, &w, err) != 0)
        return -1;
    if (!w.found)
        return pn_error_set(err, "\"%.64s\" has no version %llu in the history", key->value, (unsigned long long)stamp);
    struct pn_rules_change change = {.key = key,
                                     .remove = !w.rule.present,
                                     .description = w.rule.description,
                                     .body = w.rule.body ? w.rule.body : "",
                                     .body_len = w.rule.body_len};
    rc = pn_rules_change(r, &change, 1, result, err);
    pn_rule_clear(&w.rule);
    return rc;
}

static int each(struct pn_rules *r, const char *text, pn_rules_row_fn *fn, void *arg, struct pn_error *err)
{
    sqlite3_stmt *s;
    int rc, stop = 0;

    if (sqlite3_prepare_v2(r->db, text, -1, &s, NULL) != SQLITE_OK)
        return pn_rdb_fail(r, err, "reading");
    while (!stop && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        pn_rdb_read_key(s, 0, &r->work.key);
        if (pn_rdb_read_rule(r, s, 4, &r->work, err) != 0) {
            sqlite3_finalize(s);
            return -1;
        }
        stop = fn(arg, &r->work);
    }
    if (!stop && rc != SQLITE_DONE)
        pn_rdb_fail(r, err, "reading");
    sqlite3_finalize(s);
    return stop || rc == SQLITE_DONE ? 0 : -1;
}

int pn_rules_held(struct pn_rules *r, pn_rules_row_fn *fn, void *arg, struct pn_error *err)
{
    return each(r,
                "SELECT e.kind, e.owner, e.value, e.field, h.present, h.stamp, h.node, h.description, h.body, h.hits"
                " FROM held h JOIN entry e ON e.seq = h.seq ORDER BY h.due_ms",
                fn, arg, err);
}

int pn_rules_review(struct pn_rules *r, pn_rules_row_fn *fn, void *arg, struct pn_error *err)
{
    return each(r, "SELECT kind, owner, value, field, " RULE " FROM review", fn, arg, err);
}

struct taken {
    const struct pn_rule_key *key; /* NULL: whatever comes */
    struct pn_rule_key *keys; /* [PN_RULES_SETTLE_MAX] */
    char (*descriptions)[PN_RULE_DESCRIPTION_BYTES];
    unsigned n;
};

static int take_one(void *arg, const struct pn_rule *rule)
{
    struct taken *t = arg;

    if (t->key && !pn_rule_key_equal(t->key, &rule->key))
        return 0;
    t->keys[t->n] = rule->key;
    memcpy(t->descriptions[t->n], rule->description, sizeof(rule->description));
    return ++t->n == PN_RULES_SETTLE_MAX || t->key;
}

static int accept_all(struct pn_rules *r, const struct taken *t, struct pn_rules_result *result, struct pn_error *err)
{
    struct pn_rules_change *changes = calloc(t->n, sizeof(*changes));
    int rc;

    if (changes == NULL)
        return pn_error_set(err, "no memory");
    for (unsigned i = 0; i < t->n; i++)
        changes[i] = (struct pn_rules_change){.key = &t->keys[i], .description = t->descriptions[i]};
    rc = pn_rules_change(r, changes, t->n, result, err); /* clears the rows of the review too */
    free(changes);
    return rc;
}

static int drop_all(struct pn_rules *r, const struct taken *t, struct pn_rules_result *result, struct pn_error *err)
{
    if (pn_rdb_begin(r, true, err) != 0)
        return -1;
    for (unsigned i = 0; i < t->n; i++) {
        pn_rdb_bind_key(r->sql[PN_SQL_REVIEW_DELETE], 1, &t->keys[i]);
        if (pn_rdb_step(r, PN_SQL_REVIEW_DELETE, err) != 0) {
            pn_rdb_rollback(r);
            return -1;
        }
        r->review_delta -= sqlite3_changes(r->db);
    }
    if (pn_rdb_commit(r, err) != 0)
        return -1;
    result->removed = t->n;
    return 0;
}

int pn_rules_review_settle(struct pn_rules *r, const struct pn_rule_key *key, bool accept,
                           struct pn_rules_result *result, struct pn_error *err)
{
    struct taken t = {.key = key};
    struct pn_rules_result ours;
    int rc = 0;

    result = result ? result : &ours;
    memset(result, 0, sizeof(*result));
    t.keys = malloc(PN_RULES_SETTLE_MAX * sizeof(*t.keys));
    t.descriptions = malloc(PN_RULES_SETTLE_MAX * sizeof(*t.descriptions));
    if (t.keys == NULL || t.descriptions == NULL)
        rc = pn_error_set(err, "no memory");
    else
        rc = pn_rules_review(r, take_one, &t, err);
    if (rc == 0 && t.n)
        rc = accept ? accept_all(r, &t, result, err) : drop_all(r, &t, result, err);
    else if (rc == 0 && key)
        rc = pn_error_set(err, "\"%.64s\" is not under review", key->value);
    free(t.keys);
    free(t.descriptions);
    return rc;
}
