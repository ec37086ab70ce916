/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/stages/sync.h"

#include <rte_ring_elem.h>

#include "dataplane/stages/lease.h"

#define TAKE_MAX 256u /* peers' flows entered at a time: some 20 us */
#define WALK_LINES 512u /* looked at in one step of a walk: some 10 us */
#define WALK_ENTRIES 128u
#define HALF_WINDOW_MS 16u /* half-open flows: 2,000 a second and worker, 64 kB/s on the wire */
#define HALF_IN_WINDOW 32u
#define WALK_ROOM 4096u /* free in the ring, else the walk waits: new flows go first */

static void send(struct pn_ctx *c, const struct pn_flow *f, enum pn_flow_state state)
{
    uint32_t limit_ms = pn_flow_limit_ms(c->flows, f), idle_ms = c->now.ms - f->seen_ms;
    const struct pn_sync_msg msg = {
        .client = {f->client[0], f->client[1]},
        .port_svc = f->port_svc,
        .gateway = f->gateway,
        .state = (uint8_t)state,
        .flags = f->flags & PN_FLOW_F_SPILLED,
        .expires_ms = idle_ms < limit_ms ? limit_ms - idle_ms : 0,
    };

    if (rte_ring_sp_enqueue_elem(c->sync_out, (void *)(uintptr_t)&msg, sizeof(msg)) != 0)
        pn_count(c, PN_C_SYNC_DROPPED, 1);
}

void pn_sync_note(struct pn_ctx *c, uint16_t vip, const struct pn_flow *flow, enum pn_flow_state state)
{
    if (!atomic_load_explicit(&c->shared->sync, memory_order_relaxed))
        return;
    if (flow->flags & PN_FLOW_F_SYNCED || (!pn_lease_valid(c, vip) && !pn_lease_grace(c, vip)))
        return; /* another node's to tell */
    send(c, flow, state);
}

void pn_sync_note_half_open(struct pn_ctx *c, uint16_t vip, const struct pn_flow *flow)
{
    if (c->now.ms - c->sync_half_ms >= HALF_WINDOW_MS) {
        c->sync_half_ms = c->now.ms;
        c->sync_half_left = HALF_IN_WINDOW;
    }
    if (c->sync_half_left == 0)
        return;
    c->sync_half_left--;
    pn_sync_note(c, vip, flow, PN_FLOW_HALF_OPEN);
}

static void take_one(struct pn_ctx *c, const struct pn_sync_msg *msg)
{
    uint16_t service = (uint16_t)msg->port_svc;
    bool alive = msg->state == PN_FLOW_ESTABLISHED || msg->state == PN_FLOW_HALF_OPEN;

    if (service >= PN_MAX_SERVICES || c->snap->services[service].tier_count == 0 || msg->gateway >= PN_MAX_GATEWAYS ||
        !c->snap->gateways[msg->gateway].used) {
        pn_count(c, PN_C_SYNC_REFUSED, 1);
        return;
    }
    uint64_t hash = pn_flow_hash(c->flows, msg->client, msg->port_svc);
    struct pn_flow *f = pn_flow_lookup(c->flows, msg->client, msg->port_svc, hash, c->now);
    if (f == NULL && !alive)
        return;
    if (f != NULL && f->flags & PN_FLOW_F_SYNCED && f->state == PN_FLOW_CLOSING && msg->state == PN_FLOW_HALF_OPEN) {
        pn_flow_remove(c->flows, f); /* a new connection of the same client port */
        f = NULL;
    }
    if (f == NULL)
        f = pn_flow_import(c->flows, msg->client, msg->port_svc, hash, (enum pn_flow_state)msg->state, c->now);
    if (f == NULL || !(f->flags & PN_FLOW_F_SYNCED)) {
        pn_count(c, PN_C_SYNC_REFUSED, 1);
        return;
    }
    pn_count(c, PN_C_SYNC_TAKEN, 1);
    if (msg->state == PN_FLOW_FREE) {
        pn_flow_remove(c->flows, f);
        return;
    }
    if (msg->state == PN_FLOW_HALF_OPEN && f->state == PN_FLOW_ESTABLISHED)
        return; /* it was told of in the other order */
    f->gateway = msg->gateway;
    f->flags = PN_FLOW_F_SYNCED | (msg->flags & PN_FLOW_F_SPILLED);
    pn_flow_sync(c->flows, f, (enum pn_flow_state)msg->state, msg->expires_ms, c->now);
}

/* A third of the shortest idle time in use: then none runs out at the peers while it lives here. */
static uint32_t refresh_ms(const struct pn_dpsnap *snap)
{
    uint32_t least = UINT32_MAX;

    for (unsigned i = 0; i < PN_MAX_SERVICES; i++) {
        if (snap->services[i].tier_count != 0 && snap->timers[i].established_ms < least)
            least = snap->timers[i].established_ms;
    }
    return least / 3 + 1;
}

static void send_walked(struct pn_ctx *c, const struct pn_flow *f, uint32_t every_ms)
{
    const struct pn_dp_service *svc = &c->snap->services[(uint16_t)f->port_svc % PN_MAX_SERVICES];

    if (f->state != PN_FLOW_ESTABLISHED || f->unproven || (f->flags & PN_FLOW_F_SYNCED) || svc->tier_count == 0)
        return;
    if (!c->resyncing && c->now.ms - f->seen_ms > every_ms + every_ms / 4)
        return; /* idle since it was last sent: its time runs out there as it does here */
    if (pn_lease_valid(c, svc->vip) || pn_lease_grace(c, svc->vip))
        send(c, f, PN_FLOW_ESTABLISHED);
}

static void walk_end(struct pn_ctx *c)
{
    const struct pn_sync_msg end = {.flags = PN_SYNC_END};

    if (c->resyncing && rte_ring_sp_enqueue_elem(c->sync_out, (void *)(uintptr_t)&end, sizeof(end)) != 0)
        return; /* again with the next step */
    c->resyncing = false;
    c->sync_cursor = UINT64_MAX;
}

/* One step of the walk: as far as is due, or as fast as the ring takes it when a peer wants all. */
static void walk(struct pn_ctx *c)
{
    uint32_t every_ms = refresh_ms(c->snap), wanted = atomic_load_explicit(&c->shared->resync, memory_order_acquire);
    uint64_t slots = (uint64_t)pn_flow_lines(c->flows) * 2, every_tsc = c->shared->tsc_hz / 1000 * every_ms;
    struct pn_flow flows[WALK_ENTRIES];

    if (wanted != c->resync) {
        c->resync = wanted;
        c->resyncing = true;
        c->sync_cursor = 0;
        c->sync_walk_tsc = c->tsc;
    }
    uint64_t gone = c->tsc - c->sync_walk_tsc;
    if (!c->resyncing && gone >= every_tsc && c->sync_cursor == UINT64_MAX) {
        c->sync_cursor = 0;
        c->sync_walk_tsc = c->tsc;
        gone = 0;
    }
    if (c->sync_cursor == UINT64_MAX)
        return;
    uint64_t due = c->resyncing || gone >= every_tsc ? slots : (uint64_t)((__uint128_t)slots * gone / every_tsc);
    for (unsigned lines = 0; lines < WALK_LINES && c->sync_cursor < due; lines += WALK_ENTRIES / 2) {
        uint64_t at = c->sync_cursor;
        if (rte_ring_free_count(c->sync_out) < WALK_ROOM)
            return;
        unsigned n = pn_flow_walk(c->flows, &at, flows, WALK_ENTRIES, WALK_ENTRIES / 2, c->now);
        for (unsigned i = 0; i < n; i++)
            send_walked(c, &flows[i], every_ms);
        c->sync_cursor = at == 0 ? slots : at;
    }
    if (c->sync_cursor >= slots)
        walk_end(c);
}

void pn_sync_work(struct pn_ctx *c)
{
    struct pn_sync_msg msgs[32];
    unsigned n;

    if (c->snap == NULL || !atomic_load_explicit(&c->shared->sync, memory_order_relaxed))
        return;
    for (unsigned taken = 0; taken < TAKE_MAX; taken += n) {
        n = rte_ring_sc_dequeue_burst_elem(c->sync_in, msgs, sizeof(msgs[0]), RTE_DIM(msgs), NULL);
        if (n == 0)
            break;
        for (unsigned i = 0; i < n; i++)
            take_one(c, &msgs[i]);
    }
    walk(c);
}
