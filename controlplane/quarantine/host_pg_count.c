/* SPDX-License-Identifier: BSD-3-Clause */
/* The PostgreSQL store: totals, reports, digests, lists of what was done, small numbers. */
#include <ctype.h>
#include <stdio.h>

#include "common/error.h"
#include "controlplane/quarantine/headers.h"
#include "controlplane/quarantine/host_pg.h"

static uint64_t column(const PGresult *r, int row, int at)
{
    int64_t n = pn_pg_int(r, row, at);

    return n > 0 ? (uint64_t)n : 0;
}

/* A change with one statement. */
static int change(struct pn_hostdb *db, enum pn_pg_sql which, const struct pn_pg_values *v, struct pn_error *err)
{
    PGresult *r = pn_pg_run(db, which, v, err);

    PQclear(r);
    return r ? 0 : -1;
}

int pn_pg_totals(struct pn_hostdb *db, struct pn_hostdb_totals *out)
{
    static const struct pn_pg_values none = {.n = 0};
    PGresult *r = pn_pg_run(db, PN_PG_TOTALS, &none, NULL);

    if (r == NULL)
        return -1;
    *out =
        (struct pn_hostdb_totals){column(r, 0, 0), column(r, 0, 1), column(r, 0, 2), column(r, 0, 3), column(r, 0, 4)};
    PQclear(r);
    return 0;
}

int pn_pg_node_totals(struct pn_hostdb *db, pn_host_node_each *each, void *arg)
{
    static const struct pn_pg_values none = {.n = 0};
    PGresult *r = pn_pg_run(db, PN_PG_NODE_TOTALS, &none, NULL);

    if (r == NULL)
        return -1;
    for (int i = 0; i < PQntuples(r); i++) {
        struct pn_hostdb_totals t = {.items = column(r, i, 1),
                                     .messages = column(r, i, 2),
                                     .file_bytes = column(r, i, 3),
                                     .waiting = column(r, i, 4)};
        if (each(arg, pn_pg_str(r, i, 0), &t) != 0)
            break;
    }
    PQclear(r);
    return 0;
}

int pn_pg_audit_list(struct pn_hostdb *db, uint64_t number, pn_host_audit_each *each, void *arg, struct pn_error *err)
{
    struct pn_pg_values v = {.n = 0};

    pn_pg_count(&v, number);
    PGresult *r = pn_pg_run(db, PN_PG_AUDIT_LIST, &v, err);
    if (r == NULL)
        return -1;
    for (int i = 0; i < PQntuples(r); i++) {
        struct pn_host_audit a = {.number = column(r, i, 0),
                                  .at_ms = column(r, i, 1),
                                  .what = pn_pg_str(r, i, 2),
                                  .who = pn_pg_str(r, i, 3),
                                  .detail = pn_pg_str(r, i, 4)};
        if (each(arg, &a) != 0)
            break;
    }
    PQclear(r);
    return 0;
}

static int report(struct pn_hostdb *db, struct pn_report *into, struct pn_error *err)
{
    struct pn_pg_values v = {.n = 0};
    int memory = 0;

    pn_pg_count(&v, into->from_ms / PN_REPORT_HOUR_MS);
    pn_pg_count(&v, into->to_ms / PN_REPORT_HOUR_MS);
    pn_pg_text(&v, into->node[0] ? into->node : NULL);
    PGresult *r = pn_pg_run(db, PN_PG_REPORT_COUNT, &v, err);
    if (r == NULL)
        return -1;
    for (int i = 0; i < PQntuples(r) && memory == 0; i++)
        memory = pn_report_count(into, column(r, i, 0) * PN_REPORT_HOUR_MS, pn_pg_str(r, i, 1),
                                 (unsigned)column(r, i, 2), column(r, i, 3), column(r, i, 4));
    PQclear(r);
    for (unsigned list = 0; list < PN_REPORT_TOP_COUNT && memory == 0; list++) {
        struct pn_pg_values names = v;
        /* Numbers are kept within the values: the copy has its own. */
        names.value[0] = names.number[0];
        names.value[1] = names.number[1];
        pn_pg_number(&names, list);
        pn_pg_number(&names, into->top);
        r = pn_pg_run(db, PN_PG_REPORT_NAME, &names, err);
        if (r == NULL)
            return -1;
        for (int i = 0; i < PQntuples(r) && memory == 0; i++)
            memory =
                pn_report_name(into, (enum pn_report_top)list, pn_pg_str(r, i, 0), column(r, i, 1), column(r, i, 2));
        PQclear(r);
    }
    return memory == 0 ? 0 : pn_error_set(err, "no memory");
}

int pn_pg_report(struct pn_hostdb *db, struct pn_report *into, struct pn_error *err)
{
    if (pn_pg_patience(db, true, err) != 0)
        return -1;
    int rc = report(db, into, err);
    if (db->c && pn_pg_patience(db, false, NULL) != 0)
        pn_pg_drop(db); /* a new connection begins with the short one */
    return rc;
}

int pn_pg_report_purge(struct pn_hostdb *db, uint64_t before_ms, struct pn_error *err)
{
    struct pn_pg_values v = {.n = 0};

    pn_pg_count(&v, before_ms / PN_REPORT_HOUR_MS);
    return change(db, PN_PG_REPORT_PURGE, &v, err);
}

int pn_pg_due(struct pn_hostdb *db, uint64_t low, uint64_t top, const char *after, unsigned limit,
              pn_host_due_each *each, void *arg, struct pn_error *err)
{
    struct pn_pg_values v = {.n = 0};

    pn_pg_count(&v, low);
    pn_pg_count(&v, top);
    pn_pg_text(&v, after);
    pn_pg_number(&v, limit);
    PGresult *r = pn_pg_run(db, PN_PG_DUE, &v, err);
    if (r == NULL)
        return -1;
    for (int i = 0; i < PQntuples(r); i++) {
        uint64_t upto = column(r, i, 1);
        if (each(arg, pn_pg_str(r, i, 0), upto > low ? upto : low) != 0)
            break;
    }
    PQclear(r);
    return 0;
}

int pn_pg_due_mark(struct pn_hostdb *db, const char *address, uint64_t upto, struct pn_error *err)
{
    char lower[PN_Q_ADDRESS_MAX + 1];
    struct pn_pg_values v = {.n = 0};

    pn_q_text_clean((const uint8_t *)address, strlen(address), lower, sizeof(lower));
    for (char *p = lower; *p; p++)
        if ((unsigned char)*p < 0x80)
            *p = (char)tolower((unsigned char)*p);
    pn_pg_text(&v, lower);
    pn_pg_count(&v, upto);
    return change(db, PN_PG_DUE_MARK, &v, err);
}

int pn_pg_due_clear(struct pn_hostdb *db, uint64_t upto, struct pn_error *err)
{
    struct pn_pg_values v = {.n = 0};

    pn_pg_count(&v, upto);
    return change(db, PN_PG_DUE_CLEAR, &v, err);
}

int pn_pg_mark_get(struct pn_hostdb *db, const char *name, uint64_t *value)
{
    struct pn_pg_values v = {.n = 0};

    pn_pg_text(&v, name);
    PGresult *r = pn_pg_run(db, PN_PG_MARK_GET, &v, NULL);
    if (r == NULL)
        return -1;
    int n = PQntuples(r);
    if (n)
        *value = (uint64_t)pn_pg_int(r, 0, 0);
    PQclear(r);
    return n;
}

int pn_pg_mark_set(struct pn_hostdb *db, const char *name, uint64_t value, struct pn_error *err)
{
    struct pn_pg_values v = {.n = 0};

    pn_pg_text(&v, name);
    pn_pg_number(&v, (int64_t)value);
    return change(db, PN_PG_MARK_SET, &v, err);
}
