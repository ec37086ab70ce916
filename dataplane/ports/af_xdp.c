/* SPDX-License-Identifier: BSD-3-Clause */
/* A port that shares the kernel's interface: DPDK gets what our XDP program redirects, the kernel the rest. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/error.h"
#include "common/log.h"
#include "dataplane/ports/netif.h"
#include "dataplane/ports/port.h"

#ifndef PN_XDP_PROGRAM_PATH
#define PN_XDP_PROGRAM_PATH "/usr/libexec/postern/xdp_vip.o"
#endif

/* The object beside the executable in a build tree, else the installed one. */
static void program_default(char *out, size_t size)
{
    ssize_t n = readlink("/proc/self/exe", out, size - 1);
    if (n > 0 && (size_t)n < size - 1) {
        out[n] = 0;
        char *slash = strrchr(out, '/');
        size_t room = slash ? size - (size_t)(slash - out) : 0;
        if (slash && room > sizeof("/ports/xdp_vip.o")) {
            strcpy(slash, "/ports/xdp_vip.o");
            if (access(out, R_OK) == 0)
                return;
        }
    }
    snprintf(out, size, "%s", PN_XDP_PROGRAM_PATH);
}

/* The driver splits its arguments at commas. */
static int program_path(const struct pn_dp_args *args, char *out, size_t size, struct pn_error *err)
{
    if (args->xdp_program[0])
        snprintf(out, size, "%s", args->xdp_program);
    else
        program_default(out, size);
    if (access(out, R_OK))
        return pn_error_set(err, "XDP program %s: %s", out, strerror(errno));
    if (strpbrk(out, ",=[]"))
        return pn_error_set(err, "XDP program %s: the path must have neither comma nor =", out);
    return 0;
}

static int prepare(struct pn_port *p, const struct pn_dp_args *args, char *device, size_t device_size, char *devargs,
                   size_t devargs_size, struct pn_error *err)
{
    const char *ifname = p->args.interface;
    char program[256];

    p->ifindex = pn_netif_index(ifname);
    if (!p->ifindex)
        return pn_error_set(err, "port %s: no interface %s", p->name, ifname);
    if (!pn_netif_may_admin()) /* what DPDK says later leads elsewhere */
        return pn_error_set(err, "port %s: type af_xdp needs root, or CAP_NET_ADMIN, CAP_NET_RAW and CAP_BPF", p->name);
    snprintf(p->ifname, sizeof(p->ifname), "%s", ifname);
    /* Before anything there is touched: what looks left behind may be a running dataplane's. */
    int rc = pn_netif_claim(p->ifindex);
    if (rc && errno == EBUSY)
        return pn_error_set(err, "port %s: another postern-dp has %s", p->name, ifname);
    if (rc)
        pn_log_warning("port %s: a second postern-dp on %s would not be noticed: %s", p->name, ifname, strerror(errno));
    if (program_path(args, program, sizeof(program), err))
        return -1;
    if (pn_netif_up(ifname))
        return pn_error_set(err, "port %s: setting %s up: %s", p->name, ifname, strerror(errno));

    /* Sockets are bound to queues: VIP traffic on a queue without one would be lost. */
    unsigned queues = pn_netif_queues(ifname);
    if (queues != p->args.queues)
        return pn_error_set(
            err, "port %s: %s has %u receive queues, but queues=%u: set queues=%u, or `ethtool -L %s combined %u`",
            p->name, ifname, queues, p->args.queues, queues, ifname, p->args.queues);
    if (pn_netif_rx_vlan_keep(ifname))
        pn_log_warning("port %s: %s strips VLAN tags before XDP sees them (ethtool -K %s rxvlan off: %s)", p->name,
                       ifname, ifname, strerror(errno));
    if (pn_xdp_check_foreign(p->ifindex, ifname, err))
        return -1;

    snprintf(device, device_size, "net_af_xdp_%s", p->name);
    int n = snprintf(devargs, devargs_size, "iface=%s,start_queue=0,queue_count=%u,xdp_prog=%s%s", ifname,
                     p->args.queues, program, p->args.force_copy ? ",force_copy=1" : "");
    if (n < 0 || (size_t)n >= devargs_size)
        return pn_error_set(err, "port %s: arguments too long", p->name);
    return 0;
}

/* A predecessor's program guards its VIPs until here; the driver attaches ours with the first queue. */
static int queues(struct pn_port *p, struct pn_error *err)
{
    return pn_xdp_clear_stale(p->ifindex, p->ifname, &p->heritage, err) < 0 ? -1 : 0;
}

static int started(struct pn_port *p, struct pn_error *err)
{
    if (pn_xdp_maps_open(&p->xdp, p->ifindex, p->ifname, err))
        return -1;
    for (unsigned i = 0; i < p->heritage.n; i++) {
        if (pn_xdp_vip_add(&p->xdp, &p->heritage.addr[i], p->heritage.vip[i]))
            pn_log_warning("port %s: a predecessor's VIP is the kernel's until there is a snapshot: %s", p->name,
                           strerror(errno));
    }
    p->frames_fd = pn_netif_frames_open(p->ifname, p->ifindex);
    if (p->frames_fd < 0)
        pn_log_warning("port %s: what %s receives cannot be counted, so it would not be noticed if nothing arrived: %s",
                       p->name, p->ifname, strerror(errno));
    /* Solicitations come to groups that the kernel has not joined for us. */
    p->member_fd = pn_netif_member_open(p->ifindex);
    if (p->member_fd < 0 || pn_netif_member_allmulti(p->member_fd, p->ifindex))
        pn_log_warning("port %s: %s may filter neighbour solicitations for VIPs: %s", p->name, p->ifname,
                       strerror(errno));
    return 0;
}

/* The driver takes the program off as it closes the device: it comes back at once where there are VIPs to guard. */
static void closed(struct pn_port *p)
{
    if (p->xdp.n_vips == 0)
        pn_xdp_detach(&p->xdp, p->ifindex);
    else if (pn_xdp_attach_again(&p->xdp, p->ifindex) >= 0)
        pn_log_notice("port %s: the XDP program stays on %s and drops frames to %u VIPs until postern-dp starts again "
                      "(postern-dp --release takes it off)",
                      p->name, p->ifname, p->xdp.n_vips);
    else
        pn_log_warning("port %s: the XDP program does not stay on %s, the kernel gets what is for VIPs: %s", p->name,
                       p->ifname, strerror(errno));
    pn_xdp_maps_close(&p->xdp);
}

const struct pn_port_ops pn_port_ops_af_xdp = {
    .prepare = prepare, .queues = queues, .started = started, .closed = closed};
