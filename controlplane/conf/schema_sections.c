/* SPDX-License-Identifier: BSD-3-Clause */
/* Which sections there are; their keys are rows of schema.c. */
#include "controlplane/conf/schema.h"

const struct pn_schema_section pn_schema_sections[PN_SEC_COUNT] = {
    [PN_SEC_CLUSTER] = {"cluster", "cluster", PN_SEC_ROOT, PN_SHAPE_SINGLE, .doc = "What all nodes have in common."},
    [PN_SEC_CLUSTER_SYNC] = {"sync", "cluster.sync", PN_SEC_CLUSTER, PN_SHAPE_SINGLE,
                             .doc = "Which rules are the same on all nodes. One that is switched off stays as it is on "
                                    "each node and is edited there alone; switched on again, what the nodes have by "
                                    "then is merged. The same on all nodes: a list is merged between those that have "
                                    "it on."},
    [PN_SEC_HEARTBEAT] = {"heartbeat", "heartbeat", PN_SEC_ROOT, PN_SHAPE_SINGLE,
                          .doc =
                              "How two or more nodes hear of each other, and how soon one takes over from another. The "
                              "same on all nodes. lease x (1 + drift) + tx-delay must be below (takeover - probe-lead) "
                              "x (1 - drift): then a node's leave to answer is over before another asks whether "
                              "somebody still does."},
    [PN_SEC_FILTER] = {"filter", "filter", PN_SEC_ROOT, PN_SHAPE_SINGLE,
                       .doc =
                           "What the dataplane does for the addresses and networks of the synchronised lists. A client "
                           "in the welcomelist is always let in; otherwise one in the blocklist begins no new "
                           "connection. Connections that stand go on."},
    [PN_SEC_NODE] = {"node", "node", PN_SEC_ROOT, PN_SHAPE_LIST, offsetof(struct pn_conf, nodes),
                     offsetof(struct pn_conf, n_nodes), sizeof(struct pn_conf_node),
                     offsetof(struct pn_conf_node, where), PN_MAX_NODES,
                     .doc = "A machine that runs Postern. A node finds itself by its host name, or by the name that "
                            "posternd is started with."},
    [PN_SEC_NODE_PORT] = {"port", "node.port", PN_SEC_NODE, PN_SHAPE_ARRAY, offsetof(struct pn_conf_node, ports),
                          offsetof(struct pn_conf_node, n_ports), sizeof(struct pn_conf_port),
                          offsetof(struct pn_conf_port, where), PN_MAX_PORTS, .ordered = true, .restart = true,
                          .doc =
                              "A port of the dataplane. Virtual addresses and gateways name it, so a port that "
                              "leads to the same network has the same name on every node. The first is the default."},
    [PN_SEC_NODE_PATH] = {"path", "node.path", PN_SEC_NODE, PN_SHAPE_ARRAY, offsetof(struct pn_conf_node, paths),
                          offsetof(struct pn_conf_node, n_paths), sizeof(struct pn_conf_path),
                          offsetof(struct pn_conf_path, where), PN_CONF_MAX_PATHS, .ordered = true,
                          .doc =
                              "A way for heartbeats from this node to the others; a path that leads to the same "
                              "network has the same name on every node. The first should be the network of the virtual "
                              "addresses, since heartbeats prove that mail can come in there. Default: one path, "
                              "over the first port, with that port's addresses."},
    [PN_SEC_NODE_DATAPLANE] = {"dataplane", "node.dataplane", PN_SEC_NODE, PN_SHAPE_SINGLE,
                               .doc = "Resources of postern-dp. Changes need a restart of it."},
    [PN_SEC_NODE_METRICS] = {"metrics", "node.metrics", PN_SEC_NODE, PN_SHAPE_SINGLE,
                             .doc = "Prometheus endpoint of posternd."},
    [PN_SEC_NODE_MESH] = {"mesh", "node.mesh", PN_SEC_NODE, PN_SHAPE_SINGLE,
                          .doc = "The connections between the nodes of a cluster."},
    [PN_SEC_VIP] = {"vip", "vip", PN_SEC_ROOT, PN_SHAPE_LIST, offsetof(struct pn_conf, vips),
                    offsetof(struct pn_conf, n_vips), sizeof(struct pn_conf_vip), offsetof(struct pn_conf_vip, where),
                    PN_MAX_VIPS, .doc = "A virtual address. One node at a time owns it and answers ARP or NDP for it."},
    [PN_SEC_GATEWAY] = {"gateway", "gateway", PN_SEC_ROOT, PN_SHAPE_LIST, offsetof(struct pn_conf, gateways),
                        offsetof(struct pn_conf, n_gateways), sizeof(struct pn_conf_gateway),
                        offsetof(struct pn_conf_gateway, where), PN_MAX_GATEWAYS,
                        .doc = "A mail server that accepts the connections. Its name takes part in the choice of "
                               "gateway for a client: renaming one moves clients."},
    [PN_SEC_CHECK] = {"check", "check", PN_SEC_ROOT, PN_SHAPE_LIST, offsetof(struct pn_conf, checks),
                      offsetof(struct pn_conf, n_checks), sizeof(struct pn_conf_check),
                      offsetof(struct pn_conf_check, where), PN_CONF_MAX_CHECKS,
                      .doc = "A health check. Pools name the checks that their gateways must pass."},
    [PN_SEC_POOL] = {"pool", "pool", PN_SEC_ROOT, PN_SHAPE_LIST, offsetof(struct pn_conf, pools),
                     offsetof(struct pn_conf, n_pools), sizeof(struct pn_conf_pool),
                     offsetof(struct pn_conf_pool, where), PN_CONF_MAX_POOLS,
                     .doc = "Gateways for a service, in one to nine tiers."},
    [PN_SEC_POOL_TIER] = {"tier", "pool.tier", PN_SEC_POOL, PN_SHAPE_ARRAY, offsetof(struct pn_conf_pool, tiers),
                          offsetof(struct pn_conf_pool, n_tiers), sizeof(struct pn_conf_tier),
                          offsetof(struct pn_conf_tier, where), PN_MAX_TIERS_PER_POOL, .ordered = true,
                          .doc = "Gateways of equal rank. The order written is the order of rank: primary first. New "
                                 "connections meet the first tier that has a healthy gateway."},
    [PN_SEC_POOL_TIER_SPILL] = {"spill", "pool.tier.spill", PN_SEC_POOL_TIER, PN_SHAPE_SINGLE,
                                .doc = "When new connections go on to the next tier. A tier enters spill when any "
                                       "measure is at or above its high mark for hold-up, and leaves it when all are "
                                       "at or below their low marks for hold-down. A measure without a high mark is "
                                       "not used. Established connections never move."},
    [PN_SEC_QUARANTINE] = {"quarantine", "quarantine", PN_SEC_ROOT, PN_SHAPE_SINGLE,
                           .doc = "Quarantined mail and reporting records: every node takes them on its disk, and the "
                                  "host collects them. Off until host is set."},
    [PN_SEC_SERVICE] = {"service", "service", PN_SEC_ROOT, PN_SHAPE_LIST, offsetof(struct pn_conf, services),
                        offsetof(struct pn_conf, n_services), sizeof(struct pn_conf_service),
                        offsetof(struct pn_conf_service, where), PN_MAX_SERVICES,
                        .doc = "A TCP port on one or more virtual addresses, and the pool behind it."},
};
