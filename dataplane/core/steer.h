/* SPDX-License-Identifier: BSD-3-Clause */
/* Which gateway a new flow meets. Pure; the same snapshot and flow give the same answer on every node. */
#ifndef POSTERN_CORE_STEER_H
#define POSTERN_CORE_STEER_H

#include "dataplane/core/dpsnap.h"

enum pn_steer_verdict {
    PN_STEER_OK = 0,
    PN_STEER_NO_SERVICE,
    PN_STEER_NO_GATEWAY, /* no tier has an eligible gateway */
    PN_STEER_VERDICT_COUNT
};

/*
 * Active (established) and half-open flows by gateway id over all workers, refreshed by the main lcore every few
 * milliseconds; a worker adds its own difference since. Only read for tiers in spill.
 */
struct pn_steer_load {
    const int64_t *active; /* [PN_MAX_GATEWAYS], all workers, as last published */
    const int64_t *own_now; /* [PN_MAX_GATEWAYS], this worker's now */
    const int64_t *own_then; /* [PN_MAX_GATEWAYS], this worker's share of what was published */
};

struct pn_steer_choice {
    uint16_t gateway; /* id, or PN_ID_NONE with verdict saying why */
    uint16_t tier; /* position in the snapshot */
    uint16_t first_tier; /* where it would have gone without spill (first tier with an eligible gateway) */
    uint16_t default_gateway; /* that tier's choice */
    uint16_t slot; /* in the tier's Maglev table */
    uint8_t spilled; /* went past first_tier because of load */
    uint8_t verdict; /* enum pn_steer_verdict */
    uint64_t hash; /* affinity hash */
};

/* 64-bit hash over what the service's affinity keeps of the client; no per-process secret in it. */
uint64_t pn_steer_hash(const struct pn_dp_service *svc, const uint64_t client[2], uint16_t client_port);

/*
 * Tier by rank: the first with an eligible gateway; past it only while it is in spill, only into tiers that accept
 * spill, never into one that is itself in spill; none accepts: stay in the first. load may be NULL (no overflow check).
 */
void pn_steer(const struct pn_dpsnap *snap, uint16_t service, const uint64_t client[2], uint16_t client_port,
              const struct pn_steer_load *load, struct pn_steer_choice *choice);

#endif
