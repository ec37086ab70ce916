/* SPDX-License-Identifier: BSD-3-Clause */
/* What the XDP program and postern-dp agree on: names and shapes of the maps. Included by both. */
#ifndef POSTERN_PORTS_XDP_VIP_H
#define POSTERN_PORTS_XDP_VIP_H

#include <linux/types.h>

#define PN_XDP_PROGRAM "pn_xdp_vip" /* function name: how a program left by a killed predecessor is recognised */
#define PN_XDP_MAP_VIPS "pn_vips"
#define PN_XDP_MAP_CONTROL "pn_control"
#define PN_XDP_MAP_ADDRS "pn_addrs"
#define PN_XDP_MAP_XSKS "xsks_map" /* the name DPDK's AF_XDP driver looks for */

#define PN_XDP_VIPS_MAX 64
#define PN_XDP_ADDRS_MAX 16
#define PN_XDP_QUEUES_MAX 64

/* An address as struct pn_addr keeps it: IPv6, or IPv4 in its mapped form. */
struct pn_xdp_vip_key {
    __u8 addr[16];
};

/* The one element of the map pn_control. */
struct pn_xdp_control {
    __u16 udp_port_be; /* 0: none */
    __u8 vrrp; /* 1: IP protocol 112 to 224.0.0.18 and ff02::12 too */
    __u8 reserved;
};

struct pn_xdp_vip_value {
    __u16 vip; /* vip.id, for people who dump the map */
    __u16 reserved;
};

#endif
