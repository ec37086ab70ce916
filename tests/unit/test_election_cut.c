/* SPDX-License-Identifier: BSD-3-Clause */
/* The election when nodes cannot hear each other: partitions, exclusive VIPs, lost answers, and everything at random. */
#include "tests/unit/election_world.h"

static void test_heartbeat_path_alone_fails(void **state)
{
    (void)state;
    for (unsigned ways = 1; ways <= 3; ways++) {
        world_start(2, 1, false, 17 + ways);
        world_run(300, true);
        w.cut[0][1] = ways & 1;
        w.cut[1][0] = ways & 2;
        w.worst_gap_ns = w.gap_ns = 0;
        world_run(80, true);
        assert_int_equal(w.nodes[1].election.vips[0].path_failed, ways & 1);
        assert_int_equal(w.alarms, 0); /* a few may be lost, nobody needs to know */
        world_run(920, true);
        assert_int_equal(w.alarms, ways & 1);
        assert_int_equal(world_owner(0), 0);
        assert_int_equal(w.nodes[1].election.vips[0].path_failed, ways & 1);
        w.cut[0][1] = w.cut[1][0] = false;
        world_run(300, true);
        assert_true(w.worst_gap_ns == 0);
        world_end();
    }
}

/* The heartbeats' path is known to be broken: a lost answer is no sign of death, but silence is. */
static void test_lost_answers_are_no_death(void **state)
{
    (void)state;
    world_start(2, 1, false, 29);
    world_run(300, true);
    w.cut[0][1] = w.cut[1][0] = true;
    w.answer_lost_each = 2;
    world_run(2000, true);
    assert_int_equal(world_owner(0), 0);
    assert_true(w.answers > 50);
    assert_true(w.nodes[1].election.vips[0].path_failed);
    world_dataplane_kill(&w.nodes[0]);
    w.nodes[0].running = false;
    w.worst_gap_ns = w.gap_ns = 0;
    world_run(300, true);
    assert_int_equal(world_owner(0), 1);
    assert_true(w.worst_gap_ns <= world_times.takeover + 2 * world_times.heartbeat);
    world_end();
}

static void set_cut(bool on)
{
    for (unsigned i = 0; i < w.n; i++)
        for (unsigned j = 0; j < w.n; j++)
            w.cut[i][j] = w.arp_cut[i][j] = on && i != j && (i == 0 || j == 0);
}

static void test_partition_heals_at_once(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 10; seed++) {
        world_start(2, 1, false, seed);
        world_run(300, true);
        set_cut(true);
        world_run(300, false);
        assert_true(w.dual_ns > 0); /* available: each side answers its own */
        w.dual_ns = 0;
        set_cut(false);
        w.worst_gap_ns = w.gap_ns = 0;
        world_run(500, false);
        assert_true(w.dual_ns <=
                    2 * 11 * WORLD_MS); /* until each hears the other's next heartbeat, and proves its boot */
        assert_true(w.worst_gap_ns == 0);
        assert_int_equal(world_owner(0), 0);
        world_end();
    }
}

static void test_exclusive_keeps_one_side(void **state)
{
    (void)state;
    world_start(3, 1, true, 23);
    world_run(500, true);
    assert_int_equal(world_owner(0), 0);
    set_cut(true); /* the owner alone on its side */
    world_run(500, true);
    assert_true(world_owner(0) == 1 || world_owner(0) == 2);
    set_cut(false);
    world_run(500, true);
    assert_int_equal(world_owner(0), 0);
    world_dataplane_kill(&w.nodes[0]);
    w.nodes[0].running = false;
    world_run(300, true);
    assert_int_not_equal(world_owner(0), WORLD_NODES);
    world_end();
}

static void test_exclusive_pair_stays_silent(void **state)
{
    (void)state;
    world_start(2, 1, true, 29);
    world_run(500, true);
    assert_int_equal(world_owner(0), 0);
    set_cut(true);
    world_run(500, true);
    assert_int_equal(world_owner(0), WORLD_NODES);
    set_cut(false);
    world_run(500, true);
    assert_int_equal(world_owner(0), 0);
    world_end();
}

/* Anything, at any time, in any order; never two responders, and within a second of calm exactly one. */
static void chaos(unsigned n, bool exclusive, uint64_t seed)
{
    world_start(n, 2, exclusive, seed);
    world_run(300, true);
    for (unsigned round = 0; round < 12; round++) {
        struct world_node *victim = &w.nodes[world_random(NULL) % n];
        w.loss_percent = world_random(NULL) % 30;
        w.delay_max_us = 100 + world_random(NULL) % 3000;
        switch (world_random(NULL) % 6) {
        case 0:
            world_control_stop(victim, world_random(NULL) & 1);
            break;
        case 1:
            victim->running = false;
            world_dataplane_kill(victim);
            break;
        case 2:
            world_dataplane_kill(victim);
            break;
        case 3:
            if (victim->dataplane)
                world_control_start(victim, true);
            break;
        case 4:
            w.cut[world_random(NULL) % n][world_random(NULL) % n] = true;
            break;
        default:
            if (exclusive)
                set_cut(true); /* with votes even a whole partition leaves one */
            break;
        }
        world_run(20 + world_random(NULL) % 120, true);
        for (unsigned i = 0; i < n; i++) {
            if (!w.nodes[i].running && world_random(NULL) & 1)
                w.nodes[i].running = true;
            if (!w.nodes[i].dataplane && world_random(NULL) & 1)
                world_dataplane_start(&w.nodes[i]);
        }
        if (world_random(NULL) & 1)
            set_cut(false);
        world_run(world_random(NULL) % 60, true);
    }
    memset(w.cut, 0, sizeof(w.cut));
    set_cut(false);
    w.loss_percent = 1;
    w.delay_max_us = 300;
    for (unsigned i = 0; i < n; i++) {
        w.nodes[i].running = true;
        if (!w.nodes[i].dataplane)
            world_dataplane_start(&w.nodes[i]);
    }
    world_run(1000, true);
    for (unsigned v = 0; v < 2; v++)
        assert_int_equal(world_owner(v), v % n);
    world_end();
}

static void test_chaos(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++)
        chaos(2 + seed % 2, false, seed * 0x9e3779b97f4a7c15ull);
    for (uint64_t seed = 1; seed <= 40; seed++)
        chaos(3, true, seed * 0xd1342543de82ef95ull);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heartbeat_path_alone_fails),  cmocka_unit_test(test_lost_answers_are_no_death),
        cmocka_unit_test(test_partition_heals_at_once),     cmocka_unit_test(test_exclusive_keeps_one_side),
        cmocka_unit_test(test_exclusive_pair_stays_silent), cmocka_unit_test(test_chaos),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
