/* SPDX-License-Identifier: BSD-3-Clause */
/* What the parts of bench_filter share: lists of addresses and networks, and a looped port. */
#ifndef PN_TESTS_BENCH_FILTER_H
#define PN_TESTS_BENCH_FILTER_H

#include <time.h>

#include <rte_mbuf.h>

#include "dataplane/core/filter_load.h"
#include "tests/bench/bench.h"

extern unsigned bench_filter_rounds; /* at most 64 */
extern uint32_t bench_filter_prefixes; /* in each list */

/* The kinds of lists there are. */
enum bench_kind { BENCH_HOSTS4, BENCH_MIXED4, BENCH_NETS6, BENCH_HOSTS6 };

/* bench_filter_lists.c; the lists are the same for the same state. */
extern uint64_t bench_random_state;
uint64_t bench_random(void);
uint32_t bench_client4(void); /* host order */
double bench_clock_ns(clockid_t id);
struct pn_dp_prefix bench_prefix(enum bench_kind kind);
struct pn_filter_load bench_filter_loaded(enum bench_kind kind, uint64_t generation);
struct pn_filter *bench_filter_make(struct pn_filter_load *l);
struct pn_filter *bench_filter_welcome(enum bench_kind kind);

/* A net_ring port looped to itself. */
struct bench_loop {
    uint16_t port;
    struct rte_mempool *pool;
    struct rte_mbuf *m[512];
};

/* bench_filter_flow.c */
void bench_loop_make(struct bench_loop *l);
void bench_filter_pipeline(struct bench_loop *l);
void bench_filter_gap(struct bench_loop *l);

#endif
