/* SPDX-License-Identifier: BSD-3-Clause */
/* The PostgreSQL store's connection: made within a bound, checked, locked, its tables brought up to date. */
#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <openssl/rand.h>

#include "common/error.h"
#include "controlplane/quarantine/host_pg.h"

#define CONNECT_MS 3000u
#define MIGRATE_MS 60000u /* making indexes on an old store's tables takes time */
#define SLICE_MS 200u /* how soon a wait notices that it is to end */
#define FAILING_MS 180000u /* nodes try again sooner: what did not fail for so long is over */
#define PAUSE_MIN_MS 1000u
#define PAUSE_MAX_MS 15000u
#define LOCK_TRIES 15u /* a tenth of a second each: a process that just ended leaves its session for a moment */
#define LOCK "1349407080" /* "PnQh" */

uint64_t pn_pg_now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_BOOTTIME, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

int64_t pn_pg_int(const PGresult *r, int row, int column)
{
    uint64_t be;

    if (PQgetisnull(r, row, column) || PQgetlength(r, row, column) != 8)
        return 0;
    memcpy(&be, PQgetvalue(r, row, column), 8);
    return (int64_t)be64toh(be);
}

const char *pn_pg_str(const PGresult *r, int row, int column)
{
    return PQgetisnull(r, row, column) ? "" : PQgetvalue(r, row, column);
}

/* ---- what went wrong ---- */

static const struct {
    const char *state, *words; /* SQLSTATE; while connecting there is none, and only English words are known */
    const char *hint;
} hints[] = {
    {NULL, "password authentication failed", "user and password: libpq's passfile"},
    {NULL, "no password supplied", "a password is wanted: libpq's passfile"},
    {NULL, "does not exist", "createuser, createdb: docs/quarantine.md"},
    {"42501", NULL, "the role needs USAGE and CREATE in a schema of its search_path"},
    {"3F000", NULL, "no schema of its search_path is there"},
    {"25006", NULL, "a standby, or a role or database set read-only"},
};

static const char *hint_of(const char *state, const char *text)
{
    for (unsigned i = 0; i < sizeof(hints) / sizeof(hints[0]); i++)
        if (state ? hints[i].state && strcmp(hints[i].state, state) == 0
                  : hints[i].words && strstr(text, hints[i].words) != NULL)
            return hints[i].hint;
    return NULL;
}

/* libpq's line about connecting, the reason first: lines are cut at their end. */
static void reason_first(const char *said, char *out, size_t size)
{
    static const char begin[] = "connection to server ", parted[] = " failed: ", severe[] = "FATAL:  ";
    const char *at = strncmp(said, begin, sizeof(begin) - 1) == 0 ? strstr(said, parted) : NULL;
    const char *words = at ? at + sizeof(parted) - 1 : said;

    if (strncmp(words, severe, sizeof(severe) - 1) == 0)
        words += sizeof(severe) - 1;
    size_t len = strcspn(words, "\r\n");
    const char *hint = hint_of(NULL, words);
    snprintf(out, size, "%.*s%s%s%s", (int)len, words, hint ? " (" : "", hint ? hint : "", hint ? ")" : "");
    len = strlen(out);
    if (at)
        snprintf(out + len, size - len, ", server %.*s", (int)(at - said - (sizeof(begin) - 1)),
                 said + sizeof(begin) - 1);
}

int pn_pg_fail(struct pn_hostdb *db, const PGresult *r, const char *doing, struct pn_error *err)
{
    const char *text = r ? PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    char line[200];

    if (text == NULL || *text == '\0') {
        text = db->c ? PQerrorMessage(db->c) : db->why;
        reason_first(*text ? text : "the connection was lost", line, sizeof(line));
        return pn_error_set(err, "quarantine.database: PostgreSQL: %s: %s", doing, line);
    }
    const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE), *hint = hint_of(state ? state : "", text);
    return pn_error_set(err, "PostgreSQL: %s: %.*s%s%s%s", doing, (int)strcspn(text, "\r\n"), text, hint ? " (" : "",
                        hint ? hint : "", hint ? ")" : "");
}

/* What comes after the name of the setting, where that is there. */
static const char *bare(const char *text)
{
    static const char begin[] = "PostgreSQL: ";
    const char *at = strstr(text, begin);

    return at ? at + sizeof(begin) - 1 : text;
}

void pn_pg_trouble(struct pn_hostdb *db, enum pn_pg_trouble trouble, const char *why)
{
    snprintf(db->why, sizeof(db->why), "%s", bare(why));
    db->trouble = trouble;
    db->failed_ms = pn_pg_now_ms();
    db->failures++;
}

void pn_pg_health(const struct pn_hostdb *db, struct pn_hostdb_health *out)
{
    bool fine =
        db->trouble == PN_PG_FINE || (db->trouble == PN_PG_FAILING && pn_pg_now_ms() - db->failed_ms > FAILING_MS);

    out->failures = db->failures;
    out->lapses = db->lapses;
    snprintf(out->text, sizeof(out->text), "%s%s",
             fine ? "" : "quarantine.database: PostgreSQL: ", fine ? "" : db->why);
}

/* ---- waiting ---- */

void pn_pg_drop(struct pn_hostdb *db)
{
    if (db->c) {
        int pid = PQbackendPID(db->c);
        db->old_pid = pid ? pid : db->old_pid;
        PQfinish(db->c);
    }
    db->c = NULL;
    db->in_tx = false;
    db->patient = false;
    db->prepared = 0;
}

bool pn_pg_over(const struct pn_hostdb *db, uint64_t end_ms)
{
    uint64_t now = pn_pg_now_ms(), all = db->end_by_ms ? atomic_load(db->end_by_ms) : 0;

    return now >= end_ms || (db->limit_ms && now >= db->limit_ms) || (all && now >= all);
}

bool pn_pg_wait(const struct pn_hostdb *db, PGconn *c, short events, uint64_t end_ms)
{
    struct pollfd p = {.fd = PQsocket(c), .events = events};

    while (p.fd >= 0 && !pn_pg_over(db, end_ms)) {
        int n = poll(&p, 1, SLICE_MS);
        if (n > 0)
            return true;
        if (n < 0 && errno != EINTR)
            return false;
    }
    return false;
}

/* Not at once again: who asks meanwhile hears why, and does not wait. */
static void pause_connecting(struct pn_hostdb *db)
{
    db->pause_ms = db->pause_ms == 0 ? PAUSE_MIN_MS : db->pause_ms * 2 < PAUSE_MAX_MS ? db->pause_ms * 2 : PAUSE_MAX_MS;
    db->retry_ms = pn_pg_now_ms() + db->pause_ms;
}

PGresult *pn_pg_answer(struct pn_hostdb *db, uint32_t wait_ms)
{
    uint64_t end = pn_pg_now_ms() + wait_ms;
    PGresult *last = NULL, *r;
    char why[80] = "the connection was lost";
    int left;

    while ((left = PQflush(db->c)) == 1)
        if (!pn_pg_wait(db, db->c, POLLOUT | POLLIN, end) || PQconsumeInput(db->c) == 0)
            goto lost;
    if (left < 0)
        goto lost;
    for (;;) {
        while (PQisBusy(db->c))
            if (!pn_pg_wait(db, db->c, POLLIN, end) || PQconsumeInput(db->c) == 0)
                goto lost;
        r = PQgetResult(db->c);
        if (r == NULL)
            break;
        /* The last result counts, unless one before says what went wrong. */
        if (last && PQresultStatus(last) == PGRES_FATAL_ERROR) {
            PQclear(r);
            continue;
        }
        PQclear(last);
        last = r;
    }
    if (PQstatus(db->c) == CONNECTION_OK)
        return last;
lost:
    PQclear(last);
    if (PQstatus(db->c) == CONNECTION_OK && pn_pg_over(db, end)) {
        snprintf(why, sizeof(why), "the server does not answer (for %.1f s)", wait_ms / 1e3);
        pause_connecting(db);
    }
    pn_pg_drop(db);
    pn_pg_trouble(db, PN_PG_AWAY, why);
    return NULL;
}

/* ---- setting up ---- */

/* A text without values, several statements are fine. Its result, or NULL with err. */
static PGresult *simple(struct pn_hostdb *db, const char *sql, const char *doing, uint32_t wait_ms,
                        struct pn_error *err)
{
    PGresult *r = db->c && PQsendQuery(db->c, sql) ? pn_pg_answer(db, wait_ms) : NULL;
    ExecStatusType status = r ? PQresultStatus(r) : PGRES_FATAL_ERROR;

    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)
        return r;
    pn_pg_fail(db, r, doing, err);
    PQclear(r);
    return NULL;
}

static int command(struct pn_hostdb *db, const char *sql, const char *doing, struct pn_error *err)
{
    PGresult *r = simple(db, sql, doing, PN_PG_ANSWER_MS, err);

    PQclear(r);
    return r ? 0 : -1;
}

/* The first column of the first row as text, to out. */
static int value(struct pn_hostdb *db, const char *sql, char *out, size_t size, struct pn_error *err)
{
    PGresult *r = simple(db, sql, "preparing", PN_PG_ANSWER_MS, err);

    if (r == NULL)
        return -1;
    snprintf(out, size, "%s", PQntuples(r) ? PQgetvalue(r, 0, 0) : "");
    PQclear(r);
    return 0;
}

/* Settings that would break what is promised are refused here, where someone reads it. */
static int check_server(struct pn_hostdb *db, struct pn_error *err)
{
    char text[32];

    if (PQserverVersion(db->c) < 130000)
        return pn_error_set(err, "PostgreSQL: version 13 or newer is needed");
    if (value(db, "SHOW server_encoding", text, sizeof(text), err) != 0)
        return -1;
    if (strcmp(text, "UTF8") != 0)
        return pn_error_set(err, "PostgreSQL: the database's encoding is %s, it must be UTF8", text);
    if (value(db, "SHOW fsync", text, sizeof(text), err) != 0)
        return -1;
    if (strcmp(text, "on") != 0)
        return pn_error_set(err, "PostgreSQL: the server runs with fsync = off; a power cut would lose mail");
    return command(db,
                   "SET synchronous_commit = on; SET statement_timeout = '" PN_PG_STATEMENT
                   "'; SET lock_timeout = '3s';"
                   "SET idle_in_transaction_session_timeout = '120s'; SET jit = off",
                   "preparing", err);
}

/* One host a store. Our own session before, which the server may not have missed yet, is told to go. */
static int take_lock(struct pn_hostdb *db, struct pn_error *err)
{
    char text[160], got[8] = "";

    for (unsigned try = 0; try < LOCK_TRIES && !pn_pg_over(db, UINT64_MAX); try++) {
        if (value(db, "SELECT pg_try_advisory_lock(" LOCK ")", got, sizeof(got), err) != 0)
            return -1;
        if (got[0] == 't') {
            db->old_pid = 0;
            return 0;
        }
        snprintf(text, sizeof(text),
                 "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = " LOCK
                 " AND pid = %d",
                 db->old_pid);
        if (db->old_pid && value(db, text, got, sizeof(got), err) != 0)
            return -1;
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    }
    return pn_error_set(err, "PostgreSQL: another process has this store");
}

static int migrate(struct pn_hostdb *db, struct pn_error *err)
{
    char text[200];
    uint64_t random;

    if (command(db, "BEGIN; CREATE TABLE IF NOT EXISTS pn_quarantine(version integer NOT NULL)", "preparing", err) !=
            0 ||
        value(db, "SELECT coalesce(max(version), 0) FROM pn_quarantine", text, sizeof(text), err) != 0)
        return -1;
    int have = atoi(text);
    if (have > pn_pg_versions)
        return pn_error_set(err, "PostgreSQL: the store was written by a newer version of Postern");
    if (have < pn_pg_versions && command(db, "SET LOCAL statement_timeout = 0", "preparing", err) != 0)
        return -1;
    for (int v = have; v < pn_pg_versions; v++) {
        PGresult *r = simple(db, pn_pg_schema[v], "making the tables", MIGRATE_MS, err);
        PQclear(r);
        if (r == NULL)
            return -1;
    }
    if (RAND_bytes((unsigned char *)&random, sizeof(random)) != 1)
        return pn_error_set(err, "no randomness");
    snprintf(text, sizeof(text),
             "DELETE FROM pn_quarantine; INSERT INTO pn_quarantine VALUES(%d); INSERT INTO meta"
             " VALUES('store', %llu) ON CONFLICT DO NOTHING; COMMIT",
             pn_pg_versions, (unsigned long long)(random >> 1 | 1));
    if (have < pn_pg_versions)
        return command(db, text, "preparing", err);
    return command(db, "ROLLBACK", "preparing", err);
}

static void say_nothing(void *arg, const char *text)
{
    (void)arg, (void)text;
}

/* A reader makes nothing: the tables are there and of this version, or it fails. */
static int check_tables(struct pn_hostdb *db, struct pn_error *err)
{
    char text[32];

    if (command(db, "SET default_transaction_read_only = on", "preparing", err) != 0 ||
        value(db, "SELECT coalesce(max(version), 0) FROM pn_quarantine", text, sizeof(text), err) != 0)
        return -1;
    return atoi(text) == pn_pg_versions ? 0 : pn_error_set(err, "PostgreSQL: the tables are of another version");
}

/* libpq's words about a string that it cannot read quote it, and that may be the password. */
static int check_where(const char *where, struct pn_error *err)
{
    char *said = NULL;
    PQconninfoOption *options = PQconninfoParse(where, &said);
    bool option = said && strncmp(said, "invalid connection option", 25) == 0;
    int rc = options ? 0
                     : pn_error_set(err, "PostgreSQL: connecting: %.*s", option ? (int)strcspn(said, "\r\n") : 60,
                                    option ? said : "this is no connection string of libpq's (quotes?)");

    PQconninfoFree(options);
    PQfreemem(said);
    return rc;
}

static int begin_connection(struct pn_hostdb *db, struct pn_error *err)
{
    /* Ours first: what `where` says counts. */
    static const char *const words[] = {
        "connect_timeout",  "application_name",          "client_encoding", "keepalives_idle",
        "tcp_user_timeout", "fallback_application_name", "dbname",          NULL};
    const char *values[] = {"3", "postern", "UTF8", "10", "10000", "postern", db->where, NULL};
    uint64_t end = pn_pg_now_ms() + CONNECT_MS;
    PostgresPollingStatusType status = PGRES_POLLING_WRITING;

    if (check_where(db->where, err) != 0)
        return -1;
    db->c = PQconnectStartParams(words, values, 1);
    if (db->c == NULL)
        return pn_error_set(err, "no memory");
    if (PQstatus(db->c) == CONNECTION_BAD)
        return pn_pg_fail(db, NULL, "connecting", err);
    while (status != PGRES_POLLING_OK) {
        if (status == PGRES_POLLING_FAILED)
            return pn_pg_fail(db, NULL, "connecting", err);
        if (!pn_pg_wait(db, db->c, status == PGRES_POLLING_READING ? POLLIN : POLLOUT, end))
            return pn_error_set(err, "PostgreSQL: connecting: no answer within %u s", CONNECT_MS / 1000);
        status = PQconnectPoll(db->c);
    }
    PQsetnonblocking(db->c, 1);
    PQsetNoticeProcessor(db->c, say_nothing, NULL); /* else libpq writes them to stderr */
    return 0;
}

/* A standby or a backup may lack the last change, whatever it has taken since. */
static int check_change(struct pn_hostdb *db, struct pn_error *err)
{
    char text[32];

    if (value(db, "SELECT coalesce(max(value), 0) FROM meta WHERE key = 'change'", text, sizeof(text), err) != 0)
        return -1;
    int64_t last = strtoll(text, NULL, 10);
    bool lapsed = db->change && last != db->change && last != db->changing;
    /* Fewer than any node was told: who does not hear of it now does with a later Welcome. A standby of its own may be away. */
    if (lapsed &&
        command(db, "SET LOCAL synchronous_commit = local; UPDATE node SET accepted = 0", "preparing", err) != 0)
        return -1;
    db->lapses += lapsed;
    db->change = last;
    return 0;
}

/* All that comes before the first question. */
static int connect_and_check(struct pn_hostdb *db, struct pn_error *err)
{
    char text[32];

    if (begin_connection(db, err) != 0 || check_server(db, err) != 0)
        return -1;
    if (db->reader ? check_tables(db, err) != 0 : take_lock(db, err) != 0 || migrate(db, err) != 0)
        return -1;
    if (value(db, "SELECT value FROM meta WHERE key = 'store'", text, sizeof(text), err) != 0)
        return -1;
    uint64_t store = strtoull(text, NULL, 10);
    if (db->store && store != db->store)
        return pn_error_set(err, "PostgreSQL: this is another store than before");
    db->store = store;
    return db->reader ? 0 : check_change(db, err);
}

int pn_pg_ready(struct pn_hostdb *db, struct pn_error *err)
{
    struct pn_error why = {""};
    int old = db->old_pid;

    if (db->c && PQstatus(db->c) == CONNECTION_OK)
        return 0;
    pn_pg_drop(db);
    uint64_t now = pn_pg_now_ms();
    if (now < db->retry_ms)
        return pn_error_set(err, "quarantine.database: PostgreSQL: %s; next try in %u s",
                            db->why[0] ? db->why : "no connection", (unsigned)(db->retry_ms - now + 999) / 1000);
    if (connect_and_check(db, &why) == 0)
        return 0;
    pn_pg_drop(db);
    db->old_pid = old; /* the one that may hold the lock, not the try that failed */
    pn_pg_trouble(db, PN_PG_AWAY, why.text);
    pause_connecting(db);
    return pn_error_set(err, "quarantine.database: PostgreSQL: %s", db->why);
}
