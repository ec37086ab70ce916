/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of the PostgreSQL store share. A connection is one session that holds an advisory lock, so one host has
 * the store. Every wait is bounded; a connection that broke is made anew with the next call, but not more often than its
 * pause allows.
 */
#ifndef POSTERN_QUARANTINE_HOST_PG_H
#define POSTERN_QUARANTINE_HOST_PG_H

#include <libpq-fe.h>

#include "controlplane/quarantine/host_words.h"
#include "controlplane/quarantine/hostdb.h"

#define PN_PG_VALUES_MAX 24

enum pn_pg_trouble {
    PN_PG_FINE,
    PN_PG_AWAY, /* over with the next answer */
    PN_PG_FAILING /* it answers and does not do it, a full disk for example: over with the next change that is made */
};

struct pn_hostdb {
    PGconn *c; /* NULL: none now */
    char where[1024]; /* as libpq says it; may have a password: never shown */
    bool reader; /* without the lock, and read-only */
    const atomic_uint_least64_t *end_by_ms; /* of the options */
    uint64_t limit_ms; /* CLOCK_BOOTTIME: no waiting after; 0: none */
    bool in_tx;
    int old_pid; /* our last session's, which may still hold the lock; 0: none */
    uint64_t retry_ms; /* CLOCK_BOOTTIME: no connecting before */
    uint32_t pause_ms;
    enum pn_pg_trouble trouble;
    char why[200]; /* of that */
    uint64_t failed_ms, failures, lapses;
    int64_t change; /* number of the last one that is known to be made; 0: none yet */
    int64_t changing; /* of the one that is, or was last, being made */
    uint64_t store;
    uint32_t prepared; /* bits of pn_pg_sql */
    bool patient; /* pn_pg_patience() */
    struct pn_qwords *words;
};

enum pn_pg_sql {
    PN_PG_KNOWN,
    PN_PG_ACCEPTED,
    PN_PG_INSERT,
    PN_PG_GET,
    PN_PG_STATE,
    PN_PG_FLAG,
    PN_PG_AUDIT,
    PN_PG_SHA_USED,
    PN_PG_PURGE,
    PN_PG_TOTALS,
    PN_PG_NODE_TOTALS,
    PN_PG_AUDIT_LIST,
    PN_PG_REPORT_COUNT,
    PN_PG_REPORT_NAME,
    PN_PG_REPORT_PURGE,
    PN_PG_DUE,
    PN_PG_DUE_MARK,
    PN_PG_DUE_CLEAR,
    PN_PG_MARK_GET,
    PN_PG_MARK_SET,
    PN_PG_CHANGE_NOTE,
    PN_PG_CHANGE_LAST,
    PN_PG_COUNT
};

/* Values of a statement; texts and bytes are the caller's until it ran. */
struct pn_pg_values {
    const char *value[PN_PG_VALUES_MAX];
    int length[PN_PG_VALUES_MAX], format[PN_PG_VALUES_MAX];
    char number[PN_PG_VALUES_MAX][24];
    int n;
};
void pn_pg_text(struct pn_pg_values *v, const char *text); /* NULL is NULL */
void pn_pg_number(struct pn_pg_values *v, int64_t number);
void pn_pg_count(struct pn_pg_values *v, uint64_t number); /* cut to what a bigint holds */
void pn_pg_bytes(struct pn_pg_values *v, const void *bytes, size_t len);
/* malloc()ed array literal; NULL: no memory. */
char *pn_pg_array(const char *const *texts, size_t n);

/* host_pg_run.c: rows (clear them), or NULL with err. Outside a change a lost connection is made anew once. */
PGresult *pn_pg_run(struct pn_hostdb *db, enum pn_pg_sql which, const struct pn_pg_values *v, struct pn_error *err);
PGresult *pn_pg_ask(struct pn_hostdb *db, const char *sql, const struct pn_pg_values *v, struct pn_error *err);
/* Statements from here on may take as long as a report's do, or not. -1 with err. */
int pn_pg_patience(struct pn_hostdb *db, bool report, struct pn_error *err);
extern const char *const pn_pg_sql_text[PN_PG_COUNT]; /* host_pg_sql.c */
extern const char *const pn_pg_schema[];
extern const int pn_pg_versions;

/* host_pg_conn.c */
int pn_pg_ready(struct pn_hostdb *db, struct pn_error *err); /* there is a connection */
void pn_pg_drop(struct pn_hostdb *db);
/*
 * The answer to what was sent, within wait_ms; NULL: none, the connection is dropped, and after a silence none is made
 * for a while.
 */
PGresult *pn_pg_answer(struct pn_hostdb *db, uint32_t wait_ms);
int pn_pg_fail(struct pn_hostdb *db, const PGresult *r, const char *doing, struct pn_error *err); /* -1 */
bool pn_pg_wait(const struct pn_hostdb *db, PGconn *c, short events, uint64_t end_ms); /* false: time is up */
bool pn_pg_over(const struct pn_hostdb *db, uint64_t end_ms); /* no more waiting */
/* Another thing that did not work; why: one line. */
void pn_pg_trouble(struct pn_hostdb *db, enum pn_pg_trouble trouble, const char *why);
void pn_pg_health(const struct pn_hostdb *db, struct pn_hostdb_health *out);
uint64_t pn_pg_now_ms(void);
#define PN_PG_ANSWER_MS 4000u /* a statement; more than statement_timeout: then the server or the way to it is gone */
#define PN_PG_STATEMENT "3500ms"
#define PN_PG_REPORT_MS 15000u /* the same for a report, which reads much */
#define PN_PG_REPORT "14s"

/* Columns of a binary result. */
int64_t pn_pg_int(const PGresult *r, int row, int column); /* of a bigint */
const char *pn_pg_str(const PGresult *r, int row, int column);

/* host_pg_find.c, host_pg_count.c */
int pn_pg_find(struct pn_hostdb *db, const struct pn_host_query *q, pn_host_each *each, void *arg,
               struct pn_error *err);
int pn_pg_get(struct pn_hostdb *db, uint64_t number, pn_host_each *each, void *arg, struct pn_error *err);
int pn_pg_totals(struct pn_hostdb *db, struct pn_hostdb_totals *out);
int pn_pg_node_totals(struct pn_hostdb *db, pn_host_node_each *each, void *arg);
int pn_pg_audit_list(struct pn_hostdb *db, uint64_t number, pn_host_audit_each *each, void *arg, struct pn_error *err);
int pn_pg_report(struct pn_hostdb *db, struct pn_report *into, struct pn_error *err);
int pn_pg_report_purge(struct pn_hostdb *db, uint64_t before_ms, struct pn_error *err);
int pn_pg_due(struct pn_hostdb *db, uint64_t low, uint64_t top, const char *after, unsigned limit,
              pn_host_due_each *each, void *arg, struct pn_error *err);
int pn_pg_due_mark(struct pn_hostdb *db, const char *address, uint64_t upto, struct pn_error *err);
int pn_pg_due_clear(struct pn_hostdb *db, uint64_t upto, struct pn_error *err);
int pn_pg_mark_get(struct pn_hostdb *db, const char *name, uint64_t *value);
int pn_pg_mark_set(struct pn_hostdb *db, const char *name, uint64_t value, struct pn_error *err);

#endif
