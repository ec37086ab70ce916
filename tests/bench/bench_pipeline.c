/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench_pipeline: nanoseconds and packets a second of the whole pipeline.
 *
 * usage: bench_pipeline [--ring] [--pcap] [--quick] [--rounds N] [--json FILE] [--cores LIST] [--testpmd PATH]
 *   --ring      a net_ring port looped to itself, headers rewritten before each burst, that cost subtracted
 *   --pcap      net_pcap with infinite_rx, beside dpdk-testpmd fed the same file, in turns
 *   (neither: both)
 *   --quick     fewer and shorter rounds
 *   --json FILE pcap.{1k,64k}.{postern_mpps,fivetswap_mpps,macswap_mpps,ratio}, ring.{1k,64k,1m,10m}.ns, ring.syn_1m.ns,
 *               bytes_per_flow; "-" is standard output
 *   --cores     two CPUs, main and worker (default 0,1)
 * Needs about 1500 huge pages of 2 MB for 10 M flows; sizes that do not fit are left out with a line saying so.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_eal.h>
#include <rte_errno.h>

#include "tests/bench/bench.h"

enum { OPT_RING = 1, OPT_PCAP, OPT_QUICK, OPT_ROUNDS, OPT_JSON, OPT_CORES, OPT_TESTPMD };

static void start_eal(const char *cores)
{
    char arg[][32] = {"bench_pipeline", "--no-pci", "--in-memory", "--no-telemetry", "--log-level=error", "-l", ""};
    char *argv[RTE_DIM(arg) + 1] = {NULL};

    snprintf(arg[RTE_DIM(arg) - 1], sizeof(arg[0]), "%s", cores);
    for (unsigned i = 0; i < RTE_DIM(arg); i++)
        argv[i] = arg[i];
    if (rte_eal_init(RTE_DIM(arg), argv) < 0)
        bench_die("EAL (are there huge pages?)");
}

static void usage(FILE *to)
{
    fputs("usage: bench_pipeline [--ring] [--pcap] [--quick] [--rounds N] [--json FILE] [--cores LIST] [--testpmd "
          "PATH]\n",
          to);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"ring", no_argument, NULL, OPT_RING},
        {"pcap", no_argument, NULL, OPT_PCAP},
        {"quick", no_argument, NULL, OPT_QUICK},
        {"rounds", required_argument, NULL, OPT_ROUNDS},
        {"json", required_argument, NULL, OPT_JSON},
        {"cores", required_argument, NULL, OPT_CORES},
        {"testpmd", required_argument, NULL, OPT_TESTPMD},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    struct bench_options o = {.rounds = 0, .testpmd = "dpdk-testpmd", .cores = "0,1"};
    bool ring = false, pcap = false;
    const char *json_path = NULL;
    int c;

    while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        switch (c) {
        case OPT_RING:
            ring = true;
            break;
        case OPT_PCAP:
            pcap = true;
            break;
        case OPT_QUICK:
            o.quick = true;
            break;
        case OPT_ROUNDS:
            o.rounds = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case OPT_JSON:
            json_path = optarg;
            break;
        case OPT_CORES:
            o.cores = optarg;
            break;
        case OPT_TESTPMD:
            o.testpmd = optarg;
            break;
        case 'h':
            usage(stdout);
            return 0;
        default:
            usage(stderr);
            return 2;
        }
    }
    if (!ring && !pcap)
        ring = pcap = true;
    if (o.rounds == 0)
        o.rounds = o.quick ? 5 : 11;
    o.round_ms = o.quick ? 60 : 200;
    setvbuf(stdout, NULL, _IOLBF, 0);
    start_eal(o.cores);

    json_t *out = json_object();
    if (ring)
        bench_ring(&o, out);
    if (pcap)
        bench_pcap(&o, out);
    if (json_path != NULL) {
        FILE *f = strcmp(json_path, "-") == 0 ? stdout : fopen(json_path, "we");
        if (f == NULL || json_dumpf(out, f, JSON_INDENT(2) | JSON_REAL_PRECISION(4)) != 0 || fputc('\n', f) == EOF ||
            fflush(f) != 0)
            bench_die(json_path);
    }
    json_decref(out);
    rte_eal_cleanup();
    return 0;
}
