/* SPDX-License-Identifier: BSD-3-Clause */
/* Leases above a dataplane that stops, dies, breaks its connection or cannot send. */
#include "tests/unit/node_world.h"

static void no_preemption(struct pn_node_conf *c, unsigned node)
{
    (void)node;
    c->vips[0].want.preempt = PN_PREEMPT_NO;
}

/* SIGSTOP of postern-dp at every phase, for every length: what waits in its socket must not answer when it goes on. */
static void test_stopped_dataplane_never_answers_twice(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 60; round++) {
        world_start(2, 1, NULL);
        world_run(300, true);
        for (uint64_t until = w.now + round * 7 * WORLD_STEP; w.now < until;)
            world_run(1, true);
        w.nodes[0].dp_running = false;
        world_run(5 + round * 2, true);
        w.nodes[0].dp_running = true;
        world_run(500, true);
        assert_int_equal(world_owner(0), 0);
        world_end();
    }
}

/*
 * The same of a backup, also one that goes before the owner and was told to leave it the address: what it did not hear while its
 * dataplane stood still is no silence.
 */
static void test_stopped_dataplane_of_a_backup(void **state)
{
    struct pn_error err;
    (void)state;
    for (unsigned backup = 0; backup < 2; backup++) {
        for (unsigned offset = 0; offset < 100; offset += 9) {
            for (unsigned ms = 30; ms < 56; ms++) {
                world_start(2, 1, NULL);
                world_run(100, true);
                w.nodes[1].node.due_ns += offset * WORLD_STEP; /* neither's heartbeats follow the other's */
                world_run(200, true);
                if (backup == 0)
                    assert_int_equal(pn_node_move(&w.nodes[0].node, "out", "n1", w.now, &err), 0);
                world_wake(0);
                world_run(50, true);
                world_steps(ms * 37 % 100, true);
                w.nodes[backup].dp_running = false;
                world_run(ms, true);
                w.nodes[backup].dp_running = true;
                world_run(200, true);
                assert_int_equal(world_owner(0), 1 - backup);
                world_end();
            }
        }
    }
}

static void test_stopped_process_never_answers_twice(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 40; round++) {
        world_start(2, 1, NULL);
        world_run(300 + round % 10, true);
        w.nodes[0].running = false;
        if (round & 1)
            w.nodes[0].dp_running = false;
        world_run(5 + round * 4, true);
        w.nodes[0].running = w.nodes[0].dp_running = true;
        world_run(500, true);
        assert_int_equal(world_owner(0), 0);
        world_end();
    }
}

static void hold_covers_a_restart(bool read_first)
{
    struct pn_error err;
    world_start(2, 1, NULL);
    w.nodes[0].read_first = read_first;
    world_run(300, true);
    assert_int_equal(pn_node_hold(&w.nodes[0].node, 61000, w.now, &err), -1);
    assert_int_equal(pn_node_hold(&w.nodes[0].node, 2000, w.now, &err), 0);
    world_run(60, true);
    assert_true(w.nodes[0].node.election.hold_granted);
    world_gap_reset();
    world_node_kill(0);
    world_run(1500, true);
    world_node_start(0);
    world_run(40, true);
    /* Dies right after it came back: nobody waits for the held lease, so it must have been cut short. */
    world_node_kill(0);
    world_run(300, true);
    assert_int_equal(world_owner(0), 1);
    world_end();
}

static void test_hold_covers_a_restart(void **state)
{
    (void)state;
    hold_covers_a_restart(false);
    hold_covers_a_restart(true);
}

/* What was read of the dataplane says nothing any more once a lease was written to it. */
static void test_a_lease_that_was_read_grows_old(void **state)
{
    struct pn_error err;
    (void)state;
    world_start(2, 1, no_preemption);
    world_run(300, true);
    assert_int_equal(pn_node_hold(&w.nodes[0].node, 5000, w.now, &err), 0);
    world_run(60, true);
    uint16_t id = 0;
    uint64_t read_ns = w.nodes[0].lease[0];
    assert_true(read_ns > w.now + 4000 * WORLD_MS);
    pn_node_installed(&w.nodes[0].node, w.nodes[0].dataplane, &id, &read_ns, 1, w.now); /* another snapshot */
    assert_int_equal(pn_node_hold(&w.nodes[0].node, 0, w.now, &err), 0);
    world_run(60, true);
    assert_int_equal(pn_node_move(&w.nodes[0].node, "out", "n1", w.now, &err), 0);
    world_run(60, true);
    assert_int_equal(world_owner(0), 1);
    world_node_relink(0);
    world_run(300, true);
    assert_int_equal(world_owner(0), 1);
    world_end();
}

/* Of what it wrote itself it knows: an owner whose connection breaks for a moment goes on. */
static void test_a_connection_that_breaks_ends_no_lease(void **state)
{
    (void)state;
    world_start(2, 1, NULL);
    world_run(300, true);
    world_gap_reset();
    world_node_relink(0);
    world_run(300, true);
    assert_int_equal(world_owner(0), 0);
    assert_int_equal(w.worst_gap_ns, 0);
    assert_int_equal(w.nodes[1].node.election.vips[0].transitions, 0);
    world_end();
}

/* Before PN_DP_CONTROL is taken nothing of the wire comes: no heartbeats, and no answers to a probe either. */
static void test_nothing_is_claimed_before_the_wire_is_heard(void **state)
{
    (void)state;
    for (unsigned again = 0; again < 2; again++) {
        world_start(2, 1, no_preemption);
        world_run(300, true);
        assert_int_equal(world_owner(0), 0);
        world_gap_reset();
        w.nodes[1].control_busy = 3;
        if (again == 0)
            world_node_start(1);
        else
            world_node_relink(1);
        world_run(500, true);
        assert_int_equal(w.nodes[1].node.election.vips[0].state, PN_EL_INIT);
        world_run(500, true);
        assert_int_equal(w.nodes[1].node.election.vips[0].state, PN_EL_BACKUP);
        assert_int_equal(world_owner(0), 0);
        assert_int_equal(w.worst_gap_ns, 0);
        world_end();
    }
}

static void late_preemption(struct pn_node_conf *conf, unsigned node)
{
    (void)node;
    conf->vips[0].want.preempt = PN_PREEMPT_DELAY;
    conf->vips[0].want.preempt_delay_ns = 60000 * WORLD_MS;
}

/* Workers hand packets on in an order of their own: a heartbeat obeyed later may have been received earlier. */
static void test_receipts_out_of_order(void **state)
{
    unsigned packets = 0;
    (void)state;
    world_start(2, 1, late_preemption);
    world_run(300, true);
    world_both_kill(0);
    world_run(200, true);
    world_dp_start(0);
    world_node_start(0);
    world_run(300, true);
    struct pn_election_vip *v = &w.nodes[0].node.election.vips[0];
    assert_int_equal(v->wait, PN_EL_WAIT_DELAY);
    w.nodes[0].running = false;
    world_run(22, true);
    struct world_queue *q = &w.nodes[0].from_dp;
    for (unsigned i = 0; i < q->count; i++) {
        struct world_message *m = &q->m[(q->head + i) % WORLD_QUEUE];
        if (m->type == PN_DP_PACKET_RX && !m->answer)
            ((struct pn_dp_packet *)m->payload)->boottime_ns = w.now - ++packets * WORLD_MS;
    }
    assert_true(packets >= 2);
    v->better_since_ns = 0; /* as when the owner is heard for the first time */
    w.nodes[0].running = true;
    world_run(300, true);
    assert_false(v->want);
    assert_int_equal(world_owner(0), 1);
    world_end();
}

/* It is said, but not with each heartbeat; and the first lease that is taken is in force. */
static void test_a_lease_that_is_refused(void **state)
{
    (void)state;
    world_start(2, 1, NULL);
    world_run(300, true);
    unsigned alarms = w.nodes[0].alarms;
    w.nodes[0].leases_refused = true;
    world_run(2500, true);
    assert_in_range(w.nodes[0].alarms, alarms + 1, alarms + 4);
    w.nodes[0].leases_refused = false;
    world_run(50, true);
    assert_int_equal(world_owner(0), 0);
    world_end();
}

/*
 * Refused, and then the dataplane stops with a heartbeat under way: when its time to try again passes, nothing can be tried. The thread
 * sleeps (node_world.c watches that), and what the dataplane answers at last is what wakes it.
 */
static void test_a_refused_lease_of_a_dataplane_that_stops(void **state)
{
    struct pn_node *n = &w.nodes[0].node;
    (void)state;
    world_start(2, 1, NULL);
    world_run(300, true);
    w.nodes[0].dp_running = false;
    for (unsigned i = 0; i < 200 && !n->beat.unanswered; i++)
        world_run(1, true);
    assert_true(n->beat.unanswered > 0);
    pn_node_answer(n, PN_TAG_LEASE, PN_DP_STATUS_REJECTED, "no", 2, w.now); /* of the heartbeat before */
    world_run(PN_NODE_RETRY_NS / WORLD_MS + 300, true);
    assert_true(n->retry_ns && n->retry_ns < w.now);
    uint64_t sent = n->show.heartbeats_sent;
    w.nodes[0].dp_running = true;
    world_run(5, true);
    assert_true(n->show.heartbeats_sent > sent); /* at once */
    assert_int_equal(n->retry_ns, 0);
    world_run(500, true);
    assert_int_equal(world_owner(0), 0);
    world_end();
}

static void slower_owner(struct pn_node_conf *c, unsigned node)
{
    if (node == 0) {
        c->times.heartbeat = 50 * WORLD_MS;
        c->times.lease = 125 * WORLD_MS;
        c->times.takeover = 175 * WORLD_MS;
        c->times.probe_lead = 40 * WORLD_MS;
    }
}

/* Times that differ, while one node has the new configuration and the other has not: the owner says how long its lease is. */
static void test_a_lease_longer_than_our_own(void **state)
{
    (void)state;
    for (unsigned phase = 0; phase < 50; phase += 3) {
        world_start(2, 1, slower_owner);
        world_run(600 + phase, true);
        assert_int_equal(world_owner(0), 0);
        w.nodes[0].running = w.nodes[0].dp_running = false;
        world_run(60, true);
        w.nodes[0].dp_running = true; /* goes on while its lease lasts */
        world_run(200, true);
        assert_int_equal(world_owner(0), 1);
        world_end();
    }
}

/* A port that cannot send renews nothing, so its node is no owner when the link comes back. */
static void test_no_lease_without_sending(void **state)
{
    (void)state;
    world_start(2, 1, NULL);
    world_run(300, true);
    w.nodes[0].port_down = true;
    w.cut[0][1] = w.cut[1][0] = true;
    world_run(300, true);
    assert_int_equal(world_owner(0), 1);
    w.nodes[0].port_down = false;
    w.cut[0][1] = w.cut[1][0] = false;
    world_run(500, true);
    assert_int_equal(world_owner(0), 0);
    world_end();
}

/* Given up while a heartbeat was under way that would have renewed it: the answer must not bring it back. */
static void test_what_was_given_up_stays_so(void **state)
{
    (void)state;
    for (unsigned phase = 0; phase < 10; phase++) {
        world_start(2, 1, NULL);
        world_run(300 + phase, true);
        w.nodes[0].dp_running = false;
        for (unsigned i = 0; i < 200 && !w.nodes[0].node.beat.unanswered; i++)
            world_run(1, true);
        assert_int_equal(w.nodes[0].node.beat.n, 1);
        pn_node_standby(&w.nodes[0].node, true, w.now);
        w.nodes[0].dp_running = true;
        world_run(300, true);
        assert_int_equal(world_owner(0), 1);
        world_end();
    }
}

static void test_an_owner_whose_lease_is_over_claims_nothing(void **state)
{
    (void)state;
    world_start(2, 1, NULL);
    world_run(300, true);
    w.nodes[0].running = false;
    world_run(200, true);
    assert_int_equal(world_owner(0), 1);
    w.nodes[0].running = true;
    world_run(300, true);
    assert_int_equal(w.nodes[0].announced[0], 0); /* it never believed to have won over the heartbeats it found */
    world_end();
}

/* Node 0's process is back, and does not know what its dataplane holds; answers to the other's probes are lost. */
static void starts_and_knows_nothing(unsigned ms)
{
    uint16_t ids[] = {0};
    world_node_start(0);
    pn_node_installed(&w.nodes[0].node, 0, ids, w.nodes[0].lease, 0, w.now);
    for (uint64_t end = w.now + ms * WORLD_MS; w.now < end;) {
        world_step(true);
        w.nodes[1].probe_ns[0] = 0;
    }
}

static void slow_lease(struct pn_node_conf *c, unsigned node)
{
    if (node == 0) {
        c->times.lease = 150 * WORLD_MS;
        c->times.takeover = 180 * WORLD_MS;
    }
}

/*
 * A hold that is over on the wire, but not in the dataplane: the process is back and does not know yet what the dataplane
 * holds (its state is init). A lost answer to a probe must not make the other an owner.
 */
static void test_a_hold_lasts_until_the_owner_knows(void **state)
{
    struct pn_error err;
    uint16_t ids[] = {0};
    (void)state;
    world_start(2, 1, NULL);
    world_run(300, true);
    assert_int_equal(pn_node_hold(&w.nodes[0].node, 2000, w.now, &err), 0);
    world_run(60, true);
    world_node_kill(0);
    world_run(500, true);
    starts_and_knows_nothing(200);
    pn_node_installed(&w.nodes[0].node, w.nodes[0].dataplane, ids, w.nodes[0].lease, 1, w.now);
    world_run(300, true);
    assert_int_equal(world_owner(0), 0);
    world_end();
}

/* The peer has granted the hold, but did not hear of the long lease any more. */
static void test_a_hold_whose_lease_was_not_heard_of(void **state)
{
    struct pn_error err;
    (void)state;
    world_start(2, 1, NULL);
    world_run(300, true);
    assert_int_equal(pn_node_hold(&w.nodes[0].node, 1000, w.now, &err), 0);
    world_wake(0);
    for (unsigned i = 0; i < 600 && !w.nodes[0].node.election.hold_granted; i++)
        world_step(true);
    w.cut[0][1] = true;
    world_run(15, true);
    assert_true(w.nodes[0].lease[0] > w.now + 900 * WORLD_MS);
    world_node_kill(0);
    w.cut[0][1] = false;
    starts_and_knows_nothing(1500);
    assert_int_equal(world_owner(0), 1);
    world_end();
}

/* No hold, but its times are longer than ours. */
static void test_a_longer_lease_lasts_until_the_owner_knows(void **state)
{
    (void)state;
    for (unsigned phase = 0; phase < 50; phase++) {
        world_start(2, 1, slow_lease);
        world_run(600 + phase, true);
        assert_int_equal(world_owner(0), 0);
        world_node_kill(0);
        starts_and_knows_nothing(300);
        assert_int_equal(world_owner(0), 1);
        world_end();
    }
}

/* An order whose time was taken before the newest heartbeat came: it had to wait for the ownership thread. */
static void test_an_order_that_waited(void **state)
{
    struct pn_error err;
    (void)state;
    world_start(2, 1, NULL);
    world_run(300, true);
    uint64_t before_ns = w.nodes[0].node.peers.peers[1].heard_ns - 1;
    assert_int_equal(pn_node_move(&w.nodes[0].node, "out", "n1", before_ns, &err), 0);
    world_run(300, true);
    assert_int_equal(world_owner(0), 1);
    world_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stopped_dataplane_never_answers_twice),
        cmocka_unit_test(test_stopped_dataplane_of_a_backup),
        cmocka_unit_test(test_stopped_process_never_answers_twice),
        cmocka_unit_test(test_hold_covers_a_restart),
        cmocka_unit_test(test_a_lease_that_was_read_grows_old),
        cmocka_unit_test(test_a_connection_that_breaks_ends_no_lease),
        cmocka_unit_test(test_nothing_is_claimed_before_the_wire_is_heard),
        cmocka_unit_test(test_receipts_out_of_order),
        cmocka_unit_test(test_a_lease_that_is_refused),
        cmocka_unit_test(test_a_refused_lease_of_a_dataplane_that_stops),
        cmocka_unit_test(test_a_lease_longer_than_our_own),
        cmocka_unit_test(test_no_lease_without_sending),
        cmocka_unit_test(test_what_was_given_up_stays_so),
        cmocka_unit_test(test_an_owner_whose_lease_is_over_claims_nothing),
        cmocka_unit_test(test_a_hold_lasts_until_the_owner_knows),
        cmocka_unit_test(test_a_hold_whose_lease_was_not_heard_of),
        cmocka_unit_test(test_a_longer_lease_lasts_until_the_owner_knows),
        cmocka_unit_test(test_an_order_that_waited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
