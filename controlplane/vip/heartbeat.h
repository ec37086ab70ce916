/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The plain text of a heartbeat (docs/ownership.md, "Wire format"): to bytes and back. Pure; sealing is common/seal.h's,
 * deciding whether it counts is peers.h's.
 */
#ifndef POSTERN_HEARTBEAT_H
#define POSTERN_HEARTBEAT_H

#include <stddef.h>

#include "postern/types.h"

#define PN_HEARTBEAT_VERSION 1u
#define PN_HEARTBEAT_HEAD_BYTES 32u
#define PN_HEARTBEAT_PEER_BYTES 24u
#define PN_HEARTBEAT_VIP_BYTES 24u
/* Eight peers and as many VIPs as one datagram of PN_SEAL_MAX_BYTES carries beside them. */
#define PN_HEARTBEAT_MAX_VIPS 47u
#define PN_HEARTBEAT_MAX_BYTES                                                                                         \
    (PN_HEARTBEAT_HEAD_BYTES + (PN_MAX_NODES - 1) * PN_HEARTBEAT_PEER_BYTES +                                          \
     PN_HEARTBEAT_MAX_VIPS * PN_HEARTBEAT_VIP_BYTES)

#define PN_HB_SHUTTING_DOWN 0x01u
#define PN_HB_HOLD 0x02u /* hold_ms asked for */
#define PN_HB_SYNCED 0x04u /* flow sync complete */

#define PN_HB_PEER_HEARD 0x01u
#define PN_HB_PEER_HOLD_ACK 0x02u

struct pn_hb_peer {
    uint8_t node;
    uint8_t flags; /* PN_HB_PEER_* */
    uint64_t echo; /* that node's newest challenge */
    uint64_t counter; /* of its newest heartbeat */
};

#define PN_HB_VIP_WANT 0x01u /* a better backup asks for it */
#define PN_HB_VIP_RELEASED 0x02u /* given up in favour of successor */
#define PN_HB_NO_NODE 0xffu

struct pn_hb_vip {
    uint32_t name_hash;
    uint8_t state; /* enum pn_election_state */
    uint8_t flags; /* PN_HB_VIP_* */
    uint8_t successor; /* node, PN_HB_NO_NODE */
    uint8_t vote; /* node, PN_HB_NO_NODE */
    uint16_t priority; /* effective: 0 takes no part */
    uint16_t load; /* of 65535 */
    uint32_t lease_ms;
    uint64_t vote_counter;
};

struct pn_heartbeat {
    uint8_t node;
    uint8_t flags; /* PN_HB_* */
    uint8_t n_peers, n_vips;
    uint64_t generation;
    uint64_t challenge;
    uint32_t hold_ms;
    uint32_t interval_us;
    struct pn_hb_peer peers[PN_MAX_NODES - 1];
    struct pn_hb_vip vips[PN_HEARTBEAT_MAX_VIPS];
};

/* Bytes written to out, or 0: counts out of range or cap too small. */
size_t pn_heartbeat_encode(const struct pn_heartbeat *hb, uint8_t *out, size_t cap);

/*
 * 0, or -1 and *field names what was wrong (static text): version, length that does not fit the counts to the last byte,
 * counts, reserved bytes, states, node numbers out of range or twice, an interval of 0. Nothing of *hb is to be used then.
 */
int pn_heartbeat_decode(const uint8_t *bytes, size_t n, struct pn_heartbeat *hb, const char **field);

/* FNV-1a over the VIP's name: nodes need not agree on ids. */
uint32_t pn_heartbeat_name_hash(const char *name);

#endif
