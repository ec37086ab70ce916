/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/core/rewrite.h"

#define ETHERTYPE_VLAN 0x8100u
#define VID_MASK 0x0fffu

void pn_rewrite_l2(uint8_t *frame, struct pn_pkt *p, int shift, uint16_t vlan, uint64_t dst_u48, uint64_t src_u48)
{
    pn_rewrite_macs(frame, dst_u48, src_u48);
    /* The EtherType proper stays where it is in memory: the tag goes in or out between it and the addresses. */
    p->l3_off = (uint8_t)(p->l3_off + shift);
    p->l4_off = (uint8_t)(p->l4_off + shift);
    p->frame_bytes = (uint16_t)(p->frame_bytes + shift);
    if (vlan != 0) {
        uint16_t tag[2];
        memcpy(tag, frame + 12, 4);
        uint16_t priority = shift == 0 ? be16toh(tag[1]) & (uint16_t)~VID_MASK : 0;
        tag[0] = htobe16(ETHERTYPE_VLAN);
        tag[1] = htobe16(priority | (vlan & VID_MASK));
        memcpy(frame + 12, tag, 4);
    }
    p->vlan = vlan;
}
