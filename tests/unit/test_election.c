/* SPDX-License-Identifier: BSD-3-Clause */
/* The election: who owns what when nodes stop, die, move, hold and come back. */
#include "tests/unit/election_world.h"

static void test_opposite_priorities(void **state)
{
    (void)state;
    world_start(2, 3, false, 1);
    world_run(500, true);
    assert_int_equal(world_owner(0), 0);
    assert_int_equal(world_owner(1), 1);
    assert_int_equal(world_owner(2), 0);
    world_end();
}

/* The figure of the failover table, without the machine's own noise: death at every phase of the heartbeat. */
static void test_silent_death(void **state)
{
    (void)state;
    uint64_t worst = 0, sum = 0;
    for (unsigned phase = 0; phase < 40; phase++) {
        world_start(2, 1, false, 7 + phase);
        world_run(300, true);
        assert_int_equal(world_owner(0), 0);
        for (uint64_t until = w.now + phase * WORLD_STEP; w.now < until;)
            world_run(1, true);
        w.worst_gap_ns = w.gap_ns = 0;
        w.nodes[0].running = false;
        world_dataplane_kill(&w.nodes[0]);
        world_run(200, true);
        assert_int_equal(world_owner(0), 1);
        sum += w.worst_gap_ns;
        worst = w.worst_gap_ns > worst ? w.worst_gap_ns : worst;
        world_end();
    }
    assert_true(worst <= 40 * WORLD_MS);
    assert_true(sum / 40 <= 36 * WORLD_MS);
}

static void test_stopped_owner_never_answers_twice(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 30; seed++) {
        world_start(2, 1, false, seed);
        world_run(300, true);
        world_control_stop(&w.nodes[0], seed & 1);
        world_run(5 + seed * 4, true);
        w.nodes[0].running = true; /* SIGCONT: it still believes to be owner */
        world_run(400, true);
        assert_int_equal(world_owner(0), 0); /* preempts back, and nobody ever saw two */
        world_end();
    }
}

static void test_restart_within_the_lease_goes_on(void **state)
{
    (void)state;
    world_start(2, 1, false, 5);
    world_run(300, true);
    w.nodes[0].running = false;
    world_run(12, true);
    w.worst_gap_ns = w.gap_ns = 0;
    world_control_start(&w.nodes[0], true);
    world_run(300, true);
    assert_int_equal(world_owner(0), 0);
    assert_true(w.worst_gap_ns == 0);
    world_end();
}

static void test_planned_move(void **state)
{
    (void)state;
    world_start(2, 1, false, 9);
    w.loss_percent = 1;
    world_run(300, true);
    struct pn_election_out out = {.n = 0};
    struct pn_error err;
    assert_int_equal(pn_election_move(&w.nodes[1].election, "out", 0, world_clock(&w.nodes[1]), &out, &err), -1);
    assert_string_equal(err.text, "VIP \"out\": this node is backup, only the owner can move it");
    assert_int_equal(pn_election_move(&w.nodes[0].election, "nil", 1, world_clock(&w.nodes[0]), &out, &err), -1);
    w.worst_gap_ns = w.gap_ns = 0;
    assert_int_equal(pn_election_move(&w.nodes[0].election, "out", 1, world_clock(&w.nodes[0]), &out, &err), 0);
    world_obey(&w.nodes[0], &out);
    world_run(500, true);
    assert_int_equal(world_owner(0), 1); /* and it stays there although node 0 has the higher priority */
    assert_true(w.worst_gap_ns <= 12 * WORLD_MS);
    world_dataplane_kill(&w.nodes[1]);
    world_run(200, true);
    assert_int_equal(world_owner(0), 0);
    world_end();
}

static void test_standby_and_back(void **state)
{
    (void)state;
    world_start(2, 3, false, 11);
    world_run(300, true);
    struct pn_election_out out = {.n = 0};
    pn_election_standby(&w.nodes[0].election, true, world_clock(&w.nodes[0]), &out);
    world_obey(&w.nodes[0], &out);
    world_run(300, true);
    for (unsigned v = 0; v < 3; v++)
        assert_int_equal(world_owner(v), 1);
    out.n = 0;
    pn_election_standby(&w.nodes[0].election, false, world_clock(&w.nodes[0]), &out);
    world_run(300, true);
    assert_int_equal(world_owner(0), 0);
    assert_int_equal(world_owner(1), 1);
    assert_int_equal(world_owner(2), 0);
    world_end();
}

static void test_hold_covers_a_restart(void **state)
{
    (void)state;
    world_start(2, 1, false, 13);
    world_run(300, true);
    pn_election_hold(&w.nodes[0].election, 2000);
    /* Stopped the very moment that it says so: the leases must be long by then. */
    for (unsigned ms = 0; ms < 60 && !pn_election_held(&w.nodes[0].election, world_clock(&w.nodes[0])); ms++)
        world_run(1, true);
    assert_true(pn_election_held(&w.nodes[0].election, world_clock(&w.nodes[0])));
    assert_true(w.nodes[0].lease[0] >= world_clock(&w.nodes[0]) + 1900 * WORLD_MS);
    w.worst_gap_ns = w.gap_ns = 0;
    w.nodes[0].running = false;
    world_run(1500, true);
    world_control_start(&w.nodes[0], true);
    world_run(500, true);
    assert_int_equal(world_owner(0), 0);
    assert_true(w.worst_gap_ns == 0);
    assert_int_equal(w.nodes[1].election.vips[0].transitions, 0);
    world_end();
}

/* The wait for a hold is long enough for clocks to run apart: nobody asks for the VIP while it is leased. */
static void test_a_long_hold_allows_for_clocks(void **state)
{
    (void)state;
    world_start(2, 1, false, 16);
    w.nodes[0].drift_ppm = -10000;
    w.nodes[1].drift_ppm = 10000;
    world_run(300, true);
    pn_election_hold(&w.nodes[0].election, 10000);
    world_run(60, true);
    assert_true(pn_election_held(&w.nodes[0].election, world_clock(&w.nodes[0])));
    world_control_stop(&w.nodes[0], false);
    for (unsigned ms = 0; ms < 10000 || world_responds(0, 0); ms++) {
        world_run(1, true);
        assert_true(w.nodes[1].election.vips[0].state == PN_EL_BACKUP || !world_responds(0, 0));
    }
    world_run(500, true);
    assert_int_equal(world_owner(0), 1);
    world_end();
}

/* Rivals that somebody makes up keep a backup back, but fill no log; when they end, it claims. */
static void test_rivals_are_told_of_once(void **state)
{
    (void)state;
    for (unsigned round = 1; round <= 2; round++) {
        if (round == 1)
            world_start(2, 1, false, 17);
        world_run(300, true);
        assert_int_equal(world_owner(0), 0);
        world_dataplane_kill(&w.nodes[0]);
        w.nodes[0].running = false;
        for (unsigned ms = 0; ms < 500; ms++) {
            struct pn_election_out out = {.n = 0};
            world_run(1, true);
            pn_election_rival(&w.nodes[1].election, 0, true, world_clock(&w.nodes[1]), &out);
            assert_int_equal(out.n, 0);
            assert_int_equal(world_owner(0), WORLD_NODES);
        }
        assert_int_equal(w.rivals, round);
        world_run(100, true);
        assert_int_equal(world_owner(0), 1);
        world_dataplane_start(&w.nodes[0]);
        world_control_start(&w.nodes[0], true);
    }
    world_end();
}

/* Those that go second are told that we probe, as often as they ask, but the claim comes when it would. */
static void test_rivals_that_go_second_delay_nothing(void **state)
{
    unsigned told = 0, ms = 0;
    (void)state;
    world_start(2, 1, false, 18);
    world_run(300, true);
    assert_int_equal(world_owner(0), 0);
    world_dataplane_kill(&w.nodes[0]);
    w.nodes[0].running = false;
    for (; ms < 500 && world_owner(0) == WORLD_NODES; ms++) {
        struct pn_election_out out = {.n = 0};
        world_run(1, true);
        pn_election_rival(&w.nodes[1].election, 0, false, world_clock(&w.nodes[1]), &out);
        told += out.n;
        world_obey(&w.nodes[1], &out);
    }
    assert_in_range(ms, 20, 38);
    assert_in_range(told, 6, 10);
    world_end();
}

/* Peers that have agreed to a short wait have not agreed to a long one. */
static void test_a_longer_hold_is_asked_for_anew(void **state)
{
    (void)state;
    world_start(2, 1, false, 14);
    world_run(300, true);
    pn_election_hold(&w.nodes[0].election, 100);
    world_run(60, true);
    assert_true(pn_election_held(&w.nodes[0].election, world_clock(&w.nodes[0])));
    w.cut[0][1] = true; /* it does not hear of the other */
    pn_election_hold(&w.nodes[0].election, 2000);
    for (unsigned ms = 0; ms < 30; ms++) {
        world_run(1, true);
        assert_false(w.nodes[0].election.hold_granted);
        assert_true(w.nodes[0].lease[0] < world_clock(&w.nodes[0]) + 200 * WORLD_MS);
    }
    w.cut[0][1] = false;
    world_run(60, true);
    assert_true(pn_election_held(&w.nodes[0].election, world_clock(&w.nodes[0])));
    assert_true(w.nodes[0].lease[0] > world_clock(&w.nodes[0]) + 1900 * WORLD_MS);
    world_end();
}

/* Its vote bound the process before, too: a voter that starts anew waits until that is over. */
static void test_a_voter_that_starts_anew_waits(void **state)
{
    (void)state;
    world_start(3, 1, true, 15);
    world_run(300, true);
    assert_int_equal(w.nodes[2].election.vips[0].vote, 0);
    world_control_start(&w.nodes[2], true);
    for (unsigned ms = 0; ms < 34; ms++) {
        world_run(1, true);
        assert_int_equal(w.nodes[2].election.vips[0].vote, PN_HB_NO_NODE);
    }
    world_run(60, true);
    assert_int_equal(w.nodes[2].election.vips[0].vote, 0);
    assert_int_equal(world_owner(0), 0);
    world_end();
}

/* A node that comes back takes nothing before it knows what its peer knows, and says what it waits for. */
static void test_what_preemption_waits_for(void **state)
{
    (void)state;
    for (enum pn_el_wait wait = PN_EL_WAIT_PREEMPT; wait < PN_EL_WAIT_COUNT; wait++) {
        struct pn_election *e = &w.nodes[0].election;
        struct pn_election_vip *v = &e->vips[0];
        world_start(2, 1, false, 40 + (unsigned)wait);
        world_run(300, true);
        assert_int_equal(world_owner(0), 0);
        assert_int_equal(v->wait, PN_EL_WAIT_NONE);
        w.nodes[0].running = false;
        world_dataplane_kill(&w.nodes[0]);
        world_run(100, true);
        assert_int_equal(world_owner(0), 1);
        w.nodes[0].dataplane = true;
        world_control_start(&w.nodes[0], true);
        e->generation = wait == PN_EL_WAIT_CONF ? 2 : 1;
        e->synced = wait != PN_EL_WAIT_SYNC;
        v->yielded = wait == PN_EL_WAIT_ORDER;
        v->preempt = wait == PN_EL_WAIT_PREEMPT ? PN_PREEMPT_NO
                     : wait == PN_EL_WAIT_DELAY ? PN_PREEMPT_DELAY
                                                : PN_PREEMPT_YES;
        v->preempt_delay_ns = 500 * WORLD_MS;
        world_run(400, true);
        assert_int_equal(world_owner(0), 1);
        assert_int_equal(v->wait, wait);
        assert_true(pn_el_wait_name[wait][0]);
        assert_false(v->want);
        if (wait == PN_EL_WAIT_DELAY)
            world_run(200, true);
        e->generation = 1;
        e->synced = true;
        v->yielded = false;
        v->preempt = PN_PREEMPT_YES;
        world_run(100, true);
        assert_int_equal(world_owner(0), 0);
        assert_int_equal(v->wait, PN_EL_WAIT_NONE);
        world_end();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_opposite_priorities),
        cmocka_unit_test(test_silent_death),
        cmocka_unit_test(test_stopped_owner_never_answers_twice),
        cmocka_unit_test(test_restart_within_the_lease_goes_on),
        cmocka_unit_test(test_planned_move),
        cmocka_unit_test(test_standby_and_back),
        cmocka_unit_test(test_hold_covers_a_restart),
        cmocka_unit_test(test_a_long_hold_allows_for_clocks),
        cmocka_unit_test(test_rivals_are_told_of_once),
        cmocka_unit_test(test_rivals_that_go_second_delay_nothing),
        cmocka_unit_test(test_a_longer_hold_is_asked_for_anew),
        cmocka_unit_test(test_a_voter_that_starts_anew_waits),
        cmocka_unit_test(test_what_preemption_waits_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
