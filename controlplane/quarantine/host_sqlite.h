/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the embedded database share. */
#ifndef POSTERN_QUARANTINE_HOST_SQLITE_H
#define POSTERN_QUARANTINE_HOST_SQLITE_H

#include <stdio.h>

#include "controlplane/quarantine/hostdb.h"
#include "controlplane/quarantine/qdb.h"

enum pn_hs_sql {
    PN_HS_KNOWN,
    PN_HS_ACCEPTED,
    PN_HS_ACCEPT,
    PN_HS_INSERT,
    PN_HS_RECIPIENT,
    PN_HS_TEXT,
    PN_HS_TOTAL,
    PN_HS_NODE_TOTAL,
    PN_HS_HOUR_COUNT,
    PN_HS_HOUR_NAME,
    PN_HS_GET,
    PN_HS_STATE,
    PN_HS_FLAG,
    PN_HS_AUDIT,
    PN_HS_SHA_USED,
    PN_HS_PURGE_ANY,
    PN_HS_PURGE_CLASS,
    PN_HS_PURGE_READ,
    PN_HS_PURGE_ROW,
    PN_HS_PURGE_RECIPIENTS,
    PN_HS_PURGE_TEXT,
    PN_HS_COUNT
};

struct pn_hostdb {
    sqlite3 *db;
    sqlite3_stmt *sql[PN_HS_COUNT];
    uint64_t store;
    char path[288];
};

char *pn_hs_lower(const char *text, char *out, size_t size);
int pn_hs_find(struct pn_hostdb *db, const struct pn_host_query *q, pn_host_each *each, void *arg,
               struct pn_error *err);
int pn_hs_get(struct pn_hostdb *db, uint64_t number, pn_host_each *each, void *arg, struct pn_error *err);
int pn_hs_total_add(struct pn_hostdb *db, const char *node, int items, int messages, int64_t bytes, int waiting);
int pn_hs_purge(struct pn_hostdb *db, const struct pn_host_purge *p, pn_host_gone *gone, void *arg,
                struct pn_error *err);
/* host_sqlite_count.c */
int pn_hs_node_totals(struct pn_hostdb *db, pn_host_node_each *each, void *arg);
int pn_hs_audit_list(struct pn_hostdb *db, uint64_t number, pn_host_audit_each *each, void *arg, struct pn_error *err);
int pn_hs_report(struct pn_hostdb *db, struct pn_report *into, struct pn_error *err);
int pn_hs_report_purge(struct pn_hostdb *db, uint64_t before_ms, struct pn_error *err);
int pn_hs_due(struct pn_hostdb *db, uint64_t low, uint64_t top, const char *after, unsigned limit,
              pn_host_due_each *each, void *arg, struct pn_error *err);
int pn_hs_due_mark(struct pn_hostdb *db, const char *address, uint64_t upto, struct pn_error *err);
int pn_hs_due_clear(struct pn_hostdb *db, uint64_t upto, struct pn_error *err);
int pn_hs_mark_get(struct pn_hostdb *db, const char *name, uint64_t *value);
int pn_hs_mark_set(struct pn_hostdb *db, const char *name, uint64_t value, struct pn_error *err);

#endif
