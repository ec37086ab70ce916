/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/quarantine/forward_internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/error.h"

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

static void slots_clear(struct pn_forward *f)
{
    memset(f->slots, 0, sizeof(f->slots));
    f->under_way = f->messages_under_way = f->backlog_under_way = 0;
}

static void holds_end(struct pn_forward *f)
{
    for (unsigned k = PN_Q_RECORD; k <= PN_Q_MESSAGE; k++)
        f->hold[k].vain = 0;
}

void pn_forward_up(struct pn_forward *f, uint64_t session, uint64_t now_ms)
{
    slots_clear(f);
    holds_end(f);
    f->session = session;
    f->st.state = PN_FORWARD_HELLO;
    f->hello_due_ms = now_ms;
    f->link_full = false;
    f->error_until_ms = 0; /* that of the link before is over */
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

/* The host takes items again that it had refused, but not for good, or had not answered. */
static void again(struct pn_forward *f, uint64_t now_ms)
{
    holds_end(f);
    for (unsigned i = 0; i < PN_FORWARD_WINDOW; i++)
        if (f->slots[i].used && f->slots[i].tries > 0) {
            f->slots[i].tries = 0;
            f->slots[i].due_ms = now_ms;
        }
}

static void welcome(struct pn_forward *f, const Pn__Q__Welcome *w, uint64_t now_ms)
{
    uint64_t store = f->ops->mark_get(f->arg, PN_FORWARD_MARK_STORE),
             saved = f->ops->mark_get(f->arg, PN_FORWARD_MARK_ACCEPTED);
    uint64_t accepted = saved > f->accepted ? saved : f->accepted; /* what was heard is saved a little later */

    if (w->session != f->session)
        return;
    if (f->st.state == PN_FORWARD_RUNNING && store == w->store && w->accepted >= accepted) {
        again(f, now_ms);
        return;
    }
    f->st.state = PN_FORWARD_HELLO; /* until it is done; a Hello follows what fails below */
    /* The store knows fewer of our items than it once acknowledged: it came back from a backup, or is a standby's. */
    f->lacking = store == w->store && (f->lacking || w->accepted < accepted);
    if (f->lacking) {
        if (f->ops->offer_again(f->arg) != 0) {
            pn_forward_store_failed(f, now_ms);
            return;
        }
        f->lacking = false;
        f->st.restored++;
        pn_forward_trouble(f, "the host's store was restored from a backup; what is kept here is offered again");
    }
    if ((store != w->store && f->ops->mark_set(f->arg, PN_FORWARD_MARK_STORE, w->store) != 0) ||
        (saved != w->accepted && f->ops->mark_set(f->arg, PN_FORWARD_MARK_ACCEPTED, w->accepted) != 0)) {
        pn_forward_store_failed(f, now_ms);
        return;
    }
    f->accepted = f->accepted_saved = w->accepted;
    f->saved_ms = now_ms;
    slots_clear(f);
    holds_end(f);
    pn_forward_rescan(f);
    f->tokens = 0;
    f->tokens_ms = now_ms;
    f->st.state = PN_FORWARD_RUNNING;
}

static void ack(struct pn_forward *f, const Pn__Q__Ack *a, uint64_t now_ms)
{
    struct pn_q_id ids[PN_QACK_IDS_MAX];
    unsigned n = 0;

    for (size_t i = 0; i < a->n_ids; i++)
        ids[n++] = pn_qframe_id_get(a->ids[i]);
    if (n && f->ops->acked(f->arg, ids, n) != 0) {
        pn_forward_store_failed(f, now_ms); /* the slots stay, are offered again, and acknowledged again */
        return;
    }
    for (unsigned i = 0; i < n; i++) {
        struct pn_forward_slot *s = pn_forward_slot_find(f, &ids[i]);
        if (s == NULL)
            continue; /* late or repeated */
        f->hold[s->kind].vain = 0;
        f->st.acked_items++;
        f->st.acked_bytes += s->file_bytes;
        f->window_items++;
        f->window_bytes += s->file_bytes;
        pn_forward_slot_free(f, s);
    }
    if (a->accepted > f->accepted)
        f->accepted = a->accepted;
    pn_forward_rate(f, now_ms);
}

static void refuse(struct pn_forward *f, const Pn__Q__Refuse *r, uint64_t now_ms)
{
    struct pn_q_id id = pn_qframe_id_get(r->id);
    struct pn_forward_slot *s = pn_forward_slot_find(f, &id);

    if (s == NULL)
        return;
    pn_forward_trouble(f, r->reason[0] ? r->reason : "the host refused an item");
    if (!r->for_good) {
        f->hold[s->kind].vain++;
        s->answered = false;
        s->due_ms = pn_forward_retry_at(f, ++s->tries, now_ms);
        return;
    }
    if (f->ops->refused(f->arg, &id, r->reason) != 0) {
        pn_forward_store_failed(f, now_ms);
        return;
    }
    f->st.refused++;
    pn_forward_slot_free(f, s);
}

void pn_forward_frame(struct pn_forward *f, const uint8_t *bytes, size_t len, uint64_t now_ms)
{
    struct pn_pb_budget budget;
    struct pn_error err;
    pn_q_frame *frame = pn_qframe_decode(&budget, bytes, len, &err);

    if (frame == NULL) {
        f->st.bad_frames++;
        pn_forward_trouble(f, err.text);
        return;
    }
    if (f->st.state != PN_FORWARD_DOWN && frame->session == f->session) {
        f->heard_ms = now_ms;
        if (frame->welcome)
            welcome(f, frame->welcome, now_ms);
        if (f->st.state == PN_FORWARD_RUNNING) {
            if (frame->ack)
                ack(f, frame->ack, now_ms);
            if (frame->refuse)
                refuse(f, frame->refuse, now_ms);
            if (frame->have) {
                struct pn_q_id id = pn_qframe_id_get(frame->have->id);
                struct pn_forward_slot *s = pn_forward_slot_find(f, &id);
                if (s && frame->have->offset <= s->file_bytes) {
                    uint64_t at = frame->have->offset;
                    /* Less than before, or an answer to a new Put: pieces were lost, go back to there. */
                    if (!s->answered || at < s->have || at > s->sent)
                        s->sent = at;
                    s->have = at;
                    s->answered = true;
                    s->due_ms = pn_forward_retry_at(f, 0, now_ms);
                }
            }
        }
    }
    pn_pb_free(&budget, frame);
    pn_forward_pump(f, now_ms);
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
