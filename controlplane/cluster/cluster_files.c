/* SPDX-License-Identifier: BSD-3-Clause */
/* The cluster object's files: what a node is, over restarts. */
#include "controlplane/cluster/cluster_internal.h"

#include <openssl/crypto.h>

#include "common/error.h"
#include "common/log.h"
#include "common/replace.h"
#include "controlplane/cluster/mtls.h"

#define PEM_BYTES_MAX 16384u

static X509 *load_cert(struct pn_cluster *c, const char *name, struct pn_error *err)
{
    struct pn_bytes pem;
    X509 *cert;
    int rc = pn_store_read(c->opt.dir, name, PEM_BYTES_MAX, &pem, err);

    if (rc != 0) {
        if (rc > 0)
            pn_error_set(err, "%s/%s is missing", c->opt.dir, name);
        return NULL;
    }
    cert = pn_cert_from_pem(&pem);
    pn_bytes_free(&pem);
    if (!cert)
        pn_error_set(err, "%s/%s is damaged", c->opt.dir, name);
    return cert;
}

static EVP_PKEY *load_key(struct pn_cluster *c, const char *name, const char *passphrase, bool *locked,
                          struct pn_error *err)
{
    struct pn_bytes pem;
    struct pn_error why;
    EVP_PKEY *key;
    int rc = pn_store_read(c->opt.dir, name, PEM_BYTES_MAX, &pem, err);

    *locked = false;
    if (rc != 0) {
        if (rc > 0)
            pn_error_set(err, "%s/%s is missing", c->opt.dir, name);
        return NULL;
    }
    key = pn_key_from_pem(&pem, passphrase, locked, &why);
    pn_bytes_free(&pem);
    if (!key)
        pn_error_set(err, "%s/%s: %s", c->opt.dir, name, why.text);
    return key;
}

EVP_PKEY *pn_cluster_ca_key(struct pn_cluster *c, const char *passphrase, struct pn_error *err)
{
    EVP_PKEY *key;
    bool locked;

    if (!passphrase && c->ca_key) {
        EVP_PKEY_up_ref(c->ca_key);
        return c->ca_key;
    }
    key = load_key(c, PN_STORE_CA_KEY, passphrase, &locked, err);
    if (!passphrase)
        c->ca_locked = !key;
    if (!key && locked && !passphrase)
        pn_error_set(err, "the CA's key is locked: its passphrase is needed");
    if (key && X509_check_private_key(c->ca, key) != 1) {
        EVP_PKEY_free(key);
        pn_error_set(err, "%s/" PN_STORE_CA_KEY " is not the key of " PN_STORE_CA_CERT, c->opt.dir);
        return NULL;
    }
    return key;
}

static bool take_row(void *arg, const struct pn_member *row)
{
    pn_members_merge(arg, row);
    return true;
}

static int load_members(struct pn_cluster *c, struct pn_error *err)
{
    struct pn_bytes b;
    struct pn_error why;
    int rc = pn_store_read(c->opt.dir, PN_STORE_MEMBERS, PN_MEMBERS_BYTES_MAX, &b, err);

    if (rc != 0)
        return rc < 0 ? -1 : pn_error_set(err, "%s/" PN_STORE_MEMBERS " is missing", c->opt.dir);
    if (pn_members_init(&c->members, &c->who.cluster) < 0)
        rc = pn_error_set(err, "out of memory");
    else if (pn_members_decode(b.data, b.len, &c->who.cluster, NULL, take_row, &c->members, &why) < 0)
        rc = pn_error_set(err, "%s/" PN_STORE_MEMBERS ": %s", c->opt.dir, why.text);
    else if (!pn_members_find(&c->members, &c->who.node))
        rc = pn_error_set(err, "%s/" PN_STORE_MEMBERS " does not have this node", c->opt.dir);
    pn_bytes_free(&b);
    return rc;
}

static int load_keyring(struct pn_cluster *c, struct pn_error *err)
{
    struct pn_bytes b;
    struct pn_error why;
    int rc = pn_store_read(c->opt.dir, PN_STORE_KEYRING, PN_KEYRING_BYTES_MAX, &b, err);

    if (rc != 0)
        return rc < 0 ? -1 : pn_error_set(err, "%s/" PN_STORE_KEYRING " is missing", c->opt.dir);
    if (pn_keyring_decode(b.data, b.len, &c->keyring, &why) < 0)
        rc = pn_error_set(err, "%s/" PN_STORE_KEYRING ": %s", c->opt.dir, why.text);
    pn_bytes_free(&b);
    return rc;
}

static int load_rotate(struct pn_cluster *c, struct pn_error *err)
{
    struct pn_bytes b;
    int rc = pn_store_read(c->opt.dir, PN_STORE_ROTATE, 16, &b, err);

    pn_bytes_free(&b);
    c->rotate_wanted = rc == 0;
    return rc < 0 ? -1 : 0;
}

int pn_cluster_load(struct pn_cluster *c, struct pn_error *err)
{
    struct pn_bytes pem;
    struct pn_id cluster;
    bool locked;
    int rc = pn_store_read(c->opt.dir, PN_STORE_NODE_CERT, PEM_BYTES_MAX, &pem, err);

    c->state = PN_CLUSTER_NONE;
    if (rc != 0)
        return rc < 0 ? -1 : 0;
    c->cert = pn_cert_from_pem(&pem);
    pn_bytes_free(&pem);
    if (!c->cert || pn_cert_read(c->cert, &c->who, err) < 0)
        return pn_error_set(err, "%s/" PN_STORE_NODE_CERT " is damaged", c->opt.dir);
    c->ca = load_cert(c, PN_STORE_CA_CERT, err);
    if (!c->ca || pn_ca_cert_read(c->ca, &cluster, c->cluster_name, err) < 0)
        return -1;
    if (!pn_id_equal(&cluster, &c->who.cluster))
        return pn_error_set(err, "%s: the node's certificate and the CA's are of two clusters", c->opt.dir);
    if (load_members(c, err) < 0)
        return -1;
    if (pn_members_find(&c->members, &c->who.node)->removed) {
        c->state = PN_CLUSTER_REMOVED;
        return 0;
    }
    c->key = load_key(c, PN_STORE_NODE_KEY, NULL, &locked, err);
    if (!c->key || load_keyring(c, err) < 0 || load_rotate(c, err) < 0)
        return -1;
    /* Tokens can be made again; a node must not be lost for them. */
    if (pn_invites_load(&c->invites, c->opt.dir, err) < 0)
        pn_cluster_event(c, PN_LOG_ERROR, "", "tokens given out here are void: %s", err->text);
    EVP_PKEY *ca_key = pn_cluster_ca_key(c, NULL, &(struct pn_error){""}); /* to know whether it is locked */
    EVP_PKEY_free(ca_key);
    c->state = PN_CLUSTER_ACTIVE;
    return 0;
}

void pn_cluster_unload(struct pn_cluster *c)
{
    X509_free(c->ca);
    X509_free(c->cert);
    EVP_PKEY_free(c->key);
    EVP_PKEY_free(c->ca_key);
    c->ca = c->cert = NULL;
    c->key = c->ca_key = NULL;
    pn_members_free(&c->members);
    pn_keyring_wipe(&c->keyring);
    OPENSSL_cleanse(&c->invites, sizeof(c->invites));
    memset(&c->who, 0, sizeof(c->who));
    memset(c->cluster_name, 0, sizeof(c->cluster_name));
    c->rotate_wanted = false;
    c->state = PN_CLUSTER_NONE;
}

static int save(struct pn_cluster *c, const char *name, struct pn_bytes b, struct pn_error *err)
{
    int rc = b.data ? pn_file_replace(c->opt.dir, name, b.data, b.len, err) : pn_error_set(err, "out of memory");

    pn_bytes_free(&b);
    return rc;
}

int pn_cluster_save_members(struct pn_cluster *c, struct pn_error *err)
{
    return save(c, PN_STORE_MEMBERS, pn_members_encode(&c->members), err);
}

int pn_cluster_save_keyring(struct pn_cluster *c, struct pn_error *err)
{
    return save(c, PN_STORE_KEYRING, pn_keyring_encode(&c->keyring), err);
}

int pn_cluster_install(struct pn_cluster *c, X509 *ca, const struct pn_bytes *ca_key_pem, EVP_PKEY *key, X509 *cert,
                       const struct pn_bytes *members, const struct pn_keyring *keyring, struct pn_error *err)
{
    const char *dir = c->opt.dir;

    if (pn_store_prepare(dir, err) < 0 || pn_store_remove(dir, PN_STORE_NODE_CERT, err) < 0 ||
        pn_store_remove(dir, PN_STORE_INVITES, err) < 0 || pn_store_remove(dir, PN_STORE_ROTATE, err) < 0)
        return -1;
    if (save(c, PN_STORE_CA_CERT, pn_cert_to_pem(ca), err) < 0 ||
        pn_file_replace(dir, PN_STORE_CA_KEY, ca_key_pem->data ? ca_key_pem->data : (uint8_t *)"", ca_key_pem->len,
                        err) < 0 ||
        save(c, PN_STORE_NODE_KEY, pn_key_to_pem(key, NULL), err) < 0 ||
        pn_file_replace(dir, PN_STORE_MEMBERS, members->data, members->len, err) < 0 ||
        save(c, PN_STORE_KEYRING, pn_keyring_encode(keyring), err) < 0)
        return -1;
    return save(c, PN_STORE_NODE_CERT, pn_cert_to_pem(cert), err);
}

SSL_CTX *pn_cluster_tls(struct pn_cluster *c, struct pn_error *err)
{
    return pn_mtls_member_new(c->ca, c->cert, c->key, err);
}
