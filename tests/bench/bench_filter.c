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
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <rte_eal.h>
#include <rte_fib.h>
#include <rte_fib6.h>

#include "tests/bench/bench_filter.h"

#define BURST 32u
#define QUERIES (1u << 20) /* so many that caches do not remember them */

/* By enum bench_kind. */
static const char *const kind_name[] = {"IPv4 hosts", "IPv4 /12 to /32", "IPv6 /64", "IPv6 hosts"};

/* Clients that are in no list, mostly. */
static uint64_t (*queries(enum bench_kind kind))[2]
{
    uint64_t(*q)[2] = calloc(QUERIES, sizeof(*q));

    for (uint32_t i = 0; i < QUERIES; i++) {
        struct pn_dp_prefix p = bench_prefix(kind <= BENCH_MIXED4 ? BENCH_HOSTS4 : BENCH_HOSTS6);
        q[i][0] = p.addr.q[0];
        q[i][1] = p.addr.q[1];
    }
    return q;
}

static double find_ns(const struct pn_filter *f, uint64_t (*q)[2], unsigned burst, uint64_t *sum)
{
    uint8_t verdict[PN_FILTER_BURST];
    double start = bench_clock_ns(CLOCK_THREAD_CPUTIME_ID);

    for (uint32_t i = 0; i + burst <= QUERIES; i += burst) {
        pn_filter_find(f, (const uint64_t(*)[2])(q + i), burst, verdict);
        *sum += verdict[0] + verdict[burst - 1];
    }
    return (bench_clock_ns(CLOCK_THREAD_CPUTIME_ID) - start) / QUERIES;
}

static void table(enum bench_kind kind)
{
    struct pn_filter_load l = bench_filter_loaded(kind, 1);
    double start = bench_clock_ns(CLOCK_THREAD_CPUTIME_ID);
    struct pn_filter *f = bench_filter_make(&l);
    double made = bench_clock_ns(CLOCK_THREAD_CPUTIME_ID) - start;
    uint64_t(*q)[2] = queries(kind), sum = 0;
    double burst[64], one[64], patched[64], patch[64];
    struct pn_error err;

    for (unsigned r = 0; r < bench_filter_rounds; r++) {
        struct pn_dp_prefix change = bench_prefix(kind);

        burst[r] = find_ns(f, q, BURST, &sum);
        one[r] = find_ns(f, q, 1, &sum);
        start = bench_clock_ns(CLOCK_THREAD_CPUTIME_ID);
        struct pn_filter *p = pn_filter_patch(f, &change, 1, r + 2, 0, &err);
        patch[r] = bench_clock_ns(CLOCK_THREAD_CPUTIME_ID) - start;
        if (p == NULL)
            bench_die(err.text);
        patched[r] = find_ns(p, q, BURST, &sum);
        pn_filter_free(p);
    }
    printf("%-16s %7.0f ms to make, %4zu MiB; a lookup %5.1f ns in bursts of %u, %5.1f alone, %5.1f after a change, "
           "which took %4.1f us (%lu)\n",
           kind_name[kind], made / 1e6, pn_filter_bytes(f) >> 20, bench_median(burst, bench_filter_rounds), BURST,
           bench_median(one, bench_filter_rounds), bench_median(patched, bench_filter_rounds),
           bench_median(patch, bench_filter_rounds) / 1e3, sum & 1);
    pn_filter_free(f);
    free(q);
}

/* As many groups of 256 as the prefixes need: for IPv4 one for each /24 that holds longer ones. */
static void fib4(enum bench_kind kind)
{
    uint8_t *seen = calloc(1u << 24, 1);
    uint32_t groups = 1;
    uint64_t saved = bench_random_state, sum = 0;
    struct rte_fib_conf conf = {
        .type = RTE_FIB_DIR24_8, .max_routes = (int)bench_filter_prefixes * 2, .dir24_8.nh_sz = RTE_FIB_DIR24_8_4B};
    uint32_t *q = calloc(QUERIES, sizeof(*q));

    for (uint32_t i = 0; i < bench_filter_prefixes; i++) {
        struct pn_dp_prefix p = bench_prefix(kind);
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
    double start = bench_clock_ns(CLOCK_THREAD_CPUTIME_ID);
    struct rte_fib *fib = rte_fib_create("bench", SOCKET_ID_ANY, &conf);
    bench_random_state = saved;
    for (uint32_t i = 0; fib != NULL && i < bench_filter_prefixes; i++) {
        struct pn_dp_prefix p = bench_prefix(kind);
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
    double made = bench_clock_ns(CLOCK_THREAD_CPUTIME_ID) - start, ns[64];
    for (uint32_t i = 0; i < QUERIES; i++)
        q[i] = bench_client4();
    for (unsigned r = 0; r < bench_filter_rounds; r++) {
        uint64_t hop[BURST];
        start = bench_clock_ns(CLOCK_THREAD_CPUTIME_ID);
        for (uint32_t i = 0; i < QUERIES; i += BURST) {
            rte_fib_lookup_bulk(fib, q + i, hop, BURST);
            sum += hop[0];
        }
        ns[r] = (bench_clock_ns(CLOCK_THREAD_CPUTIME_ID) - start) / QUERIES;
    }
    printf(", %.0f ms to make, a lookup %.1f ns (%lu)\n", made / 1e6, bench_median(ns, bench_filter_rounds), sum & 1);
    rte_fib_free(fib);
    free(q);
}

static void tables(void)
{
    printf("tables of %u prefixes\n", bench_filter_prefixes);
    for (enum bench_kind k = BENCH_HOSTS4; k <= BENCH_HOSTS6; k++) {
        table(k);
        if (k == BENCH_HOSTS4 || k == BENCH_MIXED4)
            fib4(k);
    }
    /* A /64 that shares no more than its first 24 bits with others: one group for each further byte. */
    printf("  rte_fib6       up to 5 groups of 2 KiB for each /64: %lu MiB, not tried\n",
           (uint64_t)bench_filter_prefixes * 10 >> 10);
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
    struct bench_loop l;
    int c;

    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c == PREFIXES)
            bench_filter_prefixes = (uint32_t)strtoul(optarg, NULL, 10);
        else if (c == ROUNDS)
            bench_filter_rounds = RTE_MIN((unsigned)strtoul(optarg, NULL, 10), 64u);
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
    if (bench_filter_rounds == 0 || bench_filter_prefixes == 0 || bench_filter_prefixes > PN_DP_FILTER_FAMILY_MAX ||
        rte_eal_init(RTE_DIM(arg), args) < 0)
        bench_die("options or EAL (are there huge pages?)");
    if (what & 1u << TABLES)
        tables();
    if (what & (1u << PIPELINE | 1u << GAP))
        bench_loop_make(&l);
    if (what & 1u << PIPELINE)
        bench_filter_pipeline(&l);
    if (what & 1u << GAP)
        bench_filter_gap(&l);
    rte_eal_cleanup();
    return 0;
}
