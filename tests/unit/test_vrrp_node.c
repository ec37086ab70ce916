/* SPDX-License-Identifier: BSD-3-Clause */
/* VIPs with protocol vrrp, with dataplanes below: what goes over the wire, orders, and what outsiders can do. */
#include "controlplane/vip/vrrp.h"
#include "controlplane/vip/wire.h"
#include "tests/unit/vrrp_world.h"

static void late_preempt(struct pn_node_conf *conf, unsigned node)
{
    vrrp(conf, node);
    conf->vips[0].want.preempt = PN_PREEMPT_DELAY;
    conf->vips[0].want.preempt_delay_ns = 2000 * WORLD_MS;
}

static void six(struct pn_node_conf *conf, unsigned node)
{
    vrrp(conf, node);
    conf->vips[0].addr = (struct pn_addr){.b = {0x20, 1, 0xd, 0xb8, [15] = 0x25}};
    conf->vips[0].mac = pn_vrrp_mac(true, 5);
    conf->vips[0].vlan = 7;
}

static void test_one_advertisement_for_all_of_an_id(void **state)
{
    struct pn_vrrp_advert a;
    struct pn_addr src;
    const char *field;
    struct pn_mac mac = pn_vrrp_mac(false, 5);
    static struct pn_ownership o;
    (void)state;
    world_start(2, 3, vrrp);
    world_run(800, true);
    for (unsigned v = 0; v < 3; v++)
        assert_int_equal(world_owner(v), 0);
    assert_memory_equal(&w.nodes[0].group_tx.src_mac, &mac, sizeof(mac));
    assert_int_equal(pn_vrrp_decode(w.nodes[0].group_tx.ip, w.nodes[0].group_tx.bytes, &a, &src, &field), 0);
    assert_int_equal(a.n_addrs, 3);
    assert_int_equal(a.addrs[2].b[15], 27);
    assert_int_equal(a.priority, 200);
    assert_int_equal(a.interval_cs, 10);
    assert_int_equal(src.b[15], 1);
    assert_int_equal(w.nodes[0].group_tx.ip[19], 18);
    assert_int_equal(w.nodes[1].group_tx.count, 0); /* a backup is silent */
    /* Nobody who waits three intervals meets a lease. */
    assert_true(w.nodes[0].lease[0] > w.now && w.nodes[0].lease[0] <= w.now + LEASE_NS);
    world_show(0, &o);
    assert_int_equal(o.vips[1].state, PN_EL_OWNER);
    assert_int_equal(o.vips[1].owner, 0);
    assert_int_equal(o.vips[1].transitions, 1);
    assert_int_equal(o.vips[1].vrrp.vrid, 5);
    assert_int_equal(o.vips[1].vrrp.lease_ms, 262);
    world_show(1, &o);
    assert_int_equal(o.vips[2].state, PN_EL_BACKUP);
    assert_int_equal(o.vips[2].owner, 0); /* known by its address */
    assert_int_equal(o.vips[2].vrrp.active_priority, 200);
    assert_true(o.vips[2].vrrp.received >= 3);
    world_end();
}

static void test_ipv6(void **state)
{
    struct pn_vrrp_advert a;
    struct pn_addr src;
    const char *field;
    struct pn_mac mac = pn_vrrp_mac(true, 5);
    (void)state;
    world_start(2, 1, six);
    world_run(800, true);
    assert_int_equal(world_owner(0), 0);
    assert_memory_equal(&w.nodes[0].group_tx.src_mac, &mac, sizeof(mac));
    assert_int_equal(w.nodes[0].group_tx.vlan, 7);
    assert_int_equal(pn_vrrp_decode(w.nodes[0].group_tx.ip, w.nodes[0].group_tx.bytes, &a, &src, &field), 0);
    /* The link-local address that the port's MAC 00:00:00:00:00:01 makes (RFC 4291, appendix A). */
    assert_memory_equal(src.b, ((uint8_t[]){0xfe, 0x80, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0xff, 0xfe, 0, 0, 1}), 16);
    /* A router of the same id on another network is another router. */
    struct pn_vrrp_advert foreign = {.v6 = true, .vrid = 5, .priority = 255, .interval_cs = 10, .n_addrs = 1};
    struct pn_addr from = {.b = {0xfe, 0x80, [15] = 0x77}}, group = pn_vrrp_group(true);
    uint8_t message[PN_VRRP_MAX_BYTES], packet[200];
    foreign.addrs[0] = w.confs[0].vips[0].addr;
    size_t n = pn_vrrp_encode(&foreign, &from, &group, message, sizeof(message));
    world_inject(0, packet, pn_wire_ip_build(&from, &group, PN_IPPROTO_VRRP, message, n, packet, sizeof(packet)));
    world_run(5, true);
    assert_int_equal(world_owner(0), 0);
    world_both_kill(0);
    world_gap_reset();
    world_run(TAKEOVER_MS, true);
    assert_int_equal(world_owner(0), 1);
    world_end();
}

static void test_planned_move(void **state)
{
    struct pn_error err;
    (void)state;
    world_start(2, 1, vrrp);
    world_run(800, true);
    assert_int_equal(pn_node_move(&w.nodes[0].node, "out", "n1", w.now, &err), -1);
    assert_non_null(strstr(err.text, "VRRP names no successor"));
    assert_int_equal(pn_node_move(&w.nodes[1].node, "out", NULL, w.now, &err), -1);
    assert_non_null(strstr(err.text, "this node is backup; only the active router 192.0.2.1"));
    assert_int_equal(pn_node_force(&w.nodes[1].node, "out", w.now, &err), -1);
    world_gap_reset();
    uint64_t moved_ns = w.now;
    assert_int_equal(pn_node_move(&w.nodes[0].node, "out", NULL, w.now, &err), 0);
    assert_int_equal(w.nodes[0].node.show.vrrp_refused, 0);
    world_wake(0);
    world_run(3000, true); /* the higher priority does not pull it back */
    assert_int_equal(world_owner(0), 1);
    assert_true(w.worst_gap_ns <= 65 * WORLD_MS); /* the skew of priority 99 */
    assert_true(w.nodes[0].forward[0] > moved_ns + 900 * WORLD_MS); /* the grace time */
    world_both_kill(1);
    world_run(TAKEOVER_MS, true);
    assert_int_equal(world_owner(0), 0);
    /* Nobody there to take it: back after the time that all would have waited. */
    world_move(0, NULL);
    world_run(TAKEOVER_MS, true);
    assert_int_equal(world_owner(0), 0);
    world_end();
}

static void test_standby_and_leave(void **state)
{
    static struct pn_ownership o;
    (void)state;
    world_start(2, 1, vrrp);
    world_run(800, true);
    world_gap_reset();
    pn_node_standby(&w.nodes[0].node, true, w.now);
    world_wake(0);
    world_run(1500, true);
    assert_int_equal(world_owner(0), 1);
    assert_true(w.worst_gap_ns <= 65 * WORLD_MS);
    world_show(0, &o);
    assert_int_equal(o.vips[0].state, PN_EL_BACKUP);
    pn_node_standby(&w.nodes[0].node, false, w.now);
    world_wake(0);
    world_run(600, false);
    assert_int_equal(world_owner(0), 0);
    world_gap_reset();
    pn_node_leave(&w.nodes[0].node, w.now);
    world_wake(0);
    assert_false(pn_node_left(&w.nodes[0].node, w.now));
    for (unsigned ms = 0; ms < 50 && !pn_node_left(&w.nodes[0].node, w.now); ms++)
        world_run(1, true);
    assert_true(pn_node_left(&w.nodes[0].node, w.now));
    world_node_kill(0);
    world_run(300, true);
    assert_int_equal(world_owner(0), 1);
    assert_true(w.worst_gap_ns <= 65 * WORLD_MS);
    world_end();
    /* A node without peers in its own cluster says so, too. */
    world_start(1, 1, vrrp);
    world_run(800, true);
    assert_int_equal(world_owner(0), 0);
    pn_node_leave(&w.nodes[0].node, w.now);
    world_wake(0);
    assert_false(pn_node_left(&w.nodes[0].node, w.now));
    world_run(5, true);
    assert_true(pn_node_left(&w.nodes[0].node, w.now));
    assert_int_equal(w.nodes[0].group_tx.ip[22], 0);
    assert_int_equal(world_owner(0), WORLD_NODES);
    world_end();
}

/* A planned restart of the dataplane, and a reload in the middle of it. */
static void test_dataplane_leaves(void **state)
{
    struct pn_error err;
    (void)state;
    for (unsigned n = 1; n <= 2; n++) { /* the other router may be no node of ours */
        world_start(n, 1, vrrp);
        world_run(800, true);
        assert_int_equal(world_owner(0), 0);
        world_gap_reset();
        world_unasked(&w.nodes[0], PN_DP_LEAVING, NULL, 0);
        world_run(5, true);
        assert_int_equal(w.nodes[0].group_tx.ip[22], 0);
        assert_false(world_responds(&w.nodes[0], 0));
        w.confs[0].generation++;
        assert_int_equal(pn_node_configure(&w.nodes[0].node, &w.confs[0], w.now, &err), 0);
        world_wake(0);
        world_run(600, true);
        assert_int_equal(world_owner(0), n == 1 ? WORLD_NODES : 1);
        assert_true(n == 1 || w.worst_gap_ns <= 65 * WORLD_MS);
        world_dp_kill(0);
        world_run(100, true);
        world_dp_start(0);
        world_run(1500, false);
        assert_int_equal(world_owner(0), 0);
        world_end();
    }
}

static void test_preemption_as_asked(void **state)
{
    (void)state;
    world_start(2, 1, no_preempt);
    world_run(800, true);
    world_both_kill(0);
    world_run(500, true);
    world_both_start(0);
    world_run(5000, true);
    assert_int_equal(world_owner(0), 1);
    world_end();
    world_start(2, 1, late_preempt);
    world_run(800, true);
    world_both_kill(0);
    world_run(500, true);
    world_both_start(0);
    world_run(1800, true);
    assert_int_equal(world_owner(0), 1);
    world_run(1200, false);
    assert_int_equal(world_owner(0), 0);
    world_end();
}

static void test_flows_are_there_before_it_takes_back(void **state)
{
    (void)state;
    world_start(2, 1, vrrp);
    world_run(800, true);
    world_both_kill(0);
    world_run(500, true);
    world_both_start(0);
    w.sync_cut = true;
    world_run(2000, true);
    assert_int_equal(world_owner(0), 1);
    w.sync_cut = false;
    world_run(3500, false); /* they are asked for again after three seconds */
    assert_int_equal(world_owner(0), 0);
    world_end();
}

static void test_one_that_does_not_hear_us(void **state)
{
    (void)state;
    world_start(2, 1, vrrp);
    world_run(800, true);
    assert_int_equal(world_owner(0), 0);
    w.cut[0][1] = true;
    for (unsigned ms = 0; ms < 3000 && !strstr(w.nodes[0].last_event, "goes on advertising"); ms++)
        world_run(1, false);
    assert_non_null(
        strstr(w.nodes[0].last_event, "priority 99, goes on advertising virtual router 5: it does not hear us"));
    world_end();
}

static void test_addresses_come_and_go(void **state)
{
    struct pn_error err;
    (void)state;
    world_start(2, 3, vrrp);
    world_run(800, true);
    struct pn_node_conf two = w.confs[0];
    two.n_vips = 2;
    memset(&two.vips[2], 0, sizeof(two.vips[2]));
    world_gap_reset();
    assert_int_equal(pn_node_configure(&w.nodes[0].node, &two, w.now, &err), 0);
    world_wake(0);
    world_run(2, true);
    assert_int_equal(world_owner(0), 0);
    assert_int_equal(world_owner(2), WORLD_NODES); /* given up at once, and the id's others go on */
    /* Told of by the other side, which has three: an alarm, but obeyed. */
    for (unsigned ms = 0; ms < 150 && !strstr(w.nodes[1].last_event, "other addresses"); ms++)
        world_run(1, true);
    assert_non_null(strstr(w.nodes[1].last_event, "with other addresses than ours: 2 of them, we have 3"));
    assert_int_equal(w.nodes[0].group_tx.ip[23], 2);
    assert_int_equal(pn_node_configure(&w.nodes[0].node, &w.confs[0], w.now, &err), 0);
    world_wake(0);
    world_run(20, true);
    assert_int_equal(world_owner(2), 0);
    assert_true(w.worst_gap_ns == 0);
    /* Another id: the old one is given up with priority 0, the new one has to wait. */
    struct pn_node_conf other = w.confs[0];
    for (unsigned v = 0; v < 3; v++)
        other.vips[v].vrid = 6;
    assert_int_equal(pn_node_configure(&w.nodes[0].node, &other, w.now, &err), 0);
    world_wake(0);
    world_run(100, true);
    assert_int_equal(world_owner(0), 1);
    world_end();
}

static size_t advert(uint8_t vrid, uint8_t priority, uint8_t from, uint8_t *packet, size_t cap)
{
    struct pn_vrrp_advert a = {.vrid = vrid, .priority = priority, .interval_cs = 10, .n_addrs = 1};
    struct pn_addr src = pn_addr_from_v4(0x000200c0u | (uint32_t)from << 24), group = pn_vrrp_group(false);
    uint8_t message[PN_VRRP_MAX_BYTES];
    a.addrs[0] = w.confs[0].vips[0].addr;
    size_t n = pn_vrrp_encode(&a, &src, &group, message, sizeof(message));
    return pn_wire_ip_build(&src, &group, PN_IPPROTO_VRRP, message, n, packet, cap);
}

static void test_what_breaks_a_rule_changes_nothing(void **state)
{
    uint8_t p[200];
    (void)state;
    world_start(2, 1, vrrp);
    world_run(800, true);
    size_t n = advert(5, 255, 77, p, sizeof(p));
    for (size_t i = 20; i < n; i++) {
        p[i] ^= 0x10;
        world_inject(0, p, n);
        p[i] ^= 0x10;
    }
    world_run(5, true);
    assert_int_equal(world_owner(0), 0);
    assert_int_equal(w.nodes[0].node.show.vrrp_refused, n - 20 - 1); /* one of them names another id */
    assert_int_equal(w.nodes[0].node.show.vrrp_seen, 1); /* and is a foreign speaker of our address */
    n = advert(5, 255, 1, p, sizeof(p)); /* with our own address */
    world_inject(0, p, n);
    world_run(5, true);
    assert_int_equal(world_owner(0), 0);
    /* Lower ones provoke an answer, not one each. */
    uint64_t sent = w.nodes[0].group_tx.count;
    n = advert(5, 1, 77, p, sizeof(p));
    for (unsigned i = 0; i < 3000; i++) {
        world_inject(0, p, n);
        if (i % 30 == 0)
            world_run(1, true);
    }
    assert_in_range(w.nodes[0].group_tx.count - sent, 1, 15);
    assert_int_equal(world_owner(0), 0);
    /* And a higher one that breaks none is obeyed: VRRP proves nothing about its speakers. */
    n = advert(5, 255, 77, p, sizeof(p));
    world_inject(0, p, n);
    world_run(5, true);
    assert_int_equal(world_owner(0), WORLD_NODES);
    world_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_advertisement_for_all_of_an_id),
        cmocka_unit_test(test_ipv6),
        cmocka_unit_test(test_planned_move),
        cmocka_unit_test(test_standby_and_leave),
        cmocka_unit_test(test_dataplane_leaves),
        cmocka_unit_test(test_preemption_as_asked),
        cmocka_unit_test(test_flows_are_there_before_it_takes_back),
        cmocka_unit_test(test_one_that_does_not_hear_us),
        cmocka_unit_test(test_addresses_come_and_go),
        cmocka_unit_test(test_what_breaks_a_rule_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
