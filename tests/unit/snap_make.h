/* SPDX-License-Identifier: BSD-3-Clause */
/* Builds snapshot messages for tests: parts are set as arrays, then packed. */
#ifndef TESTS_UNIT_SNAP_MAKE_H
#define TESTS_UNIT_SNAP_MAKE_H

#include <stdio.h>
#include <stdlib.h>

#include "postern/snapshot.h"

struct snap_parts {
    struct pn_snap_header h; /* counts are set as parts are added */
    struct pn_snap_vip vips[PN_MAX_VIPS];
    struct pn_snap_service services[PN_MAX_SERVICES];
    struct pn_snap_tier tiers[PN_MAX_TIERS];
    struct pn_snap_gateway gateways[PN_MAX_GATEWAYS];
    struct pn_snap_member members[PN_MAX_MEMBERS];
};

static inline struct pn_addr snap_v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
    struct pn_addr addr = {.b = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d}};
    return addr;
}

static inline struct pn_addr snap_v6(uint8_t last)
{
    struct pn_addr addr = {.b = {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last}};
    return addr;
}

static inline struct snap_parts *snap_new(void)
{
    struct snap_parts *p = calloc(1, sizeof(*p));
    p->h.magic = PN_SNAPSHOT_MAGIC;
    p->h.version = PN_SNAPSHOT_VERSION;
    p->h.generation = 1;
    p->h.steering_seed = 0x5eed;
    return p;
}

/* The add functions return the part, so that a test can change it. Ids are positions unless changed. */
static inline struct pn_snap_vip *snap_vip(struct snap_parts *p, const char *name, struct pn_addr addr)
{
    struct pn_snap_vip *v = &p->vips[p->h.n_vips];
    snprintf(v->name, sizeof(v->name), "%s", name);
    v->addr = addr;
    v->id = p->h.n_vips++;
    v->flags = PN_SNAP_VIP_ANNOUNCE | PN_SNAP_VIP_ECHO;
    v->grace_ms = 60000;
    return v;
}

static inline struct pn_snap_gateway *snap_gateway(struct snap_parts *p, const char *name)
{
    struct pn_snap_gateway *g = &p->gateways[p->h.n_gateways];
    snprintf(g->name, sizeof(g->name), "%s", name);
    g->addr = snap_v4(192, 0, 2, (uint8_t)(p->h.n_gateways + 1));
    g->id = p->h.n_gateways++;
    return g;
}

/* A tier of the pool that began with the last tier of rank 0; its members follow. */
static inline struct pn_snap_tier *snap_tier(struct snap_parts *p, const char *name, uint16_t rank)
{
    struct pn_snap_tier *t = &p->tiers[p->h.n_tiers];
    snprintf(t->name, sizeof(t->name), "%s", name);
    t->id = p->h.n_tiers++;
    t->rank = rank;
    t->flags = PN_SNAP_TIER_ACCEPTS_SPILL;
    t->member_first = p->h.n_members;
    return t;
}

static inline struct pn_snap_member *snap_member(struct snap_parts *p, uint16_t gateway, uint16_t weight)
{
    struct pn_snap_member *m = &p->members[p->h.n_members++];
    m->gateway = gateway;
    m->weight = weight;
    p->tiers[p->h.n_tiers - 1].member_count++;
    return m;
}

static inline struct pn_snap_service *snap_service(struct snap_parts *p, const char *name, uint16_t vip, uint16_t port,
                                                   uint16_t tier_first, uint16_t tier_count)
{
    struct pn_snap_service *s = &p->services[p->h.n_services];
    snprintf(s->name, sizeof(s->name), "%s", name);
    snprintf(s->pool, sizeof(s->pool), "pool");
    s->id = p->h.n_services++;
    s->vip = vip;
    s->l4_port = port;
    s->ip_proto = 6;
    s->v4_prefix = 24;
    s->v6_prefix = 64;
    s->tier_first = tier_first;
    s->tier_count = tier_count;
    s->established_s = 660;
    s->half_open_s = 30;
    s->closing_s = 10;
    return s;
}

/* The message, malloc'ed to its exact size. */
static inline void *snap_pack(struct snap_parts *p, size_t *len)
{
    *len = pn_snapshot_bytes(&p->h);
    p->h.total_bytes = (uint32_t)*len;
    uint8_t *buf = malloc(*len), *at = buf;
#define SNAP_PUT(part, bytes) (memcpy(at, part, bytes), at += (bytes))
    SNAP_PUT(&p->h, sizeof(p->h));
    SNAP_PUT(p->vips, p->h.n_vips * sizeof(p->vips[0]));
    SNAP_PUT(p->services, p->h.n_services * sizeof(p->services[0]));
    SNAP_PUT(p->tiers, p->h.n_tiers * sizeof(p->tiers[0]));
    SNAP_PUT(p->gateways, p->h.n_gateways * sizeof(p->gateways[0]));
    SNAP_PUT(p->members, p->h.n_members * sizeof(p->members[0]));
#undef SNAP_PUT
    return buf;
}

/* Two VIPs, three gateways, a pool of two tiers, a service on each VIP: ids are deliberately not positions. */
static inline struct snap_parts *snap_sample(void)
{
    struct snap_parts *p = snap_new();
    snap_vip(p, "in4", snap_v4(192, 0, 2, 25))->id = 5;
    snap_vip(p, "in6", snap_v6(0x25))->id = 3;
    snap_gateway(p, "mx1")->id = 11;
    snap_gateway(p, "mx2")->id = 12;
    snap_gateway(p, "mx3")->id = 10;
    snap_tier(p, "primary", 0)->id = 7;
    snap_member(p, 11, 100);
    snap_member(p, 12, 100);
    snap_tier(p, "secondary", 1)->id = 8;
    snap_member(p, 10, 100);
    snap_service(p, "smtp", 5, 25, 0, 2)->id = 100;
    snap_service(p, "smtp", 3, 25, 0, 2)->id = 101;
    return p;
}

#endif
