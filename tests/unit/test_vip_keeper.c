/* SPDX-License-Identifier: BSD-3-Clause */
/* Leases over simulated time: when they are asked for, for how long, and when not. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "controlplane/vip/vip.h"

#define S UINT64_C(1000000000)
#define MS UINT64_C(1000000)

static struct pn_vip_keeper k;
static struct pn_dp_lease out[PN_MAX_VIPS];
static uint64_t wake;
static unsigned changes;

static void on_changed(void *arg, const struct pn_vip *vip, enum pn_vip_state before)
{
    (void)arg;
    (void)vip;
    (void)before;
    changes++;
}

static int setup(void **state)
{
    static const struct pn_vip_want want[] = {{"in4", 5, 200, 30000}, {"in6", 6, 200, 30000}, {"never", 7, 0, 30000}};
    static const uint16_t ids[] = {5, 6, 7};

    (void)state;
    changes = 0;
    pn_vip_keeper_init(&k, &pn_vip_policy_always);
    k.changed = on_changed;
    pn_vip_keeper_configure(&k, want, 3);
    pn_vip_keeper_installed(&k, ids, 3);
    return 0;
}

static void test_nothing_before_the_dataplane_runs_it(void **state)
{
    (void)state;
    pn_vip_keeper_installed(&k, NULL, 0);
    assert_int_equal(pn_vip_keeper_step(&k, 100 * S, out, &wake), 0);
    assert_int_equal(pn_vip_find(&k, "in4")->state, PN_VIP_INIT);
    assert_true(wake == UINT64_MAX);
}

static void test_owner_gets_a_lease_from_the_moment_of_sending(void **state)
{
    (void)state;
    assert_int_equal(pn_vip_keeper_step(&k, 100 * S, out, &wake), 3);
    assert_int_equal(out[0].vip, 5);
    assert_int_equal(out[0].deadline_boottime_ns, 130 * S);
    assert_int_equal(out[1].vip, 6);
    /* Priority 0: whatever the dataplane held from before is given up. */
    assert_int_equal(out[2].vip, 7);
    assert_int_equal(out[2].deadline_boottime_ns, 0);
    assert_int_equal(wake, 110 * S);
    assert_int_equal(pn_vip_find(&k, "in4")->state, PN_VIP_OWNER);
    assert_int_equal(pn_vip_find(&k, "never")->state, PN_VIP_BACKUP);
    assert_int_equal(changes, 3);
}

static void test_renewed_at_a_third(void **state)
{
    unsigned n = pn_vip_keeper_step(&k, 100 * S, out, &wake);

    (void)state;
    pn_vip_keeper_answer(&k, out, n, true, 100 * S + MS);
    assert_int_equal(pn_vip_keeper_step(&k, 110 * S - 1, out, &wake), 0);
    n = pn_vip_keeper_step(&k, 110 * S, out, &wake);
    assert_int_equal(n, 2); /* the release was confirmed and is not repeated */
    assert_int_equal(out[0].deadline_boottime_ns, 140 * S);
    assert_int_equal(out[0].flags, 0);
    assert_int_equal(changes, 3); /* renewing changes no state */
}

static void test_a_lost_renewal_is_sent_again_soon(void **state)
{
    unsigned n = pn_vip_keeper_step(&k, 100 * S, out, &wake);

    (void)state;
    pn_vip_keeper_answer(&k, out, n, false, 100 * S);
    assert_int_equal(pn_vip_keeper_step(&k, 100 * S + 199 * MS, out, &wake), 0);
    assert_int_equal(wake, 100 * S + PN_VIP_RETRY_MS * MS);
    assert_int_equal(pn_vip_keeper_step(&k, 100 * S + 200 * MS, out, &wake), 3);
    assert_int_equal(out[0].deadline_boottime_ns, 130 * S + 200 * MS);
    assert_int_equal(pn_vip_find(&k, "in4")->failures, 1);
}

static void test_standby_gives_up_at_once(void **state)
{
    unsigned n = pn_vip_keeper_step(&k, 100 * S, out, &wake);

    (void)state;
    pn_vip_keeper_answer(&k, out, n, true, 100 * S);
    k.standby = true;
    n = pn_vip_keeper_step(&k, 101 * S, out, &wake);
    assert_int_equal(n, 2);
    assert_int_equal(out[0].deadline_boottime_ns, 0);
    assert_true(out[0].flags & PN_DP_LEASE_SHORTEN);
    /* Until it is confirmed it is repeated; afterwards there is nothing to do. */
    pn_vip_keeper_answer(&k, out, n, false, 101 * S);
    n = pn_vip_keeper_step(&k, 102 * S, out, &wake);
    assert_int_equal(n, 2);
    pn_vip_keeper_answer(&k, out, n, true, 102 * S);
    assert_int_equal(pn_vip_keeper_step(&k, 200 * S, out, &wake), 0);
    assert_true(wake == UINT64_MAX);
    k.standby = false;
    n = pn_vip_keeper_step(&k, 201 * S, out, &wake);
    assert_int_equal(n, 2);
    assert_int_equal(out[0].deadline_boottime_ns, 231 * S);
}

static void test_a_shorter_lease_is_marked_and_not_delayed(void **state)
{
    static const struct pn_vip_want want[] = {{"in4", 5, 200, 3000}};
    static const uint16_t ids[] = {5};
    unsigned n = pn_vip_keeper_step(&k, 100 * S, out, &wake);

    (void)state;
    pn_vip_keeper_answer(&k, out, n, true, 100 * S);
    pn_vip_keeper_configure(&k, want, 1);
    pn_vip_keeper_installed(&k, ids, 1);
    n = pn_vip_keeper_step(&k, 101 * S, out, &wake);
    assert_int_equal(n, 1);
    assert_int_equal(out[0].deadline_boottime_ns, 104 * S);
    assert_true(out[0].flags & PN_DP_LEASE_SHORTEN);
    assert_int_equal(wake, 102 * S);
}

static void test_dataplane_gone_and_back(void **state)
{
    static const uint16_t ids[] = {5, 6, 7};
    unsigned n = pn_vip_keeper_step(&k, 100 * S, out, &wake);

    (void)state;
    pn_vip_keeper_answer(&k, out, n, true, 100 * S);
    pn_vip_keeper_installed(&k, NULL, 0);
    assert_int_equal(pn_vip_keeper_step(&k, 101 * S, out, &wake), 0);
    assert_int_equal(pn_vip_find(&k, "in4")->deadline_ns, 0);
    pn_vip_keeper_installed(&k, ids, 3);
    n = pn_vip_keeper_step(&k, 102 * S, out, &wake);
    assert_int_equal(n, 3); /* at once, not after the third */
    pn_vip_keeper_answer(&k, out, n, true, 102 * S);
    /* Gone and back before anyone looked: the new one holds no lease either. */
    pn_vip_keeper_installed(&k, NULL, 0);
    pn_vip_keeper_installed(&k, ids, 3);
    assert_int_equal(pn_vip_keeper_step(&k, 103 * S, out, &wake), 2);
}

static void decide_never(void *arg, const struct pn_vip_facts *facts, struct pn_vip_verdict *verdict)
{
    (void)arg;
    verdict->own = false;
    verdict->again_ns = facts->now_ns + 5 * S;
    verdict->reason = "test";
}

static void test_policy_says_when_to_ask_again(void **state)
{
    static const struct pn_vip_policy never = {.name = "never", .decide = decide_never};
    unsigned n;

    (void)state;
    k.policy = &never;
    n = pn_vip_keeper_step(&k, 100 * S, out, &wake);
    pn_vip_keeper_answer(&k, out, n, true, 100 * S);
    assert_int_equal(pn_vip_keeper_step(&k, 101 * S, out, &wake), 0);
    assert_int_equal(wake, 106 * S);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_nothing_before_the_dataplane_runs_it, setup),
        cmocka_unit_test_setup(test_owner_gets_a_lease_from_the_moment_of_sending, setup),
        cmocka_unit_test_setup(test_renewed_at_a_third, setup),
        cmocka_unit_test_setup(test_a_lost_renewal_is_sent_again_soon, setup),
        cmocka_unit_test_setup(test_standby_gives_up_at_once, setup),
        cmocka_unit_test_setup(test_a_shorter_lease_is_marked_and_not_delayed, setup),
        cmocka_unit_test_setup(test_dataplane_gone_and_back, setup),
        cmocka_unit_test_setup(test_policy_says_when_to_ask_again, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
