/* SPDX-License-Identifier: BSD-3-Clause */
/* The PostgreSQL store: changes. */
#include "controlplane/quarantine/host_pg.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <openssl/rand.h>

#include "common/error.h"
#include "controlplane/quarantine/headers.h"

#define OUTCOME_MS 4000u /* how long a commit's outcome is asked for after the connection was lost */

/* Rows of a statement, -1 with err. */
static int rows(struct pn_hostdb *db, enum pn_pg_sql which, const struct pn_pg_values *v, struct pn_error *err)
{
    PGresult *r = pn_pg_run(db, which, v, err);
    int n = r ? PQntuples(r) : -1;

    PQclear(r);
    return n;
}

/* --- opening --- */

static void db_close(struct pn_hostdb *db)
{
    pn_pg_drop(db);
    pn_qwords_free(db->words);
    free(db);
}

static int db_open(const struct pn_hostdb_options *o, struct pn_hostdb **out, struct pn_error *err)
{
    struct pn_hostdb *db = calloc(1, sizeof(*db));

    if (db == NULL)
        return pn_error_set(err, "no memory");
    if (strlen(o->where) >= sizeof(db->where)) {
        free(db);
        return pn_error_set(err, "quarantine.database: PostgreSQL: how to connect is too long");
    }
    snprintf(db->where, sizeof(db->where), "%s", o->where);
    db->reader = o->reader;
    db->end_by_ms = o->end_by_ms;
    db->words = pn_qwords_new(err);
    if (db->words == NULL || pn_pg_ready(db, err) != 0) {
        db_close(db);
        return -1;
    }
    *out = db;
    return 0;
}

/* --- changes --- */

static int db_begin(struct pn_hostdb *db, struct pn_error *err)
{
    static const struct pn_pg_values none = {.n = 0};
    PGresult *r = db->in_tx ? NULL : pn_pg_ask(db, "BEGIN", &none, err);

    if (db->in_tx)
        return pn_error_set(err, "PostgreSQL: a change is under way");
    db->in_tx = r != NULL;
    PQclear(r);
    return db->in_tx ? 0 : -1;
}

static void db_rollback(struct pn_hostdb *db)
{
    static const struct pn_pg_values none = {.n = 0};

    if (db->in_tx && db->c) {
        PGresult *r = pn_pg_ask(db, "ROLLBACK", &none, NULL);
        if (r == NULL)
            pn_pg_drop(db); /* the session's end is one, too */
        PQclear(r);
    }
    db->in_tx = false;
}

/*
 * Each change notes a number of its own in the store, so that a new session sees whether it was made. Its xid would not
 * say that: after a failover or a restore it is another transaction's. 1: noted, 0: nothing was changed, -1 with err.
 */
static int change_note(struct pn_hostdb *db, int64_t *change, struct pn_error *err)
{
    struct pn_pg_values v = {.n = 0};
    uint64_t random;

    if (RAND_bytes((unsigned char *)&random, sizeof(random)) != 1)
        return pn_error_set(err, "no randomness");
    *change = (int64_t)(random >> 1);
    pn_pg_number(&v, *change);
    return rows(db, PN_PG_CHANGE_NOTE, &v, err);
}

/*
 * The connection was lost with the answer to COMMIT: the store has the number of the change, or not. A new session has the
 * advisory lock, so the one before has ended with all it did.
 */
static int outcome(struct pn_hostdb *db, int64_t change, struct pn_error *err)
{
    static const struct pn_pg_values none = {.n = 0};
    uint64_t end = pn_pg_now_ms() + OUTCOME_MS;

    db->limit_ms = end;
    while (!pn_pg_over(db, end)) {
        db->retry_ms = db->pause_ms = 0;
        PGresult *r = pn_pg_run(db, PN_PG_CHANGE_LAST, &none, NULL);
        if (r) {
            bool made = PQntuples(r) == 1 && pn_pg_int(r, 0, 0) == change;
            PQclear(r);
            db->limit_ms = 0;
            return made ? 0 : pn_error_set(err, "PostgreSQL: the connection was lost, the change was not made");
        }
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    }
    db->limit_ms = 0;
    return pn_error_set(err, "PostgreSQL: the connection was lost, it is not known whether the change was made");
}

static int db_commit(struct pn_hostdb *db, struct pn_error *err)
{
    static const struct pn_pg_values none = {.n = 0};
    int64_t change = 0;

    if (!db->in_tx || db->c == NULL) {
        db->in_tx = false;
        return pn_error_set(err, "PostgreSQL: the connection was lost, the change was not made");
    }
    int noted = change_note(db, &change, err);
    if (noted < 0) {
        db_rollback(db);
        return -1;
    }
    if (noted)
        db->changing = change;
    PGresult *r = pn_pg_ask(db, "COMMIT", &none, err);
    db->in_tx = false;
    /* It could not be sent: what stays open holds its locks, and looks made to this session alone. */
    if (r == NULL && db->c && PQtransactionStatus(db->c) != PQTRANS_IDLE)
        pn_pg_drop(db);
    if (r == NULL)
        return noted && db->c == NULL ? outcome(db, change, err) : noted ? -1 : 0;
    bool done = strcmp(PQcmdStatus(r), "COMMIT") == 0; /* a failed transaction is answered ROLLBACK */
    PQclear(r);
    if (done && noted) {
        db->change = change;
        db->trouble = PN_PG_FINE;
    }
    return done ? 0 : pn_error_set(err, "PostgreSQL: the change was not made");
}

static uint64_t db_store(struct pn_hostdb *db)
{
    return db->store;
}

static int db_accepted(struct pn_hostdb *db, const char *node, uint64_t *count)
{
    struct pn_pg_values v = {.n = 0};

    pn_pg_text(&v, node);
    PGresult *r = pn_pg_run(db, PN_PG_ACCEPTED, &v, NULL);
    if (r == NULL)
        return -1;
    *count = PQntuples(r) ? (uint64_t)pn_pg_int(r, 0, 0) : 0;
    PQclear(r);
    return 0;
}

static int db_known(struct pn_hostdb *db, const char *node, const struct pn_q_id *id)
{
    struct pn_pg_values v = {.n = 0};

    pn_pg_text(&v, node);
    pn_pg_count(&v, id->sequence);
    pn_pg_bytes(&v, id->sha, PN_Q_SHA_BYTES);
    return rows(db, PN_PG_KNOWN, &v, NULL);
}

/* Clean and lower case: PostgreSQL takes no other bytes than UTF-8. malloc()ed. */
static char *lower(const char *text)
{
    size_t size = strlen(text) + 1;
    char *out = malloc(size);

    if (out == NULL)
        return NULL;
    pn_q_text_clean((const uint8_t *)text, size - 1, out, size);
    for (char *p = out; *p; p++)
        if ((unsigned char)*p < 0x80)
            *p = (char)tolower((unsigned char)*p);
    return out;
}

struct texts { /* what an insert needs beside the item */
    char *sender, *rule, **recipients, *words, *addresses, *lists, *names;
    size_t n_recipients;
    char events[16];
};

static void texts_free(struct texts *t)
{
    for (size_t i = 0; t->recipients && i < t->n_recipients; i++)
        free(t->recipients[i]);
    free(t->recipients);
    free(t->sender);
    free(t->rule);
    free(t->words);
    free(t->addresses);
    free(t->lists);
    free(t->names);
}

/* The names that reports list, as two arrays side by side. */
static bool texts_names(struct texts *t, bool named)
{
    const char **list = calloc(t->n_recipients + 2, sizeof(*list)), **name = calloc(t->n_recipients + 2, sizeof(*name));
    static const char *const numbers[PN_REPORT_TOP_COUNT] = {
        [PN_REPORT_SENDERS] = "0", [PN_REPORT_RECIPIENTS] = "1", [PN_REPORT_RULES] = "2"};
    size_t n = 0;

    if (list && name && named) {
        if (t->sender[0])
            list[n] = numbers[PN_REPORT_SENDERS], name[n++] = t->sender;
        if (t->rule[0])
            list[n] = numbers[PN_REPORT_RULES], name[n++] = t->rule;
        for (size_t i = 0; i < t->n_recipients; i++)
            if (t->recipients[i][0])
                list[n] = numbers[PN_REPORT_RECIPIENTS], name[n++] = t->recipients[i];
    }
    if (list && name) {
        t->lists = pn_pg_array(list, n);
        t->names = pn_pg_array(name, n);
    }
    free(list);
    free(name);
    return t->lists && t->names;
}

static bool texts_addresses(struct texts *t)
{
    const char **all = calloc(2 * t->n_recipients + 1, sizeof(*all));
    size_t n = 0;

    for (size_t i = 0; all && i < t->n_recipients; i++) {
        const char *at = strrchr(t->recipients[i], '@');
        all[n++] = t->recipients[i];
        if (at && at != t->recipients[i])
            all[n++] = at; /* "@domain" stands in the same table */
    }
    t->addresses = all ? pn_pg_array(all, n) : NULL;
    free(all);
    return t->addresses != NULL;
}

static bool texts_make(struct pn_hostdb *db, struct texts *t, const pn_q_item *item, const char *headers)
{
    unsigned events[2], n = pn_report_events(item, events);
    size_t rule_size = strlen(item->rule) + 1;

    snprintf(t->events, sizeof(t->events),
             n == 0   ? "{}"
             : n == 1 ? "{%u}"
                      : "{%u,%u}",
             n ? events[0] : 0, n > 1 ? events[1] : 0);
    t->sender = lower(item->sender);
    t->rule = malloc(rule_size);
    t->recipients = calloc(item->n_recipients + 1, sizeof(*t->recipients));
    if (t->sender == NULL || t->rule == NULL || t->recipients == NULL)
        return false;
    pn_q_text_clean((const uint8_t *)item->rule, rule_size - 1, t->rule, rule_size);
    for (size_t i = 0; i < item->n_recipients; i++) {
        t->recipients[i] = lower(item->recipients[i]);
        if (t->recipients[i] == NULL)
            return false;
        t->n_recipients++;
    }
    if (item->kind == PN_Q_MESSAGE) {
        t->words = pn_qwords_vector(db->words, item->subject, item->reason, headers);
        if (t->words == NULL)
            return false;
    }
    return texts_addresses(t) && texts_names(t, pn_report_named(item));
}

static int db_insert(struct pn_hostdb *db, const pn_q_item *item, uint64_t file_bytes, const char *headers,
                     uint64_t now_ms, struct pn_error *err)
{
    struct pn_pg_values v = {.n = 0};
    struct texts t = {.sender = NULL};
    size_t len = 0;
    uint8_t *body = pn_q_item_encode(item, &len);
    int n = -1;

    if (body == NULL || !texts_make(db, &t, item, headers)) {
        pn_error_set(err, "no memory");
    } else {
        const char *at = strrchr(t.sender, '@');
        pn_pg_text(&v, item->node);
        pn_pg_count(&v, item->sequence);
        pn_pg_bytes(&v, item->sha256.data, item->sha256.len);
        pn_pg_number(&v, item->kind);
        pn_pg_number(&v, item->event);
        pn_pg_count(&v, item->received_ms);
        pn_pg_count(&v, now_ms);
        pn_pg_count(&v, file_bytes);
        pn_pg_count(&v, item->size_bytes);
        pn_pg_text(&v, t.sender);
        pn_pg_text(&v, at ? at : "");
        pn_pg_text(&v, t.rule);
        pn_pg_bytes(&v, body, len);
        pn_pg_text(&v, t.words);
        pn_pg_text(&v, t.addresses);
        pn_pg_count(&v, item->received_ms / PN_REPORT_HOUR_MS);
        pn_pg_text(&v, t.events);
        pn_pg_text(&v, t.lists);
        pn_pg_text(&v, t.names);
        n = rows(db, PN_PG_INSERT, &v, err);
    }
    texts_free(&t);
    free(body);
    return n < 0 ? -1 : n > 0;
}

static int db_state_set(struct pn_hostdb *db, uint64_t number, enum pn_host_state state, uint64_t now_ms,
                        struct pn_error *err)
{
    struct pn_pg_values v = {.n = 0};

    pn_pg_count(&v, number);
    pn_pg_number(&v, state);
    pn_pg_count(&v, now_ms / PN_REPORT_HOUR_MS);
    return rows(db, PN_PG_STATE, &v, err);
}

static int db_flag_set(struct pn_hostdb *db, uint64_t number, enum pn_host_flag flag, bool on, struct pn_error *err)
{
    struct pn_pg_values v = {.n = 0};

    pn_pg_count(&v, number);
    pn_pg_number(&v, flag);
    pn_pg_number(&v, on);
    return rows(db, PN_PG_FLAG, &v, err);
}

static int db_audit(struct pn_hostdb *db, uint64_t number, const char *what, const char *who, const char *detail,
                    uint64_t now_ms, struct pn_error *err)
{
    const char *texts[] = {what, who ? who : "", detail ? detail : ""};
    char clean[3][PN_Q_TEXT_MAX + 1];
    struct pn_pg_values v = {.n = 0};

    pn_pg_count(&v, number);
    for (unsigned i = 0; i < 3; i++) {
        pn_q_text_clean((const uint8_t *)texts[i], strlen(texts[i]), clean[i], sizeof(clean[i]));
        pn_pg_text(&v, clean[i]);
    }
    pn_pg_count(&v, now_ms);
    return rows(db, PN_PG_AUDIT, &v, err) < 0 ? -1 : 0;
}

static int db_sha_used(struct pn_hostdb *db, const uint8_t sha[PN_Q_SHA_BYTES])
{
    struct pn_pg_values v = {.n = 0};

    pn_pg_bytes(&v, sha, PN_Q_SHA_BYTES);
    return rows(db, PN_PG_SHA_USED, &v, NULL);
}

static int db_purge(struct pn_hostdb *db, const struct pn_host_purge *p, pn_host_gone *gone, void *arg,
                    struct pn_error *err)
{
    struct pn_pg_values v = {.n = 0};

    pn_pg_count(&v, p->received_before_ms);
    pn_pg_number(&v, p->kind);
    pn_pg_number(&v, p->event);
    pn_pg_number(&v, p->state);
    pn_pg_text(&v, p->node);
    pn_pg_number(&v, p->max);
    PGresult *r = pn_pg_run(db, PN_PG_PURGE, &v, err);
    if (r == NULL)
        return -1;
    int n = PQntuples(r);
    for (int i = 0; i < n && p->kind == PN_Q_MESSAGE; i++)
        if (PQgetlength(r, i, 0) == (int)PN_Q_SHA_BYTES)
            gone(arg, (const uint8_t *)PQgetvalue(r, i, 0), (uint64_t)pn_pg_int(r, i, 1));
    PQclear(r);
    return n;
}

const struct pn_hostdb_ops pn_hostdb_postgresql = {
    .name = "postgresql",
    .open = db_open,
    .close = db_close,
    .health = pn_pg_health,
    .begin = db_begin,
    .commit = db_commit,
    .rollback = db_rollback,
    .store = db_store,
    .accepted = db_accepted,
    .known = db_known,
    .insert = db_insert,
    .find = pn_pg_find,
    .get = pn_pg_get,
    .state_set = db_state_set,
    .flag_set = db_flag_set,
    .audit = db_audit,
    .sha_used = db_sha_used,
    .purge = db_purge,
    .totals = pn_pg_totals,
    .node_totals = pn_pg_node_totals,
    .audit_list = pn_pg_audit_list,
    .report = pn_pg_report,
    .report_purge = pn_pg_report_purge,
    .due = pn_pg_due,
    .due_mark = pn_pg_due_mark,
    .due_clear = pn_pg_due_clear,
    .mark_get = pn_pg_mark_get,
    .mark_set = pn_pg_mark_set,
};
