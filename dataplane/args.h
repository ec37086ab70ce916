/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * postern-dp's command line: parsing only, no file is opened but --args-file, nothing is started.
 * `postern-dp --help` prints the grammar, postern-dp(8) explains it.
 */
#ifndef POSTERN_DATAPLANE_ARGS_H
#define POSTERN_DATAPLANE_ARGS_H

#include <stdio.h>

#include "postern/dpapi.h"
#include "postern/types.h"

#define PN_DP_SOCKET_DEFAULT "/run/postern/dp.sock"
#define PN_DP_STATS_DEFAULT "/run/postern/stats"
#define PN_DP_QUEUES_MAX 16
#define PN_DP_ARGS_FILE_MAX_BYTES 65536
#define PN_DP_ARGS_MAX 256 /* arguments in all, the file's included */

struct pn_port_args {
    char name[PN_NAME_BYTES];
    enum pn_port_kind kind; /* PN_PORT_AF_XDP or PN_PORT_DPDK */
    char interface[16]; /* af_xdp */
    char device[512]; /* dpdk: PCI address, or "driver0,key=value,..." with commas back in place */
    char exception[16]; /* dpdk: tap for the host, "" none */
    uint16_t queues; /* receive queues, 1..PN_DP_QUEUES_MAX */
    bool force_copy; /* af_xdp: never zero-copy */
    struct pn_addr address_v4, address_v6; /* sender of our ARP requests and solicitations; zero: none */
};

struct pn_dp_args {
    char socket[108];
    char stats[108];
    struct pn_port_args ports[PN_MAX_PORTS];
    unsigned n_ports;
    unsigned workers; /* 1..PN_MAX_WORKERS */
    uint32_t flows; /* entries in each worker's table */
    uint32_t idle_sleep_us; /* 0: workers never sleep */
    char lcores[256]; /* EAL's --lcores, main first; "" chosen by pn_eal_lcores */
    bool no_huge;
    uint32_t memory_mb; /* 0: computed */
    char local_interface[16]; /* tap for gateways of mode local; "" none */
    char xdp_program[256]; /* "" the installed one */
    bool no_sandbox;
    bool release; /* no dataplane: take left XDP programs off */
    bool realtime; /* main lcore and workers that rest in SCHED_FIFO, memory locked */
    bool help, version;
    int log_level; /* enum pn_log_level */
};

/* argv as main has it. 0, or -1 and err names the argument at fault. */
int pn_dp_args_parse(struct pn_dp_args *args, int argc, char *const argv[], struct pn_error *err);

/* One "NAME:KEY=VALUE,..." of --port. */
int pn_port_args_parse(struct pn_port_args *port, const char *text, struct pn_error *err);

/* device is a PCI address ("03:00.0" or "0000:03:00.0", maybe with ",devargs"): EAL probes it; all else is a vdev. */
bool pn_port_args_is_pci(const struct pn_port_args *port);

void pn_dp_args_usage(FILE *out);

#endif
