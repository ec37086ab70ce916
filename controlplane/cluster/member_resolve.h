/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef POSTERN_CLUSTER_MEMBER_RESOLVE_H
#define POSTERN_CLUSTER_MEMBER_RESOLVE_H

#include "controlplane/cluster/members.h"

/*
 * Works out each row's name and number, and the highest stamp. Claims are granted in the order of age; those left over
 * get what is free, in the same order.
 */
void pn_members_resolve(struct pn_members *m);

#endif
