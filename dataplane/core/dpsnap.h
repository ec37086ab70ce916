/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The compiled snapshot: what workers read, built once on the main lcore from a validated message, never changed
 * afterwards, freed after every worker has passed a quiescent state. Pure but for malloc.
 */
#ifndef POSTERN_CORE_DPSNAP_H
#define POSTERN_CORE_DPSNAP_H

#include "dataplane/core/flow.h"
#include "postern/snapshot.h"
#include "postern/types.h"

#define PN_MAGLEV_SIZE 16381u /* prime; 32 KiB a tier, shares true to 1 % up to about 100 gateways */

struct pn_dp_tier {
    const uint16_t *maglev; /* PN_MAGLEV_SIZE gateway ids; NULL: no eligible member */
    const uint16_t *maglev_busy; /* over busy members, built when maglev is NULL: for when a pool has nothing better */
    uint32_t spill_above_active;
    uint16_t spill_share;
    uint16_t flags; /* PN_SNAP_TIER_* */
    uint16_t id;
    uint16_t n_gateways; /* members, eligible or not: whose active flows make the tier's load */
    const uint16_t *gateways; /* their ids */
};

struct pn_dp_service {
    uint64_t v4_mask_q1; /* affinity: masks over struct pn_addr's second word (IPv4) */
    uint64_t v6_mask[2]; /* and over both (IPv6) */
    uint64_t steer_seed; /* cluster seed mixed with the service's name: the same on every node */
    uint16_t vip;
    uint16_t l4_port;
    uint8_t affinity;
    uint8_t ip_proto;
    uint8_t tier_count; /* 0: slot unused */
    uint8_t no_filter; /* 1: the address filter is not for it */
    uint16_t tier_first;
    uint16_t local_gateway; /* the first in order of rank that is this node itself (mode local); PN_ID_NONE: none */
};

struct pn_dp_gateway {
    uint8_t used;
    uint8_t mode; /* enum pn_fwd_mode */
    uint8_t port;
    uint8_t accepts; /* 1: new flows may go there (not drained, disabled) */
    uint8_t alive; /* 0: every pool it serves holds it DOWN, or it is DISABLED: half-open flows move off it */
    uint8_t reserved[3];
    uint16_t vlan;
};

struct pn_dp_vip {
    struct pn_addr addr;
    uint8_t used;
    uint8_t port;
    uint16_t vlan;
    uint16_t flags;
    struct pn_mac mac; /* as answered in ARP: virtual, or zero for the port's own */
    uint32_t grace_ms;
};

struct pn_dpsnap {
    uint64_t generation;
    struct pn_dp_vip vips[PN_MAX_VIPS]; /* by id */
    struct pn_dp_service services[PN_MAX_SERVICES]; /* by id */
    struct pn_dp_gateway gateways[PN_MAX_GATEWAYS]; /* by id */
    struct pn_dp_tier tiers[PN_MAX_TIERS]; /* by position */
    struct pn_flow_timers timers[PN_MAX_SERVICES]; /* by service id, for pn_flow_table_set_timers */
    struct pn_snapshot view; /* into wire */
    void *wire; /* own copy of the message */
    /* classify's hash tables follow in dpsnap.c: opaque here, reached through the inline lookups of classify.h */
    struct pn_vip_slot *vip_slots;
    struct pn_service_slot *service_slots;
    uint32_t vip_mask, service_mask;
    /* What each tier's table was made of, by position: for the next build. */
    struct pn_dp_tier_source {
        const struct pn_maglev_node *nodes;
        unsigned n_nodes;
    } sources[PN_MAX_TIERS];
    uint64_t classify_seed; /* of both slot tables */
    void *memory; /* maglev tables, member lists and slot tables, one block */
};

/* NULL and err when the message is invalid or memory is short. half_open_default: for services that name none. */
struct pn_dpsnap *pn_dpsnap_build(const void *message, size_t len, uint32_t half_open_default, struct pn_error *err);
/* The same; Maglev tables of tiers whose members are as in previous (may be NULL) are copied, not computed. */
struct pn_dpsnap *pn_dpsnap_rebuild(const void *message, size_t len, uint32_t half_open_default,
                                    const struct pn_dpsnap *previous, struct pn_error *err);
void pn_dpsnap_free(struct pn_dpsnap *s);

#endif
