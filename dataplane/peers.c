/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * MAC addresses of those that posternd sends packets to: the other nodes. A table of neighbours of its own, fed as that of
 * the gateways is; nothing waits in it, since the next heartbeat is worth more than the last.
 */
#include "dataplane/runtime.h"

#define TABLE_EVERY_MS 8
#define FORGET_MS 60000u /* an address not sent to for this long */
#define ACTIONS 32

int pn_peers_start(struct pn_dataplane *dp, struct pn_error *err)
{
    /* Asked often: heartbeats to a peer that comes back must not wait for its address. */
    static const struct pn_neigh_timers timers = {.reachable_ms = 10000, .retrans_ms = 200, .failed_ms = 200};
    dp->peer_neigh = pn_neigh_table_new(&timers, &dp->peer_macs, err);
    return dp->peer_neigh ? 0 : -1;
}

void pn_peers_stop(struct pn_dataplane *dp)
{
    if (dp->peer_neigh)
        pn_neigh_table_free(dp->peer_neigh);
    dp->peer_neigh = NULL;
}

static void table_run(struct pn_dataplane *dp)
{
    struct pn_neigh_action actions[ACTIONS];
    unsigned n;
    do {
        n = pn_neigh_tick(dp->peer_neigh, (uint32_t)dp->now_ms, actions, ACTIONS);
        for (unsigned i = 0; i < n; i++) {
            if (actions[i].act == PN_NEIGH_ACT_SOLICIT || actions[i].act == PN_NEIGH_ACT_PROBE)
                pn_resolve_ask(dp, &actions[i]);
        }
    } while (n + 1 >= ACTIONS);
}

void pn_peers_tick(struct pn_dataplane *dp)
{
    if (dp->tick % TABLE_EVERY_MS)
        return;
    for (uint16_t i = 0; i < PN_PEERS_MAX; i++) {
        if (dp->peers[i].used_ms && dp->now_ms - dp->peers[i].used_ms > FORGET_MS) {
            pn_neigh_forget(dp->peer_neigh, i);
            dp->peers[i].used_ms = 0;
        }
    }
    table_run(dp);
}

static struct pn_peer *find(struct pn_dataplane *dp, const struct pn_addr *addr, uint16_t port, uint16_t vlan)
{
    for (unsigned i = 0; i < PN_PEERS_MAX; i++) {
        struct pn_peer *p = &dp->peers[i];
        if (p->used_ms && pn_addr_equal(&p->addr, addr) && p->port == port && p->vlan == vlan)
            return p;
    }
    return NULL;
}

/* In a free place, or that of the address that was not sent to for the longest. */
static struct pn_peer *enter(struct pn_dataplane *dp, const struct pn_addr *addr, uint16_t port, uint16_t vlan)
{
    struct pn_peer *oldest = &dp->peers[0];
    for (unsigned i = 1; i < PN_PEERS_MAX; i++) {
        if (dp->peers[i].used_ms < oldest->used_ms)
            oldest = &dp->peers[i];
    }
    *oldest = (struct pn_peer){.addr = *addr, .used_ms = dp->now_ms, .port = port, .vlan = vlan};
    pn_neigh_want(dp->peer_neigh, (uint16_t)(oldest - dp->peers), addr, port, vlan, NULL, (uint32_t)dp->now_ms);
    table_run(dp);
    return oldest;
}

bool pn_peers_find(struct pn_dataplane *dp, const struct pn_addr *addr, uint16_t port, uint16_t vlan,
                   struct pn_mac *mac)
{
    struct pn_peer *p = find(dp, addr, port, vlan);
    if (!p)
        p = enter(dp, addr, port, vlan);
    p->used_ms = dp->now_ms;
    uint64_t known = pn_neigh_read(&dp->peer_macs, (uint16_t)(p - dp->peers));
    /* Of a peer that does not answer, the last one: when the network heals, heartbeats must not wait for its address. */
    if (known & PN_NEIGH_VALID)
        p->last = known;
    memcpy(mac->b, &p->last, sizeof(mac->b));
    return p->last & PN_NEIGH_VALID;
}

void pn_peers_learned(struct pn_dataplane *dp, const struct pn_learn_msg *msg)
{
    if (find(dp, &msg->addr, msg->port, msg->vlan))
        pn_neigh_learned(dp->peer_neigh, &msg->addr, msg->port, msg->vlan, &msg->mac, msg->flags & PN_LEARN_SOLICITED,
                         msg->flags & PN_LEARN_OVERRIDE, PN_NEIGH_WIRE, (uint32_t)dp->now_ms);
}

void pn_peers_kernel_heard(struct pn_dataplane *dp, int ifindex, const struct pn_addr *addr, enum pn_neigh_heard heard,
                           const struct pn_mac *mac)
{
    for (unsigned i = 0; i < PN_PEERS_MAX; i++) {
        const struct pn_peer *p = &dp->peers[i];
        if (!p->used_ms || !pn_addr_equal(&p->addr, addr) || pn_resolve_interface(dp, p->port, p->vlan) != ifindex)
            continue;
        if (heard == PN_NEIGH_HEARD_FAILED)
            pn_neigh_kernel_failed(dp->peer_neigh, addr, p->port, p->vlan, (uint32_t)dp->now_ms);
        else
            pn_neigh_learned(dp->peer_neigh, addr, p->port, p->vlan, mac, heard == PN_NEIGH_HEARD_CONFIRMED, true,
                             PN_NEIGH_KERNEL, (uint32_t)dp->now_ms);
        return; /* the table sees to all entries of that address, port and VLAN */
    }
}
