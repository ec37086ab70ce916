/* SPDX-License-Identifier: BSD-3-Clause */
/* Fragments to a VIP, in order and out of it, at one worker and at several. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/packets/pipeline.h"

#define GONE(counter) .out = OUT_NONE, .end = counter
#define MX(gateway) .out = WORLD_WAN, .to = &world_gateway_mac[gateway], .end = PN_C_TX_FRAGMENT
#define SYN PN_FB_SYN
#define ACK PN_FB_ACK

static void halves(const char *src, const char *dst, uint16_t src_port, uint16_t dst_port, uint8_t flags, uint32_t id,
                   struct pn_fb *first, struct pn_fb *second)
{
    static struct pn_fb whole, unused;

    pn_fb_ether(&whole, 0);
    pn_fb_ip(&whole, src, dst);
    pn_fb_tcp(&whole, src_port, dst_port, flags);
    pn_fb_fill(&whole, 100);
    pn_fb_done(&whole);
    pn_fb_split(&whole, id, 64, first == NULL ? &unused : first, second == NULL ? &unused : second);
}

static void first_1(struct pn_fb *fb)
{
    halves(CLIENT4, VIP4, 4000, 465, ACK, 1, fb, NULL);
}

static void second_1(struct pn_fb *fb)
{
    halves(CLIENT4, VIP4, 4000, 465, ACK, 1, NULL, fb);
}

static void first_2(struct pn_fb *fb)
{
    halves(CLIENT4, VIP4, 4000, 465, ACK, 2, fb, NULL);
}

static void second_2(struct pn_fb *fb)
{
    halves(CLIENT4, VIP4, 4000, 465, ACK, 2, NULL, fb);
}

static void first_fin(struct pn_fb *fb)
{
    halves(CLIENT4, VIP4, 4000, 465, PN_FB_FIN | ACK, 3, fb, NULL);
}

static void first_unknown(struct pn_fb *fb)
{
    halves(CLIENT4, VIP4, 4999, 25, ACK, 4, fb, NULL);
}

static void first_no_service(struct pn_fb *fb)
{
    halves(CLIENT4, VIP4, 4000, 26, ACK, 5, fb, NULL);
}

static void second_no_service(struct pn_fb *fb)
{
    halves(CLIENT4, VIP4, 4000, 26, ACK, 5, NULL, fb);
}

static void first_no_gateway(struct pn_fb *fb)
{
    halves(CLIENT4, VIP4, 4000, 2528, ACK, 6, fb, NULL);
}

static void first6(struct pn_fb *fb)
{
    halves(CLIENT6, VIP6, 4000, 25, ACK, 7, fb, NULL);
}

static void second6(struct pn_fb *fb)
{
    halves(CLIENT6, VIP6, 4000, 25, ACK, 7, NULL, fb);
}

static void to_host(struct pn_fb *fb)
{
    halves(CLIENT4, HOST4, 4000, 25, ACK, 8, NULL, fb);
}

/* RFC 1858: the flags of the first one would be overwritten. */
static void tiny_overlap(struct pn_fb *fb)
{
    pn_fb_ether(fb, 0);
    pn_fb_ip(fb, CLIENT4, VIP4);
    pn_fb_fragment(fb, 9, 8, false);
    pn_fb_proto(fb, 6);
    pn_fb_fill(fb, 24);
    pn_fb_done(fb);
}

static void lease_ended(struct world *w)
{
    world_leases(w, -1);
}

static void grace_over(struct world *w)
{
    world_wait_ms(w, 1999);
}

static void mx2_only(struct world *w)
{
    w->message.members[2].weight = 0; /* mx1 in the pair */
    world_publish(w);
}

static void both_again(struct world *w)
{
    w->message.members[2].weight = 100;
    w->message.members[3].weight = 0;
    world_publish(w);
}

static void forgotten(struct world *w)
{
    assert_int_equal(world_held(w), 0);
    assert_int_equal(world_counter(w, PN_C_FRAG_NO_FIRST), 1);
}

/* The flow is at mx2, while steering would choose mx1 now. */
#define KNOWN_FLOW                                                                                                     \
    {                                                                                                                  \
        "SYN", .before = mx2_only, .tcp = {CLIENT4, VIP4, 4000, 465, SYN, 0}, .out = WORLD_WAN,                        \
               .to = &world_gateway_mac[WORLD_MX2], .end = PN_C_TX_FORWARD, .events = {                                \
                   PN_C_FLOW_NEW                                                                                       \
               }                                                                                                       \
    }

static const struct row order[] = {
    KNOWN_FLOW,
    {"first", .before = both_again, .make = first_1, MX(WORLD_MX2), .events = {PN_C_FLOW_ESTABLISHED}},
    {"second follows it", .make = second_1, MX(WORLD_MX2)},
    {"second before the first waits", .make = second_2, GONE(END_HELD), .events = {PN_C_FRAG_HELD}},
    {"first takes it along", .make = first_2, MX(WORLD_MX2), .more_out = 1, .ends = 2},
    {"FIN in a fragment", .make = first_fin, MX(WORLD_MX2), .events = {PN_C_FLOW_CLOSED}},
    {"of an unknown flow: the gateway by default", .make = first_unknown, MX(WORLD_MX1)},
    {"to the host", .make = to_host, .out = WORLD_TAP, .end = PN_C_PUNT_HOST},
    {"IPv6 second waits", .make = second6, GONE(END_HELD), .events = {PN_C_FRAG_HELD}},
    {"IPv6 first", .make = first6, MX(WORLD_MX1), .more_out = 1, .ends = 2},
};

static void first_no_service_comes(struct world *w)
{
    static struct pn_fb fb;

    first_no_service(&fb);
    world_receive_fb(w, 0, WORLD_WAN, &fb);
    assert_int_equal(world_counter(w, PN_C_CLASSIFY_NO_SERVICE), 1);
    forgotten(w);
}

static const struct row refused[] = {
    {"second of no service waits", .make = second_no_service, GONE(END_HELD), .events = {PN_C_FRAG_HELD}},
    {"its first takes it along into nothing", .before = first_no_service_comes, .make = first_no_gateway,
     GONE(PN_C_STEER_NO_GATEWAY)},
    {"header overwritten", .make = tiny_overlap, GONE(PN_C_FRAG_MALFORMED)},
    {"lease over: the unknown flow's first", .before = lease_ended, .make = first_unknown, GONE(PN_C_STEER_NO_LEASE)},
    {"grace over too", .before = grace_over, .make = first_1, GONE(PN_C_STEER_NO_LEASE)},
};

static void wait_3s(struct world *w)
{
    world_wait_ms(w, 3000);
    forgotten(w);
}

static const struct row late[] = {
    {"second waits", .make = second_1, GONE(END_HELD), .events = {PN_C_FRAG_HELD}},
    {"not for ever", .before = wait_3s, .make = second_1, GONE(END_HELD), .events = {PN_C_FRAG_HELD}},
};

/* More of one datagram than the table keeps waiting. */
static void wait_many(struct world *w)
{
    static struct pn_fb fb;

    for (unsigned i = 0; i < 8; i++) {
        pn_fb_ether(&fb, 0);
        pn_fb_ip(&fb, CLIENT4, VIP4);
        pn_fb_fragment(&fb, 77, (uint16_t)(64 + 64 * i), true);
        pn_fb_proto(&fb, 6);
        pn_fb_fill(&fb, 64);
        pn_fb_done(&fb);
        world_receive_fb(w, 0, WORLD_WAN, &fb);
    }
    assert_int_equal(world_held(w), 8);
}

static void one_more(struct pn_fb *fb)
{
    pn_fb_ether(fb, 0);
    pn_fb_ip(fb, CLIENT4, VIP4);
    pn_fb_fragment(fb, 77, 1024, false);
    pn_fb_proto(fb, 6);
    pn_fb_fill(fb, 64);
    pn_fb_done(fb);
}

static const struct row many[] = {
    {"one too many", .before = wait_many, .make = one_more, GONE(PN_C_FRAG_TABLE_FULL)},
};

static void no_handoff_left(struct world *w)
{
    assert_int_equal(world_held(w), 0);
}

/* Two more handoffs than the one-event rows can say: 1 -> 2 -> 0, found, and back to 1. */
static void first_at_worker_1(struct world *w)
{
    static struct pn_fb fb;
    struct rte_mbuf *m;
    unsigned n = 0;

    first_1(&fb);
    world_receive_fb(w, 1, WORLD_WAN, &fb);
    while ((m = world_sent(w, WORLD_WAN)) != NULL) {
        assert_memory_equal(rte_pktmbuf_mtod(m, uint8_t *), world_gateway_mac[WORLD_MX2].b, 6);
        rte_pktmbuf_free(m);
        n++;
    }
    assert_int_equal(n, 2);
    assert_int_equal(world_counter(w, PN_C_TX_FRAGMENT), 2);
    assert_int_equal(world_counter(w, PN_C_HANDOFF_SENT), 3);
    assert_int_equal(world_counter(w, PN_C_FLOW_ESTABLISHED), 1);
    assert_int_equal(w->stats[1]->counters[PN_C_TX_FRAGMENT], 2);
    no_handoff_left(w);
}

static const struct row workers_3[] = {
    KNOWN_FLOW,
    {"the first finds its flow two workers on", .before = both_again, .make = second_1, .worker = 1, GONE(END_HELD),
     .events = {PN_C_FRAG_HELD}, .after = first_at_worker_1},
    {"a later one needs no more asking", .make = second_1, .worker = 1, MX(WORLD_MX2)},
};

const struct scenario pipeline_fragment[] = {
    SCENARIO("fragments", order, .workers = 1),
    SCENARIO("refused fragments", refused, .workers = 1),
    SCENARIO("late fragments", late, .workers = 1),
    SCENARIO("many fragments", many, .workers = 1),
    SCENARIO("fragments at three workers", workers_3, .workers = 3),
    {.name = NULL},
};
