/* SPDX-License-Identifier: BSD-3-Clause */
/* Intake: files first, then all rows in one commit, then the answers. */
#include "controlplane/quarantine/spool_internal.h"

#include <errno.h>
#include <stdlib.h>

#include "common/error.h"
#include "common/log.h"
#include "controlplane/quarantine/headers.h"
#include "controlplane/quarantine/words.h"

void pn_spool_configure(struct pn_spool *s, const struct pn_q_limits *limits, uint64_t keep_acked_ms,
                        uint64_t message_bytes_max)
{
    s->options.limits = *limits;
    s->options.keep_acked_ms = keep_acked_ms;
    s->options.message_bytes_max = message_bytes_max ? message_bytes_max : PN_SPOOL_MESSAGE_BYTES_DEFAULT;
}

struct pn_q_verdict pn_spool_admit(struct pn_spool *s, uint64_t want_bytes)
{
    struct pn_q_usage u = {.used_bytes = s->totals.stored_bytes, .acked_bytes = s->totals.acked_bytes};
    uint64_t size;
    unsigned n = 0;

    if (pn_qfiles_free_bytes(s->files, &u.disk_free_bytes, &size) != 0)
        u.disk_free_bytes = 0;
    struct pn_q_verdict v = pn_q_disk_decide(&s->options.limits, &u, want_bytes);
    s->totals.level = v.level;
    if (v.decision != PN_Q_TAKE)
        return v;
    if (v.evict_acked_bytes &&
        pn_spool_remove(s, PN_SPOOL_OLD_ACKED, INT64_MAX, v.evict_acked_bytes, 10000, &n, NULL) < 0)
        v.decision = PN_Q_REFUSE;
    if (v.evict_oldest_bytes) {
        n = 0;
        if (pn_spool_remove(s, PN_SPOOL_OLDEST, INT64_MAX, v.evict_oldest_bytes, 10000, &n, NULL) < 0)
            v.decision = PN_Q_REFUSE;
        if (n)
            pn_log_limited(10000, PN_LOG_WARNING, "quarantine: full: gave up the %u oldest messages by policy", n);
    }
    if (pn_spool_ballast_fill(s) == 0)
        return v;
    s->totals.level = PN_Q_LEVEL_FULL; /* mail must not take the room that the reserve lost */
    v.decision = s->options.limits.policy == PN_Q_DELIVER_TAGGED ? PN_Q_PASS_TAGGED : PN_Q_REFUSE;
    return v;
}

struct pn_intake *pn_spool_begin(struct pn_spool *s, uint64_t size_hint_bytes, bool *full, struct pn_error *err)
{
    struct pn_q_verdict v = pn_spool_admit(s, size_hint_bytes ? size_hint_bytes : 1); /* nothing fits into nothing */

    *full = v.decision != PN_Q_TAKE;
    if (*full) {
        s->totals.full++;
        pn_error_set(err, "the quarantine is full%s", v.decision == PN_Q_PASS_TAGGED ? "; deliver it marked" : "");
        return NULL;
    }
    struct pn_intake *in = calloc(1, sizeof(*in));
    if (in)
        in->tmp = pn_qtmp_begin(s->files);
    if (in == NULL || in->tmp == NULL) {
        free(in);
        pn_error_set(err, "no memory");
        return NULL;
    }
    in->s = s;
    return in;
}

int pn_spool_append(struct pn_intake *in, const void *bytes, size_t len, struct pn_error *err)
{
    uint64_t max = in->s->options.message_bytes_max;

    if (len > max || pn_qtmp_raw_bytes(in->tmp) > max - len)
        return pn_error_set(err, "the message is larger than %llu bytes", (unsigned long long)max);
    return pn_qtmp_append(in->tmp, bytes, len, err);
}

void pn_spool_abort(struct pn_intake *in)
{
    if (in == NULL)
        return;
    pn_qtmp_drop(in->tmp);
    free(in->item);
    free(in);
}

static int enqueue(struct pn_intake *in, const pn_q_item *item, pn_spool_done *done, void *arg, struct pn_error *err)
{
    struct pn_spool *s = in->s;

    if (pn_q_item_check(item, false, err) != 0)
        return -1;
    if (s->n_queue == s->queue_size) {
        unsigned want = s->queue_size ? 2 * s->queue_size : 64;
        struct pn_intake **grown = realloc(s->queue, want * sizeof(*grown));
        if (grown == NULL)
            return pn_error_set(err, "no memory");
        s->queue = grown;
        s->queue_size = want;
    }
    in->item = pn_q_item_encode(item, &in->item_len);
    if (in->item == NULL)
        return pn_error_set(err, "no memory");
    in->done = done;
    in->arg = arg;
    s->queue[s->n_queue++] = in;
    return 0;
}

int pn_spool_end(struct pn_intake *in, const pn_q_item *about, pn_spool_done *done, void *arg, struct pn_error *err)
{
    char subject[4096], from[4096]; /* as encoded words they are longer */
    struct pn_q_words words;
    pn_q_item item = *about;
    size_t len;

    if (pn_qtmp_finish(in->tmp, err) != 0) {
        pn_spool_abort(in);
        return -1;
    }
    const uint8_t *head = pn_qtmp_head(in->tmp, &len);
    pn_q_item_words(&item, &words);
    if (head && item.subject[0] == '\0' && pn_q_headers_find(head, len, "Subject", subject, sizeof(subject))) {
        pn_q_words_decode(subject, words.subject, sizeof(words.subject));
        item.subject = words.subject;
    }
    if (head && item.from[0] == '\0' && pn_q_headers_find(head, len, "From", from, sizeof(from))) {
        pn_q_words_decode(from, words.from, sizeof(words.from));
        item.from = words.from;
    }
    item.kind = PN_Q_MESSAGE;
    item.size_bytes = pn_qtmp_raw_bytes(in->tmp);
    memcpy(in->result.sha, pn_qtmp_sha(in->tmp), PN_Q_SHA_BYTES);
    item.sha256 = (ProtobufCBinaryData){PN_Q_SHA_BYTES, in->result.sha};
    item.node = in->s->node;
    if (item.received_ms == 0)
        item.received_ms = pn_spool_now_ms();
    if (enqueue(in, &item, done, arg, err) != 0) {
        pn_spool_abort(in);
        return -1;
    }
    return 0;
}

int pn_spool_record(struct pn_spool *s, const pn_q_item *record, pn_spool_done *done, void *arg, struct pn_error *err)
{
    struct pn_intake *in = calloc(1, sizeof(*in));
    pn_q_item item = *record;

    if (in == NULL)
        return pn_error_set(err, "no memory");
    in->s = s;
    item.kind = PN_Q_RECORD;
    item.node = s->node;
    item.sha256.len = 0;
    if (item.received_ms == 0)
        item.received_ms = pn_spool_now_ms();
    if (enqueue(in, &item, done, arg, err) != 0) {
        pn_spool_abort(in);
        return -1;
    }
    return 0;
}

unsigned pn_spool_queued(const struct pn_spool *s)
{
    return s->n_queue;
}

static int insert(struct pn_spool *s, struct pn_intake *in, uint64_t sequence, struct pn_error *err)
{
    sqlite3_stmt *q = s->sql[PN_SPOOL_INSERT];
    struct pn_pb_budget budget;
    int rc = -1;

    pn_q_item *item = pn_pb_unpack(&budget, &pn__q__item__descriptor, in->item, in->item_len, SIZE_MAX);
    if (item == NULL)
        return pn_error_set(err, "no memory");
    item->sequence = sequence;
    in->result.sequence = sequence;
    if (in->tmp == NULL) {
        if (pn_q_record_sha(item, in->result.sha) != 0)
            goto out;
        free(item->sha256.data); /* empty when the protobuf had none */
        item->sha256 = (ProtobufCBinaryData){PN_Q_SHA_BYTES, in->result.sha};
    }
    size_t len;
    uint8_t *bytes = pn_q_item_encode(item, &len);
    if (in->tmp == NULL)
        item->sha256 = (ProtobufCBinaryData){0, NULL};
    if (bytes == NULL) {
        pn_error_set(err, "no memory");
        goto out;
    }
    sqlite3_bind_int64(q, 1, (sqlite3_int64)sequence);
    sqlite3_bind_int(q, 2, in->tmp ? PN_Q_MESSAGE : PN_Q_RECORD);
    sqlite3_bind_blob(q, 3, in->result.sha, PN_Q_SHA_BYTES, SQLITE_STATIC);
    sqlite3_bind_int64(q, 4, in->tmp ? (sqlite3_int64)pn_qtmp_file_bytes(in->tmp) : 0);
    sqlite3_bind_int64(q, 5, (sqlite3_int64)pn_spool_now_ms());
    sqlite3_bind_blob64(q, 6, bytes, len, SQLITE_STATIC);
    rc = pn_qdb_run(q) == 0 ? 0 : pn_qdb_fail(s->db, s->db_path, "writing", err);
    free(bytes);
out:
    pn_pb_free(&budget, item);
    return rc;
}

/* A file that no row means any more must go, also when its commit failed; a row from before may mean the same file. */
static void unpublish(struct pn_spool *s, struct pn_intake *in)
{
    sqlite3_stmt *q = s->sql[PN_SPOOL_SHA_LEFT];

    sqlite3_bind_blob(q, 1, in->result.sha, PN_Q_SHA_BYTES, SQLITE_STATIC);
    if (pn_qdb_run(q) == 0)
        pn_qfiles_remove(s->files, in->result.sha);
}

static int commit_rows(struct pn_spool *s, struct pn_intake **queue, unsigned n, const bool *ok, struct pn_error *err)
{
    uint64_t sequence = s->last;

    if (pn_spool_tx_begin(s, err) != 0)
        return -1;
    for (unsigned i = 0; i < n; i++)
        if (ok[i] && insert(s, queue[i], ++sequence, err) != 0)
            return pn_spool_tx_failed(s, "writing", err);
    if (pn_spool_tx_commit(s, err) != 0)
        return -1;
    s->last = sequence;
    return 0;
}

static void count_stored(struct pn_spool *s, const struct pn_intake *in)
{
    struct pn_spool_totals *t = &s->totals;

    t->taken++;
    if (in->tmp == NULL) {
        t->pending_records++;
        return;
    }
    t->pending_messages++;
    t->pending_bytes += pn_qtmp_file_bytes(in->tmp);
    t->stored_bytes += pn_qtmp_file_bytes(in->tmp);
}

unsigned pn_spool_commit(struct pn_spool *s)
{
    unsigned n = s->n_queue, stored = 0, n_tmps = 0;
    struct pn_intake **queue = s->queue;
    struct pn_error file_err = {""}, row_err = {""};

    if (n == 0)
        return 0;
    struct pn_qtmp **tmps = calloc(n, sizeof(*tmps));
    bool *ok = calloc(2 * (size_t)n, sizeof(*ok)), *file_ok = ok + n;
    if (tmps == NULL || ok == NULL) {
        free(tmps);
        free(ok);
        return 0; /* all stay queued */
    }
    s->queue = NULL; /* callbacks may queue anew */
    s->n_queue = s->queue_size = 0;
    for (unsigned i = 0; i < n; i++)
        if (queue[i]->tmp)
            tmps[n_tmps++] = queue[i]->tmp;
    pn_qfiles_publish(s->files, tmps, n_tmps, file_ok, &file_err);
    for (unsigned i = 0, t = 0; i < n; i++)
        ok[i] = queue[i]->tmp == NULL || file_ok[t++];
    pn_spool_row_done(s);
    int rc = commit_rows(s, queue, n, ok, &row_err);
    bool full = rc != 0 && s->was_full;
    if (rc != 0 && pn_spool_tx_again(s)) {
        rc = commit_rows(s, queue, n, ok, &row_err);
        full = rc != 0 && s->was_full;
    }
    for (unsigned i = 0; i < n; i++) {
        struct pn_intake *in = queue[i];
        in->result.ok = ok[i] && rc == 0;
        if (in->result.ok) {
            count_stored(s, in);
            stored++;
        } else {
            s->totals.failed++;
            in->result.full = full;
            in->result.reason = ok[i] ? row_err.text : file_err.text;
            if (in->tmp && (!ok[i] || full)) /* after other errors the rows may still turn up: opening decides */
                unpublish(s, in);
        }
    }
    for (unsigned i = 0; i < n; i++) {
        if (queue[i]->done)
            queue[i]->done(queue[i]->arg, &queue[i]->result);
        pn_spool_abort(queue[i]);
    }
    free(queue);
    free(tmps);
    free(ok);
    return stored;
}
