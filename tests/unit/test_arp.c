/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "dataplane/core/arp.h"
#include "dataplane/core/parse.h"
#include "tests/packets/frames.h"

#define CLIENT "203.0.113.1"
#define VIP "203.0.113.25"

static const struct pn_mac vip_mac = {{0x00, 0x00, 0x5e, 0x00, 0x01, 0x19}};

static bool parse(const struct pn_fb *fb, uint32_t bytes, struct pn_arp *arp)
{
    struct pn_pkt p;
    uint8_t *frame = pn_fb_heap(fb, bytes);
    bool ok = false;

    if (pn_parse(frame, bytes, bytes, 0, &p) == PN_EDGE_ARP)
        ok = pn_arp_parse(frame, bytes, &p, arp);
    free(frame);
    return ok;
}

static uint32_t be(const char *text)
{
    struct pn_fb fb;
    uint32_t v;

    pn_fb_make_arp(&fb, 1, &pn_fb_client_mac, text, NULL, text, 0);
    memcpy(&v, fb.b + 28, 4);
    return v;
}

static void test_request(void **state)
{
    static const uint16_t vlans[] = {0, 42};
    struct pn_fb fb;
    struct pn_arp arp;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        pn_fb_make_arp(&fb, 1, &pn_fb_client_mac, CLIENT, NULL, VIP, vlans[i]);
        assert_true(parse(&fb, fb.n, &arp));
        assert_int_equal(arp.op, PN_ARP_REQUEST);
        assert_int_equal(arp.sender_be, be(CLIENT));
        assert_int_equal(arp.target_be, be(VIP));
        assert_memory_equal(&arp.sender_mac, &pn_fb_client_mac, 6);
        assert_false(arp.announcement);
    }
}

/* The reply equals the one built from scratch, byte for byte (RFC 826: swap, fill in, op 2). */
static void reply_equals(const char *sender, uint16_t vlan)
{
    struct pn_fb fb, want;
    struct pn_pkt p;
    struct pn_arp arp;

    pn_fb_make_arp(&fb, 1, &pn_fb_client_mac, sender, NULL, VIP, vlan);
    assert_int_equal(pn_parse(fb.b, fb.n, fb.n, 0, &p), PN_EDGE_ARP);
    assert_true(pn_arp_parse(fb.b, fb.n, &p, &arp));
    pn_arp_reply(fb.b, &p, &arp, &vip_mac);
    pn_fb_make_arp(&want, 2, &vip_mac, VIP, &pn_fb_client_mac, sender, vlan);
    memcpy(want.b, pn_fb_client_mac.b, 6);
    assert_int_equal(fb.n, want.n);
    assert_memory_equal(fb.b, want.b, fb.n);
}

static void test_reply(void **state)
{
    (void)state;
    reply_equals(CLIENT, 0);
    reply_equals(CLIENT, 42);
    reply_equals("0.0.0.0", 0); /* a probe (RFC 5227) must learn that the address is taken */
}

static void test_kinds(void **state)
{
    struct pn_fb fb;
    struct pn_arp arp;

    (void)state;
    pn_fb_make_arp(&fb, 1, &pn_fb_client_mac, VIP, NULL, VIP, 0);
    assert_true(parse(&fb, fb.n, &arp));
    assert_true(arp.announcement);
    pn_fb_make_arp(&fb, 2, &pn_fb_client_mac, VIP, &pn_fb_node_mac, VIP, 0);
    assert_true(parse(&fb, fb.n, &arp));
    assert_true(arp.announcement);
    assert_int_equal(arp.op, PN_ARP_REPLY);
    pn_fb_make_arp(&fb, 1, &pn_fb_client_mac, "0.0.0.0", NULL, "0.0.0.0", 0);
    assert_true(parse(&fb, fb.n, &arp));
    assert_false(arp.announcement);
}

static void test_malformed(void **state)
{
    static const struct {
        const char *why;
        uint32_t at;
        uint8_t value;
    } rows[] = {
        {"hardware type", 15, 6},      {"protocol type", 16, 0x86},   {"hardware length", 18, 8},
        {"protocol length", 19, 16},   {"operation 0", 21, 0},        {"operation 3", 21, 3},
        {"operation 256+1", 20, 1},    {"sender MAC group", 22, 1},   {"sender 127/8", 28, 127},
        {"sender multicast", 28, 224}, {"sender broadcast", 28, 255}, {"sender 0/8", 28, 0},
    };
    struct pn_fb fb;
    struct pn_arp arp;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        pn_fb_make_arp(&fb, 1, &pn_fb_client_mac, CLIENT, NULL, VIP, 0);
        assert_true(parse(&fb, fb.n, &arp));
        fb.b[rows[i].at] = rows[i].value;
        if (parse(&fb, fb.n, &arp))
            fail_msg("%s accepted", rows[i].why);
    }
    static const struct pn_mac zero;
    pn_fb_make_arp(&fb, 1, &zero, CLIENT, NULL, VIP, 0);
    assert_false(parse(&fb, fb.n, &arp));
    pn_fb_make_arp(&fb, 2, &pn_fb_client_mac, "0.0.0.0", &pn_fb_node_mac, VIP, 0);
    assert_false(parse(&fb, fb.n, &arp)); /* nobody is at 0.0.0.0 */
}

static void test_cut(void **state)
{
    static const uint16_t vlans[] = {0, 42};
    struct pn_fb fb;
    struct pn_arp arp;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        pn_fb_make_arp(&fb, 1, &pn_fb_client_mac, CLIENT, NULL, VIP, vlans[i]);
        uint32_t need = 14 + (vlans[i] ? 4 : 0) + PN_ARP_BYTES;
        for (uint32_t n = 0; n <= fb.n; n++)
            assert_int_equal(parse(&fb, n, &arp), n >= need);
    }
}

static void test_build(void **state)
{
    static const struct pn_mac gateway = {{0x02, 0, 0, 0, 0, 0x67}}, all = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
    uint8_t buf[PN_ARP_FRAME_MAX];
    struct pn_fb want;

    (void)state;
    uint32_t n = pn_arp_build_request(buf, sizeof(buf), &pn_fb_node_mac, NULL, 0, 0, be(CLIENT));
    pn_fb_make_arp(&want, 1, &pn_fb_node_mac, "0.0.0.0", NULL, CLIENT, 0);
    assert_int_equal(n, 60);
    assert_memory_equal(buf, want.b, 60);

    n = pn_arp_build_request(buf, sizeof(buf), &pn_fb_node_mac, &gateway, 7, be(VIP), be(CLIENT));
    pn_fb_make_arp(&want, 1, &pn_fb_node_mac, VIP, NULL, CLIENT, 7);
    memcpy(want.b, gateway.b, 6);
    assert_int_equal(n, 64);
    assert_memory_equal(buf, want.b, want.n);
    assert_int_equal(pn_arp_build_request(buf, 63, &pn_fb_node_mac, NULL, 7, 0, be(VIP)), 0);

    n = pn_arp_build_announcement(buf, sizeof(buf), &vip_mac, 0, be(VIP), PN_ARP_REQUEST);
    pn_fb_make_arp(&want, 1, &vip_mac, VIP, NULL, VIP, 0);
    assert_int_equal(n, 60);
    assert_memory_equal(buf, want.b, 60);

    n = pn_arp_build_announcement(buf, sizeof(buf), &vip_mac, 0, be(VIP), PN_ARP_REPLY);
    pn_fb_make_arp(&want, 2, &vip_mac, VIP, &all, VIP, 0);
    memcpy(want.b, all.b, 6);
    assert_int_equal(n, 60);
    assert_memory_equal(buf, want.b, 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request),   cmocka_unit_test(test_reply), cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_malformed), cmocka_unit_test(test_cut),   cmocka_unit_test(test_build),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
