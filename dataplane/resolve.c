/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Gateways' MAC addresses: the pure table (core/neigh.h) fed from the kernel (where the port's network has a kernel
 * interface), from what workers overhear, and from our own questions on the wire; and the packets that wait for one.
 */
#include <rte_mbuf.h>
#include <rte_ring_elem.h>

#include "common/addr.h"
#include "common/log.h"
#include "dataplane/core/arp.h"
#include "dataplane/core/ndp.h"
#include "dataplane/neigh_link.h"
#include "dataplane/runtime.h"

#define TABLE_EVERY_MS 8 /* the table's own timers; answers and waiting packets are seen to at once */
#define ACTIONS 32
#define DRAIN 64
#define ASK_SOME 4

/* A packet of a worker ends here; the worker counted it as held, so this block's gauge goes down for it. */
static void held_drop(struct pn_dataplane *dp, struct rte_mbuf *m, enum pn_counter why)
{
    dp->main_stats->counters[why]++;
    dp->main_stats->held--;
    rte_pktmbuf_free(m);
}

static void held_send(struct pn_dataplane *dp, struct rte_mbuf *m)
{
    unsigned worker = pn_mbuf_meta(m)->origin;
    if (worker >= dp->n_workers || rte_ring_enqueue(dp->workers[worker]->inject, m))
        held_drop(dp, m, PN_C_REWRITE_QUEUE_FULL);
}

static void gateway_flush(struct pn_dataplane *dp, uint16_t gateway, bool send)
{
    uint64_t handles[DRAIN];
    unsigned n;
    while ((n = pn_neigh_take(dp->neigh, gateway, handles, DRAIN)) > 0) {
        for (unsigned i = 0; i < n; i++) {
            struct rte_mbuf *m = (struct rte_mbuf *)(uintptr_t)handles[i];
            if (send)
                held_send(dp, m);
            else
                held_drop(dp, m, PN_C_REWRITE_NO_NEIGHBOUR);
        }
    }
}

int pn_resolve_interface(const struct pn_dataplane *dp, uint16_t port, uint16_t vlan)
{
    const struct pn_port *p = &dp->ports.port[port];
    return p->ifindex && vlan ? pn_neigh_link_vlan(p->ifname, vlan) : p->ifindex;
}

static void ask_wire(struct pn_dataplane *dp, const struct pn_neigh_action *a)
{
    const struct pn_port *p = &dp->ports.port[a->port];
    const struct pn_mac *dst = a->act == PN_NEIGH_ACT_PROBE ? &a->mac : NULL;
    uint8_t frame[PN_NDP_FRAME_MAX > PN_ARP_FRAME_MAX ? PN_NDP_FRAME_MAX : PN_ARP_FRAME_MAX];
    uint32_t n;
    if (pn_addr_is_v4(&a->addr)) {
        uint32_t target_be, sender_be = 0;
        memcpy(&target_be, &a->addr.b[12], 4);
        if (!pn_addr_is_zero(&p->args.address_v4))
            memcpy(&sender_be, &p->args.address_v4.b[12], 4);
        n = pn_arp_build_request(frame, sizeof(frame), &p->mac, dst, a->vlan, sender_be, target_be);
        pn_inject_frame(dp, a->port, PN_ID_NONE, frame, n, PN_C_GEN_ARP_REQUEST);
        return;
    }
    struct pn_addr src = pn_addr_is_zero(&p->args.address_v6) ? pn_ndp_link_local(&p->mac) : p->args.address_v6;
    n = pn_ndp_build_solicit(frame, sizeof(frame), &p->mac, dst, a->vlan, &src, &a->addr);
    pn_inject_frame(dp, a->port, PN_ID_NONE, frame, n, PN_C_GEN_NDP_SOLICIT);
}

static const struct pn_snap_gateway *gateway_of(const struct pn_dpsnap *snap, uint16_t id)
{
    for (unsigned g = 0; g < snap->view.header->n_gateways; g++)
        if (snap->view.gateways[g].id == id)
            return &snap->view.gateways[g];
    return NULL;
}

void pn_resolve_ask(struct pn_dataplane *dp, const struct pn_neigh_action *a)
{
    int ifindex = pn_resolve_interface(dp, a->port, a->vlan);
    if (ifindex) {
        pn_neigh_link_ask(dp->link, ifindex, &a->addr, a->act == PN_NEIGH_ACT_SOLICIT && !pn_mac_is_zero(&a->mac));
    } else if (dp->ports.port[a->port].kind == PN_PORT_AF_XDP) {
        /* The answer to our own question would go to the kernel, which has no use for it. */
        pn_log_limited(10000, PN_LOG_ERROR, "port %s: VLAN %u has a gateway, but the kernel has no interface for it",
                       dp->ports.port[a->port].name, a->vlan);
    } else {
        ask_wire(dp, a);
    }
}

/*
 * Whose answer it is does not matter: it is a frame that arrives. So it may go to the kernel, and the kernel's own timers,
 * which ask a neighbour that was heard lately only after seconds, are not waited for.
 */
unsigned pn_resolve_ask_some(struct pn_dataplane *dp, uint16_t port)
{
    unsigned asked = 0;
    uint16_t g = dp->ask_next;
    for (unsigned i = 0; i < PN_MAX_GATEWAYS && asked < ASK_SOME; i++, g = (uint16_t)((g + 1) % PN_MAX_GATEWAYS)) {
        struct pn_dp_neighbour n;
        if (!pn_neigh_get(dp->neigh, g, (uint32_t)dp->now_ms, &n) || n.port != port || pn_mac_is_zero(&n.mac) ||
            (n.state != PN_NEIGH_REACHABLE && n.state != PN_NEIGH_STALE && n.state != PN_NEIGH_PROBE))
            continue;
        const struct pn_snap_gateway *gw = dp->snap ? gateway_of(dp->snap, g) : NULL;
        if (!gw)
            continue;
        ask_wire(dp, &(struct pn_neigh_action){.addr = n.addr, .port = port, .vlan = gw->vlan});
        asked++;
    }
    dp->ask_next = g;
    return asked;
}

static void table_run(struct pn_dataplane *dp)
{
    struct pn_neigh_action actions[ACTIONS];
    unsigned n;
    do {
        n = pn_neigh_tick(dp->neigh, (uint32_t)dp->now_ms, actions, ACTIONS);
        for (unsigned i = 0; i < n; i++) {
            if (actions[i].act == PN_NEIGH_ACT_RELEASE || actions[i].act == PN_NEIGH_ACT_DROP)
                gateway_flush(dp, actions[i].gateway, actions[i].act == PN_NEIGH_ACT_RELEASE);
            else
                pn_resolve_ask(dp, &actions[i]);
        }
    } while (n + 1 >= ACTIONS);
}

static void kernel_heard(void *arg, int ifindex, const struct pn_addr *addr, enum pn_neigh_heard heard,
                         const struct pn_mac *mac)
{
    struct pn_dataplane *dp = arg;
    pn_peers_kernel_heard(dp, ifindex, addr, heard, mac);
    for (unsigned g = 0; dp->snap && g < dp->snap->view.header->n_gateways; g++) {
        const struct pn_snap_gateway *gw = &dp->snap->view.gateways[g];
        if (!pn_addr_equal(&gw->addr, addr) || gw->mode != PN_FWD_L2DSR ||
            pn_resolve_interface(dp, gw->port, gw->vlan) != ifindex)
            continue;
        if (heard == PN_NEIGH_HEARD_FAILED)
            pn_neigh_kernel_failed(dp->neigh, addr, gw->port, gw->vlan, (uint32_t)dp->now_ms);
        else
            pn_neigh_learned(dp->neigh, addr, gw->port, gw->vlan, mac, heard == PN_NEIGH_HEARD_CONFIRMED, true,
                             PN_NEIGH_KERNEL, (uint32_t)dp->now_ms);
        table_run(dp);
        return; /* the table sees to all gateways at that address, port and VLAN */
    }
}

static bool worker_learned(struct pn_dataplane *dp, struct pn_worker *w)
{
    struct pn_learn_msg msgs[DRAIN];
    unsigned n = rte_ring_sc_dequeue_burst_elem(w->ctx.learn, msgs, PN_LEARN_BYTES, DRAIN, NULL);
    for (unsigned i = 0; i < n; i++) {
        pn_neigh_learned(dp->neigh, &msgs[i].addr, msgs[i].port, msgs[i].vlan, &msgs[i].mac,
                         msgs[i].flags & PN_LEARN_SOLICITED, msgs[i].flags & PN_LEARN_OVERRIDE, PN_NEIGH_WIRE,
                         (uint32_t)dp->now_ms);
        pn_peers_learned(dp, &msgs[i]);
    }
    return n > 0;
}

static bool worker_waits(struct pn_dataplane *dp, struct pn_worker *w)
{
    struct rte_mbuf *mbufs[DRAIN];
    unsigned n = rte_ring_sc_dequeue_burst(w->ctx.neigh_wait, (void **)mbufs, DRAIN, NULL);
    for (unsigned i = 0; i < n; i++) {
        uint64_t pushed_out;
        switch (pn_neigh_hold(dp->neigh, pn_mbuf_meta(mbufs[i])->gateway, (uintptr_t)mbufs[i], &pushed_out)) {
        case PN_NEIGH_HOLD_KEPT:
            if (pushed_out)
                held_drop(dp, (struct rte_mbuf *)(uintptr_t)pushed_out, PN_C_REWRITE_QUEUE_FULL);
            break;
        case PN_NEIGH_HOLD_SEND:
            held_send(dp, mbufs[i]);
            break;
        case PN_NEIGH_HOLD_DROP:
            held_drop(dp, mbufs[i], PN_C_REWRITE_NO_NEIGHBOUR);
            break;
        case PN_NEIGH_HOLD_FULL:
            held_drop(dp, mbufs[i], PN_C_REWRITE_QUEUE_FULL);
            break;
        }
    }
    return n > 0;
}

int pn_resolve_start(struct pn_dataplane *dp, struct pn_error *err)
{
    /* Verified often: a gateway that changed its card without a word is found again within about ten seconds. */
    static const struct pn_neigh_timers timers = {.reachable_ms = 10000};

    dp->neigh = pn_neigh_table_new(&timers, &dp->shared->neigh, err);
    if (!dp->neigh)
        return -1;
    dp->link = pn_neigh_link_new(dp->loop, dp->kernel, kernel_heard, dp, err);
    return dp->link ? 0 : -1;
}

void pn_resolve_snapshot(struct pn_dataplane *dp, const struct pn_dpsnap *snap)
{
    bool wanted[PN_MAX_GATEWAYS] = {false};
    for (unsigned g = 0; g < snap->view.header->n_gateways; g++) {
        const struct pn_snap_gateway *gw = &snap->view.gateways[g];
        if (gw->mode != PN_FWD_L2DSR)
            continue;
        wanted[gw->id] = true;
        pn_neigh_want(dp->neigh, gw->id, &gw->addr, gw->port, gw->vlan, gw->has_static_mac ? &gw->mac : NULL,
                      (uint32_t)dp->now_ms);
    }
    for (uint16_t id = 0; id < PN_MAX_GATEWAYS; id++) {
        if (wanted[id])
            continue;
        gateway_flush(dp, id, false);
        pn_neigh_forget(dp->neigh, id);
    }
}

void pn_resolve_tick(struct pn_dataplane *dp)
{
    bool due = dp->tick % TABLE_EVERY_MS == 0;
    for (unsigned w = 0; w < dp->n_workers; w++) {
        due |= worker_learned(dp, dp->workers[w]);
        due |= worker_waits(dp, dp->workers[w]);
    }
    if (due)
        table_run(dp);
}

void pn_resolve_stop(struct pn_dataplane *dp)
{
    if (dp->neigh) {
        for (uint16_t id = 0; id < PN_MAX_GATEWAYS; id++)
            gateway_flush(dp, id, false);
        pn_neigh_table_free(dp->neigh);
    }
    pn_neigh_link_free(dp->link);
    dp->neigh = NULL;
    dp->link = NULL;
}
