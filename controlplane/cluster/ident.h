/* SPDX-License-Identifier: BSD-3-Clause */
/* Who is who: ids that never change, names that may. */
#ifndef POSTERN_CLUSTER_IDENT_H
#define POSTERN_CLUSTER_IDENT_H

#include <stddef.h>

#include "postern/types.h"

#define PN_ID_BYTES 16u
#define PN_ID_TEXT_BYTES 33u
#define PN_KEY_BYTES 32u /* a raw Ed25519 public key */
#define PN_SIGNATURE_BYTES 64u

/* Of a cluster or of a node in it: random, given once. */
struct pn_id {
    uint8_t b[PN_ID_BYTES];
};

static inline int pn_id_compare(const struct pn_id *a, const struct pn_id *b)
{
    return memcmp(a->b, b->b, PN_ID_BYTES);
}
static inline bool pn_id_equal(const struct pn_id *a, const struct pn_id *b)
{
    return pn_id_compare(a, b) == 0;
}
static inline bool pn_id_is_zero(const struct pn_id *a)
{
    static const struct pn_id zero;
    return pn_id_equal(a, &zero);
}

int pn_id_random(struct pn_id *id); /* -1: no randomness */
char *pn_id_format(const struct pn_id *id, char buf[PN_ID_TEXT_BYTES]); /* 32 hex digits; returns buf */
int pn_id_parse(const char *text, size_t len, struct pn_id *id); /* -1: not 32 lower-case hex digits */

/* What another said, for logs and screens: anything but printable ASCII becomes '?'; cut where it does not fit. */
char *pn_text_clean(const char *text, char *out, size_t size);
bool pn_text_is_clean(const char *text);

/* [A-Za-z0-9._-]+, at most PN_NAME_BYTES - 1, no dot or dash first: a name may stand in a certificate or a path. */
bool pn_node_name_valid(const char *name);

#endif
