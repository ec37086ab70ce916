/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Forwarding between a spool and a host over a bad network: frames are lost, repeated and reordered, both ends restart.
 * In the end the host shows each item exactly once and the node waits for nothing. And the host's store by itself.
 */
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
};

static unsigned dice(struct world *w, unsigned n)
{
    return (unsigned)(pn_hash_split(&w->random) % n);
}

static int net_send(void *arg, const uint8_t *bytes, size_t len)
{
    struct net *n = arg;

    if (n->n >= 500)
        return 1;
    n->q[n->n].bytes = malloc(len);
    memcpy(n->q[n->n].bytes, bytes, len);
    n->q[n->n++].len = len;
    return 0;
}

static void net_clear(struct net *n)
{
    while (n->n)
        free(n->q[--n->n].bytes);
}

/* One frame, perhaps not the first, perhaps twice, perhaps never. */
static bool net_take(struct world *w, struct net *n, uint8_t **bytes, size_t *len)
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

static void node_start(struct world *w)
{
    struct pn_spool_options o = {.path = w->spool_path, .node = "mx1", .keep_acked_ms = 1000000000};
    struct pn_forward_options f = {.node = "mx1", .retry_ms = 200, .retry_max_ms = 2000, .seed = w->random};
    struct pn_error err;

    if (pn_spool_open(&o, &w->spool, NULL, &err) != 0)
        fail_msg("%s", err.text);
    w->forward = pn_forward_new(&f, &pn_forward_spool_ops, w->spool, net_send, &w->up);
}

static void host_start(struct world *w)
{
    struct pn_host_options o = {.path = w->host_path};
    struct pn_error err;

    store_options(&o);
    if (pn_host_open(&o, &w->host, &err) != 0)
        fail_msg("%s", err.text);
    w->receive = pn_receive_new(w->host, "mx1", net_send, &w->down);
}

static void node_stop(struct world *w)
{
    pn_forward_free(w->forward);
    pn_spool_close(w->spool);
}

static void host_stop(struct world *w)
{
    pn_host_close(w->host); /* what is queued is lost, like in a crash */
    pn_receive_free(w->receive);
}

static void link_up(struct world *w)
{
    net_clear(&w->up);
    net_clear(&w->down);
    pn_forward_down(w->forward);
    pn_forward_up(w->forward, pn_hash_split(&w->random) | 1, w->now);
}

static void world_start(struct world *w, uint64_t seed, unsigned lossy)
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

static void world_stop(struct world *w)
{
    net_clear(&w->up);
    net_clear(&w->down);
    node_stop(w);
    host_stop(w);
    fixture_remove(w->dir);
}

static void add(struct world *w, unsigned n)
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

static void step(struct world *w)
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

static uint64_t pending(struct world *w)
{
    struct pn_spool_totals t;
    pn_spool_totals(w->spool, &t);
    assert_int_equal(t.refused, 0);
    return t.pending_messages + t.pending_records;
}

static void drain(struct world *w)
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
static int count(void *arg, const struct pn_host_row *row)
{
    struct tally *t = arg;
    assert_true(row->item->sequence < 4096);
    assert_int_equal(t->seen[row->item->sequence]++, 0); /* shown once */
    t->numbers[t->n++] = row->item->kind == PN_Q_MESSAGE ? row->number : 0;
    return 0;
}
static int nothing(void *arg, const uint8_t *bytes, size_t len)
{
    (void)arg, (void)bytes, (void)len;
    return 0;
}

static void check_host(struct world *w)
{
    struct pn_host_query q = PN_HOST_QUERY_ANY;
    struct tally t = {.w = w};
    struct pn_error err;
    uint64_t accepted;

    q.limit = 1000;
    assert_int_equal(pn_host_find(w->host, &q, count, &t, &err), 0);
    assert_int_equal(t.n, w->added);
    assert_int_equal(pn_host_accepted(w->host, "mx1", &accepted), 0);
    assert_true(accepted >= w->added);
    for (unsigned i = 0; i < t.n; i++)
        if (t.numbers[i] && pn_host_raw(w->host, t.numbers[i], nothing, NULL, &err) != 0)
            fail_msg("%s", err.text);
}

static void test_clean(void **state)
{
    struct pn_forward_stats st;
    struct world w;

    (void)state;
    world_start(&w, 1, 0);
    add(&w, 60);
    link_up(&w);
    drain(&w);
    check_host(&w);
    pn_forward_stats(w.forward, &st);
    assert_int_equal(st.acked_items, 60);
    assert_int_equal(st.repeats, 0);
    assert_int_equal(st.bad_frames, 0);
    world_stop(&w);
}

static void test_bad_network(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct world w;
        world_start(&w, seed * 7919, 20);
        add(&w, 30);
        link_up(&w);
        for (unsigned i = 0; i < 300; i++) {
            step(&w);
            unsigned d = dice(&w, 100);
            if (d == 0) {
                host_stop(&w);
                host_start(&w);
                link_up(&w);
            } else if (d == 1) {
                node_stop(&w);
                node_start(&w);
                link_up(&w);
            } else if (d == 2) {
                link_up(&w);
            } else if (d < 6) {
                add(&w, 1 + dice(&w, 3));
            }
        }
        drain(&w);
        check_host(&w);
        world_stop(&w);
    }
}

static void test_restored_host(void **state)
{
    struct pn_forward_stats st;
    struct world w;

    (void)state;
    world_start(&w, 5, 0);
    add(&w, 20);
    link_up(&w);
    drain(&w);
    host_stop(&w);
    store_backup(w.host_path, false);
    host_start(&w);
    add(&w, 20);
    link_up(&w);
    drain(&w);
    w.now += 10000;
    pn_forward_pump(w.forward, w.now); /* it notes how much the host has taken */
    host_stop(&w);
    store_backup(w.host_path, true);
    host_start(&w);
    link_up(&w);
    for (unsigned i = 0; i < 50; i++)
        step(&w);
    drain(&w);
    check_host(&w);
    pn_forward_stats(w.forward, &st);
    assert_int_equal(st.restored, 1);
    world_stop(&w);
}

static int live_at(struct world *w, unsigned steps)
{
    struct pn_host_query q = PN_HOST_QUERY_ANY;
    struct tally t = {.w = w};
    struct pn_error err;

    for (unsigned i = 0; i < steps; i++)
        step(w);
    q.sender = "live@example.org";
    pn_host_find(w->host, &q, count, &t, &err);
    return (int)t.n;
}

static void test_live_first(void **state)
{
    struct pn_forward_options f = {.node = "mx1", .backlog_bytes_per_s = 20000, .seed = 3};
    pn_q_item rec = PN__Q__ITEM__INIT;
    struct pn_error err;
    struct world w;

    (void)state;
    world_start(&w, 9, 0);
    for (unsigned i = 0; i < 100; i++)
        fixture_intake(w.spool, i, 20000, NULL, NULL);
    pn_spool_commit(w.spool);
    pn_forward_free(w.forward);
    w.forward = pn_forward_new(&f, &pn_forward_spool_ops, w.spool, net_send, &w.up);
    link_up(&w);
    live_at(&w, 20);
    rec.sender = (char *)"live@example.org";
    assert_int_equal(pn_spool_record(w.spool, &rec, NULL, NULL, &err), 0);
    pn_spool_commit(w.spool);
    assert_int_equal(live_at(&w, 20), 1); /* while the backlog trickles */
    assert_true(pending(&w) > 50);
    world_stop(&w);
}

/* A kind that is switched off waits, and all of it goes when it is switched on. */
static void test_kinds(void **state)
{
    struct pn_forward_options f = {.node = "mx1", .seed = 3, .stay = {[PN_Q_RECORD] = true}};
    struct pn_spool_totals t;
    struct world w;

    (void)state;
    world_start(&w, 4, 0);
    add(&w, 60);
    pn_spool_totals(w.spool, &t);
    const uint64_t records = t.pending_records;
    assert_true(records > 0 && t.pending_messages > 0);
    pn_forward_free(w.forward);
    w.forward = pn_forward_new(&f, &pn_forward_spool_ops, w.spool, net_send, &w.up);
    link_up(&w);
    add(&w, 30); /* live */
    for (unsigned i = 0; i < 60000 && t.pending_messages; i++) {
        step(&w);
        pn_spool_totals(w.spool, &t);
    }
    assert_int_equal(t.pending_messages, 0);
    assert_true(t.pending_records > records);
    pn_forward_free(w.forward);
    f.stay[PN_Q_RECORD] = false;
    w.forward = pn_forward_new(&f, &pn_forward_spool_ops, w.spool, net_send, &w.up);
    link_up(&w);
    drain(&w);
    check_host(&w);
    world_stop(&w);
}

static int link_is_full(void *arg, const uint8_t *bytes, size_t len)
{
    (void)bytes, (void)len;
    return (*(unsigned *)arg)++ > 0; /* takes the first frame */
}

/* A full link: its owner says when it takes more; no timer may turn on it meanwhile. */
static void test_full_link(void **state)
{
    struct pn_forward_options f = {.node = "mx1", .seed = 3};
    pn_q_frame frame = PN__Q__FRAME__INIT;
    Pn__Q__Welcome welcome = PN__Q__WELCOME__INIT;
    unsigned sent = 0;
    struct world w;

    (void)state;
    world_start(&w, 9, 0);
    add(&w, 5);
    pn_forward_free(w.forward);
    w.forward = pn_forward_new(&f, &pn_forward_spool_ops, w.spool, link_is_full, &sent);
    pn_forward_up(w.forward, 77, w.now);
    welcome.session = 77;
    welcome.store = 1;
    frame.welcome = &welcome;
    assert_int_equal(pn_qframe_send(&frame, 77, net_send, &w.down), 0);
    pn_forward_frame(w.forward, w.down.q[0].bytes, w.down.q[0].len, w.now);
    assert_true(sent > 1);
    assert_true(pn_forward_due_ms(w.forward, w.now) > w.now + 1000);
    world_stop(&w);
}

struct one {
    struct pn_host_row row;
    unsigned n;
    char subject[64], sender[64];
};
static int take_one(void *arg, const struct pn_host_row *row)
{
    struct one *o = arg;
    o->row = *row;
    o->n++;
    snprintf(o->subject, sizeof(o->subject), "%s", row->item->subject);
    snprintf(o->sender, sizeof(o->sender), "%s", row->item->sender);
    return 0;
}
static struct one find(struct world *w, struct pn_host_query q)
{
    struct one o = {.n = 0};
    struct pn_error err;
    if (pn_host_find(w->host, &q, take_one, &o, &err) != 0)
        fail_msg("%s", err.text);
    return o;
}

static void test_host(void **state)
{
    struct pn_host_query any = PN_HOST_QUERY_ANY, q;
    struct pn_host_purge p = PN_HOST_PURGE_ANY;
    struct pn_hostdb_totals t;
    struct pn_error err;
    struct world w;

    (void)state;
    world_start(&w, 11, 0);
    for (unsigned i = 1; i <= 5; i++)
        fixture_intake(w.spool, i, 1000, NULL, NULL);
    pn_spool_commit(w.spool);
    w.added = 5;
    link_up(&w);
    drain(&w);
    q = any, q.recipient = "R3@Example.NET";
    struct one o = find(&w, q);
    assert_int_equal(o.n, 1);
    assert_string_equal(o.subject, "message 3");
    uint64_t number = o.row.number;
    q = any, q.recipient = "@example.net";
    assert_int_equal(find(&w, q).n, 5);
    q = any, q.sender = "@example.org", q.node = "mx1", q.limit = 2;
    assert_int_equal(find(&w, q).n, 2);
    q = any, q.sender = "@example.com";
    assert_int_equal(find(&w, q).n, 0);
    q = any, q.subject = "message 4";
    assert_int_equal(find(&w, q).n, 1);
    q = any, q.text = "s2@example.org OR \"x";
    assert_int_equal(find(&w, q).n, 0); /* words, not operators */
    q = any, q.text = "s2@example.org", q.recipient = "r2@example.net";
    assert_int_equal(find(&w, q).n, 1);
    q = any, q.reason = "test", q.before = number;
    assert_int_equal(find(&w, q).n, 2);
    q = any, q.from_ms = 1700000000004ull;
    assert_int_equal(find(&w, q).n, 2);
    /* States only go forward, and one caller wins. */
    assert_int_equal(pn_host_state_set(w.host, number, PN_HOST_RELEASED, "admin", "to r3", &err), 1);
    assert_int_equal(pn_host_state_set(w.host, number, PN_HOST_RELEASED, "other", "", &err), 0);
    assert_int_equal(pn_host_state_set(w.host, number, PN_HOST_DELETED, "other", "", &err), 0);
    assert_int_equal(pn_host_state_set(w.host, number, PN_HOST_NEW, "other", "", &err), -1);
    assert_int_equal(pn_host_flag_set(w.host, number, PN_HOST_SEEN, true, "admin", &err), 1);
    q = any, q.state = PN_HOST_RELEASED;
    o = find(&w, q);
    assert_int_equal(o.n, 1);
    assert_int_equal(o.row.flags, PN_HOST_SEEN);
    assert_int_equal(pn_host_flag_set(w.host, number, PN_HOST_HOLD, true, "admin", &err), 1);
    p.received_before_ms = 1700000000002ull;
    assert_int_equal(pn_host_purge(w.host, &p, &err), 1);
    assert_int_equal(pn_host_raw(w.host, number - 2, nothing, NULL, &err), -1);
    p.received_before_ms = INT64_MAX;
    assert_int_equal(pn_host_purge(w.host, &p, &err), 3); /* the held one stays */
    assert_int_equal(pn_host_totals(w.host, &t), 0);
    assert_int_equal(t.items, 1);
    assert_int_equal(t.waiting, 0);
    assert_int_equal(pn_host_raw(w.host, number, nothing, NULL, &err), 0);
    assert_int_equal(pn_host_purge_size(w.host, 0, &err), 0);
    assert_int_equal(pn_host_flag_set(w.host, number, PN_HOST_HOLD, false, "admin", &err), 1);
    assert_int_equal(pn_host_purge_size(w.host, 0, &err), 1);
    assert_int_equal(find(&w, any).n, 0);
    /* What was purged is still known: offered again, it is acknowledged and not shown. */
    assert_int_equal(pn_spool_offer_again(w.spool, true, false, &err), 0);
    link_up(&w);
    drain(&w);
    assert_int_equal(find(&w, any).n, 0);
    world_stop(&w);
}

static void test_wrong_items(void **state)
{
    static const char *const names[] = {"mx1", "mx2"};
    struct pn_receive_stats st;
    struct world w;

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        world_start(&w, 13, 0);
        add(&w, 3);
        pn_receive_free(w.receive);
        w.receive = pn_receive_new(w.host, names[i], net_send, &w.down);
        link_up(&w);
        for (unsigned k = 0; k < 50; k++)
            step(&w);
        pn_receive_stats(w.receive, &st);
        assert_int_equal(pending(&w), i == 0 ? 0 : 3); /* another node's name is not taken */
        assert_int_equal(st.bad_frames != 0, i == 1);
        world_stop(&w);
    }
}

int main(int argc, char **argv)
{
    int end = store_begin(argc, argv);

    if (end >= 0)
        return end;
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_clean),         cmocka_unit_test(test_bad_network),
                                       cmocka_unit_test(test_restored_host), cmocka_unit_test(test_live_first),
                                       cmocka_unit_test(test_full_link),     cmocka_unit_test(test_host),
                                       cmocka_unit_test(test_wrong_items),   cmocka_unit_test(test_kinds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
