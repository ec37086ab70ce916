/* SPDX-License-Identifier: BSD-3-Clause */
/* Flows between nodes: there before an address is taken back, bounded, asked for again, and from the proved start only. */
#include "tests/unit/node_world.h"

#include "controlplane/vip/wire.h"

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
    world_both_kill(0);
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
    world_show(1, &show);
    assert_true(show.sync.resyncs >= 1);
    assert_int_equal(show.sync.dropped_out, 0);
    world_end();
}

/* A dataplane that takes no flows for a while (it builds a snapshot): those that found no room are not here. */
static void test_flows_that_found_no_room_are_not_here(void **state)
{
    (void)state;
    for (unsigned flood = 0; flood < 2; flood++) {
        world_start(2, 1, NULL);
        world_run(300, true);
        world_both_kill(0);
        world_run(200, true);
        some_flows(&w.nodes[1], 4, 8);
        world_dp_start(0);
        w.nodes[0].flows_busy = true;
        w.nodes[0].flows_in = 0;
        world_node_start(0);
        for (unsigned ms = 0; ms < 500; ms++) {
            for (unsigned k = 0; flood && k < 20; k++)
                pn_node_message(&w.nodes[1].node, PN_DP_FLOWS_OUT, w.nodes[1].flows, 32 * sizeof(struct pn_dp_flow),
                                w.now);
            world_run(1, true);
            assert_int_equal(world_owner(0), 1);
            assert_true(w.nodes[0].wake_ns + WORLD_MS >
                        w.now); /* it sleeps meanwhile: a time that has passed wakes at once */
        }
        assert_int_equal(w.nodes[0].node.show.sync.dropped_in > 0, flood);
        w.nodes[0].flows_busy = false;
        unsigned resyncs = w.nodes[1].resyncs;
        world_run(1000, true);
        assert_int_equal(w.nodes[0].node.sync.peers[1].state, PN_SYNC_DONE);
        assert_int_equal(w.nodes[1].resyncs, resyncs + flood);
        assert_true(w.nodes[0].flows_in >= 64);
        assert_int_equal(world_owner(0), 0);
        world_end();
    }
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

/* The end of a walk was pushed out of a full queue: whoever asks later still gets all flows. */
static void test_a_walk_whose_end_is_lost(void **state)
{
    (void)state;
    world_start(2, 1, slow);
    world_run(300, true);
    some_flows(&w.nodes[1], 4, 8);
    for (unsigned lost = 1; lost < 2; lost--) {
        world_node_kill(0);
        world_run(100, true);
        w.nodes[1].walk_end_lost = lost;
        world_node_start(0);
        world_run(2500, true);
        assert_int_equal(w.nodes[0].node.sync.peers[1].state, lost ? PN_SYNC_INCOMPLETE : PN_SYNC_DONE);
    }
    world_end();
}

/*
 * A walk that an earlier process began, or that took longer than anybody waited, ends while the next one is asked for: the dataplane has not
 * read that yet, so its end is the one before's. Whoever waits must not take the next one for whole.
 */
static void test_a_late_end_does_not_end_the_next_walk(void **state)
{
    struct world_node *n = &w.nodes[1];
    const struct pn_sync_peer *p = &w.nodes[0].node.sync.peers[1];
    (void)state;
    for (unsigned late = 0; late < 2; late++) {
        world_start(2, 1, NULL);
        world_run(300, true);
        some_flows(n, 4, 8);
        world_node_kill(0);
        world_run(100, true);
        w.nodes[0].flows_in = 0;
        n->walk_every_ns = 3 * WORLD_MS;
        world_node_start(0);
        for (unsigned i = 0; i < 3000 * (WORLD_MS / WORLD_STEP) && p->state != PN_SYNC_DONE; i++) {
            world_step(true);
            if (late && n->node.sync.walking && n->node.show.sync.ends_ignored == 0)
                world_unasked(n, PN_DP_FLOWS_OUT, NULL, 0); /* before the dataplane's answer */
        }
        assert_int_equal(p->state, PN_SYNC_DONE);
        assert_true(w.nodes[0].flows_in >= 64);
        assert_int_equal(n->node.show.sync.ends_ignored, late);
        /* Nobody waits. */
        world_unasked(n, PN_DP_FLOWS_OUT, NULL, 0);
        world_run(5, true);
        assert_int_equal(n->node.show.sync.ends_ignored, late + 1);
        world_end();
    }
}

/* The answer to a walk that was given up meanwhile is not the next one's. */
static void test_an_answer_belongs_to_its_walk(void **state)
{
    struct pn_sync *s = &w.nodes[1].node.sync;
    (void)state;
    world_start(2, 1, NULL);
    world_run(300, true);
    w.nodes[1].dp_running = false;
    s->peers[0].asks = true;
    s->peers[0].its_number++;
    for (unsigned ms = 0; ms < 500 && !s->walking; ms++)
        world_run(1, true);
    assert_true(s->walking);
    pn_sync_walk_answer(s, s->walk - 1, PN_DP_STATUS_OK, w.now);
    assert_false(s->walk_taken);
    pn_sync_walk_answer(s, s->walk - 1, PN_DP_STATUS_BUSY, w.now);
    assert_true(s->walking);
    pn_sync_walk_answer(s, s->walk, PN_DP_STATUS_OK, w.now);
    assert_true(s->walk_taken);
    world_end();
}

/* A peer's end that answers another request than the last one. */
static void test_an_end_for_another_request_is_ignored(void **state)
{
    uint8_t plain[64], datagram[200], packet[300];
    struct pn_flowsync m = {.type = PN_FLOWSYNC_END, .node = 1, .n = 1};
    struct pn_wire_udp u = {
        .src = pn_addr_from_v4(0x020200c0u), .dst = pn_addr_from_v4(0x010200c0u), .src_port = 24625, .dst_port = 24625};
    struct pn_sync_peer *p = &w.nodes[0].node.sync.peers[1];
    size_t n = 0;
    (void)state;
    world_start(2, 1, NULL);
    world_run(300, true);
    struct pn_sealer *sealer = pn_sealer_new(&w.confs[1].ring, PN_SEAL_FLOW_SYNC, 1, w.nodes[1].node.boot_id);
    uint64_t end_counter = p->end_counter, ignored = w.nodes[0].node.show.sync.ends_ignored;
    m.marks[0].number = p->number - 1;
    for (unsigned i = 0; i < 50; i++)
        n = pn_seal(sealer, plain, pn_flowsync_encode(&m, plain, sizeof(plain)), datagram, sizeof(datagram));
    world_inject(0, packet, pn_wire_udp_build(&u, datagram, n, packet, sizeof(packet)));
    world_run(20, true);
    assert_int_equal(w.nodes[0].node.show.sync.ends_ignored, ignored + 1);
    assert_int_equal(p->end_counter, end_counter);
    pn_sealer_free(sealer);
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

/* A node's counters begin anew with each start: those of the one before must not be counted as parts of its answer. */
static void test_flows_of_a_node_that_has_started_anew_are_whole(void **state)
{
    struct world_node *n = &w.nodes[1];
    struct pn_sync_peer *p = &w.nodes[0].node.sync.peers[1];
    (void)state;
    world_start(2, 1, NULL);
    world_run(300, true);
    some_flows(n, 4, 8);
    for (unsigned i = 0; i < 200; i++) {
        pn_node_message(&n->node, PN_DP_FLOWS_OUT, n->flows, 8 * sizeof(n->flows[0]), w.now);
        world_run(1, true);
    }
    world_node_kill(1);
    world_run(100, true);
    assert_int_equal(p->boot_id, 0);
    world_node_start(1);
    for (unsigned ms = 0; ms < 3000 && p->state != PN_SYNC_DONE && p->state != PN_SYNC_INCOMPLETE; ms++)
        world_run(1, true);
    assert_int_not_equal(p->boot_id, 0);
    assert_int_equal(p->state, PN_SYNC_DONE);
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
    world_wake(0);
    world_run(5, true);
    for (unsigned i = 0; i < w.nodes[0].to_dp.count; i++)
        waiting += w.nodes[0].to_dp.m[(w.nodes[0].to_dp.head + i) % WORLD_QUEUE].tag == PN_TAG_SYNC_TX;
    assert_int_equal(waiting, PN_SYNC_IN_FLIGHT);
    w.nodes[0].dp_running = true;
    world_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flows_are_there_before_it_takes_back),
        cmocka_unit_test(test_flows_that_found_no_room_are_not_here),
        cmocka_unit_test(test_flow_sync_is_bounded),
        cmocka_unit_test(test_a_walk_whose_end_is_lost),
        cmocka_unit_test(test_a_late_end_does_not_end_the_next_walk),
        cmocka_unit_test(test_an_answer_belongs_to_its_walk),
        cmocka_unit_test(test_an_end_for_another_request_is_ignored),
        cmocka_unit_test(test_flows_that_were_lost_are_asked_for_again),
        cmocka_unit_test(test_flows_of_a_node_that_has_started_anew_are_whole),
        cmocka_unit_test(test_flow_sync_of_another_start_is_refused),
        cmocka_unit_test(test_heartbeats_do_not_wait_behind_flows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
