/* SPDX-License-Identifier: BSD-3-Clause */
/* What the worker answers itself, and what neighbours and routers tell it: ARP, NDP, ICMP. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <rte_ring_elem.h>

#include "common/addr.h"
#include "tests/packets/pipeline.h"

#define REPLY(counter, frame) .out = WORLD_WAN, .expect = frame, .end = counter
#define HOST .out = WORLD_TAP, .end = PN_C_PUNT_HOST
#define GONE(counter) .out = OUT_NONE, .end = counter
#define ARP_CLIENT "203.0.113.1"
#define ND_CLIENT "2001:db8:25::1"
#define MX1_ADDR "192.0.2.1"
#define MX1_ADDR6 "2001:db8:25::a1"

static const struct pn_mac none;

static void lease_ended(struct world *w)
{
    world_leases(w, -1);
}

static void lease_again(struct world *w)
{
    world_leases(w, 30000);
}

static void no_exception(struct world *w)
{
    w->shared.ports[WORLD_WAN].exception = PN_PORT_NONE;
}

static void arp_ask(struct pn_fb *fb, const char *target, uint16_t vlan)
{
    pn_fb_make_arp(fb, 1, &pn_fb_client_mac, ARP_CLIENT, &none, target, vlan);
}

static void arp_answer(struct pn_fb *fb, const char *vip, const struct pn_mac *mac, const char *to, uint16_t vlan)
{
    pn_fb_make_arp(fb, 2, mac, vip, &pn_fb_client_mac, to, vlan);
    memcpy(fb->b, pn_fb_client_mac.b, 6);
    memcpy(fb->b + 6, mac->b, 6);
}

static void arp_vip(struct pn_fb *fb)
{
    arp_ask(fb, VIP4, 0);
}

static void arp_vip_reply(struct pn_fb *fb)
{
    arp_answer(fb, VIP4, &pn_fb_node_mac, ARP_CLIENT, 0);
}

static void arp_vlan_vip(struct pn_fb *fb)
{
    arp_ask(fb, VIP_VLAN, 100);
}

static void arp_vlan_vip_reply(struct pn_fb *fb)
{
    arp_answer(fb, VIP_VLAN, &world_vlan_vip_mac, ARP_CLIENT, 100);
}

static void arp_vlan_vip_untagged(struct pn_fb *fb)
{
    arp_ask(fb, VIP_VLAN, 0);
}

static void arp_probe(struct pn_fb *fb)
{
    pn_fb_make_arp(fb, 1, &pn_fb_client_mac, "0.0.0.0", &none, VIP4, 0);
}

static void arp_probe_reply(struct pn_fb *fb)
{
    arp_answer(fb, VIP4, &pn_fb_node_mac, "0.0.0.0", 0);
}

static void arp_host(struct pn_fb *fb)
{
    arp_ask(fb, HOST4, 0);
}

static void arp_bad(struct pn_fb *fb)
{
    arp_ask(fb, VIP4, 0);
    fb->b[18] = 5; /* hardware address length */
}

static void arp_from_mx1(struct pn_fb *fb)
{
    pn_fb_make_arp(fb, 2, &world_gateway_mac[WORLD_MX1], MX1_ADDR, &pn_fb_node_mac, HOST4, 0);
}

static void arp_announce_mx1(struct pn_fb *fb)
{
    pn_fb_make_arp(fb, 1, &world_gateway_mac[WORLD_MX1], MX1_ADDR, &none, MX1_ADDR, 0);
}

static void arp_announce_vip(struct pn_fb *fb)
{
    pn_fb_make_arp(fb, 1, &pn_fb_client_mac, VIP4, &none, VIP4, 0);
}

static void learned(struct world *w, const char *addr, uint8_t flags)
{
    struct pn_learn_msg msg;
    char text[64];

    assert_int_equal(rte_ring_dequeue_elem(w->worker[0]->ctx.learn, &msg, sizeof(msg)), 0);
    assert_string_equal(pn_addr_format(&msg.addr, text, sizeof(text)), addr);
    assert_memory_equal(msg.mac.b, world_gateway_mac[WORLD_MX1].b, 6);
    assert_int_equal(msg.port, WORLD_WAN);
    assert_int_equal(msg.vlan, 0);
    assert_int_equal(msg.flags, flags);
    assert_int_not_equal(rte_ring_dequeue_elem(w->worker[0]->ctx.learn, &msg, sizeof(msg)), 0);
}

static void learned_reply(struct world *w)
{
    learned(w, MX1_ADDR, PN_LEARN_OVERRIDE | PN_LEARN_SOLICITED);
}

static void learned_announcement(struct world *w)
{
    learned(w, MX1_ADDR, PN_LEARN_OVERRIDE);
}

static void learned_nothing(struct world *w)
{
    assert_true(rte_ring_empty(w->worker[0]->ctx.learn));
}

static const struct row arp[] = {
    {"for a VIP", .make = arp_vip, REPLY(PN_C_ARP_REPLIED, arp_vip_reply), .after = learned_nothing},
    {"for a VIP on a VLAN, with its own MAC", .make = arp_vlan_vip, REPLY(PN_C_ARP_REPLIED, arp_vlan_vip_reply)},
    {"for it without the tag: the host's affair", .make = arp_vlan_vip_untagged, HOST},
    {"probe for a VIP is answered: the address is taken", .make = arp_probe, REPLY(PN_C_ARP_REPLIED, arp_probe_reply)},
    {"for the host", .make = arp_host, HOST},
    {"malformed", .make = arp_bad, GONE(PN_C_ARP_MALFORMED)},
    {"a gateway's answer: for the host too", .make = arp_from_mx1, HOST, .after = learned_reply},
    {"a gateway's announcement", .make = arp_announce_mx1, HOST, .after = learned_announcement},
    {"someone else claims a VIP", .make = arp_announce_vip, GONE(PN_C_ARP_NOT_OURS), .events = {PN_C_PROBE_CONFLICT},
     .after = learned_nothing},
    {"without a lease", .before = lease_ended, .make = arp_vip, GONE(PN_C_ARP_NO_LEASE)},
    {"with it again", .before = lease_again, .make = arp_vip, REPLY(PN_C_ARP_REPLIED, arp_vip_reply)},
    {"for the host, without a port to it", .before = no_exception, .make = arp_host, GONE(PN_C_ARP_NOT_OURS)},
    {"a gateway's answer, for us alone", .make = arp_from_mx1, GONE(PN_C_PUNT_NEIGHBOUR), .after = learned_reply},
};

static void ns_vip(struct pn_fb *fb)
{
    pn_fb_make_ns(fb, ND_CLIENT, NULL, VIP6, &pn_fb_client_mac, 0);
}

static void ns_vip_reply(struct pn_fb *fb)
{
    pn_fb_make_na(fb, VIP6, ND_CLIENT, VIP6, 0x60, &pn_fb_node_mac, 0);
    memcpy(fb->b, pn_fb_client_mac.b, 6);
    memcpy(fb->b + 6, pn_fb_node_mac.b, 6);
}

static void ns_dad(struct pn_fb *fb)
{
    pn_fb_make_ns(fb, "::", NULL, VIP6, NULL, 0);
}

static void ns_dad_reply(struct pn_fb *fb)
{
    static const struct pn_mac all_nodes = {{0x33, 0x33, 0, 0, 0, 1}};

    pn_fb_make_na(fb, VIP6, "ff02::1", VIP6, 0x20, &pn_fb_node_mac, 0);
    memcpy(fb->b, all_nodes.b, 6);
    memcpy(fb->b + 6, pn_fb_node_mac.b, 6);
}

static void ns_host(struct pn_fb *fb)
{
    pn_fb_make_ns(fb, ND_CLIENT, NULL, HOST6, &pn_fb_client_mac, 0);
}

static void ns_hop_limit(struct pn_fb *fb)
{
    ns_vip(fb);
    fb->b[fb->l3 + 7] = 64; /* came through a router */
}

static void na_mx1(struct pn_fb *fb)
{
    pn_fb_make_na(fb, MX1_ADDR6, HOST6, MX1_ADDR6, 0x60, &world_gateway_mac[WORLD_MX1], 0);
}

static void na_vip(struct pn_fb *fb)
{
    pn_fb_make_na(fb, VIP6, "ff02::1", VIP6, 0x20, &pn_fb_client_mac, 0);
}

static void learned_advert(struct world *w)
{
    learned(w, MX1_ADDR6, PN_LEARN_SOLICITED | PN_LEARN_OVERRIDE);
}

static const struct row ndp[] = {
    {"for a VIP", .make = ns_vip, REPLY(PN_C_NDP_REPLIED, ns_vip_reply)},
    {"duplicate address detection", .make = ns_dad, REPLY(PN_C_NDP_REPLIED, ns_dad_reply)},
    {"for the host", .make = ns_host, HOST},
    {"from beyond a router", .make = ns_hop_limit, GONE(PN_C_NDP_MALFORMED)},
    {"a gateway's answer: for the host too", .make = na_mx1, HOST, .after = learned_advert},
    {"someone else claims a VIP", .make = na_vip, GONE(PN_C_NDP_NOT_OURS), .events = {PN_C_PROBE_CONFLICT},
     .after = learned_nothing},
    {"without a lease", .before = lease_ended, .make = ns_vip, GONE(PN_C_NDP_NO_LEASE)},
    {"for the host, without a port to it", .before = no_exception, .make = ns_host, GONE(PN_C_NDP_NOT_OURS)},
    {"a gateway's answer, for us alone", .make = na_mx1, GONE(PN_C_PUNT_NEIGHBOUR), .after = learned_advert},
};

static void echo_reply(struct pn_fb *fb, const char *vip, const char *client, uint8_t type)
{
    pn_fb_make_echo(fb, vip, client, 32, 0);
    memcpy(fb->b, pn_fb_client_mac.b, 6);
    memcpy(fb->b + 6, pn_fb_node_mac.b, 6);
    fb->b[fb->l4] = type;
    pn_fb_fix(fb);
}

static void echo4(struct pn_fb *fb)
{
    pn_fb_make_echo(fb, CLIENT4, VIP4, 32, 0);
}

static void echo4_reply(struct pn_fb *fb)
{
    echo_reply(fb, VIP4, CLIENT4, 0);
}

static void echo6(struct pn_fb *fb)
{
    pn_fb_make_echo(fb, CLIENT6, VIP6, 32, 0);
}

static void echo6_reply(struct pn_fb *fb)
{
    echo_reply(fb, VIP6, CLIENT6, 129);
}

static void echo_mute(struct pn_fb *fb)
{
    pn_fb_make_echo(fb, CLIENT4, VIP_MUTE, 32, 0);
}

static void echo_host(struct pn_fb *fb)
{
    pn_fb_make_echo(fb, CLIENT4, HOST4, 32, 0);
}

static void echo_bad(struct pn_fb *fb)
{
    echo4(fb);
    fb->b[fb->l4 + 2] ^= 1;
}

static void timestamp(struct pn_fb *fb)
{
    pn_fb_ether(fb, 0);
    pn_fb_ip(fb, CLIENT4, VIP4);
    pn_fb_icmp(fb, 13, 0, 0);
    pn_fb_fill(fb, 12);
    pn_fb_done(fb);
}

static const struct row echo[] = {
    {"echo", .make = echo4, REPLY(PN_C_ICMP_ECHOED, echo4_reply)},
    {"echo, IPv6", .make = echo6, REPLY(PN_C_ICMP_ECHOED, echo6_reply)},
    {"echo to a VIP that does not", .make = echo_mute, GONE(PN_C_ICMP_IGNORED)},
    {"echo to the host", .make = echo_host, HOST},
    {"checksum wrong", .make = echo_bad, GONE(PN_C_ICMP_MALFORMED)},
    {"timestamp", .make = timestamp, GONE(PN_C_ICMP_IGNORED)},
    {"without a lease", .before = lease_ended, .make = echo4, GONE(PN_C_ICMP_NO_LEASE)},
};

/* A router on the way to the client says that a segment from VIP:vip_port to the client was too big. */
static void too_big(struct pn_fb *fb, const char *vip, const char *client, uint16_t vip_port, uint16_t client_port)
{
    static struct pn_fb quoted;
    bool v6 = strchr(vip, ':') != NULL;

    pn_fb_make_tcp(&quoted, vip, client, vip_port, client_port, PN_FB_ACK, 0);
    pn_fb_make_icmp_error(fb, v6 ? "2001:db8:99::1" : "192.0.2.99", vip, v6 ? 2 : 3, v6 ? 0 : 4, 1400, &quoted,
                          v6 ? 60 : 28);
}

static void too_big_known(struct pn_fb *fb)
{
    too_big(fb, VIP4, CLIENT4, 465, 4000);
}

static void too_big_known6(struct pn_fb *fb)
{
    too_big(fb, VIP6, CLIENT6, 25, 4000);
}

static void too_big_unknown(struct pn_fb *fb)
{
    too_big(fb, VIP4, CLIENT4, 25, 4999);
}

static void too_big_no_service(struct pn_fb *fb)
{
    too_big(fb, VIP4, CLIENT4, 26, 4000);
}

static void too_big_no_gateway(struct pn_fb *fb)
{
    too_big(fb, VIP4, CLIENT4, 2528, 4000);
}

static void too_big_of_another(struct pn_fb *fb)
{
    static struct pn_fb quoted;

    pn_fb_make_tcp(&quoted, VIP_MUTE, CLIENT4, 25, 4000, PN_FB_ACK, 0);
    pn_fb_make_icmp_error(fb, "192.0.2.99", VIP4, 3, 4, 1400, &quoted, 28);
}

#define MX(gateway, counter) .out = WORLD_WAN, .to = &world_gateway_mac[gateway], .end = counter

/* The pair's flow is on whichever gateway Maglev chose: move it to mx2 so that only the table can know. */
static void flow_to_mx2(struct world *w)
{
    struct pn_ctx *c = &w->worker[0]->ctx;
    struct pn_addr client;
    uint32_t port_svc = 4000u << 16 | WORLD_SMTPS;

    pn_addr_parse(CLIENT4, &client, NULL);
    struct pn_flow *f =
        pn_flow_lookup(c->flows, client.q, port_svc, pn_flow_hash(c->flows, client.q, port_svc), c->now);
    assert_non_null(f);
    c->load[f->gateway]--;
    c->stats->gateways[f->gateway].half_open--;
    f->gateway = WORLD_MX2;
    c->load[f->gateway]++;
    c->stats->gateways[f->gateway].half_open++;
}

static void mx1_only(struct world *w)
{
    w->message.members[3].weight = 0; /* mx2 in the pair */
    world_publish(w);
}

static const struct row errors[] = {
    {"SYN", .before = mx1_only, .tcp = {CLIENT4, VIP4, 4000, 465, PN_FB_SYN, 0}, MX(WORLD_MX1, PN_C_TX_FORWARD),
     .events = {PN_C_FLOW_NEW}},
    {"quotes a known flow: its gateway", .before = flow_to_mx2, .make = too_big_known,
     MX(WORLD_MX2, PN_C_TX_ICMP_ERROR)},
    {"quotes an unknown one: the gateway by default", .make = too_big_unknown, MX(WORLD_MX1, PN_C_TX_ICMP_ERROR)},
    {"IPv6", .make = too_big_known6, MX(WORLD_MX1, PN_C_TX_ICMP_ERROR)},
    {"quotes no service", .make = too_big_no_service, GONE(PN_C_ICMP_NO_FLOW)},
    {"quotes another address", .make = too_big_of_another, GONE(PN_C_ICMP_NO_FLOW)},
    {"quotes a service without gateways", .make = too_big_no_gateway, GONE(PN_C_STEER_NO_GATEWAY)},
    {"lease over: known flows still", .before = lease_ended, .make = too_big_known, MX(WORLD_MX2, PN_C_TX_ICMP_ERROR)},
    {"unknown ones no more", .make = too_big_unknown, GONE(PN_C_ICMP_NO_LEASE)},
};

static void two_handoffs(struct world *w)
{
    assert_int_equal(world_counter(w, PN_C_HANDOFF_SENT), 3);
    assert_int_equal(world_held(w), 0);
}

static struct rte_ring *ring_kept;

static void ring_away(struct world *w)
{
    ring_kept = w->shared.handoff[1];
    w->shared.handoff[1] = NULL;
}

static void ring_back(struct world *w)
{
    w->shared.handoff[1] = ring_kept;
}

static void errors_3_walk(struct world *w)
{
    static struct pn_fb fb;
    uint64_t sent = world_counter(w, PN_C_TX_ICMP_ERROR);

    too_big_known(&fb);
    world_receive_fb(w, 1, WORLD_WAN, &fb);
    assert_int_equal(world_counter(w, PN_C_TX_ICMP_ERROR), sent + 1);
    struct rte_mbuf *m = world_sent(w, WORLD_WAN);
    assert_memory_equal(rte_pktmbuf_mtod(m, uint8_t *), world_gateway_mac[WORLD_MX2].b, 6);
    rte_pktmbuf_free(m);
    two_handoffs(w);
}

static const struct row errors_3[] = {
    {"SYN at worker 0", .before = mx1_only, .tcp = {CLIENT4, VIP4, 4000, 465, PN_FB_SYN, 0},
     MX(WORLD_MX1, PN_C_TX_FORWARD), .events = {PN_C_FLOW_NEW}},
    {"from worker 2 one step, from worker 1 two", .before = flow_to_mx2, .make = too_big_known, .worker = 2,
     MX(WORLD_MX2, PN_C_TX_ICMP_ERROR), .events = {PN_C_HANDOFF_SENT}, .after = errors_3_walk},
    {"the way is full", .before = ring_away, .make = too_big_unknown, .worker = 0, GONE(PN_C_HANDOFF_FULL),
     .after = ring_back},
};

const struct scenario pipeline_answer[] = {
    SCENARIO("ARP", arp, .workers = 1),
    SCENARIO("NDP", ndp, .workers = 1),
    SCENARIO("echo", echo, .workers = 1),
    SCENARIO("ICMP errors", errors, .workers = 1),
    SCENARIO("ICMP errors from worker to worker", errors_3, .workers = 3),
    {.name = NULL},
};
