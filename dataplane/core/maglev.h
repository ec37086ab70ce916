/* SPDX-License-Identifier: BSD-3-Clause */
/* Weighted Maglev hashing (Eisenbud et al., NSDI 2016, section 3.4). Pure. */
#ifndef POSTERN_CORE_MAGLEV_H
#define POSTERN_CORE_MAGLEV_H

#include <stdint.h>

struct pn_maglev_node {
    uint64_t name_hash; /* of the gateway's name: no node-local id takes part, so all nodes agree */
    uint16_t id; /* written to the table */
    uint16_t weight; /* 0: gets no slot */
};

/* Hash of a NUL-terminated name for name_hash; fixed for ever, it is part of the protocol between nodes. */
uint64_t pn_maglev_name_hash(const char *name);

/*
 * Fills table[0..size-1] (size prime) with ids in proportion to weight; the order of nodes does not matter.
 * Returns the number of nodes with a slot; 0 (no node has weight) leaves the table untouched. -1: n above
 * PN_MAX_GATEWAYS, size below 2 or an id that is PN_ID_NONE. About 0.5 ms for 16381 slots; allocates nothing.
 */
int pn_maglev_build(const struct pn_maglev_node *nodes, unsigned n, uint16_t *table, unsigned size);

#endif
