/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/worker.h"

#include <errno.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_malloc.h>
#include <rte_rcu_qsbr.h>
#include <rte_ring_elem.h>

#include "common/error.h"
#include "dataplane/core/frag.h"
#include "dataplane/stages/account.h"
#include "dataplane/stages/stages.h"
#include "dataplane/stages/straight.h"
#include "dataplane/stages/sync.h"
#include "dataplane/worker_request.h"

#define PN_AGE_PASS_S 4 /* the whole flow table is looked at once in this time */
#define PN_AGE_LINES_MIN 8 /* not worth a call for less */
#define PN_AGE_LINES_MAX 4096 /* in one round, whatever is due */
#define PN_COARSE_MS 20
#define PN_IDLE_ROUNDS 64 /* empty rounds before the first sleep */
#define PN_FRAGS_DEFAULT 512
#define PN_FRAGS_HELD_MAX 256

static void *table_alloc(void *arg, size_t bytes, size_t align)
{
    return rte_zmalloc_socket("pn_flows", bytes, (unsigned)align, *(const int *)arg);
}

static void table_release(void *arg, void *mem)
{
    (void)arg;
    rte_free(mem);
}

/* 2^64 * units / tsc_hz: tsc * this >> 64 is in units. */
static uint64_t tsc_mult(uint64_t units_per_s, uint64_t tsc_hz)
{
    return (uint64_t)(((__uint128_t)units_per_s << 64) / tsc_hz);
}

static int make_rings(struct pn_worker *w, int socket)
{
    char name[RTE_RING_NAMESIZE];
    struct pn_ctx *c = &w->ctx;

    snprintf(name, sizeof(name), "pn_inject_%u", c->id);
    w->inject = rte_ring_create(name, PN_WORKER_INJECT, socket, RING_F_SP_ENQ | RING_F_SC_DEQ);
    snprintf(name, sizeof(name), "pn_handoff_%u", c->id);
    w->handoff = rte_ring_create(name, PN_WORKER_HANDOFF, socket, RING_F_MP_RTS_ENQ | RING_F_SC_DEQ);
    c->shared->handoff[c->id] = w->handoff;
    snprintf(name, sizeof(name), "pn_neigh_%u", c->id);
    c->neigh_wait = rte_ring_create(name, PN_WORKER_NEIGH_WAIT, socket, RING_F_SP_ENQ | RING_F_SC_DEQ);
    snprintf(name, sizeof(name), "pn_learn_%u", c->id);
    c->learn = rte_ring_create_elem(name, PN_LEARN_BYTES, PN_WORKER_LEARN, socket, RING_F_SP_ENQ | RING_F_SC_DEQ);
    snprintf(name, sizeof(name), "pn_trace_%u", c->id);
    c->traced = rte_ring_create_elem(name, sizeof(struct pn_dp_trace_record), PN_DP_TRACE_MAX * 2, socket,
                                     RING_F_SP_ENQ | RING_F_SC_DEQ);
    snprintf(name, sizeof(name), "pn_control_%u", c->id);
    c->control = rte_ring_create_elem(name, sizeof(struct pn_control_msg), PN_WORKER_CONTROL, socket,
                                      RING_F_SP_ENQ | RING_F_SC_DEQ);
    snprintf(name, sizeof(name), "pn_sync_out_%u", c->id);
    c->sync_out =
        rte_ring_create_elem(name, sizeof(struct pn_sync_msg), PN_WORKER_SYNC, socket, RING_F_SP_ENQ | RING_F_SC_DEQ);
    snprintf(name, sizeof(name), "pn_sync_in_%u", c->id);
    c->sync_in =
        rte_ring_create_elem(name, sizeof(struct pn_sync_msg), PN_WORKER_SYNC, socket, RING_F_SP_ENQ | RING_F_SC_DEQ);
    bool whole =
        w->inject && w->handoff && c->neigh_wait && c->learn && c->traced && c->control && c->sync_out && c->sync_in;
    return whole ? 0 : -1;
}

struct pn_worker *pn_worker_new(const struct pn_worker_config *config, struct pn_error *err)
{
    struct pn_shared *shared = config->shared;
    int socket = config->socket;

    if (config->id >= shared->n_workers || shared->n_workers > PN_MAX_WORKERS || shared->tsc_hz == 0 ||
        config->n_queues > PN_WORKER_QUEUES || config->frags_max > UINT16_MAX) {
        pn_error_set(err, "worker %u: number, queues or clock out of range", config->id);
        return NULL;
    }
    if (pn_mbuf_meta_register() != 0) {
        pn_error_set(err, "no room for a dynamic mbuf field: %s", rte_strerror(rte_errno));
        return NULL;
    }
    struct pn_worker *w = rte_zmalloc_socket("pn_worker", sizeof(*w), 128, socket);
    if (w == NULL) {
        pn_error_set(err, "worker %u: no memory", config->id);
        return NULL;
    }
    struct pn_ctx *c = &w->ctx;
    c->shared = shared;
    c->stats = config->stats;
    c->id = config->id;
    c->n_workers = shared->n_workers;
    c->ms_mult = tsc_mult(1000, shared->tsc_hz);
    c->us_mult = tsc_mult(1000000, shared->tsc_hz);
    w->n_queues = config->n_queues;
    memcpy(w->queues, config->queues, sizeof(w->queues));
    w->idle_sleep_us = config->idle_sleep_us;
    /* One that never sleeps has a CPU of its own, or must not take all of it from others. */
    w->may_realtime = config->realtime && config->idle_sleep_us > 0;
    w->coarse_step_tsc = shared->tsc_hz * PN_COARSE_MS / 1000;

    const struct pn_flow_config flows = {
        .entries_max = config->flows_max,
        .hash_seed = {shared->hash_seed[0], shared->hash_seed[1]},
        .alloc = table_alloc,
        .release = table_release,
        .alloc_arg = &socket,
        .gone = pn_account_gone,
        .gone_arg = c,
    };
    c->flows = pn_flow_table_new(&flows, err);
    if (c->flows == NULL)
        goto fail;
    uint32_t lines = pn_flow_lines(c->flows);
    w->age_tsc_per_line = PN_AGE_PASS_S * shared->tsc_hz / (lines == 0 ? 1 : lines);
    if (w->age_tsc_per_line == 0)
        w->age_tsc_per_line = 1;
    c->stats->flows_max = config->flows_max;

    const struct pn_frag_config frags = {
        .datagrams = config->frags_max == 0 ? PN_FRAGS_DEFAULT : config->frags_max,
        .held_max = PN_FRAGS_HELD_MAX,
        .timeout_ms = PN_FRAG_TIMEOUT_MS,
        .hash_seed = shared->hash_seed[0] ^ shared->hash_seed[1],
        .drop = pn_fragment_dropped,
        .drop_arg = c,
    };
    c->straight = rte_zmalloc_socket("pn_straight", sizeof(*c->straight), 128, socket);
    w->frag_memory = rte_zmalloc_socket("pn_frags", pn_frag_table_bytes(frags.datagrams), 64, socket);
    if (w->frag_memory == NULL || c->straight == NULL) {
        pn_error_set(err, "worker %u: no memory", c->id);
        goto fail;
    }
    pn_straight_reset(c);
    c->frags = pn_frag_table_init(w->frag_memory, &frags);
    if (make_rings(w, socket) != 0) {
        pn_error_set(err, "worker %u: no memory for its rings: %s", config->id, rte_strerror(rte_errno));
        goto fail;
    }
    return w;
fail:
    pn_worker_free(w);
    return NULL;
}

static void drain(struct rte_ring *ring)
{
    void *m;

    while (ring != NULL && rte_ring_sc_dequeue(ring, &m) == 0)
        rte_pktmbuf_free(m);
    rte_ring_free(ring);
}

static void drain_control(struct rte_ring *ring)
{
    struct pn_control_msg msg;

    while (ring != NULL && rte_ring_sc_dequeue_elem(ring, &msg, sizeof(msg)) == 0)
        rte_pktmbuf_free(msg.m);
    rte_ring_free(ring);
}

void pn_worker_free(struct pn_worker *w)
{
    if (w == NULL)
        return;
    struct pn_ctx *c = &w->ctx;

    if (c->frags != NULL)
        pn_frag_flush(c->frags);
    drain(w->inject);
    drain(w->handoff);
    c->shared->handoff[c->id] = NULL;
    drain(c->neigh_wait);
    drain_control(c->control);
    rte_ring_free(c->sync_out);
    rte_ring_free(c->sync_in);
    rte_ring_free(c->learn);
    rte_ring_free(c->traced);
    pn_flow_table_free(c->flows);
    rte_free(w->frag_memory);
    rte_free(c->straight);
    rte_free(w);
}

/* A gateway that was down and is back has lost its sessions. */
static void gateways_follow(struct pn_worker *w)
{
    struct pn_ctx *c = &w->ctx;

    for (unsigned g = 0; g < PN_MAX_GATEWAYS; g++) {
        bool down = c->snap->gateways[g].used && !c->snap->gateways[g].alive;

        if (w->gateway_down[g] && !down) {
            w->lapses[g] = (struct pn_flow_lapse){.set = c->snap->gateways[g].used, .until_ms = c->now.ms};
            pn_flow_table_set_lapses(c->flows, w->lapses, pn_account_aside, c);
        }
        w->gateway_down[g] = down;
    }
}

void pn_worker_round_begin(struct pn_worker *w, uint64_t tsc)
{
    struct pn_ctx *c = &w->ctx;

    c->tsc = tsc;
    c->now.ms = (uint32_t)(((__uint128_t)tsc * c->ms_mult) >> 64);
    c->now.us = (uint32_t)(((__uint128_t)tsc * c->us_mult) >> 64);
    c->snap = atomic_load_explicit(&c->shared->snap, memory_order_acquire);
    c->filter = atomic_load_explicit(&c->shared->filter, memory_order_acquire);
    c->load_pub = atomic_load_explicit(&c->shared->load, memory_order_acquire);
    if (likely(c->snap != NULL) && unlikely(c->snap != w->timers_of || c->snap->generation != w->timers_generation)) {
        w->timers_of = c->snap;
        w->timers_generation = c->snap->generation;
        pn_flow_table_set_timers(c->flows, c->snap->timers);
        gateways_follow(w);
        pn_straight_reset(c);
    }
}

void pn_worker_burst(struct pn_worker *w, uint8_t port, struct rte_mbuf **mbufs, unsigned n)
{
    pn_stage_rx(&w->ctx, &w->batch, port, mbufs, n);
    pn_pipeline(&w->ctx, &w->batch);
}

static unsigned reenter(struct pn_worker *w, struct rte_ring *ring, bool handed)
{
    struct rte_mbuf *mbufs[PN_WORKER_BURST];
    unsigned n;

    if (likely(rte_ring_empty(ring)))
        return 0;
    n = rte_ring_sc_dequeue_burst(ring, (void **)mbufs, PN_WORKER_BURST, NULL);
    if (n == 0)
        return 0;
    pn_stage_reenter(&w->ctx, &w->batch, mbufs, n, handed);
    pn_pipeline(&w->ctx, &w->batch);
    return n;
}

/* The lines due since the last call; what is beyond the bound is left to the next pass. */
static void age(struct pn_worker *w)
{
    uint64_t behind = w->ctx.tsc - w->age_tsc;

    if (likely(behind < w->age_tsc_per_line * PN_AGE_LINES_MIN))
        return;
    uint64_t lines = behind / w->age_tsc_per_line;
    if (lines > PN_AGE_LINES_MAX) {
        lines = PN_AGE_LINES_MAX;
        w->age_tsc = w->ctx.tsc;
    } else {
        w->age_tsc += lines * w->age_tsc_per_line;
    }
    pn_flow_age(w->ctx.flows, (unsigned)lines, w->ctx.now);
}

static void coarse(struct pn_worker *w)
{
    struct pn_ctx *c = &w->ctx;
    struct timespec now;

    w->coarse_tsc = c->tsc + w->coarse_step_tsc;
    clock_gettime(CLOCK_BOOTTIME, &now); /* read in user space, no system call */
    c->stats->heartbeat_boottime_ns = (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
    c->stats->flows_used = pn_flow_usage(c->flows).used;
    pn_frag_expire(c->frags, c->now.ms);
    if (w->may_realtime)
        pn_realtime_tick(&w->realtime);
}

/* About once a millisecond. */
static void fine(struct pn_worker *w)
{
    w->fine_tsc = w->ctx.tsc + w->coarse_step_tsc / PN_COARSE_MS;
    pn_sync_work(&w->ctx);
    if (w->ctx.tsc >= w->coarse_tsc)
        coarse(w);
}

/* Heartbeats can't wait for main's next tick. The one system call that packets cause, once a round at most. */
static void wake_main(struct pn_ctx *c)
{
    const uint64_t one = 1;

    c->wake = false;
    if (c->shared->wake_fd > 0 && write(c->shared->wake_fd, &one, sizeof(one)) < 0) {
        /* Its counter is full: main has not looked for long, and will. */
    }
}

unsigned pn_worker_side_work(struct pn_worker *w)
{
    unsigned n = reenter(w, w->inject, false) + reenter(w, w->handoff, true);

    age(w);
    if (unlikely(w->ctx.tsc >= w->fine_tsc))
        fine(w);
    if (unlikely(w->ctx.wake))
        wake_main(&w->ctx);
    if (unlikely(atomic_load_explicit(&w->mailbox.state, memory_order_relaxed) == PN_MAILBOX_POSTED))
        pn_worker_answer(w);
    return n;
}

unsigned pn_worker_round(struct pn_worker *w, uint64_t tsc)
{
    struct pn_ctx *c = &w->ctx;
    unsigned total = 0;

    pn_worker_round_begin(w, tsc);
    for (unsigned q = 0; q < w->n_queues; q++) {
        const struct pn_worker_queue *queue = &w->queues[q];
        uint16_t port_id = c->shared->ports[queue->port].port_id;
        unsigned n = rte_eth_rx_burst(port_id, queue->queue, w->batch.m, PN_WORKER_BURST); /* where they are to be */

        if (n == 0)
            continue;
        pn_worker_burst(w, queue->port, w->batch.m, n);
        total += n;
    }
    total += pn_worker_side_work(w);
    return total;
}

/* Sleeps get longer while nothing comes: at once responsive after a packet, at rest a few hundred wakeups a second. */
static void idle(struct pn_worker *w)
{
    if (w->idle_sleep_us == 0) {
        rte_pause();
        return;
    }
    if (++w->idle_rounds < PN_IDLE_ROUNDS) {
        rte_pause();
        return;
    }
    w->sleep_us = w->sleep_us == 0 ? 1 : RTE_MIN(w->sleep_us * 2, w->idle_sleep_us);
    if (w->ctx.shared->qsbr != NULL) /* asleep it reads nothing of what main may want to change */
        rte_rcu_qsbr_thread_offline(w->ctx.shared->qsbr, w->ctx.id);
    const struct timespec t = {.tv_sec = w->sleep_us / 1000000, .tv_nsec = (long)(w->sleep_us % 1000000) * 1000};
    w->ctx.stats->sleeps++;
    clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
    if (w->ctx.shared->qsbr != NULL)
        rte_rcu_qsbr_thread_online(w->ctx.shared->qsbr, w->ctx.id);
}

int pn_worker_loop(void *arg)
{
    struct pn_worker *w = arg;
    struct pn_ctx *c = &w->ctx;
    struct pn_stats_worker *s = c->stats;
    uint64_t before = rte_rdtsc();
    bool busy = false;

    prctl(PR_SET_TIMERSLACK, 1ul); /* else each sleep takes 50 us more */
    if (w->may_realtime)
        pn_realtime_tick(&w->realtime);
    atomic_store(&w->running, true);
    w->age_tsc = before;
    if (c->shared->qsbr != NULL) {
        rte_rcu_qsbr_thread_register(c->shared->qsbr, c->id);
        rte_rcu_qsbr_thread_online(c->shared->qsbr, c->id);
    }
    while (!atomic_load_explicit(&c->shared->stop, memory_order_relaxed)) {
        uint64_t now = rte_rdtsc();

        s->total_cycles += now - before;
        if (busy)
            s->busy_cycles += now - before;
        before = now;
        busy = pn_worker_round(w, now) != 0;
        s->polls++;
        if (c->shared->qsbr != NULL)
            rte_rcu_qsbr_quiescent(c->shared->qsbr, c->id);
        if (likely(busy)) {
            w->idle_rounds = 0;
            w->sleep_us = 0;
        } else {
            s->idle_polls++;
            idle(w);
        }
    }
    if (c->shared->qsbr != NULL) {
        rte_rcu_qsbr_thread_offline(c->shared->qsbr, c->id);
        rte_rcu_qsbr_thread_unregister(c->shared->qsbr, c->id);
    }
    return 0;
}

void pn_workers_load(struct pn_worker *const *workers, unsigned n, struct pn_load_pub *out)
{
    memset(out->active, 0, sizeof(out->active));
    for (unsigned i = 0; i < n; i++) {
        for (unsigned g = 0; g < PN_MAX_GATEWAYS; g++) {
            int64_t own = __atomic_load_n(&workers[i]->ctx.load[g], __ATOMIC_RELAXED);
            out->share[workers[i]->ctx.id][g] = own;
            out->active[g] += own;
        }
    }
}
