/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The perimeter: every address from which the cluster's own machines speak. All members' addresses, VIPs and
 * configured networks, merged to the fewest prefixes that cover exactly the same addresses. Pure.
 */
#ifndef POSTERN_CLUSTER_PERIMETER_H
#define POSTERN_CLUSTER_PERIMETER_H

#include "controlplane/cluster/members.h"

#define PN_PERIMETER_MAX (PN_MAX_NODES * (PN_MEMBER_ENDPOINTS_MAX + 2 * PN_MEMBER_NETWORKS_MAX))

struct pn_perimeter {
    struct pn_prefix list[PN_PERIMETER_MAX]; /* IPv4 first, by address */
    unsigned n;
};

void pn_perimeter_make(struct pn_perimeter *p, const struct pn_members *m);
/* Folds what is contained and what is adjacent; sorts. Returns the new count. */
unsigned pn_prefixes_fold(struct pn_prefix *list, unsigned n);
bool pn_perimeter_has(const struct pn_perimeter *p, const struct pn_addr *addr);

enum pn_perimeter_format { PN_PERIMETER_POSTFIX, PN_PERIMETER_CIDR, PN_PERIMETER_RSPAMD, PN_PERIMETER_FORMAT_COUNT };
extern const char *const pn_perimeter_format_name[PN_PERIMETER_FORMAT_COUNT];
int pn_perimeter_format_parse(const char *word); /* -1: no such format */
/*
 * postfix: a cidr_table(5), "192.0.2.0/24 permit", usable as mynetworks = cidr:FILE; cidr: one prefix a line;
 * rspamd: a map for type "ip" / local_addrs. Heap text, NULL: memory.
 */
char *pn_perimeter_export(const struct pn_perimeter *p, enum pn_perimeter_format format, const char *cluster_name);

#endif
