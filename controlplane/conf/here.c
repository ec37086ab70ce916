/* SPDX-License-Identifier: BSD-3-Clause */
/* The configuration beside the machine that it is for: interfaces and networks that are not there. */
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controlplane/conf/conf.h"
#include "controlplane/conf/report.h"

static struct pn_addr link_address(const struct sockaddr *sa)
{
    struct pn_addr addr = {.b = {0}};
    if (sa->sa_family == AF_INET)
        return pn_addr_from_v4(((const struct sockaddr_in *)(const void *)sa)->sin_addr.s_addr);
    memcpy(addr.b, &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr, sizeof(addr.b));
    return addr;
}

/* Bits that are set from the front; of IPv4 after the 96 that all have. */
static uint8_t link_prefix_length(const struct sockaddr *mask)
{
    struct pn_addr bits = link_address(mask);
    unsigned n = mask->sa_family == AF_INET ? 96 : 0;
    while (n < 128 && bits.b[n / 8] >> (7 - n % 8) & 1)
        n++;
    return (uint8_t)n;
}

struct pn_conf_link *pn_conf_links(unsigned *n)
{
    struct ifaddrs *all, *a;
    unsigned count = 0;
    if (getifaddrs(&all) != 0)
        return NULL;
    for (a = all; a; a = a->ifa_next)
        count++;
    struct pn_conf_link *links = calloc(count + 1, sizeof(*links));
    *n = 0;
    for (a = all; links && a; a = a->ifa_next) {
        struct pn_conf_link *l = &links[(*n)++];
        snprintf(l->interface, sizeof(l->interface), "%s", a->ifa_name);
        if (!a->ifa_addr || !a->ifa_netmask ||
            (a->ifa_addr->sa_family != AF_INET && a->ifa_addr->sa_family != AF_INET6))
            continue;
        l->has_address = true;
        l->address = link_address(a->ifa_addr);
        l->network.len = link_prefix_length(a->ifa_netmask);
        l->network.addr = pn_addr_masked(&l->address, l->network.len);
    }
    freeifaddrs(all);
    return links;
}

struct here {
    const struct pn_conf_link *links;
    unsigned n_links;
    struct pn_report report;
};

static bool here_has(const struct here *h, const char *interface)
{
    for (unsigned i = 0; i < h->n_links; i++)
        if (strcmp(h->links[i].interface, interface) == 0)
            return true;
    return false;
}

static bool is_link_local(const struct pn_addr *a)
{
    return !pn_addr_is_v4(a) && a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
}

static void here_vip(struct here *h, const struct pn_conf_vip *vip, const char *interface)
{
    char key[80], address[PN_ADDR_TEXT_BYTES], network[PN_PREFIX_TEXT_BYTES], networks[120] = "";
    snprintf(key, sizeof(key), "vip.%s.address", vip->name);
    pn_addr_format(&vip->addr, address, sizeof(address));
    for (unsigned i = 0; i < h->n_links; i++) {
        const struct pn_conf_link *l = &h->links[i];
        size_t n = strlen(networks);
        if (strcmp(l->interface, interface) != 0 || !l->has_address || is_link_local(&l->address) ||
            pn_addr_is_v4(&l->address) != pn_addr_is_v4(&vip->addr))
            continue;
        if (pn_addr_equal(&l->address, &vip->addr)) {
            pn_report_add(&h->report, vip->where.file, vip->where.line, 0, key,
                          "%s is on %s of this machine: take it off there, Postern answers for it", address, interface);
            return;
        }
        if (pn_prefix_contains(&l->network, &vip->addr))
            return;
        snprintf(networks + n, sizeof(networks) - n, "%s%s", n ? ", " : "",
                 pn_prefix_format(&l->network, network, sizeof(network)));
    }
    if (networks[0])
        pn_report_add(&h->report, vip->where.file, vip->where.line, 0, key,
                      "%s is in no network of %s on this machine (%s): does a router there ask for it?", address,
                      interface, networks);
}

static void here_own(struct here *h, const struct pn_conf_node *node, const struct pn_conf_port *port,
                     const struct pn_addr *own, const char *which)
{
    char key[96], address[PN_ADDR_TEXT_BYTES];
    bool any = false;
    if (pn_addr_is_zero(own))
        return;
    for (unsigned i = 0; i < h->n_links; i++) {
        const struct pn_conf_link *l = &h->links[i];
        if (strcmp(l->interface, port->interface) != 0 || !l->has_address ||
            pn_addr_is_v4(&l->address) != pn_addr_is_v4(own))
            continue;
        if (pn_addr_equal(&l->address, own))
            return;
        any |= !is_link_local(&l->address);
    }
    if (!any)
        return; /* it may not have its addresses yet */
    snprintf(key, sizeof(key), "node.%s.port.%s.%s", node->name, port->name, which);
    pn_report_add(&h->report, port->where.file, port->where.line, 0, key, "%s is not an address of %s on this machine",
                  pn_addr_format(own, address, sizeof(address)), port->interface);
}

unsigned pn_conf_here(const struct pn_conf *conf, unsigned at, const struct pn_conf_link *links, unsigned n_links,
                      struct pn_conf_error *warnings, unsigned max)
{
    const struct pn_conf_node *node = &conf->nodes[at];
    struct here h = {.links = links, .n_links = n_links, .report = {.rows = warnings, .max = max}};
    for (unsigned p = 0; p < node->n_ports; p++) {
        const struct pn_conf_port *port = &node->ports[p];
        char key[96];
        if (port->kind != PN_PORT_AF_XDP)
            continue;
        snprintf(key, sizeof(key), "node.%s.port.%s.interface", node->name, port->name);
        if (!here_has(&h, port->interface))
            pn_report_add(&h.report, port->where.file, port->where.line, 0, key,
                          "this machine has no interface \"%s\" now (ip link shows what it has)", port->interface);
        here_own(&h, node, port, &port->address_v4, "address-v4");
        here_own(&h, node, port, &port->address_v6, "address-v6");
        for (unsigned i = 0; i < conf->n_vips; i++) {
            const struct pn_conf_vip *vip = &conf->vips[i];
            bool on_it = vip->port[0] ? strcmp(vip->port, port->name) == 0 : p == 0;
            if (on_it && vip->vlan == 0 && vip->priority[at] > 0)
                here_vip(&h, vip, port->interface);
        }
    }
    return h.report.n;
}
