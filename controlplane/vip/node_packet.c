/* SPDX-License-Identifier: BSD-3-Clause */
/* What comes from the wire: nothing of it touches a state before its seal was opened. */
#include <stdio.h>

#include "common/addr.h"
#include "controlplane/vip/protocol.h"

#define MINUTE_NS UINT64_C(60000000000)
#define CONFLICT_NS UINT64_C(1000000000)
#define VRRP_ADDRESSES_AT 8u

static void refused(struct pn_node *n, const struct pn_wire_packet *w, const char *why, uint64_t now_ns)
{
    char from[PN_ADDR_TEXT_BYTES];
    if (pn_node_may_tell(&n->refusal_told_ns, MINUTE_NS, now_ns))
        pn_node_say(n, PN_LOG_WARNING, "heartbeat", "",
                    "refused, from %s: %s (told once a minute; see postern node list)",
                    pn_addr_format(&w->src, from, sizeof(from)), why);
}

/* By which of our paths it came. */
static void heard_over(struct pn_node *n, uint8_t node, const struct pn_dp_packet *p, const struct pn_wire_packet *w,
                       uint64_t received_ns)
{
    for (unsigned i = 0; i < n->conf.n_paths; i++) {
        const struct pn_node_path *path = &n->conf.paths[i];
        bool ours = pn_addr_equal(&w->dst, &path->v4) || pn_addr_equal(&w->dst, &path->v6);
        if (path->port != p->port || path->vlan != p->vlan || !(ours || n->conf.multicast))
            continue;
        n->watch[node].paths[i].heard_ns = received_ns;
        return;
    }
}

static void heartbeat(struct pn_node *n, const struct pn_dp_packet *p, const struct pn_wire_packet *w,
                      uint64_t received_ns, uint64_t now_ns)
{
    struct pn_election_out out = {.n = 0};
    struct pn_peer *from;
    uint64_t seal_before[PN_SEAL_VERDICT_COUNT];
    if (!n->opener)
        return;
    memcpy(seal_before, n->peers.seal_counts, sizeof(seal_before));
    received_ns = received_ns > n->received_ns ? received_ns : n->received_ns;
    enum pn_hb_verdict verdict = pn_peers_receive(&n->peers, n->opener, w->payload, w->bytes, received_ns, &from);
    if (from && (verdict == PN_HB_ACCEPTED || verdict == PN_HB_LATE)) {
        uint8_t node = (uint8_t)(from - n->peers.peers);
        n->show.peers[node].received++;
        n->show.peers[node].late += verdict == PN_HB_LATE;
        heard_over(n, node, p, w, received_ns);
        if (verdict == PN_HB_ACCEPTED) {
            n->received_ns = received_ns;
            pn_node_heard(n, node, now_ns);
            n->election.doubt = pn_node_doubt(n, now_ns);
            pn_election_heard(&n->election, node, received_ns, &out);
            pn_node_obey(n, &out, false, now_ns);
        }
        return;
    }
    if (verdict == PN_HB_HANDSHAKE)
        return;
    const char *why = pn_hb_verdict_name[verdict];
    for (unsigned i = 1; i < PN_SEAL_VERDICT_COUNT && verdict == PN_HB_SEAL; i++)
        if (n->peers.seal_counts[i] != seal_before[i])
            why = pn_seal_verdict_name[i];
    refused(n, w, why, now_ns);
}

/* A speaker of VRRP (RFC 9568, 5.1) that names an address of ours is reported, never obeyed, unless we share its id. */
static void vrrp_watch(struct pn_node *n, const struct pn_wire_packet *w, uint64_t now_ns)
{
    bool v4 = pn_addr_is_v4(&w->src);
    size_t address_bytes = v4 ? 4 : 16;
    char from[PN_ADDR_TEXT_BYTES];
    if (w->bytes < VRRP_ADDRESSES_AT || (w->payload[0] & 0x0f) != 1)
        return;
    for (size_t at = VRRP_ADDRESSES_AT, i = 0; i < w->payload[3] && at + address_bytes <= w->bytes;
         i++, at += address_bytes) {
        for (unsigned v = 0; v < n->conf.n_vips; v++) {
            const struct pn_node_vip *vip = &n->conf.vips[v];
            bool spoken = vip->protocol == PN_VIP_VRRP && vip->vrid == w->payload[1];
            if (spoken || pn_addr_is_v4(&vip->addr) != v4 ||
                memcmp(vip->addr.b + 16 - address_bytes, w->payload + at, address_bytes) != 0)
                continue;
            n->show.vrrp_seen++;
            n->foreign[v] = (struct pn_own_foreign){.seen_ns = now_ns, .from = w->src, .vrid = w->payload[1]};
            if (pn_node_may_tell(&n->vrrp_told_ns, MINUTE_NS, now_ns))
                pn_node_say(n, PN_LOG_WARNING, "vip", vip->name,
                            "alarm: %s announces this address by VRRP, id %u, priority %u; not obeyed",
                            pn_addr_format(&w->src, from, sizeof(from)), w->payload[1], w->payload[2]);
            return;
        }
    }
}

void pn_node_packet(struct pn_node *n, const struct pn_dp_packet *p, size_t bytes, uint64_t now_ns)
{
    struct pn_wire_packet w;
    if (p->bytes > bytes - sizeof(*p))
        return;
    enum pn_wire_verdict verdict = pn_wire_parse((const uint8_t *)(p + 1), p->bytes, &w);
    if (verdict != PN_WIRE_OK) {
        n->show.refused_wire[verdict]++;
        return;
    }
    uint64_t received_ns = p->boottime_ns && p->boottime_ns < now_ns ? p->boottime_ns : now_ns;
    if (w.ip_proto == PN_IPPROTO_UDP) {
        bool sync = w.bytes > 3 && w.payload[3] == PN_SEAL_FLOW_SYNC;
        if (w.dst_port != n->conf.udp_port)
            n->show.refused_wire[PN_WIRE_HEADER]++;
        else if (sync && n->sync.node)
            pn_sync_datagram(&n->sync, w.payload, w.bytes, now_ns);
        else if (!sync)
            heartbeat(n, p, &w, received_ns, now_ns);
        return;
    }
    for (unsigned i = 0; i < PN_VIP_PROTOCOL_COUNT; i++)
        if (pn_vip_protocols[i] && pn_vip_protocols[i]->ip_proto == w.ip_proto && pn_vip_protocols[i]->packet)
            pn_vip_protocols[i]->packet(n, p, &w, now_ns);
    if (w.ip_proto == PN_IPPROTO_VRRP)
        vrrp_watch(n, &w, now_ns);
}

void pn_node_probe_seen(struct pn_node *n, const struct pn_dp_probe_seen *seen, uint64_t now_ns)
{
    char mac[PN_MAC_TEXT_BYTES];
    for (unsigned i = 0; i < n->conf.n_vips; i++) {
        const struct pn_node_vip *vip = &n->conf.vips[i];
        const struct pn_vip_protocol *p = pn_vip_protocols[vip->protocol];
        if (vip->want.id != seen->vip)
            continue;
        if (p && p->probe_seen)
            p->probe_seen(n, vip, seen, now_ns);
        if (seen->kind == PN_PROBE_CONFLICT && pn_node_may_tell(&n->conflict_told_ns[i], CONFLICT_NS, now_ns)) {
            /* Our lease is good, so theirs is not, or there is none: neighbours are told again. */
            struct pn_election_out out = {.orders = {{.type = PN_ORDER_ANNOUNCE, .vip = seen->vip}}, .n = 1};
            pn_node_say(n, PN_LOG_WARNING, "vip", vip->name, "alarm: %s answers for it too; announcing again",
                        pn_mac_format(&seen->mac, mac, sizeof(mac)));
            pn_node_obey(n, &out, false, now_ns);
        }
    }
}
