/* SPDX-License-Identifier: BSD-3-Clause */
/* Writes corpus/pipeline/: short stories in the input format of fuzz_pipeline.c. Run in tests/fuzz. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/packets/frames.h"

#define C4 "198.51.100.7"
#define C6 "2001:db8:7::7"
#define V4 "203.0.113.25"
#define V6 "2001:db8:25::25"
#define VV "203.0.113.26"

static FILE *story;
static struct pn_fb fb, other;

static void begin(const char *name)
{
    char path[100];

    if (story != NULL)
        fclose(story);
    snprintf(path, sizeof(path), "corpus/pipeline/%s", name);
    story = fopen(path, "wb");
    if (story == NULL) {
        perror(path);
        exit(1);
    }
}

static void put(uint8_t step, const struct pn_fb *frame)
{
    fputc(step, story);
    fputc((int)(frame->n & 0xff), story);
    fputc((int)(frame->n >> 8), story);
    fwrite(frame->b, frame->n, 1, story);
}

static void tcp(uint8_t step, const char *src, const char *dst, uint16_t port, uint8_t flags, uint16_t vlan)
{
    pn_fb_make_tcp(&fb, src, dst, 4000, port, flags, vlan);
    put(step, &fb);
}

static void life(const char *src, const char *dst, uint16_t port, uint8_t first_step, uint16_t vlan)
{
    tcp(first_step, src, dst, port, PN_FB_SYN, vlan);
    tcp(0, src, dst, port, PN_FB_ACK, vlan);
    tcp(0, src, dst, port, PN_FB_ACK | PN_FB_PSH, vlan);
    tcp(0, src, dst, port, PN_FB_ACK | PN_FB_FIN, vlan);
    tcp(0, src, dst, port, PN_FB_SYN, vlan);
    tcp(0, src, dst, port, PN_FB_RST, vlan);
}

static void fragments(const char *src, const char *dst, uint8_t first_step, uint8_t second_step, int swapped)
{
    static struct pn_fb first, second;

    pn_fb_ether(&fb, 0);
    pn_fb_ip(&fb, src, dst);
    pn_fb_tcp(&fb, 4000, 25, PN_FB_ACK);
    pn_fb_fill(&fb, 60);
    pn_fb_done(&fb);
    pn_fb_split(&fb, 7, 40, &first, &second);
    put(swapped ? second_step : first_step, swapped ? &second : &first);
    put(swapped ? first_step : second_step, swapped ? &first : &second);
}

static void too_big(uint8_t step, const char *router, const char *vip, const char *client)
{
    int v6 = strchr(vip, ':') != NULL;

    pn_fb_make_tcp(&other, vip, client, 25, 4000, PN_FB_ACK, 0);
    pn_fb_make_icmp_error(&fb, router, vip, v6 ? 2 : 3, v6 ? 0 : 4, 1400, &other, v6 ? 60 : 28);
    put(step, &fb);
}

static void answers(void)
{
    static const struct pn_mac none;

    begin("answers");
    pn_fb_make_arp(&fb, 1, &pn_fb_client_mac, "203.0.113.1", &none, V4, 0);
    put(0x10, &fb);
    pn_fb_make_arp(&fb, 2, &pn_fb_client_mac, "192.0.2.1", &pn_fb_node_mac, "203.0.113.9", 0);
    put(0x10, &fb);
    pn_fb_make_ns(&fb, "2001:db8:25::1", NULL, V6, &pn_fb_client_mac, 0);
    put(0x10, &fb);
    pn_fb_make_na(&fb, "2001:db8:25::a1", "2001:db8:25::9", "2001:db8:25::a1", 0x60, &pn_fb_client_mac, 0);
    put(0x10, &fb);
    pn_fb_make_echo(&fb, C4, V4, 40, 0);
    put(0x10, &fb);
    pn_fb_make_echo(&fb, C6, V6, 40, 0);
    put(0x40, &fb);
    put(0xc0, &fb);
}

int main(void)
{
    begin("life4");
    life(C4, V4, 25, 0, 0);
    begin("life6");
    life(C6, V6, 25, 1, 0);
    begin("life-burst");
    for (unsigned i = 0; i < 3; i++) {
        tcp(0x10, C4, V4, 25, PN_FB_SYN, 0);
        tcp(0x10, C4, V4, 25, PN_FB_ACK, 0);
        tcp(0x10, C4, V4, 25, PN_FB_RST, 0);
    }
    begin("vlan");
    life(C4, VV, 25, 0, 100);
    begin("local");
    life(C4, V4, 587, 0, 0);
    begin("vlan-gateway");
    life(C4, V4, 2525, 0, 0);
    begin("neighbour");
    life(C4, V4, 2526, 0, 0);
    life(C4, V4, 25, 0xa0, 0);
    begin("down");
    tcp(0, C4, V4, 25, PN_FB_SYN, 0);
    tcp(0x60, C4, V4, 25, PN_FB_SYN, 0);
    tcp(0x60, C4, V4, 25, PN_FB_ACK, 0);
    life(C4, V4, 465, 0x80, 0);
    begin("leases");
    tcp(0, C4, V4, 25, PN_FB_SYN, 0);
    tcp(0x40, C4, V4, 25, PN_FB_ACK, 0);
    tcp(0x20, C4, V4, 25, PN_FB_ACK, 0);
    tcp(0x40, C4, V4, 25, PN_FB_ACK, 0);
    begin("fragments");
    tcp(0, C4, V4, 25, PN_FB_SYN, 0);
    fragments(C4, V4, 1, 1, 0);
    begin("fragments-swapped");
    tcp(0, C6, V6, 25, PN_FB_SYN, 0);
    fragments(C6, V6, 1, 1, 1);
    begin("errors");
    tcp(0, C4, V4, 25, PN_FB_SYN, 0);
    too_big(1, "192.0.2.99", V4, C4);
    too_big(2, "2001:db8:99::1", V6, C6);
    begin("host");
    tcp(0, C4, "203.0.113.9", 22, PN_FB_SYN, 0);
    tcp(4, "203.0.113.9", C4, 22, PN_FB_SYN | PN_FB_ACK, 0);
    tcp(8, "203.0.113.9", C4, 22, PN_FB_SYN | PN_FB_ACK, 0);
    answers();
    fclose(story);
    return 0;
}
