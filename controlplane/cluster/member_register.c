/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/cluster/member_register.h"

#include <openssl/sha.h>

#define REGISTER_BYTES_MAX 3072u /* own: 8 * 18 + 2 * (2 + 64 * 17) + 24; admin: 16 + 5 * 32 + 2 */

static size_t put(uint8_t *out, size_t at, const void *p, size_t n)
{
    memcpy(out + at, p, n);
    return at + n;
}

static size_t put_u64(uint8_t *out, size_t at, uint64_t v)
{
    for (int shift = 56; shift >= 0; shift -= 8)
        out[at++] = (uint8_t)(v >> shift);
    return at;
}

static size_t put_name(uint8_t *out, size_t at, const char *name)
{
    char padded[PN_NAME_BYTES] = {0};

    memcpy(padded, name, strnlen(name, PN_NAME_BYTES - 1));
    return put(out, at, padded, sizeof(padded));
}

static size_t put_networks(uint8_t *out, size_t at, const struct pn_networks *n)
{
    out[at++] = (uint8_t)n->n;
    for (unsigned i = 0; i < n->n; i++) {
        at = put(out, at, n->list[i].addr.b, 16);
        out[at++] = n->list[i].len;
    }
    return at;
}

static size_t admin_bytes(const struct pn_member *row, uint8_t *out)
{
    size_t at = put_u64(out, 0, row->admin_stamp);

    at = put(out, at, row->admin_author.b, PN_ID_BYTES);
    at = put_name(out, at, row->claim_name);
    for (unsigned i = 0; i < PN_MEMBER_FORMER_MAX; i++)
        at = put_name(out, at, row->former[i]);
    out[at++] = row->claim_number;
    return at;
}

static size_t own_bytes(const struct pn_member *row, uint8_t *out)
{
    size_t at = put_u64(out, 0, row->own_stamp);

    out[at++] = (uint8_t)row->n_endpoints;
    for (unsigned i = 0; i < row->n_endpoints; i++) {
        at = put(out, at, row->endpoints[i].addr.b, 16);
        out[at++] = (uint8_t)(row->endpoints[i].port >> 8);
        out[at++] = (uint8_t)row->endpoints[i].port;
    }
    at = put_networks(out, at, &row->vips);
    at = put_networks(out, at, &row->extra);
    return put(out, at, row->version, strnlen(row->version, sizeof(row->version)));
}

static int compare_bytes(const uint8_t *a, size_t na, const uint8_t *b, size_t nb)
{
    int c = memcmp(a, b, na < nb ? na : nb);

    return c ? c : (na > nb) - (na < nb);
}

/* The stamp stands first in the bytes, so this is "later, or at a tie greater by content". */
static bool wins(size_t (*bytes)(const struct pn_member *, uint8_t *), const struct pn_member *challenger,
                 const struct pn_member *holder)
{
    uint8_t a[REGISTER_BYTES_MAX], b[REGISTER_BYTES_MAX];
    size_t na = bytes(challenger, a), nb = bytes(holder, b);

    return compare_bytes(a, na, b, nb) > 0;
}

bool pn_member_admin_wins(const struct pn_member *challenger, const struct pn_member *holder)
{
    return wins(admin_bytes, challenger, holder);
}

bool pn_member_own_wins(const struct pn_member *challenger, const struct pn_member *holder)
{
    return wins(own_bytes, challenger, holder);
}

bool pn_member_own_equal(const struct pn_member *x, const struct pn_member *y)
{
    uint8_t a[REGISTER_BYTES_MAX], b[REGISTER_BYTES_MAX];
    size_t na = own_bytes(x, a), nb = own_bytes(y, b);

    return compare_bytes(a, na, b, nb) == 0;
}

void pn_member_admin_take(struct pn_member *to, const struct pn_member *from)
{
    to->admin_stamp = from->admin_stamp;
    to->admin_author = from->admin_author;
    memcpy(to->claim_name, from->claim_name, sizeof(to->claim_name));
    memcpy(to->former, from->former, sizeof(to->former));
    to->claim_number = from->claim_number;
}

void pn_member_own_take(struct pn_member *to, const struct pn_member *from)
{
    to->own_stamp = from->own_stamp;
    memcpy(to->endpoints, from->endpoints, sizeof(to->endpoints));
    to->n_endpoints = from->n_endpoints;
    to->vips = from->vips;
    to->extra = from->extra;
    memcpy(to->version, from->version, sizeof(to->version));
}

void pn_member_digest(const struct pn_member *row, uint8_t digest[32])
{
    uint8_t bytes[2 * REGISTER_BYTES_MAX];
    size_t n = put(bytes, 0, row->id.b, PN_ID_BYTES);

    n = put_u64(bytes, n, row->joined);
    n = put(bytes, n, row->key, PN_KEY_BYTES);
    bytes[n++] = row->removed;
    n += admin_bytes(row, bytes + n);
    n += own_bytes(row, bytes + n);
    SHA256(bytes, n, digest);
}
