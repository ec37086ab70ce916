/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The snapshot: all that posternd tells postern-dp about VIPs, services, tiers and gateways, as one
 * flat message. Host byte order, no padding holes, both ends are on one machine. The receiver trusts
 * nothing in it: pn_snapshot_validate() comes first, and a rejected snapshot leaves the old one running.
 *
 * Layout: struct pn_snap_header, then the arrays in the order of the header's counts, each element
 * 8-byte aligned: vips, services, tiers, gateways, members. Names are filled up with zeros.
 *
 * Ids: vip.id, service.id, tier.id and gateway.id are stable across snapshots (flow entries, leases and
 * counters refer to them). posternd keeps an id for as long as the object lives and reads them back from a
 * running dataplane after its own restart (PN_DP_SNAPSHOT_GET). Positions in the arrays may change freely.
 */
#ifndef POSTERN_SNAPSHOT_H
#define POSTERN_SNAPSHOT_H

#include <stddef.h>

#include "postern/types.h"

#define PN_SNAPSHOT_MAGIC 0x4e534e50u /* "PNSN" */
#define PN_SNAPSHOT_VERSION 1u
#define PN_SNAPSHOT_MAX_BYTES (1u << 20)

struct pn_snap_header {
    uint32_t magic;
    uint32_t version;
    uint64_t generation; /* grows with each snapshot posternd compiles; never 0 */
    uint64_t steering_seed; /* the same on all nodes of a cluster: the same flow meets the same gateway */
    uint32_t total_bytes; /* header and arrays */
    uint16_t n_vips;
    uint16_t n_services;
    uint16_t n_tiers;
    uint16_t n_gateways;
    uint16_t n_members;
    uint16_t reserved; /* 0 */
};

#define PN_SNAP_VIP_ANNOUNCE 0x0001u /* send gratuitous ARP / unsolicited NA while leased */
#define PN_SNAP_VIP_ECHO 0x0002u /* answer ICMP echo */

struct pn_snap_vip {
    char name[PN_NAME_BYTES];
    struct pn_addr addr;
    uint16_t id; /* 0 .. PN_MAX_VIPS-1, unique */
    uint16_t port; /* index of the dataplane port it lives on */
    uint16_t vlan; /* 802.1Q VID 1..4094; 0: untagged */
    uint16_t flags; /* PN_SNAP_VIP_* */
    struct pn_mac mac; /* virtual MAC; all zero: the port's own */
    uint16_t reserved;
    uint32_t grace_ms; /* after the lease ends, known flows are still forwarded this long */
    uint32_t reserved2;
};

#define PN_SNAP_SERVICE_NO_FILTER 0x0001u /* the address filter lets everybody in */

struct pn_snap_service {
    char name[PN_NAME_BYTES];
    char pool[PN_NAME_BYTES];
    uint16_t id; /* 0 .. PN_MAX_SERVICES-1, unique: part of the flow key */
    uint16_t vip; /* vip.id */
    uint16_t l4_port; /* host byte order, 1..65535 */
    uint8_t ip_proto; /* 6 (TCP) */
    uint8_t affinity; /* enum pn_affinity */
    uint8_t v4_prefix; /* PN_AFFINITY_NETWORK: 1..32 */
    uint8_t v6_prefix; /* PN_AFFINITY_NETWORK: 1..128 */
    uint16_t tier_first; /* position in the tiers array */
    uint16_t tier_count; /* 1 .. PN_MAX_TIERS_PER_POOL, in order of rank; services of one pool share tiers */
    uint16_t flags; /* PN_SNAP_SERVICE_* */
    uint32_t established_s; /* idle timers, 1..604800 s; RFC 5321 4.5.3.2 asks for more than 10 minutes */
    uint32_t half_open_s;
    uint32_t closing_s;
    uint32_t half_open_max; /* half-open flows of this service in one worker's table; 0: a quarter of it */
};

#define PN_SNAP_TIER_ACCEPTS_SPILL 0x0001u /* healthy, load known, below its mark: an earlier tier may spill here */

struct pn_snap_tier {
    char name[PN_NAME_BYTES];
    uint16_t member_first;
    uint16_t member_count;
    uint16_t flags; /* PN_SNAP_TIER_* */
    uint16_t spill_share; /* new flows that go on to the next accepting tier, of 65535; 0: none (not in spill) */
    uint32_t spill_above_active; /* overflow-only: spill only new flows above this many active ones; 0: not used */
    uint16_t id; /* 0 .. PN_MAX_TIERS-1, unique */
    uint16_t rank; /* in its pool: 0 primary, 1 secondary, ... */
};

/* Why a gateway gets no new flows; 0 = eligible. Established flows go on in every case but REMOVED. */
#define PN_SNAP_GW_DRAIN 0x0001u
#define PN_SNAP_GW_DISABLED 0x0002u

struct pn_snap_gateway {
    char name[PN_NAME_BYTES]; /* seeds its Maglev permutation, so the choice is the same on every node */
    struct pn_addr addr; /* whose MAC is resolved; IPv4 or IPv6, either serves both families in L2 DSR */
    uint16_t id; /* 0 .. PN_MAX_GATEWAYS-1, unique */
    uint16_t port; /* index of the dataplane port it is reached through */
    uint16_t vlan; /* 0: untagged */
    uint16_t flags; /* PN_SNAP_GW_* */
    uint8_t mode; /* enum pn_fwd_mode */
    uint8_t has_static_mac; /* 1: mac is configured and never resolved */
    struct pn_mac mac;
};

/* Why a member gets no new flows; 0 = it does, in proportion to weight. */
#define PN_SNAP_MEMBER_DOWN 0x0001u /* its checks failed */
#define PN_SNAP_MEMBER_BUSY 0x0002u /* the server said 421/4xx or its agent said stop */

struct pn_snap_member {
    uint16_t gateway; /* gateway.id */
    uint16_t weight; /* effective: configured x agent's percentage; 0: no new flows */
    uint16_t flags; /* PN_SNAP_MEMBER_* */
    uint16_t reserved;
};

/* Typed views into a validated snapshot; pointers into the message, no copy. */
struct pn_snapshot {
    const struct pn_snap_header *header;
    const struct pn_snap_vip *vips;
    const struct pn_snap_service *services;
    const struct pn_snap_tier *tiers;
    const struct pn_snap_gateway *gateways;
    const struct pn_snap_member *members;
};

/* Bytes the whole message takes for these counts. */
size_t pn_snapshot_bytes(const struct pn_snap_header *counts);

/*
 * Checks every length, count, id, reference, enum, name and reserved field. 0 and *view filled, or -1 and
 * err filled with the field at fault. buf must be 8-byte aligned and outlive *view.
 */
int pn_snapshot_validate(const void *buf, size_t len, struct pn_snapshot *view, struct pn_error *err);

#endif
