/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "controlplane/health/member_fsm.h"

/* Results u(p), b(usy), d(own), s: the next is a suspect round; after each, the health as ?, U, B, D. */
static void run(const char *results, const char *healths, uint16_t rise, uint16_t fall)
{
    static const char names[] = "?UBD";
    struct pn_check_fsm f = {0};
    unsigned k = 0;

    for (unsigned i = 0; results[i]; i++) {
        enum pn_health before = f.health;
        bool changed;
        if (results[i] == 's') {
            f.suspect = true;
            continue;
        }
        changed = pn_check_fsm_step(&f,
                                    results[i] == 'u'   ? PN_HEALTH_UP
                                    : results[i] == 'b' ? PN_HEALTH_BUSY
                                                        : PN_HEALTH_DOWN,
                                    rise, fall);
        assert_int_equal(changed, before != f.health);
        if (names[f.health] != healths[k])
            fail_msg("%s rise %u fall %u: step %u is %c, not %c", results, rise, fall, k, names[f.health], healths[k]);
        k++;
    }
    assert_int_equal(healths[k], '\0');
}

static void sequences(void **state)
{
    (void)state;
    run("u", "U", 2, 3); /* the first decides */
    run("d", "D", 2, 3);
    run("b", "B", 2, 3);
    run("uddd", "UUUD", 2, 3);
    run("uddudd", "UUUUUU", 2, 3); /* in a row */
    run("udddduuu", "UUUDDDUU", 2, 3);
    run("dududuu", "DDDDDDU", 2, 3);
    run("ububu", "UBUBU", 2, 3); /* busy at once, back at once */
    run("dbb", "DDB", 2, 3); /* busy is alive: it counts for rise */
    run("dbu", "DDU", 2, 3);
    run("bddd", "BBBD", 2, 3);
    run("usd", "UD", 2, 3); /* a suspect's first failure */
    run("usud", "UUU", 2, 3); /* a suspect that answers is none */
    run("bsd", "BD", 2, 3);
    run("udsd", "UUD", 2, 3);
    run("ud", "UD", 0, 0);
    run("du", "DU", 1, 1);
}

static void counters_do_not_wrap(void **state)
{
    (void)state;
    struct pn_check_fsm f = {0};

    pn_check_fsm_step(&f, PN_HEALTH_UP, 1, UINT16_MAX);
    for (unsigned i = 0; i < 70000; i++)
        pn_check_fsm_step(&f, PN_HEALTH_DOWN, UINT16_MAX, UINT16_MAX);
    assert_int_equal(f.health, PN_HEALTH_DOWN);
    for (unsigned i = 0; i < 70000; i++)
        pn_check_fsm_step(&f, PN_HEALTH_UP, UINT16_MAX, UINT16_MAX);
    assert_int_equal(f.health, PN_HEALTH_UP);
}

static void worst(void **state)
{
    (void)state;
    static const enum pn_health order[] = {PN_HEALTH_UP, PN_HEALTH_UNKNOWN, PN_HEALTH_BUSY, PN_HEALTH_DOWN};

    for (unsigned i = 0; i < 4; i++)
        for (unsigned k = 0; k < 4; k++)
            assert_int_equal(pn_health_worse(order[i], order[k]), order[i > k ? i : k]);
}

static void agent_orders_hold(void **state)
{
    (void)state;
    struct pn_rt_gateway g = {.agent_percent = 100, .agent_queue = -1};
    struct pn_agent_report r = {.drain = true, .has_queue = true, .queue = 7};

    assert_true(pn_agent_apply(&g, &r));
    assert_true(g.agent_known && g.agent_drain);
    assert_int_equal(g.agent_queue, 7);
    r = (struct pn_agent_report){.has_percent = true, .percent = 40, .has_maxconn = true, .maxconn = 9};
    assert_true(pn_agent_apply(&g, &r));
    assert_true(g.agent_drain); /* not mentioned */
    assert_int_equal(g.agent_percent, 40);
    assert_int_equal(g.agent_maxconn, 9);
    assert_int_equal(g.agent_queue, -1); /* a reading, not an order */
    assert_false(pn_agent_apply(&g, &r));
    r = (struct pn_agent_report){.maint = true};
    pn_agent_apply(&g, &r);
    assert_true(g.agent_maint && !g.agent_drain);
    r = (struct pn_agent_report){.down = true};
    pn_agent_apply(&g, &r);
    assert_true(g.agent_maint && g.agent_down);
    r = (struct pn_agent_report){.ready = true};
    pn_agent_apply(&g, &r);
    assert_true(!g.agent_maint && g.agent_down);
    /* gone: the load is not known, the orders stand */
    assert_true(pn_agent_apply(&g, NULL));
    assert_false(g.agent_known);
    assert_true(g.agent_down);
    assert_int_equal(g.agent_percent, 100);
    assert_int_equal(g.agent_maxconn, 0);
    assert_int_equal(g.agent_queue, -1);
    assert_false(pn_agent_apply(&g, NULL));
    r = (struct pn_agent_report){.up = true};
    assert_true(pn_agent_apply(&g, &r));
    assert_true(g.agent_known && !g.agent_down);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sequences),
        cmocka_unit_test(counters_do_not_wrap),
        cmocka_unit_test(worst),
        cmocka_unit_test(agent_orders_hold),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
