/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A node's side of forwarding to the host: at least once, resumable, live before backlog. Pure: what it sends from is an
 * interface, time is given, frames go to a function. Nothing leaves the node's store before the host's durable
 * acknowledgement. The peer behind send is the host and authenticated; its frames are still checked.
 */
#ifndef POSTERN_QUARANTINE_FORWARD_H
#define POSTERN_QUARANTINE_FORWARD_H

#include <sys/types.h>

#include "controlplane/quarantine/frame.h"

#define PN_FORWARD_WINDOW 1024u /* items under way */
#define PN_FORWARD_LIVE_SLOTS 64u /* of these, never used by the backlog */
#define PN_FORWARD_RECORD_SLOTS 32u /* of those, never used by messages: a host may take none for a while */
#define PN_FORWARD_AHEAD_MS 400u /* of the backlog under way, at the rate of late: live records wait behind it */
#define PN_FORWARD_AHEAD_BYTES (512u << 10) /* of one large file, sent beyond what the host said it has */

struct pn_forward_item {
    struct pn_q_id id;
    enum pn_q_kind kind;
    uint64_t file_bytes; /* 0 for records */
    const uint8_t *item; /* encoded; until the next call */
    size_t item_len;
};

/* The store that is forwarded; see forward_spool.c. */
struct pn_forward_ops {
    int (*next)(void *arg, enum pn_q_kind kind, uint64_t after, struct pn_forward_item *out); /* waiting; 1, 0, -1 */
    int (*get)(void *arg, const struct pn_q_id *id, struct pn_forward_item *out); /* if it still waits; 1, 0, -1 */
    ssize_t (*read)(void *arg, const struct pn_q_id *id, uint64_t offset, void *buf, size_t len);
    uint64_t (*last)(void *arg);
    int (*acked)(void *arg, const struct pn_q_id *ids, unsigned n); /* durable when 0 */
    int (*refused)(void *arg, const struct pn_q_id *id, const char *reason);
    int (*offer_again)(void *arg); /* all that the host had acknowledged and that is kept waits again */
    uint64_t (*mark_get)(void *arg, const char *name);
    int (*mark_set)(void *arg, const char *name, uint64_t value);
};

struct pn_forward_options {
    const char *node;
    uint64_t backlog_bytes_per_s; /* 0: not limited */
    bool stay[PN_Q_MESSAGE + 1]; /* by kind: these are not sent; a forwarder without it sends what has waited */
    uint32_t retry_ms; /* without an answer, doubled each time up to retry_max_ms, with jitter; 0: 5000 */
    uint32_t retry_max_ms; /* 0: 60000 */
    uint64_t seed; /* of the jitter */
};

enum pn_forward_state { PN_FORWARD_DOWN, PN_FORWARD_HELLO, PN_FORWARD_RUNNING };

struct pn_forward_stats {
    enum pn_forward_state state;
    unsigned under_way;
    uint64_t sent_frames, sent_bytes, acked_items, acked_bytes, repeats, refused, bad_frames, restored;
    double bytes_per_s, items_per_s; /* acknowledged, smoothed over about ten seconds */
    char reason[256]; /* the last thing that went wrong */
};

struct pn_forward;
struct pn_forward *pn_forward_new(const struct pn_forward_options *options, const struct pn_forward_ops *ops, void *arg,
                                  pn_qsend *send, void *send_arg); /* NULL: no memory */
void pn_forward_free(struct pn_forward *f);
/* The link to the host is there. session: random, another each time. */
void pn_forward_up(struct pn_forward *f, uint64_t session, uint64_t now_ms);
void pn_forward_down(struct pn_forward *f);
void pn_forward_frame(struct pn_forward *f, const uint8_t *bytes, size_t len, uint64_t now_ms);
/* Sends what may be sent: after each event, when the link takes more, and when pn_forward_due_ms() is reached. */
void pn_forward_pump(struct pn_forward *f, uint64_t now_ms);
uint64_t pn_forward_due_ms(const struct pn_forward *f, uint64_t now_ms); /* UINT64_MAX: nothing to wait for */
void pn_forward_rescan(struct pn_forward *f); /* items before the place it has reached wait again */
void pn_forward_stats(const struct pn_forward *f, struct pn_forward_stats *out);
/* Time until so much is gone at the rate of late, ms; UINT64_MAX: not known. */
uint64_t pn_forward_left_ms(const struct pn_forward *f, uint64_t items, uint64_t bytes);

#endif
