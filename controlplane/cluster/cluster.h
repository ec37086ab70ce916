/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A node's part in its cluster: identity and secrets on disk, membership, the mesh, joining. One object for the life of
 * the daemon, whether or not there is a cluster yet. All on the event loop's thread.
 */
#ifndef POSTERN_CLUSTER_H
#define POSTERN_CLUSTER_H

#include "controlplane/cluster/join.h"
#include "controlplane/cluster/mesh.h"
#include "controlplane/cluster/perimeter.h"

#define PN_CLUSTER_PORT 9477
#define PN_CLUSTER_PROTO_MIN 1 /* this version and the one before it are spoken */
#define PN_CLUSTER_PROTO_MAX 1
#define PN_CLUSTER_SKEW_ALARM_US 5000000
#define PN_INVITE_TTL_MIN_S 60u
#define PN_INVITE_TTL_MAX_S (7u * 24 * 3600)
#define PN_INVITE_TTL_DEFAULT_S 3600u

enum pn_cluster_state {
    PN_CLUSTER_NONE, /* no cluster: init or join may be called */
    PN_CLUSTER_ACTIVE,
    PN_CLUSTER_REMOVED /* was a member; talks to nobody; may join again */
};
extern const char *const pn_cluster_state_name[3];

struct pn_cluster_options {
    struct event_base *base;
    char dir[256]; /* "/var/lib/postern/cluster" */
    char name[PN_NAME_BYTES]; /* of this node, for init and join */
    struct pn_endpoint listen[PN_MESH_LISTENERS_MAX];
    unsigned n_listen;
    struct pn_member self; /* endpoints (port 0: the first listener's), vips, extra, version; the rest does not count */
    uint16_t proto_min, proto_max;
    int cert_days;
    struct pn_link_limits limits;
    struct pn_mesh_timing timing;
    uint32_t key_grace_ms; /* both keys are taken that long after all have the new one */
    uint32_t mesh_retry_ms; /* until an address that cannot be listened on is tried again */
    unsigned handshakes_max, handshakes_per_source;
    uint64_t (*wall_ms)(void); /* CLOCK_REALTIME */
};
/* Everything but base, dir, name, listen and self. */
void pn_cluster_options_defaults(struct pn_cluster_options *o);

/* Each may be NULL. Called when something has changed, after it is stored. */
struct pn_cluster_ops {
    void (*state)(void *arg, enum pn_cluster_state state);
    void (*ring)(void *arg, const struct pn_seal_ring *ring); /* copy what is needed; wiped afterwards */
    void (*members)(void *arg, const struct pn_members *members);
    void (*event)(void *arg, int log_level, const char *subject, const char *text); /* for the event log */
};

struct pn_cluster;
/* Loads what is on disk and starts the mesh where this node is a member; an address that cannot be listened on is an
 * event, and tried again. NULL and err: a file is damaged. ops are kept by pointer. */
struct pn_cluster *pn_cluster_new(const struct pn_cluster_options *options, const struct pn_cluster_ops *ops, void *arg,
                                  struct pn_error *err);
void pn_cluster_free(struct pn_cluster *c); /* not from within a callback */

enum pn_cluster_state pn_cluster_state(const struct pn_cluster *c);
const char *pn_cluster_name(const struct pn_cluster *c); /* "" without one */
uint16_t pn_cluster_port(const struct pn_cluster *c); /* of the first listener; 0: not listening */
const struct pn_id *pn_cluster_self(const struct pn_cluster *c);
const struct pn_members *pn_cluster_members(const struct pn_cluster *c);
/*
 * Users of channels subscribe once, at any time: the subscriptions outlive meshes. Sending goes through the transport,
 * which is NULL while there is no cluster; look it up for each use.
 */
int pn_cluster_subscribe(struct pn_cluster *c, enum pn_channel channel, const struct pn_channel_ops *ops, void *arg);
struct pn_transport *pn_cluster_transport(const struct pn_cluster *c);
/* What compares lists for join --dry-run, on both sides. */
void pn_cluster_set_rehearsal(struct pn_cluster *c, const struct pn_join_rehearsal *rehearsal, void *arg);
/* After a reload: name, listen and self of options count. Other addresses to listen on end all links for a moment. */
void pn_cluster_reconfigure(struct pn_cluster *c, const struct pn_cluster_options *options);

/* ---- commands; each is durable on 0, or -1 and err ---- */

/* passphrase NULL: the CA's key is not encrypted, and certificates renew by themselves. */
int pn_cluster_init(struct pn_cluster *c, const char *cluster_name, const char *passphrase, struct pn_error *err);
/* token: text for the guest. invite_passphrase NULL: none. ca_passphrase: where the CA's key is locked. */
int pn_cluster_invite(struct pn_cluster *c, uint32_t ttl_s, const char *invite_passphrase, const char *ca_passphrase,
                      char token[PN_TOKEN_TEXT_BYTES], struct pn_error *err);
/* host: NULL, the token's addresses count; else where to join. done as in join.h, its grant is used already. */
int pn_cluster_join(struct pn_cluster *c, const struct pn_endpoint *host, const char *token, const char *passphrase,
                    bool dry_run, void (*done)(void *arg, const struct pn_join_result *result), void *arg,
                    struct pn_error *err);
void pn_cluster_join_cancel(struct pn_cluster *c);
bool pn_cluster_join_progress(const struct pn_cluster *c, struct pn_join_progress *out); /* false: none is under way */
int pn_cluster_rename(struct pn_cluster *c, const char *name, const char *new_name, struct pn_error *err);
/* Its links end at once, on every node as it hears of it; the seal keys rotate. Its own name: this node leaves. */
int pn_cluster_remove(struct pn_cluster *c, const char *name, struct pn_error *err);
/* 0: begun; status tells how far it is. */
int pn_cluster_rotate_keys(struct pn_cluster *c, struct pn_error *err);
/* A new certificate now. ca_passphrase: where the CA's key is locked. */
int pn_cluster_renew(struct pn_cluster *c, const char *ca_passphrase, struct pn_error *err);

struct pn_cluster_status {
    enum pn_cluster_state state;
    char cluster_name[PN_NAME_BYTES], cluster_id[PN_ID_TEXT_BYTES];
    char name[PN_NAME_BYTES], id[PN_ID_TEXT_BYTES], version[PN_MEMBER_VERSION_BYTES];
    int number;
    uint16_t port; /* 0: not listening */
    char mesh_error[160]; /* why not; tried again */
    unsigned active; /* members, this node too */
    int64_t cert_until_s; /* seconds since 1970 */
    bool ca_locked; /* certificates are not renewed without the passphrase */
    enum pn_keyring_phase keys_phase;
    uint64_t keys_epoch;
    unsigned invites; /* tokens that wait to be used */
    struct pn_transport_peer peers[PN_MAX_NODES];
    bool skewed[PN_MAX_NODES]; /* by more than PN_CLUSTER_SKEW_ALARM_US */
    unsigned n_peers;
    struct pn_mesh_counters counters;
};
void pn_cluster_status(const struct pn_cluster *c, struct pn_cluster_status *out);

void pn_cluster_perimeter(const struct pn_cluster *c, struct pn_perimeter *out);

#endif
