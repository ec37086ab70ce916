/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <cmocka.h>

#include "common/addr.h"

static void test_addr_round_trip(void **state)
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"192.0.2.1", "192.0.2.1"},
        {"0.0.0.0", "0.0.0.0"},
        {"255.255.255.255", "255.255.255.255"},
        {"2001:db8::1", "2001:db8::1"},
        {"2001:DB8:0:0:0:0:0:A", "2001:db8::a"},
        {"::", "::"},
        {"::1", "::1"},
        {"2001:db8:0:1:0:0:0:1", "2001:db8:0:1::1"},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct pn_addr a;
        struct pn_error err = {""};
        char text[PN_ADDR_TEXT_BYTES];
        assert_int_equal(pn_addr_parse(rows[i].text, &a, &err), 0);
        assert_string_equal(pn_addr_format(&a, text, sizeof(text)), rows[i].want);
    }
}

static void test_addr_v4_is_mapped(void **state)
{
    static const uint8_t want[16] = {[10] = 0xff, 0xff, 192, 0, 2, 1};
    struct pn_addr a;

    (void)state;
    assert_int_equal(pn_addr_parse("192.0.2.1", &a, NULL), 0);
    assert_memory_equal(a.b, want, 16);
    assert_true(pn_addr_is_v4(&a));
}

static void test_addr_refused(void **state)
{
    static const char *rows[] = {
        "",          "192.0.2",       "192.0.2.1.1", "192.0.2.01",       "192.0.2.256", " 192.0.2.1", "192.0.2.1 ",
        "0x7f.1",    "2001:db8::1::", "fe80::1%lo",  "::ffff:192.0.2.1", "2001:db8::g", "[::1]",      "::1/64",
        "1.2.3.4/8", "localhost",     ":",           "12345::",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct pn_addr a;
        struct pn_error err = {""};
        assert_int_equal(pn_addr_parse(rows[i], &a, &err), -1);
        assert_true(err.text[0] != '\0');
    }
}

static void test_prefix(void **state)
{
    static const struct {
        const char *text, *want; /* want NULL: refused */
        unsigned len;
    } rows[] = {
        {"192.0.2.0/24", "192.0.2.0/24", 120},
        {"192.0.2.1", "192.0.2.1/32", 128},
        {"0.0.0.0/0", "0.0.0.0/0", 96},
        {"2001:db8::/32", "2001:db8::/32", 32},
        {"2001:db8::1", "2001:db8::1/128", 128},
        {"::/0", "::/0", 0},
        {"2001:db8:8000::/33", "2001:db8:8000::/33", 33},
        {"192.0.2.1/24", NULL, 0},
        {"192.0.2.0/33", NULL, 0},
        {"192.0.2.0/", NULL, 0},
        {"192.0.2.0/024", NULL, 0},
        {"192.0.2.0/-1", NULL, 0},
        {"192.0.2.0/+8", NULL, 0},
        {"192.0.2.0/24/", NULL, 0},
        {"192.0.2.0/24 ", NULL, 0},
        {"/24", NULL, 0},
        {"2001:db8::/129", NULL, 0},
        {"2001:db8::1/64", NULL, 0},
        {"2001:db8:c000::/33", NULL, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct pn_prefix p;
        struct pn_error err = {""};
        char text[PN_PREFIX_TEXT_BYTES];
        int rc = pn_prefix_parse(rows[i].text, &p, &err);
        if (rows[i].want == NULL) {
            assert_int_equal(rc, -1);
            assert_true(err.text[0] != '\0');
            continue;
        }
        assert_int_equal(rc, 0);
        assert_int_equal(p.len, rows[i].len);
        assert_string_equal(pn_prefix_format(&p, text, sizeof(text)), rows[i].want);
    }
}

static void test_prefix_contains(void **state)
{
    static const struct {
        const char *prefix, *addr;
        bool want;
    } rows[] = {
        {"192.0.2.0/24", "192.0.2.255", true},    {"192.0.2.0/24", "192.0.3.0", false},
        {"0.0.0.0/0", "203.0.113.9", true},       {"0.0.0.0/0", "2001:db8::1", false},
        {"2001:db8::/64", "2001:db8::1", true},   {"2001:db8::/64", "2001:db8:0:1::1", false},
        {"2001:db8::1", "2001:db8::1", true},     {"2001:db8::1", "2001:db8::2", false},
        {"192.0.2.128/25", "192.0.2.127", false}, {"::/0", "192.0.2.1", true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct pn_prefix p;
        struct pn_addr a;
        assert_int_equal(pn_prefix_parse(rows[i].prefix, &p, NULL), 0);
        assert_int_equal(pn_addr_parse(rows[i].addr, &a, NULL), 0);
        assert_int_equal(pn_prefix_contains(&p, &a), rows[i].want);
    }
}

static void test_unicast_host(void **state)
{
    static const struct {
        const char *addr;
        bool want;
    } rows[] = {
        {"192.0.2.1", true},  {"0.0.0.0", false}, {"0.1.2.3", false},         {"127.0.0.1", false},
        {"224.0.0.1", false}, {"::", false},      {"255.255.255.255", false}, {"240.0.0.1", false},
        {"::1", false},       {"ff02::1", false}, {"fe80::1", true},          {"2001:db8::1", true},
        {"::2", true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct pn_addr a;
        assert_int_equal(pn_addr_parse(rows[i].addr, &a, NULL), 0);
        assert_int_equal(pn_addr_is_unicast_host(&a), rows[i].want);
    }
}

static void test_mac(void **state)
{
    static const char *refused[] = {"",
                                    "aa:bb:cc:dd:ee",
                                    "aa:bb:cc:dd:ee:f",
                                    "aa:bb:cc:dd:ee:fg",
                                    "aa-bb-cc-dd-ee-ff",
                                    "aa:bb:cc:dd:ee:ff:",
                                    "aabb.ccdd.eeff",
                                    "aa:bb:cc:dd:ee:+f"};
    struct pn_mac mac;
    char text[PN_MAC_TEXT_BYTES];

    (void)state;
    assert_int_equal(pn_mac_parse("02:00:5E:00:01:ff", &mac, NULL), 0);
    assert_string_equal(pn_mac_format(&mac, text, sizeof(text)), "02:00:5e:00:01:ff");
    assert_false(pn_mac_is_multicast(&mac));
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct pn_error err = {""};
        assert_int_equal(pn_mac_parse(refused[i], &mac, &err), -1);
        assert_true(err.text[0] != '\0');
    }
}

static void test_format_small_buffer(void **state)
{
    struct pn_addr a;
    char text[8];

    (void)state;
    assert_int_equal(pn_addr_parse("192.0.2.111", &a, NULL), 0);
    assert_string_equal(pn_addr_format(&a, text, sizeof(text)), "192.0.2");
}

static void test_sockaddr_round_trip(void **state)
{
    static const char *const text[] = {"192.0.2.25", "2001:db8::25"};
    struct sockaddr_storage ss;
    struct pn_addr a, back;

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(pn_addr_parse(text[i], &a, NULL), 0);
        assert_true(pn_addr_sockaddr(&a, 25, &ss) <= sizeof(ss));
        assert_int_equal(ss.ss_family, i ? AF_INET6 : AF_INET);
        back = pn_addr_of_sockaddr(&ss);
        assert_true(pn_addr_equal(&a, &back));
    }
    ss.ss_family = AF_UNIX;
    back = pn_addr_of_sockaddr(&ss);
    assert_true(pn_addr_is_zero(&back));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addr_round_trip),
        cmocka_unit_test(test_addr_v4_is_mapped),
        cmocka_unit_test(test_addr_refused),
        cmocka_unit_test(test_prefix),
        cmocka_unit_test(test_prefix_contains),
        cmocka_unit_test(test_unicast_host),
        cmocka_unit_test(test_mac),
        cmocka_unit_test(test_format_small_buffer),
        cmocka_unit_test(test_sockaddr_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
