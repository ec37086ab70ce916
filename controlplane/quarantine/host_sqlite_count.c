/* SPDX-License-Identifier: BSD-3-Clause */
/* The embedded database of a host: reports, digests, lists of what was done, small numbers. */
#include "controlplane/quarantine/host_sqlite.h"

#include <stdarg.h>

#include "common/error.h"

/* Binds by a format of t(ext) and n(umber, int64_t), NULL text is NULL. NULL with err. */
static sqlite3_stmt *ask(struct pn_hostdb *db, struct pn_error *err, const char *sql, const char *format, ...)
{
    sqlite3_stmt *q = NULL;
    va_list list;

    if (sqlite3_prepare_v2(db->db, sql, -1, &q, NULL) != SQLITE_OK) {
        pn_qdb_fail(db->db, db->path, "reading", err);
        return NULL;
    }
    va_start(list, format);
    for (int i = 0; format[i]; i++)
        if (format[i] == 't')
            pn_qdb_text(q, i + 1, va_arg(list, const char *));
        else
            sqlite3_bind_int64(q, i + 1, va_arg(list, int64_t));
    va_end(list);
    return q;
}

static int finish(struct pn_hostdb *db, sqlite3_stmt *q, int rc, struct pn_error *err)
{
    int result = rc == SQLITE_DONE || rc == SQLITE_ROW ? 0 : pn_qdb_fail(db->db, db->path, "reading", err);

    sqlite3_finalize(q);
    return result;
}

/* A change with one statement. */
static int change(struct pn_hostdb *db, sqlite3_stmt *q, struct pn_error *err)
{
    if (q == NULL)
        return -1;
    int rc = sqlite3_step(q);
    if (rc != SQLITE_DONE)
        pn_qdb_fail(db->db, db->path, "writing", err);
    sqlite3_finalize(q);
    return rc == SQLITE_DONE ? 0 : -1;
}

static int64_t number(uint64_t n)
{
    return n > INT64_MAX ? INT64_MAX : (int64_t)n;
}

static uint64_t column(sqlite3_stmt *q, int at)
{
    int64_t n = sqlite3_column_int64(q, at);

    return n > 0 ? (uint64_t)n : 0;
}

static const char *text(sqlite3_stmt *q, int at)
{
    const unsigned char *t = sqlite3_column_text(q, at);

    return t ? (const char *)t : "";
}

int pn_hs_node_totals(struct pn_hostdb *db, pn_host_node_each *each, void *arg)
{
    sqlite3_stmt *q = ask(db, NULL, "SELECT name, items, messages, file_bytes, waiting FROM node ORDER BY name", "");
    int rc = SQLITE_ERROR;

    while (q && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        struct pn_hostdb_totals t = {
            .items = column(q, 1), .messages = column(q, 2), .file_bytes = column(q, 3), .waiting = column(q, 4)};
        if (each(arg, text(q, 0), &t) != 0)
            break;
    }
    return finish(db, q, rc, NULL);
}

int pn_hs_audit_list(struct pn_hostdb *db, uint64_t of, pn_host_audit_each *each, void *arg, struct pn_error *err)
{
    sqlite3_stmt *q =
        ask(db, err, "SELECT number, at_ms, what, who, detail FROM audit WHERE number = ? ORDER BY rowid LIMIT 1000",
            "n", number(of));
    int rc = SQLITE_ERROR;

    if (q == NULL)
        return -1;
    while ((rc = sqlite3_step(q)) == SQLITE_ROW) {
        struct pn_host_audit a = {
            .number = column(q, 0), .at_ms = column(q, 1), .what = text(q, 2), .who = text(q, 3), .detail = text(q, 4)};
        if (each(arg, &a) != 0)
            break;
    }
    return finish(db, q, rc, err);
}

int pn_hs_report(struct pn_hostdb *db, struct pn_report *r, struct pn_error *err)
{
    const char *node = r->node[0] ? r->node : NULL;
    int64_t from = number(r->from_ms / PN_REPORT_HOUR_MS), to = number(r->to_ms / PN_REPORT_HOUR_MS);
    sqlite3_stmt *q = ask(db, err,
                          "SELECT hour, node, event, count, bytes FROM hour_count WHERE hour >= ?1 AND hour < ?2"
                          " AND (?3 IS NULL OR node = ?3)",
                          "nnt", from, to, node);
    int rc = SQLITE_ERROR, memory = 0;

    if (q == NULL)
        return -1;
    while (memory == 0 && (rc = sqlite3_step(q)) == SQLITE_ROW)
        memory = pn_report_count(r, column(q, 0) * PN_REPORT_HOUR_MS, text(q, 1), (unsigned)column(q, 2), column(q, 3),
                                 column(q, 4));
    if (finish(db, q, rc, err) != 0)
        return -1;
    for (int list = 0; memory == 0 && list < (int)PN_REPORT_TOP_COUNT; list++) {
        q = ask(db, err,
                "SELECT name, sum(count), sum(bytes) FROM hour_name WHERE hour >= ?1 AND hour < ?2 AND list = ?4"
                " AND (?3 IS NULL OR node = ?3) GROUP BY name ORDER BY 2 DESC, name LIMIT ?5",
                "nntnn", from, to, node, (int64_t)list, (int64_t)r->top);
        if (q == NULL)
            return -1;
        while (memory == 0 && (rc = sqlite3_step(q)) == SQLITE_ROW)
            memory = pn_report_name(r, (enum pn_report_top)list, text(q, 0), column(q, 1), column(q, 2));
        if (finish(db, q, rc, err) != 0)
            return -1;
    }
    return memory == 0 ? 0 : pn_error_set(err, "no memory");
}

int pn_hs_report_purge(struct pn_hostdb *db, uint64_t before_ms, struct pn_error *err)
{
    int64_t hour = number(before_ms / PN_REPORT_HOUR_MS);

    if (change(db, ask(db, err, "DELETE FROM hour_count WHERE hour < ?", "n", hour), err) != 0)
        return -1;
    return change(db, ask(db, err, "DELETE FROM hour_name WHERE list IN (0, 1, 2) AND hour < ?", "n", hour), err);
}

int pn_hs_due(struct pn_hostdb *db, uint64_t low, uint64_t top, const char *after, unsigned limit,
              pn_host_due_each *each, void *arg, struct pn_error *err)
{
    sqlite3_stmt *q =
        ask(db, err,
            "SELECT r.address, coalesce(d.upto, 0) FROM recipient r CROSS JOIN item i ON i.number = r.number"
            " LEFT JOIN due d ON d.address = r.address WHERE r.number > ?1 AND r.number <= ?2"
            " AND r.number > coalesce(d.upto, 0) AND +r.address > ?3 AND substr(r.address, 1, 1) <> '@'"
            " AND i.kind = 2 AND i.state = 0 AND i.flags & 5 = 0 GROUP BY r.address ORDER BY r.address"
            " LIMIT ?4",
            "nntn", number(low), number(top), after, (int64_t)limit);
    int rc = SQLITE_ERROR;

    if (q == NULL)
        return -1;
    while ((rc = sqlite3_step(q)) == SQLITE_ROW) {
        uint64_t upto = column(q, 1);
        if (each(arg, text(q, 0), upto > low ? upto : low) != 0)
            break;
    }
    return finish(db, q, rc, err);
}

int pn_hs_due_mark(struct pn_hostdb *db, const char *address, uint64_t upto, struct pn_error *err)
{
    char lower[PN_Q_ADDRESS_MAX + 1];

    pn_hs_lower(address, lower, sizeof(lower));
    return change(db,
                  ask(db, err,
                      "INSERT INTO due VALUES(?1, ?2) ON CONFLICT(address) DO UPDATE SET"
                      " upto = max(upto, excluded.upto)",
                      "tn", lower, number(upto)),
                  err);
}

int pn_hs_due_clear(struct pn_hostdb *db, uint64_t upto, struct pn_error *err)
{
    return change(db, ask(db, err, "DELETE FROM due WHERE upto <= ?", "n", number(upto)), err);
}

int pn_hs_mark_get(struct pn_hostdb *db, const char *name, uint64_t *value)
{
    sqlite3_stmt *q = ask(db, NULL, "SELECT value FROM meta WHERE key = 'mark.' || ?", "t", name);
    int rc = q ? sqlite3_step(q) : SQLITE_ERROR;

    if (rc == SQLITE_ROW)
        *value = (uint64_t)sqlite3_column_int64(q, 0);
    sqlite3_finalize(q);
    return rc == SQLITE_ROW ? 1 : rc == SQLITE_DONE ? 0 : -1;
}

int pn_hs_mark_set(struct pn_hostdb *db, const char *name, uint64_t value, struct pn_error *err)
{
    return change(db,
                  ask(db, err,
                      "INSERT INTO meta VALUES('mark.' || ?, ?) ON CONFLICT(key) DO UPDATE SET value = excluded.value",
                      "tn", name, (int64_t)value),
                  err);
}
