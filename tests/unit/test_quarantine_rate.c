/* SPDX-License-Identifier: BSD-3-Clause */
/* Forwarding: what goes first, kinds that are switched off alone, a link that is full, items that are wrong. */
#include "controlplane/quarantine/host_internal.h"
#include "tests/unit/quarantine_net.h"

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

/* A host that took nothing for a while and does again says so: the node does not wait until its next try, minutes away. */
static void test_again(void **state)
{
    struct pn_forward_options f = {.node = "mx1", .retry_ms = 3600000, .retry_max_ms = 3600000, .seed = 3};
    struct pn_forward_stats st;
    struct world w;

    (void)state;
    world_start(&w, 19, 0);
    pn_forward_free(w.forward);
    w.forward = pn_forward_new(&f, &pn_forward_spool_ops, w.spool, net_send, &w.up);
    w.host->keep_free_bytes = UINT64_MAX;
    add(&w, 30);
    link_up(&w);
    for (unsigned i = 0; i < 200; i++)
        step(&w);
    assert_int_equal(pending(&w), 30);
    w.host->keep_free_bytes = 0;
    for (unsigned i = 0; i < 200; i++)
        step(&w);
    assert_int_equal(pending(&w), 30); /* it has not been told */
    pn_receive_again(w.receive);
    for (unsigned i = 0; i < 400; i++)
        step(&w);
    assert_int_equal(pending(&w), 0);
    pn_forward_stats(w.forward, &st);
    assert_int_equal(st.restored, 0);
    check_host(&w);
    world_stop(&w);
}

int main(int argc, char **argv)
{
    int end = store_begin(argc, argv);

    if (end >= 0)
        return end;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_again),       cmocka_unit_test(test_live_first), cmocka_unit_test(test_full_link),
        cmocka_unit_test(test_wrong_items), cmocka_unit_test(test_kinds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
