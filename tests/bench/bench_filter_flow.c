/* SPDX-License-Identifier: BSD-3-Clause */
/* bench_filter: SYNs through the whole pipeline, and what a worker feels of a filter that is made beside it. */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_malloc.h>
#include <rte_rcu_qsbr.h>

#include "dataplane/builder.h"
#include "dataplane/loop.h"
#include "tests/bench/bench_filter.h"

#define SYN 0x02

void bench_loop_make(struct bench_loop *l)
{
    const struct rte_eth_conf conf = {0};
    struct rte_ring *ring = rte_ring_create("filter_loop", 1024, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
    int port = ring == NULL ? -1 : rte_eth_from_ring(ring);

    l->port = (uint16_t)port;
    l->pool = rte_pktmbuf_pool_create("filter_loop", 1023, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
    if (port < 0 || l->pool == NULL || rte_eth_dev_configure(l->port, 1, 1, &conf) != 0 ||
        rte_eth_rx_queue_setup(l->port, 0, 1024, SOCKET_ID_ANY, NULL, l->pool) != 0 ||
        rte_eth_tx_queue_setup(l->port, 0, 1024, SOCKET_ID_ANY, NULL) != 0 || rte_eth_dev_start(l->port) != 0 ||
        rte_pktmbuf_alloc_bulk(l->pool, l->m, RTE_DIM(l->m)) != 0)
        bench_die("net_ring port");
    for (unsigned i = 0; i < RTE_DIM(l->m); i++) {
        bench_frame(rte_pktmbuf_mtod(l->m[i], uint8_t *), i, SYN);
        l->m[i]->data_len = (uint16_t)(l->m[i]->pkt_len = BENCH_FRAME_BYTES);
    }
    if (rte_eth_tx_burst(l->port, 0, l->m, RTE_DIM(l->m)) != RTE_DIM(l->m))
        bench_die("the loop does not take its packets");
}

/* Another client, its address known to be in no list. The checksum is right: the field is brought along (RFC 1624). */
static void frame_from(uint8_t *frame, uint32_t src)
{
    uint32_t sum = 0x4500 + 0x002e + 0x4000 + 0x4006 + 0xcb00 + 0x7119 + (src >> 16) + (src & 0xffff);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    uint64_t word = 64u | 6u << 8 | (uint64_t)htobe16((uint16_t)~sum) << 16 | (uint64_t)htobe32(src) << 32;
    bench_frame_change(frame, src);
    memcpy(frame + 22, &word, 8);
}

static double syn_ns(struct bench *b, struct bench_loop *l, bool pipeline, unsigned n)
{
    struct rte_mbuf *m[PN_WORKER_BURST];
    double start = bench_clock_ns(CLOCK_THREAD_CPUTIME_ID);
    unsigned done = 0;

    while (done < n) {
        unsigned got = rte_eth_rx_burst(l->port, 0, m, PN_WORKER_BURST);

        for (unsigned i = 0; i < got; i++)
            frame_from(rte_pktmbuf_mtod(m[i], uint8_t *), bench_client4());
        if (pipeline) {
            pn_worker_round_begin(b->worker, rte_rdtsc());
            pn_worker_burst(b->worker, 0, m, got);
            pn_worker_side_work(b->worker);
        } else {
            rte_eth_tx_burst(l->port, 0, m, (uint16_t)got);
        }
        done += got;
    }
    return (bench_clock_ns(CLOCK_THREAD_CPUTIME_ID) - start) / done;
}

void bench_filter_pipeline(struct bench_loop *l)
{
    const unsigned n = 1u << 18;
    struct bench *b = bench_new(l->port, 1u << 20);
    struct pn_filter *f = bench_filter_welcome(BENCH_HOSTS4);
    double without[64], with[64], extra[64];

    if (b == NULL)
        bench_die("no memory for the table");
    syn_ns(b, l, true, 2 * n);
    for (unsigned r = 0; r < bench_filter_rounds; r++) {
        bool first = r & 1; /* who comes first alternates */
        double gen = syn_ns(b, l, false, n);

        atomic_store(&b->shared.filter, first ? f : NULL);
        double one = syn_ns(b, l, true, n);
        atomic_store(&b->shared.filter, first ? NULL : f);
        double two = syn_ns(b, l, true, n);
        with[r] = (first ? one : two) - gen;
        without[r] = (first ? two : one) - gen;
        extra[r] = with[r] - without[r];
    }
    atomic_store(&b->shared.filter, NULL);
    printf("pipeline, SYNs of random clients: %.1f ns without, %.1f ns with %u hosts listed; the filter's part %.1f ns "
           "(median of %u pairs)\n",
           bench_median(without, bench_filter_rounds), bench_median(with, bench_filter_rounds), bench_filter_prefixes,
           bench_median(extra, bench_filter_rounds), bench_filter_rounds);
    pn_filter_free(f);
    bench_free(b);
}

/* The worker's rounds in windows of half a second, in which nobody else has its CPU (SCHED_FIFO, with pauses for others). */
enum window { APART, REST, LOADING, END };

struct gaps {
    uint64_t max_tsc, over_ms, rounds;
};

static struct {
    struct bench *b;
    struct bench_loop *l;
    _Atomic unsigned window;
    _Atomic unsigned seen; /* by the worker */
    struct gaps gaps[END];
} run;

static void windows_follow(unsigned window)
{
    const struct sched_param fifo = {.sched_priority = 1}, other = {0};

    if (sched_setscheduler(0, window == APART ? SCHED_OTHER : SCHED_FIFO, window == APART ? &other : &fifo) != 0)
        printf("gap: no right to SCHED_FIFO, others count\n");
    atomic_store(&run.seen, window);
}

static int worker(void *arg)
{
    struct rte_mbuf *m[PN_WORKER_BURST];
    uint64_t last = 0, ms = rte_get_tsc_hz() / 1000;
    unsigned window, seen = APART;

    (void)arg;
    while ((window = atomic_load(&run.window)) != END) {
        unsigned got = rte_eth_rx_burst(run.l->port, 0, m, PN_WORKER_BURST);

        for (unsigned i = 0; i < got; i++)
            frame_from(rte_pktmbuf_mtod(m[i], uint8_t *), bench_client4());
        pn_worker_round_begin(run.b->worker, rte_rdtsc());
        pn_worker_burst(run.b->worker, 0, m, got);
        pn_worker_side_work(run.b->worker);
        rte_rcu_qsbr_quiescent(run.b->shared.qsbr, 0);
        if (window == APART)
            usleep(100);
        if (window != seen) {
            seen = window;
            windows_follow(window);
            last = rte_rdtsc();
            continue;
        }
        struct gaps *g = &run.gaps[window];
        uint64_t now = rte_rdtsc(), gap = now - last;
        last = now;
        g->rounds++;
        g->max_tsc = RTE_MAX(g->max_tsc, gap);
        g->over_ms += gap > ms;
    }
    return 0;
}

static void window_set(enum window w)
{
    atomic_store(&run.window, w);
    while (w != END && atomic_load(&run.seen) != w)
        usleep(100);
}

struct load_job {
    struct pn_build_job job;
    struct pn_filter_load load;
    struct pn_filter *made, *old;
    bool done;
};

static void load_run(struct pn_build_job *job)
{
    struct load_job *j = (struct load_job *)job;
    pn_filter_free(j->old);
    j->old = NULL;
    j->made = bench_filter_make(&j->load);
}

static void load_done(struct pn_build_job *job)
{
    ((struct load_job *)job)->done = true;
}

void bench_filter_gap(struct bench_loop *l)
{
    struct pn_error err;
    int loop = pn_loop_new();
    struct pn_builder *builder = pn_builder_new(loop, "bench-filter", &err);
    struct load_job j = {.job = {.run = load_run, .done = load_done}};

    if (builder == NULL)
        bench_die(err.text);
    run.b = bench_new(l->port, 1u << 18);
    run.l = l;
    run.b->shared.qsbr = rte_zmalloc("qsbr", rte_rcu_qsbr_get_memsize(1), 64);
    rte_rcu_qsbr_init(run.b->shared.qsbr, 1);
    rte_rcu_qsbr_thread_register(run.b->shared.qsbr, 0);
    rte_rcu_qsbr_thread_online(run.b->shared.qsbr, 0);
    bench_random_state = 1;
    struct pn_filter *first = bench_filter_welcome(BENCH_HOSTS4);
    struct pn_filter_load ready[8]; /* made before, since making up addresses is no part of it */
    for (unsigned i = 0; i < RTE_DIM(ready); i++)
        ready[i] = bench_filter_loaded(i & 1 ? BENCH_HOSTS4 : BENCH_NETS6, i + 2);
    rte_eal_remote_launch(worker, NULL, rte_get_next_lcore(-1, 1, 0));
    struct pn_filter *now = NULL;
    double ns[RTE_DIM(ready)];
    for (unsigned i = 0; i < RTE_DIM(ready); i++) {
        window_set(REST);
        usleep(300000);
        window_set(APART);
        usleep(700000);
        window_set(LOADING);
        double begin = bench_clock_ns(CLOCK_MONOTONIC);
        j.load = ready[i];
        j.done = false;
        pn_builder_put(builder, &j.job);
        while (!j.done)
            pn_loop_run_once(loop, -1);
        /* The blocked ones would drain the loop, so workers see the welcome ones, each time as a new pointer. */
        atomic_store(&run.b->shared.filter, i & 1 ? NULL : first);
        uint64_t token = rte_rcu_qsbr_start(run.b->shared.qsbr);
        while (rte_rcu_qsbr_check(run.b->shared.qsbr, token, false) != 1)
            usleep(20);
        ns[i] = bench_clock_ns(CLOCK_MONOTONIC) - begin;
        window_set(APART);
        j.old = now;
        now = j.made;
        usleep(700000);
    }
    window_set(END);
    rte_eal_mp_wait_lcore();
    for (unsigned w = REST; w <= LOADING; w++) {
        const struct gaps *g = &run.gaps[w];
        printf("gap, %-13s: longest pause between two rounds %4.0f us, %lu above 1 ms (%lu rounds)\n",
               w == REST ? "at rest" : "while loading", (double)g->max_tsc * 1e6 / (double)rte_get_tsc_hz(), g->over_ms,
               g->rounds);
    }
    double median = bench_median(ns, RTE_DIM(ready)); /* sorts */
    printf("gap: %zu loads of %u prefixes, median %.0f ms, longest %.0f ms\n", RTE_DIM(ready), bench_filter_prefixes,
           median / 1e6, ns[RTE_DIM(ready) - 1] / 1e6);
    pn_builder_free(builder);
    pn_filter_free(j.old);
    pn_filter_free(now);
    pn_filter_free(first);
    bench_free(run.b);
    close(loop);
}
