/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/bench/bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_malloc.h>

#include "common/addr.h"
#include "dataplane/core/checksum.h"

#define VIP_BE htobe32(0xcb007119u) /* 203.0.113.25 */
#define CLIENT_NET 0x0a000000u /* 10/8: a client for each flow */

struct message {
    struct pn_snap_header header;
    struct pn_snap_vip vip;
    struct pn_snap_service service;
    struct pn_snap_tier tier;
    struct pn_snap_gateway gateways[BENCH_GATEWAYS];
    struct pn_snap_member members[BENCH_GATEWAYS];
} __attribute__((aligned(8)));

void bench_die(const char *what)
{
    fprintf(stderr, "bench_pipeline: %s: %s\n", what, rte_errno != 0 ? rte_strerror(rte_errno) : strerror(errno));
    exit(1);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_median(double *values, unsigned n)
{
    qsort(values, n, sizeof(*values), compare);
    return n == 0 ? 0 : n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static struct pn_dpsnap *compile(void)
{
    static struct message m;
    struct pn_error err;

    m.header = (struct pn_snap_header){.magic = PN_SNAPSHOT_MAGIC,
                                       .version = PN_SNAPSHOT_VERSION,
                                       .generation = 1,
                                       .steering_seed = 1,
                                       .total_bytes = sizeof(m),
                                       .n_vips = 1,
                                       .n_services = 1,
                                       .n_tiers = 1,
                                       .n_gateways = BENCH_GATEWAYS,
                                       .n_members = BENCH_GATEWAYS};
    m.vip = (struct pn_snap_vip){.name = "vip", .addr = pn_addr_from_v4(VIP_BE), .flags = PN_SNAP_VIP_ECHO};
    m.service = (struct pn_snap_service){.name = "smtp",
                                         .pool = "mx",
                                         .l4_port = 25,
                                         .ip_proto = 6,
                                         .v4_prefix = 24,
                                         .v6_prefix = 64,
                                         .tier_count = 1,
                                         .established_s = 660,
                                         .half_open_s = 60,
                                         .closing_s = 30,
                                         .half_open_max = UINT32_MAX};
    m.tier = (struct pn_snap_tier){.name = "primary", .member_count = BENCH_GATEWAYS};
    for (unsigned i = 0; i < BENCH_GATEWAYS; i++) {
        struct pn_snap_gateway *g = &m.gateways[i];

        snprintf(g->name, sizeof(g->name), "mx%u", i);
        g->addr = pn_addr_from_v4(htobe32(0xc0000201u + i));
        g->id = (uint16_t)i;
        m.members[i] = (struct pn_snap_member){.gateway = (uint16_t)i, .weight = 100};
    }
    struct pn_dpsnap *s = pn_dpsnap_build(&m, sizeof(m), 0, &err);
    if (s == NULL)
        bench_die(err.text);
    return s;
}

struct bench *bench_new(uint16_t port_id, uint32_t flows_max)
{
    struct bench *b = rte_zmalloc("bench", sizeof(*b), 64);
    struct pn_error err;

    if (b == NULL)
        bench_die("memory");
    b->stats = rte_zmalloc("stats", sizeof(*b->stats), 128);
    b->shared.n_workers = 1;
    b->shared.tsc_hz = rte_get_tsc_hz();
    b->shared.hash_seed[0] = rte_rdtsc();
    b->shared.hash_seed[1] = 0x9e3779b97f4a7c15ull;
    b->shared.n_ports = 1;
    b->shared.local_port = PN_PORT_NONE;
    b->shared.ports[0] = (struct pn_port_rt){.port_id = port_id,
                                             .kind = PN_PORT_AF_XDP,
                                             .used = 1,
                                             .exception = PN_PORT_NONE,
                                             .peer = PN_PORT_NONE,
                                             .mac = {{2, 0, 0, 0, 0, 1}},
                                             .mtu = 1500};
    for (unsigned i = 0; i < BENCH_GATEWAYS; i++)
        b->shared.neigh.mac[i] = PN_NEIGH_VALID | 0x010000000002ull | (uint64_t)i << 32;
    b->shared.lease_tsc[0] = UINT64_MAX / 2;

    const struct pn_worker_config config = {
        .shared = &b->shared,
        .stats = b->stats,
        .socket = SOCKET_ID_ANY,
        .flows_max = flows_max,
        .n_queues = 1,
    };
    b->worker = pn_worker_new(&config, &err);
    if (b->worker == NULL) {
        printf("%u flows: %s\n", flows_max, err.text);
        rte_free(b->stats);
        rte_free(b);
        return NULL;
    }
    b->worker->age_tsc = rte_rdtsc();
    b->snap = compile();
    atomic_store(&b->shared.snap, b->snap);
    return b;
}

void bench_free(struct bench *b)
{
    pn_worker_free(b->worker);
    pn_dpsnap_free(b->snap);
    rte_free(b->stats);
    rte_free(b);
}

static const uint8_t frame_template[64] = {
    /* Ethernet */ 2,
    0,
    0,
    0,
    0,
    1,
    2,
    0,
    0,
    0,
    0,
    0xc1,
    8,
    0,
    /* IPv4, 46 bytes, DF, TTL 64, TCP */ 0x45,
    0,
    0,
    46,
    0,
    0,
    0x40,
    0,
    64,
    6,
    0,
    0,
    10,
    0,
    0,
    0,
    203,
    0,
    113,
    25,
    /* TCP */ 0,
    0,
    0,
    25,
    0,
    0,
    0,
    1,
    0,
    0,
    0,
    1,
    0x50,
    0,
    0xff,
    0xff,
    0,
    0,
    0,
    0,
    /* data */ 'N',
    'O',
    'O',
    'P',
    '\r',
    '\n'};

static inline uint16_t port_of(uint32_t flow)
{
    return (uint16_t)(20000 + (flow & 0x3fff));
}

/*
 * Wide stores at places that the pipeline's loads lie within: a narrow store followed by a wide load would stall it,
 * which a packet from a card never does.
 */
void bench_frame_change(uint8_t *frame, uint32_t flow)
{
    static const uint8_t *const t = frame_template;
    uint32_t src = htobe32(CLIENT_NET + flow + 1), ports = htobe32((uint32_t)port_of(flow) << 16 | 25u);
    /* The sum of everything but the source is constant: 4500 002e 0000 4000 4006 cb00 7119 */
    uint32_t sum = 0x4500 + 0x002e + 0x4000 + 0x4006 + 0xcb00 + 0x7119 + (CLIENT_NET >> 16) + 0;
    uint64_t word;

    sum += ((flow + 1) >> 16) + ((flow + 1) & 0xffff);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    word = 64u | 6u << 8 | (uint64_t)htobe16((uint16_t)~sum) << 16 | (uint64_t)src << 32;
    memcpy(frame, t, 12);
    memcpy(frame + 22, &word, 8);
    memcpy(frame + 34, &ports, 4);
}

void bench_frame(uint8_t frame[64], uint32_t flow, uint8_t tcp_flags)
{
    memcpy(frame, frame_template, 64);
    frame[47] = tcp_flags;
    bench_frame_change(frame, flow);
}
