/* SPDX-License-Identifier: BSD-3-Clause */
/* The database file: made, checked, brought up to date. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "common/error.h"
#include "common/log.h"
#include "controlplane/rules/store.h"

#define APPLICATION_ID 0x506e5275 /* "PnRu" */
#define CACHE_KIB 98304

/* One step a version; never changed once released, only added to. */
static const char *const schema[] = {
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE node(number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);"
    "CREATE TABLE class(kind INTEGER PRIMARY KEY, complete INTEGER NOT NULL, floor INTEGER NOT NULL);"
    "CREATE TABLE ack(member TEXT NOT NULL, kind INTEGER NOT NULL, stamp INTEGER NOT NULL, PRIMARY KEY(member, kind))"
    " WITHOUT ROWID;"
    "CREATE TABLE entry(seq INTEGER PRIMARY KEY, kind INTEGER NOT NULL, owner TEXT NOT NULL, value TEXT NOT NULL,"
    " field INTEGER NOT NULL, present INTEGER NOT NULL, stamp INTEGER NOT NULL, node INTEGER NOT NULL,"
    " description TEXT, body TEXT, hits BLOB, held INTEGER NOT NULL, ranked INTEGER);"
    "CREATE UNIQUE INDEX entry_key ON entry(kind, owner, value, field);"
    "CREATE INDEX entry_gone ON entry(kind, stamp) WHERE present = 0;"
    "CREATE INDEX entry_ranked ON entry(kind, ranked, value) WHERE ranked IS NOT NULL;"
    "CREATE TABLE held(seq INTEGER PRIMARY KEY, due_ms INTEGER NOT NULL, present INTEGER NOT NULL,"
    " stamp INTEGER NOT NULL, node INTEGER NOT NULL, description TEXT, body TEXT, hits BLOB);"
    "CREATE INDEX held_due ON held(due_ms);"
    "CREATE TABLE history(seq INTEGER PRIMARY KEY, kind INTEGER NOT NULL, owner TEXT NOT NULL, value TEXT NOT NULL,"
    " field INTEGER NOT NULL, present INTEGER NOT NULL, stamp INTEGER NOT NULL, node INTEGER NOT NULL,"
    " description TEXT, body TEXT, hits BLOB, at_ms INTEGER NOT NULL, why TEXT NOT NULL);"
    "CREATE UNIQUE INDEX history_key ON history(kind, owner, value, field, stamp, node);"
    "CREATE TABLE review(kind INTEGER NOT NULL, owner TEXT NOT NULL, value TEXT NOT NULL, field INTEGER NOT NULL,"
    " present INTEGER NOT NULL, stamp INTEGER NOT NULL, node INTEGER NOT NULL, description TEXT, body TEXT, hits BLOB,"
    " PRIMARY KEY(kind, owner, value, field)) WITHOUT ROWID;",
};
#define SCHEMA_VERSION ((int)(sizeof(schema) / sizeof(schema[0])))

#define KEY "kind = ?1 AND owner = ?2 AND value = ?3 AND field = ?4"
static const char *const sql[PN_SQL_COUNT] = {
    [PN_SQL_GET] = "SELECT seq, held, " PN_RDB_RULE " FROM entry WHERE " KEY,
    [PN_SQL_GET_SEQ] = "SELECT kind, owner, value, field, " PN_RDB_RULE ", held FROM entry WHERE seq = ?1",
    [PN_SQL_INSERT] = "INSERT INTO entry(kind, owner, value, field, " PN_RDB_RULE ", held, ranked)"
                      " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    [PN_SQL_UPDATE] = "UPDATE entry SET present = ?2, stamp = ?3, node = ?4, description = ?5, body = ?6, hits = ?7,"
                      " held = ?8, ranked = ?9 WHERE seq = ?1",
    [PN_SQL_UPDATE_STAMP] = "UPDATE entry SET stamp = ?2, node = ?3 WHERE seq = ?1",
    [PN_SQL_DELETE] = "DELETE FROM entry WHERE seq = ?1",
    [PN_SQL_EVICT] = "SELECT seq, kind, owner, value, field FROM entry WHERE kind = ?1 AND ranked IS NOT NULL"
                     " ORDER BY ranked, value LIMIT 1",
    [PN_SQL_HELD_GET] = "SELECT " PN_RDB_RULE " FROM held WHERE seq = ?1",
    [PN_SQL_HELD_PUT] =
        "INSERT OR REPLACE INTO held(seq, due_ms, " PN_RDB_RULE ") VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    [PN_SQL_HELD_DELETE] = "DELETE FROM held WHERE seq = ?1",
    [PN_SQL_HELD_DUE] = "SELECT seq FROM held WHERE due_ms <= ?1 ORDER BY due_ms LIMIT 1",
    [PN_SQL_HISTORY_PUT] = "INSERT OR IGNORE INTO history(kind, owner, value, field, " PN_RDB_RULE ", at_ms, why)"
                           " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    [PN_SQL_REVIEW_PUT] = "INSERT OR REPLACE INTO review(kind, owner, value, field, " PN_RDB_RULE ")"
                          " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    [PN_SQL_REVIEW_DELETE] = "DELETE FROM review WHERE " KEY,
    [PN_SQL_NODE_PUT] = "INSERT INTO node(number, name) VALUES(?1, ?2)",
    [PN_SQL_META_PUT] = "INSERT OR REPLACE INTO meta(key, value) VALUES(?1, ?2)",
    [PN_SQL_CLASS_PUT] = "INSERT OR REPLACE INTO class(kind, complete, floor) VALUES(?1, ?2, ?3)",
    [PN_SQL_ACK_PUT] = "INSERT OR REPLACE INTO ack(member, kind, stamp) VALUES(?1, ?2, ?3)",
    [PN_SQL_GONE] = "SELECT seq, owner, value, field FROM entry WHERE kind = ?1 AND present = 0 AND stamp <= ?2"
                    " AND stamp > 0 AND held = 0 LIMIT ?3",
};

static uint64_t wall_clock(void *arg)
{
    struct timespec now;

    (void)arg;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int pragma_int(struct pn_rules *r, const char *text, int *value, struct pn_error *err)
{
    sqlite3_stmt *s;

    if (sqlite3_prepare_v2(r->db, text, -1, &s, NULL) != SQLITE_OK)
        return pn_rdb_fail(r, err, "opening it");
    int rc = sqlite3_step(s);
    *value = rc == SQLITE_ROW ? sqlite3_column_int(s, 0) : 0;
    sqlite3_finalize(s);
    return rc == SQLITE_ROW ? 0 : pn_rdb_fail(r, err, "opening it");
}

static int migrate(struct pn_rules *r, struct pn_error *err)
{
    int version, application;
    char text[96];

    if (pragma_int(r, "PRAGMA user_version", &version, err) != 0 ||
        pragma_int(r, "PRAGMA application_id", &application, err) != 0)
        return -1;
    if (version > SCHEMA_VERSION)
        return pn_error_set(err, "%s: made by a newer Postern (layout %d, this one knows %d)", r->options.path, version,
                            SCHEMA_VERSION);
    if (version > 0 && application != APPLICATION_ID)
        return pn_error_set(err, "%s: a database, but not of Postern's rules", r->options.path);
    for (; version < SCHEMA_VERSION; version++) {
        snprintf(text, sizeof(text), "PRAGMA user_version = %d; PRAGMA application_id = %d;", version + 1,
                 APPLICATION_ID);
        if (pn_rdb_exec(r, "BEGIN IMMEDIATE", err) != 0)
            return -1;
        if (pn_rdb_exec(r, schema[version], err) != 0 || pn_rdb_exec(r, text, err) != 0 ||
            pn_rdb_exec(r, "COMMIT", err) != 0) {
            sqlite3_exec(r->db, "ROLLBACK", NULL, NULL, NULL);
            return -1;
        }
    }
    return 0;
}

static int open_db(struct pn_rules *r, struct pn_error *err)
{
    char text[96];
    int fd = open(r->options.path, O_RDWR | O_CREAT | O_CLOEXEC, 0640); /* lists name people; the log files follow */

    if (fd >= 0)
        close(fd); /* otherwise SQLite says why */

    sqlite3_config(SQLITE_CONFIG_MEMSTATUS,
                   0); /* counting every allocation under one lock costs a tenth; too late is fine */
    if (sqlite3_open_v2(r->options.path, &r->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK)
        return pn_rdb_fail(r, err, "opening it");
    sqlite3_extended_result_codes(r->db, 1);
    sqlite3_busy_timeout(r->db, 5000);
    snprintf(text, sizeof(text), "PRAGMA cache_size = -%d", CACHE_KIB);
    if (pn_rdb_exec(r, "PRAGMA journal_mode = WAL", err) != 0 ||
        pn_rdb_exec(r, "PRAGMA synchronous = FULL", err) != 0 ||
        pn_rdb_exec(r, "PRAGMA wal_autocheckpoint = 0", err) != 0 ||
        pn_rdb_exec(r, "PRAGMA journal_size_limit = 33554432", err) != 0 || pn_rdb_exec(r, text, err) != 0)
        return -1;
    r->full_tx = true;
    if (migrate(r, err) != 0)
        return -1;
    for (unsigned i = 0; i < PN_SQL_COUNT; i++)
        if (sqlite3_prepare_v3(r->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &r->sql[i], NULL) != SQLITE_OK)
            return pn_rdb_fail(r, err, "opening it");
    return 0;
}

struct pn_rules *pn_rules_open(const struct pn_rules_options *options, struct pn_error *err)
{
    struct pn_rules *r = calloc(1, sizeof(*r));

    if (r == NULL) {
        pn_error_set(err, "no memory");
        return NULL;
    }
    r->options = *options;
    r->options.path = strdup(options->path);
    if (r->options.wall_ms == NULL)
        r->options.wall_ms = wall_clock;
    if (r->options.horizon_ms == 0)
        r->options.horizon_ms = PN_RULES_HORIZON_MS;
    if (r->options.tombstone_age_ms == 0)
        r->options.tombstone_age_ms = PN_RULES_TOMBSTONE_AGE_MS;
    snprintf(r->node, sizeof(r->node), "%s", options->node);
    r->clock.skew_ms = options->skew_ms ? options->skew_ms : PN_HLC_SKEW_MS;
    r->classes_on = UINT64_MAX;
    r->hits = calloc(PN_RDB_HITS_MAX, sizeof(*r->hits));
    if (r->options.path == NULL || r->hits == NULL) {
        pn_error_set(err, "no memory");
    } else if (open_db(r, err) == 0 && pn_rdb_load_settings(r, err) == 0) {
        r->n_names_committed = r->n_names;
        if (pn_rdb_load(r, err) == 0 && (r->wal = pn_wal_start(r->db, r->options.path, err)) != NULL)
            return r;
    }
    pn_rules_close(r);
    return NULL;
}

void pn_rules_close(struct pn_rules *r)
{
    struct pn_error err;

    if (r == NULL)
        return;
    if (r->n_hits && pn_rdb_hits_flush(r, &err) != 0)
        pn_log_warning("rules: the last hits are not counted: %s", err.text);
    if (r->open_tx && pn_rdb_settle(r, &err) != 0)
        pn_log_warning("rules: what came last is not kept, it comes again: %s", err.text);
    pn_wal_stop(r->wal);
    for (unsigned i = 0; i < PN_SQL_COUNT; i++)
        sqlite3_finalize(r->sql[i]);
    sqlite3_close(r->db);
    for (unsigned k = 0; k < PN_KIND_LIMIT; k++)
        pn_digest_free(r->classes[k].digest);
    pn_rule_clear(&r->cur);
    pn_rule_clear(&r->full);
    pn_rule_clear(&r->work);
    free(r->names);
    free(r->name_hashes);
    free(r->ops);
    free(r->notes);
    free(r->hits);
    free((void *)r->options.path);
    free(r);
}
