/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/conf/dpargs.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>

#include "common/addr.h"
#include "common/error.h"

struct dpargs {
    char *buf;
    size_t size, len; /* len may pass size: then it did not fit */
};

static void __attribute__((format(printf, 2, 3))) dpargs_add(struct dpargs *d, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(d->len < d->size ? d->buf + d->len : NULL, d->len < d->size ? d->size - d->len : 0, format, args);
    va_end(args);
    d->len += n > 0 ? (size_t)n : 0;
}

static bool dpargs_is_line(const char *text)
{
    while (isprint((unsigned char)*text) && *text != ' ')
        text++;
    return *text == '\0';
}

/* Commas separate the keys of --port, so those of a device become semicolons. */
static void dpargs_device(struct dpargs *d, const char *device)
{
    dpargs_add(d, ",device=");
    for (; *device; device++)
        dpargs_add(d, "%c", *device == ',' ? ';' : *device);
}

static void dpargs_address(struct dpargs *d, const struct pn_addr *addr)
{
    char text[PN_ADDR_TEXT_BYTES];
    if (!pn_addr_is_zero(addr))
        dpargs_add(d, ",address=%s", pn_addr_format(addr, text, sizeof(text)));
}

static void dpargs_port(struct dpargs *d, const struct pn_conf_port *port)
{
    dpargs_add(d, "--port=%s:type=%s", port->name, port->kind == PN_PORT_DPDK ? "dpdk" : "af_xdp");
    if (port->interface[0])
        dpargs_add(d, ",interface=%s", port->interface);
    dpargs_add(d, ",queues=%u", port->queues);
    if (port->force_copy)
        dpargs_add(d, ",force-copy=yes");
    if (port->exception[0])
        dpargs_add(d, ",exception=%s", port->exception);
    dpargs_address(d, &port->address_v4);
    dpargs_address(d, &port->address_v6);
    if (port->device[0])
        dpargs_device(d, port->device);
    dpargs_add(d, "\n");
}

int pn_dpargs_write(const struct pn_conf *conf, unsigned node, const struct pn_dpargs_options *options, char *buf,
                    size_t size, struct pn_error *err)
{
    struct dpargs d = {.buf = buf, .size = size};
    if (node >= conf->n_nodes)
        return pn_error_set(err, "node %u of %u", node, conf->n_nodes);
    const struct pn_conf_node *n = &conf->nodes[node];
    if ((options->socket && !dpargs_is_line(options->socket)) || (options->stats && !dpargs_is_line(options->stats)))
        return pn_error_set(err, "paths of postern-dp must not have blanks or control characters");
    dpargs_add(&d, "# Node %s: made from postern.conf by `posternd --dataplane-args`.\n", n->name);
    if (options->socket)
        dpargs_add(&d, "--socket=%s\n", options->socket);
    if (options->stats)
        dpargs_add(&d, "--stats=%s\n", options->stats);
    for (unsigned i = 0; i < n->n_ports; i++)
        dpargs_port(&d, &n->ports[i]);
    dpargs_add(&d, "--workers=%u\n--flows=%u\n--idle-sleep-us=%u\n", n->workers, n->flows, n->idle_sleep_us);
    if (n->lcores[0])
        dpargs_add(&d, "--lcores=%s\n", n->lcores);
    if (!n->huge_pages)
        dpargs_add(&d, "--no-huge\n");
    if (n->memory_mb)
        dpargs_add(&d, "--memory-mb=%u\n", n->memory_mb);
    if (pn_conf_is_shared(conf) && conf->heartbeat.realtime)
        dpargs_add(&d, "--realtime\n");
    if (n->local_interface[0])
        dpargs_add(&d, "--local-interface=%s\n", n->local_interface);
    if (d.len >= size)
        return pn_error_set(err, "arguments of postern-dp need %zu bytes, room for %zu", d.len + 1, size);
    return 0;
}
