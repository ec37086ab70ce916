/* SPDX-License-Identifier: BSD-3-Clause */
#include <openssl/evp.h>

#include "common/addr.h"
#include "controlplane/conf/load.h"
#include "controlplane/conf/schema.h"

#define LOW_OF_HIGH 0.75

static void finish_tier(struct pn_conf_tier *tier)
{
    for (unsigned m = 0; m < PN_MEASURE_COUNT; m++) {
        struct pn_conf_mark *mark = &tier->marks[m];
        if (mark->low < 0)
            mark->low = mark->high * LOW_OF_HIGH;
        tier->has_marks |= mark->high > 0;
    }
}

/* The same on every node and for ever: clients keep their gateways over restarts and upgrades. */
static uint64_t finish_seed(const char *name)
{
    unsigned char sum[EVP_MAX_MD_SIZE] = {0};
    unsigned len = 0;
    uint64_t seed = 0;
    EVP_Digest(name, strlen(name), sum, &len, EVP_sha256(), NULL);
    for (unsigned i = 0; i < 8; i++)
        seed = seed << 8 | sum[i];
    return seed ? seed : 1;
}

/* Heartbeats go where the virtual addresses are, unless something else was written. */
static void finish_paths(const struct pn_conf *conf, struct pn_conf_node *node)
{
    if (node->n_paths == 0 && node->n_ports > 0 && conf->n_nodes > 1) {
        struct pn_conf_path *path = &node->paths[node->n_paths++];
        memcpy(path->name, node->ports[0].name, sizeof(path->name));
        path->where = node->ports[0].where;
        path->implied = true;
    }
    for (unsigned i = 0; i < node->n_paths; i++) {
        struct pn_conf_path *path = &node->paths[i];
        for (unsigned p = 0; p < node->n_ports; p++) {
            const struct pn_conf_port *port = &node->ports[p];
            if (path->port[0] ? strcmp(path->port, port->name) != 0 : p > 0)
                continue;
            if (pn_addr_is_zero(&path->address_v4) && pn_addr_is_zero(&path->address_v6)) {
                path->address_v4 = port->address_v4;
                path->address_v6 = port->address_v6;
            }
        }
    }
}

/* RFC 9568, 7.3 for VRRP; else locally administered, from the name, so that all nodes make the same. */
struct pn_mac pn_conf_vip_mac(const struct pn_conf_vip *vip)
{
    static const struct pn_mac by_protocol = PN_CONF_MAC_BY_PROTOCOL, ports = {{0}};
    uint32_t hash = 2166136261u;
    if (!pn_mac_is_multicast(&vip->mac))
        return vip->mac;
    if (vip->protocol != PN_CONF_VRRP && memcmp(&vip->mac, &by_protocol, sizeof(by_protocol)) == 0)
        return ports;
    if (vip->protocol == PN_CONF_VRRP)
        return (struct pn_mac){{0, 0, 0x5e, 0, pn_addr_is_v4(&vip->addr) ? 1 : 2, (uint8_t)vip->vrid}};
    for (const char *c = vip->name; *c; c++)
        hash = (hash ^ (uint8_t)*c) * 16777619u;
    return (struct pn_mac){{0x02, 0x50, 0x4e, (uint8_t)(hash >> 16), (uint8_t)(hash >> 8), (uint8_t)hash}};
}

bool pn_conf_is_shared(const struct pn_conf *conf)
{
    for (unsigned i = 0; i < conf->n_vips; i++)
        if (conf->vips[i].protocol == PN_CONF_VRRP)
            return true;
    return conf->n_nodes > 1;
}

static const char *port_name(const struct pn_conf_node *node, const char *name)
{
    return name[0] || !node->n_ports ? name : node->ports[0].name;
}

struct pn_addr pn_conf_vip_source(const struct pn_conf_node *node, const struct pn_conf_vip *vip)
{
    const char *port = port_name(node, vip->port);
    for (unsigned i = 0; i < node->n_paths; i++)
        if (strcmp(port_name(node, node->paths[i].port), port) == 0 && node->paths[i].vlan == vip->vlan &&
            !pn_addr_is_zero(&node->paths[i].address_v4))
            return node->paths[i].address_v4;
    for (unsigned i = 0; i < node->n_ports && vip->vlan == 0; i++)
        if (strcmp(node->ports[i].name, port) == 0)
            return node->ports[i].address_v4;
    return (struct pn_addr){.b = {0}};
}

void pn_conf_finish(struct pn_conf *conf)
{
    for (unsigned i = 0; i < conf->n_nodes; i++) {
        if (conf->nodes[i].number == 0)
            conf->nodes[i].number = (uint16_t)(i + 1);
        finish_paths(conf, &conf->nodes[i]);
    }
    if (conf->steering_seed == 0)
        conf->steering_seed = finish_seed(conf->cluster_name);
    for (unsigned i = 0; i < conf->n_gateways; i++) {
        struct pn_conf_gateway *gw = &conf->gateways[i];
        gw->has_mac = !pn_mac_is_zero(&gw->mac);
        if (pn_addr_is_zero(&gw->check_addr))
            gw->check_addr = gw->addr;
    }
    for (unsigned i = 0; i < conf->n_checks; i++)
        if (conf->checks[i].port == 0)
            conf->checks[i].port = pn_schema_check_port(conf->checks[i].type);
    for (unsigned p = 0; p < conf->n_pools; p++)
        for (unsigned t = 0; t < conf->pools[p].n_tiers; t++)
            finish_tier(&conf->pools[p].tiers[t]);
    for (unsigned i = 0; i < conf->n_vips && conf->n_nodes == 1; i++)
        if (!conf->vips[i].has_priority)
            conf->vips[i].priority[0] = PN_CONF_PRIORITY_ALONE;
}
