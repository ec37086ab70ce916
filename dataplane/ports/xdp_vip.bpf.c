/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which frames of a shared interface are Postern's: anything to a VIP (fragments too), ARP and neighbour discovery
 * about a VIP, UDP to the port in pn_control at an address in pn_addrs, and VRRP where wanted. One 802.1Q tag is looked
 * through. All else stays the kernel's.
 *
 * Postern's frames are dropped while no AF_XDP socket takes them (postern-dp died): the kernel, which may hold the
 * VIP for a local mail server, must never answer in its stead.
 */
#include <linux/bpf.h>
#include <linux/icmpv6.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "xdp_vip.h"

#define IPPROTO_VRRP 112

struct {
    __uint(type, BPF_MAP_TYPE_XSKMAP);
    __uint(max_entries, PN_XDP_QUEUES_MAX);
    __type(key, __u32);
    __type(value, __u32);
} xsks_map SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, PN_XDP_VIPS_MAX);
    __type(key, struct pn_xdp_vip_key);
    __type(value, struct pn_xdp_vip_value);
} pn_vips SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, PN_XDP_ADDRS_MAX);
    __type(key, struct pn_xdp_vip_key);
    __type(value, struct pn_xdp_vip_value);
} pn_addrs SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct pn_xdp_control);
} pn_control SEC(".maps");

struct vlan_tag {
    __be16 tci;
    __be16 proto;
};

struct arp_ether_ipv4 {
    __be16 hrd, pro;
    __u8 hln, pln;
    __be16 op;
    __u8 sha[ETH_ALEN];
    __u8 spa[4];
    __u8 tha[ETH_ALEN];
    __u8 tpa[4];
} __attribute__((packed));

static __always_inline struct pn_xdp_vip_key key_v4(const void *v4)
{
    struct pn_xdp_vip_key key = {.addr = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}};
    __builtin_memcpy(&key.addr[12], v4, 4);
    return key;
}

static __always_inline struct pn_xdp_vip_key key_v6(const void *v6)
{
    struct pn_xdp_vip_key key;
    __builtin_memcpy(key.addr, v6, 16);
    return key;
}

static __always_inline int vip_known_v4(const void *v4)
{
    struct pn_xdp_vip_key key = key_v4(v4);
    return bpf_map_lookup_elem(&pn_vips, &key) != NULL;
}

static __always_inline int vip_known_v6(const void *v6)
{
    struct pn_xdp_vip_key key = key_v6(v6);
    return bpf_map_lookup_elem(&pn_vips, &key) != NULL;
}

/* VRRP to its group, or UDP to the control plane's port at one of its addresses. */
static __always_inline int control_is_ours(const struct pn_xdp_vip_key *dst, __u8 proto, int vrrp_group, const void *l4,
                                           const void *end)
{
    __u32 zero = 0;
    const struct pn_xdp_control *control = bpf_map_lookup_elem(&pn_control, &zero);
    const struct udphdr *udp = l4;
    if (!control)
        return 0;
    if (proto == IPPROTO_VRRP)
        return control->vrrp && vrrp_group;
    if (proto != IPPROTO_UDP || (const void *)(udp + 1) > end || !control->udp_port_be ||
        udp->dest != control->udp_port_be)
        return 0;
    return bpf_map_lookup_elem(&pn_addrs, dst) != NULL;
}

static __always_inline int arp_is_ours(const void *l3, const void *end)
{
    const struct arp_ether_ipv4 *arp = l3;
    if ((const void *)(arp + 1) > end || arp->pro != bpf_htons(ETH_P_IP) || arp->pln != 4 || arp->hln != ETH_ALEN)
        return 0;
    if (vip_known_v4(arp->tpa))
        return 1;
    /* An answer to a probe of ours. Others are for the kernel, which may want to talk to the VIP's owner. */
    __u32 target;
    __builtin_memcpy(&target, arp->tpa, 4);
    return arp->op == bpf_htons(2) && target == 0 && vip_known_v4(arp->spa);
}

static __always_inline int ipv4_is_ours(const void *l3, const void *end)
{
    const struct iphdr *ip = l3;
    if ((const void *)(ip + 1) > end)
        return 0;
    if (vip_known_v4(&ip->daddr))
        return 1;
    if ((ip->protocol != IPPROTO_UDP && ip->protocol != IPPROTO_VRRP) || (ip->frag_off & bpf_htons(0x3fff)) ||
        ip->ihl < 5)
        return 0;
    struct pn_xdp_vip_key dst = key_v4(&ip->daddr);
    return control_is_ours(&dst, ip->protocol, ip->daddr == bpf_htonl(0xe0000012), l3 + ip->ihl * 4, end);
}

static __always_inline int ipv6_is_ours(const void *l3, const void *end)
{
    const struct ipv6hdr *ip6 = l3;
    if ((const void *)(ip6 + 1) > end)
        return 0;
    if (vip_known_v6(&ip6->daddr))
        return 1;
    if (ip6->nexthdr == IPPROTO_UDP || ip6->nexthdr == IPPROTO_VRRP) {
        struct pn_xdp_vip_key dst = key_v6(&ip6->daddr);
        const __u32 *d = ip6->daddr.in6_u.u6_addr32;
        int group = d[0] == bpf_htonl(0xff020000) && !d[1] && !d[2] && d[3] == bpf_htonl(0x12);
        return control_is_ours(&dst, ip6->nexthdr, group, ip6 + 1, end);
    }
    if (ip6->nexthdr != IPPROTO_ICMPV6)
        return 0;

    /* Solicitations for a VIP come to its solicited-node group, which other addresses may share: the target decides. */
    const struct icmp6hdr *icmp6 = (const void *)(ip6 + 1);
    const __u8 *target = (const void *)(icmp6 + 1);
    if ((const void *)(target + 16) > end)
        return 0;
    if (icmp6->icmp6_type != 135 && icmp6->icmp6_type != 136)
        return 0;
    return vip_known_v6(target);
}

SEC("xdp")
int pn_xdp_vip(struct xdp_md *ctx)
{
    const void *data = (void *)(long)ctx->data;
    const void *end = (void *)(long)ctx->data_end;
    const struct ethhdr *eth = data;
    if ((const void *)(eth + 1) > end)
        return XDP_PASS;

    const void *l3 = eth + 1;
    __be16 proto = eth->h_proto;
    if (proto == bpf_htons(ETH_P_8021Q)) {
        const struct vlan_tag *tag = l3;
        if ((const void *)(tag + 1) > end)
            return XDP_PASS;
        proto = tag->proto;
        l3 = tag + 1;
    }

    int ours = 0;
    if (proto == bpf_htons(ETH_P_IP))
        ours = ipv4_is_ours(l3, end);
    else if (proto == bpf_htons(ETH_P_IPV6))
        ours = ipv6_is_ours(l3, end);
    else if (proto == bpf_htons(ETH_P_ARP))
        ours = arp_is_ours(l3, end);

    return ours ? bpf_redirect_map(&xsks_map, ctx->rx_queue_index, XDP_DROP) : XDP_PASS;
}

char _license[] SEC("license") = "BSD-3-Clause";
