/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/core/control.h"

#include "common/error.h"
#include "dataplane/core/parse.h"

static bool is_group(const struct pn_addr *a)
{
    return pn_addr_is_v4(a) ? (a->b[12] & 0xf0) == 0xe0 : a->b[0] == 0xff;
}

/* 224.0.0.18 and ff02::12. */
static bool is_vrrp_group(const struct pn_addr *a)
{
    static const struct pn_addr v6 = {.b = {0xff, 0x02, [15] = 0x12}};
    static const uint8_t v4[4] = {224, 0, 0, 18};

    return pn_addr_is_v4(a) ? memcmp(a->b + 12, v4, sizeof(v4)) == 0 : pn_addr_equal(a, &v6);
}

static bool known_address(const struct pn_dp_control *control, const struct pn_addr *dst)
{
    for (unsigned i = 0; i < control->n_addrs; i++) {
        if (pn_addr_equal(&control->addrs[i], dst))
            return true;
    }
    return false;
}

enum pn_control_verdict pn_control_check(const struct pn_dp_control *control, const uint8_t *frame,
                                         const struct pn_pkt *p)
{
    const uint8_t *ip = frame + p->l3_off;
    bool udp = p->ip_proto == PN_IP_UDP && control->heartbeat_udp_port != 0 && p->l4_dst == control->heartbeat_udp_port;

    if (!udp && !(p->ip_proto == PN_IP_VRRP && control->vrrp))
        return PN_CONTROL_OTHER;
    struct pn_addr dst = pn_pkt_dst(frame, p);
    if (!(udp ? known_address(control, &dst) : is_vrrp_group(&dst)))
        return PN_CONTROL_OTHER;
    bool group = is_group(&dst);
    if (p->counter != PN_COUNTER_NONE && !(group && p->counter == PN_C_PARSE_ETHER_GROUP))
        return PN_CONTROL_MALFORMED;
    if (ip[p->is_v6 ? 7 : 8] != PN_CONTROL_TTL || pn_pkt_ip_bytes(frame, p) > PN_DP_PACKET_MAX_BYTES)
        return PN_CONTROL_MALFORMED;
    return PN_CONTROL_TAKE;
}

int pn_control_packet(const uint8_t *l3, uint32_t bytes, struct pn_addr *dst, struct pn_error *err)
{
    if (bytes >= 20 && l3[0] >> 4 == 4) {
        uint32_t header = (uint32_t)(l3[0] & 15) * 4;
        if (header < 20 || header > bytes || pn_get16(l3 + 2) != bytes)
            return pn_error_set(err, "packet: %u bytes, its IPv4 header says otherwise", bytes);
        if (pn_load16(l3 + 6) & htobe16(0x3fff))
            return pn_error_set(err, "packet: a fragment");
        *dst = pn_addr_from_v4(pn_load32(l3 + 16));
        return 0;
    }
    if (bytes >= 40 && l3[0] >> 4 == 6) {
        if (40u + pn_get16(l3 + 4) != bytes)
            return pn_error_set(err, "packet: %u bytes, its IPv6 header says otherwise", bytes);
        memcpy(dst->b, l3 + 24, 16);
        return 0;
    }
    return pn_error_set(err, "packet: neither IPv4 nor IPv6");
}

bool pn_control_group_mac(const struct pn_addr *dst, struct pn_mac *mac)
{
    if (!is_group(dst))
        return false;
    if (pn_addr_is_v4(dst))
        *mac = (struct pn_mac){{0x01, 0x00, 0x5e, dst->b[13] & 0x7f, dst->b[14], dst->b[15]}};
    else
        *mac = (struct pn_mac){{0x33, 0x33, dst->b[12], dst->b[13], dst->b[14], dst->b[15]}};
    return true;
}

uint32_t pn_control_frame(uint8_t *buf, uint32_t size, const struct pn_mac *dst, const struct pn_mac *src,
                          uint16_t vlan, const uint8_t *l3, uint32_t bytes)
{
    uint32_t off = vlan ? PN_ETHER_BYTES + PN_VLAN_BYTES : PN_ETHER_BYTES, least = off + 46;
    uint16_t type = htobe16(l3[0] >> 4 == 6 ? PN_ETHERTYPE_IPV6 : PN_ETHERTYPE_IPV4);
    uint32_t frame_bytes = off + bytes < least ? least : off + bytes;

    if (frame_bytes > size)
        return 0;
    memcpy(buf, dst->b, 6);
    memcpy(buf + 6, src->b, 6);
    if (vlan) {
        const uint16_t tag[2] = {htobe16(PN_ETHERTYPE_VLAN), htobe16(vlan)};
        memcpy(buf + 12, tag, sizeof(tag));
    }
    memcpy(buf + off - 2, &type, 2);
    memcpy(buf + off, l3, bytes);
    memset(buf + off + bytes, 0, frame_bytes - off - bytes);
    return frame_bytes;
}
