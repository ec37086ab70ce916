/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/quarantine/qdb.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/error.h"
#include "controlplane/quarantine/syncdir.h"

int pn_qdb_fail(sqlite3 *db, const char *path, const char *doing, struct pn_error *err)
{
    if (db == NULL)
        return pn_error_set(err, "%s: %s: no memory", path, doing);
    switch (sqlite3_errcode(db)) {
    case SQLITE_FULL:
        return pn_error_set(err, "%s: %s: the disk is full", path, doing);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return pn_error_set(err, "%s: %s: the file is damaged (%s)", path, doing, sqlite3_errmsg(db));
    default:
        return pn_error_set(err, "%s: %s: %s", path, doing, sqlite3_errmsg(db));
    }
}

bool pn_qdb_is_full(sqlite3 *db)
{
    return sqlite3_errcode(db) == SQLITE_FULL || sqlite3_system_errno(db) == ENOSPC;
}

int64_t pn_qdb_number(sqlite3 *db, const char *sql, int64_t fallback)
{
    sqlite3_stmt *s = NULL;
    int64_t n = fallback;

    if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW)
        n = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    return n;
}

static int migrate(sqlite3 *db, const char *path, uint32_t application_id, const char *const *schema, int versions,
                   struct pn_error *err)
{
    char text[80];
    int64_t have = pn_qdb_number(db, "PRAGMA user_version", -1);
    int64_t id = pn_qdb_number(db, "PRAGMA application_id", 0);

    if (have < 0)
        return pn_qdb_fail(db, path, "reading", err);
    if (have > 0 && id != (int64_t)application_id)
        return pn_error_set(err, "%s: is a database of something else", path);
    if (have > versions)
        return pn_error_set(err, "%s: was written by a newer version of Postern", path);
    if (have == versions)
        return 0;
    if (sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
        return pn_qdb_fail(db, path, "preparing", err);
    snprintf(text, sizeof(text), "PRAGMA user_version = %d; PRAGMA application_id = %u", versions, application_id);
    for (int64_t v = have; v < versions; v++)
        if (sqlite3_exec(db, schema[v], NULL, NULL, NULL) != SQLITE_OK)
            goto fail;
    if (sqlite3_exec(db, text, NULL, NULL, NULL) == SQLITE_OK &&
        sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK)
        return 0;
fail:
    pn_qdb_fail(db, path, "preparing", err);
    sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return -1;
}

int pn_qdb_open(const char *path, uint32_t application_id, const char *const *schema, int versions, sqlite3 **out,
                struct pn_error *err)
{
    sqlite3 *db = NULL;

    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600); /* SQLite itself would follow the umask */
    if (fd < 0)
        return pn_error_set(err, "%s: %s", path, strerror(errno));
    close(fd);
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK ||
        sqlite3_exec(db,
                     "PRAGMA busy_timeout = 2000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                     "PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -16384; PRAGMA trusted_schema = OFF",
                     NULL, NULL, NULL) != SQLITE_OK) {
        pn_qdb_fail(db, path, "opening", err);
        goto fail;
    }
    /* Without it a statement that partial indexes might serve is prepared anew for each value bound to it. */
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_QPSG, 1, NULL);
    if (migrate(db, path, application_id, schema, versions, err) != 0)
        goto fail;
    if (pn_qsync_folder_of(path, err) != 0) /* a new file's name must be as durable as what is written to it */
        goto fail;
    *out = db;
    return 0;
fail:
    sqlite3_close_v2(db);
    return -1;
}

int pn_qdb_prepare(sqlite3 *db, const char *path, const char *const *sql, sqlite3_stmt **out, unsigned n,
                   struct pn_error *err)
{
    for (unsigned i = 0; i < n; i++)
        if (sqlite3_prepare_v3(db, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &out[i], NULL) != SQLITE_OK)
            return pn_qdb_fail(db, path, "preparing", err);
    return 0;
}
