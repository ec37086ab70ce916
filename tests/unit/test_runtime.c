/* SPDX-License-Identifier: BSD-3-Clause */
/* What outlives a reload, and the ids. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "controlplane/state/runtime.h"
#include "tests/unit/conf_load.h"

#define NODE "node n1 { port lan { interface = eth1 } }\nvip a { address = 192.0.2.25 }\n"
#define GWS "gateway g { address = 192.0.2.11 } gateway h { address = 192.0.2.12 } gateway i { address = 192.0.2.13 }\n"
#define POOL                                                                                                           \
    "check c { } pool p { checks = c; tier t { gateways = [g, h]; spill { half-open-high = 8 } } tier u { gateways = " \
    "i } }\n"
#define SERVICE "service s { vips = a; port = 25; pool = p }\n"

static struct pn_rt_member *member_of(const struct pn_runtime *rt, const char *pool, const char *gateway)
{
    for (unsigned p = 0; p < rt->conf->n_pools; p++)
        for (unsigned t = 0; t < rt->conf->pools[p].n_tiers; t++)
            for (unsigned i = 0; i < rt->conf->pools[p].tiers[t].n_gateways; i++)
                if (strcmp(rt->conf->pools[p].name, pool) == 0 &&
                    strcmp(rt->conf->gateways[rt->conf->pools[p].tiers[t].gateways[i]].name, gateway) == 0)
                    return pn_rt_member(rt, p, t, i);
    fail_msg("no %s in %s", gateway, pool);
    return NULL;
}

static void begins_neutral(void **state)
{
    (void)state;
    struct pn_conf *conf = conf_from(NODE GWS POOL SERVICE);
    struct pn_runtime *rt = pn_runtime_new(conf);
    assert_int_equal(rt->gateways[2].weight_override, -1);
    assert_int_equal(rt->gateways[2].agent_percent, 100);
    assert_int_equal(rt->gateways[2].agent_queue, -1);
    assert_false(pn_rt_tier(rt, 0, 0)->accepts_spill); /* has marks, load not known yet */
    assert_true(pn_rt_tier(rt, 0, 1)->accepts_spill);
    assert_int_equal(member_of(rt, "p", "i")->health, PN_HEALTH_UNKNOWN);
    assert_true(pn_rt_member(rt, 0, 1, 0) == pn_rt_member(rt, 0, 0, 1) + 1);
    pn_runtime_free(rt);
    pn_runtime_free(NULL);
    pn_conf_free(conf);
}

static void carries_by_name(void **state)
{
    (void)state;
    struct pn_conf *was = conf_from(NODE GWS POOL SERVICE "pool q { tier t { gateways = g } }\n"
                                                          "pool agents { checks = c; tier t { gateways = g } }\n");
    /* i and g change places in the list, h gets another address, i moves to tier t, pool r is new, agents has no check that
     * judges any more. */
    struct pn_conf *now = conf_from(
        NODE
        "gateway i { address = 192.0.2.13 } gateway g { address = 192.0.2.11 } gateway h { address = 192.0.2.99 }\n"
        "pool r { tier t { gateways = g; spill { half-open-high = 8 } } }\n"
        "check c { } check load { type = agent; port = 1 }\n"
        "pool p { checks = c; tier u { gateways = h } tier t { gateways = [i, g]; spill { half-open-high = 9 } } }\n"
        "pool agents { checks = load; tier t { gateways = g } }\n" SERVICE);
    struct pn_runtime *old = pn_runtime_new(was), *rt = pn_runtime_new(now);
    old->gateways[0] =
        (struct pn_rt_gateway){.drain = true, .weight_override = 7, .agent_percent = 30, .agent_queue = 4};
    old->gateways[1] =
        (struct pn_rt_gateway){.disabled = true, .weight_override = 0, .agent_percent = 10, .agent_down = true};
    member_of(old, "p", "g")->health = PN_HEALTH_UP;
    member_of(old, "p", "h")->health = PN_HEALTH_DOWN;
    member_of(old, "p", "i")->health = PN_HEALTH_BUSY;
    member_of(old, "q", "g")->health = member_of(old, "agents", "g")->health = PN_HEALTH_DOWN;
    *pn_rt_tier(old, 0, 0) = (struct pn_rt_tier){.in_spill = true, .share = 77};
    pn_runtime_carry(rt, old);
    assert_true(rt->gateways[1].drain);
    assert_int_equal(rt->gateways[1].weight_override, 7);
    assert_int_equal(rt->gateways[1].agent_percent, 30);
    assert_int_equal(rt->gateways[1].agent_queue, 4);
    assert_false(rt->gateways[0].drain);
    assert_true(rt->gateways[2].disabled); /* the administrator's order holds, what the old machine said does not */
    assert_int_equal(rt->gateways[2].weight_override, 0);
    assert_int_equal(rt->gateways[2].agent_percent, 100);
    assert_false(rt->gateways[2].agent_down);
    assert_int_equal(member_of(rt, "p", "g")->health, PN_HEALTH_UP);
    assert_int_equal(member_of(rt, "p", "h")->health, PN_HEALTH_UNKNOWN);
    assert_int_equal(member_of(rt, "p", "i")->health, PN_HEALTH_BUSY);
    assert_int_equal(member_of(rt, "r", "g")->health, PN_HEALTH_UNKNOWN);
    assert_int_equal(member_of(rt, "agents", "g")->health, PN_HEALTH_UNKNOWN);
    assert_int_equal(pn_rt_tier(rt, 1, 1)->share, 77);
    assert_true(pn_rt_tier(rt, 1, 1)->in_spill);
    assert_false(pn_rt_tier(rt, 0, 0)->in_spill);
    assert_true(pn_rt_tier(rt, 1, 0)->accepts_spill);
    pn_runtime_free(rt);
    /* Marks gone: spill ends with them. */
    struct pn_conf *calm =
        conf_from(NODE GWS "pool p { tier t { gateways = [g, h] } tier u { gateways = i } }\n" SERVICE);
    rt = pn_runtime_new(calm);
    pn_runtime_carry(rt, old);
    assert_false(pn_rt_tier(rt, 0, 0)->in_spill);
    assert_true(pn_rt_tier(rt, 0, 0)->accepts_spill);
    pn_runtime_free(rt);
    pn_runtime_free(old);
    pn_conf_free(calm);
    pn_conf_free(now);
    pn_conf_free(was);
}

static void ids_stay(void **state)
{
    (void)state;
    struct pn_ids *ids = calloc(1, sizeof(*ids));
    struct pn_id_row *rows = ids->vips;
    char key[3 * PN_NAME_BYTES];
    assert_int_equal(pn_id_find(rows, 3, "vip/a"), PN_ID_NONE);
    assert_int_equal(pn_id_get(rows, 3, "vip/a"), 0);
    assert_int_equal(pn_id_get(rows, 3, "vip/b"), 1);
    assert_int_equal(pn_id_get(rows, 3, "vip/a"), 0);
    pn_ids_begin(ids);
    assert_int_equal(pn_id_get(rows, 3, "vip/b"), 1);
    assert_int_equal(pn_id_get(rows, 3, "vip/c"), 2); /* not a's, while a row is free */
    assert_int_equal(pn_id_find(rows, 3, "vip/a"), 0);
    pn_ids_begin(ids);
    pn_id_keep(rows, 3, "vip/c");
    assert_int_equal(pn_id_get(rows, 3, "vip/d"), 0); /* a has been away longest */
    assert_int_equal(pn_id_find(rows, 3, "vip/a"), PN_ID_NONE);
    assert_int_equal(pn_id_get(rows, 3, "vip/e"), 1); /* then b, c was kept */
    assert_int_equal(pn_id_get(rows, 3, "vip/f"), PN_ID_NONE);
    pn_ids_begin(ids);
    pn_id_keep(rows, 3, "vip/d");
    pn_ids_begin(ids);
    assert_int_equal(pn_id_get(rows, 3, "vip/g"), 1); /* e and c have been away longer than d */
    pn_id_key(key, "service", "s", "a");
    assert_string_equal(key, "service/s/a");
    pn_id_key(key, "gateway", "g", NULL);
    assert_string_equal(key, "gateway/g");
    free(ids);
}

/* A dataplane that went on while posternd restarted says which ids its flows carry. */
static void ids_are_learned(void **state)
{
    (void)state;
    struct pn_conf *first = conf_from(NODE "vip b { address = 192.0.2.26 }\n" GWS POOL SERVICE
                                           "service t { vips = [b, a]; port = 26; pool = p }\n");
    /* Other order, some objects gone, new ones first. */
    struct pn_conf *second = conf_from(
        "node n1 { port lan { interface = eth1 } } vip x { address = 192.0.2.24 } vip b { address = 192.0.2.26 }\n"
        "gateway x { address = 192.0.2.10 } gateway i { address = 192.0.2.13 } gateway h { address = 192.0.2.12 }\n"
        "pool x { tier u { gateways = x } } pool p { tier x { gateways = i } tier u { gateways = h } }\n"
        "service x { vips = x; port = 25; pool = x } service t { vips = [x, b]; port = 26; pool = p }\n");
    struct pn_runtime *rt1 = pn_runtime_new(first), *rt2 = pn_runtime_new(second);
    struct pn_ids *ids = calloc(1, sizeof(*ids)), *fresh = calloc(1, sizeof(*fresh));
    static uint64_t one[8192], two[8192];
    struct pn_snapshot view;
    struct pn_error err = {0};
    size_t len;
    assert_int_equal(pn_compile_snapshot(first, 0, rt1, ids, 1, one, sizeof(one), &len, &err), 0);
    assert_int_equal(pn_snapshot_validate(one, len, &view, &err), 0);
    for (unsigned i = 0; i < 3; i++) /* b has 2 here, 1 in the dataplane */
        pn_id_get(fresh->vips, PN_MAX_VIPS, i == 0 ? "vip/y" : i == 1 ? "vip/z" : "vip/b");
    pn_ids_learn(fresh, &view);
    static const char *const keys[] = {"service/s/a", "service/t/b", "service/t/a"};
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(pn_id_find(fresh->services, PN_MAX_SERVICES, keys[i]),
                         pn_id_find(ids->services, PN_MAX_SERVICES, keys[i]));
    assert_int_equal(pn_id_find(fresh->vips, PN_MAX_VIPS, "vip/b"), 1);
    assert_false(fresh->vips[2].used);
    assert_int_equal(pn_compile_snapshot(second, 0, rt2, fresh, 2, two, sizeof(two), &len, &err), 0);
    assert_int_equal(pn_snapshot_validate(two, len, &view, &err), 0);
    assert_int_equal(pn_id_find(fresh->vips, PN_MAX_VIPS, "vip/b"), 1);
    assert_int_equal(pn_id_find(fresh->vips, PN_MAX_VIPS, "vip/a"), 0); /* gone, its id not given away */
    assert_int_equal(pn_id_find(fresh->vips, PN_MAX_VIPS, "vip/x"), 2);
    assert_int_equal(pn_id_find(fresh->gateways, PN_MAX_GATEWAYS, "gateway/h"), 1);
    assert_int_equal(pn_id_find(fresh->gateways, PN_MAX_GATEWAYS, "gateway/i"), 2);
    assert_int_equal(pn_id_find(fresh->gateways, PN_MAX_GATEWAYS, "gateway/x"), 3);
    assert_int_equal(pn_id_find(fresh->tiers, PN_MAX_TIERS, "tier/p/u"), 1);
    assert_int_equal(pn_id_find(fresh->tiers, PN_MAX_TIERS, "tier/x/u"), 2);
    assert_int_equal(view.gateways[0].id, 3);
    pn_runtime_free(rt1);
    pn_runtime_free(rt2);
    pn_conf_free(first);
    pn_conf_free(second);
    free(ids);
    free(fresh);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(begins_neutral),
        cmocka_unit_test(carries_by_name),
        cmocka_unit_test(ids_stay),
        cmocka_unit_test(ids_are_learned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
