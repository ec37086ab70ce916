/* SPDX-License-Identifier: BSD-3-Clause */
/* A dataplane with flow sync on, and segments, notes and peers' flows for it. */
#ifndef TESTS_PACKETS_SYNC_WORLD_H
#define TESTS_PACKETS_SYNC_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <rte_ring_elem.h>

#include "common/addr.h"
#include "tests/packets/pipeline.h"

#define SYN PN_FB_SYN
#define ACK PN_FB_ACK
#define FIN PN_FB_FIN

static struct world *world;

static inline int setup_workers(unsigned workers, uint32_t flows_max)
{
    const struct world_config config = {.workers = workers, .flows_max = flows_max};

    world = world_new(&config);
    atomic_store(&world->shared.sync, true);
    world_wait_ms(world, 1);
    return 0;
}

static inline int setup(void **state)
{
    (void)state;
    return setup_workers(1, 0);
}

static inline int teardown(void **state)
{
    (void)state;
    world_free(world);
    return 0;
}

static inline void segment(unsigned worker, uint16_t port, uint8_t flags)
{
    static struct pn_fb fb;

    pn_fb_make_tcp(&fb, CLIENT4, VIP4, port, 25, flags, 0);
    world_receive_fb(world, worker, WORLD_WAN, &fb);
}

static inline uint8_t last_byte_to(void)
{
    struct rte_mbuf *m = world_sent(world, WORLD_WAN);
    uint8_t b = m == NULL ? 0 : rte_pktmbuf_mtod(m, uint8_t *)[5];

    rte_pktmbuf_free(m);
    return b;
}

static inline bool noted(unsigned worker, struct pn_sync_msg *msg)
{
    return rte_ring_sc_dequeue_elem(world->worker[worker]->ctx.sync_out, msg, sizeof(*msg)) == 0;
}

static inline struct pn_sync_msg peer_flow(uint16_t port, uint16_t gateway, enum pn_flow_state flow_state)
{
    struct pn_addr client;

    assert_int_equal(pn_addr_parse(CLIENT4, &client, NULL), 0);
    return (struct pn_sync_msg){
        .client = {client.q[0], client.q[1]},
        .port_svc = (uint32_t)port << 16 | WORLD_SMTP,
        .gateway = gateway,
        .state = (uint8_t)flow_state,
        .expires_ms = 600000,
    };
}

/* As the main lcore does: to every worker. */
static inline void tell(const struct pn_sync_msg *msg)
{
    for (unsigned w = 0; w < world->shared.n_workers; w++)
        assert_int_equal(rte_ring_sp_enqueue_elem(world->worker[w]->ctx.sync_in, (void *)(uintptr_t)msg, sizeof(*msg)),
                         0);
    world_wait_ms(world, 1);
    world_leases(world, 30000);
}

#endif
