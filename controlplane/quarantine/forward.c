/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/quarantine/forward.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/error.h"
#include "common/hash.h"

#define MARK_STORE "host.store"
#define MARK_ACCEPTED "host.accepted"
#define MARK_EVERY_MS 5000

struct slot {
    bool used, live, answered; /* answered: the host said Have, so pieces may go */
    bool put_due; /* Put is still to be sent, the link was full */
    struct pn_q_id id;
    enum pn_q_kind kind;
    uint64_t file_bytes, sent, have; /* bytes of the file */
    uint64_t due_ms;
    unsigned tries;
};

struct pn_forward {
    struct pn_forward_options o;
    char node[PN_NAME_BYTES];
    const struct pn_forward_ops *ops;
    void *arg, *send_arg;
    pn_qsend *send;
    uint64_t session, hello_due_ms, jitter;
    uint64_t live_mark; /* later numbers are live */
    uint64_t live_after[3], backlog_after[3]; /* by kind: places reached */
    struct slot slots[PN_FORWARD_WINDOW];
    unsigned under_way, backlog_under_way, turn;
    bool link_full, store_error;
    double tokens; /* bytes the backlog may send */
    uint64_t tokens_ms, rate_ms;
    uint64_t window_items, window_bytes;
    uint64_t accepted, accepted_saved, saved_ms;
    uint64_t error_until_ms;
    uint8_t *buf;
    struct pn_forward_stats st;
};

struct pn_forward *pn_forward_new(const struct pn_forward_options *o, const struct pn_forward_ops *ops, void *arg,
                                  pn_qsend *send, void *send_arg)
{
    struct pn_forward *f = calloc(1, sizeof(*f));

    if (f)
        f->buf = malloc(PN_QINLINE_BYTES);
    if (f == NULL || f->buf == NULL) {
        free(f);
        return NULL;
    }
    f->o = *o;
    f->o.retry_ms = o->retry_ms ? o->retry_ms : 5000;
    f->o.retry_max_ms = o->retry_max_ms ? o->retry_max_ms : 60000;
    snprintf(f->node, sizeof(f->node), "%s", o->node);
    f->jitter = o->seed;
    f->ops = ops;
    f->arg = arg;
    f->send = send;
    f->send_arg = send_arg;
    return f;
}

void pn_forward_free(struct pn_forward *f)
{
    if (f)
        free(f->buf);
    free(f);
}

static void trouble(struct pn_forward *f, const char *what)
{
    snprintf(f->st.reason, sizeof(f->st.reason), "%s", what);
}

/* The store failed: leave it alone for a moment instead of turning in circles. */
static void store_failed(struct pn_forward *f, uint64_t now_ms)
{
    trouble(f, "the spool cannot be read or written");
    f->error_until_ms = now_ms + 1000;
}

static uint64_t retry_at(struct pn_forward *f, unsigned tries, uint64_t now_ms)
{
    uint64_t wait = f->o.retry_ms;

    for (unsigned i = 0; i < tries && wait < f->o.retry_max_ms; i++)
        wait *= 2;
    if (wait > f->o.retry_max_ms)
        wait = f->o.retry_max_ms;
    return now_ms + wait / 2 + pn_hash_split(&f->jitter) % (wait + 1);
}

static int emit(struct pn_forward *f, pn_q_frame *frame)
{
    int rc = pn_qframe_send(frame, f->session, f->send, f->send_arg);

    if (rc == 0) {
        f->st.sent_frames++;
        return 0;
    }
    if (rc > 0)
        f->link_full = true;
    else
        trouble(f, "the link is down");
    return rc;
}

static void slots_clear(struct pn_forward *f)
{
    memset(f->slots, 0, sizeof(f->slots));
    f->under_way = f->backlog_under_way = 0;
}

static void slot_free(struct pn_forward *f, struct slot *s)
{
    s->used = false;
    f->under_way--;
    f->backlog_under_way -= !s->live;
}

static struct slot *slot_find(struct pn_forward *f, const struct pn_q_id *id)
{
    for (unsigned i = 0; i < PN_FORWARD_WINDOW; i++)
        if (f->slots[i].used && pn_q_id_equal(&f->slots[i].id, id))
            return &f->slots[i];
    return NULL;
}

void pn_forward_up(struct pn_forward *f, uint64_t session, uint64_t now_ms)
{
    slots_clear(f);
    f->session = session;
    f->st.state = PN_FORWARD_HELLO;
    f->hello_due_ms = now_ms;
    f->link_full = false;
    f->rate_ms = now_ms;
    f->window_items = f->window_bytes = 0;
    pn_forward_pump(f, now_ms);
}

void pn_forward_down(struct pn_forward *f)
{
    slots_clear(f);
    f->st.state = PN_FORWARD_DOWN;
    f->st.bytes_per_s = f->st.items_per_s = 0;
}

void pn_forward_rescan(struct pn_forward *f)
{
    f->live_mark = f->ops->last(f->arg);
    for (unsigned k = 0; k < 3; k++) {
        f->backlog_after[k] = 0;
        f->live_after[k] = f->live_mark;
    }
}

static void welcome(struct pn_forward *f, const Pn__Q__Welcome *w, uint64_t now_ms)
{
    uint64_t store = f->ops->mark_get(f->arg, MARK_STORE), accepted = f->ops->mark_get(f->arg, MARK_ACCEPTED);

    if (w->session != f->session || f->st.state != PN_FORWARD_HELLO)
        return;
    /* The store knows fewer of our items than it once acknowledged: it came back from a backup. */
    if (store == w->store && w->accepted < accepted) {
        if (f->ops->offer_again(f->arg) != 0) {
            store_failed(f, now_ms);
            return;
        }
        f->st.restored++;
        trouble(f, "the host's store was restored from a backup; what is kept here is offered again");
    }
    if ((store != w->store && f->ops->mark_set(f->arg, MARK_STORE, w->store) != 0) ||
        (accepted != w->accepted && f->ops->mark_set(f->arg, MARK_ACCEPTED, w->accepted) != 0)) {
        store_failed(f, now_ms);
        return;
    }
    f->accepted = f->accepted_saved = w->accepted;
    f->saved_ms = now_ms;
    slots_clear(f);
    pn_forward_rescan(f);
    f->tokens = 0;
    f->tokens_ms = now_ms;
    f->st.state = PN_FORWARD_RUNNING;
}

static void rate(struct pn_forward *f, uint64_t now_ms)
{
    uint64_t took = now_ms - f->rate_ms;

    if (took < 1000)
        return;
    double a = took >= 10000 ? 1 : (double)took / 10000.0;
    if (f->st.items_per_s <= 0)
        a = 1;
    f->st.bytes_per_s += a * (1000.0 * (double)f->window_bytes / (double)took - f->st.bytes_per_s);
    f->st.items_per_s += a * (1000.0 * (double)f->window_items / (double)took - f->st.items_per_s);
    f->rate_ms = now_ms;
    f->window_items = f->window_bytes = 0;
}

static void ack(struct pn_forward *f, const Pn__Q__Ack *a, uint64_t now_ms)
{
    struct pn_q_id ids[PN_QACK_IDS_MAX];
    unsigned n = 0;

    for (size_t i = 0; i < a->n_ids; i++)
        ids[n++] = pn_qframe_id_get(a->ids[i]);
    if (n && f->ops->acked(f->arg, ids, n) != 0) {
        store_failed(f, now_ms); /* the slots stay, are offered again, and acknowledged again */
        return;
    }
    for (unsigned i = 0; i < n; i++) {
        struct slot *s = slot_find(f, &ids[i]);
        if (s == NULL)
            continue; /* late or repeated */
        f->st.acked_items++;
        f->st.acked_bytes += s->file_bytes;
        f->window_items++;
        f->window_bytes += s->file_bytes;
        slot_free(f, s);
    }
    if (a->accepted > f->accepted)
        f->accepted = a->accepted;
    rate(f, now_ms);
}

static void refuse(struct pn_forward *f, const Pn__Q__Refuse *r, uint64_t now_ms)
{
    struct pn_q_id id = pn_qframe_id_get(r->id);
    struct slot *s = slot_find(f, &id);

    if (s == NULL)
        return;
    trouble(f, r->reason[0] ? r->reason : "the host refused an item");
    if (!r->for_good) {
        s->answered = false;
        s->due_ms = retry_at(f, ++s->tries, now_ms);
        return;
    }
    if (f->ops->refused(f->arg, &id, r->reason) != 0) {
        store_failed(f, now_ms);
        return;
    }
    f->st.refused++;
    slot_free(f, s);
}

void pn_forward_frame(struct pn_forward *f, const uint8_t *bytes, size_t len, uint64_t now_ms)
{
    struct pn_pb_budget budget;
    struct pn_error err;
    pn_q_frame *frame = pn_qframe_decode(&budget, bytes, len, &err);

    if (frame == NULL) {
        f->st.bad_frames++;
        trouble(f, err.text);
        return;
    }
    if (f->st.state != PN_FORWARD_DOWN && frame->session == f->session) {
        if (frame->welcome)
            welcome(f, frame->welcome, now_ms);
        if (f->st.state == PN_FORWARD_RUNNING) {
            if (frame->ack)
                ack(f, frame->ack, now_ms);
            if (frame->refuse)
                refuse(f, frame->refuse, now_ms);
            if (frame->have) {
                struct pn_q_id id = pn_qframe_id_get(frame->have->id);
                struct slot *s = slot_find(f, &id);
                if (s && frame->have->offset <= s->file_bytes) {
                    uint64_t at = frame->have->offset;
                    /* Less than before, or an answer to a new Put: pieces were lost, go back to there. */
                    if (!s->answered || at < s->have || at > s->sent)
                        s->sent = at;
                    s->have = at;
                    s->answered = true;
                    s->due_ms = retry_at(f, 0, now_ms);
                }
            }
        }
    }
    pn_pb_free(&budget, frame);
    pn_forward_pump(f, now_ms);
}

/* 0: sent; 1: link full; -1: gone or down. */
static int put(struct pn_forward *f, struct slot *s, uint64_t now_ms)
{
    pn_q_frame frame = PN__Q__FRAME__INIT;
    Pn__Q__Put p = PN__Q__PUT__INIT;
    struct pn_forward_item item;
    int got = f->ops->get(f->arg, &s->id, &item);

    if (got <= 0) {
        if (got == 0)
            slot_free(f, s); /* evicted meanwhile */
        else
            store_failed(f, now_ms);
        return -1;
    }
    p.item = (ProtobufCBinaryData){item.item_len, (uint8_t *)(uintptr_t)item.item};
    p.file_bytes = s->file_bytes;
    if (s->file_bytes && s->file_bytes <= PN_QINLINE_BYTES) {
        if (f->ops->read(f->arg, &s->id, 0, f->buf, s->file_bytes) != (ssize_t)s->file_bytes) {
            if (f->ops->refused(f->arg, &s->id, "its file cannot be read") == 0) {
                f->st.refused++;
                slot_free(f, s);
            } else {
                store_failed(f, now_ms);
            }
            return -1;
        }
        p.content = (ProtobufCBinaryData){s->file_bytes, f->buf};
    }
    frame.put = &p;
    int rc = emit(f, &frame);
    s->put_due = rc != 0;
    if (rc != 0)
        return rc;
    s->answered = false;
    s->due_ms = retry_at(f, s->tries, now_ms);
    if (!s->live)
        f->tokens -= (double)(p.content.len + item.item_len);
    f->st.sent_bytes += p.content.len + item.item_len;
    return 0;
}

static int chunk(struct pn_forward *f, struct slot *s)
{
    pn_q_frame frame = PN__Q__FRAME__INIT;
    Pn__Q__Chunk c = PN__Q__CHUNK__INIT;
    Pn__Q__Id id;
    size_t want = s->file_bytes - s->sent < PN_QCHUNK_BYTES ? s->file_bytes - s->sent : PN_QCHUNK_BYTES;
    ssize_t n = f->ops->read(f->arg, &s->id, s->sent, f->buf, want);

    if (n != (ssize_t)want) {
        if (f->ops->refused(f->arg, &s->id, "its file cannot be read") == 0) {
            f->st.refused++;
            slot_free(f, s);
        }
        return -1;
    }
    pn_qframe_id(&id, &s->id);
    c.id = &id;
    c.offset = s->sent;
    c.content = (ProtobufCBinaryData){want, f->buf};
    frame.chunk = &c;
    int rc = emit(f, &frame);
    if (rc != 0)
        return rc;
    s->sent += want;
    f->st.sent_bytes += want;
    if (!s->live)
        f->tokens -= (double)want;
    return 0;
}

static bool backlog_may(const struct pn_forward *f)
{
    return f->o.backlog_bytes_per_s == 0 || f->tokens > 0;
}

/* The next item that is not under way: live records, live messages, old records, old messages. */
static int pick(struct pn_forward *f, struct slot *s)
{
    static const enum pn_q_kind kinds[] = {PN_Q_RECORD, PN_Q_MESSAGE};
    struct pn_forward_item item;

    for (unsigned live = 2; live-- > 0;) {
        if (!live && (!backlog_may(f) || f->backlog_under_way >= PN_FORWARD_WINDOW - PN_FORWARD_LIVE_SLOTS))
            return 0;
        for (unsigned k = 0; k < 2; k++) {
            uint64_t *after = live ? &f->live_after[kinds[k]] : &f->backlog_after[kinds[k]];
            for (;;) {
                if (!live && *after >= f->live_mark)
                    break;
                int rc = f->ops->next(f->arg, kinds[k], *after, &item);
                if (rc < 0)
                    return -1;
                if (rc == 0 || (!live && item.id.sequence > f->live_mark)) {
                    if (!live)
                        *after = f->live_mark;
                    break;
                }
                *after = item.id.sequence;
                if (slot_find(f, &item.id))
                    continue;
                *s = (struct slot){
                    .used = true, .live = live, .id = item.id, .kind = kinds[k], .file_bytes = item.file_bytes};
                f->under_way++;
                f->backlog_under_way += !live;
                return 1;
            }
        }
    }
    return 0;
}

static void tokens_fill(struct pn_forward *f, uint64_t now_ms)
{
    double r = (double)f->o.backlog_bytes_per_s, cap = r > PN_QINLINE_BYTES ? r : PN_QINLINE_BYTES;

    f->tokens += r * (double)(now_ms - f->tokens_ms) / 1000.0;
    f->tokens_ms = now_ms;
    if (f->tokens > cap)
        f->tokens = cap;
}

static void pump_chunks(struct pn_forward *f)
{
    bool more = true;

    while (more && !f->link_full) { /* one piece each in turn: a huge file does not hold up the others */
        more = false;
        for (unsigned n = 0; n < PN_FORWARD_WINDOW && !f->link_full; n++) {
            struct slot *s = &f->slots[(f->turn + n) % PN_FORWARD_WINDOW];
            if (!s->used || !s->answered || s->sent >= s->file_bytes || s->sent - s->have >= PN_FORWARD_AHEAD_BYTES)
                continue;
            if (!s->live && !backlog_may(f))
                continue;
            if (chunk(f, s) < 0)
                return;
            more = true;
        }
        f->turn++;
    }
}

void pn_forward_pump(struct pn_forward *f, uint64_t now_ms)
{
    f->link_full = false;
    if (f->st.state == PN_FORWARD_DOWN || now_ms < f->error_until_ms)
        return;
    if (f->st.state == PN_FORWARD_HELLO) {
        pn_q_frame frame = PN__Q__FRAME__INIT;
        Pn__Q__Hello h = PN__Q__HELLO__INIT;
        if (now_ms < f->hello_due_ms)
            return;
        h.node = f->node;
        h.session = f->session;
        frame.hello = &h;
        emit(f, &frame);
        f->hello_due_ms = retry_at(f, 0, now_ms);
        return;
    }
    tokens_fill(f, now_ms);
    rate(f, now_ms);
    if (f->accepted != f->accepted_saved && now_ms - f->saved_ms >= MARK_EVERY_MS) {
        if (f->ops->mark_set(f->arg, MARK_ACCEPTED, f->accepted) == 0)
            f->accepted_saved = f->accepted;
        f->saved_ms = now_ms;
    }
    for (unsigned i = 0; i < PN_FORWARD_WINDOW && !f->link_full; i++) {
        struct slot *s = &f->slots[i];
        if (!s->used || (!s->put_due && now_ms < s->due_ms))
            continue;
        if (!s->put_due) {
            s->tries++;
            f->st.repeats++;
        }
        if (put(f, s, now_ms) < 0 && now_ms < f->error_until_ms)
            return;
    }
    pump_chunks(f);
    for (unsigned i = 0; i < PN_FORWARD_WINDOW && !f->link_full && f->under_way < PN_FORWARD_WINDOW; i++) {
        struct slot *s = &f->slots[i];
        if (s->used)
            continue;
        int rc = pick(f, s);
        if (rc < 0)
            store_failed(f, now_ms);
        if (rc <= 0)
            break;
        s->put_due = true;
        if (put(f, s, now_ms) < 0 && now_ms < f->error_until_ms)
            break;
    }
}

uint64_t pn_forward_due_ms(const struct pn_forward *f, uint64_t now_ms)
{
    uint64_t due = UINT64_MAX;

    if (f->st.state == PN_FORWARD_DOWN)
        return due;
    if (now_ms < f->error_until_ms)
        return f->error_until_ms;
    if (f->st.state == PN_FORWARD_HELLO)
        return f->hello_due_ms;
    for (unsigned i = 0; i < PN_FORWARD_WINDOW; i++)
        if (f->slots[i].used && f->slots[i].due_ms < due)
            due = f->slots[i].due_ms;
    bool waiting = f->backlog_after[PN_Q_MESSAGE] < f->live_mark || f->backlog_after[PN_Q_RECORD] < f->live_mark;
    if ((waiting || f->backlog_under_way) && !backlog_may(f) && now_ms + 100 < due)
        due = now_ms + 100;
    if (f->accepted != f->accepted_saved && f->saved_ms + MARK_EVERY_MS < due)
        due = f->saved_ms + MARK_EVERY_MS;
    return due;
}

void pn_forward_stats(const struct pn_forward *f, struct pn_forward_stats *out)
{
    *out = f->st;
    out->under_way = f->under_way;
}

uint64_t pn_forward_left_ms(const struct pn_forward *f, uint64_t items, uint64_t bytes)
{
    double by_items = f->st.items_per_s > 0 ? 1000.0 * (double)items / f->st.items_per_s : -1;
    double by_bytes = f->st.bytes_per_s > 0 ? 1000.0 * (double)bytes / f->st.bytes_per_s : 0;

    if (items == 0)
        return 0;
    if (by_items < 0)
        return UINT64_MAX;
    return (uint64_t)(by_items > by_bytes ? by_items : by_bytes);
}
