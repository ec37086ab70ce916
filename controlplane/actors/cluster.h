/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The cluster on a thread of its own. It owns that thread's loop and the pn_cluster; the main loop gets copies. Objects
 * that use the cluster's channels (rules, quarantine) live on its loop, or give it work through pn_loop_call().
 */
#ifndef POSTERN_ACTORS_CLUSTER_H
#define POSTERN_ACTORS_CLUSTER_H

#include "controlplane/cluster/cluster.h"
#include "controlplane/conf/conf.h"
#include "controlplane/loop/loop.h"

struct pn_cluster_actor;

/* An active member, as its row says; what people and the main loop want to know of it. */
struct pn_cluster_seat {
    struct pn_id id;
    char name[PN_NAME_BYTES];
    char version[PN_MEMBER_VERSION_BYTES];
    int number; /* the cluster's own, 0..8; -1: no seat. Not the configuration's */
    bool self;
    int64_t joined_ms; /* since 1970 */
    struct pn_endpoint endpoints[PN_MEMBER_ENDPOINTS_MAX];
    unsigned n_endpoints, n_vips, n_extra;
};
#define PN_CLUSTER_SEATS_MAX 32u /* more than nine: some wait for a seat */

/* What stands in the copy for other threads. */
struct pn_cluster_copy {
    struct pn_cluster_status status;
    struct pn_cluster_seat seats[PN_CLUSTER_SEATS_MAX]; /* by number, those without a seat last */
    unsigned n_seats;
};

/* On the main loop, in the order in which things happened; each may be NULL. */
struct pn_cluster_actor_ops {
    /* Heartbeats' and flow sync's keys; an empty ring: there is no cluster any more. Wiped afterwards. */
    void (*ring)(void *arg, const struct pn_seal_ring *ring);
    void (*changed)(void *arg); /* state or members: a new copy is ready */
    void (*event)(void *arg, int log_level, const char *subject, const char *text);
};

struct pn_cluster_actor_options {
    const struct pn_conf *conf; /* read in _new() only */
    unsigned node;
    const char *state_dir; /* its folder is "cluster" below */
    const char *version;
    struct pn_loop *main;
    const struct pn_cluster_actor_ops *ops; /* by pointer */
    void *arg;
};

/* On the main thread. Loads what is on disk and listens; the thread starts later. NULL and err: a file is damaged. */
struct pn_cluster_actor *pn_cluster_actor_new(const struct pn_cluster_actor_options *o, struct pn_error *err);
int pn_cluster_actor_start(struct pn_cluster_actor *a, struct pn_error *err);
/* Joins the thread; links stay until free, so that users on its loop can be freed in between. NULL is fine. */
void pn_cluster_actor_stop(struct pn_cluster_actor *a);
void pn_cluster_actor_free(struct pn_cluster_actor *a); /* stops first; NULL is fine */

struct pn_loop *pn_cluster_actor_loop(struct pn_cluster_actor *a); /* NULL for NULL */
struct pn_cluster *pn_cluster_actor_cluster(struct pn_cluster_actor *a); /* on its loop only, or before the start */

/*
 * On the cluster's loop, or before the start: fn is called there each time that the state or the members change. Several
 * may listen; there is no way back. -1: no room.
 */
typedef void pn_cluster_actor_members_fn(void *arg, enum pn_cluster_state state, const struct pn_members *members);
#define PN_CLUSTER_LISTENERS_MAX 8u
int pn_cluster_actor_on_members(struct pn_cluster_actor *a, pn_cluster_actor_members_fn *fn, void *arg);

/* ---- Joining, on the cluster's loop; what became of it stays to be asked for ---- */

enum pn_cluster_join_state {
    PN_CLUSTER_JOIN_NONE,
    PN_CLUSTER_JOIN_RUNNING,
    PN_CLUSTER_JOIN_DONE,
    PN_CLUSTER_JOIN_FAILED
};

struct pn_cluster_join {
    enum pn_cluster_join_state state;
    bool dry_run;
    uint64_t began_ms; /* CLOCK_BOOTTIME */
    struct pn_join_progress progress; /* while it runs */
    char cluster_name[PN_NAME_BYTES]; /* when done */
    char error[256]; /* when failed */
    struct pn_join_row rows[PN_JOIN_ROWS_MAX]; /* of a dry run */
    unsigned n_rows;
};

/* As pn_cluster_join(). -1 and err: not begun. */
int pn_cluster_actor_join(struct pn_cluster_actor *a, const struct pn_endpoint *host, const char *token,
                          const char *passphrase, bool dry_run, struct pn_error *err);
void pn_cluster_actor_join_cancel(struct pn_cluster_actor *a);
const struct pn_cluster_join *pn_cluster_actor_join_view(struct pn_cluster_actor *a);

/* Main thread, after a reload: addresses, VIPs, perimeter, name. Copies what is needed. */
void pn_cluster_actor_reconfigure(struct pn_cluster_actor *a, const struct pn_conf *conf, unsigned node);

/* From any thread: as of the last second, or the last change. */
void pn_cluster_actor_status(struct pn_cluster_actor *a, struct pn_cluster_status *out);
void pn_cluster_actor_copy(struct pn_cluster_actor *a, struct pn_cluster_copy *out);
/* The keys that are to be used now; empty: none. The caller wipes out. */
void pn_cluster_actor_ring(struct pn_cluster_actor *a, struct pn_seal_ring *out);
/* On the cluster's loop: the copy is made new at once, for answers to commands that changed something. */
void pn_cluster_actor_refresh(struct pn_cluster_actor *a);

#endif
