/* SPDX-License-Identifier: BSD-3-Clause */
/* A host that takes nothing for a while: it is not sent all of it again and again, and all goes soon after it takes again. */
#include "controlplane/quarantine/host_internal.h"
#include "tests/unit/quarantine_net.h"

#define ITEMS 150u

static unsigned turns; /* of the node's timer */
static bool gone; /* the link, and the node has not heard it yet */
static unsigned tries; /* to send meanwhile */
static uint64_t refused_upto; /* the host refuses these by themselves */

static int narrow_send(void *arg, const uint8_t *bytes, size_t len)
{
    struct net *n = arg;

    tries += gone;
    return gone ? -1 : n->n >= 10 ? 1 : net_send(n, bytes, len);
}

static void start(struct world *w, const struct pn_forward_options *more)
{
    struct pn_forward_options f = more ? *more : (struct pn_forward_options){.seed = 3};

    world_start(w, 21, 0);
    pn_forward_free(w->forward);
    f.node = "mx1";
    w->forward = pn_forward_new(&f, &pn_forward_spool_ops, w->spool, narrow_send, &w->up);
    refused_upto = 0;
    for (unsigned i = 1; i <= ITEMS; i++)
        fixture_intake(w->spool, i, 20000, NULL, NULL);
    pn_spool_commit(w->spool);
    w->added = ITEMS;
    pn_forward_up(w->forward, 77, w->now);
}

/* true: it was refused, by itself. */
static bool refuse(struct world *w, const uint8_t *bytes, size_t len)
{
    pn_q_frame answer = PN__Q__FRAME__INIT;
    Pn__Q__Refuse r = PN__Q__REFUSE__INIT;
    struct pn_pb_budget budget, item_budget;
    struct pn_error err;
    Pn__Q__Id i;
    struct pn_q_id id = {.sequence = 0};

    pn_q_frame *frame = pn_qframe_decode(&budget, bytes, len, &err);
    assert_non_null(frame);
    if (frame->put) {
        pn_q_item *item = pn_q_item_decode(&item_budget, frame->put->item.data, frame->put->item.len, &err);
        assert_non_null(item);
        id.sequence = item->sequence;
        memcpy(id.sha, item->sha256.data, PN_Q_SHA_BYTES);
        pn_pb_free(&item_budget, item);
    }
    pn_pb_free(&budget, frame);
    if (id.sequence == 0 || id.sequence > refused_upto)
        return false;
    pn_qframe_id(&i, &id);
    r.id = &i;
    r.reason = (char *)(uintptr_t) "not this one";
    answer.refuse = &r;
    assert_int_equal(pn_qframe_send(&answer, 77, net_send, &w->down), 0);
    return true;
}

/* As node and host do it, for so long; the node by its timer. Until nothing waits, or less than `until` does. */
static void run(struct world *w, uint64_t ms, uint64_t until)
{
    uint64_t end = w->now + ms;

    while (w->now < end && pending(w) > until) {
        for (unsigned i = 0; i < w->up.n; i++) {
            if (!refuse(w, w->up.q[i].bytes, w->up.q[i].len))
                pn_receive_frame(w->receive, w->up.q[i].bytes, w->up.q[i].len);
            free(w->up.q[i].bytes);
        }
        bool room = w->up.n > 0;
        w->up.n = 0;
        pn_host_commit(w->host);
        pn_receive_flush(w->receive);
        unsigned n = w->down.n;
        for (unsigned i = 0; i < n; i++) {
            pn_forward_frame(w->forward, w->down.q[i].bytes, w->down.q[i].len, w->now);
            free(w->down.q[i].bytes);
        }
        w->down.n = 0;
        if (room)
            pn_forward_pump(w->forward, w->now);
        uint64_t due = pn_forward_due_ms(w->forward, w->now);
        if (w->up.n) {
            w->now += 5;
        } else if (due > w->now + 1000) {
            w->now += 1000;
        } else {
            turns++;
            w->now = due > w->now ? due : w->now + 1;
            pn_forward_pump(w->forward, w->now);
        }
    }
}

static uint64_t frames(struct world *w)
{
    struct pn_forward_stats st;

    pn_forward_stats(w->forward, &st);
    return st.sent_frames;
}

/* Ten minutes of it: a try each 2.5 to 7.5 s. */
static void tried_sparingly(struct world *w, uint64_t until)
{
    uint64_t before = frames(w);

    turns = 0;
    run(w, 600000, until);
    assert_in_range(frames(w) - before, 60, 260);
    assert_in_range(turns, 60, 600);
}

/* All but what it never takes. */
static void takes_again(struct world *w, uint64_t but)
{
    refused_upto = 0;
    run(w, 100000, but);
    assert_int_equal(pending(w), but);
}

/* Ten minutes without the host's disk: a try every few seconds, and all of it soon after there is space, unasked. */
static void test_away(void **state)
{
    struct world w;

    (void)state;
    start(&w, NULL);
    w.host->keep_free_bytes = UINT64_MAX;
    run(&w, 120000, 0);
    tried_sparingly(&w, 0);
    assert_int_equal(pending(&w), ITEMS);
    w.host->keep_free_bytes = 0;
    run(&w, 15000, ITEMS / 3); /* what is due */
    assert_true(pending(&w) <= ITEMS / 3);
    run(&w, 90000, 0); /* and what was tried late */
    assert_int_equal(pending(&w), 0);
    check_host(&w);
    world_stop(&w);
}

static void add_record(struct world *w)
{
    pn_q_item rec = PN__Q__ITEM__INIT;
    struct pn_error err;

    assert_int_equal(pn_spool_record(w->spool, &rec, NULL, NULL, &err), 0);
    pn_spool_commit(w->spool);
    w->added++;
    pn_forward_pump(w->forward, w->now);
}

/* What is new is tried once at once; when it is taken, all the rest follows. */
static void test_live_opens(void **state)
{
    struct world w;

    (void)state;
    start(&w, NULL);
    w.host->keep_free_bytes = UINT64_MAX;
    run(&w, 600000, 0);
    w.host->keep_free_bytes = 0;
    fixture_intake(w.spool, ++w.added, 20000, NULL, NULL);
    pn_spool_commit(w.spool);
    pn_forward_pump(w.forward, w.now);
    run(&w, 1000, ITEMS / 3);
    assert_true(pending(&w) <= ITEMS / 3);
    run(&w, 90000, 0);
    check_host(&w);
    world_stop(&w);
}

/* Records that the host takes say nothing about mail that it does not. */
static void test_records_alone(void **state)
{
    struct world w;

    (void)state;
    start(&w, NULL);
    refused_upto = ITEMS;
    run(&w, 120000, 0);
    uint64_t before = frames(&w);
    turns = 0;
    for (unsigned i = 0; i < 120; i++) {
        add_record(&w);
        run(&w, 5000, 0);
    }
    assert_int_equal(pending(&w), ITEMS);
    assert_in_range(frames(&w) - before, 120 + 60, 120 + 260); /* each record, and a try each 2.5 to 7.5 s */
    assert_in_range(turns, 60, 900);
    takes_again(&w, 0);
    check_host(&w);
    world_stop(&w);
}

/* However much mail has piled up meanwhile, records have a place. */
static void test_records_pass(void **state)
{
    struct world w;

    (void)state;
    start(&w, NULL);
    refused_upto = UINT64_MAX;
    run(&w, 5000, 0); /* what comes now is live */
    for (unsigned i = 0; i < PN_FORWARD_WINDOW; i++)
        fixture_intake(w.spool, ++w.added, 100, NULL, NULL);
    pn_spool_commit(w.spool);
    run(&w, 60000, 0);
    refused_upto = w.added;
    add_record(&w);
    run(&w, 1000, w.added - 1);
    assert_int_equal(pending(&w), w.added - 1);
    tried_sparingly(&w, 0);
    takes_again(&w, 0);
    world_stop(&w);
}

/* Items that the host cannot take, many in a row: what comes after them is tried as well. */
static void test_bad_items(void **state)
{
    struct world w;

    (void)state;
    start(&w, NULL);
    refused_upto = 100;
    run(&w, 1500000, 100);
    assert_int_equal(pending(&w), 100);
    tried_sparingly(&w, 0);
    takes_again(&w, 0);
    check_host(&w);
    world_stop(&w);
}

/* The same when all of them were refused before: each has its turn. */
static void test_bad_first(void **state)
{
    struct world w;

    (void)state;
    start(&w, NULL);
    refused_upto = ITEMS;
    run(&w, 1800000, 0);
    refused_upto = 100;
    run(&w, 1200000, 100);
    assert_int_equal(pending(&w), 100);
    world_stop(&w);
}

/* No timer turns on a link that is full. */
static void test_full_link(void **state)
{
    struct world w;

    (void)state;
    start(&w, NULL);
    refused_upto = ITEMS;
    run(&w, 60000, 0);
    while (w.up.n < 10)
        net_send(&w.up, (const uint8_t *)"", 1);
    for (unsigned i = 0; i < 20; i++) {
        w.now += 10000;
        pn_forward_pump(w.forward, w.now);
        assert_true(pn_forward_due_ms(w.forward, w.now) > w.now + 1000);
    }
    world_stop(&w);
}

/* Word that the link takes more may be lost: what waits for it alone goes all the same. */
static void test_full_unheard(void **state)
{
    pn_q_item rec = PN__Q__ITEM__INIT;
    struct pn_error err;
    struct world w;

    (void)state;
    start(&w, NULL);
    run(&w, 60000, 0);
    while (w.up.n < 10)
        net_send(&w.up, (const uint8_t *)"", 1);
    assert_int_equal(pn_spool_record(w.spool, &rec, NULL, NULL, &err), 0);
    pn_spool_commit(w.spool);
    w.added++;
    w.now += 10000;
    pn_forward_pump(w.forward, w.now);
    assert_in_range(pn_forward_due_ms(w.forward, w.now), w.now + 1001, w.now + 10000);
    net_clear(&w.up);
    run(&w, 11000, 0);
    check_host(&w);
    world_stop(&w);
}

/* Nor does one turn on a link that is gone. */
static void test_link_gone(void **state)
{
    struct world w;

    (void)state;
    start(&w, NULL);
    run(&w, 20, ITEMS - 10);
    gone = true;
    turns = tries = 0;
    run(&w, 10000, 0);
    gone = false;
    assert_in_range(turns, 2, 30);
    assert_in_range(tries, 2, 30);
    pn_forward_down(w.forward);
    pn_forward_up(w.forward, 77, w.now);
    assert_int_equal(w.up.n, 1); /* Hello, at once */
    run(&w, 60000, 0);
    check_host(&w);
    world_stop(&w);
}

/* A kind that stays on the node is no backlog to be tried. */
static void test_kind_that_stays(void **state)
{
    const struct pn_forward_options f = {.seed = 3, .stay = {[PN_Q_RECORD] = true}};
    pn_q_item rec = PN__Q__ITEM__INIT;
    struct pn_error err;
    struct world w;

    (void)state;
    start(&w, &f);
    assert_int_equal(pn_spool_record(w.spool, &rec, NULL, NULL, &err), 0);
    pn_spool_commit(w.spool);
    refused_upto = ITEMS;
    run(&w, 1800000, 1); /* none of the backlog is left to be tried */
    tried_sparingly(&w, 1);
    takes_again(&w, 1);
    world_stop(&w);
}

/* A host that has forgotten the session answers nothing: Hello comes after a minute all the same. */
static void test_forgotten(void **state)
{
    struct world w;

    (void)state;
    start(&w, NULL);
    run(&w, 60000, ITEMS - 20);
    pn_receive_free(w.receive);
    w.receive = pn_receive_new(w.host, "mx1", net_send, &w.down);
    run(&w, 180000, 0);
    assert_int_equal(pending(&w), 0);
    check_host(&w);
    world_stop(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_away),         cmocka_unit_test(test_live_opens),
        cmocka_unit_test(test_bad_items),    cmocka_unit_test(test_kind_that_stays),
        cmocka_unit_test(test_bad_first),    cmocka_unit_test(test_full_link),
        cmocka_unit_test(test_forgotten),    cmocka_unit_test(test_full_unheard),
        cmocka_unit_test(test_link_gone),    cmocka_unit_test(test_records_alone),
        cmocka_unit_test(test_records_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
