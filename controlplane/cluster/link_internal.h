/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of a link share: link.c stands above keepalive.c, that above link_end.c, and that above link_send.c. */
#ifndef POSTERN_CLUSTER_LINK_INTERNAL_H
#define POSTERN_CLUSTER_LINK_INTERNAL_H

#include <event2/event.h>
#include <openssl/err.h>

#include "controlplane/cluster/link.h"

#define LINK_READ_AHEAD_BYTES 65536u
#define LINK_RTT_SAMPLES 8u

enum link_state {
    LINK_TLS, /* connecting and handshake */
    LINK_HELLO, /* certificate accepted, waiting for the hello */
    LINK_UP,
    LINK_GONE /* hears nothing, waits to be freed */
};

struct pn_link {
    struct pn_link_request rq;
    struct pn_link *next, **back; /* in rq.all */
    enum link_state state;
    bool accepted, was_full;
    int fd;
    struct bufferevent *bev;
    struct event *timer;
    struct sockaddr_storage address;
    struct pn_cert_name who;
    uint16_t proto;
    char version[PN_MEMBER_VERSION_BYTES];
    struct pn_link_stats stats;
    uint64_t drained_bytes;
    /* keepalive.c */
    uint64_t seen_received_bytes, progress_ms, seen_taken_bytes, taken_ms;
    struct {
        uint32_t rtt_us;
        int64_t skew_us;
    } samples[LINK_RTT_SAMPLES];
    unsigned n_samples;
};

/* link_send.c */
void pn_link_control(struct pn_link *l, const struct pn_control *c);
uint64_t pn_link_received_bytes(const struct pn_link *l); /* those that still wait to be taken, too */

/* link_end.c */
void pn_link_timer_set(struct pn_link *l, uint32_t ms);
/* Its own fault or the network's: tell the owner, go. */
void pn_link_broken(struct pn_link *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The owner does not want it: it says why, then both go. */
void pn_link_refuse(struct pn_link *l, enum pn_bye reason, const char *text);

/* keepalive.c */
void pn_link_keepalive_start(struct pn_link *l);
void pn_link_keepalive(struct pn_link *l); /* each ping_ms */
void pn_link_ping_taken(struct pn_link *l, const struct pn_control *c);
void pn_link_pong_taken(struct pn_link *l, const struct pn_control *c);

#endif
