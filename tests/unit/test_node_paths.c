/* SPDX-License-Identifier: BSD-3-Clause */
/* Heartbeats over two networks: port 0 carries the VIPs, port 1 is another way between the nodes. */
#include "tests/unit/node_world.h"

static void two_paths(struct pn_node_conf *c, unsigned node)
{
    struct pn_node_path *second = &c->paths[1];
    snprintf(c->paths[0].name, sizeof(c->paths[0].name), "lan");
    *second = c->paths[0];
    snprintf(second->name, sizeof(second->name), "second");
    second->port = 1;
    second->v4.b[12] = 198; /* not 192 */
    for (unsigned i = 0; i < PN_MAX_NODES; i++)
        if (!pn_addr_is_zero(&second->peers[i].v4))
            second->peers[i].v4.b[12] = 198;
    c->n_paths = 2;
    (void)node;
}

static const struct pn_own_peer *peer(unsigned node, unsigned of)
{
    static struct pn_ownership shown;
    world_show(node, &shown);
    return &shown.peers[of];
}

static void test_one_path_fails(void **state)
{
    (void)state;
    for (unsigned path = 0; path < 2; path++) {
        world_start(2, 2, two_paths);
        world_run(400, true);
        assert_true(peer(1, 0)->paths[0].configured && peer(1, 0)->paths[1].configured);
        assert_false(peer(1, 0)->paths[0].silent || peer(1, 0)->paths[1].silent);
        unsigned alarms = w.nodes[1].alarms;
        uint32_t transitions = w.nodes[1].node.election.vips[0].transitions;
        w.beats_cut = 1u << path;
        world_run(900, true);
        assert_int_equal(w.nodes[1].alarms, alarms); /* not at each loss */
        world_run(600, true);
        assert_int_equal(w.nodes[1].alarms, alarms + 1);
        assert_non_null(strstr(w.nodes[1].last_event, path ? "not heard over path second" : "not heard over path lan"));
        assert_true(peer(1, 0)->heard && peer(0, 1)->heard);
        assert_true(peer(1, 0)->paths[path].silent && !peer(1, 0)->paths[1 - path].silent);
        assert_in_range(w.now - peer(1, 0)->paths[path].heard_ns, 1400 * WORLD_MS, 1600 * WORLD_MS);
        assert_int_equal(pn_node_path_to(&w.nodes[1].node, 0), 1 - path);
        w.beats_cut = 0;
        world_run(100, true);
        assert_false(peer(1, 0)->paths[path].silent);
        assert_non_null(strstr(w.nodes[1].last_event, "heard over path"));
        assert_int_equal(pn_node_path_to(&w.nodes[1].node, 0), 0);
        assert_int_equal(w.nodes[1].node.election.vips[0].transitions, transitions);
        assert_int_equal(world_owner(0), 0);
        assert_int_equal(world_owner(1), 1);
        world_end();
    }
}

/* Probing for the other's address each heartbeat, neither leaves out a heartbeat of its own, on which its lease hangs. */
static void test_probes_beside_heartbeats(void **state)
{
    (void)state;
    for (unsigned ms = 0; ms < 12; ms++) {
        world_start(2, 2, two_paths);
        world_run(400 + ms, true);
        w.beats_cut = 3;
        world_run(1000, true);
        for (unsigned i = 0; i < 2; i++) {
            assert_int_equal(world_owner(i), i);
            assert_int_equal(w.nodes[i].node.show.heartbeats_skipped, 0);
        }
        world_end();
    }
}

/* The wire is asked: an owner that answers keeps its address; one that is dead does not. */
static void test_both_paths_fail(void **state)
{
    (void)state;
    world_start(2, 1, two_paths);
    world_run(400, true);
    w.beats_cut = 3;
    world_run(500, true);
    assert_int_equal(world_owner(0), 0);
    assert_true(w.nodes[1].node.election.vips[0].path_failed);
    assert_false(peer(1, 0)->heard);
    world_both_kill(0);
    world_run(200, true);
    assert_int_equal(world_owner(0), 1);
    world_end();
}

/* The owner's cable is out: no mail reaches it, but its peers hear it over the other network. */
static void test_an_owner_without_its_port_gives_up(void **state)
{
    (void)state;
    world_start(2, 1, two_paths);
    world_run(400, true);
    w.nodes[0].port_down = 1;
    world_gap_reset();
    world_run(300, true);
    assert_int_equal(world_owner(0), 1);
    assert_true(w.worst_gap_ns <= WORLD_MS); /* a peer that is heard need not wait */
    assert_string_equal(w.nodes[0].node.election.vips[0].reason, "its port cannot send");
    assert_true(peer(1, 0)->heard);
    w.nodes[0].port_down = 0;
    world_run(500, true);
    assert_int_equal(world_owner(0), 0);
    /* The other port says nothing about the address. */
    w.nodes[0].port_down = 2;
    world_run(500, true);
    assert_int_equal(world_owner(0), 0);
    world_end();
}

/* Two addresses that move together, each on a port of its own. */
static void group_of_two(struct pn_node_conf *c, unsigned node)
{
    two_paths(c, node);
    c->vips[1].port = 1;
    c->vips[0].want.group = c->vips[1].want.group = 0;
    c->vips[1].want.priority = c->vips[0].want.priority;
}

static void test_a_group_stays_together(void **state)
{
    (void)state;
    world_start(2, 2, group_of_two);
    world_run(400, true);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(world_owner(i), 0);
    for (unsigned port = 1; port <= 2; port++) {
        w.nodes[0].port_down = port;
        world_run(500, true);
        for (unsigned i = 0; i < 2; i++)
            assert_int_equal(world_owner(i), 1);
        assert_int_equal(w.nodes[1].node.election.vips[0].transitions, w.nodes[1].node.election.vips[1].transitions);
        w.nodes[0].port_down = 0;
        world_run(500, true);
        for (unsigned i = 0; i < 2; i++)
            assert_int_equal(world_owner(i), 0);
    }
    /* Where no node can have all of it, what can be had is. */
    w.nodes[0].port_down = w.nodes[1].port_down = 1;
    world_run(500, true);
    assert_int_equal(world_owner(0), WORLD_NODES);
    assert_in_range(world_owner(1), 0, 1);
    world_end();
}

/* What nobody can take stays where it is: one network fails on both nodes, or on the last one. */
static void test_the_rest_of_a_group_stays_answered(void **state)
{
    (void)state;
    for (unsigned ms = 0; ms < 60; ms += 5) {
        world_start(2, 2, group_of_two);
        world_run(400, true);
        world_gap_reset();
        w.nodes[0].port_down = 2;
        world_run(ms, true);
        w.nodes[1].port_down = 2;
        world_run(500, true);
        assert_int_equal(world_owner(1), WORLD_NODES);
        assert_true(w.worst_gap_ns <= WORLD_MS);
        world_end();
    }
    world_start(2, 2, group_of_two);
    world_run(400, true);
    world_both_kill(1);
    world_run(100, true);
    world_gap_reset();
    w.nodes[0].port_down = 2;
    world_run(500, true);
    assert_int_equal(world_owner(1), WORLD_NODES);
    assert_int_equal(w.worst_gap_ns, 0);
    world_end();
}

/* The second path is taken out of the configuration while the first cannot send: what was said of it counts no more. */
static void test_the_other_path_goes(void **state)
{
    struct pn_error err;
    (void)state;
    world_start(2, 1, two_paths);
    world_run(400, true);
    w.nodes[0].port_down = 1;
    world_run(300, true);
    assert_int_equal(world_owner(0), 1);
    for (unsigned i = 0; i < 2; i++) {
        memset(&w.confs[i].paths[1], 0, sizeof(w.confs[i].paths[1]));
        w.confs[i].n_paths = 1;
        assert_int_equal(pn_node_configure(&w.nodes[i].node, &w.confs[i], w.now, &err), 0);
    }
    world_run(300, true);
    w.nodes[0].port_down = 0;
    world_run(500, true);
    assert_int_equal(world_owner(0), 0);
    world_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_path_fails),
        cmocka_unit_test(test_probes_beside_heartbeats),
        cmocka_unit_test(test_both_paths_fail),
        cmocka_unit_test(test_an_owner_without_its_port_gives_up),
        cmocka_unit_test(test_the_other_path_goes),
        cmocka_unit_test(test_a_group_stays_together),
        cmocka_unit_test(test_the_rest_of_a_group_stays_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
