/* SPDX-License-Identifier: BSD-3-Clause */
/* The PostgreSQL store: statements with their values. */
#include <stdio.h>
#include <stdlib.h>

#include "common/error.h"
#include "controlplane/quarantine/host_pg.h"

/* --- values --- */

static void put(struct pn_pg_values *v, const char *value, size_t len, int format)
{
    if (v->n < PN_PG_VALUES_MAX) {
        v->value[v->n] = value;
        v->length[v->n] = (int)len;
        v->format[v->n++] = format;
    }
}

void pn_pg_text(struct pn_pg_values *v, const char *text)
{
    put(v, text, 0, 0);
}

void pn_pg_number(struct pn_pg_values *v, int64_t number)
{
    char *text = v->number[v->n < PN_PG_VALUES_MAX ? v->n : 0];

    snprintf(text, sizeof(v->number[0]), "%lld", (long long)number);
    put(v, text, 0, 0);
}

void pn_pg_count(struct pn_pg_values *v, uint64_t number)
{
    pn_pg_number(v, number > INT64_MAX ? INT64_MAX : (int64_t)number);
}

void pn_pg_bytes(struct pn_pg_values *v, const void *bytes, size_t len)
{
    put(v, bytes, len, 1);
}

char *pn_pg_array(const char *const *texts, size_t n)
{
    char *out = NULL;
    size_t size;
    FILE *f = open_memstream(&out, &size);

    if (f == NULL)
        return NULL;
    fputc('{', f);
    for (size_t i = 0; i < n; i++) {
        fputs(i ? ",\"" : "\"", f);
        for (const char *p = texts[i]; *p; p++) {
            if (*p == '"' || *p == '\\')
                fputc('\\', f);
            fputc(*p, f);
        }
        fputc('"', f);
    }
    fputc('}', f);
    bool failed = ferror(f);
    if (fclose(f) != 0 || failed) {
        free(out);
        return NULL;
    }
    return out;
}

/* --- statements --- */

/* Is it the server's fault, not that of the item that it was given? Then the others will not fare better. */
static bool server_fault(const char *state)
{
    static const char *const of_items[] = {"21", "22", "23"}; /* cardinality, data, integrity */

    for (unsigned i = 0; i < sizeof(of_items) / sizeof(of_items[0]); i++)
        if (state && strncmp(state, of_items[i], 2) == 0)
            return false;
    return true;
}

static PGresult *good(struct pn_hostdb *db, enum pn_pg_sql which, PGresult *r, struct pn_error *err)
{
    ExecStatusType status = r ? PQresultStatus(r) : PGRES_FATAL_ERROR;
    struct pn_error why;

    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) {
        db->pause_ms = 0;
        if (db->trouble == PN_PG_AWAY)
            db->trouble = PN_PG_FINE;
        return r;
    }
    pn_pg_fail(db, r, "asking", &why);
    if (r && server_fault(PQresultErrorField(r, PG_DIAG_SQLSTATE)))
        pn_pg_trouble(db, which == PN_PG_INSERT ? PN_PG_FAILING : db->trouble, why.text);
    pn_error_set(err, "%s", why.text);
    PQclear(r);
    return NULL;
}

static PGresult *run_once(struct pn_hostdb *db, enum pn_pg_sql which, const struct pn_pg_values *v, uint32_t wait_ms)
{
    char name[16];

    snprintf(name, sizeof(name), "s%u", (unsigned)which);
    if (!(db->prepared & 1u << which)) {
        PGresult *r = PQsendPrepare(db->c, name, pn_pg_sql_text[which], 0, NULL) ? pn_pg_answer(db, wait_ms) : NULL;
        if (r == NULL || PQresultStatus(r) != PGRES_COMMAND_OK)
            return r;
        PQclear(r);
        db->prepared |= 1u << which;
    }
    return PQsendQueryPrepared(db->c, name, v->n, v->value, v->length, v->format, 1) ? pn_pg_answer(db, wait_ms) : NULL;
}

static PGresult *once(struct pn_hostdb *db, enum pn_pg_sql which, const char *sql, const struct pn_pg_values *v)
{
    uint32_t wait_ms = db->patient ? PN_PG_REPORT_MS : PN_PG_ANSWER_MS;

    if (which < PN_PG_COUNT)
        return run_once(db, which, v, wait_ms);
    return PQsendQueryParams(db->c, sql, v->n, NULL, v->value, v->length, v->format, 1) ? pn_pg_answer(db, wait_ms)
                                                                                        : NULL;
}

static PGresult *run(struct pn_hostdb *db, enum pn_pg_sql which, const char *sql, const struct pn_pg_values *v,
                     struct pn_error *err)
{
    bool in_tx = db->in_tx;

    if (!in_tx && pn_pg_ready(db, err) != 0)
        return NULL;
    if (db->c == NULL) {
        pn_pg_fail(db, NULL, "asking", err);
        return NULL;
    }
    PGresult *r = once(db, which, sql, v);
    /* A server that was restarted since the last call: a question may simply be asked again. Not one that is silent. */
    if (r == NULL && !in_tx && db->c == NULL && pn_pg_now_ms() >= db->retry_ms) {
        if (pn_pg_ready(db, err) != 0)
            return NULL;
        r = once(db, which, sql, v);
    }
    return good(db, which, r, err);
}

PGresult *pn_pg_run(struct pn_hostdb *db, enum pn_pg_sql which, const struct pn_pg_values *v, struct pn_error *err)
{
    return run(db, which, NULL, v, err);
}

PGresult *pn_pg_ask(struct pn_hostdb *db, const char *sql, const struct pn_pg_values *v, struct pn_error *err)
{
    return run(db, PN_PG_COUNT, sql, v, err);
}

int pn_pg_patience(struct pn_hostdb *db, bool report, struct pn_error *err)
{
    static const struct pn_pg_values none = {.n = 0};
    PGresult *r = pn_pg_ask(
        db, report ? "SET statement_timeout = '" PN_PG_REPORT "'" : "SET statement_timeout = '" PN_PG_STATEMENT "'",
        &none, err);

    db->patient = r && report;
    PQclear(r);
    return r ? 0 : -1;
}
