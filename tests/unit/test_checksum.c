/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/core/checksum.h"

/* RFC 1071, word by word. */
static uint16_t plain_sum(const uint8_t *p, size_t n)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < n; i += 2)
        sum += (uint32_t)p[i] << 8 | (i + 1 < n ? p[i + 1] : 0u);
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

/* RFC 1071, section 3: 00 01 f2 03 f4 f5 f6 f7 sums to ddf2. */
static void test_rfc1071_example(void **state)
{
    static const uint8_t bytes[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};

    (void)state;
    assert_int_equal(be16toh(pn_csum_fold(pn_csum_add(0, bytes, sizeof(bytes)))), 0xddf2);
    assert_int_equal(be16toh(pn_csum_finish(pn_csum_add(0, bytes, sizeof(bytes)))), 0x220d);
}

/* RFC 1624, section 4: header with checksum dd2f, a field goes from 5555 to 3285: the new checksum is 0000. */
static void test_rfc1624_example(void **state)
{
    (void)state;
    assert_int_equal(pn_csum_update16(htobe16(0xdd2f), htobe16(0x5555), htobe16(0x3285)), htobe16(0x0000));
}

static void test_every_length(void **state)
{
    uint8_t all[257];

    (void)state;
    srandom(1);
    for (size_t i = 0; i < sizeof(all); i++)
        all[i] = (uint8_t)random();
    for (size_t n = 0; n <= sizeof(all); n++) {
        uint8_t *exact = malloc(n ? n : 1);
        memcpy(exact, all, n);
        assert_int_equal(be16toh(pn_csum_fold(pn_csum_add(0, exact, n))), plain_sum(exact, n));
        free(exact);
    }
    memset(all, 0xff, sizeof(all));
    assert_int_equal(pn_csum_fold(pn_csum_add(0, all, 256)), 0xffff);
}

/* Any 16-bit field changed: the incremental result verifies. */
static void test_update_agrees(void **state)
{
    uint8_t h[20];

    (void)state;
    srandom(2);
    for (int round = 0; round < 20000; round++) {
        for (size_t i = 0; i < sizeof(h); i++)
            h[i] = (uint8_t)random();
        memset(h + 10, 0, 2);
        uint16_t csum = pn_csum_finish(pn_csum_add(0, h, 20)), old_field, new_field;
        memcpy(h + 10, &csum, 2);
        assert_true(pn_csum_ok(pn_csum_add(0, h, 20)));
        assert_true(pn_csum_ipv4_20_ok(h));
        size_t at = (size_t)(random() % 5) * 2;
        memcpy(&old_field, h + at, 2);
        new_field = (uint16_t)random();
        memcpy(h + at, &new_field, 2);
        assert_int_equal(pn_csum_ipv4_20_ok(h), new_field == old_field);
        csum = pn_csum_update16(csum, old_field, new_field);
        memcpy(h + 10, &csum, 2);
        assert_true(pn_csum_ipv4_20_ok(h));
    }
}

/* A single changed bit never passes. */
static void test_every_bit_counts(void **state)
{
    uint8_t h[20] = {0x45, 0, 0, 60, 0x12, 0x34, 0x40, 0, 64, 6, 0, 0, 192, 0, 2, 1, 203, 0, 113, 25};
    uint16_t csum = pn_csum_finish(pn_csum_add(0, h, 20));

    (void)state;
    memcpy(h + 10, &csum, 2);
    for (size_t bit = 0; bit < 160; bit++) {
        h[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(pn_csum_ipv4_20_ok(h));
        assert_false(pn_csum_ok(pn_csum_add(0, h, 20)));
        h[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc1071_example),  cmocka_unit_test(test_rfc1624_example),
        cmocka_unit_test(test_every_length),     cmocka_unit_test(test_update_agrees),
        cmocka_unit_test(test_every_bit_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
