/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How the owner of a VIP is agreed on: one row for each protocol, chosen per VIP by the configuration. A protocol's VIPs are
 * those of n->conf.vips with its id. It orders leases, probes and announcements through pn_node_obey(), and sends packets of its
 * own with n->io.send(PN_DP_PACKET_TX). A new one is one file and one row.
 */
#ifndef POSTERN_VIP_PROTOCOL_H
#define POSTERN_VIP_PROTOCOL_H

#include "controlplane/vip/node.h"

struct pn_vip_protocol {
    const char *name;
    uint8_t ip_proto; /* control packets of this protocol are handed to packet(); 0: none */
    int (*configure)(struct pn_node *n, uint64_t now_ns, struct pn_error *err);
    void (*release)(struct pn_node *n); /* memory */
    /* The dataplane runs these VIPs; leases[i] is what it holds for ids[i]. n_ids 0: it is gone. */
    void (*installed)(struct pn_node *n, const uint16_t *ids, const uint64_t *leases, unsigned n_ids, uint64_t now_ns);
    void (*packet)(struct pn_node *n, const struct pn_dp_packet *p, const struct pn_wire_packet *w, uint64_t now_ns);
    /* To a message that was sent with tag PN_TAG_PROTOCOL(own, ...). NULL: it sends none. */
    void (*answer)(struct pn_node *n, uint32_t own, unsigned status, uint64_t now_ns);
    void (*probe_seen)(struct pn_node *n, const struct pn_node_vip *vip, const struct pn_dp_probe_seen *seen,
                       uint64_t now_ns);
    /* *wake_ns comes in as what others want; may be made earlier. */
    void (*step)(struct pn_node *n, uint64_t now_ns, uint64_t *wake_ns);
    void (*standby)(struct pn_node *n, bool standby, uint64_t now_ns);
    int (*move)(struct pn_node *n, const struct pn_node_vip *vip, const char *to, uint64_t now_ns,
                struct pn_error *err);
    bool (*owns)(const struct pn_node *n); /* any VIP: leaving waits for this */
    bool leaves_always; /* gives its VIPs over before the process ends, whether or not a node is heard */
    void (*show)(const struct pn_node *n, unsigned vip, uint64_t now_ns,
                 struct pn_own_vip *out); /* state, owner, reason ... */
};

/* By enum pn_vip_protocol_id; NULL: not built in, its VIPs stay in INIT. */
extern const struct pn_vip_protocol *const pn_vip_protocols[PN_VIP_PROTOCOL_COUNT];
extern const struct pn_vip_protocol pn_vip_sealed, pn_vip_vrrp;

#define PN_EACH_VIP_PROTOCOL(p) /* of those that are built in */                                                       \
    for (unsigned p##_at = 0; p##_at < PN_VIP_PROTOCOL_COUNT; p##_at++)                                                \
        for (const struct pn_vip_protocol *p = pn_vip_protocols[p##_at]; p; p = NULL)

#endif
