/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What one sender may take of the way to posternd, so that a flood on the heartbeats' port or of VRRP cannot push out what
 * counts. No key is here, so nothing is proved: what looks like a peer's goes first, and posternd judges all of it.
 *
 *   peer      header of a seal, address of a peer, and the start (boot id) that posternd has proved: 64 random bits that
 *             only those who see the wire know. What is repeated bit by bit is worth nothing, and falls here
 *   claimed   address of a peer, and anything: a peer that has just started, or who pretends to be one
 *   stranger  any other address
 *   vrrp      VRRP
 *
 * One of these a worker, with budgets of its own. Pure.
 */
#ifndef PN_CORE_CONTROL_GUARD_H
#define PN_CORE_CONTROL_GUARD_H

#include "dataplane/core/pkt.h"
#include "postern/dpapi.h"

/* A second, and how many at once; peer and claimed for each row of pn_dp_control.peers. */
#define PN_GUARD_PEER_RATE 20000u
#define PN_GUARD_CLAIMED_RATE 1000u
#define PN_GUARD_STRANGER_RATE 200u
#define PN_GUARD_VRRP_RATE 8000u
#define PN_GUARD_PEER_BURST 256u
#define PN_GUARD_BURST 64u
#define PN_GUARD_SEEN 4096u /* a power of two */

struct pn_control_guard { /* zeroed memory is a fresh one */
    uint64_t peer_tsc[PN_DP_CONTROL_PEERS], claimed_tsc[PN_DP_CONTROL_PEERS], stranger_tsc, vrrp_tsc;
    uint64_t seen[PN_GUARD_SEEN]; /* tags of seals, by their own bits */
};

enum pn_guard_verdict { PN_GUARD_TAKE = 0, PN_GUARD_REPEATED, PN_GUARD_LIMITED };

/* p: taken by pn_control_check(), frame contiguous to its end. */
enum pn_guard_verdict pn_control_guard(struct pn_control_guard *g, const struct pn_dp_control *control,
                                       const uint8_t *frame, const struct pn_pkt *p, uint64_t now_tsc, uint64_t tsc_hz);

#endif
