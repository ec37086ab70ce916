/* SPDX-License-Identifier: BSD-3-Clause */
/* The cluster object: what administrators order, but inviting and joining. */
#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "common/error.h"
#include "common/log.h"
#include "common/replace.h"
#include "controlplane/cluster/cluster_internal.h"

static int active(const struct pn_cluster *c, struct pn_error *err)
{
    return c->state == PN_CLUSTER_ACTIVE ? 0 : pn_error_set(err, "this node is not in a cluster");
}

static int first_member(struct pn_cluster *c, struct pn_members *m, const struct pn_cert_name *who)
{
    struct pn_member row = {.id = who->node, .admin_author = who->node};

    row.joined = row.admin_stamp = row.own_stamp = pn_stamp_next(0, c->opt.wall_ms());
    memcpy(row.key, who->key, sizeof(row.key));
    memcpy(row.claim_name, who->name, sizeof(row.claim_name));
    return pn_members_init(m, &who->cluster) == 0 && pn_members_merge(m, &row) == PN_MERGE_CHANGED ? 0 : -1;
}

static int make_cluster(struct pn_cluster *c, const char *cluster_name, const char *passphrase, struct pn_error *err)
{
    int64_t now_s = (int64_t)(c->opt.wall_ms() / 1000);
    struct pn_cert_name who = {.cluster = {{0}}};
    EVP_PKEY *ca_key = pn_key_new(err), *key = pn_key_new(err);
    X509 *ca = NULL, *cert = NULL;
    struct pn_bytes ca_pem = {NULL, 0}, encoded = {NULL, 0};
    struct pn_members members = {0};
    struct pn_keyring keyring = {0};
    uint8_t secret[PN_SEAL_SECRET_BYTES];
    int rc = -1;

    memcpy(who.name, c->opt.name, sizeof(who.name));
    if (ca_key && key && pn_id_random(&who.cluster) == 0 && pn_id_random(&who.node) == 0 &&
        pn_key_public(key, who.key) == 0 && RAND_bytes(secret, sizeof(secret)) == 1) {
        ca = pn_ca_cert_new(ca_key, cluster_name, &who.cluster, now_s, err);
        cert = ca ? pn_ca_issue(ca, ca_key, &who, now_s, c->opt.cert_days, err) : NULL;
        ca_pem = pn_key_to_pem(ca_key, passphrase);
        pn_keyring_first(&keyring, secret);
        if (cert && first_member(c, &members, &who) == 0)
            encoded = pn_members_encode(&members);
        if (encoded.data && ca_pem.data)
            rc = pn_cluster_install(c, ca, &ca_pem, key, cert, &encoded, &keyring, err);
        else if (cert)
            pn_error_set(err, "out of memory");
    }
    OPENSSL_cleanse(secret, sizeof(secret));
    pn_keyring_wipe(&keyring);
    pn_bytes_free(&ca_pem);
    pn_bytes_free(&encoded);
    pn_members_free(&members);
    X509_free(ca);
    X509_free(cert);
    EVP_PKEY_free(ca_key);
    EVP_PKEY_free(key);
    return rc;
}

int pn_cluster_init(struct pn_cluster *c, const char *cluster_name, const char *passphrase, struct pn_error *err)
{
    size_t n = passphrase ? strlen(passphrase) : PN_PASSPHRASE_MIN;

    if (c->state == PN_CLUSTER_ACTIVE)
        return pn_error_set(err, "this node is in the cluster \"%s\" already", c->cluster_name);
    if (c->guest)
        return pn_error_set(err, "a join is under way");
    if (!pn_node_name_valid(cluster_name) || !pn_node_name_valid(c->opt.name))
        return pn_error_set(err, "\"%.40s\" is not a name: letters, digits, ._-, at most %u",
                            pn_node_name_valid(cluster_name) ? c->opt.name : cluster_name, PN_NAME_BYTES - 1);
    if (n < PN_PASSPHRASE_MIN || n > PN_PASSPHRASE_MAX)
        return pn_error_set(err, "a passphrase has %u to %u characters", PN_PASSPHRASE_MIN, PN_PASSPHRASE_MAX);
    pn_cluster_stop(c);
    pn_cluster_unload(c);
    if (make_cluster(c, cluster_name, passphrase, err) < 0 || pn_cluster_load(c, err) < 0)
        return -1;
    pn_cluster_start(c);
    pn_cluster_event(c, PN_LOG_NOTICE, c->cluster_name, "cluster made; this node is its first member");
    if (c->ops->state)
        c->ops->state(c->arg, c->state);
    if (c->ops->members)
        c->ops->members(c->arg, &c->members);
    return 0;
}

/* After a change that is in memory: on disk, then to the others; if the disk fails it has not happened. */
static int commit_members(struct pn_cluster *c, const struct pn_member *before, struct pn_error *err)
{
    if (pn_cluster_save_members(c, err) < 0) {
        pn_members_restore(&c->members, before);
        return -1;
    }
    pn_cluster_members_changed(c, true);
    return 0;
}

int pn_cluster_rename(struct pn_cluster *c, const char *name, const char *new_name, struct pn_error *err)
{
    struct pn_member *row;
    struct pn_member before;

    if (active(c, err) < 0)
        return -1;
    row = pn_members_named(&c->members, name);
    if (!row)
        return pn_error_set(err, "no member \"%.40s\"", name);
    before = *row;
    if (pn_members_rename(&c->members, &c->who.node, c->opt.wall_ms(), name, new_name, err) < 0 ||
        commit_members(c, &before, err) < 0)
        return -1;
    pn_cluster_event(c, PN_LOG_NOTICE, name, "is now called %s", new_name);
    return 0;
}

int pn_cluster_remove(struct pn_cluster *c, const char *name, struct pn_error *err)
{
    const struct pn_member *row = NULL;
    struct pn_member before;

    if (active(c, err) < 0)
        return -1;
    for (unsigned i = 0; i < c->members.n; i++)
        if (!c->members.rows[i].removed && strcmp(c->members.rows[i].name, name) == 0)
            row = &c->members.rows[i];
    if (!row)
        return pn_error_set(err, "no member \"%.40s\"", name);
    before = *row;
    /* It knows the keys: they change, whatever happens to this process. */
    if (pn_file_replace(c->opt.dir, PN_STORE_ROTATE, "", 0, err) < 0)
        return -1;
    if (pn_members_remove(&c->members, &c->who.node, c->opt.wall_ms(), name, err) < 0 ||
        commit_members(c, &before, err) < 0) {
        if (!c->rotate_wanted)
            pn_store_remove(c->opt.dir, PN_STORE_ROTATE, &(struct pn_error){""});
        return -1;
    }
    pn_cluster_event(c, PN_LOG_NOTICE, name, "was removed from the cluster");
    c->rotate_wanted = c->state == PN_CLUSTER_ACTIVE;
    return 0;
}

int pn_cluster_rotate_keys(struct pn_cluster *c, struct pn_error *err)
{
    return active(c, err) < 0 ? -1 : pn_cluster_rotate_begin(c, err);
}

int pn_cluster_renew(struct pn_cluster *c, const char *ca_passphrase, struct pn_error *err)
{
    return active(c, err) < 0 ? -1 : pn_cluster_certify(c, ca_passphrase, err);
}
