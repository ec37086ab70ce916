/* SPDX-License-Identifier: BSD-3-Clause */
/* What the spool and the embedded host store share of SQLite. */
#ifndef POSTERN_QUARANTINE_QDB_H
#define POSTERN_QUARANTINE_QDB_H

#include <sqlite3.h>
#include <stddef.h>

#include "postern/types.h"

/*
 * Opens or makes path (0600) with WAL, synchronous=FULL: a commit that returned is on disk. schema: one text a version,
 * only ever added to. 0, or -1 with err.
 */
int pn_qdb_open(const char *path, uint32_t application_id, const char *const *schema, int versions, sqlite3 **out,
                struct pn_error *err);
int pn_qdb_fail(sqlite3 *db, const char *path, const char *doing, struct pn_error *err); /* -1, text from SQLite */
int pn_qdb_prepare(sqlite3 *db, const char *path, const char *const *sql, sqlite3_stmt **out, unsigned n,
                   struct pn_error *err);
/* The first column of a statement that gives one number; fallback when there is no row. */
int64_t pn_qdb_number(sqlite3 *db, const char *sql, int64_t fallback);
bool pn_qdb_is_full(sqlite3 *db); /* the last error was a full disk */

static inline void pn_qdb_text(sqlite3_stmt *s, int at, const char *text)
{
    sqlite3_bind_text(s, at, text, -1, SQLITE_STATIC);
}
/* A blob column of exactly len bytes, or NULL. */
static inline const void *pn_qdb_blob(sqlite3_stmt *s, int at, size_t len)
{
    return sqlite3_column_bytes(s, at) == (int)len ? sqlite3_column_blob(s, at) : NULL;
}
/* Runs and resets: 1 for a row, 0 done, -1 error. */
static inline int pn_qdb_run(sqlite3_stmt *s)
{
    int rc = sqlite3_step(s);

    sqlite3_reset(s);
    return rc == SQLITE_ROW ? 1 : rc == SQLITE_DONE ? 0 : -1;
}

#endif
