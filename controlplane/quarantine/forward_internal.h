/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of forwarding share. */
#ifndef POSTERN_QUARANTINE_FORWARD_INTERNAL_H
#define POSTERN_QUARANTINE_FORWARD_INTERNAL_H

#include "controlplane/quarantine/forward.h"

#define PN_FORWARD_MARK_STORE "host.store"
#define PN_FORWARD_MARK_ACCEPTED "host.accepted"

struct pn_forward_slot {
    bool used, live, answered; /* answered: the host said Have, so pieces may go */
    bool put_due; /* Put is still to be sent, the link was full */
    struct pn_q_id id;
    enum pn_q_kind kind;
    uint64_t file_bytes, sent, have; /* bytes of the file */
    uint64_t due_ms;
    unsigned tries;
};

/* Of one kind, since a host may take records and no mail. */
struct pn_forward_hold {
    unsigned vain; /* refused, but not for good, or put again for want of an answer, since the host last took one */
    unsigned probes; /* tries meanwhile */
    unsigned turn; /* where to look first for what is to be put again: each has its turn */
    uint64_t probe_ms; /* while the host takes none: no other try before */
};

struct pn_forward {
    struct pn_forward_options o;
    char node[PN_NAME_BYTES];
    const struct pn_forward_ops *ops;
    void *arg, *send_arg;
    pn_qsend *send;
    uint64_t session, hello_due_ms, jitter;
    uint64_t heard_ms; /* the host, in this session; or Hello was said for want of it */
    uint64_t live_mark; /* later numbers are live */
    uint64_t live_after[3], backlog_after[3]; /* by kind: places reached */
    struct pn_forward_slot slots[PN_FORWARD_WINDOW];
    unsigned under_way, messages_under_way, backlog_under_way, turn;
    bool link_full;
    bool lacking; /* the host's store lacks items, and they could not be offered again yet: it says so only once */
    uint64_t pumped_ms; /* last time */
    double tokens; /* bytes the backlog may send */
    uint64_t tokens_ms, rate_ms;
    uint64_t window_items, window_bytes;
    uint64_t accepted, accepted_saved, saved_ms;
    uint64_t error_until_ms;
    struct pn_forward_hold hold[PN_Q_MESSAGE + 1]; /* by kind */
    uint8_t *buf;
    struct pn_forward_stats st;
};

void pn_forward_trouble(struct pn_forward *f, const char *what);
void pn_forward_pause(struct pn_forward *f, uint64_t now_ms);
void pn_forward_store_failed(struct pn_forward *f, uint64_t now_ms);
uint64_t pn_forward_retry_at(struct pn_forward *f, unsigned tries, uint64_t now_ms);
void pn_forward_slot_free(struct pn_forward *f, struct pn_forward_slot *s);
struct pn_forward_slot *pn_forward_slot_find(struct pn_forward *f, const struct pn_q_id *id);
void pn_forward_rate(struct pn_forward *f, uint64_t now_ms);

#endif
