/* SPDX-License-Identifier: BSD-3-Clause */
/* Whom a node believes: keys that change or are missing, what is forged, and what speaks VRRP. */
#include "tests/unit/node_world.h"

#include "controlplane/vip/wire.h"

static void test_forged_and_replayed_change_nothing(void **state)
{
    uint8_t packet[200], junk[100];
    struct pn_wire_udp u = {
        .src = pn_addr_from_v4(0x020200c0u), .dst = pn_addr_from_v4(0x010200c0u), .src_port = 24625, .dst_port = 24625};
    struct pn_ownership show;
    (void)state;
    world_start(2, 2, NULL);
    world_run(300, true);
    uint32_t transitions = w.nodes[0].node.election.vips[0].transitions;
    world_gap_reset();
    for (unsigned i = 0; i < 2000; i++) {
        for (unsigned k = 0; k < sizeof(junk); k++)
            junk[k] = (uint8_t)world_random(NULL);
        memcpy(junk, "PN\1\1\1\1\0\0", 8);
        junk[3] = i & 1 ? PN_SEAL_HEARTBEAT : PN_SEAL_FLOW_SYNC;
        world_inject(0, packet, pn_wire_udp_build(&u, junk, sizeof(junk), packet, sizeof(packet)));
        if (i % 20 == 0)
            world_run(1, true);
    }
    world_run(50, true);
    world_show(0, &show);
    assert_int_equal(show.refused_seal[PN_SEAL_FORGED] + show.refused_seal[PN_SEAL_FORMAT], 1000);
    assert_true(show.refused_seal[PN_SEAL_FORGED] > 400);
    assert_int_equal(show.sync.refused, 1000);
    assert_int_equal(w.nodes[0].node.election.vips[0].transitions, transitions);
    assert_true(w.worst_gap_ns == 0);
    assert_int_equal(world_owner(0), 0);
    world_end();
}

static void two_keys(struct pn_node_conf *conf, unsigned node)
{
    (void)node;
    conf->ring = (struct pn_seal_ring){.n_keys = 2, .keys = {{.id = 1, .send = true}, {.id = 2, .secret = {1, 2, 3}}}};
}

static void rekey(unsigned i, struct pn_seal_ring ring)
{
    struct pn_error err;
    w.confs[i].ring = ring;
    assert_int_equal(pn_node_configure(&w.nodes[i].node, &w.confs[i], w.now, &err), 0);
    world_run(200, true);
}

static void test_keys_rotate_without_a_gap(void **state)
{
    struct pn_seal_ring both = {.n_keys = 2, .keys = {{.id = 1}, {.id = 2, .send = true, .secret = {1, 2, 3}}}};
    struct pn_seal_ring new = {.n_keys = 1, .keys = {{.id = 2, .send = true, .secret = {1, 2, 3}}}};
    (void)state;
    world_start(2, 1, two_keys);
    world_run(300, true);
    world_gap_reset();
    uint32_t transitions = w.nodes[1].node.election.vips[0].transitions;
    for (unsigned i = 0; i < 2; i++)
        rekey(i, both);
    for (unsigned i = 0; i < 2; i++)
        rekey(i, new);
    assert_true(w.worst_gap_ns == 0);
    assert_int_equal(w.nodes[1].node.election.vips[0].transitions, transitions);
    assert_int_equal(w.nodes[0].node.show.peers[1].boots, 1); /* the same start all the time */
    world_end();
}

/* A node that cannot be heard owns nothing; one that gets keys takes part; one that loses them hands over. */
static void test_without_keys(void **state)
{
    struct pn_seal_ring none = {.n_keys = 0}, one;
    struct pn_ownership show;
    (void)state;
    world_start(2, 1, NULL);
    one = w.confs[0].ring;
    world_node_kill(1);
    world_node_kill(0);
    w.confs[0].ring = none;
    world_node_start(0);
    world_run(1000, true);
    assert_int_equal(world_owner(0), WORLD_NODES);
    world_show(0, &show);
    assert_true(show.keyless && !show.standby);
    pn_node_standby(&w.nodes[0].node, false, w.now); /* "postern node active" is no way around it */
    world_run(300, true);
    assert_int_equal(world_owner(0), WORLD_NODES);
    rekey(0, one);
    assert_int_equal(world_owner(0), 0);
    world_node_start(1);
    world_run(500, true);
    world_gap_reset();
    rekey(0, none);
    assert_int_equal(world_owner(0), 1);
    assert_true(w.worst_gap_ns <= 3 * WORLD_MS);
    rekey(0, one);
    world_run(500, true);
    assert_int_equal(world_owner(0), 0);
    world_end();
}

static void vrrp_vip(struct pn_node_conf *conf, unsigned node)
{
    (void)node;
    conf->vips[0].protocol = PN_VIP_VRRP;
    conf->vips[0].vrid = (uint8_t)(conf->self ? 6 : 5);
    conf->vips[0].vrrp_interval_cs = 100;
    conf->vips[0].vrrp_source = conf->paths[0].v4;
}

static void test_vrrp_speaker_is_told_of(void **state)
{
    /* IPv4 header, then VRRPv3: id 5, priority 255, one address: VIP "out". */
    uint8_t p[32] = {0x45, 0xc0, 0, 32, 0,    0, 0x40, 0, 255, 112, 0, 0, 192, 0, 2, 77,
                     224,  0,    0, 18, 0x31, 5, 255,  1, 0,   10,  0, 0, 192, 0, 2, 25};
    uint32_t sum = 0;
    (void)state;
    for (unsigned i = 0; i < 20; i += 2)
        sum += (uint32_t)p[i] << 8 | p[i + 1];
    sum = ~((sum & 0xffff) + (sum >> 16));
    p[10] = (uint8_t)(sum >> 8);
    p[11] = (uint8_t)sum;
    world_start(2, 1, NULL);
    world_run(300, true);
    world_inject(0, p, sizeof(p));
    world_run(20, true);
    assert_int_equal(w.nodes[0].node.show.vrrp_seen, 1);
    assert_non_null(strstr(w.nodes[0].last_event, "192.0.2.77 announces this address by VRRP, id 5"));
    assert_int_equal(world_owner(0), 0);
    world_end();
    world_start(2, 1, vrrp_vip); /* not where VRRP with this id is what was asked for */
    world_run(5, true);
    world_inject(0, p, sizeof(p));
    world_inject(1, p, sizeof(p));
    world_run(20, true);
    assert_int_equal(w.nodes[0].node.show.vrrp_seen, 0);
    assert_int_equal(w.nodes[1].node.show.vrrp_seen, 1);
    world_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forged_and_replayed_change_nothing),
        cmocka_unit_test(test_keys_rotate_without_a_gap),
        cmocka_unit_test(test_without_keys),
        cmocka_unit_test(test_vrrp_speaker_is_told_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
