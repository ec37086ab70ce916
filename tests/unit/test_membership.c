/* SPDX-License-Identifier: BSD-3-Clause */
/* Reports of multicast membership, byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/addr.h"
#include "dataplane/core/membership.h"

static const struct pn_mac mac = {{2, 0, 0, 0, 0, 1}};

static struct pn_addr addr(const char *text)
{
    struct pn_addr a;
    assert_int_equal(pn_addr_parse(text, &a, NULL), 0);
    return a;
}

/* RFC 1071 in the plainest form. */
static uint16_t sum(const uint8_t *p, unsigned n, uint32_t s)
{
    for (unsigned i = 0; i < n; i += 2)
        s += (uint32_t)p[i] << 8 | p[i + 1];
    while (s >> 16)
        s = (s & 0xffff) + (s >> 16);
    return (uint16_t)s;
}

static void test_igmp(void **state)
{
    (void)state;
    static const uint8_t want[] = {1,    0,    0x5e, 0,  0,   0x16, 2,    0,  0,    0, 0, 1,
                                   8,    0, /* to 224.0.0.22's MAC */
                                   0x46, 0xc0, 0,    40, 0,   0,    0x40, 0,  1,    2, 0, 0, /* TTL 1, IGMP */
                                   192,  0,    2,    1,  224, 0,    0,    22, 0x94, 4, 0, 0, /* Router Alert */
                                   0x22, 0,    0,    0,  0,   0,    0,    1, /* one record */
                                   2,    0,    0,    0,  239, 255,  25,   25};
    uint8_t buf[PN_MEMBERSHIP_FRAME_MAX];
    struct pn_addr src = addr("192.0.2.1"), group = addr("239.255.25.25"), none = {.b = {0}};
    uint32_t n = pn_membership_report(buf, sizeof(buf), &mac, 0, &src, &group, true);
    assert_int_equal(n, 60);
    assert_int_equal(sum(buf + 14, 24, 0), 0xffff);
    assert_int_equal(sum(buf + 38, 16, 0), 0xffff);
    buf[24] = buf[25] = buf[40] = buf[41] = 0;
    assert_memory_equal(buf, want, sizeof(want));
    n = pn_membership_report(buf, sizeof(buf), &mac, 100, &none, &group, false);
    assert_int_equal(n, 64);
    assert_int_equal(buf[12] << 8 | buf[13], 0x8100);
    assert_int_equal(sum(buf + 18, 24, 0), 0xffff);
    assert_int_equal(buf[50], 3);
}

static void test_mld(void **state)
{
    (void)state;
    static const uint8_t want[] = {
        0x33, 0x33, 0, 0, 0,    0x16, 2, 0,   0, 0, 0, 1,    0x86, 0xdd, /* to ff02::16's MAC */
        0x60, 0,    0, 0, 0,    36,   0, 1, /* hop-by-hop, hop limit 1 */
        0xfe, 0x80, 0, 0, 0,    0,    0, 0,   0, 0, 0, 0xff, 0xfe, 0,    0, 1, 0xff, 2, 0, 0,
        0,    0,    0, 0, 0,    0,    0, 0,   0, 0, 0, 0x16, 58,   0,    5, 2, 0,    0, 1, 0, /* Router Alert, MLD */
        143,  0,    0, 0, 0,    0,    0, 1,   2, 0, 0, 0,    0xff, 2,    0, 0, 0,    0, 0, 0,
        0,    0,    0, 1, 0xff, 0,    0, 0x25};
    uint8_t buf[PN_MEMBERSHIP_FRAME_MAX], pseudo[40];
    struct pn_addr src = addr("fe80::ff:fe00:1"), group = addr("ff02::1:ff00:25");
    uint32_t n = pn_membership_report(buf, sizeof(buf), &mac, 0, &src, &group, true);
    assert_int_equal(n, sizeof(want));
    memset(pseudo, 0, sizeof(pseudo));
    memcpy(pseudo, buf + 22, 32);
    pseudo[35] = 28;
    pseudo[39] = 58;
    assert_int_equal(sum(buf + 62, 28, sum(pseudo, 40, 0)), 0xffff);
    buf[64] = buf[65] = 0;
    assert_memory_equal(buf, want, sizeof(want));
    assert_int_equal(pn_membership_report(buf, n - 1, &mac, 0, &src, &group, true), 0);
    assert_int_equal(pn_membership_report(buf, sizeof(buf), &mac, 0, &src, &src, true), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_igmp), cmocka_unit_test(test_mld)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
