/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/eal.h"

#include <dirent.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>

#include "common/error.h"
#include "common/log.h"
#include "dataplane/ports/port.h"

void pn_eal_host_probe(struct pn_eal_host *host)
{
    memset(host, 0, sizeof(*host));
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) == 0) {
        for (unsigned cpu = 0; cpu < CPU_SETSIZE && host->n_cpus < PN_MAX_WORKERS + 1; cpu++) {
            if (CPU_ISSET(cpu, &set))
                host->cpus[host->n_cpus++] = cpu;
        }
    }
    if (host->n_cpus == 0)
        host->cpus[host->n_cpus++] = 0;

    DIR *d = opendir("/sys/kernel/mm/hugepages");
    for (struct dirent *e; d && (e = readdir(d));) {
        unsigned long page_kb, pages;
        if (sscanf(e->d_name, "hugepages-%lukB", &page_kb) != 1)
            continue;
        char path[320];
        snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/%s/free_hugepages", e->d_name);
        FILE *f = fopen(path, "re");
        if (f && fscanf(f, "%lu", &pages) == 1)
            host->huge_free_mb += (uint64_t)pages * page_kb / 1024;
        if (f)
            fclose(f);
    }
    if (d)
        closedir(d);
}

uint32_t pn_eal_memory_mb(const struct pn_dp_args *args)
{
    if (args->memory_mb)
        return args->memory_mb;
    unsigned queues = args->local_interface[0] ? args->workers : 0; /* a tap has one for each worker */
    for (unsigned i = 0; i < args->n_ports; i++)
        queues += args->ports[i].queues + (args->ports[i].exception[0] ? args->workers : 0);
    uint64_t mbufs = PN_PORT_MAIN_MBUFS + (uint64_t)PN_PORT_MBUFS * queues;
    /* A pool's element: 2176 bytes of data, 128 of header, 64 of its own, rounded; a flow: at most 64. */
    uint64_t bytes = mbufs * 2560 + (uint64_t)args->flows * 64 * args->workers + (uint64_t)args->workers * (16u << 20);
    return (uint32_t)((bytes + bytes / 4) >> 20) + 96;
}

void pn_eal_lcores(const struct pn_dp_args *args, const struct pn_eal_host *host, char *out, size_t size)
{
    if (args->lcores[0]) {
        snprintf(out, size, "%s", args->lcores);
        return;
    }
    size_t n = (size_t)snprintf(out, size, "0@%u", host->cpus[0]);
    for (unsigned w = 0; w < args->workers && n < size; w++)
        n += (size_t)snprintf(out + n, size - n, ",%u@%u", w + 1, host->cpus[(w + 1) % host->n_cpus]);
}

static int arg_add(struct pn_eal_argv *out, struct pn_error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int arg_add(struct pn_eal_argv *out, struct pn_error *err, const char *format, ...)
{
    if (out->argc == PN_EAL_ARGS_MAX)
        return pn_error_set(err, "too many arguments for EAL");
    va_list ap;
    va_start(ap, format);
    int n = vsnprintf(out->text[out->argc], sizeof(out->text[0]), format, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof(out->text[0]))
        return pn_error_set(err, "argument for EAL too long: %.64s", out->text[out->argc]);
    out->argv[out->argc] = out->text[out->argc];
    out->argc++;
    out->argv[out->argc] = NULL;
    return 0;
}

/* Stable over restarts, different for each control socket: runtime directories do not pile up. FNV-1a. */
static uint32_t text_hash(const char *text)
{
    uint32_t h = 2166136261u;
    for (; *text; text++)
        h = (h ^ (uint8_t)*text) * 16777619u;
    return h;
}

int pn_eal_argv_build(struct pn_eal_argv *out, const struct pn_dp_args *args, const struct pn_eal_host *host,
                      bool *no_huge, struct pn_error *err)
{
    memset(out, 0, sizeof(*out));
    uint32_t memory_mb = pn_eal_memory_mb(args);
    *no_huge = args->no_huge || host->huge_free_mb < memory_mb;

    char lcores[320 - 16];
    pn_eal_lcores(args, host, lcores, sizeof(lcores));
    if (arg_add(out, err, "postern-dp") || arg_add(out, err, "--lcores=%s", lcores) ||
        arg_add(out, err, "--file-prefix=postern-%08x", text_hash(args->socket)))
        return -1;

    /* It warns that nobody uses its old protocol. */
    if (args->log_level < PN_LOG_DEBUG && arg_add(out, err, "--log-level=lib.telemetry:error"))
        return -1;

    /* Without huge pages EAL's in-memory mode is refused; no-shconf alone keeps its files away then. */
    if (*no_huge) {
        if (arg_add(out, err, "--no-huge") || arg_add(out, err, "--no-shconf") || arg_add(out, err, "-m") ||
            arg_add(out, err, "%u", memory_mb))
            return -1;
    } else if (arg_add(out, err, "--in-memory")) {
        return -1;
    }

    bool pci = false;
    for (unsigned i = 0; i < args->n_ports; i++) {
        const struct pn_port_args *p = &args->ports[i];
        if (p->kind != PN_PORT_DPDK || !pn_port_args_is_pci(p))
            continue;
        pci = true;
        if (arg_add(out, err, "-a") || arg_add(out, err, "%s", p->device))
            return -1;
    }
    /* Virtual devices copy in software: virtual addresses do, and no rights to physical ones are needed. */
    if (!pci && (arg_add(out, err, "--no-pci") || arg_add(out, err, "--iova-mode=va")))
        return -1;
    return 0;
}
