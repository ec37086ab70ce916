/* SPDX-License-Identifier: BSD-3-Clause */
/* Rows after intake: reading, acknowledging, removing. */
#include "controlplane/quarantine/spool_internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/error.h"
#include "common/log.h"

int pn_spool_tx_failed(struct pn_spool *s, const char *doing, struct pn_error *err)
{
    s->was_full = pn_qdb_is_full(s->db);
    pn_qdb_fail(s->db, s->db_path, doing, err);
    if (!sqlite3_get_autocommit(s->db)) /* after a full disk SQLite has done so itself */
        sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    return -1;
}

bool pn_spool_tx_again(struct pn_spool *s)
{
    bool again = s->was_full && s->totals.ballast;

    s->was_full = false;
    if (again)
        pn_spool_ballast_release(s); /* this is what it is for */
    return again && !s->totals.ballast;
}

int pn_spool_tx_begin(struct pn_spool *s, struct pn_error *err)
{
    s->was_full = false;
    return sqlite3_exec(s->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK
               ? 0
               : pn_spool_tx_failed(s, "starting a change", err);
}

int pn_spool_tx_commit(struct pn_spool *s, struct pn_error *err)
{
    return sqlite3_exec(s->db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK ? 0 : pn_spool_tx_failed(s, "writing", err);
}

void pn_spool_row_done(struct pn_spool *s)
{
    if (s->open_row)
        sqlite3_reset(s->open_row);
    s->open_row = NULL;
}

static int row_read(struct pn_spool *s, sqlite3_stmt *q, struct pn_spool_row *row)
{
    int rc = sqlite3_step(q);

    if (rc != SQLITE_ROW) {
        sqlite3_reset(q);
        return rc == SQLITE_DONE ? 0 : -1;
    }
    s->open_row = q;
    const uint8_t *sha = pn_qdb_blob(q, 3, PN_Q_SHA_BYTES);
    if (sha == NULL)
        return -1;
    row->id.sequence = (uint64_t)sqlite3_column_int64(q, 0);
    memcpy(row->id.sha, sha, PN_Q_SHA_BYTES);
    row->kind = sqlite3_column_int(q, 1);
    row->state = sqlite3_column_int(q, 2);
    row->file_bytes = (uint64_t)sqlite3_column_int64(q, 4);
    row->item = sqlite3_column_blob(q, 5);
    row->item_len = (size_t)sqlite3_column_bytes(q, 5);
    return 1;
}

int pn_spool_next(struct pn_spool *s, enum pn_q_kind kind, uint64_t after, struct pn_spool_row *row)
{
    sqlite3_stmt *q = s->sql[PN_SPOOL_NEXT];

    pn_spool_row_done(s);
    sqlite3_bind_int(q, 1, kind);
    sqlite3_bind_int64(q, 2, (sqlite3_int64)after);
    return row_read(s, q, row);
}

int pn_spool_get(struct pn_spool *s, uint64_t sequence, struct pn_spool_row *row)
{
    sqlite3_stmt *q = s->sql[PN_SPOOL_GET];

    pn_spool_row_done(s);
    sqlite3_bind_int64(q, 1, (sqlite3_int64)sequence);
    return row_read(s, q, row);
}

ssize_t pn_spool_read(struct pn_spool *s, const struct pn_q_id *id, uint64_t offset, void *buf, size_t len)
{
    return pn_qfiles_read(s->files, id->sha, offset, buf, len);
}

int pn_spool_raw(struct pn_spool *s, const struct pn_q_id *id, pn_qsink *sink, void *arg, struct pn_error *err)
{
    return pn_qfiles_raw(s->files, id->sha, true, sink, arg, err);
}

uint64_t pn_spool_last(const struct pn_spool *s)
{
    return s->last;
}

static void count_away(struct pn_spool *s, enum pn_q_kind kind, enum pn_spool_state state, uint64_t bytes)
{
    struct pn_spool_totals *t = &s->totals;

    if (state == PN_SPOOL_STORED) {
        t->pending_records -= kind == PN_Q_RECORD;
        t->pending_messages -= kind == PN_Q_MESSAGE;
        t->pending_bytes -= bytes;
    } else if (state == PN_SPOOL_REFUSED)
        t->refused--;
    else
        t->acked_bytes -= bytes;
}

static int acked_once(struct pn_spool *s, const struct pn_q_id *ids, unsigned n, struct pn_error *err)
{
    sqlite3_stmt *q = s->sql[PN_SPOOL_ACK];
    uint64_t now_ms = pn_spool_now_ms();
    struct pn_spool_totals before = s->totals;
    struct pn_spool_row row;

    pn_spool_row_done(s);
    if (n == 0)
        return 0;
    if (pn_spool_tx_begin(s, err) != 0)
        return -1;
    for (unsigned i = 0; i < n; i++) {
        int have = pn_spool_get(s, ids[i].sequence, &row);
        pn_spool_row_done(s);
        if (have == 0 || (have == 1 && (row.state == PN_SPOOL_ACKED || !pn_q_id_equal(&row.id, &ids[i]))))
            continue;
        sqlite3_bind_int64(q, 1, (sqlite3_int64)ids[i].sequence);
        sqlite3_bind_blob(q, 2, ids[i].sha, PN_Q_SHA_BYTES, SQLITE_STATIC);
        sqlite3_bind_int64(q, 3, (sqlite3_int64)now_ms);
        if (have < 0 || pn_qdb_run(q) != 0) {
            pn_spool_tx_failed(s, "writing", err);
            s->totals = before;
            return -1;
        }
        count_away(s, row.kind, row.state, row.file_bytes);
        s->totals.acked_bytes += row.file_bytes;
    }
    if (pn_spool_tx_commit(s, err) != 0) {
        s->totals = before;
        return -1;
    }
    return 0;
}

int pn_spool_acked(struct pn_spool *s, const struct pn_q_id *ids, unsigned n, struct pn_error *err)
{
    int rc = acked_once(s, ids, n, err);

    return rc != 0 && pn_spool_tx_again(s) ? acked_once(s, ids, n, err) : rc;
}

static int refused_once(struct pn_spool *s, const struct pn_q_id *id, const char *reason, struct pn_error *err)
{
    sqlite3_stmt *q = s->sql[PN_SPOOL_REFUSE];

    pn_spool_row_done(s);
    if (pn_spool_tx_begin(s, err) != 0)
        return -1;
    sqlite3_bind_int64(q, 1, (sqlite3_int64)id->sequence);
    sqlite3_bind_blob(q, 2, id->sha, PN_Q_SHA_BYTES, SQLITE_STATIC);
    pn_qdb_text(q, 3, reason);
    if (pn_qdb_run(q) != 0) {
        pn_spool_tx_failed(s, "writing", err);
        return -1;
    }
    if (pn_spool_tx_commit(s, err) != 0)
        return -1;
    return pn_spool_count(s);
}

int pn_spool_refused(struct pn_spool *s, const struct pn_q_id *id, const char *reason, struct pn_error *err)
{
    int rc = refused_once(s, id, reason, err);

    return rc != 0 && pn_spool_tx_again(s) ? refused_once(s, id, reason, err) : rc;
}

int pn_spool_offer_again(struct pn_spool *s, bool acked, bool refused, struct pn_error *err)
{
    pn_spool_row_done(s);
    if (pn_spool_tx_begin(s, err) != 0)
        return -1;
    if ((acked &&
         sqlite3_exec(s->db, "UPDATE item SET state = 0, acked_ms = NULL WHERE state = 1", NULL, NULL, NULL)) ||
        (refused && sqlite3_exec(s->db, "UPDATE item SET state = 0, note = NULL WHERE state = 2", NULL, NULL, NULL))) {
        pn_spool_tx_failed(s, "writing", err);
        return -1;
    }
    if (pn_spool_tx_commit(s, err) != 0)
        return -1;
    return pn_spool_count(s);
}

struct gone {
    struct pn_q_id id;
    int kind;
};

/* What policy `oldest` takes leaves a record, so nothing goes without a trace. */
static int record_eviction(struct pn_spool *s, uint64_t sequence, struct pn_error *err)
{
    struct pn_pb_budget budget;
    struct pn_spool_row row;
    char about[64];

    if (pn_spool_get(s, sequence, &row) != 1)
        return -1;
    pn_q_item *item = pn_q_item_decode(&budget, row.item, row.item_len, err);
    pn_spool_row_done(s);
    if (item == NULL)
        return -1;
    pn_q_item r = *item;
    snprintf(about, sizeof(about), "%s/%llu", s->node, (unsigned long long)sequence);
    r.event = PN_Q_EVENT_EVICTED;
    r.about = about;
    r.received_ms = 0;
    int rc = pn_spool_record(s, &r, NULL, NULL, err);
    pn_pb_free(&budget, item);
    return rc;
}

static int remove_rows(struct pn_spool *s, const struct gone *gone, unsigned n, struct pn_error *err)
{
    sqlite3_stmt *del = s->sql[PN_SPOOL_DELETE];

    if (pn_spool_tx_begin(s, err) != 0)
        return -1;
    for (unsigned i = 0; i < n; i++) {
        sqlite3_bind_int64(del, 1, (sqlite3_int64)gone[i].id.sequence);
        if (pn_qdb_run(del) != 0)
            return pn_spool_tx_failed(s, "removing", err);
    }
    return pn_spool_tx_commit(s, err);
}

int64_t pn_spool_remove(struct pn_spool *s, enum pn_spool_sql which, int64_t limit_ms, uint64_t bytes, unsigned max,
                        unsigned *count, struct pn_error *err)
{
    sqlite3_stmt *q = s->sql[which], *left = s->sql[PN_SPOOL_SHA_LEFT];
    struct gone *gone = calloc(max ? max : 1, sizeof(*gone));
    uint64_t freed = 0;
    unsigned n = 0;
    int rc = SQLITE_DONE;

    if (gone == NULL)
        return pn_error_set(err, "no memory");
    pn_spool_row_done(s);
    sqlite3_bind_int64(q, 1, limit_ms);
    sqlite3_bind_int64(q, 2, max);
    while (n < max && freed < bytes && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        const uint8_t *sha = pn_qdb_blob(q, 1, PN_Q_SHA_BYTES);
        if (sha == NULL)
            continue;
        gone[n].id.sequence = (uint64_t)sqlite3_column_int64(q, 0);
        memcpy(gone[n].id.sha, sha, PN_Q_SHA_BYTES);
        gone[n++].kind = sqlite3_column_int(q, 3);
        freed += (uint64_t)sqlite3_column_int64(q, 2);
    }
    sqlite3_reset(q);
    *count = n;
    if (n == 0) {
        free(gone);
        return 0;
    }
    for (unsigned i = 0; which == PN_SPOOL_OLDEST && i < n; i++)
        if (record_eviction(s, gone[i].id.sequence, err) != 0)
            pn_log_limited(10000, PN_LOG_ERROR, "quarantine: an eviction could not be recorded");
    if (remove_rows(s, gone, n, err) != 0 && (!pn_spool_tx_again(s) || remove_rows(s, gone, n, err) != 0))
        goto fail;
    /* Rows are gone for good before the files: a crash in between leaves orphans, never promises. */
    for (unsigned i = 0; i < n; i++) {
        sqlite3_bind_blob(left, 1, gone[i].id.sha, PN_Q_SHA_BYTES, SQLITE_STATIC);
        if (gone[i].kind == PN_Q_MESSAGE && pn_qdb_run(left) == 0)
            pn_qfiles_remove(s->files, gone[i].id.sha);
    }
    free(gone);
    if (which == PN_SPOOL_OLDEST) { /* rare: counting anew takes a look at every row */
        s->totals.evicted += n;
        pn_spool_count(s);
    } else {
        s->totals.acked_bytes -= freed;
        s->totals.stored_bytes -= freed;
    }
    return (int64_t)freed;
fail:
    free(gone);
    return -1;
}

int pn_spool_purge(struct pn_spool *s, uint64_t now_ms, unsigned max, struct pn_error *err)
{
    unsigned n = 0;

    if (now_ms < s->options.keep_acked_ms)
        return 0;
    if (pn_spool_remove(s, PN_SPOOL_OLD_ACKED, (int64_t)(now_ms - s->options.keep_acked_ms), UINT64_MAX, max, &n, err) <
        0)
        return -1;
    return (int)n;
}

void pn_spool_totals(struct pn_spool *s, struct pn_spool_totals *out)
{
    *out = s->totals;
}

uint64_t pn_spool_mark_get(struct pn_spool *s, const char *name, uint64_t fallback)
{
    sqlite3_stmt *q = s->sql[PN_SPOOL_MARK_GET];
    uint64_t value = fallback;

    pn_qdb_text(q, 1, name);
    if (sqlite3_step(q) == SQLITE_ROW)
        value = (uint64_t)sqlite3_column_int64(q, 0);
    sqlite3_reset(q);
    return value;
}

int pn_spool_mark_set(struct pn_spool *s, const char *name, uint64_t value, struct pn_error *err)
{
    sqlite3_stmt *q = s->sql[PN_SPOOL_MARK_SET];

    pn_qdb_text(q, 1, name);
    sqlite3_bind_int64(q, 2, (sqlite3_int64)value);
    return pn_qdb_run(q) == 0 ? 0 : pn_qdb_fail(s->db, s->db_path, "writing", err);
}
