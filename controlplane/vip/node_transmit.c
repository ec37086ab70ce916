/* SPDX-License-Identifier: BSD-3-Clause */
/* Sealed datagrams to the other nodes, over the paths there are. */
#include "controlplane/vip/node.h"

static unsigned transmit_one(struct pn_node *n, const struct pn_node_path *path, const struct pn_addr *from,
                             const struct pn_addr *to, const uint8_t *datagram, size_t bytes, uint32_t tag)
{
    struct {
        struct pn_dp_packet head;
        uint8_t packet[PN_SEAL_MAX_BYTES + PN_WIRE_UDP_MAX_OVERHEAD];
    } m = {.head = {.port = path->port, .vlan = path->vlan, .boottime_ns = n->send_by_ns}};
    struct pn_wire_udp u = {.src = *from, .dst = *to, .src_port = n->conf.udp_port, .dst_port = n->conf.udp_port};
    m.head.bytes = (uint32_t)pn_wire_udp_build(&u, datagram, bytes, m.packet, sizeof(m.packet));
    if (m.head.bytes == 0)
        return 0;
    n->io.send(n->io.arg, PN_DP_PACKET_TX, &m, sizeof(m.head) + m.head.bytes, tag);
    return 1;
}

unsigned pn_node_transmit(struct pn_node *n, unsigned path_at, uint8_t to, const uint8_t *datagram, size_t bytes,
                          uint32_t tag)
{
    const struct pn_node_path *path = &n->conf.paths[path_at];
    unsigned sent = 0;
    if (n->conf.multicast && to == PN_HB_NO_NODE) {
        bool v4 = !pn_addr_is_zero(&path->v4);
        return transmit_one(n, path, v4 ? &path->v4 : &path->v6, v4 ? &n->conf.group_v4 : &n->conf.group_v6, datagram,
                            bytes, tag);
    }
    for (unsigned i = 0; i < PN_MAX_NODES; i++) {
        if (i == n->conf.self || (to != PN_HB_NO_NODE && to != i))
            continue;
        if (!pn_addr_is_zero(&path->v4) && !pn_addr_is_zero(&path->peers[i].v4))
            sent += transmit_one(n, path, &path->v4, &path->peers[i].v4, datagram, bytes, tag);
        else if (!pn_addr_is_zero(&path->v6) && !pn_addr_is_zero(&path->peers[i].v6))
            sent += transmit_one(n, path, &path->v6, &path->peers[i].v6, datagram, bytes, tag);
    }
    return sent;
}

bool pn_node_path_there(const struct pn_node *n, unsigned path, uint8_t node)
{
    return !pn_addr_is_zero(&n->conf.paths[path].peers[node].v4) ||
           !pn_addr_is_zero(&n->conf.paths[path].peers[node].v6);
}

unsigned pn_node_path_to(const struct pn_node *n, uint8_t node)
{
    for (unsigned i = 0; i < n->conf.n_paths; i++)
        if (pn_node_path_there(n, i, node) && !n->watch[node].paths[i].silent)
            return i;
    return 0;
}
