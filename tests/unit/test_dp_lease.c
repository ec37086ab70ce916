/* SPDX-License-Identifier: BSD-3-Clause */
/* Leases: only messages extend, clocks only shorten. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "dataplane/lease.h"

#define HZ 2450000000ull
#define S 1000000000ull

static _Atomic uint64_t published[PN_MAX_VIPS], forward[PN_MAX_VIPS];
static struct pn_lease_table table;
static struct pn_lease_clock now;
static struct pn_error err;
static uint64_t started;

static int setup(void **state)
{
    (void)state;
    memset(&table, 0, sizeof(table));
    memset((void *)published, 0, sizeof(published));
    memset((void *)forward, 0, sizeof(forward));
    table.published = published;
    table.forward = forward;
    now = (struct pn_lease_clock){.tsc = 1000 * HZ, .tsc_hz = HZ, .boottime_ns = 500 * S};
    started = 0;
    return 0;
}

static void pass(double s)
{
    now.tsc += (uint64_t)(s * (double)HZ);
    now.boottime_ns += (uint64_t)(s * (double)S);
}

static int take(uint16_t vip, uint64_t deadline_ns, uint16_t flags)
{
    struct pn_dp_lease l = {.vip = vip, .flags = flags, .deadline_boottime_ns = deadline_ns};
    return pn_lease_take(&table, &l, 1, ~0ull, &now, &started, &err);
}

static void test_conversion(void **state)
{
    (void)state;
    assert_int_equal(pn_lease_tsc(now.boottime_ns + S, &now), now.tsc + HZ);
    assert_int_equal(pn_lease_tsc(now.boottime_ns + 1000, &now), now.tsc + 2450);
    assert_int_equal(pn_lease_tsc(now.boottime_ns, &now), now.tsc);
    assert_int_equal(pn_lease_tsc(0, &now), now.tsc);
    assert_int_equal(pn_lease_tsc(UINT64_MAX, &now), now.tsc + 3600 * HZ);
}

static void test_give_and_end(void **state)
{
    (void)state;
    assert_int_equal(take(3, now.boottime_ns + 30 * S, 0), 0);
    assert_int_equal(started, 1ull << 3);
    assert_int_equal(published[3], now.tsc + 30 * HZ);
    assert_true(pn_lease_held(&table, 3));
    pass(29.9);
    assert_int_equal(pn_lease_tick(&table, &now), 0);
    pass(0.2);
    uint64_t end = published[3];
    assert_int_equal(pn_lease_tick(&table, &now), 1ull << 3);
    assert_false(pn_lease_held(&table, 3));
    assert_int_equal(published[3], end); /* the grace time counts from when it ended */
    assert_int_equal(pn_lease_tick(&table, &now), 0);
}

static void test_extend_and_shorten(void **state)
{
    (void)state;
    uint64_t d = now.boottime_ns + 10 * S;
    assert_int_equal(take(0, d, 0), 0);
    assert_int_equal(take(0, d + S, 0), 0);
    assert_int_equal(started, 0);
    assert_int_equal(table.deadline_boottime_ns[0], d + S);
    assert_int_equal(take(0, d - S, 0), 0); /* a late message does not shorten */
    assert_int_equal(table.deadline_boottime_ns[0], d + S);
    assert_int_equal(take(0, now.boottime_ns - S, 0), 0); /* nor one from the past */
    assert_true(pn_lease_held(&table, 0));
    assert_int_equal(take(0, d - S, PN_DP_LEASE_SHORTEN), 0);
    assert_int_equal(table.deadline_boottime_ns[0], d - S);
    assert_int_equal(published[0], now.tsc + 9 * HZ);
    assert_int_equal(take(0, 0, 0), 0); /* given up at once */
    assert_false(pn_lease_held(&table, 0));
    assert_int_equal(published[0], now.tsc);
}

static void test_past_gives_nothing(void **state)
{
    (void)state;
    assert_int_equal(take(1, now.boottime_ns, 0), 0);
    assert_false(pn_lease_held(&table, 1));
    assert_int_equal(published[1], 0); /* never held */
    assert_int_equal(started, 0);
}

static void test_refused_whole(void **state)
{
    (void)state;
    struct pn_dp_lease two[2] = {{.vip = 0, .deadline_boottime_ns = now.boottime_ns + S},
                                 {.vip = 0, .deadline_boottime_ns = now.boottime_ns + 2 * 3600 * S}};
    assert_int_equal(pn_lease_take(&table, two, 2, 1, &now, &started, &err), -1);
    assert_false(pn_lease_held(&table, 0)); /* the good one is not taken either */
    two[1].deadline_boottime_ns = now.boottime_ns + S;
    two[1].vip = 5; /* not in the snapshot */
    assert_int_equal(pn_lease_take(&table, two, 2, 1, &now, &started, &err), -1);
    assert_non_null(strstr(err.text, "snapshot"));
    two[1].vip = PN_MAX_VIPS;
    assert_int_equal(pn_lease_take(&table, two, 2, ~0ull, &now, &started, &err), -1);
    two[1].vip = 1;
    two[1].flags = 0x8000;
    assert_int_equal(pn_lease_take(&table, two, 2, ~0ull, &now, &started, &err), -1);
    two[1].flags = 0;
    two[1].forward_ms = 1;
    assert_int_equal(pn_lease_take(&table, two, 2, ~0ull, &now, &started, &err), -1);
    two[1].forward_ms = 0;
    assert_int_equal(pn_lease_take(&table, two, 2, ~0ull, &now, &started, &err), 0);
    assert_int_equal(started, 3);
    /* Giving up what is not in the snapshot is no error. */
    assert_int_equal(pn_lease_take(&table, &(struct pn_dp_lease){.vip = 40}, 1, 0, &now, &started, &err), 0);
}

/* A planned release: answering ends, forwarding does not. */
static void test_release(void **state)
{
    (void)state;
    struct pn_dp_lease l = {.vip = 4, .forward_ms = 2000};
    take(4, now.boottime_ns + 30 * S, 0);
    assert_int_equal(forward[4], 0);
    assert_int_equal(pn_lease_take(&table, &l, 1, ~0ull, &now, &started, &err), 0);
    assert_false(pn_lease_held(&table, 4));
    assert_int_equal(published[4], now.tsc);
    assert_int_equal(forward[4], now.tsc + 2 * HZ);
    pass(1);
    assert_int_equal(pn_lease_tick(&table, &now), 0); /* nothing of it changes with time */
    assert_int_equal(forward[4], now.tsc + HZ);
    take(4, now.boottime_ns + 30 * S, 0); /* leased again */
    assert_int_equal(started, 1ull << 4);
    assert_int_equal(forward[4], 0);
    assert_int_equal(pn_lease_take(&table, &l, 1, ~0ull, &now, &started, &err), 0);
    pn_lease_drop(&table, 1ull << 4, &now); /* the VIP leaves the configuration */
    assert_int_equal(forward[4], 0);
    assert_int_equal(pn_lease_take(&table, &l, 1, ~0ull, &now, &started, &err), 0);
    take(4, 0, 0); /* given up for good */
    assert_int_equal(forward[4], 0);
    l.forward_ms = PN_DP_FORWARD_MAX_MS + 1;
    assert_int_equal(pn_lease_take(&table, &l, 1, ~0ull, &now, &started, &err), -1);
    take(4, now.boottime_ns + S, 0);
    pass(2);
    assert_int_equal(pn_lease_tick(&table, &now), 1ull << 4);
    assert_int_equal(forward[4], 0); /* a lease that ran out was not released to anybody */
}

/* A suspended machine: CLOCK_BOOTTIME went on, the TSC stood still. */
static void test_suspend(void **state)
{
    (void)state;
    assert_int_equal(take(0, now.boottime_ns + 30 * S, 0), 0);
    now.boottime_ns += 20 * S;
    assert_int_equal(pn_lease_tick(&table, &now), 0);
    assert_int_equal(published[0], now.tsc + 10 * HZ);
    now.boottime_ns += 10 * S;
    assert_int_equal(pn_lease_tick(&table, &now), 1);
    assert_int_equal(published[0], now.tsc);
    /* And the other way round, a TSC that runs ahead ends it early rather than late. */
    assert_int_equal(take(0, now.boottime_ns + 30 * S, 0), 0);
    now.tsc += 31 * HZ;
    assert_int_equal(pn_lease_tick(&table, &now), 1);
    assert_false(pn_lease_held(&table, 0));
}

static void test_renewal_after_end_starts_anew(void **state)
{
    (void)state;
    assert_int_equal(take(2, now.boottime_ns + S, 0), 0);
    pass(2); /* no tick came in between */
    assert_int_equal(take(2, now.boottime_ns + S, 0), 0);
    assert_int_equal(started, 1ull << 2);
}

static void test_drop(void **state)
{
    (void)state;
    assert_int_equal(take(0, now.boottime_ns + 30 * S, 0), 0);
    assert_int_equal(take(1, now.boottime_ns + 30 * S, 0), 0);
    pn_lease_drop(&table, 1, &now);
    assert_false(pn_lease_held(&table, 0));
    assert_int_equal(published[0], now.tsc);
    assert_true(pn_lease_held(&table, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_conversion, setup),
        cmocka_unit_test_setup(test_give_and_end, setup),
        cmocka_unit_test_setup(test_extend_and_shorten, setup),
        cmocka_unit_test_setup(test_past_gives_nothing, setup),
        cmocka_unit_test_setup(test_refused_whole, setup),
        cmocka_unit_test_setup(test_release, setup),
        cmocka_unit_test_setup(test_suspend, setup),
        cmocka_unit_test_setup(test_renewal_after_end_starts_anew, setup),
        cmocka_unit_test_setup(test_drop, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
