/* SPDX-License-Identifier: BSD-3-Clause */
/* The spill machine: a table of time steps, and closed loops with small models of a mail gateway behind it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "controlplane/load/load.h"

#define A PN_MEASURE_ACTIVE_FLOWS
#define H PN_MEASURE_HANDSHAKE_MS

static struct pn_conf_tier tier_of(enum pn_measure m, double high, enum pn_spill_mode mode)
{
    struct pn_conf_tier t = {.name = "primary",
                             .spill_mode = mode,
                             .has_marks = true,
                             .ramp_full = 2,
                             .hold_up_ms = 2000,
                             .hold_down_ms = 10000};
    t.marks[m] = (struct pn_conf_mark){.high = high, .low = high * 0.75};
    return t;
}

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

/*
 * Closed loops. One gateway, offered so many flows a second; what the machine spills goes elsewhere. A round of the
 * daemon is 500 ms, the model's 50 ms; counters pass through measure.c as they do in the daemon.
 */
struct plant {
    double offered; /* flows/s */
    double life_s; /* of an established flow */
    double capacity; /* handshakes/s it serves well */
    double service; /* messages/s its queue drains */
    bool secondary_closed;
    /* state */
    double active, half_open, queue, handshake_ms, total_new, total_hs, total_hs_us, total_spilled, carry;
    struct pn_load_gateway meter;
    struct pn_load_tier tier_meter;
    struct pn_spill_state s;
    /* outcome */
    unsigned transitions, changes;
    double worst_active, worst_value, sum_value, sum_own;
    unsigned n;
    uint64_t now_ms;
    unsigned seed;
};

static double noise(struct plant *p)
{
    p->seed = p->seed * 1103515245u + 12345u;
    return ((p->seed >> 16) & 0x7fff) / 32768.0 * 0.2 - 0.1; /* +- 10 % */
}

static void plant_run(struct plant *p, const struct pn_conf_tier *t, enum pn_measure watch, double seconds)
{
    p->transitions = p->changes = p->n = 0;
    p->worst_active = p->worst_value = p->sum_value = p->sum_own = 0;
    for (uint64_t end = p->now_ms + (uint64_t)(seconds * 1000); p->now_ms < end; p->now_ms += 50) {
        double arrive = p->offered * 0.05 * (1 + noise(p)), spill = 0;
        if (p->s.share && !p->secondary_closed) {
            spill = arrive * p->s.share / 65535.0;
            if (p->s.above_active)
                spill = p->active + arrive > p->s.above_active
                            ? (p->active >= p->s.above_active ? arrive : p->active + arrive - p->s.above_active)
                            : 0;
        }
        double own = arrive - spill, rho = own / 0.05 / p->capacity;
        double hs = rho < 0.98 ? 20 / (1 - rho) : 1000;
        p->handshake_ms += 0.05 / 0.5 * (hs - p->handshake_ms);
        p->half_open = own / 0.05 * p->handshake_ms / 1000;
        p->active += own - p->active * 0.05 / p->life_s;
        p->queue += (own / 0.05 - p->service) * 0.05;
        if (p->queue < 0)
            p->queue = 0;
        p->total_new += own;
        p->total_hs += own;
        p->total_hs_us += own * p->handshake_ms * 1000;
        p->total_spilled += spill;
        if (p->active > p->worst_active)
            p->worst_active = p->active;
        p->sum_own += own;
        if (p->now_ms % 500)
            continue;
        struct pn_load_reading r = {.flows_new = (uint64_t)p->total_new,
                                    .handshake_count = (uint64_t)p->total_hs,
                                    .handshake_us_sum = (uint64_t)p->total_hs_us,
                                    .active = (int64_t)p->active,
                                    .half_open = (int64_t)p->half_open};
        pn_load_gateway_step(&p->meter, &r, p->now_ms);
        pn_load_tier_step(&p->tier_meter, (uint64_t)p->total_spilled, p->now_ms);
        struct pn_load_member m = {.load = &p->meter,
                                   .takes_flows = true,
                                   .agent_known = true,
                                   .agent_percent = (uint8_t)(rho >= 1 ? 0 : 100 - 100 * rho),
                                   .agent_queue = (int64_t)p->queue};
        struct pn_load_sample sample;
        pn_load_tier_combine(&sample, &p->tier_meter, &m, 1, p->now_ms);
        bool was = p->s.in_spill;
        p->changes += pn_spill_step(&p->s, t, &sample, p->now_ms);
        p->transitions += was != p->s.in_spill;
        p->sum_value += sample.value[watch];
        if (sample.value[watch] > p->worst_value)
            p->worst_value = sample.value[watch];
        p->n++;
        if (getenv("PN_TEST_SPILL_PLOT"))
            printf("%6.1f s value %8.1f slope %8.1f own/s %7.1f spilled/s %7.1f share %.3f in_spill %d\n",
                   (double)p->now_ms / 1000, sample.value[watch], p->s.slope[watch], own / 0.05, spill / 0.05,
                   p->s.share / 65535.0, p->s.in_spill);
    }
}

static double mean(const struct plant *p)
{
    return p->sum_value / p->n;
}

/* Normal, far too much for five minutes, normal: one way in, one way out, near the mark in between. */
static void loop(enum pn_measure m, enum pn_spill_mode mode, double high, struct plant p, double calm, double storm,
                 double at_least, double at_most)
{
    struct pn_conf_tier t = tier_of(m, high, mode);

    p.seed = 7;
    p.offered = calm;
    plant_run(&p, &t, m, 60);
    assert_int_equal(p.transitions, 0);
    assert_int_equal(p.s.share, 0);
    p.offered = storm;
    plant_run(&p, &t, m, 60);
    if (p.transitions != 1 || !p.s.in_spill)
        fail_msg("%s: %u transitions on the way up", pn_measure_name[m], p.transitions);
    plant_run(&p, &t, m, 240);
    if (p.transitions != 0)
        fail_msg("%s: %u transitions under steady load", pn_measure_name[m], p.transitions);
    if (mean(&p) < at_least * high || mean(&p) > at_most * high)
        fail_msg("%s: mean %.1f under steady load, mark %.1f", pn_measure_name[m], mean(&p), high);
    if (p.changes > 240)
        fail_msg("%s: %u snapshots in 240 s of steady load", pn_measure_name[m], p.changes);
    p.offered = calm;
    plant_run(&p, &t, m, 120);
    if (p.transitions != 1 || p.s.in_spill)
        fail_msg("%s: %u transitions on the way down", pn_measure_name[m], p.transitions);
    assert_int_equal(p.s.share, 0);
}

static const struct plant ordinary = {.life_s = 10, .capacity = 200, .service = 150, .handshake_ms = 20};

static void loop_active_overflow(void **state)
{
    (void)state;
    loop(A, PN_SPILL_OVERFLOW, 1000, ordinary, 50, 150, 0.97, 1.02);
    loop(A, PN_SPILL_OVERFLOW, 1000, ordinary, 50, 400, 0.97, 1.02);
}

static void loop_active_ramp(void **state)
{
    (void)state;
    loop(A, PN_SPILL_RAMP, 1000, ordinary, 50, 150, 1.0, 1.5);
}

static void loop_rate_overflow(void **state)
{
    (void)state;
    loop(PN_MEASURE_NEW_FLOWS, PN_SPILL_OVERFLOW, 100, ordinary, 50, 150, 0.93, 1.05);
    loop(PN_MEASURE_NEW_FLOWS, PN_SPILL_OVERFLOW, 100, ordinary, 50, 400, 0.93, 1.05);
}

static void loop_rate_ramp(void **state)
{
    (void)state;
    loop(PN_MEASURE_NEW_FLOWS, PN_SPILL_RAMP, 100, ordinary, 50, 150, 0.6, 1.3);
}

static void loop_handshake(void **state)
{
    (void)state;
    loop(H, PN_SPILL_OVERFLOW, 200, ordinary, 50, 300, 0.6, 1.3);
    loop(H, PN_SPILL_OVERFLOW, 200, ordinary, 50, 600, 0.5, 1.3);
    loop(H, PN_SPILL_RAMP, 200, ordinary, 50, 300, 0.9, 1.9);
}

static void loop_half_open(void **state)
{
    (void)state;
    loop(PN_MEASURE_HALF_OPEN, PN_SPILL_OVERFLOW, 20, ordinary, 50, 300, 0.6, 1.3);
    loop(PN_MEASURE_HALF_OPEN, PN_SPILL_RAMP, 20, ordinary, 50, 300, 0.8, 1.9);
}

static void loop_agent_load(void **state)
{
    (void)state;
    loop(PN_MEASURE_AGENT_LOAD, PN_SPILL_OVERFLOW, 90, ordinary, 50, 300, 0.75, 1.05);
    loop(PN_MEASURE_AGENT_LOAD, PN_SPILL_OVERFLOW, 90, ordinary, 50, 800, 0.75, 1.05);
}

/* A queue integrates: it may swing about its mark, but slowly, and without running away. */
static void loop_agent_queue(void **state)
{
    (void)state;
    struct pn_conf_tier t = tier_of(PN_MEASURE_AGENT_QUEUE, 1000, PN_SPILL_OVERFLOW);
    struct plant p = ordinary;

    p.offered = 300;
    plant_run(&p, &t, PN_MEASURE_AGENT_QUEUE, 60);
    plant_run(&p, &t, PN_MEASURE_AGENT_QUEUE, 600);
    assert_true(p.worst_value < 2500);
    assert_true(p.transitions <= 40);
    assert_true(p.sum_own / 600 > 110); /* of the 150 it can do */
    p.offered = 50;
    plant_run(&p, &t, PN_MEASURE_AGENT_QUEUE, 200);
    assert_false(p.s.in_spill);
}

/* While the secondary takes nothing the share must not run up to everything. */
static void closed_secondary_does_not_wind_up(void **state)
{
    (void)state;
    struct pn_conf_tier t = tier_of(H, 200, PN_SPILL_OVERFLOW);
    struct plant p = ordinary;

    p.offered = 300;
    p.secondary_closed = true;
    plant_run(&p, &t, H, 120);
    assert_true(p.s.in_spill);
    assert_true(p.s.share < 65535 * 2 / 5);
    p.secondary_closed = false;
    plant_run(&p, &t, H, 120);
    assert_true(p.s.share > 65535 / 4);
    plant_run(&p, &t, H, 120);
    assert_true(mean(&p) < 260);
}

/* Two measures at once: the tier's flows stay near their mark although a rate drives the share. */
static void active_and_rate_together(void **state)
{
    (void)state;
    struct pn_conf_tier t = tier_of(A, 500, PN_SPILL_OVERFLOW);
    struct plant p = ordinary;

    t.marks[PN_MEASURE_NEW_FLOWS] = (struct pn_conf_mark){.high = 100, .low = 75};
    p.offered = 200;
    plant_run(&p, &t, A, 120);
    plant_run(&p, &t, A, 240);
    assert_int_equal(p.transitions, 0);
    assert_true(mean(&p) > 350 && mean(&p) < 540);
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
        cmocka_unit_test(loop_active_overflow),
        cmocka_unit_test(loop_active_ramp),
        cmocka_unit_test(loop_rate_overflow),
        cmocka_unit_test(loop_rate_ramp),
        cmocka_unit_test(loop_handshake),
        cmocka_unit_test(loop_half_open),
        cmocka_unit_test(loop_agent_load),
        cmocka_unit_test(loop_agent_queue),
        cmocka_unit_test(closed_secondary_does_not_wind_up),
        cmocka_unit_test(active_and_rate_together),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
