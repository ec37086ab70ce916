/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The straight way: nearly every packet is a segment without SYN, FIN or RST of an established flow, untagged, without
 * IP options, to a service that packets went to before. For such a one parse, classify, flow and rewrite would come to
 * what they came to then, but for client, length and gateway. So the bytes that decide are kept as a template
 * and compared at once, the flow is looked for in its home line, and the frame is rewritten, all without a branch
 * that could be guessed wrong. What is not straight goes the long way, and leaves its template behind.
 *
 * What comes out is the long way's to the last bit and counter: tests compare the two on every value of every byte.
 */
#ifndef POSTERN_STAGES_STRAIGHT_H
#define POSTERN_STAGES_STRAIGHT_H

#include "dataplane/stages/batch.h"
#include "dataplane/stages/ctx.h"

#define PN_STRAIGHT_SLOTS 64u /* by the last bytes of destination address and port: services seldom share one */

struct pn_straight_slot {
    uint8_t value[2][32]; /* two stretches of the frame under a mask; zero: free, fits nothing */
    uint64_t vip_word; /* struct pn_pkt from vip on: vip, edge, offsets */
    uint64_t kind_word; /* and from ip_proto on: protocol, family, port, l4_dst */
    const _Atomic uint64_t *lease; /* of the VIP, in pn_shared */
    struct pn_stats_vip *vip_stats;
    struct pn_stats_service *service_stats;
    uint64_t key_word; /* of a flow's key from port_svc on, without the port: service, plain */
    uint32_t rest_sum; /* IPv4: what the header without its destination must sum to, << 16 */
    uint8_t in_port;
} __attribute__((aligned(128)));

/* How to a gateway: PN_WAY_PLAIN | port << 48 | the port's MAC as u48; 0: not straight (tagged, local, unused). */
#define PN_WAY_PLAIN (1ull << 63)

struct pn_straight {
    struct pn_straight_slot v4[PN_STRAIGHT_SLOTS], v6[PN_STRAIGHT_SLOTS];
    uint64_t way[PN_MAX_GATEWAYS]; /* by gateway.id */
    uint8_t way_port; /* that all plain ways lead through; PN_PORT_NONE: several */
};

/* Packet i stands at PN_EDGE_FLOW, parsed and classified: others like it may go the straight way from now on. */
void pn_straight_learn(struct pn_ctx *c, const struct pn_batch *b, unsigned i);
/* c->snap is another snapshot, or NULL: what was found before may no longer hold. */
void pn_straight_reset(struct pn_ctx *c);

#endif
