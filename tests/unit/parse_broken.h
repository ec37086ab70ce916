/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames by name for the parser's table: each with one thing wrong. */
#ifndef TESTS_UNIT_PARSE_BROKEN_H
#define TESTS_UNIT_PARSE_BROKEN_H

#include "tests/unit/parse_frames.h"

static inline void source_port_zero(struct pn_fb *fb)
{
    pn_fb_make_tcp(fb, C4, V4, 0, 25, PN_FB_SYN, 0);
}

static inline void source_port_zero6(struct pn_fb *fb)
{
    pn_fb_make_tcp(fb, C6, V6, 0, 25, PN_FB_SYN, 0);
}

static inline void tcp_offset_small(struct pn_fb *fb)
{
    tcp4(fb);
    fb->b[46] = 4 << 4;
    fix(fb);
}

static inline void tcp_offset_past_end(struct pn_fb *fb)
{
    tcp4(fb);
    fb->b[46] = 6 << 4;
    fix(fb);
}

static inline void tcp_offset_past_end6(struct pn_fb *fb)
{
    tcp6(fb);
    fb->b[66] = 6 << 4;
    fix(fb);
}

static inline void tcp_cut_by_total(struct pn_fb *fb)
{
    tcp4(fb);
    fb->b[17] = 39; /* the rest of the frame is padding: not ours to read */
    fix(fb);
}

static inline void tcp_cut_by_payload6(struct pn_fb *fb)
{
    tcp6(fb);
    fb->b[19] = 19;
    fix(fb);
}

static inline void udp_short(struct pn_fb *fb)
{
    udp4(fb);
    fb->b[17] = 27;
    fb->l4 = 0;
    fix(fb);
}

static inline void udp_length_past_end(struct pn_fb *fb)
{
    udp4(fb);
    fb->b[39] = 39;
    fb->l4 = 0;
    fix(fb);
}

static inline void nine_extensions(struct pn_fb *fb)
{
    pn_fb_ether(fb, 0);
    pn_fb_ip(fb, C6, V6);
    for (int i = 0; i < 9; i++)
        pn_fb_ext(fb, 60, 0);
    pn_fb_tcp(fb, 40000, 25, PN_FB_SYN);
    pn_fb_done(fb);
}

static inline void extensions_past_one_byte(struct pn_fb *fb)
{
    pn_fb_ether(fb, 0);
    pn_fb_ip(fb, C6, V6);
    pn_fb_ext(fb, 60, 30);
    pn_fb_tcp(fb, 40000, 25, PN_FB_SYN);
    pn_fb_done(fb);
}

static inline void hop_by_hop_late(struct pn_fb *fb)
{
    pn_fb_ether(fb, 0);
    pn_fb_ip(fb, C6, V6);
    pn_fb_ext(fb, 60, 0);
    pn_fb_ext(fb, 0, 0);
    pn_fb_tcp(fb, 40000, 25, PN_FB_SYN);
    pn_fb_done(fb);
}

static inline void routing_segments_left(struct pn_fb *fb)
{
    pn_fb_ether(fb, 0);
    pn_fb_ip(fb, C6, V6);
    pn_fb_ext(fb, 43, 2);
    fb->b[fb->n - 24 + 3] = 1;
    pn_fb_tcp(fb, 40000, 25, PN_FB_SYN);
    pn_fb_done(fb);
}

static inline void extension_past_end(struct pn_fb *fb)
{
    tcp6_all_extensions(fb);
    fb->b[55] = 200;
}

static inline void jumbo6(struct pn_fb *fb)
{
    pn_fb_ether(fb, 0);
    pn_fb_ip(fb, C6, V6);
    pn_fb_ext(fb, 0, 0);
    pn_fb_tcp(fb, 40000, 25, PN_FB_SYN);
    pn_fb_done(fb);
    fb->b[18] = fb->b[19] = 0;
}

/* Not IP. */
static inline void lldp(struct pn_fb *fb)
{
    pn_fb_ether(fb, 0);
    pn_fb_type(fb, 0x88cc);
    pn_fb_fill(fb, 46);
}

static inline void stp(struct pn_fb *fb)
{
    pn_fb_ether(fb, 0);
    pn_fb_type(fb, 38);
    pn_fb_fill(fb, 46);
}

static inline void two_tags(struct pn_fb *fb)
{
    pn_fb_ether(fb, 5);
    pn_fb_tag(fb, 0x8100, 6);
    pn_fb_ip(fb, C4, V4);
    pn_fb_tcp(fb, 40000, 25, PN_FB_SYN);
    pn_fb_done(fb);
}

static inline void qinq(struct pn_fb *fb)
{
    pn_fb_ether(fb, 0);
    pn_fb_tag(fb, 0x88a8, 6);
    pn_fb_ip(fb, C4, V4);
    pn_fb_tcp(fb, 40000, 25, PN_FB_SYN);
    pn_fb_done(fb);
}

/* Dropped whoever it is for. */
static inline void vid_reserved(struct pn_fb *fb)
{
    pn_fb_make_tcp(fb, C4, V4, 40000, 25, PN_FB_ACK, 4095);
}

static inline void tag_cut(struct pn_fb *fb)
{
    pn_fb_ether(fb, 5);
    fb->n = 17;
}

static inline void empty(struct pn_fb *fb)
{
    memset(fb, 0, sizeof(*fb));
}

static inline void ether_cut(struct pn_fb *fb)
{
    tcp4(fb);
    fb->n = 13;
}

static inline void ip_cut(struct pn_fb *fb)
{
    tcp4(fb);
    fb->n = 33;
}

static inline void ip6_cut(struct pn_fb *fb)
{
    tcp6(fb);
    fb->n = 53;
}

static inline void frame_shorter_than_total(struct pn_fb *fb)
{
    tcp4_data(fb);
    fb->n -= 1;
}

static inline void frame_shorter_than_payload6(struct pn_fb *fb)
{
    tcp6(fb);
    fb->n -= 1;
}

static inline void version_5(struct pn_fb *fb)
{
    tcp4(fb);
    fb->b[14] = 0x55;
    fix(fb);
}

static inline void version_6_in_ipv4(struct pn_fb *fb)
{
    tcp4(fb);
    fb->b[14] = 0x65;
    fix(fb);
}

static inline void version_4_in_ipv6(struct pn_fb *fb)
{
    tcp6(fb);
    fb->b[14] = 0x45;
}

static inline void ihl_small(struct pn_fb *fb)
{
    tcp4(fb);
    fb->b[14] = 0x44;
    fix(fb);
}

static inline void ihl_past_frame(struct pn_fb *fb)
{
    tcp4(fb);
    fb->b[14] = 0x4f;
    fb->b[17] = 60;
    fix(fb);
}

static inline void total_below_header(struct pn_fb *fb)
{
    tcp4(fb);
    fb->b[17] = 19;
    fix(fb);
}

static inline void total_zero(struct pn_fb *fb)
{
    tcp4(fb);
    fb->b[17] = 0;
    fix(fb);
}

static inline void checksum_wrong(struct pn_fb *fb)
{
    tcp4(fb);
    fb->b[24] ^= 1;
}

static inline void checksum_wrong_options(struct pn_fb *fb)
{
    tcp4_options(fb);
    fb->b[24] ^= 1;
}

#endif
