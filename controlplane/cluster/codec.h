/* SPDX-License-Identifier: BSD-3-Clause */
/* The cluster's objects to protobuf and back. Decoding checks every length and range; encoding gives heap blocks. */
#ifndef POSTERN_CLUSTER_CODEC_H
#define POSTERN_CLUSTER_CODEC_H

#include "common/pb.h"
#include "controlplane/cluster/keyring.h"
#include "controlplane/cluster/members.h"

struct pn_bytes {
    uint8_t *data; /* NULL: memory ran out */
    size_t len;
};
/* Packs and, with wipe, makes sure that no copy stays but the result. */
struct pn_bytes pn_bytes_pack(const ProtobufCMessage *message);
void pn_bytes_free(struct pn_bytes *b); /* wiped first: it may have held keys */

#define PN_MEMBERS_BYTES_MAX (512u * 1024)
#define PN_KEYRING_BYTES_MAX 1024u

struct pn_bytes pn_members_encode(const struct pn_members *m);
struct pn_bytes pn_member_encode(const struct pn_member *row);
struct pn_bytes pn_keyring_encode(const struct pn_keyring *k);

/*
 * Each row that decodes is given to fn; fn returns false to stop. 0, or -1 and err: malformed, or of another cluster;
 * cluster NULL: any, stored to *found.
 */
int pn_members_decode(const void *bytes, size_t len, const struct pn_id *cluster, struct pn_id *found,
                      bool (*fn)(void *arg, const struct pn_member *row), void *arg, struct pn_error *err);
int pn_member_decode(const void *bytes, size_t len, struct pn_member *row, struct pn_error *err);
int pn_keyring_decode(const void *bytes, size_t len, struct pn_keyring *k, struct pn_error *err);

/* Parts that the join's messages have too. pn_codec_*_free gives back what the _to_pb allocated. */
struct Pnpb__Endpoint;
struct Pnpb__Network;
struct Pnpb__Member;
struct Pnpb__Membership;
struct Pnpb__Keyring;
int pn_codec_endpoints(struct Pnpb__Endpoint **pb, size_t n, struct pn_member *row);
int pn_codec_networks(struct Pnpb__Network **pb, size_t n, struct pn_networks *out);
int pn_codec_member(const struct Pnpb__Member *pb, struct pn_member *row, struct pn_error *err);
int pn_codec_keyring(const struct Pnpb__Keyring *pb, struct pn_keyring *k, struct pn_error *err);

/* A row as a message whose parts live in one heap block. NULL: memory. */
struct pn_member_pb;
struct pn_member_pb *pn_member_pb_new(const struct pn_member *row);
struct Pnpb__Member *pn_member_pb_get(struct pn_member_pb *pb);
void pn_member_pb_free(struct pn_member_pb *pb);

#endif
