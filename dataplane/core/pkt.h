/* SPDX-License-Identifier: BSD-3-Clause */
/* What the stages know of one packet. One cache line, filled by parse and classify, read by all that follow. */
#ifndef POSTERN_CORE_PKT_H
#define POSTERN_CORE_PKT_H

#include "postern/counters.h"
#include "postern/types.h"

/* Where a packet goes next. Stages take only what stands at their own edge; PN_EDGE_DONE carries its counter. */
enum pn_edge {
    PN_EDGE_FLOW = 0, /* TCP to a service: flow lookup (the straight way through) */
    PN_EDGE_STEER, /* flow unknown or to be chosen anew */
    PN_EDGE_REWRITE, /* gateway known */
    PN_EDGE_ARP,
    PN_EDGE_NDP,
    PN_EDGE_ICMP, /* ICMP or ICMPv6 to a VIP */
    PN_EDGE_FRAGMENT, /* fragment of a datagram to a VIP */
    PN_EDGE_HOST, /* not for a VIP: the host's, through the exception port */
    PN_EDGE_HELD, /* kept by a stage (neighbour, fragment queue, handoff); no longer in this batch */
    PN_EDGE_TX, /* rewritten in place, leaves through out_port */
    PN_EDGE_DROP, /* counter says why */
    PN_EDGE_PARSE, /* as received */
    PN_EDGE_COUNT
};

#define PN_COUNTER_NONE UINT16_MAX /* no verdict (yet) */

#define PN_TCP_FIN 0x01u
#define PN_TCP_SYN 0x02u
#define PN_TCP_RST 0x04u
#define PN_TCP_ACK 0x10u

#define PN_TRACE_FLOW_HIT 0x01u /* the flow table knew it */
#define PN_TRACE_STEERED 0x02u /* the steer stage chose a gateway */

struct pn_pkt {
    uint64_t client[2]; /* source address as struct pn_addr (for ICMP errors: the quoted flow's client) */
    uint64_t hash; /* pn_flow_hash of (client, port_svc) */
    uint32_t port_svc; /* client port (host order) << 16 | service.id: with client the flow key */
    uint16_t counter; /* enum pn_counter, once the end is known */
    uint16_t gateway; /* gateway.id or PN_ID_NONE */
    uint16_t vip; /* vip.id or PN_ID_NONE */
    uint16_t frame_bytes;
    uint8_t edge; /* enum pn_edge */
    uint8_t tcp_flags;
    uint8_t l3_off; /* bytes from the frame's start to the IP header: 14 or 18 */
    uint8_t l4_off; /* to the TCP/ICMP header, all IP options and extension headers passed */
    uint8_t ip_proto;
    uint8_t is_v6;
    uint8_t in_port;
    uint8_t out_port;
    uint16_t vlan; /* VID, 0 untagged */
    uint16_t l4_dst; /* destination port, host order */
    uint8_t flow_state; /* after lookup, for trace */
    uint8_t flow_flags;
    uint8_t trace; /* PN_TRACE_* bits of the stages passed */
    uint8_t tx_counter; /* enum pn_counter of kind T this packet ends in if the port takes it */
} __attribute__((aligned(64)));

/* flow_state, flow_flags, trace and tx_counter at once: four narrow stores cost as much as four wide ones. */
static inline void pn_pkt_note(struct pn_pkt *k, uint8_t flow_state, uint8_t flow_flags, uint8_t trace,
                               uint8_t tx_counter)
{
    const uint8_t all[4] = {flow_state, flow_flags, trace, tx_counter};
    uint32_t word;
    memcpy(&word, all, sizeof(word));
    memcpy(&k->flow_state, &word, sizeof(word));
}

_Static_assert(sizeof(struct pn_pkt) == 64, "one cache line");
_Static_assert(PN_C_COUNT <= 255, "tx_counter is one byte");

#endif
