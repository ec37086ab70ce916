/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a host keeps of each item, behind one table of functions: another database is one more file and one row in
 * host.c. Calls between begin and commit are one change; all is durable when commit returned. One thread.
 */
#ifndef POSTERN_QUARANTINE_HOSTDB_H
#define POSTERN_QUARANTINE_HOSTDB_H

#include <stdatomic.h>

#include "controlplane/quarantine/item.h"
#include "controlplane/quarantine/report.h"

enum pn_host_state { PN_HOST_NEW = 0, PN_HOST_RELEASED = 1, PN_HOST_DELETED = 2 }; /* both others are final */
enum pn_host_flag { PN_HOST_SEEN = 1, PN_HOST_HOLD = 2, PN_HOST_PURGED = 4, PN_HOST_RELEASING = 8 };

struct pn_host_row {
    uint64_t number; /* of this store */
    enum pn_host_state state;
    unsigned flags;
    uint64_t taken_ms, file_bytes;
    const pn_q_item *item; /* during the call; subject, sender and so on are empty once purged */
};

struct pn_host_query { /* NULL, 0 or -1: any */
    const char *sender, *recipient; /* whole address, or "@domain"; case does not matter */
    const char *node, *rule;
    const char *subject, *reason, *text; /* words, all of them; text: anywhere in the header section */
    int kind, event, state;
    uint64_t from_ms, to_ms; /* received; 0: open */
    uint64_t before; /* only numbers below: the next page */
    uint64_t after; /* only numbers above */
    bool unseen; /* only what nobody has marked as seen */
    unsigned limit; /* 0: 100; at most 1000 */
};
#define PN_HOST_QUERY_ANY                                                                                              \
    {                                                                                                                  \
        .kind = -1, .event = -1, .state = -1                                                                           \
    }

struct pn_host_purge { /* what may go, oldest first; held items never do. Start from PN_HOST_PURGE_ANY */
    int kind, event, state; /* -1: any */
    const char *node; /* NULL: any */
    uint64_t received_before_ms;
    unsigned max; /* at most so many in one call */
};
#define PN_HOST_PURGE_ANY                                                                                              \
    {                                                                                                                  \
        .kind = -1, .event = -1, .state = -1, .received_before_ms = INT64_MAX, .max = 64                               \
    }

typedef int pn_host_each(void *arg, const struct pn_host_row *row); /* non-zero stops */
struct pn_host_audit { /* texts: during the call */
    uint64_t number, at_ms;
    const char *what, *who, *detail;
};
typedef int pn_host_audit_each(void *arg, const struct pn_host_audit *row); /* non-zero stops */
/* A recipient with new mail; upto: numbers up to here were in a digest already. Non-zero stops. */
typedef int pn_host_due_each(void *arg, const char *address, uint64_t upto);
typedef void pn_host_gone(void *arg, const uint8_t sha[PN_Q_SHA_BYTES], uint64_t file_bytes);

struct pn_hostdb_totals {
    uint64_t items, messages, file_bytes; /* not purged */
    uint64_t waiting; /* messages in state new */
    uint64_t last; /* the highest number given */
};

typedef int pn_host_node_each(void *arg, const char *node, const struct pn_hostdb_totals *totals); /* last: 0 */

struct pn_hostdb_options {
    const char *where;
    bool reader; /* beside the one that writes, from another thread or process; it never changes anything */
    /* May be set from any thread while calls run: they do not wait for a server after it (CLOCK_BOOTTIME, ms; 0: as
     * always), and fail. NULL is fine. */
    const atomic_uint_least64_t *end_by_ms;
};

struct pn_hostdb_health {
    uint64_t failures; /* the database did not answer, or not do what it was asked to; since it was opened */
    uint64_t lapses; /* it came back without a change that it had made; since it was opened */
    char text[256]; /* why it does not now; "": it does */
};

struct pn_hostdb;
struct pn_hostdb_ops {
    const char *name; /* as configuration says it */
    int (*open)(const struct pn_hostdb_options *o, struct pn_hostdb **out, struct pn_error *err);
    void (*close)(struct pn_hostdb *db);
    /* NULL: it is a part of this process, each call says all there is to say. */
    void (*health)(const struct pn_hostdb *db, struct pn_hostdb_health *out);
    int (*begin)(struct pn_hostdb *db, struct pn_error *err);
    int (*commit)(struct pn_hostdb *db, struct pn_error *err); /* a failed one is rolled back */
    void (*rollback)(struct pn_hostdb *db);
    uint64_t (*store)(struct pn_hostdb *db); /* random, for ever */
    int (*accepted)(struct pn_hostdb *db, const char *node, uint64_t *count);
    int (*known)(struct pn_hostdb *db, const char *node, const struct pn_q_id *id); /* 1, 0, -1 */
    /* 1: new; 0: known, nothing changed; -1. headers: of a message, may be NULL. */
    int (*insert)(struct pn_hostdb *db, const pn_q_item *item, uint64_t file_bytes, const char *headers,
                  uint64_t now_ms, struct pn_error *err);
    int (*find)(struct pn_hostdb *db, const struct pn_host_query *q, pn_host_each *each, void *arg,
                struct pn_error *err);
    int (*get)(struct pn_hostdb *db, uint64_t number, pn_host_each *each, void *arg,
               struct pn_error *err); /* 1, 0, -1 */
    /* From new only. 1: done, by this call alone; 0: it was not new (or not there); -1. */
    int (*state_set)(struct pn_hostdb *db, uint64_t number, enum pn_host_state state, uint64_t now_ms,
                     struct pn_error *err);
    int (*flag_set)(struct pn_hostdb *db, uint64_t number, enum pn_host_flag flag, bool on, struct pn_error *err);
    int (*audit)(struct pn_hostdb *db, uint64_t number, const char *what, const char *who, const char *detail,
                 uint64_t now_ms, struct pn_error *err);
    int (*sha_used)(struct pn_hostdb *db, const uint8_t sha[PN_Q_SHA_BYTES]); /* by one that is not purged; 1, 0, -1 */
    /* Of one kind (not -1): text and file go, the identity stays so that a repeat is still known. How many, or -1. */
    int (*purge)(struct pn_hostdb *db, const struct pn_host_purge *p, pn_host_gone *gone, void *arg,
                 struct pn_error *err);
    int (*totals)(struct pn_hostdb *db, struct pn_hostdb_totals *out);
    int (*node_totals)(struct pn_hostdb *db, pn_host_node_each *each, void *arg);
    int (*audit_list)(struct pn_hostdb *db, uint64_t number, pn_host_audit_each *each, void *arg,
                      struct pn_error *err); /* of one item, oldest first */
    /* Counts by hour, kept with each insert and release, so a report reads few rows. */
    int (*report)(struct pn_hostdb *db, struct pn_report *into, struct pn_error *err);
    int (*report_purge)(struct pn_hostdb *db, uint64_t before_ms, struct pn_error *err);
    /* Recipients of unseen new messages with low < number <= top that no digest had, in order, after `after`. */
    int (*due)(struct pn_hostdb *db, uint64_t low, uint64_t top, const char *after, unsigned limit,
               pn_host_due_each *each, void *arg, struct pn_error *err);
    int (*due_mark)(struct pn_hostdb *db, const char *address, uint64_t upto, struct pn_error *err);
    int (*due_clear)(struct pn_hostdb *db, uint64_t upto, struct pn_error *err); /* marks up to there are forgotten */
    /* Small durable numbers by name, as on the spool. */
    int (*mark_get)(struct pn_hostdb *db, const char *name, uint64_t *value); /* 1, 0: none, -1 */
    int (*mark_set)(struct pn_hostdb *db, const char *name, uint64_t value, struct pn_error *err);
};

extern const struct pn_hostdb_ops pn_hostdb_sqlite, pn_hostdb_postgresql;

#endif
