/* SPDX-License-Identifier: BSD-3-Clause */
/* Ownership with dataplanes below: what the election's own tests cannot see. */
#include "tests/unit/node_world.h"

#include "controlplane/vip/wire.h"

static void reset_gap(void)
{
    w.worst_gap_ns = w.gap_ns = 0;
}

static void no_preemption(struct pn_node_conf *c, unsigned node)
{
    (void)node;
    c->vips[0].want.preempt = PN_PREEMPT_NO;
}

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

static void test_silent_death(void **state)
{
    (void)state;
    for (unsigned phase = 0; phase < 20; phase++) {
        world_start(2, 1, NULL);
        world_run(300 + phase, true);
        reset_gap();
        world_node_kill(0);
        world_dp_kill(0);
        world_run(200, true);
        assert_int_equal(world_owner(0), 1);
        assert_true(w.worst_gap_ns <= 38 * WORLD_MS);
        world_dp_start(0);
        world_node_start(0);
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
    reset_gap();
    assert_int_equal(pn_node_move(&w.nodes[0].node, "out", NULL, w.now, &err), 0);
    w.nodes[0].wake_ns = 0;
    world_run(300, true);
    assert_int_equal(world_owner(0), 1);
    assert_true(w.worst_gap_ns <= 3 * WORLD_MS); /* two round trips and the wire */
    assert_true(w.nodes[0].forward[0] > w.now + 500 * WORLD_MS); /* those who still come here are served */
    world_end();
}

static void test_standby_and_leave(void **state)
{
    (void)state;
    world_start(2, 3, NULL);
    world_run(300, true);
    reset_gap();
    pn_node_leave(&w.nodes[0].node, w.now);
    w.nodes[0].wake_ns = 0;
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
    w.nodes[1].wake_ns = 0;
    world_run(50, true);
    assert_true(pn_node_left(&w.nodes[1].node, w.now));
    world_node_kill(1);
    reset_gap();
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
    reset_gap();
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
    reset_gap();
    world_node_relink(0);
    world_run(300, true);
    assert_int_equal(world_owner(0), 0);
    assert_int_equal(w.worst_gap_ns, 0);
    assert_int_equal(w.nodes[1].node.election.vips[0].transitions, 0);
    world_end();
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

static void test_forged_and_replayed_change_nothing(void **state)
{
    uint8_t packet[200], junk[100];
    struct pn_wire_udp u = {
        .src = pn_addr_from_v4(0x020200c0u), .dst = pn_addr_from_v4(0x010200c0u), .src_port = 24625, .dst_port = 24625};
    struct pn_ownership show;
    (void)state;
    world_start(2, 2, NULL);
    world_run(300, true);
    uint32_t transitions = w.nodes[0].node.election.vips[0].transitions;
    reset_gap();
    for (unsigned i = 0; i < 2000; i++) {
        for (unsigned k = 0; k < sizeof(junk); k++)
            junk[k] = (uint8_t)world_random(NULL);
        memcpy(junk, "PN\1\1\1\1\0\0", 8);
        junk[3] = i & 1 ? PN_SEAL_HEARTBEAT : PN_SEAL_FLOW_SYNC;
        world_inject(0, packet, pn_wire_udp_build(&u, junk, sizeof(junk), packet, sizeof(packet)));
        if (i % 20 == 0)
            world_run(1, true);
    }
    world_run(50, true);
    pn_node_show(&w.nodes[0].node, w.now, &show);
    assert_int_equal(show.refused_seal[PN_SEAL_FORGED] + show.refused_seal[PN_SEAL_FORMAT], 1000);
    assert_true(show.refused_seal[PN_SEAL_FORGED] > 400);
    assert_int_equal(show.sync.refused, 1000);
    assert_int_equal(w.nodes[0].node.election.vips[0].transitions, transitions);
    assert_true(w.worst_gap_ns == 0);
    assert_int_equal(world_owner(0), 0);
    world_end();
}

static void some_flows(struct world_node *n, unsigned service, unsigned gateway)
{
    for (n->n_flows = 0; n->n_flows < 64; n->n_flows++)
        n->flows[n->n_flows] = (struct pn_dp_flow){.client = pn_addr_from_v4(0x000200c6u + (n->n_flows << 24)),
                                                   .client_port = 4000,
                                                   .service = (uint16_t)service,
                                                   .gateway = (uint16_t)gateway,
                                                   .state = PN_FLOW_ESTABLISHED,
                                                   .expires_ms = 1000};
}

static void test_flows_are_there_before_it_takes_back(void **state)
{
    struct pn_ownership show;
    (void)state;
    world_start(2, 1, NULL);
    world_run(300, true);
    assert_true(w.nodes[0].node.election.synced);
    world_node_kill(0);
    world_dp_kill(0);
    world_run(200, true);
    some_flows(&w.nodes[1], 4, 8); /* its own ids of service 11 and gateway 22 */
    world_dp_start(0);
    w.nodes[0].flows_in = 0;
    w.loss_percent = 3;
    world_node_start(0);
    for (unsigned ms = 0; ms < 20000 && w.nodes[0].node.sync.peers[1].state != PN_SYNC_DONE; ms++) {
        if (w.nodes[0].node.sync.peers[1].state == PN_SYNC_WAITING)
            assert_int_equal(world_owner(0), 1); /* not before they are here */
        world_run(1, true);
    }
    assert_int_equal(w.nodes[0].node.sync.peers[1].state, PN_SYNC_DONE);
    world_run(100, true);
    assert_true(w.nodes[0].flows_in >= 64);
    assert_int_equal(world_owner(0), 0);
    pn_node_show(&w.nodes[1].node, w.now, &show);
    assert_true(show.sync.resyncs >= 1);
    assert_int_equal(show.sync.dropped_out, 0);
    world_end();
}

static void slow(struct pn_node_conf *conf, unsigned node)
{
    (void)node;
    conf->sync.timeout_ns = 2000 * WORLD_MS;
    conf->sync.rate = 2000;
}

/* Bounded in every direction: a rate that is passed and a dataplane that takes nothing lose flows, and say so. */
static void test_flow_sync_is_bounded(void **state)
{
    (void)state;
    world_start(2, 1, slow);
    world_run(300, true);
    some_flows(&w.nodes[0], 3, 0);
    w.nodes[1].flows_busy = true;
    for (unsigned ms = 0; ms < 3000; ms++) {
        for (unsigned k = 0; k < 4; k++)
            pn_node_message(&w.nodes[0].node, PN_DP_FLOWS_OUT, w.nodes[0].flows, 32 * sizeof(struct pn_dp_flow), w.now);
        world_run(1, true);
    }
    const struct pn_own_sync *a = &w.nodes[0].node.show.sync, *b = &w.nodes[1].node.show.sync;
    assert_in_range(a->flows_sent, 5000, 8000);
    assert_true(a->dropped_out > 100000);
    assert_true(b->dropped_in > 0);
    assert_int_equal(w.nodes[1].flows_in, 0);
    assert_int_equal(w.nodes[1].node.sync.in_count, PN_SYNC_IN_QUEUE); /* they wait, those that found room */
    assert_true(b->datagrams_received <= a->datagrams_sent); /* the wire doubled some */
    w.nodes[1].flows_busy = false;
    world_run(500, true);
    assert_true(w.nodes[1].flows_in > 1000);
    assert_int_equal(world_owner(0), 0); /* heartbeats did not wait behind */
    assert_int_equal(w.nodes[0].node.show.heartbeats_skipped, 0);
    world_end();
}

static void two_keys(struct pn_node_conf *conf, unsigned node)
{
    (void)node;
    conf->ring = (struct pn_seal_ring){.n_keys = 2, .keys = {{.id = 1, .send = true}, {.id = 2, .secret = {1, 2, 3}}}};
}

static void rekey(unsigned i, struct pn_seal_ring ring)
{
    struct pn_error err;
    w.confs[i].ring = ring;
    assert_int_equal(pn_node_configure(&w.nodes[i].node, &w.confs[i], w.now, &err), 0);
    world_run(200, true);
}

static void test_keys_rotate_without_a_gap(void **state)
{
    struct pn_seal_ring both = {.n_keys = 2, .keys = {{.id = 1}, {.id = 2, .send = true, .secret = {1, 2, 3}}}};
    struct pn_seal_ring new = {.n_keys = 1, .keys = {{.id = 2, .send = true, .secret = {1, 2, 3}}}};
    (void)state;
    world_start(2, 1, two_keys);
    world_run(300, true);
    reset_gap();
    uint32_t transitions = w.nodes[1].node.election.vips[0].transitions;
    for (unsigned i = 0; i < 2; i++)
        rekey(i, both);
    for (unsigned i = 0; i < 2; i++)
        rekey(i, new);
    assert_true(w.worst_gap_ns == 0);
    assert_int_equal(w.nodes[1].node.election.vips[0].transitions, transitions);
    assert_int_equal(w.nodes[0].node.show.peers[1].boots, 1); /* the same start all the time */
    world_end();
}

/* A node that cannot be heard owns nothing; one that gets keys takes part; one that loses them hands over. */
static void test_without_keys(void **state)
{
    struct pn_seal_ring none = {.n_keys = 0}, one;
    struct pn_ownership show;
    (void)state;
    world_start(2, 1, NULL);
    one = w.confs[0].ring;
    world_node_kill(1);
    world_node_kill(0);
    w.confs[0].ring = none;
    world_node_start(0);
    world_run(1000, true);
    assert_int_equal(world_owner(0), WORLD_NODES);
    pn_node_show(&w.nodes[0].node, w.now, &show);
    assert_true(show.keyless && !show.standby);
    pn_node_standby(&w.nodes[0].node, false, w.now); /* "postern node active" is no way around it */
    world_run(300, true);
    assert_int_equal(world_owner(0), WORLD_NODES);
    rekey(0, one);
    assert_int_equal(world_owner(0), 0);
    world_node_start(1);
    world_run(500, true);
    reset_gap();
    rekey(0, none);
    assert_int_equal(world_owner(0), 1);
    assert_true(w.worst_gap_ns <= 3 * WORLD_MS);
    rekey(0, one);
    world_run(500, true);
    assert_int_equal(world_owner(0), 0);
    world_end();
}

/* From one node to two while it runs: the long lease is cut before a peer could claim. */
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
    w.nodes[0].wake_ns = 0;
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
    world_node_kill(0);
    world_dp_kill(0);
    world_run(500, true);
    assert_int_equal(world_owner(0), WORLD_NODES);
    assert_int_equal(pn_node_force(&w.nodes[1].node, "out", w.now, &err), 0);
    w.nodes[1].wake_ns = 0;
    world_run(500, true);
    assert_int_equal(world_owner(0), 1);
    world_dp_start(0);
    world_node_start(0);
    world_run(800, true);
    assert_int_equal(world_owner(0), 0);
    assert_false(w.nodes[1].node.election.vips[0].forced);
    world_end();
}

static void vrrp_vip(struct pn_node_conf *conf, unsigned node);

static void test_vrrp_speaker_is_told_of(void **state)
{
    /* IPv4 header, then VRRPv3: id 5, priority 255, one address: VIP "out". */
    uint8_t p[32] = {0x45, 0xc0, 0, 32, 0,    0, 0x40, 0, 255, 112, 0, 0, 192, 0, 2, 77,
                     224,  0,    0, 18, 0x31, 5, 255,  1, 0,   10,  0, 0, 192, 0, 2, 25};
    uint32_t sum = 0;
    (void)state;
    for (unsigned i = 0; i < 20; i += 2)
        sum += (uint32_t)p[i] << 8 | p[i + 1];
    sum = ~((sum & 0xffff) + (sum >> 16));
    p[10] = (uint8_t)(sum >> 8);
    p[11] = (uint8_t)sum;
    world_start(2, 1, NULL);
    world_run(300, true);
    world_inject(0, p, sizeof(p));
    world_run(20, true);
    assert_int_equal(w.nodes[0].node.show.vrrp_seen, 1);
    assert_non_null(strstr(w.nodes[0].last_event, "192.0.2.77 announces this address by VRRP, id 5"));
    assert_int_equal(world_owner(0), 0);
    world_end();
    world_start(2, 1, vrrp_vip); /* not where VRRP with this id is what was asked for */
    world_inject(0, p, sizeof(p));
    world_inject(1, p, sizeof(p));
    world_run(20, true);
    assert_int_equal(w.nodes[0].node.show.vrrp_seen, 0);
    assert_int_equal(w.nodes[1].node.show.vrrp_seen, 1);
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

static void test_flows_that_were_lost_are_asked_for_again(void **state)
{
    struct world_node *n = &w.nodes[1];
    unsigned asked = 0;
    (void)state;
    world_start(2, 1, NULL);
    world_run(300, true);
    some_flows(n, 4, 8);
    world_node_kill(0);
    world_run(100, true);
    world_node_start(0);
    /* Each walk finds the queue full: its end says that flows are missing. */
    for (unsigned ms = 0; ms < 30000 && w.nodes[0].node.sync.peers[1].state != PN_SYNC_INCOMPLETE; ms++) {
        if (n->node.sync.walking)
            for (unsigned i = 0; i < 300; i++)
                pn_node_message(&n->node, PN_DP_FLOWS_OUT, n->flows, 32 * sizeof(n->flows[0]), w.now);
        asked = asked > n->resyncs ? asked : n->resyncs;
        world_run(1, true);
        assert_int_not_equal(w.nodes[0].node.sync.peers[1].state, PN_SYNC_DONE);
    }
    assert_int_equal(w.nodes[0].node.sync.peers[1].state, PN_SYNC_INCOMPLETE);
    assert_true(asked >= 1);
    world_end();
}

static void test_flow_sync_of_another_start_is_refused(void **state)
{
    uint8_t plain[64], datagram[200], packet[300];
    struct pn_flowsync m = {.type = PN_FLOWSYNC_FLOWS, .node = 1, .n = 1};
    struct pn_wire_udp u = {
        .src = pn_addr_from_v4(0x020200c0u), .dst = pn_addr_from_v4(0x010200c0u), .src_port = 24625, .dst_port = 24625};
    (void)state;
    world_start(2, 1, NULL);
    world_run(300, true);
    m.flows[0] =
        (struct pn_flowsync_flow){.client_port = 1, .state = PN_FLOW_ESTABLISHED, .service = 11, .gateway = 21};
    size_t n = 0;
    struct pn_sealer *old = pn_sealer_new(&w.confs[1].ring, PN_SEAL_FLOW_SYNC, 1, 4711);
    for (unsigned i = 0; i < 60; i++) /* a counter that the window of the proved start would take */
        n = pn_seal(old, plain, pn_flowsync_encode(&m, plain, sizeof(plain)), datagram, sizeof(datagram));
    world_inject(0, packet, pn_wire_udp_build(&u, datagram, n, packet, sizeof(packet)));
    world_run(20, true);
    assert_int_equal(w.nodes[0].flows_in, 0);
    assert_int_equal(w.nodes[0].node.show.sync.refused, 1);
    pn_sealer_free(old);
    /* The same from the start that is proved, twice: once it counts. */
    struct pn_sealer *now = pn_sealer_new(&w.confs[1].ring, PN_SEAL_FLOW_SYNC, 1, w.nodes[1].node.boot_id);
    for (unsigned i = 0; i < 50; i++)
        n = pn_seal(now, plain, pn_flowsync_encode(&m, plain, sizeof(plain)), datagram, sizeof(datagram));
    for (unsigned i = 0; i < 2; i++)
        world_inject(0, packet, pn_wire_udp_build(&u, datagram, n, packet, sizeof(packet)));
    world_run(20, true);
    assert_int_equal(w.nodes[0].flows_in, 1);
    assert_int_equal(w.nodes[0].node.show.sync.refused, 2);
    pn_sealer_free(now);
    world_end();
}

static void test_heartbeats_do_not_wait_behind_flows(void **state)
{
    unsigned waiting = 0;
    (void)state;
    world_start(2, 1, NULL);
    world_run(300, true);
    some_flows(&w.nodes[0], 3, 0);
    w.nodes[0].dp_running = false;
    for (unsigned i = 0; i < 100; i++)
        pn_node_message(&w.nodes[0].node, PN_DP_FLOWS_OUT, w.nodes[0].flows, 32 * sizeof(struct pn_dp_flow), w.now);
    w.nodes[0].wake_ns = 0;
    world_run(5, true);
    for (unsigned i = 0; i < w.nodes[0].to_dp.count; i++)
        waiting += w.nodes[0].to_dp.m[(w.nodes[0].to_dp.head + i) % WORLD_QUEUE].tag == PN_TAG_SYNC_TX;
    assert_int_equal(waiting, PN_SYNC_IN_FLIGHT);
    w.nodes[0].dp_running = true;
    world_end();
}

static void vrrp_vip(struct pn_node_conf *conf, unsigned node)
{
    (void)node;
    conf->vips[0].protocol = PN_VIP_VRRP;
    conf->vips[0].vrid = (uint8_t)(conf->self ? 6 : 5);
    conf->vips[0].vrrp_interval_cs = 100;
    conf->vips[0].vrrp_source = conf->paths[0].v4;
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
    world_node_kill(0);
    world_dp_kill(0);
    world_run(500, true);
    assert_int_equal(world_owner(0), 1);
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
            for (unsigned o = 0; o < w.n; o++) {
                if (!w.nodes[o].dp_there)
                    world_dp_start(o);
                w.nodes[o].dp_running = true;
                if (!w.nodes[o].node.configured || !w.nodes[o].node.sealer)
                    world_node_start(o);
                w.nodes[o].running = true;
            }
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_owns_its_own),
        cmocka_unit_test(test_alone_needs_no_heartbeat),
        cmocka_unit_test(test_stopped_dataplane_never_answers_twice),
        cmocka_unit_test(test_stopped_process_never_answers_twice),
        cmocka_unit_test(test_silent_death),
        cmocka_unit_test(test_planned_move),
        cmocka_unit_test(test_standby_and_leave),
        cmocka_unit_test(test_hold_covers_a_restart),
        cmocka_unit_test(test_a_lease_that_was_read_grows_old),
        cmocka_unit_test(test_a_connection_that_breaks_ends_no_lease),
        cmocka_unit_test(test_what_is_ours_is_told_until_it_is_taken),
        cmocka_unit_test(test_no_lease_without_sending),
        cmocka_unit_test(test_forged_and_replayed_change_nothing),
        cmocka_unit_test(test_flows_are_there_before_it_takes_back),
        cmocka_unit_test(test_flow_sync_is_bounded),
        cmocka_unit_test(test_keys_rotate_without_a_gap),
        cmocka_unit_test(test_without_keys),
        cmocka_unit_test(test_a_second_node_joins_a_lone_one),
        cmocka_unit_test(test_force_ends_the_wait_for_votes),
        cmocka_unit_test(test_vrrp_speaker_is_told_of),
        cmocka_unit_test(test_what_was_given_up_stays_so),
        cmocka_unit_test(test_an_owner_whose_lease_is_over_claims_nothing),
        cmocka_unit_test(test_flows_that_were_lost_are_asked_for_again),
        cmocka_unit_test(test_flow_sync_of_another_start_is_refused),
        cmocka_unit_test(test_heartbeats_do_not_wait_behind_flows),
        cmocka_unit_test(test_a_witness_votes),
        cmocka_unit_test(test_chaos),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
