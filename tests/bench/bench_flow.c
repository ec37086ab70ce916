/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the flow table costs: ns an operation in bursts of 32, keys in random order, at several sizes. Key making and
 * hashing are measured alone first and named "make"; the other rows have them subtracted.
 *   bench_flow [-q] [entries ...]      -q: a tenth of the time
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "dataplane/core/flow.h"
#include "dataplane/core/flow_internal.h"

#define BURST 32u
#define SERVICE 7u

static const char *pages = "4 KiB";
static double seconds = 1.0;
static volatile uint64_t sink;

static void *map(void *arg, size_t bytes, size_t align)
{
    size_t huge = 2u << 20, whole = (bytes + huge - 1) / huge * huge;
    (void)arg;
    (void)align;
    void *mem = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
    if (mem != MAP_FAILED) {
        pages = "2 MiB (hugetlb)";
        return mem;
    }
    /* Room to align by hand: transparent huge pages want whole 2 MiB blocks. */
    uint8_t *raw = mmap(NULL, whole + huge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (raw == MAP_FAILED)
        return NULL;
    mem = (void *)(((uintptr_t)raw + huge - 1) / huge * huge);
    if (madvise(mem, whole, MADV_HUGEPAGE) == 0)
        pages = "2 MiB (transparent)";
    memset(mem, 0, whole);
    return mem;
}

static void keep(void *arg, void *mem) /* the process is short */
{
    (void)arg;
    (void)mem;
}

/* Processor time: other programs on the machine do not count. */
static uint64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Flow number i: its own IPv4 client and port. */
static inline void key_of(const struct pn_flow_table *t, uint64_t i, struct pn_flow_key *k)
{
    uint32_t ip = (uint32_t)i * 2654435761u; /* odd: every i has its own address */
    k->client[0] = 0;
    k->client[1] = (uint64_t)ip << 32 | 0xffff0000u;
    k->port_svc = (uint32_t)(i & 0xffff) << 16 | SERVICE;
    k->hash = pn_flow_hash(t, k->client, k->port_svc);
}

static uint64_t rng_state = 88172645463325252ull;

enum op { OP_MAKE, OP_HIT, OP_MISS, OP_SYN, OP_COUNT };

/* One burst; from: first number of fresh keys. */
static inline void burst(struct pn_flow_table *t, enum op op, uint32_t n, uint64_t from, struct pn_now now)
{
    struct pn_flow_key keys[BURST];
    struct pn_flow *flows[BURST];
    uint32_t handshake_us;
    uint64_t sum = 0, rng = rng_state;

    for (unsigned i = 0; i < BURST; i++) {
        rng = rng * 6364136223846793005ull + 1442695040888963407ull;
        uint64_t number = op == OP_HIT || op == OP_MAKE ? pn_hash_range((uint32_t)(rng >> 32), n) : from + i;
        key_of(t, number, &keys[i]);
        if (op != OP_MAKE)
            pn_flow_prefetch(t, keys[i].hash);
    }
    rng_state = rng;
    if (op == OP_MAKE) {
        for (unsigned i = 0; i < BURST; i++)
            sum += keys[i].hash;
        sink = sum;
        return;
    }
    pn_flow_lookup_bulk(t, keys, BURST, now, flows);
    for (unsigned i = 0; i < BURST; i++) {
        if (op == OP_SYN && flows[i] == NULL) {
            struct pn_flow *f = pn_flow_lookup(t, keys[i].client, keys[i].port_svc, keys[i].hash, now);
            if (f == NULL)
                f = pn_flow_insert(t, keys[i].client, keys[i].port_svc, keys[i].hash, PN_FLOW_HALF_OPEN, now);
            if (f != NULL)
                f->gateway = (uint16_t)(i & 3);
        } else if (op == OP_HIT && flows[i] != NULL) {
            pn_flow_segment(t, flows[i], 0x10, now, &handshake_us);
            sum += flows[i]->gateway;
        }
        sum += flows[i] != NULL;
    }
    sink = sum;
}

static double measure(struct pn_flow_table *t, enum op op, uint32_t n, uint64_t *fresh, struct pn_now *now)
{
    uint64_t t0 = now_ns(), t1, ops = 0;
    do {
        for (unsigned i = 0; i < 256; i++) {
            burst(t, op, n, *fresh, *now);
            *fresh += op == OP_MISS || op == OP_SYN ? BURST : 0;
        }
        ops += 256 * BURST;
        t1 = now_ns();
        now->ms += (uint32_t)((t1 - t0) / 1000000 / 64); /* a little time passes: some seen_ms are written */
    } while ((double)(t1 - t0) < seconds * 1e9);
    return (double)(t1 - t0) / (double)ops;
}

/* Fills an empty table to its last slot and tells at which fill the first insert failed. */
static double fill_limit(uint32_t n)
{
    struct pn_flow_config config = {.entries_max = n, .hash_seed = {3, 4}, .alloc = map, .release = keep};
    struct pn_error err;
    struct pn_flow_table *t = pn_flow_table_new(&config, &err);
    struct pn_now now = {0};
    struct pn_flow_key k;

    if (t == NULL)
        return 0;
    t->entries_max = UINT32_MAX;
    for (uint64_t i = 0;; i++) {
        key_of(t, i, &k);
        if (pn_flow_insert(t, k.client, k.port_svc, k.hash, PN_FLOW_ESTABLISHED, now) == NULL)
            return (double)i / (t->n_lines * 2.0);
    }
}

static int run(uint32_t n)
{
    struct pn_flow_config config = {.entries_max = n, .hash_seed = {1, 2}, .alloc = map, .release = keep};
    struct pn_error err;
    struct pn_flow_table *t = pn_flow_table_new(&config, &err);
    struct pn_now now = {1000, 1000000};
    uint64_t fresh = 1ull << 31, refused = 0, t0;
    uint32_t at[4] = {0};
    double fill, make, hit, miss, syn, age;

    if (t == NULL) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    t0 = now_ns();
    for (uint32_t i = 0; i < n; i += BURST) {
        struct pn_flow_key keys[BURST];
        for (unsigned j = 0; j < BURST; j++) {
            key_of(t, i + j, &keys[j]);
            pn_flow_prefetch(t, keys[j].hash);
        }
        for (unsigned j = 0; j < BURST && i + j < n; j++)
            refused +=
                pn_flow_insert(t, keys[j].client, keys[j].port_svc, keys[j].hash, PN_FLOW_ESTABLISHED, now) == NULL;
    }
    fill = (double)(now_ns() - t0) / n;
    for (uint32_t s = 0; s < t->n_lines * 2; s++) {
        if (pn_flow_at(t, s)->state != PN_FLOW_FREE)
            at[pn_flow_at(t, s)->place]++;
    }
    make = measure(t, OP_MAKE, n, &fresh, &now);
    hit = measure(t, OP_HIT, n, &fresh, &now);
    miss = measure(t, OP_MISS, n, &fresh, &now);
    t0 = now_ns();
    uint64_t aged = 0;
    do {
        pn_flow_age(t, 4096, now);
        aged += 4096;
    } while ((double)(now_ns() - t0) < seconds * 1e9 / 4);
    age = (double)(now_ns() - t0) / (double)aged;

    /* SYNs on a table half full of established flows, once the share of half-open ones is used up. */
    for (uint32_t i = n / 2; i < n; i++) {
        struct pn_flow_key k;
        key_of(t, i, &k);
        struct pn_flow *f = pn_flow_lookup(t, k.client, k.port_svc, k.hash, now);
        if (f != NULL)
            pn_flow_remove(t, f);
    }
    double syn_first, s = seconds;
    seconds = 0;
    t0 = now_ns();
    uint64_t first = fresh;
    while (t->n_unproven + BURST * 256 < n / 4)
        measure(t, OP_SYN, n, &fresh, &now);
    syn_first = fresh == first ? 0 : (double)(now_ns() - t0) / (double)(fresh - first);
    seconds = s;
    measure(t, OP_SYN, n, &fresh, &now);
    syn = measure(t, OP_SYN, n, &fresh, &now);
    printf("%9u %6.1f %6.1f %6.1f %6.1f %6.1f %7.1f %6.1f %6.2f  %5.1f%% %5.1f%% %5.1f%%  %5.1f%%  %llu\n", n,
           (double)t->bytes / n, make, fill - make, hit - make, miss - make, syn_first - make, syn - make, age,
           100.0 * at[0] / n, 100.0 * at[1] / n, 100.0 * (at[2] + at[3]) / n, 100 * fill_limit(n),
           (unsigned long long)refused);
    fflush(stdout);
    return 0;
}

int main(int argc, char **argv)
{
    static const uint32_t sizes[] = {1000, 65536, 1000000, 10000000};
    int i = 1, failed = 0;

    if (i < argc && strcmp(argv[i], "-q") == 0) {
        seconds = 0.1;
        i++;
    }
    printf("%9s %6s %6s %6s %6s %6s %7s %6s %6s  %6s %6s %6s  %6s  %s\n", "entries", "B/flow", "make", "fill", "hit",
           "miss", "syn new", "flood", "age/ln", "home", "beside", "far", "fillmax", "refused");
    if (i < argc) {
        for (; i < argc; i++)
            failed |= run((uint32_t)strtoul(argv[i], NULL, 10));
    } else {
        for (unsigned j = 0; j < sizeof(sizes) / sizeof(sizes[0]); j++)
            failed |= run(sizes[j]);
    }
    printf("ns an operation; pages of %s\n", pages);
    return failed;
}
