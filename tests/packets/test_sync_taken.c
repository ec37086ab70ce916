/* SPDX-License-Identifier: BSD-3-Clause */
/* Flows between nodes, at the workers: what is taken from the peers, room for it, and who counts it. */
#include "tests/packets/sync_world.h"

static const struct pn_flow *entry(unsigned worker, uint16_t port)
{
    struct pn_ctx *c = &world->worker[worker]->ctx;
    struct pn_sync_msg key = peer_flow(port, 0, PN_FLOW_FREE);

    return pn_flow_lookup(c->flows, key.client, key.port_svc, pn_flow_hash(c->flows, key.client, key.port_svc), c->now);
}

static void test_half_open_taken(void **state)
{
    struct pn_sync_msg msg = peer_flow(4000, WORLD_MX2, PN_FLOW_HALF_OPEN);
    struct pn_ctx *c = &world->worker[0]->ctx;

    (void)state;
    msg.expires_ms = 30000;
    tell(&msg);
    assert_int_equal(entry(0, 4000)->state, PN_FLOW_HALF_OPEN);
    assert_int_equal(pn_flow_usage(c->flows).half_open, 1);
    assert_int_equal(c->stats->gateways[WORLD_MX2].half_open, 0); /* its own node counts it */
    segment(0, 4000, ACK);
    assert_int_equal(last_byte_to(), world_gateway_mac[WORLD_MX2].b[5]);
    assert_int_equal(entry(0, 4000)->state, PN_FLOW_ESTABLISHED);
    assert_int_equal(c->stats->gateways[WORLD_MX2].active, 1);
    assert_int_equal(c->stats->gateways[WORLD_MX2].half_open, 0);
    assert_int_equal(pn_flow_usage(c->flows).half_open, 0);
    /* Its SYN again. */
    msg = peer_flow(4001, WORLD_MX2, PN_FLOW_HALF_OPEN);
    tell(&msg);
    segment(0, 4001, SYN);
    assert_int_equal(last_byte_to(), world_gateway_mac[WORLD_MX2].b[5]);
    assert_int_equal(c->stats->gateways[WORLD_MX2].half_open, 1);
    /* Established by the peer's word: proven. A word that comes late does not undo it. */
    msg = peer_flow(4002, WORLD_MX2, PN_FLOW_HALF_OPEN);
    tell(&msg);
    msg.state = PN_FLOW_ESTABLISHED;
    tell(&msg);
    assert_int_equal(pn_flow_usage(c->flows).half_open, 1); /* 4001 */
    msg.state = PN_FLOW_HALF_OPEN;
    tell(&msg);
    assert_int_equal(entry(0, 4002)->state, PN_FLOW_ESTABLISHED);
    /* Closed and opened anew. */
    msg.state = PN_FLOW_CLOSING;
    tell(&msg);
    msg.state = PN_FLOW_HALF_OPEN;
    msg.gateway = WORLD_MX1;
    tell(&msg);
    assert_int_equal(entry(0, 4002)->state, PN_FLOW_HALF_OPEN);
    assert_int_equal(entry(0, 4002)->gateway, WORLD_MX1);
    assert_int_equal(pn_flow_usage(c->flows).half_open, 2);
}

static void test_taken(void **state)
{
    struct pn_sync_msg msg = peer_flow(4000, WORLD_MX2, PN_FLOW_ESTABLISHED);
    const struct pn_stats_gateway *g = &world->stats[0]->gateways[WORLD_MX2];

    (void)state;
    msg.flags = PN_FLOW_F_SPILLED;
    tell(&msg);
    const struct pn_flow *f = entry(0, 4000);
    assert_non_null(f);
    assert_int_equal(f->flags, PN_FLOW_F_SYNCED | PN_FLOW_F_SPILLED);
    assert_int_equal(world_counter(world, PN_C_SYNC_TAKEN), 1);
    assert_int_equal(world_counter(world, PN_C_FLOW_NEW), 0);
    assert_int_equal(g->active, 0); /* its own node counts it */
    /* Its first packet here: the same gateway goes on, and now it counts here. */
    world_drain(world);
    segment(0, 4000, ACK | PN_FB_PSH);
    assert_int_equal(last_byte_to(), world_gateway_mac[WORLD_MX2].b[5]);
    assert_int_equal(f->flags, PN_FLOW_F_SPILLED);
    assert_int_equal(world_counter(world, PN_C_FLOW_TAKEN_OVER), 1);
    assert_int_equal(world_counter(world, PN_C_FLOW_NEW), 0);
    assert_int_equal(g->active, 1);
    segment(0, 4000, ACK);
    assert_int_equal(world_counter(world, PN_C_FLOW_TAKEN_OVER), 1);
    /* The peer, which thinks it is the owner, can't change it any more. */
    msg.gateway = WORLD_MX1;
    tell(&msg);
    msg.state = PN_FLOW_FREE;
    tell(&msg);
    assert_int_equal(entry(0, 4000)->gateway, WORLD_MX2);
    assert_int_equal(world_counter(world, PN_C_SYNC_REFUSED), 2);
    segment(0, 4000, FIN | ACK);
    assert_int_equal(g->active, 0);
    assert_int_equal(g->flows_closed, 1);
}

/* A flow whose first packet here ends it, or begins another connection. */
static void test_taken_over_by_fin_or_syn(void **state)
{
    struct pn_sync_msg msg = peer_flow(4000, WORLD_MX2, PN_FLOW_ESTABLISHED);
    const struct pn_stats_gateway *g = &world->stats[0]->gateways[WORLD_MX2];

    (void)state;
    tell(&msg);
    segment(0, 4000, FIN | ACK);
    assert_int_equal(entry(0, 4000)->state, PN_FLOW_CLOSING);
    assert_int_equal(g->active, 0);
    assert_int_equal(g->flows_closed, 1);
    struct pn_sync_msg out;
    assert_true(noted(0, &out));
    assert_int_equal(out.state, PN_FLOW_CLOSING);
    msg = peer_flow(4001, WORLD_MX2, PN_FLOW_ESTABLISHED);
    msg.expires_ms = 1000; /* long idle: its server has given up */
    tell(&msg);
    segment(0, 4001, SYN);
    assert_int_equal(entry(0, 4001)->state, PN_FLOW_HALF_OPEN);
    assert_int_equal(entry(0, 4001)->gateway, WORLD_MX1); /* steered anew */
    assert_int_equal(g->active, 0);
    assert_int_equal(world->stats[0]->gateways[WORLD_MX1].half_open, 1);
}

/* Its first packet here comes in pieces. */
static void test_taken_over_by_fragment(void **state)
{
    struct pn_sync_msg msg = peer_flow(4000, WORLD_MX2, PN_FLOW_ESTABLISHED);
    static struct pn_fb whole, first, second;

    (void)state;
    tell(&msg);
    pn_fb_ether(&whole, 0);
    pn_fb_ip(&whole, CLIENT4, VIP4);
    pn_fb_tcp(&whole, 4000, 25, ACK);
    pn_fb_fill(&whole, 100);
    pn_fb_done(&whole);
    pn_fb_split(&whole, 9, 64, &first, &second);
    world_drain(world);
    world_receive_fb(world, 0, WORLD_WAN, &first);
    assert_int_equal(last_byte_to(), world_gateway_mac[WORLD_MX2].b[5]);
    assert_int_equal(world->stats[0]->gateways[WORLD_MX2].active, 1);
    assert_int_equal(world_counter(world, PN_C_FLOW_TAKEN_OVER), 1);
}

static void test_changed_and_ended(void **state)
{
    struct pn_sync_msg msg = peer_flow(4000, WORLD_MX2, PN_FLOW_ESTABLISHED);

    (void)state;
    tell(&msg);
    msg.gateway = WORLD_MX1;
    tell(&msg);
    assert_int_equal(entry(0, 4000)->gateway, WORLD_MX1);
    msg.state = PN_FLOW_CLOSING;
    msg.expires_ms = 20000;
    tell(&msg);
    assert_int_equal(entry(0, 4000)->state, PN_FLOW_CLOSING);
    world_wait_ms(world, 21000);
    assert_null(entry(0, 4000));
    msg.state = PN_FLOW_ESTABLISHED;
    tell(&msg);
    msg.state = PN_FLOW_FREE;
    tell(&msg);
    assert_null(entry(0, 4000));
    tell(&msg); /* unknown: nothing to do */
    assert_int_equal(world_counter(world, PN_C_SYNC_TAKEN), 5);
    assert_int_equal(world_counter(world, PN_C_SYNC_REFUSED), 0);
    assert_int_equal(world_counter(world, PN_C_FLOW_EXPIRED), 0);
}

static void test_runs_out(void **state)
{
    struct pn_sync_msg msg = peer_flow(4000, WORLD_MX2, PN_FLOW_ESTABLISHED);

    (void)state;
    msg.expires_ms = 5000;
    tell(&msg);
    world_wait_ms(world, 4000);
    assert_non_null(entry(0, 4000));
    world_wait_ms(world, 2000);
    assert_null(entry(0, 4000));
    assert_int_equal(world_counter(world, PN_C_FLOW_EXPIRED), 0); /* nor is its end counted here */
}

static void test_refused(void **state)
{
    struct pn_sync_msg msg = peer_flow(4000, WORLD_MX2, PN_FLOW_ESTABLISHED);

    (void)state;
    msg.port_svc = 4000u << 16 | 200; /* no such service */
    tell(&msg);
    msg = peer_flow(4000, 77, PN_FLOW_ESTABLISHED); /* nor gateway */
    tell(&msg);
    assert_int_equal(world_counter(world, PN_C_SYNC_REFUSED), 2);
    segment(0, 4001, SYN); /* known here, half-open as it is */
    msg = peer_flow(4001, WORLD_MX2, PN_FLOW_ESTABLISHED);
    tell(&msg);
    assert_int_equal(entry(0, 4001)->gateway, WORLD_MX1);
    assert_int_equal(world_counter(world, PN_C_SYNC_REFUSED), 3);
    assert_int_equal(world_counter(world, PN_C_SYNC_TAKEN), 0);
}

static int setup_small(void **state)
{
    (void)state;
    return setup_workers(1, 64);
}

/* Peers' flows never push out ours, and leave room for more of them. */
static void test_room(void **state)
{
    (void)state;
    for (uint16_t i = 0; i < 8; i++)
        segment(0, (uint16_t)(4000 + i), SYN);
    for (uint16_t i = 0; i < 200; i++) {
        struct pn_sync_msg msg = peer_flow((uint16_t)(5000 + i), WORLD_MX2, PN_FLOW_ESTABLISHED);
        tell(&msg);
    }
    assert_in_range(pn_flow_usage(world->worker[0]->ctx.flows).used, 48, 56);
    for (uint16_t i = 0; i < 8; i++)
        assert_non_null(entry(0, (uint16_t)(4000 + i)));
    assert_int_equal(world_counter(world, PN_C_FLOW_EVICTED), 0);
    for (uint16_t i = 0; i < 7; i++)
        segment(0, (uint16_t)(4100 + i), SYN);
    for (uint16_t i = 0; i < 7; i++)
        assert_non_null(entry(0, (uint16_t)(4100 + i)));
}

static int setup_three(void **state)
{
    (void)state;
    return setup_workers(3, 0);
}

/* Nor do half-open ones go beyond the share of those that nobody has proved. */
static void test_room_half_open(void **state)
{
    struct pn_ctx *c = &world->worker[0]->ctx;

    (void)state;
    for (uint16_t port = 4000; port < 4050; port++) {
        struct pn_sync_msg msg = peer_flow(port, WORLD_MX2, PN_FLOW_HALF_OPEN);
        tell(&msg);
    }
    assert_int_equal(pn_flow_usage(c->flows).half_open, 16); /* of one service: a quarter of 64 */
    assert_true(world_counter(world, PN_C_SYNC_REFUSED) > 0);
    segment(0, 6000, SYN); /* the node's own push them out */
    assert_non_null(entry(0, 6000));
    assert_int_equal(pn_flow_usage(c->flows).half_open, 16);
    assert_int_equal(world_counter(world, PN_C_FLOW_EVICTED), 0); /* nobody's here */
}

static void test_every_worker(void **state)
{
    struct pn_sync_msg msg = peer_flow(4000, WORLD_MX2, PN_FLOW_ESTABLISHED);

    (void)state;
    tell(&msg);
    for (unsigned w = 0; w < 3; w++)
        assert_non_null(entry(w, 4000));
    world_drain(world);
    segment(2, 4000, ACK);
    assert_int_equal(last_byte_to(), world_gateway_mac[WORLD_MX2].b[5]);
    for (unsigned w = 0; w < 3; w++)
        assert_int_equal(world->stats[w]->gateways[WORLD_MX2].active, w == 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_half_open_taken, setup, teardown),
        cmocka_unit_test_setup_teardown(test_taken, setup, teardown),
        cmocka_unit_test_setup_teardown(test_taken_over_by_fin_or_syn, setup, teardown),
        cmocka_unit_test_setup_teardown(test_taken_over_by_fragment, setup, teardown),
        cmocka_unit_test_setup_teardown(test_changed_and_ended, setup, teardown),
        cmocka_unit_test_setup_teardown(test_runs_out, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_room, setup_small, teardown),
        cmocka_unit_test_setup_teardown(test_room_half_open, setup_small, teardown),
        cmocka_unit_test_setup_teardown(test_every_worker, setup_three, teardown),
    };

    world_eal();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
