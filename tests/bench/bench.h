/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Measures the real stages and worker, not a copy of them: around them stand only a source of packets and a clock.
 * Others run on the machine too, so every figure is a median over rounds, and what is compared alternates.
 */
#ifndef PN_TESTS_BENCH_H
#define PN_TESTS_BENCH_H

#include <jansson.h>

#include "dataplane/worker.h"

#define BENCH_GATEWAYS 4
#define BENCH_TABLE 1000000u

/* One worker with its table, one port, one VIP with one service of BENCH_GATEWAYS gateways in DSR. */
struct bench {
    struct pn_shared shared;
    struct pn_stats_worker *stats;
    struct pn_worker *worker;
    struct pn_dpsnap *snap;
};

struct bench_options {
    unsigned rounds;
    unsigned round_ms; /* of each measured stretch */
    const char *testpmd;
    const char *cores; /* of the EAL here and in testpmd: main, worker */
    bool quick;
};

/* port_id: DPDK's. Aborts with a message when there is no memory. lcore -1: none. */
/*
 * Entries of the table for so many flows: twice as many, as one sizes it for the busiest day, but from BENCH_TABLE on no
 * more than there are flows (and a burst, since rounds end on whole bursts).
 */
static inline uint32_t bench_table(uint32_t flows)
{
    uint32_t entries = flows >= BENCH_TABLE ? flows : 2 * flows > BENCH_TABLE ? BENCH_TABLE : 2 * flows;
    return entries + 2 * PN_WORKER_BURST;
}
struct bench *bench_new(uint16_t port_id, uint32_t flows_max);
void bench_free(struct bench *b);
void bench_die(const char *what);

/* A 60-byte TCP segment of flow number `flow` to the service; flags of TCP. */
#define BENCH_FRAME_BYTES 60u
void bench_frame(uint8_t frame[64], uint32_t flow, uint8_t tcp_flags);
/* The same into a frame that holds another flow's: only what differs, the way a driver's wide stores would. */
void bench_frame_change(uint8_t *frame, uint32_t flow);

double bench_median(double *values, unsigned n);

/* Prints lines for people, adds to out for machines. */
void bench_ring(const struct bench_options *o, json_t *out);
void bench_pcap(const struct bench_options *o, json_t *out);

#endif
