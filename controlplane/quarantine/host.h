/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The host's store: files as on the nodes, rows behind hostdb.h. An item is shown once however often it comes; it is
 * acknowledged only after file, folder and row are on disk. One process (lock file); all calls from one thread.
 */
#ifndef POSTERN_QUARANTINE_HOST_H
#define POSTERN_QUARANTINE_HOST_H

#include "controlplane/quarantine/files.h"
#include "controlplane/quarantine/hostdb.h"

struct pn_host_options {
    const char *path; /* a folder */
    const char *database; /* "sqlite" (also NULL) or "postgresql" */
    const char *where; /* postgresql: how to connect, as libpq says it; sqlite: a file, NULL: PATH/host.db */
    uint64_t keep_free_bytes; /* of the disk; below, items are refused for later */
    bool background; /* rounds of commits may go on a thread of their own: pn_host_commit_begin() */
    bool reader; /* a second one beside the one that writes, for another thread: find, get, raw, lists, reports */
    const atomic_uint_least64_t *end_by_ms; /* as in struct pn_hostdb_options */
};

struct pn_host;
int pn_host_open(const struct pn_host_options *o, struct pn_host **out, struct pn_error *err);
void pn_host_close(struct pn_host *h); /* answers what is queued as failed; NULL is fine */

/* What is wrong with the database, where it is not a part of this process; as of the last call to it. */
void pn_host_health(struct pn_host *h, struct pn_hostdb_health *out);

int pn_host_known(struct pn_host *h, const char *node, const struct pn_q_id *id); /* 1, 0, -1 */
bool pn_host_full(struct pn_host *h);
/* Queued for the next commit; done once, ok: durable (new or known). tmp: finished message file, taken over in every
 * case; NULL for a record. -1 with err: not queued, done is not called. */
typedef void pn_host_done(void *arg, const struct pn_q_id *id, bool ok, const char *reason);
int pn_host_put(struct pn_host *h, const pn_q_item *item, struct pn_qtmp *tmp, pn_host_done *done, void *arg,
                struct pn_error *err);
unsigned pn_host_queued(const struct pn_host *h);
unsigned pn_host_commit(struct pn_host *h); /* how many became durable; a round under way is ended first */
/*
 * The same in the background, while more is put: begin when pn_host_commit_wait_ms() says so (it leaves what is queued
 * alone while a round is under way, and waits for that one when too much is queued); poll when the descriptor becomes
 * readable: it calls done for a round that is over. Without options.background begin is pn_host_commit(). Calls that need
 * the database wait for the round's end meanwhile; known and accepted do not, and do not see it yet.
 */
void pn_host_commit_begin(struct pn_host *h);
unsigned pn_host_commit_poll(struct pn_host *h);
int pn_host_commit_fd(const struct pn_host *h); /* -1: there is no background */
/* When to: not with each frame, since all of a batch costs little more than one. How long from now, ms; 0: now,
 * UINT32_MAX: nothing is queued. Ask after each frame and when a timer of that time is over. now: any steady clock. */
uint32_t pn_host_commit_wait_ms(struct pn_host *h, uint64_t now_ms);

uint64_t pn_host_store(struct pn_host *h);
int pn_host_accepted(struct pn_host *h, const char *node, uint64_t *count); /* items of it ever taken; -1: unknown */
struct pn_qfiles *pn_host_files(struct pn_host *h);

int pn_host_find(struct pn_host *h, const struct pn_host_query *q, pn_host_each *each, void *arg, struct pn_error *err);
int pn_host_get(struct pn_host *h, uint64_t number, pn_host_each *each, void *arg, struct pn_error *err);
/* The raw message, checked against its SHA-256. -1 with err: no such, purged, damaged. */
int pn_host_raw(struct pn_host *h, uint64_t number, pn_qsink *sink, void *arg, struct pn_error *err);
/* 1: this call did it, and the audit says who; 0: it is final already; -1. For a release the caller hands the message
 * to an MTA only after 1. */
int pn_host_state_set(struct pn_host *h, uint64_t number, enum pn_host_state state, const char *who, const char *detail,
                      struct pn_error *err);
/*
 * A release by way of a mail server: begin, which notes the intent durably; hand over; end. An item whose release began
 * and never ended (a crash, a connection lost after the final dot) stays marked: whether the message left is not known,
 * so only `again` releases it once more.
 */
enum pn_host_release {
    PN_HOST_RELEASE_BEGUN = 1,
    PN_HOST_RELEASE_NOT_THERE, /* no such message, or purged */
    PN_HOST_RELEASE_FINAL, /* released or deleted already */
    PN_HOST_RELEASE_OPEN /* one is under way, or nobody knows how it ended */
};
int pn_host_release_begin(struct pn_host *h, uint64_t number, bool again, const char *who, const char *detail,
                          struct pn_error *err); /* enum pn_host_release, -1 with err */
enum pn_host_released {
    PN_HOST_RELEASED_DONE,
    PN_HOST_RELEASED_NOT, /* as before, it may be tried again */
    PN_HOST_RELEASED_UNKNOWN,
    PN_HOST_RELEASED_PART /* one recipient had theirs, the audit says who; the item stays new for the others */
};
#define PN_HOST_RELEASED_PART_WHAT "released for one" /* in the audit */
int pn_host_release_end(struct pn_host *h, uint64_t number, enum pn_host_released how, const char *who,
                        const char *detail, struct pn_error *err); /* 0, -1 with err */
int pn_host_flag_set(struct pn_host *h, uint64_t number, enum pn_host_flag flag, bool on, const char *who,
                     struct pn_error *err); /* SEEN or HOLD */
int pn_host_purge(struct pn_host *h, const struct pn_host_purge *p, struct pn_error *err); /* how many, or -1 */
/* Oldest messages go until file bytes are at most max_bytes; held ones stay. How many, or -1. */
int pn_host_purge_size(struct pn_host *h, uint64_t max_bytes, struct pn_error *err);
/* The same for one node's messages: its quota on this host. */
int pn_host_purge_node(struct pn_host *h, const char *node, uint64_t max_bytes, struct pn_error *err);
int pn_host_totals(struct pn_host *h, struct pn_hostdb_totals *out);
int pn_host_node_totals(struct pn_host *h, pn_host_node_each *each, void *arg);
int pn_host_audit_list(struct pn_host *h, uint64_t number, pn_host_audit_each *each, void *arg, struct pn_error *err);

/* NULL with err. Free with pn_report_free(). */
struct pn_report *pn_host_report(struct pn_host *h, const struct pn_report_ask *ask, struct pn_error *err);
int pn_host_report_purge(struct pn_host *h, uint64_t before_ms, struct pn_error *err); /* forgets counts and names */

/*
 * A round of digests: top = pn_host_totals().last when it begins; pn_host_digest_due() page by page; for each recipient
 * find with recipient, after = upto, before = top + 1, unseen, kind MESSAGE, state NEW; mail it; pn_host_digest_mark() once
 * the MTA took it (or refused it for good). When all are marked: pn_host_digest_end(). A crash repeats at most the one
 * mail that was accepted and not yet marked; without the end, the next round finds who was left out.
 */
int pn_host_digest_due(struct pn_host *h, uint64_t top, const char *after, unsigned limit, pn_host_due_each *each,
                       void *arg, struct pn_error *err);
int pn_host_digest_mark(struct pn_host *h, const char *address, uint64_t top, struct pn_error *err); /* durable */
int pn_host_digest_end(struct pn_host *h, uint64_t top, struct pn_error *err); /* durable */
/* Small durable numbers by name, e.g. when the last round began. */
uint64_t pn_host_mark_get(struct pn_host *h, const char *name, uint64_t fallback);
int pn_host_mark_set(struct pn_host *h, const char *name, uint64_t value, struct pn_error *err);

#endif
