/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The straight way: nearly every packet is an untagged TCP segment without IP options to a service that packets went to
 * before. For such a one parse and classify would find what they found then, but for client, length and flags. So
 * the bytes that decide are kept as a template, compared at once, and the two stages passed over. A packet
 * that fits no template goes the long way, and leaves one behind if it could have been straight.
 *
 * The verdict is the long way's to the last bit, or none: tests compare the two on every mutation of a frame.
 */
#ifndef POSTERN_STAGES_STRAIGHT_H
#define POSTERN_STAGES_STRAIGHT_H

#include "dataplane/stages/batch.h"
#include "dataplane/stages/ctx.h"

#define PN_STRAIGHT_SLOTS 64u /* by the last bytes of destination address and port: services seldom share one */

struct pn_straight_slot {
    uint8_t value[2][32]; /* two stretches of the frame under a mask */
    uint64_t vip_word; /* struct pn_pkt from vip on: vip, edge, offsets */
    uint64_t kind_word; /* and from ip_proto on: protocol, family, port, l4_dst */
    struct pn_stats_vip *vip_stats;
    struct pn_stats_service *service_stats;
    uint32_t service;
    uint8_t in_port; /* PN_PORT_NONE: free, fits nothing; its zeros alone would fit a frame of zeros */
} __attribute__((aligned(128)));

struct pn_straight {
    struct pn_straight_slot v4[PN_STRAIGHT_SLOTS], v6[PN_STRAIGHT_SLOTS];
};

/* Packet i stands at PN_EDGE_FLOW, parsed and classified: others like it may go the straight way from now on. */
void pn_straight_learn(struct pn_ctx *c, const struct pn_batch *b, unsigned i);
/* Another snapshot, or none yet: what was found may no longer hold. */
void pn_straight_forget(struct pn_straight *s);

#endif
