/* SPDX-License-Identifier: BSD-3-Clause */
/* Flows between nodes, at the workers: what is noted for the peers, told again, and set aside. */
#include "tests/packets/sync_world.h"

static void want_noted(uint16_t port, enum pn_flow_state flow_state)
{
    struct pn_sync_msg msg;

    assert_true(noted(0, &msg));
    assert_int_equal(msg.port_svc, (uint32_t)port << 16 | WORLD_SMTP);
    assert_int_equal(msg.state, flow_state);
    assert_int_equal(msg.gateway, WORLD_MX1);
}

static void want_none(void)
{
    struct pn_sync_msg msg;

    assert_false(noted(0, &msg));
}

static void test_noted(void **state)
{
    (void)state;
    segment(0, 4000, SYN);
    want_none(); /* half-open, where every node would send it */
    segment(0, 4000, ACK);
    want_noted(4000, PN_FLOW_ESTABLISHED);
    segment(0, 4000, ACK);
    want_none();
    segment(0, 4000, FIN | ACK);
    want_noted(4000, PN_FLOW_CLOSING);
    want_none();
    atomic_store(&world->shared.sync, false);
    segment(0, 4001, SYN);
    segment(0, 4001, ACK);
    want_none();
}

static void test_exceptions_travel(void **state)
{
    struct pn_sync_msg msg;

    (void)state;
    world->message.tiers[WORLD_T_PRIMARY].spill_share = 65535;
    world_publish(world);
    segment(0, 4000, SYN);
    assert_true(noted(0, &msg));
    segment(0, 4000, ACK);
    assert_true(noted(0, &msg));
    assert_int_equal(msg.gateway, WORLD_MX2);
    assert_int_equal(msg.flags, PN_FLOW_F_SPILLED);
    assert_int_equal(msg.expires_ms, 660000);
}

/* A handshake that was spilled is told of: its ACK may come to another node, which would send it elsewhere. */
static void test_half_open_exceptions_travel(void **state)
{
    struct pn_sync_msg msg;
    unsigned told = 0;

    (void)state;
    world->message.tiers[WORLD_T_PRIMARY].spill_share = 65535;
    world_publish(world);
    segment(0, 4000, SYN);
    assert_true(noted(0, &msg));
    assert_int_equal(msg.state, PN_FLOW_HALF_OPEN);
    assert_int_equal(msg.gateway, WORLD_MX2);
    assert_int_equal(msg.flags, PN_FLOW_F_SPILLED);
    /* A flood of them is told of in part. */
    world_wait_ms(world, 100);
    world_leases(world, 30000);
    for (uint16_t port = 5000; port < 5500; port++)
        segment(0, port, SYN);
    while (noted(0, &msg))
        told++;
    assert_in_range(told, 32, 64);
    /* And the rest of the handshake is told of as ever. */
    segment(0, 5400, ACK);
    assert_true(noted(0, &msg));
    assert_int_equal(msg.state, PN_FLOW_ESTABLISHED);
}

/* Only the owner, or who was it just now, has something to say. */
static void test_owner_only(void **state)
{
    (void)state;
    segment(0, 4000, SYN);
    world_leases(world, -1);
    segment(0, 4000, ACK);
    want_noted(4000, PN_FLOW_ESTABLISHED); /* grace */
    world->message.members[1].gateway = WORLD_SELF;
    world_publish(world);
    for (unsigned v = 0; v < WORLD_VIPS; v++)
        atomic_store(&world->shared.lease_tsc[v], 0);
    segment(0, 4001, SYN); /* handed over to this node */
    segment(0, 4001, ACK);
    assert_int_equal(world_counter(world, PN_C_TX_LOCAL), 2);
    want_none();
}

static void test_ring_full(void **state)
{
    const struct pn_sync_msg msg = {.client = {1}};

    (void)state;
    while (rte_ring_sp_enqueue_elem(world->worker[0]->ctx.sync_out, (void *)(uintptr_t)&msg, sizeof(msg)) == 0)
        ;
    segment(0, 4000, SYN);
    segment(0, 4000, ACK);
    assert_int_equal(world_counter(world, PN_C_SYNC_DROPPED), 1);
    assert_int_equal(world_counter(world, PN_C_TX_FORWARD), 2);
}

/* Which worker its packets will reach is not known: all have it, one counts it. */
static void members_of_mx1(uint16_t flags)
{
    for (unsigned i = 0; i < RTE_DIM(world->message.members); i++) {
        if (world->message.members[i].gateway == WORLD_MX1)
            world->message.members[i].flags = flags;
    }
    world_publish(world);
}

static void pass_ms(unsigned ms)
{
    for (unsigned i = 0; i < ms; i += 100) {
        world_wait_ms(world, 100);
        world_leases(world, 30000);
    }
}

/* A gateway that crashed and is back: what its old sessions' clients never end does not count as its load. */
static void test_set_aside(void **state)
{
    struct pn_stats_gateway *mx1 = &world->worker[0]->ctx.stats->gateways[WORLD_MX1];

    (void)state;
    for (uint16_t port = 4000; port < 4004; port++) {
        segment(0, port, SYN);
        segment(0, port, ACK);
    }
    assert_int_equal(mx1->active, 4);
    pass_ms(40000); /* silence alone says nothing */
    assert_int_equal(mx1->active, 4);
    members_of_mx1(PN_SNAP_MEMBER_DOWN);
    pass_ms(40000); /* nor does it while the gateway is down: sessions may go on where only the check fails */
    assert_int_equal(mx1->active, 4);
    segment(0, 4003, ACK);
    members_of_mx1(0);
    segment(0, 4000, ACK); /* this one lives */
    pass_ms(20000);
    segment(0, 4000, ACK);
    segment(0, 4005, SYN);
    segment(0, 4005, ACK); /* a new one */
    assert_int_equal(mx1->active, 3); /* 4001 and 4002 are aside, 4003 not yet */
    pass_ms(45000);
    assert_int_equal(mx1->active, 2); /* 4005 was never with the old one, 4000 is quiet but was heard since */
    assert_int_equal(world_counter(world, PN_C_FLOW_SET_ASIDE), 3);
    assert_int_equal(world->worker[0]->ctx.load[WORLD_MX1], 2);
    while (last_byte_to())
        ;
    segment(0, 4001, ACK); /* it lived after all, and is where it was */
    assert_int_equal(last_byte_to(), world_gateway_mac[WORLD_MX1].b[5]);
    assert_int_equal(mx1->active, 3);
    segment(0, 4001, FIN | ACK);
    assert_int_equal(mx1->active, 2);
    pass_ms(700000);
    assert_int_equal(mx1->active, 0);
    assert_int_equal(mx1->half_open, 0);
}

static unsigned drain_noted(unsigned worker, bool *end)
{
    struct pn_sync_msg msg;
    unsigned n = 0;

    *end = false;
    while (noted(worker, &msg)) {
        assert_false(*end); /* it comes last */
        *end = msg.flags & PN_SYNC_END;
        n += !*end;
    }
    return n;
}

static void test_refresh(void **state)
{
    bool end;

    (void)state;
    pass_ms(230000); /* the walk of the start is over */
    for (uint16_t i = 0; i < 20; i++) {
        segment(0, (uint16_t)(4000 + i), SYN);
        segment(0, (uint16_t)(4000 + i), ACK);
    }
    struct pn_sync_msg msg = peer_flow(5000, WORLD_MX2, PN_FLOW_ESTABLISHED);
    tell(&msg);
    assert_int_equal(drain_noted(0, &end), 20);
    pass_ms(330000); /* a third of 660 s, and what is left of the walk under way */
    unsigned n = drain_noted(0, &end);
    assert_false(end);
    assert_in_range(n, 20, 40); /* each of ours once or twice, none of the peer's */
    pass_ms(300000); /* all idle for longer than a third: their times run out at the peers as they do here */
    assert_int_equal(drain_noted(0, &end), 0);
}

static void test_resync(void **state)
{
    bool end;

    (void)state;
    for (uint16_t i = 0; i < 20; i++) {
        segment(0, (uint16_t)(4000 + i), SYN);
        segment(0, (uint16_t)(4000 + i), ACK);
    }
    segment(0, 4500, SYN);
    struct pn_sync_msg msg = peer_flow(5000, WORLD_MX2, PN_FLOW_ESTABLISHED);
    tell(&msg);
    drain_noted(0, &end);
    pass_ms(400000);
    drain_noted(0, &end);
    atomic_fetch_add(&world->shared.resync, 1);
    for (unsigned i = 0; i < 20; i++)
        world_wait_ms(world, 1);
    assert_int_equal(drain_noted(0, &end), 20); /* the idle ones too */
    assert_true(end);
    for (unsigned i = 0; i < 20; i++)
        world_wait_ms(world, 1);
    assert_int_equal(drain_noted(0, &end), 0); /* once */
    assert_false(end);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_noted, setup, teardown),
        cmocka_unit_test_setup_teardown(test_exceptions_travel, setup, teardown),
        cmocka_unit_test_setup_teardown(test_half_open_exceptions_travel, setup, teardown),
        cmocka_unit_test_setup_teardown(test_owner_only, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ring_full, setup, teardown),
        cmocka_unit_test_setup_teardown(test_set_aside, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refresh, setup, teardown),
        cmocka_unit_test_setup_teardown(test_resync, setup, teardown),
    };

    world_eal();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
