/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "common/addr.h"
#include "dataplane/core/parse.h"
#include "tests/packets/frames.h"

#define C4 "198.51.100.7"
#define V4 "203.0.113.25"
#define C6 "2001:db8:c::7"
#define V6 "2001:db8:25::25"
#define NONE PN_COUNTER_NONE

typedef void make_fn(struct pn_fb *fb);

/* Both ways through the parser must agree; what is read lies in a block of its exact size. */
static struct pn_pkt parse(const struct pn_fb *fb, uint32_t bytes, unsigned rx)
{
    struct pn_pkt p, q;
    uint8_t *frame = pn_fb_heap(fb, bytes);

    memset(&p, 0xa5, sizeof(p));
    memset(&q, 0x5a, sizeof(q));
    pn_parse(frame, bytes, bytes, rx, &p);
    pn_parse_any(frame, bytes, bytes, rx, &q);
    free(frame);
    assert_memory_equal(&p, &q, offsetof(struct pn_pkt, tx_counter) + 1); /* the rest is padding */
    return p;
}

static void fix(struct pn_fb *fb)
{
    pn_fb_fix(fb);
}

static void tcp4(struct pn_fb *fb)
{
    pn_fb_make_tcp(fb, C4, V4, 40000, 25, PN_FB_SYN, 0);
}

static void tcp6(struct pn_fb *fb)
{
    pn_fb_make_tcp(fb, C6, V6, 40000, 25, PN_FB_SYN, 0);
}

static void tcp4_vlan(struct pn_fb *fb)
{
    pn_fb_make_tcp(fb, C4, V4, 40000, 25, PN_FB_ACK, 42);
}

static void tcp6_vlan(struct pn_fb *fb)
{
    pn_fb_make_tcp(fb, C6, V6, 40000, 25, PN_FB_ACK, 4094);
}

static void tcp4_priority_tag(struct pn_fb *fb)
{
    pn_fb_make_tcp(fb, C4, V4, 40000, 25, PN_FB_ACK, 42);
    fb->b[14] = 0xe0;
    fb->b[15] = 0;
}

static void tcp4_options(struct pn_fb *fb)
{
    pn_fb_ether(fb, 0);
    pn_fb_ip_options(fb, C4, V4, "\x94\x04\x00\x00\x01\x01\x01\x00", 8);
    pn_fb_tcp(fb, 40000, 25, PN_FB_SYN);
    pn_fb_done(fb);
}

static void tcp4_data(struct pn_fb *fb)
{
    pn_fb_ether(fb, 0);
    pn_fb_ip(fb, C4, V4);
    pn_fb_tcp(fb, 40000, 25, PN_FB_ACK | PN_FB_PSH);
    pn_fb_fill(fb, 1400);
    pn_fb_done(fb);
}

static void tcp4_long_header(struct pn_fb *fb)
{
    pn_fb_ether(fb, 0);
    pn_fb_ip(fb, C4, V4);
    pn_fb_tcp(fb, 40000, 25, PN_FB_SYN);
    pn_fb_fill(fb, 40);
    fb->b[fb->l4 + 12] = 15 << 4;
    pn_fb_done(fb);
}

static void tcp6_all_extensions(struct pn_fb *fb)
{
    pn_fb_ether(fb, 0);
    pn_fb_ip(fb, C6, V6);
    pn_fb_ext(fb, 0, 0);
    pn_fb_ext(fb, 60, 1);
    pn_fb_ext(fb, 43, 0);
    pn_fb_ext(fb, 51, 4);
    pn_fb_ext(fb, 60, 0);
    pn_fb_tcp(fb, 40000, 25, PN_FB_SYN);
    pn_fb_done(fb);
}

static void tcp6_atomic_fragment(struct pn_fb *fb)
{
    pn_fb_ether(fb, 0);
    pn_fb_ip(fb, C6, V6);
    pn_fb_fragment(fb, 77, 0, false);
    pn_fb_tcp(fb, 40000, 25, PN_FB_SYN);
    pn_fb_done(fb);
}

static void tcp6_eight_extensions(struct pn_fb *fb)
{
    pn_fb_ether(fb, 0);
    pn_fb_ip(fb, C6, V6);
    for (int i = 0; i < 8; i++)
        pn_fb_ext(fb, 60, 0);
    pn_fb_tcp(fb, 40000, 25, PN_FB_SYN);
    pn_fb_done(fb);
}

static void udp4(struct pn_fb *fb)
{
    pn_fb_ether(fb, 0);
    pn_fb_ip(fb, C4, V4);
    pn_fb_udp(fb, 5353, 53);
    pn_fb_fill(fb, 30);
    pn_fb_done(fb);
}

static void esp4(struct pn_fb *fb)
{
    pn_fb_ether(fb, 0);
    pn_fb_ip(fb, C4, V4);
    pn_fb_proto(fb, 50);
    pn_fb_fill(fb, 40);
    pn_fb_done(fb);
}

static void no_next6(struct pn_fb *fb)
{
    pn_fb_ether(fb, 0);
    pn_fb_ip(fb, C6, V6);
    pn_fb_done(fb);
}

static void echo4(struct pn_fb *fb)
{
    pn_fb_make_echo(fb, C4, V4, 56, 0);
}

static void echo6(struct pn_fb *fb)
{
    pn_fb_make_echo(fb, C6, V6, 56, 7);
}

static void arp(struct pn_fb *fb)
{
    pn_fb_make_arp(fb, 1, &pn_fb_client_mac, C4, NULL, V4, 0);
}

static void arp_vlan(struct pn_fb *fb)
{
    pn_fb_make_arp(fb, 1, &pn_fb_client_mac, C4, NULL, V4, 9);
}

static void ns(struct pn_fb *fb)
{
    pn_fb_make_ns(fb, C6, NULL, V6, &pn_fb_client_mac, 0);
}

static void dad(struct pn_fb *fb)
{
    pn_fb_make_ns(fb, "::", NULL, V6, NULL, 0);
}

static void na(struct pn_fb *fb)
{
    pn_fb_make_na(fb, V6, C6, V6, 0x60, &pn_fb_client_mac, 0);
}

static void ns_behind_extension(struct pn_fb *fb)
{
    pn_fb_ether(fb, 0);
    pn_fb_ip(fb, C6, V6);
    pn_fb_ext(fb, 60, 0);
    pn_fb_icmp(fb, 135, 0, 0);
    pn_fb_fill(fb, 16);
    pn_fb_done(fb);
}

static void fragment4_first(struct pn_fb *fb)
{
    struct pn_fb whole, rest;
    tcp4_data(&whole);
    pn_fb_split(&whole, 9, 800, fb, &rest);
}

static void fragment4_later(struct pn_fb *fb)
{
    struct pn_fb whole, first;
    tcp4_data(&whole);
    pn_fb_split(&whole, 9, 800, &first, fb);
}

static void fragment6_first(struct pn_fb *fb)
{
    pn_fb_ether(fb, 0);
    pn_fb_ip(fb, C6, V6);
    pn_fb_fragment(fb, 9, 0, true);
    pn_fb_tcp(fb, 40000, 25, PN_FB_SYN);
    pn_fb_fill(fb, 44);
    pn_fb_done(fb);
}

/* Deferred verdicts: the edge stays, the counter is for the VIP's case. */
static void ether_broadcast(struct pn_fb *fb)
{
    tcp4(fb);
    memset(fb->b, 0xff, 6);
}

static void dhcp(struct pn_fb *fb)
{
    pn_fb_ether(fb, 0);
    pn_fb_ip(fb, "0.0.0.0", "255.255.255.255");
    pn_fb_udp(fb, 68, 67);
    pn_fb_fill(fb, 240);
    pn_fb_done(fb);
}

#define SOURCE4(name, text)                                                                                            \
    static void name(struct pn_fb *fb)                                                                                 \
    {                                                                                                                  \
        pn_fb_make_tcp(fb, text, V4, 40000, 25, PN_FB_SYN, 0);                                                         \
    }
#define SOURCE6(name, text)                                                                                            \
    static void name(struct pn_fb *fb)                                                                                 \
    {                                                                                                                  \
        pn_fb_make_tcp(fb, text, V6, 40000, 25, PN_FB_SYN, 0);                                                         \
    }
SOURCE4(from_loopback, "127.0.0.1")
SOURCE4(from_multicast, "224.0.0.251")
SOURCE4(from_broadcast, "255.255.255.255")
SOURCE4(from_class_e, "240.0.0.1")
SOURCE4(from_this_net, "0.1.2.3")
SOURCE4(from_itself, V4)
SOURCE6(from_loopback6, "::1")
SOURCE6(from_unspecified6, "::")
SOURCE6(from_multicast6, "ff02::1")
SOURCE6(from_mapped6, "::ffff:198.51.100.7")
SOURCE6(from_itself6, V6)

static void to_mapped6(struct pn_fb *fb)
{
    pn_fb_make_tcp(fb, C6, "::ffff:203.0.113.25", 40000, 25, PN_FB_SYN, 0);
}

#define FLAGS(name, value)                                                                                             \
    static void name(struct pn_fb *fb)                                                                                 \
    {                                                                                                                  \
        pn_fb_make_tcp(fb, C4, V4, 40000, 25, value, 0);                                                               \
    }
FLAGS(flags_none, 0)
FLAGS(flags_psh_only, PN_FB_PSH)
FLAGS(flags_syn_fin, PN_FB_SYN | PN_FB_FIN)
FLAGS(flags_syn_rst, PN_FB_SYN | PN_FB_RST)
FLAGS(flags_all, 0xff)
FLAGS(flags_rst, PN_FB_RST)
FLAGS(flags_fin_ack, PN_FB_FIN | PN_FB_ACK)
FLAGS(flags_syn_ecn, PN_FB_SYN | 0xc0)

static void source_port_zero(struct pn_fb *fb)
{
    pn_fb_make_tcp(fb, C4, V4, 0, 25, PN_FB_SYN, 0);
}

static void source_port_zero6(struct pn_fb *fb)
{
    pn_fb_make_tcp(fb, C6, V6, 0, 25, PN_FB_SYN, 0);
}

static void tcp_offset_small(struct pn_fb *fb)
{
    tcp4(fb);
    fb->b[46] = 4 << 4;
    fix(fb);
}

static void tcp_offset_past_end(struct pn_fb *fb)
{
    tcp4(fb);
    fb->b[46] = 6 << 4;
    fix(fb);
}

static void tcp_offset_past_end6(struct pn_fb *fb)
{
    tcp6(fb);
    fb->b[66] = 6 << 4;
    fix(fb);
}

static void tcp_cut_by_total(struct pn_fb *fb)
{
    tcp4(fb);
    fb->b[17] = 39; /* the rest of the frame is padding: not ours to read */
    fix(fb);
}

static void tcp_cut_by_payload6(struct pn_fb *fb)
{
    tcp6(fb);
    fb->b[19] = 19;
    fix(fb);
}

static void udp_short(struct pn_fb *fb)
{
    udp4(fb);
    fb->b[17] = 27;
    fb->l4 = 0;
    fix(fb);
}

static void udp_length_past_end(struct pn_fb *fb)
{
    udp4(fb);
    fb->b[39] = 39;
    fb->l4 = 0;
    fix(fb);
}

static void nine_extensions(struct pn_fb *fb)
{
    pn_fb_ether(fb, 0);
    pn_fb_ip(fb, C6, V6);
    for (int i = 0; i < 9; i++)
        pn_fb_ext(fb, 60, 0);
    pn_fb_tcp(fb, 40000, 25, PN_FB_SYN);
    pn_fb_done(fb);
}

static void extensions_past_one_byte(struct pn_fb *fb)
{
    pn_fb_ether(fb, 0);
    pn_fb_ip(fb, C6, V6);
    pn_fb_ext(fb, 60, 30);
    pn_fb_tcp(fb, 40000, 25, PN_FB_SYN);
    pn_fb_done(fb);
}

static void hop_by_hop_late(struct pn_fb *fb)
{
    pn_fb_ether(fb, 0);
    pn_fb_ip(fb, C6, V6);
    pn_fb_ext(fb, 60, 0);
    pn_fb_ext(fb, 0, 0);
    pn_fb_tcp(fb, 40000, 25, PN_FB_SYN);
    pn_fb_done(fb);
}

static void routing_segments_left(struct pn_fb *fb)
{
    pn_fb_ether(fb, 0);
    pn_fb_ip(fb, C6, V6);
    pn_fb_ext(fb, 43, 2);
    fb->b[fb->n - 24 + 3] = 1;
    pn_fb_tcp(fb, 40000, 25, PN_FB_SYN);
    pn_fb_done(fb);
}

static void extension_past_end(struct pn_fb *fb)
{
    tcp6_all_extensions(fb);
    fb->b[55] = 200;
}

static void jumbo6(struct pn_fb *fb)
{
    pn_fb_ether(fb, 0);
    pn_fb_ip(fb, C6, V6);
    pn_fb_ext(fb, 0, 0);
    pn_fb_tcp(fb, 40000, 25, PN_FB_SYN);
    pn_fb_done(fb);
    fb->b[18] = fb->b[19] = 0;
}

/* Not IP. */
static void lldp(struct pn_fb *fb)
{
    pn_fb_ether(fb, 0);
    pn_fb_type(fb, 0x88cc);
    pn_fb_fill(fb, 46);
}

static void stp(struct pn_fb *fb)
{
    pn_fb_ether(fb, 0);
    pn_fb_type(fb, 38);
    pn_fb_fill(fb, 46);
}

static void two_tags(struct pn_fb *fb)
{
    pn_fb_ether(fb, 5);
    pn_fb_tag(fb, 0x8100, 6);
    pn_fb_ip(fb, C4, V4);
    pn_fb_tcp(fb, 40000, 25, PN_FB_SYN);
    pn_fb_done(fb);
}

static void qinq(struct pn_fb *fb)
{
    pn_fb_ether(fb, 0);
    pn_fb_tag(fb, 0x88a8, 6);
    pn_fb_ip(fb, C4, V4);
    pn_fb_tcp(fb, 40000, 25, PN_FB_SYN);
    pn_fb_done(fb);
}

/* Dropped whoever it is for. */
static void vid_reserved(struct pn_fb *fb)
{
    pn_fb_make_tcp(fb, C4, V4, 40000, 25, PN_FB_ACK, 4095);
}

static void tag_cut(struct pn_fb *fb)
{
    pn_fb_ether(fb, 5);
    fb->n = 17;
}

static void empty(struct pn_fb *fb)
{
    memset(fb, 0, sizeof(*fb));
}

static void ether_cut(struct pn_fb *fb)
{
    tcp4(fb);
    fb->n = 13;
}

static void ip_cut(struct pn_fb *fb)
{
    tcp4(fb);
    fb->n = 33;
}

static void ip6_cut(struct pn_fb *fb)
{
    tcp6(fb);
    fb->n = 53;
}

static void frame_shorter_than_total(struct pn_fb *fb)
{
    tcp4_data(fb);
    fb->n -= 1;
}

static void frame_shorter_than_payload6(struct pn_fb *fb)
{
    tcp6(fb);
    fb->n -= 1;
}

static void version_5(struct pn_fb *fb)
{
    tcp4(fb);
    fb->b[14] = 0x55;
    fix(fb);
}

static void version_6_in_ipv4(struct pn_fb *fb)
{
    tcp4(fb);
    fb->b[14] = 0x65;
    fix(fb);
}

static void version_4_in_ipv6(struct pn_fb *fb)
{
    tcp6(fb);
    fb->b[14] = 0x45;
}

static void ihl_small(struct pn_fb *fb)
{
    tcp4(fb);
    fb->b[14] = 0x44;
    fix(fb);
}

static void ihl_past_frame(struct pn_fb *fb)
{
    tcp4(fb);
    fb->b[14] = 0x4f;
    fb->b[17] = 60;
    fix(fb);
}

static void total_below_header(struct pn_fb *fb)
{
    tcp4(fb);
    fb->b[17] = 19;
    fix(fb);
}

static void total_zero(struct pn_fb *fb)
{
    tcp4(fb);
    fb->b[17] = 0;
    fix(fb);
}

static void checksum_wrong(struct pn_fb *fb)
{
    tcp4(fb);
    fb->b[24] ^= 1;
}

static void checksum_wrong_options(struct pn_fb *fb)
{
    tcp4_options(fb);
    fb->b[24] ^= 1;
}

static const struct row {
    const char *name;
    make_fn *make;
    enum pn_edge edge;
    uint16_t counter;
    uint8_t l3, l4, proto;
    uint16_t vlan;
} rows[] = {
#define R(make, edge, counter, l3, l4, proto, vlan)                                                                    \
    {                                                                                                                  \
#make, make, PN_EDGE_##edge, counter, l3, l4, proto, vlan                                                      \
    }
    R(tcp4, FLOW, NONE, 14, 34, 6, 0),
    R(tcp6, FLOW, NONE, 14, 54, 6, 0),
    R(tcp4_vlan, FLOW, NONE, 18, 38, 6, 42),
    R(tcp6_vlan, FLOW, NONE, 18, 58, 6, 4094),
    R(tcp4_priority_tag, FLOW, NONE, 18, 38, 6, 0),
    R(tcp4_options, FLOW, NONE, 14, 42, 6, 0),
    R(tcp4_data, FLOW, NONE, 14, 34, 6, 0),
    R(tcp4_long_header, FLOW, NONE, 14, 34, 6, 0),
    R(tcp6_all_extensions, FLOW, NONE, 14, 54 + 8 + 16 + 8 + 24 + 8, 6, 0),
    R(tcp6_atomic_fragment, FLOW, NONE, 14, 62, 6, 0),
    R(tcp6_eight_extensions, FLOW, NONE, 14, 118, 6, 0),
    R(udp4, FLOW, NONE, 14, 34, 17, 0),
    R(esp4, FLOW, NONE, 14, 34, 50, 0),
    R(no_next6, FLOW, NONE, 14, 54, 59, 0),
    R(echo4, ICMP, NONE, 14, 34, 1, 0),
    R(echo6, ICMP, NONE, 18, 58, 58, 7),
    R(arp, ARP, NONE, 14, 14, 0, 0),
    R(arp_vlan, ARP, NONE, 18, 18, 0, 9),
    R(ns, NDP, NONE, 14, 54, 58, 0),
    R(dad, NDP, NONE, 14, 54, 58, 0),
    R(na, NDP, NONE, 14, 54, 58, 0),
    R(ns_behind_extension, ICMP, NONE, 14, 62, 58, 0),
    R(fragment4_first, FRAGMENT, NONE, 14, 34, 6, 0),
    R(fragment4_later, FRAGMENT, NONE, 14, 34, 6, 0),
    R(fragment6_first, FRAGMENT, NONE, 14, 54, 6, 0),
    R(flags_rst, FLOW, NONE, 14, 34, 6, 0),
    R(flags_fin_ack, FLOW, NONE, 14, 34, 6, 0),
    R(flags_syn_ecn, FLOW, NONE, 14, 34, 6, 0),
    R(ether_broadcast, FLOW, PN_C_PARSE_ETHER_GROUP, 14, 34, 6, 0),
    R(dhcp, FLOW, PN_C_PARSE_IP_SOURCE, 14, 34, 17, 0),
    R(from_loopback, FLOW, PN_C_PARSE_IP_SOURCE, 14, 34, 6, 0),
    R(from_multicast, FLOW, PN_C_PARSE_IP_SOURCE, 14, 34, 6, 0),
    R(from_broadcast, FLOW, PN_C_PARSE_IP_SOURCE, 14, 34, 6, 0),
    R(from_class_e, FLOW, PN_C_PARSE_IP_SOURCE, 14, 34, 6, 0),
    R(from_this_net, FLOW, PN_C_PARSE_IP_SOURCE, 14, 34, 6, 0),
    R(from_itself, FLOW, PN_C_PARSE_IP_SOURCE, 14, 34, 6, 0),
    R(from_loopback6, FLOW, PN_C_PARSE_IP_SOURCE, 14, 54, 6, 0),
    R(from_unspecified6, FLOW, PN_C_PARSE_IP_SOURCE, 14, 54, 6, 0),
    R(from_multicast6, FLOW, PN_C_PARSE_IP_SOURCE, 14, 54, 6, 0),
    R(from_mapped6, FLOW, PN_C_PARSE_IP_SOURCE, 14, 54, 6, 0),
    R(from_itself6, FLOW, PN_C_PARSE_IP_SOURCE, 14, 54, 6, 0),
    R(to_mapped6, FLOW, PN_C_PARSE_IP_SOURCE, 14, 54, 6, 0),
    R(flags_none, FLOW, PN_C_PARSE_TCP_FLAGS, 14, 34, 6, 0),
    R(flags_psh_only, FLOW, PN_C_PARSE_TCP_FLAGS, 14, 34, 6, 0),
    R(flags_syn_fin, FLOW, PN_C_PARSE_TCP_FLAGS, 14, 34, 6, 0),
    R(flags_syn_rst, FLOW, PN_C_PARSE_TCP_FLAGS, 14, 34, 6, 0),
    R(flags_all, FLOW, PN_C_PARSE_TCP_FLAGS, 14, 34, 6, 0),
    R(source_port_zero, FLOW, PN_C_PARSE_L4_HEADER, 14, 34, 6, 0),
    R(source_port_zero6, FLOW, PN_C_PARSE_L4_HEADER, 14, 54, 6, 0),
    R(tcp_offset_small, FLOW, PN_C_PARSE_L4_HEADER, 14, 34, 6, 0),
    R(tcp_offset_past_end, FLOW, PN_C_PARSE_L4_HEADER, 14, 34, 6, 0),
    R(tcp_offset_past_end6, FLOW, PN_C_PARSE_L4_HEADER, 14, 54, 6, 0),
    R(tcp_cut_by_total, FLOW, PN_C_PARSE_L4_HEADER, 14, 34, 6, 0),
    R(tcp_cut_by_payload6, FLOW, PN_C_PARSE_L4_HEADER, 14, 54, 6, 0),
    R(udp_short, FLOW, PN_C_PARSE_L4_HEADER, 14, 34, 17, 0),
    R(udp_length_past_end, FLOW, PN_C_PARSE_L4_HEADER, 14, 34, 17, 0),
    R(nine_extensions, FLOW, PN_C_PARSE_IP6_EXTENSION, 14, 54, 60, 0),
    R(extensions_past_one_byte, FLOW, PN_C_PARSE_IP6_EXTENSION, 14, 54, 6, 0),
    R(hop_by_hop_late, FLOW, PN_C_PARSE_IP6_EXTENSION, 14, 54, 0, 0),
    R(routing_segments_left, FLOW, PN_C_PARSE_IP6_EXTENSION, 14, 54, 43, 0),
    R(extension_past_end, FLOW, PN_C_PARSE_IP6_EXTENSION, 14, 54, 0, 0),
    R(jumbo6, FLOW, PN_C_PARSE_IP6_EXTENSION, 14, 54, 0, 0),
    R(lldp, HOST, PN_C_PARSE_ETHERTYPE, 14, 14, 0, 0),
    R(stp, HOST, PN_C_PARSE_ETHERTYPE, 14, 14, 0, 0),
    R(two_tags, HOST, PN_C_PARSE_VLAN, 18, 18, 0, 5),
    R(qinq, HOST, PN_C_PARSE_VLAN, 14, 14, 0, 0),
    R(vid_reserved, DROP, PN_C_PARSE_VLAN, 18, 18, 0, 4095),
    R(tag_cut, DROP, PN_C_PARSE_VLAN, 14, 14, 0, 0),
    R(empty, DROP, PN_C_PARSE_TRUNCATED, 14, 14, 0, 0),
    R(ether_cut, DROP, PN_C_PARSE_TRUNCATED, 14, 14, 0, 0),
    R(ip_cut, DROP, PN_C_PARSE_TRUNCATED, 14, 14, 0, 0),
    R(ip6_cut, DROP, PN_C_PARSE_TRUNCATED, 14, 14, 0, 0),
    R(frame_shorter_than_total, DROP, PN_C_PARSE_TRUNCATED, 14, 14, 0, 0),
    R(frame_shorter_than_payload6, DROP, PN_C_PARSE_TRUNCATED, 14, 14, 0, 0),
    R(version_5, DROP, PN_C_PARSE_IP_VERSION, 14, 14, 0, 0),
    R(version_6_in_ipv4, DROP, PN_C_PARSE_IP_VERSION, 14, 14, 0, 0),
    R(version_4_in_ipv6, DROP, PN_C_PARSE_IP_VERSION, 14, 14, 0, 0),
    R(ihl_small, DROP, PN_C_PARSE_IP_HEADER, 14, 14, 0, 0),
    R(ihl_past_frame, DROP, PN_C_PARSE_TRUNCATED, 14, 14, 0, 0),
    R(total_below_header, DROP, PN_C_PARSE_IP_HEADER, 14, 14, 0, 0),
    R(total_zero, DROP, PN_C_PARSE_IP_HEADER, 14, 14, 0, 0),
    R(checksum_wrong, DROP, PN_C_PARSE_IP_CHECKSUM, 14, 14, 0, 0),
    R(checksum_wrong_options, DROP, PN_C_PARSE_IP_CHECKSUM, 14, 14, 0, 0),
#undef R
};
#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

static void test_rows(void **state)
{
    struct pn_fb fb;

    (void)state;
    for (size_t i = 0; i < N_ROWS; i++) {
        const struct row *r = &rows[i];
        r->make(&fb);
        struct pn_pkt p = parse(&fb, fb.n, 0);
        if (p.edge != r->edge || p.counter != r->counter || p.l3_off != r->l3 || p.l4_off != r->l4 ||
            p.ip_proto != r->proto || p.vlan != r->vlan)
            fail_msg("%s: edge %u counter %u (%s) l3 %u l4 %u proto %u vlan %u", r->name, p.edge, p.counter,
                     p.counter < PN_C_COUNT ? pn_counter_info[p.counter].name : "none", p.l3_off, p.l4_off, p.ip_proto,
                     p.vlan);
        assert_int_equal(p.frame_bytes, fb.n);
        assert_int_equal(p.gateway, PN_ID_NONE);
        assert_int_equal(p.vip, PN_ID_NONE);
    }
}

static void check_key(make_fn *make, const char *client, const char *dst, uint8_t flags, bool v6)
{
    struct pn_fb fb;
    struct pn_addr want_client, want_dst;

    make(&fb);
    assert_int_equal(pn_addr_parse(client, &want_client, NULL), 0);
    assert_int_equal(pn_addr_parse(dst, &want_dst, NULL), 0);
    struct pn_pkt p = parse(&fb, fb.n, 0);
    struct pn_addr to = pn_pkt_dst(fb.b, &p);
    assert_int_equal(p.client[0], want_client.q[0]);
    assert_int_equal(p.client[1], want_client.q[1]);
    assert_true(pn_addr_equal(&to, &want_dst));
    assert_int_equal(pn_pkt_client_port(&p), 40000);
    assert_int_equal(p.port_svc & 0xffff, 0);
    assert_int_equal(p.l4_dst, 25);
    assert_int_equal(p.tcp_flags, flags);
    assert_int_equal(p.is_v6, v6);
}

static void test_keys(void **state)
{
    (void)state;
    check_key(tcp4, C4, V4, PN_FB_SYN, false);
    check_key(tcp6, C6, V6, PN_FB_SYN, true);
    check_key(tcp4_vlan, C4, V4, PN_FB_ACK, false);
    check_key(tcp6_vlan, C6, V6, PN_FB_ACK, true);
    check_key(tcp4_options, C4, V4, PN_FB_SYN, false);
    check_key(tcp6_all_extensions, C6, V6, PN_FB_SYN, true);
    check_key(tcp6_atomic_fragment, C6, V6, PN_FB_SYN, true);
}

/* Padding behind the IP packet's end is not taken for ports. */
static void test_padding_is_not_read(void **state)
{
    static make_fn *const make[] = {tcp_cut_by_total, tcp_cut_by_payload6, udp_short};
    struct pn_fb fb;

    (void)state;
    for (size_t i = 0; i < sizeof(make) / sizeof(make[0]); i++) {
        make[i](&fb);
        struct pn_pkt p = parse(&fb, fb.n, 0);
        assert_int_equal(p.l4_dst, 0);
        assert_int_equal(p.port_svc, 0);
    }
}

/* The deferred verdict leaves the destination readable, so that classify can tell whose packet it is. */
static void test_deferred_has_destination(void **state)
{
    struct pn_fb fb;
    struct pn_addr want;

    (void)state;
    assert_int_equal(pn_addr_parse(V6, &want, NULL), 0);
    nine_extensions(&fb);
    struct pn_pkt p = parse(&fb, fb.n, 0);
    struct pn_addr to = pn_pkt_dst(fb.b, &p);
    assert_true(pn_addr_equal(&to, &want));
}

static void test_nic_checksum(void **state)
{
    struct pn_fb fb;

    (void)state;
    checksum_wrong(&fb);
    assert_int_equal(parse(&fb, fb.n, PN_RX_IP_CSUM_GOOD).counter, NONE);
    checksum_wrong_options(&fb);
    assert_int_equal(parse(&fb, fb.n, PN_RX_IP_CSUM_GOOD).counter, NONE);
}

/* Every frame cut at every byte: no read past the end (heap blocks), and never more than the whole frame gave. */
static void test_cut_everywhere(void **state)
{
    struct pn_fb fb;

    (void)state;
    for (size_t i = 0; i < N_ROWS; i++) {
        rows[i].make(&fb);
        for (uint32_t n = 0; n < fb.n && n < 200; n++) {
            struct pn_pkt p = parse(&fb, n, 0);
            if (n < 14)
                assert_int_equal(p.counter, PN_C_PARSE_TRUNCATED);
            if (p.edge == PN_EDGE_FLOW && p.ip_proto == PN_IP_TCP && p.counter == NONE)
                assert_true(n >= p.l4_off + 20u);
        }
    }
}

/* The same, but the frame goes on in a second segment that cannot be read here. */
static void test_contiguous_part(void **state)
{
    struct pn_fb fb;
    struct pn_pkt p;

    (void)state;
    for (size_t i = 0; i < N_ROWS; i++) {
        rows[i].make(&fb);
        for (uint32_t n = 0; n < fb.n && n < 200; n++) {
            uint8_t *frame = pn_fb_heap(&fb, n);
            pn_parse(frame, n, fb.n, 0, &p);
            free(frame);
            assert_int_equal(p.frame_bytes, fb.n);
            if (p.edge == PN_EDGE_FLOW && p.ip_proto == PN_IP_TCP && p.counter == NONE)
                assert_true(n >= p.l4_off + 20u);
        }
    }
    tcp4_data(&fb); /* headers here, data there: all that is needed */
    uint8_t *frame = pn_fb_heap(&fb, 54);
    pn_parse(frame, 54, fb.n, 0, &p);
    free(frame);
    assert_int_equal(p.edge, PN_EDGE_FLOW);
    assert_int_equal(p.counter, NONE);
}

static void test_big_frame(void **state)
{
    struct pn_fb fb;
    struct pn_pkt p;

    (void)state;
    tcp4(&fb);
    pn_parse(fb.b, fb.n, 70000, 0, &p);
    assert_int_equal(p.edge, PN_EDGE_FLOW);
    assert_int_equal(p.frame_bytes, 65535);
}

/* Any bytes: the two ways agree, and no edge but DROP, HOST and ARP comes without an address that can be read. */
static void test_random_bytes_agree(void **state)
{
    struct pn_fb fb;

    (void)state;
    srandom(3);
    for (int round = 0; round < 20000; round++) {
        rows[(size_t)random() % N_ROWS].make(&fb);
        for (int k = (int)(random() % 4); k >= 0; k--)
            if (fb.n)
                fb.b[(uint32_t)random() % (fb.n < 80 ? fb.n : 80)] = (uint8_t)random();
        uint32_t n = fb.n ? (uint32_t)random() % 8 ? fb.n : (uint32_t)random() % fb.n : 0;
        struct pn_pkt p = parse(&fb, n, random() & 1);
        if (p.edge != PN_EDGE_DROP && p.edge != PN_EDGE_HOST && p.edge != PN_EDGE_ARP)
            assert_true(n >= p.l3_off + (p.is_v6 ? 40u : 20u));
        assert_true(p.edge != PN_EDGE_DROP || p.counter != NONE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_padding_is_not_read),
        cmocka_unit_test(test_deferred_has_destination),
        cmocka_unit_test(test_nic_checksum),
        cmocka_unit_test(test_cut_everywhere),
        cmocka_unit_test(test_contiguous_part),
        cmocka_unit_test(test_big_frame),
        cmocka_unit_test(test_random_bytes_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
