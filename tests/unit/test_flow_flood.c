/* SPDX-License-Identifier: BSD-3-Clause */
/* Floods: unproven flows have their share and no more, the oldest go first, established flows stay. */
#include "tests/unit/flow_world.h"

static const struct pn_now T0 = {.ms = 5000, .us = 5000000};

static void prove(struct world *w, struct pn_flow *f, struct pn_now now)
{
    uint32_t us;
    assert_int_equal(pn_flow_segment(w->t, f, 0x10, now, &us), PN_FLOW_EV_ESTABLISHED);
}

static void test_service_share(void **state)
{
    (void)state;
    struct world *w = world_new(1000);
    w->timers[1].half_open_max = 50;
    pn_flow_table_set_timers(w->t, w->timers);
    for (uint32_t i = 0; i < 50; i++)
        assert_non_null(insert(w, i, 1, PN_FLOW_HALF_OPEN, T0));
    assert_int_equal(w->n_evicted, 0);
    /* The next ones push out the oldest, in order, and only of this service. */
    for (uint32_t i = 0; i < 30; i++)
        assert_non_null(insert(w, i, 2, PN_FLOW_HALF_OPEN, T0));
    for (uint32_t i = 50; i < 70; i++) {
        assert_non_null(insert(w, i, 1, PN_FLOW_HALF_OPEN, T0));
        assert_int_equal(w->n_evicted, i - 49);
        assert_int_equal(pn_flow_service(&w->last_gone), 1);
        assert_null(find(w, i - 50, 1, T0));
        assert_non_null(find(w, i - 49, 1, T0));
    }
    for (uint32_t i = 0; i < 30; i++)
        assert_non_null(find(w, i, 2, T0));
    world_free(w);
}

static void test_default_and_common_share(void **state)
{
    (void)state;
    struct world *w = world_new(1000);
    for (uint32_t i = 0; i < 1000; i++)
        assert_non_null(insert(w, i, 1, PN_FLOW_HALF_OPEN, T0));
    assert_int_equal(pn_flow_usage(w->t).half_open, 250); /* a quarter for one service */
    /* Some are refused while the log has the other service's flows in front. */
    unsigned refused = 0;
    for (uint32_t i = 0; i < 1000; i++)
        refused += insert(w, i, 2, PN_FLOW_HALF_OPEN, T0) == NULL;
    assert_true(refused < 100);
    assert_int_equal(w->t->unproven_of[1], 250);
    assert_int_equal(pn_flow_usage(w->t).half_open, 500);
    for (uint32_t i = 0; i < 1000; i++)
        insert(w, i, 3, PN_FLOW_HALF_OPEN, T0);
    assert_int_equal(pn_flow_usage(w->t).half_open, 500); /* half for all */
    assert_true(w->t->unproven_of[3] > 200);
    world_free(w);
}

static void test_proven_frees_the_share(void **state)
{
    (void)state;
    struct world *w = world_new(1000);
    w->timers[1].half_open_max = 10;
    pn_flow_table_set_timers(w->t, w->timers);
    for (uint32_t i = 0; i < 500; i++) {
        struct pn_flow *f = insert(w, i, 1, PN_FLOW_HALF_OPEN, T0);
        assert_non_null(f);
        prove(w, f, T0);
    }
    assert_int_equal(w->n_evicted, 0);
    assert_int_equal(pn_flow_usage(w->t).half_open, 0);
    /* A log full of items that are unproven no more must not stand in the way for long. */
    unsigned entered = 0;
    for (uint32_t i = 500; i < 600; i++)
        entered += insert(w, i, 1, PN_FLOW_HALF_OPEN, T0) != NULL;
    assert_true(entered > 60);
    assert_int_equal(pn_flow_usage(w->t).half_open, 10);
    world_free(w);
}

/* n established flows, then ten times the table in packets of one kind from strangers. */
static void flood(bool acks)
{
    const uint32_t size = 4000, n = 3000;
    struct world *w = world_new(size);
    size_t bytes = pn_flow_usage(w->t).bytes;
    for (uint32_t i = 0; i < n; i++) {
        struct pn_flow *f = insert(w, i, (uint16_t)(i % 3), PN_FLOW_HALF_OPEN, T0);
        assert_non_null(f);
        prove(w, f, T0);
    }
    for (uint32_t i = 0; i < size * 10; i++) {
        uint16_t svc = (uint16_t)(i % 3);
        struct pn_flow *f = acks ? pick_up(w, n + i, svc, T0) : insert(w, n + i, svc, PN_FLOW_HALF_OPEN, T0);
        if (f != NULL) /* the newest is there */
            assert_ptr_equal(find(w, n + i, svc, T0), f);
        assert_true(pn_flow_usage(w->t).used <= size);
    }
    world_check(w);
    assert_int_equal(pn_flow_usage(w->t).bytes, bytes);
    assert_true(w->n_evicted > size * 5);
    for (uint32_t i = 0; i < n; i++)
        assert_non_null(find(w, i, (uint16_t)(i % 3), T0));
    /* And new honest flows still get in, up to (nearly) the last place. */
    const uint32_t room = (size - n) * 99 / 100;
    for (uint32_t i = 0; i < room; i++) {
        struct pn_flow *f = insert(w, 1000000 + i, 1, PN_FLOW_HALF_OPEN, T0);
        assert_non_null(f);
        prove(w, f, T0);
    }
    for (uint32_t i = 0; i < room; i++)
        assert_non_null(find(w, 1000000 + i, 1, T0));
    world_free(w);
}

static void test_syn_flood(void **state)
{
    (void)state;
    flood(false);
}

static void test_ack_flood(void **state)
{
    (void)state;
    flood(true);
}

/* SYN and RST in pairs prove nothing either. */
static void test_syn_rst_flood(void **state)
{
    (void)state;
    struct world *w = world_new(1000);
    uint32_t us;
    for (uint32_t i = 0; i < 800; i++)
        assert_non_null(insert(w, i, 1, PN_FLOW_ESTABLISHED, T0));
    for (uint32_t i = 800; i < 10800; i++) {
        struct pn_flow *f = insert(w, i, 1, PN_FLOW_HALF_OPEN, T0);
        assert_non_null(f);
        assert_int_equal(pn_flow_segment(w->t, f, 0x04, T0, &us), PN_FLOW_EV_CLOSING);
    }
    for (uint32_t i = 0; i < 800; i++)
        assert_non_null(find(w, i, 1, T0));
    world_free(w);
}

static void test_pick_up_proves_with_second_packet(void **state)
{
    (void)state;
    struct world *w = world_new(100);
    uint32_t us = 77;
    struct pn_flow *f = pick_up(w, 1, 1, T0);
    assert_int_equal(f->state, PN_FLOW_ESTABLISHED);
    assert_int_equal(f->flags, PN_FLOW_F_PICKED_UP);
    assert_int_equal(pn_flow_usage(w->t).half_open, 1);
    assert_int_equal(pn_flow_limit_ms(w->t, f), ESTABLISHED_MS);
    assert_int_equal(pn_flow_segment(w->t, f, 0x10, T0, &us), PN_FLOW_EV_NONE);
    assert_int_equal(us, 77);
    assert_int_equal(pn_flow_usage(w->t).half_open, 0);
    assert_int_equal(f->flags, PN_FLOW_F_PICKED_UP);
    for (uint32_t i = 2; i < 1000; i++)
        pick_up(w, i, 1, T0);
    assert_non_null(find(w, 1, 1, T0));
    world_free(w);
}

static void test_established_takes_place_of_half_open(void **state)
{
    (void)state;
    struct world *w = world_new(100);
    for (uint32_t i = 0; i < 80; i++)
        assert_non_null(insert(w, i, 1, PN_FLOW_ESTABLISHED, T0));
    for (uint32_t i = 80; i < 100; i++)
        assert_non_null(insert(w, i, 1, PN_FLOW_HALF_OPEN, T0));
    for (uint32_t i = 100; i < 120; i++) { /* full now: each pushes out one, oldest first */
        assert_non_null(insert(w, i, 1, PN_FLOW_ESTABLISHED, T0));
        assert_null(find(w, i - 20, 1, T0));
    }
    assert_int_equal(w->n_evicted, 20);
    assert_null(insert(w, 120, 1, PN_FLOW_ESTABLISHED, T0));
    assert_null(insert(w, 121, 1, PN_FLOW_HALF_OPEN, T0));
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_service_share),
        cmocka_unit_test(test_default_and_common_share),
        cmocka_unit_test(test_proven_frees_the_share),
        cmocka_unit_test(test_syn_flood),
        cmocka_unit_test(test_ack_flood),
        cmocka_unit_test(test_syn_rst_flood),
        cmocka_unit_test(test_pick_up_proves_with_second_packet),
        cmocka_unit_test(test_established_takes_place_of_half_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
