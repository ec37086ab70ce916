/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Taps: kernel interfaces with DPDK at the other end. An exception tap stands for a port's wire and has its MAC; the
 * local delivery tap only carries VIP traffic into this node's kernel, which answers along its routes.
 */
#include <errno.h>

#include "common/addr.h"
#include "common/error.h"
#include "common/log.h"
#include "dataplane/ports/netif.h"
#include "dataplane/ports/port.h"

static int prepare(struct pn_port *p, const struct pn_dp_args *args, char *device, size_t device_size, char *devargs,
                   size_t devargs_size, struct pn_error *err)
{
    (void)args;
    if (pn_netif_index(p->ifname))
        return pn_error_set(err, "port %s: an interface %s is there already", p->name, p->ifname);
    char mac[PN_MAC_TEXT_BYTES] = "";
    if (!pn_mac_is_zero(&p->mac))
        pn_mac_format(&p->mac, mac, sizeof(mac));
    snprintf(device, device_size, "net_tap_%s", p->ifname);
    snprintf(devargs, devargs_size, "iface=%s%s%s", p->ifname, mac[0] ? ",mac=" : "", mac);
    return 0;
}

static void sysctl_try(const struct pn_port *p, const char *family, const char *key, int value)
{
    if (pn_netif_sysctl_set(family, p->ifname, key, value))
        pn_log_warning("port %s: net.%s.conf.%s.%s = %d: %s", p->name, family, p->ifname, key, value, strerror(errno));
}

/* Senders' addresses are routed elsewhere, the VIP is on another interface (lo or a dummy): both are meant. */
static void local_sysctls(const struct pn_port *p)
{
    int all = 0;
    sysctl_try(p, "ipv4", "rp_filter", 0);
    sysctl_try(p, "ipv4", "accept_local", 1);
    sysctl_try(p, "ipv4", "arp_ignore", 8);
    if (pn_netif_sysctl_get("ipv6", p->ifname, "disable_ipv6", &all) == 0) {
        sysctl_try(p, "ipv6", "disable_ipv6", 0);
        sysctl_try(p, "ipv6", "accept_ra", 0);
        sysctl_try(p, "ipv6", "accept_dad", 0);
    }
    /* The kernel takes the larger of "all" and the interface's. */
    if (pn_netif_sysctl_get("ipv4", "all", "rp_filter", &all) == 0 && all == 1)
        pn_log_warning("local delivery through %s needs net.ipv4.conf.all.rp_filter = 0 or 2; it is 1", p->ifname);
}

static int started(struct pn_port *p, struct pn_error *err)
{
    p->ifindex = pn_netif_index(p->ifname);
    if (!p->ifindex)
        return pn_error_set(err, "port %s: interface %s did not appear", p->name, p->ifname);
    if (p->peer == PN_PORT_NO_INDEX)
        local_sysctls(p);
    if (pn_netif_up(p->ifname))
        return pn_error_set(err, "port %s: setting %s up: %s", p->name, p->ifname, strerror(errno));
    return 0;
}

const struct pn_port_ops pn_port_ops_tap = {.prepare = prepare, .started = started};
