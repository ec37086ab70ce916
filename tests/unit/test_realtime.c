/* SPDX-License-Identifier: BSD-3-Clause */
/* A worker's real-time priority: kept at moderate use, given up in a flood, taken up again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/realtime.h"

#define MS UINT64_C(1000000)

static struct pn_realtime rt;
static uint64_t now, cpu;

/* Lets ms go by with this much of them used, asked every 4 ms as a worker would; carries out what is due. Changes. */
static unsigned pass(unsigned ms, unsigned percent)
{
    unsigned changes = 0;
    for (unsigned at = 0; at < ms; at += 4) {
        now += 4 * MS;
        cpu += 4 * MS * percent / 100;
        if (pn_realtime_due(&rt, now, cpu)) {
            rt.on = !rt.on;
            rt.window_ns = 0;
            changes++;
        }
    }
    return changes;
}

static int begin(void **state)
{
    (void)state;
    rt = (struct pn_realtime){.on = false};
    now = 1000 * MS;
    cpu = 77 * MS;
    return 0;
}

static void test_at_once_and_kept(void **state)
{
    (void)state;
    assert_int_equal(pass(4, 0), 1);
    assert_true(rt.on);
    assert_int_equal(pass(10000, 70), 0);
    assert_true(rt.on);
}

static void test_flood(void **state)
{
    (void)state;
    pass(4, 0);
    assert_int_equal(pass(32, 100), 1); /* within a window and a bit */
    assert_false(rt.on);
    assert_int_equal(pass(480, 100), 0);
    assert_int_equal(pass(60, 100), 2); /* tried again, and given up again */
    assert_false(rt.on);
    pass(600, 20);
    assert_true(rt.on); /* the flood is over */
    /* However long it lasts: never so much that the kernel would stop it (95 % of a second). */
    unsigned on_ms = 0;
    for (unsigned ms = 0; ms < 10000; ms += 4) {
        pass(4, 100);
        on_ms += rt.on ? 4 : 0;
    }
    assert_true(on_ms < 1000);
}

static void test_starved_is_no_flood(void **state)
{
    (void)state;
    /* Ordinary among busy others it gets little, and never sleeps; that must not keep it ordinary. */
    pass(4, 0);
    pass(40, 100);
    assert_false(rt.on);
    pass(520, 10);
    assert_true(rt.on);
}

static void test_refused(void **state)
{
    (void)state;
    rt.refused = true;
    assert_int_equal(pass(5000, 10), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_at_once_and_kept, begin),
        cmocka_unit_test_setup(test_flood, begin),
        cmocka_unit_test_setup(test_starved_is_no_flood, begin),
        cmocka_unit_test_setup(test_refused, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
