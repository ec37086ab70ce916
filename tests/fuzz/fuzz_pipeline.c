/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Input: frames on their way through a whole dataplane of three workers, each led by three bytes: what to do before it
 * (STEP_*), and its length, low byte first. At the end every packet must be accounted for, none may be lost or
 * freed twice, and each gateway's gauges must be what the flow tables hold.
 */
#include <stdio.h>
#include <stdlib.h>

#include <endian.h>
#include <rte_ring_elem.h>

#include "tests/packets/world.h"

#define STEP_WORKER 0x03u /* 0..2; 3: as 0 */
#define STEP_PORT 0x0cu /* of the three; 3: as 0 */
#define STEP_TOGETHER 0x10u /* in one burst with the next */
#define STEP_CHANGE 0xe0u /* of the world: */
#define CHANGE_WAIT 0x20u /* a while passes: the frame's length in ms, squared */
#define CHANGE_LEASES 0x40u /* leases end, or come back */
#define CHANGE_DOWN 0x60u /* the primary goes down, or comes back */
#define CHANGE_SPILL 0x80u /* spill begins or ends */
#define CHANGE_NEIGHBOURS 0xa0u /* MACs become known or unknown */
#define CHANGE_SEGMENTS 0xc0u /* this frame comes in segments of 20 bytes */
#define CHANGE_PEER 0xe0u /* control packets, hand-over, release, a flow of a peer */
#define FRAME_MAX 2000u
#define FRAMES_MAX 64u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct world *world;
static bool leased, down, spilling, unknown, pair;

/* A flow that the peer has or had: of the clients and ports that the corpus uses. */
static void peer_flow(uint32_t v)
{
    uint32_t x = v * 2654435761u;
    const struct pn_addr client = pn_addr_from_v4(htobe32(0xc6336400u + (x >> 31 ? 7 : x >> 28)));
    const struct pn_sync_msg msg = {
        .client = {client.q[0], client.q[1]},
        .port_svc = (4000u + (x >> 24 & 7)) << 16 | (x >> 20 & 15),
        .gateway = (uint16_t)(x >> 17 & 7),
        .state = (uint8_t)(x >> 15 & 3),
        .flags = x >> 14 & PN_FLOW_F_SPILLED,
        .expires_ms = x & 0x3fff,
    };

    for (unsigned w = 0; w < world->shared.n_workers; w++)
        (void)rte_ring_sp_enqueue_elem(world->worker[w]->ctx.sync_in, (void *)(uintptr_t)&msg, sizeof(msg));
    world_wait_ms(world, 2);
}

static void peer(uint32_t v)
{
    static const struct pn_dp_control control = {
        .heartbeat_udp_port = 24625,
        .vrrp = 1,
        .n_addrs = 1,
        .addrs = {{.b = {[10] = 0xff, 0xff, 203, 0, 113, 9}}},
    };

    switch (v & 3) {
    case 0:
        atomic_store(&world->shared.control, &control);
        break;
    case 1:
        pair = !pair;
        world->message.members[1].gateway = pair ? WORLD_SELF : WORLD_MX2;
        world_publish(world);
        break;
    case 2:
        for (unsigned i = 0; i < WORLD_VIPS; i++)
            atomic_store(&world->shared.forward_tsc[i], world->tsc + (uint64_t)v * 1000000u);
        world_leases(world, -1);
        leased = false;
        break;
    default:
        atomic_store(&world->shared.sync, true);
        atomic_fetch_add(&world->shared.resync, v >> 2 & 1);
        peer_flow(v >> 2);
        break;
    }
}

static void change(uint8_t step, uint32_t bytes)
{
    switch (step & STEP_CHANGE) {
    case CHANGE_WAIT:
        world_wait_ms(world, (uint64_t)bytes * bytes);
        break;
    case CHANGE_LEASES:
        leased = !leased;
        world_leases(world, leased ? 3600000 : -1);
        break;
    case CHANGE_DOWN:
        down = !down;
        world->message.gateways[WORLD_MX1].flags = down ? PN_SNAP_GW_DISABLED : 0;
        world_publish(world);
        break;
    case CHANGE_SPILL:
        spilling = !spilling;
        world->message.tiers[WORLD_T_PRIMARY].spill_share = spilling ? 40000 : 0;
        world_publish(world);
        break;
    case CHANGE_NEIGHBOURS:
        unknown = !unknown;
        world->shared.neigh.mac[WORLD_MX1] = unknown ? 0 : PN_NEIGH_VALID | 2;
        break;
    case CHANGE_PEER:
        peer(bytes);
        break;
    default:
        break;
    }
}

static void fail(const char *what)
{
    fprintf(stderr, "%s\n", what);
    abort();
}

static void check_gauges(void)
{
    int64_t active[PN_MAX_GATEWAYS] = {0}, half_open[PN_MAX_GATEWAYS] = {0};

    for (unsigned i = 0; i < world->shared.n_workers; i++) {
        const struct pn_flow_table *t = world->worker[i]->ctx.flows;

        for (uint32_t slot = 0; slot < t->n_lines * 2; slot++) {
            const struct pn_flow *f = &t->lines[slot / 2].slot[slot % 2];
            if (f->flags & PN_FLOW_F_SYNCED)
                continue; /* its own node counts it */
            bool established = f->state == PN_FLOW_ESTABLISHED;
            active[f->gateway] += established && !f->unproven;
            half_open[f->gateway] += f->state == PN_FLOW_HALF_OPEN || (established && f->unproven);
        }
    }
    for (unsigned g = 0; g < PN_MAX_GATEWAYS; g++) {
        for (unsigned i = 0; i < world->shared.n_workers; i++) {
            active[g] -= world->stats[i]->gateways[g].active;
            half_open[g] -= world->stats[i]->gateways[g].half_open;
        }
        if (active[g] != 0 || half_open[g] != 0)
            fail("a gateway's gauges are not what the tables hold");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct world_config config = {.workers = 3, .flows_max = 64};
    struct rte_mbuf *burst[PN_WORKER_BURST];
    unsigned n = 0, frames = 0;
    static unsigned all;
    char text[200];

    if (all == 0) {
        world_eal();
        all = rte_mempool_avail_count(world_pool());
    }
    world = world_new(&config);
    leased = true;
    down = spilling = unknown = pair = false;
    while (size >= 3 && frames++ < FRAMES_MAX) {
        uint8_t step = data[0];
        uint32_t bytes = data[1] | (uint32_t)data[2] << 8;

        data += 3;
        size -= 3;
        bytes = bytes > FRAME_MAX ? FRAME_MAX : bytes;
        bytes = bytes > size ? (uint32_t)size : bytes;
        change(step, bytes);
        burst[n++] = world_mbuf(world, data, bytes, (step & STEP_CHANGE) == CHANGE_SEGMENTS ? 20 : 0);
        data += bytes;
        size -= bytes;
        if ((step & STEP_TOGETHER) && n < PN_WORKER_BURST)
            continue;
        world_receive(world, (step & STEP_WORKER) % 3, ((step & STEP_PORT) >> 2) % WORLD_PORTS, burst, n);
        n = 0;
        world_drain(world);
    }
    if (n > 0)
        world_receive(world, 0, WORLD_WAN, burst, n);
    if (!world_identity(world, text))
        fail(text);
    check_gauges();
    world_free(world);
    if (rte_mempool_avail_count(world_pool()) != all)
        fail("packets leaked, or were freed twice");
    return 0;
}
