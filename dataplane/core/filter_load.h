/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A whole set on its way in, message by message: kept as it comes, since sorting is work for later and elsewhere. Pure but
 * for malloc.
 */
#ifndef POSTERN_CORE_FILTER_LOAD_H
#define POSTERN_CORE_FILTER_LOAD_H

#include "dataplane/core/filter.h"

#define PN_FILTER_LOAD_MAX (2u * PN_DP_FILTER_FAMILY_MAX) /* prefixes, duplicates counted */

struct pn_filter_chunk;

struct pn_filter_load {
    uint64_t generation; /* 0: nothing is being loaded */
    uint64_t count; /* of prefixes */
    uint64_t touched_ms;
    struct pn_filter_chunk *chunks; /* newest first */
    uint8_t block_action;
};

/* What was begun before is dropped. */
void pn_filter_load_begin(struct pn_filter_load *l, const struct pn_dp_filter_begin *begin, uint64_t now_ms);
/* The caller has checked their form. 0, or -1 and err, and what has been loaded so far stays. */
int pn_filter_load_add(struct pn_filter_load *l, const struct pn_dp_filter_add *add,
                       const struct pn_dp_prefix *prefixes, uint64_t now_ms, struct pn_error *err);
/* Is it this one, and whole? 0, or -1 and err. */
int pn_filter_load_whole(const struct pn_filter_load *l, const struct pn_dp_filter_commit *commit,
                         struct pn_error *err);
/* Drops what nobody has gone on with for PN_DP_FILTER_STALL_MS; true: there was something. */
bool pn_filter_load_expire(struct pn_filter_load *l, uint64_t now_ms);
void pn_filter_load_drop(struct pn_filter_load *l);

/* Makes the filter of it, and drops it. Some 0.3 s for a million. NULL and err. */
struct pn_filter *pn_filter_load_make(struct pn_filter_load *l, struct pn_error *err);

#endif
