/* SPDX-License-Identifier: BSD-3-Clause */
/* Transactions: what is in memory follows the disk, after the commit and never before. */
#include <stdlib.h>

#include "controlplane/rules/store.h"

#define LATER_OPS_MAX 50000
#define LATER_MS_MAX 1000

int pn_rdb_begin(struct pn_rules *r, bool full, struct pn_error *err)
{
    if (r->open_tx && !full) {
        r->in_tx = true;
        return 0;
    }
    if (pn_rdb_settle(r, err) != 0)
        return -1;
    if (full != r->full_tx) {
        if (pn_rdb_exec(r, full ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL", err) != 0)
            return -1;
        r->full_tx = full;
    }
    if (r->digest_broken && pn_rdb_load(r, err) != 0)
        return -1;
    if (sqlite3_exec(r->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
        return pn_rdb_fail(r, err, "starting a change");
    r->in_tx = true;
    return 0;
}

static void forget(struct pn_rules *r)
{
    r->in_tx = r->open_tx = false;
    for (size_t i = 0; i < r->n_notes; i++)
        free(r->notes[i].gone);
    r->n_ops = r->n_notes = 0;
    r->held_delta = r->review_delta = 0;
    for (unsigned k = 0; k < PN_KIND_LIMIT; k++)
        r->classes[k].present_delta = 0;
}

void pn_rdb_rollback(struct pn_rules *r)
{
    if (!sqlite3_get_autocommit(r->db))
        sqlite3_exec(r->db, "ROLLBACK", NULL, NULL, NULL);
    r->n_names = r->n_names_committed;
    forget(r);
}

int pn_rdb_commit(struct pn_rules *r, struct pn_error *err)
{
    if (sqlite3_exec(r->db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK) {
        pn_rdb_fail(r, err, "writing");
        pn_rdb_rollback(r);
        return -1;
    }
    pn_wal_limit(r->wal, r->db);
    r->unsynced = !r->full_tx;
    r->changes += r->n_ops > 0;
    for (size_t i = 0; i < r->n_ops; i++) {
        struct pn_rdb_op *op = &r->ops[i];
        struct pn_digest *d = r->classes[op->kind].digest;
        if (op->add ? pn_digest_add(d, &op->item) != 0 : !pn_digest_remove(d, op->item.id, op->item.seq))
            r->digest_broken = true;
    }
    for (unsigned k = 0; k < PN_KIND_LIMIT; k++)
        r->classes[k].present += (uint64_t)r->classes[k].present_delta;
    r->n_held += (uint64_t)r->held_delta;
    r->n_review += (uint64_t)r->review_delta;
    r->n_names_committed = r->n_names;
    r->in_tx = r->open_tx = false;
    pn_rdb_notes_send(r);
    forget(r);
    return 0;
}

int pn_rdb_commit_later(struct pn_rules *r, struct pn_error *err)
{
    uint64_t now_ms = pn_rules_wall_ms(r);

    if (!r->open_tx)
        r->open_since_ms = now_ms;
    if (r->full_tx || r->n_ops >= LATER_OPS_MAX || now_ms < r->open_since_ms ||
        now_ms >= r->open_since_ms + LATER_MS_MAX)
        return pn_rdb_commit(r, err);
    r->open_tx = true;
    r->in_tx = false;
    return 0;
}

int pn_rdb_settle(struct pn_rules *r, struct pn_error *err)
{
    if (!r->open_tx)
        return 0;
    r->in_tx = true;
    return pn_rdb_commit(r, err);
}

int pn_rdb_durable(struct pn_rules *r, struct pn_error *err)
{
    if (pn_rdb_settle(r, err) != 0)
        return -1;
    if (!r->unsynced)
        return 0;
    /* A commit that waits for the disk takes all before it along. */
    if (pn_rdb_begin(r, true, err) != 0)
        return -1;
    if (pn_rdb_meta_set(r, "clock", r->clock.last, err) != 0) {
        pn_rdb_rollback(r);
        return -1;
    }
    return pn_rdb_commit(r, err);
}
