/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TLS of the cluster: 1.3 only, no tickets, no resumption. One port, two protocols told apart by ALPN: the mesh
 * (both sides show a certificate of the cluster's CA, which is the only one trusted) and joining (the newcomer has none).
 */
#ifndef POSTERN_CLUSTER_MTLS_H
#define POSTERN_CLUSTER_MTLS_H

#include <openssl/ssl.h>

#include "controlplane/cluster/ca.h"

enum pn_alpn { PN_ALPN_NONE, PN_ALPN_MESH, PN_ALPN_JOIN };

/* For accepting and dialling as a member. Takes references of its own. NULL and err. */
SSL_CTX *pn_mtls_member_new(X509 *ca, X509 *cert, EVP_PKEY *key, struct pn_error *err);
/* For dialling with a token: whatever chain ends in the CA with this fingerprint, nothing else. */
SSL_CTX *pn_mtls_guest_new(const uint8_t ca[PN_FINGERPRINT_BYTES], struct pn_error *err);

enum pn_alpn pn_mtls_alpn(const SSL *ssl); /* after the handshake */
/* Its certificate, verified by the handshake, or NULL: none. The caller's. */
X509 *pn_mtls_peer_cert(SSL *ssl);
X509 *pn_mtls_peer_ca(SSL *ssl); /* last of the verified chain; the caller's */
/* Why a handshake failed, for people; clears the error queue. */
const char *pn_mtls_reason(SSL *ssl, unsigned long bev_error, int socket_errno);

#endif
