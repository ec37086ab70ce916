/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Test frames put together piece by piece: start with pn_fb_ether, add headers in their order, end with pn_fb_done, which
 * fills lengths and checksums (with a checksum of its own, not the one under test). Errors of use abort: tests only.
 *
 *     struct pn_fb fb;
 *     pn_fb_ether(&fb, 0);
 *     pn_fb_ip(&fb, "192.0.2.1", "203.0.113.25");
 *     pn_fb_tcp(&fb, 40000, 25, PN_FB_SYN);
 *     pn_fb_done(&fb);          -> fb.b, fb.n
 */
#ifndef PN_TESTS_FRAMES_H
#define PN_TESTS_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "postern/types.h"

#define PN_FB_FIN 0x01u
#define PN_FB_SYN 0x02u
#define PN_FB_RST 0x04u
#define PN_FB_PSH 0x08u
#define PN_FB_ACK 0x10u

#define PN_FB_BYTES 9216u

struct pn_fb {
    uint8_t b[PN_FB_BYTES];
    uint32_t n;
    uint32_t l3, l4; /* offsets of the IP (or ARP) and the last L4 header; 0: none */
    uint32_t next; /* offset of the byte that names what is added next (protocol, next header) */
    bool v6;
    uint8_t proto; /* of the L4 header */
    bool keep_l4_csum; /* pn_fb_done leaves the L4 checksum as it stands (fragments) */
};

/* Frames start from these; change fb.b for others. */
extern const struct pn_mac pn_fb_client_mac, pn_fb_node_mac; /* 02:00:00:00:00:c1 and 02:00:00:00:00:01 */

void pn_fb_ether(struct pn_fb *fb, uint16_t vlan); /* vlan 0: no tag */
void pn_fb_ether_to(struct pn_fb *fb, const struct pn_mac *dst, const struct pn_mac *src, uint16_t vlan);
void pn_fb_tag(struct pn_fb *fb, uint16_t type, uint16_t tci); /* a further tag (0x8100, 0x88a8) */
void pn_fb_type(struct pn_fb *fb, uint16_t ether_type); /* neither IP nor ARP: payload follows */

/* Family by the text. Options: IPv4 only, a multiple of 4 long. */
void pn_fb_ip(struct pn_fb *fb, const char *src, const char *dst);
void pn_fb_ip_options(struct pn_fb *fb, const char *src, const char *dst, const void *options, uint32_t bytes);
/* IPv6 extension header of 8 * (1 + extra_units) bytes (AH: 4 * (2 + extra)); body zero (padding options). */
void pn_fb_ext(struct pn_fb *fb, uint8_t type, uint8_t extra_units);
/* Makes this a fragment: sets the IPv4 fields, or adds an IPv6 fragment header. Right after pn_fb_ip / pn_fb_ext. */
void pn_fb_fragment(struct pn_fb *fb, uint32_t id, uint16_t offset_bytes, bool more);

void pn_fb_tcp(struct pn_fb *fb, uint16_t src_port, uint16_t dst_port, uint8_t flags);
void pn_fb_udp(struct pn_fb *fb, uint16_t src_port, uint16_t dst_port);
/* ICMP or ICMPv6 by the family; rest: bytes 4-7 of the header, host order. */
void pn_fb_icmp(struct pn_fb *fb, uint8_t type, uint8_t code, uint32_t rest);
void pn_fb_proto(struct pn_fb *fb, uint8_t proto); /* any other protocol: payload follows */
void pn_fb_bytes(struct pn_fb *fb, const void *bytes, uint32_t n);
void pn_fb_fill(struct pn_fb *fb, uint32_t n); /* n bytes 0, 1, 2, ... */

/* Lengths, checksums; padded with zeros to 60 bytes unless pad is false. */
void pn_fb_done(struct pn_fb *fb);
void pn_fb_done_unpadded(struct pn_fb *fb);
/* Only the checksums (and lengths) again, after bytes were changed by hand. */
void pn_fb_fix(struct pn_fb *fb);

/* Whole frames. */
void pn_fb_make_tcp(struct pn_fb *fb, const char *src, const char *dst, uint16_t src_port, uint16_t dst_port,
                    uint8_t flags, uint16_t vlan);
void pn_fb_make_echo(struct pn_fb *fb, const char *src, const char *dst, uint32_t data_bytes, uint16_t vlan);
/* op 1 or 2. sender/target: IPv4 text. */
void pn_fb_make_arp(struct pn_fb *fb, uint16_t op, const struct pn_mac *sender_mac, const char *sender,
                    const struct pn_mac *target_mac, const char *target, uint16_t vlan);
/* dst NULL: solicited-node multicast. lladdr NULL: no option. src "::" is duplicate address detection. */
void pn_fb_make_ns(struct pn_fb *fb, const char *src, const char *dst, const char *target, const struct pn_mac *lladdr,
                   uint16_t vlan);
/* flags: 0x80 router, 0x40 solicited, 0x20 override. */
void pn_fb_make_na(struct pn_fb *fb, const char *src, const char *dst, const char *target, uint8_t flags,
                   const struct pn_mac *lladdr, uint16_t vlan);
/* Error from router to the sender of quoted (its source address), with its IP packet's first quote_bytes. */
void pn_fb_make_icmp_error(struct pn_fb *fb, const char *router, const char *vip, uint8_t type, uint8_t code,
                           uint32_t rest, const struct pn_fb *quoted, uint32_t quote_bytes);
/* Cuts a whole IP frame (no extension headers) in two fragments, the first with first_bytes (a multiple of 8) of L4. */
void pn_fb_split(const struct pn_fb *whole, uint32_t id, uint32_t first_bytes, struct pn_fb *first,
                 struct pn_fb *second);

/* A copy in a heap block of exactly its size, so that AddressSanitizer sees reads past it. free() it. */
uint8_t *pn_fb_heap(const struct pn_fb *fb, uint32_t bytes);

#endif
