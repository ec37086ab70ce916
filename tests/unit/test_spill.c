/* SPDX-License-Identifier: BSD-3-Clause */
/* The spill machine: a table of time steps. */
#include "tests/unit/spill_tier.h"

/* One measure; negative: unknown. */
static struct pn_load_sample sample_of(enum pn_measure m, double v)
{
    struct pn_load_sample s = {0};

    s.known[m] = v >= 0;
    s.value[m] = v >= 0 ? v : 0;
    return s;
}

static void by_time_steps(void **state)
{
    (void)state;
    /* high 400, low 300, hold-up 2 s, hold-down 10 s; v < 0: unknown. */
    static const struct {
        unsigned at_s;
        double v;
        bool in_spill, at_mark, unknown, changed;
    } rows[] = {
        {1, 100, false, false, false, false},
        {2, 400, false, true, false, true}, /* at the mark counts */
        {3, 399, false, true, false, false}, /* the hold starts again, at_mark lingers */
        {4, 350, false, false, false, true}, /* half way to low: no longer at the mark */
        {5, 401, false, true, false, true},
        {6, 500, false, true, false, false},
        {7, 500, true, true, false, true}, /* 2 s */
        {8, 390, true, true, false, false}, /* hysteresis */
        {9, 301, true, false, false, false},
        {40, 301, true, false, false, false}, /* just above low: stays for ever */
        {41, 300, true, false, false, false}, /* at low counts */
        {50, 300, true, false, false, false},
        {51, 300, false, false, false, true}, /* 10 s */
        {52, -1, false, false, true, true}, /* never enter on unknown */
        {60, -1, false, false, true, false},
        {61, 450, false, true, false, false},
        {62, -1, false, false, true, false}, /* unknown breaks the hold */
        {63, 450, false, true, false, false},
        {65, 450, true, true, false, true},
        {66, -1, true, false, true, false}, /* in spill and unknown: stay */
        {99, -1, true, false, true, false},
        {100, 100, true, false, false, false},
        {105, -1, true, false, true, false}, /* unknown breaks hold-down too */
        {106, 100, true, false, false, false},
        {115, 100, true, false, false, false},
        {116, 100, false, false, false, true},
    };
    struct pn_conf_tier t = tier_of(A, 400, PN_SPILL_OVERFLOW);
    struct pn_spill_state s = {0};

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct pn_load_sample in = sample_of(A, rows[i].v);
        bool changed = pn_spill_step(&s, &t, &in, rows[i].at_s * 1000);
        if (s.in_spill != rows[i].in_spill || s.at_mark != rows[i].at_mark || s.unknown != rows[i].unknown ||
            changed != rows[i].changed)
            fail_msg("at %u s: in_spill %d at_mark %d unknown %d changed %d", rows[i].at_s, s.in_spill, s.at_mark,
                     s.unknown, changed);
        assert_int_equal(s.share, s.in_spill ? 65535 : 0);
        assert_int_equal(s.above_active, s.in_spill ? 400 : 0);
        assert_int_equal(pn_spill_accepts(&s, 1), !s.in_spill && !s.at_mark && !s.unknown);
        assert_false(pn_spill_accepts(&s, 0));
        if (rows[i].at_s == 7)
            assert_string_equal(s.reason, "active-flows 500 >= 400 for 2 s");
        if (rows[i].at_s == 51)
            assert_string_equal(s.reason, "all measures at or below their low marks for 10 s");
    }
    assert_int_equal(s.since_ms, 116000);
}

static void any_measure_enters_all_leave(void **state)
{
    (void)state;
    struct pn_conf_tier t = tier_of(A, 400, PN_SPILL_OVERFLOW);
    struct pn_spill_state s = {0};
    struct pn_load_sample in = sample_of(A, 10);
    uint64_t now = 1000;

    t.marks[H] = (struct pn_conf_mark){.high = 500, .low = 375};
    in.known[H] = true;
    in.value[H] = 700;
    for (; now <= 3000; now += 500)
        pn_spill_step(&s, &t, &in, now);
    assert_true(s.in_spill);
    assert_int_equal(s.above_active, 0); /* another measure drives: a share */
    assert_in_range(s.share, 65535 / 8 - 1, 65535 / 8 + 2);
    assert_string_equal(s.reason, "handshake 700 ms >= 500 ms for 2 s");
    /* active-flows is still high when the handshakes are fast again */
    in.value[A] = 390;
    in.value[H] = 10;
    for (uint64_t end = now + 60000; now < end; now += 500)
        pn_spill_step(&s, &t, &in, now);
    assert_true(s.in_spill);
    in.value[A] = 300;
    for (uint64_t end = now + 9500; now < end; now += 500) {
        pn_spill_step(&s, &t, &in, now);
        assert_true(s.in_spill);
    }
    for (uint64_t end = now + 1500; now < end; now += 500)
        pn_spill_step(&s, &t, &in, now);
    assert_false(s.in_spill);
    assert_int_equal(s.share, 0);
}

static void partial_enters_but_takes_no_spill(void **state)
{
    (void)state;
    struct pn_conf_tier t = tier_of(PN_MEASURE_AGENT_LOAD, 90, PN_SPILL_OVERFLOW);
    struct pn_spill_state s = {0};
    struct pn_load_sample in = sample_of(PN_MEASURE_AGENT_LOAD, 20);

    in.partial[PN_MEASURE_AGENT_LOAD] = true;
    assert_true(pn_spill_step(&s, &t, &in, 0));
    assert_true(s.unknown);
    in.value[PN_MEASURE_AGENT_LOAD] = 95;
    pn_spill_step(&s, &t, &in, 1000);
    pn_spill_step(&s, &t, &in, 3000);
    assert_true(s.in_spill);
    assert_string_equal(s.reason, "agent-load 95% >= 90% for 2 s");
    /* and the gateways that are known let it leave */
    in.value[PN_MEASURE_AGENT_LOAD] = 20;
    for (uint64_t now = 4000; now <= 14000; now += 1000)
        pn_spill_step(&s, &t, &in, now);
    assert_false(s.in_spill);
}

static void unknown_that_was_high_keeps_its_share(void **state)
{
    (void)state;
    struct pn_conf_tier t = tier_of(PN_MEASURE_AGENT_QUEUE, 100, PN_SPILL_OVERFLOW);
    struct pn_spill_state s = {0};
    struct pn_load_sample in = sample_of(PN_MEASURE_AGENT_QUEUE, 300);
    uint64_t now = 1000;

    t.marks[A] = (struct pn_conf_mark){.high = 400, .low = 300};
    in.known[A] = true;
    for (; now <= 10000; now += 1000)
        pn_spill_step(&s, &t, &in, now);
    uint16_t share = s.share;
    assert_true(s.in_spill && share > 65535 / 4);
    in.known[PN_MEASURE_AGENT_QUEUE] = false;
    for (; now <= 100000; now += 1000)
        pn_spill_step(&s, &t, &in, now);
    assert_true(s.in_spill);
    assert_int_equal(s.share, share);
    assert_int_equal(s.above_active, 0);
    /* seen again at low: over in hold-down */
    in = sample_of(PN_MEASURE_AGENT_QUEUE, 0);
    in.known[A] = true;
    for (uint64_t end = now + 11000; now <= end; now += 1000)
        pn_spill_step(&s, &t, &in, now);
    assert_false(s.in_spill);
}

static void ramp_shares(void **state)
{
    (void)state;
    static const struct {
        double v, share;
    } rows[] = {{400, 0}, {500, 0.25}, {600, 0.5}, {800, 1}, {4000, 1}, {390, 0}, {300, 0}};

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct pn_conf_tier t = tier_of(A, 400, PN_SPILL_RAMP);
        struct pn_spill_state s = {0};
        struct pn_load_sample in = sample_of(A, 400);
        uint64_t now = 1000;
        for (; now <= 3000; now += 500)
            pn_spill_step(&s, &t, &in, now);
        assert_true(s.in_spill);
        assert_int_equal(s.share, 0);
        in.value[A] = rows[i].v;
        uint16_t last = s.share;
        for (; now <= 30000 && (s.in_spill || now < 3000); now += 500) {
            pn_spill_step(&s, &t, &in, now);
            assert_true(s.share - last < 65535 / 4); /* no jump */
            last = s.share;
        }
        assert_int_equal(s.above_active, 0);
        if (s.share < rows[i].share * 65535 - 1200 || s.share > rows[i].share * 65535 + 1200)
            fail_msg("ramp at %.0f: share %u", rows[i].v, s.share);
    }
}

static void reload_takes_marks_away(void **state)
{
    (void)state;
    struct pn_conf_tier t = tier_of(A, 400, PN_SPILL_OVERFLOW), bare = {.name = "primary"};
    struct pn_spill_state s = {0};
    struct pn_load_sample in = sample_of(A, 500);

    pn_spill_step(&s, &t, &in, 1);
    pn_spill_step(&s, &t, &in, 2001);
    assert_true(s.in_spill);
    assert_true(pn_spill_step(&s, &bare, &in, 3000));
    assert_false(s.in_spill || s.at_mark || s.unknown || s.share || s.above_active);
    assert_false(pn_spill_step(&s, &bare, &in, 4000));
    /* A mark raised at run time becomes the dataplane's limit at once. */
    pn_spill_step(&s, &t, &in, 5000);
    pn_spill_step(&s, &t, &in, 7001);
    assert_int_equal(s.above_active, 400);
    t.marks[A] = (struct pn_conf_mark){.high = 480, .low = 360};
    assert_true(pn_spill_step(&s, &t, &in, 8000));
    assert_int_equal(s.above_active, 480);
}

/* The daemon restarted, the dataplane did not: no jump, neither of a share nor of a limit. */
static void goes_on_from_the_running_share(void **state)
{
    (void)state;
    struct pn_conf_tier t = tier_of(H, 200, PN_SPILL_OVERFLOW);
    struct pn_spill_state s = {.in_spill = true, .share = 30000};
    struct pn_load_sample in = sample_of(H, -1);
    uint64_t now = 1000;

    for (; now < 20000; now += 500) {
        assert_false(pn_spill_step(&s, &t, &in, now) && now > 1000);
        assert_int_equal(s.share, 30000);
    }
    in = sample_of(H, 180); /* between the marks */
    for (; now < 40000; now += 500)
        pn_spill_step(&s, &t, &in, now);
    assert_int_equal(s.share, 30000);
    in = sample_of(H, 20);
    for (; now < 51000; now += 500)
        pn_spill_step(&s, &t, &in, now);
    assert_false(s.in_spill);

    t = tier_of(A, 400, PN_SPILL_OVERFLOW);
    s = (struct pn_spill_state){.in_spill = true, .share = 65535, .above_active = 400};
    in = sample_of(A, 390);
    assert_false(pn_spill_step(&s, &t, &in, 1000));
    assert_int_equal(s.above_active, 400);
    assert_int_equal(s.share, 65535);
}

static void small_changes_are_not_told(void **state)
{
    (void)state;
    struct pn_conf_tier t = tier_of(PN_MEASURE_NEW_FLOWS, 100, PN_SPILL_OVERFLOW);
    struct pn_spill_state s = {0};
    struct pn_load_sample in = sample_of(PN_MEASURE_NEW_FLOWS, 100);
    unsigned told = 0;
    uint64_t now = 1000;

    in.spilled_known = true;
    in.spilled_per_s = 100;
    for (; now < 60000; now += 500)
        pn_spill_step(&s, &t, &in, now);
    assert_in_range(s.share, 65535 * 48 / 100, 65535 * 52 / 100);
    for (unsigned i = 0; i < 200; i++, now += 500) {
        in.spilled_per_s = i & 1 ? 101 : 99;
        told += pn_spill_step(&s, &t, &in, now);
    }
    assert_int_equal(told, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_time_steps),
        cmocka_unit_test(any_measure_enters_all_leave),
        cmocka_unit_test(partial_enters_but_takes_no_spill),
        cmocka_unit_test(unknown_that_was_high_keeps_its_share),
        cmocka_unit_test(ramp_shares),
        cmocka_unit_test(reload_takes_marks_away),
        cmocka_unit_test(goes_on_from_the_running_share),
        cmocka_unit_test(small_changes_are_not_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
