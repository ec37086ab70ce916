/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From a packet's destination to ids: VIP by (address, VLAN, port), service by (VIP, protocol, port). Two small open
 * addressing tables that stay in the first-level cache; built by pn_dpsnap_build, at most half full, with a seed
 * chosen so that the longest probe is short.
 */
#ifndef POSTERN_CORE_CLASSIFY_H
#define POSTERN_CORE_CLASSIFY_H

#include "common/hash.h"
#include "dataplane/core/dpsnap.h"

struct pn_vip_slot {
    uint64_t addr[2]; /* all zero: empty, ends a probe */
    uint16_t vlan;
    uint8_t port; /* index */
    uint8_t reserved;
    uint16_t id;
    uint16_t reserved2;
    uint64_t reserved3; /* 32 bytes: none lies across two cache lines */
};

struct pn_service_slot {
    uint32_t key; /* pn_service_slot_key; 0: empty, ends a probe (no protocol is 0) */
    uint16_t id;
    uint16_t reserved;
};

static inline uint32_t pn_vip_slot_hash(uint64_t seed, const uint64_t addr[2], uint16_t vlan, uint8_t port)
{
    return (uint32_t)(pn_hash_mum(addr[0] ^ seed, addr[1] ^ ((uint64_t)port << 12 | vlan) ^ ~seed) >> 20);
}

/* vip < PN_MAX_VIPS (6 bits), protocol 8 bits, port 16 bits. */
static inline uint32_t pn_service_slot_key(uint16_t vip, uint8_t ip_proto, uint16_t l4_port)
{
    return (uint32_t)vip << 24 | (uint32_t)ip_proto << 16 | l4_port;
}

static inline uint32_t pn_service_slot_hash(uint64_t seed, uint32_t key)
{
    return (uint32_t)(((key ^ seed) * (seed | 1)) >> 40);
}

/* vip.id or PN_ID_NONE. port: index of the dataplane port; vlan: VID, 0 untagged. */
static inline uint16_t pn_classify_vip(const struct pn_dpsnap *s, const struct pn_addr *dst, uint16_t vlan,
                                       uint8_t port)
{
    for (uint32_t i = pn_vip_slot_hash(s->classify_seed, dst->q, vlan, port);; i++) {
        const struct pn_vip_slot *slot = &s->vip_slots[i & s->vip_mask];
        if ((slot->addr[0] | slot->addr[1]) == 0)
            return PN_ID_NONE;
        if (((slot->addr[0] ^ dst->q[0]) | (slot->addr[1] ^ dst->q[1])) == 0 && slot->vlan == vlan &&
            slot->port == port)
            return slot->id;
    }
}

/* service.id or PN_ID_NONE. vip: a known VIP's id; l4_port in host byte order. */
static inline uint16_t pn_classify_service(const struct pn_dpsnap *s, uint16_t vip, uint8_t ip_proto, uint16_t l4_port)
{
    uint32_t key = pn_service_slot_key(vip, ip_proto, l4_port);

    for (uint32_t i = pn_service_slot_hash(s->classify_seed, key);; i++) {
        const struct pn_service_slot *slot = &s->service_slots[i & s->service_mask];
        if (slot->key == 0) /* first: a packet may well ask for key 0 */
            return PN_ID_NONE;
        if (slot->key == key)
            return slot->id;
    }
}

#endif
