/* SPDX-License-Identifier: BSD-3-Clause */
/* The PostgreSQL store by itself, in a test. */
#ifndef POSTERN_TESTS_QUARANTINE_PG_H
#define POSTERN_TESTS_QUARANTINE_PG_H

#include "common/error.h"
#include "quarantine_store.h"

static const struct pn_hostdb_ops *const ops = &pn_hostdb_postgresql;

static inline int open_store(const char *where, bool reader, struct pn_hostdb **out, struct pn_error *err)
{
    struct pn_hostdb_options o = {.where = where, .reader = reader};

    return ops->open(&o, out, err);
}

/* By its host. */
static inline struct pn_hostdb *opened(void)
{
    struct pn_hostdb *db;
    struct pn_error err;

    if (open_store(store.where, false, &db, &err) != 0)
        fail_msg("%s", err.text);
    return db;
}

static inline struct pn_hostdb_health health(struct pn_hostdb *db)
{
    struct pn_hostdb_health h;

    ops->health(db, &h);
    return h;
}

static inline int insert(struct pn_hostdb *db, uint64_t sequence, struct pn_error *err)
{
    pn_q_item item = PN__Q__ITEM__INIT;
    uint8_t sha[PN_Q_SHA_BYTES] = {1};

    item.node = (char *)"mx1";
    item.sequence = sequence;
    item.kind = PN_Q_MESSAGE;
    item.received_ms = 1700000000000ull;
    item.sha256 = (ProtobufCBinaryData){sizeof(sha), sha};
    if (ops->begin(db, err) != 0)
        return -1;
    int rc = ops->insert(db, &item, 100, "", 1, err);
    if (rc < 0) {
        ops->rollback(db);
        return -1;
    }
    return ops->commit(db, err) == 0 ? rc : -1;
}

static inline uint64_t items(struct pn_hostdb *db)
{
    struct pn_hostdb_totals t;
    assert_int_equal(ops->totals(db, &t), 0);
    return t.items;
}

#endif
