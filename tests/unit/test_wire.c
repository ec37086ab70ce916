/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/addr.h"
#include "controlplane/vip/wire.h"

static struct pn_addr addr(const char *text)
{
    struct pn_addr a;
    assert_int_equal(pn_addr_parse(text, &a, NULL), 0);
    return a;
}

static struct pn_wire_udp between(const char *src, const char *dst)
{
    return (struct pn_wire_udp){.src = addr(src), .dst = addr(dst), .src_port = 24625, .dst_port = 24626};
}

/* Made by hand; sums checked with another implementation. */
static const uint8_t known4[] = {0x45, 0xc0, 0, 33, 0,    0,    0x40, 0,   0xff, 17,   0xf7,
                                 0x07, 192,  0, 2,  1,    192,  0,    2,   2,    0x60, 0x31,
                                 0x60, 0x32, 0, 13, 0x77, 0x9a, 'h',  'e', 'l',  'l',  'o'};

static void test_ipv4_to_the_byte(void **state)
{
    uint8_t out[64];
    struct pn_wire_udp u = between("192.0.2.1", "192.0.2.2");
    (void)state;
    assert_int_equal(pn_wire_udp_build(&u, "hello", 5, out, sizeof(out)), sizeof(known4));
    assert_memory_equal(out, known4, sizeof(known4));
    assert_int_equal(pn_wire_udp_build(&u, "hello", 5, out, sizeof(known4) - 1), 0);
}

static void test_there_and_back(void **state)
{
    static const char *const pairs[][2] = {
        {"192.0.2.1", "192.0.2.2"}, {"2001:db8::1", "2001:db8::2"}, {"192.0.2.9", "239.255.25.25"}};
    uint8_t out[1600], payload[1400];
    (void)state;
    for (unsigned i = 0; i < sizeof(payload); i++)
        payload[i] = (uint8_t)(i * 7);
    for (unsigned p = 0; p < 3; p++) {
        for (size_t n = 0; n <= sizeof(payload); n += p + 13) {
            struct pn_wire_udp u = between(pairs[p][0], pairs[p][1]);
            struct pn_wire_packet w;
            size_t bytes = pn_wire_udp_build(&u, payload, n, out, sizeof(out));
            assert_int_equal(bytes, n + (p == 1 ? 48 : 28));
            assert_int_equal(pn_wire_parse(out, bytes, &w), PN_WIRE_OK);
            assert_true(pn_addr_equal(&w.src, &u.src) && pn_addr_equal(&w.dst, &u.dst));
            assert_int_equal(w.ip_proto, PN_IPPROTO_UDP);
            assert_int_equal(w.src_port, 24625);
            assert_int_equal(w.dst_port, 24626);
            assert_int_equal(w.bytes, n);
            assert_memory_equal(w.payload, payload, n);
            /* Padding of short frames is no part of it. */
            assert_int_equal(pn_wire_parse(out, bytes + 18, &w), PN_WIRE_OK);
            assert_int_equal(w.bytes, n);
            if (bytes)
                assert_int_equal(pn_wire_parse(out, bytes - 1, &w), PN_WIRE_TRUNCATED);
        }
    }
    struct pn_wire_udp mixed = between("192.0.2.1", "2001:db8::2");
    assert_int_equal(pn_wire_udp_build(&mixed, payload, 4, out, sizeof(out)), 0);
}

/* Each byte matters, but those that routers and checksums leave alone. */
static void test_each_change_is_seen(void **state)
{
    (void)state;
    for (unsigned v6 = 0; v6 <= 1; v6++) {
        struct pn_wire_udp u = v6 ? between("2001:db8::1", "2001:db8::2") : between("192.0.2.1", "192.0.2.2");
        uint8_t good[64], bad[64];
        size_t bytes = pn_wire_udp_build(&u, "hello", 5, good, sizeof(good));
        for (size_t i = 0; i < bytes; i++) {
            for (unsigned bit = 0; bit < 8; bit++) {
                struct pn_wire_packet w;
                memcpy(bad, good, bytes);
                bad[i] ^= (uint8_t)(1u << bit);
                bool class_or_label = v6 && ((i == 0 && bit < 4) || (i >= 1 && i <= 3));
                bool length_shorter = false;
                enum pn_wire_verdict got = pn_wire_parse(bad, bytes, &w);
                if (class_or_label)
                    assert_int_equal(got, PN_WIRE_OK);
                else if (v6 && i == 6 && got == PN_WIRE_OK)
                    assert_int_not_equal(w.ip_proto, PN_IPPROTO_UDP);
                else if (got == PN_WIRE_OK)
                    fail_msg("byte %zu bit %u unseen (v6 %u)", i, bit, v6);
                (void)length_shorter;
            }
        }
    }
}

static void fix_ipv4(uint8_t *p)
{
    uint32_t sum = 0;
    p[10] = p[11] = 0;
    for (unsigned i = 0; i < 20; i += 2)
        sum += (uint32_t)p[i] << 8 | p[i + 1];
    sum = (sum & 0xffff) + (sum >> 16);
    sum = ~((sum & 0xffff) + (sum >> 16));
    p[10] = (uint8_t)(sum >> 8);
    p[11] = (uint8_t)sum;
}

static void test_what_is_refused(void **state)
{
    static const struct {
        unsigned at;
        uint8_t value;
        enum pn_wire_verdict verdict;
    } rows[] = {
        {8, 254, PN_WIRE_HOPS},      {6, 0x20, PN_WIRE_FRAGMENT}, {7, 1, PN_WIRE_FRAGMENT},
        {0, 0x46, PN_WIRE_HEADER},   {0, 0x75, PN_WIRE_HEADER},   {3, 19, PN_WIRE_TRUNCATED},
        {3, 27, PN_WIRE_TRUNCATED},  {25, 14, PN_WIRE_TRUNCATED}, {25, 7, PN_WIRE_TRUNCATED},
        {30, 'L', PN_WIRE_CHECKSUM},
    };
    uint8_t p[sizeof(known4)];
    struct pn_wire_packet w;
    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        memcpy(p, known4, sizeof(p));
        p[rows[i].at] = rows[i].value;
        fix_ipv4(p);
        assert_int_equal(pn_wire_parse(p, sizeof(p), &w), rows[i].verdict);
    }
    memcpy(p, known4, sizeof(p));
    p[11] ^= 1;
    assert_int_equal(pn_wire_parse(p, sizeof(p), &w), PN_WIRE_CHECKSUM);
    /* No checksum: allowed over IPv4 (RFC 768), not over IPv6 (RFC 8200, 8.1). */
    memcpy(p, known4, sizeof(p));
    p[26] = p[27] = 0;
    assert_int_equal(pn_wire_parse(p, sizeof(p), &w), PN_WIRE_OK);
    uint8_t six[64];
    struct pn_wire_udp u = between("2001:db8::1", "2001:db8::2");
    size_t bytes = pn_wire_udp_build(&u, "hello", 5, six, sizeof(six));
    six[46] = six[47] = 0;
    assert_int_equal(pn_wire_parse(six, bytes, &w), PN_WIRE_CHECKSUM);
    assert_int_equal(pn_wire_parse(six, 0, &w), PN_WIRE_TRUNCATED);
}

static void test_a_sum_of_zero_is_sent_as_ones(void **state)
{
    struct pn_wire_udp u = between("192.0.2.1", "192.0.2.2");
    unsigned ones = 0;
    (void)state;
    for (unsigned i = 0; i < 65536; i++) {
        uint8_t payload[2] = {(uint8_t)(i >> 8), (uint8_t)i}, out[64];
        assert_int_equal(pn_wire_udp_build(&u, payload, 2, out, sizeof(out)), 30);
        assert_true(out[26] || out[27]);
        ones += out[26] == 0xff && out[27] == 0xff;
    }
    assert_int_equal(ones, 1); /* the one payload whose sum is 0 */
}

static void test_mapped_addresses_are_refused(void **state)
{
    struct pn_wire_udp u = between("2001:db8::1", "2001:db8::2");
    struct pn_wire_packet w;
    uint8_t p[64];
    (void)state;
    size_t n = pn_wire_udp_build(&u, "hello", 5, p, sizeof(p));
    p[6] = PN_IPPROTO_VRRP; /* no checksum of ours in the way */
    assert_int_equal(pn_wire_parse(p, n, &w), PN_WIRE_OK);
    memcpy(p + 8, ((uint8_t[]){0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1}), 16);
    assert_int_equal(pn_wire_parse(p, n, &w), PN_WIRE_HEADER);
}

static void test_other_protocols_are_handed_on(void **state)
{
    uint8_t p[sizeof(known4)];
    struct pn_wire_packet w;
    (void)state;
    memcpy(p, known4, sizeof(p));
    p[9] = PN_IPPROTO_VRRP;
    fix_ipv4(p);
    assert_int_equal(pn_wire_parse(p, sizeof(p), &w), PN_WIRE_OK);
    assert_int_equal(w.ip_proto, PN_IPPROTO_VRRP);
    assert_int_equal(w.bytes, 13);
    struct pn_addr group = addr("224.0.0.18"), group6 = addr("ff02::12"), host = addr("192.0.2.1");
    assert_true(pn_wire_is_multicast(&group) && pn_wire_is_multicast(&group6) && !pn_wire_is_multicast(&host));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ipv4_to_the_byte),
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_each_change_is_seen),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_a_sum_of_zero_is_sent_as_ones),
        cmocka_unit_test(test_mapped_addresses_are_refused),
        cmocka_unit_test(test_other_protocols_are_handed_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
