/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Proofs of the join protocol. The whole secret is what the token carries, mixed with the passphrase (scrypt) where
 * there is one; the host keeps only its hash, the verifier. Each side proves that it knows the verifier, over a value
 * that only the two ends of this TLS connection have (exporter, RFC 8446, 7.5), then the newcomer shows the secret
 * itself: a thief of the host's files cannot join.
 */
#ifndef POSTERN_CLUSTER_JOIN_PROOF_H
#define POSTERN_CLUSTER_JOIN_PROOF_H

#include <openssl/ssl.h>

#include "controlplane/cluster/token.h"

#define PN_PROOF_BYTES 32u

struct pn_join_secret {
    uint8_t whole[PN_PROOF_BYTES];
    uint8_t verifier[PN_PROOF_BYTES];
};

/* passphrase NULL: none. About 50 ms with one. */
int pn_join_secret_make(struct pn_join_secret *s, const struct pn_token *t, const char *passphrase);
void pn_join_secret_verifier(const uint8_t whole[PN_PROOF_BYTES], uint8_t verifier[PN_PROOF_BYTES]);
int pn_join_channel(SSL *ssl, uint8_t channel[PN_PROOF_BYTES]); /* the same at both ends, nowhere else */

enum pn_join_role { PN_JOIN_GUEST, PN_JOIN_HOST };
int pn_join_prove(const uint8_t verifier[PN_PROOF_BYTES], const uint8_t channel[PN_PROOF_BYTES], enum pn_join_role role,
                  uint8_t proof[PN_PROOF_BYTES]);

/* AES-256-GCM under a key of this secret and channel, used once. Adds 16 bytes. data NULL: failed. */
struct pn_bytes;
struct pn_bytes pn_join_seal(const uint8_t whole[PN_PROOF_BYTES], const uint8_t channel[PN_PROOF_BYTES],
                             const void *plain, size_t len);
struct pn_bytes pn_join_unseal(const uint8_t whole[PN_PROOF_BYTES], const uint8_t channel[PN_PROOF_BYTES],
                               const void *sealed, size_t len);

#endif
