/* SPDX-License-Identifier: BSD-3-Clause */
/* Rows of the database <-> struct pn_rule. */
#include "common/error.h"
#include "controlplane/rules/store.h"

static size_t put_varint(uint8_t *out, uint64_t v)
{
    size_t n = 0;

    for (; v >= 0x80; v >>= 7)
        out[n++] = (uint8_t)(v | 0x80);
    out[n++] = (uint8_t)v;
    return n;
}

static const uint8_t *get_varint(const uint8_t *p, const uint8_t *end, uint64_t *v)
{
    *v = 0;
    for (unsigned shift = 0; p && p < end && shift < 64; shift += 7) {
        *v |= (uint64_t)(*p & 0x7f) << shift;
        if ((*p++ & 0x80) == 0)
            return p;
    }
    return NULL;
}

int pn_rdb_bind_key(sqlite3_stmt *s, int at, const struct pn_rule_key *key)
{
    sqlite3_bind_int(s, at, key->kind);
    sqlite3_bind_text(s, at + 1, key->owner, -1, SQLITE_TRANSIENT);
    sqlite3_bind_text(s, at + 2, key->value, -1, SQLITE_TRANSIENT);
    sqlite3_bind_int(s, at + 3, key->field);
    return at + 4;
}

static void read_text(sqlite3_stmt *s, int at, char *out, size_t size)
{
    const char *text = (const char *)sqlite3_column_text(s, at);
    size_t len = text ? strnlen(text, size - 1) : 0;

    if (len)
        memcpy(out, text, len);
    out[len] = '\0';
}

void pn_rdb_read_key(sqlite3_stmt *s, int at, struct pn_rule_key *key)
{
    key->kind = (uint8_t)(sqlite3_column_int(s, at) & (PN_KIND_LIMIT - 1));
    key->field = (uint8_t)sqlite3_column_int(s, at + 3);
    read_text(s, at + 1, key->owner, sizeof(key->owner));
    read_text(s, at + 2, key->value, sizeof(key->value));
}

static int read_hits(struct pn_rules *r, sqlite3_stmt *s, int at, struct pn_rule *rule)
{
    const uint8_t *p = sqlite3_column_blob(s, at), *end = p ? p + sqlite3_column_bytes(s, at) : NULL;

    rule->n_hits = 0;
    while (p && p < end && rule->n_hits < PN_RULE_HITS_MAX) {
        struct pn_rule_hit *hit = &rule->hits[rule->n_hits];
        uint64_t node;

        p = get_varint(get_varint(get_varint(p, end, &node), end, &hit->count), end, &hit->last_ms);
        if (p == NULL || node >= r->n_names)
            return -1;
        memcpy(hit->node, r->names[node], PN_NAME_BYTES);
        rule->n_hits++;
    }
    return 0;
}

int pn_rdb_read_rule(struct pn_rules *r, sqlite3_stmt *s, int at, struct pn_rule *rule, struct pn_error *err)
{
    uint64_t node = (uint64_t)sqlite3_column_int64(s, at + 2);

    rule->present = sqlite3_column_int(s, at) != 0;
    rule->stamp = (uint64_t)sqlite3_column_int64(s, at + 1);
    read_text(s, at + 3, rule->description, sizeof(rule->description));
    if (node >= r->n_names || read_hits(r, s, at + 5, rule) != 0)
        return pn_error_set(err,
                            "%s: \"%.64s\" is damaged; move the file away and this node takes the rules from its peers",
                            r->options.path, rule->key.value);
    memcpy(rule->node, r->names[node], PN_NAME_BYTES);
    if (pn_rule_body_set(rule, sqlite3_column_text(s, at + 4), (size_t)sqlite3_column_bytes(s, at + 4)) != 0)
        return pn_error_set(err, "no memory");
    return 0;
}

int pn_rdb_bind_rule(struct pn_rules *r, sqlite3_stmt *s, int at, const struct pn_rule *rule, struct pn_error *err)
{
    uint8_t blob[PN_RULE_HITS_MAX * 30];
    size_t len = 0;
    int node = pn_rdb_name(r, rule->node, err);

    if (node < 0)
        return -1;
    for (unsigned i = 0; i < rule->n_hits; i++) {
        int number = pn_rdb_name(r, rule->hits[i].node, err);
        if (number < 0)
            return -1;
        len += put_varint(blob + len, (uint64_t)number);
        len += put_varint(blob + len, rule->hits[i].count);
        len += put_varint(blob + len, rule->hits[i].last_ms);
    }
    sqlite3_bind_int(s, at, rule->present);
    sqlite3_bind_int64(s, at + 1, (sqlite3_int64)rule->stamp);
    sqlite3_bind_int(s, at + 2, node);
    if (rule->description[0])
        sqlite3_bind_text(s, at + 3, rule->description, -1, SQLITE_TRANSIENT);
    else
        sqlite3_bind_null(s, at + 3);
    if (rule->body_len)
        sqlite3_bind_text(s, at + 4, rule->body, (int)rule->body_len, SQLITE_TRANSIENT);
    else
        sqlite3_bind_null(s, at + 4);
    if (len)
        sqlite3_bind_blob(s, at + 5, blob, (int)len, SQLITE_TRANSIENT);
    else
        sqlite3_bind_null(s, at + 5);
    return at + 6;
}

int pn_rdb_get(struct pn_rules *r, const struct pn_rule_key *key, struct pn_rdb_row *row, struct pn_rule *rule,
               struct pn_error *err)
{
    sqlite3_stmt *s = r->sql[PN_SQL_GET];
    int rc, result = 0;

    row->seq = 0;
    row->held = false;
    pn_rdb_bind_key(s, 1, key);
    rc = sqlite3_step(s);
    if (&rule->key != key)
        rule->key = *key;
    if (rc == SQLITE_ROW) {
        row->seq = (uint32_t)sqlite3_column_int64(s, 0);
        row->held = sqlite3_column_int(s, 1) != 0;
        result = pn_rdb_read_rule(r, s, 2, rule, err) == 0 ? 1 : -1;
    } else if (rc != SQLITE_DONE) {
        result = pn_rdb_fail(r, err, "reading");
    }
    sqlite3_reset(s);
    return result;
}

int pn_rdb_held_get(struct pn_rules *r, uint32_t seq, struct pn_rule *rule, struct pn_error *err)
{
    sqlite3_stmt *s = r->sql[PN_SQL_HELD_GET];
    int rc, result = 0;

    sqlite3_bind_int64(s, 1, seq);
    rc = sqlite3_step(s);
    if (rc == SQLITE_ROW)
        result = pn_rdb_read_rule(r, s, 0, rule, err) == 0 ? 1 : -1;
    else if (rc != SQLITE_DONE)
        result = pn_rdb_fail(r, err, "reading");
    sqlite3_reset(s);
    return result;
}

int pn_rdb_get_seq(struct pn_rules *r, uint32_t seq, bool with_held, struct pn_rule *rule, struct pn_error *err)
{
    sqlite3_stmt *s = r->sql[PN_SQL_GET_SEQ];
    int rc, result = 0;
    bool held = false;

    sqlite3_bind_int64(s, 1, seq);
    rc = sqlite3_step(s);
    if (rc == SQLITE_ROW) {
        pn_rdb_read_key(s, 0, &rule->key);
        held = sqlite3_column_int(s, 10) != 0;
        result = pn_rdb_read_rule(r, s, 4, rule, err) == 0 ? 1 : -1;
    } else if (rc != SQLITE_DONE) {
        result = pn_rdb_fail(r, err, "reading");
    }
    sqlite3_reset(s);
    if (result == 1 && held && with_held && pn_rdb_held_get(r, seq, rule, err) < 0)
        result = -1;
    return result;
}

static void bind_ranked(sqlite3_stmt *s, int at, const struct pn_rule *rule)
{
    const struct pn_kind *kind = pn_kind_by_number(rule->key.kind);

    if (kind && kind->cap && rule->present)
        sqlite3_bind_int64(s, at, (sqlite3_int64)pn_rule_last_ms(rule));
    else
        sqlite3_bind_null(s, at);
}

int pn_rdb_write(struct pn_rules *r, struct pn_rdb_row *row, const struct pn_rule *rule, bool held,
                 struct pn_error *err)
{
    enum pn_sql which = row->seq ? PN_SQL_UPDATE : PN_SQL_INSERT;
    sqlite3_stmt *s = r->sql[which];
    int at;

    if (row->seq) {
        sqlite3_bind_int64(s, 1, row->seq);
        at = 2;
    } else {
        at = pn_rdb_bind_key(s, 1, &rule->key);
    }
    at = pn_rdb_bind_rule(r, s, at, rule, err);
    if (at < 0)
        return -1;
    sqlite3_bind_int(s, at, held);
    bind_ranked(s, at + 1, rule);
    if (pn_rdb_step(r, which, err) != 0)
        return -1;
    if (row->seq == 0) {
        sqlite3_int64 seq = sqlite3_last_insert_rowid(r->db);
        if (seq > UINT32_MAX)
            return pn_error_set(err, "%s: the table of entries is full", r->options.path);
        row->seq = (uint32_t)seq;
    }
    row->held = held;
    return 0;
}

int pn_rdb_delete(struct pn_rules *r, uint8_t kind, uint64_t id, uint32_t seq, bool present, struct pn_error *err)
{
    struct pn_digest_item item = {.id = id, .seq = seq};

    sqlite3_bind_int64(r->sql[PN_SQL_DELETE], 1, seq);
    if (pn_rdb_step(r, PN_SQL_DELETE, err) != 0)
        return -1;
    sqlite3_bind_int64(r->sql[PN_SQL_HELD_DELETE], 1, seq);
    if (pn_rdb_step(r, PN_SQL_HELD_DELETE, err) != 0)
        return -1;
    r->held_delta -= sqlite3_changes(r->db);
    r->classes[kind].present_delta -= present;
    return pn_rdb_op_add(r, false, kind, &item, err);
}

int pn_rdb_history_add(struct pn_rules *r, const struct pn_rule *rule, const char *why, struct pn_error *err)
{
    sqlite3_stmt *s = r->sql[PN_SQL_HISTORY_PUT];
    int at = pn_rdb_bind_rule(r, s, pn_rdb_bind_key(s, 1, &rule->key), rule, err);

    if (at < 0)
        return -1;
    sqlite3_bind_int64(s, at, (sqlite3_int64)pn_rules_wall_ms(r));
    sqlite3_bind_text(s, at + 1, why, -1, SQLITE_STATIC);
    return pn_rdb_step(r, PN_SQL_HISTORY_PUT, err);
}
