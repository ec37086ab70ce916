/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames by name for the parser's table: well-formed ones, and those whose addresses or flags nobody should send. */
#ifndef TESTS_UNIT_PARSE_FRAMES_H
#define TESTS_UNIT_PARSE_FRAMES_H

#include "tests/packets/frames.h"

#define C4 "198.51.100.7"
#define V4 "203.0.113.25"
#define C6 "2001:db8:c::7"
#define V6 "2001:db8:25::25"

static inline void fix(struct pn_fb *fb)
{
    pn_fb_fix(fb);
}

static inline void tcp4(struct pn_fb *fb)
{
    pn_fb_make_tcp(fb, C4, V4, 40000, 25, PN_FB_SYN, 0);
}

static inline void tcp6(struct pn_fb *fb)
{
    pn_fb_make_tcp(fb, C6, V6, 40000, 25, PN_FB_SYN, 0);
}

static inline void tcp4_vlan(struct pn_fb *fb)
{
    pn_fb_make_tcp(fb, C4, V4, 40000, 25, PN_FB_ACK, 42);
}

static inline void tcp6_vlan(struct pn_fb *fb)
{
    pn_fb_make_tcp(fb, C6, V6, 40000, 25, PN_FB_ACK, 4094);
}

static inline void tcp4_priority_tag(struct pn_fb *fb)
{
    pn_fb_make_tcp(fb, C4, V4, 40000, 25, PN_FB_ACK, 42);
    fb->b[14] = 0xe0;
    fb->b[15] = 0;
}

static inline void tcp4_options(struct pn_fb *fb)
{
    pn_fb_ether(fb, 0);
    pn_fb_ip_options(fb, C4, V4, "\x94\x04\x00\x00\x01\x01\x01\x00", 8);
    pn_fb_tcp(fb, 40000, 25, PN_FB_SYN);
    pn_fb_done(fb);
}

static inline void tcp4_data(struct pn_fb *fb)
{
    pn_fb_ether(fb, 0);
    pn_fb_ip(fb, C4, V4);
    pn_fb_tcp(fb, 40000, 25, PN_FB_ACK | PN_FB_PSH);
    pn_fb_fill(fb, 1400);
    pn_fb_done(fb);
}

static inline void tcp4_long_header(struct pn_fb *fb)
{
    pn_fb_ether(fb, 0);
    pn_fb_ip(fb, C4, V4);
    pn_fb_tcp(fb, 40000, 25, PN_FB_SYN);
    pn_fb_fill(fb, 40);
    fb->b[fb->l4 + 12] = 15 << 4;
    pn_fb_done(fb);
}

static inline void tcp6_all_extensions(struct pn_fb *fb)
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

static inline void tcp6_atomic_fragment(struct pn_fb *fb)
{
    pn_fb_ether(fb, 0);
    pn_fb_ip(fb, C6, V6);
    pn_fb_fragment(fb, 77, 0, false);
    pn_fb_tcp(fb, 40000, 25, PN_FB_SYN);
    pn_fb_done(fb);
}

static inline void tcp6_eight_extensions(struct pn_fb *fb)
{
    pn_fb_ether(fb, 0);
    pn_fb_ip(fb, C6, V6);
    for (int i = 0; i < 8; i++)
        pn_fb_ext(fb, 60, 0);
    pn_fb_tcp(fb, 40000, 25, PN_FB_SYN);
    pn_fb_done(fb);
}

static inline void udp4(struct pn_fb *fb)
{
    pn_fb_ether(fb, 0);
    pn_fb_ip(fb, C4, V4);
    pn_fb_udp(fb, 5353, 53);
    pn_fb_fill(fb, 30);
    pn_fb_done(fb);
}

static inline void esp4(struct pn_fb *fb)
{
    pn_fb_ether(fb, 0);
    pn_fb_ip(fb, C4, V4);
    pn_fb_proto(fb, 50);
    pn_fb_fill(fb, 40);
    pn_fb_done(fb);
}

static inline void no_next6(struct pn_fb *fb)
{
    pn_fb_ether(fb, 0);
    pn_fb_ip(fb, C6, V6);
    pn_fb_done(fb);
}

static inline void echo4(struct pn_fb *fb)
{
    pn_fb_make_echo(fb, C4, V4, 56, 0);
}

static inline void echo6(struct pn_fb *fb)
{
    pn_fb_make_echo(fb, C6, V6, 56, 7);
}

static inline void arp(struct pn_fb *fb)
{
    pn_fb_make_arp(fb, 1, &pn_fb_client_mac, C4, NULL, V4, 0);
}

static inline void arp_vlan(struct pn_fb *fb)
{
    pn_fb_make_arp(fb, 1, &pn_fb_client_mac, C4, NULL, V4, 9);
}

static inline void ns(struct pn_fb *fb)
{
    pn_fb_make_ns(fb, C6, NULL, V6, &pn_fb_client_mac, 0);
}

static inline void dad(struct pn_fb *fb)
{
    pn_fb_make_ns(fb, "::", NULL, V6, NULL, 0);
}

static inline void na(struct pn_fb *fb)
{
    pn_fb_make_na(fb, V6, C6, V6, 0x60, &pn_fb_client_mac, 0);
}

static inline void ns_behind_extension(struct pn_fb *fb)
{
    pn_fb_ether(fb, 0);
    pn_fb_ip(fb, C6, V6);
    pn_fb_ext(fb, 60, 0);
    pn_fb_icmp(fb, 135, 0, 0);
    pn_fb_fill(fb, 16);
    pn_fb_done(fb);
}

static inline void fragment4_first(struct pn_fb *fb)
{
    struct pn_fb whole, rest;
    tcp4_data(&whole);
    pn_fb_split(&whole, 9, 800, fb, &rest);
}

static inline void fragment4_later(struct pn_fb *fb)
{
    struct pn_fb whole, first;
    tcp4_data(&whole);
    pn_fb_split(&whole, 9, 800, &first, fb);
}

static inline void fragment6_first(struct pn_fb *fb)
{
    pn_fb_ether(fb, 0);
    pn_fb_ip(fb, C6, V6);
    pn_fb_fragment(fb, 9, 0, true);
    pn_fb_tcp(fb, 40000, 25, PN_FB_SYN);
    pn_fb_fill(fb, 44);
    pn_fb_done(fb);
}

/* Deferred verdicts: the edge stays, the counter is for the VIP's case. */
static inline void ether_broadcast(struct pn_fb *fb)
{
    tcp4(fb);
    memset(fb->b, 0xff, 6);
}

static inline void dhcp(struct pn_fb *fb)
{
    pn_fb_ether(fb, 0);
    pn_fb_ip(fb, "0.0.0.0", "255.255.255.255");
    pn_fb_udp(fb, 68, 67);
    pn_fb_fill(fb, 240);
    pn_fb_done(fb);
}

#define SOURCE4(name, text)                                                                                            \
    static inline void name(struct pn_fb *fb)                                                                          \
    {                                                                                                                  \
        pn_fb_make_tcp(fb, text, V4, 40000, 25, PN_FB_SYN, 0);                                                         \
    }
#define SOURCE6(name, text)                                                                                            \
    static inline void name(struct pn_fb *fb)                                                                          \
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

static inline void to_mapped6(struct pn_fb *fb)
{
    pn_fb_make_tcp(fb, C6, "::ffff:203.0.113.25", 40000, 25, PN_FB_SYN, 0);
}

#define FLAGS(name, value)                                                                                             \
    static inline void name(struct pn_fb *fb)                                                                          \
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

#endif
