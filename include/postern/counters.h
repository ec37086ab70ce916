/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every packet that the dataplane receives ends in exactly one of these, `<stage>_<reason>`. Kinds:
 *   T  sent on (forwarded or answered in place)     P  handed to the host or consumed by the node itself
 *   D  dropped                                      -  an event beside the packets' own ends
 * Identity, tested: rx_packets = sum(T) + sum(D) + sum(P) + held (gauge: waiting for a neighbour or fragment).
 * A new counter is one row here; names reach users through `postern stats` and Prometheus.
 */
#ifndef POSTERN_COUNTERS_H
#define POSTERN_COUNTERS_H

/* clang-format off */
#define PN_COUNTERS(X) \
    X(TX_FORWARD,            T, "tx_forward",            "packets of known or new flows sent to a gateway") \
    X(TX_LOCAL,              T, "tx_local",              "packets delivered to this node's own kernel") \
    X(TX_FRAGMENT,           T, "tx_fragment",           "IP fragments sent to their flow's gateway") \
    X(TX_ICMP_ERROR,         T, "tx_icmp_error",         "ICMP errors sent to the gateway of the flow they quote") \
    X(TX_HOST,               T, "tx_host",               "packets of the host sent out for it (exception port)") \
    X(ARP_REPLIED,           T, "arp_replied",           "ARP requests for an owned VIP answered") \
    X(NDP_REPLIED,           T, "ndp_replied",           "neighbour solicitations for an owned VIP answered") \
    X(ICMP_ECHOED,           T, "icmp_echoed",           "ICMP and ICMPv6 echo requests to an owned VIP answered") \
    X(FILTER_RESET,          T, "filter_reset",          "new flows of clients in the block list answered with a TCP reset") \
    X(PUNT_HOST,             P, "punt_host",             "packets given to the host through the exception port") \
    X(PUNT_NEIGHBOUR,        P, "punt_neighbour",        "ARP and NDP answers taken up by the neighbour table") \
    X(PUNT_CONTROL,          P, "punt_control",          "heartbeats, flow sync and VRRP taken for posternd") \
    X(PARSE_TRUNCATED,       D, "parse_truncated",       "frame shorter than the headers or lengths it announces") \
    X(PARSE_ETHERTYPE,       D, "parse_ethertype",       "EtherType that nobody here takes") \
    X(PARSE_VLAN,            D, "parse_vlan",            "more VLAN tags than one, or a tag cut short") \
    X(PARSE_IP_VERSION,      D, "parse_ip_version",      "IP version does not match the EtherType") \
    X(PARSE_IP_HEADER,       D, "parse_ip_header",       "IP header length or total length impossible") \
    X(PARSE_IP_CHECKSUM,     D, "parse_ip_checksum",     "IPv4 header checksum wrong") \
    X(PARSE_ETHER_GROUP,     D, "parse_ether_group",     "unicast packet in a broadcast or multicast frame (RFC 1122 3.3.6)") \
    X(PARSE_IP_SOURCE,       D, "parse_ip_source",       "source address is multicast, broadcast, loopback or unspecified") \
    X(PARSE_IP6_EXTENSION,   D, "parse_ip6_extension",   "IPv6 extension headers too many or malformed") \
    X(PARSE_L4_HEADER,       D, "parse_l4_header",       "TCP, UDP or ICMP header malformed") \
    X(PARSE_TCP_FLAGS,       D, "parse_tcp_flags",       "TCP flags that no valid segment has (SYN+FIN, SYN+RST, none)") \
    X(CLASSIFY_NOT_OURS,     D, "classify_not_ours",     "no VIP here and no exception port to give it to") \
    X(CLASSIFY_NO_SERVICE,   D, "classify_no_service",   "to a VIP, but no service on that protocol and port") \
    X(CLASSIFY_OTHER_MAC,    D, "classify_other_mac",    "to a VIP, but the frame is addressed to another station (flooded by a switch)") \
    X(CLASSIFY_NO_SNAPSHOT,  D, "classify_no_snapshot",  "no configuration received yet") \
    X(CONTROL_MALFORMED,     D, "control_malformed",     "control packet that is malformed, too long, or has not TTL or hop limit 255") \
    X(CONTROL_LIMITED,       D, "control_limited",       "heartbeat, flow sync or VRRP beyond what its sender may take") \
    X(CONTROL_REPEATED,      D, "control_repeated",      "heartbeat or flow sync of a peer that came before, bit by bit") \
    X(CONTROL_QUEUE_FULL,    D, "control_queue_full",    "control packet beyond what waits for the main lcore") \
    X(ANSWER_EXPIRED,        D, "answer_expired",        "answer for a VIP whose lease ended before it could be sent") \
    X(ARP_MALFORMED,         D, "arp_malformed",         "ARP packet with wrong sizes or impossible addresses") \
    X(ARP_NOT_OURS,          D, "arp_not_ours",          "ARP for an address that is no VIP here") \
    X(ARP_NO_LEASE,          D, "arp_no_lease",          "ARP request for a VIP without a valid lease") \
    X(NDP_MALFORMED,         D, "ndp_malformed",         "neighbour discovery packet that RFC 4861 7.1 says to drop") \
    X(NDP_NOT_OURS,          D, "ndp_not_ours",          "neighbour solicitation for an address that is no VIP here") \
    X(NDP_NO_LEASE,          D, "ndp_no_lease",          "neighbour solicitation for a VIP without a valid lease") \
    X(ICMP_MALFORMED,        D, "icmp_malformed",        "ICMP message too short or checksum wrong") \
    X(ICMP_IGNORED,          D, "icmp_ignored",          "ICMP type to a VIP that is neither echo nor an error we relay") \
    X(ICMP_NO_FLOW,          D, "icmp_no_flow",          "ICMP error that quotes no service of ours") \
    X(ICMP_NO_LEASE,         D, "icmp_no_lease",         "ICMP echo to a VIP without a valid lease") \
    X(FRAG_NO_FIRST,         D, "frag_no_first",         "fragment whose first fragment did not come in time") \
    X(FRAG_TABLE_FULL,       D, "frag_table_full",       "fragment without room in the fragment table or its queue") \
    X(FRAG_MALFORMED,        D, "frag_malformed",        "fragment that overlaps the header or is impossibly placed (RFC 1858)") \
    X(FILTER_BLOCKED,        D, "filter_blocked",        "new flows of clients in the block list dropped") \
    X(STEER_NO_LEASE,        D, "steer_no_lease",        "new flow, or grace time over, on a VIP without a valid lease") \
    X(STEER_NO_GATEWAY,      D, "steer_no_gateway",      "no tier has a healthy gateway") \
    X(STEER_NOT_SYN,         D, "steer_not_syn",         "RST of a flow we do not know") \
    X(REWRITE_NO_NEIGHBOUR,  D, "rewrite_no_neighbour",  "gateway's MAC address unknown and resolution failed") \
    X(REWRITE_QUEUE_FULL,    D, "rewrite_queue_full",    "gateway's MAC address unknown and its wait queue full") \
    X(REWRITE_NO_ROOM,       D, "rewrite_no_room",       "no room in the packet's buffer for the VLAN tag of its gateway") \
    X(REWRITE_NO_LOCAL,      D, "rewrite_no_local",      "gateway is local, but there is no local delivery port") \
    X(HANDOFF_FULL,          D, "handoff_full",          "queue to the worker that may know the flow full") \
    X(TX_QUEUE_FULL,         D, "tx_queue_full",         "the port took no more packets") \
    X(RX_MISSED,             E, "rx_missed",             "packets that a port lost because its receive queue was full") \
    X(RX_NO_BUFFER,          E, "rx_no_buffer",          "times that a port had no buffer for what came") \
    X(FLOW_NEW,              E, "flow_new",              "flows entered") \
    X(FLOW_ESTABLISHED,      E, "flow_established",      "flows that became established") \
    X(FLOW_PICKED_UP,        E, "flow_picked_up",        "flows taken up in the middle") \
    X(FLOW_CLOSED,           E, "flow_closed",           "flows that ended by FIN or RST") \
    X(FLOW_EXPIRED,          E, "flow_expired",          "established flows that ended idle") \
    X(FLOW_SYN_EXPIRED,      E, "flow_syn_expired",      "half-open flows that ended without an ACK") \
    X(FLOW_SYN_RETRY,        E, "flow_syn_retry",        "SYNs repeated on a half-open flow") \
    X(FLOW_RESTEERED,        E, "flow_resteered",        "half-open flows moved off a gateway that went away") \
    X(FLOW_STATELESS,        E, "flow_stateless",        "packets steered without an entry because the table was full") \
    X(FLOW_EVICTED,          E, "flow_evicted",          "half-open flows pushed out by newer ones") \
    X(STEER_SPILLED,         E, "steer_spilled",         "new flows spilled to a later tier") \
    X(FILTER_WELCOMED,       E, "filter_welcomed",       "new flows of clients in the welcome list") \
    X(NEIGHBOUR_QUEUED,      E, "neighbour_queued",      "packets that waited for a gateway's MAC address") \
    X(FRAG_HELD,             E, "frag_held",             "fragments that waited for their first one") \
    X(HANDOFF_SENT,          E, "handoff_sent",          "fragments and ICMP errors passed to another worker") \
    X(STEER_HANDED_OVER,     E, "steer_handed_over",     "flows that the owner handed over to this node's own gateway") \
    X(LEASE_STARTED,         E, "lease_started",         "leases that began") \
    X(LEASE_RELEASED,        E, "lease_released",        "leases given up") \
    X(LEASE_EXPIRED,         E, "lease_expired",         "leases that ended because nobody renewed them") \
    X(CONTROL_SENT,          E, "control_sent",          "control packets of posternd sent") \
    X(CONTROL_UNREAD,        E, "control_unread",        "packets and notices for posternd that it did not take in time") \
    X(PROBE_SENT,            E, "probe_sent",            "probes for VIPs sent") \
    X(PROBE_ANSWER,          E, "probe_answer",          "packets of somebody else who answers for a VIP that is not leased here") \
    X(PROBE_RIVAL,           E, "probe_rival",           "probes of somebody else for a VIP that is not leased here") \
    X(PROBE_CONFLICT,        E, "probe_conflict",        "packets of somebody else who answers for a VIP that is leased here") \
    X(SYNC_SENT,             E, "sync_sent",             "flows sent to the peers") \
    X(SYNC_DROPPED,          E, "sync_dropped",          "flows that could not be sent to the peers at once; the next refresh brings them") \
    X(SYNC_TAKEN,            E, "sync_taken",            "flows of peers entered, changed or ended in this node's tables, each worker's") \
    X(SYNC_REFUSED,          E, "sync_refused",          "flows of peers not entered: known here, no room, or unknown gateway") \
    X(FLOW_TAKEN_OVER,       E, "flow_taken_over",       "flows of peers, or set aside, whose packets now come here") \
    X(FLOW_SET_ASIDE,        E, "flow_set_aside",        "established flows of a gateway that was down, silent since: counted no more until their next packet") \
    X(GEN_ARP_REQUEST,       E, "gen_arp_request",       "ARP requests sent to find gateways") \
    X(GEN_NDP_SOLICIT,       E, "gen_ndp_solicit",       "neighbour solicitations sent to find gateways") \
    X(GEN_GARP,              E, "gen_garp",              "gratuitous ARP announcements sent") \
    X(GEN_UNSOLICITED_NA,    E, "gen_unsolicited_na",    "unsolicited neighbour advertisements sent") \
    X(GEN_MEMBERSHIP,        E, "gen_membership",        "reports of multicast membership sent") \
    X(GEN_DROPPED,           E, "gen_dropped",           "announcements and requests of our own that the port did not take")
/* clang-format on */

enum pn_counter {
#define PN_COUNTER_ENUM(id, kind, name, help) PN_C_##id,
    PN_COUNTERS(PN_COUNTER_ENUM)
#undef PN_COUNTER_ENUM
        PN_C_COUNT
};

struct pn_counter_info {
    const char *name;
    const char *help;
    char kind; /* 'T', 'P', 'D', or 'E' (an event beside the packets' own ends) */
};

extern const struct pn_counter_info pn_counter_info[PN_C_COUNT]; /* common/counters.c */

#endif
