/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What comes from other nodes, and from the disk. The first byte chooses the decoder. What decodes holds its promises:
 * it encodes to what decodes to the same, membership merges to the same in any order, a key ring has one sending key.
 */
#include <stdio.h>
#include <stdlib.h>

#include "controlplane/cluster/ca.h"
#include "controlplane/cluster/cluster.pb-c.h"
#include "controlplane/cluster/envelope.h"
#include "controlplane/cluster/invites.h"
#include "controlplane/cluster/perimeter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "%s\n", what);
    abort();
}

struct rows {
    struct pn_member list[PN_MEMBER_ROWS_MAX];
    unsigned n;
};

static bool keep_row(void *arg, const struct pn_member *row)
{
    struct rows *r = arg;

    must(r->n < PN_MEMBER_ROWS_MAX, "too many rows");
    must(!pn_member_fault(row), "a faulty row was let through");
    r->list[r->n++] = *row;
    return true;
}

static void try_members(const uint8_t *data, size_t size)
{
    static struct rows rows, back;
    struct pn_members a, b;
    struct pn_perimeter *p;
    struct pn_id id, none = {{0}};
    struct pn_error err;
    bool refused = false;

    rows.n = back.n = 0;
    if (pn_members_decode(data, size, NULL, &id, keep_row, &rows, &err) < 0)
        return;
    must(pn_members_init(&a, &id) == 0 && pn_members_init(&b, &id) == 0, "memory");
    for (unsigned i = 0; i < rows.n; i++)
        refused |= pn_members_merge(&a, &rows.list[i]) == PN_MERGE_REFUSED;
    for (unsigned i = rows.n; i-- > 0;)
        refused |= pn_members_merge(&b, &rows.list[i]) == PN_MERGE_REFUSED;
    if (!refused) /* two keys for one id: whoever came first stays, an order is no promise then */
        must(pn_members_digest64(&a) == pn_members_digest64(&b), "the order of rows matters");
    must(pn_members_active(&a) <= PN_MAX_NODES, "more members than seats");
    struct pn_bytes bytes = pn_members_encode(&a);
    must(bytes.data && pn_members_decode(bytes.data, bytes.len, &id, NULL, keep_row, &back, &err) == 0 && back.n == a.n,
         "what was encoded does not decode");
    for (unsigned i = 0; i < back.n; i++)
        must(pn_members_merge(&a, &back.list[i]) == PN_MERGE_SAME, "encoding changed a row");
    pn_members_settle(&a, a.n ? &a.rows[0].id : &none, 1);
    p = malloc(sizeof(*p));
    pn_perimeter_make(p, &a);
    free(pn_perimeter_export(p, PN_PERIMETER_POSTFIX, "x"));
    free(p);
    pn_bytes_free(&bytes);
    pn_members_free(&a);
    pn_members_free(&b);
}

static void try_keyring(const uint8_t *data, size_t size)
{
    struct pn_keyring k, back;
    struct pn_error err;
    unsigned sending = 0;

    if (pn_keyring_decode(data, size, &k, &err) < 0)
        return;
    for (unsigned i = 0; i < k.ring.n_keys; i++)
        sending += k.ring.keys[i].send;
    must(sending == 1, "not one sending key");
    struct pn_bytes b = pn_keyring_encode(&k);
    must(b.data && pn_keyring_decode(b.data, b.len, &back, &err) == 0, "what was encoded does not decode");
    must(pn_keyring_digest64(&k) == pn_keyring_digest64(&back), "encoding changed a ring");
    must(!pn_keyring_merge(&k, &back), "a ring wins against itself");
    pn_bytes_free(&b);
}

static void try_control(const uint8_t *data, size_t size)
{
    struct pn_control *c = malloc(2 * sizeof(*c));
    struct pn_error err;

    if (pn_control_decode(data, size, &c[0], &err) == 0) {
        struct pn_bytes b = pn_control_encode(&c[0]);
        must(b.data && pn_control_decode(b.data, b.len, &c[1], &err) == 0, "what was encoded does not decode");
        must(c[0].kind == c[1].kind, "encoding changed a message");
        if (c[0].kind == PN_CONTROL_PING)
            must(memcmp(&c[0].ping, &c[1].ping, sizeof(c[0].ping)) == 0, "encoding changed a ping");
        pn_bytes_free(&b);
    }
    free(c);
}

static void try_envelope(const uint8_t *data, size_t size)
{
    struct pn_envelope e;

    if (pn_envelope_decode(data, size, &e) == 0) {
        size_t n = pn_envelope_size(e.channel, e.len);
        uint8_t *out = malloc(n ? n : 1);
        must(n <= size + PN_ENVELOPE_OVERHEAD, "an envelope grew");
        pn_envelope_encode(e.channel, e.payload, e.len, out);
        if (e.channel == PN_CHANNEL_CONTROL)
            try_control(e.payload, e.len);
        free(out);
    }
    pn_envelope_free(&e);
}

static void try_invites(const uint8_t *data, size_t size)
{
    struct pn_invites v, back;
    struct pn_error err;

    if (pn_invites_decode(data, size, &v, &err) < 0)
        return;
    struct pn_bytes b = pn_invites_encode(&v);
    must(b.data && pn_invites_decode(b.data, b.len, &back, &err) == 0 && back.n == v.n, "invites do not come back");
    pn_bytes_free(&b);
}

static void try_join(const uint8_t *data, size_t size)
{
    struct pn_pb_budget budget;
    Pnpb__Join *m = pn_pb_unpack(&budget, &pnpb__join__descriptor, data, size, pn_pb_allowance(size));
    struct pn_member row;
    uint8_t key[PN_KEY_BYTES];
    struct pn_keyring k;
    struct pn_error err;

    if (m && m->request) {
        memset(&row, 0, sizeof(row));
        pn_codec_endpoints(m->request->endpoints, m->request->n_endpoints, &row);
        pn_codec_networks(m->request->vips, m->request->n_vips, &row.vips);
        pn_csr_key(m->request->csr.data, m->request->csr.len, key, &err);
    }
    pn_pb_free(&budget, m);
    Pnpb__JoinSecrets *s = pn_pb_unpack(&budget, &pnpb__join_secrets__descriptor, data, size, pn_pb_allowance(size));
    if (s && s->keyring)
        pn_codec_keyring(s->keyring, &k, &err);
    pn_pb_free(&budget, s);
}

static void try_certificate(const uint8_t *data, size_t size)
{
    X509 *cert = pn_cert_from_der(data, size);
    struct pn_cert_name who;
    struct pn_error err;
    char name[PN_NAME_BYTES];
    uint8_t key[PN_KEY_BYTES];

    if (cert) {
        if (pn_cert_read(cert, &who, &err) == 0)
            must(pn_node_name_valid(who.name), "a certificate's name is not valid");
        pn_ca_cert_read(cert, &who.cluster, name, &err);
        pn_cert_renew_at_s(cert);
        X509_free(cert);
    }
    pn_csr_key(data, size, key, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const tries[])(const uint8_t *, size_t) = {try_envelope, try_control, try_members,    try_keyring,
                                                             try_invites,  try_join,    try_certificate};

    if (size > 0)
        tries[data[0] % (sizeof(tries) / sizeof(tries[0]))](data + 1, size - 1);
    return 0;
}
