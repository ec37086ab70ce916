/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/core/arp.h"

#include "dataplane/core/parse.h"

/* Offsets in the ARP packet for Ethernet and IPv4. */
enum { ARP_OP = 6, ARP_SHA = 8, ARP_SPA = 14, ARP_THA = 18, ARP_TPA = 24 };

static const uint8_t arp_head[6] = {0, 1, 0x08, 0x00, 6, 4};
static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static bool mac_is_host(const uint8_t *mac)
{
    return !(mac[0] & 1) && (mac[0] | mac[1] | mac[2] | mac[3] | mac[4] | mac[5]);
}

bool pn_arp_parse(const uint8_t *frame, uint32_t contiguous, const struct pn_pkt *p, struct pn_arp *arp)
{
    const uint8_t *a = frame + p->l3_off;

    if (p->l3_off + PN_ARP_BYTES > contiguous || memcmp(a, arp_head, sizeof(arp_head)) != 0)
        return false;
    uint16_t op = pn_get16(a + ARP_OP);
    if ((op != PN_ARP_REQUEST && op != PN_ARP_REPLY) || !mac_is_host(a + ARP_SHA))
        return false;
    arp->op = (uint8_t)op;
    arp->sender_be = pn_load32(a + ARP_SPA);
    arp->target_be = pn_load32(a + ARP_TPA);
    memcpy(arp->sender_mac.b, a + ARP_SHA, 6);
    arp->announcement = arp->sender_be == arp->target_be && arp->sender_be != 0;
    bool probe = arp->sender_be == 0 && op == PN_ARP_REQUEST;
    return probe || !pn_source4_bad(arp->sender_be);
}

void pn_arp_reply(uint8_t *frame, const struct pn_pkt *p, const struct pn_arp *arp, const struct pn_mac *mac)
{
    uint8_t *a = frame + p->l3_off;

    memcpy(frame, arp->sender_mac.b, 6);
    memcpy(frame + 6, mac->b, 6);
    a[ARP_OP + 1] = PN_ARP_REPLY;
    memcpy(a + ARP_SHA, mac->b, 6);
    memcpy(a + ARP_SPA, &arp->target_be, 4);
    memcpy(a + ARP_THA, arp->sender_mac.b, 6);
    memcpy(a + ARP_TPA, &arp->sender_be, 4);
}

uint32_t pn_arp_build(uint8_t *buf, uint32_t size, const struct pn_arp_build *b)
{
    uint32_t l3_off = b->vlan ? PN_ETHER_BYTES + PN_VLAN_BYTES : PN_ETHER_BYTES;
    uint32_t frame_bytes = 60 + (l3_off - PN_ETHER_BYTES);
    bool to_all = !mac_is_host(b->dst.b);

    if (size < frame_bytes)
        return 0;
    memset(buf, 0, frame_bytes);
    memcpy(buf, to_all ? broadcast : b->dst.b, 6);
    memcpy(buf + 6, b->src.b, 6);
    if (b->vlan) {
        uint16_t tag[2] = {htobe16(PN_ETHERTYPE_VLAN), htobe16(b->vlan)};
        memcpy(buf + 12, tag, 4);
    }
    uint16_t type = htobe16(PN_ETHERTYPE_ARP);
    memcpy(buf + l3_off - 2, &type, 2);
    uint8_t *a = buf + l3_off;
    memcpy(a, arp_head, sizeof(arp_head));
    a[ARP_OP + 1] = b->op;
    memcpy(a + ARP_SHA, b->src.b, 6);
    memcpy(a + ARP_SPA, &b->sender_be, 4);
    memcpy(a + ARP_THA, b->target_mac.b, 6);
    memcpy(a + ARP_TPA, &b->target_be, 4);
    return frame_bytes;
}

uint32_t pn_arp_build_request(uint8_t *buf, uint32_t size, const struct pn_mac *src, const struct pn_mac *dst,
                              uint16_t vlan, uint32_t sender_be, uint32_t target_be)
{
    struct pn_arp_build b = {
        .src = *src, .vlan = vlan, .op = PN_ARP_REQUEST, .sender_be = sender_be, .target_be = target_be};

    if (dst != NULL)
        b.dst = *dst;
    return pn_arp_build(buf, size, &b);
}

uint32_t pn_arp_build_announcement(uint8_t *buf, uint32_t size, const struct pn_mac *mac, uint16_t vlan,
                                   uint32_t vip_be, enum pn_arp_op form)
{
    struct pn_arp_build b = {.src = *mac, .vlan = vlan, .op = (uint8_t)form, .sender_be = vip_be, .target_be = vip_be};

    if (form == PN_ARP_REPLY)
        memcpy(b.target_mac.b, broadcast, 6);
    return pn_arp_build(buf, size, &b);
}
