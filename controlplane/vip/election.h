/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who owns each VIP, decided by every node for itself from the heartbeats that count: docs/ownership.md as code, with the
 * model's state names. Pure: time and events come in, orders go out; the daemon carries them to the dataplane in the
 * sequence they stand in, in one message with the heartbeat, so that a lease is given up before anyone hears of it.
 */
#ifndef POSTERN_ELECTION_H
#define POSTERN_ELECTION_H

#include "controlplane/vip/peers.h"

enum pn_election_state { PN_EL_INIT = 0, PN_EL_BACKUP, PN_EL_PROBE, PN_EL_OWNER, PN_EL_STATE_COUNT };
extern const char *const pn_election_state_name[PN_EL_STATE_COUNT];

/* Why a node that would go before the owner leaves the VIP where it is. */
enum pn_el_wait {
    PN_EL_WAIT_NONE,
    PN_EL_WAIT_PREEMPT,
    PN_EL_WAIT_ORDER,
    PN_EL_WAIT_SYNC,
    PN_EL_WAIT_CONF,
    PN_EL_WAIT_DELAY,
    PN_EL_WAIT_COUNT
};
extern const char *const pn_el_wait_name[PN_EL_WAIT_COUNT];

#define PN_NO_GROUP 0xffffu
#define PN_EL_PRIORITY_LAST 1u /* the lowest that a node may have and own */
#define PN_HOLD_MAX_MS 60000u
#define PN_HOLD_DRIFT_PART                                                                                             \
    32u /* of a hold: what a peer waits longer, for two clocks that run 1 % apart from the true one */
#define PN_LEASE_DRIFT_PART                                                                                            \
    64u /* of a lease, for the same; with drift = 1 % never more than our own times leave room for */
#define PN_SENT_RING 64u /* heartbeats whose send time is remembered, for votes */
/* Answered, but not heard for so many: the path has failed. Before that, a few heartbeats were lost. */
#define PN_PATH_ALARM_TAKEOVERS 3u
#define PN_RELEASE_REPEATS 5u /* heartbeats that carry a release: a lost one costs nothing */
#define PN_ELECTION_MAX_ORDERS (4 * PN_MAX_VIPS)

/* Nanoseconds. The configuration's checker has refused sets that docs/ownership.md ("Times") forbids. */
struct pn_election_times {
    uint64_t heartbeat, lease, takeover, probe_lead;
    uint64_t alone_lease; /* without peers */
};

enum pn_preempt { PN_PREEMPT_YES, PN_PREEMPT_NO, PN_PREEMPT_DELAY };

struct pn_election_want {
    const char *name;
    uint16_t id; /* vip.id in the dataplane */
    uint16_t priority; /* of this node; 0: never owns it */
    uint16_t group; /* VIPs that move together, PN_NO_GROUP */
    enum pn_preempt preempt;
    uint64_t preempt_delay_ns;
    bool exclusive;
    uint64_t alone_lease_ns; /* 0: times.alone_lease */
};

struct pn_election_vip {
    char name[PN_NAME_BYTES];
    uint32_t name_hash;
    uint16_t id, priority, group;
    enum pn_preempt preempt;
    uint64_t preempt_delay_ns;
    bool exclusive;
    bool forced; /* exclusive, but by order owned without votes until a majority is heard again */
    uint64_t alone_lease_ns;
    bool installed; /* the dataplane runs it */

    enum pn_election_state state;
    uint64_t since_ns;
    char reason[96]; /* of the last transition */
    uint32_t transitions;

    uint8_t owner; /* node heard as owner, or ourselves; PN_HB_NO_NODE */
    /* Its last heartbeat as owner: counts while it has started anew and does not know what its dataplane holds. */
    struct {
        uint64_t heard_ns;
        uint32_t lease_ms, hold_ms;
    } told;
    uint64_t silent_since_ns; /* the takeover wait counts from here */
    uint64_t probe_sent_ns; /* of this PROBE: asked of the dataplane, or, if that took it long, left */
    bool probe_left; /* the dataplane says that it sent it */
    uint64_t retry_ns; /* after an answered probe: not before */
    uint8_t cut; /* enum pn_el_cut, by bits; not 0: effective priority 0 */
    bool path_failed; /* owner answers on the wire, its heartbeats do not come */
    bool path_told; /* the alarm was given: it is more than a few lost ones */
    bool rival_told; /* it was said that another backup goes first: anybody can make rivals up */
    uint64_t answered_ns; /* path_failed: when it answered last */
    uint64_t lease_ns; /* deadline last ordered; 0 none */

    bool want;
    enum pn_el_wait wait;
    bool yielded; /* moved away by order: not wanted back while its new owner lives */
    uint64_t better_since_ns; /* for preempt = delay; 0: not better */
    uint8_t successor; /* of a release still being said */
    uint8_t release_left; /* heartbeats that still carry it */
    uint64_t release_until_ns; /* and not later: others begin to claim */

    uint8_t vote; /* exclusive: node we are bound to */
    uint64_t vote_counter;
    uint64_t vote_until_ns;
};

enum pn_el_cut { PN_EL_CUT_SEND = 1, PN_EL_CUT_DEAF = 2 }; /* its port cannot send; receives nothing */

/* An order, to be carried out in sequence. */
enum pn_election_order_type {
    PN_ORDER_LEASE, /* deadline_ns; 0 gives it up. forward_ns: go on with new flows and echo until then (release) */
    PN_ORDER_PROBE, /* ARP/ND-probe the VIP */
    PN_ORDER_ANNOUNCE, /* announce again (won a dual claim) */
    PN_ORDER_HEARTBEAT /* send one now, beside the timer's own (never moves the timer) */
};
struct pn_election_order {
    enum pn_election_order_type type;
    uint16_t vip; /* id */
    uint64_t deadline_ns;
    uint64_t forward_ns;
};
struct pn_election_out {
    struct pn_election_order orders[PN_ELECTION_MAX_ORDERS];
    unsigned n;
};

struct pn_election {
    struct pn_election_vip vips[PN_MAX_VIPS];
    unsigned n;
    struct pn_peers *peers; /* the daemon's; read only */
    struct pn_election_times times;
    uint8_t self;
    unsigned n_nodes; /* configured, this one included */
    uint64_t generation;
    bool synced; /* flow sync complete: may ask for what is better here */
    bool standby; /* the administrator's order: effective priority 0 */
    bool mute; /* heartbeats cannot leave: effective priority 0 */
    bool doubt; /* the dataplane may have stood still: a release that it brings may be old, and ours come too late */
    uint32_t hold_ms; /* asked of the peers; 0 none */
    bool hold_granted;
    uint64_t hold_counter; /* of our newest heartbeat that did not ask for it yet */
    uint64_t grace_ns; /* released with a successor: go on forwarding this long */
    struct {
        uint64_t counter, sent_ns;
    } sent[PN_SENT_RING];
    uint64_t last_counter;
    /* Each transition and alarm, one line for people. */
    void (*event)(void *arg, const struct pn_election_vip *vip, const char *text);
    void *arg;
    struct pn_election_vip before[PN_MAX_VIPS]; /* pn_election_configure's */
};

void pn_election_init(struct pn_election *e, struct pn_peers *peers, uint8_t self);
/* Those that keep name and id keep their state; those that go are given up first (orders in out). n <= PN_MAX_VIPS. */
void pn_election_configure(struct pn_election *e, const struct pn_election_times *times, unsigned n_nodes,
                           const struct pn_election_want *want, unsigned n, uint64_t now_ns,
                           struct pn_election_out *out);
/*
 * What the dataplane runs and holds; n 0: it is gone. leases[i] is the deadline it still has for ids[i]: a daemon that
 * starts anew within its own lease goes on as owner, nobody else can have become one.
 */
void pn_election_installed(struct pn_election *e, const uint16_t *ids, const uint64_t *leases, unsigned n,
                           uint64_t now_ns);

/* An accepted heartbeat of this node (peers->peers[node].last). */
void pn_election_heard(struct pn_election *e, uint8_t node, uint64_t now_ns, struct pn_election_out *out);
/* The dataplane has answered PN_ORDER_PROBE: the probe has left, or could not. */
void pn_election_probed(struct pn_election *e, uint16_t vip, bool left, uint64_t now_ns);
/* Somebody answered our probe, or a rival probes the VIP too (its MAC is the lower one: rival_goes_first). */
void pn_election_answered(struct pn_election *e, uint16_t vip, uint64_t now_ns);
void pn_election_rival(struct pn_election *e, uint16_t vip, bool rival_goes_first, uint64_t now_ns,
                       struct pn_election_out *out);

/*
 * Takes what is due at now_ns. The daemon calls it at *wake_ns at the latest, and right before each heartbeat with
 * sending true: leases of owners are then renewed, counted from now_ns.
 */
void pn_election_step(struct pn_election *e, uint64_t now_ns, bool sending, struct pn_election_out *out,
                      uint64_t *wake_ns);
/* Fills the VIP rows and flags of the heartbeat; peer rows are pn_peers_fill's. */
void pn_election_fill(struct pn_election *e, uint64_t now_ns, struct pn_heartbeat *hb);
/* The heartbeat with this counter left at sent_ns (taken before sealing). */
void pn_election_sent(struct pn_election *e, uint64_t counter, uint64_t sent_ns);

/* Leases that have run out make no owner: before anything is heard that came while we were stopped. */
void pn_election_expire(struct pn_election *e, uint64_t now_ns);
/* The heartbeat that this lease was to follow did not leave: held_ns is what the dataplane holds. */
void pn_election_unsent(struct pn_election *e, uint16_t vip, uint64_t held_ns);
/* Whether heartbeats can leave at all. */
void pn_election_mute(struct pn_election *e, bool mute, uint64_t now_ns);
/* The same for the port of one VIP, while they leave over another; or nothing arrives there. */
void pn_election_cut(struct pn_election *e, uint16_t vip, enum pn_el_cut why, bool cut, uint64_t now_ns);

/* Administrator's orders. -1 and err: no such VIP, not owner, successor not heard. successor PN_HB_NO_NODE: the best. */
int pn_election_move(struct pn_election *e, const char *vip, uint8_t successor, uint64_t now_ns,
                     struct pn_election_out *out, struct pn_error *err);
/* An exclusive VIP is claimed without votes, because the administrator knows that no other node has it. */
int pn_election_force(struct pn_election *e, const char *vip, uint64_t now_ns, struct pn_error *err);
void pn_election_standby(struct pn_election *e, bool standby, uint64_t now_ns, struct pn_election_out *out);
/* A living peer could take one of the VIPs owned here. */
bool pn_election_takeable(const struct pn_election *e, uint64_t now_ns);
/* The process is about to end: what a living peer can take is released to it. true: nothing is owned any more. */
bool pn_election_leave(struct pn_election *e, uint64_t now_ns, struct pn_election_out *out);
/* Asks the peers to wait ms longer; e->hold_granted says when all that are heard have agreed. 0: no more. */
void pn_election_hold(struct pn_election *e, uint32_t ms);
/* The hold is granted and the leases it allows are ordered: a daemon that ends now leaves nothing unanswered. */
bool pn_election_held(const struct pn_election *e, uint64_t now_ns);

#endif
