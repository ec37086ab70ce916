/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the store share. Others use rules.h. */
#ifndef POSTERN_RULES_STORE_H
#define POSTERN_RULES_STORE_H

#include <sqlite3.h>

#include "controlplane/rules/hlc.h"
#include "controlplane/rules/merge.h"
#include "controlplane/rules/rules.h"

struct pn_wal;

enum pn_sql { /* prepared statements, texts in store_open.c */
              PN_SQL_GET,
              PN_SQL_GET_SEQ,
              PN_SQL_INSERT,
              PN_SQL_UPDATE,
              PN_SQL_UPDATE_STAMP,
              PN_SQL_DELETE,
              PN_SQL_EVICT,
              PN_SQL_HELD_GET,
              PN_SQL_HELD_PUT,
              PN_SQL_HELD_DELETE,
              PN_SQL_HELD_DUE,
              PN_SQL_HISTORY_PUT,
              PN_SQL_REVIEW_PUT,
              PN_SQL_REVIEW_DELETE,
              PN_SQL_NODE_PUT,
              PN_SQL_META_PUT,
              PN_SQL_CLASS_PUT,
              PN_SQL_ACK_PUT,
              PN_SQL_GONE,
              PN_SQL_COUNT
};

struct pn_rdb_class {
    struct pn_digest *digest;
    uint64_t present; /* entries that are there */
    uint64_t complete; /* all versions up to this stamp that members have are here */
    uint64_t floor; /* tombstones up to this stamp are gone */
    uint64_t complete_saved, floor_saved; /* on disk */
    uint64_t floor_raised_ms; /* wall clock, when we last raised it ourselves */
    int64_t present_delta; /* of the transaction under way */
};

struct pn_rdb_op { /* on a digest, carried out after the commit */
    bool add;
    uint8_t kind;
    struct pn_digest_item item; /* remove: id, seq */
};

struct pn_rdb_note { /* for watchers and pushes, after the commit */
    uint8_t kind;
    bool push, watch;
    uint32_t seq;
    struct pn_rule_key *gone; /* owned: the row is no more */
};

struct pn_rdb_hit {
    struct pn_rule_key key;
    uint64_t count, last_ms;
    bool learn;
};
#define PN_RDB_HITS_MAX 4096

struct pn_rdb_member {
    char name[PN_NAME_BYTES];
    uint64_t acked[PN_KIND_LIMIT]; /* it had all that we had when its clock and ours were past this stamp */
    uint64_t saved[PN_KIND_LIMIT]; /* of these, on disk */
};

struct pn_rules {
    sqlite3 *db;
    sqlite3_stmt *sql[PN_SQL_COUNT];
    struct pn_wal *wal; /* checkpoints in a thread of its own */
    struct pn_rules_options options;
    char node[PN_NAME_BYTES];
    struct pn_hlc clock;
    struct pn_rdb_class classes[PN_KIND_LIMIT];
    uint64_t classes_on;
    uint64_t cluster; /* that it was in last; 0: none yet */

    char (*names)[PN_NAME_BYTES]; /* of nodes, by number */
    uint64_t *name_hashes;
    unsigned n_names, n_names_committed, names_size;

    bool in_tx, full_tx, unsynced; /* unsynced: commits that may still be in memory only */
    bool open_tx; /* a transaction that waits for more to come into it: pn_rdb_commit_later() */
    uint64_t open_since_ms;
    struct pn_rdb_op *ops;
    size_t n_ops, ops_size;
    struct pn_rdb_note *notes;
    size_t n_notes, notes_size;
    int64_t held_delta, review_delta;
    uint64_t n_held, n_review;
    bool digest_broken; /* to be made anew from the disk */

    struct pn_rule cur, full, work; /* of pn_rdb_put() */
    struct pn_rdb_hit *hits;
    unsigned n_hits;
    uint64_t hits_due_ms, upkeep_due_ms;
    struct pn_rdb_member members[PN_RULES_MEMBERS_MAX];
    unsigned n_members;

    pn_rules_push_fn *push;
    void *push_arg;
    struct {
        pn_rules_watch_fn *fn;
        void *arg;
    } watch[4];
    unsigned n_watch;
    uint64_t changes, errors;
    char last_error[256];
};

/* store_sql.c. Each returns 0, or -1 with err. */
int pn_rdb_fail(struct pn_rules *r, struct pn_error *err, const char *doing); /* from sqlite's error; -1 */
int pn_rdb_exec(struct pn_rules *r, const char *sql, struct pn_error *err);
int pn_rdb_step(struct pn_rules *r, enum pn_sql which, struct pn_error *err); /* runs and resets; 0, -1 */
int pn_rdb_name(struct pn_rules *r, const char *name, struct pn_error *err); /* its number, made when new; or -1 */
int pn_rdb_meta_set(struct pn_rules *r, const char *key, uint64_t value, struct pn_error *err);
/* For the commit: what becomes of the digests, whom to tell. */
int pn_rdb_op_add(struct pn_rules *r, bool add, uint8_t kind, const struct pn_digest_item *item, struct pn_error *err);
int pn_rdb_note_add(struct pn_rules *r, uint8_t kind, uint32_t seq, bool push, bool watch, struct pn_error *err);
int pn_rdb_note_gone(struct pn_rules *r, const struct pn_rule_key *key, struct pn_error *err);

/* store_tx.c. Each returns 0, or -1 with err. A failed call inside a transaction is followed by pn_rdb_rollback(). */
int pn_rdb_begin(struct pn_rules *r, bool full, struct pn_error *err);
int pn_rdb_commit(struct pn_rules *r, struct pn_error *err); /* rolls back by itself when it fails */
/*
 * The same, but soon rather than now: what comes next goes into the same transaction, up to a bound in number and time.
 * For entries that arrive by the thousand while trees are compared: each by itself dirties pages all over the index.
 * Until it is done, digests and counts are those of before; a failure takes all of it back, and it is sent again.
 */
int pn_rdb_commit_later(struct pn_rules *r, struct pn_error *err);
int pn_rdb_settle(struct pn_rules *r, struct pn_error *err); /* does now what was left for later */
void pn_rdb_rollback(struct pn_rules *r);
int pn_rdb_durable(struct pn_rules *r, struct pn_error *err); /* all commits so far are on disk */

/* store_row.c */
struct pn_rdb_row {
    uint32_t seq; /* 0: there is no row */
    bool held;
};
int pn_rdb_bind_key(sqlite3_stmt *s, int at, const struct pn_rule_key *key);
void pn_rdb_read_key(sqlite3_stmt *s, int at, struct pn_rule_key *key);
#define PN_RDB_RULE "present, stamp, node, description, body, hits"
/* Columns PN_RDB_RULE from `at`. */
int pn_rdb_read_rule(struct pn_rules *r, sqlite3_stmt *s, int at, struct pn_rule *rule, struct pn_error *err);
int pn_rdb_bind_rule(struct pn_rules *r, sqlite3_stmt *s, int at, const struct pn_rule *rule, struct pn_error *err);
int pn_rdb_get(struct pn_rules *r, const struct pn_rule_key *key, struct pn_rdb_row *row, struct pn_rule *rule,
               struct pn_error *err); /* 1, 0: there is no row, -1 */
/* The row with its key; with_held: the version that waits, where one does. 1, 0, -1. */
int pn_rdb_get_seq(struct pn_rules *r, uint32_t seq, bool with_held, struct pn_rule *rule, struct pn_error *err);
int pn_rdb_write(struct pn_rules *r, struct pn_rdb_row *row, const struct pn_rule *rule, bool held,
                 struct pn_error *err);
int pn_rdb_delete(struct pn_rules *r, uint8_t kind, uint64_t id, uint32_t seq, bool present, struct pn_error *err);
int pn_rdb_held_get(struct pn_rules *r, uint32_t seq, struct pn_rule *rule, struct pn_error *err);
int pn_rdb_history_add(struct pn_rules *r, const struct pn_rule *rule, const char *why, struct pn_error *err);

/* store_put.c: one version in, inside a transaction. */
enum pn_put {
    PN_PUT_SAME = 0,
    PN_PUT_CHANGED = 1,
    PN_PUT_HELD = 2, /* it waits for its time */
    PN_PUT_REFUSED = 3, /* older than tombstones that are gone; review has it if it is an entry */
};
int pn_rdb_put(struct pn_rules *r, const struct pn_rule *in, bool local, struct pn_error *err); /* or -1 */
/* The versions of `content` get a newer stamp. 0, -1. */
int pn_rdb_put_stamp(struct pn_rules *r, uint8_t kind, uint64_t id, uint64_t content, uint64_t stamp, const char *node,
                     struct pn_error *err);
/* A peer does not take our version: it goes, or goes to review. */
int pn_rdb_refused(struct pn_rules *r, uint8_t kind, uint64_t id, uint64_t stamp, struct pn_error *err);

/* store_load.c */
int pn_rdb_load_settings(struct pn_rules *r, struct pn_error *err); /* names, clock, classes */
int pn_rdb_load(struct pn_rules *r, struct pn_error *err); /* digests and counts from the disk */

/* store_gc.c; in memory, on disk with the next upkeep */
void pn_rdb_ack(struct pn_rules *r, const char *member, uint8_t kind, uint64_t stamp, uint64_t peer_complete);
void pn_rdb_floor_raise(struct pn_rules *r, uint8_t kind, uint64_t floor);

/* store_hits.c */
int pn_rdb_hits_flush(struct pn_rules *r, struct pn_error *err);

/* store_wal.c */
struct pn_wal *pn_wal_start(sqlite3 *db, const char *path, struct pn_error *err);
void pn_wal_limit(struct pn_wal *wal, sqlite3 *db); /* after a commit: keeps the log from growing without end */
void pn_wal_stop(struct pn_wal *wal);

/* push.c */
void pn_rdb_notes_send(struct pn_rules *r);

static inline bool pn_rdb_is_future(const struct pn_rules *r, uint64_t wall_ms, const struct pn_rule *rule)
{
    return pn_hlc_is_future(&r->clock, wall_ms, rule->stamp) ||
           pn_hlc_is_future(&r->clock, wall_ms, pn_hlc_make(pn_rule_last_ms(rule), 0));
}
static inline const struct pn_digest_item *pn_rdb_item(const struct pn_rules *r, uint8_t kind, uint64_t id,
                                                       uint32_t seq)
{
    return pn_digest_find(r->classes[kind].digest, id, seq);
}

#endif
