/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What `postern cluster invite` prints: where to join, which CA must answer, and a secret for one use. Written as
 * "PN1-" and groups of Crockford's base32 (no letter mistaken for a digit; case, blanks and dashes do not count), with
 * a checksum, so that a slip of the pen is told from a token that has been used. Pure.
 */
#ifndef POSTERN_CLUSTER_TOKEN_H
#define POSTERN_CLUSTER_TOKEN_H

#include "controlplane/cluster/members.h"

#define PN_TOKEN_ENDPOINTS_MAX 4u
#define PN_INVITE_ID_BYTES 8u
#define PN_INVITE_SECRET_BYTES 16u
#define PN_FINGERPRINT_BYTES 32u /* SHA-256 of the CA's certificate (DER) */
#define PN_TOKEN_TEXT_BYTES 320u

struct pn_token {
    uint8_t invite[PN_INVITE_ID_BYTES];
    uint8_t secret[PN_INVITE_SECRET_BYTES];
    uint8_t ca[PN_FINGERPRINT_BYTES];
    bool passphrase; /* the secret is not whole without one */
    struct pn_endpoint endpoints[PN_TOKEN_ENDPOINTS_MAX];
    unsigned n_endpoints;
};

/* Into text; returns it. NULL: too many endpoints. */
char *pn_token_format(const struct pn_token *t, char text[PN_TOKEN_TEXT_BYTES]);
/* 0, or -1 and err: not a token, mistyped, of a later version. */
int pn_token_parse(const char *text, struct pn_token *t, struct pn_error *err);
void pn_token_wipe(struct pn_token *t);

#endif
