/* SPDX-License-Identifier: BSD-3-Clause */
/* What the spool's files share. */
#ifndef POSTERN_QUARANTINE_SPOOL_INTERNAL_H
#define POSTERN_QUARANTINE_SPOOL_INTERNAL_H

#include "controlplane/quarantine/qdb.h"
#include "controlplane/quarantine/spool.h"

enum pn_spool_sql {
    PN_SPOOL_INSERT,
    PN_SPOOL_NEXT,
    PN_SPOOL_GET,
    PN_SPOOL_ACK,
    PN_SPOOL_REFUSE,
    PN_SPOOL_DELETE,
    PN_SPOOL_SHA_LEFT,
    PN_SPOOL_OLD_ACKED,
    PN_SPOOL_OLDEST,
    PN_SPOOL_MARK_GET,
    PN_SPOOL_MARK_SET,
    PN_SPOOL_SQL_COUNT
};

struct pn_intake {
    struct pn_spool *s;
    struct pn_qtmp *tmp; /* NULL: a record */
    uint8_t *item; /* encoded without sequence; decoded again at commit */
    size_t item_len;
    pn_spool_done *done;
    void *arg;
    struct pn_spool_result result;
};

struct pn_spool {
    struct pn_spool_options options;
    char path[256], db_path[272], node[PN_NAME_BYTES];
    int lock_fd, ballast_fd;
    struct pn_qfiles *files;
    sqlite3 *db;
    sqlite3_stmt *sql[PN_SPOOL_SQL_COUNT];
    sqlite3_stmt *open_row; /* a statement whose row a caller still reads */
    uint64_t last;
    struct pn_intake **queue;
    unsigned n_queue, queue_size;
    bool was_full; /* why the last transaction failed */
    struct pn_spool_totals totals;
};

uint64_t pn_spool_now_ms(void); /* since 1970 */
void pn_spool_row_done(struct pn_spool *s); /* gives back a row that a caller was shown */
/* Each: 0, or -1 with err, nothing changed and the transaction gone. */
int pn_spool_tx_begin(struct pn_spool *s, struct pn_error *err);
int pn_spool_tx_commit(struct pn_spool *s, struct pn_error *err);
int pn_spool_tx_failed(struct pn_spool *s, const char *doing, struct pn_error *err); /* -1 */
/* After a failure: it was the disk and the reserve could be given up for it, so try the whole change once more. */
bool pn_spool_tx_again(struct pn_spool *s);
int pn_spool_ballast_fill(struct pn_spool *s);
void pn_spool_ballast_release(struct pn_spool *s);
int pn_spool_count(struct pn_spool *s); /* totals from the database */
/* Removes rows and then files. evict: pending ones, each leaves a record. How many bytes came free, or -1. */
int64_t pn_spool_remove(struct pn_spool *s, enum pn_spool_sql which, int64_t limit_ms, uint64_t bytes, unsigned max,
                        unsigned *count, struct pn_error *err);

#endif
