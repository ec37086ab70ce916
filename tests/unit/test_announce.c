/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dataplane/core/announce.h"

static void test_schedule(void **state)
{
    static const uint32_t want[] = {0, 50, 250, 1100, 2500, 5000, 65000, 125000};
    struct pn_announce a = {0};
    uint32_t start = UINT32_MAX - 1000; /* wraps inside the burst */
    unsigned n = 0;

    (void)state;
    assert_false(pn_announce_due(&a, start, PN_ANNOUNCE_REFRESH_MS));
    assert_int_equal(pn_announce_wait_ms(&a, start), UINT32_MAX);
    pn_announce_start(&a, start);
    for (uint32_t at = 0; at <= 130000; at++) {
        if (n < 8)
            assert_int_equal(pn_announce_wait_ms(&a, start + at), want[n] - at);
        if (!pn_announce_due(&a, start + at, PN_ANNOUNCE_REFRESH_MS))
            continue;
        assert_true(n < 8);
        assert_int_equal(at, want[n++]);
    }
    assert_int_equal(n, 8);
    pn_announce_stop(&a);
    assert_false(pn_announce_due(&a, start + 1000000, PN_ANNOUNCE_REFRESH_MS));
}

/* A caller that was held up neither floods nor leaves any of the burst out. */
static void test_late(void **state)
{
    struct pn_announce a = {0};
    unsigned n = 0;

    (void)state;
    pn_announce_start(&a, 1000);
    assert_true(pn_announce_due(&a, 9000, 60000));
    assert_false(pn_announce_due(&a, 9000, 60000));
    for (uint32_t at = 9001; at <= 9250; at++)
        n += pn_announce_due(&a, at, 60000);
    assert_int_equal(n, 5);
    assert_int_equal(pn_announce_wait_ms(&a, 9250), 60000);
}

static void test_no_refresh(void **state)
{
    struct pn_announce a = {0};
    unsigned n = 0;

    (void)state;
    pn_announce_start(&a, 0);
    for (uint32_t at = 0; at < 200000; at += 10)
        n += pn_announce_due(&a, at, 0);
    assert_int_equal(n, 6);
    pn_announce_start(&a, 200000); /* again, from the beginning */
    assert_true(pn_announce_due(&a, 200000, 0));
    assert_int_equal(pn_announce_wait_ms(&a, 200000), 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_schedule),
        cmocka_unit_test(test_late),
        cmocka_unit_test(test_no_refresh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
