/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The configuration's nodes beside the cluster's members. The configuration numbers nodes for heartbeats, the cluster
 * has numbers of its own; what ties the two together is the name. Pure.
 */
#ifndef POSTERN_ACTORS_ROSTER_H
#define POSTERN_ACTORS_ROSTER_H

#include "controlplane/actors/cluster.h"

#define PN_ROSTER_MAX (PN_CLUSTER_SEATS_MAX + PN_MAX_NODES)

struct pn_roster_row {
    const char *name;
    int node; /* position in the configuration; -1: a member that it does not have */
    const struct pn_cluster_seat *seat; /* NULL: configured, not a member */
    const struct pn_transport_peer *peer; /* NULL: this node, or no member */
    bool skewed;
};

/* Members first, by number. The count. Rows point into conf and copy. */
unsigned pn_roster_make(const struct pn_conf *conf, const struct pn_cluster_copy *copy,
                        struct pn_roster_row rows[PN_ROSTER_MAX]);

/*
 * Every other node of the configuration is a member that has said something of itself, which it does once its identity
 * and its keys are on its disk. From then on all nodes can be heard under the cluster's keys.
 */
bool pn_roster_complete(const struct pn_conf *conf, unsigned node, const struct pn_cluster_copy *copy);

#endif
