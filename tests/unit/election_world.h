/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A simulated world for the election: nodes with clocks of their own, a wire that loses, delays, doubles and reorders,
 * processes that stop, continue, die and come back. Real seals and peers; only sockets and dataplanes are simulated.
 */
#ifndef TESTS_UNIT_ELECTION_WORLD_H
#define TESTS_UNIT_ELECTION_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "controlplane/vip/election.h"

#define WORLD_MS UINT64_C(1000000)
#define WORLD_STEP (WORLD_MS / 4)
#define WORLD_WIRE 512
#define WORLD_NODES 3

struct world_packet {
    bool there;
    uint8_t to;
    uint64_t at_ns; /* arrival, world's time */
    size_t n;
    uint8_t bytes[PN_SEAL_MAX_BYTES];
};

struct world_node {
    bool configured, running, dataplane;
    uint64_t clock_base; /* its clock when the world's is 0 */
    int drift_ppm;
    struct pn_peers peers;
    struct pn_election election;
    struct pn_sealer *sealer;
    struct pn_opener *opener;
    uint64_t due, wake, counter;
    uint64_t lease[PN_MAX_VIPS]; /* in the dataplane: deadline, its clock */
    struct pn_election_out stuck; /* orders written after a stop: computed before it */
    uint64_t probe_at[PN_MAX_VIPS]; /* world's time at which the answer to a probe comes; 0 none */
    uint64_t wake_at_stop;
};

struct world {
    struct world_node nodes[WORLD_NODES];
    unsigned n;
    uint64_t now;
    struct world_packet wire[WORLD_WIRE];
    unsigned loss_percent, delay_max_us;
    bool cut[WORLD_NODES][WORLD_NODES]; /* heartbeats from, to */
    bool arp_cut[WORLD_NODES][WORLD_NODES];
    unsigned alarms, rivals;
    unsigned answer_lost_each, answers; /* every so many-th answer to a probe does not come; 0: all come */
    unsigned n_vips;
    bool exclusive;
    uint64_t dual_ns, unanswered_ns, worst_gap_ns, gap_ns;
    uint64_t seed;
    bool verbose;
};
extern struct world w;
extern const struct pn_election_times world_times;

void world_start(unsigned n, unsigned n_vips, bool exclusive, uint64_t seed);
void world_end(void);
void world_run(unsigned ms, bool want_single);
unsigned world_owner(unsigned vip); /* WORLD_NODES: nobody */
bool world_responds(unsigned i, unsigned vip);
uint64_t world_clock(const struct world_node *n);
uint64_t world_random(void *arg);
void world_obey(struct world_node *n, const struct pn_election_out *out);
void world_control_start(struct world_node *n, bool learn); /* learn: what the dataplane holds is read first */
void world_control_stop(struct world_node *n, bool mid_write);
void world_dataplane_kill(struct world_node *n);
void world_dataplane_start(struct world_node *n);

#endif
