/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/core/dpsnap.h"

#include <stdlib.h>

#include "common/error.h"
#include "common/hash.h"
#include "dataplane/core/classify.h"
#include "dataplane/core/maglev.h"

#define PN_DPSNAP_SEED_TRIES 64u
#define PN_DPSNAP_TABLE_BYTES 32768u /* PN_MAGLEV_SIZE ids, rounded up to whole cache lines */
_Static_assert(PN_MAGLEV_SIZE * sizeof(uint16_t) <= PN_DPSNAP_TABLE_BYTES, "room for a table");

/* Where the parts of the one block are; filled twice, first to learn its size. */
struct layout {
    uint8_t *base;
    size_t used;
};

static void *carve(struct layout *l, size_t bytes)
{
    void *at = l->base ? l->base + l->used : NULL;
    l->used += (bytes + 63) / 64 * 64;
    return at;
}

/* Smallest power of two that keeps n entries at most half of it. */
static uint32_t slots_for(unsigned n)
{
    uint32_t slots = 8;
    while (slots < 2 * n)
        slots *= 2;
    return slots;
}

static uint64_t prefix_mask(unsigned bits, unsigned first_bit)
{
    uint8_t bytes[8];
    uint64_t word;

    for (unsigned i = 0; i < 8; i++) {
        unsigned at = first_bit + i * 8;
        unsigned kept = bits <= at ? 0 : bits - at >= 8 ? 8 : bits - at;
        bytes[i] = (uint8_t)(0xff00u >> kept);
    }
    memcpy(&word, bytes, sizeof(word));
    return word;
}

static void set_vips(struct pn_dpsnap *s)
{
    for (unsigned i = 0; i < s->view.header->n_vips; i++) {
        const struct pn_snap_vip *v = &s->view.vips[i];
        s->vips[v->id] = (struct pn_dp_vip){.addr = v->addr,
                                            .used = 1,
                                            .port = (uint8_t)v->port,
                                            .vlan = v->vlan,
                                            .flags = v->flags,
                                            .mac = v->mac,
                                            .grace_ms = v->grace_ms};
    }
}

static void set_services(struct pn_dpsnap *s, uint32_t half_open_default)
{
    for (unsigned i = 0; i < s->view.header->n_services; i++) {
        const struct pn_snap_service *v = &s->view.services[i];
        uint64_t mix = s->view.header->steering_seed ^ pn_hash_name(v->name);
        s->services[v->id] = (struct pn_dp_service){
            .v4_mask_q1 = prefix_mask(96u + v->v4_prefix, 64),
            .v6_mask = {prefix_mask(v->v6_prefix, 0), prefix_mask(v->v6_prefix, 64)},
            .steer_seed = pn_hash_split(&mix),
            .vip = v->vip,
            .l4_port = v->l4_port,
            .affinity = v->affinity,
            .ip_proto = v->ip_proto,
            .tier_count = (uint8_t)v->tier_count,
            .tier_first = v->tier_first,
            .no_filter = (v->flags & PN_SNAP_SERVICE_NO_FILTER) != 0,
        };
        s->timers[v->id] = (struct pn_flow_timers){
            .half_open_ms = v->half_open_s * 1000,
            .established_ms = v->established_s * 1000,
            .closing_ms = v->closing_s * 1000,
            .half_open_max = v->half_open_max ? v->half_open_max : half_open_default,
        };
    }
}

static void set_gateways(struct pn_dpsnap *s)
{
    bool is_member[PN_MAX_GATEWAYS] = {false}, is_up[PN_MAX_GATEWAYS] = {false};

    for (unsigned i = 0; i < s->view.header->n_members; i++) {
        const struct pn_snap_member *m = &s->view.members[i];
        is_member[m->gateway] = true;
        is_up[m->gateway] |= !(m->flags & PN_SNAP_MEMBER_DOWN);
    }
    for (unsigned i = 0; i < s->view.header->n_gateways; i++) {
        const struct pn_snap_gateway *g = &s->view.gateways[i];
        s->gateways[g->id] = (struct pn_dp_gateway){
            .used = 1,
            .mode = g->mode,
            .port = (uint8_t)g->port,
            .accepts = !(g->flags & (PN_SNAP_GW_DRAIN | PN_SNAP_GW_DISABLED)),
            .alive = !(g->flags & PN_SNAP_GW_DISABLED) && (is_up[g->id] || !is_member[g->id]),
            .vlan = g->vlan,
        };
    }
}

/* The tier's members that take new flows: those that are well, or (busy) those that are only busy. */
static unsigned list_nodes(const struct pn_dpsnap *s, const struct pn_snap_tier *tier, bool busy,
                           const uint64_t *name_hash, struct pn_maglev_node *nodes)
{
    unsigned n = 0;

    for (unsigned i = 0; i < tier->member_count; i++) {
        const struct pn_snap_member *m = &s->view.members[tier->member_first + i];
        if (!s->gateways[m->gateway].accepts || m->weight == 0 || m->flags != (busy ? PN_SNAP_MEMBER_BUSY : 0))
            continue;
        memset(&nodes[n], 0, sizeof(nodes[n]));
        nodes[n].name_hash = name_hash[m->gateway];
        nodes[n].id = m->gateway;
        nodes[n].weight = m->weight;
        n++;
    }
    return n;
}

static bool same_source(const struct pn_dp_tier_source *a, const struct pn_dp_tier_source *b)
{
    return a->n_nodes == b->n_nodes && a->n_nodes != 0 &&
           memcmp(a->nodes, b->nodes, a->n_nodes * sizeof(*a->nodes)) == 0;
}

static const uint16_t *table_of(const struct pn_dp_tier *tier)
{
    return tier->maglev ? tier->maglev : tier->maglev_busy;
}

/* A tier's table: that of an earlier tier with the same nodes, a copy of the previous snapshot's, or a new one. */
static const uint16_t *make_table(const struct pn_dpsnap *s, unsigned position, const struct pn_dpsnap *previous,
                                  uint16_t *room, bool *room_used)
{
    const struct pn_dp_tier_source *source = &s->sources[position];

    *room_used = false;
    for (unsigned i = 0; i < position; i++) {
        if (same_source(&s->sources[i], source))
            return table_of(&s->tiers[i]);
    }
    *room_used = true;
    for (unsigned i = 0; previous != NULL && i < previous->view.header->n_tiers; i++) {
        if (same_source(&previous->sources[i], source)) {
            memcpy(room, table_of(&previous->tiers[i]), PN_MAGLEV_SIZE * sizeof(*room));
            return room;
        }
    }
    pn_maglev_build(source->nodes, source->n_nodes, room, PN_MAGLEV_SIZE);
    return room;
}

static void set_tiers(struct pn_dpsnap *s, const struct pn_dpsnap *previous, struct pn_maglev_node *nodes,
                      uint16_t *ids, uint8_t *tables)
{
    uint64_t name_hash[PN_MAX_GATEWAYS] = {0};

    for (unsigned i = 0; i < s->view.header->n_gateways; i++)
        name_hash[s->view.gateways[i].id] = pn_maglev_name_hash(s->view.gateways[i].name);
    for (unsigned i = 0; i < s->view.header->n_tiers; i++) {
        const struct pn_snap_tier *t = &s->view.tiers[i];
        struct pn_dp_tier *d = &s->tiers[i];
        d->spill_above_active = t->spill_above_active;
        d->spill_share = t->spill_share;
        d->flags = t->flags;
        d->id = t->id;
        d->n_gateways = t->member_count;
        d->gateways = ids;
        for (unsigned j = 0; j < t->member_count; j++)
            *ids++ = s->view.members[t->member_first + j].gateway;

        bool busy = false, room_used;
        unsigned n = list_nodes(s, t, false, name_hash, nodes);
        if (n == 0) {
            n = list_nodes(s, t, true, name_hash, nodes);
            busy = true;
        }
        s->sources[i] = (struct pn_dp_tier_source){nodes, n};
        if (n == 0)
            continue;
        nodes += n;
        const uint16_t *table = make_table(s, i, previous, (uint16_t *)tables, &room_used);
        if (busy)
            d->maglev_busy = table;
        else
            d->maglev = table;
        if (room_used)
            tables += PN_DPSNAP_TABLE_BYTES;
    }
}

static void set_local_gateways(struct pn_dpsnap *s)
{
    bool is_local[PN_MAX_GATEWAYS] = {false};

    for (unsigned i = 0; i < s->view.header->n_gateways; i++) {
        const struct pn_snap_gateway *g = &s->view.gateways[i];
        is_local[g->id] = g->mode == PN_FWD_LOCAL && !(g->flags & PN_SNAP_GW_DISABLED);
    }
    for (unsigned i = 0; i < PN_MAX_SERVICES; i++) {
        struct pn_dp_service *svc = &s->services[i];
        svc->local_gateway = PN_ID_NONE;
        for (unsigned t = 0; t < svc->tier_count && svc->local_gateway == PN_ID_NONE; t++) {
            const struct pn_dp_tier *tier = &s->tiers[svc->tier_first + t];
            for (unsigned j = 0; j < tier->n_gateways && svc->local_gateway == PN_ID_NONE; j++) {
                if (is_local[tier->gateways[j]])
                    svc->local_gateway = tier->gateways[j];
            }
        }
    }
}

/* Enters everything under seed; returns the longest probe. */
static unsigned fill_slots(struct pn_dpsnap *s, uint64_t seed)
{
    unsigned longest = 0;

    s->classify_seed = seed;
    memset(s->vip_slots, 0, (s->vip_mask + 1) * sizeof(*s->vip_slots));
    memset(s->service_slots, 0, (s->service_mask + 1) * sizeof(*s->service_slots));
    for (unsigned i = 0; i < s->view.header->n_vips; i++) {
        const struct pn_snap_vip *v = &s->view.vips[i];
        uint32_t at = pn_vip_slot_hash(seed, v->addr.q, v->vlan, (uint8_t)v->port), probe = 1;
        for (; (s->vip_slots[at & s->vip_mask].addr[0] | s->vip_slots[at & s->vip_mask].addr[1]) != 0; at++)
            probe++;
        s->vip_slots[at & s->vip_mask] = (struct pn_vip_slot){
            .addr = {v->addr.q[0], v->addr.q[1]}, .vlan = v->vlan, .port = (uint8_t)v->port, .id = v->id};
        longest = probe > longest ? probe : longest;
    }
    for (unsigned i = 0; i < s->view.header->n_services; i++) {
        const struct pn_snap_service *v = &s->view.services[i];
        uint32_t key = pn_service_slot_key(v->vip, v->ip_proto, v->l4_port);
        uint32_t at = pn_service_slot_hash(seed, key), probe = 1;
        for (; s->service_slots[at & s->service_mask].key != 0; at++)
            probe++;
        s->service_slots[at & s->service_mask] = (struct pn_service_slot){.key = key, .id = v->id};
        longest = probe > longest ? probe : longest;
    }
    return longest;
}

static void set_slots(struct pn_dpsnap *s)
{
    uint64_t state = 1, best = 0;
    unsigned best_probe = UINT32_MAX;

    for (unsigned i = 0; i < PN_DPSNAP_SEED_TRIES && best_probe > 1; i++) {
        uint64_t seed = pn_hash_split(&state);
        unsigned probe = fill_slots(s, seed);
        if (probe < best_probe) {
            best = seed;
            best_probe = probe;
        }
    }
    fill_slots(s, best);
}

struct pn_dpsnap *pn_dpsnap_rebuild(const void *message, size_t len, uint32_t half_open_default,
                                    const struct pn_dpsnap *previous, struct pn_error *err)
{
    struct pn_snapshot offered;

    if (pn_snapshot_validate(message, len, &offered, err) != 0)
        return NULL;
    struct pn_dpsnap *s = aligned_alloc(64, (sizeof(*s) + 63) / 64 * 64);
    void *wire = malloc(len);
    if (s == NULL || wire == NULL) {
        free(s);
        free(wire);
        pn_error_set(err, "snapshot: no memory");
        return NULL;
    }
    memset(s, 0, sizeof(*s));
    memcpy(wire, message, len);
    s->wire = wire;
    /* Again on the copy, for a view into it. */
    if (pn_snapshot_validate(wire, len, &s->view, err) != 0) {
        pn_dpsnap_free(s);
        return NULL;
    }
    const struct pn_snap_header *h = s->view.header;
    s->generation = h->generation;
    s->vip_mask = slots_for(h->n_vips) - 1;
    s->service_mask = slots_for(h->n_services) - 1;

    unsigned members = 0; /* slices of tiers may share members, so this is not n_members */
    for (unsigned i = 0; i < h->n_tiers; i++)
        members += s->view.tiers[i].member_count;
    struct pn_maglev_node *nodes = NULL;
    uint16_t *ids = NULL;
    uint8_t *tables = NULL;
    struct layout l = {NULL, 0};
    for (unsigned pass = 0; pass < 2; pass++) {
        s->vip_slots = carve(&l, (s->vip_mask + 1) * sizeof(*s->vip_slots));
        s->service_slots = carve(&l, (s->service_mask + 1) * sizeof(*s->service_slots));
        ids = carve(&l, members * sizeof(*ids));
        nodes = carve(&l, members * sizeof(*nodes));
        tables = carve(&l, (size_t)h->n_tiers * PN_DPSNAP_TABLE_BYTES);
        if (pass == 0) {
            s->memory = l.base = aligned_alloc(64, l.used);
            l.used = 0;
        }
        if (s->memory == NULL) {
            pn_dpsnap_free(s);
            pn_error_set(err, "snapshot: no memory for its tables");
            return NULL;
        }
    }
    set_vips(s);
    set_services(s, half_open_default);
    set_gateways(s);
    set_tiers(s, previous, nodes, ids, tables);
    set_local_gateways(s);
    set_slots(s);
    return s;
}

struct pn_dpsnap *pn_dpsnap_build(const void *message, size_t len, uint32_t half_open_default, struct pn_error *err)
{
    return pn_dpsnap_rebuild(message, len, half_open_default, NULL, err);
}

void pn_dpsnap_free(struct pn_dpsnap *s)
{
    if (s == NULL)
        return;
    free(s->memory);
    free(s->wire);
    free(s);
}
