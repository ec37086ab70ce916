/* SPDX-License-Identifier: BSD-3-Clause */
/* The pipeline over a net_ring port that is looped to itself. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <rte_cycles.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "dataplane/stages/account.h"
#include "tests/bench/bench.h"

#define IN_FLIGHT 512
#define SYN 0x02
#define ACK 0x10

struct loop {
    uint16_t port;
    struct rte_mempool *pool;
    struct rte_mbuf *mbufs[IN_FLIGHT];
};

static void loop_make(struct loop *l)
{
    const struct rte_eth_conf conf = {0};
    struct rte_ring *ring = rte_ring_create("bench_loop", 1024, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
    int port = ring == NULL ? -1 : rte_eth_from_ring(ring);

    if (port < 0)
        bench_die("net_ring");
    l->port = (uint16_t)port;
    l->pool = rte_pktmbuf_pool_create("bench_loop", 2 * IN_FLIGHT - 1, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
    if (l->pool == NULL)
        bench_die("packet pool");
    if (rte_eth_dev_configure(l->port, 1, 1, &conf) != 0 ||
        rte_eth_rx_queue_setup(l->port, 0, 1024, SOCKET_ID_ANY, NULL, l->pool) != 0 ||
        rte_eth_tx_queue_setup(l->port, 0, 1024, SOCKET_ID_ANY, NULL) != 0 || rte_eth_dev_start(l->port) != 0)
        bench_die("net_ring port");
    if (rte_pktmbuf_alloc_bulk(l->pool, l->mbufs, IN_FLIGHT) != 0)
        bench_die("packets");
    for (unsigned i = 0; i < IN_FLIGHT; i++)
        l->mbufs[i]->data_len = (uint16_t)(l->mbufs[i]->pkt_len = BENCH_FRAME_BYTES);
    if (rte_eth_tx_burst(l->port, 0, l->mbufs, IN_FLIGHT) != IN_FLIGHT)
        bench_die("the loop does not take its packets");
}

static void loop_flags(struct loop *l, uint8_t flags)
{
    for (unsigned i = 0; i < IN_FLIGHT; i++)
        bench_frame(rte_pktmbuf_mtod(l->mbufs[i], uint8_t *), i, flags);
}

/* How flow numbers come. */
struct order {
    uint64_t state;
    uint32_t flows; /* random below this */
    bool walk; /* or one after the other */
};

static inline uint32_t order_next(struct order *o)
{
    if (o->walk)
        return (uint32_t)o->state++ & 0xffffff;
    o->state = o->state * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(((o->state >> 32) * o->flows) >> 32);
}

enum what { IO, GENERATE, PIPELINE };

static double cpu_ns(void)
{
    struct timespec t;

    /* The thread's own time: what others take of the core is not the pipeline's. */
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Nanoseconds a packet over at least `packets`. */
static __rte_noinline double turn(struct bench *b, struct loop *l, struct order *o, enum what what, uint64_t packets)
{
    struct rte_mbuf *m[PN_WORKER_BURST];
    uint64_t done = 0;
    double start = cpu_ns();

    while (done < packets) {
        unsigned n = rte_eth_rx_burst(l->port, 0, m, PN_WORKER_BURST);

        if (what != IO) {
            for (unsigned i = 0; i < n; i++)
                bench_frame_change(rte_pktmbuf_mtod(m[i], uint8_t *), order_next(o));
        }
        if (what == PIPELINE) {
            pn_worker_round_begin(b->worker, rte_rdtsc());
            pn_worker_burst(b->worker, 0, m, n);
            pn_worker_side_work(b->worker);
        } else {
            rte_eth_tx_burst(l->port, 0, m, (uint16_t)n);
        }
        done += n;
    }
    return (cpu_ns() - start) / (double)done;
}

/* Every flow once, as SYN or ACK, in an order that spreads over the table. */
static void all_flows(struct bench *b, struct loop *l, uint32_t first, uint32_t flows, uint8_t flags)
{
    struct order o = {.state = first, .walk = true};

    loop_flags(l, flags);
    turn(b, l, &o, PIPELINE, flows);
}

/* In slices: half-open flows are only let be a share of the table. */
static void establish(struct bench *b, struct loop *l, uint32_t flows)
{
    const uint32_t slice = flows / 4 < 4096 ? flows / 4 : 4096;

    for (uint32_t at = 0; at < flows; at += slice) {
        uint32_t n = flows - at < slice ? flows - at : slice;

        all_flows(b, l, at, n, SYN);
        all_flows(b, l, at, n, ACK);
    }
}

static uint64_t turn_packets(const struct bench_options *o)
{
    return (uint64_t)o->round_ms * 1000000 / 30; /* about that long at 30 ns */
}

static double generator(struct bench *b, struct loop *l, struct order *order, uint64_t packets)
{
    return turn(b, l, order, GENERATE, packets) - turn(b, l, order, IO, packets);
}

/* false: the table does not fit in memory. */
static bool established(const struct bench_options *o, struct loop *l, const char *name, uint32_t flows, json_t *out,
                        double *bytes_per_flow)
{
    struct bench *b = bench_new(l->port, bench_table(flows));
    struct order order = {.state = 1, .flows = flows};
    double ns[64], gen[64];
    unsigned rounds = o->rounds < 64 ? o->rounds : 64;

    if (b == NULL)
        return false;
    establish(b, l, flows);
    uint32_t used = pn_flow_usage(b->worker->ctx.flows).used;
    turn(b, l, &order, PIPELINE, turn_packets(o));
    uint64_t new_before = b->stats->counters[PN_C_FLOW_NEW] + b->stats->counters[PN_C_FLOW_STATELESS];
    for (unsigned r = 0; r < rounds; r++) {
        gen[r] = generator(b, l, &order, turn_packets(o) / 2);
        ns[r] = turn(b, l, &order, PIPELINE, turn_packets(o)) - gen[r];
    }
    uint64_t misses = b->stats->counters[PN_C_FLOW_NEW] + b->stats->counters[PN_C_FLOW_STATELESS] - new_before;
    double median = bench_median(ns, rounds), g = bench_median(gen, rounds);

    *bytes_per_flow = (double)pn_flow_usage(b->worker->ctx.flows).bytes / bench_table(flows);
    printf("ring  %-7s established  %6.1f ns  %6.1f Mpps  (generator %.1f ns, best %.1f, worst %.1f; %u entries, %lu "
           "misses)\n",
           name, median, 1e3 / median, g, ns[0], ns[rounds - 1], used, misses);
    json_t *row = json_object();
    json_object_set_new(row, "ns", json_real(median));
    json_object_set_new(row, "mpps", json_real(1e3 / median));
    json_object_set_new(row, "generator_ns", json_real(g));
    json_object_set_new(out, name, row);
    bench_free(b);
    return true;
}

/* Takes the entries of flows first.. out again, so that the next round's SYNs find the same table. */
static void remove_flows(struct bench *b, uint32_t first, uint64_t n)
{
    struct pn_ctx *c = &b->worker->ctx;

    for (uint64_t i = 0; i < n; i++) {
        uint8_t frame[64];
        struct pn_addr client;
        uint32_t src, port_svc;
        uint16_t port;

        bench_frame(frame, (first + (uint32_t)i) & 0xffffff, SYN);
        memcpy(&src, frame + 26, 4);
        memcpy(&port, frame + 34, 2);
        client = pn_addr_from_v4(src);
        port_svc = (uint32_t)be16toh(port) << 16;
        struct pn_flow *f =
            pn_flow_lookup(c->flows, client.q, port_svc, pn_flow_hash(c->flows, client.q, port_svc), c->now);
        if (f != NULL) {
            pn_account_forget(c, f);
            pn_flow_remove(c->flows, f);
        }
    }
}

/*
 * SYNs that each make a flow in a table of 1 M. room: half of it is established flows and the new ones fit; else the
 * half-open share is full and each pushes out the oldest, as in a flood.
 */
static void syns(const struct bench_options *o, struct loop *l, const char *name, bool room, json_t *out)
{
    const uint32_t million = 1u << 20, stretch = 1u << 18;
    struct bench *b = bench_new(l->port, million);
    struct order order = {.state = million / 2, .walk = true};
    double ns[64], gen[64];
    unsigned rounds = o->rounds < 64 ? o->rounds : 64;

    if (b == NULL)
        return;
    establish(b, l, million / 2);
    loop_flags(l, SYN);
    if (!room)
        turn(b, l, &order, PIPELINE, million / 2 + stretch);
    uint64_t made = 0, packets = 0;
    for (unsigned r = 0; r < rounds; r++) {
        struct order other = order;

        gen[r] = generator(b, l, &other, stretch);
        uint32_t first = (uint32_t)order.state;
        uint64_t before = b->stats->counters[PN_C_FLOW_NEW];
        ns[r] = turn(b, l, &order, PIPELINE, stretch) - gen[r];
        made += b->stats->counters[PN_C_FLOW_NEW] - before;
        packets += stretch;
        if (room)
            remove_flows(b, first, order.state - first);
    }
    double median = bench_median(ns, rounds);
    printf("ring  %-7s new flows    %6.1f ns  %6.1f Mpps  (generator %.1f ns, best %.1f, worst %.1f; %.1f %% made a "
           "flow, %lu evicted)\n",
           name, median, 1e3 / median, bench_median(gen, rounds), ns[0], ns[rounds - 1],
           100.0 * (double)made / (double)packets, b->stats->counters[PN_C_FLOW_EVICTED]);
    json_t *row = json_object();
    json_object_set_new(row, "ns", json_real(median));
    json_object_set_new(row, "mpps", json_real(1e3 / median));
    json_object_set_new(out, name, row);
    bench_free(b);
}

void bench_ring(const struct bench_options *o, json_t *out)
{
    static const struct {
        const char *name;
        uint32_t flows;
    } sizes[] = {{"1k", 1000}, {"64k", 64 * 1024}, {"1m", 1000 * 1000}, {"10m", 10 * 1000 * 1000}};
    json_t *ring = json_object();
    double bytes = 0;
    struct loop l;

    loop_make(&l);
    for (unsigned i = 0; i < RTE_DIM(sizes); i++)
        established(o, &l, sizes[i].name, sizes[i].flows, ring, &bytes);
    syns(o, &l, "syn_1m", true, ring);
    syns(o, &l, "syn_flood_1m", false, ring);
    printf("ring  memory: %.1f bytes a flow, all of the table included\n", bytes);
    json_object_set_new(out, "ring", ring);
    json_object_set_new(out, "bytes_per_flow", json_real(bytes));
}
