/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "controlplane/state/runtime.h"
#include "tests/unit/conf_load.h"

static const char pair[] =
    "cluster { steering-seed = 42 }\n"
    "node n1 { port mgmt { interface = e0 } port lan { interface = e1 }\n"
    "  path lan { port = lan; address-v4 = 192.0.2.1 } local-interface = l0 }\n"
    "node n2 { port lan { interface = e1; address-v4 = 192.0.2.2 } port mgmt { interface = e0 }\n"
    "  local-interface = l0 }\n"
    "vip a { address = 192.0.2.25; port = lan; vlan = 7; grace = 5s; echo = no; priority { n1 = 2; n2 = 1 } }\n"
    "vip b { address = 2001:db8::25; port = lan; mac = \"02:00:00:00:00:09\"; priority { n1 = 1; n2 = 2 } }\n"
    "vip only2 { address = 192.0.2.27; priority { n2 = 2 } }\n"
    "gateway g { address = 192.0.2.11; port = lan; vlan = 7; weight = 10 }\n"
    "gateway h { address = 192.0.2.12; port = lan; mac = \"02:00:00:00:00:12\"; weight = 256 }\n"
    "gateway own { address = 192.0.2.1; port = lan; mode = local; node = n1 }\n"
    "gateway each { address = 127.0.0.1; mode = local }\n"
    "check c { }\n"
    "pool p { checks = c; tier t { gateways = [g, h]; spill { half-open-high = 9 } }\n"
    "  tier u { gateways = [own]; spill { half-open-high = 9 } } tier v { gateways = each } }\n"
    "pool q { tier t { gateways = g } }\n"
    "check load { type = agent; port = 1 }\n"
    "pool unused { checks = load; tier t { gateways = h } }\n"
    "service smtp { vips = [a, b, only2]; port = 25; pool = p; affinity = network; affinity-v4-prefix = 20\n"
    "  affinity-v6-prefix = 56; established-timeout = 20min; half-open-timeout = 9s; closing-timeout = 8s; "
    "half-open-max = 5 }\n"
    "service sub { vips = b; port = 587; pool = p }\n"
    "service far { vips = only2; port = 587; pool = q }\n";

struct fixture {
    struct pn_conf *conf;
    struct pn_runtime *rt;
    struct pn_ids *ids;
    uint64_t buf[8192];
    size_t len;
    struct pn_snapshot view;
    struct pn_error err;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    f->conf = conf_from(pair);
    f->rt = pn_runtime_new(f->conf);
    f->ids = calloc(1, sizeof(*f->ids));
    for (unsigned t = 0; t < 3; t++)
        for (unsigned i = 0; i < f->conf->pools[0].tiers[t].n_gateways; i++)
            pn_rt_member(f->rt, 0, t, i)->health = PN_HEALTH_UP;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    pn_runtime_free(f->rt);
    pn_conf_free(f->conf);
    free(f->ids);
    free(f);
    return 0;
}

/* Compiles for a node, and has the dataplane's own check look at it. */
static void compile(struct fixture *f, unsigned node)
{
    memset(f->buf, 0xa5, sizeof(f->buf));
    if (pn_compile_snapshot(f->conf, node, f->rt, f->ids, 3, f->buf, sizeof(f->buf), &f->len, &f->err) != 0 ||
        pn_snapshot_validate(f->buf, f->len, &f->view, &f->err) != 0)
        fail_msg("%s", f->err.text);
}

static void everything_arrives(void **state)
{
    struct fixture *f = *state;
    compile(f, 0);
    const struct pn_snapshot *s = &f->view;
    assert_int_equal(s->header->generation, 3);
    assert_int_equal(s->header->steering_seed, 42);
    assert_int_equal(s->header->n_vips, 2); /* only2 has no priority here */
    assert_int_equal(s->header->n_services, 3);
    assert_int_equal(s->header->n_tiers, 3); /* pools q and unused serve nothing here */
    assert_int_equal(s->header->n_gateways, 4);
    assert_int_equal(s->header->n_members, 4);
    assert_string_equal(s->vips[0].name, "a");
    assert_true(pn_addr_equal(&s->vips[0].addr, &f->conf->vips[0].addr));
    assert_int_equal(s->vips[0].port, 1);
    assert_int_equal(s->vips[0].vlan, 7);
    assert_int_equal(s->vips[0].flags, PN_SNAP_VIP_ANNOUNCE);
    assert_int_equal(s->vips[0].grace_ms, 5000);
    assert_int_equal(s->vips[1].flags, PN_SNAP_VIP_ANNOUNCE | PN_SNAP_VIP_ECHO);
    assert_int_equal(s->vips[1].mac.b[5], 9);
    const struct pn_snap_service *v = &s->services[0];
    assert_string_equal(v->name, "smtp");
    assert_string_equal(v->pool, "p");
    assert_int_equal(v->vip, s->vips[0].id);
    assert_int_equal(s->services[1].vip, s->vips[1].id);
    assert_string_equal(s->services[2].name, "sub");
    assert_int_equal(s->services[2].l4_port, 587);
    assert_int_equal(s->services[2].tier_first, v->tier_first); /* one pool, one set of tiers */
    assert_int_equal(v->l4_port, 25);
    assert_int_equal(v->ip_proto, 6);
    assert_int_equal(v->affinity, PN_AFFINITY_NETWORK);
    assert_int_equal(v->v4_prefix, 20);
    assert_int_equal(v->v6_prefix, 56);
    assert_int_equal(v->established_s, 1200);
    assert_int_equal(v->half_open_s, 9);
    assert_int_equal(v->closing_s, 8);
    assert_int_equal(v->half_open_max, 5);
    assert_int_equal(v->tier_count, 3);
    assert_string_equal(s->tiers[1].name, "u");
    assert_int_equal(s->tiers[1].rank, 1);
    assert_int_equal(s->tiers[1].member_first, 2);
    assert_int_equal(s->members[0].weight, 10);
    assert_int_equal(s->members[1].weight, 256);
    assert_int_equal(s->members[1].gateway, s->gateways[1].id);
    assert_string_equal(s->gateways[0].name, "g");
    assert_int_equal(s->gateways[0].port, 1);
    assert_int_equal(s->gateways[0].vlan, 7);
    assert_int_equal(s->gateways[0].has_static_mac, 0);
    assert_int_equal(s->gateways[1].has_static_mac, 1);
    assert_int_equal(s->gateways[1].mac.b[5], 0x12);
    assert_int_equal(s->gateways[2].mode, PN_FWD_LOCAL);
    assert_int_equal(s->gateways[3].mode, PN_FWD_LOCAL);
}

static void another_node(void **state)
{
    struct fixture *f = *state;
    compile(f, 1);
    const struct pn_snapshot *s = &f->view;
    assert_int_equal(s->header->n_vips, 3);
    assert_int_equal(s->header->n_services, 5);
    assert_int_equal(s->header->n_tiers, 4);
    assert_int_equal(s->vips[0].port, 0); /* "lan" comes first there */
    assert_int_equal(s->gateways[0].port, 0);
    assert_int_equal(s->gateways[2].mode, PN_FWD_L2DSR); /* n1's own is reached over the wire */
    assert_int_equal(s->gateways[3].mode, PN_FWD_LOCAL);
}

static void weights(void **state)
{
    static const struct {
        int override;
        unsigned percent, expected;
    } cases[] = {{-1, 100, 10},   {-1, 50, 5}, {-1, 11, 2}, {-1, 1, 1}, {-1, 0, 0},   {0, 100, 0},
                 {256, 100, 256}, {256, 1, 3}, {1, 1, 1},   {7, 33, 3}, {-1, 255, 10}};
    struct fixture *f = *state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        f->rt->gateways[0].weight_override = cases[i].override;
        f->rt->gateways[0].agent_percent = (uint8_t)cases[i].percent;
        compile(f, 0);
        assert_int_equal(f->view.members[0].weight, cases[i].expected);
    }
}

static void orders_and_agents(void **state)
{
    struct fixture *f = *state;
    struct pn_rt_gateway *g = &f->rt->gateways[0], neutral = *g;
    g->drain = true;
    compile(f, 0);
    assert_int_equal(f->view.gateways[0].flags, PN_SNAP_GW_DRAIN);
    assert_int_equal(f->view.gateways[1].flags, 0);
    *g = neutral;
    g->agent_drain = true;
    compile(f, 0);
    assert_int_equal(f->view.gateways[0].flags, PN_SNAP_GW_DRAIN);
    *g = neutral;
    g->disabled = true;
    compile(f, 0);
    assert_int_equal(f->view.gateways[0].flags, PN_SNAP_GW_DISABLED);
    *g = neutral;
    g->agent_maint = g->drain = true;
    compile(f, 0);
    assert_int_equal(f->view.gateways[0].flags, PN_SNAP_GW_DISABLED | PN_SNAP_GW_DRAIN);
    *g = neutral;
    g->agent_down = true;
    compile(f, 0);
    assert_int_equal(f->view.gateways[0].flags, 0);
    assert_int_equal(f->view.members[0].flags, PN_SNAP_MEMBER_DOWN);
    assert_int_equal(f->view.members[1].flags, 0);
    *g = neutral;
    g->node_gone = true;
    compile(f, 0);
    assert_int_equal(f->view.gateways[0].flags, 0);
    assert_int_equal(f->view.members[0].flags, PN_SNAP_MEMBER_DOWN);
    assert_string_equal(pn_rt_gateway_refuses(f->rt, 0), "down");
}

static void health(void **state)
{
    struct fixture *f = *state;
    pn_rt_member(f->rt, 0, 0, 0)->health = PN_HEALTH_DOWN;
    pn_rt_member(f->rt, 0, 0, 1)->health = PN_HEALTH_BUSY;
    pn_rt_member(f->rt, 0, 1, 0)->health = PN_HEALTH_UNKNOWN;
    compile(f, 0);
    assert_int_equal(f->view.members[0].flags, PN_SNAP_MEMBER_DOWN);
    assert_int_equal(f->view.members[1].flags, PN_SNAP_MEMBER_BUSY);
    assert_int_equal(f->view.members[2].flags, 0);
    /* Nobody left but the busy one: it takes them. */
    pn_rt_member(f->rt, 0, 1, 0)->health = PN_HEALTH_DOWN;
    compile(f, 0);
    assert_int_equal(f->view.members[1].flags, PN_SNAP_MEMBER_BUSY); /* tier v is still there */
    f->rt->gateways[3].drain = true;
    compile(f, 0);
    assert_int_equal(f->view.members[0].flags, PN_SNAP_MEMBER_DOWN);
    assert_int_equal(f->view.members[1].flags, 0);
    f->rt->gateways[3].drain = false;
    f->rt->gateways[3].weight_override = 0;
    compile(f, 0);
    assert_int_equal(f->view.members[1].flags, 0);
}

static void spill(void **state)
{
    struct fixture *f = *state;
    struct pn_rt_tier *t = pn_rt_tier(f->rt, 0, 0), *u = pn_rt_tier(f->rt, 0, 1);
    compile(f, 0);
    assert_int_equal(f->view.tiers[0].flags, 0); /* marks, but no load known yet */
    assert_int_equal(f->view.tiers[1].flags, 0);
    assert_int_equal(f->view.tiers[2].flags, PN_SNAP_TIER_ACCEPTS_SPILL); /* no marks */
    t->share = 1000;
    t->above_active = 40;
    u->accepts_spill = true;
    compile(f, 0);
    assert_int_equal(f->view.tiers[0].spill_share, 0); /* not in spill */
    assert_int_equal(f->view.tiers[0].spill_above_active, 0);
    assert_int_equal(f->view.tiers[1].flags, PN_SNAP_TIER_ACCEPTS_SPILL);
    t->in_spill = t->accepts_spill = true;
    compile(f, 0);
    assert_int_equal(f->view.tiers[0].spill_share, 1000);
    assert_int_equal(f->view.tiers[0].spill_above_active, 40);
    assert_int_equal(f->view.tiers[0].flags, 0); /* in spill itself */
    static const enum pn_health ill[] = {PN_HEALTH_UNKNOWN, PN_HEALTH_BUSY, PN_HEALTH_DOWN};
    for (unsigned i = 0; i < 3; i++) {
        pn_rt_member(f->rt, 0, 1, 0)->health = ill[i];
        compile(f, 0);
        assert_int_equal(f->view.tiers[1].flags, 0);
    }
    pn_rt_member(f->rt, 0, 1, 0)->health = PN_HEALTH_UP;
    struct pn_rt_gateway neutral = f->rt->gateways[2], *own = &f->rt->gateways[2];
    for (unsigned i = 0; i < 8; i++) {
        *own = neutral;
        own->drain = i == 0;
        own->disabled = i == 1;
        own->agent_drain = i == 2;
        own->agent_maint = i == 3;
        own->agent_down = i == 4;
        own->agent_percent = i == 5 ? 0 : 100;
        own->weight_override = i == 6 ? 0 : -1;
        own->node_gone = i == 7;
        compile(f, 0);
        assert_int_equal(f->view.tiers[1].flags, 0);
    }
    *own = neutral;
    compile(f, 0);
    assert_int_equal(f->view.tiers[1].flags, PN_SNAP_TIER_ACCEPTS_SPILL);
    u->accepts_spill = false;
    compile(f, 0);
    assert_int_equal(f->view.tiers[1].flags, 0);
}

/* An agent tells load, not health: nobody is known to be ill, as without checks. */
static void agent_alone_accepts_spill(void **state)
{
    struct fixture *f = *state;
    assert_false(pn_rt_pool_is_judged(f->conf, 2));
    assert_true(pn_rt_pool_is_judged(f->conf, 0));
    assert_true(pn_rt_tier_takes_spill(f->rt, 2, 0));
    pn_rt_member(f->rt, 2, 0, 0)->health = PN_HEALTH_DOWN;
    assert_false(pn_rt_tier_takes_spill(f->rt, 2, 0));
}

/* Without checks nobody is known to be ill: pool q on node n2. */
static void unchecked_accepts_spill(void **state)
{
    struct fixture *f = *state;
    compile(f, 1);
    assert_string_equal(f->view.services[4].pool, "q");
    assert_int_equal(f->view.tiers[f->view.services[4].tier_first].flags, PN_SNAP_TIER_ACCEPTS_SPILL);
}

static void refusals(void **state)
{
    struct fixture *f = *state;
    size_t len = 0, need;
    compile(f, 0);
    need = f->len;
    assert_int_equal(pn_compile_snapshot(f->conf, 0, f->rt, f->ids, 4, f->buf, need, &len, &f->err), 0);
    assert_int_equal(len, need);
    assert_int_equal(pn_compile_snapshot(f->conf, 0, f->rt, f->ids, 4, f->buf, need - 1, &len, &f->err), -1);
    assert_int_equal(pn_compile_snapshot(f->conf, 0, f->rt, f->ids, 0, f->buf, sizeof(f->buf), &len, &f->err), -1);
    assert_int_equal(pn_compile_snapshot(f->conf, 2, f->rt, f->ids, 4, f->buf, sizeof(f->buf), &len, &f->err), -1);
    struct pn_conf *other = conf_from(pair);
    assert_int_equal(pn_compile_snapshot(other, 0, f->rt, f->ids, 4, f->buf, sizeof(f->buf), &len, &f->err), -1);
    pn_conf_free(other);
}

/* The same state gives the same message but for its generation. */
static void is_repeatable(void **state)
{
    struct fixture *f = *state;
    static uint64_t again[8192];
    size_t len;
    compile(f, 0);
    assert_int_equal(pn_compile_snapshot(f->conf, 0, f->rt, f->ids, 3, again, sizeof(again), &len, &f->err), 0);
    assert_int_equal(len, f->len);
    assert_memory_equal(again, f->buf, len);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(everything_arrives),
        TEST(another_node),
        TEST(weights),
        TEST(orders_and_agents),
        TEST(health),
        TEST(spill),
        TEST(unchecked_accepts_spill),
        TEST(agent_alone_accepts_spill),
        TEST(refusals),
        TEST(is_repeatable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
