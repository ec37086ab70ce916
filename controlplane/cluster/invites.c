/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/cluster/invites.h"

#include "common/error.h"
#include "common/replace.h"
#include "controlplane/cluster/cluster.pb-c.h"

#define FILE_BYTES_MAX 4096u

const char *const pn_invite_verdict_text[PN_INVITE_VERDICT_COUNT] = {
    "good",
    "this node has not given out such a token: was it made on another node?",
    "the token has expired",
    "the token has been used already",
    "the token is void after too many wrong tries",
};

struct pn_bytes pn_invites_encode(const struct pn_invites *v)
{
    Pnpb__Invites pb = PNPB__INVITES__INIT;
    Pnpb__Invite rows[PN_INVITES_MAX], *list[PN_INVITES_MAX];

    for (unsigned i = 0; i < v->n; i++) {
        struct pn_invite *invite = (struct pn_invite *)(uintptr_t)&v->list[i];
        pnpb__invite__init(&rows[i]);
        rows[i].id = (ProtobufCBinaryData){PN_INVITE_ID_BYTES, invite->id};
        rows[i].verifier = (ProtobufCBinaryData){PN_PROOF_BYTES, invite->verifier};
        rows[i].expires_s = invite->expires_s;
        rows[i].wrong = invite->wrong;
        rows[i].used = invite->used;
        list[i] = &rows[i];
    }
    pb.n_invites = v->n;
    pb.invites = list;
    return pn_bytes_pack(&pb.base);
}

int pn_invites_decode(const void *bytes, size_t len, struct pn_invites *v, struct pn_error *err)
{
    struct pn_pb_budget budget;
    Pnpb__Invites *pb = NULL;
    int rc = 0;

    v->n = 0;
    if (len <= FILE_BYTES_MAX)
        pb = pn_pb_unpack(&budget, &pnpb__invites__descriptor, bytes, len, pn_pb_allowance(len));
    if (!pb)
        return pn_error_set(err, "not a list of invites");
    for (size_t i = 0; i < pb->n_invites && rc == 0; i++) {
        const Pnpb__Invite *row = pb->invites[i];
        struct pn_invite *to = &v->list[v->n];

        if (v->n == PN_INVITES_MAX || row->id.len != PN_INVITE_ID_BYTES || row->verifier.len != PN_PROOF_BYTES) {
            rc = pn_error_set(err, "an invite is malformed, or there are too many");
            break;
        }
        memcpy(to->id, row->id.data, PN_INVITE_ID_BYTES);
        memcpy(to->verifier, row->verifier.data, PN_PROOF_BYTES);
        to->expires_s = row->expires_s;
        to->wrong = row->wrong;
        to->used = row->used;
        v->n++;
    }
    if (rc < 0)
        v->n = 0;
    pn_pb_free(&budget, pb);
    return rc;
}

int pn_invites_load(struct pn_invites *v, const char *dir, struct pn_error *err)
{
    struct pn_bytes b;
    int rc;

    memset(v, 0, sizeof(*v));
    v->dir = dir;
    rc = pn_store_read(dir, PN_STORE_INVITES, FILE_BYTES_MAX, &b, err);
    if (rc != 0)
        return rc < 0 ? -1 : 0;
    rc = pn_invites_decode(b.data, b.len, v, err);
    pn_bytes_free(&b);
    return rc;
}

static int save(const struct pn_invites *v, struct pn_error *err)
{
    struct pn_bytes b = pn_invites_encode(v);
    int rc =
        b.data ? pn_file_replace(v->dir, PN_STORE_INVITES, b.data, b.len, err) : pn_error_set(err, "out of memory");

    pn_bytes_free(&b);
    return rc;
}

static void drop(struct pn_invites *v, unsigned at)
{
    memmove(&v->list[at], &v->list[at + 1], (v->n - at - 1) * sizeof(v->list[0]));
    v->n--;
}

int pn_invites_add(struct pn_invites *v, const struct pn_invite *invite, uint64_t now_s, struct pn_error *err)
{
    for (unsigned i = v->n; i-- > 0;)
        if (v->list[i].expires_s <= now_s)
            drop(v, i);
    for (unsigned i = 0; i < v->n && v->n == PN_INVITES_MAX; i++)
        if (v->list[i].used || v->list[i].wrong >= PN_INVITE_WRONG_MAX)
            drop(v, i);
    if (v->n == PN_INVITES_MAX)
        return pn_error_set(err, "%u tokens are waiting to be used: let some expire first", PN_INVITES_MAX);
    v->list[v->n++] = *invite;
    if (save(v, err) == 0)
        return 0;
    v->n--;
    return -1;
}

enum pn_invite_verdict pn_invites_find(struct pn_invites *v, const uint8_t id[PN_INVITE_ID_BYTES], uint64_t now_s,
                                       struct pn_invite **found)
{
    *found = NULL;
    for (unsigned i = 0; i < v->n; i++) {
        struct pn_invite *invite = &v->list[i];

        if (memcmp(invite->id, id, PN_INVITE_ID_BYTES) != 0)
            continue;
        if (invite->used)
            return PN_INVITE_USED;
        if (invite->expires_s <= now_s)
            return PN_INVITE_EXPIRED;
        if (invite->wrong >= PN_INVITE_WRONG_MAX)
            return PN_INVITE_VOID;
        *found = invite;
        return PN_INVITE_OK;
    }
    return PN_INVITE_UNKNOWN;
}

int pn_invites_use(struct pn_invites *v, struct pn_invite *invite, struct pn_error *err)
{
    invite->used = true; /* stays so when the disk fails: rather a token lost than one used twice */
    return save(v, err);
}

int pn_invites_wrong(struct pn_invites *v, struct pn_invite *invite, struct pn_error *err)
{
    invite->wrong++;
    return save(v, err);
}
