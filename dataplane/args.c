/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/args.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>

#include "common/addr.h"
#include "common/error.h"
#include "common/log.h"

enum opt {
    OPT_ARGS_FILE = 256,
    OPT_SOCKET,
    OPT_STATS,
    OPT_PORT,
    OPT_WORKERS,
    OPT_FLOWS,
    OPT_IDLE_SLEEP,
    OPT_LCORES,
    OPT_NO_HUGE,
    OPT_MEMORY,
    OPT_LOCAL_INTERFACE,
    OPT_XDP_PROGRAM,
    OPT_NO_SANDBOX,
    OPT_REALTIME,
    OPT_RELEASE,
    OPT_LOG_LEVEL,
    OPT_HELP,
    OPT_VERSION,
};

static const struct option options[] = {
    {"args-file", required_argument, NULL, OPT_ARGS_FILE},
    {"socket", required_argument, NULL, OPT_SOCKET},
    {"stats", required_argument, NULL, OPT_STATS},
    {"port", required_argument, NULL, OPT_PORT},
    {"workers", required_argument, NULL, OPT_WORKERS},
    {"flows", required_argument, NULL, OPT_FLOWS},
    {"idle-sleep-us", required_argument, NULL, OPT_IDLE_SLEEP},
    {"lcores", required_argument, NULL, OPT_LCORES},
    {"no-huge", no_argument, NULL, OPT_NO_HUGE},
    {"memory-mb", required_argument, NULL, OPT_MEMORY},
    {"local-interface", required_argument, NULL, OPT_LOCAL_INTERFACE},
    {"xdp-program", required_argument, NULL, OPT_XDP_PROGRAM},
    {"no-sandbox", no_argument, NULL, OPT_NO_SANDBOX},
    {"realtime", no_argument, NULL, OPT_REALTIME},
    {"release", no_argument, NULL, OPT_RELEASE},
    {"log-level", required_argument, NULL, OPT_LOG_LEVEL},
    {"help", no_argument, NULL, OPT_HELP},
    {"version", no_argument, NULL, OPT_VERSION},
    {NULL, 0, NULL, 0},
};

void pn_dp_args_usage(FILE *out)
{
    fputs("usage: postern-dp [--args-file FILE] --port NAME:KEY=VALUE,... [options]\n"
          "\n"
          "  --args-file FILE      more arguments, one a line (# begins a comment line);\n"
          "                        `posternd --dataplane-args` writes such a file\n"
          "  --port NAME:KEY=VALUE[,KEY=VALUE...]   a port; may be repeated, in the snapshot's order\n"
          "      type=af_xdp|dpdk\n"
          "      interface=IF      af_xdp: kernel interface to share\n"
          "      force-copy=yes|no af_xdp: never use zero-copy (default no)\n"
          "      device=DEV        dpdk: PCI address or vdev, for example 0000:03:00.0 or\n"
          "                        net_pcap0,rx_pcap=in.pcap (a ; stands for a comma before\n"
          "                        what would read as a key of this list)\n"
          "      exception=IF      dpdk: tap interface that gives the host its own address\n"
          "      queues=N          receive queues, 1..16 (default 1)\n"
          "      address=ADDR      own address for ARP requests and neighbour solicitations when the\n"
          "                        kernel has no interface on the port; once per family\n"
          "  --workers N           worker threads, 1..16 (default 1)\n"
          "  --flows N             flow entries in each worker's table (default 1000000)\n"
          "  --idle-sleep-us N     longest sleep of an idle worker, 0: none (default 50)\n"
          "  --lcores LIST         EAL's lcore map, main lcore first (default: chosen)\n"
          "  --no-huge             do without huge pages\n"
          "  --memory-mb N         memory for EAL (default: computed)\n"
          "  --local-interface IF  tap through which gateways of mode local are delivered\n"
          "  --socket PATH         control socket (default " PN_DP_SOCKET_DEFAULT ")\n"
          "  --stats PATH          shared-memory counters (default " PN_DP_STATS_DEFAULT ")\n"
          "  --xdp-program PATH    XDP object (default: the installed one)\n"
          "  --release             only take the XDP programs off that a stopped postern-dp has left\n"
          "                        on the ports' interfaces, so that the kernel gets all frames again\n"
          "  --realtime            SCHED_FIFO (workers: while not overloaded), memory locked\n"
          "  --no-sandbox          keep all capabilities and system calls\n"
          "  --log-level LEVEL     error, warning, notice, info (default) or debug\n"
          "  --help, --version\n",
          out);
}

/* 0 and *out, or -1: not a plain decimal number between min and max. */
static int number_parse(const char *text, unsigned long min, unsigned long max, unsigned long *out)
{
    if (!isdigit((unsigned char)text[0]))
        return -1;
    char *end;
    errno = 0;
    unsigned long n = strtoul(text, &end, 10);
    if (errno || *end || n < min || n > max)
        return -1;
    *out = n;
    return 0;
}

static int text_copy(char *out, size_t size, const char *text, const char *what, struct pn_error *err)
{
    size_t n = strlen(text);
    if (n == 0 || n >= size)
        return pn_error_set(err, "%s: '%.64s' must have 1 to %zu characters", what, text, size - 1);
    memcpy(out, text, n + 1);
    return 0;
}

/* Kernel interface names: no slash, blank, or anything that would end a device argument. */
static int interface_copy(char out[16], const char *text, const char *what, struct pn_error *err)
{
    if (text_copy(out, 16, text, what, err))
        return -1;
    for (const char *c = out; *c; c++) {
        if (!isalnum((unsigned char)*c) && !strchr("._-@", *c))
            return pn_error_set(err, "%s: '%s' is no interface name", what, out);
    }
    if (!strcmp(out, ".") || !strcmp(out, ".."))
        return pn_error_set(err, "%s: '%s' is no interface name", what, out);
    return 0;
}

static int name_copy(char out[PN_NAME_BYTES], const char *text, size_t n, struct pn_error *err)
{
    if (n == 0 || n >= PN_NAME_BYTES)
        return pn_error_set(err, "port name must have 1 to %d characters", PN_NAME_BYTES - 1);
    for (size_t i = 0; i < n; i++) {
        if (!isalnum((unsigned char)text[i]) && !strchr("._-", text[i]))
            return pn_error_set(err, "port name: character '%c' is not one of A-Z a-z 0-9 . _ -", text[i]);
    }
    memcpy(out, text, n);
    out[n] = 0;
    return 0;
}

static int yes_no_parse(const char *value, bool *out)
{
    if (!strcmp(value, "yes") || !strcmp(value, "1"))
        *out = true;
    else if (!strcmp(value, "no") || !strcmp(value, "0"))
        *out = false;
    else
        return -1;
    return 0;
}

static int port_address_set(struct pn_port_args *p, const char *value, struct pn_error *err)
{
    struct pn_addr a;
    if (pn_addr_parse(value, &a, err))
        return -1;
    if (!pn_addr_is_unicast_host(&a))
        return pn_error_set(err, "port %s: address %s is no host's", p->name, value);
    struct pn_addr *slot = pn_addr_is_v4(&a) ? &p->address_v4 : &p->address_v6;
    if (!pn_addr_is_zero(slot))
        return pn_error_set(err, "port %s: address: one per family", p->name);
    *slot = a;
    return 0;
}

static int port_key_set(struct pn_port_args *p, const char *key, const char *value, bool *has_type,
                        struct pn_error *err)
{
    unsigned long n;
    if (!strcmp(key, "type")) {
        if (!strcmp(value, "af_xdp"))
            p->kind = PN_PORT_AF_XDP;
        else if (!strcmp(value, "dpdk"))
            p->kind = PN_PORT_DPDK;
        else
            return pn_error_set(err, "port %s: type '%s': expected af_xdp or dpdk", p->name, value);
        *has_type = true;
        return 0;
    }
    if (!strcmp(key, "interface"))
        return interface_copy(p->interface, value, "interface", err);
    if (!strcmp(key, "exception"))
        return interface_copy(p->exception, value, "exception", err);
    if (!strcmp(key, "device")) {
        if (text_copy(p->device, sizeof(p->device), value, "device", err))
            return -1;
        for (char *c = p->device; *c; c++) {
            if (*c == ';')
                *c = ',';
            else if (!isgraph((unsigned char)*c))
                return pn_error_set(err, "port %s: device: blanks and control characters are not allowed", p->name);
        }
        return 0;
    }
    if (!strcmp(key, "queues")) {
        if (number_parse(value, 1, PN_DP_QUEUES_MAX, &n))
            return pn_error_set(err, "port %s: queues '%s': expected 1 to %d", p->name, value, PN_DP_QUEUES_MAX);
        p->queues = (uint16_t)n;
        return 0;
    }
    if (!strcmp(key, "force-copy") || !strcmp(key, "force_copy")) {
        if (yes_no_parse(value, &p->force_copy))
            return pn_error_set(err, "port %s: force-copy '%s': expected yes or no", p->name, value);
        return 0;
    }
    if (!strcmp(key, "address"))
        return port_address_set(p, value, err);
    return pn_error_set(err, "port %s: unknown key '%s'", p->name, key);
}

static bool port_key_follows(const char *text)
{
    static const char *const keys[] = {
        "type=", "interface=", "device=", "exception=", "queues=", "force-copy=", "force_copy=", "address="};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (!strncmp(text, keys[i], strlen(keys[i])))
            return true;
    }
    return false;
}

static int port_complete(const struct pn_port_args *p, bool has_type, struct pn_error *err)
{
    if (!has_type)
        return pn_error_set(err, "port %s: type is missing (af_xdp or dpdk)", p->name);
    if (p->kind == PN_PORT_AF_XDP) {
        if (!p->interface[0])
            return pn_error_set(err, "port %s: type af_xdp needs interface=", p->name);
        if (p->device[0] || p->exception[0])
            return pn_error_set(err, "port %s: device and exception are for type dpdk", p->name);
        return 0;
    }
    if (!p->device[0])
        return pn_error_set(err, "port %s: type dpdk needs device=", p->name);
    if (p->interface[0] || p->force_copy)
        return pn_error_set(err, "port %s: interface and force-copy are for type af_xdp", p->name);
    return 0;
}

int pn_port_args_parse(struct pn_port_args *port, const char *text, struct pn_error *err)
{
    memset(port, 0, sizeof(*port));
    port->queues = 1;

    const char *colon = strchr(text, ':');
    if (!colon)
        return pn_error_set(err, "--port '%.64s': expected NAME:KEY=VALUE,...", text);
    if (name_copy(port->name, text, (size_t)(colon - text), err))
        return -1;

    char buf[1024];
    if (strlen(colon + 1) >= sizeof(buf))
        return pn_error_set(err, "port %s: longer than %zu characters", port->name, sizeof(buf) - 1);
    strcpy(buf, colon + 1);

    bool has_type = false;
    for (char *at = buf; at;) {
        char *key = at;
        char *equals = strchr(key, '=');
        if (!equals || equals == key)
            return pn_error_set(err, "port %s: '%.64s': expected KEY=VALUE", port->name, key);
        *equals = 0;
        char *value = equals + 1;
        at = strchr(value, ',');
        /* A device's own arguments hold commas: it goes on as long as no key of ours follows. */
        while (at && !strcmp(key, "device") && !port_key_follows(at + 1))
            at = strchr(at + 1, ',');
        if (at)
            *at++ = 0;
        if (port_key_set(port, key, value, &has_type, err))
            return -1;
    }
    return port_complete(port, has_type, err);
}

bool pn_port_args_is_pci(const struct pn_port_args *port)
{
    const char *device = port->device;
    /* [dddd:]bb:dd.f, then the end or a comma. */
    size_t n = strcspn(device, ",");
    unsigned colons = 0, dots = 0;
    for (size_t i = 0; i < n; i++) {
        if (device[i] == ':')
            colons++;
        else if (device[i] == '.')
            dots++;
        else if (!isxdigit((unsigned char)device[i]))
            return false;
    }
    return dots == 1 && (colons == 1 || colons == 2);
}

static int port_add(struct pn_dp_args *args, const char *text, struct pn_error *err)
{
    if (args->n_ports == PN_MAX_PORTS)
        return pn_error_set(err, "--port: more than %d ports", PN_MAX_PORTS);
    struct pn_port_args *p = &args->ports[args->n_ports];
    if (pn_port_args_parse(p, text, err))
        return -1;
    for (unsigned i = 0; i < args->n_ports; i++) {
        const struct pn_port_args *q = &args->ports[i];
        if (!strcmp(q->name, p->name))
            return pn_error_set(err, "port %s: given twice", p->name);
        if (p->interface[0] && !strcmp(q->interface, p->interface))
            return pn_error_set(err, "port %s: interface %s is port %s's", p->name, p->interface, q->name);
        if (p->exception[0] && !strcmp(q->exception, p->exception))
            return pn_error_set(err, "port %s: exception interface %s is port %s's", p->name, p->exception, q->name);
    }
    args->n_ports++;
    return 0;
}

/* Lines of FILE become arguments: blanks around a line go, empty lines and # lines are skipped. "--key value" on one
 * line is taken as "--key=value". */
static int file_split(char *text, char **argv, int *argc, struct pn_error *err)
{
    char *save = NULL;
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        while (isspace((unsigned char)*line))
            line++;
        char *end = line + strlen(line);
        while (end > line && isspace((unsigned char)end[-1]))
            *--end = 0;
        if (!*line || *line == '#')
            continue;
        if (*argc == PN_DP_ARGS_MAX)
            return pn_error_set(err, "--args-file: more than %d arguments", PN_DP_ARGS_MAX);
        if (!strncmp(line, "--", 2) && !strchr(line, '=')) {
            char *blank = strpbrk(line, " \t");
            if (blank)
                *blank = '=';
        } else if (!strncmp(line, "--", 2)) {
            char *blank = strpbrk(line, " \t=");
            if (*blank != '=')
                *blank = '=';
        }
        argv[(*argc)++] = line;
    }
    return 0;
}

static int file_read(const char *path, char **text, struct pn_error *err)
{
    FILE *f = fopen(path, "re");
    if (!f)
        return pn_error_set(err, "--args-file %s: %s", path, strerror(errno));
    char *buf = malloc(PN_DP_ARGS_FILE_MAX_BYTES + 1);
    size_t n = buf ? fread(buf, 1, PN_DP_ARGS_FILE_MAX_BYTES + 1, f) : 0;
    bool failed = ferror(f) != 0;
    fclose(f);
    if (!buf || failed || n > PN_DP_ARGS_FILE_MAX_BYTES || memchr(buf, 0, n)) {
        free(buf);
        return pn_error_set(err, "--args-file %s: unreadable, binary or longer than %d bytes", path,
                            PN_DP_ARGS_FILE_MAX_BYTES);
    }
    buf[n] = 0;
    *text = buf;
    return 0;
}

static int args_parse(struct pn_dp_args *args, int argc, char *const argv[], bool in_file, struct pn_error *err);

static int file_parse(struct pn_dp_args *args, const char *path, struct pn_error *err)
{
    char *text = NULL;
    if (file_read(path, &text, err))
        return -1;
    char *argv[PN_DP_ARGS_MAX + 1];
    int argc = 0;
    argv[argc++] = (char *)(uintptr_t) "postern-dp";
    int rc = file_split(text, argv, &argc, err);
    argv[argc] = NULL;
    if (rc == 0)
        rc = args_parse(args, argc, argv, true, err);
    free(text);
    return rc;
}

static int option_set(struct pn_dp_args *args, int opt, const char *value, struct pn_error *err)
{
    unsigned long n;
    switch (opt) {
    case OPT_SOCKET:
        return text_copy(args->socket, sizeof(args->socket), value, "--socket", err);
    case OPT_STATS:
        return text_copy(args->stats, sizeof(args->stats), value, "--stats", err);
    case OPT_PORT:
        return port_add(args, value, err);
    case OPT_WORKERS:
        if (number_parse(value, 1, PN_MAX_WORKERS, &n))
            return pn_error_set(err, "--workers '%s': expected 1 to %d", value, PN_MAX_WORKERS);
        args->workers = (unsigned)n;
        return 0;
    case OPT_FLOWS:
        if (number_parse(value, 1024, 1ul << 28, &n))
            return pn_error_set(err, "--flows '%s': expected 1024 to %lu", value, 1ul << 28);
        args->flows = (uint32_t)n;
        return 0;
    case OPT_IDLE_SLEEP:
        if (number_parse(value, 0, 100000, &n))
            return pn_error_set(err, "--idle-sleep-us '%s': expected 0 to 100000", value);
        args->idle_sleep_us = (uint32_t)n;
        return 0;
    case OPT_LCORES:
        if (strspn(value, "0123456789,@()-") != strlen(value))
            return pn_error_set(err, "--lcores '%s': expected EAL's form, for example 0@0,1@1", value);
        return text_copy(args->lcores, sizeof(args->lcores), value, "--lcores", err);
    case OPT_NO_HUGE:
        args->no_huge = true;
        return 0;
    case OPT_MEMORY:
        if (number_parse(value, 32, 1ul << 22, &n))
            return pn_error_set(err, "--memory-mb '%s': expected 32 to %lu", value, 1ul << 22);
        args->memory_mb = (uint32_t)n;
        return 0;
    case OPT_LOCAL_INTERFACE:
        return interface_copy(args->local_interface, value, "--local-interface", err);
    case OPT_XDP_PROGRAM:
        return text_copy(args->xdp_program, sizeof(args->xdp_program), value, "--xdp-program", err);
    case OPT_REALTIME:
        args->realtime = true;
        return 0;
    case OPT_RELEASE:
        args->release = true;
        return 0;
    case OPT_NO_SANDBOX:
        args->no_sandbox = true;
        return 0;
    case OPT_LOG_LEVEL:
        args->log_level = pn_log_level_parse(value);
        if (args->log_level < 0)
            return pn_error_set(err, "--log-level '%s': expected error, warning, notice, info or debug", value);
        return 0;
    case OPT_HELP:
        args->help = true;
        return 0;
    case OPT_VERSION:
        args->version = true;
        return 0;
    }
    return pn_error_set(err, "unknown option");
}

static int args_parse(struct pn_dp_args *args, int argc, char *const argv[], bool in_file, struct pn_error *err)
{
    /* Saved and restored: the file is parsed in the middle of the command line. */
    int saved_optind = optind;
    optind = 0;
    opterr = 0;
    int rc = 0;
    for (;;) {
        int at = optind ? optind : 1;
        int opt = getopt_long(argc, argv, ":", options, NULL);
        if (opt == -1)
            break;
        if (opt == '?' || opt == ':') {
            rc = pn_error_set(err, "%s '%.64s'", opt == '?' ? "unknown option" : "value missing after", argv[at]);
            break;
        }
        if (opt == OPT_ARGS_FILE)
            rc = in_file ? pn_error_set(err, "--args-file inside an argument file") : file_parse(args, optarg, err);
        else
            rc = option_set(args, opt, optarg, err);
        if (rc)
            break;
    }
    if (rc == 0 && optind < argc)
        rc = pn_error_set(err, "unexpected argument '%.64s'", argv[optind]);
    if (in_file)
        optind = saved_optind;
    return rc;
}

int pn_dp_args_parse(struct pn_dp_args *args, int argc, char *const argv[], struct pn_error *err)
{
    memset(args, 0, sizeof(*args));
    strcpy(args->socket, PN_DP_SOCKET_DEFAULT);
    strcpy(args->stats, PN_DP_STATS_DEFAULT);
    args->workers = 1;
    args->flows = 1000000;
    args->idle_sleep_us = 50;
    args->log_level = PN_LOG_INFO;
    if (args_parse(args, argc, argv, false, err))
        return -1;
    if (args->help || args->version)
        return 0;
    if (args->n_ports == 0)
        return pn_error_set(err, "no --port given");
    return 0;
}
