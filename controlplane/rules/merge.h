/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How two nodes' views of one rule become one. Versions have a total order (stamp; at a tie of a list entry the safe
 * side; node's name; content), the greatest stays; hits are the maximum for each node. So a merge is commutative,
 * associative and idempotent: in whatever order and how often views meet, all nodes end with the same. Pure.
 */
#ifndef POSTERN_RULES_MERGE_H
#define POSTERN_RULES_MERGE_H

#include "controlplane/rules/record.h"

/* < 0: a is the older version, > 0: the newer; 0: the same version. Hits do not count. The keys are equal. */
int pn_rule_version_cmp(const struct pn_rule *a, const struct pn_rule *b);

enum pn_merge {
    PN_MERGE_SAME = 0, /* into has not changed */
    PN_MERGE_VERSION = 1, /* into has from's version now (bit) */
    PN_MERGE_HITS = 2, /* into's hits have grown (bit) */
    PN_MERGE_MEMORY = -1, /* no memory; into is unchanged */
};
/* into := into merged with from. Returns bits of enum pn_merge, or PN_MERGE_MEMORY. */
int pn_rule_merge(struct pn_rule *into, const struct pn_rule *from);

#endif
