/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/actors/roster.h"

static int node_named(const struct pn_conf *conf, const char *name)
{
    for (unsigned i = 0; i < conf->n_nodes; i++)
        if (strcmp(conf->nodes[i].name, name) == 0)
            return (int)i;
    return -1;
}

static const struct pn_cluster_seat *seat_named(const struct pn_cluster_copy *copy, const char *name)
{
    for (unsigned i = 0; i < copy->n_seats; i++)
        if (strcmp(copy->seats[i].name, name) == 0)
            return &copy->seats[i];
    return NULL;
}

unsigned pn_roster_make(const struct pn_conf *conf, const struct pn_cluster_copy *copy,
                        struct pn_roster_row rows[PN_ROSTER_MAX])
{
    unsigned n = 0;

    for (unsigned i = 0; i < copy->n_seats; i++) {
        const struct pn_cluster_seat *seat = &copy->seats[i];
        struct pn_roster_row *row = &rows[n++];

        *row = (struct pn_roster_row){.name = seat->name, .node = node_named(conf, seat->name), .seat = seat};
        for (unsigned p = 0; p < copy->status.n_peers; p++) {
            if (!pn_id_equal(&copy->status.peers[p].id, &seat->id))
                continue;
            row->peer = &copy->status.peers[p];
            row->skewed = copy->status.skewed[p];
        }
    }
    for (unsigned i = 0; i < conf->n_nodes; i++)
        if (!seat_named(copy, conf->nodes[i].name))
            rows[n++] = (struct pn_roster_row){.name = conf->nodes[i].name, .node = (int)i};
    return n;
}

bool pn_roster_complete(const struct pn_conf *conf, unsigned node, const struct pn_cluster_copy *copy)
{
    if (copy->status.state != PN_CLUSTER_ACTIVE)
        return false;
    for (unsigned i = 0; i < conf->n_nodes; i++) {
        const struct pn_cluster_seat *seat = seat_named(copy, conf->nodes[i].name);
        if (i != node && (!seat || seat->number < 0 || !seat->version[0]))
            return false;
    }
    return true;
}
