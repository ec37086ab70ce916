/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/runtime.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <rte_mempool.h>
#include <rte_rcu_qsbr.h>

#include "common/error.h"
#include "common/log.h"
#include "dataplane/builder.h"
#include "dataplane/filtering.h"
#include "dataplane/ipc/server.h"
#include "dataplane/watch.h"

#define LAUNCH_MS 2000 /* for the workers to begin, on CPUs that may be busy */
#define LEAVE_US 2000 /* for what was just given to the workers to be sent */
#define LINK_EVERY_MS 50 /* an owner with a second path for heartbeats gives up what it cannot serve so soon */
#define WORKER_HUNG_NS 3000000000ull /* its heartbeat is at most 100 ms old while it lives */

static uint64_t boottime_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_BOOTTIME, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

struct pn_lease_clock pn_dataplane_clock(const struct pn_dataplane *dp)
{
    struct pn_lease_clock c = {.tsc = rte_rdtsc_precise(), .tsc_hz = dp->tsc_hz};
    c.boottime_ns = boottime_ns();
    return c;
}

/* Which of the port's transmit queues each worker has; those without hand their packets to tx_via. */
static void port_share(struct pn_port_rt *rt, const struct pn_port *p, unsigned n_workers)
{
    rt->port_id = p->dev_id;
    rt->kind = (uint8_t)p->kind;
    rt->used = 1;
    rt->exception = p->exception == PN_PORT_NO_INDEX ? PN_PORT_NONE : (uint8_t)p->exception;
    rt->peer = p->peer == PN_PORT_NO_INDEX ? PN_PORT_NONE : (uint8_t)p->peer;
    rt->mac = p->mac;
    rt->mtu = p->mtu;
    rt->tx_via = 0;
    for (unsigned w = 0; w < PN_MAX_WORKERS; w++)
        rt->txq[w] = w < n_workers && w < p->n_txq ? (uint16_t)w : PN_TXQ_NONE;
}

_Static_assert(PN_MAX_PORTS *PN_DP_QUEUES_MAX <= PN_WORKER_QUEUES && PN_MAX_WORKERS <= PN_DP_QUEUES_MAX,
               "one worker can poll all there are; taps have one for each worker");

/* Receive queue q is worker q % n's: the one that has the transmit queue of the same number. */
static unsigned queues_of(const struct pn_ports *ports, unsigned worker, unsigned n_workers,
                          struct pn_worker_queue *out)
{
    unsigned n = 0;
    for (unsigned i = 0; i < ports->n; i++) {
        for (uint16_t q = 0; q < ports->port[i].n_rxq; q++) {
            if (q % n_workers == worker)
                out[n++] = (struct pn_worker_queue){.port = (uint8_t)i, .queue = q};
        }
    }
    return n;
}

static int shared_make(struct pn_dataplane *dp, struct pn_error *err)
{
    dp->shared = rte_zmalloc("pn_shared", sizeof(*dp->shared), 64);
    size_t qsbr_bytes = rte_rcu_qsbr_get_memsize(dp->n_workers);
    dp->qsbr = rte_zmalloc("pn_qsbr", qsbr_bytes, RTE_CACHE_LINE_SIZE);
    dp->load[0] = rte_zmalloc("pn_load", sizeof(*dp->load[0]), 64);
    dp->load[1] = rte_zmalloc("pn_load", sizeof(*dp->load[1]), 64);
    dp->pool =
        rte_pktmbuf_pool_create("pn_main", PN_PORT_MAIN_MBUFS - 1, 64, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
    if (!dp->shared || !dp->qsbr || !dp->load[0] || !dp->load[1] || !dp->pool ||
        rte_rcu_qsbr_init(dp->qsbr, dp->n_workers))
        return pn_error_set(err, "no memory for what the workers share (--memory-mb): %s", rte_strerror(rte_errno));

    struct pn_shared *s = dp->shared;
    s->qsbr = dp->qsbr;
    s->n_workers = (uint16_t)dp->n_workers;
    s->tsc_hz = dp->tsc_hz;
    s->n_ports = (uint8_t)dp->ports.n;
    s->local_port = dp->ports.local == PN_PORT_NO_INDEX ? PN_PORT_NONE : (uint8_t)dp->ports.local;
    for (unsigned i = 0; i < dp->ports.n; i++)
        port_share(&s->ports[i], &dp->ports.port[i], dp->n_workers);
    if (getrandom(s->hash_seed, sizeof(s->hash_seed), 0) != sizeof(s->hash_seed))
        return pn_error_set(err, "no random numbers");
    atomic_store_explicit(&s->load, dp->load[0], memory_order_release);
    dp->leases.published = s->lease_tsc;
    dp->leases.forward = s->forward_tsc;
    return 0;
}

static int workers_make(struct pn_dataplane *dp, struct pn_error *err)
{
    unsigned lcore, n = 0;
    RTE_LCORE_FOREACH_WORKER(lcore) {
        if (n < dp->n_workers)
            dp->worker_lcores[n++] = lcore;
    }
    if (n < dp->n_workers)
        return pn_error_set(err, "%u workers need as many lcores beside main; --lcores has %u", dp->n_workers, n);
    for (unsigned w = 0; w < dp->n_workers; w++) {
        struct pn_worker_config config = {
            .shared = dp->shared,
            .stats = pn_stats_seg_worker(&dp->stats, w),
            .id = (uint16_t)w,
            .socket = (int)rte_lcore_to_socket_id(dp->worker_lcores[w]),
            .flows_max = dp->args->flows,
            .idle_sleep_us = dp->args->idle_sleep_us,
            .realtime = dp->args->realtime,
        };
        config.n_queues = queues_of(&dp->ports, w, dp->n_workers, config.queues);
        if (config.n_queues == 0)
            pn_log_warning("worker %u has no receive queue: more workers than queues", w);
        dp->workers[w] = pn_worker_new(&config, err);
        if (!dp->workers[w])
            return -1;
    }
    return 0;
}

static int workers_launch(struct pn_dataplane *dp, struct pn_error *err)
{
    for (unsigned w = 0; w < dp->n_workers; w++) {
        int rc = rte_eal_remote_launch(pn_worker_loop, dp->workers[w], dp->worker_lcores[w]);
        if (rc)
            return pn_error_set(err, "worker %u: %s", w, rte_strerror(-rc));
        dp->workers_running = true;
    }
    /* They take their priority while they may: rights are given up once all stands. */
    for (unsigned w = 0, waited_ms = 0; w < dp->n_workers && waited_ms < LAUNCH_MS;) {
        if (atomic_load(&dp->workers[w]->running)) {
            w++;
            continue;
        }
        usleep(1000);
        waited_ms++;
    }
    return 0;
}

static int start(struct pn_dataplane *dp, struct pn_error *err)
{
    dp->loop = pn_loop_new();
    if (dp->loop < 0)
        return pn_error_set(err, "epoll: %m");
    if (pn_ports_open(&dp->ports, dp->args, dp->n_workers, err))
        return -1;
    if (pn_stats_seg_new(&dp->stats, dp->args->stats, dp->n_workers, dp->tsc_hz, err))
        return -1;
    dp->main_stats = pn_stats_seg_worker(&dp->stats, dp->n_workers);
    dp->kernel = pn_builder_new(dp->loop, "pn-kernel", err);
    if (!dp->kernel || pn_watch_start(dp, err))
        return -1;
    pn_groups_start(dp);
    if (shared_make(dp, err))
        return -1;
    if (pn_mbuf_meta_register())
        return pn_error_set(err, "no room for a dynamic mbuf field: %s", rte_strerror(rte_errno));
    if (pn_resolve_start(dp, err) || pn_peers_start(dp, err) || pn_control_start(dp, err) ||
        pn_filtering_start(dp, err) || workers_make(dp, err) || workers_launch(dp, err))
        return -1;
    dp->builder = pn_builder_new(dp->loop, "pn-snapshot", err);
    if (!dp->builder)
        return -1;
    dp->ipc = pn_ipc_server_new(dp->loop, dp->args->socket, &pn_query_ops, dp, err);
    return dp->ipc ? 0 : -1;
}

int pn_dataplane_start(struct pn_dataplane *dp, const struct pn_dp_args *args, struct pn_error *err)
{
    memset(dp, 0, sizeof(*dp));
    dp->args = args;
    dp->n_workers = args->workers;
    dp->loop = -1;
    dp->tsc_hz = rte_get_tsc_hz();
    dp->started_boottime_ns = boottime_ns();
    dp->now_ms = dp->started_boottime_ns / 1000000u;
    if (start(dp, err)) {
        pn_dataplane_stop(dp);
        return -1;
    }
    return 0;
}

static unsigned leases_held(const struct pn_dataplane *dp)
{
    unsigned n = 0;
    for (unsigned v = 0; v < PN_MAX_VIPS; v++)
        n += pn_lease_held(&dp->leases, v);
    return n;
}

void pn_dataplane_tick(struct pn_dataplane *dp)
{
    dp->tick++;
    uint64_t now_ns = boottime_ns();
    dp->now_ms = now_ns / 1000000u;
    dp->main_stats->heartbeat_boottime_ns = now_ns;
    pn_publish_tick(dp);
    pn_resolve_tick(dp);
    pn_peers_tick(dp);
    pn_inject_announcements(dp);
    pn_control_tick(dp);
    pn_flowsync_tick(dp);
    pn_filtering_tick(dp);
    pn_ipc_server_tick(dp->ipc, dp->now_ms);
    pn_leaving_tick(&dp->leaving, leases_held(dp), dp->now_ms);
    if (dp->tick % PN_GROUPS_EVERY_MS == 0)
        pn_groups_tick(dp);
    if (dp->tick % PN_WATCH_EVERY_MS == 0)
        pn_watch_tick(dp);
    if (dp->tick % LINK_EVERY_MS == 0) {
        pn_ports_poll_losses(&dp->ports, &dp->main_stats->counters[PN_C_RX_MISSED],
                             &dp->main_stats->counters[PN_C_RX_NO_BUFFER]);
        uint32_t came_up = pn_ports_poll_link(&dp->ports);
        if (came_up)
            pn_inject_announce_again(dp, came_up);
    }
}

bool pn_dataplane_alive(const struct pn_dataplane *dp)
{
    uint64_t now = boottime_ns();
    for (unsigned w = 0; w < dp->n_workers; w++) {
        uint64_t beat = __atomic_load_n(&pn_stats_seg_worker(&dp->stats, w)->heartbeat_boottime_ns, __ATOMIC_RELAXED);
        if (beat + WORKER_HUNG_NS < now)
            return false;
    }
    return true;
}

bool pn_dataplane_leave(struct pn_dataplane *dp)
{
    unsigned held = leases_held(dp);
    bool told = held && pn_ipc_server_push(dp->ipc, PN_DP_LEAVING, NULL, 0, NULL, 0);
    return pn_leaving_begin(&dp->leaving, held, told, dp->now_ms);
}

bool pn_dataplane_left(const struct pn_dataplane *dp)
{
    return pn_leaving_over(&dp->leaving, leases_held(dp), dp->now_ms);
}

void pn_dataplane_stop(struct pn_dataplane *dp)
{
    pn_ipc_server_free(dp->ipc);
    dp->ipc = NULL;
    if (dp->shared) {
        struct pn_lease_clock now = pn_dataplane_clock(dp);
        pn_lease_drop(&dp->leases, UINT64_MAX, &now);
    }
    if (dp->workers_running) {
        pn_groups_leave(dp);
        rte_delay_us_sleep(LEAVE_US);
        atomic_store(&dp->shared->stop, true);
        for (unsigned w = 0; w < dp->n_workers; w++)
            rte_eal_wait_lcore(dp->worker_lcores[w]);
        dp->workers_running = false;
    }
    pn_builder_free(dp->builder);
    pn_builder_free(dp->kernel);
    dp->builder = dp->kernel = NULL;
    pn_watch_stop(dp);
    pn_filtering_stop(dp);
    if (dp->qsbr)
        pn_publish_free(dp);
    pn_groups_stop(dp);
    pn_resolve_stop(dp);
    pn_peers_stop(dp);
    pn_control_stop(dp);
    for (unsigned w = 0; w < dp->n_workers; w++) {
        if (dp->workers[w])
            pn_worker_free(dp->workers[w]);
        dp->workers[w] = NULL;
    }
    pn_ports_close(&dp->ports);
    pn_stats_seg_free(&dp->stats);
    rte_mempool_free(dp->pool);
    rte_free(dp->load[0]);
    rte_free(dp->load[1]);
    rte_free(dp->qsbr);
    rte_free(dp->shared);
    if (dp->loop >= 0)
        close(dp->loop);
    dp->shared = NULL;
    dp->loop = -1;
}
