/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The address filter: a set of prefixes in two lists as workers look it up. A struct pn_filter never changes once made, so
 * that readers need no lock: a change makes another one, which shares the large tables (the base) and carries the
 * verdicts of what has changed since in a small list that is asked first (the overlay). Now and then all is made
 * anew. Pure but for malloc; one thread makes and frees them, any number look up.
 */
#ifndef POSTERN_CORE_FILTER_H
#define POSTERN_CORE_FILTER_H

#include "dataplane/core/filter_table.h"

#define PN_FILTER_DELTA_MAX 1024u /* changed prefixes that an overlay may carry */
#define PN_FILTER_OVERLAY_MAX 4096u /* its edges; more: all is made anew */

/* Edges of what has changed; PN_FILTER_AS_BASE outside. */
struct pn_filter_overlay {
    struct pn_filter_point *at;
    uint8_t *verdict;
    uint32_t n; /* 0: nothing has changed */
};

struct pn_filter_base {
    struct pn_filter_set set[PN_FILTER_FAMILIES];
    struct pn_filter_table4 table4;
    struct pn_filter_table6 table6;
    unsigned users;
    size_t bytes;
};

struct pn_filter {
    struct pn_filter_base *base;
    struct pn_filter_overlay overlay[PN_FILTER_FAMILIES];
    struct pn_filter_set delta[PN_FILTER_FAMILIES];
    uint64_t generation;
    uint32_t count[PN_FILTER_LISTS][PN_FILTER_FAMILIES];
    uint8_t block_action; /* enum pn_filter_action */
    bool empty; /* in no list is anything */
};

/*
 * A whole set. Takes over the entries' memory (of malloc), also when it fails: NULL and err (memory, or more than
 * PN_DP_FILTER_FAMILY_MAX of a family).
 */
struct pn_filter *pn_filter_make(struct pn_filter_set set[PN_FILTER_FAMILIES], uint64_t generation,
                                 uint8_t block_action, struct pn_error *err);
/* f with changes, carried out in order; f stays as it is. NULL and err. */
struct pn_filter *pn_filter_patch(const struct pn_filter *f, const struct pn_dp_prefix *changes, size_t n,
                                  uint64_t generation, uint8_t block_action, struct pn_error *err);
/* The same filter without overlay. NULL and err: no memory. */
struct pn_filter *pn_filter_renew(const struct pn_filter *f, struct pn_error *err);
void pn_filter_free(struct pn_filter *f); /* NULL allowed */

static inline bool pn_filter_is_patched(const struct pn_filter *f)
{
    return f->delta[PN_FILTER_V4].n + f->delta[PN_FILTER_V6].n != 0;
}

size_t pn_filter_bytes(const struct pn_filter *f);

/* Verdicts (enum pn_filter_verdict) of n <= PN_FILTER_BURST clients, each as in struct pn_addr. */
void pn_filter_find(const struct pn_filter *f, const uint64_t (*client)[2], unsigned n, uint8_t *verdict);

/* f NULL: there is no filter. out is filled but for reserved fields, which are 0. */
void pn_filter_ask(const struct pn_filter *f, const struct pn_addr *client, struct pn_dp_filter_answer *out);

#endif
