/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "controlplane/load/load.h"

static bool near(double a, double b, double tolerance)
{
    return a > b - tolerance && a < b + tolerance;
}

/* Readings every 500 ms in which each counter grows by what step says. */
static uint64_t run(struct pn_load_gateway *g, struct pn_load_reading *r, const struct pn_load_reading *step,
                    unsigned times, uint64_t now_ms)
{
    for (unsigned i = 0; i < times; i++) {
        r->flows_new += step->flows_new;
        r->handshake_count += step->handshake_count;
        r->handshake_us_sum += step->handshake_us_sum;
        r->syn_retries += step->syn_retries;
        r->syn_expired += step->syn_expired;
        r->flows_established += step->flows_established;
        now_ms += 500;
        pn_load_gateway_step(g, r, now_ms);
    }
    return now_ms;
}

static void rate_smooths(void **state)
{
    (void)state;
    struct pn_load_gateway g = {0};
    struct pn_load_reading r = {.flows_new = 1000000}, step = {.flows_new = 50};
    uint64_t now = 1000;

    pn_load_gateway_step(&g, &r, now);
    assert_true(g.new_per_s == 0); /* what went before is no rate */
    now = run(&g, &r, &step, 1, now);
    assert_true(g.new_per_s > 20 && g.new_per_s < 60);
    now = run(&g, &r, &step, 20, now);
    assert_true(near(g.new_per_s, 100, 1));
    step.flows_new = 0;
    now = run(&g, &r, &step, 2, now);
    assert_true(g.new_per_s < 60);
    run(&g, &r, &step, 20, now);
    assert_true(g.new_per_s < 1);
}

static void same_time_keeps_difference(void **state)
{
    (void)state;
    struct pn_load_gateway g = {0};
    struct pn_load_reading r = {0};

    pn_load_gateway_step(&g, &r, 1000);
    r.flows_new = 100;
    pn_load_gateway_step(&g, &r, 1000);
    assert_true(g.new_per_s == 0);
    pn_load_gateway_step(&g, &r, 2000);
    assert_true(near(g.new_per_s, 50, 0.1)); /* 100/s smoothed over one second of one */
}

static void reset_makes_no_rate(void **state)
{
    (void)state;
    struct pn_load_gateway g = {0};
    struct pn_load_reading r = {.flows_new = 5000, .handshake_count = 10}, step = {.flows_new = 50};
    uint64_t now = 1000;

    pn_load_gateway_step(&g, &r, now);
    now = run(&g, &r, &step, 10, now);
    r = (struct pn_load_reading){.flows_new = 3, .syn_retries = 7};
    now += 500;
    pn_load_gateway_step(&g, &r, now);
    assert_true(g.new_per_s >= 0 && g.new_per_s <= 100);
    assert_false(g.suspect);
    now = run(&g, &r, &step, 20, now);
    assert_true(near(g.new_per_s, 100, 1));
    /* One counter alone that goes back is a reset too, whichever it is. */
    uint64_t *each[] = {&r.flows_new,   &r.handshake_count, &r.handshake_us_sum,
                        &r.syn_retries, &r.syn_expired,     &r.flows_established};
    for (unsigned i = 0; i < sizeof(each) / sizeof(each[0]); i++) {
        *each[i] = 1000;
        now = run(&g, &r, &step, 1, now);
        uint64_t was = *each[i];
        *each[i] = 5;
        now += 500;
        pn_load_gateway_step(&g, &r, now);
        assert_true(g.new_per_s == 0);
        assert_true(g.handshake_ms < 0);
        assert_false(g.suspect);
        *each[i] = was;
        pn_load_gateway_step(&g, &r, ++now);
        g = (struct pn_load_gateway){0};
        pn_load_gateway_step(&g, &r, ++now);
    }
    /* So is a clock that goes back. */
    r.flows_new += 100000;
    pn_load_gateway_step(&g, &r, now - 400);
    assert_true(g.new_per_s == 0);
}

static void handshake_mean_and_expiry(void **state)
{
    (void)state;
    struct pn_load_gateway g = {0};
    struct pn_load_reading r = {0}, step = {.handshake_count = 4, .handshake_us_sum = 80000, .flows_new = 4};
    uint64_t now = 1000;

    pn_load_gateway_step(&g, &r, now);
    assert_true(g.handshake_ms < 0);
    assert_true(pn_load_gateway_handshake_ms(&g, now) == 0); /* idle, not slow */
    now = run(&g, &r, &step, 1, now);
    assert_true(near(g.handshake_ms, 20, 0.001));
    step.handshake_us_sum = 400000;
    now = run(&g, &r, &step, 20, now);
    assert_true(near(g.handshake_ms, 100, 1));
    step = (struct pn_load_reading){0};
    now = run(&g, &r, &step, 4, now);
    assert_true(near(pn_load_gateway_handshake_ms(&g, now), 100, 1));
    now = run(&g, &r, &step, 20, now);
    assert_true(g.handshake_ms < 0);
    assert_true(pn_load_gateway_handshake_ms(&g, now) == 0);
}

static void handshake_of_silent_gateway_grows(void **state)
{
    (void)state;
    struct pn_load_gateway g = {0};
    struct pn_load_reading r = {0}, step = {.flows_new = 5, .syn_retries = 2};
    uint64_t now = 1000;

    pn_load_gateway_step(&g, &r, now);
    r.half_open = 5;
    now = run(&g, &r, &step, 6, now);
    assert_true(near(pn_load_gateway_handshake_ms(&g, now), 2500, 1));
    /* One handshake, and it counts as what it took. */
    step = (struct pn_load_reading){.handshake_count = 1, .handshake_us_sum = 30000};
    now = run(&g, &r, &step, 1, now);
    assert_true(near(pn_load_gateway_handshake_ms(&g, now), 30, 1));

    /* A scanner's single SYN that stays half-open for a minute is no slow gateway. */
    struct pn_load_gateway quiet = {0};
    struct pn_load_reading q = {.half_open = 1};
    step = (struct pn_load_reading){0};
    pn_load_gateway_step(&quiet, &q, now);
    now = run(&quiet, &q, &step, 60, now);
    assert_true(pn_load_gateway_handshake_ms(&quiet, now) == 0);
}

static void suspect_once_per_episode(void **state)
{
    (void)state;
    struct pn_load_gateway g = {0};
    struct pn_load_reading r = {0}, step = {.syn_retries = 1};
    uint64_t now = 1000;
    unsigned seen = 0;

    pn_load_gateway_step(&g, &r, now);
    now = run(&g, &r, &step, 2, now);
    assert_false(g.suspect);
    now = run(&g, &r, &step, 1, now);
    assert_true(g.suspect);
    for (unsigned i = 0; i < 10; i++) {
        now = run(&g, &r, &step, 1, now);
        seen += g.suspect;
    }
    assert_int_equal(seen, 0);
    for (unsigned i = 0; i < 20; i++) {
        now = run(&g, &r, &step, 1, now);
        seen += g.suspect;
    }
    assert_int_equal(seen, 1); /* it lasts: asked again after ten seconds */
    /* A handshake ends the episode, expired half-opens begin the next. */
    step = (struct pn_load_reading){.handshake_count = 1, .handshake_us_sum = 1};
    now = run(&g, &r, &step, 1, now);
    step = (struct pn_load_reading){.syn_expired = 3};
    now = run(&g, &r, &step, 1, now);
    assert_true(g.suspect);
    (void)now;
}

static void handshakes_keep_suspicion_away(void **state)
{
    (void)state;
    struct pn_load_gateway g = {0};
    struct pn_load_reading r = {0};
    /* A SYN flood: many expire, but real clients get through. */
    struct pn_load_reading step = {.syn_expired = 1000, .syn_retries = 10, .handshake_count = 1, .handshake_us_sum = 9};
    uint64_t now = 1000;

    pn_load_gateway_step(&g, &r, now);
    for (unsigned i = 0; i < 20; i++) {
        now = run(&g, &r, &step, 1, now);
        assert_false(g.suspect);
    }
    /* Established counts like a handshake (picked up without a SYN). */
    step = (struct pn_load_reading){.syn_retries = 5, .flows_established = 1};
    now = run(&g, &r, &step, 1, now);
    assert_false(g.suspect);
    /* Two repeats now and two in eleven seconds are nothing. */
    step = (struct pn_load_reading){.syn_retries = 2};
    now = run(&g, &r, &step, 1, now);
    step = (struct pn_load_reading){0};
    now = run(&g, &r, &step, 22, now);
    step = (struct pn_load_reading){.syn_retries = 2};
    run(&g, &r, &step, 1, now);
    assert_false(g.suspect);
}

static void tier_rate(void **state)
{
    (void)state;
    struct pn_load_tier t = {0};

    pn_load_tier_step(&t, 5000, 1000);
    assert_true(t.spilled_per_s == 0);
    for (unsigned i = 1; i <= 20; i++)
        pn_load_tier_step(&t, 5000 + 30 * i, 1000 + 500 * i);
    assert_true(near(t.spilled_per_s, 60, 1));
    pn_load_tier_step(&t, 10, 12000);
    assert_true(t.spilled_per_s == 0);
    pn_load_tier_step(&t, 10, 12000);
    pn_load_tier_step(&t, 11, 13000);
    assert_true(t.spilled_per_s <= 1);
}

static void combine(void **state)
{
    (void)state;
    struct pn_load_gateway a = {
        .primed = true, .new_per_s = 10, .handshake_ms = 30, .last = {.active = 100, .half_open = 2}};
    struct pn_load_gateway b = {
        .primed = true, .new_per_s = 5, .handshake_ms = 80, .last = {.active = 50, .half_open = -1}};
    struct pn_load_member m[2] = {
        {.load = &a, .takes_flows = true, .agent_known = true, .agent_percent = 75, .agent_queue = 12},
        {.load = &b, .takes_flows = true, .agent_known = true, .agent_percent = 40, .agent_queue = -1},
    };
    struct pn_load_tier t = {.primed = true, .spilled_per_s = 3};
    struct pn_load_sample s;

    pn_load_tier_combine(&s, &t, m, 2, 1000);
    assert_true(s.value[PN_MEASURE_ACTIVE_FLOWS] == 150);
    assert_true(s.value[PN_MEASURE_HALF_OPEN] == 2);
    assert_true(s.value[PN_MEASURE_NEW_FLOWS] == 15);
    assert_true(s.value[PN_MEASURE_HANDSHAKE_MS] == 80);
    assert_true(s.value[PN_MEASURE_AGENT_LOAD] == 60);
    assert_true(s.value[PN_MEASURE_AGENT_QUEUE] == 12);
    assert_true(s.spilled_known && s.spilled_per_s == 3);
    for (int i = 0; i < PN_MEASURE_COUNT; i++) {
        assert_true(s.known[i]);
        assert_int_equal(s.partial[i], i == PN_MEASURE_AGENT_QUEUE);
    }

    /* b is drained: its flows are still the tier's, its times and agent are not. */
    m[1].takes_flows = false;
    pn_load_tier_combine(&s, NULL, m, 2, 1000);
    assert_true(s.value[PN_MEASURE_ACTIVE_FLOWS] == 150);
    assert_true(s.value[PN_MEASURE_HANDSHAKE_MS] == 30);
    assert_true(s.value[PN_MEASURE_AGENT_LOAD] == 25);
    assert_false(s.partial[PN_MEASURE_AGENT_QUEUE]);
    assert_false(s.spilled_known);

    /* No agent anywhere, no counters of a: unknown and partial. */
    m[0].agent_known = false;
    m[0].load = NULL;
    m[1].takes_flows = true;
    m[1].agent_known = false;
    pn_load_tier_combine(&s, NULL, m, 2, 1000);
    assert_false(s.known[PN_MEASURE_AGENT_LOAD]);
    assert_true(s.known[PN_MEASURE_ACTIVE_FLOWS] && s.partial[PN_MEASURE_ACTIVE_FLOWS]);
    assert_true(s.known[PN_MEASURE_HANDSHAKE_MS] && s.partial[PN_MEASURE_HANDSHAKE_MS]);
    a.primed = b.primed = false;
    m[0].load = &a;
    pn_load_tier_combine(&s, NULL, m, 2, 1000);
    for (int i = 0; i < PN_MEASURE_COUNT; i++)
        assert_false(s.known[i]);
    pn_load_tier_combine(&s, NULL, m, 0, 1000);
    for (int i = 0; i < PN_MEASURE_COUNT; i++)
        assert_false(s.known[i]);
}

static void maxconn(void **state)
{
    (void)state;
    assert_false(pn_load_maxconn_full(false, 0, 1000));
    assert_false(pn_load_maxconn_full(true, 0, 1000));
    assert_false(pn_load_maxconn_full(false, 32, 31));
    assert_true(pn_load_maxconn_full(false, 32, 32));
    assert_true(pn_load_maxconn_full(true, 32, 31));
    assert_false(pn_load_maxconn_full(true, 32, 30));
    assert_true(pn_load_maxconn_full(false, 1, 1));
    assert_false(pn_load_maxconn_full(true, 1, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rate_smooths),
        cmocka_unit_test(same_time_keeps_difference),
        cmocka_unit_test(reset_makes_no_rate),
        cmocka_unit_test(handshake_mean_and_expiry),
        cmocka_unit_test(handshake_of_silent_gateway_grows),
        cmocka_unit_test(suspect_once_per_episode),
        cmocka_unit_test(handshakes_keep_suspicion_away),
        cmocka_unit_test(tier_rate),
        cmocka_unit_test(combine),
        cmocka_unit_test(maxconn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
