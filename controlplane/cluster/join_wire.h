/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages of the join protocol on one TLS connection: bounded in size, in total and in time. */
#ifndef POSTERN_CLUSTER_JOIN_WIRE_H
#define POSTERN_CLUSTER_JOIN_WIRE_H

#include <stdbool.h>

#include <openssl/ssl.h>

#include "controlplane/cluster/cluster.pb-c.h"

struct event_base;
struct bufferevent;
struct pn_join_wire;

struct pn_join_wire_ops {
    /* The handshake is done; for wires that dial. NULL: nothing to do. */
    void (*secured)(void *arg, SSL *ssl);
    /* m is freed, and wiped, when this returns. */
    void (*message)(void *arg, const Pnpb__Join *m);
    /* The last call. reason NULL: after pn_join_wire_finish(), all was sent; else what went wrong. */
    void (*end)(void *arg, const char *reason);
};

/* bev: taken over. handshaking: the TLS handshake is under way. NULL: memory, bev is freed. */
struct pn_join_wire *pn_join_wire_new(struct event_base *base, struct bufferevent *bev, bool handshaking,
                                      uint32_t timeout_ms, const struct pn_join_wire_ops *ops, void *arg);
void pn_join_wire_free(struct pn_join_wire *w); /* no `end` */
SSL *pn_join_wire_ssl(struct pn_join_wire *w);
void pn_join_wire_limit(struct pn_join_wire *w, size_t message_bytes); /* 8 KiB at first, at most PN_FRAME_BYTES_MAX */
void pn_join_wire_extend(struct pn_join_wire *w, uint32_t timeout_ms); /* from now */
int pn_join_wire_send(struct pn_join_wire *w, const Pnpb__Join *m); /* -1: memory, too large, or too much waits */
int pn_join_wire_refuse(struct pn_join_wire *w, const char *text); /* and finish */
void pn_join_wire_finish(struct pn_join_wire *w); /* hears nothing more, ends when all is sent */

#endif
