/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The rules of this node: a store on disk that is changed here and merged with what peers send. One thread uses it.
 *
 * A local change is on disk (SQLite, WAL, synchronous=FULL) when the call returns 0; several in one call are one
 * transaction: all or none. What peers send is committed without waiting for the disk, and synced before we tell anyone
 * that we have it (Hello). Functions return 0, or -1 and err says why; after -1 nothing has changed.
 */
#ifndef POSTERN_RULES_RULES_H
#define POSTERN_RULES_RULES_H

#include "controlplane/rules/digest.h"
#include "controlplane/rules/record.h"

#define PN_RULES_HORIZON_MS (30ull * 86400 * 1000)
#define PN_RULES_TOMBSTONE_AGE_MS (86400ull * 1000)
#define PN_RULES_MEMBERS_MAX 64
#define PN_RULES_HISTORY_ROWS 200000

struct pn_rules;

struct pn_rules_options {
    const char *path; /* of the database; its folder exists */
    const char *node; /* this node's name */
    uint64_t (*wall_ms)(void *arg); /* NULL: CLOCK_REALTIME, milliseconds since 1970 */
    void *wall_arg;
    uint32_t skew_ms; /* versions stamped further ahead are held back; 0: PN_HLC_SKEW_MS */
    uint64_t horizon_ms; /* members not heard of for longer do not keep tombstones alive; 0: PN_RULES_HORIZON_MS */
    uint64_t tombstone_age_ms; /* kept at least that long; 0: PN_RULES_TOMBSTONE_AGE_MS */
    uint32_t auto_cap; /* instead of the cap of kinds that have one; 0: theirs */
};

struct pn_rules *pn_rules_open(const struct pn_rules_options *options, struct pn_error *err);
void pn_rules_close(struct pn_rules *rules); /* NULL is allowed; hits not yet written are */
const char *pn_rules_node(const struct pn_rules *rules);
uint64_t pn_rules_wall_ms(const struct pn_rules *rules);

/* ---- Changes ---- */

struct pn_rules_change {
    const struct pn_rule_key *key; /* from pn_rule_key_make() */
    bool remove;
    bool keep; /* an entry that is there as given is left alone; otherwise it gets a new stamp, which beats deletions */
    const char *description; /* NULL: as it is, or "" */
    const char *body; /* of rules and settings; NULL: as it is, or none */
    size_t body_len;
};
struct pn_rules_result {
    unsigned added, changed, removed;
    unsigned unchanged; /* there already, with keep */
    unsigned missing; /* to be removed, not there */
    unsigned held; /* a version stamped ahead of time waits and will replace this one: see pn_rules_held() */
    uint64_t stamp; /* of all of them */
};
int pn_rules_change(struct pn_rules *rules, const struct pn_rules_change *changes, size_t n,
                    struct pn_rules_result *result, struct pn_error *err);

#define PN_RULES_USES_MAX 1000000000 /* uses reported in one row */
/* Counts a use. Written within seconds (pn_rules_tick), not at once; what has no entry is not counted. */
void pn_rules_hit(struct pn_rules *rules, const struct pn_rule_key *key, uint64_t count);
/* The same, and makes the entry where there is none: the auto-welcomelist. */
void pn_rules_learn(struct pn_rules *rules, const struct pn_rule_key *key, uint64_t count);

/* ---- Reading ---- */

typedef int pn_rules_row_fn(void *arg, const struct pn_rule *rule); /* not 0: stop; no changes from inside */

struct pn_rules_query {
    uint8_t kind; /* PN_KIND_NONE: all */
    const char *owner; /* NULL: all */
    const char *search; /* in value, owner, description, any case; NULL: all */
    unsigned limit; /* 0: all */
    bool deleted; /* tombstones too */
};
/* Where a page ended; pages stay right while entries change between them. Zeroed: the start. */
struct pn_rules_page {
    uint8_t kind, field;
    char owner[PN_RULE_VALUE_BYTES], value[PN_RULE_VALUE_BYTES];
};
/* Ordered by kind, owner, value. from (may be NULL) is moved to the last row given. Returns the rows given, or -1. */
long pn_rules_list(struct pn_rules *rules, const struct pn_rules_query *query, struct pn_rules_page *from,
                   pn_rules_row_fn *fn, void *arg, struct pn_error *err);
/* 1: there, 0: not, -1: err. rule may be NULL; otherwise initialised, and to be cleared. */
int pn_rules_get(struct pn_rules *rules, const struct pn_rule_key *key, struct pn_rule *rule, struct pn_error *err);
/*
 * The same in slices, so that a search through a million entries holds nothing up: looks at up to `rows` rows behind
 * from, and moves from to the last one looked at. Returns the rows given to fn, or -1. *end: nothing is left.
 */
long pn_rules_scan(struct pn_rules *rules, const struct pn_rules_query *query, struct pn_rules_page *from,
                   unsigned rows, pn_rules_row_fn *fn, void *arg, bool *end, struct pn_error *err);
uint64_t pn_rules_count(const struct pn_rules *rules, uint8_t kind); /* entries that are there */
/* Ids (pn_rule_id()) of the entries that are there, as pn_digest_walk() gives them; *end at once for an unknown kind. */
size_t pn_rules_ids(const struct pn_rules *rules, uint8_t kind, uint64_t *from, uint64_t *ids, size_t max, bool *end);

/* ---- History, review, held back ---- */

struct pn_rules_version {
    uint64_t at_ms; /* when it was replaced here; 0: it is the current one */
    char why[16]; /* "current", "replaced", "merged" (by a peer's), "lost" (came and was older) */
    const struct pn_rule *rule;
};
typedef int pn_rules_version_fn(void *arg, const struct pn_rules_version *version);
/* Newest first. key NULL: of all rules, newest change first. limit 0: all. */
int pn_rules_log(struct pn_rules *rules, const struct pn_rule_key *key, unsigned limit, pn_rules_version_fn *fn,
                 void *arg, struct pn_error *err);
/* Makes the version with that stamp (and node; NULL: any) the newest again. */
int pn_rules_restore(struct pn_rules *rules, const struct pn_rule_key *key, uint64_t stamp, const char *node,
                     struct pn_rules_result *result, struct pn_error *err);

/* Versions from clocks that run ahead; taken by themselves when their time comes. */
int pn_rules_held(struct pn_rules *rules, pn_rules_row_fn *fn, void *arg, struct pn_error *err);
/* Entries of a node that was away for longer than tombstones are kept: were they added, or deleted elsewhere? */
int pn_rules_review(struct pn_rules *rules, pn_rules_row_fn *fn, void *arg, struct pn_error *err);
#define PN_RULES_SETTLE_MAX 1000
/*
 * accept: added as a change of now. Otherwise forgotten. key NULL: the first PN_RULES_SETTLE_MAX of all, again and again
 * until the result is empty.
 */
int pn_rules_review_settle(struct pn_rules *rules, const struct pn_rule_key *key, bool accept,
                           struct pn_rules_result *result, struct pn_error *err);

/* ---- Cluster ---- */

/* All members' names, this node's may be among them. Decides which tombstones may go. */
int pn_rules_members_set(struct pn_rules *rules, const char *const *names, unsigned n, struct pn_error *err);
/*
 * This node joins a cluster, or a class (bits of kinds) is switched on: what it has is added to what the others have.
 * Entries of lists count as added now, deletions are forgotten; rules and settings keep their stamps. Call before the
 * first exchange.
 */
int pn_rules_join(struct pn_rules *rules, uint64_t kinds, struct pn_error *err);
/*
 * This node is a member of that cluster (any number but 0 that stands for it). When it is not the one it was in last,
 * pn_rules_join() with all classes that are on, once, whatever happens in between. 1: joined, 0: nothing to do, -1.
 */
int pn_rules_cluster_set(struct pn_rules *rules, uint64_t cluster, struct pn_error *err);
/* This node has another name from now on. What it did before stays under the old one. */
int pn_rules_node_set(struct pn_rules *rules, const char *name, struct pn_error *err);
/* Which classes are synchronised; all at first. Switching on does what pn_rules_join() does. */
int pn_rules_classes_set(struct pn_rules *rules, uint64_t kinds, struct pn_error *err);
uint64_t pn_rules_classes(const struct pn_rules *rules);
/* Lets stamps follow the wall clock again after it was set far back; our versions since then may lose to old ones. */
int pn_rules_clock_reset(struct pn_rules *rules, struct pn_error *err);

/* Every second or so: hits, held versions whose time has come, tombstones, history. Bounded work a call. */
void pn_rules_tick(struct pn_rules *rules);

/* ---- Who wants to know ---- */

/* After each local change is on disk: a frame for peers of which the class is on. Copy it if it is to be kept. */
typedef void pn_rules_push_fn(void *arg, uint8_t kind, const uint8_t *frame, size_t len);
void pn_rules_push_set(struct pn_rules *rules, pn_rules_push_fn *fn, void *arg);
/* After each commit, for each rule whose version here has changed (present: it is there now). */
typedef void pn_rules_watch_fn(void *arg, const struct pn_rule_key *key, bool present);
/* Up to 4 watchers. -1: no room. Everything may be different when key is NULL (a join): read anew. */
int pn_rules_watch_add(struct pn_rules *rules, pn_rules_watch_fn *fn, void *arg);

struct pn_rules_status {
    uint64_t entries, tombstones, held, review; /* held, review: rows waiting */
    uint64_t changes; /* commits that changed something, since the start */
    uint64_t clock_ahead_ms; /* our stamps run ahead of the wall clock by that: it was set back */
    uint64_t wal_bytes;
    uint64_t errors; /* of the database, since the start */
    char last_error[256];
};
void pn_rules_status(struct pn_rules *rules, struct pn_rules_status *status);
struct pn_digest_sum pn_rules_digest(const struct pn_rules *rules, uint8_t kind);

#endif
