/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Prefixes of one family in order (address, then length), each with the lists it is in, and the sweep that makes them
 * into what a lookup wants: the addresses at which the verdict changes. Pure but for malloc.
 */
#ifndef POSTERN_CORE_FILTER_SET_H
#define POSTERN_CORE_FILTER_SET_H

#include <stddef.h>

#include "postern/dpapi.h"

enum { PN_FILTER_V4, PN_FILTER_V6, PN_FILTER_FAMILIES };

/* In an overlay: where nothing has changed. Beside enum pn_filter_verdict. */
#define PN_FILTER_AS_BASE 3u

/* An address as a number; IPv4 in the upper half of hi, so that both families are handled alike. */
struct pn_filter_point {
    uint64_t hi, lo;
};

struct pn_filter_entry {
    struct pn_filter_point at; /* bits behind len are 0 */
    uint8_t len; /* 0..32 or 0..128 */
    uint8_t lists; /* bits by enum pn_filter_list; 0 in a delta: gone */
    uint8_t reserved[6];
};

struct pn_filter_set {
    struct pn_filter_entry *e; /* sorted, each prefix once */
    size_t n;
};

static inline int pn_filter_point_cmp(struct pn_filter_point a, struct pn_filter_point b)
{
    if (a.hi != b.hi)
        return a.hi < b.hi ? -1 : 1;
    return a.lo == b.lo ? 0 : a.lo < b.lo ? -1 : 1;
}

static inline int pn_filter_entry_cmp(const struct pn_filter_entry *a, const struct pn_filter_entry *b)
{
    int c = pn_filter_point_cmp(a->at, b->at);
    return c != 0 ? c : (int)a->len - (int)b->len;
}

/* q: as in struct pn_addr; *family says which. */
struct pn_filter_point pn_filter_point_of(const uint64_t q[2], unsigned *family);
/* prefix_len is 0..128; clears host bits. */
struct pn_filter_entry pn_filter_entry_of(const struct pn_dp_prefix *prefix, unsigned *family);
/* The way back, for one list. */
struct pn_dp_prefix pn_filter_prefix_of(const struct pn_filter_entry *e, unsigned family, unsigned list);

struct pn_filter_point pn_filter_first(struct pn_filter_point at, unsigned len); /* bits behind len cleared */
struct pn_filter_point pn_filter_last(struct pn_filter_point at, unsigned len); /* and set */

/* Sorts, and joins the lists of equal prefixes. */
void pn_filter_set_sort(struct pn_filter_set *s);
/* Position of the first entry that is not before key. */
size_t pn_filter_set_find(const struct pn_filter_set *s, const struct pn_filter_entry *key);
/* The lists of exactly this prefix; 0: in none. */
uint8_t pn_filter_set_lists(const struct pn_filter_set *s, const struct pn_filter_entry *key);
/* base as delta changes it: entries of delta count in place of base's, those without lists are gone. 0, or -1. */
int pn_filter_set_merge(const struct pn_filter_set *base, const struct pn_filter_set *delta, struct pn_filter_set *out);
/* The longest prefix that covers at and is in a list of mask, above entries of base that delta replaces; NULL: none. */
const struct pn_filter_entry *pn_filter_set_cover(const struct pn_filter_set *base, const struct pn_filter_set *delta,
                                                  struct pn_filter_point at, unsigned bits, uint8_t mask);

/* The welcome list wins, whichever prefix is longer. */
static inline unsigned pn_filter_verdict_of(uint8_t lists)
{
    return lists & 1u << PN_FILTER_WELCOME ? PN_FILTER_WELCOMED
           : lists & 1u << PN_FILTER_BLOCK ? PN_FILTER_BLOCKED
                                           : PN_FILTER_PASS;
}

/* A place where the verdict changes: from at on it is verdict. */
typedef void (*pn_filter_edge_fn)(void *arg, struct pn_filter_point at, unsigned verdict);

/*
 * Entries [from, to) of base and [delta_from, delta_to) of delta together. under: lists of what covers all of them, with
 * whose verdict the sweep begins. Edges come in ascending order, never the same verdict twice in a row.
 */
struct pn_filter_slice {
    const struct pn_filter_entry *from, *to, *delta_from, *delta_to;
    uint8_t under;
};
void pn_filter_sweep(const struct pn_filter_slice *slice, pn_filter_edge_fn edge, void *arg);

#endif
