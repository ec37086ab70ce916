/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Verdicts of all addresses of a family, for looking up: edges in ascending order, found by a table over the first 16 bits
 * (IPv4) or a tree with nodes of two cache lines (IPv6). A lookup of a burst has its memory on the way together.
 *
 * Why not DPDK's rte_fib: its 1 M entries of /32 or /64 take 1 to 5 GB of huge pages, since each touches tables of 256
 * of its own; readers cannot go on while it changes in DPDK 22.11, so it would be twice that. Here: 8 bytes an edge.
 */
#ifndef POSTERN_CORE_FILTER_TABLE_H
#define POSTERN_CORE_FILTER_TABLE_H

#include "dataplane/core/filter_set.h"

#define PN_FILTER_BURST 64u /* lookups at once at most */
#define PN_FILTER_NODE 16u /* keys of a tree's node */
#define PN_FILTER_LEVELS 8u

struct pn_filter_table4 {
    uint32_t *first; /* by the upper 16 bits, one more than there are: position of the first edge; never without one */
    uint32_t *edge; /* lower 16 bits << 2 | verdict */
    size_t bytes;
};

/*
 * The tree's keys are the upper 64 bits of edges, each once. Where edges have lower bits too, those are in a list of their
 * own, which counts for an address that has the upper bits of the key; behind it its last verdict holds.
 */
struct pn_filter_table6 {
    int64_t *key[PN_FILTER_LEVELS]; /* by level, leaves first; sign bit turned, so that signed comparison is right */
    uint32_t count[PN_FILTER_LEVELS]; /* nodes */
    unsigned levels;
    uint32_t n; /* keys */
    uint32_t *leaf; /* by key: its list's number + 1, or 0 << 2 | verdict behind it */
    uint32_t *list; /* by number, one more than there are: first position in low */
    uint64_t *low;
    uint8_t *low_verdict;
    size_t bytes;
};

/* -1: no memory. An empty set makes a table that says PASS for all. */
int pn_filter_table4_make(struct pn_filter_table4 *t, const struct pn_filter_set *s);
int pn_filter_table6_make(struct pn_filter_table6 *t, const struct pn_filter_set *s);
void pn_filter_table4_free(struct pn_filter_table4 *t);
void pn_filter_table6_free(struct pn_filter_table6 *t);

/* n <= PN_FILTER_BURST. */
void pn_filter_table4_find(const struct pn_filter_table4 *t, const uint32_t *addr, unsigned n, uint8_t *verdict);
void pn_filter_table6_find(const struct pn_filter_table6 *t, const struct pn_filter_point *addr, unsigned n,
                           uint8_t *verdict);

#endif
