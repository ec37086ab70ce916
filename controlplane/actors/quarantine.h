/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The quarantine beside the main loop: a thread that takes mail (LMTP, commands) and forwards it to the host, the writer;
 * one that, on the host, receives it and writes the host's store, the keeper; and one that reads that store, the reader,
 * so that searches hold up nobody. A database that does not answer holds up the last two only, and for seconds.
 *
 * What is said to be "on the writer" and so on runs on these threads' loops only. See docs/quarantine.md.
 */
#ifndef POSTERN_ACTORS_QUARANTINE_H
#define POSTERN_ACTORS_QUARANTINE_H

#include "controlplane/actors/cluster.h"
#include "controlplane/quarantine/forward.h"
#include "controlplane/quarantine/host.h"
#include "controlplane/quarantine/link.h"
#include "controlplane/quarantine/lmtp_server.h"
#include "controlplane/quarantine/receive.h"
#include "controlplane/quarantine/spool.h"

struct pn_quarantine_actor;

struct pn_quarantine_actor_options {
    const struct pn_conf *conf; /* read in _new() only */
    unsigned node;
    const char *state_dir; /* its folders are "spool" and "quarantine" below */
    struct pn_loop *main;
    void (*event)(void *arg, int log_level, const char *subject, const char *text); /* on the main loop */
    void *arg;
};

/* While the daemon may still choose its sockets' owner: listens. NULL and err: no memory. */
struct pn_quarantine_actor *pn_quarantine_actor_new(const struct pn_quarantine_actor_options *o, struct pn_error *err);
/* Before the cluster's thread runs: other nodes are reached through it. -1 and err: this node is on its own. */
int pn_quarantine_actor_attach(struct pn_quarantine_actor *a, struct pn_cluster_actor *cluster, struct pn_error *err);
/* Later: opens spool and store, each on its thread. What cannot be opened is an event, and is tried again. */
int pn_quarantine_actor_start(struct pn_quarantine_actor *a, struct pn_error *err);
/* Threads end; what was begun is committed or answered. The cluster's thread may still run. NULL is fine. */
void pn_quarantine_actor_stop(struct pn_quarantine_actor *a);
/* Stops first. After the cluster's actor is gone. NULL is fine. */
void pn_quarantine_actor_free(struct pn_quarantine_actor *a);
/* Main thread, after a reload. Copies what it needs. */
void pn_quarantine_actor_reconfigure(struct pn_quarantine_actor *a, const struct pn_conf *conf, unsigned node);

struct pn_loop *pn_quarantine_actor_writer(struct pn_quarantine_actor *a); /* NULL for NULL */
struct pn_loop *pn_quarantine_actor_keeper(struct pn_quarantine_actor *a);
struct pn_loop *pn_quarantine_actor_reader(struct pn_quarantine_actor *a);

/* ---- on the writer ---- */

/* NULL and err: off, or it could not be opened. */
struct pn_spool *pn_quarantine_actor_spool(struct pn_quarantine_actor *a, struct pn_error *err);
/* Something was queued in the spool: it is committed, together with what comes in this moment, and sent on. */
void pn_quarantine_actor_queued(struct pn_quarantine_actor *a);
/*
 * A message in pieces, for callers that ask again and again: commands, sockets. about is copied. A message that is left
 * alone for PN_QUARANTINE_INTAKE_IDLE_MS is forgotten. data and end: -1 with err, and the message is gone; done follows
 * a good end once it is durable, or is not (spool.h).
 */
#define PN_QUARANTINE_INTAKES_MAX 64u
#define PN_QUARANTINE_INTAKE_IDLE_MS 120000u
/* The number to go on with; 0 with err: too many, off, or (*full) no space. size_hint_bytes 0: not known. */
uint64_t pn_quarantine_intake_begin(struct pn_quarantine_actor *a, const pn_q_item *about, uint64_t size_hint_bytes,
                                    bool *full, struct pn_error *err);
int pn_quarantine_intake_data(struct pn_quarantine_actor *a, uint64_t number, const void *bytes, size_t len,
                              struct pn_error *err);
int pn_quarantine_intake_end(struct pn_quarantine_actor *a, uint64_t number, pn_spool_done *done, void *arg,
                             struct pn_error *err);
void pn_quarantine_intake_abort(struct pn_quarantine_actor *a, uint64_t number); /* unknown ones are fine */
/* A reporting record; done may be NULL. -1 with err. */
int pn_quarantine_record(struct pn_quarantine_actor *a, const pn_q_item *record, pn_spool_done *done, void *arg,
                         struct pn_error *err);
/* What the host refused for good is offered again. -1 and err. */
int pn_quarantine_actor_offer_again(struct pn_quarantine_actor *a, struct pn_error *err);

/* ---- on the keeper ---- */

/* The host's store; also of a node that was the host once. */
struct pn_host *pn_quarantine_actor_host(struct pn_quarantine_actor *a, struct pn_error *err);

/*
 * Releases a message by way of a mail server. -1 with err: not begun, done is not called. done: on the keeper, or, at the
 * end of all, on the thread that ends it. text says what the server said, or why not.
 */
#define PN_QUARANTINE_WHO_BYTES 96u
enum pn_quarantine_released { PN_QUARANTINE_RELEASED, PN_QUARANTINE_NOT_RELEASED, PN_QUARANTINE_RELEASE_UNKNOWN };
struct pn_quarantine_release {
    uint64_t number;
    const char *to; /* NULL: its recipients that had not theirs yet; one of these: it stays new for the others */
    const char *who;
    bool again; /* also one whose release began and has no known end */
};
typedef void pn_quarantine_release_done(void *arg, enum pn_quarantine_released result, const char *text);
int pn_quarantine_release(struct pn_quarantine_actor *a, const struct pn_quarantine_release *o,
                          pn_quarantine_release_done *done, void *arg, struct pn_error *err);

/* What a round of retention would take now, by class; more: at least so many. Held items stay. -1 with err. */
typedef void pn_quarantine_purge_each(void *arg, int kind, int state, int event, uint64_t before_ms, unsigned n,
                                      bool more);
int pn_quarantine_purge_rehearse(struct pn_quarantine_actor *a, pn_quarantine_purge_each *each, void *arg,
                                 struct pn_error *err);
void pn_quarantine_purge_now(struct pn_quarantine_actor *a); /* a round begins; it goes on in small steps */

/* A round of digests. dry_run: each is called, on the reader, and nothing is sent or noted. done: on the keeper. */
struct pn_quarantine_digest_sum {
    unsigned recipients, items, sent, failed, refused; /* failed: later again; refused: by their server, for good */
    char last[300]; /* the last one that failed or was refused, and why */
    char problem[256]; /* of the store; the round was not finished */
};
typedef void pn_quarantine_digest_each(void *arg, const char *recipient, unsigned items);
typedef void pn_quarantine_digest_done(void *arg, const struct pn_quarantine_digest_sum *sum);
int pn_quarantine_digest_run(struct pn_quarantine_actor *a, bool dry_run, pn_quarantine_digest_each *each,
                             pn_quarantine_digest_done *done, void *arg, struct pn_error *err);
/* What a digest's link allows: genuine, of this store, not too old. -1 with err, fit for a web page. */
int pn_quarantine_link(struct pn_quarantine_actor *a, const char *token, struct pn_qlink *out, struct pn_error *err);

/* ---- on the reader ---- */

struct pn_host *pn_quarantine_actor_store(struct pn_quarantine_actor *a, struct pn_error *err);

/* ---- from any thread ---- */

struct pn_quarantine_peer { /* on the host: a node that sends here */
    char name[PN_NAME_BYTES];
    bool up;
    struct pn_receive_stats receive;
};

struct pn_quarantine_status { /* as of the last second, or the last change */
    char host[PN_NAME_BYTES]; /* "": off */
    bool is_host; /* this node */
    bool spool_open, store_open;
    char spool_error[256], store_error[256];
    struct pn_spool_totals spool;
    uint64_t disk_free_bytes;
    uint64_t oldest_ms; /* when the oldest that waits came, since 1970; 0: nothing waits */
    uint64_t peak_items; /* most that waited since nothing did: what a progress bar begins with */
    bool forward; /* configured */
    bool host_up; /* the link is there */
    struct pn_forward_stats forwarding;
    uint64_t left_ms; /* until the backlog is gone; UINT64_MAX: not known */
    bool listening;
    char listen[96];
    struct pn_lmtp_server_stats lmtp;
    uint64_t lmtp_away; /* sessions answered 421 since the spool was not open */
    uint64_t dropped_frames; /* too much at a time; they came again */
    /* the host's */
    struct pn_hostdb_totals store;
    uint64_t store_away_since_ms; /* pn_clock_ms() since when it takes nothing, store_error says why; 0: it does */
    uint64_t store_failures; /* that a database did not answer or did not do what it was asked to, since the start */
    bool store_full;
    uint64_t purged; /* items whose time was over, since the start */
    struct pn_quarantine_peer peers[PN_MAX_NODES];
    unsigned n_peers;
};
void pn_quarantine_actor_status(struct pn_quarantine_actor *a, struct pn_quarantine_status *out);

#endif
