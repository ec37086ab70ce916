/* SPDX-License-Identifier: BSD-3-Clause */
/* Which packets are the control plane's, and the frames its own leave in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/addr.h"
#include "dataplane/core/control.h"
#include "dataplane/core/parse.h"
#include "tests/packets/frames.h"

#define PORT 24625

static struct pn_dp_control control;
static struct pn_fb fb;

static int setup(void **state)
{
    (void)state;
    static const char *const addrs[] = {"192.0.2.1", "239.255.25.25", "2001:db8::1", "ff02::2525"};
    memset(&control, 0, sizeof(control));
    control.heartbeat_udp_port = PORT;
    control.vrrp = 1;
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(pn_addr_parse(addrs[i], &control.addrs[control.n_addrs++], NULL), 0);
    return 0;
}

static void heartbeat(const char *src, const char *dst, uint16_t port, uint16_t vlan)
{
    static const uint8_t payload[100] = {1};
    pn_fb_ether(&fb, vlan);
    pn_fb_ip(&fb, src, dst);
    pn_fb_udp(&fb, 5000, port);
    pn_fb_bytes(&fb, payload, sizeof(payload));
    fb.b[fb.l3 + (fb.v6 ? 7 : 8)] = 255;
    pn_fb_done(&fb);
}

static enum pn_control_verdict verdict(void)
{
    struct pn_pkt p;
    enum pn_edge edge = pn_parse(fb.b, fb.n, fb.n, 0, &p);
    return edge == PN_EDGE_FLOW ? pn_control_check(&control, fb.b, &p) : PN_CONTROL_OTHER;
}

static void test_heartbeats(void **state)
{
    (void)state;
    heartbeat("192.0.2.2", "192.0.2.1", PORT, 0);
    assert_int_equal(verdict(), PN_CONTROL_TAKE);
    heartbeat("192.0.2.2", "192.0.2.1", PORT, 100);
    assert_int_equal(verdict(), PN_CONTROL_TAKE);
    heartbeat("2001:db8::2", "2001:db8::1", PORT, 0);
    assert_int_equal(verdict(), PN_CONTROL_TAKE);
    heartbeat("192.0.2.2", "192.0.2.1", PORT + 1, 0);
    assert_int_equal(verdict(), PN_CONTROL_OTHER);
    heartbeat("192.0.2.2", "192.0.2.3", PORT, 0);
    assert_int_equal(verdict(), PN_CONTROL_OTHER);
    control.heartbeat_udp_port = 0;
    heartbeat("192.0.2.2", "192.0.2.1", 0, 0);
    assert_int_equal(verdict(), PN_CONTROL_OTHER);
}

/* To a group in a multicast frame, which for an address of one station would be wrong. */
static void test_groups(void **state)
{
    (void)state;
    static const uint8_t group4[6] = {1, 0, 0x5e, 0x7f, 0x19, 0x19}, group6[6] = {0x33, 0x33, 0, 0, 0x25, 0x25};
    heartbeat("192.0.2.2", "239.255.25.25", PORT, 0);
    memcpy(fb.b, group4, 6);
    assert_int_equal(verdict(), PN_CONTROL_TAKE);
    heartbeat("2001:db8::2", "ff02::2525", PORT, 0);
    memcpy(fb.b, group6, 6);
    assert_int_equal(verdict(), PN_CONTROL_TAKE);
    heartbeat("192.0.2.2", "192.0.2.1", PORT, 0);
    memcpy(fb.b, group4, 6);
    assert_int_equal(verdict(), PN_CONTROL_MALFORMED);
}

static void test_malformed(void **state)
{
    (void)state;
    static const char *const src[2] = {"192.0.2.2", "2001:db8::2"}, *const dst[2] = {"192.0.2.1", "2001:db8::1"};
    for (unsigned v = 0; v < 2; v++) {
        for (unsigned ttl = 0; ttl < 256; ttl++) {
            heartbeat(src[v], dst[v], PORT, 0);
            fb.b[fb.l3 + (v ? 7 : 8)] = (uint8_t)ttl;
            pn_fb_fix(&fb);
            assert_int_equal(verdict(), ttl == 255 ? PN_CONTROL_TAKE : PN_CONTROL_MALFORMED);
        }
        heartbeat(src[v], dst[v], PORT, 0);
        fb.b[fb.l4 + 5]++; /* UDP length beyond the packet's */
        assert_int_equal(verdict(), PN_CONTROL_MALFORMED);
    }
    heartbeat("127.0.0.1", "192.0.2.1", PORT, 0);
    assert_int_equal(verdict(), PN_CONTROL_MALFORMED);
}

static void vrrp(const char *src, const char *dst, uint8_t ttl)
{
    static const uint8_t advert[12] = {0x31, 1, 100, 1};
    pn_fb_ether(&fb, 0);
    pn_fb_ip(&fb, src, dst);
    pn_fb_proto(&fb, PN_IP_VRRP);
    pn_fb_bytes(&fb, advert, sizeof(advert));
    fb.b[fb.l3 + (fb.v6 ? 7 : 8)] = ttl;
    pn_fb_done(&fb);
}

static void test_vrrp(void **state)
{
    (void)state;
    vrrp("192.0.2.2", "224.0.0.18", 255);
    assert_int_equal(verdict(), PN_CONTROL_TAKE);
    vrrp("192.0.2.2", "224.0.0.18", 254);
    assert_int_equal(verdict(), PN_CONTROL_MALFORMED);
    vrrp("192.0.2.2", "224.0.0.19", 255);
    assert_int_equal(verdict(), PN_CONTROL_OTHER);
    vrrp("fe80::2", "ff02::12", 255);
    assert_int_equal(verdict(), PN_CONTROL_TAKE);
    vrrp("fe80::2", "ff02::13", 255);
    assert_int_equal(verdict(), PN_CONTROL_OTHER);
    control.vrrp = 0;
    vrrp("192.0.2.2", "224.0.0.18", 255);
    assert_int_equal(verdict(), PN_CONTROL_OTHER);
}

static void test_packet(void **state)
{
    (void)state;
    struct pn_addr dst;
    struct pn_error err;
    heartbeat("192.0.2.2", "192.0.2.1", PORT, 0);
    uint8_t *l3 = fb.b + fb.l3;
    uint32_t n = fb.n - fb.l3;
    assert_int_equal(pn_control_packet(l3, n, &dst, &err), 0);
    assert_true(pn_addr_equal(&dst, &control.addrs[0]));
    assert_int_equal(pn_control_packet(l3, n - 1, &dst, &err), -1);
    assert_int_equal(pn_control_packet(l3, 19, &dst, &err), -1);
    l3[6] = 0x20; /* more fragments */
    assert_int_equal(pn_control_packet(l3, n, &dst, &err), -1);
    l3[6] = 0x40; /* don't fragment */
    assert_int_equal(pn_control_packet(l3, n, &dst, &err), 0);
    l3[0] = 0x44;
    assert_int_equal(pn_control_packet(l3, n, &dst, &err), -1);
    l3[0] = 0x55;
    assert_int_equal(pn_control_packet(l3, n, &dst, &err), -1);
    heartbeat("2001:db8::2", "2001:db8::1", PORT, 0);
    l3 = fb.b + fb.l3;
    n = fb.n - fb.l3;
    assert_int_equal(pn_control_packet(l3, n, &dst, &err), 0);
    assert_true(pn_addr_equal(&dst, &control.addrs[2]));
    assert_int_equal(pn_control_packet(l3, n - 1, &dst, &err), -1);
    assert_int_equal(pn_control_packet(l3, 39, &dst, &err), -1);
}

static void test_group_mac(void **state)
{
    (void)state;
    static const struct pn_mac mac4 = {{1, 0, 0x5e, 0x7f, 0x19, 0x19}}, mac6 = {{0x33, 0x33, 0, 0, 0x25, 0x25}};
    struct pn_mac mac;
    assert_false(pn_control_group_mac(&control.addrs[0], &mac));
    assert_true(pn_control_group_mac(&control.addrs[1], &mac));
    assert_memory_equal(&mac, &mac4, sizeof(mac));
    assert_false(pn_control_group_mac(&control.addrs[2], &mac));
    assert_true(pn_control_group_mac(&control.addrs[3], &mac));
    assert_memory_equal(&mac, &mac6, sizeof(mac));
}

static void test_frame(void **state)
{
    (void)state;
    uint8_t out[PN_CONTROL_FRAME_MAX];
    uint8_t tiny[24] = {0x45, [3] = 24};
    heartbeat("192.0.2.2", "192.0.2.1", PORT, 7);
    assert_int_equal(
        pn_control_frame(out, sizeof(out), &pn_fb_node_mac, &pn_fb_client_mac, 7, fb.b + fb.l3, fb.n - fb.l3), fb.n);
    assert_memory_equal(out, fb.b, fb.n);
    heartbeat("2001:db8::2", "2001:db8::1", PORT, 0);
    assert_int_equal(
        pn_control_frame(out, sizeof(out), &pn_fb_node_mac, &pn_fb_client_mac, 0, fb.b + fb.l3, fb.n - fb.l3), fb.n);
    assert_memory_equal(out, fb.b, fb.n);
    memset(out, 0xaa, sizeof(out));
    assert_int_equal(pn_control_frame(out, sizeof(out), &pn_fb_node_mac, &pn_fb_client_mac, 0, tiny, sizeof(tiny)), 60);
    for (unsigned i = 14 + sizeof(tiny); i < 60; i++)
        assert_int_equal(out[i], 0); /* nothing of us in the padding */
    assert_int_equal(pn_control_frame(out, 59, &pn_fb_node_mac, &pn_fb_client_mac, 0, tiny, sizeof(tiny)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_heartbeats, setup), cmocka_unit_test_setup(test_groups, setup),
        cmocka_unit_test_setup(test_malformed, setup),  cmocka_unit_test_setup(test_vrrp, setup),
        cmocka_unit_test_setup(test_packet, setup),     cmocka_unit_test_setup(test_group_mac, setup),
        cmocka_unit_test_setup(test_frame, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
