/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One virtual router at work: the state machine (vrrp.h) gets the time and the dataplane's answers, and what follows from it
 * becomes leases, advertisements and events.
 */
#include <stdio.h>

#include "common/addr.h"
#include "controlplane/vip/vrrp_internal.h"

#define ASK_LEAST_NS UINT64_C(1000000000)
#define SETTLE_NS UINT64_C(2000000)

enum kind { ADVERT, END, ASK }; /* what an answer belongs to */

struct vrrp_routers *pn_vrrp_routers(const struct pn_node *n)
{
    return n->protocol_state[PN_VIP_VRRP];
}

struct vrrp_router *pn_vrrp_router_find(struct vrrp_router *list, unsigned n, bool v6, uint8_t vrid, uint16_t port,
                                        uint16_t vlan)
{
    for (unsigned i = 0; i < n; i++)
        if (list[i].v.vrid == vrid && list[i].v.v6 == v6 && list[i].port == port && list[i].vlan == vlan)
            return &list[i];
    return NULL;
}

enum pn_election_state pn_vrrp_router_state(const struct vrrp_router *r)
{
    static const enum pn_election_state states[] = {
        [PN_VRRP_INITIALIZE] = PN_EL_INIT, [PN_VRRP_BACKUP] = PN_EL_BACKUP, [PN_VRRP_ACTIVE] = PN_EL_OWNER};
    return states[r->v.state];
}

/* ---- what follows from the state machine ---- */

static void tell(struct pn_node *n, struct vrrp_router *r)
{
    bool active = r->v.state == PN_VRRP_ACTIVE;
    bool alarm = strncmp(r->v.reason, "the ", 4) == 0; /* the lease, the port, the dataplane: what failed */
    r->transitions += active != r->active_told;
    r->active_told = active;
    for (unsigned i = 0; i < r->v.n_addrs; i++)
        pn_node_say(n, alarm ? PN_LOG_WARNING : PN_LOG_NOTICE, "vip", n->conf.vips[r->vips[i]].name,
                    "%s: %s (virtual router %u)", pn_election_state_name[pn_vrrp_router_state(r)], r->v.reason,
                    r->v.vrid);
}

void pn_vrrp_router_lease(struct pn_node *n, struct vrrp_router *r, uint64_t deadline_ns, uint64_t forward_ns,
                          uint64_t now_ns)
{
    struct pn_election_out out = {.n = 0};
    for (unsigned i = 0; i < r->v.n_addrs; i++)
        if (r->there[i])
            out.orders[out.n++] = (struct pn_election_order){
                .type = PN_ORDER_LEASE, .vip = r->ids[i], .deadline_ns = deadline_ns, .forward_ns = forward_ns};
    r->granted_ns = deadline_ns;
    pn_node_obey(n, &out, false, now_ns);
}

static void transmit(struct pn_node *n, struct vrrp_router *r, uint8_t priority, enum kind kind, uint64_t now_ns)
{
    struct {
        struct pn_dp_packet head;
        uint8_t packet[40 + PN_VRRP_MAX_BYTES];
    } m = {.head = {.port = r->port, .vlan = r->vlan, .src_mac = r->mac, .boottime_ns = now_ns + r->v.interval_ns}};
    struct pn_vrrp_advert a = {.v6 = r->v.v6,
                               .vrid = r->v.vrid,
                               .priority = priority,
                               .interval_cs = (uint16_t)(r->v.interval_ns / PN_VRRP_CENTISECOND_NS),
                               .n_addrs = r->v.n_addrs};
    struct pn_addr group = pn_vrrp_group(r->v.v6);
    uint8_t message[PN_VRRP_MAX_BYTES];
    memcpy(a.addrs, r->v.addrs, sizeof(a.addrs));
    size_t bytes = pn_vrrp_encode(&a, &r->v.primary, &group, message, sizeof(message));
    m.head.bytes =
        (uint32_t)pn_wire_ip_build(&r->v.primary, &group, PN_IPPROTO_VRRP, message, bytes, m.packet, sizeof(m.packet));
    if (bytes == 0 || m.head.bytes == 0)
        return;
    uint16_t seq = ++pn_vrrp_routers(n)->seq;
    if (kind == ADVERT)
        r->seq = seq;
    n->io.send(n->io.arg, PN_DP_PACKET_TX, &m, sizeof(m.head) + m.head.bytes,
               PN_TAG_PROTOCOL(PN_VIP_VRRP, (uint32_t)kind << 16 | seq));
}

void pn_vrrp_router_act(struct pn_node *n, struct vrrp_router *r, const struct pn_vrrp_out *out, bool planned,
                        uint64_t now_ns)
{
    if (out->lease_change && out->deadline_ns == 0) {
        pn_vrrp_router_lease(n, r, 0, planned ? now_ns + n->conf.grace_ns : 0, now_ns);
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
        if (out->deadline_ns < r->granted_ns) /* a shorter interval: in force before anyone hears of it */
            pn_vrrp_router_lease(n, r, out->deadline_ns, 0, now_ns);
        transmit(n, r, out->priority, ADVERT, now_ns);
    } else if (out->send) {
        r->v.lease_ns = r->follows_ns; /* not sent, so it renews nothing */
    }
}

static void go_mute(struct pn_node *n, struct vrrp_router *r, const char *why, uint64_t now_ns)
{
    struct pn_vrrp_out out;
    pn_vrrp_shutdown(&r->v, now_ns, &out);
    out.send = false;
    snprintf(r->v.reason, sizeof(r->v.reason), "%s", why);
    r->mute = true;
    r->waiting = r->asking = false;
    r->settle_ns = 0;
    r->ask_ns = now_ns + r->v.interval_ns;
    pn_vrrp_router_act(n, r, &out, false, now_ns);
}

static void advert_answered(struct pn_node *n, struct vrrp_router *r, bool sent, uint64_t now_ns)
{
    r->waiting = false;
    if (r->v.state != PN_VRRP_ACTIVE || r->follows_ns == 0)
        return;
    if (sent && r->follows_ns > now_ns) {
        r->failed = 0;
        pn_vrrp_router_lease(n, r, r->follows_ns, 0, now_ns);
        return;
    }
    r->v.lease_ns = r->granted_ns;
    if (r->granted_ns == 0 || ++r->failed > 1) /* one may have been late, two are no chance */
        go_mute(n, r, "the port cannot send", now_ns);
    else
        r->v.timer_ns = now_ns + r->v.interval_ns / 8;
}

static void ask_answered(struct pn_node *n, struct vrrp_router *r, bool sent, uint64_t now_ns)
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

void pn_vrrp_routers_answer(struct pn_node *n, uint32_t own, unsigned status, uint64_t now_ns)
{
    struct vrrp_routers *all = pn_vrrp_routers(n);
    bool sent = status == PN_DP_STATUS_OK || status == PN_DP_STATUS_BUSY;
    for (unsigned i = 0; all && i < all->n; i++) {
        struct vrrp_router *r = &all->r[i];
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

static void start(struct pn_node *n, struct vrrp_router *r, uint64_t now_ns)
{
    struct pn_vrrp_out out;
    r->granted_ns = r->held_ns > now_ns ? r->held_ns : 0;
    if (r->granted_ns)
        pn_vrrp_resume(&r->v, now_ns, &out);
    else
        pn_vrrp_startup(&r->v, now_ns, &out);
    r->held_ns = 0;
    pn_vrrp_router_act(n, r, &out, false, now_ns);
}

/* Nothing that others could take for a claim: a probe for one of the addresses, which leaves or does not. */
static void ask(struct pn_node *n, struct vrrp_router *r, uint64_t now_ns)
{
    struct pn_dp_vip_ref ref = {.vip = r->ids[0]};
    for (unsigned i = 0; i < r->v.n_addrs; i++)
        ref.vip = r->there[i] ? r->ids[i] : ref.vip;
    r->asking = true;
    r->asked_ns = now_ns;
    r->seq = ++pn_vrrp_routers(n)->seq;
    n->io.send(n->io.arg, PN_DP_PROBE, &ref, sizeof(ref), PN_TAG_PROTOCOL(PN_VIP_VRRP, (uint32_t)ASK << 16 | r->seq));
}

static uint64_t step_mute(struct pn_node *n, struct vrrp_router *r, uint64_t now_ns)
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
static bool step_doubt(struct pn_node *n, struct vrrp_router *r, uint64_t now_ns, uint64_t *wake_ns)
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

static uint64_t step_one(struct pn_node *n, struct vrrp_router *r, uint64_t now_ns)
{
    const struct pn_mac *mac = &n->port_mac[r->port < PN_MAX_PORTS ? r->port : 0];
    bool planned = pn_vrrp_routers(n)->standby, deaf = n->deaf[r->port < PN_MAX_PORTS ? r->port : 0].deaf;
    struct pn_vrrp_out out;
    uint64_t wake = UINT64_MAX;
    if (!r->runs || (r->v.v6 && pn_mac_is_zero(mac)))
        return UINT64_MAX;
    if (r->v.v6)
        r->v.primary = link_local(mac);
    r->v.priority = (uint8_t)(planned || deaf ? 0 : r->priority);
    r->v.unfit = planned ? "standby" : "its port receives nothing";
    if (deaf && r->v.state == PN_VRRP_BACKUP)
        r->v.timer_ns = 0; /* what is not heard now says nothing later: then the wait begins anew */
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
    pn_vrrp_router_act(n, r, &out, planned, now_ns);
    return r->waiting ? r->asked_ns + 2 * r->v.interval_ns : wake;
}

void pn_vrrp_routers_step(struct pn_node *n, uint64_t now_ns, uint64_t *wake_ns)
{
    struct vrrp_routers *all = pn_vrrp_routers(n);
    for (unsigned i = 0; all && i < all->n; i++) {
        uint64_t wake = step_one(n, &all->r[i], now_ns);
        if (wake < *wake_ns)
            *wake_ns = wake;
    }
}
