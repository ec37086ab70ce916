/* SPDX-License-Identifier: BSD-3-Clause */
/* Flows between nodes, at the workers: what is noted for the peers, what is taken from them, and who counts it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <rte_ring_elem.h>

#include "common/addr.h"
#include "tests/packets/pipeline.h"

#define SYN PN_FB_SYN
#define ACK PN_FB_ACK
#define FIN PN_FB_FIN

static struct world *world;

static int setup_workers(unsigned workers, uint32_t flows_max)
{
    const struct world_config config = {.workers = workers, .flows_max = flows_max};

    world = world_new(&config);
    atomic_store(&world->shared.sync, true);
    world_wait_ms(world, 1);
    return 0;
}

static int setup(void **state)
{
    (void)state;
    return setup_workers(1, 0);
}

static int teardown(void **state)
{
    (void)state;
    world_free(world);
    return 0;
}

static void segment(unsigned worker, uint16_t port, uint8_t flags)
{
    static struct pn_fb fb;

    pn_fb_make_tcp(&fb, CLIENT4, VIP4, port, 25, flags, 0);
    world_receive_fb(world, worker, WORLD_WAN, &fb);
}

static uint8_t last_byte_to(void)
{
    struct rte_mbuf *m = world_sent(world, WORLD_WAN);
    uint8_t b = m == NULL ? 0 : rte_pktmbuf_mtod(m, uint8_t *)[5];

    rte_pktmbuf_free(m);
    return b;
}

static bool noted(unsigned worker, struct pn_sync_msg *msg)
{
    return rte_ring_sc_dequeue_elem(world->worker[worker]->ctx.sync_out, msg, sizeof(*msg)) == 0;
}

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

static struct pn_sync_msg peer_flow(uint16_t port, uint16_t gateway, enum pn_flow_state flow_state)
{
    struct pn_addr client;

    assert_int_equal(pn_addr_parse(CLIENT4, &client, NULL), 0);
    return (struct pn_sync_msg){
        .client = {client.q[0], client.q[1]},
        .port_svc = (uint32_t)port << 16 | WORLD_SMTP,
        .gateway = gateway,
        .state = (uint8_t)flow_state,
        .expires_ms = 600000,
    };
}

/* As the main lcore does: to every worker. */
static void tell(const struct pn_sync_msg *msg)
{
    for (unsigned w = 0; w < world->shared.n_workers; w++)
        assert_int_equal(rte_ring_sp_enqueue_elem(world->worker[w]->ctx.sync_in, (void *)(uintptr_t)msg, sizeof(*msg)),
                         0);
    world_wait_ms(world, 1);
    world_leases(world, 30000);
}

static const struct pn_flow *entry(unsigned worker, uint16_t port)
{
    struct pn_ctx *c = &world->worker[worker]->ctx;
    struct pn_sync_msg key = peer_flow(port, 0, PN_FLOW_FREE);

    return pn_flow_lookup(c->flows, key.client, key.port_svc, pn_flow_hash(c->flows, key.client, key.port_svc), c->now);
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
        cmocka_unit_test_setup_teardown(test_half_open_taken, setup, teardown),
        cmocka_unit_test_setup_teardown(test_owner_only, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ring_full, setup, teardown),
        cmocka_unit_test_setup_teardown(test_taken, setup, teardown),
        cmocka_unit_test_setup_teardown(test_taken_over_by_fin_or_syn, setup, teardown),
        cmocka_unit_test_setup_teardown(test_taken_over_by_fragment, setup, teardown),
        cmocka_unit_test_setup_teardown(test_changed_and_ended, setup, teardown),
        cmocka_unit_test_setup_teardown(test_runs_out, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_room, setup_small, teardown),
        cmocka_unit_test_setup_teardown(test_set_aside, setup, teardown),
        cmocka_unit_test_setup_teardown(test_room_half_open, setup_small, teardown),
        cmocka_unit_test_setup_teardown(test_every_worker, setup_three, teardown),
        cmocka_unit_test_setup_teardown(test_refresh, setup, teardown),
        cmocka_unit_test_setup_teardown(test_resync, setup, teardown),
    };

    world_eal();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
