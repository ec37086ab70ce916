/* SPDX-License-Identifier: BSD-3-Clause */
/* The parser: what each frame becomes, cut at every byte, and with random ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "common/addr.h"
#include "dataplane/core/parse.h"
#include "tests/unit/parse_broken.h"

#define NONE PN_COUNTER_NONE

typedef void make_fn(struct pn_fb *fb);

/* Both ways through the parser must agree; what is read lies in a block of its exact size. */
static struct pn_pkt parse(const struct pn_fb *fb, uint32_t bytes, unsigned rx)
{
    struct pn_pkt p, q;
    uint8_t *frame = pn_fb_heap(fb, bytes);

    memset(&p, 0xa5, sizeof(p));
    memset(&q, 0x5a, sizeof(q));
    pn_parse(frame, bytes, bytes, rx, &p);
    pn_parse_any(frame, bytes, bytes, rx, &q);
    free(frame);
    assert_memory_equal(&p, &q, offsetof(struct pn_pkt, tx_counter) + 1); /* the rest is padding */
    return p;
}

static const struct row {
    const char *name;
    make_fn *make;
    enum pn_edge edge;
    uint16_t counter;
    uint8_t l3, l4, proto;
    uint16_t vlan;
} rows[] = {
#define R(make, edge, counter, l3, l4, proto, vlan)                                                                    \
    {                                                                                                                  \
#make, make, PN_EDGE_##edge, counter, l3, l4, proto, vlan                                                      \
    }
    R(tcp4, FLOW, NONE, 14, 34, 6, 0),
    R(tcp6, FLOW, NONE, 14, 54, 6, 0),
    R(tcp4_vlan, FLOW, NONE, 18, 38, 6, 42),
    R(tcp6_vlan, FLOW, NONE, 18, 58, 6, 4094),
    R(tcp4_priority_tag, FLOW, NONE, 18, 38, 6, 0),
    R(tcp4_options, FLOW, NONE, 14, 42, 6, 0),
    R(tcp4_data, FLOW, NONE, 14, 34, 6, 0),
    R(tcp4_long_header, FLOW, NONE, 14, 34, 6, 0),
    R(tcp6_all_extensions, FLOW, NONE, 14, 54 + 8 + 16 + 8 + 24 + 8, 6, 0),
    R(tcp6_atomic_fragment, FLOW, NONE, 14, 62, 6, 0),
    R(tcp6_eight_extensions, FLOW, NONE, 14, 118, 6, 0),
    R(udp4, FLOW, NONE, 14, 34, 17, 0),
    R(esp4, FLOW, NONE, 14, 34, 50, 0),
    R(no_next6, FLOW, NONE, 14, 54, 59, 0),
    R(echo4, ICMP, NONE, 14, 34, 1, 0),
    R(echo6, ICMP, NONE, 18, 58, 58, 7),
    R(arp, ARP, NONE, 14, 14, 0, 0),
    R(arp_vlan, ARP, NONE, 18, 18, 0, 9),
    R(ns, NDP, NONE, 14, 54, 58, 0),
    R(dad, NDP, NONE, 14, 54, 58, 0),
    R(na, NDP, NONE, 14, 54, 58, 0),
    R(ns_behind_extension, ICMP, NONE, 14, 62, 58, 0),
    R(fragment4_first, FRAGMENT, NONE, 14, 34, 6, 0),
    R(fragment4_later, FRAGMENT, NONE, 14, 34, 6, 0),
    R(fragment6_first, FRAGMENT, NONE, 14, 54, 6, 0),
    R(flags_rst, FLOW, NONE, 14, 34, 6, 0),
    R(flags_fin_ack, FLOW, NONE, 14, 34, 6, 0),
    R(flags_syn_ecn, FLOW, NONE, 14, 34, 6, 0),
    R(ether_broadcast, FLOW, PN_C_PARSE_ETHER_GROUP, 14, 34, 6, 0),
    R(dhcp, FLOW, PN_C_PARSE_IP_SOURCE, 14, 34, 17, 0),
    R(from_loopback, FLOW, PN_C_PARSE_IP_SOURCE, 14, 34, 6, 0),
    R(from_multicast, FLOW, PN_C_PARSE_IP_SOURCE, 14, 34, 6, 0),
    R(from_broadcast, FLOW, PN_C_PARSE_IP_SOURCE, 14, 34, 6, 0),
    R(from_class_e, FLOW, PN_C_PARSE_IP_SOURCE, 14, 34, 6, 0),
    R(from_this_net, FLOW, PN_C_PARSE_IP_SOURCE, 14, 34, 6, 0),
    R(from_itself, FLOW, PN_C_PARSE_IP_SOURCE, 14, 34, 6, 0),
    R(from_loopback6, FLOW, PN_C_PARSE_IP_SOURCE, 14, 54, 6, 0),
    R(from_unspecified6, FLOW, PN_C_PARSE_IP_SOURCE, 14, 54, 6, 0),
    R(from_multicast6, FLOW, PN_C_PARSE_IP_SOURCE, 14, 54, 6, 0),
    R(from_mapped6, FLOW, PN_C_PARSE_IP_SOURCE, 14, 54, 6, 0),
    R(from_itself6, FLOW, PN_C_PARSE_IP_SOURCE, 14, 54, 6, 0),
    R(to_mapped6, FLOW, PN_C_PARSE_IP_SOURCE, 14, 54, 6, 0),
    R(flags_none, FLOW, PN_C_PARSE_TCP_FLAGS, 14, 34, 6, 0),
    R(flags_psh_only, FLOW, PN_C_PARSE_TCP_FLAGS, 14, 34, 6, 0),
    R(flags_syn_fin, FLOW, PN_C_PARSE_TCP_FLAGS, 14, 34, 6, 0),
    R(flags_syn_rst, FLOW, PN_C_PARSE_TCP_FLAGS, 14, 34, 6, 0),
    R(flags_all, FLOW, PN_C_PARSE_TCP_FLAGS, 14, 34, 6, 0),
    R(source_port_zero, FLOW, PN_C_PARSE_L4_HEADER, 14, 34, 6, 0),
    R(source_port_zero6, FLOW, PN_C_PARSE_L4_HEADER, 14, 54, 6, 0),
    R(tcp_offset_small, FLOW, PN_C_PARSE_L4_HEADER, 14, 34, 6, 0),
    R(tcp_offset_past_end, FLOW, PN_C_PARSE_L4_HEADER, 14, 34, 6, 0),
    R(tcp_offset_past_end6, FLOW, PN_C_PARSE_L4_HEADER, 14, 54, 6, 0),
    R(tcp_cut_by_total, FLOW, PN_C_PARSE_L4_HEADER, 14, 34, 6, 0),
    R(tcp_cut_by_payload6, FLOW, PN_C_PARSE_L4_HEADER, 14, 54, 6, 0),
    R(udp_short, FLOW, PN_C_PARSE_L4_HEADER, 14, 34, 17, 0),
    R(udp_length_past_end, FLOW, PN_C_PARSE_L4_HEADER, 14, 34, 17, 0),
    R(nine_extensions, FLOW, PN_C_PARSE_IP6_EXTENSION, 14, 54, 60, 0),
    R(extensions_past_one_byte, FLOW, PN_C_PARSE_IP6_EXTENSION, 14, 54, 6, 0),
    R(hop_by_hop_late, FLOW, PN_C_PARSE_IP6_EXTENSION, 14, 54, 0, 0),
    R(routing_segments_left, FLOW, PN_C_PARSE_IP6_EXTENSION, 14, 54, 43, 0),
    R(extension_past_end, FLOW, PN_C_PARSE_IP6_EXTENSION, 14, 54, 0, 0),
    R(jumbo6, FLOW, PN_C_PARSE_IP6_EXTENSION, 14, 54, 0, 0),
    R(lldp, HOST, PN_C_PARSE_ETHERTYPE, 14, 14, 0, 0),
    R(stp, HOST, PN_C_PARSE_ETHERTYPE, 14, 14, 0, 0),
    R(two_tags, HOST, PN_C_PARSE_VLAN, 18, 18, 0, 5),
    R(qinq, HOST, PN_C_PARSE_VLAN, 14, 14, 0, 0),
    R(vid_reserved, DROP, PN_C_PARSE_VLAN, 18, 18, 0, 4095),
    R(tag_cut, DROP, PN_C_PARSE_VLAN, 14, 14, 0, 0),
    R(empty, DROP, PN_C_PARSE_TRUNCATED, 14, 14, 0, 0),
    R(ether_cut, DROP, PN_C_PARSE_TRUNCATED, 14, 14, 0, 0),
    R(ip_cut, DROP, PN_C_PARSE_TRUNCATED, 14, 14, 0, 0),
    R(ip6_cut, DROP, PN_C_PARSE_TRUNCATED, 14, 14, 0, 0),
    R(frame_shorter_than_total, DROP, PN_C_PARSE_TRUNCATED, 14, 14, 0, 0),
    R(frame_shorter_than_payload6, DROP, PN_C_PARSE_TRUNCATED, 14, 14, 0, 0),
    R(version_5, DROP, PN_C_PARSE_IP_VERSION, 14, 14, 0, 0),
    R(version_6_in_ipv4, DROP, PN_C_PARSE_IP_VERSION, 14, 14, 0, 0),
    R(version_4_in_ipv6, DROP, PN_C_PARSE_IP_VERSION, 14, 14, 0, 0),
    R(ihl_small, DROP, PN_C_PARSE_IP_HEADER, 14, 14, 0, 0),
    R(ihl_past_frame, DROP, PN_C_PARSE_TRUNCATED, 14, 14, 0, 0),
    R(total_below_header, DROP, PN_C_PARSE_IP_HEADER, 14, 14, 0, 0),
    R(total_zero, DROP, PN_C_PARSE_IP_HEADER, 14, 14, 0, 0),
    R(checksum_wrong, DROP, PN_C_PARSE_IP_CHECKSUM, 14, 14, 0, 0),
    R(checksum_wrong_options, DROP, PN_C_PARSE_IP_CHECKSUM, 14, 14, 0, 0),
#undef R
};
#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

static void test_rows(void **state)
{
    struct pn_fb fb;

    (void)state;
    for (size_t i = 0; i < N_ROWS; i++) {
        const struct row *r = &rows[i];
        r->make(&fb);
        struct pn_pkt p = parse(&fb, fb.n, 0);
        if (p.edge != r->edge || p.counter != r->counter || p.l3_off != r->l3 || p.l4_off != r->l4 ||
            p.ip_proto != r->proto || p.vlan != r->vlan)
            fail_msg("%s: edge %u counter %u (%s) l3 %u l4 %u proto %u vlan %u", r->name, p.edge, p.counter,
                     p.counter < PN_C_COUNT ? pn_counter_info[p.counter].name : "none", p.l3_off, p.l4_off, p.ip_proto,
                     p.vlan);
        assert_int_equal(p.frame_bytes, fb.n);
        assert_int_equal(p.gateway, PN_ID_NONE);
        assert_int_equal(p.vip, PN_ID_NONE);
    }
}

static void check_key(make_fn *make, const char *client, const char *dst, uint8_t flags, bool v6)
{
    struct pn_fb fb;
    struct pn_addr want_client, want_dst;

    make(&fb);
    assert_int_equal(pn_addr_parse(client, &want_client, NULL), 0);
    assert_int_equal(pn_addr_parse(dst, &want_dst, NULL), 0);
    struct pn_pkt p = parse(&fb, fb.n, 0);
    struct pn_addr to = pn_pkt_dst(fb.b, &p);
    assert_int_equal(p.client[0], want_client.q[0]);
    assert_int_equal(p.client[1], want_client.q[1]);
    assert_true(pn_addr_equal(&to, &want_dst));
    assert_int_equal(pn_pkt_client_port(&p), 40000);
    assert_int_equal(p.port_svc & 0xffff, 0);
    assert_int_equal(p.l4_dst, 25);
    assert_int_equal(p.tcp_flags, flags);
    assert_int_equal(p.is_v6, v6);
}

static void test_keys(void **state)
{
    (void)state;
    check_key(tcp4, C4, V4, PN_FB_SYN, false);
    check_key(tcp6, C6, V6, PN_FB_SYN, true);
    check_key(tcp4_vlan, C4, V4, PN_FB_ACK, false);
    check_key(tcp6_vlan, C6, V6, PN_FB_ACK, true);
    check_key(tcp4_options, C4, V4, PN_FB_SYN, false);
    check_key(tcp6_all_extensions, C6, V6, PN_FB_SYN, true);
    check_key(tcp6_atomic_fragment, C6, V6, PN_FB_SYN, true);
}

/* Padding behind the IP packet's end is not taken for ports. */
static void test_padding_is_not_read(void **state)
{
    static make_fn *const make[] = {tcp_cut_by_total, tcp_cut_by_payload6, udp_short};
    struct pn_fb fb;

    (void)state;
    for (size_t i = 0; i < sizeof(make) / sizeof(make[0]); i++) {
        make[i](&fb);
        struct pn_pkt p = parse(&fb, fb.n, 0);
        assert_int_equal(p.l4_dst, 0);
        assert_int_equal(p.port_svc, 0);
    }
}

/* The deferred verdict leaves the destination readable, so that classify can tell whose packet it is. */
static void test_deferred_has_destination(void **state)
{
    struct pn_fb fb;
    struct pn_addr want;

    (void)state;
    assert_int_equal(pn_addr_parse(V6, &want, NULL), 0);
    nine_extensions(&fb);
    struct pn_pkt p = parse(&fb, fb.n, 0);
    struct pn_addr to = pn_pkt_dst(fb.b, &p);
    assert_true(pn_addr_equal(&to, &want));
}

static void test_nic_checksum(void **state)
{
    struct pn_fb fb;

    (void)state;
    checksum_wrong(&fb);
    assert_int_equal(parse(&fb, fb.n, PN_RX_IP_CSUM_GOOD).counter, NONE);
    checksum_wrong_options(&fb);
    assert_int_equal(parse(&fb, fb.n, PN_RX_IP_CSUM_GOOD).counter, NONE);
}

/* Every frame cut at every byte: no read past the end (heap blocks), and never more than the whole frame gave. */
static void test_cut_everywhere(void **state)
{
    struct pn_fb fb;

    (void)state;
    for (size_t i = 0; i < N_ROWS; i++) {
        rows[i].make(&fb);
        for (uint32_t n = 0; n < fb.n && n < 200; n++) {
            struct pn_pkt p = parse(&fb, n, 0);
            if (n < 14)
                assert_int_equal(p.counter, PN_C_PARSE_TRUNCATED);
            if (p.edge == PN_EDGE_FLOW && p.ip_proto == PN_IP_TCP && p.counter == NONE)
                assert_true(n >= p.l4_off + 20u);
        }
    }
}

/* The same, but the frame goes on in a second segment that cannot be read here. */
static void test_contiguous_part(void **state)
{
    struct pn_fb fb;
    struct pn_pkt p;

    (void)state;
    for (size_t i = 0; i < N_ROWS; i++) {
        rows[i].make(&fb);
        for (uint32_t n = 0; n < fb.n && n < 200; n++) {
            uint8_t *frame = pn_fb_heap(&fb, n);
            pn_parse(frame, n, fb.n, 0, &p);
            free(frame);
            assert_int_equal(p.frame_bytes, fb.n);
            if (p.edge == PN_EDGE_FLOW && p.ip_proto == PN_IP_TCP && p.counter == NONE)
                assert_true(n >= p.l4_off + 20u);
        }
    }
    tcp4_data(&fb); /* headers here, data there: all that is needed */
    uint8_t *frame = pn_fb_heap(&fb, 54);
    pn_parse(frame, 54, fb.n, 0, &p);
    free(frame);
    assert_int_equal(p.edge, PN_EDGE_FLOW);
    assert_int_equal(p.counter, NONE);
}

static void test_big_frame(void **state)
{
    struct pn_fb fb;
    struct pn_pkt p;

    (void)state;
    tcp4(&fb);
    pn_parse(fb.b, fb.n, 70000, 0, &p);
    assert_int_equal(p.edge, PN_EDGE_FLOW);
    assert_int_equal(p.frame_bytes, 65535);
}

/* Any bytes: the two ways agree, and no edge but DROP, HOST and ARP comes without an address that can be read. */
static void test_random_bytes_agree(void **state)
{
    struct pn_fb fb;

    (void)state;
    srandom(3);
    for (int round = 0; round < 20000; round++) {
        rows[(size_t)random() % N_ROWS].make(&fb);
        for (int k = (int)(random() % 4); k >= 0; k--)
            if (fb.n)
                fb.b[(uint32_t)random() % (fb.n < 80 ? fb.n : 80)] = (uint8_t)random();
        uint32_t n = fb.n ? (uint32_t)random() % 8 ? fb.n : (uint32_t)random() % fb.n : 0;
        struct pn_pkt p = parse(&fb, n, random() & 1);
        if (p.edge != PN_EDGE_DROP && p.edge != PN_EDGE_HOST && p.edge != PN_EDGE_ARP)
            assert_true(n >= p.l3_off + (p.is_v6 ? 40u : 20u));
        assert_true(p.edge != PN_EDGE_DROP || p.counter != NONE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_padding_is_not_read),
        cmocka_unit_test(test_deferred_has_destination),
        cmocka_unit_test(test_nic_checksum),
        cmocka_unit_test(test_cut_everywhere),
        cmocka_unit_test(test_contiguous_part),
        cmocka_unit_test(test_big_frame),
        cmocka_unit_test(test_random_bytes_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
