/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench_filter: what the address filter costs, with a million prefixes.
 *
 * usage: bench_filter [--tables] [--pipeline] [--gap] [--prefixes N] [--rounds N] [--cores LIST]
 *   --tables    time and memory to make a filter, nanoseconds a lookup, time of one change; beside DPDK's rte_fib
 *   --pipeline  a flood of SYNs of random clients through the whole pipeline, with and without a filter, in turns
 *   --gap       longest pause of a worker's rounds while filters are made and published, and while nothing happens
 *   (none: all)
 *   --cores     two CPUs, main and worker (default 0,1)
 */
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_fib.h>
#include <rte_fib6.h>
#include <rte_malloc.h>
#include <rte_rcu_qsbr.h>

#include "dataplane/builder.h"
#include "dataplane/core/filter_load.h"
#include "dataplane/loop.h"
#include "tests/bench/bench.h"

#define BURST 32u
#define QUERIES (1u << 20) /* so many that caches do not remember them */
#define SYN 0x02

static unsigned rounds = 11;
static uint32_t n_prefixes = 1000000;

static uint64_t state = 88172645463325252ull;
static uint64_t rnd(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state * 2685821657736338717ull;
}

static double clock_ns(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static uint32_t client4(void)
{
    uint32_t addr = (uint32_t)((1u << 24) + (rnd() >> 32) * (222ull << 24) / (1ull << 32));
    return addr >> 24 == 127 || addr >> 24 == 203 ? addr ^ 2u << 24 : addr; /* no loopback, and not the VIP */
}

/* The kinds of lists there are. */
enum kind { HOSTS4, MIXED4, NETS6, HOSTS6 };
static const char *const kind_name[] = {"IPv4 hosts", "IPv4 /12 to /32", "IPv6 /64", "IPv6 hosts"};

static struct pn_dp_prefix make_prefix(enum kind kind)
{
    struct pn_dp_prefix p = {.prefix_len = 128};

    if (kind == HOSTS4 || kind == MIXED4) {
        p.addr = pn_addr_from_v4(htobe32(client4()));
        if (kind == MIXED4)
            p.prefix_len = (uint8_t)(128 - (rnd() & 1 ? 0 : rnd() & 3 ? rnd() % 9 : rnd() % 21));
        return p;
    }
    /* 2000::/3, in some 60,000 /32 as they are given out. */
    p.addr.q[0] = htobe64(2ull << 60 | (rnd() & 0xffff) << 40 | (rnd() & 0xffffffff));
    p.addr.q[1] = kind == HOSTS6 ? rnd() : 0;
    p.prefix_len = kind == HOSTS6 ? 128 : 64;
    return p;
}

static struct pn_filter_load loaded(enum kind kind, uint64_t generation)
{
    struct pn_filter_load l = {0};
    const struct pn_dp_filter_begin begin = {.generation = generation};
    struct pn_dp_prefix part[PN_DP_PREFIXES_MAX];
    struct pn_error err;

    pn_filter_load_begin(&l, &begin, 0);
    for (uint32_t left = n_prefixes; left != 0;) {
        struct pn_dp_filter_add add = {.generation = generation, .count = RTE_MIN(left, PN_DP_PREFIXES_MAX)};

        for (uint32_t i = 0; i < add.count; i++)
            part[i] = make_prefix(kind);
        if (pn_filter_load_add(&l, &add, part, 0, &err) != 0)
            bench_die(err.text);
        left -= add.count;
    }
    return l;
}

static struct pn_filter *make(struct pn_filter_load *l)
{
    struct pn_error err;
    struct pn_filter *f = pn_filter_load_make(l, &err);

    if (f == NULL)
        bench_die(err.text);
    return f;
}

/* Clients that are in no list, mostly. */
static uint64_t (*queries(enum kind kind))[2]
{
    uint64_t(*q)[2] = calloc(QUERIES, sizeof(*q));

    for (uint32_t i = 0; i < QUERIES; i++) {
        struct pn_dp_prefix p = make_prefix(kind <= MIXED4 ? HOSTS4 : HOSTS6);
        q[i][0] = p.addr.q[0];
        q[i][1] = p.addr.q[1];
    }
    return q;
}

static double find_ns(const struct pn_filter *f, uint64_t (*q)[2], unsigned burst, uint64_t *sum)
{
    uint8_t verdict[PN_FILTER_BURST];
    double start = clock_ns(CLOCK_THREAD_CPUTIME_ID);

    for (uint32_t i = 0; i + burst <= QUERIES; i += burst) {
        pn_filter_find(f, (const uint64_t(*)[2])(q + i), burst, verdict);
        *sum += verdict[0] + verdict[burst - 1];
    }
    return (clock_ns(CLOCK_THREAD_CPUTIME_ID) - start) / QUERIES;
}

static void table(enum kind kind)
{
    struct pn_filter_load l = loaded(kind, 1);
    double start = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    struct pn_filter *f = make(&l);
    double made = clock_ns(CLOCK_THREAD_CPUTIME_ID) - start;
    uint64_t(*q)[2] = queries(kind), sum = 0;
    double burst[64], one[64], patched[64], patch[64];
    struct pn_error err;

    for (unsigned r = 0; r < rounds; r++) {
        struct pn_dp_prefix change = make_prefix(kind);

        burst[r] = find_ns(f, q, BURST, &sum);
        one[r] = find_ns(f, q, 1, &sum);
        start = clock_ns(CLOCK_THREAD_CPUTIME_ID);
        struct pn_filter *p = pn_filter_patch(f, &change, 1, r + 2, 0, &err);
        patch[r] = clock_ns(CLOCK_THREAD_CPUTIME_ID) - start;
        if (p == NULL)
            bench_die(err.text);
        patched[r] = find_ns(p, q, BURST, &sum);
        pn_filter_free(p);
    }
    printf("%-16s %7.0f ms to make, %4zu MiB; a lookup %5.1f ns in bursts of %u, %5.1f alone, %5.1f after a change, "
           "which took %4.1f us (%lu)\n",
           kind_name[kind], made / 1e6, pn_filter_bytes(f) >> 20, bench_median(burst, rounds), BURST,
           bench_median(one, rounds), bench_median(patched, rounds), bench_median(patch, rounds) / 1e3, sum & 1);
    pn_filter_free(f);
    free(q);
}

/* As many groups of 256 as the prefixes need: for IPv4 one for each /24 that holds longer ones. */
static void fib4(enum kind kind)
{
    uint8_t *seen = calloc(1u << 24, 1);
    uint32_t groups = 1;
    uint64_t saved = state, sum = 0;
    struct rte_fib_conf conf = {
        .type = RTE_FIB_DIR24_8, .max_routes = (int)n_prefixes * 2, .dir24_8.nh_sz = RTE_FIB_DIR24_8_4B};
    uint32_t *q = calloc(QUERIES, sizeof(*q));

    for (uint32_t i = 0; i < n_prefixes; i++) {
        struct pn_dp_prefix p = make_prefix(kind);
        uint32_t at = be32toh((uint32_t)(p.addr.q[1] >> 32)) >> 8;
        if (p.prefix_len > 120 && !seen[at]) {
            seen[at] = 1;
            groups++;
        }
    }
    free(seen);
    conf.dir24_8.num_tbl8 = groups;
    printf("  rte_fib        %u groups of 256 entries: %lu MiB of huge pages", groups,
           ((uint64_t)groups * 1024 >> 20) + 64);
    double start = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    struct rte_fib *fib = rte_fib_create("bench", SOCKET_ID_ANY, &conf);
    state = saved;
    for (uint32_t i = 0; fib != NULL && i < n_prefixes; i++) {
        struct pn_dp_prefix p = make_prefix(kind);
        if (rte_fib_add(fib, be32toh((uint32_t)(p.addr.q[1] >> 32)), (uint8_t)(p.prefix_len - 96), 1) != 0) {
            printf("; entry %u does not fit", i);
            break;
        }
    }
    if (fib == NULL) {
        printf(": not to be had here\n");
        free(q);
        return;
    }
    double made = clock_ns(CLOCK_THREAD_CPUTIME_ID) - start, ns[64];
    for (uint32_t i = 0; i < QUERIES; i++)
        q[i] = client4();
    for (unsigned r = 0; r < rounds; r++) {
        uint64_t hop[BURST];
        start = clock_ns(CLOCK_THREAD_CPUTIME_ID);
        for (uint32_t i = 0; i < QUERIES; i += BURST) {
            rte_fib_lookup_bulk(fib, q + i, hop, BURST);
            sum += hop[0];
        }
        ns[r] = (clock_ns(CLOCK_THREAD_CPUTIME_ID) - start) / QUERIES;
    }
    printf(", %.0f ms to make, a lookup %.1f ns (%lu)\n", made / 1e6, bench_median(ns, rounds), sum & 1);
    rte_fib_free(fib);
    free(q);
}

static void tables(void)
{
    printf("tables of %u prefixes\n", n_prefixes);
    for (enum kind k = HOSTS4; k <= HOSTS6; k++) {
        table(k);
        if (k == HOSTS4 || k == MIXED4)
            fib4(k);
    }
    /* A /64 that shares no more than its first 24 bits with others: one group for each further byte. */
    printf("  rte_fib6       up to 5 groups of 2 KiB for each /64: %lu MiB, not tried\n",
           (uint64_t)n_prefixes * 10 >> 10);
}

/* A net_ring port looped to itself with a worker behind it. */
struct loop {
    uint16_t port;
    struct rte_mempool *pool;
    struct rte_mbuf *m[512];
};

static void loop_make(struct loop *l)
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

static double syn_ns(struct bench *b, struct loop *l, bool pipeline, unsigned n)
{
    struct rte_mbuf *m[PN_WORKER_BURST];
    double start = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    unsigned done = 0;

    while (done < n) {
        unsigned got = rte_eth_rx_burst(l->port, 0, m, PN_WORKER_BURST);

        for (unsigned i = 0; i < got; i++)
            frame_from(rte_pktmbuf_mtod(m[i], uint8_t *), client4());
        if (pipeline) {
            pn_worker_round_begin(b->worker, rte_rdtsc());
            pn_worker_burst(b->worker, 0, m, got);
            pn_worker_side_work(b->worker);
        } else {
            rte_eth_tx_burst(l->port, 0, m, (uint16_t)got);
        }
        done += got;
    }
    return (clock_ns(CLOCK_THREAD_CPUTIME_ID) - start) / done;
}

/* Blocked packets are dropped, which would drain the loop: the lists are welcome ones here, looked up alike. */
static struct pn_filter *welcome(enum kind kind)
{
    struct pn_filter_set set[PN_FILTER_FAMILIES] = {{0}};
    struct pn_error err;

    set[PN_FILTER_V4].e = calloc(n_prefixes, sizeof(*set[0].e));
    set[PN_FILTER_V6].e = calloc(1, sizeof(*set[0].e));
    for (uint32_t i = 0; i < n_prefixes; i++) {
        struct pn_dp_prefix p = make_prefix(kind);
        unsigned family;

        p.list = PN_FILTER_WELCOME;
        set[PN_FILTER_V4].e[i] = pn_filter_entry_of(&p, &family);
    }
    set[PN_FILTER_V4].n = n_prefixes;
    struct pn_filter *f = pn_filter_make(set, 1, 0, &err);
    if (f == NULL)
        bench_die(err.text);
    return f;
}

static void pipeline(struct loop *l)
{
    const unsigned n = 1u << 18;
    struct bench *b = bench_new(l->port, 1u << 20);
    struct pn_filter *f = welcome(HOSTS4);
    double without[64], with[64], extra[64];

    if (b == NULL)
        bench_die("no memory for the table");
    syn_ns(b, l, true, 2 * n);
    for (unsigned r = 0; r < rounds; r++) {
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
           bench_median(without, rounds), bench_median(with, rounds), n_prefixes, bench_median(extra, rounds), rounds);
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
    struct loop *l;
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
            frame_from(rte_pktmbuf_mtod(m[i], uint8_t *), client4());
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
    j->made = make(&j->load);
}

static void load_done(struct pn_build_job *job)
{
    ((struct load_job *)job)->done = true;
}

static void gap(struct loop *l)
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
    state = 1;
    struct pn_filter *first = welcome(HOSTS4);
    struct pn_filter_load ready[8]; /* made before, since making up addresses is no part of it */
    for (unsigned i = 0; i < RTE_DIM(ready); i++)
        ready[i] = loaded(i & 1 ? HOSTS4 : NETS6, i + 2);
    rte_eal_remote_launch(worker, NULL, rte_get_next_lcore(-1, 1, 0));
    struct pn_filter *now = NULL;
    double ns[RTE_DIM(ready)];
    for (unsigned i = 0; i < RTE_DIM(ready); i++) {
        window_set(REST);
        usleep(300000);
        window_set(APART);
        usleep(700000);
        window_set(LOADING);
        double begin = clock_ns(CLOCK_MONOTONIC);
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
        ns[i] = clock_ns(CLOCK_MONOTONIC) - begin;
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
    printf("gap: %zu loads of %u prefixes, median %.0f ms, longest %.0f ms\n", RTE_DIM(ready), n_prefixes, median / 1e6,
           ns[RTE_DIM(ready) - 1] / 1e6);
    pn_builder_free(builder);
    pn_filter_free(j.old);
    pn_filter_free(now);
    pn_filter_free(first);
    bench_free(run.b);
    close(loop);
}

int main(int argc, char **argv)
{
    enum { TABLES = 1, PIPELINE, GAP, PREFIXES, ROUNDS, CORES };
    static const struct option options[] = {
        {"tables", no_argument, NULL, TABLES},
        {"pipeline", no_argument, NULL, PIPELINE},
        {"gap", no_argument, NULL, GAP},
        {"prefixes", required_argument, NULL, PREFIXES},
        {"rounds", required_argument, NULL, ROUNDS},
        {"cores", required_argument, NULL, CORES},
        {NULL, 0, NULL, 0},
    };
    const char *cores = "0,1";
    unsigned what = 0;
    struct loop l;
    int c;

    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c == PREFIXES)
            n_prefixes = (uint32_t)strtoul(optarg, NULL, 10);
        else if (c == ROUNDS)
            rounds = RTE_MIN((unsigned)strtoul(optarg, NULL, 10), 64u);
        else if (c == CORES)
            cores = optarg;
        else if (c >= TABLES && c <= GAP)
            what |= 1u << c;
        else
            return 2;
    }
    if (what == 0)
        what = ~0u;
    char arg[][32] = {"bench_filter", "--no-pci", "--in-memory", "--no-telemetry", "--log-level=error", "-l", ""};
    char *args[RTE_DIM(arg) + 1] = {NULL};
    snprintf(arg[RTE_DIM(arg) - 1], sizeof(arg[0]), "%s", cores);
    for (unsigned i = 0; i < RTE_DIM(arg); i++)
        args[i] = arg[i];
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (rounds == 0 || n_prefixes == 0 || n_prefixes > PN_DP_FILTER_FAMILY_MAX || rte_eal_init(RTE_DIM(arg), args) < 0)
        bench_die("options or EAL (are there huge pages?)");
    if (what & 1u << TABLES)
        tables();
    if (what & (1u << PIPELINE | 1u << GAP))
        loop_make(&l);
    if (what & 1u << PIPELINE)
        pipeline(&l);
    if (what & 1u << GAP)
        gap(&l);
    rte_eal_cleanup();
    return 0;
}
