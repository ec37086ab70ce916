/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the mesh share. */
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
    struct pn_listener *listeners[PN_MESH_LISTENERS_MAX];
    unsigned n_listeners;
    uint16_t port;
};

/* mesh_peer.c */
const struct pn_member *pn_mesh_member(const struct pn_mesh *m, const struct pn_id *id); /* NULL: not in the list */
struct mesh_peer *pn_mesh_peer(const struct pn_mesh *m, const struct pn_id *id); /* NULL: none */
const char *pn_mesh_peer_name(const struct mesh_peer *p);
void pn_mesh_tell_up(struct pn_mesh *m, const struct pn_id *id); /* to all channels; they may change the membership */
void pn_mesh_tell_down(struct pn_mesh *m, const struct pn_id *id);
void pn_mesh_dial_later(struct mesh_peer *p); /* the later, the more often it failed */
void pn_mesh_dial_failed(struct mesh_peer *p, const char *reason);
void pn_mesh_peer_add(struct pn_mesh *m, const struct pn_member *row);
void pn_mesh_peer_drop(struct pn_mesh *m, unsigned at);

/* mesh_link.c: makes m->request, for links in and out; m->config is there already. */
void pn_mesh_links_init(struct pn_mesh *m);

/* mesh_transport.c */
void pn_mesh_transport_init(struct pn_mesh *m);

/* mesh_accept.c */
int pn_mesh_listen(struct pn_mesh *m, struct pn_error *err);
void pn_mesh_unlisten(struct pn_mesh *m);

#endif
