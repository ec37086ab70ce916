/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The cluster's certificate authority and what it signs. Ed25519 throughout. A node's certificate names it twice in
 * subjectAltName: DNS:<name>, which may change, and URI:urn:postern:<cluster id>:<node id>, which does not. There
 * is no revocation list: membership decides, and it holds each node's public key.
 */
#ifndef POSTERN_CLUSTER_CA_H
#define POSTERN_CLUSTER_CA_H

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "controlplane/cluster/codec.h"
#include "controlplane/cluster/token.h"

#define PN_CA_DAYS (20 * 365)
#define PN_CERT_DAYS 90
#define PN_CERT_BACKDATE_S (24 * 3600) /* clocks differ: a new certificate is good for a day before now */
#define PN_PASSPHRASE_MIN 8u
#define PN_PASSPHRASE_MAX 1024u

/* Who a certificate says it is. */
struct pn_cert_name {
    struct pn_id cluster, node;
    char name[PN_NAME_BYTES];
    uint8_t key[PN_KEY_BYTES];
};

EVP_PKEY *pn_key_new(struct pn_error *err);
int pn_key_public(const EVP_PKEY *key, uint8_t out[PN_KEY_BYTES]); /* -1: not Ed25519 */
/* PKCS#8 as PEM; passphrase NULL: not encrypted, else PBES2 with scrypt and AES-256-CBC. data NULL: failed. */
struct pn_bytes pn_key_to_pem(EVP_PKEY *key, const char *passphrase);
/* passphrase NULL where the key is encrypted: NULL and *locked. */
EVP_PKEY *pn_key_from_pem(const struct pn_bytes *pem, const char *passphrase, bool *locked, struct pn_error *err);

/* now_s: seconds since 1970. The cluster's id stands in the CA's subjectAltName, its name in the subject. */
X509 *pn_ca_cert_new(EVP_PKEY *key, const char *cluster_name, const struct pn_id *cluster, int64_t now_s,
                     struct pn_error *err);
int pn_ca_cert_read(X509 *ca, struct pn_id *cluster, char cluster_name[PN_NAME_BYTES], struct pn_error *err);
int pn_cert_fingerprint(X509 *cert, uint8_t out[PN_FINGERPRINT_BYTES]);

/* A node's certificate over the raw public key in `who`. days: PN_CERT_DAYS, tests ask for less or negative. */
X509 *pn_ca_issue(X509 *ca, EVP_PKEY *ca_key, const struct pn_cert_name *who, int64_t now_s, int days,
                  struct pn_error *err);
/* What an accepted certificate says; -1 and err: it is not one of a node. The signature is TLS's to check. */
int pn_cert_read(X509 *cert, struct pn_cert_name *who, struct pn_error *err);
/* Seconds since 1970. */
int pn_cert_validity(const X509 *cert, int64_t *not_before_s, int64_t *not_after_s);
/* When to renew: after two thirds of the life. */
int64_t pn_cert_renew_at_s(const X509 *cert);

struct pn_bytes pn_cert_to_pem(X509 *cert);
struct pn_bytes pn_cert_to_der(X509 *cert);
X509 *pn_cert_from_pem(const struct pn_bytes *pem);
X509 *pn_cert_from_der(const uint8_t *der, size_t len);

/* A request proves that who asks holds the key; names in it do not count. */
struct pn_bytes pn_csr_new(EVP_PKEY *key);
int pn_csr_key(const uint8_t *der, size_t len, uint8_t key[PN_KEY_BYTES], struct pn_error *err);

/* A member vouches for another: signature over cluster, id, joined and key. */
int pn_sponsor_sign(EVP_PKEY *key, const struct pn_id *cluster, struct pn_member *row);
bool pn_sponsor_verify(const uint8_t key[PN_KEY_BYTES], const struct pn_id *cluster, const struct pn_member *row);

#endif
