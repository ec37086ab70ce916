/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VIPs with protocol vrrp: one virtual router (vrrp.h) for each id, family and network of the configuration. As with
 * heartbeats a lease follows its advertisement: it is written when the dataplane has answered that it sent it, and counts
 * from before it was asked to. Giving up goes the other way: the lease first, then priority 0.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/addr.h"
#include "common/error.h"
#include "controlplane/vip/vrrp_internal.h"

#define MS UINT64_C(1000000)
#define MINUTE_NS UINT64_C(60000000000)

/* ---- what is heard ---- */

static bool same_addresses(const struct pn_vrrp_advert *a, const struct pn_vrrp *v)
{
    for (unsigned i = 0; i < v->n_addrs; i++) {
        bool found = false;
        for (unsigned k = 0; k < a->n_addrs; k++)
            found |= pn_addr_equal(&a->addrs[k], &v->addrs[i]);
        if (!found)
            return false;
    }
    return a->n_addrs == v->n_addrs;
}

static void vrrp_packet(struct pn_node *n, const struct pn_dp_packet *p, const struct pn_wire_packet *w,
                        uint64_t now_ns)
{
    struct vrrp_routers *all = pn_vrrp_routers(n);
    uint8_t vrid = w->bytes > 1 ? w->payload[1] : 0;
    struct vrrp_router *r =
        all ? pn_vrrp_router_find(all->r, all->n, !pn_addr_is_v4(&w->src), vrid, p->port, p->vlan) : NULL;
    struct pn_vrrp_advert a;
    struct pn_vrrp_out out;
    struct pn_addr src;
    char from[PN_ADDR_TEXT_BYTES];
    const char *field;
    if (!r)
        return;
    const char *name = n->conf.vips[r->vips[0]].name;
    int rc = pn_vrrp_decode((const uint8_t *)(p + 1), p->bytes, &a, &src, &field);
    if (rc == 0 && pn_addr_equal(&src, &r->v.primary)) {
        field = "our own address as sender";
        rc = -1;
    }
    if (rc < 0) {
        r->v.refused++;
        n->show.vrrp_refused++;
        if (pn_node_may_tell(&n->vrrp_refused_told_ns, MINUTE_NS, now_ns))
            pn_node_say(n, PN_LOG_WARNING, "vip", name, "alarm: VRRP of %s for virtual router %u refused: %s",
                        pn_addr_format(&w->src, from, sizeof(from)), vrid, field);
        return;
    }
    /* Obeyed all the same (7.1): whoever it is, it is active with this id, and two would be worse. */
    if (!same_addresses(&a, &r->v) && pn_node_may_tell(&r->addresses_told_ns, MINUTE_NS, now_ns))
        pn_node_say(n, PN_LOG_WARNING, "vip", name,
                    "alarm: %s advertises virtual router %u with other addresses than ours: %u of them, we have %u",
                    pn_addr_format(&src, from, sizeof(from)), vrid, a.n_addrs, r->v.n_addrs);
    pn_vrrp_heard(&r->v, &a, &src, now_ns, &out);
    if (out.beside && pn_node_may_tell(&r->beside_told_ns, MINUTE_NS, now_ns))
        pn_node_say(n, PN_LOG_WARNING, "vip", name,
                    "alarm: %s, priority %u, goes on advertising virtual router %u: it does not hear us, both answer",
                    pn_addr_format(&src, from, sizeof(from)), a.priority, vrid);
    pn_vrrp_router_act(n, r, &out, false, now_ns);
}

/* ---- configuration and the dataplane ---- */

static struct vrrp_router *router_of(struct pn_node *n, struct vrrp_routers *all, const struct pn_node_vip *vip)
{
    bool v6 = !pn_addr_is_v4(&vip->addr);
    struct vrrp_router *r = pn_vrrp_router_find(all->r, all->n, v6, vip->vrid, vip->port, vip->vlan);
    if (r)
        return r;
    struct vrrp_router *old = pn_vrrp_router_find(all->before, all->n_before, v6, vip->vrid, vip->port, vip->vlan);
    r = &all->r[all->n++];
    *r = old ? *old : (struct vrrp_router){.v = {.v6 = v6, .vrid = vip->vrid, .reason = "not in the dataplane yet"}};
    r->v.n_addrs = 0;
    r->priority = vip->want.priority;
    r->port = vip->port;
    r->vlan = vip->vlan;
    r->mac = vip->mac;
    r->v.priority = (uint8_t)(all->standby ? 0 : r->priority);
    r->v.preempt = vip->want.preempt != PN_PREEMPT_NO;
    r->v.preempt_delay_ns = vip->want.preempt == PN_PREEMPT_DELAY ? vip->want.preempt_delay_ns : 0;
    r->v.interval_ns = vip->vrrp_interval_cs * PN_VRRP_CENTISECOND_NS;
    if (!v6)
        r->v.primary = vip->vrrp_source;
    (void)n;
    return r;
}

/* Addresses that are no longer there, and virtual routers of which none is. */
static void give_up_gone(struct pn_node *n, struct vrrp_routers *all, uint64_t now_ns)
{
    for (unsigned i = 0; i < all->n_before; i++) {
        struct vrrp_router *old = &all->before[i];
        struct vrrp_router *r = pn_vrrp_router_find(all->r, all->n, old->v.v6, old->v.vrid, old->port, old->vlan);
        if (!r) {
            struct pn_vrrp_out out;
            pn_vrrp_shutdown(&old->v, now_ns, &out);
            out.changed = false; /* the VIPs' names are not the configuration's any more */
            pn_vrrp_router_act(n, old, &out, true, now_ns);
            continue;
        }
        for (unsigned k = 0; k < old->v.n_addrs; k++)
            for (unsigned m = 0; m < r->v.n_addrs; m++)
                if (r->ids[m] == old->ids[k])
                    old->there[k] = false;
        if (old->v.state == PN_VRRP_ACTIVE)
            pn_vrrp_router_lease(n, old, 0, now_ns + n->conf.grace_ns, now_ns);
    }
}

static int vrrp_configure(struct pn_node *n, uint64_t now_ns, struct pn_error *err)
{
    struct vrrp_routers *all = pn_vrrp_routers(n);
    if (!all && !(all = n->protocol_state[PN_VIP_VRRP] = calloc(1, sizeof(*all))))
        return pn_error_set(err, "out of memory");
    memcpy(all->before, all->r, sizeof(all->before));
    all->n_before = all->n;
    all->n = 0;
    all->standby = pn_node_aside(n) || n->leaving;
    for (unsigned i = 0; i < n->conf.n_vips; i++) {
        const struct pn_node_vip *vip = &n->conf.vips[i];
        if (vip->protocol != PN_VIP_VRRP || vip->want.priority == 0)
            continue;
        struct vrrp_router *r = router_of(n, all, vip);
        if (r->v.n_addrs == PN_VRRP_MAX_ADDRS)
            continue; /* the checker has refused it */
        r->vips[r->v.n_addrs] = (uint16_t)i;
        r->ids[r->v.n_addrs] = vip->want.id;
        r->there[r->v.n_addrs] = false; /* installed() follows */
        r->v.addrs[r->v.n_addrs++] = vip->addr;
    }
    give_up_gone(n, all, now_ns);
    return 0;
}

static void vrrp_release(struct pn_node *n)
{
    free(n->protocol_state[PN_VIP_VRRP]);
    n->protocol_state[PN_VIP_VRRP] = NULL;
}

static void install_one(struct pn_node *n, struct vrrp_router *r, const uint16_t *ids, const uint64_t *leases,
                        unsigned n_ids, uint64_t now_ns)
{
    bool ran = r->runs;
    uint64_t held = UINT64_MAX;
    struct pn_vrrp_out out;
    bool there[PN_VRRP_MAX_ADDRS];
    memcpy(there, r->there, sizeof(there));
    r->runs = false;
    for (unsigned i = 0; i < r->v.n_addrs; i++) {
        bool was = r->there[i];
        r->there[i] = false;
        for (unsigned k = 0; k < n_ids; k++) {
            if (ids[k] != r->ids[i])
                continue;
            r->runs = r->there[i] = true;
            held = leases[k] < held ? leases[k] : held;
        }
        if (r->there[i] && !was && r->v.state == PN_VRRP_ACTIVE)
            r->v.timer_ns = now_ns; /* its lease comes with the next advertisement */
    }
    if (r->runs && !ran)
        r->held_ns = held;
    if (!r->runs && r->v.state != PN_VRRP_INITIALIZE) {
        pn_vrrp_shutdown(&r->v, now_ns, &out);
        out.send &= n->linked;
        snprintf(r->v.reason, sizeof(r->v.reason), "not in the dataplane");
        if (n->linked) /* it may run them still: the lease ends before others hear that they may take over */
            memcpy(r->there, there, sizeof(there));
        pn_vrrp_router_act(n, r, &out, false, now_ns);
        memset(r->there, 0, sizeof(r->there));
    }
    if (n_ids == 0) { /* whatever was under way is answered by nobody */
        r->waiting = r->mute = r->asking = false;
        r->ending = r->failed = 0;
    }
}

static void vrrp_installed(struct pn_node *n, const uint16_t *ids, const uint64_t *leases, unsigned n_ids,
                           uint64_t now_ns)
{
    struct vrrp_routers *all = pn_vrrp_routers(n);
    for (unsigned i = 0; all && i < all->n; i++)
        install_one(n, &all->r[i], ids, leases, n_ids, now_ns);
}

/* ---- orders and display ---- */

static void vrrp_standby(struct pn_node *n, bool standby, uint64_t now_ns)
{
    (void)now_ns; /* the step that follows does it */
    if (pn_vrrp_routers(n))
        pn_vrrp_routers(n)->standby = standby;
}

static const struct vrrp_router *router_with(const struct pn_node *n, unsigned vip)
{
    const struct vrrp_routers *all = pn_vrrp_routers(n);
    for (unsigned i = 0; all && i < all->n; i++)
        for (unsigned k = 0; k < all->r[i].v.n_addrs; k++)
            if (all->r[i].vips[k] == vip)
                return &all->r[i];
    return NULL;
}

static int vrrp_move(struct pn_node *n, const struct pn_node_vip *vip, const char *to, uint64_t now_ns,
                     struct pn_error *err)
{
    struct vrrp_router *r = (struct vrrp_router *)(uintptr_t)router_with(n, (unsigned)(vip - n->conf.vips));
    char who[PN_ADDR_TEXT_BYTES];
    struct pn_vrrp_out out;
    if (to)
        return pn_error_set(err,
                            "VIP \"%s\": VRRP names no successor; leave the node out, and the router with the highest "
                            "priority takes it",
                            vip->name);
    if (!r || r->v.state != PN_VRRP_ACTIVE)
        return pn_error_set(err, "VIP \"%s\": this node is %s; only the active router%s%s can give it up", vip->name,
                            pn_election_state_name[r ? pn_vrrp_router_state(r) : PN_EL_INIT],
                            r && !pn_addr_is_zero(&r->v.active) ? " " : "",
                            r && !pn_addr_is_zero(&r->v.active) ? pn_addr_format(&r->v.active, who, sizeof(who)) : "");
    pn_vrrp_yield(&r->v, now_ns, &out);
    pn_vrrp_router_act(n, r, &out, true, now_ns);
    return 0;
}

static bool vrrp_owns(const struct pn_node *n)
{
    const struct vrrp_routers *all = pn_vrrp_routers(n);
    for (unsigned i = 0; all && i < all->n; i++)
        if (all->r[i].v.state == PN_VRRP_ACTIVE || all->r[i].ending)
            return true;
    return false;
}

/* A Postern node that speaks VRRP too is known by its address. */
static uint8_t node_with(const struct pn_node *n, const struct pn_addr *addr)
{
    for (unsigned i = 0; i < n->conf.n_paths && !pn_addr_is_zero(addr); i++)
        for (uint8_t k = 0; k < PN_MAX_NODES; k++)
            if (pn_addr_equal(&n->conf.paths[i].peers[k].v4, addr))
                return k;
    return PN_HB_NO_NODE;
}

static void vrrp_show(const struct pn_node *n, unsigned vip, uint64_t now_ns, struct pn_own_vip *out)
{
    const struct vrrp_router *r = router_with(n, vip);
    (void)now_ns;
    out->vrrp.vrid = n->conf.vips[vip].vrid;
    if (!r)
        snprintf(out->reason, sizeof(out->reason), "priority 0 here");
    if (!r)
        return;
    uint64_t interval_ns = r->v.interval_ns;
    out->state = pn_vrrp_router_state(r);
    out->since_ns = r->v.since_ns;
    snprintf(out->reason, sizeof(out->reason), "%s", r->v.reason);
    out->owner = out->state == PN_EL_OWNER ? n->conf.self : node_with(n, &r->v.active);
    out->lease_ns = r->granted_ns;
    out->transitions = r->transitions;
    out->vrrp.active = r->v.active;
    out->vrrp.active_priority = r->v.active_priority;
    out->vrrp.interval_ms = (uint32_t)(interval_ns / MS);
    out->vrrp.lease_ms = (uint32_t)(pn_vrrp_lease_ns(&r->v) / MS);
    out->vrrp.sent = r->v.sent;
    out->vrrp.received = r->v.received;
}

const struct pn_vip_protocol pn_vip_vrrp = {
    .name = "vrrp",
    .ip_proto = PN_IPPROTO_VRRP,
    .leaves_always = true,
    .configure = vrrp_configure,
    .release = vrrp_release,
    .installed = vrrp_installed,
    .packet = vrrp_packet,
    .answer = pn_vrrp_routers_answer,
    .step = pn_vrrp_routers_step,
    .standby = vrrp_standby,
    .move = vrrp_move,
    .owns = vrrp_owns,
    .show = vrrp_show,
};
