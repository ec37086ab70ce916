/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A channel of the cluster for a user whose loop is not the cluster's. Messages go from thread to thread as copies; how
 * many bytes may be under way to and from each peer is bounded. As on the channel itself: messages arrive whole and in
 * order while the link is up, and what was under way is lost when it goes down. One that comes in above the bound is
 * dropped and counted: users ask again.
 */
#ifndef POSTERN_ACTORS_COURIER_H
#define POSTERN_ACTORS_COURIER_H

#include "controlplane/actors/cluster.h"

#define PN_COURIER_PEERS_MAX 32u /* ever seen; beyond, a peer is not served */

/* On the user's loop; each may be NULL. peer: 0 .. PN_COURIER_PEERS_MAX - 1, the same for a node for ever. */
struct pn_courier_ops {
    void (*up)(void *arg, unsigned peer, const char *name);
    void (*down)(void *arg, unsigned peer);
    void (*message)(void *arg, unsigned peer, const uint8_t *bytes, size_t len);
    void (*room)(void *arg, unsigned peer); /* after PN_COURIER_FULL: go on */
};

struct pn_courier_options {
    enum pn_channel channel;
    size_t out_bytes_max, in_bytes_max; /* under way, a peer */
    const struct pn_courier_ops *ops; /* by pointer */
    void *arg;
};

struct pn_courier;
/* On the main thread, while the cluster's thread does not run yet. NULL and err: no memory, channel taken. */
struct pn_courier *pn_courier_new(struct pn_cluster_actor *cluster, struct pn_loop *user,
                                  const struct pn_courier_options *o, struct pn_error *err);
/* Once neither the user's loop nor the cluster's runs any more. NULL is fine. */
void pn_courier_free(struct pn_courier *c);

/* On the user's loop, each second: tells of links and room what it could not be told, for want of memory. NULL is fine. */
void pn_courier_look(struct pn_courier *c);

enum pn_courier_sent { PN_COURIER_OK = 0, PN_COURIER_FULL = 1, PN_COURIER_DOWN = -1 }; /* as pn_qsend has it */
/* From any thread; in order from each. */
int pn_courier_send(struct pn_courier *c, unsigned peer, const void *bytes, size_t len);
uint64_t pn_courier_dropped(const struct pn_courier *c); /* any thread */

#endif
