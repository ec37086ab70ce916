/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The packets around sealed datagrams: IPv4 (RFC 791) or IPv6 (RFC 8200) and UDP (RFC 768) headers, made and read.
 * They leave through the dataplane's port as whole packets, so the kernel's stack has no part in them. Pure.
 */
#ifndef POSTERN_WIRE_H
#define POSTERN_WIRE_H

#include <stddef.h>

#include "postern/types.h"

#define PN_WIRE_TTL 255u /* sent, and required: a router between would have taken one off (RFC 5082) */
#define PN_WIRE_UDP_MAX_OVERHEAD 48u /* IPv6 and UDP */
#define PN_IPPROTO_UDP 17u
#define PN_IPPROTO_VRRP 112u

struct pn_wire_udp {
    struct pn_addr src, dst; /* of one family */
    uint16_t src_port, dst_port; /* host byte order */
};

/* Whole packet to out: TTL 255, class CS6, never fragmented. payload may stand behind the header's place in out already. */
size_t pn_wire_ip_build(const struct pn_addr *src, const struct pn_addr *dst, uint8_t proto, const void *payload,
                        size_t bytes, uint8_t *out, size_t cap);
/* The same with a UDP header. Its length, or 0: families differ or cap is too small. */
size_t pn_wire_udp_build(const struct pn_wire_udp *u, const void *payload, size_t bytes, uint8_t *out, size_t cap);

enum pn_wire_verdict {
    PN_WIRE_OK = 0,
    PN_WIRE_TRUNCATED, /* shorter than its headers say, or no IP at all */
    PN_WIRE_HEADER, /* impossible header: version, header length, options, extension headers */
    PN_WIRE_FRAGMENT,
    PN_WIRE_HOPS, /* TTL or hop limit is not 255 */
    PN_WIRE_CHECKSUM, /* of the IPv4 header or of UDP */
    PN_WIRE_VERDICT_COUNT
};
extern const char *const pn_wire_verdict_name[PN_WIRE_VERDICT_COUNT];

struct pn_wire_packet {
    struct pn_addr src, dst;
    uint8_t ip_proto;
    uint16_t src_port, dst_port; /* UDP only, host byte order */
    const uint8_t *payload; /* within the packet: behind the UDP header, of other protocols behind the IP header */
    size_t bytes;
};

/* Nothing of *out is to be used unless OK. UDP's checksum may be absent over IPv4: the seal says who sent it. */
enum pn_wire_verdict pn_wire_parse(const uint8_t *packet, size_t bytes, struct pn_wire_packet *out);

/* 224.0.0.0/4 or ff00::/8. */
bool pn_wire_is_multicast(const struct pn_addr *addr);

#endif
