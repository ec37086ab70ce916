/* SPDX-License-Identifier: BSD-3-Clause */
/* IPv6 neighbour discovery: solicitations and advertisements (RFC 4861; 7.1 for what must be dropped). Pure. */
#ifndef PN_CORE_NDP_H
#define PN_CORE_NDP_H

#include "dataplane/core/pkt.h"

#define PN_NDP_SOLICIT 135u
#define PN_NDP_ADVERT 136u
#define PN_NDP_ROUTER 0x80u /* flags of an advertisement */
#define PN_NDP_SOLICITED 0x40u
#define PN_NDP_OVERRIDE 0x20u
#define PN_NDP_FRAME_MAX 90u /* Ethernet, tag, IPv6, 24 bytes and one link-layer address option */

struct pn_ndp {
    struct pn_addr src, dst, target;
    struct pn_mac mac; /* source (solicitation) or target (advertisement) link-layer address option */
    bool has_mac;
    uint8_t type; /* PN_NDP_SOLICIT or PN_NDP_ADVERT */
    uint8_t flags; /* PN_NDP_* of an advertisement */
    bool dad; /* solicitation from the unspecified address: duplicate address detection */
};

/*
 * p: with edge NDP. false: RFC 4861 7.1.1 / 7.1.2 says drop (hop limit, checksum, code, length, multicast target,
 * option of length 0, ...), or the option holds no unicast MAC (counter: PN_C_NDP_MALFORMED, if it is for us at
 * all: ndp->target is right as soon as there are bytes enough for it, zero otherwise).
 */
bool pn_ndp_parse(const uint8_t *frame, uint32_t contiguous, const struct pn_pkt *p, struct pn_ndp *ndp);

/*
 * Turns a parsed solicitation into the advertisement "target is at mac": solicited to the asker, or to all nodes when
 * it was duplicate address detection; override set; VLAN tag kept. room: writable bytes from frame on. Returns the
 * frame's new length, l3_off + 72, which may be more or less than before; 0: no room.
 */
uint32_t pn_ndp_reply(uint8_t *frame, uint32_t room, const struct pn_pkt *p, const struct pn_ndp *ndp,
                      const struct pn_mac *mac);

/*
 * Solicitation for target. dst: the MAC known so far (unicast probe), or NULL: solicited-node multicast. src_addr
 * unspecified makes it a DAD-like probe without link-layer option, answered to all nodes. 0: size too small.
 */
uint32_t pn_ndp_build_solicit(uint8_t *buf, uint32_t size, const struct pn_mac *src, const struct pn_mac *dst,
                              uint16_t vlan, const struct pn_addr *src_addr, const struct pn_addr *target);

/* Unsolicited advertisement for vip to all nodes, override set (RFC 4861 7.2.6). 0: size too small. */
uint32_t pn_ndp_build_announcement(uint8_t *buf, uint32_t size, const struct pn_mac *mac, uint16_t vlan,
                                   const struct pn_addr *vip);

/* fe80::/64 with the modified EUI-64 of mac: a source for solicitations on a port that has no address of its own. */
struct pn_addr pn_ndp_link_local(const struct pn_mac *mac);
/* ff02::1:ffXX:XXXX of target. */
struct pn_addr pn_ndp_solicited_node(const struct pn_addr *target);

#endif
