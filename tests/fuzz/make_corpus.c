/* SPDX-License-Identifier: BSD-3-Clause */
/* Writes the corpora of the frame targets: make_corpus tests/fuzz/corpus. Run again after changing a target's input. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/packets/frames.h"

#define C4 "198.51.100.7"
#define V4 "203.0.113.25"
#define R4 "192.0.2.254"
#define C6 "2001:db8:c::7"
#define V6 "2001:db8:25::25"
#define R6 "2001:db8:ff::1"

static const char *root;
static uint8_t out[65536];
static size_t out_n;

static void put(uint8_t b)
{
    out[out_n++] = b;
}

static void put_frame(const struct pn_fb *fb)
{
    memcpy(out + out_n, fb->b, fb->n);
    out_n += fb->n;
}

static void save(const char *target, const char *name)
{
    char path[4096];

    snprintf(path, sizeof(path), "%s/%s", root, target);
    mkdir(path, 0777);
    snprintf(path, sizeof(path), "%s/%s/%s", root, target, name);
    FILE *f = fopen(path, "wb");
    if (f == NULL || fwrite(out, 1, out_n, f) != out_n || fclose(f) != 0) {
        perror(path);
        exit(1);
    }
    out_n = 0;
}

static void save_frame(const char *target, const char *name, uint8_t options, const struct pn_fb *fb)
{
    put(options);
    put_frame(fb);
    save(target, name);
}

static void record(uint8_t options, const struct pn_fb *fb)
{
    put(options);
    put((uint8_t)(fb->n < 255 ? fb->n : 255));
    memcpy(out + out_n, fb->b, fb->n < 255 ? fb->n : 255);
    out_n += fb->n < 255 ? fb->n : 255;
}

static void ip(struct pn_fb *fb, bool v6)
{
    pn_fb_ether(fb, 0);
    pn_fb_ip(fb, v6 ? C6 : C4, v6 ? V6 : V4);
}

static void parse_corpus(void)
{
    static const uint8_t flags[] = {PN_FB_SYN, PN_FB_ACK, PN_FB_FIN | PN_FB_ACK, PN_FB_RST, PN_FB_SYN | PN_FB_FIN, 0};
    struct pn_fb fb;
    char name[64];

    for (unsigned i = 0; i < sizeof(flags); i++) {
        pn_fb_make_tcp(&fb, C4, V4, 40000, 25, flags[i], 0);
        snprintf(name, sizeof(name), "tcp4_flags_%02x", flags[i]);
        save_frame("parse", name, 0, &fb);
    }
    pn_fb_make_tcp(&fb, C6, V6, 40000, 25, PN_FB_SYN, 0);
    save_frame("parse", "tcp6", 2, &fb);
    pn_fb_make_tcp(&fb, C4, V4, 40000, 465, PN_FB_ACK, 42);
    save_frame("parse", "tcp4_vlan", 0, &fb);
    pn_fb_make_tcp(&fb, C6, V6, 40000, 587, PN_FB_ACK, 42);
    save_frame("parse", "tcp6_vlan", 3, &fb);
    pn_fb_ether(&fb, 0);
    pn_fb_ip_options(&fb, C4, V4, "\x07\x07\x04\x00\x00\x00\x00\x00", 8);
    pn_fb_tcp(&fb, 40000, 25, PN_FB_SYN);
    pn_fb_done(&fb);
    save_frame("parse", "tcp4_options", 0, &fb);
    ip(&fb, true);
    pn_fb_ext(&fb, 0, 0);
    pn_fb_ext(&fb, 60, 1);
    pn_fb_ext(&fb, 43, 0);
    pn_fb_ext(&fb, 51, 4);
    pn_fb_tcp(&fb, 40000, 25, PN_FB_SYN);
    pn_fb_done(&fb);
    save_frame("parse", "tcp6_extensions", 0, &fb);
    ip(&fb, true);
    pn_fb_fragment(&fb, 7, 0, false);
    pn_fb_tcp(&fb, 40000, 25, PN_FB_SYN);
    pn_fb_done(&fb);
    save_frame("parse", "tcp6_atomic_fragment", 0, &fb);
    ip(&fb, true);
    pn_fb_fragment(&fb, 7, 800, true);
    pn_fb_fill(&fb, 64);
    pn_fb_done(&fb);
    save_frame("parse", "fragment6", 0, &fb);
    ip(&fb, false);
    pn_fb_fragment(&fb, 7, 800, true);
    pn_fb_proto(&fb, 6);
    pn_fb_fill(&fb, 64);
    pn_fb_done(&fb);
    save_frame("parse", "fragment4", 0, &fb);
    ip(&fb, false);
    pn_fb_udp(&fb, 68, 67);
    pn_fb_fill(&fb, 20);
    pn_fb_done(&fb);
    save_frame("parse", "udp4", 0, &fb);
    ip(&fb, false);
    pn_fb_proto(&fb, 50);
    pn_fb_fill(&fb, 40);
    pn_fb_done(&fb);
    save_frame("parse", "esp4", 0, &fb);
    pn_fb_make_tcp(&fb, "::ffff:198.51.100.7", V6, 40000, 25, PN_FB_SYN, 0);
    save_frame("parse", "tcp6_mapped", 0, &fb);
    pn_fb_ether(&fb, 5);
    pn_fb_tag(&fb, 0x8100, 6);
    pn_fb_ip(&fb, C4, V4);
    pn_fb_tcp(&fb, 40000, 25, PN_FB_SYN);
    pn_fb_done(&fb);
    save_frame("parse", "two_tags", 0, &fb);
    pn_fb_make_echo(&fb, C4, V4, 20, 0);
    save_frame("parse", "echo4", 0, &fb);
    pn_fb_make_ns(&fb, C6, NULL, V6, &pn_fb_client_mac, 0);
    save_frame("parse", "ns", 0, &fb);
    pn_fb_make_arp(&fb, 1, &pn_fb_client_mac, C4, NULL, V4, 0);
    save_frame("parse", "arp", 0, &fb);
}

static void arp_ndp_corpus(void)
{
    struct pn_fb fb;

    pn_fb_make_arp(&fb, 1, &pn_fb_client_mac, C4, NULL, V4, 0);
    save_frame("arp_ndp", "arp_request", 0, &fb);
    pn_fb_make_arp(&fb, 1, &pn_fb_client_mac, C4, NULL, V4, 42);
    save_frame("arp_ndp", "arp_request_vlan", 0, &fb);
    pn_fb_make_arp(&fb, 1, &pn_fb_client_mac, "0.0.0.0", NULL, V4, 0);
    save_frame("arp_ndp", "arp_probe", 0, &fb);
    pn_fb_make_arp(&fb, 1, &pn_fb_client_mac, V4, NULL, V4, 0);
    save_frame("arp_ndp", "arp_announcement", 0, &fb);
    pn_fb_make_arp(&fb, 2, &pn_fb_client_mac, C4, &pn_fb_node_mac, V4, 0);
    save_frame("arp_ndp", "arp_reply", 0, &fb);
    pn_fb_make_ns(&fb, C6, NULL, V6, &pn_fb_client_mac, 0);
    save_frame("arp_ndp", "ns", 1, &fb);
    pn_fb_make_ns(&fb, C6, V6, V6, NULL, 42);
    save_frame("arp_ndp", "ns_unicast_vlan", 1, &fb);
    pn_fb_make_ns(&fb, "::", NULL, V6, NULL, 0);
    save_frame("arp_ndp", "ns_dad", 1, &fb);
    pn_fb_make_ns(&fb, C6, NULL, V6, NULL, 0);
    pn_fb_bytes(&fb, "\x0e\x01\x01\x02\x03\x04\x05\x06\x01\x01\x02\x00\x00\x00\x00\xc1", 16);
    pn_fb_done(&fb);
    save_frame("arp_ndp", "ns_nonce", 1, &fb);
    pn_fb_make_na(&fb, C6, V6, C6, 0x60, &pn_fb_client_mac, 0);
    save_frame("arp_ndp", "na_solicited", 1, &fb);
    pn_fb_make_na(&fb, C6, "ff02::1", C6, 0x20, &pn_fb_client_mac, 0);
    save_frame("arp_ndp", "na_announcement", 1, &fb);
    pn_fb_make_na(&fb, C6, V6, C6, 0x40, NULL, 0);
    save_frame("arp_ndp", "na_no_option", 0, &fb);
}

static void icmp_corpus(bool v6)
{
    struct pn_fb fb, sent;

    pn_fb_make_echo(&fb, v6 ? C6 : C4, v6 ? V6 : V4, 56, 0);
    record(0, &fb);
    pn_fb_make_echo(&fb, v6 ? C6 : C4, v6 ? V6 : V4, 57, 42);
    record(0x40, &fb);
    save("icmp_frag", v6 ? "echo6" : "echo4");
    pn_fb_make_tcp(&sent, v6 ? V6 : V4, v6 ? C6 : C4, 25, 40000, PN_FB_ACK, 0);
    pn_fb_make_icmp_error(&fb, v6 ? R6 : R4, v6 ? V6 : V4, v6 ? 2 : 3, v6 ? 0 : 4, 1280, &sent, 100);
    record(0x40, &fb);
    pn_fb_make_icmp_error(&fb, v6 ? R6 : R4, v6 ? V6 : V4, v6 ? 3 : 11, 0, 0, &sent, v6 ? 48 : 28);
    record(0, &fb);
    save("icmp_frag", v6 ? "errors6" : "errors4");
    pn_fb_ether(&sent, 0);
    pn_fb_ip(&sent, v6 ? V6 : V4, v6 ? C6 : C4);
    if (v6)
        pn_fb_ext(&sent, 60, 0);
    pn_fb_fragment(&sent, 5, 0, true);
    pn_fb_tcp(&sent, 25, 40000, PN_FB_ACK);
    pn_fb_done(&sent);
    pn_fb_make_icmp_error(&fb, v6 ? R6 : R4, v6 ? V6 : V4, v6 ? 1 : 3, 1, 0, &sent, 100);
    record(0x40, &fb);
    save("icmp_frag", v6 ? "quoted_fragment6" : "quoted_fragment4");
}

static void fragment(struct pn_fb *fb, bool v6, uint16_t id, uint16_t offset, bool more)
{
    ip(fb, v6);
    pn_fb_fragment(fb, id, offset, more);
    if (offset == 0)
        pn_fb_tcp(fb, 40000, 25, PN_FB_ACK);
    else
        pn_fb_proto(fb, 6);
    pn_fb_fill(fb, offset == 0 ? 12 : 24);
    pn_fb_done(fb);
}

static void frag_corpus(bool v6)
{
    static const struct {
        const char *name[2];
        struct {
            uint8_t options;
            uint16_t id, offset;
        } part[8];
        unsigned n;
    } rows[] = {
        {{"frag4_in_order", "frag6_in_order"}, {{0x08, 1, 0}, {0, 1, 32}, {0, 1, 56}}, 3},
        {{"frag4_out_of_order", "frag6_out_of_order"}, {{0, 1, 56}, {0, 1, 32}, {0x10, 1, 0}, {0, 1, 80}}, 4},
        {{"frag4_overlap", "frag6_overlap"}, {{0, 1, 24}, {0, 1, 32}, {0x08, 1, 0}, {0x10, 1, 0}, {0, 1, 8}}, 5},
        {{"frag4_late", "frag6_late"}, {{0, 1, 32}, {7, 2, 32}, {0x0f, 1, 0}, {0, 1, 56}, {0x28, 2, 0}}, 5},
        {{"frag4_many", "frag6_many"},
         {{0, 1, 32}, {0, 2, 32}, {0, 3, 32}, {0, 4, 32}, {0, 5, 32}, {0, 6, 32}, {0x08, 6, 0}, {0x08, 1, 0}},
         8},
    };
    struct pn_fb fb;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (unsigned k = 0; k < rows[i].n; k++) {
            fragment(&fb, v6, rows[i].part[k].id, rows[i].part[k].offset, true);
            record(rows[i].part[k].options, &fb);
        }
        save("icmp_frag", rows[i].name[v6]);
    }
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: make_corpus FOLDER\n");
        return 2;
    }
    root = argv[1];
    mkdir(root, 0777);
    parse_corpus();
    arp_ndp_corpus();
    for (int v6 = 0; v6 < 2; v6++) {
        icmp_corpus(v6);
        frag_corpus(v6);
    }
    return 0;
}
