/* SPDX-License-Identifier: BSD-3-Clause */
/* The embedded database of a host: forgetting. */
#include <stdlib.h>

#include "common/error.h"
#include "controlplane/quarantine/host_sqlite.h"

/* One row loses all but its identity. */
static int purge_row(struct pn_hostdb *db, sqlite3_stmt *found)
{
    static const enum pn_hs_sql clear[] = {PN_HS_PURGE_RECIPIENTS, PN_HS_PURGE_TEXT};
    sqlite3_stmt *q = db->sql[PN_HS_PURGE_ROW];
    int64_t number = sqlite3_column_int64(found, 0), bytes = sqlite3_column_int64(found, 2);
    int message = sqlite3_column_int(found, 3) == PN_Q_MESSAGE;
    pn_q_item bare = PN__Q__ITEM__INIT;
    size_t len;

    bare.node = (char *)(uintptr_t)sqlite3_column_text(found, 5);
    bare.sequence = (uint64_t)sqlite3_column_int64(found, 6);
    bare.kind = (uint32_t)sqlite3_column_int(found, 3);
    bare.sha256 = (ProtobufCBinaryData){PN_Q_SHA_BYTES, (uint8_t *)(uintptr_t)sqlite3_column_blob(found, 1)};
    uint8_t *body = bare.node ? pn_q_item_encode(&bare, &len) : NULL;
    if (body == NULL)
        return -1;
    sqlite3_bind_int64(q, 1, number);
    sqlite3_bind_blob64(q, 2, body, len, SQLITE_STATIC);
    int rc = pn_qdb_run(q);
    free(body);
    for (unsigned i = 0; rc == 0 && i < 1u + (unsigned)message; i++) {
        sqlite3_bind_int64(db->sql[clear[i]], 1, number);
        rc = pn_qdb_run(db->sql[clear[i]]);
    }
    return rc == 0
               ? pn_hs_total_add(db, bare.node, -1, -message, -bytes, -(message && sqlite3_column_int(found, 4) == 0))
               : -1;
}

int pn_hs_purge(struct pn_hostdb *db, const struct pn_host_purge *p, pn_host_gone *gone, void *arg,
                struct pn_error *err)
{
    sqlite3_stmt *q = db->sql[p->event >= 0 && p->state >= 0 ? PN_HS_PURGE_CLASS : PN_HS_PURGE_ANY],
                 *read = db->sql[PN_HS_PURGE_READ];
    int64_t *numbers = calloc(p->max ? p->max : 1, sizeof(*numbers));
    uint8_t sha[PN_Q_SHA_BYTES];
    unsigned n = 0, done = 0;
    int rc;

    if (numbers == NULL)
        return pn_error_set(err, "no memory");
    sqlite3_bind_int64(q, 1, p->received_before_ms > INT64_MAX ? INT64_MAX : (sqlite3_int64)p->received_before_ms);
    sqlite3_bind_int(q, 2, p->kind);
    sqlite3_bind_int(q, 3, p->event);
    sqlite3_bind_int(q, 4, p->state);
    if (p->node)
        pn_qdb_text(q, 5, p->node);
    else
        sqlite3_bind_null(q, 5);
    sqlite3_bind_int64(q, 6, p->max);
    while ((rc = sqlite3_step(q)) == SQLITE_ROW && n < p->max)
        numbers[n++] = sqlite3_column_int64(q, 0);
    sqlite3_reset(q);
    for (; rc == SQLITE_DONE && done < n;
         done++) { /* changed only once the search is over: it walks an index of these */
        sqlite3_bind_int64(read, 1, numbers[done]);
        int64_t bytes = 0;
        const void *blob = sqlite3_step(read) == SQLITE_ROW ? pn_qdb_blob(read, 1, PN_Q_SHA_BYTES) : NULL;
        if (blob) {
            memcpy(sha, blob, PN_Q_SHA_BYTES);
            bytes = sqlite3_column_int64(read, 2);
        }
        bool ok = blob && purge_row(db, read) == 0;
        sqlite3_reset(read);
        if (!ok)
            break;
        if (p->kind == PN_Q_MESSAGE)
            gone(arg, sha, (uint64_t)bytes);
    }
    free(numbers);
    return rc == SQLITE_DONE && done == n ? (int)n : pn_qdb_fail(db->db, db->path, "purging", err);
}
