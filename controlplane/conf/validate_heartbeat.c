/* SPDX-License-Identifier: BSD-3-Clause */
/* What two or more nodes need, and the times that must fit (docs/ownership.md, "Times"). */
#include <string.h>

#include "common/addr.h"
#include "controlplane/conf/validate.h"

#define HEARTBEAT_VIPS_MAX 47u /* rows of one datagram */
#define VRRP_ADDRS_MAX 16u /* PN_VRRP_MAX_ADDRS */

static void validate_times(struct pn_validate *v)
{
    const struct pn_conf_heartbeat *h = &v->conf->heartbeat;
    static const struct pn_conf_where none = {0};
    pn_validate_at(v, &none, "", "%s", "");
    if (h->probe_lead_ms >= h->takeover_ms) {
        pn_validate_error(v, "heartbeat.probe-lead", "found %u ms, expected less than takeover (%u ms)",
                          h->probe_lead_ms, h->takeover_ms);
        return;
    }
    double wait = h->takeover_ms - h->probe_lead_ms, drift = h->drift / 100;
    double used = h->lease_ms * (1 + drift) + h->tx_delay_ms, left = wait * (1 - drift);
    if (used >= left)
        pn_validate_error(v, "heartbeat.lease",
                          "lease x (1 + drift) + tx-delay = %.2f ms, expected less than (takeover - probe-lead) x (1 - "
                          "drift) = %.2f ms: two nodes could answer at a time",
                          used, left);
    if (h->lease_ms < 2 * h->interval_ms)
        pn_validate_error(v, "heartbeat.lease",
                          "found %u ms, expected at least twice the interval (%u ms): one late heartbeat would end it",
                          h->lease_ms, h->interval_ms);
    if (wait < 2.0 * h->interval_ms)
        pn_validate_error(v, "heartbeat.takeover",
                          "takeover - probe-lead = %.0f ms, expected at least twice the interval (%u ms): one lost "
                          "heartbeat would look like a death",
                          wait, h->interval_ms);
    if (h->mode == PN_CONF_MULTICAST && (!pn_addr_is_v4(&h->group_v4) || h->group_v4.b[12] >> 4 != 0xe))
        pn_validate_error(v, "heartbeat.group-v4", "expected an IPv4 multicast address (224.0.0.0/4)");
    if (h->mode == PN_CONF_MULTICAST && (pn_addr_is_v4(&h->group_v6) || h->group_v6.b[0] != 0xff))
        pn_validate_error(v, "heartbeat.group-v6", "expected an IPv6 multicast address (ff00::/8)");
}

static const struct pn_conf_path *path_find(const struct pn_conf_node *node, const char *name)
{
    for (unsigned i = 0; i < node->n_paths; i++)
        if (strcmp(node->paths[i].name, name) == 0)
            return &node->paths[i];
    return NULL;
}

static bool port_there(const struct pn_conf_node *node, const char *name)
{
    for (unsigned i = 0; i < node->n_ports; i++)
        if (strcmp(node->ports[i].name, name) == 0)
            return true;
    return false;
}

static void validate_address(struct pn_validate *v, const struct pn_conf_node *node, const struct pn_conf_path *path,
                             const char *key, const struct pn_addr *addr, bool v4)
{
    const struct pn_conf *conf = v->conf;
    if (pn_addr_is_zero(addr))
        return;
    if (pn_addr_is_v4(addr) != v4 || !pn_addr_is_unicast_host(addr)) {
        pn_validate_error(v, key, "expected an IPv%d address that a host can have", v4 ? 4 : 6);
        return;
    }
    for (unsigned i = 0; i < conf->n_vips; i++)
        if (pn_addr_equal(&conf->vips[i].addr, addr))
            pn_validate_error(v, key, "is that of vip %s: expected the node's own", conf->vips[i].name);
    for (const struct pn_conf_node *other = conf->nodes; other < conf->nodes + conf->n_nodes; other++)
        for (unsigned i = 0; i < other->n_paths; i++)
            if (other < node && &other->paths[i] != path &&
                pn_addr_equal(v4 ? &other->paths[i].address_v4 : &other->paths[i].address_v6, addr))
                pn_validate_error(v, key, "is already node %s's", other->name);
}

static void validate_path(struct pn_validate *v, const struct pn_conf_node *node, const struct pn_conf_path *path)
{
    const struct pn_conf *conf = v->conf;
    if (!path->implied)
        pn_validate_at(v, &path->where, path->name, "node.%s.path.%s", node->name, path->name);
    else
        pn_validate_at(v, &path->where, path->name, "node.%s.port.%s", node->name, path->name);
    if (path->port[0] && !port_there(node, path->port))
        pn_validate_error(v, "port", "node %s has no port \"%s\"", node->name, path->port);
    if (pn_addr_is_zero(&path->address_v4) && pn_addr_is_zero(&path->address_v6)) {
        pn_validate_error(
            v, "address-v4",
            "missing, expected this node's address for heartbeats (or address-v6): there is more than one "
            "node");
        return;
    }
    validate_address(v, node, path, "address-v4", &path->address_v4, true);
    validate_address(v, node, path, "address-v6", &path->address_v6, false);
    for (const struct pn_conf_node *other = conf->nodes; other < node; other++) {
        const struct pn_conf_path *there = path_find(other, path->name);
        if (!there)
            continue;
        bool v4 = !pn_addr_is_zero(&path->address_v4) && !pn_addr_is_zero(&there->address_v4);
        bool v6 = !pn_addr_is_zero(&path->address_v6) && !pn_addr_is_zero(&there->address_v6);
        if (!v4 && !v6 && !(pn_addr_is_zero(&there->address_v4) && pn_addr_is_zero(&there->address_v6)))
            pn_validate_error(v, "address-v4", "node %s has no address of this family on path %s", other->name,
                              path->name);
    }
}

static void validate_nodes(struct pn_validate *v)
{
    const struct pn_conf *conf = v->conf;
    for (unsigned i = 0; i < conf->n_nodes; i++) {
        const struct pn_conf_node *node = &conf->nodes[i];
        pn_validate_at(v, &node->where, node->name, "node.%s", node->name);
        for (unsigned j = 0; j < i; j++)
            if (conf->nodes[j].number == node->number)
                pn_validate_error(v, "number", "%u is already node %s's", node->number, conf->nodes[j].name);
        if (conf->n_nodes == 1)
            continue;
        for (unsigned j = 0; j < i; j++) {
            bool common = false;
            for (unsigned p = 0; p < node->n_paths; p++)
                common |= path_find(&conf->nodes[j], node->paths[p].name) != NULL;
            if (!common && node->n_paths && conf->nodes[j].n_paths)
                pn_validate_error(v, "path", "no path has the same name as one of node %s", conf->nodes[j].name);
        }
        for (unsigned p = 0; p < node->n_paths; p++)
            validate_path(v, node, &node->paths[p]);
    }
}

/* Addresses of one virtual router (docs/ownership.md, "VRRP"). */
static bool same_router(const struct pn_conf_vip *a, const struct pn_conf_vip *b)
{
    return a->protocol == PN_CONF_VRRP && b->protocol == PN_CONF_VRRP && a->vrid == b->vrid &&
           strcmp(a->port, b->port) == 0 && a->vlan == b->vlan && pn_addr_is_v4(&a->addr) == pn_addr_is_v4(&b->addr);
}

static void validate_router(struct pn_validate *v, unsigned at)
{
    const struct pn_conf_vip *vip = &v->conf->vips[at], *first = NULL;
    struct pn_mac mac = pn_conf_vip_mac(vip);
    unsigned count = 1;
    for (unsigned j = 0; j < at; j++) {
        if (!same_router(vip, &v->conf->vips[j]))
            continue;
        first = first ? first : &v->conf->vips[j];
        count++;
    }
    if (!first)
        return;
    struct pn_mac other = pn_conf_vip_mac(first);
    const char *key = memcmp(vip->priority, first->priority, sizeof(vip->priority)) != 0 ? "priority"
                      : vip->vrrp_interval_ms != first->vrrp_interval_ms                 ? "vrrp-interval"
                      : vip->preempt != first->preempt                                   ? "preempt"
                      : vip->preempt_delay_ms != first->preempt_delay_ms                 ? "preempt-delay"
                      : memcmp(&mac, &other, sizeof(mac)) != 0                           ? "mac"
                                                                                         : NULL;
    if (key)
        pn_validate_error(v, key, "differs from vip %s's: both are virtual router %u on this network", first->name,
                          vip->vrid);
    if (count == VRRP_ADDRS_MAX + 1)
        pn_validate_error(v, "vrid",
                          "more than %u addresses with id %u on this network: an advertisement holds no more",
                          VRRP_ADDRS_MAX, vip->vrid);
}

static void validate_vrrp(struct pn_validate *v, unsigned at)
{
    const struct pn_conf *conf = v->conf;
    const struct pn_conf_vip *vip = &conf->vips[at];
    struct pn_mac mac = pn_conf_vip_mac(vip);
    if (vip->vrid == 0)
        pn_validate_error(v, "vrid", "missing, expected a number from 1 to 255: protocol is vrrp");
    if (vip->vrrp_interval_ms % 10 != 0)
        pn_validate_error(v, "vrrp-interval", "found %u ms, expected a multiple of 10 ms", vip->vrrp_interval_ms);
    if (vip->prefer == PN_CONF_EXCLUSIVE)
        pn_validate_error(v, "prefer", "exclusive needs votes, which protocol vrrp does not have");
    if (vip->group[0])
        pn_validate_error(v, "group", "is for protocol sealed: with vrrp, addresses with the same vrid move together");
    if (!pn_mac_is_zero(&mac) && !pn_mac_is_multicast(&vip->mac))
        pn_validate_error(v, "mac", "expected auto or port: protocol vrrp has a MAC address of its own");
    for (unsigned i = 0; i < conf->n_nodes && pn_addr_is_v4(&vip->addr); i++) {
        struct pn_addr source = pn_conf_vip_source(&conf->nodes[i], vip);
        if (vip->priority[i] && pn_addr_is_zero(&source))
            pn_validate_error(v, "protocol",
                              "vrrp needs node %s's own IPv4 address on this network as sender: set address-v4 of its "
                              "%s",
                              conf->nodes[i].name, vip->vlan ? "path with this VLAN" : "port");
    }
    validate_router(v, at);
}

static void validate_vip(struct pn_validate *v, unsigned at)
{
    const struct pn_conf *conf = v->conf;
    const struct pn_conf_heartbeat *h = &conf->heartbeat;
    const struct pn_conf_vip *vip = &conf->vips[at];
    pn_validate_at(v, &vip->where, vip->name, "vip.%s", vip->name);
    if (vip->protocol == PN_CONF_VRRP)
        validate_vrrp(v, at);
    else if (vip->vrid != 0)
        pn_validate_error(v, "vrid", "is for protocol vrrp, but protocol is sealed");
    if (vip->prefer == PN_CONF_EXCLUSIVE && conf->n_nodes == 2)
        pn_validate_warning(v, "prefer",
                            "exclusive with two nodes: when one dies nobody answers until postern vip force (a third "
                            "node, with priority 0, would decide)");
    if (vip->prefer == PN_CONF_EXCLUSIVE && conf->n_nodes > 1 && h->lease_ms < 3 * h->interval_ms)
        pn_validate_warning(
            v, "prefer",
            "exclusive: votes make a round trip, and heartbeat.lease (%u ms) is less than three times the "
            "interval (%u ms): one lost heartbeat may end it, four times is safe",
            h->lease_ms, h->interval_ms);
    for (unsigned j = 0; j < at; j++) {
        const struct pn_conf_vip *other = &conf->vips[j];
        if (vip->group[0] && strcmp(vip->group, other->group) == 0 &&
            memcmp(vip->priority, other->priority, sizeof(vip->priority)) != 0)
            pn_validate_error(v, "group",
                              "vip %s of the same group has other priorities: two nodes would take the group from each "
                              "other for ever",
                              other->name);
    }
}

void pn_validate_heartbeat(struct pn_validate *v)
{
    const struct pn_conf *conf = v->conf;
    validate_nodes(v);
    for (unsigned i = 0; i < conf->n_vips; i++)
        validate_vip(v, i);
    if (conf->n_nodes < 2)
        return;
    validate_times(v);
    if (conf->n_vips > HEARTBEAT_VIPS_MAX)
        pn_validate_error(v, "vip",
                          "%u of them, expected at most %u with more than one node: a heartbeat carries no more",
                          conf->n_vips, HEARTBEAT_VIPS_MAX);
}
