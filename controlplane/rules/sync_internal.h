/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef POSTERN_RULES_SYNC_INTERNAL_H
#define POSTERN_RULES_SYNC_INTERNAL_H

#include "controlplane/rules/store.h"
#include "controlplane/rules/sync.h"
#include "controlplane/rules/wire.h"

#define SYNC_LEAF 64 /* items: a place with no more is listed, not divided */
#define SYNC_LIST_MAX 1024 /* items of one place that are compared at once, below the greatest depth */
#define SYNC_DEEP_MAX 8192 /* the same at the greatest depth: more have been made to collide, and are left alone */
#define SYNC_WINDOW 4 /* frames of ours on their way that wait for an answer */
#define SYNC_PLACES_ASKED 64 /* in one frame */
#define SYNC_ANSWER_MAX (1u << 20) /* bytes after which the rest of an answer has to be asked for again */
#define SYNC_STALL_MS 15000 /* no answer for so long: start over */
#define SYNC_BUSY_MS 300 /* after an answer of ours the peer is probably still asking */
#define SYNC_RUN_PLACES_MAX 4000000
#define SYNC_QUEUE_MAX 131072 /* places that wait to be asked about, 3 MiB; deep first, an honest tree has 50,000 */

#define SYNC_ADOPT_MAX 100000 /* newer stamps that wait to be written together */

/* A newer stamp for what we have: rows in the order of the disk cost a tenth of rows in the order of ids. */
struct sync_adopt {
    uint64_t id, content, stamp;
    uint32_t seq; /* where its row is, or was */
    uint8_t kind;
    uint16_t name; /* in names */
};

struct sync_place {
    uint8_t kind;
    struct pn_digest_place at;
};

struct pn_sync {
    struct pn_rules *rules;
    char peer[PN_NAME_BYTES];
    pn_sync_out_fn *out;
    void *arg;
    struct pn_wire_out wire;
    struct pn_sync_status st;
    bool paused, missed;
    uint64_t ask; /* kinds that differ and that we compare */
    uint64_t gap; /* of the last Hello: both sides' sums of these */
    uint64_t run_gap, run_ms; /* the same when we began to compare, and when that was */
    bool asked; /* the frame being handled wants an answer from us */
    size_t answered; /* bytes of that answer so far */
    uint64_t answered_ms; /* wall clock of the last one */
    uint64_t hello_due_ms;
    uint64_t equal_at_change; /* rules->changes then */

    struct sync_place *queue; /* a stack: deep first, so it stays short */
    size_t n_queue, queue_size;
    uint32_t waiting[4 * SYNC_WINDOW]; /* requests of ours without an answer, 0: free */
    unsigned n_waiting;
    uint32_t last_request;
    uint32_t wire_request; /* of the frame being made */
    uint64_t heard_ms; /* last answer */
    uint64_t run_places;

    struct sync_adopt *adopt;
    size_t n_adopt, adopt_size;
    char (*names)[PN_NAME_BYTES];
    unsigned n_names;

    struct pn_digest_item *items; /* [SYNC_DEEP_MAX + 1] ours */
    struct pn_digest_item *theirs; /* [SYNC_DEEP_MAX + 1] */
};

/* sync_send.c */
uint32_t sync_request_new(struct pn_sync *s); /* 0: too many wait for an answer, this one does not */
void sync_begin(struct pn_sync *s, uint32_t request, uint32_t done);
void sync_send(struct pn_sync *s);
void sync_send_part(struct pn_sync *s); /* the frame has grown: on with the next */
int sync_queue(struct pn_sync *s, uint8_t kind, struct pn_digest_place at);
static inline bool sync_class_on(const struct pn_sync *s, unsigned kind)
{
    return kind < PN_KIND_LIMIT && s->rules->classes[kind].digest && (s->rules->classes_on & PN_KIND_BIT(kind));
}

/* sync_answer.c: the parts of a frame; what we have to say goes into s->wire. 0, -1: our store failed, err says how. */
int sync_take_sums(struct pn_sync *s, const Pn__Sums *m);
int sync_take_items(struct pn_sync *s, const Pn__Frame *f, const Pn__Items *m, struct pn_error *err);
int sync_take_versions(struct pn_sync *s, const Pn__Frame *f, const Pn__Versions *m, struct pn_error *err);
int sync_adopt_add(struct pn_sync *s, uint8_t kind, uint64_t id, uint64_t content, uint64_t stamp, const char *node);
int sync_adopt_flush(struct pn_sync *s, struct pn_error *err); /* outside a transaction */
int sync_take_want(struct pn_sync *s, const Pn__Want *m, struct pn_error *err);
int sync_take_refused(struct pn_sync *s, const Pn__Refused *m, struct pn_error *err);
int sync_take_entries(struct pn_sync *s, const Pn__Frame *f, struct pn_error *err);

#endif
