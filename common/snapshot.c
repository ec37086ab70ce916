/* SPDX-License-Identifier: BSD-3-Clause */
/* Layout and validation of the snapshot message. Nothing in it is believed before it is checked. */
#include "postern/snapshot.h"

#include "common/error.h"

#define PN_SNAP_SECONDS_MAX (7u * 24 * 3600) /* idle timers; in ms still far below half of 32 bits */

_Static_assert(sizeof(struct pn_snap_header) == 40, "no holes");
_Static_assert(sizeof(struct pn_snap_vip) == 72, "no holes");
_Static_assert(sizeof(struct pn_snap_service) == 96, "no holes");
_Static_assert(sizeof(struct pn_snap_tier) == 48, "no holes");
_Static_assert(sizeof(struct pn_snap_gateway) == 64, "no holes");
_Static_assert(sizeof(struct pn_snap_member) == 8, "no holes");

size_t pn_snapshot_bytes(const struct pn_snap_header *counts)
{
    return sizeof(struct pn_snap_header) + (size_t)counts->n_vips * sizeof(struct pn_snap_vip) +
           (size_t)counts->n_services * sizeof(struct pn_snap_service) +
           (size_t)counts->n_tiers * sizeof(struct pn_snap_tier) +
           (size_t)counts->n_gateways * sizeof(struct pn_snap_gateway) +
           (size_t)counts->n_members * sizeof(struct pn_snap_member);
}

/* [A-Za-z0-9._-]+, ended by a NUL inside the field, and nothing behind that. */
static bool name_ok(const char name[PN_NAME_BYTES])
{
    unsigned n = 0;

    for (; n < PN_NAME_BYTES && name[n] != '\0'; n++) {
        char c = name[n];
        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
              c == '-'))
            return false;
    }
    if (n == 0 || n == PN_NAME_BYTES)
        return false;
    for (; n < PN_NAME_BYTES; n++) {
        if (name[n] != '\0')
            return false;
    }
    return true;
}

/* An address that a host can have: not unspecified, multicast, or broadcast. */
static bool address_ok(const struct pn_addr *a)
{
    if (pn_addr_is_v4(a))
        return a->b[12] != 0 && a->b[12] < 224;
    return !pn_addr_is_zero(a) && a->b[0] != 0xff;
}

static bool mac_is_zero(const struct pn_mac *m)
{
    return (m->b[0] | m->b[1] | m->b[2] | m->b[3] | m->b[4] | m->b[5]) == 0;
}

static bool mac_is_group(const struct pn_mac *m)
{
    return (m->b[0] & 1) != 0;
}

static int check_header(const void *buf, size_t len, struct pn_error *err)
{
    const struct pn_snap_header *h = buf;

    if (buf == NULL || ((uintptr_t)buf & 7) != 0)
        return pn_error_set(err, "snapshot: buffer not 8-byte aligned");
    if (len < sizeof(*h))
        return pn_error_set(err, "snapshot: %zu bytes, the header alone has %zu", len, sizeof(*h));
    if (len > PN_SNAPSHOT_MAX_BYTES)
        return pn_error_set(err, "snapshot: %zu bytes, at most %u", len, PN_SNAPSHOT_MAX_BYTES);
    if (h->magic != PN_SNAPSHOT_MAGIC)
        return pn_error_set(err, "header.magic: 0x%08x is not 0x%08x", h->magic, PN_SNAPSHOT_MAGIC);
    if (h->version != PN_SNAPSHOT_VERSION)
        return pn_error_set(err, "header.version: %u, this side speaks %u", h->version, PN_SNAPSHOT_VERSION);
    if (h->generation == 0)
        return pn_error_set(err, "header.generation: 0");
    if (h->reserved != 0)
        return pn_error_set(err, "header.reserved: not 0");
    if (h->n_vips > PN_MAX_VIPS)
        return pn_error_set(err, "header.n_vips: %u is above %u", h->n_vips, PN_MAX_VIPS);
    if (h->n_services > PN_MAX_SERVICES)
        return pn_error_set(err, "header.n_services: %u is above %u", h->n_services, PN_MAX_SERVICES);
    if (h->n_tiers > PN_MAX_TIERS)
        return pn_error_set(err, "header.n_tiers: %u is above %u", h->n_tiers, PN_MAX_TIERS);
    if (h->n_gateways > PN_MAX_GATEWAYS)
        return pn_error_set(err, "header.n_gateways: %u is above %u", h->n_gateways, PN_MAX_GATEWAYS);
    if (h->n_members > PN_MAX_MEMBERS)
        return pn_error_set(err, "header.n_members: %u is above %u", h->n_members, PN_MAX_MEMBERS);
    if (h->total_bytes != len)
        return pn_error_set(err, "header.total_bytes: %u, received %zu", h->total_bytes, len);
    if (pn_snapshot_bytes(h) != len)
        return pn_error_set(err, "header.total_bytes: %u, the counts make %zu", h->total_bytes, pn_snapshot_bytes(h));
    return 0;
}

/* seen: id -> position + 1. */
static int check_vips(const struct pn_snapshot *s, uint16_t seen[PN_MAX_VIPS], struct pn_error *err)
{
    for (unsigned i = 0; i < s->header->n_vips; i++) {
        const struct pn_snap_vip *v = &s->vips[i];
        if (!name_ok(v->name))
            return pn_error_set(
                err, "vip[%u].name: empty, not ended by zeros, or with characters other than A-Za-z0-9._-", i);
        if (v->id >= PN_MAX_VIPS)
            return pn_error_set(err, "vip[%u].id: %u is above %u", i, v->id, PN_MAX_VIPS - 1);
        if (seen[v->id])
            return pn_error_set(err, "vip[%u].id: %u is vip[%u]'s already", i, v->id, seen[v->id] - 1);
        seen[v->id] = (uint16_t)(i + 1);
        if (!address_ok(&v->addr))
            return pn_error_set(err, "vip[%u].addr: unspecified, multicast or broadcast", i);
        if (v->port >= PN_MAX_PORTS)
            return pn_error_set(err, "vip[%u].port: %u is above %u", i, v->port, PN_MAX_PORTS - 1);
        if (v->vlan > 4094)
            return pn_error_set(err, "vip[%u].vlan: %u is above 4094", i, v->vlan);
        if (v->flags & ~(PN_SNAP_VIP_ANNOUNCE | PN_SNAP_VIP_ECHO))
            return pn_error_set(err, "vip[%u].flags: unknown bits in 0x%04x", i, v->flags);
        if (mac_is_group(&v->mac))
            return pn_error_set(err, "vip[%u].mac: a group address", i);
        if (v->reserved != 0 || v->reserved2 != 0)
            return pn_error_set(err, "vip[%u].reserved: not 0", i);
        for (unsigned j = 0; j < i; j++) {
            const struct pn_snap_vip *o = &s->vips[j];
            if (strcmp(o->name, v->name) == 0)
                return pn_error_set(err, "vip[%u].name: %s is vip[%u]'s already", i, v->name, j);
            if (pn_addr_equal(&o->addr, &v->addr) && o->port == v->port && o->vlan == v->vlan)
                return pn_error_set(err, "vip[%u].addr: vip[%u] has it on the same port and VLAN", i, j);
        }
    }
    return 0;
}

static int check_gateways(const struct pn_snapshot *s, uint16_t seen[PN_MAX_GATEWAYS], struct pn_error *err)
{
    for (unsigned i = 0; i < s->header->n_gateways; i++) {
        const struct pn_snap_gateway *g = &s->gateways[i];
        if (!name_ok(g->name))
            return pn_error_set(
                err, "gateway[%u].name: empty, not ended by zeros, or with characters other than A-Za-z0-9._-", i);
        if (g->id >= PN_MAX_GATEWAYS)
            return pn_error_set(err, "gateway[%u].id: %u is above %u", i, g->id, PN_MAX_GATEWAYS - 1);
        if (seen[g->id])
            return pn_error_set(err, "gateway[%u].id: %u is gateway[%u]'s already", i, g->id, seen[g->id] - 1);
        seen[g->id] = (uint16_t)(i + 1);
        if (g->mode >= PN_FWD_COUNT)
            return pn_error_set(err, "gateway[%u].mode: %u is unknown", i, g->mode);
        if (!address_ok(&g->addr) && !(g->mode == PN_FWD_LOCAL && pn_addr_is_zero(&g->addr)))
            return pn_error_set(err, "gateway[%u].addr: unspecified, multicast or broadcast", i);
        if (g->port >= PN_MAX_PORTS)
            return pn_error_set(err, "gateway[%u].port: %u is above %u", i, g->port, PN_MAX_PORTS - 1);
        if (g->vlan > 4094)
            return pn_error_set(err, "gateway[%u].vlan: %u is above 4094", i, g->vlan);
        if (g->flags & ~(PN_SNAP_GW_DRAIN | PN_SNAP_GW_DISABLED))
            return pn_error_set(err, "gateway[%u].flags: unknown bits in 0x%04x", i, g->flags);
        if (g->has_static_mac > 1)
            return pn_error_set(err, "gateway[%u].has_static_mac: %u is neither 0 nor 1", i, g->has_static_mac);
        if (g->has_static_mac && (mac_is_zero(&g->mac) || mac_is_group(&g->mac)))
            return pn_error_set(err, "gateway[%u].mac: zero or a group address", i);
        for (unsigned j = 0; j < i; j++) {
            if (strcmp(s->gateways[j].name, g->name) == 0)
                return pn_error_set(err, "gateway[%u].name: %s is gateway[%u]'s already", i, g->name, j);
        }
    }
    return 0;
}

static int check_members(const struct pn_snapshot *s, const uint16_t gateway_seen[PN_MAX_GATEWAYS],
                         struct pn_error *err)
{
    for (unsigned i = 0; i < s->header->n_members; i++) {
        const struct pn_snap_member *m = &s->members[i];
        if (m->gateway >= PN_MAX_GATEWAYS || !gateway_seen[m->gateway])
            return pn_error_set(err, "member[%u].gateway: no gateway has id %u", i, m->gateway);
        if (m->flags & ~(PN_SNAP_MEMBER_DOWN | PN_SNAP_MEMBER_BUSY))
            return pn_error_set(err, "member[%u].flags: unknown bits in 0x%04x", i, m->flags);
        if (m->reserved != 0)
            return pn_error_set(err, "member[%u].reserved: not 0", i);
    }
    return 0;
}

static int check_tiers(const struct pn_snapshot *s, struct pn_error *err)
{
    uint16_t seen[PN_MAX_TIERS] = {0};

    for (unsigned i = 0; i < s->header->n_tiers; i++) {
        const struct pn_snap_tier *t = &s->tiers[i];
        uint16_t in_tier[PN_MAX_GATEWAYS] = {0};
        if (!name_ok(t->name))
            return pn_error_set(
                err, "tier[%u].name: empty, not ended by zeros, or with characters other than A-Za-z0-9._-", i);
        if (t->id >= PN_MAX_TIERS)
            return pn_error_set(err, "tier[%u].id: %u is above %u", i, t->id, PN_MAX_TIERS - 1);
        if (seen[t->id])
            return pn_error_set(err, "tier[%u].id: %u is tier[%u]'s already", i, t->id, seen[t->id] - 1);
        seen[t->id] = (uint16_t)(i + 1);
        if (t->flags & ~PN_SNAP_TIER_ACCEPTS_SPILL)
            return pn_error_set(err, "tier[%u].flags: unknown bits in 0x%04x", i, t->flags);
        if (t->rank >= PN_MAX_TIERS_PER_POOL)
            return pn_error_set(err, "tier[%u].rank: %u is above %u", i, t->rank, PN_MAX_TIERS_PER_POOL - 1);
        if (t->member_first > s->header->n_members || t->member_count > s->header->n_members - t->member_first)
            return pn_error_set(err, "tier[%u].member_first: %u+%u passes the %u members", i, t->member_first,
                                t->member_count, s->header->n_members);
        for (unsigned j = 0; j < t->member_count; j++) {
            uint16_t id = s->members[t->member_first + j].gateway;
            if (in_tier[id])
                return pn_error_set(err, "tier[%u]: gateway %u is a member twice", i, id);
            in_tier[id] = 1;
        }
    }
    return 0;
}

static int check_service(const struct pn_snapshot *s, unsigned i, struct pn_error *err)
{
    const struct pn_snap_service *v = &s->services[i];

    if (!name_ok(v->name))
        return pn_error_set(
            err, "service[%u].name: empty, not ended by zeros, or with characters other than A-Za-z0-9._-", i);
    if (!name_ok(v->pool))
        return pn_error_set(
            err, "service[%u].pool: empty, not ended by zeros, or with characters other than A-Za-z0-9._-", i);
    if (v->l4_port == 0)
        return pn_error_set(err, "service[%u].l4_port: 0", i);
    if (v->ip_proto != 6)
        return pn_error_set(err, "service[%u].ip_proto: %u is not 6 (TCP)", i, v->ip_proto);
    if (v->affinity >= PN_AFFINITY_COUNT)
        return pn_error_set(err, "service[%u].affinity: %u is unknown", i, v->affinity);
    unsigned prefix_min = v->affinity == PN_AFFINITY_NETWORK ? 1 : 0;
    if (v->v4_prefix < prefix_min || v->v4_prefix > 32)
        return pn_error_set(err, "service[%u].v4_prefix: %u is not %u..32", i, v->v4_prefix, prefix_min);
    if (v->v6_prefix < prefix_min || v->v6_prefix > 128)
        return pn_error_set(err, "service[%u].v6_prefix: %u is not %u..128", i, v->v6_prefix, prefix_min);
    if (v->flags & ~PN_SNAP_SERVICE_NO_FILTER)
        return pn_error_set(err, "service[%u].flags: 0x%x has unknown bits", i, v->flags);
    if (v->tier_count == 0 || v->tier_count > PN_MAX_TIERS_PER_POOL)
        return pn_error_set(err, "service[%u].tier_count: %u is not 1..%u", i, v->tier_count, PN_MAX_TIERS_PER_POOL);
    if (v->tier_first > s->header->n_tiers || v->tier_count > s->header->n_tiers - v->tier_first)
        return pn_error_set(err, "service[%u].tier_first: %u+%u passes the %u tiers", i, v->tier_first, v->tier_count,
                            s->header->n_tiers);
    for (unsigned j = 0; j < v->tier_count; j++) {
        if (s->tiers[v->tier_first + j].rank != j)
            return pn_error_set(err, "service[%u].tier_first: tier[%u] has rank %u, not %u", i, v->tier_first + j,
                                s->tiers[v->tier_first + j].rank, j);
    }
    if (v->established_s == 0 || v->established_s > PN_SNAP_SECONDS_MAX)
        return pn_error_set(err, "service[%u].established_s: %u is not 1..%u", i, v->established_s,
                            PN_SNAP_SECONDS_MAX);
    if (v->half_open_s == 0 || v->half_open_s > PN_SNAP_SECONDS_MAX)
        return pn_error_set(err, "service[%u].half_open_s: %u is not 1..%u", i, v->half_open_s, PN_SNAP_SECONDS_MAX);
    if (v->closing_s == 0 || v->closing_s > PN_SNAP_SECONDS_MAX)
        return pn_error_set(err, "service[%u].closing_s: %u is not 1..%u", i, v->closing_s, PN_SNAP_SECONDS_MAX);
    return 0;
}

static int check_services(const struct pn_snapshot *s, const uint16_t vip_seen[PN_MAX_VIPS], struct pn_error *err)
{
    uint16_t seen[PN_MAX_SERVICES] = {0};

    for (unsigned i = 0; i < s->header->n_services; i++) {
        const struct pn_snap_service *v = &s->services[i];
        if (v->id >= PN_MAX_SERVICES)
            return pn_error_set(err, "service[%u].id: %u is above %u", i, v->id, PN_MAX_SERVICES - 1);
        if (seen[v->id])
            return pn_error_set(err, "service[%u].id: %u is service[%u]'s already", i, v->id, seen[v->id] - 1);
        seen[v->id] = (uint16_t)(i + 1);
        if (v->vip >= PN_MAX_VIPS || !vip_seen[v->vip])
            return pn_error_set(err, "service[%u].vip: no VIP has id %u", i, v->vip);
        if (check_service(s, i, err) != 0)
            return -1;
        for (unsigned j = 0; j < i; j++) {
            const struct pn_snap_service *o = &s->services[j];
            if (o->vip == v->vip && o->ip_proto == v->ip_proto && o->l4_port == v->l4_port)
                return pn_error_set(err, "service[%u].l4_port: service[%u] has %u on the same VIP", i, j, v->l4_port);
        }
    }
    return 0;
}

int pn_snapshot_validate(const void *buf, size_t len, struct pn_snapshot *view, struct pn_error *err)
{
    uint16_t vip_seen[PN_MAX_VIPS] = {0}, gateway_seen[PN_MAX_GATEWAYS] = {0};
    struct pn_snapshot s;

    if (check_header(buf, len, err) != 0)
        return -1;
    s.header = buf;
    s.vips = (const struct pn_snap_vip *)(s.header + 1);
    s.services = (const struct pn_snap_service *)(s.vips + s.header->n_vips);
    s.tiers = (const struct pn_snap_tier *)(s.services + s.header->n_services);
    s.gateways = (const struct pn_snap_gateway *)(s.tiers + s.header->n_tiers);
    s.members = (const struct pn_snap_member *)(s.gateways + s.header->n_gateways);
    if (check_vips(&s, vip_seen, err) != 0 || check_gateways(&s, gateway_seen, err) != 0 ||
        check_members(&s, gateway_seen, err) != 0 || check_tiers(&s, err) != 0 ||
        check_services(&s, vip_seen, err) != 0)
        return -1;
    *view = s;
    return 0;
}
