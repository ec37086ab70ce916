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
    PN_HS_GET,
    PN_HS_STATE,
    PN_HS_FLAG,
    PN_HS_AUDIT,
    PN_HS_SHA_USED,
    PN_HS_PURGE_FIND,
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

#endif
