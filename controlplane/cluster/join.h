/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Joining. The guest dials a member with a token, over TLS 1.3 that trusts nothing but the CA with the token's
 * fingerprint:
 *
 *   guest -> host  Hello    versions, invite's id, proof over this very connection
 *   host  -> guest Welcome  version chosen, cluster, its own proof
 *   guest -> host  Request  the secret itself; certificate request, name, addresses
 *   host  -> guest Grant    certificate, members, and the CA's key and key ring under a key of secret and connection
 *
 * A dry run goes the same way and ends without a grant: after the Request both sides' rehearsal (the rules' comparison of
 * lists) exchanges messages of its own. The token is not used up by it. Either side may answer Refusal and a reason.
 */
#ifndef POSTERN_CLUSTER_JOIN_H
#define POSTERN_CLUSTER_JOIN_H

#include "controlplane/cluster/ca.h"
#include "controlplane/cluster/invites.h"

struct event_base;
struct bufferevent;
struct sockaddr_storage;

#define PN_JOIN_TIMEOUT_MS 15000u
#define PN_JOIN_REHEARSAL_MS 120000u
#define PN_JOIN_REHEARSAL_BYTES (256u << 20) /* in one direction */
#define PN_JOIN_WRONG_PER_SOURCE 5u /* in PN_JOIN_WRONG_WINDOW_S; then the source is turned away */
#define PN_JOIN_WRONG_WINDOW_S 60u
#define PN_JOIN_HOSTED_MAX 4u

/* What a join would bring, one row for each list. */
struct pn_join_row {
    char list[48];
    uint64_t here, there, common; /* entries of the guest, of the cluster, of both */
    uint64_t total; /* after the join */
};
#define PN_JOIN_ROWS_MAX 64u

/* Compares lists without changing any; rules implement it. Calls come from the event loop. */
struct pn_join_port;
struct pn_join_rehearsal {
    void *(*begin)(void *arg, enum pn_join_role role, struct pn_join_port *port); /* NULL: cannot */
    void (*message)(void *session, const uint8_t *bytes, size_t len);
    void (*end)(void *session); /* always, once; frees it */
};
int pn_join_port_send(struct pn_join_port *port, const void *bytes, size_t len); /* -1: too large, or too much waits */
/* The guest's side is done and has its rows. */
void pn_join_port_done(struct pn_join_port *port, const struct pn_join_row *rows, unsigned n);

/* ---- host ---- */

/* What the guest says of itself, checked. */
struct pn_join_request {
    uint8_t key[PN_KEY_BYTES];
    struct pn_member self; /* claim_name, endpoints, vips, extra; the rest is the host's to give */
};
/* What goes back. Bytes are freed by the join. */
struct pn_join_offer {
    struct pn_bytes certificate; /* DER */
    struct pn_bytes members;
    struct pn_bytes ca_key; /* PEM, may be empty */
    const struct pn_keyring *keyring;
};

struct pn_join_host_config {
    struct event_base *base;
    struct pn_id cluster;
    const char *cluster_name;
    uint16_t proto_min, proto_max;
    uint32_t hello_ms; /* for the first message */
    struct pn_invites *invites;
    uint64_t (*now_s)(void);
    /* Before the invite is used up: would admit() work? -1 and err: why not. */
    int (*check)(void *arg, const struct pn_join_request *request, struct pn_error *err);
    /* Signs, admits, and stores durably; after this the guest is a member. */
    int (*admit)(void *arg, const struct pn_join_request *request, struct pn_join_offer *offer, struct pn_error *err);
    const struct pn_join_rehearsal *rehearsal; /* NULL: none */
    void *rehearsal_arg;
    void *arg;
};

struct pn_join_hosts; /* the sessions under way, and what sources did wrong */
struct pn_join_hosts *pn_join_hosts_new(const struct pn_join_host_config *config);
void pn_join_hosts_free(struct pn_join_hosts *h);
/* bev: handshake done, taken over. */
void pn_join_hosts_take(struct pn_join_hosts *h, struct bufferevent *bev, const struct sockaddr_storage *from);
unsigned pn_join_hosts_active(const struct pn_join_hosts *h);

/* ---- guest ---- */

struct pn_join_grant {
    EVP_PKEY *key;
    X509 *ca, *certificate;
    struct pn_cert_name who;
    char cluster_name[PN_NAME_BYTES];
    struct pn_bytes members; /* encoded, of this cluster */
    struct pn_bytes ca_key; /* PEM, empty: not shared */
    struct pn_keyring keyring;
};

struct pn_join_result {
    const char *error; /* NULL: it worked */
    struct pn_join_grant *grant; /* NULL after a dry run */
    char cluster_name[PN_NAME_BYTES];
    const struct pn_join_row *rows; /* of a dry run */
    unsigned n_rows;
};

struct pn_join_guest_config {
    struct event_base *base;
    const struct pn_token *token; /* copied */
    const char *passphrase; /* used during the start only */
    const struct pn_endpoint *endpoints; /* tried in turn; copied */
    unsigned n_endpoints;
    const struct pn_member *self; /* claim_name, endpoints, vips, extra, version; copied */
    uint16_t proto_min, proto_max;
    bool dry_run;
    const struct pn_join_rehearsal *rehearsal;
    void *rehearsal_arg;
    void (*done)(void *arg, const struct pn_join_result *result); /* once, from the loop; the guest is gone after it */
    void *arg;
};

struct pn_join_guest;
struct pn_join_guest *pn_join_guest_start(const struct pn_join_guest_config *config, struct pn_error *err);
void pn_join_guest_cancel(struct pn_join_guest *g); /* without done */

/* How far it is, for people. */
struct pn_join_progress {
    const char *step; /* "connecting", "asking", "comparing lists" */
    struct pn_endpoint to;
    uint64_t sent_bytes, received_bytes; /* of the comparison */
};
void pn_join_guest_progress(const struct pn_join_guest *g, struct pn_join_progress *out);

#endif
