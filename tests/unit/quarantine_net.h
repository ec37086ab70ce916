/* SPDX-License-Identifier: BSD-3-Clause */
/* A spool and a host with a bad network between them. */
#ifndef TESTS_UNIT_QUARANTINE_NET_H
#define TESTS_UNIT_QUARANTINE_NET_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/hash.h"
#include "controlplane/quarantine/forward_spool.h"
#include "controlplane/quarantine/receive.h"
#include "quarantine_store.h"

struct net { /* frames under way, one direction */
    struct {
        uint8_t *bytes;
        size_t len;
    } q[512];
    unsigned n;
};

struct world {
    char dir[64], spool_path[80], host_path[80];
    struct pn_spool *spool;
    struct pn_host *host;
    struct pn_forward *forward;
    struct pn_receive *receive;
    struct net up, down;
    uint64_t now, random;
    unsigned lossy; /* in 100 */
    unsigned added;
    unsigned uncounted; /* items that the host had before its count began anew */
};

static inline unsigned dice(struct world *w, unsigned n)
{
    return (unsigned)(pn_hash_split(&w->random) % n);
}

static inline int net_send(void *arg, const uint8_t *bytes, size_t len)
{
    struct net *n = arg;

    if (n->n >= 500)
        return 1;
    n->q[n->n].bytes = malloc(len);
    memcpy(n->q[n->n].bytes, bytes, len);
    n->q[n->n++].len = len;
    return 0;
}

static inline void net_clear(struct net *n)
{
    while (n->n)
        free(n->q[--n->n].bytes);
}

/* One frame, perhaps not the first, perhaps twice, perhaps never. */
static inline bool net_take(struct world *w, struct net *n, uint8_t **bytes, size_t *len)
{
    if (n->n == 0)
        return false;
    unsigned i = dice(w, 100) < w->lossy ? dice(w, n->n < 8 ? n->n : 8) : 0;
    *bytes = n->q[i].bytes;
    *len = n->q[i].len;
    if (dice(w, 200) < w->lossy && n->n < 500) { /* it stays as well */
        n->q[i].bytes = malloc(*len);
        memcpy(n->q[i].bytes, *bytes, *len);
    } else {
        memmove(&n->q[i], &n->q[i + 1], (n->n - i - 1) * sizeof(n->q[0]));
        n->n--;
    }
    if (dice(w, 200) < w->lossy) {
        free(*bytes);
        *bytes = NULL;
    }
    return true;
}

static inline void node_start(struct world *w)
{
    struct pn_spool_options o = {.path = w->spool_path, .node = "mx1", .keep_acked_ms = 1000000000};
    struct pn_forward_options f = {.node = "mx1", .retry_ms = 200, .retry_max_ms = 2000, .seed = w->random};
    struct pn_error err;

    if (pn_spool_open(&o, &w->spool, NULL, &err) != 0)
        fail_msg("%s", err.text);
    w->forward = pn_forward_new(&f, &pn_forward_spool_ops, w->spool, net_send, &w->up);
}

static inline void host_start(struct world *w)
{
    struct pn_host_options o = {.path = w->host_path};
    struct pn_error err;

    store_options(&o);
    if (pn_host_open(&o, &w->host, &err) != 0)
        fail_msg("%s", err.text);
    w->receive = pn_receive_new(w->host, "mx1", net_send, &w->down);
}

static inline void node_stop(struct world *w)
{
    pn_forward_free(w->forward);
    pn_spool_close(w->spool);
}

static inline void host_stop(struct world *w)
{
    pn_host_close(w->host); /* what is queued is lost, like in a crash */
    pn_receive_free(w->receive);
}

static inline void link_up(struct world *w)
{
    net_clear(&w->up);
    net_clear(&w->down);
    pn_forward_down(w->forward);
    pn_forward_up(w->forward, pn_hash_split(&w->random) | 1, w->now);
}

static inline void world_start(struct world *w, uint64_t seed, unsigned lossy)
{
    memset(w, 0, sizeof(*w));
    w->random = seed;
    w->now = 1000;
    w->lossy = lossy;
    fixture_dir(w->dir);
    snprintf(w->spool_path, sizeof(w->spool_path), "%s/spool", w->dir);
    snprintf(w->host_path, sizeof(w->host_path), "%s/host", w->dir);
    store_new();
    node_start(w);
    host_start(w);
}

static inline void world_stop(struct world *w)
{
    net_clear(&w->up);
    net_clear(&w->down);
    node_stop(w);
    host_stop(w);
    fixture_remove(w->dir);
}

static inline void add(struct world *w, unsigned n)
{
    static const size_t sizes[] = {300, 2000, 20000, 700000};
    struct pn_error err;

    for (unsigned i = 0; i < n; i++) {
        w->added++;
        if (dice(w, 3) == 0) {
            pn_q_item rec = PN__Q__ITEM__INIT;
            rec.event = PN_Q_EVENT_SPAM;
            assert_int_equal(pn_spool_record(w->spool, &rec, NULL, NULL, &err), 0);
        } else {
            assert_int_equal(fixture_intake(w->spool, w->added, sizes[dice(w, dice(w, 4) ? 3 : 4)], NULL, NULL), 0);
        }
    }
    assert_int_equal(pn_spool_commit(w->spool), n);
}

static inline void step(struct world *w)
{
    uint8_t *bytes;
    size_t len;

    w->now += 1 + dice(w, 20);
    for (unsigned i = 0; i < 16 && net_take(w, &w->up, &bytes, &len); i++) {
        if (bytes)
            pn_receive_frame(w->receive, bytes, len);
        free(bytes);
    }
    if (dice(w, 3) == 0) {
        pn_host_commit(w->host);
        pn_receive_flush(w->receive);
    }
    for (unsigned i = 0; i < 16 && net_take(w, &w->down, &bytes, &len); i++) {
        if (bytes)
            pn_forward_frame(w->forward, bytes, len, w->now);
        free(bytes);
    }
    pn_forward_pump(w->forward, w->now);
}

static inline uint64_t pending(struct world *w)
{
    struct pn_spool_totals t;
    pn_spool_totals(w->spool, &t);
    assert_int_equal(t.refused, 0);
    return t.pending_messages + t.pending_records;
}

static inline void drain(struct world *w)
{
    for (unsigned i = 0; i < 60000 && pending(w); i++)
        step(w);
    assert_int_equal(pending(w), 0);
}

struct tally {
    unsigned n;
    uint8_t seen[4096];
    struct world *w;
    uint64_t numbers[4096];
};

static inline int count(void *arg, const struct pn_host_row *row)
{
    struct tally *t = arg;
    assert_true(row->item->sequence < 4096);
    assert_int_equal(t->seen[row->item->sequence]++, 0); /* shown once */
    t->numbers[t->n++] = row->item->kind == PN_Q_MESSAGE ? row->number : 0;
    return 0;
}

static inline int nothing(void *arg, const uint8_t *bytes, size_t len)
{
    (void)arg, (void)bytes, (void)len;
    return 0;
}

static inline void check_host(struct world *w)
{
    struct pn_host_query q = PN_HOST_QUERY_ANY;
    struct tally t = {.w = w};
    struct pn_error err;
    uint64_t accepted;

    q.limit = 1000;
    assert_int_equal(pn_host_find(w->host, &q, count, &t, &err), 0);
    assert_int_equal(t.n, w->added);
    assert_int_equal(pn_host_accepted(w->host, "mx1", &accepted), 0);
    assert_true(accepted + w->uncounted >= w->added);
    for (unsigned i = 0; i < t.n; i++)
        if (t.numbers[i] && pn_host_raw(w->host, t.numbers[i], nothing, NULL, &err) != 0)
            fail_msg("%s", err.text);
}

#endif
