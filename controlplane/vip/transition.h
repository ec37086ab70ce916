/* SPDX-License-Identifier: BSD-3-Clause */
/* The moves between a VIP's states and what each of them orders; the files of election.h decide when. */
#ifndef POSTERN_TRANSITION_H
#define POSTERN_TRANSITION_H

#include "controlplane/vip/election.h"

void pn_el_order(struct pn_election_out *out, struct pn_election_order o);
void pn_el_say(struct pn_election *e, const struct pn_election_vip *v, const char *text);
void pn_el_enter(struct pn_election *e, struct pn_election_vip *v, enum pn_election_state state, uint64_t now_ns,
                 const char *reason);
/* forward_ns: known and new flows are still forwarded until then; 0: at once no more. */
void pn_el_give_up_lease(struct pn_election_vip *v, uint64_t forward_ns, struct pn_election_out *out);
void pn_el_back_up(struct pn_election *e, struct pn_election_vip *v, uint64_t now_ns, const char *reason);
void pn_el_renew(struct pn_election *e, struct pn_election_vip *v, uint64_t deadline_ns, struct pn_election_out *out);
void pn_el_shorten(struct pn_election_vip *v, uint64_t deadline_ns, struct pn_election_out *out);
/* The claim goes out at once; the lease starts in the step that sends it. */
void pn_el_own(struct pn_election *e, struct pn_election_vip *v, uint64_t now_ns, const char *reason,
               struct pn_election_out *out);
/* An accepted heartbeat of node within the takeover wait. */
bool pn_el_heard(const struct pn_election *e, uint8_t node, uint64_t now_ns);
/* More than half of the nodes, ourselves included. */
bool pn_el_majority_heard(const struct pn_election *e, uint64_t now_ns);
/* Effective: 0 in standby or without a dataplane. */
uint16_t pn_el_priority(const struct pn_election *e, const struct pn_election_vip *v);
/* The VIP's row in the peer's newest heartbeat, NULL if it has none. */
const struct pn_hb_vip *pn_el_row(const struct pn_peer *p, const struct pn_election_vip *v);
/* Claim order: higher effective priority, then the lower node number. */
bool pn_el_goes_before(uint16_t priority_a, uint8_t node_a, uint16_t priority_b, uint8_t node_b);
bool pn_el_vote_free(const struct pn_election_vip *v, uint8_t node, uint64_t now_ns);
void pn_el_vote_for(const struct pn_election *e, struct pn_election_vip *v, uint8_t node, uint64_t counter,
                    uint64_t now_ns);
/* Send time of our newest heartbeat that a majority, ourselves included, has answered with its vote; 0 none. */
uint64_t pn_el_voted_until(const struct pn_election *e, const struct pn_election_vip *v);
/* The best living backup, so that giving v up is a move and not a wait; PN_HB_NO_NODE: none. */
uint8_t pn_el_best_peer(const struct pn_election *e, const struct pn_election_vip *v, uint64_t now_ns);
/* Gives up v, and the VIPs of its group that successor can have; PN_HB_NO_NODE: v alone, to whoever claims. */
void pn_el_release(struct pn_election *e, struct pn_election_vip *v, uint8_t successor, uint64_t now_ns,
                   const char *reason, struct pn_election_out *out);

#endif
