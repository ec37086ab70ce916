/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The shared-memory segment through which counters leave postern-dp. It writes, everyone else maps read-only.
 * One block per worker, each cell written by that worker alone with plain 64-bit stores (no locks, no
 * shared cache lines between workers); readers sum the blocks. A cell never goes back while boot_id stays.
 */
#ifndef POSTERN_STATS_H
#define POSTERN_STATS_H

#include "postern/counters.h"
#include "postern/types.h"

#define PN_STATS_MAGIC 0x54534e50u /* "PNST" */
#define PN_STATS_VERSION 1u

struct pn_stats_port {
    uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes;
};

struct pn_stats_vip {
    uint64_t rx_packets, rx_bytes;
};

struct pn_stats_service {
    uint64_t rx_packets, rx_bytes; /* from clients; the way back does not pass here in DSR */
    uint64_t flows_new;
    uint64_t no_gateway;
};

struct pn_stats_tier {
    uint64_t flows_new;
    uint64_t spilled_from; /* new flows that left this tier for a later one */
    uint64_t spilled_into;
};

struct pn_stats_gateway {
    uint64_t tx_packets, tx_bytes;
    uint64_t flows_new;
    uint64_t flows_established;
    uint64_t flows_closed; /* FIN, RST or idle */
    uint64_t syn_retries; /* SYNs repeated while half-open */
    uint64_t syn_expired; /* half-open flows that ended without ACK */
    uint64_t handshake_count; /* SYN to first ACK, seen from the client's side: its path and the gateway's */
    uint64_t handshake_us_sum;
    int64_t active; /* gauge: established flows now */
    int64_t half_open; /* gauge */
};

struct pn_stats_worker {
    uint64_t counters[PN_C_COUNT];
    uint64_t polls, idle_polls, sleeps, busy_cycles, total_cycles; /* cycles of the TSC */
    uint64_t flows_used, flows_max; /* gauges: table entries */
    int64_t held; /* gauge: packets waiting (neighbour, fragment) */
    uint64_t heartbeat_boottime_ns; /* last time round, coarse (<= 100 ms old while alive) */
    struct pn_stats_port ports[PN_MAX_PORTS];
    struct pn_stats_vip vips[PN_MAX_VIPS]; /* by vip.id */
    struct pn_stats_service services[PN_MAX_SERVICES]; /* by service.id */
    struct pn_stats_tier tiers[PN_MAX_TIERS]; /* by tier.id */
    struct pn_stats_gateway gateways[PN_MAX_GATEWAYS]; /* by gateway.id */
} __attribute__((aligned(128)));

struct pn_stats_header {
    uint32_t magic;
    uint32_t version;
    uint32_t n_workers; /* worker blocks; block n_workers is the main lcore's own (announcements, tap) */
    uint32_t worker_offset;
    uint32_t worker_bytes;
    uint32_t n_counters;
    uint64_t boot_id; /* differs each start */
    uint64_t generation; /* of the running snapshot */
    uint64_t tsc_hz;
    uint64_t lease_deadline_boottime_ns[PN_MAX_VIPS]; /* as held by the dataplane; 0: none */
} __attribute__((aligned(128)));

#endif
