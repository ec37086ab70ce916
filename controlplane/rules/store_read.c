/* SPDX-License-Identifier: BSD-3-Clause */
/* Lists, look-ups and figures. */
#include <stdio.h>
#include <sys/stat.h>

#include "common/error.h"
#include "controlplane/rules/store.h"

int pn_rules_get(struct pn_rules *r, const struct pn_rule_key *key, struct pn_rule *rule, struct pn_error *err)
{
    struct pn_rdb_row row;
    int known = pn_rdb_get(r, key, &row, &r->cur, err);

    if (known <= 0 || !r->cur.present)
        return known < 0 ? -1 : 0;
    if (rule && pn_rule_copy(rule, &r->cur) != 0)
        return pn_error_set(err, "no memory");
    return 1;
}

uint64_t pn_rules_count(const struct pn_rules *r, uint8_t kind)
{
    return kind < PN_KIND_LIMIT ? r->classes[kind].present : 0;
}

struct pn_digest_sum pn_rules_digest(const struct pn_rules *r, uint8_t kind)
{
    const struct pn_digest_place root = {0, 0};
    struct pn_digest_sum none = {0};

    return kind < PN_KIND_LIMIT && r->classes[kind].digest ? pn_digest_sum(r->classes[kind].digest, root) : none;
}

/* The text for LIKE, its own signs escaped. */
static void like_pattern(const char *search, char *out, size_t size)
{
    size_t at = 0;

    out[at++] = '%';
    for (; *search && at + 4 < size; search++) {
        if (strchr("%_\\", *search))
            out[at++] = '\\';
        out[at++] = *search;
    }
    out[at++] = '%';
    out[at] = '\0';
}

static int list_prepare(struct pn_rules *r, const struct pn_rules_query *q, const struct pn_rules_page *from,
                        bool start, sqlite3_stmt **s, struct pn_error *err)
{
    char text[768], pattern[512];

    snprintf(text, sizeof(text),
             "SELECT kind, owner, value, field, present, stamp, node, description, body, hits FROM entry WHERE stamp > "
             "0%s%s%s%s%s"
             " ORDER BY kind, owner, value, field",
             q->deleted ? "" : " AND present = 1", q->kind ? " AND kind = :kind" : "",
             q->owner ? " AND owner = :owner" : "", start ? "" : " AND (kind, owner, value, field) > (:k, :o, :v, :f)",
             q->search
                 ? " AND (value LIKE :s ESCAPE '\\' OR owner LIKE :s ESCAPE '\\' OR description LIKE :s ESCAPE '\\')"
                 : "");
    if (sqlite3_prepare_v2(r->db, text, -1, s, NULL) != SQLITE_OK)
        return pn_rdb_fail(r, err, "reading");
    if (q->kind)
        sqlite3_bind_int(*s, sqlite3_bind_parameter_index(*s, ":kind"), q->kind);
    if (q->owner)
        sqlite3_bind_text(*s, sqlite3_bind_parameter_index(*s, ":owner"), q->owner, -1, SQLITE_TRANSIENT);
    if (!start) {
        sqlite3_bind_int(*s, sqlite3_bind_parameter_index(*s, ":k"), from->kind);
        sqlite3_bind_text(*s, sqlite3_bind_parameter_index(*s, ":o"), from->owner, -1, SQLITE_TRANSIENT);
        sqlite3_bind_text(*s, sqlite3_bind_parameter_index(*s, ":v"), from->value, -1, SQLITE_TRANSIENT);
        sqlite3_bind_int(*s, sqlite3_bind_parameter_index(*s, ":f"), from->field);
    }
    if (q->search) {
        like_pattern(q->search, pattern, sizeof(pattern));
        sqlite3_bind_text(*s, sqlite3_bind_parameter_index(*s, ":s"), pattern, -1, SQLITE_TRANSIENT);
    }
    return 0;
}

long pn_rules_list(struct pn_rules *r, const struct pn_rules_query *q, struct pn_rules_page *from, pn_rules_row_fn *fn,
                   void *arg, struct pn_error *err)
{
    sqlite3_stmt *s;
    long n = 0;
    int rc = SQLITE_DONE;

    if (list_prepare(r, q, from, from == NULL || from->kind == PN_KIND_NONE, &s, err) != 0)
        return -1;
    while ((q->limit == 0 || n < (long)q->limit) && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        int stop;
        pn_rdb_read_key(s, 0, &r->work.key);
        if (pn_rdb_read_rule(r, s, 4, &r->work, err) != 0) {
            sqlite3_finalize(s);
            return -1;
        }
        stop = fn(arg, &r->work);
        if (from) {
            from->kind = r->work.key.kind;
            from->field = r->work.key.field;
            memcpy(from->owner, r->work.key.owner, sizeof(from->owner));
            memcpy(from->value, r->work.key.value, sizeof(from->value));
        }
        n++;
        if (stop)
            break;
    }
    if (rc != SQLITE_ROW && rc != SQLITE_DONE) {
        pn_rdb_fail(r, err, "reading");
        n = -1;
    }
    sqlite3_finalize(s);
    return n;
}

/* In value, owner or description, any case. */
static bool row_fits(sqlite3_stmt *s, const struct pn_rules_query *q)
{
    static const int columns[] = {2, 1, 7}; /* value, owner, description */

    if (!q->deleted && sqlite3_column_int(s, 4) == 0)
        return false;
    for (unsigned i = 0; q->search && i < sizeof(columns) / sizeof(columns[0]); i++) {
        const char *text = (const char *)sqlite3_column_text(s, columns[i]);
        if (text && strcasestr(text, q->search))
            return true;
    }
    return q->search == NULL;
}

static void page_read(sqlite3_stmt *s, struct pn_rules_page *page)
{
    struct pn_rule_key key;

    pn_rdb_read_key(s, 0, &key);
    page->kind = key.kind;
    page->field = key.field;
    memcpy(page->owner, key.owner, sizeof(page->owner));
    memcpy(page->value, key.value, sizeof(page->value));
}

long pn_rules_scan(struct pn_rules *r, const struct pn_rules_query *q, struct pn_rules_page *from, unsigned rows,
                   pn_rules_row_fn *fn, void *arg, bool *end, struct pn_error *err)
{
    const struct pn_rules_query all = {.kind = q->kind, .owner = q->owner, .deleted = true};
    sqlite3_stmt *s;
    long n = 0;
    int rc = SQLITE_ROW, stop = 0;

    *end = false;
    if (list_prepare(r, &all, from, from->kind == PN_KIND_NONE, &s, err) != 0)
        return -1;
    for (unsigned i = 0; i < rows && !stop && (rc = sqlite3_step(s)) == SQLITE_ROW; i++) {
        page_read(s, from);
        if (!row_fits(s, q))
            continue;
        pn_rdb_read_key(s, 0, &r->work.key);
        if (pn_rdb_read_rule(r, s, 4, &r->work, err) != 0) {
            sqlite3_finalize(s);
            return -1;
        }
        stop = fn(arg, &r->work);
        n++;
    }
    *end = rc == SQLITE_DONE;
    if (rc != SQLITE_ROW && rc != SQLITE_DONE) {
        pn_rdb_fail(r, err, "reading");
        n = -1;
    }
    sqlite3_finalize(s);
    return n;
}

size_t pn_rules_ids(const struct pn_rules *r, uint8_t kind, uint64_t *from, uint64_t *ids, size_t max, bool *end)
{
    if (kind < PN_KIND_LIMIT && r->classes[kind].digest)
        return pn_digest_walk(r->classes[kind].digest, from, ids, max, end);
    *end = true;
    return 0;
}

int pn_rules_watch_add(struct pn_rules *r, pn_rules_watch_fn *fn, void *arg)
{
    if (r->n_watch == sizeof(r->watch) / sizeof(r->watch[0]))
        return -1;
    r->watch[r->n_watch].fn = fn;
    r->watch[r->n_watch++].arg = arg;
    return 0;
}

void pn_rules_status(struct pn_rules *r, struct pn_rules_status *status)
{
    char path[4200];
    struct stat st;

    memset(status, 0, sizeof(*status));
    for (unsigned k = 0; k < PN_KIND_LIMIT; k++) {
        struct pn_digest_sum sum = pn_rules_digest(r, (uint8_t)k);
        status->entries += r->classes[k].present;
        status->tombstones += sum.count - r->classes[k].present;
    }
    status->held = r->n_held;
    status->review = r->n_review;
    status->changes = r->changes;
    status->clock_ahead_ms = pn_hlc_ahead_ms(&r->clock, pn_rules_wall_ms(r));
    if (status->clock_ahead_ms <= r->clock.skew_ms)
        status->clock_ahead_ms = 0;
    snprintf(path, sizeof(path), "%s-wal", r->options.path);
    status->wal_bytes = stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
    status->errors = r->errors;
    memcpy(status->last_error, r->last_error, sizeof(status->last_error));
}
