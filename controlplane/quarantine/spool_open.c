/* SPDX-License-Identifier: BSD-3-Clause */
/* Opening a spool, putting right what a crash left, the reserve on disk. */
#include "controlplane/quarantine/spool_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/error.h"
#include "controlplane/quarantine/syncdir.h"
#include "common/log.h"

#define APPLICATION_ID 0x506e5173 /* "PnQs" */

static const char *const schema[] = {
    "CREATE TABLE item(seq INTEGER PRIMARY KEY AUTOINCREMENT, kind INTEGER NOT NULL, state INTEGER NOT NULL,"
    " sha BLOB NOT NULL, file_bytes INTEGER NOT NULL, stored_ms INTEGER NOT NULL, acked_ms INTEGER, note TEXT,"
    " body BLOB NOT NULL);"
    "CREATE INDEX item_waiting ON item(kind, seq) WHERE state = 0;"
    "CREATE INDEX item_acked ON item(acked_ms) WHERE state = 1;"
    "CREATE INDEX item_sha ON item(sha) WHERE kind = 2;"
    "CREATE TABLE mark(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;",
};

static const char *const sql[PN_SPOOL_SQL_COUNT] = {
    [PN_SPOOL_INSERT] = "INSERT INTO item(seq, kind, state, sha, file_bytes, stored_ms, body)"
                        " VALUES(?1, ?2, 0, ?3, ?4, ?5, ?6)",
    [PN_SPOOL_NEXT] = "SELECT seq, kind, state, sha, file_bytes, body FROM item"
                      " WHERE state = 0 AND kind = ?1 AND seq > ?2 ORDER BY seq LIMIT 1",
    [PN_SPOOL_GET] = "SELECT seq, kind, state, sha, file_bytes, body FROM item WHERE seq = ?1",
    [PN_SPOOL_ACK] = "UPDATE item SET state = 1, acked_ms = ?3, note = NULL WHERE seq = ?1 AND sha = ?2 AND state <> 1",
    [PN_SPOOL_REFUSE] = "UPDATE item SET state = 2, note = ?3 WHERE seq = ?1 AND sha = ?2 AND state = 0",
    [PN_SPOOL_DELETE] = "DELETE FROM item WHERE seq = ?1",
    [PN_SPOOL_SHA_LEFT] = "SELECT 1 FROM item WHERE kind = 2 AND sha = ?1 LIMIT 1",
    [PN_SPOOL_OLD_ACKED] = "SELECT seq, sha, file_bytes, kind FROM item WHERE state = 1 AND acked_ms <= ?1"
                           " ORDER BY acked_ms, seq LIMIT ?2",
    [PN_SPOOL_OLDEST] = "SELECT seq, sha, file_bytes, kind FROM item WHERE state <> 1 AND kind = 2 AND stored_ms <= ?1"
                        " ORDER BY seq LIMIT ?2",
    [PN_SPOOL_MARK_GET] = "SELECT value FROM mark WHERE name = ?1",
    [PN_SPOOL_MARK_SET] = "INSERT INTO mark(name, value) VALUES(?1, ?2)"
                          " ON CONFLICT(name) DO UPDATE SET value = excluded.value",
};

uint64_t pn_spool_now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

int pn_spool_count(struct pn_spool *s)
{
    struct pn_spool_totals *t = &s->totals;

    t->pending_records = (uint64_t)pn_qdb_number(s->db, "SELECT count(*) FROM item WHERE state = 0 AND kind = 1", 0);
    t->pending_messages = (uint64_t)pn_qdb_number(s->db, "SELECT count(*) FROM item WHERE state = 0 AND kind = 2", 0);
    t->pending_bytes =
        (uint64_t)pn_qdb_number(s->db, "SELECT coalesce(sum(file_bytes), 0) FROM item WHERE state = 0 AND kind = 2", 0);
    t->refused = (uint64_t)pn_qdb_number(s->db, "SELECT count(*) FROM item WHERE state = 2", 0);
    t->acked_bytes =
        (uint64_t)pn_qdb_number(s->db, "SELECT coalesce(sum(file_bytes), 0) FROM item WHERE state = 1 AND kind = 2", 0);
    t->stored_bytes = (uint64_t)pn_qdb_number(s->db, "SELECT coalesce(sum(file_bytes), 0) FROM item WHERE kind = 2", 0);
    int64_t last = pn_qdb_number(s->db, "SELECT seq FROM sqlite_sequence WHERE name = 'item'", 0);
    s->last = last > 0 ? (uint64_t)last : 0;
    return 0;
}

int pn_spool_ballast_fill(struct pn_spool *s)
{
    if (s->options.ballast_bytes == 0)
        return 0;
    if (!s->totals.ballast) {
        int rc = posix_fallocate(s->ballast_fd, 0, (off_t)s->options.ballast_bytes);
        if (rc != 0) {
            if (ftruncate(s->ballast_fd, 0) != 0)
                return -1;
            errno = rc;
            return -1;
        }
        s->totals.ballast = fsync(s->ballast_fd) == 0;
    }
    return s->totals.ballast ? 0 : -1;
}

void pn_spool_ballast_release(struct pn_spool *s)
{
    if (s->totals.ballast && ftruncate(s->ballast_fd, 0) == 0)
        s->totals.ballast = false;
}

static bool keep_file(void *arg, const uint8_t sha[PN_Q_SHA_BYTES], uint64_t file_bytes)
{
    struct pn_spool *s = arg;
    sqlite3_stmt *q = s->sql[PN_SPOOL_SHA_LEFT];

    (void)file_bytes;
    sqlite3_bind_blob(q, 1, sha, PN_Q_SHA_BYTES, SQLITE_STATIC);
    return pn_qdb_run(q) != 0; /* an error keeps it */
}

/* Rows whose file is gone: nothing can be sent, but what is known of the message must stay in sight. */
static int rows_check(struct pn_spool *s, struct pn_spool_recovery *rec, struct pn_error *err)
{
    sqlite3_stmt *q = NULL;
    int rc;

    if (sqlite3_prepare_v2(s->db, "SELECT seq, sha, state FROM item WHERE kind = 2 AND state <> 2", -1, &q, NULL) !=
        SQLITE_OK)
        return pn_qdb_fail(s->db, s->db_path, "checking", err);
    while ((rc = sqlite3_step(q)) == SQLITE_ROW) {
        const uint8_t *sha = pn_qdb_blob(q, 1, PN_Q_SHA_BYTES);
        struct pn_q_id id = {.sequence = (uint64_t)sqlite3_column_int64(q, 0)};
        if (sha == NULL || pn_qfiles_have(s->files, sha))
            continue;
        rec->files_missing++;
        pn_log_limited(1000, PN_LOG_ERROR, "quarantine: %s: message %llu has lost its file", s->path,
                       (unsigned long long)id.sequence);
        memcpy(id.sha, sha, PN_Q_SHA_BYTES);
        if (sqlite3_column_int(q, 2) == PN_SPOOL_STORED && pn_spool_refused(s, &id, "its file is missing", err) != 0)
            break;
    }
    sqlite3_finalize(q);
    return rc == SQLITE_DONE ? 0 : pn_qdb_fail(s->db, s->db_path, "checking", err);
}

static int recover(struct pn_spool *s, struct pn_spool_recovery *rec, struct pn_error *err)
{
    int removed = pn_qfiles_sweep(s->files, keep_file, s);

    if (removed < 0)
        return pn_error_set(err, "%s: reading the folders: %s", s->path, strerror(errno));
    rec->orphans_removed = (uint64_t)removed;
    if (rows_check(s, rec, err) != 0)
        return -1;
    pn_spool_count(s);
    rec->pending = s->totals.pending_records + s->totals.pending_messages;
    return 0;
}

int pn_spool_open(const struct pn_spool_options *o, struct pn_spool **out, struct pn_spool_recovery *recovery,
                  struct pn_error *err)
{
    struct pn_spool_recovery rec = {0};
    char path[288];

    if (strlen(o->path) >= sizeof(((struct pn_spool *)0)->path) || strlen(o->node) >= PN_NAME_BYTES ||
        o->node[0] == '\0')
        return pn_error_set(err, "spool: path or node's name is too long or missing");
    struct pn_spool *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return pn_error_set(err, "no memory");
    s->options = *o;
    if (s->options.message_bytes_max == 0)
        s->options.message_bytes_max = PN_SPOOL_MESSAGE_BYTES_DEFAULT;
    s->lock_fd = s->ballast_fd = -1;
    snprintf(s->path, sizeof(s->path), "%s", o->path);
    snprintf(s->node, sizeof(s->node), "%s", o->node);
    snprintf(s->db_path, sizeof(s->db_path), "%s/spool.db", s->path);
    s->options.path = s->path;
    s->options.node = s->node;
    if (mkdir(s->path, 0700) != 0 && errno != EEXIST) {
        pn_error_set(err, "%s: %s", s->path, strerror(errno));
        goto fail;
    }
    if (pn_qsync_folder_of(s->path, err) != 0) /* without its own name, all in it is lost */
        goto fail;
    snprintf(path, sizeof(path), "%s/lock", s->path);
    s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (s->lock_fd < 0 || flock(s->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        pn_error_set(err, "%s: %s", path, errno == EWOULDBLOCK ? "another process has this spool" : strerror(errno));
        goto fail;
    }
    snprintf(path, sizeof(path), "%s/ballast", s->path);
    s->ballast_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (s->ballast_fd < 0) {
        pn_error_set(err, "%s: %s", path, strerror(errno));
        goto fail;
    }
    struct stat st;
    s->totals.ballast = fstat(s->ballast_fd, &st) == 0 && (uint64_t)st.st_size >= o->ballast_bytes && o->ballast_bytes;
    snprintf(path, sizeof(path), "%s/mail", s->path);
    if (pn_qfiles_open(path, &s->files, err) != 0 || pn_qsync_folder_of(path, err) != 0)
        goto fail;
    if (pn_qdb_open(s->db_path, APPLICATION_ID, schema, 1, &s->db, err) != 0 ||
        pn_qdb_prepare(s->db, s->db_path, sql, s->sql, PN_SPOOL_SQL_COUNT, err) != 0 || recover(s, &rec, err) != 0)
        goto fail;
    if (pn_spool_ballast_fill(s) != 0)
        pn_log_warning("quarantine: %s: no room for the reserve of %llu bytes", s->path,
                       (unsigned long long)o->ballast_bytes);
    if (recovery)
        *recovery = rec;
    *out = s;
    return 0;
fail:
    pn_spool_close(s);
    return -1;
}

void pn_spool_close(struct pn_spool *s)
{
    if (s == NULL)
        return;
    for (unsigned i = 0; i < s->n_queue; i++) {
        struct pn_intake *in = s->queue[i];
        in->result.reason = "the spool was closed";
        if (in->done)
            in->done(in->arg, &in->result);
        pn_spool_abort(in);
    }
    free(s->queue);
    for (unsigned i = 0; i < PN_SPOOL_SQL_COUNT; i++)
        sqlite3_finalize(s->sql[i]);
    sqlite3_close_v2(s->db);
    pn_qfiles_close(s->files);
    if (s->ballast_fd >= 0)
        close(s->ballast_fd);
    if (s->lock_fd >= 0)
        close(s->lock_fd);
    free(s);
}
