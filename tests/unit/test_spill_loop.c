/* SPDX-License-Identifier: BSD-3-Clause */
/* The spill machine in closed loops with small models of a mail gateway behind it. */
#include "tests/unit/spill_tier.h"

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
