/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "common/addr.h"
#include "dataplane/core/neigh.h"
#include "dataplane/core/rewrite.h"

#define MAX_ACTIONS 600

static struct pn_neigh_published pub;
static struct pn_neigh_table *t;
static struct pn_neigh_action acts[MAX_ACTIONS];
static const struct pn_mac mac1 = {{0x02, 0, 0, 0, 0, 1}}, mac2 = {{0x02, 0, 0, 0, 0, 2}};
static struct pn_addr gw1, gw2;

static int setup(void **state)
{
    const struct pn_neigh_timers timers = {0};

    (void)state;
    t = pn_neigh_table_new(&timers, &pub, NULL);
    pn_addr_parse("192.0.2.11", &gw1, NULL);
    pn_addr_parse("2001:db8::12", &gw2, NULL);
    return t == NULL;
}

static int teardown(void **state)
{
    (void)state;
    pn_neigh_table_free(t);
    return 0;
}

static void want(uint16_t gateway, const struct pn_addr *addr, uint32_t now)
{
    pn_neigh_want(t, gateway, addr, 0, 0, NULL, now);
}

static unsigned learn(const struct pn_addr *addr, const struct pn_mac *mac, bool confirmed, uint32_t now)
{
    return pn_neigh_learned(t, addr, 0, 0, mac, confirmed, true, PN_NEIGH_WIRE, now);
}

static uint8_t state_of(uint16_t gateway)
{
    struct pn_dp_neighbour n;
    return pn_neigh_get(t, gateway, 0, &n) ? n.state : 99;
}

static void check_mac(uint16_t gateway, const struct pn_mac *mac)
{
    uint64_t v = pn_neigh_read(&pub, gateway);
    assert_true(v & PN_NEIGH_VALID);
    assert_false(v & PN_NEIGH_DEAD);
    assert_int_equal(PN_NEIGH_MAC(v), pn_mac_u48(mac));
}

/* One action is due, this one. */
static void check_only(uint32_t now, uint16_t gateway, enum pn_neigh_act act)
{
    assert_int_equal(pn_neigh_tick(t, now, acts, MAX_ACTIONS), 1);
    assert_int_equal(acts[0].gateway, gateway);
    assert_int_equal(acts[0].act, act);
    assert_int_equal(pn_neigh_tick(t, now, acts, MAX_ACTIONS), 0);
}

static void check_quiet(uint32_t from, uint32_t to)
{
    for (uint32_t now = from; now != to; now++)
        if (pn_neigh_tick(t, now, acts, MAX_ACTIONS) != 0)
            fail_msg("action %u of gateway %u at %u", acts[0].act, acts[0].gateway, now);
}

static void test_resolve(void **state)
{
    uint64_t out, handles[PN_NEIGH_QUEUE];

    (void)state;
    want(3, &gw1, 1000);
    assert_int_equal(pn_neigh_read(&pub, 3), 0);
    check_only(1000, 3, PN_NEIGH_ACT_SOLICIT);
    assert_true(pn_addr_equal(&acts[0].addr, &gw1));
    assert_int_equal(pn_neigh_hold(t, 3, 71, &out), PN_NEIGH_HOLD_KEPT);
    assert_int_equal(pn_neigh_hold(t, 3, 72, &out), PN_NEIGH_HOLD_KEPT);
    check_quiet(1001, 1500);
    check_only(1500, 3, PN_NEIGH_ACT_SOLICIT);
    assert_int_equal(learn(&gw1, &mac1, true, 1510), 1);
    check_mac(3, &mac1);
    assert_int_equal(state_of(3), PN_NEIGH_REACHABLE);
    assert_int_equal(pn_neigh_hold(t, 3, 73, &out), PN_NEIGH_HOLD_SEND);
    check_only(1510, 3, PN_NEIGH_ACT_RELEASE);
    assert_memory_equal(&acts[0].mac, &mac1, 6);
    assert_int_equal(pn_neigh_take(t, 3, handles, PN_NEIGH_QUEUE), 2);
    assert_int_equal(handles[0], 71);
    assert_int_equal(handles[1], 72);
    assert_int_equal(pn_neigh_held(t), 0);
    check_quiet(1511, 31510);
}

static void test_fails_and_comes_back(void **state)
{
    uint64_t out, handle;

    (void)state;
    want(3, &gw1, 0);
    check_only(0, 3, PN_NEIGH_ACT_SOLICIT);
    pn_neigh_hold(t, 3, 71, &out);
    check_only(500, 3, PN_NEIGH_ACT_SOLICIT);
    check_only(1000, 3, PN_NEIGH_ACT_SOLICIT);
    check_only(1500, 3, PN_NEIGH_ACT_DROP);
    assert_int_equal(pn_neigh_take(t, 3, &handle, 1), 1);
    assert_int_equal(handle, 71);
    assert_int_equal(state_of(3), PN_NEIGH_FAILED);
    assert_int_equal(pn_neigh_read(&pub, 3), PN_NEIGH_DEAD);
    assert_int_equal(pn_neigh_hold(t, 3, 72, &out), PN_NEIGH_HOLD_DROP);
    check_quiet(1501, 2500);
    check_only(2500, 3, PN_NEIGH_ACT_SOLICIT); /* gateways come back: ask for ever */
    check_only(3500, 3, PN_NEIGH_ACT_SOLICIT);
    assert_int_equal(learn(&gw1, &mac1, true, 3600), 0);
    check_mac(3, &mac1);
}

/* REACHABLE runs out: the old MAC stays in use through every probe, and an answer ends it. */
static void test_refresh_loses_nothing(void **state)
{
    (void)state;
    want(3, &gw1, 0);
    pn_neigh_tick(t, 0, acts, MAX_ACTIONS);
    learn(&gw1, &mac1, true, 0);
    check_quiet(1, 30000);
    check_only(30000, 3, PN_NEIGH_ACT_PROBE);
    assert_memory_equal(&acts[0].mac, &mac1, 6);
    assert_int_equal(state_of(3), PN_NEIGH_PROBE);
    check_mac(3, &mac1);
    check_only(30500, 3, PN_NEIGH_ACT_PROBE);
    check_only(31000, 3, PN_NEIGH_ACT_PROBE);
    check_only(31500, 3, PN_NEIGH_ACT_SOLICIT); /* perhaps it has another MAC now */
    check_mac(3, &mac1);
    learn(&gw1, &mac1, true, 31600);
    assert_int_equal(state_of(3), PN_NEIGH_REACHABLE);
    check_quiet(31601, 61600);
    check_only(61600, 3, PN_NEIGH_ACT_PROBE);
}

static void test_probes_unanswered(void **state)
{
    (void)state;
    want(3, &gw1, 0);
    pn_neigh_tick(t, 0, acts, MAX_ACTIONS);
    learn(&gw1, &mac1, true, 0);
    for (uint32_t i = 0; i < 6; i++) {
        check_only(30000 + 500 * i, 3, i < 3 ? PN_NEIGH_ACT_PROBE : PN_NEIGH_ACT_SOLICIT);
        check_mac(3, &mac1);
    }
    assert_int_equal(pn_neigh_tick(t, 33000, acts, MAX_ACTIONS), 0);
    assert_int_equal(state_of(3), PN_NEIGH_FAILED);
    assert_int_equal(pn_neigh_read(&pub, 3), PN_NEIGH_DEAD);
}

static void test_overheard(void **state)
{
    (void)state;
    want(3, &gw1, 0);
    pn_neigh_tick(t, 0, acts, MAX_ACTIONS);
    learn(&gw1, &mac1, false, 10); /* good enough to use, to be verified soon */
    assert_int_equal(state_of(3), PN_NEIGH_STALE);
    check_mac(3, &mac1);
    check_quiet(11, 1010);
    check_only(1010, 3, PN_NEIGH_ACT_PROBE);
    learn(&gw1, &mac1, true, 1011);
    learn(&gw1, &mac1, false, 20000); /* the same again: nothing new, no confirmation */
    assert_int_equal(state_of(3), PN_NEIGH_REACHABLE);
    check_quiet(20001, 31011);
    check_only(31011, 3, PN_NEIGH_ACT_PROBE);
}

static void test_mac_changes(void **state)
{
    (void)state;
    want(3, &gw1, 0);
    pn_neigh_tick(t, 0, acts, MAX_ACTIONS);
    learn(&gw1, &mac1, true, 0);
    learn(&gw1, &mac2, false, 100); /* gratuitous ARP: the gateway's address moved */
    check_mac(3, &mac2);
    assert_int_equal(state_of(3), PN_NEIGH_STALE);
    check_only(1100, 3, PN_NEIGH_ACT_PROBE);
    assert_memory_equal(&acts[0].mac, &mac2, 6);
    learn(&gw1, &mac2, true, 1101);
    /* Without the override flag the old one stays, but is asked again (RFC 4861 7.2.5). */
    pn_neigh_learned(t, &gw1, 0, 0, &mac1, false, false, PN_NEIGH_WIRE, 1200);
    check_mac(3, &mac2);
    assert_int_equal(state_of(3), PN_NEIGH_STALE);
    pn_neigh_learned(t, &gw1, 0, 0, &mac1, true, false, PN_NEIGH_WIRE, 1201);
    check_mac(3, &mac2);
    pn_neigh_learned(t, &gw1, 0, 0, &mac1, true, true, PN_NEIGH_WIRE, 1202);
    check_mac(3, &mac1);
    assert_int_equal(state_of(3), PN_NEIGH_REACHABLE);
}

static void test_not_learned(void **state)
{
    static const struct pn_mac zero, group = {{0x01, 0, 0x5e, 0, 0, 1}};

    (void)state;
    want(3, &gw1, 0);
    learn(&gw2, &mac1, true, 0);
    learn(&gw1, &zero, true, 0);
    learn(&gw1, &group, true, 0);
    pn_neigh_learned(t, &gw1, 1, 0, &mac1, true, true, PN_NEIGH_WIRE, 0); /* another port */
    pn_neigh_learned(t, &gw1, 0, 5, &mac1, true, true, PN_NEIGH_WIRE, 0); /* another VLAN */
    assert_int_equal(state_of(3), PN_NEIGH_INCOMPLETE);
    assert_int_equal(pn_neigh_read(&pub, 3), 0);
}

static void test_static(void **state)
{
    uint64_t out, handle;

    (void)state;
    want(3, &gw1, 0);
    pn_neigh_hold(t, 3, 71, &out);
    pn_neigh_tick(t, 0, acts, MAX_ACTIONS);
    pn_neigh_want(t, 3, &gw1, 0, 0, &mac1, 10);
    check_mac(3, &mac1);
    check_only(10, 3, PN_NEIGH_ACT_RELEASE);
    assert_int_equal(pn_neigh_take(t, 3, &handle, 1), 1);
    learn(&gw1, &mac2, true, 20);
    check_mac(3, &mac1);
    assert_int_equal(state_of(3), PN_NEIGH_STATIC);
    check_quiet(21, 40000);
    want(3, &gw1, 40000); /* resolved on the wire again */
    assert_int_equal(pn_neigh_read(&pub, 3), 0);
    check_only(40000, 3, PN_NEIGH_ACT_SOLICIT);
}

static void test_want_again(void **state)
{
    uint64_t out;

    (void)state;
    want(3, &gw1, 0);
    pn_neigh_tick(t, 0, acts, MAX_ACTIONS);
    learn(&gw1, &mac1, true, 0);
    want(3, &gw1, 100); /* a reload that changes nothing here */
    check_mac(3, &mac1);
    check_quiet(100, 30000);
    want(3, &gw2, 30000); /* the address changed */
    assert_int_equal(pn_neigh_read(&pub, 3), 0);
    check_only(30000, 3, PN_NEIGH_ACT_SOLICIT);
    assert_true(pn_addr_equal(&acts[0].addr, &gw2));
    assert_int_equal(pn_neigh_hold(t, 3, 71, &out), PN_NEIGH_HOLD_KEPT);
    pn_neigh_forget(t, 3);
    assert_int_equal(pn_neigh_read(&pub, 3), PN_NEIGH_DEAD);
    assert_int_equal(pn_neigh_hold(t, 3, 72, &out), PN_NEIGH_HOLD_DROP);
    check_only(30001, 3, PN_NEIGH_ACT_DROP);
    assert_int_equal(pn_neigh_take(t, 3, &out, 1), 1);
    assert_int_equal(out, 71);
    check_quiet(30002, 40000);
    pn_neigh_want(t, PN_MAX_GATEWAYS, &gw1, 0, 0, NULL, 0); /* out of range: nothing */
    pn_neigh_forget(t, PN_ID_NONE);
    assert_int_equal(pn_neigh_hold(t, PN_ID_NONE, 1, &out), PN_NEIGH_HOLD_DROP);
}

static void test_queue_is_bounded(void **state)
{
    uint64_t out, handles[PN_NEIGH_QUEUE + 8];

    (void)state;
    want(3, &gw1, 0);
    for (uint64_t h = 1; h <= PN_NEIGH_QUEUE; h++) {
        assert_int_equal(pn_neigh_hold(t, 3, h, &out), PN_NEIGH_HOLD_KEPT);
        assert_int_equal(out, 0);
    }
    assert_int_equal(pn_neigh_hold(t, 3, 1000, &out), PN_NEIGH_HOLD_KEPT);
    assert_int_equal(out, 1);
    assert_int_equal(pn_neigh_held(t), PN_NEIGH_QUEUE);
    assert_int_equal(pn_neigh_take(t, 3, handles, PN_NEIGH_QUEUE + 8), PN_NEIGH_QUEUE);
    assert_int_equal(handles[0], 2);
    assert_int_equal(handles[PN_NEIGH_QUEUE - 1], 1000);
}

/* Many that nobody answers for must not take all buffers: in all there is a bound, which each shares by itself. */
static void test_all_queues_are_bounded(void **state)
{
    uint64_t out, handle = 1, handles[1];
    unsigned g;

    (void)state;
    for (g = 0; g < PN_NEIGH_HELD_MAX / PN_NEIGH_QUEUE; g++) {
        struct pn_addr addr = pn_addr_from_v4(0x0100000a + (g << 16));
        want(g, &addr, 0);
        for (unsigned i = 0; i < PN_NEIGH_QUEUE; i++)
            assert_int_equal(pn_neigh_hold(t, (uint16_t)g, handle++, &out), PN_NEIGH_HOLD_KEPT);
    }
    want(g, &gw1, 0);
    assert_int_equal(pn_neigh_hold(t, (uint16_t)g, handle, &out), PN_NEIGH_HOLD_FULL);
    assert_int_equal(pn_neigh_held(t), PN_NEIGH_HELD_MAX);
    assert_int_equal(pn_neigh_take(t, 0, handles, 1), 1);
    assert_int_equal(pn_neigh_hold(t, (uint16_t)g, handle, &out), PN_NEIGH_HOLD_KEPT);
    assert_int_equal(out, 0);
    assert_int_equal(pn_neigh_hold(t, (uint16_t)g, handle + 1, &out), PN_NEIGH_HOLD_KEPT);
    assert_int_equal(out, handle); /* its own oldest makes way */
    assert_int_equal(pn_neigh_held(t), PN_NEIGH_HELD_MAX);
}

/* Two gateways on one address (two pools, two names): one request, one answer for both. */
static void test_twins(void **state)
{
    uint64_t out;

    (void)state;
    want(3, &gw1, 0);
    want(9, &gw1, 0);
    pn_neigh_hold(t, 9, 91, &out);
    check_only(0, 3, PN_NEIGH_ACT_SOLICIT);
    assert_int_equal(learn(&gw1, &mac1, true, 5), 1);
    check_mac(3, &mac1);
    check_mac(9, &mac1);
    check_only(5, 9, PN_NEIGH_ACT_RELEASE);
    pn_neigh_take(t, 9, &out, 1);
    want(12, &gw1, 10000); /* a third one later knows it at once */
    check_mac(12, &mac1);
    check_quiet(10001, 30005);
    check_only(30005, 3, PN_NEIGH_ACT_PROBE);
    assert_int_equal(state_of(12), PN_NEIGH_PROBE);
    pn_neigh_forget(t, 3);
    check_only(30505, 9, PN_NEIGH_ACT_PROBE); /* the next one asks on */
}

static void test_kernel(void **state)
{
    struct pn_dp_neighbour n;

    (void)state;
    want(3, &gw1, 0);
    pn_neigh_tick(t, 0, acts, MAX_ACTIONS);
    pn_neigh_kernel_failed(t, &gw1, 0, 0, 1);
    assert_int_equal(state_of(3), PN_NEIGH_INCOMPLETE); /* we have not given up ourselves */
    pn_neigh_learned(t, &gw1, 0, 0, &mac1, true, true, PN_NEIGH_KERNEL, 10);
    assert_true(pn_neigh_get(t, 3, 110, &n));
    assert_int_equal(n.source, PN_NEIGH_KERNEL);
    assert_int_equal(n.age_ms, 100);
    pn_neigh_kernel_failed(t, &gw1, 0, 0, 200);
    assert_int_equal(state_of(3), PN_NEIGH_FAILED);
    pn_neigh_kernel_failed(t, &gw1, 0, 0, 1100); /* said again: our own timer goes on */
    check_only(1200, 3, PN_NEIGH_ACT_SOLICIT);
    learn(&gw1, &mac1, true, 1300);
    pn_neigh_kernel_failed(t, &gw1, 0, 0, 1400); /* the wire answered us since */
    assert_int_equal(state_of(3), PN_NEIGH_REACHABLE);
}

/* All 256 at once with little room for actions: none is left out, none comes twice. */
static void test_many(void **state)
{
    unsigned seen[PN_MAX_GATEWAYS] = {0}, n;
    struct pn_addr a = gw1;

    (void)state;
    for (uint16_t i = 0; i < PN_MAX_GATEWAYS; i++) {
        a.b[15] = (uint8_t)i;
        want(i, &a, UINT32_MAX - 100);
    }
    while ((n = pn_neigh_tick(t, UINT32_MAX - 100, acts, 5)) != 0) {
        assert_true(n <= 5);
        for (unsigned i = 0; i < n; i++)
            seen[acts[i].gateway]++;
    }
    for (unsigned i = 0; i < PN_MAX_GATEWAYS; i++)
        assert_int_equal(seen[i], 1);
    check_quiet(UINT32_MAX - 99, 399); /* over the clock's wrap */
    assert_true(pn_neigh_tick(t, 399, acts, MAX_ACTIONS) == PN_MAX_GATEWAYS);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_resolve),
        T(test_fails_and_comes_back),
        T(test_refresh_loses_nothing),
        T(test_probes_unanswered),
        T(test_overheard),
        T(test_mac_changes),
        T(test_not_learned),
        T(test_static),
        T(test_want_again),
        T(test_queue_is_bounded),
        T(test_all_queues_are_bounded),
        T(test_twins),
        T(test_kernel),
        T(test_many),
    };
#undef T
    return cmocka_run_group_tests(tests, NULL, NULL);
}
