/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/cluster/settings.h"

#include <stdio.h>
#include <stdlib.h>

/* "ADDRESS:PORT", "[V6]:PORT" or "*:PORT", checked by the schema. Zero address: all of both families. */
static uint16_t listen_parse(const char *text, struct pn_addr *addr)
{
    char host[PN_ADDR_TEXT_BYTES] = "";
    const char *colon = strrchr(text, ':');
    size_t len = colon ? (size_t)(colon - text) : 0;

    memset(addr, 0, sizeof(*addr));
    if (len >= 2 && text[0] == '[') {
        text++;
        len -= 2;
    }
    if (len < sizeof(host))
        memcpy(host, text, len);
    if (strcmp(host, "*") != 0)
        pn_addr_parse(host, addr, NULL);
    return colon ? (uint16_t)atoi(colon + 1) : PN_CLUSTER_PORT;
}

static void endpoint_add(struct pn_member *self, const struct pn_addr *addr, uint16_t port)
{
    if (pn_addr_is_zero(addr) || self->n_endpoints == PN_MEMBER_ENDPOINTS_MAX)
        return;
    for (unsigned i = 0; i < self->n_endpoints; i++)
        if (pn_addr_equal(&self->endpoints[i].addr, addr))
            return;
    self->endpoints[self->n_endpoints++] = (struct pn_endpoint){*addr, port};
}

void pn_cluster_settings(const struct pn_conf *conf, unsigned node, const char *version,
                         struct pn_cluster_options *options)
{
    static const struct pn_member empty;
    const struct pn_conf_node *n = &conf->nodes[node];
    struct pn_member *self = &options->self;
    struct pn_addr listen, any_v4 = pn_addr_from_v4(0);
    uint16_t port = listen_parse(n->mesh_listen, &listen);

    memcpy(options->name, n->name, sizeof(options->name));
    options->n_listen = 0;
    if (pn_addr_is_zero(&listen)) { /* "*" */
        options->listen[options->n_listen++] = (struct pn_endpoint){any_v4, port};
        options->listen[options->n_listen++] = (struct pn_endpoint){listen, port};
    } else {
        options->listen[options->n_listen++] = (struct pn_endpoint){listen, port};
    }

    *self = empty;
    endpoint_add(self, &n->mesh_address[0], port);
    endpoint_add(self, &n->mesh_address[1], port);
    if (self->n_endpoints == 0 && !pn_addr_equal(&listen, &any_v4))
        endpoint_add(self, &listen, port);
    for (unsigned i = 0; self->n_endpoints == 0 && i < n->n_paths; i++) {
        endpoint_add(self, &n->paths[i].address_v4, port);
        endpoint_add(self, &n->paths[i].address_v6, port);
    }
    for (unsigned i = 0; i < conf->n_vips && self->vips.n < PN_MEMBER_NETWORKS_MAX; i++)
        if (conf->vips[i].priority[node] > 0)
            self->vips.list[self->vips.n++] = (struct pn_prefix){conf->vips[i].addr, 128};
    for (unsigned i = 0; i < conf->n_perimeter && i < PN_MEMBER_NETWORKS_MAX; i++)
        self->extra.list[self->extra.n++] = conf->perimeter[i];
    snprintf(self->version, sizeof(self->version), "%s", version);
}
