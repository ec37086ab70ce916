/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/quarantine/receive.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/error.h"

#define LARGE_MAX 256u /* messages coming in pieces at a time */
#define ACKS_MAX 4096u /* beyond, the node asks again */
#define HAVE_EVERY_BYTES (256u << 10)

struct large {
    bool used;
    struct pn_q_id id;
    uint64_t total, have, told, turn;
    uint8_t *item;
    size_t item_len;
};

struct pn_receive {
    struct pn_host *host;
    char node[PN_NAME_BYTES];
    pn_qsend *send;
    void *send_arg;
    uint64_t session, turn;
    uint64_t accepted, lapses; /* as the node was last told */
    struct large large[LARGE_MAX];
    struct pn_q_id acks[ACKS_MAX];
    unsigned n_acks;
    struct pn_receive_stats st;
};

static uint64_t lapses(const struct pn_receive *r)
{
    struct pn_hostdb_health health;

    pn_host_health(r->host, &health);
    return health.lapses;
}

struct pn_receive *pn_receive_new(struct pn_host *host, const char *node, pn_qsend *send, void *send_arg)
{
    struct pn_receive *r = calloc(1, sizeof(*r));

    if (r == NULL)
        return NULL;
    r->host = host;
    r->lapses = lapses(r);
    snprintf(r->node, sizeof(r->node), "%s", node);
    r->send = send;
    r->send_arg = send_arg;
    return r;
}

static void large_free(struct large *l)
{
    free(l->item);
    memset(l, 0, sizeof(*l));
}

void pn_receive_free(struct pn_receive *r)
{
    for (unsigned i = 0; r && i < LARGE_MAX; i++)
        large_free(&r->large[i]);
    free(r);
}

static void refuse(struct pn_receive *r, const struct pn_q_id *id, bool for_good, const char *reason)
{
    pn_q_frame frame = PN__Q__FRAME__INIT;
    Pn__Q__Refuse f = PN__Q__REFUSE__INIT;
    struct pn_q_id copy = *id;
    Pn__Q__Id i;

    pn_qframe_id(&i, &copy);
    f.id = &i;
    f.for_good = for_good;
    f.reason = (char *)(uintptr_t)reason;
    frame.refuse = &f;
    snprintf(r->st.reason, sizeof(r->st.reason), "%s", reason);
    r->st.refused += for_good;
    r->st.refused_later += !for_good;
    pn_qframe_send(&frame, r->session, r->send, r->send_arg);
}

static void have(struct pn_receive *r, struct large *l)
{
    pn_q_frame frame = PN__Q__FRAME__INIT;
    Pn__Q__Have h = PN__Q__HAVE__INIT;
    Pn__Q__Id i;

    pn_qframe_id(&i, &l->id);
    h.id = &i;
    h.offset = l->told = l->have;
    frame.have = &h;
    pn_qframe_send(&frame, r->session, r->send, r->send_arg);
}

static void acked(struct pn_receive *r, const struct pn_q_id *id)
{
    if (r->n_acks < ACKS_MAX)
        r->acks[r->n_acks++] = *id;
}

static void done(void *arg, const struct pn_q_id *id, bool ok, const char *reason)
{
    struct pn_receive *r = arg;

    if (ok)
        acked(r, id);
    else
        refuse(r, id, false, reason);
}

static void welcome(struct pn_receive *r)
{
    pn_q_frame frame = PN__Q__FRAME__INIT;
    Pn__Q__Welcome w = PN__Q__WELCOME__INIT;

    w.session = r->session;
    w.store = pn_host_store(r->host);
    if (pn_host_accepted(r->host, r->node, &w.accepted) != 0) { /* a wrong number would mean: restored from a backup */
        snprintf(r->st.reason, sizeof(r->st.reason), "the host's store cannot be read");
        return; /* the node says Hello again */
    }
    uint64_t now = lapses(r);
    if (now != r->lapses || w.accepted < r->accepted)
        r->n_acks = 0; /* it may not have these: the node asks again */
    if (now != r->lapses)
        w.accepted = 0; /* items since may be more than those that it lacks: only this has the node offer all again */
    frame.welcome = &w;
    if (pn_qframe_send(&frame, r->session, r->send, r->send_arg) == 0) {
        r->accepted = w.accepted;
        r->lapses = now;
    }
}

void pn_receive_flush(struct pn_receive *r)
{
    while (r->n_acks) {
        pn_q_frame frame = PN__Q__FRAME__INIT;
        Pn__Q__Ack a = PN__Q__ACK__INIT;
        Pn__Q__Id ids[PN_QACK_IDS_MAX], *p[PN_QACK_IDS_MAX];
        unsigned n = r->n_acks < PN_QACK_IDS_MAX ? r->n_acks : PN_QACK_IDS_MAX;

        for (unsigned i = 0; i < n; i++) {
            pn_qframe_id(&ids[i], &r->acks[i]);
            p[i] = &ids[i];
        }
        a.ids = p;
        a.n_ids = n;
        if (pn_host_accepted(r->host, r->node, &a.accepted) != 0) {
            a.accepted = 0; /* not known now: the node keeps what it heard before */
        } else if (a.accepted < r->accepted || lapses(r) != r->lapses) {
            welcome(r); /* a standby that had not had all, or a backup, so quickly that nobody saw it come */
            return;
        } else {
            r->accepted = a.accepted;
        }
        frame.ack = &a;
        int rc = pn_qframe_send(&frame, r->session, r->send, r->send_arg);
        if (rc > 0)
            return; /* the link is full: again with the next flush */
        if (rc < 0)
            n = r->n_acks; /* no link: the node asks again */
        r->n_acks -= n;
        memmove(r->acks, r->acks + n, r->n_acks * sizeof(r->acks[0]));
    }
}

static struct large *large_find(struct pn_receive *r, const struct pn_q_id *id)
{
    for (unsigned i = 0; i < LARGE_MAX; i++)
        if (r->large[i].used && pn_q_id_equal(&r->large[i].id, id))
            return &r->large[i];
    return NULL;
}

static struct large *large_new(struct pn_receive *r, const struct pn_q_id *id, const ProtobufCBinaryData *item)
{
    struct large *l = &r->large[0];

    for (unsigned i = 0; i < LARGE_MAX; i++) { /* a free one, or the one that moved least lately */
        if (!r->large[i].used) {
            l = &r->large[i];
            break;
        }
        if (r->large[i].turn < l->turn)
            l = &r->large[i];
    }
    large_free(l);
    l->item = malloc(item->len ? item->len : 1);
    if (l->item == NULL)
        return NULL;
    memcpy(l->item, item->data, item->len);
    l->item_len = item->len;
    l->id = *id;
    l->used = true;
    return l;
}

/* File and item are both here: to the store's queue. */
static void queue(struct pn_receive *r, const pn_q_item *item, const struct pn_q_id *id, struct pn_qtmp *tmp)
{
    struct pn_error err;

    if (pn_host_put(r->host, item, tmp, done, r, &err) != 0)
        refuse(r, id, false, err.text);
    else
        r->st.items++;
}

static void large_finish(struct pn_receive *r, struct large *l)
{
    struct pn_pb_budget budget;
    struct pn_error err;
    pn_q_item *item = pn_q_item_decode(&budget, l->item, l->item_len, &err);
    struct pn_q_id id = l->id;
    uint64_t total = l->total;

    if (item == NULL) {
        refuse(r, &id, true, err.text);
        large_free(l);
        return;
    }
    struct pn_qtmp *tmp = pn_qpartial_finish(pn_host_files(r->host), id.sha, total, item->size_bytes, &err);
    if (tmp)
        queue(r, item, &id, tmp);
    else
        refuse(r, &id, false, err.text); /* the pieces are gone; the node starts anew */
    pn_pb_free(&budget, item);
    large_free(l);
}

static void put(struct pn_receive *r, const Pn__Q__Put *p)
{
    struct pn_pb_budget budget;
    struct pn_error err;
    pn_q_item *item = pn_q_item_decode(&budget, p->item.data, p->item.len, &err);
    struct pn_q_id id;

    if (item == NULL) {
        r->st.bad_frames++;
        snprintf(r->st.reason, sizeof(r->st.reason), "%s", err.text);
        return; /* without an identity there is nothing to refuse */
    }
    id.sequence = item->sequence;
    memcpy(id.sha, item->sha256.data, PN_Q_SHA_BYTES);
    int known = pn_host_known(r->host, item->node, &id);
    if (strcmp(item->node, r->node) != 0) {
        refuse(r, &id, true, "the item is of another node");
    } else if (known == 1) {
        r->st.repeats++;
        acked(r, &id);
    } else if (known < 0) {
        refuse(r, &id, false, "the host's store cannot be read");
    } else if (pn_host_full(r->host)) {
        refuse(r, &id, false, "the host's disk is full");
    } else if (item->kind == PN_Q_RECORD) {
        uint8_t sha[PN_Q_SHA_BYTES];
        if (p->file_bytes == 0 && pn_q_record_sha(item, sha) == 0 && memcmp(sha, id.sha, PN_Q_SHA_BYTES) == 0)
            queue(r, item, &id, NULL);
        else
            refuse(r, &id, true, "the record is not what its identity says");
    } else if (p->content.len) {
        struct pn_qtmp *tmp =
            pn_qtmp_import(pn_host_files(r->host), id.sha, item->size_bytes, p->content.data, p->content.len, &err);
        if (tmp)
            queue(r, item, &id, tmp);
        else
            refuse(r, &id, false, err.text);
        r->st.bytes += p->content.len;
    } else if (p->file_bytes == 0) {
        refuse(r, &id, true, "a message without a file");
    } else {
        struct large *l = large_find(r, &id);
        int64_t had = pn_qpartial_bytes(pn_host_files(r->host), id.sha, p->file_bytes);
        if (l == NULL)
            l = large_new(r, &id, &p->item);
        if (l == NULL || had < 0) {
            refuse(r, &id, false, "no memory or disk for it");
        } else {
            l->total = p->file_bytes;
            l->have = (uint64_t)had;
            l->turn = ++r->turn;
            if (l->have == l->total)
                large_finish(r, l);
            else
                have(r, l);
        }
    }
    pn_pb_free(&budget, item);
}

static void chunk(struct pn_receive *r, const Pn__Q__Chunk *c)
{
    struct pn_q_id id = pn_qframe_id_get(c->id);
    struct large *l = large_find(r, &id);
    struct pn_error err;

    if (l == NULL)
        return; /* the node sends Put again when nothing is heard of it */
    int64_t had =
        pn_qpartial_append(pn_host_files(r->host), id.sha, l->total, c->offset, c->content.data, c->content.len, &err);
    if (had < 0) {
        refuse(r, &id, false, err.text);
        return;
    }
    bool moved = (uint64_t)had > l->have;
    l->have = (uint64_t)had;
    l->turn = ++r->turn;
    r->st.chunks++;
    r->st.bytes += moved ? c->content.len : 0;
    if (l->have == l->total)
        large_finish(r, l);
    else if (!moved || l->have - l->told >= HAVE_EVERY_BYTES)
        have(r, l);
}

void pn_receive_again(struct pn_receive *r)
{
    if (r->session)
        welcome(r);
}

static void hello(struct pn_receive *r, const Pn__Q__Hello *h)
{
    if (strcmp(h->node, r->node) != 0) {
        r->st.bad_frames++;
        snprintf(r->st.reason, sizeof(r->st.reason), "node %s says it were another", r->node);
        return;
    }
    r->session = h->session;
    for (unsigned i = 0; i < LARGE_MAX; i++)
        large_free(&r->large[i]);
    welcome(r);
}

void pn_receive_frame(struct pn_receive *r, const uint8_t *bytes, size_t len)
{
    struct pn_pb_budget budget;
    struct pn_error err;
    pn_q_frame *frame = pn_qframe_decode(&budget, bytes, len, &err);

    if (frame == NULL) {
        r->st.bad_frames++;
        snprintf(r->st.reason, sizeof(r->st.reason), "%s", err.text);
        return;
    }
    if (frame->hello)
        hello(r, frame->hello);
    if (frame->session == r->session && r->session != 0) {
        if (frame->put)
            put(r, frame->put);
        if (frame->chunk)
            chunk(r, frame->chunk);
    }
    pn_pb_free(&budget, frame);
}

void pn_receive_stats(const struct pn_receive *r, struct pn_receive_stats *out)
{
    *out = r->st;
}
