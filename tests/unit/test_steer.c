/* SPDX-License-Identifier: BSD-3-Clause */
/* Which gateway a new flow meets: affinity, tiers in rank, spill, and the same answer everywhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dataplane/core/steer.h"
#include "tests/unit/snap_make.h"

#define SMTP 100 /* the sample's service on in4: tiers primary {11, 12}, secondary {10} */
#define CLIENTS 4000u

static struct pn_dpsnap *build(struct snap_parts *p)
{
    struct pn_error err = {""};
    size_t len;
    void *buf = snap_pack(p, &len);
    struct pn_dpsnap *s = pn_dpsnap_build(buf, len, 0, &err);
    if (s == NULL)
        fail_msg("%s", err.text);
    free(buf);
    return s;
}

static struct pn_addr client_at(uint32_t i)
{
    return snap_v4(198, 18, (uint8_t)(i >> 8), (uint8_t)i);
}

static struct pn_steer_choice steer(const struct pn_dpsnap *s, uint32_t i, const struct pn_steer_load *load)
{
    struct pn_steer_choice c;
    struct pn_addr a = client_at(i);
    pn_steer(s, SMTP, a.q, (uint16_t)(1024 + i), load, &c);
    return c;
}

struct tally {
    unsigned by_tier[3], by_gateway[20], spilled, none;
};

static struct tally tally(const struct pn_dpsnap *s, const struct pn_steer_load *load)
{
    struct tally t = {0};
    for (uint32_t i = 0; i < CLIENTS; i++) {
        struct pn_steer_choice c = steer(s, i, load);
        t.spilled += c.spilled;
        if (c.verdict != PN_STEER_OK) {
            assert_int_equal(c.gateway, PN_ID_NONE);
            assert_int_equal(c.default_gateway, PN_ID_NONE);
            assert_int_equal(c.first_tier, PN_ID_NONE);
            assert_int_equal(c.tier, PN_ID_NONE);
            t.none++;
            continue;
        }
        assert_int_equal(c.spilled, c.tier != c.first_tier);
        if (!c.spilled)
            assert_int_equal(c.gateway, c.default_gateway);
        t.by_tier[c.tier]++;
        t.by_gateway[c.gateway]++;
    }
    return t;
}

/* Runs one change of the sample. */
static struct tally with(void (*change)(struct snap_parts *p), const struct pn_steer_load *load)
{
    struct snap_parts *p = snap_sample();
    if (change != NULL)
        change(p);
    struct pn_dpsnap *s = build(p);
    struct tally t = tally(s, load);
    pn_dpsnap_free(s);
    free(p);
    return t;
}

static void test_primary_shares(void **state)
{
    (void)state;
    struct tally t = with(NULL, NULL);
    assert_int_equal(t.by_tier[0], CLIENTS);
    assert_true(t.by_gateway[11] > CLIENTS * 45 / 100 && t.by_gateway[12] > CLIENTS * 45 / 100);
}

static void test_no_such_service(void **state)
{
    (void)state;
    struct snap_parts *p = snap_sample();
    struct pn_dpsnap *s = build(p);
    struct pn_steer_choice c;
    struct pn_addr a = client_at(1);
    static const uint16_t ids[] = {0, 99, PN_MAX_SERVICES, PN_ID_NONE};
    for (unsigned i = 0; i < 4; i++) {
        pn_steer(s, ids[i], a.q, 1, NULL, &c);
        assert_int_equal(c.verdict, PN_STEER_NO_SERVICE);
        assert_int_equal(c.gateway, PN_ID_NONE);
    }
    pn_dpsnap_free(s);
    free(p);
}

static void primary_down(struct snap_parts *p)
{
    p->members[0].flags = p->members[1].flags = PN_SNAP_MEMBER_DOWN;
}
static void primary_busy(struct snap_parts *p)
{
    p->members[0].flags = p->members[1].flags = PN_SNAP_MEMBER_BUSY;
}
static void one_busy(struct snap_parts *p)
{
    p->members[0].flags = PN_SNAP_MEMBER_BUSY;
}
static void all_down(struct snap_parts *p)
{
    primary_down(p), p->members[2].flags = PN_SNAP_MEMBER_DOWN;
}
static void all_busy(struct snap_parts *p)
{
    primary_busy(p), p->members[2].flags = PN_SNAP_MEMBER_BUSY;
}
static void down_then_busy(struct snap_parts *p)
{
    primary_down(p), p->members[2].flags = PN_SNAP_MEMBER_BUSY;
}
static void all_busy_in_spill(struct snap_parts *p)
{
    all_busy(p), p->tiers[0].spill_share = 65535;
}
static void drained(struct snap_parts *p)
{
    for (unsigned i = 0; i < 3; i++)
        p->gateways[i].flags = PN_SNAP_GW_DRAIN;
}

static void test_tiers_in_rank(void **state)
{
    (void)state;
    static const struct {
        void (*change)(struct snap_parts *p);
        unsigned tier; /* all go there; 2: nowhere */
        bool only_12;
    } rows[] = {
        {primary_down, 1, false}, {primary_busy, 1, false},   {one_busy, 0, true},           {all_down, 2, false},
        {all_busy, 0, false},     {down_then_busy, 1, false}, {all_busy_in_spill, 0, false}, {drained, 2, false},
    };
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct tally t = with(rows[i].change, NULL);
        unsigned got = t.none == CLIENTS ? 2 : t.by_tier[1] == CLIENTS ? 1 : t.by_tier[0] == CLIENTS ? 0 : 9;
        if (got != rows[i].tier || t.spilled != 0 || (rows[i].only_12 && t.by_gateway[12] != CLIENTS))
            fail_msg("row %u: tier %u, spilled %u", i, got, t.spilled);
    }
}

static void ramp(struct snap_parts *p)
{
    p->tiers[0].spill_share = 65535 / 4;
}
static void spill_all(struct snap_parts *p)
{
    p->tiers[0].spill_share = 65535;
}
static void spill_refused(struct snap_parts *p)
{
    spill_all(p), p->tiers[1].flags = 0;
}
static void spill_into_spilling(struct snap_parts *p)
{
    spill_all(p), p->tiers[1].spill_share = 1;
}
static void spill_into_down(struct snap_parts *p)
{
    spill_all(p), p->members[2].flags = PN_SNAP_MEMBER_DOWN;
}
static void spill_into_busy(struct snap_parts *p)
{
    spill_all(p), p->members[2].flags = PN_SNAP_MEMBER_BUSY;
}
/* A pool of three: the second tier does not accept, the third does. */
static void spill_over_one(struct snap_parts *p)
{
    spill_all(p);
    p->tiers[1].flags = 0;
    snap_tier(p, "third", 2);
    snap_member(p, 11, 100);
    p->services[0].tier_count = 3;
}
/* The first tier is down, so the second is the one whose spill counts. */
static void spill_from_second(struct snap_parts *p)
{
    spill_over_one(p);
    primary_down(p);
    p->tiers[0].spill_share = 0;
    p->tiers[1].spill_share = 65535;
    p->members[3].gateway = 12;
    p->members[1].flags = 0, p->members[1].weight = 0;
}

static void test_spill_targets(void **state)
{
    (void)state;
    static const struct {
        void (*change)(struct snap_parts *p);
        unsigned tier;
        bool spilled;
    } rows[] = {
        {spill_all, 1, true},         {spill_refused, 0, false},   {spill_into_spilling, 0, false},
        {spill_into_down, 0, false},  {spill_into_busy, 0, false}, {spill_over_one, 2, true},
        {spill_from_second, 2, true},
    };
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct tally t = with(rows[i].change, NULL);
        if (t.by_tier[rows[i].tier] != CLIENTS || t.spilled != (rows[i].spilled ? CLIENTS : 0))
            fail_msg("row %u: %u %u %u, spilled %u", i, t.by_tier[0], t.by_tier[1], t.by_tier[2], t.spilled);
    }
}

static void test_ramp_share_and_stickiness(void **state)
{
    (void)state;
    struct tally t = with(ramp, NULL);
    assert_true(t.spilled > CLIENTS * 22 / 100 && t.spilled < CLIENTS * 28 / 100);
    /* Both gateways of the tier give up alike: the share has nothing to do with the slot. */
    assert_true(t.by_gateway[11] > CLIENTS * 33 / 100 && t.by_gateway[12] > CLIENTS * 33 / 100);

    /* Growing shares only add: who spilled at one share spills at each greater one. */
    static uint8_t spilled[CLIENTS];
    memset(spilled, 0, sizeof(spilled));
    for (unsigned share = 0; share <= 65535; share += 4369) {
        struct snap_parts *p = snap_sample();
        p->tiers[0].spill_share = (uint16_t)share;
        struct pn_dpsnap *s = build(p);
        unsigned n = 0;
        for (uint32_t i = 0; i < CLIENTS; i++) {
            struct pn_steer_choice c = steer(s, i, NULL);
            assert_true(c.spilled || !spilled[i]);
            spilled[i] = c.spilled;
            n += c.spilled;
        }
        assert_true(n > CLIENTS * (share / 65535.0) * 0.9 - 20 && n < CLIENTS * (share / 65535.0) * 1.1 + 20);
        if (share == 65535)
            assert_int_equal(n, CLIENTS);
        pn_dpsnap_free(s);
        free(p);
    }
}

/* Which side of a ramp a flow is on tells nothing of its slot. */
static void test_share_is_independent_of_slot(void **state)
{
    (void)state;
    struct snap_parts *p = snap_sample();
    ramp(p);
    struct pn_dpsnap *s = build(p);
    unsigned low = 0, spilled = 0;
    for (uint32_t i = 0; i < CLIENTS; i++) {
        struct pn_steer_choice c = steer(s, i, NULL);
        spilled += c.spilled;
        low += c.spilled && c.slot < PN_MAGLEV_SIZE / 2;
    }
    assert_true(low > spilled * 44 / 100 && low < spilled * 56 / 100);
    pn_dpsnap_free(s);
    free(p);
}

/* A share of 65535 is all, also for the one hash in 65536 that has all its bits set. */
static void test_full_share_is_all(void **state)
{
    (void)state;
    struct snap_parts *p = snap_sample();
    spill_all(p);
    struct pn_dpsnap *s = build(p);
    unsigned found = 0;
    for (uint32_t i = 0; i < 1u << 20; i++) {
        struct pn_addr a = snap_v4(10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i);
        struct pn_steer_choice c;
        if ((pn_steer_hash(&s->services[SMTP], a.q, 7) & 0xffff) != 0xffff)
            continue;
        pn_steer(s, SMTP, a.q, 7, NULL, &c);
        assert_true(c.spilled);
        found++;
    }
    assert_true(found > 0);
    pn_dpsnap_free(s);
    free(p);
}

static int64_t active[PN_MAX_GATEWAYS], own_now[PN_MAX_GATEWAYS], own_then[PN_MAX_GATEWAYS];
static const struct pn_steer_load load = {active, own_now, own_then};

static void limit_100(struct snap_parts *p)
{
    p->tiers[0].spill_share = 65535, p->tiers[0].spill_above_active = 100;
}
static void limit_alone(struct snap_parts *p)
{
    p->tiers[0].spill_above_active = 100;
}
static void limit_both(struct snap_parts *p)
{
    limit_100(p), p->tiers[1].spill_above_active = 50;
}

static void set_load(int64_t on_11, int64_t on_12, int64_t now_12, int64_t then_12, int64_t on_10)
{
    active[11] = on_11;
    active[12] = on_12;
    own_now[12] = now_12;
    own_then[12] = then_12;
    active[10] = on_10;
}

static void test_overflow_only(void **state)
{
    (void)state;
    static const struct {
        int64_t on_11, on_12, now_12, then_12, on_10;
        bool spilled, spilled_both;
    } rows[] = {
        {0, 0, 0, 0, 0, false, false},
        {60, 39, 0, 0, 0, false, false},
        {60, 40, 0, 0, 0, true, true}, /* the sum over the tier counts */
        {60, 39, 5, 4, 0, true, true}, /* this worker's one since the last publication */
        {60, 40, 4, 5, 0, false, false},
        {60, 40, 0, 0, 49, true, true},
        {60, 40, 0, 0, 50, true, false}, /* the second tier at its own limit takes none */
        {INT32_MAX, INT32_MAX, 0, 0, 0, true, true},
    };
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        set_load(rows[i].on_11, rows[i].on_12, rows[i].now_12, rows[i].then_12, rows[i].on_10);
        unsigned a = with(limit_100, &load).spilled, b = with(limit_alone, &load).spilled,
                 c = with(limit_both, &load).spilled;
        if (a != (rows[i].spilled ? CLIENTS : 0) || b != a || c != (rows[i].spilled_both ? CLIENTS : 0))
            fail_msg("row %u: %u %u %u", i, a, b, c);
    }
    /* Without figures the share decides alone. */
    assert_int_equal(with(limit_100, NULL).spilled, CLIENTS);
    assert_int_equal(with(limit_alone, NULL).spilled, 0);
}

static void test_affinity(void **state)
{
    (void)state;
    static const struct {
        uint8_t affinity, v4_prefix, v6_prefix;
        struct pn_addr a, b;
        uint16_t port_a, port_b;
        bool same;
    } rows[] = {
        {PN_AFFINITY_NONE, 24, 64, {{{0}}}, {{{0}}}, 1, 2, false},
        {PN_AFFINITY_CLIENT, 24, 64, {{{0}}}, {{{0}}}, 1, 2, true},
        {PN_AFFINITY_CLIENT, 24, 64, {{{0}}}, {{{[15] = 1}}}, 1, 1, false},
        {PN_AFFINITY_NETWORK, 24, 64, {{{0}}}, {{{[15] = 0xff}}}, 1, 2, true},
        {PN_AFFINITY_NETWORK, 24, 64, {{{0}}}, {{{[14] = 0x01}}}, 1, 2, false},
        {PN_AFFINITY_NETWORK, 25, 64, {{{0}}}, {{{[15] = 0x7f}}}, 1, 2, true},
        {PN_AFFINITY_NETWORK, 25, 64, {{{0}}}, {{{[15] = 0x80}}}, 1, 2, false},
        {PN_AFFINITY_NETWORK, 32, 64, {{{0}}}, {{{[15] = 0x01}}}, 1, 2, false},
        {PN_AFFINITY_NETWORK, 1, 64, {{{0}}}, {{{[12] = 0x40, [15] = 1}}}, 1, 2, true},
        {PN_AFFINITY_NETWORK, 1, 64, {{{0}}}, {{{[12] = 0x80}}}, 1, 2, false},
        /* IPv6: marked by a first byte */
        {PN_AFFINITY_NETWORK, 24, 64, {{{[0] = 0x20}}}, {{{[0] = 0x20, [8] = 0xff, [15] = 1}}}, 1, 2, true},
        {PN_AFFINITY_NETWORK, 24, 64, {{{[0] = 0x20}}}, {{{[0] = 0x20, [7] = 1}}}, 1, 2, false},
        {PN_AFFINITY_NETWORK, 24, 60, {{{[0] = 0x20}}}, {{{[0] = 0x20, [7] = 0x0f}}}, 1, 2, true},
        {PN_AFFINITY_NETWORK, 24, 60, {{{[0] = 0x20}}}, {{{[0] = 0x20, [7] = 0x10}}}, 1, 2, false},
        {PN_AFFINITY_NETWORK, 24, 128, {{{[0] = 0x20}}}, {{{[0] = 0x20, [15] = 1}}}, 1, 2, false},
        {PN_AFFINITY_NETWORK, 24, 72, {{{[0] = 0x20}}}, {{{[0] = 0x20, [9] = 1}}}, 1, 2, true},
        {PN_AFFINITY_NETWORK, 24, 72, {{{[0] = 0x20}}}, {{{[0] = 0x20, [8] = 1}}}, 1, 2, false},
    };
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct snap_parts *p = snap_sample();
        p->services[0].affinity = rows[i].affinity;
        p->services[0].v4_prefix = rows[i].v4_prefix;
        p->services[0].v6_prefix = rows[i].v6_prefix;
        struct pn_dpsnap *s = build(p);
        struct pn_addr a = rows[i].a, b = rows[i].b;
        if (a.b[0] == 0)
            a.b[10] = a.b[11] = b.b[10] = b.b[11] = 0xff;
        uint64_t ha = pn_steer_hash(&s->services[SMTP], a.q, rows[i].port_a);
        uint64_t hb = pn_steer_hash(&s->services[SMTP], b.q, rows[i].port_b);
        if ((ha == hb) != rows[i].same)
            fail_msg("row %u", i);
        pn_dpsnap_free(s);
        free(p);
    }
}

/*
 * Part of the protocol between nodes: a node with other ids and another order makes the same choices, and these never
 * change from version to version.
 */
static void test_same_on_every_node(void **state)
{
    (void)state;
    struct snap_parts *p = snap_sample(), *q = snap_new();
    snap_vip(q, "in4", snap_v4(192, 0, 2, 25))->id = 1;
    snap_gateway(q, "mx3")->id = 200;
    snap_gateway(q, "mx2")->id = 201;
    snap_gateway(q, "mx1")->id = 202;
    snap_tier(q, "primary", 0);
    snap_member(q, 201, 100);
    snap_member(q, 202, 100);
    snap_tier(q, "secondary", 1);
    snap_member(q, 200, 100);
    snap_service(q, "smtp", 1, 25, 0, 2)->id = SMTP;
    p->tiers[0].spill_share = q->tiers[0].spill_share = 20000;
    struct pn_dpsnap *s = build(p), *t = build(q);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        static const char name_of_s[] = {[10] = '3', [11] = '1', [12] = '2'};
        struct pn_steer_choice a = steer(s, i, NULL), b = steer(t, i, NULL);
        assert_int_equal(name_of_s[a.gateway], '3' - (b.gateway - 200));
        assert_int_equal(a.spilled, b.spilled);
        assert_true(a.hash == b.hash);
    }
    struct pn_addr a = snap_v4(203, 0, 113, 7);
    assert_true(pn_steer_hash(&s->services[SMTP], a.q, 40000) == 0xf408cbdfe42ed3bfull);
    p->h.steering_seed++;
    struct pn_dpsnap *u = build(p);
    unsigned moved = 0;
    for (uint32_t i = 0; i < CLIENTS; i++)
        moved += steer(s, i, NULL).gateway != steer(u, i, NULL).gateway;
    assert_true(moved > CLIENTS / 3);
    pn_dpsnap_free(s);
    pn_dpsnap_free(t);
    pn_dpsnap_free(u);
    free(p);
    free(q);
}

/* One service on two VIPs: a client that tries the other address meets the same gateway (greylisting). */
static void test_same_on_both_vips(void **state)
{
    (void)state;
    struct snap_parts *p = snap_sample();
    p->services[0].affinity = p->services[1].affinity = PN_AFFINITY_NETWORK;
    struct pn_dpsnap *s = build(p);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        struct pn_steer_choice a, b;
        struct pn_addr c = client_at(i), d = client_at(i ^ 0x3f);
        pn_steer(s, 100, c.q, 1, NULL, &a);
        pn_steer(s, 101, d.q, 2, NULL, &b);
        assert_int_equal(a.gateway, b.gateway);
    }
    pn_dpsnap_free(s);
    free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_primary_shares),
        cmocka_unit_test(test_no_such_service),
        cmocka_unit_test(test_tiers_in_rank),
        cmocka_unit_test(test_spill_targets),
        cmocka_unit_test(test_ramp_share_and_stickiness),
        cmocka_unit_test(test_share_is_independent_of_slot),
        cmocka_unit_test(test_full_share_is_all),
        cmocka_unit_test(test_overflow_only),
        cmocka_unit_test(test_affinity),
        cmocka_unit_test(test_same_on_every_node),
        cmocka_unit_test(test_same_on_both_vips),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
