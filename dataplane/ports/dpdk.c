/* SPDX-License-Identifier: BSD-3-Clause */
/* A port that DPDK owns: a PCI device, probed by EAL at start, or a virtual device, created here. */
#include "common/error.h"
#include "dataplane/ports/port.h"

static int prepare(struct pn_port *p, const struct pn_dp_args *args, char *device, size_t device_size, char *devargs,
                   size_t devargs_size, struct pn_error *err)
{
    (void)args;
    device[0] = devargs[0] = 0;
    const char *name = p->args.device;
    if (pn_port_args_is_pci(&p->args))
        return 0;
    size_t n = strcspn(name, ",");
    if (n >= device_size || strlen(name + n) >= devargs_size)
        return pn_error_set(err, "port %s: device too long", p->name);
    memcpy(device, name, n);
    device[n] = 0;
    snprintf(devargs, devargs_size, "%s", name[n] ? name + n + 1 : "");
    return 0;
}

const struct pn_port_ops pn_port_ops_dpdk = {.prepare = prepare};
