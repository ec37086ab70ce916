/* SPDX-License-Identifier: BSD-3-Clause */
/* Several nodes of a cluster in one process, on loopback ports and folders of their own, with short times. */
#ifndef POSTERN_TEST_CLUSTER_WORLD_H
#define POSTERN_TEST_CLUSTER_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <event2/event.h>

#include "controlplane/cluster/cluster.h"

#define WORLD_NODES 5

struct world;
/* A door in front of a node: others reach it only here. Closed, it ends what goes through and lets nothing in. */
struct door {
    struct world *w;
    int node;
    bool open;
    uint16_t port;
    struct evconnlistener *listener;
    struct door_pair *pairs;
};

struct world_node {
    struct world *w;
    struct pn_cluster *c;
    struct pn_cluster_options opt;
    char dir[160];
    struct door door;
    struct pn_seal_ring ring; /* as last told */
    unsigned rings, ups, downs, got, states;
    char last[64]; /* message on PN_CHANNEL_RULES */
    char joined[256]; /* error of the last join, "" none */
    bool join_done;
    struct pn_join_row rows[4];
    unsigned n_rows;
    size_t got_bytes;
};

struct world {
    struct event_base *base;
    char root[128];
    bool doors;
    struct world_node nodes[WORLD_NODES];
};

extern int64_t world_wall_offset_ms;

struct world *world_new(bool doors);
void world_free(struct world *w);
void world_up(struct world *w, int node); /* starts it, with what is on its disk */
void world_down(struct world *w, int node);
/* Runs the loop until what() holds; fails the test after ms. */
void world_until(struct world *w, bool (*what)(struct world *w, int arg), int arg, int ms);
void world_run(struct world *w, int ms);
void world_init(struct world *w, int node);
/* node joins through host; fails the test unless it works. */
void world_join(struct world *w, int node, int host);
void world_join_try(struct world *w, int node, const char *token, const char *passphrase, bool dry_run,
                    const struct pn_endpoint *at);
void world_make(struct world *w, int n); /* a cluster of n, all linked */

void world_doors(struct world *w, bool open); /* of all nodes: closed, everyone is alone */
bool world_all_linked(struct world *w, int n); /* nodes 0..n-1, each to each, membership equal */
bool world_joined(struct world *w, int node); /* the join is over, one way or the other */
struct pn_endpoint world_endpoint(struct world *w, int node); /* where it really listens */
bool world_peer(struct world *w, int node, int of, struct pn_transport_peer *out);

extern struct pn_error world_error; /* for the calls within WORLD_OK() */
#define WORLD_OK(call)                                                                                                 \
    do {                                                                                                               \
        world_error.text[0] = '\0';                                                                                    \
        if ((call) != 0)                                                                                               \
            fail_msg("%s: %s", #call, world_error.text);                                                               \
    } while (0)

#endif
