/* SPDX-License-Identifier: BSD-3-Clause */
/* What the configuration says of a node's part in the cluster. Pure. */
#ifndef POSTERN_CLUSTER_SETTINGS_H
#define POSTERN_CLUSTER_SETTINGS_H

#include "controlplane/cluster/cluster.h"
#include "controlplane/conf/conf.h"

/*
 * Fills name, listen and self (endpoints, VIPs, perimeter, version) of options; the rest is the caller's. The addresses
 * told to others are mesh.address and mesh.second-address, else the address of mesh.listen, else those of the node's
 * paths. self without endpoints: nobody can find this node, and it cannot invite; join and being dialled by nobody work.
 */
void pn_cluster_settings(const struct pn_conf *conf, unsigned node, const char *version,
                         struct pn_cluster_options *options);

#endif
