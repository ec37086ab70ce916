/* SPDX-License-Identifier: BSD-3-Clause */
/* The PostgreSQL store: statements with their values. */
#include <stdio.h>
#include <stdlib.h>

#include "common/error.h"
#include "controlplane/quarantine/host_pg.h"

#define ANSWER_MS 20000u /* more than statement_timeout: then the server or the way to it is gone */

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

static PGresult *good(struct pn_hostdb *db, PGresult *r, struct pn_error *err)
{
    ExecStatusType status = r ? PQresultStatus(r) : PGRES_FATAL_ERROR;

    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)
        return r;
    pn_pg_fail(db, r, "asking", err);
    PQclear(r);
    return NULL;
}

static PGresult *run_once(struct pn_hostdb *db, enum pn_pg_sql which, const struct pn_pg_values *v)
{
    char name[16];

    snprintf(name, sizeof(name), "s%u", (unsigned)which);
    if (!(db->prepared & 1u << which)) {
        PGresult *r = PQsendPrepare(db->c, name, pn_pg_sql_text[which], 0, NULL) ? pn_pg_answer(db, ANSWER_MS) : NULL;
        if (r == NULL || PQresultStatus(r) != PGRES_COMMAND_OK)
            return r;
        PQclear(r);
        db->prepared |= 1u << which;
    }
    return PQsendQueryPrepared(db->c, name, v->n, v->value, v->length, v->format, 1) ? pn_pg_answer(db, ANSWER_MS)
                                                                                     : NULL;
}

static PGresult *once(struct pn_hostdb *db, enum pn_pg_sql which, const char *sql, const struct pn_pg_values *v)
{
    if (which < PN_PG_COUNT)
        return run_once(db, which, v);
    return PQsendQueryParams(db->c, sql, v->n, NULL, v->value, v->length, v->format, 1) ? pn_pg_answer(db, ANSWER_MS)
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
    /* A server that was restarted since the last call: a question may simply be asked again. */
    if (r == NULL && !in_tx && db->c == NULL && pn_pg_ready(db, err) == 0)
        r = once(db, which, sql, v);
    return good(db, r, err);
}

PGresult *pn_pg_run(struct pn_hostdb *db, enum pn_pg_sql which, const struct pn_pg_values *v, struct pn_error *err)
{
    return run(db, which, NULL, v, err);
}

PGresult *pn_pg_ask(struct pn_hostdb *db, const char *sql, const struct pn_pg_values *v, struct pn_error *err)
{
    return run(db, PN_PG_COUNT, sql, v, err);
}
