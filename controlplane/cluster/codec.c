/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/cluster/codec.h"

#include <stdlib.h>

#include <openssl/crypto.h>

#include "common/error.h"
#include "controlplane/cluster/cluster.pb-c.h"

struct pn_bytes pn_bytes_pack(const ProtobufCMessage *message)
{
    struct pn_bytes b = {NULL, protobuf_c_message_get_packed_size(message)};

    b.data = malloc(b.len ? b.len : 1);
    if (b.data)
        protobuf_c_message_pack(message, b.data);
    return b;
}

void pn_bytes_free(struct pn_bytes *b)
{
    if (b->data)
        OPENSSL_cleanse(b->data, b->len);
    free(b->data);
    *b = (struct pn_bytes){NULL, 0};
}

/* ---- small parts ---- */

static ProtobufCBinaryData binary(const void *data, size_t len)
{
    return (ProtobufCBinaryData){len, (uint8_t *)(uintptr_t)data};
}

static int take(const ProtobufCBinaryData *b, void *to, size_t len)
{
    if (b->len != len)
        return -1;
    memcpy(to, b->data, len);
    return 0;
}

/* protobuf strings end at their first NUL here; what does not fit is refused, not cut. */
static int take_text(const char *text, char *to, size_t size)
{
    size_t n = text ? strlen(text) : 0;

    if (n >= size)
        return -1;
    memset(to, 0, size);
    if (n)
        memcpy(to, text, n);
    return 0;
}

int pn_codec_endpoints(Pnpb__Endpoint **pb, size_t n, struct pn_member *row)
{
    if (n > PN_MEMBER_ENDPOINTS_MAX)
        return -1;
    row->n_endpoints = (unsigned)n;
    for (size_t i = 0; i < n; i++) {
        if (take(&pb[i]->address, row->endpoints[i].addr.b, 16) < 0 || pb[i]->port == 0 || pb[i]->port > UINT16_MAX)
            return -1;
        row->endpoints[i].port = (uint16_t)pb[i]->port;
    }
    return 0;
}

int pn_codec_networks(Pnpb__Network **pb, size_t n, struct pn_networks *out)
{
    if (n > PN_MEMBER_NETWORKS_MAX)
        return -1;
    out->n = (unsigned)n;
    for (size_t i = 0; i < n; i++) {
        if (take(&pb[i]->address, out->list[i].addr.b, 16) < 0 || pb[i]->length > 128)
            return -1;
        out->list[i].len = (uint8_t)pb[i]->length;
    }
    return 0;
}

/* ---- members ---- */

int pn_codec_member(const Pnpb__Member *pb, struct pn_member *row, struct pn_error *err)
{
    static const struct pn_member empty;
    const char *fault;

    *row = empty;
    if (take(&pb->id, row->id.b, PN_ID_BYTES) < 0 || take(&pb->key, row->key, PN_KEY_BYTES) < 0 ||
        take(&pb->admin_author, row->admin_author.b, PN_ID_BYTES) < 0)
        return pn_error_set(err, "a member's id or key has a wrong length");
    if (pb->sponsorship.len && (take(&pb->sponsor, row->sponsor.b, PN_ID_BYTES) < 0 ||
                                take(&pb->sponsorship, row->sponsorship, PN_SIGNATURE_BYTES) < 0))
        return pn_error_set(err, "a sponsorship has a wrong length");
    row->joined = pb->joined;
    row->admin_stamp = pb->admin_stamp;
    row->own_stamp = pb->own_stamp;
    row->removed = pb->removed;
    if (pb->number >= PN_MAX_NODES)
        return pn_error_set(err, "member number %u", pb->number);
    row->claim_number = (uint8_t)pb->number;
    if (take_text(pb->name, row->claim_name, sizeof(row->claim_name)) < 0 ||
        take_text(pb->version, row->version, sizeof(row->version)) < 0 || pb->n_former > PN_MEMBER_FORMER_MAX)
        return pn_error_set(err, "a member's name or version is too long");
    for (size_t i = 0; i < pb->n_former; i++)
        if (take_text(pb->former[i], row->former[i], sizeof(row->former[i])) < 0)
            return pn_error_set(err, "a member's former name is too long");
    if (pn_codec_endpoints(pb->endpoints, pb->n_endpoints, row) < 0 ||
        pn_codec_networks(pb->vips, pb->n_vips, &row->vips) < 0 ||
        pn_codec_networks(pb->extra, pb->n_extra, &row->extra) < 0)
        return pn_error_set(err, "member %s: its endpoints or networks are malformed or too many", row->claim_name);
    fault = pn_member_fault(row);
    return fault ? pn_error_set(err, "member %s has %s", row->claim_name, fault) : 0;
}

struct pn_member_pb {
    Pnpb__Member pb;
    struct pn_member row;
    char *former[PN_MEMBER_FORMER_MAX];
    Pnpb__Endpoint endpoints[PN_MEMBER_ENDPOINTS_MAX], *endpoint_list[PN_MEMBER_ENDPOINTS_MAX];
    Pnpb__Network networks[2 * PN_MEMBER_NETWORKS_MAX], *network_list[2 * PN_MEMBER_NETWORKS_MAX];
};

static void networks_fill(Pnpb__Network *pb, Pnpb__Network **list, struct pn_networks *n)
{
    for (unsigned i = 0; i < n->n; i++) {
        pnpb__network__init(&pb[i]);
        pb[i].address = binary(n->list[i].addr.b, 16);
        pb[i].length = n->list[i].len;
        list[i] = &pb[i];
    }
}

static void member_fill(struct pn_member_pb *p, const struct pn_member *row)
{
    p->row = *row;
    pnpb__member__init(&p->pb);
    p->pb.id = binary(p->row.id.b, PN_ID_BYTES);
    p->pb.joined = row->joined;
    p->pb.key = binary(p->row.key, PN_KEY_BYTES);
    p->pb.admin_stamp = row->admin_stamp;
    p->pb.admin_author = binary(p->row.admin_author.b, PN_ID_BYTES);
    p->pb.name = p->row.claim_name;
    for (unsigned i = 0; i < PN_MEMBER_FORMER_MAX && row->former[i][0]; i++)
        p->former[p->pb.n_former++] = p->row.former[i];
    p->pb.former = p->former;
    p->pb.number = row->claim_number;
    p->pb.removed = row->removed;
    p->pb.own_stamp = row->own_stamp;
    p->pb.version = p->row.version;
    if (!pn_id_is_zero(&row->sponsor)) {
        p->pb.sponsor = binary(p->row.sponsor.b, PN_ID_BYTES);
        p->pb.sponsorship = binary(p->row.sponsorship, PN_SIGNATURE_BYTES);
    }
    for (unsigned i = 0; i < row->n_endpoints; i++) {
        pnpb__endpoint__init(&p->endpoints[i]);
        p->endpoints[i].address = binary(p->row.endpoints[i].addr.b, 16);
        p->endpoints[i].port = row->endpoints[i].port;
        p->endpoint_list[i] = &p->endpoints[i];
    }
    p->pb.n_endpoints = row->n_endpoints;
    p->pb.endpoints = p->endpoint_list;
    networks_fill(p->networks, p->network_list, &p->row.vips);
    networks_fill(p->networks + PN_MEMBER_NETWORKS_MAX, p->network_list + PN_MEMBER_NETWORKS_MAX, &p->row.extra);
    p->pb.n_vips = row->vips.n;
    p->pb.vips = p->network_list;
    p->pb.n_extra = row->extra.n;
    p->pb.extra = p->network_list + PN_MEMBER_NETWORKS_MAX;
}

struct pn_member_pb *pn_member_pb_new(const struct pn_member *row)
{
    struct pn_member_pb *p = calloc(1, sizeof(*p));

    if (p)
        member_fill(p, row);
    return p;
}

Pnpb__Member *pn_member_pb_get(struct pn_member_pb *pb)
{
    return pb ? &pb->pb : NULL;
}

void pn_member_pb_free(struct pn_member_pb *pb)
{
    free(pb);
}

struct pn_bytes pn_member_encode(const struct pn_member *row)
{
    struct pn_member_pb *p = pn_member_pb_new(row);
    struct pn_bytes b = {NULL, 0};

    if (p)
        b = pn_bytes_pack(&p->pb.base);
    free(p);
    return b;
}

int pn_member_decode(const void *bytes, size_t len, struct pn_member *row, struct pn_error *err)
{
    struct pn_pb_budget budget;
    Pnpb__Member *pb = pn_pb_unpack(&budget, &pnpb__member__descriptor, bytes, len, pn_pb_allowance(len));
    int rc;

    if (!pb)
        return pn_error_set(err, "not a member");
    rc = pn_codec_member(pb, row, err);
    pn_pb_free(&budget, pb);
    return rc;
}

struct pn_bytes pn_members_encode(const struct pn_members *m)
{
    Pnpb__Membership pb = PNPB__MEMBERSHIP__INIT;
    struct pn_member_pb *rows = calloc(m->n ? m->n : 1, sizeof(*rows));
    Pnpb__Member *list[PN_MEMBER_ROWS_MAX];
    struct pn_bytes b = {NULL, 0};

    if (!rows)
        return b;
    for (unsigned i = 0; i < m->n; i++) {
        member_fill(&rows[i], &m->rows[i]);
        list[i] = &rows[i].pb;
    }
    pb.cluster = binary(m->cluster.b, PN_ID_BYTES);
    pb.n_members = m->n;
    pb.members = list;
    b = pn_bytes_pack(&pb.base);
    free(rows);
    return b;
}

int pn_members_decode(const void *bytes, size_t len, const struct pn_id *cluster, struct pn_id *found,
                      bool (*fn)(void *arg, const struct pn_member *row), void *arg, struct pn_error *err)
{
    struct pn_pb_budget budget;
    Pnpb__Membership *pb = NULL;
    struct pn_member row;
    struct pn_id id;
    int rc = 0;

    if (len <= PN_MEMBERS_BYTES_MAX)
        pb = pn_pb_unpack(&budget, &pnpb__membership__descriptor, bytes, len, pn_pb_allowance(len));
    if (!pb)
        return pn_error_set(err, "not a membership list");
    if (take(&pb->cluster, id.b, PN_ID_BYTES) < 0 || (cluster && !pn_id_equal(&id, cluster)))
        rc = pn_error_set(err, "a membership list of another cluster");
    else if (pb->n_members > PN_MEMBER_ROWS_MAX)
        rc = pn_error_set(err, "%zu members, at most %u", pb->n_members, PN_MEMBER_ROWS_MAX);
    for (size_t i = 0; rc == 0 && i < pb->n_members; i++) { /* all of it is sound, or none of it counts */
        if (pn_codec_member(pb->members[i], &row, err) < 0)
            rc = -1;
    }
    if (rc == 0 && found)
        *found = id;
    for (size_t i = 0; rc == 0 && i < pb->n_members; i++)
        if (pn_codec_member(pb->members[i], &row, err) == 0 && !fn(arg, &row))
            break;
    pn_pb_free(&budget, pb);
    return rc;
}

/* ---- keyring ---- */

struct pn_bytes pn_keyring_encode(const struct pn_keyring *k)
{
    Pnpb__Keyring pb = PNPB__KEYRING__INIT;
    Pnpb__RingKey keys[PN_SEAL_MAX_KEYS], *list[PN_SEAL_MAX_KEYS];

    pb.epoch = k->epoch;
    pb.phase = (uint32_t)k->phase;
    for (unsigned i = 0; i < k->ring.n_keys && i < PN_SEAL_MAX_KEYS; i++) {
        pnpb__ring_key__init(&keys[i]);
        keys[i].id = k->ring.keys[i].id;
        keys[i].send = k->ring.keys[i].send;
        keys[i].secret = binary(k->ring.keys[i].secret, PN_SEAL_SECRET_BYTES);
        list[i] = &keys[i];
        pb.n_keys++;
    }
    pb.keys = list;
    return pn_bytes_pack(&pb.base);
}

int pn_codec_keyring(const Pnpb__Keyring *pb, struct pn_keyring *k, struct pn_error *err)
{
    const char *fault;

    pn_keyring_wipe(k);
    if (pb->n_keys > PN_SEAL_MAX_KEYS)
        return pn_error_set(err, "%zu keys in a ring", pb->n_keys);
    k->epoch = pb->epoch;
    k->phase = pb->phase < PN_KEYRING_PHASE_COUNT ? (enum pn_keyring_phase)pb->phase : PN_KEYRING_PHASE_COUNT;
    k->ring.n_keys = (unsigned)pb->n_keys;
    for (size_t i = 0; i < pb->n_keys; i++) {
        if (pb->keys[i]->id > UINT8_MAX || take(&pb->keys[i]->secret, k->ring.keys[i].secret, PN_SEAL_SECRET_BYTES) < 0)
            return pn_error_set(err, "a key of a ring has a wrong id or length");
        k->ring.keys[i].id = (uint8_t)pb->keys[i]->id;
        k->ring.keys[i].send = pb->keys[i]->send;
    }
    fault = pn_keyring_fault(k);
    return fault ? pn_error_set(err, "a key ring with %s", fault) : 0;
}

static void wipe_keys(Pnpb__Keyring *pb)
{
    for (size_t i = 0; i < pb->n_keys; i++)
        if (pb->keys[i]->secret.data)
            OPENSSL_cleanse(pb->keys[i]->secret.data, pb->keys[i]->secret.len);
}

int pn_keyring_decode(const void *bytes, size_t len, struct pn_keyring *k, struct pn_error *err)
{
    struct pn_pb_budget budget;
    Pnpb__Keyring *pb = NULL;
    int rc;

    if (len <= PN_KEYRING_BYTES_MAX)
        pb = pn_pb_unpack(&budget, &pnpb__keyring__descriptor, bytes, len, pn_pb_allowance(len));
    if (!pb)
        return pn_error_set(err, "not a key ring");
    rc = pn_codec_keyring(pb, k, err);
    if (rc < 0)
        pn_keyring_wipe(k);
    wipe_keys(pb);
    pn_pb_free(&budget, pb);
    return rc;
}
