/* SPDX-License-Identifier: BSD-3-Clause */
/* Changes that are made here. */
#include <stdio.h>

#include "common/error.h"
#include "controlplane/rules/store.h"

const char *pn_rules_node(const struct pn_rules *r)
{
    return r->node;
}

/* r->work := what the change makes of what is there (in r->cur). False: it makes no change. */
static int change_make(struct pn_rules *r, const struct pn_rules_change *c, const struct pn_rdb_row *row,
                       uint64_t stamp, struct pn_rules_result *result, struct pn_error *err)
{
    struct pn_rule *w = &r->work;
    bool there = row->seq && r->cur.present;
    const char *description = c->description ? c->description : there ? r->cur.description : "";
    const char *body = c->body ? c->body : there ? r->cur.body : NULL;
    size_t body_len = c->body ? c->body_len : there ? r->cur.body_len : 0;

    if (c->remove && !there) {
        result->missing++;
        return 0;
    }
    if (c->remove)
        body = NULL, body_len = 0, description = "";
    if (strlen(description) >= PN_RULE_DESCRIPTION_BYTES)
        return pn_error_set(err, "\"%.64s\": a description has at most %d octets, not %zu", c->key->value,
                            PN_RULE_DESCRIPTION_BYTES - 1, strlen(description));
    if (body_len > PN_RULE_BODY_MAX)
        return pn_error_set(err, "\"%.64s\" has %zu bytes; a rule has at most %u", c->key->value, body_len,
                            PN_RULE_BODY_MAX);
    if (c->keep && there && strcmp(description, r->cur.description) == 0 && body_len == r->cur.body_len &&
        (body_len == 0 || memcmp(body, r->cur.body, body_len) == 0)) {
        result->unchanged++;
        return 0;
    }
    pn_rule_clear(w);
    w->key = *c->key;
    w->present = !c->remove;
    w->stamp = stamp > r->cur.stamp || !row->seq ? stamp : r->cur.stamp + 1;
    snprintf(w->node, sizeof(w->node), "%s", r->node);
    snprintf(w->description, sizeof(w->description), "%s", description);
    if (pn_rule_body_set(w, body, body_len) != 0)
        return pn_error_set(err, "no memory");
    if (pn_rule_check(w, err) != 0)
        return -1;
    *(c->remove ? &result->removed : there ? &result->changed : &result->added) += 1;
    result->held += row->held;
    return 1;
}

static int change_all(struct pn_rules *r, const struct pn_rules_change *changes, size_t n,
                      struct pn_rules_result *result, struct pn_error *err)
{
    result->stamp = pn_hlc_next(&r->clock, pn_rules_wall_ms(r));
    for (size_t i = 0; i < n; i++) {
        struct pn_rdb_row row;
        int made;

        if (pn_kind_by_number(changes[i].key->kind) == NULL)
            return pn_error_set(err, "there is no kind %u here", changes[i].key->kind);
        if (pn_rdb_get(r, changes[i].key, &row, &r->cur, err) < 0)
            return -1;
        made = change_make(r, &changes[i], &row, result->stamp, result, err);
        if (made < 0 || (made && pn_rdb_put(r, &r->work, true, err) < 0))
            return -1;
    }
    return pn_rdb_meta_set(r, "clock", r->clock.last, err);
}

int pn_rules_change(struct pn_rules *r, const struct pn_rules_change *changes, size_t n, struct pn_rules_result *result,
                    struct pn_error *err)
{
    struct pn_rules_result ours;

    result = result ? result : &ours;
    memset(result, 0, sizeof(*result));
    if (pn_rdb_begin(r, true, err) != 0)
        return -1;
    if (change_all(r, changes, n, result, err) != 0) {
        pn_rdb_rollback(r);
        return -1;
    }
    return pn_rdb_commit(r, err);
}

/* ---- Joining ---- */

static int join_kind(struct pn_rules *r, const struct pn_kind *kind, uint64_t stamp, struct pn_error *err)
{
    char text[256];
    int self = pn_rdb_name(r, r->node, err);

    if (self < 0)
        return -1;
    /* Deletions of before are nobody else's business; entries are added now, whatever others deleted before. */
    snprintf(text, sizeof(text),
             "DELETE FROM entry WHERE kind = %u AND present = 0 AND held = 0; DELETE FROM ack WHERE kind = %u",
             kind->number, kind->number);
    if (pn_rdb_exec(r, text, err) != 0)
        return -1;
    if (kind->shape == PN_SHAPE_LIST) {
        snprintf(text, sizeof(text),
                 "UPDATE entry SET stamp = %lld, node = %d WHERE kind = %u AND present = 1 AND held = 0",
                 (long long)stamp, self, kind->number);
        if (pn_rdb_exec(r, text, err) != 0)
            return -1;
    }
    sqlite3_bind_int(r->sql[PN_SQL_CLASS_PUT], 1, kind->number);
    sqlite3_bind_int64(r->sql[PN_SQL_CLASS_PUT], 2, 0);
    sqlite3_bind_int64(r->sql[PN_SQL_CLASS_PUT], 3, 0);
    return pn_rdb_step(r, PN_SQL_CLASS_PUT, err);
}

static int join_kinds(struct pn_rules *r, uint64_t kinds, struct pn_error *err)
{
    uint64_t stamp = pn_hlc_next(&r->clock, pn_rules_wall_ms(r));

    for (unsigned i = 0; i < pn_kinds_count; i++)
        if ((kinds & PN_KIND_BIT(pn_kinds[i].number)) && join_kind(r, &pn_kinds[i], stamp, err) != 0)
            return -1;
    return pn_rdb_meta_set(r, "clock", r->clock.last, err) != 0 ||
                   pn_rdb_meta_set(r, "classes", r->classes_on, err) != 0 ||
                   pn_rdb_meta_set(r, "cluster", r->cluster, err) != 0
               ? -1
               : 0;
}

int pn_rules_join(struct pn_rules *r, uint64_t kinds, struct pn_error *err)
{
    if (pn_rdb_begin(r, true, err) != 0)
        return -1;
    if (join_kinds(r, kinds, err) != 0) {
        pn_rdb_rollback(r);
        return -1;
    }
    if (pn_rdb_commit(r, err) != 0)
        return -1;
    for (unsigned k = 0; k < PN_KIND_LIMIT; k++) {
        if ((kinds & PN_KIND_BIT(k)) == 0)
            continue;
        r->classes[k].complete = r->classes[k].floor = 0;
        for (unsigned m = 0; m < r->n_members; m++)
            r->members[m].acked[k] = 0;
    }
    if (pn_rdb_load(r, err) != 0) {
        r->digest_broken = true; /* the next change makes it anew */
        return -1;
    }
    for (unsigned i = 0; i < r->n_watch; i++)
        r->watch[i].fn(r->watch[i].arg, NULL, false);
    return 0;
}

static int classes_save(struct pn_rules *r, struct pn_error *err)
{
    if (pn_rdb_begin(r, true, err) != 0)
        return -1;
    if (pn_rdb_meta_set(r, "classes", r->classes_on, err) != 0) {
        pn_rdb_rollback(r);
        return -1;
    }
    return pn_rdb_commit(r, err);
}

int pn_rules_cluster_set(struct pn_rules *r, uint64_t cluster, struct pn_error *err)
{
    uint64_t before = r->cluster;

    if (cluster == before || cluster == 0)
        return 0;
    r->cluster = cluster;
    if (pn_rules_join(r, r->classes_on, err) == 0)
        return 1;
    r->cluster = before;
    return -1;
}

int pn_rules_node_set(struct pn_rules *r, const char *name, struct pn_error *err)
{
    if (!pn_rule_node_ok(name))
        return pn_error_set(err, "\"%.32s\" is no node's name", name);
    snprintf(r->node, sizeof(r->node), "%s", name);
    return 0;
}

int pn_rules_classes_set(struct pn_rules *r, uint64_t kinds, struct pn_error *err)
{
    uint64_t before = r->classes_on, on = kinds & ~before;

    r->classes_on = kinds;
    if (before == kinds || (on ? pn_rules_join(r, on, err) : classes_save(r, err)) == 0)
        return 0;
    r->classes_on = before;
    return -1;
}

uint64_t pn_rules_classes(const struct pn_rules *r)
{
    return r->classes_on;
}

int pn_rules_clock_reset(struct pn_rules *r, struct pn_error *err)
{
    struct pn_hlc before = r->clock;

    r->clock.last = 0;
    if (pn_rdb_begin(r, true, err) == 0) {
        if (pn_rdb_meta_set(r, "clock", pn_hlc_next(&r->clock, pn_rules_wall_ms(r)), err) == 0) {
            if (pn_rdb_commit(r, err) == 0)
                return 0;
        } else {
            pn_rdb_rollback(r);
        }
    }
    r->clock = before;
    return -1;
}
