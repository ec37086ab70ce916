/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/core/steer.h"

#include "common/hash.h"

#define PN_STEER_V4_Q1 0x00000000ffff0000ull /* second word of a v4-mapped address, address bits zero */

static bool is_v4(const uint64_t client[2])
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return client[0] == 0 && (client[1] & 0xffffffffull) == PN_STEER_V4_Q1;
#else
    return client[0] == 0 && client[1] >> 32 == 0xffffull;
#endif
}

uint64_t pn_steer_hash(const struct pn_dp_service *svc, const uint64_t client[2], uint16_t client_port)
{
    const struct pn_hash_key key = {{svc->steer_seed, ~svc->steer_seed, svc->steer_seed * 0x9e3779b97f4a7c15ull,
                                     svc->steer_seed ^ 0xd6e8feb86659fd93ull}};
    uint64_t kept[2] = {client[0], client[1]};

    if (svc->affinity == PN_AFFINITY_NETWORK) {
        if (is_v4(client)) {
            kept[1] &= svc->v4_mask_q1;
        } else {
            kept[0] &= svc->v6_mask[0];
            kept[1] &= svc->v6_mask[1];
        }
    }
    return pn_hash_flow(&key, kept, svc->affinity == PN_AFFINITY_NONE ? client_port : 0);
}

/* The hash's upper half chooses the slot, its lowest 16 bits the side of a ramp: neither tells of the other. */
static uint16_t slot_of(uint64_t hash)
{
    return (uint16_t)pn_hash_range((uint32_t)(hash >> 32), PN_MAGLEV_SIZE);
}

static bool in_share(uint64_t hash, uint16_t share)
{
    return ((uint32_t)(hash & 0xffff) * UINT16_MAX) >> 16 < share;
}

/* Active flows of the tier: what was published, with this worker's own part brought up to date. */
static bool above_limit(const struct pn_dp_tier *t, const struct pn_steer_load *load)
{
    int64_t sum = 0;

    if (load == NULL)
        return true;
    for (unsigned i = 0; i < t->n_gateways; i++) {
        uint16_t g = t->gateways[i];
        sum += load->active[g] - load->own_then[g] + load->own_now[g];
    }
    return sum >= (int64_t)t->spill_above_active;
}

/* Does this tier pass the flow on? A limit alone, without a share, passes on all that is above it. */
static bool passes_on(const struct pn_dp_tier *t, uint64_t hash, const struct pn_steer_load *load)
{
    if (t->spill_share != 0 && !in_share(hash, t->spill_share))
        return false;
    if (t->spill_above_active != 0)
        return (t->spill_share != 0 || load != NULL) && above_limit(t, load);
    return t->spill_share != 0;
}

static bool takes_spill(const struct pn_dp_tier *t, const struct pn_steer_load *load)
{
    if (t->maglev == NULL || !(t->flags & PN_SNAP_TIER_ACCEPTS_SPILL) || t->spill_share != 0)
        return false;
    return t->spill_above_active == 0 || load == NULL || !above_limit(t, load);
}

/* First tier with a table of its own; else, when every tier is down or busy, the first with busy members. */
static const uint16_t *first_table(const struct pn_dpsnap *snap, const struct pn_dp_service *svc, uint16_t *position)
{
    uint16_t end = (uint16_t)(svc->tier_first + svc->tier_count);

    for (*position = svc->tier_first; *position < end; ++*position) {
        if (snap->tiers[*position].maglev != NULL)
            return snap->tiers[*position].maglev;
    }
    for (*position = svc->tier_first; *position < end; ++*position) {
        if (snap->tiers[*position].maglev_busy != NULL)
            return snap->tiers[*position].maglev_busy;
    }
    return NULL;
}

void pn_steer(const struct pn_dpsnap *snap, uint16_t service, const uint64_t client[2], uint16_t client_port,
              const struct pn_steer_load *load, struct pn_steer_choice *choice)
{
    *choice = (struct pn_steer_choice){.gateway = PN_ID_NONE,
                                       .tier = PN_ID_NONE,
                                       .first_tier = PN_ID_NONE,
                                       .default_gateway = PN_ID_NONE,
                                       .verdict = PN_STEER_NO_SERVICE};
    if (service >= PN_MAX_SERVICES || snap->services[service].tier_count == 0)
        return;

    const struct pn_dp_service *svc = &snap->services[service];
    choice->hash = pn_steer_hash(svc, client, client_port);
    choice->slot = slot_of(choice->hash);
    const uint16_t *table = first_table(snap, svc, &choice->first_tier);
    if (table == NULL) {
        choice->first_tier = PN_ID_NONE;
        choice->verdict = PN_STEER_NO_GATEWAY;
        return;
    }
    choice->verdict = PN_STEER_OK;
    choice->tier = choice->first_tier;
    choice->gateway = choice->default_gateway = table[choice->slot];

    const struct pn_dp_tier *first = &snap->tiers[choice->first_tier];
    if (__builtin_expect((first->spill_share | first->spill_above_active) == 0, 1) ||
        !passes_on(first, choice->hash, load))
        return;
    for (uint16_t i = (uint16_t)(choice->first_tier + 1); i < svc->tier_first + svc->tier_count; i++) {
        if (takes_spill(&snap->tiers[i], load)) {
            choice->tier = i;
            choice->gateway = snap->tiers[i].maglev[choice->slot];
            choice->spilled = 1;
            return;
        }
    }
}
