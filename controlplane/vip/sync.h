/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Flow sync: what the dataplane reports of its flows goes to all peers, what they report goes to the dataplane, and a node that
 * joins asks each peer for all of it. Queues are bounded, the rate is, and what finds no room is counted. Pure: the owner (a
 * struct pn_node) gives it time, messages and a way out.
 *
 * A resync is whole when every datagram between its BEGIN and its END has arrived, which their counters tell; if not it is
 * asked for again, three times at most.
 */
#ifndef POSTERN_SYNC_H
#define POSTERN_SYNC_H

#include "controlplane/vip/flowsync.h"
#include "controlplane/vip/ownership.h"
#include "controlplane/vip/peers.h"

#define PN_SYNC_QUEUE 256u /* datagrams to send */
#define PN_SYNC_IN_FLIGHT 16u /* of them in the dataplane's socket: heartbeats must not wait behind many */
#define PN_SYNC_IN_QUEUE 64u /* datagrams received, for the dataplane */
#define PN_SYNC_RECENT 32u
#define PN_SYNC_LINGER_NS UINT64_C(20000000) /* for what END has overtaken */
#define PN_SYNC_TRIES 3u
#define PN_SYNC_SILENT_NS                                                                                              \
    UINT64_C(3000000000) /* a walk through large tables without a flow to tell of takes its time */
#define PN_SYNC_ASK_NS UINT64_C(100000000)
#define PN_SYNC_WALK_NS UINT64_C(200000000) /* from one walk through the dataplane's tables to the next */

struct pn_sync_name {
    uint32_t hash;
    uint16_t id;
    bool used;
    bool clash; /* another name has this hash: neither is synced */
};

struct pn_sync_conf {
    bool on;
    uint32_t rate; /* flows a second */
    uint64_t timeout_ns; /* for a resync */
    struct pn_sync_name services[PN_MAX_SERVICES], gateways[PN_MAX_GATEWAYS]; /* by position */
    unsigned n_services, n_gateways;
};

struct pn_sync_peer {
    uint64_t boot_id; /* of the peer; 0: not heard */
    uint64_t replay_boot_id; /* whose counters the window holds: silence forgets neither */
    struct pn_replay replay;
    enum pn_sync_state state;
    uint64_t since_ns, ask_ns, heard_ns;
    uint32_t number; /* of our request */
    unsigned tries;
    bool begun, ended;
    uint64_t begin_counter, end_counter, end_ns;
    uint64_t seen; /* datagrams between the two */
    uint32_t end_lost;
    uint64_t recent[PN_SYNC_RECENT]; /* counters that came last: datagrams overtake each other */
    unsigned recent_at;
    bool asks, in_walk; /* the peer wants ours */
    uint32_t its_number, walk_number; /* asked for; of the walk that is, or was, for it */
};

struct pn_sync_item {
    uint16_t bytes;
    uint8_t n_flows;
    uint8_t plain[PN_FLOWSYNC_MAX_BYTES];
};
struct pn_sync_batch {
    unsigned n;
    struct pn_dp_flow flows[PN_FLOWSYNC_MAX_FLOWS];
};

struct pn_node;

struct pn_sync {
    struct pn_node *node;
    struct pn_sealer *sealer;
    struct pn_opener *opener;
    struct pn_sync_peer peers[PN_MAX_NODES];
    struct pn_sync_item queue[PN_SYNC_QUEUE];
    unsigned head, count, in_flight;
    struct pn_sync_batch in[PN_SYNC_IN_QUEUE];
    unsigned in_head, in_count;
    bool in_sent; /* the first one is with the dataplane */
    uint64_t in_retry_ns;
    double tokens; /* flows that may be sent now */
    uint64_t tokens_ns;
    bool walking;
    bool walk_taken; /* the dataplane has begun it: the next end is its */
    uint32_t walk; /* counts them, 24 bits: what the answer belongs to */
    uint64_t walk_ns; /* next walk not before */
    uint64_t walk_until_ns; /* nobody waits for the end of this one any longer */
    uint32_t walk_lost;
    uint32_t next_number;
};

/* Keys, boot id and node are as the heartbeats' are. -1: seals cannot be made. */
int pn_sync_init(struct pn_sync *s, struct pn_node *node);
int pn_sync_rekey(struct pn_sync *s, const struct pn_seal_ring *ring);
void pn_sync_release(struct pn_sync *s);

/* A peer's start was proved (boot_id), or it is not heard any more (0). */
void pn_sync_peer(struct pn_sync *s, uint8_t node, uint64_t boot_id, uint64_t now_ns);
/* The dataplane is another one than before: what it knew is gone. */
void pn_sync_dataplane(struct pn_sync *s, uint64_t now_ns);

void pn_sync_flows_out(struct pn_sync *s, const struct pn_dp_flow *flows, unsigned n, uint64_t now_ns);
void pn_sync_datagram(struct pn_sync *s, const uint8_t *datagram, size_t bytes, uint64_t now_ns);
/* Answers of the dataplane. */
void pn_sync_sent(struct pn_sync *s);
void pn_sync_taken(struct pn_sync *s, unsigned status, uint64_t now_ns);
void pn_sync_walk_answer(struct pn_sync *s, uint32_t walk, unsigned status, uint64_t now_ns);

void pn_sync_step(struct pn_sync *s, uint64_t now_ns, uint64_t *wake_ns);
/* Every peer that is heard has given its flows, or was waited for long enough. */
bool pn_sync_complete(const struct pn_sync *s);

#endif
