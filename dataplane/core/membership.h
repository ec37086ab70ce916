/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Saying which multicast group a port wants, for switches that listen (RFC 4541), where no kernel does it for us: reports of
 * IGMPv3 (RFC 3376 4.2) and MLDv2 (RFC 3810 5.2). Unasked and again and again, since queries go unread. Pure.
 */
#ifndef PN_CORE_MEMBERSHIP_H
#define PN_CORE_MEMBERSHIP_H

#include "postern/types.h"

#define PN_MEMBERSHIP_FRAME_MAX 96u

/*
 * One report: any source of this group (join), or none any more. src: IPv4 of the port, or zero (allowed, 4.2.13); IPv6 its link-local address.
 * Families of src and group are the same, or src is zero. 0: size too small, or group is none.
 */
uint32_t pn_membership_report(uint8_t *buf, uint32_t size, const struct pn_mac *mac, uint16_t vlan,
                              const struct pn_addr *src, const struct pn_addr *group, bool join);

#endif
