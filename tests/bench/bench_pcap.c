/* SPDX-License-Identifier: BSD-3-Clause */
/* The worker's own loop on real packets from net_pcap, in turns with dpdk-testpmd on the same file. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <rte_bus_vdev.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_lcore.h>

#include "tests/bench/bench.h"
#include "tests/bench/testpmd.h"

#define SYN 0x02
#define ACK 0x10
#define SPARE_MBUFS 8192

struct source {
    char path[64]; /* the pcap file */
    uint32_t flows;
    uint16_t port;
    struct rte_mempool *pool;
    struct bench *bench;
    unsigned lcore;
};

static void put(FILE *f, const void *bytes, size_t n)
{
    if (fwrite(bytes, n, 1, f) != 1)
        bench_die("pcap file");
}

static void write_pcap(struct source *s)
{
    static const uint32_t head[6] = {0xa1b2c3d4, 0x00040002, 0, 0, 65535, 1 /* Ethernet */};

    snprintf(s->path, sizeof(s->path), "/tmp/postern-bench-XXXXXX");
    int fd = mkstemp(s->path);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
    if (f == NULL)
        bench_die("pcap file");
    put(f, head, sizeof(head));
    for (uint32_t i = 0; i < s->flows; i++) {
        const uint32_t record[4] = {i / 1000000, i % 1000000, BENCH_FRAME_BYTES, BENCH_FRAME_BYTES};
        uint8_t frame[64];

        bench_frame(frame, i, ACK);
        put(f, record, sizeof(record));
        put(f, frame, BENCH_FRAME_BYTES);
    }
    if (fclose(f) != 0)
        bench_die("pcap file");
}

static void open_port(struct source *s)
{
    const struct rte_eth_conf conf = {0};
    char args[100];

    snprintf(args, sizeof(args), "rx_pcap=%s,infinite_rx=1", s->path);
    if (rte_vdev_init("net_pcap0", args) != 0 || rte_eth_dev_get_port_by_name("net_pcap0", &s->port) != 0)
        bench_die("net_pcap");
    s->pool =
        rte_pktmbuf_pool_create("bench_pcap", s->flows + SPARE_MBUFS, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
    if (s->pool == NULL)
        bench_die("packet pool");
    if (rte_eth_dev_configure(s->port, 1, 1, &conf) != 0 ||
        rte_eth_rx_queue_setup(s->port, 0, 512, SOCKET_ID_ANY, NULL, s->pool) != 0 ||
        rte_eth_tx_queue_setup(s->port, 0, 512, SOCKET_ID_ANY, NULL) != 0 || rte_eth_dev_start(s->port) != 0)
        bench_die("net_pcap port");
}

static void close_port(struct source *s)
{
    rte_eth_dev_stop(s->port);
    rte_vdev_uninit("net_pcap0");
    rte_mempool_free(s->pool);
    unlink(s->path);
}

/* The flows of the file, each by its SYN and ACK; half-open ones may only be a share of the table. */
static void establish(struct source *s)
{
    struct rte_mbuf *m[PN_WORKER_BURST];

    for (uint32_t at = 0; at < s->flows; at += PN_WORKER_BURST) {
        for (unsigned ack = 0; ack < 2; ack++) {
            if (rte_pktmbuf_alloc_bulk(s->pool, m, PN_WORKER_BURST) != 0)
                bench_die("packets");
            for (unsigned i = 0; i < PN_WORKER_BURST; i++) {
                bench_frame((uint8_t *)rte_pktmbuf_append(m[i], BENCH_FRAME_BYTES + 4), at + i, ack ? ACK : SYN);
                rte_pktmbuf_trim(m[i], 4);
            }
            pn_worker_round_begin(s->bench->worker, rte_rdtsc());
            pn_worker_burst(s->bench->worker, 0, m, PN_WORKER_BURST);
        }
    }
}

/* Packets a second of the worker thread's own CPU time, running its real loop. */
static double postern_pps(struct source *s, unsigned ms)
{
    struct pn_shared *shared = &s->bench->shared;
    const volatile uint64_t *sent = &s->bench->stats->ports[0].tx_packets;
    char name[16];

    atomic_store(&shared->stop, false);
    if (rte_eal_remote_launch(pn_worker_loop, s->bench->worker, s->lcore) != 0)
        bench_die("worker");
    snprintf(name, sizeof(name), "rte-worker-%u", s->lcore);
    pid_t tid = thread_named(0, name);
    if (tid == 0) {
        snprintf(name, sizeof(name), "lcore-worker-%u", s->lcore);
        tid = thread_named(0, name);
    }
    usleep(200000);
    uint64_t packets = *sent, cpu = thread_cpu_ns(0, tid);
    usleep(ms * 1000);
    packets = *sent - packets;
    cpu = thread_cpu_ns(0, tid) - cpu;
    atomic_store(&shared->stop, true);
    rte_eal_wait_lcore(s->lcore);
    return cpu == 0 ? 0 : (double)packets * 1e9 / (double)cpu;
}

static void one_size(const struct bench_options *o, const char *name, uint32_t flows, json_t *out)
{
    struct source s = {.flows = flows, .lcore = rte_get_next_lcore(-1, 1, 0)};
    double own[64], five[64], mac[64], ratio[64];
    unsigned rounds = o->quick ? 3 : o->rounds < 7 ? o->rounds : 7, ms = o->quick ? 1000 : 2000, n = 0;

    write_pcap(&s);
    open_port(&s);
    s.bench = bench_new(s.port, bench_table(flows));
    if (s.bench == NULL || s.lcore >= RTE_MAX_LCORE)
        bench_die("worker for net_pcap");
    establish(&s);
    for (unsigned r = 0; r < rounds; r++) {
        own[n] = postern_pps(&s, ms) / 1e6;
        five[n] = testpmd_pps(o->testpmd, o->cores, "5tswap", s.path, flows + SPARE_MBUFS, ms) / 1e6;
        mac[n] = o->quick ? 0 : testpmd_pps(o->testpmd, o->cores, "macswap", s.path, flows + SPARE_MBUFS, ms) / 1e6;
        if (five[n] == 0)
            break;
        ratio[n] = own[n] / five[n];
        n++;
    }
    double ratio_median = bench_median(ratio, n), own_median = bench_median(own, n == 0 ? 1 : n);
    double five_median = bench_median(five, n), mac_median = bench_median(mac, n);
    const uint64_t *counters = s.bench->stats->counters;
    printf("pcap  %-7s established  postern %5.1f Mpps  testpmd 5tswap %5.1f  macswap %5.1f  ratio to 5tswap %.2f "
           "(%.2f to %.2f; %lu misses)\n",
           name, own_median, five_median, mac_median, ratio_median, n == 0 ? 0 : ratio[0], n == 0 ? 0 : ratio[n - 1],
           counters[PN_C_FLOW_PICKED_UP] + counters[PN_C_FLOW_STATELESS]);
    json_t *row = json_object();
    json_object_set_new(row, "postern_mpps", json_real(own_median));
    json_object_set_new(row, "fivetswap_mpps", json_real(five_median));
    if (mac_median > 0)
        json_object_set_new(row, "macswap_mpps", json_real(mac_median));
    json_object_set_new(row, "ratio", json_real(ratio_median));
    json_object_set_new(out, name, row);
    bench_free(s.bench);
    close_port(&s);
}

void bench_pcap(const struct bench_options *o, json_t *out)
{
    json_t *pcap = json_object();

    one_size(o, "1k", 1000, pcap);
    one_size(o, "64k", 64 * 1024, pcap);
    json_object_set_new(out, "pcap", pcap);
}
