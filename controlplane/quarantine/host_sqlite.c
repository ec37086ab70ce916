/* SPDX-License-Identifier: BSD-3-Clause */
/* The embedded database of a host: changes. Searches are in host_sqlite_find.c. */
#include "controlplane/quarantine/host_sqlite.h"

#include <stdlib.h>
#include <openssl/rand.h>

#include "common/error.h"

#define APPLICATION_ID 0x506e5168 /* "PnQh" */

static const char *const schema[] = {
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE node(name TEXT PRIMARY KEY, accepted INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE item(number INTEGER PRIMARY KEY AUTOINCREMENT, node TEXT NOT NULL, seq INTEGER NOT NULL,"
    " sha BLOB NOT NULL, kind INTEGER NOT NULL, event INTEGER NOT NULL, state INTEGER NOT NULL, flags INTEGER NOT NULL,"
    " received_ms INTEGER NOT NULL, taken_ms INTEGER NOT NULL, file_bytes INTEGER NOT NULL, sender TEXT,"
    " sender_domain TEXT, rule TEXT, body BLOB NOT NULL);"
    "CREATE UNIQUE INDEX item_id ON item(node, seq, sha);"
    "CREATE INDEX item_received ON item(received_ms);"
    "CREATE INDEX item_sender ON item(sender);"
    "CREATE INDEX item_domain ON item(sender_domain);"
    "CREATE INDEX item_node ON item(node);"
    "CREATE INDEX item_rule ON item(rule);"
    "CREATE INDEX item_sha ON item(sha) WHERE kind = 2 AND flags & 4 = 0;"
    "CREATE INDEX item_purge ON item(kind, received_ms) WHERE flags & 6 = 0;"
    "CREATE TABLE recipient(address TEXT NOT NULL, number INTEGER NOT NULL, PRIMARY KEY(address, number)) WITHOUT "
    "ROWID;"
    "CREATE INDEX recipient_number ON recipient(number);"
    "CREATE VIRTUAL TABLE item_text USING fts5(subject, reason, headers);"
    "CREATE TABLE total(id INTEGER PRIMARY KEY, items INTEGER, messages INTEGER, file_bytes INTEGER, waiting INTEGER);"
    "INSERT INTO total VALUES(1, 0, 0, 0, 0);"
    "CREATE TABLE audit(number INTEGER NOT NULL, what TEXT NOT NULL, who TEXT NOT NULL, detail TEXT NOT NULL,"
    " at_ms INTEGER NOT NULL);"
    "CREATE INDEX audit_number ON audit(number);",
    /* 2: counts by hour for reports, totals of nodes, digests */
    "CREATE TABLE hour_count(hour INTEGER, node TEXT, event INTEGER, count INTEGER NOT NULL, bytes INTEGER NOT NULL,"
    " PRIMARY KEY(hour, node, event)) WITHOUT ROWID;"
    "CREATE TABLE hour_name(hour INTEGER, list INTEGER, node TEXT, name TEXT, count INTEGER NOT NULL,"
    " bytes INTEGER NOT NULL, PRIMARY KEY(list, hour, node, name)) WITHOUT ROWID;"
    "ALTER TABLE node ADD COLUMN items INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE node ADD COLUMN messages INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE node ADD COLUMN file_bytes INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE node ADD COLUMN waiting INTEGER NOT NULL DEFAULT 0;"
    "UPDATE node SET (items, messages, file_bytes, waiting) = (SELECT count(*), count(*) FILTER (WHERE kind = 2),"
    " coalesce(sum(file_bytes), 0), count(*) FILTER (WHERE kind = 2 AND state = 0) FROM item"
    " WHERE item.node = node.name AND flags & 4 = 0);"
    "CREATE TABLE due(address TEXT PRIMARY KEY, upto INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX item_class ON item(kind, state, event, received_ms) WHERE flags & 6 = 0;",
};

static const char *const sql[PN_HS_COUNT] = {
    [PN_HS_KNOWN] = "SELECT 1 FROM item WHERE node = ?1 AND seq = ?2 AND sha = ?3",
    [PN_HS_ACCEPTED] = "SELECT accepted FROM node WHERE name = ?1",
    [PN_HS_ACCEPT] = "INSERT INTO node(name, accepted) VALUES(?1, 1)"
                     " ON CONFLICT(name) DO UPDATE SET accepted = accepted + 1",
    [PN_HS_INSERT] =
        "INSERT INTO item(node, seq, sha, kind, event, state, flags, received_ms, taken_ms, file_bytes,"
        " sender, sender_domain, rule, body) VALUES(?1, ?2, ?3, ?4, ?5, 0, 0, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    [PN_HS_RECIPIENT] = "INSERT OR IGNORE INTO recipient VALUES(?1, ?2)",
    [PN_HS_TEXT] = "INSERT INTO item_text(rowid, subject, reason, headers) VALUES(?1, ?2, ?3, ?4)",
    [PN_HS_TOTAL] = "UPDATE total SET items = items + ?1, messages = messages + ?2, file_bytes = file_bytes + ?3,"
                    " waiting = waiting + ?4",
    [PN_HS_NODE_TOTAL] = "UPDATE node SET items = items + ?1, messages = messages + ?2, file_bytes = file_bytes + ?3,"
                         " waiting = waiting + ?4 WHERE name = ?5",
    [PN_HS_HOUR_COUNT] = "INSERT INTO hour_count VALUES(?1, ?2, ?3, 1, ?4) ON CONFLICT(hour, node, event) DO UPDATE SET"
                         " count = count + 1, bytes = bytes + excluded.bytes",
    [PN_HS_HOUR_NAME] = "INSERT INTO hour_name VALUES(?1, ?2, ?3, ?4, 1, ?5) ON CONFLICT(list, hour, node, name)"
                        " DO UPDATE SET count = count + 1, bytes = bytes + excluded.bytes",
    [PN_HS_GET] = "SELECT number, state, flags, taken_ms, file_bytes, body FROM item WHERE number = ?1",
    [PN_HS_STATE] = "UPDATE item SET state = ?2 WHERE number = ?1 AND state = 0 AND kind = 2 AND flags & 4 = 0",
    [PN_HS_FLAG] = "UPDATE item SET flags = CASE WHEN ?3 THEN flags | ?2 ELSE flags & ~?2 END"
                   " WHERE number = ?1 AND flags & 4 = 0",
    [PN_HS_AUDIT] = "INSERT INTO audit VALUES(?1, ?2, ?3, ?4, ?5)",
    [PN_HS_SHA_USED] = "SELECT 1 FROM item WHERE kind = 2 AND flags & 4 = 0 AND sha = ?1 LIMIT 1",
    /* One of the two finds what is to go, oldest first, each by an index in that order. */
    [PN_HS_PURGE_ANY] = "SELECT number FROM item INDEXED BY item_purge WHERE flags & 6 = 0 AND kind = ?2"
                        " AND received_ms < ?1 AND (?3 < 0 OR event = ?3) AND (?4 < 0 OR state = ?4)"
                        " AND (?5 IS NULL OR node = ?5) ORDER BY received_ms LIMIT ?6",
    [PN_HS_PURGE_CLASS] = "SELECT number FROM item INDEXED BY item_class WHERE flags & 6 = 0 AND kind = ?2"
                          " AND received_ms < ?1 AND event = ?3 AND state = ?4 AND (?5 IS NULL OR node = ?5)"
                          " ORDER BY received_ms LIMIT ?6",
    [PN_HS_PURGE_READ] = "SELECT number, sha, file_bytes, kind, state, node, seq FROM item WHERE number = ?1",
    [PN_HS_PURGE_ROW] = "UPDATE item SET flags = flags | 4, file_bytes = 0, sender = NULL, sender_domain = NULL,"
                        " rule = NULL, body = ?2 WHERE number = ?1",
    [PN_HS_PURGE_RECIPIENTS] = "DELETE FROM recipient WHERE number = ?1",
    [PN_HS_PURGE_TEXT] = "DELETE FROM item_text WHERE rowid = ?1",
};

static void db_close(struct pn_hostdb *db)
{
    for (unsigned i = 0; i < PN_HS_COUNT; i++)
        sqlite3_finalize(db->sql[i]);
    sqlite3_close_v2(db->db);
    free(db);
}

static int db_open(const struct pn_hostdb_options *o, struct pn_hostdb **out, struct pn_error *err)
{
    struct pn_hostdb *db = calloc(1, sizeof(*db));
    const char *where = o->where; /* a reader is like any other */
    char text[120];
    int64_t random;

    if (db == NULL)
        return pn_error_set(err, "no memory");
    snprintf(db->path, sizeof(db->path), "%s", where);
    if (pn_qdb_open(where, APPLICATION_ID, schema, sizeof(schema) / sizeof(schema[0]), &db->db, err) != 0)
        goto fail;
    if (RAND_bytes((unsigned char *)&random, sizeof(random)) != 1) {
        pn_error_set(err, "no randomness");
        goto fail;
    }
    snprintf(text, sizeof(text), "INSERT OR IGNORE INTO meta VALUES('store', %lld)", (long long)(random >> 1 | 1));
    if (sqlite3_exec(db->db, text, NULL, NULL, NULL) != SQLITE_OK) {
        pn_qdb_fail(db->db, where, "preparing", err);
        goto fail;
    }
    db->store = (uint64_t)pn_qdb_number(db->db, "SELECT value FROM meta WHERE key = 'store'", 0);
    if (pn_qdb_prepare(db->db, where, sql, db->sql, PN_HS_COUNT, err) != 0)
        goto fail;
    *out = db;
    return 0;
fail:
    db_close(db);
    return -1;
}

static int db_begin(struct pn_hostdb *db, struct pn_error *err)
{
    return sqlite3_exec(db->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK
               ? 0
               : pn_qdb_fail(db->db, db->path, "starting a change", err);
}

static void db_rollback(struct pn_hostdb *db)
{
    if (!sqlite3_get_autocommit(db->db))
        sqlite3_exec(db->db, "ROLLBACK", NULL, NULL, NULL);
}

static int db_commit(struct pn_hostdb *db, struct pn_error *err)
{
    if (sqlite3_exec(db->db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK)
        return 0;
    pn_qdb_fail(db->db, db->path, "writing", err);
    db_rollback(db);
    return -1;
}

static uint64_t db_store(struct pn_hostdb *db)
{
    return db->store;
}

static int db_accepted(struct pn_hostdb *db, const char *node, uint64_t *count)
{
    sqlite3_stmt *q = db->sql[PN_HS_ACCEPTED];

    pn_qdb_text(q, 1, node);
    int rc = sqlite3_step(q);
    *count = rc == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(q, 0) : 0;
    sqlite3_reset(q);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : -1;
}

static int db_known(struct pn_hostdb *db, const char *node, const struct pn_q_id *id)
{
    sqlite3_stmt *q = db->sql[PN_HS_KNOWN];

    pn_qdb_text(q, 1, node);
    sqlite3_bind_int64(q, 2, (sqlite3_int64)id->sequence);
    sqlite3_bind_blob(q, 3, id->sha, PN_Q_SHA_BYTES, SQLITE_STATIC);
    return pn_qdb_run(q);
}

static int hour_count(struct pn_hostdb *db, uint64_t at_ms, const char *node, unsigned event, uint64_t bytes)
{
    sqlite3_stmt *q = db->sql[PN_HS_HOUR_COUNT];

    sqlite3_bind_int64(q, 1, (sqlite3_int64)(at_ms / PN_REPORT_HOUR_MS));
    pn_qdb_text(q, 2, node);
    sqlite3_bind_int(q, 3, (int)event);
    sqlite3_bind_int64(q, 4, (sqlite3_int64)bytes);
    return pn_qdb_run(q);
}

static int hour_name(struct pn_hostdb *db, const pn_q_item *item, enum pn_report_top list, const char *name)
{
    sqlite3_stmt *q = db->sql[PN_HS_HOUR_NAME];

    if (name[0] == '\0')
        return 0;
    sqlite3_bind_int64(q, 1, (sqlite3_int64)(item->received_ms / PN_REPORT_HOUR_MS));
    sqlite3_bind_int(q, 2, (int)list);
    pn_qdb_text(q, 3, item->node);
    pn_qdb_text(q, 4, name);
    sqlite3_bind_int64(q, 5, (sqlite3_int64)item->size_bytes);
    return pn_qdb_run(q);
}

/* What the reports will say of it. */
static int count_item(struct pn_hostdb *db, const pn_q_item *item, const char *sender)
{
    char lower[PN_Q_ADDRESS_MAX + 1];
    unsigned events[2], n = pn_report_events(item, events);
    int rc = 0;

    for (unsigned i = 0; i < n && rc == 0; i++)
        rc = hour_count(db, item->received_ms, item->node, events[i], item->size_bytes);
    if (rc != 0 || !pn_report_named(item))
        return rc;
    rc = hour_name(db, item, PN_REPORT_SENDERS, sender);
    if (rc == 0)
        rc = hour_name(db, item, PN_REPORT_RULES, item->rule);
    for (size_t r = 0; rc == 0 && r < item->n_recipients; r++)
        rc = hour_name(db, item, PN_REPORT_RECIPIENTS, pn_hs_lower(item->recipients[r], lower, sizeof(lower)));
    return rc;
}

static int add_recipient(struct pn_hostdb *db, const char *address, int64_t number)
{
    sqlite3_stmt *q = db->sql[PN_HS_RECIPIENT];
    char lower[PN_Q_ADDRESS_MAX + 1];

    pn_hs_lower(address, lower, sizeof(lower));
    const char *at = strrchr(lower, '@');
    sqlite3_bind_int64(q, 2, number);
    pn_qdb_text(q, 1, lower);
    if (pn_qdb_run(q) != 0)
        return -1;
    if (at == NULL || at == lower)
        return 0;
    pn_qdb_text(q, 1, at); /* "@domain" stands in the same table */
    return pn_qdb_run(q);
}

static int db_insert(struct pn_hostdb *db, const pn_q_item *item, uint64_t file_bytes, const char *headers,
                     uint64_t now_ms, struct pn_error *err)
{
    sqlite3_stmt *q = db->sql[PN_HS_INSERT], *text = db->sql[PN_HS_TEXT], *accept = db->sql[PN_HS_ACCEPT];
    struct pn_q_id id = {.sequence = item->sequence};
    char sender[PN_Q_ADDRESS_MAX + 1];
    size_t len;

    memcpy(id.sha, item->sha256.data, PN_Q_SHA_BYTES);
    int known = db_known(db, item->node, &id);
    if (known != 0)
        return known == 1 ? 0 : pn_qdb_fail(db->db, db->path, "reading", err);
    uint8_t *body = pn_q_item_encode(item, &len);
    if (body == NULL)
        return pn_error_set(err, "no memory");
    pn_hs_lower(item->sender, sender, sizeof(sender));
    const char *at = strrchr(sender, '@');
    pn_qdb_text(q, 1, item->node);
    sqlite3_bind_int64(q, 2, (sqlite3_int64)item->sequence);
    sqlite3_bind_blob(q, 3, id.sha, PN_Q_SHA_BYTES, SQLITE_STATIC);
    sqlite3_bind_int(q, 4, (int)item->kind);
    sqlite3_bind_int(q, 5, (int)item->event);
    sqlite3_bind_int64(q, 6, (sqlite3_int64)item->received_ms);
    sqlite3_bind_int64(q, 7, (sqlite3_int64)now_ms);
    sqlite3_bind_int64(q, 8, (sqlite3_int64)file_bytes);
    pn_qdb_text(q, 9, sender);
    pn_qdb_text(q, 10, at ? at : "");
    pn_qdb_text(q, 11, item->rule);
    sqlite3_bind_blob64(q, 12, body, len, SQLITE_STATIC);
    int rc = pn_qdb_run(q);
    free(body);
    int64_t number = sqlite3_last_insert_rowid(db->db);
    for (size_t r = 0; rc == 0 && r < item->n_recipients; r++)
        rc = add_recipient(db, item->recipients[r], number);
    if (rc == 0 && item->kind == PN_Q_MESSAGE) {
        sqlite3_bind_int64(text, 1, number);
        pn_qdb_text(text, 2, item->subject);
        pn_qdb_text(text, 3, item->reason);
        pn_qdb_text(text, 4, headers ? headers : "");
        rc = pn_qdb_run(text);
    }
    pn_qdb_text(accept, 1, item->node);
    if (rc != 0 || pn_qdb_run(accept) != 0 || count_item(db, item, sender) != 0 ||
        pn_hs_total_add(db, item->node, 1, item->kind == PN_Q_MESSAGE, (int64_t)file_bytes,
                        item->kind == PN_Q_MESSAGE) != 0)
        return pn_qdb_fail(db->db, db->path, "writing", err);
    return 1;
}

struct released {
    struct pn_hostdb *db;
    uint64_t now_ms;
    bool released;
    int rc;
};

static int note_released(void *arg, const struct pn_host_row *row)
{
    struct released *r = arg;

    r->rc = pn_hs_total_add(r->db, row->item->node, 0, 0, 0, -1);
    if (r->rc == 0 && r->released)
        r->rc = hour_count(r->db, r->now_ms, row->item->node, PN_Q_EVENT_RELEASED, row->item->size_bytes);
    return 0;
}

static int db_state_set(struct pn_hostdb *db, uint64_t number, enum pn_host_state state, uint64_t now_ms,
                        struct pn_error *err)
{
    struct released r = {.db = db, .now_ms = now_ms, .released = state == PN_HOST_RELEASED, .rc = -1};
    sqlite3_stmt *q = db->sql[PN_HS_STATE];

    sqlite3_bind_int64(q, 1, (sqlite3_int64)number);
    sqlite3_bind_int(q, 2, state);
    if (pn_qdb_run(q) != 0)
        return pn_qdb_fail(db->db, db->path, "writing", err);
    if (sqlite3_changes(db->db) == 0)
        return 0;
    if (pn_hs_get(db, number, note_released, &r, err) < 0)
        return -1;
    return r.rc == 0 ? 1 : pn_qdb_fail(db->db, db->path, "writing", err);
}

static int db_flag_set(struct pn_hostdb *db, uint64_t number, enum pn_host_flag flag, bool on, struct pn_error *err)
{
    sqlite3_stmt *q = db->sql[PN_HS_FLAG];

    sqlite3_bind_int64(q, 1, (sqlite3_int64)number);
    sqlite3_bind_int(q, 2, flag);
    sqlite3_bind_int(q, 3, on);
    if (pn_qdb_run(q) != 0)
        return pn_qdb_fail(db->db, db->path, "writing", err);
    return sqlite3_changes(db->db) > 0;
}

static int db_audit(struct pn_hostdb *db, uint64_t number, const char *what, const char *who, const char *detail,
                    uint64_t now_ms, struct pn_error *err)
{
    sqlite3_stmt *q = db->sql[PN_HS_AUDIT];

    sqlite3_bind_int64(q, 1, (sqlite3_int64)number);
    pn_qdb_text(q, 2, what);
    pn_qdb_text(q, 3, who ? who : "");
    pn_qdb_text(q, 4, detail ? detail : "");
    sqlite3_bind_int64(q, 5, (sqlite3_int64)now_ms);
    return pn_qdb_run(q) == 0 ? 0 : pn_qdb_fail(db->db, db->path, "writing", err);
}

static int db_sha_used(struct pn_hostdb *db, const uint8_t sha[PN_Q_SHA_BYTES])
{
    sqlite3_stmt *q = db->sql[PN_HS_SHA_USED];

    sqlite3_bind_blob(q, 1, sha, PN_Q_SHA_BYTES, SQLITE_STATIC);
    return pn_qdb_run(q);
}

static int db_totals(struct pn_hostdb *db, struct pn_hostdb_totals *out)
{
    sqlite3_stmt *q = NULL;
    int rc = -1;

    if (sqlite3_prepare_v2(db->db,
                           "SELECT items, messages, file_bytes, waiting, (SELECT seq FROM sqlite_sequence WHERE name = "
                           "'item') FROM total",
                           -1, &q, NULL) == SQLITE_OK &&
        sqlite3_step(q) == SQLITE_ROW) {
        *out = (struct pn_hostdb_totals){(uint64_t)sqlite3_column_int64(q, 0), (uint64_t)sqlite3_column_int64(q, 1),
                                         (uint64_t)sqlite3_column_int64(q, 2), (uint64_t)sqlite3_column_int64(q, 3),
                                         (uint64_t)sqlite3_column_int64(q, 4)};
        rc = 0;
    }
    sqlite3_finalize(q);
    return rc;
}

const struct pn_hostdb_ops pn_hostdb_sqlite = {
    .name = "sqlite",
    .open = db_open,
    .close = db_close,
    .begin = db_begin,
    .commit = db_commit,
    .rollback = db_rollback,
    .store = db_store,
    .accepted = db_accepted,
    .known = db_known,
    .insert = db_insert,
    .find = pn_hs_find,
    .get = pn_hs_get,
    .state_set = db_state_set,
    .flag_set = db_flag_set,
    .audit = db_audit,
    .sha_used = db_sha_used,
    .purge = pn_hs_purge,
    .totals = db_totals,
    .node_totals = pn_hs_node_totals,
    .audit_list = pn_hs_audit_list,
    .report = pn_hs_report,
    .report_purge = pn_hs_report_purge,
    .due = pn_hs_due,
    .due_mark = pn_hs_due_mark,
    .due_clear = pn_hs_due_clear,
    .mark_get = pn_hs_mark_get,
    .mark_set = pn_hs_mark_set,
};
