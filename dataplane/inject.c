/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames of our own: a worker that has a queue on the port sends them. */
#include <rte_mbuf.h>

#include "common/addr.h"
#include "dataplane/core/arp.h"
#include "dataplane/core/ndp.h"
#include "dataplane/runtime.h"

/* meta: what it is; port and origin are filled in here. */
static bool inject(struct pn_dataplane *dp, unsigned port, const uint8_t *frame, uint32_t len, struct pn_mbuf_meta meta)
{
    const struct pn_port_rt *p = &dp->shared->ports[port];
    unsigned worker = p->txq[0] != PN_TXQ_NONE ? 0 : p->tx_via;
    struct rte_mbuf *m = len ? rte_pktmbuf_alloc(dp->pool) : NULL;
    char *data = m ? rte_pktmbuf_append(m, (uint16_t)len) : NULL;
    if (data) {
        memcpy(data, frame, len);
        meta.port = (uint8_t)port;
        meta.origin = (uint16_t)worker;
        *pn_mbuf_meta(m) = meta;
        if (rte_ring_enqueue(dp->workers[worker]->inject, m) == 0)
            return true;
    }
    rte_pktmbuf_free(m);
    dp->main_stats->counters[PN_C_GEN_DROPPED]++;
    return false;
}

bool pn_inject_frame(struct pn_dataplane *dp, unsigned port, uint16_t vip, const uint8_t *frame, uint32_t len,
                     enum pn_counter counter)
{
    const struct pn_mbuf_meta meta = {
        .kind = vip == PN_ID_NONE ? PN_META_TX : PN_META_ANSWER, .tx_counter = (uint8_t)counter, .gateway = vip};
    return inject(dp, port, frame, len, meta);
}

bool pn_inject_until(struct pn_dataplane *dp, unsigned port, uint64_t until_tsc, const uint8_t *frame, uint32_t len,
                     enum pn_counter counter)
{
    const struct pn_mbuf_meta meta = {
        .kind = PN_META_TX, .tx_counter = (uint8_t)counter, .gateway = PN_ID_NONE, .until_tsc = until_tsc};
    return inject(dp, port, frame, len, meta);
}

static void announce_one(struct pn_dataplane *dp, uint16_t id, const struct pn_dp_vip *vip)
{
    uint8_t frame[PN_NDP_FRAME_MAX > PN_ARP_FRAME_MAX ? PN_NDP_FRAME_MAX : PN_ARP_FRAME_MAX];
    const struct pn_mac *mac = pn_mac_is_zero(&vip->mac) ? &dp->ports.port[vip->port].mac : &vip->mac;
    if (!pn_addr_is_v4(&vip->addr)) {
        uint32_t n = pn_ndp_build_announcement(frame, sizeof(frame), mac, vip->vlan, &vip->addr);
        pn_inject_frame(dp, vip->port, id, frame, n, PN_C_GEN_UNSOLICITED_NA);
        return;
    }
    uint32_t vip_be;
    memcpy(&vip_be, &vip->addr.b[12], 4);
    static const enum pn_arp_op forms[] = {PN_ARP_REQUEST, PN_ARP_REPLY};
    for (unsigned i = 0; i < 2; i++) {
        uint32_t n = pn_arp_build_announcement(frame, sizeof(frame), mac, vip->vlan, vip_be, forms[i]);
        pn_inject_frame(dp, vip->port, id, frame, n, PN_C_GEN_GARP);
    }
}

void pn_inject_announcements(struct pn_dataplane *dp)
{
    for (unsigned v = 0; dp->snap && v < PN_MAX_VIPS; v++) {
        if (!dp->announce[v].running)
            continue;
        if (!pn_lease_held(&dp->leases, v) || !dp->snap->vips[v].used) {
            pn_announce_stop(&dp->announce[v]);
            continue;
        }
        if (pn_announce_due(&dp->announce[v], (uint32_t)dp->now_ms, PN_ANNOUNCE_REFRESH_MS))
            announce_one(dp, (uint16_t)v, &dp->snap->vips[v]);
    }
}

void pn_inject_announce_again(struct pn_dataplane *dp, uint32_t ports)
{
    for (unsigned v = 0; dp->snap && v < PN_MAX_VIPS; v++) {
        const struct pn_dp_vip *vip = &dp->snap->vips[v];
        if (vip->used && (ports >> vip->port & 1) && pn_lease_held(&dp->leases, v) &&
            (vip->flags & PN_SNAP_VIP_ANNOUNCE))
            pn_announce_start(&dp->announce[v], (uint32_t)dp->now_ms);
    }
}
