/* SPDX-License-Identifier: BSD-3-Clause */
/* The compiled snapshot: what stands where after the build, and the lookups by destination. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "dataplane/core/classify.h"
#include "dataplane/core/dpsnap.h"
#include "dataplane/core/maglev.h"
#include "tests/unit/snap_make.h"

static struct pn_dpsnap *build(struct snap_parts *p, const struct pn_dpsnap *previous)
{
    struct pn_error err = {""};
    size_t len;
    void *buf = snap_pack(p, &len);
    struct pn_dpsnap *s = pn_dpsnap_rebuild(buf, len, 1234, previous, &err);
    if (s == NULL)
        fail_msg("%s", err.text);
    memset(buf, 0xee, len); /* it must have its own copy */
    free(buf);
    return s;
}

static void test_refuses_invalid(void **state)
{
    (void)state;
    struct snap_parts *p = snap_sample();
    struct pn_error err;
    size_t len;
    uint8_t *buf = snap_pack(p, &len);
    buf[0] ^= 1;
    assert_null(pn_dpsnap_build(buf, len, 1, &err));
    assert_non_null(strstr(err.text, "magic"));
    pn_dpsnap_free(NULL);
    free(buf);
    free(p);
}

static void test_by_id(void **state)
{
    (void)state;
    struct snap_parts *p = snap_sample();
    p->h.generation = 77;
    p->vips[0].vlan = 9;
    p->vips[0].port = 2;
    p->vips[0].mac.b[0] = 0x02;
    p->vips[0].grace_ms = 4711;
    p->gateways[1].mode = PN_FWD_LOCAL;
    p->gateways[1].vlan = 12;
    p->gateways[1].port = 3;
    p->services[1].half_open_max = 55;
    struct pn_dpsnap *s = build(p, NULL);
    assert_int_equal(s->generation, 77);
    assert_int_equal(s->view.header->generation, 77);
    assert_string_equal(s->view.gateways[2].name, "mx3");
    assert_true(s->vips[5].used && s->vips[3].used && !s->vips[0].used && !s->vips[4].used);
    assert_true(pn_addr_equal(&s->vips[5].addr, &p->vips[0].addr));
    assert_int_equal(s->vips[5].vlan, 9);
    assert_int_equal(s->vips[5].port, 2);
    assert_int_equal(s->vips[5].flags, p->vips[0].flags);
    assert_int_equal(s->vips[5].mac.b[0], 2);
    assert_int_equal(s->vips[5].grace_ms, 4711);
    assert_true(s->gateways[12].used && !s->gateways[13].used);
    assert_int_equal(s->gateways[12].mode, PN_FWD_LOCAL);
    assert_int_equal(s->gateways[12].vlan, 12);
    assert_int_equal(s->gateways[12].port, 3);
    assert_int_equal(s->services[100].vip, 5);
    assert_int_equal(s->services[100].l4_port, 25);
    assert_int_equal(s->services[100].ip_proto, 6);
    assert_int_equal(s->services[101].tier_count, 2);
    assert_int_equal(s->services[99].tier_count, 0);
    assert_int_equal(s->timers[100].established_ms, 660000);
    assert_int_equal(s->timers[100].half_open_ms, 30000);
    assert_int_equal(s->timers[100].closing_ms, 10000);
    assert_int_equal(s->timers[100].half_open_max, 1234); /* the default handed in */
    assert_int_equal(s->timers[101].half_open_max, 55);
    assert_int_equal(s->tiers[0].id, 7);
    assert_int_equal(s->tiers[0].n_gateways, 2);
    assert_int_equal(s->tiers[0].gateways[1], 12);
    assert_int_equal(s->tiers[1].n_gateways, 1);
    assert_int_equal(s->tiers[1].gateways[0], 10);
    pn_dpsnap_free(s);
    free(p);
}

static void test_accepts_and_alive(void **state)
{
    (void)state;
    static const struct {
        uint16_t gw_flags, member_flags, second_flags;
        bool accepts, alive;
    } rows[] = {
        {0, 0, 0, true, true},
        {PN_SNAP_GW_DRAIN, 0, 0, false, true},
        {PN_SNAP_GW_DISABLED, 0, 0, false, false},
        {0, PN_SNAP_MEMBER_DOWN, 0, true, true}, /* another pool still holds it up */
        {0, 0, PN_SNAP_MEMBER_DOWN, true, true},
        {0, PN_SNAP_MEMBER_DOWN, PN_SNAP_MEMBER_DOWN, true, false},
        {0, PN_SNAP_MEMBER_BUSY, PN_SNAP_MEMBER_BUSY, true, true},
        {0, PN_SNAP_MEMBER_BUSY | PN_SNAP_MEMBER_DOWN, PN_SNAP_MEMBER_DOWN, true, false},
        {PN_SNAP_GW_DRAIN, PN_SNAP_MEMBER_DOWN, PN_SNAP_MEMBER_DOWN, false, false},
    };
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct snap_parts *p = snap_sample();
        p->gateways[0].flags = rows[i].gw_flags;
        p->members[0].flags = rows[i].member_flags;
        snap_tier(p, "other", 0);
        snap_member(p, 11, 100)->flags = rows[i].second_flags;
        snap_gateway(p, "unused");
        struct pn_dpsnap *s = build(p, NULL);
        assert_int_equal(s->gateways[11].accepts, rows[i].accepts);
        assert_int_equal(s->gateways[11].alive, rows[i].alive);
        assert_int_equal(s->gateways[3].alive, 1); /* in no pool: nobody says it is down */
        pn_dpsnap_free(s);
        free(p);
    }
}

/* Which of a tier's members stand in its tables. */
static void test_tier_tables(void **state)
{
    (void)state;
    enum { NEITHER, WELL, BUSY };
    static const struct {
        uint16_t gw1, m1, w1, m2, w2;
        int table; /* which one exists */
        bool has1, has2;
    } rows[] = {
        {0, 0, 100, 0, 100, WELL, true, true},
        {PN_SNAP_GW_DRAIN, 0, 100, 0, 100, WELL, false, true},
        {PN_SNAP_GW_DISABLED, 0, 100, 0, 100, WELL, false, true},
        {0, PN_SNAP_MEMBER_DOWN, 100, 0, 100, WELL, false, true},
        {0, PN_SNAP_MEMBER_BUSY, 100, 0, 100, WELL, false, true},
        {0, 0, 0, 0, 100, WELL, false, true},
        {0, PN_SNAP_MEMBER_BUSY, 100, PN_SNAP_MEMBER_BUSY, 100, BUSY, true, true},
        {0, PN_SNAP_MEMBER_BUSY, 100, PN_SNAP_MEMBER_DOWN, 100, BUSY, true, false},
        {0, PN_SNAP_MEMBER_BUSY | PN_SNAP_MEMBER_DOWN, 100, PN_SNAP_MEMBER_DOWN, 100, NEITHER, false, false},
        {PN_SNAP_GW_DRAIN, PN_SNAP_MEMBER_BUSY, 100, PN_SNAP_MEMBER_DOWN, 100, NEITHER, false, false},
        {0, PN_SNAP_MEMBER_BUSY, 0, 0, 0, NEITHER, false, false},
    };
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct snap_parts *p = snap_sample();
        p->gateways[0].flags = rows[i].gw1;
        p->members[0].flags = rows[i].m1;
        p->members[0].weight = rows[i].w1;
        p->members[1].flags = rows[i].m2;
        p->members[1].weight = rows[i].w2;
        struct pn_dpsnap *s = build(p, NULL);
        const struct pn_dp_tier *t = &s->tiers[0];
        assert_int_equal(t->maglev != NULL, rows[i].table == WELL);
        assert_int_equal(t->maglev_busy != NULL, rows[i].table == BUSY);
        const uint16_t *table = t->maglev ? t->maglev : t->maglev_busy;
        bool has1 = false, has2 = false;
        for (unsigned j = 0; table != NULL && j < PN_MAGLEV_SIZE; j++) {
            has1 |= table[j] == 11;
            has2 |= table[j] == 12;
        }
        if (has1 != rows[i].has1 || has2 != rows[i].has2)
            fail_msg("row %u", i);
        pn_dpsnap_free(s);
        free(p);
    }
}

static void test_tables_are_shared_and_carried(void **state)
{
    (void)state;
    struct snap_parts *p = snap_sample();
    snap_tier(p, "twin", 0); /* the same members as the first tier */
    snap_member(p, 11, 100);
    snap_member(p, 12, 100);
    struct pn_dpsnap *s = build(p, NULL);
    assert_ptr_equal(s->tiers[2].maglev, s->tiers[0].maglev);
    assert_ptr_not_equal(s->tiers[1].maglev, s->tiers[0].maglev);

    /* A mark left in the old table shows which tiers were copied; the copy outlives its source. */
    ((uint16_t *)s->tiers[0].maglev)[5] = 999;
    ((uint16_t *)s->tiers[1].maglev)[5] = 999;
    p->members[2].weight = 99;
    struct pn_dpsnap *next = build(p, s);
    pn_dpsnap_free(s);
    assert_int_equal(next->tiers[0].maglev[5], 999);
    assert_int_equal(next->tiers[1].maglev[5], 10);
    assert_ptr_equal(next->tiers[2].maglev, next->tiers[0].maglev);
    pn_dpsnap_free(next);
    free(p);
}

/* A rename, a new id, another weight or state: no copy. */
static void test_changed_members_are_computed(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        struct snap_parts *p = snap_sample();
        struct pn_dpsnap *s = build(p, NULL);
        ((uint16_t *)s->tiers[0].maglev)[5] = 999;
        if (i == 1)
            strcpy(p->gateways[0].name, "mx9");
        if (i == 2)
            p->gateways[0].id = p->members[0].gateway = 50;
        if (i == 3)
            p->members[1].weight = 101;
        if (i == 4)
            p->members[1].flags = PN_SNAP_MEMBER_DOWN;
        if (i == 5)
            p->gateways[1].flags = PN_SNAP_GW_DRAIN;
        struct pn_dpsnap *next = build(p, s);
        assert_int_equal(next->tiers[0].maglev[5] == 999, i == 0);
        pn_dpsnap_free(s);
        pn_dpsnap_free(next);
        free(p);
    }
}

static void test_classify_sample(void **state)
{
    (void)state;
    struct snap_parts *p = snap_sample();
    p->vips[0].vlan = 9;
    p->vips[0].port = 2;
    struct pn_dpsnap *s = build(p, NULL);
    struct pn_addr in4 = p->vips[0].addr, in6 = p->vips[1].addr, other = snap_v4(192, 0, 2, 26), zero = {{{0}}};
    assert_int_equal(pn_classify_vip(s, &in4, 9, 2), 5);
    assert_int_equal(pn_classify_vip(s, &in6, 0, 0), 3);
    assert_int_equal(pn_classify_vip(s, &in4, 0, 2), PN_ID_NONE);
    assert_int_equal(pn_classify_vip(s, &in4, 9, 0), PN_ID_NONE);
    assert_int_equal(pn_classify_vip(s, &other, 9, 2), PN_ID_NONE);
    for (unsigned vlan = 0; vlan <= 4094; vlan++) {
        for (unsigned port = 0; port < PN_MAX_PORTS; port++)
            assert_int_equal(pn_classify_vip(s, &in4, (uint16_t)vlan, (uint8_t)port),
                             vlan == 9 && port == 2 ? 5 : PN_ID_NONE);
    }
    assert_int_equal(pn_classify_vip(s, &zero, 0, 0), PN_ID_NONE);
    assert_int_equal(pn_classify_service(s, 5, 6, 25), 100);
    assert_int_equal(pn_classify_service(s, 3, 6, 25), 101);
    assert_int_equal(pn_classify_service(s, 3, 17, 25), PN_ID_NONE);
    assert_int_equal(pn_classify_service(s, 3, 6, 26), PN_ID_NONE);
    assert_int_equal(pn_classify_service(s, 0, 0, 0), PN_ID_NONE);
    pn_dpsnap_free(s);
    free(p);
}

static void test_empty_snapshot(void **state)
{
    (void)state;
    struct snap_parts *p = snap_new();
    struct pn_dpsnap *s = build(p, NULL);
    struct pn_addr a = snap_v4(192, 0, 2, 25);
    assert_int_equal(pn_classify_vip(s, &a, 0, 0), PN_ID_NONE);
    assert_int_equal(pn_classify_service(s, 0, 6, 25), PN_ID_NONE);
    struct pn_dpsnap *next = build(p, s);
    pn_dpsnap_free(s);
    pn_dpsnap_free(next);
    free(p);
}

/* All limits at once: found is what is there, probes are short, and the build is quick. */
static void test_full_snapshot(void **state)
{
    (void)state;
    struct snap_parts *p = snap_new();
    char name[PN_NAME_BYTES];
    for (unsigned i = 0; i < PN_MAX_VIPS; i++) {
        snprintf(name, sizeof(name), "vip%u", i);
        snap_vip(p, name, i % 2 ? snap_v4(192, 0, 2, (uint8_t)(i + 1)) : snap_v6((uint8_t)(i + 1)));
    }
    for (unsigned i = 0; i < PN_MAX_GATEWAYS; i++) {
        snprintf(name, sizeof(name), "mx%u", i);
        snap_gateway(p, name)->addr = snap_v4(10, 0, 1, (uint8_t)i);
    }
    for (unsigned i = 0; i < 64; i++) {
        snprintf(name, sizeof(name), "tier%u", i);
        snap_tier(p, name, 0);
        for (unsigned j = 0; j < 32; j++)
            snap_member(p, (uint16_t)((i * 8 + j) % PN_MAX_GATEWAYS), (uint16_t)(50 + i + j));
    }
    for (unsigned i = 0; i < PN_MAX_SERVICES; i++) {
        snprintf(name, sizeof(name), "service%u", i);
        snap_service(p, name, (uint16_t)(i % PN_MAX_VIPS), (uint16_t)(25 + i / PN_MAX_VIPS), (uint16_t)(i % 64), 1);
    }
    struct timespec a, b, c;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
    struct pn_dpsnap *s = build(p, NULL);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
    struct pn_dpsnap *again = build(p, s);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &c);
    print_message("built in %.1f ms, again in %.1f ms\n", (b.tv_sec - a.tv_sec) * 1e3 + (b.tv_nsec - a.tv_nsec) / 1e6,
                  (c.tv_sec - b.tv_sec) * 1e3 + (c.tv_nsec - b.tv_nsec) / 1e6);
    for (unsigned i = 0; i < PN_MAX_VIPS; i++)
        assert_int_equal(pn_classify_vip(s, &p->vips[i].addr, 0, 0), i);
    for (unsigned i = 0; i < PN_MAX_SERVICES; i++)
        assert_int_equal(pn_classify_service(s, p->services[i].vip, 6, p->services[i].l4_port), i);
    unsigned run = 0, longest = 0;
    for (unsigned i = 0; i <= 2 * s->service_mask; i++) {
        run = s->service_slots[i & s->service_mask].key ? run + 1 : 0;
        longest = run > longest ? run : longest;
    }
    assert_true(longest < 30);
    for (unsigned t = 0; t < 64; t++)
        assert_memory_equal(s->tiers[t].maglev, again->tiers[t].maglev, PN_MAGLEV_SIZE * 2);
    pn_dpsnap_free(s);
    pn_dpsnap_free(again);
    free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refuses_invalid),
        cmocka_unit_test(test_by_id),
        cmocka_unit_test(test_accepts_and_alive),
        cmocka_unit_test(test_tier_tables),
        cmocka_unit_test(test_tables_are_shared_and_carried),
        cmocka_unit_test(test_changed_members_are_computed),
        cmocka_unit_test(test_classify_sample),
        cmocka_unit_test(test_empty_snapshot),
        cmocka_unit_test(test_full_snapshot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
