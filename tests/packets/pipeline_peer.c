/* SPDX-License-Identifier: BSD-3-Clause */
/* Several nodes on one network: packets of the control plane, who else has a VIP or wants it, released and handed over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <rte_ring_elem.h>

#include "common/addr.h"
#include "tests/packets/pipeline.h"

#define SYN PN_FB_SYN
#define ACK PN_FB_ACK
#define T(port, fl) .tcp = {CLIENT4, VIP4, port, 25, fl, 0}
#define TO(gateway) .out = WORLD_WAN, .to = &world_gateway_mac[gateway], .end = PN_C_TX_FORWARD
#define LOCAL .out = WORLD_LOCAL, .to = &world_local_mac, .keep_source = true, .end = PN_C_TX_LOCAL
#define GONE(counter) .out = OUT_NONE, .end = counter
#define HOST .out = WORLD_TAP, .end = PN_C_PUNT_HOST

#define PORT 24625
#define NODE_ADDR "203.0.113.2"
#define PEER_ADDR "203.0.113.3"
#define GROUP "239.255.25.25"

static const struct pn_mac none;
static const struct pn_mac peer_mac = {{2, 0, 0, 0, 0, 0x0b}};
static struct pn_fb sent; /* what the control ring must hold */

static void control_set(struct world *w)
{
    static struct pn_dp_control control = {.heartbeat_udp_port = PORT, .vrrp = 1, .n_addrs = 2};

    assert_int_equal(pn_addr_parse(NODE_ADDR, &control.addrs[0], NULL), 0);
    assert_int_equal(pn_addr_parse(GROUP, &control.addrs[1], NULL), 0);
    atomic_store(&w->shared.control, &control);
}

static void heartbeat_to(struct pn_fb *fb, const char *dst, const struct pn_mac *mac, uint8_t ttl)
{
    pn_fb_ether_to(fb, mac, &peer_mac, 0);
    pn_fb_ip(fb, PEER_ADDR, dst);
    pn_fb_udp(fb, 5000, PORT);
    pn_fb_fill(fb, 300);
    fb->b[fb->l3 + 8] = ttl;
    pn_fb_done(fb);
    sent = *fb;
}

static void heartbeat(struct pn_fb *fb)
{
    heartbeat_to(fb, NODE_ADDR, &pn_fb_node_mac, 255);
}

static void heartbeat_far(struct pn_fb *fb)
{
    heartbeat_to(fb, NODE_ADDR, &pn_fb_node_mac, 254);
}

static void heartbeat_elsewhere(struct pn_fb *fb)
{
    heartbeat_to(fb, HOST4, &pn_fb_node_mac, 255);
}

static void heartbeat_flooded(struct pn_fb *fb)
{
    heartbeat_to(fb, NODE_ADDR, &peer_mac, 255);
}

static void heartbeat_group(struct pn_fb *fb)
{
    static const struct pn_mac group = {{1, 0, 0x5e, 0x7f, 0x19, 0x19}};

    heartbeat_to(fb, GROUP, &group, 255);
}

static void peer_set(struct world *w)
{
    static struct pn_dp_control control;

    control = *atomic_load(&w->shared.control);
    control.n_peers = 1;
    control.peers[0] = (struct pn_dp_control_peer){.boot_id = 0x0101010101010101ull, .sender = 1};
    assert_int_equal(pn_addr_parse(PEER_ADDR, &control.peers[0].addr, NULL), 0);
    atomic_store(&w->shared.control, &control);
}

static void share_used(struct world *w)
{
    w->worker[0]->ctx.guard.stranger_tsc = UINT64_MAX;
    w->worker[0]->ctx.guard.claimed_tsc[0] = UINT64_MAX;
}

/* What a seal looks like from outside, under the peer's start. */
static void heartbeat_sealed(struct pn_fb *fb)
{
    uint8_t datagram[120] = {'P', 'N', 1, 1, 1, 1};

    memset(datagram + 8, 1, sizeof(datagram) - 8);
    pn_fb_ether_to(fb, &pn_fb_node_mac, &peer_mac, 0);
    pn_fb_ip(fb, PEER_ADDR, NODE_ADDR);
    pn_fb_udp(fb, PORT, PORT);
    pn_fb_bytes(fb, datagram, sizeof(datagram));
    fb->b[fb->l3 + 8] = 255;
    pn_fb_done(fb);
    sent = *fb;
}

static bool control_taken(struct world *w, struct pn_control_msg *msg)
{
    return rte_ring_sc_dequeue_elem(w->worker[0]->ctx.control, msg, sizeof(*msg)) == 0;
}

static void packet_there(struct world *w)
{
    struct pn_control_msg msg;
    uint8_t got[PN_FB_BYTES];

    assert_true(control_taken(w, &msg));
    assert_non_null(msg.m);
    assert_int_equal(msg.port, WORLD_WAN);
    assert_int_equal(msg.l3_off, 14);
    assert_true(msg.boottime_ns != 0);
    assert_int_equal(msg.m->nb_segs, 1);
    assert_memory_equal(rte_pktmbuf_read(msg.m, 0, sent.n, got), sent.b, sent.n);
    rte_pktmbuf_free(msg.m);
    assert_false(control_taken(w, &msg));
}

static void ring_fill(struct world *w)
{
    const struct pn_control_msg msg = {.m = NULL};

    while (rte_ring_sp_enqueue_elem(w->worker[0]->ctx.control, (void *)(uintptr_t)&msg, sizeof(msg)) == 0)
        ;
}

static const struct row control[] = {
    {"not known yet: the host's", .make = heartbeat, HOST},
    {"a heartbeat", .before = control_set, .make = heartbeat, GONE(PN_C_PUNT_CONTROL), .after = packet_there},
    {"in pieces", .make = heartbeat, .segments = 60, GONE(PN_C_PUNT_CONTROL), .after = packet_there},
    {"to a group", .make = heartbeat_group, GONE(PN_C_PUNT_CONTROL), .after = packet_there},
    {"through a router", .make = heartbeat_far, GONE(PN_C_CONTROL_MALFORMED)},
    {"to another address", .make = heartbeat_elsewhere, HOST},
    {"flooded by a switch", .make = heartbeat_flooded, GONE(PN_C_CLASSIFY_OTHER_MAC)},
    {"a known peer's", .before = peer_set, .make = heartbeat_sealed, GONE(PN_C_PUNT_CONTROL), .after = packet_there},
    {"the same again", .make = heartbeat_sealed, GONE(PN_C_CONTROL_REPEATED)},
    {"beyond its share", .before = share_used, .make = heartbeat, GONE(PN_C_CONTROL_LIMITED)},
    {"no peers any more", .before = control_set, .make = heartbeat, GONE(PN_C_PUNT_CONTROL), .after = packet_there},
    {"nobody reads", .before = ring_fill, .make = heartbeat, GONE(PN_C_CONTROL_QUEUE_FULL)},
};
static const struct row control_early[] = {
    {"without a snapshot", .before = control_set, .make = heartbeat, GONE(PN_C_PUNT_CONTROL), .after = packet_there},
};

static void leases_end(struct world *w)
{
    world_leases(w, -1);
}

static void leases_held(struct world *w)
{
    world_leases(w, 30000);
}

static void announce_vip(struct pn_fb *fb)
{
    pn_fb_make_arp(fb, 1, &peer_mac, VIP4, &none, VIP4, 0);
}

static void announce_vip_ours(struct pn_fb *fb)
{
    pn_fb_make_arp(fb, 1, &pn_fb_node_mac, VIP4, &none, VIP4, 0);
}

static void announce_vlan_vip_ours(struct pn_fb *fb)
{
    pn_fb_make_arp(fb, 2, &world_vlan_vip_mac, VIP_VLAN, &none, VIP_VLAN, 100);
}

/* The answer to an ARP probe has no target address. */
static void answer_vip(struct pn_fb *fb)
{
    pn_fb_make_arp(fb, 2, &peer_mac, VIP4, &pn_fb_node_mac, "0.0.0.0", 0);
}

static void probe_vip(struct pn_fb *fb)
{
    pn_fb_make_arp(fb, 1, &peer_mac, "0.0.0.0", &none, VIP4, 0);
}

static void ask_vip(struct pn_fb *fb)
{
    pn_fb_make_arp(fb, 1, &peer_mac, PEER_ADDR, &none, VIP4, 0);
}

static void advert_vip6(struct pn_fb *fb)
{
    pn_fb_make_na(fb, VIP6, "ff02::1", VIP6, 0x20, &peer_mac, 0);
}

static void dad_vip6(struct pn_fb *fb)
{
    pn_fb_make_ns(fb, "::", NULL, VIP6, NULL, 0);
    memcpy(fb->b + 6, peer_mac.b, 6);
    pn_fb_fix(fb);
}

static void nothing_told(struct world *w)
{
    struct pn_control_msg msg;

    assert_false(control_taken(w, &msg));
}

static void told(struct world *w, unsigned vip, enum pn_dp_probe_kind kind)
{
    struct pn_control_msg msg;

    assert_true(control_taken(w, &msg));
    assert_null(msg.m);
    assert_int_equal(msg.vip, vip);
    assert_int_equal(msg.kind, kind);
    assert_memory_equal(&msg.mac, &peer_mac, sizeof(peer_mac));
    nothing_told(w);
    world_wait_ms(w, 6);
}

static void told_conflict(struct world *w)
{
    told(w, WORLD_VIP4, PN_PROBE_CONFLICT);
}

static void told_answer(struct world *w)
{
    told(w, WORLD_VIP4, PN_PROBE_ANSWER);
}

static void told_rival(struct world *w)
{
    told(w, WORLD_VIP4, PN_PROBE_RIVAL);
}

static void told_conflict6(struct world *w)
{
    told(w, WORLD_VIP6, PN_PROBE_CONFLICT);
}

static void told_answer6(struct world *w)
{
    told(w, WORLD_VIP6, PN_PROBE_ANSWER);
}

static void told_rival6(struct world *w)
{
    told(w, WORLD_VIP6, PN_PROBE_RIVAL);
}

/* Told, but the clock stands still: the next one is too soon. */
static void told_no_wait(struct world *w)
{
    struct pn_control_msg msg;

    assert_true(control_taken(w, &msg));
    nothing_told(w);
}

static const struct row rivals[] = {
    {"announced elsewhere while leased", .make = announce_vip, GONE(PN_C_ARP_NOT_OURS), .events = {PN_C_PROBE_CONFLICT},
     .after = told_conflict},
    {"the same over IPv6", .make = advert_vip6, GONE(PN_C_NDP_NOT_OURS), .events = {PN_C_PROBE_CONFLICT},
     .after = told_conflict6},
    {"our own announcement come back", .make = announce_vip_ours, GONE(PN_C_ARP_NOT_OURS), .after = nothing_told},
    {"with a virtual MAC too", .make = announce_vlan_vip_ours, GONE(PN_C_ARP_NOT_OURS), .after = nothing_told},
    {"a plain question tells nothing", .before = leases_end, .make = ask_vip, GONE(PN_C_ARP_NO_LEASE),
     .after = nothing_told},
    {"a probe without a lease: a rival", .make = probe_vip, GONE(PN_C_ARP_NO_LEASE), .events = {PN_C_PROBE_RIVAL},
     .after = told_rival},
    {"over IPv6", .make = dad_vip6, GONE(PN_C_NDP_NO_LEASE), .events = {PN_C_PROBE_RIVAL}, .after = told_rival6},
    {"an answer to our probe", .make = answer_vip, GONE(PN_C_ARP_NOT_OURS), .events = {PN_C_PROBE_ANSWER},
     .after = told_answer},
    {"over IPv6", .make = advert_vip6, GONE(PN_C_NDP_NOT_OURS), .events = {PN_C_PROBE_ANSWER}, .after = told_answer6},
    {"once", .make = answer_vip, GONE(PN_C_ARP_NOT_OURS), .events = {PN_C_PROBE_ANSWER}, .after = told_no_wait},
    {"at once again: counted, not told", .make = answer_vip, GONE(PN_C_ARP_NOT_OURS), .events = {PN_C_PROBE_ANSWER},
     .after = nothing_told},
    {"another kind is", .make = probe_vip, GONE(PN_C_ARP_NO_LEASE), .events = {PN_C_PROBE_RIVAL}, .after = told_rival},
};

/* Planned: the lease is over, for two seconds more the VIP's packets are forwarded as before. */
static void release(struct world *w)
{
    for (unsigned v = 0; v < WORLD_VIPS; v++) {
        w->message.vips[v].grace_ms = 0;
        atomic_store(&w->shared.forward_tsc[v], w->tsc + 2000000000ull);
        atomic_store(&w->shared.lease_tsc[v], w->tsc);
    }
    world_publish(w);
}

static void wait_2s(struct world *w)
{
    world_wait_ms(w, 2000);
}

static void echo(struct pn_fb *fb)
{
    pn_fb_make_echo(fb, CLIENT4, VIP4, 32, 0);
}

static void echo_back(struct pn_fb *fb)
{
    pn_fb_make_echo(fb, VIP4, CLIENT4, 32, 0);
    memcpy(fb->b, pn_fb_client_mac.b, 6);
    memcpy(fb->b + 6, pn_fb_node_mac.b, 6);
    fb->b[fb->l4] = 0;
    pn_fb_fix(fb);
}

static void solicit_vip6(struct pn_fb *fb)
{
    pn_fb_make_ns(fb, "2001:db8:25::1", NULL, VIP6, &peer_mac, 0);
}

static const struct row released[] = {
    {"a flow", T(4000, SYN), TO(WORLD_MX1), .events = {PN_C_FLOW_NEW}},
    {"ARP is answered no more", .before = release, .make = ask_vip, GONE(PN_C_ARP_NO_LEASE)},
    {"nor is NDP", .make = solicit_vip6, GONE(PN_C_NDP_NO_LEASE)},
    {"echo is", .make = echo, .out = WORLD_WAN, .expect = echo_back, .end = PN_C_ICMP_ECHOED},
    {"the flow goes on", T(4000, ACK), TO(WORLD_MX1), .events = {PN_C_FLOW_ESTABLISHED}},
    {"a new one is taken", T(4001, SYN), TO(WORLD_MX1), .events = {PN_C_FLOW_NEW}},
    {"in the middle too", T(4002, ACK), TO(WORLD_MX1), .events = {PN_C_FLOW_NEW, PN_C_FLOW_PICKED_UP}},
    {"over: no new one", .before = wait_2s, T(4003, SYN), GONE(PN_C_STEER_NO_LEASE)},
    {"and no old one", T(4000, ACK), GONE(PN_C_STEER_NO_LEASE)},
    {"no echo either", .make = echo, GONE(PN_C_ICMP_NO_LEASE)},
};

static void stopped_for_a_minute(struct world *w)
{
    w->late_tsc = 60000000000ull;
}

static void solicit_vip6_again(struct pn_fb *fb)
{
    solicit_vip6(fb);
}

static const struct row late[] = {
    {"decided, then stopped: the answer stays here", .before = stopped_for_a_minute, .make = ask_vip,
     GONE(PN_C_ANSWER_EXPIRED)},
    {"the same over IPv6", .make = solicit_vip6_again, GONE(PN_C_ANSWER_EXPIRED)},
    {"echo", .make = echo, GONE(PN_C_ANSWER_EXPIRED)},
    {"a forwarded packet is no answer", T(4000, SYN), TO(WORLD_MX1), .events = {PN_C_FLOW_NEW}},
};

/* mx1 is the other node, this one the secondary. */
static void pair(struct world *w)
{
    w->message.members[1].gateway = WORLD_SELF;
    world_publish(w);
}

static void pair_backup(struct world *w)
{
    pair(w);
    for (unsigned v = 0; v < WORLD_VIPS; v++)
        atomic_store(&w->shared.lease_tsc[v], 0);
}

static void from_mx1(struct pn_fb *fb, uint16_t port, uint8_t flags)
{
    pn_fb_make_tcp(fb, CLIENT4, VIP4, port, 25, flags, 0);
    memcpy(fb->b + 6, world_gateway_mac[WORLD_MX1].b, 6);
}

static void syn_from_mx1(struct pn_fb *fb)
{
    from_mx1(fb, 5000, SYN);
}

static void ack_from_mx1(struct pn_fb *fb)
{
    from_mx1(fb, 5000, ACK);
}

static void syn2_from_mx1(struct pn_fb *fb)
{
    from_mx1(fb, 5001, SYN);
}

static void syn_from_mx2(struct pn_fb *fb)
{
    pn_fb_make_tcp(fb, CLIENT4, VIP4, 5002, 25, SYN, 0);
    memcpy(fb->b + 6, world_gateway_mac[WORLD_MX2].b, 6);
}

static void first_of_two(struct pn_fb *fb)
{
    static struct pn_fb whole, second;

    pn_fb_ether_to(&whole, &pn_fb_node_mac, &world_gateway_mac[WORLD_MX1], 0);
    pn_fb_ip(&whole, CLIENT4, VIP4);
    pn_fb_tcp(&whole, 5003, 25, ACK);
    pn_fb_fill(&whole, 100);
    pn_fb_done(&whole);
    pn_fb_split(&whole, 9, 64, fb, &second);
}

static void second_of_two(struct pn_fb *fb)
{
    static struct pn_fb first;

    first_of_two(&first);
    static struct pn_fb whole;
    pn_fb_ether_to(&whole, &pn_fb_node_mac, &world_gateway_mac[WORLD_MX1], 0);
    pn_fb_ip(&whole, CLIENT4, VIP4);
    pn_fb_tcp(&whole, 5003, 25, ACK);
    pn_fb_fill(&whole, 100);
    pn_fb_done(&whole);
    pn_fb_split(&whole, 9, 64, &first, fb);
}

static void too_big(struct pn_fb *fb)
{
    struct pn_fb quoted;

    pn_fb_make_tcp(&quoted, VIP4, CLIENT4, 25, 5004, ACK, 0);
    pn_fb_make_icmp_error(fb, "192.0.2.99", VIP4, 3, 4, 1400, &quoted, 28);
}

#define LOCAL_AS(counter) .out = WORLD_LOCAL, .to = &world_local_mac, .keep_source = true, .end = counter
static void spilled_flag(struct world *w)
{
    struct pn_flow f;
    uint64_t cursor = 0;

    assert_int_equal(pn_flow_walk(w->worker[0]->ctx.flows, &cursor, &f, 1, 4096, w->worker[0]->ctx.now), 1);
    assert_int_equal(f.gateway, WORLD_SELF);
    assert_int_equal(f.flags & PN_FLOW_F_SPILLED, PN_FLOW_F_SPILLED);
}

static const struct row backup[] = {
    {"handed over by the owner", .before = pair_backup, .make = syn_from_mx1, LOCAL,
     .events = {PN_C_FLOW_NEW, PN_C_STEER_HANDED_OVER}, .after = spilled_flag},
    {"its second packet", .make = ack_from_mx1, LOCAL, .events = {PN_C_FLOW_ESTABLISHED}},
    {"one in the middle", T(4000, ACK), LOCAL, .events = {PN_C_FLOW_NEW, PN_C_STEER_HANDED_OVER}},
    {"in fragments", .make = first_of_two, LOCAL_AS(PN_C_TX_FRAGMENT)},
    {"the second one", .make = second_of_two, LOCAL_AS(PN_C_TX_FRAGMENT)},
    {"what a router says about it", .make = too_big, LOCAL_AS(PN_C_TX_ICMP_ERROR)},
    {"ARP is the owner's all the same", .make = ask_vip, GONE(PN_C_ARP_NO_LEASE)},
    {"owner now: the flow stays", .before = leases_held, .make = ack_from_mx1, LOCAL},
    {"a service without this node is nothing to hand over", .before = leases_end,
     .tcp = {CLIENT4, VIP4, 4000, 465, SYN, 0}, GONE(PN_C_STEER_NO_LEASE)},
};

/* Owner, and the other node sends a flow whose choice it is itself: it would come back for ever. */
static const struct row no_loop[] = {
    {"from a client", .before = pair, T(4000, SYN), TO(WORLD_MX1), .events = {PN_C_FLOW_NEW}},
    {"from the other node", .make = syn_from_mx1, LOCAL, .events = {PN_C_FLOW_NEW, PN_C_STEER_HANDED_OVER}},
    {"and on", .make = ack_from_mx1, LOCAL, .events = {PN_C_FLOW_ESTABLISHED}},
    {"from a third", .make = syn_from_mx2, TO(WORLD_MX1), .events = {PN_C_FLOW_NEW}},
    {"released: nothing is sent back", .before = release, .make = syn2_from_mx1, LOCAL,
     .events = {PN_C_FLOW_NEW, PN_C_STEER_HANDED_OVER}},
    {"released: clients are served", T(4001, SYN), TO(WORLD_MX1), .events = {PN_C_FLOW_NEW}},
};

static void no_grace(struct world *w)
{
    for (unsigned v = 0; v < WORLD_VIPS; v++)
        atomic_store(&w->shared.lease_tsc[v], w->tsc - 3000000000ull);
}

/* Another node's by now: what belongs to a known flow must not reach its gateway from here either. */
static const struct row gone[] = {
    {"a flow", T(5003, SYN), TO(WORLD_MX1), .events = {PN_C_FLOW_NEW}},
    {"another", T(5004, SYN), TO(WORLD_MX1), .events = {PN_C_FLOW_NEW}},
    {"a first fragment", .make = first_of_two, .out = WORLD_WAN, .to = &world_gateway_mac[WORLD_MX1],
     .end = PN_C_TX_FRAGMENT, .events = {PN_C_FLOW_ESTABLISHED}},
    {"the second comes late", .before = no_grace, .make = second_of_two, GONE(PN_C_STEER_NO_LEASE)},
    {"a first one too", .make = first_of_two, GONE(PN_C_STEER_NO_LEASE)},
    {"what a router says", .make = too_big, GONE(PN_C_ICMP_NO_LEASE)},
    {"a segment", T(5003, ACK), GONE(PN_C_STEER_NO_LEASE)},
};

const struct scenario pipeline_peer[] = {
    SCENARIO("control packets", control, .workers = 1),
    SCENARIO("control packets before all", control_early, .workers = 1, .no_snapshot = true),
    SCENARIO("rivals", rivals, .workers = 1),
    SCENARIO("released", released, .workers = 1),
    SCENARIO("late answers", late, .workers = 1),
    SCENARIO("backup", backup, .workers = 1),
    SCENARIO("no loop", no_loop, .workers = 1),
    SCENARIO("gone", gone, .workers = 1),
    {.name = NULL},
};
