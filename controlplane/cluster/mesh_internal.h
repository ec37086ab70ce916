/* SPDX-License-Identifier: BSD-3-Clause */
/* What mesh.c and mesh_accept.c share. */
#ifndef POSTERN_CLUSTER_MESH_INTERNAL_H
#define POSTERN_CLUSTER_MESH_INTERNAL_H

#include "controlplane/cluster/mesh.h"

struct event;
struct evconnlistener;

#define MESH_YOUNG_MAX 160u

struct mesh_peer {
    struct pn_mesh *mesh;
    struct pn_id id;
    struct pn_link *link; /* up */
    struct pn_link *dialling; /* not yet */
    struct event *timer; /* for the next dial */
    unsigned failures, turn;
    uint64_t since_ms;
    uint32_t connects;
    char version[PN_MEMBER_VERSION_BYTES];
    uint64_t members_digest, keyring_digest;
    bool digests_known;
    uint64_t reconciled_ms; /* what it lacks was sent because of a ping */
    char reason[160];
};

struct mesh_channel {
    const struct pn_channel_ops *ops;
    void *arg;
};

struct pn_mesh {
    struct pn_transport transport;
    struct pn_mesh_config config;
    struct pn_link_request request;
    struct mesh_peer *peers[PN_MAX_NODES];
    unsigned n_peers;
    struct pn_link *links; /* all of them, those that are leaving too */
    struct pn_link *young[MESH_YOUNG_MAX]; /* accepted, not yet up */
    unsigned n_young;
    struct mesh_channel channels[PN_CHANNEL_MAX];
    struct pn_mesh_counters counters;
    struct evconnlistener *listeners[PN_MESH_LISTENERS_MAX];
    unsigned n_listeners;
    struct event *resume; /* accepting, after descriptors ran out */
    uint16_t port;
};

int pn_mesh_listen(struct pn_mesh *m, struct pn_error *err);
void pn_mesh_unlisten(struct pn_mesh *m);

#endif
