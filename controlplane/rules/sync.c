/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/rules/sync.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/error.h"
#include "common/hash.h"
#include "common/log.h"
#include "controlplane/rules/sync_internal.h"

struct pn_sync *pn_sync_new(struct pn_rules *rules, const char *peer, pn_sync_out_fn *out, void *arg)
{
    struct pn_sync *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return NULL;
    s->rules = rules;
    snprintf(s->peer, sizeof(s->peer), "%s", peer);
    s->out = out;
    s->arg = arg;
    s->items = malloc((SYNC_DEEP_MAX + 1) * sizeof(*s->items));
    s->theirs = malloc((SYNC_DEEP_MAX + 1) * sizeof(*s->theirs));
    if (s->items == NULL || s->theirs == NULL) {
        pn_sync_free(s);
        return NULL;
    }
    return s;
}

void pn_sync_free(struct pn_sync *s)
{
    if (s == NULL)
        return;
    pn_wire_free(&s->wire);
    free(s->queue);
    free(s->adopt);
    free(s->names);
    free(s->items);
    free(s->theirs);
    free(s);
}

static void hello_send(struct pn_sync *s, bool answer)
{
    struct pn_wire_class classes[PN_KIND_LIMIT];
    struct pn_rules *r = s->rules;
    struct pn_error err;
    uint64_t wall = pn_hlc_make(pn_rules_wall_ms(r), 0);
    size_t n = 0;

    /* What we say we have, we keep. */
    if (sync_adopt_flush(s, &err) != 0 || pn_rdb_durable(r, &err) != 0) {
        pn_log_limited(10000, PN_LOG_ERROR, "rules: %s", err.text);
        return;
    }
    if (wall > r->clock.last) /* what is stamped from here on is later than this Hello */
        r->clock.last = wall;
    for (unsigned i = 0; i < pn_kinds_count; i++) {
        uint8_t k = pn_kinds[i].number;
        if (sync_class_on(s, k))
            classes[n++] = (struct pn_wire_class){.kind = k,
                                                  .sum = pn_rules_digest(r, k),
                                                  .complete = r->classes[k].complete,
                                                  .floor = r->classes[k].floor};
    }
    sync_begin(s, 0, 0);
    pn_wire_hello(&s->wire, r->node, classes, n, answer);
    sync_send(s);
    s->hello_due_ms = pn_rules_wall_ms(r) + PN_SYNC_HELLO_MS;
}

/* One frame of questions, of one kind. */
static void ask(struct pn_sync *s)
{
    uint8_t kind = s->queue[s->n_queue - 1].kind;
    struct pn_digest *d = s->rules->classes[kind].digest;
    struct pn_digest_place places[SYNC_PLACES_ASKED];
    struct pn_digest_sum sums[SYNC_PLACES_ASKED];
    size_t n = 0;

    sync_begin(s, sync_request_new(s), 0);
    for (unsigned i = 0; i < SYNC_PLACES_ASKED && s->n_queue && s->queue[s->n_queue - 1].kind == kind; i++) {
        struct pn_digest_place at = s->queue[--s->n_queue].at;
        struct pn_digest_sum sum = pn_digest_sum(d, at);
        if (sum.count <= SYNC_LEAF || at.depth == PN_DIGEST_DEPTH_MAX) {
            size_t count = pn_digest_items(d, at, s->items, SYNC_DEEP_MAX);
            if (count <= SYNC_DEEP_MAX)
                pn_wire_items(&s->wire, kind, at, s->items, count, s->rules->names);
            if (s->wire.len > PN_WIRE_FRAME_GOAL)
                break;
        } else {
            places[n] = at;
            sums[n++] = sum;
        }
    }
    if (n)
        pn_wire_sums(&s->wire, kind, places, sums, n);
    sync_send(s);
}

static void pump(struct pn_sync *s)
{
    while (s->st.running && !s->paused && s->n_queue && s->n_waiting < SYNC_WINDOW)
        ask(s);
    if (s->st.running && s->n_queue == 0 && s->n_waiting == 0) {
        s->st.running = false;
        hello_send(s, true); /* equal now? */
    }
}

static void run_start(struct pn_sync *s)
{
    const struct pn_digest_place root = {0, 0};

    s->n_queue = s->n_waiting = 0;
    s->run_places = 0;
    s->st.running = true;
    s->heard_ms = s->run_ms = pn_rules_wall_ms(s->rules);
    s->run_gap = s->gap;
    for (unsigned k = 0; k < PN_KIND_LIMIT; k++)
        if (s->ask & PN_KIND_BIT(k))
            sync_queue(s, (uint8_t)k, root);
}

/*
 * Not when a comparison of just these sums has left them as they are: one side does not take what the other has, since its
 * disk is full, or does not know it as valid. That is tried again with every Hello that comes of itself.
 */
static bool run_wanted(const struct pn_sync *s)
{
    uint64_t now_ms = pn_rules_wall_ms(s->rules);

    return s->ask && !s->st.running &&
           (s->gap != s->run_gap || now_ms < s->run_ms || now_ms >= s->run_ms + PN_SYNC_HELLO_MS);
}

/* ---- Frames in ---- */

/*
 * One of the two asks, class by class: the one that has just joined, since its entries have one stamp and list cheaply; otherwise the one
 * with the lesser name. Should both think so it costs twice and does no harm.
 */
static bool asks(const struct pn_sync *s, bool mine_new, bool theirs_new)
{
    return mine_new != theirs_new ? mine_new : strcmp(s->rules->node, s->peer) < 0;
}

static void hello_take(struct pn_sync *s, const Pn__Frame *f)
{
    const Pn__Hello *h = f->hello;
    struct pn_rules *r = s->rules;
    uint64_t stamp;
    bool differ = false;

    if (!pn_hlc_hear(&r->clock, pn_rules_wall_ms(r), f->clock))
        pn_log_limited(60000, PN_LOG_WARNING, "rules: the clock of %s runs ahead by %lld ms", s->peer,
                       (long long)(pn_hlc_ms(f->clock) - pn_rules_wall_ms(r)));
    stamp = f->clock < r->clock.last ? f->clock : r->clock.last;
    s->st.greeted = true;
    s->ask = s->gap = 0;
    for (unsigned k = 0; k < PN_KIND_LIMIT; k++)
        s->st.classes[k].both = false;
    for (size_t i = 0; i < h->n_classes; i++) {
        const Pn__Class *c = h->classes[i];
        struct pn_digest_sum theirs = {c->count, c->sum_lo, c->sum_hi}, mine;
        if (!sync_class_on(s, c->kind))
            continue;
        mine = pn_rules_digest(r, (uint8_t)c->kind);
        s->st.classes[c->kind].both = true;
        s->st.classes[c->kind].peer_count = c->count;
        s->st.classes[c->kind].equal = pn_digest_sum_equal(&mine, &theirs);
        differ |= !s->st.classes[c->kind].equal;
        if (!s->st.classes[c->kind].equal && asks(s, r->classes[c->kind].complete == 0, c->complete == 0)) {
            s->ask |= PN_KIND_BIT(c->kind);
            s->gap += pn_hash_mum(mine.lo ^ c->kind, theirs.hi) + pn_hash_mum(mine.hi, theirs.lo ^ c->kind) + 1;
        }
        pn_rdb_floor_raise(r, (uint8_t)c->kind, c->floor);
        if (s->st.classes[c->kind].equal)
            pn_rdb_ack(r, s->peer, (uint8_t)c->kind, stamp, c->complete);
    }
    s->equal_at_change = differ ? UINT64_MAX : r->changes;
    if (!differ)
        s->st.equal_ms = pn_rules_wall_ms(r);
}

static void waiting_done(struct pn_sync *s, uint32_t request)
{
    for (unsigned i = 0; i < s->n_waiting; i++)
        if (s->waiting[i] == request) {
            s->waiting[i] = s->waiting[--s->n_waiting];
            return;
        }
}

static int take_parts(struct pn_sync *s, const Pn__Frame *f, struct pn_error *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < f->n_want; i++) /* before the entries replace what is wanted */
        rc = sync_take_want(s, f->want[i], err);
    if (rc == 0)
        rc = sync_take_entries(s, f, err);
    for (size_t i = 0; rc == 0 && i < f->n_sums; i++)
        rc = sync_take_sums(s, f->sums[i]);
    for (size_t i = 0; rc == 0 && i < f->n_items; i++)
        rc = sync_take_items(s, f, f->items[i], err);
    for (size_t i = 0; rc == 0 && i < f->n_versions; i++)
        rc = sync_take_versions(s, f, f->versions[i], err);
    for (size_t i = 0; rc == 0 && i < f->n_refused; i++)
        rc = sync_take_refused(s, f->refused[i], err);
    return rc;
}

/* Writes what the frame brings in one transaction and says what there is to say to it. */
static int take(struct pn_sync *s, const Pn__Frame *f, struct pn_error *err)
{
    bool writes = f->n_entries || f->n_items || f->n_versions || f->n_refused;
    bool more = f->request != 0 || s->st.running; /* one frame of many; a push counts at once */
    int rc;

    s->asked = f->request != 0;
    s->answered = 0;
    /* Our own questions and entries that follow from an answer are counted until the peer has dealt with them. */
    sync_begin(s, s->asked ? 0 : sync_request_new(s), 0);
    if (writes && pn_rdb_begin(s->rules, false, err) != 0) {
        waiting_done(s, s->wire_request);
        return -1;
    }
    rc = take_parts(s, f, err);
    if (writes && rc == 0)
        rc = more ? pn_rdb_commit_later(s->rules, err) : pn_rdb_commit(s->rules, err);
    else if (writes)
        pn_rdb_rollback(s->rules);
    if (s->asked && rc == 0) {
        if (!pn_wire_empty(&s->wire))
            sync_send(s);
        sync_begin(s, 0, f->request);
        sync_send(s);
        s->answered_ms = pn_rules_wall_ms(s->rules);
    } else if (!s->asked && !pn_wire_empty(&s->wire) && rc == 0) {
        sync_send(s);
    } else if (!s->asked) {
        waiting_done(s, s->wire_request); /* nothing to say, or no more: it was not sent */
    }
    if (rc == 0 && s->n_adopt >= SYNC_ADOPT_MAX)
        rc = sync_adopt_flush(s, err);
    return rc;
}

int pn_sync_input(struct pn_sync *s, const uint8_t *data, size_t len, struct pn_error *err)
{
    Pn__Frame *f = pn_wire_read(data, len, err);
    struct pn_error why = {""};

    if (f == NULL)
        return -1;
    if (f->hello && strcmp(f->hello->node, s->peer) != 0) {
        pn_error_set(err, "it says that it is \"%.32s\", not \"%s\"", f->hello->node, s->peer);
        pn_wire_done(f);
        return -1;
    }
    s->st.frames_in++;
    s->st.bytes_in += len;
    s->st.peer_version = f->version;
    s->st.skew_ms = (int64_t)(f->wall_ms - pn_rules_wall_ms(s->rules));
    s->st.skew_alarm =
        s->st.skew_ms > (int64_t)s->rules->clock.skew_ms || s->st.skew_ms < -(int64_t)s->rules->clock.skew_ms;
    if (f->n_entries || f->n_sums || f->n_items || f->n_versions || f->n_want || f->n_refused || f->request) {
        if (take(s, f, &why) != 0)
            pn_log_limited(10000, PN_LOG_ERROR, "rules: what %s sent was not taken: %s", s->peer, why.text);
    }
    if (f->done) {
        waiting_done(s, f->done);
        s->heard_ms = pn_rules_wall_ms(s->rules);
    }
    if (f->hello) {
        if (sync_adopt_flush(s, &why) != 0 || pn_rdb_settle(s->rules, &why) != 0)
            pn_log_limited(10000, PN_LOG_ERROR, "rules: what %s sent was not taken: %s", s->peer, why.text);
        hello_take(s, f);
        if (f->hello->answer)
            hello_send(s, false);
        if (run_wanted(s))
            run_start(s);
    }
    pump(s);
    pn_wire_done(f);
    return 0;
}

/* ---- The owner's calls ---- */

void pn_sync_start(struct pn_sync *s)
{
    hello_send(s, true);
}

void pn_sync_check(struct pn_sync *s)
{
    uint64_t now_ms = pn_rules_wall_ms(s->rules);

    /* While trees are compared, here or by the peer, a Hello tells nothing but makes both write what they gather. */
    if (s->st.running || (now_ms >= s->answered_ms && now_ms < s->answered_ms + SYNC_BUSY_MS))
        return;
    hello_send(s, true);
}

void pn_sync_push(struct pn_sync *s, uint8_t kind, const uint8_t *frame, size_t len)
{
    if (s->st.greeted && !s->st.classes[kind].both)
        return;
    if (s->paused) {
        s->st.missed_pushes++;
        s->missed = true;
        return;
    }
    s->st.frames_out++;
    s->st.bytes_out += len;
    s->out(s->arg, frame, len);
}

void pn_sync_pause(struct pn_sync *s, bool paused)
{
    s->paused = paused;
    if (paused)
        return;
    if (s->missed) {
        s->missed = false;
        hello_send(s, true);
    }
    pump(s);
}

void pn_sync_tick(struct pn_sync *s)
{
    uint64_t now_ms = pn_rules_wall_ms(s->rules);

    if (s->st.running && (now_ms > s->heard_ms + SYNC_STALL_MS || s->heard_ms > now_ms + SYNC_STALL_MS)) {
        s->st.running = false;
        s->n_queue = s->n_waiting = 0;
        s->hello_due_ms = 0;
    }
    if (!s->paused && (now_ms >= s->hello_due_ms || s->hello_due_ms > now_ms + PN_SYNC_HELLO_MS))
        hello_send(s, false);
}

void pn_sync_status(const struct pn_sync *s, struct pn_sync_status *status)
{
    *status = s->st;
    status->equal = s->st.greeted && s->equal_at_change == s->rules->changes;
}
