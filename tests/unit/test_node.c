/* SPDX-License-Identifier: BSD-3-Clause */
/* Ownership with dataplanes below: what the election's own tests cannot see. */
#include "tests/unit/node_world.h"

static void test_each_owns_its_own(void **state)
{
    (void)state;
    world_start(2, 3, NULL);
    world_run(500, true);
    assert_int_equal(world_owner(0), 0);
    assert_int_equal(world_owner(1), 1);
    assert_int_equal(world_owner(2), 0);
    /* The dataplane knows whom to take first: by address, number and the start that is proved. */
    const struct pn_dp_control *c = &w.nodes[0].control;
    assert_int_equal(c->n_peers, 1);
    assert_int_equal(c->peers[0].addr.b[15], 2);
    assert_int_equal(c->peers[0].sender, 1);
    assert_true(c->peers[0].boot_id == w.nodes[1].node.boot_id);
    world_node_start(1);
    world_run(500, true);
    assert_true(c->peers[0].boot_id == w.nodes[1].node.boot_id);
    world_end();
}

static void test_alone_needs_no_heartbeat(void **state)
{
    (void)state;
    world_start(1, 2, NULL);
    world_run(5, true);
    assert_int_equal(world_owner(0), 0);
    assert_in_range(w.nodes[0].lease[0], w.now + 29900 * WORLD_MS, w.now + 30000 * WORLD_MS);
    world_run(10500, true);
    assert_in_range(w.nodes[0].lease[1], w.now + 29000 * WORLD_MS, w.now + 30000 * WORLD_MS);
    assert_int_equal(w.nodes[0].node.show.heartbeats_sent, 0);
    /* A dataplane in its place: filled and leased again. */
    world_dp_kill(0);
    world_run(10, true);
    world_dp_start(0);
    world_run(10, true);
    assert_int_equal(world_owner(0), 0);
    world_end();
}

static void test_silent_death(void **state)
{
    (void)state;
    for (unsigned phase = 0; phase < 20; phase++) {
        world_start(2, 1, NULL);
        world_run(300 + phase, true);
        world_gap_reset();
        world_both_kill(0);
        world_run(200, true);
        assert_int_equal(world_owner(0), 1);
        assert_true(w.worst_gap_ns <= 38 * WORLD_MS);
        world_both_start(0);
        world_run(500, true);
        assert_int_equal(world_owner(0), 0);
        world_end();
    }
}

static void test_planned_move(void **state)
{
    struct pn_error err;
    (void)state;
    world_start(2, 1, NULL);
    world_run(300, true);
    assert_int_equal(pn_node_move(&w.nodes[1].node, "out", "n0", w.now, &err), -1);
    assert_non_null(strstr(err.text, "only its owner n0"));
    assert_int_equal(pn_node_move(&w.nodes[0].node, "out", "nobody", w.now, &err), -1);
    world_gap_reset();
    world_move(0, NULL);
    world_run(300, true);
    assert_int_equal(world_owner(0), 1);
    assert_true(w.worst_gap_ns <= 3 * WORLD_MS); /* two round trips and the wire */
    assert_true(w.nodes[0].forward[0] > w.now + 500 * WORLD_MS); /* those who still come here are served */
    world_end();
}

/* A planned restart of the dataplane: the others have its addresses before it ends, and it takes them back afterwards. */
static void test_dataplane_leaves(void **state)
{
    struct pn_ownership show;
    struct pn_error err;
    (void)state;
    world_start(2, 2, NULL);
    world_run(300, true);
    world_gap_reset();
    for (unsigned round = 0; round < 3; round++) {
        assert_int_equal(world_owner(0), 0);
        world_unasked(&w.nodes[0], PN_DP_LEAVING, NULL, 0);
        world_run(50, true);
        for (unsigned v = 0; v < 2; v++)
            assert_int_equal(world_owner(v), 1);
        /* None of these takes them back. */
        if (round == 0)
            pn_node_standby(&w.nodes[0].node, false, w.now);
        for (unsigned i = 0; round == 1 && i < 2; i++) {
            w.confs[i].generation++;
            assert_int_equal(pn_node_configure(&w.nodes[i].node, &w.confs[i], w.now, &err), 0);
        }
        if (round == 2)
            world_node_relink(0);
        world_run(round == 2 ? 500 : 50, true);
        assert_int_equal(world_owner(0), 1);
        world_dp_kill(0);
        world_run(200, true);
        world_dp_start(0);
        world_run(1000, true);
        world_show(0, &show);
        assert_false(show.standby);
    }
    assert_int_equal(world_owner(0), 0);
    assert_true(w.worst_gap_ns <= 3 * WORLD_MS);
    /* Nobody to take them: they are answered for until the dataplane ends. */
    world_both_kill(1);
    world_run(300, true);
    world_gap_reset();
    world_unasked(&w.nodes[0], PN_DP_LEAVING, NULL, 0);
    world_run(100, true);
    assert_int_equal(world_owner(0), 0);
    assert_true(w.worst_gap_ns == 0);
    world_end();
}

static void test_standby_and_leave(void **state)
{
    (void)state;
    world_start(2, 3, NULL);
    world_run(300, true);
    world_gap_reset();
    pn_node_leave(&w.nodes[0].node, w.now);
    world_wake(0);
    for (unsigned ms = 0; ms < 200 && !pn_node_left(&w.nodes[0].node, w.now); ms++)
        world_run(1, true);
    assert_true(pn_node_left(&w.nodes[0].node, w.now));
    world_node_kill(0);
    world_run(100, true);
    for (unsigned v = 0; v < 3; v++)
        assert_int_equal(world_owner(v), 1);
    assert_true(w.worst_gap_ns <= 3 * WORLD_MS);
    /* The last one has nobody to hand over to: its leases are made to last. */
    pn_node_leave(&w.nodes[1].node, w.now);
    world_wake(1);
    world_run(50, true);
    assert_true(pn_node_left(&w.nodes[1].node, w.now));
    world_node_kill(1);
    world_gap_reset();
    world_run(3000, true);
    world_node_start(1);
    world_run(3000, true);
    assert_true(w.worst_gap_ns == 0);
    assert_int_equal(world_owner(0), 1);
    /* And shortened before a peer could count on less. */
    assert_true(w.nodes[1].lease[0] <= w.now + 25 * WORLD_MS);
    world_node_start(0);
    world_run(500, true);
    assert_int_equal(world_owner(0), 0);
    world_end();
}

static bool leave(unsigned i)
{
    pn_node_leave(&w.nodes[i].node, w.now);
    world_wake(i);
    for (unsigned ms = 0; ms < 200 && !pn_node_left(&w.nodes[i].node, w.now); ms++)
        world_run(1, true);
    return pn_node_left(&w.nodes[i].node, w.now);
}

static void second_only_here(struct pn_node_conf *conf, unsigned node)
{
    if (node == 1)
        conf->vips[1].want.priority = 0;
}

/* The other node is heard, but takes part in nothing, or not in all: what it cannot take is not given up. */
static void test_leave_when_no_peer_takes_over(void **state)
{
    (void)state;
    for (unsigned some = 0; some < 2; some++) {
        world_start(2, 2, some ? second_only_here : NULL);
        if (!some)
            pn_node_standby(&w.nodes[1].node, true, w.now);
        world_run(300, true);
        assert_int_equal(world_owner(0), 0);
        assert_int_equal(world_owner(1), 0);
        world_gap_reset();
        assert_true(leave(0));
        assert_int_equal(world_owner(0), some ? 1 : 0);
        assert_int_equal(world_owner(1), 0);
        world_node_kill(0);
        world_run(2000, true);
        assert_int_equal(world_owner(0), some ? 1 : 0);
        assert_int_equal(world_owner(1), 0);
        world_node_start(0);
        world_run(500, true);
        assert_int_equal(world_owner(0), 0);
        assert_int_equal(world_owner(1), 0);
        assert_true(w.worst_gap_ns <= 3 * WORLD_MS);
        world_end();
    }
}

/* A dataplane that could not take what is ours on the wire is told again. */
static void test_what_is_ours_is_told_until_it_is_taken(void **state)
{
    (void)state;
    world_start(2, 1, NULL);
    for (unsigned i = 0; i < 2; i++) {
        w.nodes[0].control = (struct pn_dp_control){.vrrp = false};
        w.nodes[0].control_busy = 3;
        if (i == 0)
            world_node_start(0);
        else
            pn_node_control(&w.nodes[0].node);
        world_run(150, false);
        assert_int_equal(w.nodes[0].control.heartbeat_udp_port, 0);
        world_run(1000, false);
        assert_int_equal(w.nodes[0].control.heartbeat_udp_port, 24625);
        assert_int_equal(w.nodes[0].control_busy, 0);
    }
    unsigned alarms = w.nodes[0].alarms;
    for (unsigned i = 0; i < 2; i++) {
        w.nodes[0].control_refused = i == 1;
        w.nodes[0].control_busy = 3;
        pn_node_control(&w.nodes[0].node);
        world_run(1000, true);
        assert_int_equal(w.nodes[0].control_busy, 0);
        assert_int_equal(w.nodes[0].alarms, alarms + i); /* said once, not each time */
    }
    world_end();
}

/* From one node to two while it runs: the long lease is cut before a peer could claim. */
/* Its number in the configuration is changed: the peers' starts are proved anew, and the dataplane hears of them. */
static void test_a_node_gets_another_number(void **state)
{
    struct pn_error err;
    (void)state;
    world_start(2, 1, NULL);
    world_run(300, true);
    assert_int_equal(w.nodes[0].control.peers[0].boot_id, w.nodes[1].node.boot_id);
    for (unsigned i = 0; i < 2; i++) {
        struct pn_node_conf *c = &w.confs[i];
        c->self = i ? 1 : 2;
        snprintf(c->names[2], sizeof(c->names[2]), "n0");
        c->names[0][0] = '\0';
        c->paths[0].peers[2] = c->paths[0].peers[0];
        memset(&c->paths[0].peers[0], 0, sizeof(c->paths[0].peers[0]));
        assert_int_equal(pn_node_configure(&w.nodes[i].node, c, w.now, &err), 0);
    }
    world_run(500, true);
    assert_int_equal(w.nodes[0].control.peers[0].boot_id, w.nodes[1].node.boot_id);
    assert_int_equal(w.nodes[0].node.sync.peers[1].state, PN_SYNC_DONE);
    assert_int_equal(world_owner(0), 0);
    world_end();
}

static void test_a_second_node_joins_a_lone_one(void **state)
{
    struct pn_error err;
    (void)state;
    world_start(2, 1, NULL);
    world_node_kill(1);
    struct pn_node_conf pair = w.confs[0];
    w.confs[0].n_nodes = 1;
    memset(w.confs[0].names[1], 0, PN_NAME_BYTES);
    world_node_start(0);
    world_run(100, true);
    assert_true(w.nodes[0].lease[0] > w.now + 20000 * WORLD_MS);
    assert_int_equal(pn_node_configure(&w.nodes[0].node, &pair, w.now, &err), 0);
    world_wake(0);
    world_run(100, true);
    assert_true(w.nodes[0].lease[0] <= w.now + 25 * WORLD_MS);
    world_node_start(1);
    world_run(100, true);
    world_node_kill(0);
    world_run(200, true);
    assert_int_equal(world_owner(0), 1);
    world_end();
}

static void exclusive(struct pn_node_conf *conf, unsigned node)
{
    (void)node;
    conf->vips[0].want.exclusive = true;
}

static void test_force_ends_the_wait_for_votes(void **state)
{
    struct pn_error err;
    (void)state;
    world_start(2, 1, exclusive);
    world_run(500, true);
    assert_int_equal(world_owner(0), 0);
    assert_int_equal(pn_node_force(&w.nodes[1].node, "out", w.now, &err), -1);
    world_both_kill(0);
    world_run(500, true);
    assert_int_equal(world_owner(0), WORLD_NODES);
    assert_int_equal(pn_node_force(&w.nodes[1].node, "out", w.now, &err), 0);
    world_wake(1);
    world_run(500, true);
    assert_int_equal(world_owner(0), 1);
    world_both_start(0);
    world_run(800, true);
    assert_int_equal(world_owner(0), 0);
    assert_false(w.nodes[1].node.election.vips[0].forced);
    world_end();
}

static void witness(struct pn_node_conf *conf, unsigned node)
{
    conf->vips[0].want.exclusive = true;
    if (node == 2) {
        conf->vips[0].want.priority = 0;
        conf->vips[0].want.id = PN_NODE_WITNESS_ID;
    }
}

/* A third node that carries nothing decides for a pair. */
static void test_a_witness_votes(void **state)
{
    (void)state;
    world_start(3, 1, witness);
    world_run(500, true);
    assert_int_equal(world_owner(0), 0);
    world_both_kill(0);
    world_run(500, true);
    assert_int_equal(world_owner(0), 1);
    world_end();
}

/* A reload that takes a VIP from its owner is a move. */
static void test_priority_0_hands_over(void **state)
{
    struct pn_error err;
    (void)state;
    world_start(2, 1, NULL);
    world_run(500, true);
    assert_int_equal(world_owner(0), 0);
    world_gap_reset();
    for (unsigned i = 0; i < 2; i++) {
        w.confs[i].vips[0].want.priority = i == 0 ? 0 : 100;
        assert_int_equal(pn_node_configure(&w.nodes[i].node, &w.confs[i], w.now, &err), 0);
    }
    world_run(500, true);
    assert_int_equal(world_owner(0), 1);
    assert_true(w.worst_gap_ns <= WORLD_MS);
    assert_string_equal(w.nodes[0].node.election.vips[0].reason, "priority 0");
    world_end();
}

/* Everything at random, dataplanes and processes each by itself. */
static void test_chaos(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 40; seed++) {
        world_start(2 + seed % 2, 2, NULL);
        w.seed = seed * 0x9e3779b97f4a7c15ull;
        world_run(300, true);
        for (unsigned round = 0; round < 10; round++) {
            unsigned i = (unsigned)(world_random(NULL) % w.n);
            struct world_node *n = &w.nodes[i];
            unsigned fault = world_random(NULL) % 6;
            /*
             * Two heartbeats lost and then the dataplane stopped within the same wait: the one double fault that the
             * probe cannot see through, for what is left of the lease (docs/ownership.md).
             */
            w.loss_percent = fault == 1 || fault == 2 ? 0 : world_random(NULL) % 4;
            switch (fault) {
            case 0:
                n->running = false;
                break;
            case 1:
                n->dp_running = false;
                break;
            case 2:
                n->running = n->dp_running = false;
                break;
            case 3:
                if (n->running)
                    world_node_kill(i);
                break;
            case 4:
                world_dp_kill(i);
                break;
            default:
                pn_node_standby(&n->node, round & 1, w.now);
                break;
            }
            world_run(20 + (unsigned)(world_random(NULL) % 120), true);
            world_recover();
            world_run((unsigned)(world_random(NULL) % 100), true);
        }
        w.loss_percent = 0;
        for (unsigned o = 0; o < w.n; o++)
            pn_node_standby(&w.nodes[o].node, false, w.now);
        world_run(4500, true); /* a resync whose end was lost is asked for again after three seconds */
        for (unsigned v = 0; v < 2; v++)
            assert_int_equal(world_owner(v), v % w.n);
        world_end();
    }
}

/* A reload of one node, in the middle of whatever goes on: priorities, keys, and addresses that come and go. */
static void reload(unsigned i)
{
    struct pn_node_conf *c = &w.confs[i];
    struct pn_node_vip *vip = &c->vips[world_random(NULL) % w.n_vips];
    struct pn_error err;
    if (!w.nodes[i].running)
        return;
    switch (world_random(NULL) % 5) {
    case 0:
        vip->want.priority = (uint16_t)(1 + world_random(NULL) % 250);
        break;
    case 1: /* all know both */
        c->ring.keys[0].send ^= true;
        c->ring.keys[1].send ^= true;
        break;
    case 2:
        vip->want.preempt = (enum pn_preempt)(world_random(NULL) % 3);
        vip->want.preempt_delay_ns = 50 * WORLD_MS;
        break;
    case 3:
        c->n_vips = c->n_vips == w.n_vips ? w.n_vips - 1 : w.n_vips;
        break;
    default:
        vip->want.group = vip->want.group == PN_NO_GROUP ? 0 : PN_NO_GROUP;
        break;
    }
    c->generation = world_random(NULL) % 2;
    assert_int_equal(pn_node_configure(&w.nodes[i].node, c, w.now, &err), 0);
    world_wake(i);
}

static void two_secrets(struct pn_node_conf *conf, unsigned node)
{
    (void)node;
    conf->ring = (struct pn_seal_ring){.n_keys = 2, .keys = {{.id = 1, .send = true}, {.id = 2, .secret = {1, 2, 3}}}};
}

static void test_reloads_in_the_middle(void **state)
{
    (void)state;
    for (unsigned seed = 1280; seed < 1320; seed++) { /* 1304: a claim that had not left when another was heard */
        world_start(2 + seed % 2, 2, two_secrets);
        w.seed = seed * 0x9e3779b97f4a7c15ull;
        for (unsigned i = 0; i < w.n; i++)
            w.nodes[i].node.due_ns += world_random(NULL) % (10 * WORLD_MS);
        world_run(300, true);
        for (unsigned round = 0; round < 12; round++) {
            unsigned i = (unsigned)(world_random(NULL) % w.n), fault = world_random(NULL) % 5;
            struct world_node *n = &w.nodes[i];
            if (fault == 3)
                world_node_kill(i);
            n->running &= fault != 0 && fault != 2;
            n->dp_running &= fault != 1 && fault != 2;
            for (unsigned k = 0; k < 3; k++) {
                world_run((unsigned)(world_random(NULL) % 40), true);
                reload((unsigned)(world_random(NULL) % w.n));
            }
            world_run((unsigned)(world_random(NULL) % 40), true);
            world_recover();
            world_run((unsigned)(world_random(NULL) % 100), true);
        }
        world_end();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_owns_its_own),
        cmocka_unit_test(test_alone_needs_no_heartbeat),
        cmocka_unit_test(test_silent_death),
        cmocka_unit_test(test_planned_move),
        cmocka_unit_test(test_dataplane_leaves),
        cmocka_unit_test(test_standby_and_leave),
        cmocka_unit_test(test_leave_when_no_peer_takes_over),
        cmocka_unit_test(test_what_is_ours_is_told_until_it_is_taken),
        cmocka_unit_test(test_a_node_gets_another_number),
        cmocka_unit_test(test_a_second_node_joins_a_lone_one),
        cmocka_unit_test(test_force_ends_the_wait_for_votes),
        cmocka_unit_test(test_a_witness_votes),
        cmocka_unit_test(test_priority_0_hands_over),
        cmocka_unit_test(test_reloads_in_the_middle),
        cmocka_unit_test(test_chaos),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
