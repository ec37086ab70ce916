/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets of the control plane itself, heartbeats and the like: which they are, and the frames they leave in. Pure. */
#ifndef PN_CORE_CONTROL_H
#define PN_CORE_CONTROL_H

#include "dataplane/core/pkt.h"
#include "postern/dpapi.h"

#define PN_IP_VRRP 112u
#define PN_CONTROL_TTL 255u /* no router has passed it on (RFC 5082, RFC 9568 5.1.1.3) */
#define PN_CONTROL_FRAME_MAX (PN_DP_PACKET_MAX_BYTES + 18u)

enum pn_control_verdict {
    PN_CONTROL_OTHER = 0, /* none of ours */
    PN_CONTROL_TAKE,
    PN_CONTROL_MALFORMED, /* ours by its addresses, but not to be believed */
};

/*
 * p: with edge FLOW, frame contiguous. Looks at destination address, protocol and port; then at what parse found and
 * at TTL or hop limit.
 */
enum pn_control_verdict pn_control_check(const struct pn_dp_control *control, const uint8_t *frame,
                                         const struct pn_pkt *p);

/*
 * An IP packet that posternd wants sent: whole (its length field says bytes), IPv4 or IPv6, no fragment. -1 and err.
 * *dst: where to.
 */
int pn_control_packet(const uint8_t *l3, uint32_t bytes, struct pn_addr *dst, struct pn_error *err);

/* MAC of an IP multicast group (RFC 1112 6.4, RFC 2464 7). false: no group. */
bool pn_control_group_mac(const struct pn_addr *dst, struct pn_mac *mac);

/* Ethernet header, tag and packet, padded to 60 bytes. 0: size too small. */
uint32_t pn_control_frame(uint8_t *buf, uint32_t size, const struct pn_mac *dst, const struct pn_mac *src,
                          uint16_t vlan, const uint8_t *l3, uint32_t bytes);

#endif
