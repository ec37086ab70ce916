/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The transport of two to nine nodes: each keeps one TLS connection to each other active member. Both ends dial, the
 * one with the greater id a little later; when two connections meet, the one that the lesser id dialled stays.
 * Whom to talk to is what the membership says at any moment: a node that is removed there is dropped at once.
 */
#ifndef POSTERN_CLUSTER_MESH_H
#define POSTERN_CLUSTER_MESH_H

#include "controlplane/cluster/link.h"
#include "controlplane/cluster/transport.h"

#define PN_MESH_LISTENERS_MAX 8u

struct pn_mesh_timing {
    uint32_t backoff_min_ms, backoff_max_ms;
    uint32_t second_dialler_ms; /* the greater id's patience before it dials itself */
    uint32_t steady_ms; /* a link up for so long forgets earlier failures */
};
extern const struct pn_mesh_timing pn_mesh_timing_default;

struct pn_mesh_config {
    struct event_base *base;
    struct pn_id self;
    const struct pn_members *members; /* read at any time; changes are told by pn_mesh_members_changed() */
    SSL_CTX *ctx; /* a reference of its own is kept */
    struct pn_endpoint listen[PN_MESH_LISTENERS_MAX]; /* address zero: all of its family; port 0: any */
    unsigned n_listen;
    uint16_t proto_min, proto_max;
    char version[PN_MEMBER_VERSION_BYTES];
    struct pn_link_limits limits;
    struct pn_mesh_timing timing;
    unsigned handshakes_max; /* of strangers at a time; members' addresses have room besides */
    unsigned handshakes_per_source;
    void *arg;
    /* A node unknown here shows its row. true: taken into the membership. */
    bool (*admit)(void *arg, const struct pn_member *row);
    /* An active member shows that this node was removed; row is its own. */
    void (*removed)(void *arg, const struct pn_member *row);
    void (*join)(void *arg, struct bufferevent *bev, const struct sockaddr_storage *from);
    void (*digests)(void *arg, uint64_t *members, uint64_t *keyring);
    void (*peer_digests)(void *arg, const struct pn_id *peer); /* it told what it holds: see pn_transport_peer */
};

struct pn_mesh_counters {
    uint64_t accepted, refused_full, refused_source; /* connections */
    uint64_t handshakes_failed, not_members, duplicates, unknown_channel;
};

struct pn_mesh;
struct pn_mesh *pn_mesh_new(const struct pn_mesh_config *config, struct pn_error *err);
void pn_mesh_free(struct pn_mesh *m); /* at once; not from within a callback */
struct pn_transport *pn_mesh_transport(struct pn_mesh *m);
void pn_mesh_members_changed(struct pn_mesh *m);
void pn_mesh_set_identity(struct pn_mesh *m, SSL_CTX *ctx); /* for connections from now on */
uint16_t pn_mesh_port(const struct pn_mesh *m); /* of the first listener */
const struct pn_mesh_counters *pn_mesh_counters(const struct pn_mesh *m);
/* All other active members hold these digests, as told by their last pings; a member that is down does not. */
bool pn_mesh_all_hold(const struct pn_mesh *m, bool keyring);

#endif
