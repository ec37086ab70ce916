/* SPDX-License-Identifier: BSD-3-Clause */
/* A node that sends and hears nothing hands over; one whose peers are dead, or whose network is quiet, does not. */
#include "tests/unit/node_world.h"

static void start(unsigned nodes, unsigned known, unsigned alive)
{
    world_start(nodes, 2, NULL);
    for (unsigned i = 0; i < nodes; i++) {
        w.nodes[i].hosts_known = known;
        w.nodes[i].hosts_alive = alive;
    }
    world_run(400, true);
    assert_int_equal(world_owner(0), 0);
    assert_int_equal(world_owner(1), 1);
    world_gap_reset();
}

static void test_a_deaf_owner_hands_over(void **state)
{
    (void)state;
    for (unsigned nodes = 2; nodes <= 3; nodes++) {
        start(nodes, 2, 2);
        unsigned listens = w.nodes[0].listens; /* before peers were heard */
        world_run(400, true);
        assert_int_equal(w.nodes[0].listens, listens);
        w.nodes[0].deaf = true;
        world_run(1500, false);
        assert_int_equal(world_owner(0), 1);
        assert_int_equal(world_owner(1), 1);
        assert_int_equal(w.nodes[0].node.election.vips[0].state, PN_EL_BACKUP);
        assert_string_equal(w.nodes[0].node.election.vips[0].reason, "its port receives nothing");
        /* VIP 0 has had one responder or none all the time: the lease ended before anyone heard of it. */
        assert_in_range(w.worst_gap_ns, 1, 60 * WORLD_MS);
        uint64_t dual_ns = w.dual_ns;
        world_run(3000, true); /* and does not claim anything while it is deaf */
        assert_int_equal(w.dual_ns, dual_ns);
        w.nodes[0].deaf = false;
        world_run(1000, true);
        assert_int_equal(world_owner(0), 0);
        assert_int_equal(world_owner(1), 1);
        world_end();
    }
}

static void test_a_survivor_stays(void **state)
{
    static const unsigned hosts[][2] = {{2, 1}, {0, 0}}; /* known, alive */
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        start(2, hosts[i][0], hosts[i][1]);
        world_both_kill(1);
        world_run(20000, true);
        assert_int_equal(world_owner(0), 0);
        assert_int_equal(world_owner(1), 0);
        assert_int_equal(w.worst_gap_ns, 0);
        assert_true(w.nodes[0].listens > 10);
        world_end();
    }
}

/* A survivor that nobody could hand over to still gives up what it cannot hear of, and has it back with the first frames. */
static void test_alone_and_deaf(void **state)
{
    (void)state;
    start(2, 2, 2);
    world_both_kill(1);
    world_run(1000, true);
    w.nodes[0].deaf = true;
    world_run(2000, true);
    assert_int_equal(world_owner(0), WORLD_NODES);
    w.nodes[0].deaf = false;
    for (unsigned ms = 0; w.nodes[0].node.deaf[0].deaf && ms < 1000; ms++)
        world_run(1, true);
    assert_false(w.nodes[0].node.deaf[0].deaf);
    world_run(30, true); /* first it listens as long as for an owner that falls silent */
    assert_int_equal(world_owner(0), WORLD_NODES);
    world_run(100, true);
    assert_int_equal(world_owner(0), 0);
    assert_int_equal(world_owner(1), 0);
    world_end();
}

/* Nobody is known who could be asked: no verdict. */
static void test_nobody_to_ask(void **state)
{
    (void)state;
    start(2, 0, 0);
    w.nodes[0].deaf = true;
    world_run(1500, false);
    assert_int_equal(world_owner(0), 0);
    w.nodes[0].deaf = false;
    world_run(500, false);
    assert_int_equal(world_owner(0), 0);
    world_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_deaf_owner_hands_over),
        cmocka_unit_test(test_a_survivor_stays),
        cmocka_unit_test(test_alone_and_deaf),
        cmocka_unit_test(test_nobody_to_ask),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
