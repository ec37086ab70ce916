/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The rules beside the main loop: the store in <state_dir>/rules.db, an exchange with every peer that is up, the count
 * for `join --dry-run`, and blocked and welcomed networks for the dataplane. All of it on one loop, the cluster's where
 * there is one. A database that cannot be opened stops nothing else: store is NULL, problem says why, and it is tried again.
 */
#ifndef POSTERN_ACTORS_RULES_H
#define POSTERN_ACTORS_RULES_H

#include "controlplane/loop/loop.h"
#include "controlplane/rules/rules.h"
#include "controlplane/rules/sync.h"
#include "postern/dpapi.h"

struct pn_cluster;
struct pn_id;
struct pn_rules_actor;

#define PN_RULES_DB_NAME "rules.db"

struct pn_rules_actor_options {
    struct pn_loop *loop; /* of the cluster; NULL: a thread of its own */
    struct pn_cluster *cluster; /* on that loop; NULL: none. Used from here until the actor is freed */
    struct pn_loop *main; /* where event and prefixes are called */
    char state_dir[200];
    char node[PN_NAME_BYTES]; /* this node's name outside a cluster */
    uint64_t classes; /* PN_KIND_BIT()s that are synchronised */
    /* For the event log; on the main loop. log_level: enum pn_log_level. */
    void (*event)(void *arg, int log_level, const char *subject, const char *text);
    void *arg;
};

/* Before the loop's thread runs. NULL: no memory. */
struct pn_rules_actor *pn_rules_actor_new(const struct pn_rules_actor_options *options, struct pn_error *err);
/* Starts the loop where it is the actor's own, and opens the store there. -1 and err: no thread, no memory. */
int pn_rules_actor_start(struct pn_rules_actor *a, struct pn_error *err);
void pn_rules_actor_stop(struct pn_rules_actor *a); /* ends its own thread; NULL is fine */
void pn_rules_actor_free(
    struct pn_rules_actor *a); /* after the loop's thread has ended, before the cluster; NULL is fine */

/* From the main thread: the configuration has changed. A class that is on now is merged with what others have. */
void pn_rules_actor_reconfigure(struct pn_rules_actor *a, const char *node, uint64_t classes);

/* ---- On its loop ---- */

struct pn_loop *pn_rules_actor_loop(struct pn_rules_actor *a);
struct pn_rules *pn_rules_actor_store(struct pn_rules_actor *a); /* NULL: pn_rules_actor_problem() says why */
const char *pn_rules_actor_problem(const struct pn_rules_actor *a);
void pn_rules_actor_members(struct pn_rules_actor *a); /* they have changed, or this node has joined or left */
void pn_rules_actor_check(struct pn_rules_actor *a); /* asks every peer for its digests */
void pn_rules_actor_refresh(struct pn_rules_actor *a); /* the status is as of now */

/* ---- From any thread ---- */

struct pn_rules_class_status {
    bool on; /* synchronised */
    uint64_t entries, tombstones;
    struct pn_digest_sum digest;
};
struct pn_rules_peer_status {
    uint8_t id[16]; /* struct pn_id */
    char name[PN_NAME_BYTES];
    bool up; /* its link is */
    bool paused; /* its link is full: it takes what it is sent too slowly */
    uint64_t lag_ms; /* since both had the same; 0 while they have */
    uint64_t waiting_bytes; /* that the link has not taken yet */
    uint64_t dropped; /* frames that nobody waited for any longer */
    uint64_t violations; /* exchanges ended since it did not keep to the protocol */
    uint64_t retry_ms; /* until it is listened to again; 0: it is */
    char problem[160]; /* of the last of these; "" */
    struct pn_sync_status sync;
};
struct pn_rules_actor_status {
    bool open;
    bool clustered;
    char node[PN_NAME_BYTES];
    char problem[256]; /* why it is not open */
    struct pn_rules_status store;
    struct pn_rules_class_status classes[PN_KIND_LIMIT];
    struct pn_rules_peer_status peers[PN_MAX_NODES];
    unsigned n_peers;
};
/* As it was a second ago at most, or after the last change. */
void pn_rules_actor_status(struct pn_rules_actor *a, struct pn_rules_actor_status *out);

/* Whether that node has the same rules: 1, 0, -1: not known. */
int pn_rules_actor_equal(struct pn_rules_actor *a, const struct pn_id *peer);

/* ---- For the dataplane's filter, from the main thread ---- */

enum pn_rules_prefixes_kind {
    PN_RULES_PREFIXES_SET, /* a part of the whole set; first, last tell where it begins and ends */
    PN_RULES_PREFIXES_PATCH, /* changes since; may be empty */
    PN_RULES_PREFIXES_AGAIN, /* too much has changed: ask for the whole set */
    PN_RULES_PREFIXES_FAILED, /* the set cannot be read; ask for it again after a while */
};
struct pn_rules_prefixes {
    enum pn_rules_prefixes_kind kind;
    uint64_t ticket; /* of the question */
    bool first, last;
    uint64_t from, generation; /* SET: generation only. Never 0, and never the same for two contents */
    char error[256]; /* FAILED: why */
    unsigned n; /* <= PN_DP_PREFIXES_MAX */
    struct pn_dp_prefix list[PN_DP_PREFIXES_MAX];
};
/*
 * Asks for the next part: of the whole set from its beginning (restart), else what follows; when there is nothing to
 * tell, the answer waits for a change. A newer question takes the place of one that waits; an answer that is on its way
 * already has the older one's ticket. fn runs on the main loop, p is the callee's to free(). -1: it is stopping, and fn
 * is not called.
 */
typedef void pn_rules_prefixes_fn(void *arg, struct pn_rules_prefixes *p);
int pn_rules_actor_prefixes(struct pn_rules_actor *a, bool restart, uint64_t ticket, pn_rules_prefixes_fn *fn,
                            void *arg);

#endif
