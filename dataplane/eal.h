/* SPDX-License-Identifier: BSD-3-Clause */
/* From postern-dp's arguments to those of DPDK's environment layer. The building is pure; the probes read /sys. */
#ifndef POSTERN_DATAPLANE_EAL_H
#define POSTERN_DATAPLANE_EAL_H

#include "dataplane/args.h"

#define PN_EAL_ARGS_MAX 32

struct pn_eal_argv {
    int argc;
    char *argv[PN_EAL_ARGS_MAX + 1];
    char text[PN_EAL_ARGS_MAX][320];
};

/* What this machine offers. */
struct pn_eal_host {
    unsigned cpus[PN_MAX_WORKERS + 1]; /* allowed to this process, in order */
    unsigned n_cpus; /* >= 1 */
    uint64_t huge_free_mb; /* in pages of any size */
};
void pn_eal_host_probe(struct pn_eal_host *host);

/* Memory that pools, tables and rings take, MiB, with room to spare. */
uint32_t pn_eal_memory_mb(const struct pn_dp_args *args);

/* "0@c,1@c,...": lcore 0 is main, worker i is lcore i + 1. Workers get CPUs of their own as far as they go round. */
void pn_eal_lcores(const struct pn_dp_args *args, const struct pn_eal_host *host, char *out, size_t size);

/* *no_huge tells whether huge pages are done without, asked for or not. */
int pn_eal_argv_build(struct pn_eal_argv *out, const struct pn_dp_args *args, const struct pn_eal_host *host,
                      bool *no_huge, struct pn_error *err);

#endif
