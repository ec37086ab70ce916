/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/bench/bench_filter.h"

#include <stdlib.h>
#include <time.h>

unsigned bench_filter_rounds = 11;
uint32_t bench_filter_prefixes = 1000000;

uint64_t bench_random_state = 88172645463325252ull;
uint64_t bench_random(void)
{
    bench_random_state ^= bench_random_state << 13;
    bench_random_state ^= bench_random_state >> 7;
    bench_random_state ^= bench_random_state << 17;
    return bench_random_state * 2685821657736338717ull;
}

double bench_clock_ns(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

uint32_t bench_client4(void)
{
    uint32_t addr = (uint32_t)((1u << 24) + (bench_random() >> 32) * (222ull << 24) / (1ull << 32));
    return addr >> 24 == 127 || addr >> 24 == 203 ? addr ^ 2u << 24 : addr; /* no loopback, and not the VIP */
}

struct pn_dp_prefix bench_prefix(enum bench_kind kind)
{
    struct pn_dp_prefix p = {.prefix_len = 128};

    if (kind == BENCH_HOSTS4 || kind == BENCH_MIXED4) {
        p.addr = pn_addr_from_v4(htobe32(bench_client4()));
        if (kind == BENCH_MIXED4)
            p.prefix_len = (uint8_t)(128 - (bench_random() & 1   ? 0
                                            : bench_random() & 3 ? bench_random() % 9
                                                                 : bench_random() % 21));
        return p;
    }
    /* 2000::/3, in some 60,000 /32 as they are given out. */
    p.addr.q[0] = htobe64(2ull << 60 | (bench_random() & 0xffff) << 40 | (bench_random() & 0xffffffff));
    p.addr.q[1] = kind == BENCH_HOSTS6 ? bench_random() : 0;
    p.prefix_len = kind == BENCH_HOSTS6 ? 128 : 64;
    return p;
}

struct pn_filter_load bench_filter_loaded(enum bench_kind kind, uint64_t generation)
{
    struct pn_filter_load l = {0};
    const struct pn_dp_filter_begin begin = {.generation = generation};
    struct pn_dp_prefix part[PN_DP_PREFIXES_MAX];
    struct pn_error err;

    pn_filter_load_begin(&l, &begin, 0);
    for (uint32_t left = bench_filter_prefixes; left != 0;) {
        struct pn_dp_filter_add add = {.generation = generation, .count = RTE_MIN(left, PN_DP_PREFIXES_MAX)};

        for (uint32_t i = 0; i < add.count; i++)
            part[i] = bench_prefix(kind);
        if (pn_filter_load_add(&l, &add, part, 0, &err) != 0)
            bench_die(err.text);
        left -= add.count;
    }
    return l;
}

struct pn_filter *bench_filter_make(struct pn_filter_load *l)
{
    struct pn_error err;
    struct pn_filter *f = pn_filter_load_make(l, &err);

    if (f == NULL)
        bench_die(err.text);
    return f;
}

/* Blocked packets are dropped, which would drain the loop: the lists are welcome ones here, looked up alike. */
struct pn_filter *bench_filter_welcome(enum bench_kind kind)
{
    struct pn_filter_set set[PN_FILTER_FAMILIES] = {{0}};
    struct pn_error err;

    set[PN_FILTER_V4].e = calloc(bench_filter_prefixes, sizeof(*set[0].e));
    set[PN_FILTER_V6].e = calloc(1, sizeof(*set[0].e));
    for (uint32_t i = 0; i < bench_filter_prefixes; i++) {
        struct pn_dp_prefix p = bench_prefix(kind);
        unsigned family;

        p.list = PN_FILTER_WELCOME;
        set[PN_FILTER_V4].e[i] = pn_filter_entry_of(&p, &family);
    }
    set[PN_FILTER_V4].n = bench_filter_prefixes;
    struct pn_filter *f = pn_filter_make(set, 1, 0, &err);
    if (f == NULL)
        bench_die(err.text);
    return f;
}
