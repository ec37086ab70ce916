/* SPDX-License-Identifier: BSD-3-Clause */
/* The embedded database of a host: what its parts share. */
#include <ctype.h>

#include "controlplane/quarantine/host_sqlite.h"

char *pn_hs_lower(const char *text, char *out, size_t size)
{
    size_t n = 0;

    for (; text[n] && n + 1 < size; n++)
        out[n] = (char)tolower((unsigned char)text[n]);
    out[n] = '\0';
    return out;
}

int pn_hs_total_add(struct pn_hostdb *db, const char *node, int items, int messages, int64_t bytes, int waiting)
{
    static const enum pn_hs_sql which[] = {PN_HS_TOTAL, PN_HS_NODE_TOTAL};

    for (unsigned i = 0; i < 2; i++) {
        sqlite3_stmt *q = db->sql[which[i]];
        sqlite3_bind_int(q, 1, items);
        sqlite3_bind_int(q, 2, messages);
        sqlite3_bind_int64(q, 3, bytes);
        sqlite3_bind_int(q, 4, waiting);
        if (i == 1)
            pn_qdb_text(q, 5, node);
        if (pn_qdb_run(q) != 0)
            return -1;
    }
    return 0;
}
