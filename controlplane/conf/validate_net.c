/* SPDX-License-Identifier: BSD-3-Clause */
/* Nodes, virtual addresses and gateways. */
#include <ctype.h>

#include "common/addr.h"
#include "controlplane/conf/schema.h"
#include "controlplane/conf/validate.h"

static void validate_port_type(struct pn_validate *v, const struct pn_conf_port *port)
{
    if (port->kind == PN_PORT_AF_XDP) {
        if (!port->interface[0])
            pn_validate_error(v, "interface", "missing, expected the kernel's interface: type is af_xdp");
        if (port->device[0])
            pn_validate_error(v, "device", "is for type dpdk, but type is af_xdp");
        if (port->exception[0])
            pn_validate_error(v, "exception", "is for type dpdk, but type is af_xdp");
        return;
    }
    if (!port->device[0])
        pn_validate_error(v, "device", "missing, expected a PCI address or a virtual device: type is dpdk");
    if (port->device[0] && !strpbrk(port->device, ":_"))
        pn_validate_warning(
            v, "device",
            "\"%.40s\" is neither a PCI address (0000:03:00.0; ethtool -i says it) nor a virtual device "
            "(net_...)",
            port->device);
    if (port->interface[0])
        pn_validate_error(v, "interface", "is for type af_xdp, but type is dpdk");
    if (port->force_copy)
        pn_validate_error(v, "force-copy", "is for type af_xdp, but type is dpdk");
    for (const char *c = port->device; *c; c++) {
        if (!isgraph((unsigned char)*c) || *c == ';') {
            pn_validate_error(v, "device", "found \"%s\", expected a device without blanks and semicolons",
                              port->device);
            break;
        }
    }
}

static void validate_port(struct pn_validate *v, const struct pn_conf_node *node, unsigned i)
{
    const struct pn_conf_port *port = &node->ports[i];
    pn_validate_at(v, &port->where, port->name, "node.%s.port.%s", node->name, port->name);
    validate_port_type(v, port);
    for (unsigned j = 0; j < i; j++) {
        const struct pn_conf_port *other = &node->ports[j];
        if (port->interface[0] && strcmp(port->interface, other->interface) == 0)
            pn_validate_error(v, "interface", "\"%s\" is already port %s's", port->interface, other->name);
        if (port->device[0] && strcmp(port->device, other->device) == 0)
            pn_validate_error(v, "device", "\"%s\" is already port %s's", port->device, other->name);
        if (port->exception[0] && strcmp(port->exception, other->exception) == 0)
            pn_validate_error(v, "exception", "\"%s\" is already port %s's", port->exception, other->name);
    }
    if (port->exception[0] && strcmp(port->exception, node->local_interface) == 0)
        pn_validate_error(v, "exception", "\"%s\" is already local-interface", port->exception);
    const struct pn_addr *v4 = &port->address_v4, *v6 = &port->address_v6;
    if (!pn_addr_is_zero(v4) && (!pn_addr_is_v4(v4) || !pn_addr_is_unicast_host(v4)))
        pn_validate_error(v, "address-v4", "expected an IPv4 address that a host can have");
    if (!pn_addr_is_zero(v6) && (pn_addr_is_v4(v6) || !pn_addr_is_unicast_host(v6)))
        pn_validate_error(v, "address-v6", "expected an IPv6 address that a host can have");
    if (port->queues < node->workers)
        pn_validate_warning(v, "queues", "fewer queues (%u) than workers (%u): some workers receive nothing here",
                            port->queues, node->workers);
}

void pn_validate_nodes(struct pn_validate *v)
{
    const struct pn_conf *conf = v->conf;
    if (conf->n_nodes == 0)
        pn_validate_error(v, "node", "missing, expected at least one section: node \"NAME\" { ... }");
    for (unsigned i = 0; i < conf->n_nodes; i++) {
        const struct pn_conf_node *node = &conf->nodes[i];
        pn_validate_at(v, &node->where, node->name, "node.%s", node->name);
        if (node->n_ports == 0)
            pn_validate_error(v, "port", "missing, expected at least one section: port \"NAME\" { ... }");
        if (node->memory_mb > 0 && node->memory_mb < 32)
            pn_validate_error(v, "dataplane.memory-mb", "found %u, expected 0 (computed) or at least 32",
                              node->memory_mb);
        for (unsigned p = 0; p < node->n_ports; p++)
            validate_port(v, node, p);
    }
}

static bool node_has_port(const struct pn_conf_node *node, const char *name)
{
    for (unsigned i = 0; i < node->n_ports; i++)
        if (strcmp(node->ports[i].name, name) == 0)
            return true;
    return false;
}

static bool node_has_address(const struct pn_conf_node *node, const struct pn_addr *addr)
{
    for (unsigned i = 0; i < node->n_ports; i++)
        if (pn_addr_equal(&node->ports[i].address_v4, addr) || pn_addr_equal(&node->ports[i].address_v6, addr))
            return true;
    return false;
}

static void validate_priorities(struct pn_validate *v, const struct pn_conf_vip *vip)
{
    const struct pn_conf *conf = v->conf;
    unsigned usable = 0;
    if (conf->n_nodes > 1 && !vip->has_priority) {
        pn_validate_error(v, "priority", "missing, expected a priority for each node: priority { %s = 200; ... }",
                          conf->nodes[0].name);
        return;
    }
    for (unsigned i = 0; i < conf->n_nodes; i++) {
        if (vip->priority[i] == 0)
            continue;
        usable++;
        if (vip->port[0] && !node_has_port(&conf->nodes[i], vip->port))
            pn_validate_error(v, "port", "node %s has no port \"%s\"", conf->nodes[i].name, vip->port);
        for (unsigned j = 0; j < i; j++)
            if (vip->priority[j] == vip->priority[i])
                pn_validate_warning(v, "priority",
                                    "nodes %s and %s have the same: which one owns the address is chance",
                                    conf->nodes[j].name, conf->nodes[i].name);
    }
    if (usable == 0 && conf->n_nodes > 0)
        pn_validate_error(v, "priority", "no node has a priority above 0: nobody could own the address");
}

void pn_validate_vips(struct pn_validate *v)
{
    const struct pn_conf *conf = v->conf;
    bool used[PN_MAX_VIPS] = {false};
    for (unsigned i = 0; i < conf->n_services; i++)
        for (unsigned j = 0; j < conf->services[i].n_vips; j++)
            used[conf->services[i].vips[j]] = true;
    for (unsigned i = 0; i < conf->n_vips; i++) {
        const struct pn_conf_vip *vip = &conf->vips[i];
        pn_validate_at(v, &vip->where, vip->name, "vip.%s", vip->name);
        validate_priorities(v, vip);
        if (!used[i])
            pn_validate_warning(v, "", "no service uses it");
        if (pn_addr_is_zero(&vip->addr))
            continue; /* already reported */
        char address[PN_ADDR_TEXT_BYTES];
        pn_addr_format(&vip->addr, address, sizeof(address));
        if (!pn_addr_is_unicast_host(&vip->addr))
            pn_validate_error(v, "address", "found %s, expected an address that a host can have", address);
        for (unsigned j = 0; j < i; j++)
            if (pn_addr_equal(&vip->addr, &conf->vips[j].addr))
                pn_validate_error(v, "address", "%s is already that of vip %s", address, conf->vips[j].name);
        /* With more nodes their paths are looked at, and name the VIP. */
        if (conf->n_nodes == 1 && node_has_address(&conf->nodes[0], &vip->addr))
            pn_validate_error(v, "address", "%s is node %s's own: expected one that no machine has", address,
                              conf->nodes[0].name);
    }
}

/* Mode local: on its node, or on every node, delivery needs the tap. */
static void validate_local(struct pn_validate *v, const struct pn_conf_gateway *gw)
{
    const struct pn_conf *conf = v->conf;
    char hint[160];
    bool found = !gw->node[0];
    for (unsigned i = 0; i < conf->n_nodes; i++) {
        const struct pn_conf_node *node = &conf->nodes[i];
        if (gw->node[0] && strcmp(gw->node, node->name) != 0)
            continue;
        found = true;
        if (gw->mode == PN_FWD_LOCAL && !node->local_interface[0])
            pn_validate_error(v, "mode", "local needs local-interface on node %s, which has none", node->name);
    }
    if (!found)
        pn_validate_error(v, "node", "found \"%s\", expected the name of a node: %s", gw->node,
                          pn_schema_no_such(PN_SEC_NODE, conf, gw->node, hint, sizeof(hint)));
    else if (gw->node[0] && gw->mode != PN_FWD_LOCAL)
        pn_validate_error(v, "node", "is for mode local, but mode is l2dsr");
}

static void validate_gateway_address(struct pn_validate *v, const struct pn_conf_gateway *gw)
{
    static const struct pn_addr loopback6 = {.b = {[15] = 1}};
    const struct pn_conf *conf = v->conf;
    bool loopback = (pn_addr_is_v4(&gw->addr) && gw->addr.b[12] == 127) || pn_addr_equal(&gw->addr, &loopback6);
    bool own = gw->mode == PN_FWD_LOCAL && (!gw->node[0] || conf->n_nodes == 1);
    char address[PN_ADDR_TEXT_BYTES];
    pn_addr_format(&gw->addr, address, sizeof(address));
    if (!pn_addr_is_unicast_host(&gw->addr) && !(own && loopback))
        pn_validate_error(v, "address", "found %s, expected an address that a host can have%s", address,
                          loopback ? " (loopback is for mode local on every node)" : "");
    for (unsigned i = 0; i < conf->n_vips; i++) {
        const struct pn_conf_vip *vip = &conf->vips[i];
        if (pn_addr_equal(&gw->addr, &vip->addr))
            pn_validate_error(v, "address", "%s is that of vip %s: expected the gateway's own", address, vip->name);
        else if (pn_addr_equal(&gw->check_addr, &vip->addr))
            pn_validate_error(v, "check-address", "is that of vip %s: a check of it says nothing of this gateway",
                              vip->name);
    }
    for (unsigned i = 0; i < conf->n_nodes && gw->mode == PN_FWD_L2DSR; i++)
        if (node_has_address(&conf->nodes[i], &gw->addr))
            pn_validate_warning(v, "address",
                                "%s is node %s's own: connections that it owns cannot reach it there without mode = "
                                "local and node = \"%s\"",
                                address, conf->nodes[i].name, conf->nodes[i].name);
}

void pn_validate_gateways(struct pn_validate *v)
{
    const struct pn_conf *conf = v->conf;
    bool used[PN_MAX_GATEWAYS] = {false};
    for (unsigned p = 0; p < conf->n_pools; p++)
        for (unsigned t = 0; t < conf->pools[p].n_tiers; t++)
            for (unsigned i = 0; i < conf->pools[p].tiers[t].n_gateways; i++)
                used[conf->pools[p].tiers[t].gateways[i]] = true;
    for (unsigned i = 0; i < conf->n_gateways; i++) {
        const struct pn_conf_gateway *gw = &conf->gateways[i];
        pn_validate_at(v, &gw->where, gw->name, "gateway.%s", gw->name);
        validate_local(v, gw);
        for (unsigned n = 0; gw->port[0] && n < conf->n_nodes; n++)
            if (!node_has_port(&conf->nodes[n], gw->port))
                pn_validate_error(v, "port", "node %s has no port \"%s\"", conf->nodes[n].name, gw->port);
        if (!used[i])
            pn_validate_warning(v, "", "no tier uses it");
        if (pn_addr_is_zero(&gw->addr))
            continue; /* already reported */
        validate_gateway_address(v, gw);
        for (unsigned j = 0; j < i; j++)
            if (pn_addr_equal(&gw->addr, &conf->gateways[j].addr))
                pn_validate_warning(v, "address", "is also that of gateway %s: its connections are counted apart",
                                    conf->gateways[j].name);
    }
}
