/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "common/addr.h"
#include "dataplane/core/icmp.h"
#include "dataplane/core/parse.h"
#include "tests/packets/frames.h"

#define C4 "198.51.100.7"
#define V4 "203.0.113.25"
#define R4 "192.0.2.254"
#define C6 "2001:db8:c::7"
#define V6 "2001:db8:25::25"
#define R6 "2001:db8:ff::1"

static const struct pn_mac vip_mac = {{0x00, 0x00, 0x5e, 0x00, 0x01, 0x19}};

/* -1: no ICMP edge. */
static int parse(const struct pn_fb *fb, uint32_t contiguous, uint32_t bytes, struct pn_icmp_quote *quote)
{
    struct pn_pkt p;
    uint8_t *frame = pn_fb_heap(fb, contiguous);
    int kind = -1;

    if (pn_parse(frame, contiguous, bytes, 0, &p) == PN_EDGE_ICMP)
        kind = (int)pn_icmp_parse(frame, contiguous, &p, quote);
    free(frame);
    return kind;
}

static void reply_equals(const char *src, const char *dst, uint32_t data_bytes, uint16_t vlan)
{
    struct pn_fb fb, want;
    struct pn_icmp_quote quote;
    struct pn_pkt p;

    pn_fb_make_echo(&fb, src, dst, data_bytes, vlan);
    fb.b[fb.l3 + (fb.v6 ? 7 : 8)] = 3;
    pn_fb_fix(&fb);
    assert_int_equal(parse(&fb, fb.n, fb.n, &quote), PN_ICMP_ECHO);
    pn_parse(fb.b, fb.n, fb.n, 0, &p);
    pn_icmp_reply(fb.b, &p, &vip_mac);
    pn_fb_make_echo(&want, dst, src, data_bytes, vlan);
    want.b[want.l4] = want.v6 ? 129 : 0;
    pn_fb_fix(&want);
    memcpy(want.b, pn_fb_client_mac.b, 6);
    memcpy(want.b + 6, vip_mac.b, 6);
    assert_int_equal(fb.n, want.n);
    assert_memory_equal(fb.b, want.b, want.n);
}

static void test_echo(void **state)
{
    (void)state;
    for (uint32_t n = 0; n < 70; n++) {
        reply_equals(C4, V4, n, 0);
        reply_equals(C6, V6, n, 0);
    }
    reply_equals(C4, V4, 1472, 42);
    reply_equals(C6, V6, 1452, 42);
    reply_equals(C4, V4, 8900, 0);
}

/* Nothing but zeros beside the type: the incremental checksum must not end as 0 (RFC 1624, 3). */
static void test_echo_of_zeros(void **state)
{
    struct pn_fb fb;
    struct pn_icmp_quote quote;
    struct pn_pkt p;

    (void)state;
    pn_fb_ether(&fb, 0);
    pn_fb_ip(&fb, C4, V4);
    pn_fb_icmp(&fb, 8, 0, 0);
    pn_fb_done(&fb);
    pn_parse(fb.b, fb.n, fb.n, 0, &p);
    assert_int_equal(pn_icmp_parse(fb.b, fb.n, &p, &quote), PN_ICMP_ECHO);
    pn_icmp_reply(fb.b, &p, &vip_mac);
    assert_int_equal(pn_load16(fb.b + fb.l4 + 2), 0xffff);
}

/* Data in another segment: answered all the same, with the asker's checksum carried over. */
static void test_echo_in_segments(void **state)
{
    struct pn_fb fb;
    struct pn_icmp_quote quote;

    (void)state;
    pn_fb_make_echo(&fb, C4, V4, 4000, 0);
    assert_int_equal(parse(&fb, 2048, fb.n, &quote), PN_ICMP_ECHO);
    assert_int_equal(parse(&fb, 41, fb.n, &quote), PN_ICMP_MALFORMED);
}

static void test_echo_refused(void **state)
{
    struct pn_fb fb;
    struct pn_icmp_quote quote;

    (void)state;
    pn_fb_make_echo(&fb, C4, V4, 56, 0);
    fb.b[fb.l4 + 20] ^= 0x10;
    assert_int_equal(parse(&fb, fb.n, fb.n, &quote), PN_ICMP_MALFORMED);
    pn_fb_make_echo(&fb, C6, V6, 56, 0);
    fb.b[fb.l4 + 20] ^= 0x10;
    assert_int_equal(parse(&fb, fb.n, fb.n, &quote), PN_ICMP_MALFORMED);

    pn_fb_ether(&fb, 0); /* record route: the reply would have to carry it on */
    pn_fb_ip_options(&fb, C4, V4, "\x07\x07\x04\x00\x00\x00\x00\x00", 8);
    pn_fb_icmp(&fb, 8, 0, 1);
    pn_fb_done(&fb);
    assert_int_equal(parse(&fb, fb.n, fb.n, &quote), PN_ICMP_OTHER);

    pn_fb_ether(&fb, 0);
    pn_fb_ip(&fb, C6, V6);
    pn_fb_ext(&fb, 60, 0);
    pn_fb_icmp(&fb, 128, 0, 1);
    pn_fb_done(&fb);
    assert_int_equal(parse(&fb, fb.n, fb.n, &quote), PN_ICMP_OTHER);

    pn_fb_ether(&fb, 0); /* seven bytes are no ICMP header */
    pn_fb_ip(&fb, C4, V4);
    pn_fb_proto(&fb, 1);
    pn_fb_fill(&fb, 7);
    pn_fb_done(&fb);
    assert_int_equal(parse(&fb, fb.n, fb.n, &quote), PN_ICMP_MALFORMED);
}

/* What the gateway sent to the client from the VIP: this is what routers quote. */
static void answer4(struct pn_fb *fb)
{
    pn_fb_ether(fb, 0);
    pn_fb_ip(fb, V4, C4);
    pn_fb_tcp(fb, 25, 40000, PN_FB_ACK);
    pn_fb_fill(fb, 1400);
    pn_fb_done(fb);
}

static void answer6(struct pn_fb *fb)
{
    pn_fb_ether(fb, 0);
    pn_fb_ip(fb, V6, C6);
    pn_fb_tcp(fb, 25, 40000, PN_FB_ACK);
    pn_fb_fill(fb, 1400);
    pn_fb_done(fb);
}

static void test_error_types(void **state)
{
    static const struct {
        bool v6;
        uint8_t type, code;
        int want;
    } rows[] = {
        {false, 3, 0, PN_ICMP_ERROR},  {false, 3, 1, PN_ICMP_ERROR},  {false, 3, 3, PN_ICMP_ERROR},
        {false, 3, 4, PN_ICMP_ERROR},  {false, 3, 13, PN_ICMP_ERROR}, {false, 11, 0, PN_ICMP_ERROR},
        {false, 11, 1, PN_ICMP_ERROR}, {false, 12, 0, PN_ICMP_ERROR}, {false, 4, 0, PN_ICMP_OTHER},
        {false, 5, 1, PN_ICMP_OTHER},  {false, 0, 0, PN_ICMP_OTHER},  {false, 13, 0, PN_ICMP_OTHER},
        {false, 2, 0, PN_ICMP_OTHER},  {true, 1, 0, PN_ICMP_ERROR},   {true, 1, 4, PN_ICMP_ERROR},
        {true, 2, 0, PN_ICMP_ERROR},   {true, 3, 0, PN_ICMP_ERROR},   {true, 4, 1, PN_ICMP_ERROR},
        {true, 0, 0, PN_ICMP_OTHER},   {true, 5, 0, PN_ICMP_OTHER},   {true, 129, 0, PN_ICMP_OTHER},
        {true, 137, 0, PN_ICMP_OTHER}, {true, 8, 0, PN_ICMP_OTHER},   {true, 11, 0, PN_ICMP_OTHER},
    };
    struct pn_fb sent, fb;
    struct pn_icmp_quote quote;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        bool v6 = rows[i].v6;
        v6 ? answer6(&sent) : answer4(&sent);
        pn_fb_make_icmp_error(&fb, v6 ? R6 : R4, v6 ? V6 : V4, rows[i].type, rows[i].code, 1280, &sent, v6 ? 1000 : 28);
        int kind = parse(&fb, fb.n, fb.n, &quote);
        if (kind != rows[i].want)
            fail_msg("v6 %d type %u code %u: %d", v6, rows[i].type, rows[i].code, kind);
        if (kind != PN_ICMP_ERROR)
            continue;
        struct pn_addr client;
        assert_int_equal(pn_addr_parse(v6 ? C6 : C4, &client, NULL), 0);
        assert_true(pn_addr_equal(&quote.client, &client));
        assert_int_equal(quote.client_port, 40000);
        assert_int_equal(quote.service_port, 25);
        assert_int_equal(quote.ip_proto, 6);
    }
}

static void sent_by_other(struct pn_fb *sent)
{
    pn_fb_make_tcp(sent, "203.0.113.26", C4, 25, 40000, PN_FB_ACK, 0);
}
static void sent_udp(struct pn_fb *sent)
{
    pn_fb_ether(sent, 0);
    pn_fb_ip(sent, V4, C4);
    pn_fb_udp(sent, 25, 40000);
    pn_fb_fill(sent, 20);
    pn_fb_done(sent);
}
static void sent_later_fragment(struct pn_fb *sent)
{
    struct pn_fb whole, first;
    answer4(&whole);
    pn_fb_split(&whole, 1, 800, &first, sent);
}
static void sent_first_fragment(struct pn_fb *sent)
{
    struct pn_fb whole, second;
    answer4(&whole);
    pn_fb_split(&whole, 1, 800, sent, &second);
}
static void sent_to_multicast(struct pn_fb *sent)
{
    pn_fb_make_tcp(sent, V4, "224.0.0.1", 25, 40000, PN_FB_ACK, 0);
}
static void sent_to_port_zero(struct pn_fb *sent)
{
    pn_fb_make_tcp(sent, V4, C4, 25, 0, PN_FB_ACK, 0);
}
static void sent_version(struct pn_fb *sent)
{
    answer4(sent);
    sent->b[14] = 0x65;
}
static void sent_ihl(struct pn_fb *sent)
{
    answer4(sent);
    sent->b[14] = 0x44;
}
static void sent_ihl_past(struct pn_fb *sent)
{
    answer4(sent);
    sent->b[14] = 0x46;
}
static void sent_options(struct pn_fb *sent)
{
    pn_fb_ether(sent, 0);
    pn_fb_ip_options(sent, V4, C4, "\x01\x01\x01\x00", 4);
    pn_fb_tcp(sent, 25, 40000, PN_FB_ACK);
    pn_fb_done(sent);
}
static void sent6_by_other(struct pn_fb *sent)
{
    pn_fb_make_tcp(sent, "2001:db8:25::26", C6, 25, 40000, PN_FB_ACK, 0);
}
static void sent6_extension(struct pn_fb *sent)
{
    pn_fb_ether(sent, 0);
    pn_fb_ip(sent, V6, C6);
    pn_fb_ext(sent, 60, 0);
    pn_fb_tcp(sent, 25, 40000, PN_FB_ACK);
    pn_fb_done(sent);
}
static void sent6_first_fragment(struct pn_fb *sent)
{
    pn_fb_ether(sent, 0);
    pn_fb_ip(sent, V6, C6);
    pn_fb_fragment(sent, 5, 0, true);
    pn_fb_tcp(sent, 25, 40000, PN_FB_ACK);
    pn_fb_done(sent);
}
static void sent6_fragment_twice(struct pn_fb *sent)
{
    pn_fb_ether(sent, 0);
    pn_fb_ip(sent, V6, C6);
    pn_fb_fragment(sent, 5, 0, true);
    pn_fb_fragment(sent, 6, 0, true);
    pn_fb_tcp(sent, 25, 40000, PN_FB_ACK);
    pn_fb_done(sent);
}
static void sent6_later_fragment(struct pn_fb *sent)
{
    pn_fb_ether(sent, 0);
    pn_fb_ip(sent, V6, C6);
    pn_fb_fragment(sent, 5, 8, true);
    pn_fb_tcp(sent, 25, 40000, PN_FB_ACK);
    pn_fb_done(sent);
}
static void sent6_to_mapped(struct pn_fb *sent)
{
    pn_fb_make_tcp(sent, V6, "::ffff:198.51.100.7", 25, 40000, PN_FB_ACK, 0);
}
static void sent6_udp(struct pn_fb *sent)
{
    pn_fb_ether(sent, 0);
    pn_fb_ip(sent, V6, C6);
    pn_fb_udp(sent, 25, 40000);
    pn_fb_done(sent);
}
static void sent6_version(struct pn_fb *sent)
{
    answer6(sent);
    sent->b[14] = 0x45;
}

static void test_quotes(void **state)
{
    static const struct {
        const char *name;
        void (*make)(struct pn_fb *sent);
        uint32_t quote_bytes;
        int want;
        bool v6;
    } rows[] = {
        {"whole", answer4, 2000, PN_ICMP_ERROR, false},
        {"least", answer4, 28, PN_ICMP_ERROR, false},
        {"too little", answer4, 27, PN_ICMP_MALFORMED, false},
        {"half a header", answer4, 19, PN_ICMP_MALFORMED, false},
        {"nothing", answer4, 0, PN_ICMP_MALFORMED, false},
        {"options", sent_options, 32, PN_ICMP_ERROR, false},
        {"options cut", sent_options, 31, PN_ICMP_MALFORMED, false},
        {"first fragment", sent_first_fragment, 28, PN_ICMP_ERROR, false},
        {"later fragment", sent_later_fragment, 28, PN_ICMP_NO_FLOW, false},
        {"other source", sent_by_other, 28, PN_ICMP_NO_FLOW, false},
        {"udp", sent_udp, 28, PN_ICMP_NO_FLOW, false},
        {"to multicast", sent_to_multicast, 28, PN_ICMP_NO_FLOW, false},
        {"to port 0", sent_to_port_zero, 28, PN_ICMP_NO_FLOW, false},
        {"version", sent_version, 28, PN_ICMP_MALFORMED, false},
        {"ihl", sent_ihl, 28, PN_ICMP_MALFORMED, false},
        {"ihl past", sent_ihl_past, 28, PN_ICMP_MALFORMED, false},
        {"whole 6", answer6, 1232, PN_ICMP_ERROR, true},
        {"least 6", answer6, 48, PN_ICMP_ERROR, true},
        {"too little 6", answer6, 47, PN_ICMP_MALFORMED, true},
        {"nothing 6", answer6, 0, PN_ICMP_MALFORMED, true},
        {"extension", sent6_extension, 56, PN_ICMP_ERROR, true},
        {"extension cut", sent6_extension, 55, PN_ICMP_MALFORMED, true},
        {"first fragment 6", sent6_first_fragment, 56, PN_ICMP_ERROR, true},
        {"fragment twice", sent6_fragment_twice, 100, PN_ICMP_NO_FLOW, true},
        {"later fragment 6", sent6_later_fragment, 56, PN_ICMP_NO_FLOW, true},
        {"other source 6", sent6_by_other, 48, PN_ICMP_NO_FLOW, true},
        {"to mapped", sent6_to_mapped, 48, PN_ICMP_NO_FLOW, true},
        {"udp 6", sent6_udp, 48, PN_ICMP_NO_FLOW, true},
        {"version 6", sent6_version, 48, PN_ICMP_MALFORMED, true},
    };
    struct pn_fb sent, fb;
    struct pn_icmp_quote quote;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        rows[i].make(&sent);
        pn_fb_make_icmp_error(&fb, rows[i].v6 ? R6 : R4, rows[i].v6 ? V6 : V4, rows[i].v6 ? 2 : 3, rows[i].v6 ? 0 : 4,
                              1280, &sent, rows[i].quote_bytes);
        fb.n = fb.l3 + (fb.v6 ? 40u + pn_get16(fb.b + fb.l3 + 4) : pn_get16(fb.b + fb.l3 + 2)); /* no padding */
        int kind = parse(&fb, fb.n, fb.n, &quote);
        if (kind != rows[i].want)
            fail_msg("%s: %d", rows[i].name, kind);
        fb.b[fb.l4 + 4] ^= 1;
        assert_int_equal(parse(&fb, fb.n, fb.n, &quote), PN_ICMP_MALFORMED); /* checksum */
    }
}

static void test_cut(void **state)
{
    struct pn_fb sent, fb;
    struct pn_icmp_quote quote;

    (void)state;
    for (int v6 = 0; v6 < 2; v6++) {
        v6 ? sent6_first_fragment(&sent) : sent_options(&sent);
        pn_fb_make_icmp_error(&fb, v6 ? R6 : R4, v6 ? V6 : V4, v6 ? 2 : 3, v6 ? 0 : 4, 1280, &sent, 100);
        for (uint32_t n = 0; n < fb.n; n++) {
            assert_int_equal(parse(&fb, n, n, &quote), -1);
            int kind = parse(&fb, n, fb.n, &quote);
            assert_true(kind == -1 || kind == PN_ICMP_MALFORMED);
        }
        assert_int_equal(parse(&fb, fb.n, fb.n, &quote), PN_ICMP_ERROR);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_echo),
        cmocka_unit_test(test_echo_of_zeros),
        cmocka_unit_test(test_echo_in_segments),
        cmocka_unit_test(test_echo_refused),
        cmocka_unit_test(test_error_types),
        cmocka_unit_test(test_quotes),
        cmocka_unit_test(test_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
