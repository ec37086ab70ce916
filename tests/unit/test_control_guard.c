/* SPDX-License-Identifier: BSD-3-Clause */
/* A flood on the heartbeats' port leaves room for those who count. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/addr.h"
#include "common/seal.h"
#include "dataplane/core/control_guard.h"
#include "dataplane/core/parse.h"
#include "tests/packets/frames.h"

#define PORT 24625
#define HZ 1000000000ull /* a tick is a nanosecond */
#define BOOT 0x0123456789abcdefull

static struct pn_dp_control control;
static struct pn_control_guard guard;
static struct pn_fb fb;
static uint64_t now, number;

static int setup(void **state)
{
    (void)state;
    static const char *const peers[] = {"192.0.2.2", "192.0.2.3", "2001:db8::2"};
    memset(&control, 0, sizeof(control));
    memset(&guard, 0, sizeof(guard));
    control.heartbeat_udp_port = PORT;
    for (unsigned i = 0; i < 3; i++) {
        struct pn_dp_control_peer *peer = &control.peers[control.n_peers++];
        assert_int_equal(pn_addr_parse(peers[i], &peer->addr, NULL), 0);
        peer->boot_id = BOOT;
        peer->sender = (uint8_t)(i == 1 ? 2 : 1);
    }
    now = 1000 * HZ;
    return 0;
}

/* Looks like one: the header in clear, then bytes that nobody can tell from a seal without the key. */
static uint32_t datagram(uint8_t *d, uint8_t sender, uint64_t boot)
{
    memset(d, 0, 120);
    memcpy(d, "PN\1\1\1", 5);
    d[5] = sender;
    for (unsigned i = 0; i < 8; i++)
        d[8 + i] = (uint8_t)(boot >> (56 - 8 * i));
    number++;
    for (unsigned i = 0; i < 8; i++)
        d[112 + i] = (uint8_t)(number * 0x9e3779b97f4a7c15ull >> (8 * i));
    return 120;
}

static enum pn_guard_verdict put(const char *src, const void *payload, uint32_t bytes)
{
    struct pn_pkt p;
    pn_fb_ether(&fb, 0);
    pn_fb_ip(&fb, src, strchr(src, ':') ? "2001:db8::1" : "192.0.2.1");
    pn_fb_udp(&fb, PORT, PORT);
    pn_fb_bytes(&fb, payload, bytes);
    pn_fb_done(&fb);
    assert_int_equal(pn_parse(fb.b, fb.n, fb.n, 0, &p), PN_EDGE_FLOW);
    return pn_control_guard(&guard, &control, fb.b, &p, now, HZ);
}

static enum pn_guard_verdict from(const char *src, uint8_t sender, uint64_t boot)
{
    uint8_t d[120];
    uint32_t n = datagram(d, sender, boot);
    return put(src, d, n);
}

/* For a second, rate of them each; how many were taken. */
static unsigned flood(const char *src, uint8_t sender, uint64_t boot, unsigned rate)
{
    unsigned taken = 0;
    for (unsigned i = 0; i < rate; i++) {
        taken += from(src, sender, boot) == PN_GUARD_TAKE;
        now += HZ / rate;
    }
    return taken;
}

static void test_what_is_real_is_taken(void **state)
{
    (void)state;
    assert_int_equal(flood("192.0.2.2", 1, BOOT, 3000), 3000);
    assert_int_equal(flood("192.0.2.3", 2, BOOT, 3000), 3000);
    assert_int_equal(flood("2001:db8::2", 1, BOOT, 3000), 3000);
    assert_int_equal(flood("192.0.2.2", 1, BOOT + 1, 500), 500); /* has just started */
}

static void test_each_has_its_own_share(void **state)
{
    (void)state;
    static const struct {
        const char *src;
        uint8_t sender;
        uint64_t boot;
        unsigned least, most;
    } rows[] = {
        {"192.0.2.77", 1, BOOT, PN_GUARD_STRANGER_RATE, PN_GUARD_STRANGER_RATE + PN_GUARD_BURST},
        {"192.0.2.2", 1, BOOT ^ 1, PN_GUARD_CLAIMED_RATE, PN_GUARD_CLAIMED_RATE + PN_GUARD_BURST},
        {"192.0.2.2", 2, BOOT, PN_GUARD_CLAIMED_RATE, PN_GUARD_CLAIMED_RATE + PN_GUARD_BURST}, /* another's number */
        {"2001:db8::2", 1, 0, PN_GUARD_CLAIMED_RATE, PN_GUARD_CLAIMED_RATE + PN_GUARD_BURST}, /* none is proved */
        {"192.0.2.2", 1, BOOT, PN_GUARD_PEER_RATE, PN_GUARD_PEER_RATE + PN_GUARD_PEER_BURST},
        {"2001:db8::77", 1, BOOT, PN_GUARD_STRANGER_RATE, PN_GUARD_STRANGER_RATE + PN_GUARD_BURST},
    };
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        setup(NULL);
        control.peers[2].boot_id = 0;
        unsigned taken = 0, real = 0, n = 0;
        for (unsigned k = 0; k < 100000; k++) {
            taken += from(rows[i].src, rows[i].sender, rows[i].boot) == PN_GUARD_TAKE;
            if (k % 1000 == 0) { /* heartbeats of the peers go on in the middle of it */
                n += 2;
                real += from("192.0.2.3", 2, BOOT) == PN_GUARD_TAKE;
                real += i == 4 || from("192.0.2.2", 1, BOOT) == PN_GUARD_TAKE; /* 4: nothing tells them apart here */
            }
            now += HZ / 100000;
        }
        assert_in_range(taken, rows[i].least, rows[i].most);
        assert_int_equal(real, n);
    }
}

static void test_repeated(void **state)
{
    (void)state;
    uint8_t d[50][120];
    unsigned repeated = 0;
    for (unsigned i = 0; i < 50; i++)
        assert_int_equal(put("192.0.2.2", d[i], datagram(d[i], 1, BOOT)), PN_GUARD_TAKE);
    for (unsigned i = 0; i < 5000; i++)
        repeated += put("192.0.2.2", d[i % 50], 120) == PN_GUARD_REPEATED;
    assert_true(repeated > 4000); /* some share a place */
    assert_int_equal(from("192.0.2.2", 1, BOOT), PN_GUARD_TAKE);
    /* What only looks like a peer's keeps nothing of a peer's out: it is not remembered. */
    uint8_t next[120];
    datagram(next, 1, BOOT);
    assert_int_equal(put("192.0.2.77", next, 120), PN_GUARD_TAKE);
    assert_int_equal(put("192.0.2.2", next, 120), PN_GUARD_TAKE);
}

static void test_what_is_no_seal_is_not_a_peers(void **state)
{
    (void)state;
    uint8_t d[1500];
    static const struct {
        unsigned at, bytes;
        uint8_t value;
    } rows[] = {{0, 120, 'Q'}, {2, 120, 2}, {3, 120, 3}, {6, 120, 1}, {0, 39, 'P'}, {0, 1401, 'P'}, {0, 0, 0}};
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        unsigned taken = 0;
        setup(NULL);
        for (unsigned k = 0; k < 300; k++) {
            memset(d, 0, sizeof(d));
            datagram(d, 1, BOOT);
            d[rows[i].at] = rows[i].value;
            taken += put("192.0.2.2", d, rows[i].bytes) == PN_GUARD_TAKE;
        }
        assert_int_equal(taken, PN_GUARD_BURST);
        assert_int_equal(from("192.0.2.2", 1, BOOT), PN_GUARD_TAKE);
    }
}

static void test_vrrp_and_no_peers(void **state)
{
    (void)state;
    unsigned taken = 0;
    struct pn_pkt p;
    pn_fb_ether(&fb, 0);
    pn_fb_ip(&fb, "192.0.2.9", "224.0.0.18");
    pn_fb_proto(&fb, 112);
    pn_fb_fill(&fb, 12);
    pn_fb_done(&fb);
    memset(&p, 0, sizeof(p));
    p.ip_proto = 112;
    p.l3_off = 14;
    for (unsigned i = 0; i < 100000; i++, now += HZ / 100000)
        taken += pn_control_guard(&guard, &control, fb.b, &p, now, HZ) == PN_GUARD_TAKE;
    assert_in_range(taken, PN_GUARD_VRRP_RATE, PN_GUARD_VRRP_RATE + PN_GUARD_BURST);
    control.n_peers = 0;
    assert_int_equal(flood("192.0.2.77", 1, BOOT, 5000), 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_what_is_real_is_taken, setup),
        cmocka_unit_test_setup(test_each_has_its_own_share, setup),
        cmocka_unit_test_setup(test_repeated, setup),
        cmocka_unit_test_setup(test_what_is_no_seal_is_not_a_peers, setup),
        cmocka_unit_test_setup(test_vrrp_and_no_peers, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
