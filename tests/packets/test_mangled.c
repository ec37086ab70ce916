/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames cut at each byte and changed in each byte: nothing crashes, every packet is accounted for, and the straight
 * way comes to what the long way comes to.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/stages/straight.h"
#include "tests/packets/pipeline.h"

static struct world *world;

static int teardown(void **state)
{
    (void)state;
    if (world != NULL)
        world_free(world);
    world = NULL;
    return 0;
}

static void start(unsigned workers)
{
    const struct world_config config = {.workers = workers};

    world = world_new(&config);
}

static const struct pn_mac none;

static void syn4(struct pn_fb *fb)
{
    pn_fb_make_tcp(fb, CLIENT4, VIP4, 4000, 25, PN_FB_SYN, 0);
}

static void ack4(struct pn_fb *fb)
{
    pn_fb_make_tcp(fb, CLIENT4, VIP4, 4000, 25, PN_FB_ACK, 0);
}

static void ack6(struct pn_fb *fb)
{
    pn_fb_make_tcp(fb, CLIENT6, VIP6, 4000, 25, PN_FB_ACK, 0);
}

static void vlan4(struct pn_fb *fb)
{
    pn_fb_make_tcp(fb, CLIENT4, VIP_VLAN, 4000, 25, PN_FB_SYN, 100);
}

static void arp(struct pn_fb *fb)
{
    pn_fb_make_arp(fb, 1, &pn_fb_client_mac, "203.0.113.1", &none, VIP4, 0);
}

static void ns(struct pn_fb *fb)
{
    pn_fb_make_ns(fb, "2001:db8:25::1", NULL, VIP6, &pn_fb_client_mac, 0);
}

static void na(struct pn_fb *fb)
{
    pn_fb_make_na(fb, "2001:db8:25::a1", "2001:db8:25::9", "2001:db8:25::a1", 0x60, &pn_fb_client_mac, 0);
}

static void echo4(struct pn_fb *fb)
{
    pn_fb_make_echo(fb, CLIENT4, VIP4, 40, 0);
}

static void echo6(struct pn_fb *fb)
{
    pn_fb_make_echo(fb, CLIENT6, VIP6, 40, 0);
}

static void error4(struct pn_fb *fb)
{
    static struct pn_fb quoted;

    pn_fb_make_tcp(&quoted, VIP4, CLIENT4, 25, 4000, PN_FB_ACK, 0);
    pn_fb_make_icmp_error(fb, "192.0.2.99", VIP4, 3, 4, 1400, &quoted, 28);
}

static void error6(struct pn_fb *fb)
{
    static struct pn_fb quoted;

    pn_fb_make_tcp(&quoted, VIP6, CLIENT6, 25, 4000, PN_FB_ACK, 0);
    pn_fb_make_icmp_error(fb, "2001:db8:99::1", VIP6, 2, 0, 1400, &quoted, 60);
}

static void halves(struct pn_fb *first, struct pn_fb *second, const char *src, const char *dst)
{
    static struct pn_fb whole;

    pn_fb_ether(&whole, 0);
    pn_fb_ip(&whole, src, dst);
    pn_fb_tcp(&whole, 4000, 25, PN_FB_ACK);
    pn_fb_fill(&whole, 60);
    pn_fb_done(&whole);
    pn_fb_split(&whole, 1, 40, first, second);
}

static struct pn_fb other_half;

static void first4(struct pn_fb *fb)
{
    halves(fb, &other_half, CLIENT4, VIP4);
}

static void second6(struct pn_fb *fb)
{
    halves(&other_half, fb, CLIENT6, VIP6);
}

static void extension(struct pn_fb *fb)
{
    pn_fb_ether(fb, 0);
    pn_fb_ip(fb, CLIENT6, VIP6);
    pn_fb_ext(fb, 0, 1);
    pn_fb_ext(fb, 60, 0);
    pn_fb_tcp(fb, 4000, 25, PN_FB_SYN);
    pn_fb_done(fb);
}

static void (*const makers[])(struct pn_fb *) = {syn4,  ack4,  ack6,   vlan4,  arp,    ns,      na,
                                                 echo4, echo6, error4, error6, first4, second6, extension};

static void assert_identity(void)
{
    char text[200];

    world_drain(world);
    if (!world_identity(world, text))
        fail_msg("%s", text);
}

/* Cut at each byte, whole or in segments. */
static void test_cut(void **state)
{
    static const uint32_t segments[] = {0, 7, 40};
    static struct pn_fb fb;

    (void)state;
    start(3);
    for (unsigned i = 0; i < RTE_DIM(makers); i++) {
        for (unsigned s = 0; s < RTE_DIM(segments); s++) {
            makers[i](&fb);
            for (uint32_t n = 0; n <= fb.n; n++) {
                struct rte_mbuf *m = world_mbuf(world, fb.b, n, segments[s]);

                world_receive(world, n % 3, n % 2 == 0 ? WORLD_WAN : n % WORLD_PORTS, &m, 1);
            }
            assert_identity();
            world_wait_ms(world, 500);
        }
    }
}

/* Each byte takes a few other values, and the checksums are put right again every other time. */
static void test_changed(void **state)
{
    static struct pn_fb fb, changed;
    static const uint8_t flips[] = {0x01, 0x02, 0x08, 0x10, 0x40, 0x80, 0xff};

    (void)state;
    start(2);
    for (unsigned i = 0; i < RTE_DIM(makers); i++) {
        makers[i](&fb);
        for (uint32_t at = 0; at < fb.n; at++) {
            struct rte_mbuf *m[2 * RTE_DIM(flips)];
            unsigned n = 0;

            for (unsigned j = 0; j < RTE_DIM(flips); j++) {
                changed = fb;
                changed.b[at] ^= flips[j];
                m[n++] = world_mbuf(world, changed.b, changed.n, 0);
                if (at >= 14 && changed.l3 != 0)
                    pn_fb_fix(&changed);
                m[n++] = world_mbuf(world, changed.b, changed.n, 0);
            }
            world_receive(world, at % 2, WORLD_WAN, m, n);
        }
        assert_identity();
        world_wait_ms(world, 500);
    }
}

/* Worker 0 has its templates, worker 1 never: both get the same frames. */
static void both_ways_on(unsigned port, const struct pn_fb *fb, uint32_t n, const char *what, uint32_t at)
{
    struct rte_mbuf *out[2][WORLD_PORTS];

    for (unsigned i = 0; i < 2; i++) {
        struct rte_mbuf *m = world_mbuf(world, fb->b, n, 0);

        if (i == 1)
            pn_straight_reset(&world->worker[1]->ctx);
        world_receive(world, i, port, &m, 1);
        for (unsigned p = 0; p < WORLD_PORTS; p++)
            out[i][p] = world_sent(world, p);
    }
    for (unsigned c = 0; c < PN_C_COUNT; c++) {
        if (world->stats[0]->counters[c] != world->stats[1]->counters[c])
            fail_msg("%s %u: %s differs between the straight and the long way", what, at, pn_counter_info[c].name);
    }
    if (memcmp(world->stats[0]->vips, world->stats[1]->vips, sizeof(world->stats[0]->vips)) != 0 ||
        memcmp(world->stats[0]->services, world->stats[1]->services, sizeof(world->stats[0]->services)) != 0 ||
        memcmp(world->stats[0]->gateways, world->stats[1]->gateways, sizeof(world->stats[0]->gateways)) != 0)
        fail_msg("%s %u: VIP, service or gateway counters differ", what, at);
    for (unsigned p = 0; p < WORLD_PORTS; p++) {
        const struct rte_mbuf *a = out[0][p], *b = out[1][p];

        if ((a == NULL) != (b == NULL) ||
            (a != NULL && (a->pkt_len != b->pkt_len || memcmp(rte_pktmbuf_mtod(a, const void *),
                                                              rte_pktmbuf_mtod(b, const void *), a->data_len) != 0)))
            fail_msg("%s %u: the frames out differ", what, at);
        rte_pktmbuf_free(out[0][p]);
        rte_pktmbuf_free(out[1][p]);
    }
}

static void both_ways(const struct pn_fb *fb, uint32_t n, const char *what, uint32_t at)
{
    both_ways_on(WORLD_WAN, fb, n, what, at);
}

static uint64_t free_slots(const struct pn_straight_slot *s)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < PN_STRAIGHT_SLOTS; i++)
        n += s[i].vip_stats == NULL;
    return n;
}

static void test_straight(void **state)
{
    static void (*const kinds[])(struct pn_fb *) = {ack4, ack6};
    static struct pn_fb fb, changed;

    (void)state;
    start(2);
    world->worker[0]->ctx.n_workers = 1; /* no handoffs between the two */
    world->worker[1]->ctx.n_workers = 1;
    for (unsigned k = 0; k < RTE_DIM(kinds); k++) {
        kinds[k](&fb);
        both_ways(&fb, fb.n, "whole", 0);
        both_ways(&fb, fb.n, "again", 0); /* proven now */
        both_ways(&fb, fb.n, "straight", 0);
        for (uint32_t n = 14; n < fb.n; n++)
            both_ways(&fb, n, "cut at", n);
        for (uint32_t at = 0; at < fb.n; at++) {
            for (unsigned value = 0; value < 256; value++) {
                changed = fb;
                changed.b[at] = (uint8_t)value;
                both_ways(&changed, changed.n, "changed byte", at);
                if (at < 14)
                    continue;
                pn_fb_fix(&changed);
                both_ways(&changed, changed.n, "changed and fixed byte", at);
            }
        }
        assert_identity();
        /* From the VIP to itself, and through a port where the VIP does not live. */
        changed = fb;
        memcpy(changed.b + (k == 0 ? 26 : 22), fb.b + (k == 0 ? 30 : 38), k == 0 ? 4 : 16);
        pn_fb_fix(&changed);
        both_ways(&changed, changed.n, "to itself", k);
        changed = fb;
        memset(changed.b + changed.l4, 0, 2);
        pn_fb_fix(&changed);
        both_ways(&changed, changed.n, "from port 0", k);
        world->shared.ports[WORLD_LOCAL] = world->shared.ports[WORLD_WAN];
        both_ways_on(WORLD_LOCAL, &fb, fb.n, "another port", k);
    }
    /* The straight way was there all along. */
    assert_true(free_slots(world->worker[0]->ctx.straight->v4) < PN_STRAIGHT_SLOTS);
    assert_true(free_slots(world->worker[0]->ctx.straight->v6) < PN_STRAIGHT_SLOTS);
}

/* Another snapshot takes the service away: what was straight before is looked at anew. */
static void test_straight_forgets(void **state)
{
    static struct pn_fb fb;

    (void)state;
    start(1);
    ack4(&fb);
    world_receive_fb(world, 0, WORLD_WAN, &fb);
    world_receive_fb(world, 0, WORLD_WAN, &fb);
    assert_int_equal(world_counter(world, PN_C_TX_FORWARD), 2);
    world->message.services[WORLD_SMTP].l4_port = 2500;
    world_publish(world);
    world_receive_fb(world, 0, WORLD_WAN, &fb);
    assert_int_equal(world_counter(world, PN_C_TX_FORWARD), 2);
    assert_int_equal(world_counter(world, PN_C_CLASSIFY_NO_SERVICE), 1);
}

/* Nothing learned yet: a frame with zeros wherever a template looks fits no free slot. */
static void test_straight_free_slots(void **state)
{
    static const struct {
        uint8_t at, value;
    } bytes[] = {{6, 2}, {19, 20}, {22, 0x20}, {54, 1}, {66, 0x50}, {67, PN_FB_ACK}};
    const struct world_config config = {.workers = 1, .no_snapshot = true};
    uint8_t frame[74] = {0};

    (void)state;
    for (unsigned i = 0; i < RTE_DIM(bytes); i++)
        frame[bytes[i].at] = bytes[i].value;
    world = world_new(&config);
    for (unsigned i = 0; i < 2; i++) {
        struct rte_mbuf *m = world_mbuf(world, frame, sizeof(frame), 0);

        world_receive(world, 0, WORLD_WAN, &m, 1);
        assert_int_equal(world_counter(world, PN_C_PUNT_HOST), i + 1);
        world_publish(world); /* and the templates are forgotten */
    }
    assert_identity();
}

/* Gateways through two ports: each flow leaves through its own, from that port's MAC. */
static void test_straight_two_ports(void **state)
{
    static struct pn_fb fb;
    unsigned left[WORLD_PORTS] = {0};

    (void)state;
    start(1);
    world->shared.ports[WORLD_LOCAL].kind = PN_PORT_DPDK;
    world->message.gateways[WORLD_MX2].port = WORLD_LOCAL;
    world_publish(world);
    for (unsigned round = 0; round < 4; round++) {
        struct rte_mbuf *m[PN_WORKER_BURST];

        for (unsigned i = 0; i < PN_WORKER_BURST; i++) {
            pn_fb_make_tcp(&fb, CLIENT4, VIP4, (uint16_t)(4000 + i), 465, PN_FB_ACK, 0);
            m[i] = world_mbuf(world, fb.b, fb.n, 0);
        }
        world_receive(world, 0, WORLD_WAN, m, PN_WORKER_BURST);
        for (unsigned p = 0; p < WORLD_PORTS; p++) {
            const struct pn_mac *gateway = &world_gateway_mac[p == WORLD_WAN ? WORLD_MX1 : WORLD_MX2];
            struct rte_mbuf *out;

            while ((out = world_sent(world, p)) != NULL) {
                const uint8_t *f = rte_pktmbuf_mtod(out, const uint8_t *);

                assert_memory_equal(f, gateway->b, 6);
                assert_memory_equal(f + 6, world->shared.ports[p].mac.b, 6);
                left[p] += round == 3;
                rte_pktmbuf_free(out);
            }
        }
    }
    assert_int_equal(left[WORLD_WAN] + left[WORLD_LOCAL], PN_WORKER_BURST);
    assert_true(left[WORLD_WAN] > 0 && left[WORLD_LOCAL] > 0);
    assert_int_equal(world_counter(world, PN_C_FLOW_NEW), PN_WORKER_BURST);
}

/* A table as full as it gets: flows beside their home line and far from it are straight, too. */
static void test_straight_away(void **state)
{
    const struct world_config config = {.workers = 1, .flows_max = 1024};
    const unsigned flows = 1024 - 2 * PN_WORKER_BURST;
    unsigned at_place[4] = {0};

    (void)state;
    world = world_new(&config);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned at = 0; at < flows; at += PN_WORKER_BURST) {
            for (unsigned segment = round == 0 ? 0 : 1; segment < 2; segment++) {
                static struct pn_fb fb;
                struct rte_mbuf *m[PN_WORKER_BURST];

                for (unsigned i = 0; i < PN_WORKER_BURST; i++) {
                    pn_fb_make_tcp(&fb, CLIENT4, VIP4, (uint16_t)(4000 + at + i), 25,
                                   segment == 0 ? PN_FB_SYN : PN_FB_ACK, 0);
                    m[i] = world_mbuf(world, fb.b, fb.n, 0);
                }
                world_receive(world, 0, WORLD_WAN, m, PN_WORKER_BURST);
                assert_int_equal(world_drain(world), PN_WORKER_BURST);
            }
            if (round > 0)
                assert_true(world->worker[0]->batch.straight);
        }
    }
    const struct pn_flow_table *t = world->worker[0]->ctx.flows;
    for (unsigned i = 0; i < t->n_lines * 2; i++) {
        const struct pn_flow *f = &t->lines[i / 2].slot[i % 2];

        at_place[f->place] += f->state == PN_FLOW_ESTABLISHED;
    }
    assert_true(at_place[0] > flows / 2 && at_place[1] > 0 && at_place[2] > 0);
    assert_int_equal(world_counter(world, PN_C_FLOW_NEW), flows);
    assert_int_equal(world_counter(world, PN_C_TX_FORWARD), 4 * flows);
    assert_identity();
}

/* A flow that says something every five minutes lives, straight or not. */
static void test_straight_keeps_alive(void **state)
{
    static struct pn_fb fb;

    (void)state;
    start(1);
    ack4(&fb);
    for (unsigned i = 0; i < 8; i++) {
        world_receive_fb(world, 0, WORLD_WAN, &fb);
        world_wait_ms(world, 300000);
        world_leases(world, 30000);
    }
    assert_int_equal(world_counter(world, PN_C_FLOW_NEW), 1);
    assert_int_equal(world_counter(world, PN_C_FLOW_EXPIRED), 0);
    assert_int_equal(world_counter(world, PN_C_TX_FORWARD), 8);
    assert_identity();
}

/* One of four kinds; with host false the last is another service too. */
static struct rte_mbuf *mixed(unsigned i, bool host)
{
    static struct pn_fb fb;
    uint16_t port = (uint16_t)(4000 + i);

    if (i % 4 == 0)
        pn_fb_make_tcp(&fb, CLIENT4, VIP4, port, 25, PN_FB_ACK, 0);
    else if (i % 4 == 1)
        pn_fb_make_tcp(&fb, CLIENT6, VIP6, port, 25, PN_FB_ACK, 0);
    else if (i % 4 == 2 || !host)
        pn_fb_make_tcp(&fb, CLIENT4, VIP4, port, 465, PN_FB_ACK, 0);
    else
        pn_fb_make_tcp(&fb, CLIENT4, HOST4, port, 25, PN_FB_ACK, 0);
    return world_mbuf(world, fb.b, fb.n, 0);
}

/* Several services in one burst, without and with what is not straight: each packet is counted with its own. */
static void test_straight_mixed(void **state)
{
    const struct pn_stats_worker *s;

    (void)state;
    start(1);
    for (unsigned round = 0; round < 6; round++) {
        struct rte_mbuf *m[16];

        for (unsigned i = 0; i < 16; i++)
            m[i] = mixed(i, round >= 3);
        world_receive(world, 0, WORLD_WAN, m, 16);
        assert_int_equal(world_drain(world), 16);
    }
    s = world->stats[0];
    assert_int_equal(s->services[WORLD_SMTP].rx_packets, 24);
    assert_int_equal(s->services[WORLD_SMTP].rx_bytes, 24 * 60);
    assert_int_equal(s->services[WORLD_SMTP6].rx_packets, 24);
    assert_int_equal(s->services[WORLD_SMTP6].rx_bytes, 24 * 74);
    assert_int_equal(s->services[WORLD_SMTPS].rx_packets, 36);
    assert_int_equal(s->vips[WORLD_VIP4].rx_packets, 60);
    assert_int_equal(s->vips[WORLD_VIP6].rx_bytes, 24 * 74);
    assert_int_equal(s->counters[PN_C_PUNT_HOST], 12);
    assert_identity();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_cut, teardown),
        cmocka_unit_test_teardown(test_changed, teardown),
        cmocka_unit_test_teardown(test_straight, teardown),
        cmocka_unit_test_teardown(test_straight_forgets, teardown),
        cmocka_unit_test_teardown(test_straight_two_ports, teardown),
        cmocka_unit_test_teardown(test_straight_away, teardown),
        cmocka_unit_test_teardown(test_straight_keeps_alive, teardown),
        cmocka_unit_test_teardown(test_straight_mixed, teardown),
        cmocka_unit_test_teardown(test_straight_free_slots, teardown),
    };

    world_eal();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
