/* SPDX-License-Identifier: BSD-3-Clause */
/* ARP over Ethernet for IPv4 (RFC 826, probes and announcements of RFC 5227). Pure. */
#ifndef PN_CORE_ARP_H
#define PN_CORE_ARP_H

#include "dataplane/core/pkt.h"

#define PN_ARP_BYTES 28u
#define PN_ARP_FRAME_MAX 64u /* what pn_arp_build may write: 60, and a VLAN tag */

enum pn_arp_op {
    PN_ARP_REQUEST = 1,
    PN_ARP_REPLY = 2,
};

struct pn_arp {
    uint32_t sender_be; /* 0 in a probe */
    uint32_t target_be;
    struct pn_mac sender_mac; /* a unicast address */
    uint8_t op; /* enum pn_arp_op */
    bool announcement; /* sender == target: someone says that address is his (request and reply form) */
};

/*
 * p: with edge ARP. false: truncated, not Ethernet/IPv4 sizes, another operation, sender MAC zero or multicast,
 * sender address multicast, loopback or broadcast, zero in a reply (counter: PN_C_ARP_MALFORMED).
 */
bool pn_arp_parse(const uint8_t *frame, uint32_t contiguous, const struct pn_pkt *p, struct pn_arp *arp);

/* Turns a parsed request into the reply "target is at mac", to the asker alone; VLAN tag and length stay. */
void pn_arp_reply(uint8_t *frame, const struct pn_pkt *p, const struct pn_arp *arp, const struct pn_mac *mac);

struct pn_arp_build {
    struct pn_mac src; /* of the frame and as ARP sender */
    struct pn_mac dst; /* of the frame; all zero: broadcast */
    uint16_t vlan; /* 0: untagged */
    uint8_t op; /* enum pn_arp_op */
    uint32_t sender_be; /* 0: a probe, leaves no trace in the answerer's cache */
    uint32_t target_be;
    struct pn_mac target_mac; /* zero in requests */
};

/* Writes a whole frame, zero-padded to 60 bytes (64 with a tag); 0: size too small. */
uint32_t pn_arp_build(uint8_t *buf, uint32_t size, const struct pn_arp_build *b);

/* "Who has target?": to everyone, or (unicast probe) to the MAC known so far. sender_be may be 0. */
uint32_t pn_arp_build_request(uint8_t *buf, uint32_t size, const struct pn_mac *src, const struct pn_mac *dst,
                              uint16_t vlan, uint32_t sender_be, uint32_t target_be);

/* Gratuitous ARP for vip_be, as request or as reply: old stacks believe only one of the two, so senders alternate. */
uint32_t pn_arp_build_announcement(uint8_t *buf, uint32_t size, const struct pn_mac *mac, uint16_t vlan,
                                   uint32_t vip_be, enum pn_arp_op form);

#endif
