/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages between posternd and postern-dp: a UNIX stream socket (default /run/postern/dp.sock, 0600).
 * posternd asks, postern-dp answers each request with one reply of the same type and seq, in order.
 * Unasked messages (seq 0, which requests on that connection should not use) go to the connection that sent the newest
 * PN_DP_CONTROL, between replies, never inside one. They wait in a bounded queue; when it is full the oldest goes and is
 * counted as control_unread (flows: sync_dropped). Flows wait until there is room.
 * Host byte order. A message with a bad length or type is answered with PN_DP_STATUS_*, or the
 * connection is closed with a log line and a counter; postern-dp never exits for it.
 */
#ifndef POSTERN_DPAPI_H
#define POSTERN_DPAPI_H

#include "postern/snapshot.h"
#include "postern/types.h"

#define PN_DPAPI_VERSION 1u
#define PN_DPAPI_MAX_BYTES (PN_SNAPSHOT_MAX_BYTES + 4096u) /* header included */

enum pn_dp_type {
    PN_DP_HELLO = 1, /* -> empty;                 <- struct pn_dp_hello */
    PN_DP_SNAPSHOT_PUT = 2, /* -> snapshot message;      <- empty, or error text */
    PN_DP_SNAPSHOT_GET = 3, /* -> empty;                 <- the running snapshot, empty if there is none */
    PN_DP_LEASE = 4, /* -> pn_dp_lease[n], n<=64; <- empty. BUSY: taken, but a worker has not come round since */
    PN_DP_FLOWS = 5, /* -> pn_dp_flows_query;     <- pn_dp_flows_head, pn_dp_flow[n] */
    PN_DP_EXPLAIN = 6, /* -> pn_dp_explain_query;   <- pn_dp_explain */
    PN_DP_TRACE_START = 7, /* -> pn_dp_trace_query;     <- empty (replaces a running trace) */
    PN_DP_TRACE_READ = 8, /* -> empty;                 <- pn_dp_trace_record[n], those since the last read */
    PN_DP_NEIGHBOURS = 9, /* -> empty;                 <- pn_dp_neighbour[n] */
    PN_DP_PORTS = 10, /* -> empty;                 <- pn_dp_port[n] */
    PN_DP_CONTROL = 11, /* -> pn_dp_control;          <- empty. Replaces the one before; unasked messages come here */
    PN_DP_PACKET_TX = 12, /* -> pn_dp_packet, L3 packet; <- empty. Sent at once, see below */
    PN_DP_PACKET_RX = 13, /* unasked: <- pn_dp_packet, L3 packet */
    PN_DP_PROBE = 14, /* -> pn_dp_vip_ref;          <- empty. One ARP probe (RFC 5227) or DAD NS (RFC 4862) leaves */
    PN_DP_PROBE_SEEN = 15, /* unasked: <- pn_dp_probe_seen */
    PN_DP_ANNOUNCE = 16, /* -> pn_dp_vip_ref;          <- empty. Announcements start anew; refused without a lease */
    PN_DP_FLOWS_OUT =
        17, /* unasked, if heartbeat_udp_port: <- pn_dp_flow[n], n <= PN_DP_FLOWS_OUT_MAX; 0 ends a resync */
    PN_DP_FLOWS_IN = 18, /* -> pn_dp_flow[n], 1 <= n <= PN_DP_FLOWS_IN_MAX; <- empty; BUSY: none taken, come again */
    PN_DP_FLOWS_RESYNC = 19, /* -> empty;                  <- empty. All own flows come as FLOWS_OUT again, see there */
    PN_DP_FILTER_BEGIN =
        20, /* -> pn_dp_filter_begin;     <- empty. A new set is collected; one begun before is dropped */
    PN_DP_FILTER_ADD = 21, /* -> pn_dp_filter_add, pn_dp_prefix[n], 1 <= n <= PN_DP_PREFIXES_MAX; <- empty */
    PN_DP_FILTER_COMMIT = 22, /* -> pn_dp_filter_commit;    <- empty: being built. BUSY: come again */
    PN_DP_FILTER_PATCH =
        23, /* -> pn_dp_filter_patch, pn_dp_prefix[n], n <= PN_DP_PREFIXES_MAX; <- empty. BUSY: as above */
    PN_DP_FILTER_GET = 24, /* -> empty;                  <- pn_dp_filter */
    PN_DP_FILTER_ASK = 25, /* -> pn_dp_filter_query;     <- pn_dp_filter_answer */
    PN_DP_LISTEN = 26, /* -> pn_dp_listen;           <- pn_dp_listened */
    PN_DP_LEAVING =
        27, /* unasked, empty: stops once all leases are given up and traffic has moved, after a second at the
                           latest; after 100 ms if none is given up */
    PN_DP_TYPE_COUNT
};

enum pn_dp_status {
    PN_DP_STATUS_OK = 0,
    PN_DP_STATUS_BAD_MESSAGE = 1, /* length or field out of range; payload: error text */
    PN_DP_STATUS_REJECTED = 2, /* understood, refused; payload: error text */
    PN_DP_STATUS_BUSY = 3, /* a worker did not answer in time; ask again */
};

struct pn_dp_header {
    uint32_t bytes; /* whole message, this header included */
    uint16_t type; /* enum pn_dp_type */
    uint16_t status; /* enum pn_dp_status in replies, 0 in requests */
    uint32_t seq; /* chosen by the asker, echoed */
    uint32_t reserved;
};

struct pn_dp_hello {
    uint32_t api_version;
    uint32_t pid;
    uint64_t started_boottime_ns;
    uint64_t generation; /* of the running snapshot; 0: none */
    uint16_t n_workers;
    uint16_t n_ports;
    uint32_t flows_max; /* entries one worker's table can hold */
    char stats_path[108]; /* the shared-memory segment, stats.h */
    char version[20];
};

/*
 * Leave to answer for a VIP until deadline, CLOCK_BOOTTIME nanoseconds; 0 gives it up at once.
 * A deadline earlier than the one held is taken only with PN_DP_LEASE_SHORTEN. The dataplane never renews by itself.
 * Requests of one connection are carried out in order. Before the next one begins every worker has stopped answering
 * ARP and NDP for a VIP given up.
 */
#define PN_DP_LEASE_SHORTEN 0x0001u
#define PN_DP_FORWARD_MAX_MS 600000u
struct pn_dp_lease {
    uint16_t vip; /* vip.id */
    uint16_t flags;
    uint32_t forward_ms; /* with deadline 0: known and new flows are still forwarded and echo is answered for this long
                            (a planned release); <= PN_DP_FORWARD_MAX_MS; 0 with any other deadline */
    uint64_t deadline_boottime_ns;
};

struct pn_dp_flows_query {
    struct pn_addr client; /* with prefix_len: only clients in that network; prefix 0: all */
    uint8_t prefix_len; /* of the 128-bit form (IPv4: 96 + n) */
    uint8_t reserved[3];
    uint16_t service; /* id or PN_ID_NONE */
    uint16_t gateway; /* id or PN_ID_NONE */
    uint32_t max; /* at most this many, <= PN_DP_FLOWS_MAX */
    uint32_t reserved2;
    uint64_t cursor; /* 0 to start, then head.cursor */
};
#define PN_DP_FLOWS_MAX 4096u

struct pn_dp_flows_head {
    uint64_t cursor; /* where to go on; 0: that was all */
    uint32_t count;
    uint32_t reserved;
};

enum pn_flow_state {
    PN_FLOW_FREE = 0,
    PN_FLOW_HALF_OPEN = 1, /* SYN seen, no ACK yet */
    PN_FLOW_ESTABLISHED = 2, /* ACK after our SYN, or taken up in the middle */
    PN_FLOW_CLOSING = 3, /* client sent FIN or RST */
    PN_FLOW_STATE_COUNT
};

struct pn_dp_flow {
    struct pn_addr client;
    uint16_t client_port; /* host byte order */
    uint16_t service;
    uint16_t gateway;
    uint8_t state; /* enum pn_flow_state */
    uint8_t flags; /* PN_FLOW_F_* */
    uint32_t idle_ms;
    uint32_t expires_ms; /* time left if no packet comes */
    uint16_t worker;
    uint16_t reserved[3];
};
#define PN_FLOW_F_SPILLED 0x01u /* went past its first tier because that was at its mark */
#define PN_FLOW_F_PICKED_UP 0x02u /* first seen in the middle (another node's flow, or our restart) */
#define PN_FLOW_F_SYNCED 0x04u /* a peer's, or set aside: in no gauge until its next packet here */

/*
 * In FLOWS_OUT and FLOWS_IN: client, client_port, service, gateway (this node's ids), state, PN_FLOW_F_SPILLED and
 * expires_ms count, the rest is 0. States: HALF_OPEN (away from its default gateway, rate-bounded), ESTABLISHED (new, moved, or still alive: sent anew each third of its idle
 * time), CLOSING, FREE (gone). An entry that saw packets here is never changed by FLOWS_IN.
 *
 * A FLOWS_OUT without flows ends a FLOWS_RESYNC, which is BUSY until the end of the one before it has left. So the first
 * end behind an OK is its own; one that comes before the answer is of a resync before, asked for by whomever.
 */
#define PN_DP_FLOWS_OUT_MAX 32u
#define PN_DP_FLOWS_IN_MAX 256u

struct pn_dp_explain_query {
    struct pn_addr client;
    uint16_t client_port; /* host byte order; 0: any (affinity none then shows port 0's choice) */
    uint16_t service; /* service id */
    uint32_t reserved;
};

struct pn_dp_explain {
    uint16_t gateway; /* the choice a new flow would meet now; PN_ID_NONE: none */
    uint16_t tier; /* tier.id */
    uint16_t default_gateway; /* the choice without spill, as every node computes it */
    uint16_t maglev_slot; /* of the chosen tier's table */
    uint16_t maglev_size;
    uint8_t lease_valid;
    uint8_t spilled;
    uint8_t flow_known; /* an entry exists: flow holds it and a packet now meets flow.gateway */
    uint8_t no_choice; /* enum pn_steer_verdict of dataplane/core/steer.h when gateway is PN_ID_NONE */
    uint16_t reserved;
    uint32_t lease_left_ms;
    uint64_t affinity_hash;
    uint64_t generation;
    struct pn_dp_flow flow;
};

struct pn_dp_trace_query {
    struct pn_addr client; /* source address to match (or ARP/NDP sender) */
    uint8_t prefix_len; /* of the 128-bit form; 0: every packet */
    uint8_t reserved[3];
    uint32_t packets; /* stop after this many, 1..PN_DP_TRACE_MAX */
};
#define PN_DP_TRACE_MAX 1024u

struct pn_dp_trace_record {
    uint64_t boottime_ns;
    struct pn_addr src, dst;
    uint16_t src_port, dst_port; /* host byte order */
    uint16_t counter; /* enum pn_counter: where the packet ended */
    uint16_t service; /* PN_ID_NONE: not classified */
    uint16_t gateway;
    uint16_t worker;
    uint16_t port;
    uint16_t frame_bytes;
    uint16_t vlan;
    uint16_t ether_type;
    uint8_t ip_proto;
    uint8_t tcp_flags;
    uint8_t flow_hit; /* the flow table knew it */
    uint8_t flow_state; /* after this packet */
    uint8_t flow_flags;
    uint8_t steered; /* the steer stage chose a gateway */
    uint8_t reserved[6];
};

enum pn_neigh_state {
    PN_NEIGH_INCOMPLETE = 0,
    PN_NEIGH_REACHABLE = 1,
    PN_NEIGH_STALE = 2,
    PN_NEIGH_PROBE = 3,
    PN_NEIGH_FAILED = 4,
    PN_NEIGH_STATIC = 5,
    PN_NEIGH_STATE_COUNT
};

struct pn_dp_neighbour {
    struct pn_addr addr;
    uint16_t gateway;
    uint16_t port;
    struct pn_mac mac;
    uint8_t state; /* enum pn_neigh_state */
    uint8_t source; /* 0 wire, 1 kernel, 2 configured */
    uint32_t queued;
    uint32_t age_ms; /* since last confirmed */
};

struct pn_dp_port {
    char name[PN_NAME_BYTES];
    char device[64]; /* DPDK device name */
    struct pn_mac mac;
    uint16_t index;
    uint32_t mtu;
    uint16_t rx_queues;
    uint8_t link_up;
    uint8_t kind; /* enum pn_port_kind */
    uint32_t reserved;
};

/* Which packets are the control plane's own. TTL or hop limit must be 255, else they are dropped and counted. */
#define PN_DP_CONTROL_ADDRS 16u
#define PN_DP_CONTROL_PEERS 32u
#define PN_DP_CONTROL_NETWORKS 2u
struct pn_dp_control {
    uint16_t heartbeat_udp_port; /* host byte order; destination port; 0: none */
    uint8_t vrrp; /* 1: also IP protocol 112 to 224.0.0.18 and ff02::12 */
    uint8_t reserved;
    uint32_t n_addrs; /* <= PN_DP_CONTROL_ADDRS */
    struct pn_addr addrs[PN_DP_CONTROL_ADDRS]; /* destinations: this node's, multicast groups; the rest zero */
    uint32_t n_networks; /* <= PN_DP_CONTROL_NETWORKS: where those of addrs that are groups are joined */
    struct pn_dp_control_network {
        uint16_t port, vlan;
    } networks[PN_DP_CONTROL_NETWORKS];
    uint32_t n_peers; /* <= PN_DP_CONTROL_PEERS; 0: all UDP is taken, whoever sends how much */
    /* Who may be heard: each has a share of its own of what is taken, all others a small one. The rest zero. */
    struct pn_dp_control_peer {
        struct pn_addr addr;
        uint64_t boot_id; /* of the start that is proved (common/seal.h); 0: none */
        uint8_t sender; /* node number */
        uint8_t reserved[7];
    } peers[PN_DP_CONTROL_PEERS];
};

/*
 * Followed by bytes bytes of an IPv4 or IPv6 packet, whole and unfragmented. PACKET_TX is answered with BUSY while the
 * MAC of its destination is not known: it is asked for, the packet is lost. REJECTED: the port cannot send now, or it is
 * later than boottime_ns: what a dataplane that was stopped finds in its socket is no news any more.
 */
#define PN_DP_PACKET_MAX_BYTES 2048u
struct pn_dp_packet {
    uint16_t port; /* index */
    uint16_t vlan; /* 0: untagged */
    struct pn_mac dst_mac; /* TX: zero: from the multicast address, or found out as a gateway's is */
    struct pn_mac src_mac; /* TX: zero: the port's own */
    uint32_t bytes;
    uint32_t reserved;
    uint64_t boottime_ns; /* RX: when it was received; TX: not to be sent later than this, 0: no limit */
};

struct pn_dp_vip_ref {
    uint16_t vip; /* vip.id */
    uint16_t reserved[3];
};

/*
 * Whether anything at all is still received on a port. frames is read first; then, with ask, some of the gateways there whose
 * MAC was confirmed are asked for it once more (ARP, ND), so what they answer is in the next reading.
 */
struct pn_dp_listen {
    uint16_t port; /* index */
    uint16_t ask; /* 0 or 1 */
    uint32_t reserved;
};

struct pn_dp_listened {
    uint64_t frames; /* counts up with each frame, whoever it is for; starts anywhere, may count one twice */
    uint16_t port;
    uint16_t hosts; /* that were asked; 0: none is known there, or the port's frames cannot be counted */
    uint32_t reserved;
};

enum pn_dp_probe_kind {
    PN_PROBE_ANSWER = 1, /* no lease here: somebody else answers for the VIP or announces it */
    PN_PROBE_RIVAL = 2, /* no lease here: somebody else probes for it */
    PN_PROBE_CONFLICT = 3, /* lease here, and somebody else answers for it or announces it */
    PN_PROBE_KIND_COUNT
};

/* At most one per VIP and kind in 5 ms. */
struct pn_dp_probe_seen {
    uint16_t vip; /* vip.id */
    uint16_t kind; /* enum pn_dp_probe_kind */
    struct pn_mac mac; /* theirs; never the port's own or the VIP's virtual one when that was sent by us */
    uint16_t reserved;
    uint32_t reserved2;
    uint64_t boottime_ns; /* when it was received */
};

/*
 * The address filter: who may not begin a flow. A client in the welcome list always may; otherwise one in the block list
 * may not: its SYN is dropped or answered with a TCP reset. What counts is membership under any prefix, whichever is longer.
 * Only SYNs that would begin a flow here are looked at: flows that are known, taken up in the middle, synchronised or handed
 * over by the owner go on. Services may opt out (PN_SNAP_SERVICE_NO_FILTER).
 *
 * generation is posternd's name for a content, never 0, and opaque here (a counter or a digest). A whole set comes as BEGIN,
 * ADD ..., COMMIT, in any order of prefixes; duplicates are fine, bits behind prefix_len are cleared. It is built beside the
 * packets and replaces the running one at a stroke; until then, and when it fails, the running one stays. COMMIT and PATCH
 * are answered when they are queued; FILTER_GET says when they run: a PATCH after a few ms, a COMMIT after up to some seconds
 * (ask every 20 ms). BEGIN and ADD may go on while another set is built. A set that is not committed is dropped after
 * PN_DP_FILTER_STALL_MS without ADD.
 *
 * PATCH is REJECTED when from is not what runs after all that is queued (pn_dp_filter.taken): send a whole set then. With
 * n = 0 it changes the action alone. Adding what is there and removing what is not are no errors. The changes of a PATCH are
 * carried out in order and become visible together.
 */
enum pn_filter_list { PN_FILTER_BLOCK = 0, PN_FILTER_WELCOME = 1, PN_FILTER_LISTS };

enum pn_filter_action { PN_FILTER_DROP = 0, PN_FILTER_RESET = 1, PN_FILTER_ACTION_COUNT };

enum pn_filter_verdict {
    PN_FILTER_PASS = 0, /* in no list */
    PN_FILTER_BLOCKED = 1,
    PN_FILTER_WELCOMED = 2,
    PN_FILTER_VERDICT_COUNT
};

#define PN_DP_PREFIXES_MAX 4096u /* in one message */
#define PN_DP_FILTER_FAMILY_MAX 2000000u /* prefixes of one family, both lists; more: the set is refused */
#define PN_DP_FILTER_STALL_MS 30000u

struct pn_dp_prefix {
    struct pn_addr addr;
    uint8_t prefix_len; /* of the 128-bit form: 0..128 is IPv6, IPv4-mapped with 96 + n is IPv4 (0.0.0.0/0: 96) */
    uint8_t list; /* enum pn_filter_list */
    uint8_t remove; /* PATCH: 1: out of the list; 0 in ADD */
    uint8_t reserved[5];
};

struct pn_dp_filter_begin {
    uint64_t generation; /* of the set that follows */
    uint8_t block_action; /* enum pn_filter_action */
    uint8_t reserved[7];
};

struct pn_dp_filter_add {
    uint64_t generation; /* as in BEGIN */
    uint32_t count; /* of the prefixes that follow */
    uint32_t reserved;
};

struct pn_dp_filter_commit {
    uint64_t generation; /* as in BEGIN */
    uint64_t count; /* prefixes that were sent since, so that none is missing */
};

struct pn_dp_filter_patch {
    uint64_t from; /* generation that it changes; 0: nothing was ever loaded */
    uint64_t generation; /* afterwards */
    uint32_t count;
    uint8_t block_action; /* enum pn_filter_action, afterwards */
    uint8_t reserved[3];
};

enum pn_dp_filter_state {
    PN_DP_FILTER_IDLE = 0,
    PN_DP_FILTER_BUILDING = 1, /* something is queued or being built */
    PN_DP_FILTER_FAILED = 2, /* the newest did not come to run: error says why, the one before runs on */
    PN_DP_FILTER_STATE_COUNT
};

struct pn_dp_filter {
    uint64_t generation; /* that runs; 0: none */
    uint64_t taken; /* that will run once all that is queued is built */
    uint64_t loading; /* begun and not yet committed; 0: none */
    uint64_t loading_count; /* prefixes of it that have come */
    uint32_t count[PN_FILTER_LISTS][2]; /* prefixes that run: IPv4, IPv6; without duplicates */
    uint32_t state; /* enum pn_dp_filter_state */
    uint32_t load_ms; /* from COMMIT until it was published to the workers, the last time */
    uint32_t patch_us; /* the same for a PATCH */
    uint8_t block_action;
    uint8_t reserved[3];
    uint64_t memory_bytes; /* of what runs */
    uint64_t changed_boottime_ns; /* when what runs came to run */
    char error[256]; /* of the newest failure; empty: none since the last success */
};

struct pn_dp_filter_query {
    struct pn_addr client;
};

struct pn_dp_filter_answer {
    uint8_t verdict; /* enum pn_filter_verdict */
    uint8_t block_action;
    uint8_t found[PN_FILTER_LISTS]; /* 1: match[list] is the longest prefix of that list that covers the client */
    uint8_t reserved[4];
    uint64_t generation; /* that runs */
    struct pn_dp_prefix match[PN_FILTER_LISTS];
};

enum pn_port_kind {
    PN_PORT_AF_XDP = 0, /* shares the interface with the kernel through our XDP program */
    PN_PORT_DPDK = 1, /* owned by DPDK; the kernel sees what the exception port gives it */
    PN_PORT_TAP = 2, /* exception / local delivery */
    PN_PORT_KIND_COUNT
};

#endif
