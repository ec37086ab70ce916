/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The invites of this node, on its disk: each for one use, until it expires. What is kept cannot be turned back into
 * a token. An invite is used up, durably, before its certificate is signed; five wrong proofs use it up as well.
 */
#ifndef POSTERN_CLUSTER_INVITES_H
#define POSTERN_CLUSTER_INVITES_H

#include "controlplane/cluster/join_proof.h"
#include "controlplane/cluster/store.h"

#define PN_INVITES_MAX 16u
#define PN_INVITE_WRONG_MAX 5u

struct pn_invite {
    uint8_t id[PN_INVITE_ID_BYTES];
    uint8_t verifier[PN_PROOF_BYTES];
    uint64_t expires_s;
    uint32_t wrong;
    bool used;
};

struct pn_invites {
    const char *dir; /* kept by pointer */
    struct pn_invite list[PN_INVITES_MAX];
    unsigned n;
};

enum pn_invite_verdict {
    PN_INVITE_OK,
    PN_INVITE_UNKNOWN,
    PN_INVITE_EXPIRED,
    PN_INVITE_USED,
    PN_INVITE_VOID, /* too many wrong proofs */
    PN_INVITE_VERDICT_COUNT
};
extern const char *const pn_invite_verdict_text[PN_INVITE_VERDICT_COUNT];

/* A missing file is no invite; a damaged one too, and err says so (-1). */
int pn_invites_load(struct pn_invites *v, const char *dir, struct pn_error *err);
int pn_invites_add(struct pn_invites *v, const struct pn_invite *invite, uint64_t now_s, struct pn_error *err);
enum pn_invite_verdict pn_invites_find(struct pn_invites *v, const uint8_t id[PN_INVITE_ID_BYTES], uint64_t now_s,
                                       struct pn_invite **found);
int pn_invites_use(struct pn_invites *v, struct pn_invite *invite, struct pn_error *err); /* durable on 0 */
int pn_invites_wrong(struct pn_invites *v, struct pn_invite *invite, struct pn_error *err);

/* Pure parts. */
struct pn_bytes pn_invites_encode(const struct pn_invites *v);
int pn_invites_decode(const void *bytes, size_t len, struct pn_invites *v, struct pn_error *err);

#endif
