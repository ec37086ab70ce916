/* SPDX-License-Identifier: BSD-3-Clause */
/* The database read into memory. */
#include "common/error.h"
#include "controlplane/rules/store.h"

static uint64_t node_hash(const void *arg, uint16_t number)
{
    const struct pn_rules *r = arg;
    return number < r->n_names ? r->name_hashes[number] : 0;
}

static int each_row(struct pn_rules *r, const char *text,
                    int (*fn)(struct pn_rules *r, sqlite3_stmt *s, struct pn_error *err), struct pn_error *err)
{
    sqlite3_stmt *s;
    int rc;

    if (sqlite3_prepare_v2(r->db, text, -1, &s, NULL) != SQLITE_OK)
        return pn_rdb_fail(r, err, "reading it");
    while ((rc = sqlite3_step(s)) == SQLITE_ROW)
        if (fn(r, s, err) != 0) {
            sqlite3_finalize(s);
            return -1;
        }
    if (rc != SQLITE_DONE)
        pn_rdb_fail(r, err, "reading it");
    sqlite3_finalize(s);
    return rc == SQLITE_DONE ? 0 : -1;
}

static int load_name(struct pn_rules *r, sqlite3_stmt *s, struct pn_error *err)
{
    const char *name = (const char *)sqlite3_column_text(s, 1);

    if (name == NULL || (unsigned)sqlite3_column_int(s, 0) != r->n_names || strlen(name) >= PN_NAME_BYTES)
        return pn_error_set(err, "%s: the table of nodes is damaged", r->options.path);
    return pn_rdb_name(r, name, err) < 0 ? -1 : 0;
}

static int load_meta(struct pn_rules *r, sqlite3_stmt *s, struct pn_error *err)
{
    const char *key = (const char *)sqlite3_column_text(s, 0);

    (void)err;
    if (key && strcmp(key, "clock") == 0)
        r->clock.last = (uint64_t)sqlite3_column_int64(s, 1);
    if (key && strcmp(key, "classes") == 0)
        r->classes_on = (uint64_t)sqlite3_column_int64(s, 1);
    if (key && strcmp(key, "cluster") == 0)
        r->cluster = (uint64_t)sqlite3_column_int64(s, 1);
    return 0;
}

static int load_class(struct pn_rules *r, sqlite3_stmt *s, struct pn_error *err)
{
    int kind = sqlite3_column_int(s, 0);

    (void)err;
    if (kind > 0 && kind < PN_KIND_LIMIT) {
        r->classes[kind].complete = (uint64_t)sqlite3_column_int64(s, 1);
        r->classes[kind].floor = (uint64_t)sqlite3_column_int64(s, 2);
    }
    return 0;
}

static int load_entry(struct pn_rules *r, sqlite3_stmt *s, struct pn_error *err)
{
    struct pn_digest_item item = {.seq = (uint32_t)sqlite3_column_int64(s, 11), .held = sqlite3_column_int(s, 10) != 0};
    struct pn_rdb_class *class;

    pn_rdb_read_key(s, 0, &r->cur.key);
    if (pn_rdb_read_rule(r, s, 4, &r->cur, err) != 0)
        return -1;
    class = &r->classes[r->cur.key.kind];
    if (class->digest == NULL)
        return 0; /* a kind of a newer Postern: kept, not ours to judge */
    class->present += r->cur.present;
    item.present = r->cur.present;
    if (item.held && pn_rdb_held_get(r, item.seq, &r->cur, err) < 0)
        return -1;
    item.id = pn_rule_id(&r->cur.key);
    item.content = pn_rule_content_hash(&r->cur);
    item.stamp = r->cur.stamp;
    item.node = (uint16_t)pn_rdb_name(r, r->cur.node, err);
    return pn_digest_add(class->digest, &item) == 0 ? 0 : pn_error_set(err, "no memory for the rules");
}

static int load_count(struct pn_rules *r, sqlite3_stmt *s, struct pn_error *err)
{
    (void)err;
    r->n_held = (uint64_t)sqlite3_column_int64(s, 0);
    r->n_review = (uint64_t)sqlite3_column_int64(s, 1);
    return 0;
}

int pn_rdb_load(struct pn_rules *r, struct pn_error *err)
{
    for (unsigned k = 0; k < PN_KIND_LIMIT; k++) {
        pn_digest_free(r->classes[k].digest);
        r->classes[k].digest = NULL;
        r->classes[k].present = 0;
        if (pn_kind_by_number(k) && (r->classes[k].digest = pn_digest_new(node_hash, r)) == NULL)
            return pn_error_set(err, "no memory for the rules");
    }
    r->digest_broken = false;
    return each_row(r, "SELECT kind, owner, value, field, " PN_RDB_RULE ", held, seq FROM entry", load_entry, err) ||
                   each_row(r, "SELECT (SELECT count(*) FROM held), (SELECT count(*) FROM review)", load_count, err)
               ? -1
               : 0;
}

int pn_rdb_load_settings(struct pn_rules *r, struct pn_error *err)
{
    return each_row(r, "SELECT number, name FROM node ORDER BY number", load_name, err) == 0 &&
                   each_row(r, "SELECT key, value FROM meta", load_meta, err) == 0 &&
                   each_row(r, "SELECT kind, complete, floor FROM class", load_class, err) == 0
               ? 0
               : -1;
}
