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
#include "controlplane/vip/protocol.h"
#include "controlplane/vip/vrrp.h"

#define MS UINT64_C(1000000)
#define CENTISECOND UINT64_C(10000000)
#define MINUTE_NS UINT64_C(60000000000)
#define ASK_LEAST_NS UINT64_C(1000000000)
#define SETTLE_NS UINT64_C(2000000)

enum kind { ADVERT, END, ASK }; /* what an answer belongs to */

struct router {
    struct pn_vrrp v;
    uint16_t priority; /* configured */
    uint16_t port, vlan;
    struct pn_mac mac; /* virtual; zero: the port's */
    uint16_t vips[PN_VRRP_MAX_ADDRS]; /* positions in conf.vips, in the advertisement's order */
    uint16_t ids[PN_VRRP_MAX_ADDRS]; /* of the dataplane */
    bool there[PN_VRRP_MAX_ADDRS]; /* it runs them */
    bool runs; /* at least one is there */
    uint64_t held_ns; /* lease that the dataplane held when it began to */

    bool waiting; /* an advertisement is under way: at most one */
    uint16_t seq; /* of it, or of the question whether the port works */
    uint64_t asked_ns; /* when it was made */
    uint64_t follows_ns; /* the lease that follows it */
    uint64_t granted_ns; /* the lease that was written last */
    unsigned failed; /* advertisements in a row that could not leave */
    bool mute; /* none can leave: the port is asked now and then whether it works again */
    uint64_t ask_ns;
    bool asking;
    uint64_t settle_ns; /* it works: what it had received is heard by then; 0: not asked */
    unsigned ending; /* advertisements of priority 0 under way */

    bool active_told;
    uint32_t transitions;
    uint64_t addresses_told_ns;
};

struct routers {
    struct router r[PN_MAX_VIPS], before[PN_MAX_VIPS];
    unsigned n, n_before;
    uint16_t seq;
    bool standby;
};

static struct routers *all_of(const struct pn_node *n)
{
    return n->protocol_state[PN_VIP_VRRP];
}

static struct router *find(struct router *list, unsigned n, bool v6, uint8_t vrid, uint16_t port, uint16_t vlan)
{
    for (unsigned i = 0; i < n; i++)
        if (list[i].v.vrid == vrid && list[i].v.v6 == v6 && list[i].port == port && list[i].vlan == vlan)
            return &list[i];
    return NULL;
}

static enum pn_election_state state_of(const struct router *r)
{
    static const enum pn_election_state states[] = {
        [PN_VRRP_INITIALIZE] = PN_EL_INIT, [PN_VRRP_BACKUP] = PN_EL_BACKUP, [PN_VRRP_ACTIVE] = PN_EL_OWNER};
    return states[r->v.state];
}

/* ---- what follows from the state machine ---- */

static void tell(struct pn_node *n, struct router *r)
{
    bool active = r->v.state == PN_VRRP_ACTIVE;
    bool alarm = strncmp(r->v.reason, "the ", 4) == 0; /* the lease, the port, the dataplane: what failed */
    r->transitions += active != r->active_told;
    r->active_told = active;
    for (unsigned i = 0; i < r->v.n_addrs; i++)
        pn_node_say(n, alarm ? PN_LOG_WARNING : PN_LOG_NOTICE, "vip", n->conf.vips[r->vips[i]].name,
                    "%s: %s (virtual router %u)", pn_election_state_name[state_of(r)], r->v.reason, r->v.vrid);
}

static void lease(struct pn_node *n, struct router *r, uint64_t deadline_ns, uint64_t forward_ns, uint64_t now_ns)
{
    struct pn_election_out out = {.n = 0};
    for (unsigned i = 0; i < r->v.n_addrs; i++)
        if (r->there[i])
            out.orders[out.n++] = (struct pn_election_order){
                .type = PN_ORDER_LEASE, .vip = r->ids[i], .deadline_ns = deadline_ns, .forward_ns = forward_ns};
    r->granted_ns = deadline_ns;
    pn_node_obey(n, &out, false, now_ns);
}

static void transmit(struct pn_node *n, struct router *r, uint8_t priority, enum kind kind, uint64_t now_ns)
{
    struct {
        struct pn_dp_packet head;
        uint8_t packet[40 + PN_VRRP_MAX_BYTES];
    } m = {.head = {.port = r->port, .vlan = r->vlan, .src_mac = r->mac, .boottime_ns = now_ns + r->v.interval_ns}};
    struct pn_vrrp_advert a = {.v6 = r->v.v6,
                               .vrid = r->v.vrid,
                               .priority = priority,
                               .interval_cs = (uint16_t)(r->v.interval_ns / CENTISECOND),
                               .n_addrs = r->v.n_addrs};
    struct pn_addr group = pn_vrrp_group(r->v.v6);
    uint8_t message[PN_VRRP_MAX_BYTES];
    memcpy(a.addrs, r->v.addrs, sizeof(a.addrs));
    size_t bytes = pn_vrrp_encode(&a, &r->v.primary, &group, message, sizeof(message));
    m.head.bytes =
        (uint32_t)pn_wire_ip_build(&r->v.primary, &group, PN_IPPROTO_VRRP, message, bytes, m.packet, sizeof(m.packet));
    if (bytes == 0 || m.head.bytes == 0)
        return;
    uint16_t seq = ++all_of(n)->seq;
    if (kind == ADVERT)
        r->seq = seq;
    n->io.send(n->io.arg, PN_DP_PACKET_TX, &m, sizeof(m.head) + m.head.bytes,
               PN_TAG_PROTOCOL(PN_VIP_VRRP, (uint32_t)kind << 16 | seq));
}

/* planned: for those whose caches still point here, flows are forwarded for the grace time. */
static void act(struct pn_node *n, struct router *r, const struct pn_vrrp_out *out, bool planned, uint64_t now_ns)
{
    if (out->lease_change && out->deadline_ns == 0) {
        lease(n, r, 0, planned ? now_ns + n->conf.grace_ns : 0, now_ns);
        r->follows_ns = 0;
    }
    if (out->changed)
        tell(n, r);
    if (out->send && out->priority == 0) {
        transmit(n, r, 0, END, now_ns);
        r->ending++;
    } else if (out->send && !r->waiting) {
        r->waiting = true;
        r->asked_ns = now_ns;
        r->follows_ns = out->deadline_ns;
        transmit(n, r, out->priority, ADVERT, now_ns);
    } else if (out->send) {
        r->v.lease_ns = r->follows_ns; /* not sent, so it renews nothing */
    }
}

static void go_mute(struct pn_node *n, struct router *r, const char *why, uint64_t now_ns)
{
    struct pn_vrrp_out out;
    pn_vrrp_shutdown(&r->v, now_ns, &out);
    out.send = false;
    snprintf(r->v.reason, sizeof(r->v.reason), "%s", why);
    r->mute = true;
    r->waiting = r->asking = false;
    r->settle_ns = 0;
    r->ask_ns = now_ns + r->v.interval_ns;
    act(n, r, &out, false, now_ns);
}

static void advert_answered(struct pn_node *n, struct router *r, bool sent, uint64_t now_ns)
{
    r->waiting = false;
    if (r->v.state != PN_VRRP_ACTIVE || r->follows_ns == 0)
        return;
    if (sent && r->follows_ns > now_ns) {
        r->failed = 0;
        lease(n, r, r->follows_ns, 0, now_ns);
        return;
    }
    r->v.lease_ns = r->granted_ns;
    if (r->granted_ns == 0 || ++r->failed > 1) /* one may have been late, two are no chance */
        go_mute(n, r, "the port cannot send", now_ns);
    else
        r->v.timer_ns = now_ns + r->v.interval_ns / 8;
}

static void ask_answered(struct pn_node *n, struct router *r, bool sent, uint64_t now_ns)
{
    r->asking = false;
    r->failed = 0;
    if (r->mute)
        r->mute = !sent;
    else if (sent)
        r->settle_ns = now_ns + SETTLE_NS;
    else
        go_mute(n, r, "the port cannot send", now_ns);
}

static void vrrp_answer(struct pn_node *n, uint32_t own, unsigned status, uint64_t now_ns)
{
    struct routers *all = all_of(n);
    bool sent = status == PN_DP_STATUS_OK || status == PN_DP_STATUS_BUSY;
    for (unsigned i = 0; all && i < all->n; i++) {
        struct router *r = &all->r[i];
        if (own >> 16 == ADVERT && r->waiting && r->seq == (own & 0xffff)) {
            advert_answered(n, r, sent, now_ns);
        } else if (own >> 16 == ASK && r->asking && r->seq == (own & 0xffff)) {
            ask_answered(n, r, sent, now_ns);
        } else if (own >> 16 == END && r->ending) {
            r->ending--; /* answers come in the order of what was asked */
            return;
        }
    }
}

/* ---- time ---- */

static void start(struct pn_node *n, struct router *r, uint64_t now_ns)
{
    struct pn_vrrp_out out;
    if (r->held_ns > now_ns)
        pn_vrrp_resume(&r->v, now_ns, &out);
    else
        pn_vrrp_startup(&r->v, now_ns, &out);
    r->held_ns = 0;
    act(n, r, &out, false, now_ns);
}

/* Nothing that others could take for a claim: a probe for one of the addresses, which leaves or does not. */
static void ask(struct pn_node *n, struct router *r, uint64_t now_ns)
{
    struct pn_dp_vip_ref ref = {.vip = r->ids[0]};
    for (unsigned i = 0; i < r->v.n_addrs; i++)
        ref.vip = r->there[i] ? r->ids[i] : ref.vip;
    r->asking = true;
    r->asked_ns = now_ns;
    r->seq = ++all_of(n)->seq;
    n->io.send(n->io.arg, PN_DP_PROBE, &ref, sizeof(ref), PN_TAG_PROTOCOL(PN_VIP_VRRP, (uint32_t)ASK << 16 | r->seq));
}

static uint64_t step_mute(struct pn_node *n, struct router *r, uint64_t now_ns)
{
    if (r->asking)
        return UINT64_MAX;
    if (now_ns < r->ask_ns)
        return r->ask_ns;
    r->ask_ns = now_ns + (r->v.interval_ns > ASK_LEAST_NS ? r->v.interval_ns : ASK_LEAST_NS);
    ask(n, r, now_ns);
    return UINT64_MAX;
}

/*
 * Silence is believed only from a dataplane that works now: one that was stopped may have the other's advertisements still
 * before it. true: the claim waits, until *wake_ns at most.
 */
static bool step_doubt(struct pn_node *n, struct router *r, uint64_t now_ns, uint64_t *wake_ns)
{
    if (r->v.state != PN_VRRP_BACKUP || r->v.priority == 0 || r->v.timer_ns == 0 || now_ns < r->v.timer_ns) {
        r->settle_ns = 0;
        return false;
    }
    if (r->settle_ns) {
        *wake_ns = r->settle_ns;
        return now_ns < r->settle_ns;
    }
    if (!r->asking)
        ask(n, r, now_ns);
    *wake_ns = r->asked_ns + 2 * r->v.interval_ns;
    return true;
}

/* RFC 4291, appendix A: what the port's MAC makes, whatever the kernel may use besides. */
static struct pn_addr link_local(const struct pn_mac *mac)
{
    return (struct pn_addr){.b = {0xfe, 0x80, 0, 0, 0, 0, 0, 0, (uint8_t)(mac->b[0] ^ 2), mac->b[1], mac->b[2], 0xff,
                                  0xfe, mac->b[3], mac->b[4], mac->b[5]}};
}

static uint64_t step_one(struct pn_node *n, struct router *r, uint64_t now_ns)
{
    const struct pn_mac *mac = &n->port_mac[r->port < PN_MAX_PORTS ? r->port : 0];
    bool planned = all_of(n)->standby;
    struct pn_vrrp_out out;
    uint64_t wake = UINT64_MAX;
    if (!r->runs || (r->v.v6 && pn_mac_is_zero(mac)))
        return UINT64_MAX;
    if (r->v.v6)
        r->v.primary = link_local(mac);
    r->v.priority = (uint8_t)(planned ? 0 : r->priority);
    r->v.wait = !n->election.synced;
    if ((r->waiting || (r->asking && !r->mute)) && now_ns - r->asked_ns >= 2 * r->v.interval_ns)
        go_mute(n, r, "the dataplane does not answer", now_ns);
    if (r->mute)
        return step_mute(n, r, now_ns);
    if (r->v.state == PN_VRRP_INITIALIZE)
        start(n, r, now_ns);
    if (r->waiting)
        return r->asked_ns + 2 * r->v.interval_ns;
    if (step_doubt(n, r, now_ns, &wake))
        return wake;
    pn_vrrp_step(&r->v, now_ns, &out, &wake);
    act(n, r, &out, planned, now_ns);
    return r->waiting ? r->asked_ns + 2 * r->v.interval_ns : wake;
}

static void vrrp_step(struct pn_node *n, uint64_t now_ns, uint64_t *wake_ns)
{
    struct routers *all = all_of(n);
    for (unsigned i = 0; all && i < all->n; i++) {
        uint64_t wake = step_one(n, &all->r[i], now_ns);
        if (wake < *wake_ns)
            *wake_ns = wake;
    }
}

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
    struct routers *all = all_of(n);
    uint8_t vrid = w->bytes > 1 ? w->payload[1] : 0;
    struct router *r = all ? find(all->r, all->n, !pn_addr_is_v4(&w->src), vrid, p->port, p->vlan) : NULL;
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
    act(n, r, &out, false, now_ns);
}

/* ---- configuration and the dataplane ---- */

static struct router *router_of(struct pn_node *n, struct routers *all, const struct pn_node_vip *vip)
{
    bool v6 = !pn_addr_is_v4(&vip->addr);
    struct router *r = find(all->r, all->n, v6, vip->vrid, vip->port, vip->vlan);
    if (r)
        return r;
    struct router *old = find(all->before, all->n_before, v6, vip->vrid, vip->port, vip->vlan);
    r = &all->r[all->n++];
    *r = old ? *old : (struct router){.v = {.v6 = v6, .vrid = vip->vrid, .reason = "not in the dataplane yet"}};
    r->v.n_addrs = 0;
    r->priority = vip->want.priority;
    r->port = vip->port;
    r->vlan = vip->vlan;
    r->mac = vip->mac;
    r->v.priority = (uint8_t)(all->standby ? 0 : r->priority);
    r->v.preempt = vip->want.preempt != PN_PREEMPT_NO;
    r->v.preempt_delay_ns = vip->want.preempt == PN_PREEMPT_DELAY ? vip->want.preempt_delay_ns : 0;
    r->v.interval_ns = vip->vrrp_interval_cs * CENTISECOND;
    if (!v6)
        r->v.primary = vip->vrrp_source;
    (void)n;
    return r;
}

/* Addresses that are no longer there, and virtual routers of which none is. */
static void give_up_gone(struct pn_node *n, struct routers *all, uint64_t now_ns)
{
    for (unsigned i = 0; i < all->n_before; i++) {
        struct router *old = &all->before[i];
        struct router *r = find(all->r, all->n, old->v.v6, old->v.vrid, old->port, old->vlan);
        if (!r) {
            struct pn_vrrp_out out;
            pn_vrrp_shutdown(&old->v, now_ns, &out);
            out.changed = false; /* the VIPs' names are not the configuration's any more */
            act(n, old, &out, true, now_ns);
            continue;
        }
        for (unsigned k = 0; k < old->v.n_addrs; k++)
            for (unsigned m = 0; m < r->v.n_addrs; m++)
                if (r->ids[m] == old->ids[k])
                    old->there[k] = false;
        if (old->v.state == PN_VRRP_ACTIVE)
            lease(n, old, 0, now_ns + n->conf.grace_ns, now_ns);
    }
}

static int vrrp_configure(struct pn_node *n, uint64_t now_ns, struct pn_error *err)
{
    struct routers *all = all_of(n);
    if (!all && !(all = n->protocol_state[PN_VIP_VRRP] = calloc(1, sizeof(*all))))
        return pn_error_set(err, "out of memory");
    memcpy(all->before, all->r, sizeof(all->before));
    all->n_before = all->n;
    all->n = 0;
    all->standby = n->show.standby || n->leaving;
    for (unsigned i = 0; i < n->conf.n_vips; i++) {
        const struct pn_node_vip *vip = &n->conf.vips[i];
        if (vip->protocol != PN_VIP_VRRP || vip->want.priority == 0)
            continue;
        struct router *r = router_of(n, all, vip);
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

static void install_one(struct pn_node *n, struct router *r, const uint16_t *ids, const uint64_t *leases,
                        unsigned n_ids, uint64_t now_ns)
{
    bool ran = r->runs;
    uint64_t held = UINT64_MAX;
    struct pn_vrrp_out out;
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
        act(n, r, &out, false, now_ns);
    }
    if (n_ids == 0) { /* whatever was under way is answered by nobody */
        r->waiting = r->mute = r->asking = false;
        r->ending = r->failed = 0;
    }
}

static void vrrp_installed(struct pn_node *n, const uint16_t *ids, const uint64_t *leases, unsigned n_ids,
                           uint64_t now_ns)
{
    struct routers *all = all_of(n);
    for (unsigned i = 0; all && i < all->n; i++)
        install_one(n, &all->r[i], ids, leases, n_ids, now_ns);
}

/* ---- orders and display ---- */

static void vrrp_standby(struct pn_node *n, bool standby, uint64_t now_ns)
{
    (void)now_ns; /* the step that follows does it */
    if (all_of(n))
        all_of(n)->standby = standby;
}

static const struct router *router_with(const struct pn_node *n, unsigned vip)
{
    const struct routers *all = all_of(n);
    for (unsigned i = 0; all && i < all->n; i++)
        for (unsigned k = 0; k < all->r[i].v.n_addrs; k++)
            if (all->r[i].vips[k] == vip)
                return &all->r[i];
    return NULL;
}

static int vrrp_move(struct pn_node *n, const struct pn_node_vip *vip, const char *to, uint64_t now_ns,
                     struct pn_error *err)
{
    struct router *r = (struct router *)(uintptr_t)router_with(n, (unsigned)(vip - n->conf.vips));
    char who[PN_ADDR_TEXT_BYTES];
    struct pn_vrrp_out out;
    if (to)
        return pn_error_set(err,
                            "VIP \"%s\": VRRP names no successor; leave the node out, and the router with the highest "
                            "priority takes it",
                            vip->name);
    if (!r || r->v.state != PN_VRRP_ACTIVE)
        return pn_error_set(err, "VIP \"%s\": this node is %s; only the active router%s%s can give it up", vip->name,
                            pn_election_state_name[r ? state_of(r) : PN_EL_INIT],
                            r && !pn_addr_is_zero(&r->v.active) ? " " : "",
                            r && !pn_addr_is_zero(&r->v.active) ? pn_addr_format(&r->v.active, who, sizeof(who)) : "");
    pn_vrrp_yield(&r->v, now_ns, &out);
    act(n, r, &out, true, now_ns);
    return 0;
}

static bool vrrp_owns(const struct pn_node *n)
{
    const struct routers *all = all_of(n);
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
    const struct router *r = router_with(n, vip);
    (void)now_ns;
    out->vrrp.vrid = n->conf.vips[vip].vrid;
    if (!r)
        snprintf(out->reason, sizeof(out->reason), "priority 0 here");
    if (!r)
        return;
    uint64_t interval_ns = r->v.interval_ns;
    out->state = state_of(r);
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
    .answer = vrrp_answer,
    .step = vrrp_step,
    .standby = vrrp_standby,
    .move = vrrp_move,
    .owns = vrrp_owns,
    .show = vrrp_show,
};
