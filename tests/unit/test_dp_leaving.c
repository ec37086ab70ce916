/* SPDX-License-Identifier: BSD-3-Clause */
/* How long a dataplane that was asked to stop goes on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/leaving.h"

#define LONG 5000

/* Ticks from one moment on, with held leases, until it is over; returns how long that took, LONG if it never is. */
static unsigned lasts(struct pn_leaving *l, unsigned held, uint64_t *now_ms, unsigned at_most_ms)
{
    unsigned ms = 0;
    for (; ms < at_most_ms; ms++, (*now_ms)++) {
        pn_leaving_tick(l, held, *now_ms);
        if (pn_leaving_over(l, held, *now_ms))
            return ms;
    }
    return LONG;
}

static void test_nothing_to_wait_for(void **state)
{
    struct pn_leaving l = {0};
    uint64_t now_ms = 7;
    (void)state;
    assert_int_equal(lasts(&l, 0, &now_ms, 50), LONG); /* nobody asked */
    assert_false(pn_leaving_begin(&l, 0, true, now_ms)); /* a backup, just started */
    assert_int_equal(lasts(&l, 2, &now_ms, 500), LONG);
    assert_false(pn_leaving_begin(&l, 2, false, now_ms)); /* nobody is there to give them up */
    assert_int_equal(l.since_ms, 0);
}

static void test_handed_over(void **state)
{
    struct pn_leaving l = {0};
    uint64_t now_ms = 100000;
    (void)state;
    assert_int_equal(lasts(&l, 2, &now_ms, 500), LONG);
    assert_true(pn_leaving_begin(&l, 2, true, now_ms));
    assert_int_equal(lasts(&l, 2, &now_ms, 3), LONG);
    assert_int_equal(lasts(&l, 1, &now_ms, 300), LONG); /* one after the other */
    assert_in_range(lasts(&l, 0, &now_ms, LONG), PN_LEAVE_TAIL_MS - 1, PN_LEAVE_TAIL_MS);
}

static void test_not_handed_over(void **state)
{
    struct pn_leaving l = {0};
    uint64_t now_ms = 100000;
    (void)state;
    assert_true(pn_leaving_begin(&l, 2, true, now_ms));
    assert_int_equal(lasts(&l, 2, &now_ms, LONG), PN_LEAVE_UNTAKEN_MS);
    l = (struct pn_leaving){0};
    assert_true(pn_leaving_begin(&l, 2, true, now_ms));
    assert_int_equal(lasts(&l, 1, &now_ms, LONG), PN_LEAVE_MAX_MS);
}

/* The leases came and went between two ticks. */
static void test_handed_over_at_once(void **state)
{
    struct pn_leaving l = {0};
    uint64_t now_ms = 100000;
    (void)state;
    assert_true(pn_leaving_begin(&l, 2, true, now_ms));
    assert_int_equal(lasts(&l, 0, &now_ms, LONG), PN_LEAVE_TAIL_MS);
}

/* posternd was stopped first and has given them up, or they were moved: what is on its way comes here all the same. */
static void test_given_up_right_before(void **state)
{
    struct pn_leaving l = {0};
    uint64_t now_ms = 100000;
    (void)state;
    assert_int_equal(lasts(&l, 2, &now_ms, 500), LONG);
    assert_int_equal(lasts(&l, 0, &now_ms, 50), LONG);
    assert_true(pn_leaving_begin(&l, 0, false, now_ms));
    assert_in_range(lasts(&l, 0, &now_ms, LONG), PN_LEAVE_TAIL_MS - 51, PN_LEAVE_TAIL_MS - 50);
    assert_false(pn_leaving_begin(&l, 0, true, now_ms));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_to_wait_for),   cmocka_unit_test(test_handed_over),
        cmocka_unit_test(test_handed_over_at_once),   cmocka_unit_test(test_not_handed_over),
        cmocka_unit_test(test_given_up_right_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
