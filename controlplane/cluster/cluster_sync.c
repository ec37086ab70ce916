/* SPDX-License-Identifier: BSD-3-Clause */
/* The cluster object: what members keep in common through the mesh, and what time does to it. */
#include <stdlib.h>

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "common/error.h"
#include "common/log.h"
#include "common/replace.h"
#include "controlplane/cluster/cluster_internal.h"
#include "controlplane/cluster/link_internal.h"

#define RENEWAL_EVERY_MS 60000u
#define RENEWAL_RETRY_MS 3600000u
#define ROTATE_RETRY_MS 60000u

/* ---- membership ---- */

static void send_members(struct pn_cluster *c, const struct pn_id *to)
{
    struct pn_transport *t = pn_cluster_transport(c);
    struct pn_bytes b = t ? pn_members_encode(&c->members) : (struct pn_bytes){NULL, 0};

    if (b.data && to)
        pn_transport_send(t, to, PN_CHANNEL_MEMBERS, b.data, b.len);
    else if (b.data)
        pn_transport_broadcast(t, PN_CHANNEL_MEMBERS, b.data, b.len);
    pn_bytes_free(&b);
}

static void now_removed(struct pn_cluster *c)
{
    struct pn_error err;

    c->state = PN_CLUSTER_REMOVED;
    c->stop_at_ms = pn_link_now_ms() + 2 * c->opt.limits.linger_ms;
    pn_cluster_event(c, PN_LOG_WARNING, c->who.name, "this node was removed from the cluster");
    pn_keyring_wipe(&c->keyring);
    EVP_PKEY_free(c->ca_key);
    c->ca_key = NULL;
    if (pn_store_remove(c->opt.dir, PN_STORE_CA_KEY, &err) < 0 ||
        pn_store_remove(c->opt.dir, PN_STORE_KEYRING, &err) < 0 ||
        pn_store_remove(c->opt.dir, PN_STORE_INVITES, &err) < 0 ||
        pn_store_remove(c->opt.dir, PN_STORE_ROTATE, &err) < 0)
        pn_log_error("cluster: secrets cannot be removed: %s", err.text);
    if (c->ops->state)
        c->ops->state(c->arg, c->state);
}

void pn_cluster_members_changed(struct pn_cluster *c, bool announce)
{
    const struct pn_member *self = pn_members_find(&c->members, &c->who.node);

    if (announce)
        send_members(c, NULL); /* to one that is being removed too: it learns why */
    if (c->mesh)
        pn_mesh_members_changed(c->mesh);
    c->held_since_ms = 0;
    if (c->ops->members)
        c->ops->members(c->arg, &c->members);
    if (self && self->removed && c->state == PN_CLUSTER_ACTIVE)
        now_removed(c);
}

struct taking {
    struct pn_cluster *c;
    bool changed;
    bool left; /* a member went by itself */
    unsigned refused;
};

static bool take_member(void *arg, const struct pn_member *row)
{
    struct taking *t = arg;
    const struct pn_member *mine = pn_members_find(&t->c->members, &row->id);
    bool was_active = mine && !mine->removed;
    char name[PN_NAME_BYTES];

    memcpy(name, mine ? mine->name : row->claim_name, sizeof(name));
    switch (pn_members_merge(&t->c->members, row)) {
    case PN_MERGE_CHANGED:
        t->changed = true;
        t->left |= was_active && row->removed && pn_id_equal(&row->admin_author, &row->id);
        if (!mine && !row->removed)
            pn_cluster_event(t->c, PN_LOG_NOTICE, name, "joined the cluster");
        else if (was_active && row->removed)
            pn_cluster_event(t->c, PN_LOG_NOTICE, name, "%s",
                             pn_id_equal(&row->admin_author, &row->id) ? "has left the cluster"
                                                                       : "was removed from the cluster");
        else if (mine && strcmp(name, mine->name) != 0)
            pn_cluster_event(t->c, PN_LOG_NOTICE, name, "is now called %s", mine->name);
        break;
    case PN_MERGE_REFUSED:
        t->refused++;
        break;
    case PN_MERGE_SAME:
        break;
    }
    return true;
}

/* Whoever removes another changes the keys; after one that left by itself, the member with the lowest number does. */
static bool ours_to_rotate(const struct pn_cluster *c)
{
    for (unsigned i = 0; i < c->members.n; i++)
        if (pn_member_active(&c->members.rows[i]))
            if (c->members.rows[i].number < pn_members_find(&c->members, &c->who.node)->number)
                return false;
    return true;
}

static void on_members(void *arg, const struct pn_id *from, const uint8_t *bytes, size_t len)
{
    struct pn_cluster *c = arg;
    struct taking t = {.c = c};
    struct pn_error err;

    (void)from;
    if (c->state != PN_CLUSTER_ACTIVE)
        return;
    if (pn_members_decode(bytes, len, &c->who.cluster, NULL, take_member, &t, &err) < 0) {
        pn_log_limited(10000, PN_LOG_WARNING, "cluster: a membership list was refused: %s", err.text);
        return;
    }
    if (t.refused)
        pn_log_limited(10000, PN_LOG_WARNING, "cluster: %u members were refused: another key, or too many", t.refused);
    if (!t.changed)
        return;
    if (pn_members_settle(&c->members, &c->who.node, c->opt.wall_ms()))
        pn_cluster_event(c, PN_LOG_NOTICE, c->who.name, "name or number was taken by an earlier member; now %s, %d",
                         pn_members_find(&c->members, &c->who.node)->name,
                         pn_members_find(&c->members, &c->who.node)->number);
    if (t.left && ours_to_rotate(c)) {
        c->rotate_wanted = true;
        if (pn_file_replace(c->opt.dir, PN_STORE_ROTATE, "", 0, &err) < 0)
            pn_cluster_event(c, PN_LOG_ERROR, "keys", "the wish to change them cannot be saved: %s", err.text);
    }
    if (pn_cluster_save_members(c, &err) < 0)
        pn_cluster_event(c, PN_LOG_ERROR, "", "members cannot be saved: %s", err.text);
    pn_cluster_members_changed(c, true);
}

/* The word of an active member; it could have removed us itself. */
void pn_cluster_take_removal(struct pn_cluster *c, const struct pn_member *row)
{
    struct pn_error err;

    if (c->state != PN_CLUSTER_ACTIVE || pn_members_merge(&c->members, row) != PN_MERGE_CHANGED)
        return;
    if (pn_cluster_save_members(c, &err) < 0)
        pn_cluster_event(c, PN_LOG_ERROR, "", "members cannot be saved: %s", err.text);
    pn_cluster_members_changed(c, false);
}

/* ---- key ring ---- */

static void send_keyring(struct pn_cluster *c, const struct pn_id *to)
{
    struct pn_transport *t = pn_cluster_transport(c);
    struct pn_bytes b = t && c->keyring.epoch ? pn_keyring_encode(&c->keyring) : (struct pn_bytes){NULL, 0};

    if (b.data && to)
        pn_transport_send(t, to, PN_CHANNEL_KEYRING, b.data, b.len);
    else if (b.data)
        pn_transport_broadcast(t, PN_CHANNEL_KEYRING, b.data, b.len);
    pn_bytes_free(&b);
}

void pn_cluster_ring_tell(struct pn_cluster *c)
{
    if (c->ops->ring && c->state == PN_CLUSTER_ACTIVE)
        c->ops->ring(c->arg, &c->keyring.ring);
}

/*
 * Use what is stored: a node that restarts must not fall behind what it has acknowledged. A full disk stops the
 * rotation, not the cluster: the digest in our pings stays the old one.
 */
void pn_cluster_keyring_changed(struct pn_cluster *c)
{
    c->held_since_ms = 0;
    pn_cluster_ring_tell(c);
    send_keyring(c, NULL);
    pn_cluster_event(c, PN_LOG_NOTICE, "keys", "epoch %llu, %s", (unsigned long long)c->keyring.epoch,
                     pn_keyring_phase_name[c->keyring.phase]);
}

static void on_keyring(void *arg, const struct pn_id *from, const uint8_t *bytes, size_t len)
{
    struct pn_cluster *c = arg;
    struct pn_keyring theirs, before = c->keyring;
    struct pn_error err;

    (void)from;
    if (c->state != PN_CLUSTER_ACTIVE)
        return;
    if (pn_keyring_decode(bytes, len, &theirs, &err) < 0) {
        pn_log_limited(10000, PN_LOG_WARNING, "cluster: a key ring was refused: %s", err.text);
        return;
    }
    if (pn_keyring_merge(&c->keyring, &theirs)) {
        if (pn_cluster_save_keyring(c, &err) < 0) {
            c->keyring = before;
            pn_log_limited(10000, PN_LOG_ERROR, "cluster: keys cannot be saved: %s", err.text);
        } else {
            pn_cluster_keyring_changed(c);
        }
    }
    pn_keyring_wipe(&theirs);
    pn_keyring_wipe(&before);
}

int pn_cluster_rotate_begin(struct pn_cluster *c, struct pn_error *err)
{
    struct pn_keyring before = c->keyring;
    uint8_t secret[PN_SEAL_SECRET_BYTES];
    int rc;

    if (RAND_bytes(secret, sizeof(secret)) != 1)
        rc = pn_error_set(err, "no randomness");
    else if (pn_keyring_rotate(&c->keyring, secret) < 0)
        rc = pn_error_set(err, "a rotation is under way (%s); it ends when all members are connected",
                          pn_keyring_phase_name[c->keyring.phase]);
    else if ((rc = pn_cluster_save_keyring(c, err)) < 0)
        c->keyring = before;
    else
        pn_cluster_keyring_changed(c);
    OPENSSL_cleanse(secret, sizeof(secret));
    pn_keyring_wipe(&before);
    return rc;
}

static void keyring_tick(struct pn_cluster *c)
{
    struct pn_keyring before = c->keyring;
    uint64_t now = pn_link_now_ms();
    struct pn_error err;
    bool held = pn_mesh_all_hold(c->mesh, true);

    if (!held)
        c->held_since_ms = 0;
    else if (!c->held_since_ms)
        c->held_since_ms = now;
    if (pn_keyring_step(&c->keyring, held, held ? now - c->held_since_ms : 0, c->opt.key_grace_ms)) {
        if (pn_cluster_save_keyring(c, &err) < 0) {
            c->keyring = before;
            pn_log_limited(60000, PN_LOG_ERROR, "cluster: keys cannot be saved: %s", err.text);
        } else {
            pn_cluster_keyring_changed(c);
        }
    }
    pn_keyring_wipe(&before);
    if (c->rotate_wanted && c->keyring.phase == PN_KEYRING_STABLE && now >= c->rotate_retry_ms) {
        if (pn_cluster_rotate_begin(c, &err) < 0 || pn_store_remove(c->opt.dir, PN_STORE_ROTATE, &err) < 0) {
            c->rotate_retry_ms = now + ROTATE_RETRY_MS;
            pn_cluster_event(c, PN_LOG_ERROR, "keys", "no rotation yet: %s", err.text);
        } else {
            c->rotate_wanted = false;
        }
    }
}

/* ---- peers ---- */

static void on_members_up(void *arg, const struct pn_id *peer)
{
    send_members(arg, peer);
}

static void on_keyring_up(void *arg, const struct pn_id *peer)
{
    send_keyring(arg, peer);
}

static const struct pn_channel_ops members_ops = {.message = on_members, .peer_up = on_members_up};
static const struct pn_channel_ops keyring_ops = {.message = on_keyring, .peer_up = on_keyring_up};

int pn_cluster_sync_subscribe(struct pn_cluster *c)
{
    return pn_cluster_subscribe(c, PN_CHANNEL_MEMBERS, &members_ops, c) < 0 ||
                   pn_cluster_subscribe(c, PN_CHANNEL_KEYRING, &keyring_ops, c) < 0
               ? -1
               : 0;
}

/* A ping told what a peer holds: send what differs. Both do, so the one that is behind gets it. */
void pn_cluster_peer_digests(struct pn_cluster *c, const struct pn_id *peer)
{
    struct pn_transport_peer p;

    if (c->state != PN_CLUSTER_ACTIVE || !pn_transport_peer(pn_cluster_transport(c), peer, &p) || !p.up ||
        !p.digests_known)
        return;
    if (!p.members_equal)
        send_members(c, peer);
    if (!p.keyring_equal)
        send_keyring(c, peer);
    keyring_tick(c);
}

static void skew_tick(struct pn_cluster *c)
{
    struct pn_transport_peer peers[PN_MAX_NODES];
    unsigned n = pn_transport_peers(pn_cluster_transport(c), peers, PN_MAX_NODES);

    for (unsigned i = 0; i < n; i++) {
        const struct pn_transport_peer *p = &peers[i];
        bool skewed = p->skew_known && llabs(p->skew_us) > PN_CLUSTER_SKEW_ALARM_US;

        if (p->number < 0 || !p->up || skewed == c->skewed[p->number])
            continue;
        c->skewed[p->number] = skewed;
        if (skewed)
            pn_cluster_event(c, PN_LOG_WARNING, p->name,
                             "its clock is %+.1f s off this node's: check time synchronisation",
                             (double)p->skew_us / 1e6);
        else
            pn_cluster_event(c, PN_LOG_NOTICE, p->name, "its clock agrees with this node's again");
    }
}

/* ---- certificate ---- */

int pn_cluster_certify(struct pn_cluster *c, const char *ca_passphrase, struct pn_error *err)
{
    const struct pn_member *self = pn_members_find(&c->members, &c->who.node);
    struct pn_cert_name who = c->who;
    EVP_PKEY *ca_key = pn_cluster_ca_key(c, ca_passphrase, err);
    struct pn_bytes pem = {NULL, 0};
    X509 *cert = NULL, *before = c->cert;
    SSL_CTX *ctx;
    int rc = -1;

    if (!ca_key)
        return -1;
    /* A new name only when all know it: they refuse a certificate with one that they have not heard of. */
    if (c->mesh && pn_mesh_all_hold(c->mesh, false))
        memcpy(who.name, self->name, sizeof(who.name));
    cert = pn_ca_issue(c->ca, ca_key, &who, (int64_t)(c->opt.wall_ms() / 1000), c->opt.cert_days, err);
    EVP_PKEY_free(ca_key);
    if (cert)
        pem = pn_cert_to_pem(cert);
    if (pem.data && pn_file_replace(c->opt.dir, PN_STORE_NODE_CERT, pem.data, pem.len, err) == 0) {
        c->cert = cert;
        ctx = pn_cluster_tls(c, err);
        if (ctx) {
            if (c->mesh)
                pn_mesh_set_identity(c->mesh, ctx);
            SSL_CTX_free(ctx);
            c->who = who;
            rc = 0;
        } else {
            c->cert = before;
        }
    }
    pn_bytes_free(&pem);
    X509_free(rc == 0 ? before : cert);
    return rc;
}

static void renewal_tick(struct pn_cluster *c)
{
    const struct pn_member *self = pn_members_find(&c->members, &c->who.node);
    uint64_t now_ms = pn_link_now_ms();
    int64_t wall_s = (int64_t)(c->opt.wall_ms() / 1000);
    bool due = wall_s >= pn_cert_renew_at_s(c->cert);
    bool renamed = strcmp(self->name, c->who.name) != 0 && pn_mesh_all_hold(c->mesh, false);
    struct pn_error err;

    if (now_ms < c->next_renewal_ms || (!due && !renamed))
        return;
    c->next_renewal_ms = now_ms + RENEWAL_EVERY_MS;
    if (pn_cluster_certify(c, NULL, &err) == 0) {
        pn_cluster_event(c, PN_LOG_NOTICE, c->who.name, "has a new certificate");
        return;
    }
    c->next_renewal_ms = now_ms + RENEWAL_RETRY_MS;
    pn_cluster_event(c, PN_LOG_WARNING, c->who.name, "the certificate should be renewed: %s", err.text);
}

void pn_cluster_sync_tick(struct pn_cluster *c)
{
    if (c->ca_key && pn_cluster_now_s() >= c->ca_key_until_s) {
        EVP_PKEY_free(c->ca_key);
        c->ca_key = NULL;
    }
    if (c->state != PN_CLUSTER_ACTIVE || !c->mesh)
        return;
    keyring_tick(c);
    skew_tick(c);
    renewal_tick(c);
}
