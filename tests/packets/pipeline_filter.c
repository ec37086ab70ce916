/* SPDX-License-Identifier: BSD-3-Clause */
/* Clients in the block and welcome lists: whose SYN begins a flow, is dropped or reset, and what goes on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/packets/pipeline.h"

#define SYN PN_FB_SYN
#define ACK PN_FB_ACK
#define T(src, port, fl) .tcp = {src, VIP4, port, 25, fl, 0}
#define T6(src, port, fl) .tcp = {src, VIP6, port, 25, fl, 0}
#define TO(gateway) .out = WORLD_WAN, .to = &world_gateway_mac[gateway], .end = PN_C_TX_FORWARD
#define LOCAL .out = WORLD_LOCAL, .to = &world_local_mac, .keep_source = true, .end = PN_C_TX_LOCAL
#define GONE(counter) .out = OUT_NONE, .end = counter
#define BLOCKED GONE(PN_C_FILTER_BLOCKED)
#define MX1_NEW TO(WORLD_MX1), .events = {PN_C_FLOW_NEW}
#define MX1_WELCOME TO(WORLD_MX1), .events = {PN_C_FILTER_WELCOMED, PN_C_FLOW_NEW}
#define RESET(frame) .out = WORLD_WAN, .expect = frame, .end = PN_C_FILTER_RESET

static const char *const lists[] = {"-198.51.100.0/24", "+198.51.100.77/32",  "+192.0.0.0/16",      "-192.0.2.9/32",
                                    "-2001:db8:7::/48", "+2001:db8:7:1::/64", "-2001:db8:9::9/128", NULL};
static const char *const all[] = {"-0.0.0.0/0", "-::/0", NULL};
static const char *const none[] = {NULL};

static void drop_lists(struct world *w)
{
    world_filter(w, PN_FILTER_DROP, lists);
}

static void reset_lists(struct world *w)
{
    world_filter(w, PN_FILTER_RESET, lists);
}

static void drop_all(struct world *w)
{
    world_filter(w, PN_FILTER_DROP, all);
}

static void no_lists(struct world *w)
{
    world_filter(w, PN_FILTER_DROP, none);
    assert_null(atomic_load(&w->shared.filter));
}

static void mapped_source(struct pn_fb *fb)
{
    pn_fb_make_tcp(fb, "::ffff:198.51.100.7", VIP6, 4000, 25, SYN, 0);
}

static const struct row drops[] = {
    {"without lists", T(CLIENT4, 4000, SYN), MX1_NEW},
    {"a flow that stands goes on", .before = drop_lists, T(CLIENT4, 4000, ACK), TO(WORLD_MX1),
     .events = {PN_C_FLOW_ESTABLISHED}},
    {"its SYN again, too", T(CLIENT4, 4000, SYN), TO(WORLD_MX1)},
    {"a new one is blocked", T(CLIENT4, 4001, SYN), BLOCKED},
    {"each time", T(CLIENT4, 4001, SYN), BLOCKED},
    {"with ECN as well", T(CLIENT4, 4001, SYN | 0xc0), BLOCKED},
    {"on a VLAN", .tcp = {CLIENT4, VIP_VLAN, 4001, 25, SYN, 100}, BLOCKED},
    {"one in the middle is taken up", T(CLIENT4, 4002, ACK), TO(WORLD_MX1),
     .events = {PN_C_FLOW_NEW, PN_C_FLOW_PICKED_UP}},
    {"SYN+ACK begins nothing", T(CLIENT4, 4003, SYN | ACK), TO(WORLD_MX1), .events = {PN_C_FLOW_STATELESS}},
    {"RST of nothing", T(CLIENT4, 4003, PN_FB_RST), GONE(PN_C_STEER_NOT_SYN)},
    {"beside the network", T("198.51.101.7", 4000, SYN), MX1_NEW},
    {"welcome within a blocked network", T("198.51.100.77", 4000, SYN), MX1_WELCOME},
    {"blocked within a welcome network", T("192.0.2.9", 4000, SYN), MX1_WELCOME},
    {"known already: not counted again", T("192.0.2.9", 4000, SYN), TO(WORLD_MX1), .events = {PN_C_FLOW_SYN_RETRY}},
    {"IPv6", T6(CLIENT6, 4000, SYN), BLOCKED},
    {"IPv6, welcome", T6("2001:db8:7:1::1", 4000, SYN), MX1_WELCOME},
    {"IPv6, host", T6("2001:db8:9::9", 4000, SYN), BLOCKED},
    {"IPv6, next host", T6("2001:db8:9::a", 4000, SYN), MX1_NEW},
    {"IPv4-mapped: no client has that", .make = mapped_source, GONE(PN_C_PARSE_IP_SOURCE)},
    {"all of both families", .before = drop_all, T("198.51.101.7", 4001, SYN), BLOCKED},
    {"IPv6 too", T6("2001:db8:9::a", 4001, SYN), BLOCKED},
    {"lists gone", .before = no_lists, T(CLIENT4, 4001, SYN), MX1_NEW},
};

static void mx1_down(struct world *w)
{
    for (unsigned i = 0; i < RTE_DIM(w->message.members); i++) {
        if (w->message.members[i].gateway == WORLD_MX1)
            w->message.members[i].flags = PN_SNAP_MEMBER_DOWN;
    }
    world_publish(w);
    drop_lists(w);
}

static const struct row moves[] = {
    {"a half-open flow", T(CLIENT4, 4000, SYN), MX1_NEW},
    {"goes on at another gateway", .before = mx1_down, T(CLIENT4, 4000, SYN), TO(WORLD_MX2),
     .events = {PN_C_FLOW_SYN_RETRY, PN_C_FLOW_RESTEERED}},
};

static void exempt(struct world *w)
{
    w->message.services[WORLD_SMTP].flags = PN_SNAP_SERVICE_NO_FILTER;
    world_publish(w);
    drop_lists(w);
}

static const struct row services[] = {
    {"a service that lets everybody in", .before = exempt, T(CLIENT4, 4000, SYN), MX1_NEW},
    {"another one", .tcp = {CLIENT4, VIP4, 4000, 465, SYN, 0}, BLOCKED},
};

static void leases_over(struct world *w)
{
    drop_lists(w);
    world_leases(w, -1);
}

static void pair_backup(struct world *w)
{
    reset_lists(w);
    for (unsigned v = 0; v < WORLD_VIPS; v++)
        atomic_store(&w->shared.lease_tsc[v], 0);
}

static void released(struct world *w)
{
    for (unsigned v = 0; v < WORLD_VIPS; v++) {
        atomic_store(&w->shared.forward_tsc[v], w->tsc + 2000000000ull);
        atomic_store(&w->shared.lease_tsc[v], w->tsc);
    }
}

static void late(struct world *w)
{
    world_leases(w, 1);
    w->late_tsc = 2000000;
}

static void syn_from_peer(struct pn_fb *fb)
{
    pn_fb_make_tcp(fb, CLIENT4, VIP4, 4000, 587, SYN, 0);
    memcpy(fb->b + 6, world_gateway_mac[WORLD_MX1].b, 6);
}

static const struct row ownership[] = {
    {"not the owner", .before = leases_over, T(CLIENT4, 4000, SYN), GONE(PN_C_STEER_NO_LEASE)},
    {"the owner let it in", .before = pair_backup, .make = syn_from_peer, LOCAL,
     .events = {PN_C_FLOW_NEW, PN_C_STEER_HANDED_OVER}},
    {"released: no reset in another's name", .before = released, T(CLIENT4, 4001, SYN), BLOCKED},
    {"the lease ends on the way", .before = late, T(CLIENT4, 4001, SYN), GONE(PN_C_ANSWER_EXPIRED)},
};

/* What answers a SYN to VIP4:25 with that many bytes of data. */
static void reset_of(struct pn_fb *fb, const char *vip, const char *client, uint16_t vlan, uint32_t data,
                     const struct pn_mac *mac)
{
    uint32_t ack = 0x01020304 + 1 + data;
    pn_fb_ether_to(fb, &pn_fb_client_mac, mac, vlan);
    pn_fb_ip(fb, vip, client);
    pn_fb_tcp(fb, 25, 4000, PN_FB_RST | PN_FB_ACK);
    if (!fb->v6)
        memset(fb->b + fb->l3 + 4, 0, 2);
    memset(fb->b + fb->l4 + 4, 0, 4);
    for (unsigned i = 0; i < 4; i++)
        fb->b[fb->l4 + 8 + i] = (uint8_t)(ack >> (24 - 8 * i));
    memset(fb->b + fb->l4 + 14, 0, 2);
    pn_fb_done(fb);
}

static void reset4(struct pn_fb *fb)
{
    reset_of(fb, VIP4, CLIENT4, 0, 0, &pn_fb_node_mac);
}

static void reset6(struct pn_fb *fb)
{
    reset_of(fb, VIP6, CLIENT6, 0, 0, &pn_fb_node_mac);
}

static void reset_vlan(struct pn_fb *fb)
{
    reset_of(fb, VIP_VLAN, CLIENT4, 100, 0, &world_vlan_vip_mac);
}

static void reset_data(struct pn_fb *fb)
{
    reset_of(fb, VIP4, CLIENT4, 0, 300, &pn_fb_node_mac);
}

static void syn_data(struct pn_fb *fb)
{
    static const uint8_t router_alert[4] = {0x94, 4, 0, 0}, mss[4] = {2, 4, 5, 0xb4};

    pn_fb_ether(fb, 0);
    pn_fb_ip_options(fb, CLIENT4, VIP4, router_alert, sizeof(router_alert));
    pn_fb_tcp(fb, 4000, 25, SYN);
    fb->b[fb->l4 + 12] = 6 << 4;
    pn_fb_bytes(fb, mss, sizeof(mss));
    pn_fb_fill(fb, 300);
    pn_fb_done(fb);
}

static void syn6_extended(struct pn_fb *fb)
{
    pn_fb_ether(fb, 0);
    pn_fb_ip(fb, CLIENT6, VIP6);
    pn_fb_ext(fb, 60, 1);
    pn_fb_tcp(fb, 4000, 25, SYN);
    pn_fb_done(fb);
}

static void syn_short(struct pn_fb *fb)
{
    pn_fb_ether(fb, 0);
    pn_fb_ip(fb, CLIENT4, VIP4);
    pn_fb_tcp(fb, 4000, 25, SYN);
    pn_fb_done_unpadded(fb);
}

static void reset_short(struct pn_fb *fb)
{
    reset4(fb);
    fb->n = 54;
}

static void bytes_sent(struct world *w)
{
    assert_int_equal(w->stats[0]->ports[WORLD_WAN].tx_packets, 4);
    assert_int_equal(w->stats[0]->ports[WORLD_WAN].tx_bytes, 60 + 74 + 60 + 60);
}

static const struct row resets[] = {
    {"IPv4", .before = reset_lists, T(CLIENT4, 4000, SYN), RESET(reset4)},
    {"IPv6", T6(CLIENT6, 4000, SYN), RESET(reset6)},
    {"VLAN, virtual MAC", .tcp = {CLIENT4, VIP_VLAN, 4000, 25, SYN, 100}, RESET(reset_vlan)},
    {"with options and data", .make = syn_data, RESET(reset_data), .after = bytes_sent},
    {"in several segments", .make = syn_data, .segments = 100, RESET(reset_data)},
    {"with an extension header", .make = syn6_extended, RESET(reset6)},
    {"shorter than Ethernet likes it", .make = syn_short, RESET(reset_short)},
    {"welcome", T("198.51.100.77", 4000, SYN), MX1_WELCOME},
    {"and again a flow", T("198.51.100.77", 4000, ACK), TO(WORLD_MX1), .events = {PN_C_FLOW_ESTABLISHED}},
};

static void halves(const char *src, uint8_t flags, uint32_t id, struct pn_fb *first, struct pn_fb *second)
{
    static struct pn_fb whole, unused;

    pn_fb_ether(&whole, 0);
    pn_fb_ip(&whole, src, VIP4);
    pn_fb_tcp(&whole, 4000, 25, flags);
    pn_fb_fill(&whole, 100);
    pn_fb_done(&whole);
    pn_fb_split(&whole, id, 64, first == NULL ? &unused : first, second == NULL ? &unused : second);
}

static void first_syn(struct pn_fb *fb)
{
    halves(CLIENT4, SYN, 1, fb, NULL);
}

static void first_welcome(struct pn_fb *fb)
{
    halves("198.51.100.77", SYN, 2, fb, NULL);
}

static void first_ack(struct pn_fb *fb)
{
    halves(CLIENT4, ACK, 3, fb, NULL);
}

#define FRAGMENT .out = WORLD_WAN, .to = &world_gateway_mac[WORLD_MX1], .end = PN_C_TX_FRAGMENT
static const struct row fragments[] = {
    {"a SYN in fragments is no way around", .before = reset_lists, .make = first_syn, BLOCKED},
    {"welcome", .make = first_welcome, FRAGMENT, .events = {PN_C_FILTER_WELCOMED}},
    {"in the middle of something", .make = first_ack, FRAGMENT},
};

const struct scenario pipeline_filter[] = {
    SCENARIO("filter drops", drops, .workers = 1),
    SCENARIO("filter and a flow that moves", moves, .workers = 1),
    SCENARIO("filter by service", services, .workers = 1),
    SCENARIO("filter and ownership", ownership, .workers = 1),
    SCENARIO("filter resets", resets, .workers = 1),
    SCENARIO("filter and fragments", fragments, .workers = 1),
    {.name = NULL},
};
