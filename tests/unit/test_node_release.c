/* SPDX-License-Identifier: BSD-3-Clause */
/* Releases, and owners without a lease, that are heard of late, or not at all: nobody claims upon old news. */
#include "tests/unit/node_world.h"

/* The release waited in a dataplane that was stopped: its owner may have taken the address back by then. */
static void test_an_old_release_is_no_claim(void **state)
{
    (void)state;
    for (unsigned at = 0; at < 60 * 30; at++) {
        unsigned offset = at % 30 * 3, tenths = 80 + at / 30;
        world_start(2, 1, NULL);
        world_run(100, true);
        w.nodes[1].node.due_ns += offset * WORLD_STEP; /* neither's heartbeats follow the other's */
        world_run(200, true);
        w.nodes[1].dp_running = false;
        world_move(0, "n1");
        world_run(25, true);
        world_steps(tenths, true);
        w.nodes[1].dp_running = true;
        world_run(300, true);
        assert_int_not_equal(world_owner(0), WORLD_NODES);
        world_end();
    }
}

/* The same of a machine that stood still: its first heartbeat is answered before its workers come to what waited at the port. */
static void test_an_old_release_behind_a_heartbeat(void **state)
{
    (void)state;
    for (unsigned at = 0; at < 30 * 30; at++) {
        unsigned offset = at % 30 * 3, tenths = 90 + at / 30;
        world_start(2, 1, NULL);
        world_run(100, true);
        w.nodes[1].node.due_ns += offset * WORLD_STEP;
        world_run(200, true);
        w.nodes[1].running = w.nodes[1].dp_running = false;
        world_move(0, "n1");
        world_run(25, true);
        world_steps(tenths, true);
        w.nodes[1].running = w.nodes[1].dp_running = true;
        w.nodes[1].wire_ns = w.now + WORLD_MS / 2;
        world_run(100, true);
        assert_int_not_equal(world_owner(0), WORLD_NODES);
        world_end();
    }
}

/* The end of a lease was written, and the connection broke: what was in it may not have been read. */
static void test_a_give_up_that_was_lost(void **state)
{
    struct pn_error err;
    (void)state;
    for (unsigned hold = 0; hold < 2; hold++) {
        world_start(2, 1, NULL);
        world_run(300, true);
        if (hold)
            assert_int_equal(pn_node_hold(&w.nodes[0].node, 5000, w.now, &err), 0);
        world_run(60, true);
        assert_int_equal(pn_node_move(&w.nodes[0].node, "out", "n1", w.now, &err), 0);
        world_node_relink(0);
        world_run(300, true);
        assert_int_equal(world_owner(0), 1);
        uint64_t forward_ns = w.nodes[0].forward[0]; /* neighbours' caches point here for the grace time */
        assert_in_range(forward_ns, w.now + 690 * WORLD_MS, w.now + 710 * WORLD_MS);
        world_node_relink(0); /* nothing is lost now, and nothing written again */
        world_run(10, true);
        assert_true(w.nodes[0].forward[0] == forward_ns);
        world_end();
    }
}

/* The same of a lease that a hold had made long: the peers were told that it is short again. */
static void test_a_shorter_lease_that_was_lost(void **state)
{
    struct pn_error err;
    (void)state;
    for (unsigned tenths = 0; tenths < 400; tenths += 20) {
        world_start(2, 1, NULL);
        world_run(300, true);
        assert_int_equal(pn_node_hold(&w.nodes[0].node, 5000, w.now, &err), 0);
        world_run(60, true);
        assert_true(w.nodes[0].lease[0] > w.now + 4000 * WORLD_MS);
        assert_int_equal(pn_node_hold(&w.nodes[0].node, 0, w.now, &err), 0);
        world_wake(0);
        world_step(true);
        world_node_relink(0);
        for (unsigned i = 0; i <= tenths; i++)
            world_step(true);
        world_node_kill(0);
        world_run(200, true);
        assert_int_equal(world_owner(0), 1);
        world_end();
    }
}

/* A release is heard late: its sender, whose own wait is over by then, must not claim at the same moment. */
static void test_a_release_is_not_told_for_long(void **state)
{
    (void)state;
    for (unsigned at = 0; at < 2 * 2 * 100; at++) {
        unsigned phase = at % 100, tenths = 255 + at / 100 % 2 * 25;
        bool stopped = at >= 2 * 100; /* the sender's dataplane; else the wire loses heartbeats, not ARP */
        world_start(2, 1, NULL);
        world_run(300, true);
        world_steps(phase, true);
        world_move(0, "n1");
        w.beats_cut = !stopped; /* of the first port */
        w.nodes[0].dp_running = !stopped;
        world_steps(tenths, true);
        w.beats_cut = 0;
        w.nodes[0].dp_running = true;
        world_run(100, true);
        assert_int_not_equal(world_owner(0), WORLD_NODES);
        world_end();
    }
}

/* The successor was away and hears of it when a third one has waited for long enough. */
static void test_a_release_to_one_that_was_away(void **state)
{
    (void)state;
    for (unsigned phase = 0; phase < 100; phase++) {
        world_start(3, 1, NULL);
        world_run(300, true);
        world_move(0, "n1"); /* it does not take it back */
        world_run(300, true);
        assert_int_equal(world_owner(0), 1);
        world_steps(phase, true);
        world_move(1, "n2");
        world_dp_kill(2);
        world_run(22, true);
        world_dp_start(2);
        world_run(100, true);
        assert_int_equal(world_owner(0), 0);
        world_end();
    }
}

/* The same where the node that releases it has stood still. */
static void test_a_release_of_a_node_that_stood_still(void **state)
{
    struct pn_error err;
    (void)state;
    for (unsigned at = 0; at < 2 * 10 * 15; at++) {
        unsigned phase = at % 10, tenths = 240 + at / 10 % 15 * 2;
        unsigned later = at / 150 * 5; /* until its workers come to what waited at the port */
        world_start(3, 1, NULL);
        world_run(300, true);
        world_steps(phase, true);
        assert_int_equal(pn_node_move(&w.nodes[0].node, "out", "n2", w.now, &err), 0);
        w.nodes[0].running = w.nodes[0].dp_running = false;
        world_steps(tenths, true);
        w.nodes[0].running = w.nodes[0].dp_running = true;
        w.nodes[0].wire_ns = w.now + later * WORLD_STEP;
        world_run(100, true);
        assert_int_not_equal(world_owner(0), WORLD_NODES);
        world_end();
    }
}

/* While it was deaf (no dataplane) another one became owner: that the one before has no lease says nothing of it. */
static void test_an_owner_that_was_not_heard_of(void **state)
{
    (void)state;
    for (unsigned tenths = 0; tenths < 200; tenths += 5) {
        world_start(3, 1, NULL);
        world_both_kill(0);
        world_run(300, true);
        assert_int_equal(world_owner(0), 1);
        world_dp_kill(2);
        world_both_start(0);
        world_run(300, true);
        assert_int_equal(world_owner(0), 0);
        world_dp_start(2);
        world_steps(tenths, true);
        w.nodes[0].dp_running = false;
        world_run(14, true);
        w.nodes[0].dp_running = true;
        world_run(200, true);
        assert_int_not_equal(world_owner(0), WORLD_NODES);
        world_end();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_old_release_is_no_claim),
        cmocka_unit_test(test_an_old_release_behind_a_heartbeat),
        cmocka_unit_test(test_a_give_up_that_was_lost),
        cmocka_unit_test(test_a_shorter_lease_that_was_lost),
        cmocka_unit_test(test_a_release_is_not_told_for_long),
        cmocka_unit_test(test_a_release_to_one_that_was_away),
        cmocka_unit_test(test_a_release_of_a_node_that_stood_still),
        cmocka_unit_test(test_an_owner_that_was_not_heard_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
