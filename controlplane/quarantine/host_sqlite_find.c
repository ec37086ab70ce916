/* SPDX-License-Identifier: BSD-3-Clause */
/* Searches in the embedded database. Everything a person typed is bound, never part of the statement. */
#include "controlplane/quarantine/host_sqlite.h"

#include "common/error.h"

#define BINDS_MAX 16

struct builder {
    char sql[1600];
    size_t len;
    struct {
        const char *text; /* NULL: number */
        int64_t number;
    } bind[BINDS_MAX];
    unsigned n;
};

static void add(struct builder *b, const char *sql)
{
    int n = snprintf(b->sql + b->len, sizeof(b->sql) - b->len, "%s", sql);

    if (n > 0 && (size_t)n < sizeof(b->sql) - b->len)
        b->len += (size_t)n;
}

static void add_text(struct builder *b, const char *sql, const char *text)
{
    if (b->n < BINDS_MAX) {
        add(b, sql);
        b->bind[b->n++].text = text;
    }
}

static void add_number(struct builder *b, const char *sql, int64_t number)
{
    if (b->n < BINDS_MAX) {
        add(b, sql);
        b->bind[b->n].text = NULL;
        b->bind[b->n++].number = number;
    }
}

/* Words to an FTS5 expression: each a quoted string (so none is an operator), in one column, all of them. */
static void words(char *out, size_t size, const char *column, const char *text)
{
    size_t n = strlen(out);

    while (*text) {
        while (*text == ' ' || *text == '\t')
            text++;
        size_t len = strcspn(text, " \t");
        if (len == 0 || n + strlen(column) + 2 * len + 16 > size)
            break;
        n += (size_t)snprintf(out + n, size - n, "%s%s : \"", n ? " AND " : "", column);
        for (size_t i = 0; i < len; i++) {
            if (text[i] == '"')
                out[n++] = '"';
            out[n++] = text[i];
        }
        out[n++] = '"';
        out[n] = '\0';
        text += len;
    }
}

static int show(struct pn_hostdb *db, sqlite3_stmt *q, pn_host_each *each, void *arg, struct pn_error *err)
{
    struct pn_host_row row = {.number = (uint64_t)sqlite3_column_int64(q, 0),
                              .state = sqlite3_column_int(q, 1),
                              .flags = (unsigned)sqlite3_column_int(q, 2),
                              .taken_ms = (uint64_t)sqlite3_column_int64(q, 3),
                              .file_bytes = (uint64_t)sqlite3_column_int64(q, 4)};
    struct pn_pb_budget budget;

    pn_q_item *item = pn_q_item_decode(&budget, sqlite3_column_blob(q, 5), (size_t)sqlite3_column_bytes(q, 5), err);
    if (item == NULL)
        return pn_error_set(err, "%s: item %llu is damaged", db->path, (unsigned long long)row.number);
    row.item = item;
    int rc = each(arg, &row);
    pn_pb_free(&budget, item);
    return rc ? 1 : 0;
}

int pn_hs_get(struct pn_hostdb *db, uint64_t number, pn_host_each *each, void *arg, struct pn_error *err)
{
    sqlite3_stmt *q = db->sql[PN_HS_GET];

    sqlite3_bind_int64(q, 1, number > INT64_MAX ? 0 : (sqlite3_int64)number);
    int rc = sqlite3_step(q);
    int result = rc == SQLITE_DONE ? 0 : -1;
    if (rc == SQLITE_ROW)
        result = show(db, q, each, arg, err) < 0 ? -1 : 1;
    else if (rc != SQLITE_DONE)
        pn_qdb_fail(db->db, db->path, "reading", err);
    sqlite3_reset(q);
    return result;
}

int pn_hs_find(struct pn_hostdb *db, const struct pn_host_query *q, pn_host_each *each, void *arg, struct pn_error *err)
{
    struct builder b = {.len = 0};
    char match[2048] = "", sender[PN_Q_ADDRESS_MAX + 1], recipient[PN_Q_ADDRESS_MAX + 1];
    sqlite3_stmt *s = NULL;
    int rc, result = 0;

    words(match, sizeof(match), "subject", q->subject ? q->subject : "");
    words(match, sizeof(match), "reason", q->reason ? q->reason : "");
    words(match, sizeof(match), "{subject headers}", q->text ? q->text : "");
    /* The narrow table comes first; CROSS JOIN keeps SQLite from turning it round. All end ordered by number. */
    const char *number = "i.number";
    add(&b, "SELECT i.number, i.state, i.flags, i.taken_ms, i.file_bytes, i.body FROM ");
    if (match[0]) {
        number = "t.rowid";
        add_text(&b, "item_text t CROSS JOIN item i ON i.number = t.rowid WHERE item_text MATCH ?", match);
    } else if (q->recipient) {
        number = "r.number";
        add_text(&b, "recipient r CROSS JOIN item i ON i.number = r.number WHERE r.address = ?",
                 pn_hs_lower(q->recipient, recipient, sizeof(recipient)));
    } else {
        add(&b, "item i WHERE i.flags & 4 = 0");
    }
    if (match[0] && q->recipient)
        add_text(&b, " AND EXISTS (SELECT 1 FROM recipient r WHERE r.number = i.number AND r.address = ?)",
                 pn_hs_lower(q->recipient, recipient, sizeof(recipient)));
    if (q->sender)
        add_text(&b, q->sender[0] == '@' ? " AND i.sender_domain = ?" : " AND i.sender = ?",
                 pn_hs_lower(q->sender, sender, sizeof(sender)));
    /* A node has a large share of all rows: with a span of time that index, not the node's, narrows the search. */
    bool span = q->from_ms && q->to_ms && !match[0] && !q->recipient && !q->sender && !q->rule;
    if (q->node)
        add_text(&b, span ? " AND +i.node = ?" : " AND i.node = ?", q->node);
    if (q->rule)
        add_text(&b, " AND i.rule = ?", q->rule);
    if (q->kind >= 0)
        add_number(&b, " AND i.kind = ?", q->kind);
    if (q->event >= 0)
        add_number(&b, " AND i.event = ?", q->event);
    if (q->state >= 0)
        add_number(&b, " AND i.state = ?", q->state);
    if (q->from_ms)
        add_number(&b, " AND i.received_ms >= ?", q->from_ms > INT64_MAX ? INT64_MAX : (int64_t)q->from_ms);
    if (q->to_ms)
        add_number(&b, " AND i.received_ms < ?", q->to_ms > INT64_MAX ? INT64_MAX : (int64_t)q->to_ms);
    if (q->unseen)
        add(&b, " AND i.flags & 1 = 0");
    if (q->after) {
        add(&b, " AND ");
        add(&b, number);
        add_number(&b, " > ?", q->after > INT64_MAX ? INT64_MAX : (int64_t)q->after);
    }
    if (q->before) {
        add(&b, " AND ");
        add(&b, number);
        add_number(&b, " < ?", q->before > INT64_MAX ? INT64_MAX : (int64_t)q->before);
    }
    add(&b, " ORDER BY ");
    add(&b, span ? "+i.number" : number); /* + : sort the span instead of walking all rows in order */
    add_number(&b, " DESC LIMIT ?", q->limit == 0 ? 100 : q->limit > 1000 ? 1000 : q->limit);
    if (sqlite3_prepare_v2(db->db, b.sql, -1, &s, NULL) != SQLITE_OK)
        return pn_qdb_fail(db->db, db->path, "searching", err);
    for (unsigned i = 0; i < b.n; i++)
        if (b.bind[i].text)
            pn_qdb_text(s, (int)i + 1, b.bind[i].text);
        else
            sqlite3_bind_int64(s, (int)i + 1, b.bind[i].number);
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        result = show(db, s, each, arg, err);
        if (result != 0)
            break;
    }
    if (rc != SQLITE_DONE && rc != SQLITE_ROW)
        result = pn_qdb_fail(db->db, db->path, "searching", err);
    sqlite3_finalize(s);
    return result < 0 ? -1 : 0;
}
