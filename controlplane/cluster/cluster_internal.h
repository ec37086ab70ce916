/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the cluster object share. */
#ifndef POSTERN_CLUSTER_INTERNAL_H
#define POSTERN_CLUSTER_INTERNAL_H

#include "controlplane/cluster/cluster.h"

struct event;

struct cluster_subscription {
    const struct pn_channel_ops *ops;
    void *arg;
};

struct pn_cluster {
    struct pn_cluster_options opt;
    const struct pn_cluster_ops *ops;
    void *arg;
    enum pn_cluster_state state;
    char cluster_name[PN_NAME_BYTES];
    X509 *ca, *cert;
    EVP_PKEY *key;
    EVP_PKEY *ca_key; /* only where it is locked on disk, and invites wait for it */
    uint64_t ca_key_until_s;
    struct pn_cert_name who; /* as the certificate says */
    struct pn_members members;
    struct pn_keyring keyring;
    struct pn_invites invites;
    struct pn_mesh *mesh;
    struct pn_join_hosts *hosts;
    struct pn_join_guest *guest;
    void (*guest_done)(void *arg, const struct pn_join_result *result);
    void *guest_arg;
    struct cluster_subscription channels[PN_CHANNEL_MAX];
    const struct pn_join_rehearsal *rehearsal;
    void *rehearsal_arg;
    struct event *tick;
    uint64_t held_since_ms; /* CLOCK_BOOTTIME: all members hold our key ring; 0: they do not */
    uint64_t stop_at_ms; /* removed: until then the others may hear that we left */
    uint64_t next_renewal_ms;
    uint64_t mesh_retry_ms; /* active without a mesh */
    char mesh_error[160]; /* why */
    bool rotate_wanted; /* as soon as the rotation under way is done; also in PN_STORE_ROTATE */
    uint64_t rotate_retry_ms;
    bool ca_locked;
    bool skewed[PN_MAX_NODES]; /* by number, as last told to the event log */
};

/* In this order: each file calls only those before it. */

/* cluster_event.c */
uint64_t pn_cluster_wall_ms(void);
uint64_t pn_cluster_now_s(void);
void pn_cluster_event(struct pn_cluster *c, int level, const char *subject, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* cluster_files.c */
int pn_cluster_load(struct pn_cluster *c, struct pn_error *err);
void pn_cluster_unload(struct pn_cluster *c);
int pn_cluster_save_members(struct pn_cluster *c, struct pn_error *err);
int pn_cluster_save_keyring(struct pn_cluster *c, struct pn_error *err);
EVP_PKEY *pn_cluster_ca_key(struct pn_cluster *c, const char *passphrase, struct pn_error *err); /* caller frees */
/* A whole identity, node.crt last. */
int pn_cluster_install(struct pn_cluster *c, X509 *ca, const struct pn_bytes *ca_key_pem, EVP_PKEY *key, X509 *cert,
                       const struct pn_bytes *members, const struct pn_keyring *keyring, struct pn_error *err);
SSL_CTX *pn_cluster_tls(struct pn_cluster *c, struct pn_error *err);

/* cluster_sync.c */
int pn_cluster_sync_subscribe(struct pn_cluster *c);
void pn_cluster_members_changed(struct pn_cluster *c, bool announce); /* stored already */
void pn_cluster_take_removal(struct pn_cluster *c, const struct pn_member *row);
void pn_cluster_keyring_changed(struct pn_cluster *c);
void pn_cluster_peer_digests(struct pn_cluster *c, const struct pn_id *peer);
void pn_cluster_ring_tell(struct pn_cluster *c);
int pn_cluster_rotate_begin(struct pn_cluster *c, struct pn_error *err);
void pn_cluster_sync_tick(struct pn_cluster *c);
int pn_cluster_certify(struct pn_cluster *c, const char *ca_passphrase, struct pn_error *err);

/* cluster_admit.c */
int pn_cluster_hosts_start(struct pn_cluster *c);
bool pn_cluster_admit_sponsored(void *arg, const struct pn_member *row);

/* cluster_run.c */
void pn_cluster_start(struct pn_cluster *c);
void pn_cluster_stop(struct pn_cluster *c);
void pn_cluster_describe(struct pn_cluster *c); /* what this node says of itself, with the port it really listens on */

#endif
