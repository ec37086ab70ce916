/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/ports/port.h"

#include <errno.h>
#include <unistd.h>

#include <rte_dev.h>
#include <rte_ethdev.h>
#include <rte_errno.h>
#include <rte_mempool.h>

#include "common/addr.h"
#include "common/error.h"
#include "common/log.h"
#include "dataplane/ports/netif.h"

static const struct pn_port_ops *const port_ops[PN_PORT_KIND_COUNT] = {
    [PN_PORT_AF_XDP] = &pn_port_ops_af_xdp,
    [PN_PORT_DPDK] = &pn_port_ops_dpdk,
    [PN_PORT_TAP] = &pn_port_ops_tap,
};

/*
 * One pool a receive queue. The AF_XDP driver lays its umem over the pool and finds a buffer by its offset, so the
 * elements must lie without gaps in one piece: NO_IOVA_CONTIG keeps them from being aligned to pages.
 */
static struct rte_mempool *pool_new(const struct pn_port *p, unsigned queue, struct pn_error *err)
{
    char name[RTE_MEMPOOL_NAMESIZE];
    snprintf(name, sizeof(name), "rx_%u_%u", p->dev_id, queue);
    unsigned flags = p->kind == PN_PORT_AF_XDP ? RTE_MEMPOOL_F_NO_IOVA_CONTIG : 0;
    unsigned elt = (unsigned)sizeof(struct rte_mbuf) + RTE_MBUF_DEFAULT_BUF_SIZE;
    struct rte_mempool *mp = rte_mempool_create_empty(name, PN_PORT_MBUFS, elt, 256,
                                                      sizeof(struct rte_pktmbuf_pool_private), SOCKET_ID_ANY, flags);
    if (!mp) {
        pn_error_set(err, "port %s: mbuf pool: %s", p->name, rte_strerror(rte_errno));
        return NULL;
    }
    struct rte_pktmbuf_pool_private priv = {.mbuf_data_room_size = RTE_MBUF_DEFAULT_BUF_SIZE};
    rte_pktmbuf_pool_init(mp, &priv);
    if (rte_mempool_populate_default(mp) < PN_PORT_MBUFS) {
        rte_mempool_free(mp);
        pn_error_set(err, "port %s: no memory for %d buffers (--memory-mb)", p->name, PN_PORT_MBUFS);
        return NULL;
    }
    if (p->kind == PN_PORT_AF_XDP && mp->nb_mem_chunks != 1) {
        rte_mempool_free(mp);
        pn_error_set(err, "port %s: no contiguous memory for buffers (--memory-mb)", p->name);
        return NULL;
    }
    rte_mempool_obj_iter(mp, rte_pktmbuf_init, NULL);
    return mp;
}

static int device_probe(struct pn_port *p, const struct pn_dp_args *args, struct pn_error *err)
{
    char device[sizeof(p->device)] = "", devargs[640];
    if (port_ops[p->kind]->prepare(p, args, device, sizeof(device), devargs, sizeof(devargs), err))
        return -1;
    size_t n = strcspn(p->args.device, ",");
    if (device[0]) {
        int rc = rte_eal_hotplug_add("vdev", device, devargs);
        if (rc)
            return pn_error_set(err, "port %s: device %s%s%s cannot be made (DPDK says why above)", p->name, device,
                                devargs[0] ? "," : "", devargs);
    } else {
        snprintf(device, sizeof(device), "%.*s", (int)n, p->args.device);
    }
    int rc = rte_eth_dev_get_port_by_name(device, &p->dev_id);
    if (rc && strchr(device, ':') == strrchr(device, ':')) {
        /* EAL names PCI ports with their domain. */
        snprintf(device, sizeof(device), "0000:%.*s", (int)n, p->args.device);
        rc = rte_eth_dev_get_port_by_name(device, &p->dev_id);
    }
    if (rc)
        return pn_error_set(err, "port %s: no device %s, or it is not bound to a DPDK driver", p->name, device);
    memcpy(p->device, device, sizeof(p->device));
    p->probed = true;
    return 0;
}

static int device_configure(struct pn_port *p, unsigned n_workers, struct pn_error *err)
{
    struct rte_eth_dev_info info;
    int rc = rte_eth_dev_info_get(p->dev_id, &info);
    if (rc)
        return pn_error_set(err, "port %s: %s", p->name, rte_strerror(-rc));

    p->n_rxq = p->kind == PN_PORT_TAP ? (uint16_t)n_workers : p->args.queues;
    if (p->n_rxq > info.max_rx_queues)
        return pn_error_set(err, "port %s: %u queues asked for, the device has %u", p->name, p->n_rxq,
                            info.max_rx_queues);
    p->n_txq = (uint16_t)RTE_MIN(n_workers, (unsigned)info.max_tx_queues);

    struct rte_eth_conf conf = {0};
    if (p->n_rxq > 1 && info.flow_type_rss_offloads) {
        conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
        conf.rx_adv_conf.rss_conf.rss_hf = (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP) & info.flow_type_rss_offloads;
    }
    rc = rte_eth_dev_configure(p->dev_id, p->n_rxq, p->n_txq, &conf);
    if (rc && p->n_txq != p->n_rxq) {
        /* AF_XDP and tap want queues in pairs. */
        p->n_txq = p->n_rxq;
        rc = rte_eth_dev_configure(p->dev_id, p->n_rxq, p->n_txq, &conf);
    }
    if (rc)
        return pn_error_set(err, "port %s: configuring %u + %u queues: %s", p->name, p->n_rxq, p->n_txq,
                            rte_strerror(-rc));
    return 0;
}

static int device_queues(struct pn_port *p, struct pn_error *err)
{
    uint16_t rxd = PN_PORT_RX_DESC, txd = PN_PORT_TX_DESC;
    int rc = rte_eth_dev_adjust_nb_rx_tx_desc(p->dev_id, &rxd, &txd);
    if (rc)
        return pn_error_set(err, "port %s: descriptors: %s", p->name, rte_strerror(-rc));
    for (uint16_t q = 0; q < p->n_txq; q++) {
        rc = rte_eth_tx_queue_setup(p->dev_id, q, txd, SOCKET_ID_ANY, NULL);
        if (rc)
            return pn_error_set(err, "port %s: transmit queue %u: %s", p->name, q, rte_strerror(-rc));
    }
    for (uint16_t q = 0; q < p->n_rxq; q++) {
        p->pools[q] = pool_new(p, q, err);
        if (!p->pools[q])
            return -1;
    }
    if (port_ops[p->kind]->queues && port_ops[p->kind]->queues(p, err))
        return -1;
    for (uint16_t q = 0; q < p->n_rxq; q++) {
        rc = rte_eth_rx_queue_setup(p->dev_id, q, rxd, SOCKET_ID_ANY, NULL, p->pools[q]);
        if (rc && p->kind == PN_PORT_AF_XDP)
            return pn_error_set(err,
                                "port %s: AF_XDP on %s queue %u: %s (MTU of interface or peer above 3.4 kB, or another "
                                "program has the queue?)",
                                p->name, p->ifname, q, rte_strerror(-rc));
        if (rc)
            return pn_error_set(err, "port %s: receive queue %u: %s", p->name, q, rte_strerror(-rc));
    }
    return 0;
}

static int device_start(struct pn_port *p, struct pn_error *err)
{
    int rc = rte_eth_dev_start(p->dev_id);
    if (rc)
        return pn_error_set(err, "port %s: start: %s", p->name, rte_strerror(-rc));
    p->started = true;
    struct rte_ether_addr mac;
    rc = rte_eth_macaddr_get(p->dev_id, &mac);
    if (rc)
        return pn_error_set(err, "port %s: MAC address: %s", p->name, rte_strerror(-rc));
    memcpy(p->mac.b, mac.addr_bytes, sizeof(p->mac.b));
    if (rte_eth_dev_get_mtu(p->dev_id, &p->mtu))
        p->mtu = 1500;
    /* Virtual MACs and solicited-node groups; devices without filters refuse, and need none. */
    if (p->kind == PN_PORT_DPDK && rte_eth_promiscuous_enable(p->dev_id))
        rte_eth_allmulticast_enable(p->dev_id);
    if (port_ops[p->kind]->started && port_ops[p->kind]->started(p, err))
        return -1;
    struct rte_eth_link link;
    p->link_up = rte_eth_link_get_nowait(p->dev_id, &link) == 0 && link.link_status == RTE_ETH_LINK_UP;
    return 0;
}

static int port_open(struct pn_port *p, const struct pn_dp_args *args, unsigned n_workers, struct pn_error *err)
{
    if (device_probe(p, args, err) || device_configure(p, n_workers, err) || device_queues(p, err) ||
        device_start(p, err))
        return -1;
    char mac[PN_MAC_TEXT_BYTES];
    pn_log_info("port %s: %s, %s, %u receive and %u transmit queues", p->name, p->device,
                pn_mac_format(&p->mac, mac, sizeof(mac)), p->n_rxq, p->n_txq);
    return 0;
}

static struct pn_port *port_add(struct pn_ports *ports, const char *name, enum pn_port_kind kind, struct pn_error *err)
{
    if (ports->n == PN_MAX_PORTS) {
        pn_error_set(err, "port %s: more than %d ports, taps included", name, PN_MAX_PORTS);
        return NULL;
    }
    struct pn_port *p = &ports->port[ports->n++];
    memset(p, 0, sizeof(*p));
    snprintf(p->name, sizeof(p->name), "%s", name);
    p->kind = kind;
    p->exception = p->peer = PN_PORT_NO_INDEX;
    p->xdp.vips_fd = p->xdp.control_fd = p->xdp.addrs_fd = p->xdp.prog_fd = p->member_fd = p->frames_fd = -1;
    return p;
}

static int exception_open(struct pn_ports *ports, unsigned index, const struct pn_dp_args *args, unsigned n_workers,
                          struct pn_error *err)
{
    struct pn_port *port = &ports->port[index];
    struct pn_port *tap = port_add(ports, port->args.exception, PN_PORT_TAP, err);
    if (!tap)
        return -1;
    snprintf(tap->ifname, sizeof(tap->ifname), "%s", port->args.exception);
    tap->mac = port->mac;
    tap->peer = (int)index;
    if (port_open(tap, args, n_workers, err))
        return -1;
    if (port->mtu && rte_eth_dev_set_mtu(tap->dev_id, port->mtu))
        pn_log_warning("port %s: MTU %u not taken by %s", port->name, port->mtu, tap->ifname);
    port->exception = (int)(tap - ports->port);
    /* The port's host lives on the tap: neighbours are the kernel's to find, there. */
    snprintf(port->ifname, sizeof(port->ifname), "%s", tap->ifname);
    port->ifindex = tap->ifindex;
    return 0;
}

static int all_open(struct pn_ports *ports, const struct pn_dp_args *args, unsigned n_workers, struct pn_error *err)
{
    for (unsigned i = 0; i < args->n_ports; i++) {
        struct pn_port *p = port_add(ports, args->ports[i].name, args->ports[i].kind, err);
        if (!p)
            return -1;
        p->args = args->ports[i];
        ports->n_configured = ports->n;
        if (port_open(p, args, n_workers, err))
            return -1;
    }
    for (unsigned i = 0; i < ports->n_configured; i++) {
        if (args->ports[i].exception[0] && exception_open(ports, i, args, n_workers, err))
            return -1;
    }
    if (args->local_interface[0]) {
        struct pn_port *p = port_add(ports, args->local_interface, PN_PORT_TAP, err);
        if (!p)
            return -1;
        snprintf(p->ifname, sizeof(p->ifname), "%s", args->local_interface);
        if (port_open(p, args, n_workers, err))
            return -1;
        ports->local = (int)(p - ports->port);
    }
    return 0;
}

int pn_ports_open(struct pn_ports *ports, const struct pn_dp_args *args, unsigned n_workers, struct pn_error *err)
{
    memset(ports, 0, sizeof(*ports));
    ports->local = PN_PORT_NO_INDEX;
    if (all_open(ports, args, n_workers, err)) {
        pn_ports_close(ports);
        return -1;
    }
    return 0;
}

void pn_ports_close(struct pn_ports *ports)
{
    /* Taps, which stand last, go first: their ports may still carry their frames. */
    for (unsigned i = ports->n; i-- > 0;) {
        struct pn_port *p = &ports->port[i];
        if (p->started)
            rte_eth_dev_stop(p->dev_id);
        if (p->probed)
            rte_eth_dev_close(p->dev_id);
        if (port_ops[p->kind]->closed)
            port_ops[p->kind]->closed(p);
        if (p->member_fd >= 0)
            close(p->member_fd);
        if (p->frames_fd >= 0)
            close(p->frames_fd);
        p->started = p->probed = false;
        p->member_fd = p->frames_fd = -1;
    }
    ports->n = 0;
}

static int extra_mac_set(struct pn_port *p, const struct pn_mac *mac, bool on)
{
    struct rte_ether_addr addr;
    if (p->kind == PN_PORT_AF_XDP)
        return pn_netif_member_mac(p->member_fd, p->ifindex, mac, on);
    memcpy(addr.addr_bytes, mac->b, sizeof(addr.addr_bytes));
    return on ? rte_eth_dev_mac_addr_add(p->dev_id, &addr, 0) : rte_eth_dev_mac_addr_remove(p->dev_id, &addr);
}

/* Frames to a VIP's virtual MAC must pass the interface's own filter. */
static void extra_mac_add(struct pn_port *p, const struct pn_mac *mac)
{
    if (pn_mac_is_zero(mac) || (p->kind == PN_PORT_AF_XDP ? p->member_fd < 0 : rte_eth_promiscuous_get(p->dev_id) == 1))
        return;
    for (unsigned i = 0; i < p->n_extra_macs; i++) {
        if (!memcmp(&p->extra_macs[i], mac, sizeof(*mac)))
            return;
    }
    if (p->n_extra_macs == PN_MAX_VIPS)
        return;
    if (extra_mac_set(p, mac, true)) {
        pn_log_warning("port %s: %s does not take a second MAC address", p->name, p->device);
        return;
    }
    p->extra_macs[p->n_extra_macs++] = *mac;
}

static bool extra_mac_wanted(const struct pn_snapshot *snap, unsigned port, const struct pn_mac *mac)
{
    for (unsigned v = 0; snap && v < snap->header->n_vips; v++) {
        if (snap->vips[v].port == port && !memcmp(&snap->vips[v].mac, mac, sizeof(*mac)))
            return true;
    }
    return false;
}

static bool vip_wanted(const struct pn_snapshot *snap, unsigned port, const struct pn_addr *addr)
{
    for (unsigned v = 0; snap && v < snap->header->n_vips; v++) {
        if (snap->vips[v].port == port && pn_addr_equal(&snap->vips[v].addr, addr))
            return true;
    }
    return false;
}

void pn_ports_vips_add(struct pn_ports *ports, const struct pn_snapshot *snap)
{
    char text[PN_ADDR_TEXT_BYTES];
    for (unsigned v = 0; v < snap->header->n_vips; v++) {
        const struct pn_snap_vip *vip = &snap->vips[v];
        struct pn_port *p = &ports->port[vip->port];
        extra_mac_add(p, &vip->mac);
        if (p->kind != PN_PORT_AF_XDP)
            continue;
        if (pn_xdp_vip_known(&p->xdp, &vip->addr))
            continue;
        if (pn_xdp_vip_add(&p->xdp, &vip->addr, vip->id))
            pn_log_error("port %s: VIP %s not entered in the XDP map: %m", p->name,
                         pn_addr_format(&vip->addr, text, sizeof(text)));
        else
            pn_log_info("port %s: VIP %s (%s) redirected to the dataplane", p->name, vip->name,
                        pn_addr_format(&vip->addr, text, sizeof(text)));
    }
}

void pn_ports_vips_keep(struct pn_ports *ports, const struct pn_snapshot *snap)
{
    char text[PN_ADDR_TEXT_BYTES];
    for (unsigned i = 0; i < ports->n_configured; i++) {
        struct pn_port *p = &ports->port[i];
        for (unsigned v = p->kind == PN_PORT_AF_XDP ? p->xdp.n_vips : 0; v-- > 0;) {
            struct pn_addr addr = p->xdp.vips[v];
            if (vip_wanted(snap, i, &addr))
                continue;
            if (pn_xdp_vip_remove(&p->xdp, &addr))
                pn_log_error("port %s: VIP %s not taken out of the XDP map: %m", p->name,
                             pn_addr_format(&addr, text, sizeof(text)));
            else
                pn_log_info("port %s: VIP %s given back to the kernel", p->name,
                            pn_addr_format(&addr, text, sizeof(text)));
        }
        for (unsigned m = p->n_extra_macs; m-- > 0;) {
            if (extra_mac_wanted(snap, i, &p->extra_macs[m]))
                continue;
            extra_mac_set(p, &p->extra_macs[m], false);
            p->extra_macs[m] = p->extra_macs[--p->n_extra_macs];
        }
    }
}

void pn_ports_control(struct pn_ports *ports, const struct pn_dp_control *control)
{
    for (unsigned i = 0; i < ports->n_configured; i++) {
        struct pn_port *p = &ports->port[i];
        if (p->kind == PN_PORT_AF_XDP && pn_xdp_control_set(&p->xdp, control))
            pn_log_error("port %s: control addresses not entered in the XDP map: %m", p->name);
    }
}

int pn_port_frames(const struct pn_port *p, uint64_t *frames)
{
    struct rte_eth_stats stats;
    uint64_t kernel = 0;
    if (!p->started || rte_eth_stats_get(p->dev_id, &stats) ||
        (p->kind == PN_PORT_AF_XDP && pn_netif_frames(p->frames_fd, &kernel)))
        return -1;
    *frames = stats.ipackets + stats.imissed + stats.ierrors + stats.rx_nombuf + kernel;
    return 0;
}

/* What a device counts may start anew when its link does. */
static uint64_t grown(uint64_t now, uint64_t *before)
{
    uint64_t by = now >= *before ? now - *before : now;
    *before = now;
    return by;
}

void pn_ports_poll_losses(struct pn_ports *ports, uint64_t *missed, uint64_t *no_buffer)
{
    struct rte_eth_stats stats;
    for (unsigned i = 0; i < ports->n; i++) {
        struct pn_port *p = &ports->port[i];
        if (!p->started || rte_eth_stats_get(p->dev_id, &stats))
            continue;
        uint64_t lost = grown(stats.imissed, &p->lost_missed), none = grown(stats.rx_nombuf, &p->lost_no_buffer);
        *missed += lost;
        *no_buffer += none;
        if (lost || none)
            pn_log_limited(10000, PN_LOG_WARNING, "port %s: %llu packets lost, %llu times no buffer in a second",
                           p->name, (unsigned long long)lost, (unsigned long long)none);
    }
}

struct pn_port_xdp_look pn_port_xdp_look(const struct pn_port *p)
{
    struct pn_port_xdp_look look = {.there = p->kind == PN_PORT_AF_XDP && pn_netif_index(p->ifname) == p->ifindex};
    if (look.there)
        look.rc = pn_xdp_attach_again(&p->xdp, p->ifindex);
    look.error = errno;
    return look;
}

void pn_port_xdp_tell(struct pn_port *p, const struct pn_port_xdp_look *look)
{
    int rc = look->rc;
    if (!look->there)
        return;
    if (rc > 0)
        pn_log_warning("port %s: the XDP program had been taken off %s: attached again", p->name, p->ifname);
    if (rc < 0 && !p->xdp_lost)
        pn_log_error("port %s: %s has not our XDP program any more, VIPs get no packets: %s", p->name, p->ifname,
                     look->error == EEXIST ? "another program is there" : strerror(look->error));
    if (rc >= 0 && p->xdp_lost)
        pn_log_notice("port %s: our XDP program is on %s again", p->name, p->ifname);
    p->xdp_lost = rc < 0;
}

int pn_ports_release(const struct pn_dp_args *args)
{
    int failed = 0;
    for (unsigned i = 0; i < args->n_ports; i++) {
        const char *ifname = args->ports[i].interface;
        struct pn_error err;
        int ifindex = args->ports[i].kind == PN_PORT_AF_XDP ? pn_netif_index(ifname) : 0;
        if (args->ports[i].kind != PN_PORT_AF_XDP)
            continue;
        if (!ifindex)
            pn_error_set(&err, "interface %s: there is none", ifname);
        else if (pn_netif_claim(ifindex) && errno == EBUSY)
            pn_error_set(&err, "interface %s: a running postern-dp has it; stop that first", ifname);
        else if (pn_xdp_clear_stale(ifindex, ifname, NULL, &err) >= 0)
            continue;
        pn_log_error("%s", err.text);
        failed = -1;
    }
    return failed;
}

uint32_t pn_ports_poll_link(struct pn_ports *ports)
{
    uint32_t came_up = 0;
    for (unsigned i = 0; i < ports->n; i++) {
        struct pn_port *p = &ports->port[i];
        struct rte_eth_link link;
        int ifindex = p->kind == PN_PORT_AF_XDP ? pn_netif_index(p->ifname) : 0;
        if (ifindex && ifindex != p->ifindex && !ports->replaced) {
            pn_log_error("port %s: %s is another interface now (%d, was %d)", p->name, p->ifname, ifindex, p->ifindex);
            ports->replaced = true;
        }
        bool up = p->kind == PN_PORT_AF_XDP
                      ? ifindex == p->ifindex && pn_netif_running(p->ifname)
                      : rte_eth_link_get_nowait(p->dev_id, &link) == 0 && link.link_status == RTE_ETH_LINK_UP;
        if (up == p->link_up)
            continue;
        p->link_up = up;
        came_up |= (uint32_t)up << i;
        pn_log_notice("port %s: link %s", p->name, up ? "up" : "down");
    }
    return came_up;
}
