/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The two registers of a member's row, administrators' and its own, as bytes: what is compared when rows are merged, and
 * what is digested. Both are whole: the later one wins, at a tie the one with the greater content.
 */
#ifndef POSTERN_CLUSTER_MEMBER_REGISTER_H
#define POSTERN_CLUSTER_MEMBER_REGISTER_H

#include "controlplane/cluster/members.h"

bool pn_member_admin_wins(const struct pn_member *challenger, const struct pn_member *holder);
bool pn_member_own_wins(const struct pn_member *challenger, const struct pn_member *holder);
bool pn_member_own_equal(const struct pn_member *x, const struct pn_member *y); /* the stamp counts */

void pn_member_admin_take(struct pn_member *to, const struct pn_member *from);
void pn_member_own_take(struct pn_member *to, const struct pn_member *from);

/* SHA-256 over all of the row that is replicated. */
void pn_member_digest(const struct pn_member *row, uint8_t digest[32]);

#endif
