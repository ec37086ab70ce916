/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * posternd's own packets: those that arrive go to it unasked, those it sends leave at once; probes and announcements for
 * VIPs. Workers wake the main lcore through an eventfd, so that heartbeats don't wait for its tick.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <rte_mbuf.h>
#include <rte_ring_elem.h>

#include "common/addr.h"
#include "common/error.h"
#include "common/log.h"
#include "dataplane/core/arp.h"
#include "dataplane/core/control.h"
#include "dataplane/core/ndp.h"
#include "dataplane/core/parse.h"
#include "dataplane/ipc/server.h"
#include "dataplane/runtime.h"

#define SETTLE_US 20000
#define TAKE_MAX 256 /* of one worker's ring at a time */

static void wake_ready(struct pn_loop_source *source, uint32_t events)
{
    (void)events;
    uint64_t times;
    if (read(source->fd, &times, sizeof(times)) < 0 && errno != EAGAIN)
        return;
    pn_control_tick((struct pn_dataplane *)((char *)source - offsetof(struct pn_dataplane, wake)));
}

int pn_control_start(struct pn_dataplane *dp, struct pn_error *err)
{
    /* Not descriptor 0, which stands for none. */
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd == 0) {
        fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        close(0);
    }
    dp->wake = (struct pn_loop_source){.fd = fd, .ready = wake_ready};
    if (fd < 0 || pn_loop_add(dp->loop, &dp->wake, EPOLLIN))
        return pn_error_set(err, "eventfd: %m");
    dp->shared->wake_fd = fd;
    return 0;
}

void pn_control_stop(struct pn_dataplane *dp)
{
    if (dp->wake.fd > 0)
        close(dp->wake.fd);
    dp->wake.fd = -1;
}

static void tell(struct pn_dataplane *dp, enum pn_dp_type type, const void *head, size_t head_bytes, const void *body,
                 size_t body_bytes)
{
    if (!pn_ipc_server_push(dp->ipc, type, head, head_bytes, body, body_bytes))
        dp->main_stats->counters[PN_C_CONTROL_UNREAD]++;
}

static void tell_packet(struct pn_dataplane *dp, const struct pn_control_msg *msg)
{
    const uint8_t *frame = rte_pktmbuf_mtod(msg->m, const uint8_t *), *l3 = frame + msg->l3_off;
    struct pn_dp_packet packet = {
        .port = msg->port,
        .vlan = msg->vlan,
        .bytes = l3[0] >> 4 == 6 ? 40u + pn_get16(l3 + 4) : pn_get16(l3 + 2), /* checked when it was parsed */
        .boottime_ns = msg->boottime_ns,
    };
    memcpy(packet.dst_mac.b, frame, sizeof(packet.dst_mac.b));
    memcpy(packet.src_mac.b, frame + 6, sizeof(packet.src_mac.b));
    tell(dp, PN_DP_PACKET_RX, &packet, sizeof(packet), l3, packet.bytes);
    rte_pktmbuf_free(msg->m);
}

static void tell_seen(struct pn_dataplane *dp, const struct pn_control_msg *msg)
{
    const struct pn_dp_probe_seen seen = {
        .vip = msg->vip, .kind = msg->kind, .mac = msg->mac, .boottime_ns = msg->boottime_ns};
    tell(dp, PN_DP_PROBE_SEEN, &seen, sizeof(seen), NULL, 0);
    if (msg->kind == PN_PROBE_CONFLICT) {
        char mac[PN_MAC_TEXT_BYTES];
        pn_log_limited(1000, PN_LOG_WARNING, "VIP %s: %s says it has it too", pn_publish_vip_name(dp, msg->vip),
                       pn_mac_format(&msg->mac, mac, sizeof(mac)));
    }
}

void pn_control_tick(struct pn_dataplane *dp)
{
    struct pn_control_msg msgs[32];
    for (unsigned w = 0; w < dp->n_workers && dp->ipc; w++) {
        for (unsigned taken = 0, n; taken < TAKE_MAX; taken += n) {
            n = rte_ring_sc_dequeue_burst_elem(dp->workers[w]->ctx.control, msgs, sizeof(msgs[0]), RTE_DIM(msgs), NULL);
            for (unsigned i = 0; i < n; i++) {
                if (msgs[i].m)
                    tell_packet(dp, &msgs[i]);
                else
                    tell_seen(dp, &msgs[i]);
            }
            if (n < RTE_DIM(msgs))
                break;
        }
    }
}

enum pn_dp_status pn_control_put(struct pn_dataplane *dp, const struct pn_dp_control *control, struct pn_error *err)
{
    /* Nobody reads the other one, once all have come round since this one was published. */
    if (!pn_publish_settle(dp, SETTLE_US)) {
        pn_error_set(err, "a worker has not come round since the last change");
        return PN_DP_STATUS_BUSY;
    }
    struct pn_dp_control *next = &dp->control[dp->control_current ^ 1];
    *next = *control;
    bool none = !control->heartbeat_udp_port && !control->vrrp;
    atomic_store_explicit(&dp->shared->control, none ? NULL : next, memory_order_release);
    atomic_store(&dp->shared->sync, control->heartbeat_udp_port != 0);
    dp->control_current ^= 1;
    pn_ports_control(&dp->ports, control);
    pn_groups_tick(dp);
    return PN_DP_STATUS_OK;
}

enum pn_dp_status pn_control_send(struct pn_dataplane *dp, const struct pn_dp_packet *packet, const uint8_t *l3,
                                  struct pn_error *err)
{
    uint8_t frame[PN_CONTROL_FRAME_MAX];
    struct pn_mac dst_mac = packet->dst_mac;
    struct pn_addr dst;
    if (packet->port >= dp->ports.n_configured) {
        pn_error_set(err, "packet.port: %u, there are %u", packet->port, dp->ports.n_configured);
        return PN_DP_STATUS_REJECTED;
    }
    const struct pn_port *p = &dp->ports.port[packet->port];
    if (pn_control_packet(l3, packet->bytes, &dst, err))
        return PN_DP_STATUS_REJECTED;
    struct pn_lease_clock now = pn_dataplane_clock(dp);
    if (packet->boottime_ns && packet->boottime_ns <= now.boottime_ns) {
        pn_error_set(err, "packet: %llu us late", (unsigned long long)(now.boottime_ns - packet->boottime_ns) / 1000);
        return PN_DP_STATUS_REJECTED;
    }
    uint64_t until_tsc = packet->boottime_ns ? pn_lease_tsc(packet->boottime_ns, &now) : 0;
    if (packet->bytes > p->mtu || !p->link_up) {
        pn_error_set(err, "port %s: %s", p->name, p->link_up ? "packet is longer than the MTU" : "no link");
        return PN_DP_STATUS_REJECTED;
    }
    if (pn_mac_is_zero(&dst_mac) && !pn_control_group_mac(&dst, &dst_mac) &&
        !pn_peers_find(dp, &dst, packet->port, packet->vlan, &dst_mac)) {
        char text[PN_ADDR_TEXT_BYTES];
        pn_error_set(err, "port %s: the MAC address of %s is not known yet", p->name,
                     pn_addr_format(&dst, text, sizeof(text)));
        return PN_DP_STATUS_BUSY;
    }
    const struct pn_mac *src = pn_mac_is_zero(&packet->src_mac) ? &p->mac : &packet->src_mac;
    uint32_t n = pn_control_frame(frame, sizeof(frame), &dst_mac, src, packet->vlan, l3, packet->bytes);
    if (!pn_inject_until(dp, packet->port, until_tsc, frame, n, PN_C_CONTROL_SENT)) {
        pn_error_set(err, "port %s: the worker takes no more", p->name);
        return PN_DP_STATUS_REJECTED;
    }
    return PN_DP_STATUS_OK;
}

enum pn_dp_status pn_control_probe(struct pn_dataplane *dp, uint16_t id, struct pn_error *err)
{
    uint8_t frame[PN_NDP_FRAME_MAX > PN_ARP_FRAME_MAX ? PN_NDP_FRAME_MAX : PN_ARP_FRAME_MAX];
    static const struct pn_addr unspecified;
    if (!dp->snap || !dp->snap->vips[id].used) {
        pn_error_set(err, "vip: %u is not in the running snapshot", id);
        return PN_DP_STATUS_REJECTED;
    }
    /* From the port's own MAC: the answer is to come here, whoever has the virtual one. */
    const struct pn_dp_vip *vip = &dp->snap->vips[id];
    const struct pn_port *p = &dp->ports.port[vip->port];
    uint32_t n, vip_be;
    memcpy(&vip_be, &vip->addr.b[12], sizeof(vip_be));
    if (pn_addr_is_v4(&vip->addr))
        n = pn_arp_build_request(frame, sizeof(frame), &p->mac, NULL, vip->vlan, 0, vip_be);
    else
        n = pn_ndp_build_solicit(frame, sizeof(frame), &p->mac, NULL, vip->vlan, &unspecified, &vip->addr);
    if (!p->link_up || !pn_inject_frame(dp, vip->port, PN_ID_NONE, frame, n, PN_C_PROBE_SENT)) {
        pn_error_set(err, "port %s: %s", p->name, p->link_up ? "the worker takes no more" : "no link");
        return PN_DP_STATUS_REJECTED;
    }
    return PN_DP_STATUS_OK;
}

enum pn_dp_status pn_control_announce(struct pn_dataplane *dp, uint16_t id, struct pn_error *err)
{
    if (!dp->snap || !dp->snap->vips[id].used || !pn_lease_held(&dp->leases, id)) {
        pn_error_set(err, "vip: %u is not leased", id);
        return PN_DP_STATUS_REJECTED;
    }
    if (dp->snap->vips[id].flags & PN_SNAP_VIP_ANNOUNCE) {
        pn_announce_start(&dp->announce[id], (uint32_t)dp->now_ms);
        pn_inject_announcements(dp);
    }
    return PN_DP_STATUS_OK;
}
