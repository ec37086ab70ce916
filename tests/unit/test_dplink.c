/* SPDX-License-Identifier: BSD-3-Clause */
/* The link to postern-dp: greeting, order, losses, answers that nobody asked for; and the counters' reader. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include <event2/event.h>

#include "controlplane/dplink/dplink.h"
#include "controlplane/dplink/stats.h"
#include "tests/unit/fake_dp.h"

static struct fake_dp dp;
static struct event_base *base;
static char dir[64];
static unsigned ups, downs, replies, lost;
static unsigned order[8];

static void on_up(void *arg, const struct pn_dp_hello *hello)
{
    (void)arg;
    assert_int_equal(hello->n_workers, 1);
    ups++;
}

static void on_down(void *arg, const char *reason)
{
    (void)arg;
    assert_true(reason[0] != '\0');
    downs++;
}

static const struct pn_dplink_callbacks callbacks = {.up = on_up, .down = on_down};

static void on_reply(void *arg, unsigned status, const void *payload, size_t len)
{
    (void)payload;
    (void)len;
    if (status == PN_DPLINK_LOST)
        lost++;
    else if (replies < 8)
        order[replies] = (unsigned)(uintptr_t)arg;
    replies += status != PN_DPLINK_LOST;
}

static int setup(void **state)
{
    (void)state;
    ups = downs = replies = lost = 0;
    snprintf(dir, sizeof(dir), "/tmp/pn-dplink.XXXXXX");
    assert_non_null(mkdtemp(dir));
    base = event_base_new();
    fake_dp_start(&dp, base, dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fake_dp_stop(&dp);
    event_base_free(base);
    rmdir(dir);
    return 0;
}

static struct pn_dplink *connected(void)
{
    struct pn_error err;
    struct pn_dplink *l = pn_dplink_new(base, dp.socket, &callbacks, &err);

    assert_non_null(l);
    assert_int_equal(pn_dplink_send(l, PN_DP_PORTS, NULL, 0, on_reply, NULL), 0); /* not up yet */
    assert_true(fake_dp_wait(base, &ups, 1, 2000));
    assert_true(pn_dplink_is_up(l));
    return l;
}

static void test_answers_come_in_order(void **state)
{
    struct pn_dplink *l = connected();

    (void)state;
    for (unsigned i = 1; i <= 5; i++)
        assert_int_not_equal(pn_dplink_send(l, PN_DP_PORTS, NULL, 0, on_reply, (void *)(uintptr_t)i), 0);
    assert_int_equal(replies, 0); /* never from within send */
    assert_true(fake_dp_wait(base, &replies, 5, 2000));
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(order[i], i + 1);
    pn_dplink_free(l);
    assert_int_equal(lost, 0);
}

static void test_lost_when_it_goes_and_back_again(void **state)
{
    struct pn_dplink *l = connected();

    (void)state;
    dp.mute = true;
    pn_dplink_send(l, PN_DP_PORTS, NULL, 0, on_reply, NULL);
    pn_dplink_send(l, PN_DP_PORTS, NULL, 0, on_reply, NULL);
    assert_true(fake_dp_wait(base, &dp.asked[PN_DP_PORTS], 2, 2000));
    fake_dp_hang_up(&dp);
    assert_true(fake_dp_wait(base, &downs, 1, 2000));
    assert_int_equal(lost, 2);
    assert_false(pn_dplink_is_up(l));
    assert_true(pn_dplink_problem(l)[0] != '\0');
    dp.mute = false;
    assert_true(fake_dp_wait(base, &ups, 2, 3000));
    pn_dplink_free(l);
}

static void test_cancelled_is_not_called(void **state)
{
    struct pn_dplink *l = connected();
    uint32_t seq = pn_dplink_send(l, PN_DP_PORTS, NULL, 0, on_reply, NULL);

    (void)state;
    pn_dplink_cancel(l, seq);
    pn_dplink_send(l, PN_DP_PORTS, NULL, 0, on_reply, (void *)9);
    assert_true(fake_dp_wait(base, &replies, 1, 2000));
    fake_dp_run(base, 20);
    assert_int_equal(replies, 1);
    assert_int_equal(order[0], 9);
    pn_dplink_free(l);
}

static void test_wrong_answers_close_it(void **state)
{
    struct pn_dplink *l = connected();

    (void)state;
    dp.bad_seq = true;
    pn_dplink_send(l, PN_DP_PORTS, NULL, 0, on_reply, NULL);
    assert_true(fake_dp_wait(base, &downs, 1, 2000));
    assert_true(fake_dp_wait(base, &ups, 2, 3000));
    dp.bad_length = true;
    pn_dplink_send(l, PN_DP_PORTS, NULL, 0, on_reply, NULL);
    assert_true(fake_dp_wait(base, &downs, 2, 2000));
    assert_non_null(strstr(pn_dplink_problem(l), "3 bytes is out of range"));
    assert_int_equal(lost, 2);
    assert_int_equal(replies, 0);
    pn_dplink_free(l);
}

static void test_pending_is_bounded(void **state)
{
    struct pn_dplink *l = connected();
    unsigned sent = 0;

    (void)state;
    dp.mute = true;
    while (sent < 2 * PN_DPLINK_PENDING_MAX && pn_dplink_send(l, PN_DP_PORTS, NULL, 0, on_reply, NULL))
        sent++;
    assert_int_equal(sent, PN_DPLINK_PENDING_MAX);
    pn_dplink_free(l);
    assert_int_equal(lost, sent); /* freeing answers what is left */
}

static void test_stats_are_summed(void **state)
{
    struct pn_stats_reader *r = pn_stats_reader_new();
    static struct pn_stats_sum sum;
    struct pn_error err;

    (void)state;
    fake_dp_worker(&dp, 0)->counters[PN_C_TX_FORWARD] = 40;
    fake_dp_worker(&dp, 1)->counters[PN_C_TX_FORWARD] = 2; /* the main lcore's block counts too */
    fake_dp_worker(&dp, 0)->gateways[3].active = 7;
    fake_dp_worker(&dp, 1)->gateways[3].active = -2; /* gauges may be negative in one block */
    fake_dp_worker(&dp, 0)->heartbeat_boottime_ns = 5;
    pn_stats_read(r, &sum);
    assert_false(sum.valid);
    assert_int_equal(pn_stats_reader_open(r, dp.stats_path, &err), 0);
    pn_stats_read(r, &sum);
    assert_true(sum.valid);
    assert_int_equal(sum.sum.counters[PN_C_TX_FORWARD], 42);
    assert_int_equal(sum.sum.gateways[3].active, 5);
    assert_int_equal(sum.sum.heartbeat_boottime_ns, 5);
    dp.stats->boot_id++; /* another life of the dataplane: these numbers are not comparable */
    pn_stats_read(r, &sum);
    assert_false(sum.valid);
    pn_stats_reader_free(r);
}

static void test_stats_of_another_layout_are_refused(void **state)
{
    struct pn_stats_reader *r = pn_stats_reader_new();
    struct pn_error err;

    (void)state;
    dp.stats->n_counters++;
    assert_int_equal(pn_stats_reader_open(r, dp.stats_path, &err), -1);
    dp.stats->n_counters--;
    dp.stats->n_workers = PN_MAX_WORKERS; /* more than the file holds */
    assert_int_equal(pn_stats_reader_open(r, dp.stats_path, &err), -1);
    dp.stats->n_workers = 1;
    dp.stats->magic++;
    assert_int_equal(pn_stats_reader_open(r, dp.stats_path, &err), -1);
    dp.stats->magic--;
    assert_int_equal(pn_stats_reader_open(r, dp.stats_path, &err), 0);
    assert_int_equal(pn_stats_reader_open(r, "/dev/null", &err), -1);
    pn_stats_reader_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_answers_come_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lost_when_it_goes_and_back_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cancelled_is_not_called, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_answers_close_it, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pending_is_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stats_are_summed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stats_of_another_layout_are_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
