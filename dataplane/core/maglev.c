/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/core/maglev.h"

#include <stdlib.h>

#include "common/hash.h"
#include "postern/types.h"

/* One node's walk through its permutation of the slots, and its claim to turns. */
struct walker {
    uint64_t name_hash;
    uint32_t slot; /* next preferred slot */
    uint32_t skip; /* 1 .. size-1: size is prime, so all slots come */
    uint32_t credit;
    uint16_t weight;
    uint16_t id;
    uint8_t placed;
};

uint64_t pn_maglev_name_hash(const char *name)
{
    return pn_hash_name(name);
}

static int by_name_hash(const void *a, const void *b)
{
    const struct walker *x = a, *y = b;
    if (x->name_hash != y->name_hash)
        return x->name_hash < y->name_hash ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

int pn_maglev_build(const struct pn_maglev_node *nodes, unsigned n, uint16_t *table, unsigned size)
{
    struct walker walkers[PN_MAX_GATEWAYS];
    unsigned n_walkers = 0, n_placed = 0;
    uint32_t weight_max = 0;

    if (n > PN_MAX_GATEWAYS || size < 2)
        return -1;
    for (unsigned i = 0; i < n; i++) {
        if (nodes[i].weight == 0)
            continue;
        if (nodes[i].id == PN_ID_NONE) /* marks an empty slot below */
            return -1;
        uint64_t state = nodes[i].name_hash;
        walkers[n_walkers++] = (struct walker){
            .name_hash = nodes[i].name_hash,
            .slot = (uint32_t)(pn_hash_split(&state) % size),
            .skip = (uint32_t)(pn_hash_split(&state) % (size - 1) + 1),
            .weight = nodes[i].weight,
            .id = nodes[i].id,
        };
        if (nodes[i].weight > weight_max)
            weight_max = nodes[i].weight;
    }
    if (n_walkers == 0)
        return 0;
    for (unsigned i = 0; i < n_walkers; i++)
        walkers[i].credit = weight_max / 2; /* a share cut off in mid-turn is then as often rounded up as down */
    /* The order of turns is part of the result, so it must be the same on every node. */
    qsort(walkers, n_walkers, sizeof(walkers[0]), by_name_hash);

    for (unsigned i = 0; i < size; i++)
        table[i] = PN_ID_NONE;
    for (unsigned filled = 0;;) {
        for (unsigned i = 0; i < n_walkers; i++) {
            struct walker *w = &walkers[i];
            w->credit += w->weight;
            if (w->credit < weight_max)
                continue;
            w->credit -= weight_max;
            while (table[w->slot] != PN_ID_NONE)
                w->slot = w->slot + w->skip >= size ? w->slot + w->skip - size : w->slot + w->skip;
            table[w->slot] = w->id;
            n_placed += !w->placed;
            w->placed = 1;
            if (++filled == size)
                return (int)n_placed;
        }
    }
}
