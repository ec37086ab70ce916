/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dataplane/core/parse.h"
#include "dataplane/core/rewrite.h"
#include "tests/packets/frames.h"

static const struct pn_mac gateway = {{0x02, 0x11, 0x22, 0x33, 0x44, 0x67}},
                           port = {{0x02, 0xaa, 0xbb, 0xcc, 0xdd, 0x01}};

static void test_u48(void **state)
{
    (void)state;
    struct pn_mac back = pn_mac_from_u48(pn_mac_u48(&gateway) | 3ull << 62);
    assert_memory_equal(&back, &gateway, 6);
    assert_int_equal(pn_mac_u48(&gateway) >> 48, 0);
}

static void test_macs(void **state)
{
    struct pn_fb fb, want;

    (void)state;
    pn_fb_make_tcp(&fb, "198.51.100.7", "203.0.113.25", 40000, 25, PN_FB_SYN, 0);
    want = fb;
    memcpy(want.b, gateway.b, 6);
    memcpy(want.b + 6, port.b, 6);
    pn_rewrite_macs(fb.b, pn_mac_u48(&gateway) | 3ull << 62, pn_mac_u48(&port)); /* published bits do no harm */
    assert_memory_equal(fb.b, want.b, want.n);
}

/* Frame with tag `from` (-1: none) leaves on vlan `to`; compared with the frame built for it. */
static void check_vlan(int from, uint16_t to, int shift, uint16_t want_tci)
{
    struct pn_fb in, want;
    struct pn_pkt p, again;
    uint8_t room[2048] = {0};

    pn_fb_make_tcp(&in, "198.51.100.7", "203.0.113.25", 40000, 25, PN_FB_SYN, from > 0 ? (uint16_t)from : from == 0);
    if (from == 0)
        in.b[15] = 0;
    memset(in.b + 6, 0xee, 6); /* the old source address leaves nothing behind in a new tag */
    pn_parse(in.b, in.n, in.n, 0, &p);
    assert_int_equal(p.edge, PN_EDGE_FLOW);
    memcpy(room + 8, in.b, in.n);
    assert_int_equal(pn_rewrite_shift(&p, to), shift);
    uint8_t *frame = room + 8 - shift;
    uint32_t n = (uint32_t)((int)in.n + shift);
    pn_rewrite_l2(frame, &p, shift, to, pn_mac_u48(&gateway), pn_mac_u48(&port));

    pn_fb_ether_to(&want, &gateway, &port, to);
    if (to) {
        want.b[14] = (uint8_t)(want_tci >> 8);
        want.b[15] = (uint8_t)want_tci;
    }
    pn_fb_ip(&want, "198.51.100.7", "203.0.113.25");
    pn_fb_tcp(&want, 40000, 25, PN_FB_SYN);
    pn_fb_done_unpadded(&want);
    assert_memory_equal(frame, want.b, want.n);
    pn_parse(frame, n, n, 0, &again); /* what p says now is what a parser finds */
    assert_int_equal(again.l3_off, p.l3_off);
    assert_int_equal(again.l4_off, p.l4_off);
    assert_int_equal(again.vlan, p.vlan);
    assert_int_equal(again.frame_bytes, p.frame_bytes);
    assert_int_equal(again.edge, PN_EDGE_FLOW);
}

static void test_vlan(void **state)
{
    (void)state;
    check_vlan(-1, 0, 0, 0);
    check_vlan(-1, 42, 4, 42);
    check_vlan(42, 0, -4, 0);
    check_vlan(42, 42, 0, 42);
    check_vlan(42, 7, 0, 7);
    check_vlan(42 | 0xa000, 7, 0, 7 | 0xa000); /* priority stays */
    check_vlan(0, 0, -4, 0); /* a priority tag is no VLAN: the gateway's side is untagged */
    check_vlan(0, 7, 0, 7);
}

/* The longest chain that parse lets through keeps its offsets when a tag goes in. */
static void test_long_chain(void **state)
{
    struct pn_fb fb;
    struct pn_pkt p;
    unsigned accepted = 0;

    (void)state;
    for (uint8_t units = 0; units < 30; units++) {
        pn_fb_ether(&fb, 0);
        pn_fb_ip(&fb, "2001:db8:c::7", "2001:db8:25::25");
        pn_fb_ext(&fb, 60, units);
        pn_fb_tcp(&fb, 40000, 25, PN_FB_SYN);
        pn_fb_done(&fb);
        pn_parse(fb.b, fb.n, fb.n, 0, &p);
        if (p.counter != PN_COUNTER_NONE)
            continue;
        uint32_t l4_off = p.l4_off;
        uint8_t room[2048];
        memcpy(room + 4, fb.b, fb.n);
        pn_rewrite_l2(room, &p, 4, 9, 1, 2);
        assert_int_equal(p.l4_off, l4_off + 4);
        accepted++;
    }
    assert_int_equal(accepted, 24);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_u48),
        cmocka_unit_test(test_macs),
        cmocka_unit_test(test_vlan),
        cmocka_unit_test(test_long_chain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
