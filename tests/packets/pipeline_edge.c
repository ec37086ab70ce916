/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames at the edges: what no header can be believed of, what is the host's, VLANs, segments, missing configuration. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/packets/pipeline.h"

#define GONE(counter) .out = OUT_NONE, .end = counter
#define HOST .out = WORLD_TAP, .end = PN_C_PUNT_HOST
#define TO(gateway) .out = WORLD_WAN, .to = &world_gateway_mac[gateway], .end = PN_C_TX_FORWARD
#define SYN PN_FB_SYN

static void syn(struct pn_fb *fb)
{
    pn_fb_make_tcp(fb, CLIENT4, VIP4, 4000, 25, SYN, 0);
}

static void syn6(struct pn_fb *fb)
{
    pn_fb_make_tcp(fb, CLIENT6, VIP6, 4000, 25, SYN, 0);
}

static void runt(struct pn_fb *fb)
{
    syn(fb);
    fb->n = 13;
}

static void no_ip_header(struct pn_fb *fb)
{
    syn(fb);
    fb->n = 14 + 19;
}

static void lldp(struct pn_fb *fb)
{
    pn_fb_ether(fb, 0);
    pn_fb_type(fb, 0x88cc);
    pn_fb_fill(fb, 46);
}

static void two_tags(struct pn_fb *fb)
{
    pn_fb_ether(fb, 100);
    pn_fb_tag(fb, 0x8100, 200);
    pn_fb_ip(fb, CLIENT4, VIP4);
    pn_fb_tcp(fb, 4000, 25, SYN);
    pn_fb_done(fb);
}

static void version_5(struct pn_fb *fb)
{
    syn(fb);
    fb->b[14] = 0x55;
}

static void ihl_4(struct pn_fb *fb)
{
    syn(fb);
    fb->b[14] = 0x44;
}

static void bad_ip_checksum(struct pn_fb *fb)
{
    syn(fb);
    fb->b[24] ^= 0xff;
}

static void from_loopback(struct pn_fb *fb)
{
    pn_fb_make_tcp(fb, "127.0.0.1", VIP4, 4000, 25, SYN, 0);
}

static void extensions(struct pn_fb *fb)
{
    pn_fb_ether(fb, 0);
    pn_fb_ip(fb, CLIENT6, VIP6);
    for (unsigned i = 0; i < 12; i++)
        pn_fb_ext(fb, 60, 0);
    pn_fb_tcp(fb, 4000, 25, SYN);
    pn_fb_done(fb);
}

static void one_extension(struct pn_fb *fb)
{
    pn_fb_ether(fb, 0);
    pn_fb_ip(fb, CLIENT6, VIP6);
    pn_fb_ext(fb, 60, 0);
    pn_fb_tcp(fb, 4000, 25, SYN);
    pn_fb_done(fb);
}

static void ip_options(struct pn_fb *fb)
{
    static const uint8_t nops[8] = {1, 1, 1, 1, 1, 1, 1, 1};

    pn_fb_ether(fb, 0);
    pn_fb_ip_options(fb, CLIENT4, VIP4, nops, sizeof(nops));
    pn_fb_tcp(fb, 4001, 25, SYN);
    pn_fb_done(fb);
}

static void tcp_offset_4(struct pn_fb *fb)
{
    syn(fb);
    fb->b[fb->l4 + 12] = 0x40;
}

static void syn_fin(struct pn_fb *fb)
{
    pn_fb_make_tcp(fb, CLIENT4, VIP4, 4000, 25, SYN | PN_FB_FIN, 0);
}

static void syn_fin_host(struct pn_fb *fb)
{
    pn_fb_make_tcp(fb, CLIENT4, HOST4, 4000, 25, SYN | PN_FB_FIN, 0);
}

static void udp(struct pn_fb *fb)
{
    pn_fb_ether(fb, 0);
    pn_fb_ip(fb, CLIENT4, VIP4);
    pn_fb_udp(fb, 4000, 25);
    pn_fb_done(fb);
}

static void gre(struct pn_fb *fb)
{
    pn_fb_ether(fb, 0);
    pn_fb_ip(fb, CLIENT4, VIP4);
    pn_fb_proto(fb, 47);
    pn_fb_fill(fb, 40);
    pn_fb_done(fb);
}

static void no_station(struct pn_fb *fb)
{
    syn(fb);
    memset(fb->b, 0, 6);
}

static void other_station(struct pn_fb *fb)
{
    syn(fb);
    fb->b[5] ^= 0x10;
}

static void broadcast_frame(struct pn_fb *fb)
{
    syn(fb);
    memset(fb->b, 0xff, 6);
}

static void no_exception(struct world *w)
{
    w->shared.ports[WORLD_WAN].exception = PN_PORT_NONE;
}

static const struct row parse[] = {
    {"shorter than Ethernet", .make = runt, GONE(PN_C_PARSE_TRUNCATED)},
    {"IPv4 header cut", .make = no_ip_header, GONE(PN_C_PARSE_TRUNCATED)},
    {"LLDP is the host's", .make = lldp, HOST},
    {"two tags are the host's", .make = two_tags, HOST},
    {"version 5", .make = version_5, GONE(PN_C_PARSE_IP_VERSION)},
    {"header length 16", .make = ihl_4, GONE(PN_C_PARSE_IP_HEADER)},
    {"IPv4 checksum", .make = bad_ip_checksum, GONE(PN_C_PARSE_IP_CHECKSUM)},
    {"from loopback", .make = from_loopback, GONE(PN_C_PARSE_IP_SOURCE)},
    {"twelve extension headers", .make = extensions, GONE(PN_C_PARSE_IP6_EXTENSION)},
    {"one extension header is fine", .make = one_extension, TO(WORLD_MX1), .events = {PN_C_FLOW_NEW}},
    {"IPv4 options are fine", .make = ip_options, TO(WORLD_MX1), .events = {PN_C_FLOW_NEW}},
    {"TCP header of 16 bytes", .make = tcp_offset_4, GONE(PN_C_PARSE_L4_HEADER)},
    {"SYN+FIN", .make = syn_fin, GONE(PN_C_PARSE_TCP_FLAGS)},
    {"SYN+FIN to the host is the host's affair", .make = syn_fin_host, HOST},
    {"no service on that port", .tcp = {CLIENT4, VIP4, 4000, 26, SYN, 0}, GONE(PN_C_CLASSIFY_NO_SERVICE)},
    {"UDP", .make = udp, GONE(PN_C_CLASSIFY_NO_SERVICE)},
    {"a protocol without ports", .make = gre, GONE(PN_C_CLASSIFY_NO_SERVICE)},
    {"flooded by a switch", .make = other_station, GONE(PN_C_CLASSIFY_OTHER_MAC)},
    {"to nobody's address", .make = no_station, GONE(PN_C_CLASSIFY_OTHER_MAC)},
    {"in a broadcast frame", .make = broadcast_frame, GONE(PN_C_PARSE_ETHER_GROUP)},
    {"no host port: LLDP", .before = no_exception, .make = lldp, GONE(PN_C_PARSE_ETHERTYPE)},
    {"no host port: two tags", .make = two_tags, GONE(PN_C_PARSE_VLAN)},
    {"no host port: TCP to the host", .tcp = {CLIENT4, HOST4, 4000, 22, SYN, 0}, GONE(PN_C_CLASSIFY_NOT_OURS)},
    {"no host port: bad TCP to the host", .make = syn_fin_host, GONE(PN_C_CLASSIFY_NOT_OURS)},
};

static const struct row host[] = {
    {"to the host", .tcp = {CLIENT4, HOST4, 4000, 22, SYN, 0}, HOST},
    {"IPv6", .tcp = {CLIENT6, HOST6, 4000, 22, SYN, 0}, HOST},
    {"tagged", .tcp = {CLIENT4, HOST4, 4000, 22, SYN, 300}, HOST},
    {"to a VIP, on a VLAN where it does not live", .tcp = {CLIENT4, VIP4, 4000, 25, SYN, 300}, HOST},
    {"from the host, out as it is", .tcp = {HOST4, CLIENT4, 22, 4000, SYN | PN_FB_ACK, 0}, .in_port = WORLD_TAP,
     .out = WORLD_WAN, .end = PN_C_TX_HOST},
    {"from the host, anything", .make = lldp, .in_port = WORLD_TAP, .out = WORLD_WAN, .end = PN_C_TX_HOST},
    {"from the host, even to a VIP: not ours to judge", .tcp = {HOST4, VIP4, 22, 25, SYN, 0}, .in_port = WORLD_TAP,
     .out = WORLD_WAN, .end = PN_C_TX_HOST},
    {"from the local delivery port, which leads nowhere", .tcp = {HOST4, CLIENT4, 22, 4000, SYN, 0},
     .in_port = WORLD_LOCAL, GONE(PN_C_CLASSIFY_NOT_OURS)},
};

static void vlan_priority(struct pn_fb *fb)
{
    pn_fb_make_tcp(fb, CLIENT4, VIP_VLAN, 4001, 25, SYN, 100);
    memcpy(fb->b, world_vlan_vip_mac.b, 6);
    fb->b[14] |= 0xe0;
}

static void retag_vlan_to_200(struct world *w)
{
    for (unsigned i = 0; i < RTE_DIM(w->message.gateways); i++)
        w->message.gateways[i].vlan = 200;
    world_publish(w);
}

static void vlan_priority_kept(struct pn_fb *fb)
{
    memcpy(fb->b, world_gateway_mac[WORLD_MX1].b, 6);
    memcpy(fb->b + 6, pn_fb_node_mac.b, 6);
    fb->b[15] = 200;
}

static const struct row vlan[] = {
    {"to a tagged VIP by the port's MAC: the tag goes", .tcp = {CLIENT4, VIP_VLAN, 4000, 25, SYN, 100}, TO(WORLD_MX1),
     .events = {PN_C_FLOW_NEW}},
    {"by its own MAC", .make = vlan_priority, TO(WORLD_MX1), .events = {PN_C_FLOW_NEW}},
    {"to a tagged gateway: a tag comes", .tcp = {CLIENT4, VIP4, 4000, 2525, SYN, 0}, TO(WORLD_MX_VLAN), .out_vlan = 200,
     .events = {PN_C_FLOW_NEW}},
    {"from one VLAN to another: the priority stays", .before = retag_vlan_to_200, .make = vlan_priority,
     .out = WORLD_WAN, .end = PN_C_TX_FORWARD, .expect = vlan_priority_kept, .events = {PN_C_FLOW_SYN_RETRY}},
};

static void jumbo(struct pn_fb *fb)
{
    pn_fb_ether(fb, 0);
    pn_fb_ip(fb, CLIENT4, VIP4);
    pn_fb_tcp(fb, 4000, 25, PN_FB_ACK);
    pn_fb_fill(fb, 8900);
    pn_fb_done(fb);
}

static void echo_long(struct pn_fb *fb)
{
    pn_fb_make_echo(fb, CLIENT4, VIP4, 1000, 0);
}

static void echo_long_reply(struct pn_fb *fb)
{
    pn_fb_make_echo(fb, VIP4, CLIENT4, 1000, 0);
    memcpy(fb->b, pn_fb_client_mac.b, 6);
    memcpy(fb->b + 6, pn_fb_node_mac.b, 6);
    fb->b[fb->l4] = 0;
    pn_fb_fix(fb);
}

static const struct row segments[] = {
    {"headers in pieces of 10 bytes are brought together", .make = syn, .segments = 10, TO(WORLD_MX1),
     .events = {PN_C_FLOW_NEW}},
    {"IPv6 too", .make = syn6, .segments = 33, TO(WORLD_MX1), .events = {PN_C_FLOW_NEW}},
    {"a jumbo frame in segments", .make = jumbo, .segments = 2000, TO(WORLD_MX1), .events = {PN_C_FLOW_ESTABLISHED}},
    {"in one", .make = jumbo, TO(WORLD_MX1)},
    {"a long echo in segments", .make = echo_long, .segments = 300, .out = WORLD_WAN, .end = PN_C_ICMP_ECHOED,
     .expect = echo_long_reply},
};

static void port_gone(struct world *w)
{
    w->shared.ports[WORLD_WAN].used = 0;
}

static const struct row no_snapshot[] = {
    {"the host's, as long as nothing is configured", .make = syn, HOST},
    {"without a port to it", .before = no_exception, .make = syn, GONE(PN_C_CLASSIFY_NO_SNAPSHOT)},
    {"echo", .make = echo_long, GONE(PN_C_CLASSIFY_NO_SNAPSHOT)},
};

static const struct row no_port[] = {
    {"the gateway's port is gone", .before = port_gone, .make = syn, GONE(PN_C_TX_QUEUE_FULL),
     .events = {PN_C_FLOW_NEW}},
};

/* Worker 1 has no queue of its own on the port: worker 0 sends for it. */
static void no_queue(struct world *w)
{
    w->shared.ports[WORLD_WAN].txq[1] = PN_TXQ_NONE;
    w->shared.ports[WORLD_WAN].tx_via = 0;
}

static void sent_via(struct world *w)
{
    assert_int_equal(w->stats[0]->counters[PN_C_TX_FORWARD], 1);
    assert_int_equal(w->stats[0]->gateways[WORLD_MX1].tx_packets, 1);
    assert_int_equal(w->stats[0]->ports[WORLD_WAN].tx_packets, 1);
    assert_int_equal(world_held(w), 0);
}

static const struct row via[] = {
    {"another worker's queue", .before = no_queue, .make = syn, .worker = 1, TO(WORLD_MX1),
     .events = {PN_C_FLOW_NEW, PN_C_HANDOFF_SENT}, .after = sent_via},
};

const struct scenario pipeline_edge[] = {
    SCENARIO("parse", parse, .workers = 1),
    SCENARIO("host", host, .workers = 1),
    SCENARIO("VLAN", vlan, .workers = 1),
    SCENARIO("segments", segments, .workers = 1),
    SCENARIO("no snapshot", no_snapshot, .workers = 1, .no_snapshot = true),
    SCENARIO("no port", no_port, .workers = 1),
    SCENARIO("no queue", via, .workers = 2),
    {.name = NULL},
};
