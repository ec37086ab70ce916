/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which heartbeats count. A peer's start (boot id) is believed only once it has echoed a challenge made after that boot
 * was first heard; so a recording of an earlier start, its or ours, never counts, and nothing is kept on disk. Several
 * boots may be candidates at a time, and each echo we send goes to the next of them: replaying old starts then cannot
 * keep the real one from proving itself. Pure.
 */
#ifndef POSTERN_PEERS_H
#define POSTERN_PEERS_H

#include "common/seal.h"
#include "controlplane/vip/heartbeat.h"

enum pn_hb_verdict {
    PN_HB_ACCEPTED = 0, /* newest so far: obey it */
    PN_HB_LATE, /* authentic and new, but a newer one came before: changes nothing */
    PN_HB_HANDSHAKE, /* a boot not known yet; its challenge is echoed from now on, the rest is not believed */
    PN_HB_UNKNOWN_SENDER, /* not a configured peer, or ourselves */
    PN_HB_MALFORMED, /* plain text does not parse, or names another node than the seal */
    PN_HB_REPLAYED,
    PN_HB_SEAL, /* the seal did not open; why: enum pn_seal_verdict */
    PN_HB_VERDICT_COUNT
};
extern const char *const pn_hb_verdict_name[PN_HB_VERDICT_COUNT];

#define PN_PEER_CANDIDATES 16u
#define PN_PEER_CHALLENGES 16u /* ours that may still come back */

struct pn_peer_candidate {
    uint64_t boot_id;
    uint64_t challenge; /* theirs, to be echoed */
    uint64_t counter; /* newest; a slot belongs to those whose counters still advance */
    uint64_t asked; /* number of our first challenge that proves this boot */
    uint64_t used; /* for replacement; 0: slot free */
};

struct pn_peer {
    bool configured;
    bool known; /* a boot has been proved */
    uint64_t boot_id;
    struct pn_replay replay;
    uint64_t challenge; /* theirs, newest; 0: none heard */
    uint64_t counter; /* of the newest accepted */
    uint64_t heard_ns; /* receipt of the newest accepted, CLOCK_BOOTTIME; 0 never */
    struct pn_peer_candidate candidates[PN_PEER_CANDIDATES];
    unsigned echo_turn;
    struct pn_heartbeat last; /* newest accepted */
};

struct pn_peers {
    struct pn_peer peers[PN_MAX_NODES]; /* by node number */
    uint8_t self;
    uint64_t challenges[PN_PEER_CHALLENGES]; /* ours; number n stands at n % PN_PEER_CHALLENGES */
    uint64_t challenge_number; /* of the one in our heartbeats now */
    bool challenge_due; /* a candidate waits for a new one: made with the next heartbeat */
    uint64_t clock;
    uint64_t counts[PN_HB_VERDICT_COUNT];
    uint64_t seal_counts[PN_SEAL_VERDICT_COUNT];
    uint64_t (*random64)(void *arg);
    void *random_arg;
};

void pn_peers_init(struct pn_peers *p, uint8_t self, uint64_t (*random64)(void *arg), void *arg);
/* Nodes that may speak (bit by node number); those that go are forgotten. */
void pn_peers_configure(struct pn_peers *p, uint32_t node_bits);

/*
 * One datagram. Nothing but counts changes unless the verdict is ACCEPTED (peer's row is then up to date), LATE (its
 * replay window) or HANDSHAKE (its candidate). *from: the sender's row when the seal opened, else NULL.
 */
enum pn_hb_verdict pn_peers_receive(struct pn_peers *p, struct pn_opener *opener, const uint8_t *datagram, size_t bytes,
                                    uint64_t now_ns, struct pn_peer **from);

/* Fills node, challenge and the peer rows (echo, counter, heard) of the heartbeat to send. */
void pn_peers_fill(struct pn_peers *p, uint64_t now_ns, uint64_t takeover_ns, struct pn_heartbeat *out);

#endif
