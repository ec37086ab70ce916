/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rewriting for L2 direct server return: both MAC addresses in two wide stores, the VLAN tag when the gateway's differs.
 * A MAC travels as u48: its six bytes in memory order in the low 48 bits, as in the published neighbour array.
 */
#ifndef PN_CORE_REWRITE_H
#define PN_CORE_REWRITE_H

#include <endian.h>

#include "dataplane/core/pkt.h"

static inline uint64_t pn_mac_u48(const struct pn_mac *mac)
{
    uint64_t v = 0;
    memcpy(&v, mac->b, 6);
    return le64toh(v);
}

static inline struct pn_mac pn_mac_from_u48(uint64_t u48)
{
    struct pn_mac mac;
    uint64_t v = htole64(u48);
    memcpy(mac.b, &v, 6);
    return mac;
}

/* Both addresses at frame[0..11]; bits above 48 are ignored. */
static inline void pn_rewrite_macs(uint8_t *frame, uint64_t dst_u48, uint64_t src_u48)
{
    uint64_t low = htole64((dst_u48 & 0xffffffffffffull) | src_u48 << 48);
    uint32_t high = htole32((uint32_t)(src_u48 >> 16));
    memcpy(frame, &low, 8);
    memcpy(frame + 8, &high, 4);
}

/* By how much the frame must grow at its front to leave on `vlan` (0: untagged): 4, 0, or -4. */
static inline int pn_rewrite_shift(const struct pn_pkt *p, uint16_t vlan)
{
    return ((vlan != 0) - (p->l3_off != 14)) * 4;
}

/*
 * MACs and tag at once. frame: the new start, after the caller moved it by pn_rewrite_shift() bytes (4: earlier, into
 * the headroom; -4: later). p's offsets and vlan follow; a tag that stays keeps its priority bits.
 */
void pn_rewrite_l2(uint8_t *frame, struct pn_pkt *p, int shift, uint16_t vlan, uint64_t dst_u48, uint64_t src_u48);

#endif
