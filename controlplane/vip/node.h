/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One node's part in the ownership of VIPs, whole but for threads and sockets: election, peers, seals, flow sync and the
 * messages to the dataplane that follow from them. Time and messages come in, messages go out through a callback. The
 * daemon runs it on a thread of its own; tests run several in one loop.
 *
 * A lease follows its heartbeat: PN_DP_LEASE is written when the dataplane has answered the PN_DP_PACKET_TX of the
 * heartbeat that carries it, and its deadline counts from before that was written. So a dataplane that was stopped finds
 * no lease in its socket that nobody has heard of. Giving up needs no heartbeat first: it is written at once.
 */
#ifndef POSTERN_VIP_NODE_H
#define POSTERN_VIP_NODE_H

#include "common/log.h"
#include "controlplane/vip/deaf.h"
#include "controlplane/vip/ownership.h"
#include "controlplane/vip/sync.h"

#define PN_NODE_PATHS PN_OWN_PATHS
#define PN_NODE_PATH_SILENT_NS UINT64_C(1000000000) /* a path with nothing on it for so long is an alarm */
#define PN_NODE_WITNESS_ID 0x8000u /* ids from here on: VIPs that this node only votes for (priority 0) */
#define PN_NODE_RETRY_NS UINT64_C(200000000) /* what the dataplane has refused is asked for again after this */
#define PN_NODE_LEAVE_HOLD_MS 10000u /* lease of a node that stops while no peer is there to take over */

/* Where this node's heartbeats leave and arrive; v4 or v6 may be zero. */
struct pn_node_path {
    char name[PN_NAME_BYTES];
    uint16_t port, vlan;
    struct pn_addr v4, v6;
    struct {
        struct pn_addr v4, v6;
    } peers[PN_MAX_NODES]; /* by node number */
};

struct pn_node_vip {
    struct pn_election_want want; /* want.name: points into name below */
    char name[PN_NAME_BYTES];
    struct pn_addr addr;
    enum pn_vip_protocol_id protocol;
    uint8_t vrid; /* protocol vrrp: id, interval and, for IPv4, sender of advertisements */
    uint16_t vrrp_interval_cs;
    struct pn_addr vrrp_source;
    uint16_t port, vlan;
    struct pn_mac mac; /* virtual; zero: the port's */
};

/* Made by the daemon, zeroed first: two that are equal byte by byte are the same. */
struct pn_node_conf {
    uint8_t self;
    unsigned n_nodes;
    char names[PN_MAX_NODES][PN_NAME_BYTES]; /* by node number; "" none */
    struct pn_election_times times;
    uint64_t grace_ns;
    uint64_t generation;
    uint16_t udp_port;
    bool multicast;
    struct pn_addr group_v4, group_v6;
    bool watch_vrrp;
    unsigned n_paths;
    struct pn_node_path paths[PN_NODE_PATHS];
    unsigned n_vips;
    struct pn_node_vip vips[PN_MAX_VIPS];
    struct pn_seal_ring ring; /* n_keys 0: a node without peers */
    struct pn_sync_conf sync;
};

struct pn_node_io {
    /* A message to the dataplane, in this order; tag comes back with its answer. */
    void (*send)(void *arg, enum pn_dp_type type, const void *payload, size_t bytes, uint32_t tag);
    bool (*clear)(void *arg); /* nothing waits to be written to it */
    void (*event)(void *arg, enum pn_log_level level, const char *kind, const char *subject, const char *text);
    uint64_t (*random64)(void *arg);
    void *arg;
};

/* What an answer belongs to; one to a heartbeat has its path, too (PN_TAG_OF_PATH). */
enum pn_node_tag {
    PN_TAG_OTHER,
    PN_TAG_LEASE,
    PN_TAG_BEAT,
    PN_TAG_SYNC_TX,
    PN_TAG_FLOWS_IN,
    PN_TAG_RESYNC, /* with the walk's number, as if it were a path */
    PN_TAG_CONTROL,
    PN_TAG_LISTEN, /* with the port, the same way */
    PN_TAG_PROBE /* with the VIP's id, the same way */
};
#define PN_TAG_OF_PATH(path) ((path) << 8)
/* And to whom: the protocol's id and 24 bits of its own, above those. */
#define PN_TAG_PROTOCOL(id, own) (((uint32_t)(own)&0xffffffu) << 8 | 0x80u | (uint32_t)(id))

/* The heartbeat under way: at most one, so that what a stopped dataplane finds is old by one at most. */
struct pn_node_beat {
    uint64_t sent_ns;
    unsigned unanswered;
    uint32_t sendable; /* paths, by bits, whose port an answer says to work */
    bool again; /* another one is wanted right after it */
    struct pn_dp_lease leases[PN_MAX_VIPS]; /* that follow it */
    unsigned n;
};

struct pn_node_watch { /* what was said about a peer last */
    bool heard, generation_differs;
    uint64_t boot_id;
    uint64_t heard_since_ns;
    struct {
        uint64_t heard_ns;
        bool silent;
    } paths[PN_NODE_PATHS];
};

struct pn_node {
    struct pn_node_io io;
    struct pn_node_conf conf;
    bool configured;
    struct pn_peers peers;
    struct pn_election election;
    struct pn_sealer *sealer;
    struct pn_opener *opener;
    uint64_t boot_id;
    uint64_t counter; /* of the sealer */
    struct pn_sync sync;

    bool linked;
    bool
        hears; /* the dataplane has taken PN_DP_CONTROL on this connection: before that nothing of the wire comes here */
    bool going; /* it has said PN_DP_LEAVING: what others can take is theirs until there is a new one */
    uint64_t dataplane; /* start time of the one we are connected to */
    struct {
        uint64_t dataplane; /* of which the list was told; 0 none */
        uint16_t ids[PN_MAX_VIPS];
        uint64_t leases[PN_MAX_VIPS];
        unsigned n;
    } installed;
    struct pn_mac port_mac[PN_MAX_PORTS];
    uint64_t written[PN_MAX_VIPS]; /* deadline that the dataplane has: read from it, then last written; by id */
    uint64_t forward[PN_MAX_VIPS]; /* where that is 0: until when it was told to go on forwarding */
    bool wrote[PN_MAX_VIPS]; /* to this dataplane: what was read of it is of before that */
    unsigned leases_unanswered; /* PN_DP_LEASE on this connection: what a break may have lost */

    uint64_t due_ns; /* next heartbeat by the timer */
    uint64_t retry_ns; /* leases again; 0 none */
    uint64_t control_ns; /* PN_DP_CONTROL again; 0: it was taken */
    uint64_t control_told_ns, lease_told_ns;
    struct pn_node_beat beat;
    bool clear; /* when this step began; what the step itself writes leaves at its end */
    uint64_t send_by_ns; /* of packets made now; 0: no limit */
    uint64_t left_ns; /* when the newest heartbeat that has left was made */
    uint64_t steady_ns; /* since when they leave without a gap of a lease's time */
    unsigned beats_lost; /* in a row: none of their packets could be sent */
    unsigned path_lost[PN_NODE_PATHS]; /* the same of each path */
    struct pn_deaf deaf[PN_MAX_PORTS];
    uint64_t hold_until_ns;
    bool hold_told;
    bool leaving;
    uint64_t received_ns; /* of the heartbeat obeyed last: workers' packets overtake each other, time does not */
    struct pn_node_watch watch[PN_MAX_NODES];
    uint64_t refusal_told_ns; /* alarms that outsiders can provoke: at most one a minute */
    uint64_t vrrp_told_ns, vrrp_refused_told_ns;
    uint64_t conflict_told_ns[PN_MAX_VIPS];
    struct pn_own_foreign foreign[PN_MAX_VIPS]; /* by position in conf.vips */
    uint16_t load[PN_MAX_VIPS]; /* by position in conf.vips */
    void *protocol_state[PN_VIP_PROTOCOL_COUNT]; /* their own, freed by their release */

    struct pn_ownership show; /* counters are kept here; the rest is filled by pn_node_show */
};

void pn_node_init(struct pn_node *n, const struct pn_node_io *io);
void pn_node_release(struct pn_node *n);

/*
 * The configuration of now; one that equals the running one changes nothing. -1 and err: seals cannot be made; the node goes
 * on as before.
 */
int pn_node_configure(struct pn_node *n, const struct pn_node_conf *conf, uint64_t now_ns, struct pn_error *err);

/* The connection to the dataplane is there, or gone (linked false). */
void pn_node_linked(struct pn_node *n, bool linked, uint64_t dataplane, uint64_t now_ns);
/*
 * What the dataplane that was started at `dataplane` runs, and the leases it held when this was read (0 none). n 0: nothing.
 * Counts from when the own connection leads to the same one.
 */
void pn_node_installed(struct pn_node *n, uint64_t dataplane, const uint16_t *ids, const uint64_t *leases,
                       unsigned n_ids, uint64_t now_ns);
void pn_node_port_mac(struct pn_node *n, unsigned port, const struct pn_mac *mac);
void pn_node_load(struct pn_node *n, unsigned vip, uint16_t load); /* by position in conf.vips */

/* An unasked message, or the answer to one (status: enum pn_dp_status). payload is 8-byte aligned. */
void pn_node_message(struct pn_node *n, enum pn_dp_type type, const void *payload, size_t bytes, uint64_t now_ns);
void pn_node_answer(struct pn_node *n, uint32_t tag, unsigned status, const void *payload, size_t bytes,
                    uint64_t now_ns);

/* What is due; call it after every other call, and at *wake_ns at the latest. */
void pn_node_step(struct pn_node *n, uint64_t now_ns, uint64_t *wake_ns);

/* Orders. -1 and err where they cannot be obeyed. */
int pn_node_move(struct pn_node *n, const char *vip, const char *to, uint64_t now_ns,
                 struct pn_error *err); /* to NULL: the best */
int pn_node_force(struct pn_node *n, const char *vip, uint64_t now_ns, struct pn_error *err);
int pn_node_hold(struct pn_node *n, uint32_t ms, uint64_t now_ns, struct pn_error *err);
void pn_node_standby(struct pn_node *n, bool standby, uint64_t now_ns);
/* The dataplane is about to end (a planned restart of it): as standby, until the next one is there. */
void pn_node_dataplane_leaves(struct pn_node *n, uint64_t now_ns);
/* In standby by order, or for as long as its dataplane is going. */
bool pn_node_aside(const struct pn_node *n);
/* The process is about to end: gives VIPs over, or lengthens the leases where nobody is there. pn_node_left: it is done. */
void pn_node_leave(struct pn_node *n, uint64_t now_ns);
bool pn_node_left(const struct pn_node *n, uint64_t now_ns);

void pn_node_show(const struct pn_node *n, uint64_t now_ns, struct pn_ownership *out);

/* ---- For the node's own files and protocols ---- */

/* Carries out orders, in sequence. defer: leases wait for the heartbeat that is about to leave. */
void pn_node_obey(struct pn_node *n, const struct pn_election_out *out, bool defer, uint64_t now_ns);
/* Tells the dataplane what of the wire is ours, and who the peers are: after each change of these. */
void pn_node_control(struct pn_node *n);
/* On a new connection to the same dataplane: what was written last, if it may not have arrived. Before any heartbeat tells of it. */
void pn_node_leases_again(struct pn_node *n, uint64_t now_ns);
/* No heartbeat has left for a lease's time, or has only just again: others may have claimed, and what comes may be old. */
bool pn_node_doubt(const struct pn_node *n, uint64_t now_ns);
/* All packets of the heartbeat have left, or could not: the leases it carries begin now. */
void pn_node_beat_done(struct pn_node *n, uint64_t now_ns);
bool pn_node_path_there(const struct pn_node *n, unsigned path, uint8_t node); /* the node has an address on it */
/* A sealed datagram to one peer, or to all (PN_HB_NO_NODE), over one path; how many packets left. */
unsigned pn_node_transmit(struct pn_node *n, unsigned path, uint8_t to, const uint8_t *datagram, size_t bytes,
                          uint32_t tag);
void pn_node_say(struct pn_node *n, enum pn_log_level level, const char *kind, const char *subject, const char *format,
                 ...) __attribute__((format(printf, 5, 6)));
/* Before its heartbeat is obeyed: is it news that this peer is heard, with this start, this configuration? (sealed.c) */
void pn_node_heard(struct pn_node *n, uint8_t node, uint64_t now_ns);
/* Over which path flows travel to a peer: the first that works. */
unsigned pn_node_path_to(const struct pn_node *n, uint8_t node);
/* Ports over which no peer is heard: does anything arrive there? (node_listen.c) */
void pn_node_listen(struct pn_node *n, uint64_t now_ns, uint64_t *wake_ns);
void pn_node_listened(struct pn_node *n, unsigned port, unsigned status, const void *payload, size_t bytes,
                      uint64_t now_ns);
/* A control packet that arrived (node_packet.c). */
void pn_node_packet(struct pn_node *n, const struct pn_dp_packet *p, size_t bytes, uint64_t now_ns);
void pn_node_probe_seen(struct pn_node *n, const struct pn_dp_probe_seen *seen, uint64_t now_ns);
const char *pn_node_name(const struct pn_node *n, uint8_t node);
/* At most one line in every_ns, whatever somebody sends. */
bool pn_node_may_tell(uint64_t *told_ns, uint64_t every_ns, uint64_t now_ns);

#endif
