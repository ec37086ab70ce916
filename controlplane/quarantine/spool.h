/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where quarantined mail and reporting records wait on a node. Nothing counts as taken until file, folder and row are
 * on disk; several intakes share one round of syncs. One process and one thread a spool (a lock file sees to the former).
 */
#ifndef POSTERN_QUARANTINE_SPOOL_H
#define POSTERN_QUARANTINE_SPOOL_H

#include "controlplane/quarantine/disk.h"
#include "controlplane/quarantine/files.h"

#define PN_SPOOL_MESSAGE_BYTES_DEFAULT (256u << 20)

struct pn_spool_options {
    const char *path; /* a folder; made when missing */
    const char *node; /* this node's name */
    struct pn_q_limits limits;
    uint64_t keep_acked_ms; /* what the host has stays so long; 0: goes at once */
    uint64_t ballast_bytes; /* disk space held back for the spool's own commits; 0: none */
    uint64_t message_bytes_max; /* raw; 0: PN_SPOOL_MESSAGE_BYTES_DEFAULT */
};

struct pn_spool_recovery { /* what opening found after a crash */
    uint64_t orphans_removed; /* files nobody was promised */
    uint64_t files_missing; /* rows without their file: reported, kept as records that say so */
    uint64_t pending; /* waiting for the host */
};

struct pn_spool_result {
    bool ok; /* durable */
    bool full; /* refused for want of space: temporary */
    uint64_t sequence;
    uint8_t sha[PN_Q_SHA_BYTES];
    const char *reason; /* when not ok; during the call */
};
typedef void pn_spool_done(void *arg, const struct pn_spool_result *result);

struct pn_spool_totals { /* since opening, and as it stands */
    uint64_t pending_records, pending_messages, pending_bytes; /* bytes: files of pending messages */
    uint64_t refused; /* by the host, for good: kept, shown, not sent again until asked */
    uint64_t stored_bytes, acked_bytes; /* of files */
    uint64_t taken, failed, full, evicted; /* counters since opening */
    enum pn_q_level level;
    bool ballast; /* the reserve is in place */
};

struct pn_spool;
struct pn_intake;

int pn_spool_open(const struct pn_spool_options *options, struct pn_spool **out, struct pn_spool_recovery *recovery,
                  struct pn_error *err);
void pn_spool_close(struct pn_spool *s); /* what is queued is answered as failed; NULL is fine */

/* Other limits from now on. */
void pn_spool_configure(struct pn_spool *s, const struct pn_q_limits *limits, uint64_t keep_acked_ms,
                        uint64_t message_bytes_max);

/* May it come in? Carries out evictions that make room. Called by begin too. */
struct pn_q_verdict pn_spool_admit(struct pn_spool *s, uint64_t want_bytes);

/* NULL with err: no memory, or (*full) no space. */
struct pn_intake *pn_spool_begin(struct pn_spool *s, uint64_t size_hint_bytes, bool *full, struct pn_error *err);
int pn_spool_append(struct pn_intake *in, const void *bytes, size_t len, struct pn_error *err);
/* Queues it for the next commit with what is known of it (kind, node, sequence, sha256, size are filled in; subject
 * and from out of its headers when empty). done is called once, from commit or close. -1 with err: not queued, gone. */
int pn_spool_end(struct pn_intake *in, const pn_q_item *about, pn_spool_done *done, void *arg, struct pn_error *err);
void pn_spool_abort(struct pn_intake *in); /* before end; NULL is fine */
/* A reporting record, queued likewise; done may be NULL. */
int pn_spool_record(struct pn_spool *s, const pn_q_item *record, pn_spool_done *done, void *arg, struct pn_error *err);
unsigned pn_spool_queued(const struct pn_spool *s);
/* One round for all that is queued; each done is called after it. How many were stored. */
unsigned pn_spool_commit(struct pn_spool *s);

/* For forwarding and lists. */
enum pn_spool_state { PN_SPOOL_STORED = 0, PN_SPOOL_ACKED = 1, PN_SPOOL_REFUSED = 2 };
struct pn_spool_row {
    struct pn_q_id id;
    enum pn_q_kind kind;
    enum pn_spool_state state;
    uint64_t file_bytes; /* 0 for records */
    const uint8_t *item; /* encoded; until the next call on this spool */
    size_t item_len;
};
/* The first waiting one of this kind after a sequence number. 1, 0: none, -1: error. */
int pn_spool_next(struct pn_spool *s, enum pn_q_kind kind, uint64_t after, struct pn_spool_row *row);
int pn_spool_get(struct pn_spool *s, uint64_t sequence, struct pn_spool_row *row); /* any state; 1, 0, -1 */
ssize_t pn_spool_read(struct pn_spool *s, const struct pn_q_id *id, uint64_t offset, void *buf, size_t len);
int pn_spool_raw(struct pn_spool *s, const struct pn_q_id *id, pn_qsink *sink, void *arg, struct pn_error *err);
uint64_t pn_spool_last(const struct pn_spool *s); /* highest sequence given */

/* The host has these for good. Unknown ones and ones that differ are passed over. Durable when it returns 0. */
int pn_spool_acked(struct pn_spool *s, const struct pn_q_id *ids, unsigned n, struct pn_error *err);
int pn_spool_refused(struct pn_spool *s, const struct pn_q_id *id, const char *reason, struct pn_error *err);
/* Kept ones and refused ones wait again: the host came back from an old backup, or the operator asks. */
int pn_spool_offer_again(struct pn_spool *s, bool acked, bool refused, struct pn_error *err);
/* Removes at most max that the host has and whose time is over; how many, or -1. */
int pn_spool_purge(struct pn_spool *s, uint64_t now_ms, unsigned max, struct pn_error *err);
void pn_spool_totals(struct pn_spool *s, struct pn_spool_totals *out);

/* Small durable numbers of those who forward, by name. */
uint64_t pn_spool_mark_get(struct pn_spool *s, const char *name, uint64_t fallback);
int pn_spool_mark_set(struct pn_spool *s, const char *name, uint64_t value, struct pn_error *err);

#endif
