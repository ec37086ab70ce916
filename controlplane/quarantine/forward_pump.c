/* SPDX-License-Identifier: BSD-3-Clause */
/* What a node sends, and when. */
#include "controlplane/quarantine/forward_internal.h"

#define MARK_EVERY_MS 5000
#define BACKLOG_SLOTS_MIN 192u
#define VAIN_MAX 32u

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
        pn_forward_trouble(f, "the link is down");
    return rc;
}

static void hello(struct pn_forward *f)
{
    pn_q_frame frame = PN__Q__FRAME__INIT;
    Pn__Q__Hello h = PN__Q__HELLO__INIT;

    h.node = f->node;
    h.session = f->session;
    frame.hello = &h;
    emit(f, &frame);
}

/* 0: sent; 1: link full; -1: gone or down. */
static int put(struct pn_forward *f, struct pn_forward_slot *s, uint64_t now_ms)
{
    pn_q_frame frame = PN__Q__FRAME__INIT;
    Pn__Q__Put p = PN__Q__PUT__INIT;
    struct pn_forward_item item;
    int got = f->ops->get(f->arg, &s->id, &item);

    if (got <= 0) {
        if (got == 0)
            pn_forward_slot_free(f, s); /* evicted meanwhile */
        else
            pn_forward_store_failed(f, now_ms);
        return -1;
    }
    p.item = (ProtobufCBinaryData){item.item_len, (uint8_t *)(uintptr_t)item.item};
    p.file_bytes = s->file_bytes;
    if (s->file_bytes && s->file_bytes <= PN_QINLINE_BYTES) {
        if (f->ops->read(f->arg, &s->id, 0, f->buf, s->file_bytes) != (ssize_t)s->file_bytes) {
            if (f->ops->refused(f->arg, &s->id, "its file cannot be read") == 0) {
                f->st.refused++;
                pn_forward_slot_free(f, s);
            } else {
                pn_forward_store_failed(f, now_ms);
            }
            return -1;
        }
        p.content = (ProtobufCBinaryData){s->file_bytes, f->buf};
    }
    frame.put = &p;
    int rc = emit(f, &frame);
    s->put_due = rc != 0;
    if (rc < 0)
        pn_forward_pause(f, now_ms);
    if (rc != 0)
        return rc;
    s->answered = false;
    s->due_ms = pn_forward_retry_at(f, s->tries, now_ms);
    if (!s->live)
        f->tokens -= (double)(p.content.len + item.item_len);
    f->st.sent_bytes += p.content.len + item.item_len;
    return 0;
}

static int chunk(struct pn_forward *f, struct pn_forward_slot *s)
{
    pn_q_frame frame = PN__Q__FRAME__INIT;
    Pn__Q__Chunk c = PN__Q__CHUNK__INIT;
    Pn__Q__Id id;
    size_t want = s->file_bytes - s->sent < PN_QCHUNK_BYTES ? s->file_bytes - s->sent : PN_QCHUNK_BYTES;
    ssize_t n = f->ops->read(f->arg, &s->id, s->sent, f->buf, want);

    if (n != (ssize_t)want) {
        if (f->ops->refused(f->arg, &s->id, "its file cannot be read") == 0) {
            f->st.refused++;
            pn_forward_slot_free(f, s);
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

/* So much of the backlog is under way that the other end does not wait for us, and no more. */
static unsigned backlog_slots(const struct pn_forward *f)
{
    double by_rate = f->st.items_per_s * PN_FORWARD_AHEAD_MS / 1000.0;

    return by_rate <= BACKLOG_SLOTS_MIN                           ? BACKLOG_SLOTS_MIN
           : by_rate >= PN_FORWARD_WINDOW - PN_FORWARD_LIVE_SLOTS ? PN_FORWARD_WINDOW - PN_FORWARD_LIVE_SLOTS
                                                                  : (unsigned)by_rate;
}

static bool has_place(const struct pn_forward *f, enum pn_q_kind kind)
{
    return f->under_way < PN_FORWARD_WINDOW &&
           (kind != PN_Q_MESSAGE || f->messages_under_way < PN_FORWARD_WINDOW - PN_FORWARD_RECORD_SLOTS);
}

static bool backlog_waits(const struct pn_forward *f, enum pn_q_kind kind)
{
    return !f->o.stay[kind] && f->backlog_after[kind] < f->live_mark;
}

/* ---- a host that takes nothing ---- */

/*
 * It is not sent all that is under way again and again: one item of a kind is tried at a time, another each time, until
 * one is taken. What is live still goes, once.
 */
static bool held(const struct pn_forward *f, enum pn_q_kind kind)
{
    return f->hold[kind].vain >= VAIN_MAX;
}

static bool may_try(const struct pn_forward *f, enum pn_q_kind kind, uint64_t now_ms)
{
    return !held(f, kind) || now_ms >= f->hold[kind].probe_ms;
}

static void tried(struct pn_forward *f, enum pn_q_kind kind, uint64_t now_ms)
{
    if (!held(f, kind))
        return;
    f->hold[kind].probes++;
    f->hold[kind].probe_ms = pn_forward_retry_at(f, 0, now_ms);
}

/* Every other try is an item of the backlog that was not sent yet: those under way may be what the host cannot take. */
static bool backlog_is_tried(const struct pn_forward *f, enum pn_q_kind kind)
{
    return held(f, kind) && f->hold[kind].probes % 2 != 0 && backlog_waits(f, kind) && backlog_may(f) &&
           has_place(f, kind) && f->backlog_under_way < backlog_slots(f);
}

/* The next item that is not under way: live records, live messages, old records, old messages. */
static int pick(struct pn_forward *f, struct pn_forward_slot *s, uint64_t now_ms)
{
    static const enum pn_q_kind kinds[] = {PN_Q_RECORD, PN_Q_MESSAGE};
    struct pn_forward_item item;

    for (unsigned live = 2; live-- > 0;) {
        if (!live && (!backlog_may(f) || f->backlog_under_way >= backlog_slots(f)))
            return 0;
        for (unsigned k = 0; k < 2; k++) {
            uint64_t *after = live ? &f->live_after[kinds[k]] : &f->backlog_after[kinds[k]];
            while (!f->o.stay[kinds[k]] && has_place(f, kinds[k]) && (live || may_try(f, kinds[k], now_ms))) {
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
                if (pn_forward_slot_find(f, &item.id))
                    continue;
                *s = (struct pn_forward_slot){
                    .used = true, .live = live, .id = item.id, .kind = kinds[k], .file_bytes = item.file_bytes};
                f->under_way++;
                f->messages_under_way += kinds[k] == PN_Q_MESSAGE;
                f->backlog_under_way += !live;
                if (!live)
                    tried(f, kinds[k], now_ms);
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
            struct pn_forward_slot *s = &f->slots[(f->turn + n) % PN_FORWARD_WINDOW];
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

/* What has no answer in time, or found the link full. -1: store or link failed. */
static int pump_again(struct pn_forward *f, enum pn_q_kind kind, uint64_t now_ms)
{
    struct pn_forward_hold *h = &f->hold[kind];

    for (unsigned n = 0, first = h->turn; n < PN_FORWARD_WINDOW && !f->link_full; n++) {
        struct pn_forward_slot *s = &f->slots[(first + n) % PN_FORWARD_WINDOW];
        if (!s->used || s->kind != kind || (!s->put_due && now_ms < s->due_ms))
            continue;
        if (!s->put_due) {
            if (!may_try(f, kind, now_ms) || backlog_is_tried(f, kind))
                continue;
            tried(f, kind, now_ms);
            h->turn = (first + n + 1) % PN_FORWARD_WINDOW;
            h->vain++;
            s->tries++;
            f->st.repeats++;
            if ((s->tries > 2 || held(f, kind)) &&
                now_ms - f->heard_ms >= f->o.retry_max_ms) { /* it may not know this session any more */
                f->heard_ms = now_ms;
                hello(f);
            }
        }
        if (put(f, s, now_ms) < 0 && now_ms < f->error_until_ms)
            return -1;
    }
    return 0;
}

void pn_forward_pump(struct pn_forward *f, uint64_t now_ms)
{
    f->link_full = false;
    f->pumped_ms = now_ms;
    if (f->st.state == PN_FORWARD_DOWN || now_ms < f->error_until_ms)
        return;
    if (f->st.state == PN_FORWARD_HELLO) {
        if (now_ms < f->hello_due_ms)
            return;
        hello(f);
        f->hello_due_ms = pn_forward_retry_at(f, 0, now_ms);
        return;
    }
    tokens_fill(f, now_ms);
    pn_forward_rate(f, now_ms);
    if (f->accepted != f->accepted_saved && now_ms - f->saved_ms >= MARK_EVERY_MS) {
        if (f->ops->mark_set(f->arg, PN_FORWARD_MARK_ACCEPTED, f->accepted) == 0)
            f->accepted_saved = f->accepted;
        f->saved_ms = now_ms;
    }
    for (unsigned k = PN_Q_RECORD; k <= PN_Q_MESSAGE; k++)
        if (pump_again(f, (enum pn_q_kind)k, now_ms) != 0)
            return;
    pump_chunks(f);
    for (unsigned i = 0; i < PN_FORWARD_WINDOW && !f->link_full; i++) {
        struct pn_forward_slot *s = &f->slots[i];
        if (s->used)
            continue;
        int rc = pick(f, s, now_ms);
        if (rc < 0)
            pn_forward_store_failed(f, now_ms);
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
    /* Its owner pumps when it takes more; that word may have been lost for want of memory. */
    if (f->link_full)
        return f->pumped_ms + f->o.retry_ms;
    for (unsigned i = 0; i < PN_FORWARD_WINDOW; i++) {
        const struct pn_forward_slot *s = &f->slots[i];
        uint64_t probe_ms = held(f, s->kind) ? f->hold[s->kind].probe_ms : 0;
        uint64_t again = probe_ms > s->due_ms ? probe_ms : s->due_ms;
        uint64_t at = !s->used ? UINT64_MAX : s->put_due ? now_ms : again;
        due = at < due ? at : due;
    }
    bool waits = f->backlog_under_way > 0;
    for (unsigned k = PN_Q_RECORD; k <= PN_Q_MESSAGE; k++) {
        waits |= backlog_waits(f, (enum pn_q_kind)k);
        if (backlog_is_tried(f, (enum pn_q_kind)k) && f->hold[k].probe_ms < due)
            due = f->hold[k].probe_ms;
    }
    if (waits && !backlog_may(f) && now_ms + 100 < due)
        due = now_ms + 100;
    if (f->accepted != f->accepted_saved && f->saved_ms + MARK_EVERY_MS < due)
        due = f->saved_ms + MARK_EVERY_MS;
    return due;
}
