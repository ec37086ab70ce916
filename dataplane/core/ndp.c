/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/core/ndp.h"

#include "dataplane/core/parse.h"

#define IP6_BYTES 40u
#define NDP_BYTES 24u /* ICMPv6 header, reserved or flags, target */
#define LLADDR_BYTES 8u
#define OPT_SOURCE_LLADDR 1u
#define OPT_TARGET_LLADDR 2u

static const struct pn_addr all_nodes = {.b = {0xff, 0x02, [15] = 1}};
static const struct pn_addr unspecified;

static bool addr_is_multicast(const struct pn_addr *a)
{
    return a->b[0] == 0xff;
}

struct pn_addr pn_ndp_solicited_node(const struct pn_addr *target)
{
    struct pn_addr a = {.b = {0xff, 0x02, [11] = 1, 0xff}};

    memcpy(a.b + 13, target->b + 13, 3);
    return a;
}

struct pn_addr pn_ndp_link_local(const struct pn_mac *mac)
{
    const uint8_t *m = mac->b;
    struct pn_addr a = {
        .b = {0xfe, 0x80, [8] = m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]},
    };
    return a;
}

/* RFC 2464, 7: 33:33 and the last four bytes. */
static struct pn_mac multicast_mac(const struct pn_addr *group)
{
    struct pn_mac mac = {{0x33, 0x33, group->b[12], group->b[13], group->b[14], group->b[15]}};
    return mac;
}

static bool parse_options(const uint8_t *opt, uint32_t bytes, uint8_t wanted, struct pn_ndp *ndp)
{
    while (bytes > 0) {
        uint32_t opt_bytes = bytes >= 2 ? (uint32_t)opt[1] * 8 : 0;
        if (opt_bytes == 0 || opt_bytes > bytes)
            return false;
        if (opt[0] == wanted && !ndp->has_mac) {
            memcpy(ndp->mac.b, opt + 2, 6);
            bool zero = (opt[2] | opt[3] | opt[4] | opt[5] | opt[6] | opt[7]) == 0;
            if (opt_bytes != LLADDR_BYTES || (opt[2] & 1) || zero)
                return false;
            ndp->has_mac = true;
        }
        opt += opt_bytes;
        bytes -= opt_bytes;
    }
    return true;
}

bool pn_ndp_parse(const uint8_t *frame, uint32_t contiguous, const struct pn_pkt *p, struct pn_ndp *ndp)
{
    const uint8_t *ip = frame + p->l3_off, *nd = frame + p->l4_off;
    uint32_t nd_bytes = p->l3_off + pn_pkt_ip_bytes(frame, p) - p->l4_off;

    memset(ndp, 0, sizeof(*ndp));
    if (nd_bytes < NDP_BYTES || p->l4_off + nd_bytes > contiguous)
        return false;
    memcpy(ndp->src.b, ip + 8, 16);
    memcpy(ndp->dst.b, ip + 24, 16);
    memcpy(ndp->target.b, nd + 8, 16);
    ndp->type = nd[0];
    if (ip[7] != 255 || nd[1] != 0 || (ndp->type != PN_NDP_SOLICIT && ndp->type != PN_NDP_ADVERT))
        return false;
    uint64_t sum = pn_csum_pseudo6(ip + 8, ip + 24, nd_bytes, PN_IP_ICMPV6);
    if (!pn_csum_ok(pn_csum_add(sum, nd, nd_bytes)))
        return false;
    if (addr_is_multicast(&ndp->target) || ndp->target.q[0] == 0 || addr_is_multicast(&ndp->src))
        return false;

    bool solicit = ndp->type == PN_NDP_SOLICIT;
    if (!parse_options(nd + NDP_BYTES, nd_bytes - NDP_BYTES, solicit ? OPT_SOURCE_LLADDR : OPT_TARGET_LLADDR, ndp))
        return false;
    if (!solicit) {
        ndp->flags = nd[4] & (PN_NDP_ROUTER | PN_NDP_SOLICITED | PN_NDP_OVERRIDE);
        return ndp->src.q[0] != 0 && !(addr_is_multicast(&ndp->dst) && (ndp->flags & PN_NDP_SOLICITED));
    }
    ndp->dad = pn_addr_is_zero(&ndp->src);
    if (ndp->dad) {
        struct pn_addr group = pn_ndp_solicited_node(&ndp->target);
        return pn_addr_equal(&ndp->dst, &group) && !ndp->has_mac;
    }
    return ndp->src.q[0] != 0;
}

static uint32_t write_ether(uint8_t *buf, const struct pn_mac *dst, const struct pn_mac *src, uint16_t vlan)
{
    uint16_t tag[2] = {htobe16(PN_ETHERTYPE_VLAN), htobe16(vlan)}, type = htobe16(PN_ETHERTYPE_IPV6);
    uint32_t l3_off = vlan ? PN_ETHER_BYTES + PN_VLAN_BYTES : PN_ETHER_BYTES;

    memcpy(buf, dst->b, 6);
    memcpy(buf + 6, src->b, 6);
    if (vlan)
        memcpy(buf + 12, tag, 4);
    memcpy(buf + l3_off - 2, &type, 2);
    return l3_off;
}

/* IPv6 header and message at ip; option 0: none. Returns the bytes written. */
static uint32_t write_message(uint8_t *ip, const struct pn_addr *src, const struct pn_addr *dst, uint8_t type,
                              uint8_t flags, const struct pn_addr *target, uint8_t option, const struct pn_mac *mac)
{
    uint8_t *nd = ip + IP6_BYTES;
    uint32_t nd_bytes = NDP_BYTES + (option ? LLADDR_BYTES : 0);

    memset(ip, 0, IP6_BYTES + nd_bytes);
    ip[0] = 0x60;
    ip[5] = (uint8_t)nd_bytes;
    ip[6] = PN_IP_ICMPV6;
    ip[7] = 255;
    memcpy(ip + 8, src->b, 16);
    memcpy(ip + 24, dst->b, 16);
    nd[0] = type;
    nd[4] = flags;
    memcpy(nd + 8, target->b, 16);
    if (option) {
        nd[NDP_BYTES] = option;
        nd[NDP_BYTES + 1] = 1;
        memcpy(nd + NDP_BYTES + 2, mac->b, 6);
    }
    uint64_t sum = pn_csum_pseudo6(ip + 8, ip + 24, nd_bytes, PN_IP_ICMPV6);
    uint16_t csum = pn_csum_finish(pn_csum_add(sum, nd, nd_bytes));
    memcpy(nd + 2, &csum, 2);
    return IP6_BYTES + nd_bytes;
}

uint32_t pn_ndp_reply(uint8_t *frame, uint32_t room, const struct pn_pkt *p, const struct pn_ndp *ndp,
                      const struct pn_mac *mac)
{
    const struct pn_addr *to = ndp->dad ? &all_nodes : &ndp->src;
    uint8_t flags = PN_NDP_OVERRIDE | (ndp->dad ? 0 : PN_NDP_SOLICITED);
    struct pn_mac to_mac;

    if (room < p->l3_off + IP6_BYTES + NDP_BYTES + LLADDR_BYTES)
        return 0;
    if (ndp->dad)
        to_mac = multicast_mac(&all_nodes);
    else if (ndp->has_mac)
        to_mac = ndp->mac;
    else
        memcpy(to_mac.b, frame + 6, 6);
    memcpy(frame, to_mac.b, 6);
    memcpy(frame + 6, mac->b, 6);
    return p->l3_off + write_message(frame + p->l3_off, &ndp->target, to, PN_NDP_ADVERT, flags, &ndp->target,
                                     OPT_TARGET_LLADDR, mac);
}

uint32_t pn_ndp_build_solicit(uint8_t *buf, uint32_t size, const struct pn_mac *src, const struct pn_mac *dst,
                              uint16_t vlan, const struct pn_addr *src_addr, const struct pn_addr *target)
{
    bool probe = pn_addr_is_zero(src_addr);
    struct pn_addr group = pn_ndp_solicited_node(target);
    struct pn_mac group_mac = multicast_mac(&group);
    /* From the unspecified address only the multicast form is valid (RFC 4861 7.1.1), the frame may be unicast. */
    const struct pn_addr *to = dst != NULL && !probe ? target : &group;

    if (size < PN_NDP_FRAME_MAX)
        return 0;
    uint32_t l3_off = write_ether(buf, dst != NULL ? dst : &group_mac, src, vlan);
    return l3_off + write_message(buf + l3_off, probe ? &unspecified : src_addr, to, PN_NDP_SOLICIT, 0, target,
                                  probe ? 0 : OPT_SOURCE_LLADDR, src);
}

uint32_t pn_ndp_build_announcement(uint8_t *buf, uint32_t size, const struct pn_mac *mac, uint16_t vlan,
                                   const struct pn_addr *vip)
{
    struct pn_mac group_mac = multicast_mac(&all_nodes);

    if (size < PN_NDP_FRAME_MAX)
        return 0;
    uint32_t l3_off = write_ether(buf, &group_mac, mac, vlan);
    return l3_off +
           write_message(buf + l3_off, vip, &all_nodes, PN_NDP_ADVERT, PN_NDP_OVERRIDE, vip, OPT_TARGET_LLADDR, mac);
}
