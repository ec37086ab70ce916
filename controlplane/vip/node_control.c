/* SPDX-License-Identifier: BSD-3-Clause */
/* What is ours on the wire, told to the dataplane. */
#include "controlplane/vip/node.h"

static void control_addr(struct pn_dp_control *c, const struct pn_addr *addr)
{
    for (unsigned i = 0; i < c->n_addrs; i++)
        if (pn_addr_equal(&c->addrs[i], addr))
            return;
    if (!pn_addr_is_zero(addr) && c->n_addrs < PN_DP_CONTROL_ADDRS)
        c->addrs[c->n_addrs++] = *addr;
}

/* Its own address on each path, and the start of it that is proved. */
static void control_peer(const struct pn_node *n, struct pn_dp_control *c, uint8_t node, const struct pn_addr *addr)
{
    const struct pn_peer *peer = &n->peers.peers[node];
    if (pn_addr_is_zero(addr) || node == n->conf.self || !n->conf.names[node][0] || c->n_peers == PN_DP_CONTROL_PEERS)
        return;
    c->peers[c->n_peers++] =
        (struct pn_dp_control_peer){.addr = *addr, .boot_id = peer->known ? peer->boot_id : 0, .sender = node};
}

void pn_node_control(struct pn_node *n)
{
    struct pn_dp_control c = {.vrrp = n->conf.watch_vrrp};
    for (unsigned i = 0; i < n->conf.n_vips; i++) {
        c.vrrp |= n->conf.vips[i].protocol == PN_VIP_VRRP;
    }
    if (n->conf.n_nodes > 1) {
        c.heartbeat_udp_port = n->conf.udp_port;
        for (unsigned i = 0; i < n->conf.n_paths; i++) {
            c.networks[c.n_networks++] =
                (struct pn_dp_control_network){.port = n->conf.paths[i].port, .vlan = n->conf.paths[i].vlan};
            control_addr(&c, &n->conf.paths[i].v4);
            control_addr(&c, &n->conf.paths[i].v6);
            for (uint8_t k = 0; k < PN_MAX_NODES; k++) {
                control_peer(n, &c, k, &n->conf.paths[i].peers[k].v4);
                control_peer(n, &c, k, &n->conf.paths[i].peers[k].v6);
            }
        }
        if (n->conf.multicast) {
            control_addr(&c, &n->conf.group_v4);
            control_addr(&c, &n->conf.group_v6);
        }
    }
    n->control_ns = 0;
    n->io.send(n->io.arg, PN_DP_CONTROL, &c, sizeof(c), PN_TAG_CONTROL);
}
