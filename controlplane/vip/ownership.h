/* SPDX-License-Identifier: BSD-3-Clause */
/* Who owns what, as it is shown to people: plain data, copied out of the ownership thread. Times are CLOCK_BOOTTIME. */
#ifndef POSTERN_OWNERSHIP_H
#define POSTERN_OWNERSHIP_H

#include "controlplane/vip/election.h"
#include "controlplane/vip/wire.h"

#define PN_OWN_PATHS 2u /* for heartbeats */

enum pn_vip_protocol_id { PN_VIP_SEALED, PN_VIP_VRRP, PN_VIP_PROTOCOL_COUNT };

/* Of VIPs with protocol vrrp; those of one virtual router show the same. */
struct pn_own_vrrp {
    uint8_t vrid; /* 0: another protocol */
    struct pn_addr active; /* who advertises; zero: nobody or this node */
    uint8_t active_priority;
    uint32_t interval_ms, lease_ms;
    uint64_t sent, received; /* advertisements */
};

struct pn_own_vip {
    char name[PN_NAME_BYTES];
    uint16_t id; /* in the dataplane */
    uint16_t priority; /* of this node, as configured */
    enum pn_vip_protocol_id protocol;
    enum pn_election_state state;
    uint64_t since_ns;
    char reason[96]; /* of the last transition */
    uint8_t owner; /* node number, PN_HB_NO_NODE */
    uint64_t lease_ns; /* deadline that was ordered; 0: none */
    uint32_t transitions;
    bool wanted; /* this node asks the owner for it */
    enum pn_el_wait wait; /* it would, but for this */
    bool path_failed; /* its owner answers ARP/ND, but is not heard */
    bool exclusive, forced;
    struct pn_own_vrrp vrrp;
    struct pn_own_foreign { /* a VRRP speaker that is not obeyed announced the address */
        uint64_t seen_ns; /* last; 0 never */
        struct pn_addr from;
        uint8_t vrid;
    } foreign;
};

enum pn_sync_state {
    PN_SYNC_OFF, /* not configured, or the peer is not heard */
    PN_SYNC_WAITING, /* its flows are asked for */
    PN_SYNC_DONE,
    PN_SYNC_INCOMPLETE, /* gave up waiting for all of them */
    PN_SYNC_STATE_COUNT
};
extern const char *const pn_sync_state_name[PN_SYNC_STATE_COUNT];

struct pn_own_peer {
    bool configured;
    bool heard; /* within the takeover wait */
    uint64_t heard_ns; /* last heartbeat that counted; 0 never */
    struct {
        bool configured; /* the peer has it too */
        bool silent; /* nothing came over it for a while, though the peer is heard */
        uint64_t heard_ns; /* 0 never */
    } paths[PN_OWN_PATHS]; /* by position in the node's configuration */
    uint64_t boots; /* starts of it that were proved since ours */
    uint64_t received, late; /* heartbeats */
    bool same_generation; /* its configuration is ours */
    bool standby;
    uint32_t hold_ms; /* asked of us; 0 none */
    enum pn_sync_state sync;
    uint64_t sync_heard_ns; /* last flows from it; 0 never */
    struct pn_own_peer_vip {
        uint16_t load; /* of 65535, of its own gateways */
        uint16_t priority;
        enum pn_election_state state;
        bool there;
    } vips[PN_MAX_VIPS]; /* by position in pn_ownership.vips */
};

struct pn_own_sync {
    uint64_t flows_sent, flows_received, datagrams_sent, datagrams_received;
    uint64_t dropped_out, dropped_in; /* flows that found no room or passed the rate */
    uint64_t unknown; /* received flows of a service or gateway that is not configured here */
    uint64_t refused; /* datagrams */
    uint64_t resyncs; /* of ours, for peers that asked */
    uint64_t ends_ignored; /* of a walk that is not, or no longer, waited for: our dataplane's or a peer's */
    uint32_t queued; /* datagrams that wait to be sent */
};

struct pn_ownership {
    struct pn_own_vip vips[PN_MAX_VIPS];
    unsigned n;
    bool standby;
    bool keyless; /* more than one node, but no key for heartbeats: owns nothing that needs them */
    uint8_t self;
    unsigned n_nodes;
    bool linked; /* the ownership thread's own connection to the dataplane is up */
    bool realtime; /* it runs under SCHED_FIFO */
    bool synced;
    uint32_t hold_ms;
    bool hold_granted;
    uint64_t hold_until_ns;
    uint64_t generation;
    struct pn_own_peer peers[PN_MAX_NODES];
    uint64_t heartbeats_sent, heartbeats_skipped; /* skipped: the dataplane had not answered the one before */
    uint64_t refused[PN_HB_VERDICT_COUNT], refused_seal[PN_SEAL_VERDICT_COUNT], refused_wire[PN_WIRE_VERDICT_COUNT];
    uint64_t late_us_max; /* how late the heartbeat's timer was at worst */
    uint64_t vrrp_seen; /* packets of foreign VRRP speakers */
    uint64_t vrrp_refused; /* packets for a virtual router of ours that broke a rule */
    struct pn_own_sync sync;
};

const struct pn_own_vip *pn_own_vip_find(const struct pn_ownership *o, const char *name);

#endif
