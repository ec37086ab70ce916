/* SPDX-License-Identifier: BSD-3-Clause */
/* Bursts of several packets, what comes from the main lcore, the mailbox, the trace, the loop itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_malloc.h>
#include <rte_rcu_qsbr.h>
#include <rte_ring_elem.h>

#include "common/addr.h"
#include "tests/packets/pipeline.h"

#define SYN PN_FB_SYN
#define ACK PN_FB_ACK

static struct world *world;

static int setup(void **state)
{
    const struct world_config config = {.workers = 1};

    (void)state;
    world = world_new(&config);
    return 0;
}

static int teardown(void **state)
{
    char text[200];
    bool good = world_identity(world, text);

    (void)state;
    world_free(world);
    if (!good)
        print_error("%s\n", text);
    return good ? 0 : -1;
}

static struct rte_mbuf *segment(const char *src, uint16_t port, uint8_t flags)
{
    static struct pn_fb fb;

    pn_fb_make_tcp(&fb, src, VIP4, port, 25, flags, 0);
    return world_mbuf(world, fb.b, fb.n, 0);
}

/* Packets of one flow in one burst meet in the table, though none of them is in it when the burst is looked up. */
static void test_one_flow_in_one_burst(void **state)
{
    struct rte_mbuf *m[] = {
        segment(CLIENT4, 4000, SYN), segment(CLIENT4, 4000, SYN),        segment(CLIENT4, 4000, ACK),
        segment(CLIENT4, 4001, SYN), segment(CLIENT4, 4000, ACK | 0x01), segment(CLIENT4, 4001, PN_FB_RST),
    };

    (void)state;
    world_receive(world, 0, WORLD_WAN, m, RTE_DIM(m));
    assert_int_equal(world_counter(world, PN_C_TX_FORWARD), 6);
    assert_int_equal(world_counter(world, PN_C_FLOW_NEW), 2);
    assert_int_equal(world_counter(world, PN_C_FLOW_SYN_RETRY), 1);
    assert_int_equal(world_counter(world, PN_C_FLOW_ESTABLISHED), 1);
    assert_int_equal(world_counter(world, PN_C_FLOW_CLOSED), 2);
    assert_int_equal(world->worker[0]->ctx.load[WORLD_MX1], 0);
}

/* A tag wants four bytes more before the frame; a driver may leave no room there. */
static void test_no_room_for_a_tag(void **state)
{
    struct pn_fb fb;
    struct rte_mbuf *m;

    (void)state;
    pn_fb_make_tcp(&fb, CLIENT4, VIP4, 4000, 2525, SYN, 0);
    m = world_mbuf(world, fb.b, fb.n, 0);
    memmove(m->buf_addr, rte_pktmbuf_mtod(m, void *), fb.n);
    m->data_off = 0;
    world_receive(world, 0, WORLD_WAN, &m, 1);
    assert_int_equal(world_counter(world, PN_C_REWRITE_NO_ROOM), 1);
    assert_null(world_sent(world, WORLD_WAN));
}

/* The first packet ends the entry, its gateway being gone from the snapshot; the second must not touch what was there. */
static void test_entry_removed_within_burst(void **state)
{
    struct rte_mbuf *syn = segment(CLIENT4, 4000, SYN), *ack = segment(CLIENT4, 4000, ACK);

    (void)state;
    world_receive(world, 0, WORLD_WAN, &syn, 1);
    world_receive(world, 0, WORLD_WAN, &ack, 1);
    world->message.gateways[WORLD_MX1].id = 60;
    for (unsigned i = 0; i < RTE_DIM(world->message.members); i++) {
        if (world->message.members[i].gateway == WORLD_MX1)
            world->message.members[i].gateway = 60;
    }
    world->shared.neigh.mac[60] = world->shared.neigh.mac[WORLD_MX2];
    world_publish(world);
    struct rte_mbuf *m[] = {segment(CLIENT4, 4000, ACK), segment(CLIENT4, 4000, ACK), segment(CLIENT4, 4000, ACK)};
    world_receive(world, 0, WORLD_WAN, m, RTE_DIM(m));
    assert_int_equal(world_counter(world, PN_C_TX_FORWARD), 5);
    assert_int_equal(world_counter(world, PN_C_FLOW_PICKED_UP), 1);
    assert_int_equal(world_counter(world, PN_C_FLOW_CLOSED), 1);
    assert_int_equal(world->stats[0]->gateways[60].active, 1);
    assert_int_equal(world->stats[0]->gateways[WORLD_MX1].active, 0);
}

/* Every kind at once: each goes its way, none is lost. */
static void test_mixed_burst(void **state)
{
    static const struct pn_mac none;
    static struct pn_fb fb;
    struct rte_mbuf *m[32];
    unsigned n = 0;

    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        m[n++] = segment(CLIENT4, (uint16_t)(5000 + i), SYN);
        pn_fb_make_arp(&fb, 1, &pn_fb_client_mac, "203.0.113.1", &none, VIP4, 0);
        m[n++] = world_mbuf(world, fb.b, fb.n, 0);
        pn_fb_make_tcp(&fb, CLIENT4, HOST4, 4000, 22, SYN, 0);
        m[n++] = world_mbuf(world, fb.b, fb.n, 0);
        pn_fb_make_tcp(&fb, CLIENT4, VIP4, (uint16_t)(5000 + i), 26, SYN, 0);
        m[n++] = world_mbuf(world, fb.b, fb.n, 0);
    }
    world_receive(world, 0, WORLD_WAN, m, n);
    assert_int_equal(world_counter(world, PN_C_TX_FORWARD), 8);
    assert_int_equal(world_counter(world, PN_C_ARP_REPLIED), 8);
    assert_int_equal(world_counter(world, PN_C_PUNT_HOST), 8);
    assert_int_equal(world_counter(world, PN_C_CLASSIFY_NO_SERVICE), 8);
}

/* A port that takes only some of a burst. */
static void test_queue_full(void **state)
{
    struct rte_mbuf *m[PN_WORKER_BURST];
    unsigned sent = 0, room = rte_ring_free_count(world->tx[WORLD_WAN]);

    (void)state;
    for (; sent + PN_WORKER_BURST <= room + PN_WORKER_BURST; sent += PN_WORKER_BURST) {
        for (unsigned i = 0; i < PN_WORKER_BURST; i++)
            m[i] = segment(CLIENT4, (uint16_t)(5000 + i), ACK);
        world_receive(world, 0, WORLD_WAN, m, PN_WORKER_BURST);
    }
    assert_int_equal(world_counter(world, PN_C_TX_FORWARD), room);
    assert_int_equal(world_counter(world, PN_C_TX_QUEUE_FULL), sent - room);
    assert_int_equal(world->stats[0]->ports[WORLD_WAN].tx_packets, room);

    /* What is our own was never received, so it is no drop of a received packet. */
    struct rte_mbuf *own = segment(CLIENT4, 4000, SYN);
    *pn_mbuf_meta(own) = (struct pn_mbuf_meta){.kind = PN_META_TX, .port = WORLD_WAN, .tx_counter = PN_C_GEN_GARP};
    rte_ring_enqueue(world->worker[0]->inject, own);
    world_wait_ms(world, 0);
    assert_int_equal(world_counter(world, PN_C_GEN_GARP), 0);
    assert_int_equal(world_counter(world, PN_C_GEN_DROPPED), 1);
    assert_int_equal(world_counter(world, PN_C_TX_QUEUE_FULL), sent - room);
}

static void test_inject(void **state)
{
    struct rte_mbuf *own = segment(CLIENT4, 4000, SYN);

    (void)state;
    *pn_mbuf_meta(own) = (struct pn_mbuf_meta){.kind = PN_META_TX, .port = WORLD_TAP, .tx_counter = PN_C_GEN_GARP};
    rte_ring_enqueue(world->worker[0]->inject, own);
    world_wait_ms(world, 0);
    assert_int_equal(world_counter(world, PN_C_GEN_GARP), 1);
    assert_int_equal(world->stats[0]->ports[WORLD_TAP].tx_packets, 1);
    struct rte_mbuf *out = world_sent(world, WORLD_TAP);
    assert_ptr_equal(out, own);
    rte_pktmbuf_free(out);

    /* An announcement waits no longer than its VIP's lease lasts. */
    for (unsigned i = 0; i < 2; i++) {
        own = segment(CLIENT4, 4000, SYN);
        *pn_mbuf_meta(own) = (struct pn_mbuf_meta){
            .kind = PN_META_ANSWER, .port = WORLD_WAN, .tx_counter = PN_C_GEN_GARP, .gateway = WORLD_VIP4};
        rte_ring_enqueue(world->worker[0]->inject, own);
        world_wait_ms(world, 0);
        assert_int_equal(world_counter(world, PN_C_GEN_GARP), 2);
        assert_int_equal(world_counter(world, PN_C_GEN_DROPPED), i);
        assert_int_equal(world_drain(world), 1 - i);
        world_leases(world, -1);
    }

    /* Nor a heartbeat longer than it is worth anything. */
    for (unsigned i = 0; i < 2; i++) {
        own = segment(CLIENT4, 4000, SYN);
        *pn_mbuf_meta(own) = (struct pn_mbuf_meta){.kind = PN_META_TX,
                                                   .port = WORLD_WAN,
                                                   .tx_counter = PN_C_CONTROL_SENT,
                                                   .gateway = PN_ID_NONE,
                                                   .until_tsc = world->tsc + 1 - i};
        rte_ring_enqueue(world->worker[0]->inject, own);
        world_wait_ms(world, 0);
        assert_int_equal(world_counter(world, PN_C_CONTROL_SENT), 1);
        assert_int_equal(world_counter(world, PN_C_GEN_DROPPED), 1 + i);
        assert_int_equal(world_drain(world), 1 - i);
    }

    /* Waited for a gateway that has left meanwhile. */
    world->stats[0]->held++;
    world->stats[0]->ports[WORLD_WAN].rx_packets++;
    own = segment(CLIENT4, 4000, SYN);
    *pn_mbuf_meta(own) = (struct pn_mbuf_meta){.kind = PN_META_REWRITE, .tx_counter = PN_C_TX_FORWARD, .gateway = 99};
    rte_ring_enqueue(world->worker[0]->inject, own);
    world_wait_ms(world, 0);
    assert_int_equal(world_counter(world, PN_C_REWRITE_NO_NEIGHBOUR), 1);
    assert_int_equal(world_held(world), 0);
}

static const struct pn_worker_reply *ask(const struct pn_worker_request *request)
{
    assert_true(pn_worker_post(world->worker[0], request));
    assert_false(pn_worker_post(world->worker[0], request)); /* one at a time */
    assert_null(pn_worker_reply(world->worker[0]));
    world_wait_ms(world, 0);
    return pn_worker_reply(world->worker[0]);
}

static void test_walk_and_lookup(void **state)
{
    struct rte_mbuf *m[] = {segment(CLIENT4, 4000, SYN), segment("198.51.100.8", 4000, SYN)};
    struct pn_worker_request walk = {.op = PN_WORKER_OP_WALK}, lookup = {.op = PN_WORKER_OP_LOOKUP};

    (void)state;
    world->message.tiers[WORLD_T_PRIMARY].spill_share = 65535;
    world_publish(world);
    world_receive(world, 0, WORLD_WAN, m, RTE_DIM(m));
    world_wait_ms(world, 5000);

    walk.walk.query.service = walk.walk.query.gateway = PN_ID_NONE;
    const struct pn_worker_reply *reply = ask(&walk);
    assert_non_null(reply);
    assert_int_equal(reply->count, 2);
    assert_int_equal(reply->cursor, 0);
    assert_int_equal(reply->flows[0].state, PN_FLOW_HALF_OPEN);
    assert_int_equal(reply->flows[0].flags, PN_FLOW_F_SPILLED);
    assert_int_equal(reply->flows[0].gateway, WORLD_MX2);
    assert_int_equal(reply->flows[0].idle_ms, 5000);
    assert_int_equal(reply->flows[0].expires_ms, 25000);

    pn_addr_parse("198.51.100.8", &walk.walk.query.client, NULL);
    walk.walk.query.prefix_len = 128;
    reply = ask(&walk);
    assert_int_equal(reply->count, 1);
    assert_int_equal(reply->flows[0].client.b[15], 8);
    walk.walk.query.prefix_len = 96 + 24;
    assert_int_equal(ask(&walk)->count, 2);
    walk.walk.query.gateway = WORLD_MX1;
    assert_int_equal(ask(&walk)->count, 0);
    walk.walk.query.gateway = WORLD_MX2;
    walk.walk.query.service = WORLD_SMTPS;
    assert_int_equal(ask(&walk)->count, 0);
    walk.walk.query.service = WORLD_SMTP;
    walk.walk.query.max = 1;
    reply = ask(&walk);
    assert_int_equal(reply->count, 1);
    assert_int_not_equal(reply->cursor, 0);

    pn_addr_parse(CLIENT4, &lookup.lookup.client, NULL);
    lookup.lookup.client_port = 4000;
    lookup.lookup.service = WORLD_SMTP;
    reply = ask(&lookup);
    assert_int_equal(reply->count, 1);
    assert_int_equal(reply->flows[0].client_port, 4000);
    lookup.lookup.client_port = 4001;
    assert_int_equal(ask(&lookup)->count, 0);
}

static bool traced(struct pn_dp_trace_record *r)
{
    return rte_ring_dequeue_elem(world->worker[0]->ctx.traced, r, sizeof(*r)) == 0;
}

static void test_trace(void **state)
{
    struct pn_worker_request arm = {.op = PN_WORKER_OP_TRACE};
    static const struct pn_mac none;
    static struct pn_fb fb;
    struct pn_dp_trace_record r;
    char text[64];

    (void)state;
    pn_addr_parse(CLIENT4, &arm.trace.client, NULL);
    arm.trace.prefix_len = 128;
    arm.trace.packets = 4;
    ask(&arm);
    struct rte_mbuf *m[] = {segment("198.51.100.8", 4000, SYN), segment(CLIENT4, 4000, SYN)};
    world_receive(world, 0, WORLD_WAN, m, RTE_DIM(m));
    assert_true(traced(&r));
    assert_string_equal(pn_addr_format(&r.src, text, sizeof(text)), CLIENT4);
    assert_string_equal(pn_addr_format(&r.dst, text, sizeof(text)), VIP4);
    assert_int_equal(r.src_port, 4000);
    assert_int_equal(r.dst_port, 25);
    assert_int_equal(r.counter, PN_C_TX_FORWARD);
    assert_int_equal(r.service, WORLD_SMTP);
    assert_int_equal(r.gateway, WORLD_MX1);
    assert_int_equal(r.port, WORLD_WAN);
    assert_int_equal(r.frame_bytes, 60);
    assert_int_equal(r.ether_type, 0x0800);
    assert_int_equal(r.ip_proto, 6);
    assert_int_equal(r.tcp_flags, SYN);
    assert_int_equal(r.flow_hit, 0);
    assert_int_equal(r.steered, 1);
    assert_int_equal(r.flow_state, PN_FLOW_HALF_OPEN);
    assert_true(r.boottime_ns != 0);
    assert_false(traced(&r));

    m[0] = segment(CLIENT4, 4000, ACK);
    world_receive(world, 0, WORLD_WAN, m, 1);
    assert_true(traced(&r));
    assert_int_equal(r.flow_hit, 1);
    assert_int_equal(r.steered, 0);
    assert_int_equal(r.flow_state, PN_FLOW_ESTABLISHED);

    pn_fb_make_arp(&fb, 1, &pn_fb_client_mac, CLIENT4, &none, VIP4, 0);
    world_receive_fb(world, 0, WORLD_WAN, &fb);
    assert_true(traced(&r));
    assert_int_equal(r.counter, PN_C_ARP_REPLIED);
    assert_string_equal(pn_addr_format(&r.dst, text, sizeof(text)), VIP4);
    assert_int_equal(r.service, PN_ID_NONE);

    pn_fb_make_tcp(&fb, CLIENT4, VIP4, 4000, 26, SYN, 0);
    world_receive_fb(world, 0, WORLD_WAN, &fb);
    assert_true(traced(&r));
    assert_int_equal(r.counter, PN_C_CLASSIFY_NO_SERVICE);
    assert_int_equal(r.service, PN_ID_NONE);

    world_receive_fb(world, 0, WORLD_WAN, &fb); /* four were asked for */
    assert_false(traced(&r));
}

static void *run(void *worker)
{
    pn_worker_loop(worker);
    return NULL;
}

/* The loop: sleeps while idle, answers, passes quiescent states, stops. */
static void test_loop(void **state)
{
    struct pn_worker_request walk = {.op = PN_WORKER_OP_WALK};
    struct pn_stats_worker *s = world->stats[0];
    size_t bytes = rte_rcu_qsbr_get_memsize(1);
    pthread_t thread;

    (void)state;
    world->shared.qsbr = rte_zmalloc("qsbr", bytes, 64);
    assert_int_equal(rte_rcu_qsbr_init(world->shared.qsbr, 1), 0);
    world->worker[0]->idle_sleep_us = 1000;
    walk.walk.query.service = walk.walk.query.gateway = PN_ID_NONE;
    assert_int_equal(pthread_create(&thread, NULL, run, world->worker[0]), 0);
    assert_true(pn_worker_post(world->worker[0], &walk));
    for (unsigned i = 0; i < 2000 && (pn_worker_reply(world->worker[0]) == NULL || s->sleeps < 5); i++)
        usleep(1000);
    assert_non_null(pn_worker_reply(world->worker[0]));
    assert_true(__atomic_load_n(&s->sleeps, __ATOMIC_RELAXED) >= 5);
    rte_rcu_qsbr_synchronize(world->shared.qsbr, RTE_QSBR_THRID_INVALID);
    atomic_store(&world->shared.stop, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(s->polls > s->sleeps);
    assert_true(s->idle_polls > 0);
    assert_true(s->heartbeat_boottime_ns != 0);
    rte_free(world->shared.qsbr);
    world->shared.qsbr = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_one_flow_in_one_burst, setup, teardown),
        cmocka_unit_test_setup_teardown(test_entry_removed_within_burst, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_room_for_a_tag, setup, teardown),
        cmocka_unit_test_setup_teardown(test_mixed_burst, setup, teardown),
        cmocka_unit_test_setup_teardown(test_queue_full, setup, teardown),
        cmocka_unit_test_setup_teardown(test_inject, setup, teardown),
        cmocka_unit_test_setup_teardown(test_walk_and_lookup, setup, teardown),
        cmocka_unit_test_setup_teardown(test_trace, setup, teardown),
        cmocka_unit_test_setup_teardown(test_loop, setup, teardown),
    };

    world_eal();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
