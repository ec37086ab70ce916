/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef POSTERN_ACTORS_RULES_INTERNAL_H
#define POSTERN_ACTORS_RULES_INTERNAL_H

#include <pthread.h>
#include <sys/types.h>

#include "controlplane/actors/rules.h"
#include "controlplane/cluster/cluster.h"

struct event;

#define RULES_TICK_MS 200
#define RULES_REOPEN_MS 10000 /* a database that could not be opened is tried again */
#define RULES_QUEUE_MAX (8u << 20) /* bytes a peer that its link has not taken */
#define RULES_DEAF_ABOVE (4u << 20) /* above it, what the peer says waits, too */
#define RULES_BAN_FIRST_MS 1000
#define RULES_BAN_MAX_MS 600000
#define RULES_CHECK_MS 500 /* between two looks at whether a peer has what changed */
#define RULES_PATCH_MAX 65536 /* prefixes that wait for the dataplane; more: the whole set again */

struct rules_frame {
    struct rules_frame *next;
    size_t len;
    uint8_t data[];
};

struct rules_line { /* frames that wait, RULES_QUEUE_MAX bytes of them at most */
    struct rules_frame *first, **last;
    size_t bytes;
};

struct rules_peer {
    struct pn_rules_actor *a;
    bool used, up;
    struct pn_id id;
    char name[PN_NAME_BYTES];
    struct pn_sync *sync; /* NULL: nothing is exchanged now */
    unsigned busy; /* inside its sync's calls: it must not be freed */
    struct rules_line out; /* what the link did not take */
    struct rules_line in; /* what came meanwhile */
    uint64_t since_ms, ban_ms, banned_until_ms, checked_ms;
    uint64_t equal_ms; /* wall clock when an exchange before this one had the same; 0: none */
    uint64_t dropped, violations;
    char problem[160];
};

struct rules_filter {
    struct pn_rules_prefixes *answer; /* being filled */
    bool asked, loading, overflow, due;
    unsigned list; /* of the kinds, which is being read */
    struct pn_rules_page page;
    uint64_t base, seq; /* generation: base + seq */
    uint64_t sent_seq; /* that the dataplane has, or will have */
    struct pn_dp_prefix *patch;
    unsigned n_patch;
    uint64_t ticket;
    pn_rules_prefixes_fn *fn;
    void *fn_arg;
};

struct pn_rules_actor {
    struct pn_rules_actor_options options;
    struct pn_loop *loop;
    bool own_loop, started;
    struct event *tick;
    struct pn_rules *store;
    dev_t file_dev; /* which file the store is */
    ino_t file_ino;
    char problem[256];
    uint64_t reopen_ms, errors_told;
    bool joined; /* the store knows the cluster that this node is in */
    struct rules_peer peers[PN_MAX_NODES];
    struct rules_filter filter;
    pthread_mutex_t lock; /* of status */
    struct pn_rules_actor_status status;
    struct pn_rules_actor_status *work; /* being filled */
};

uint64_t rules_now_ms(void); /* CLOCK_MONOTONIC */
void rules_event(struct pn_rules_actor *a, int level, const char *subject, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* rules_peers.c */
extern const struct pn_channel_ops rules_channel_ops;
void rules_peers_push(void *actor, uint8_t kind, const uint8_t *frame, size_t len);
void rules_peers_tick(struct pn_rules_actor *a, uint64_t now_ms);
void rules_peers_follow(struct pn_rules_actor *a); /* the cluster, its members, names */
void rules_peers_end(struct pn_rules_actor *a); /* all exchanges: the store goes */
void rules_peers_free(struct pn_rules_actor *a);
void rules_peers_status(const struct pn_rules_actor *a, struct pn_rules_actor_status *out);

/* rules_rehearsal.c */
extern const struct pn_join_rehearsal rules_rehearsal;

/* rules_prefixes.c */
void rules_prefixes_watch(void *actor, const struct pn_rule_key *key, bool present);
void rules_prefixes_open(struct pn_rules_actor *a); /* there is a store (again) */
void rules_prefixes_free(struct pn_rules_actor *a);

#endif
