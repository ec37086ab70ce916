/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/core/filter_load.h"

#include <stdlib.h>

#include "common/error.h"

struct pn_filter_chunk {
    struct pn_filter_chunk *next;
    uint32_t n;
    struct pn_dp_prefix prefix[];
};

void pn_filter_load_drop(struct pn_filter_load *l)
{
    while (l->chunks != NULL) {
        struct pn_filter_chunk *c = l->chunks;
        l->chunks = c->next;
        free(c);
    }
    *l = (struct pn_filter_load){0};
}

void pn_filter_load_begin(struct pn_filter_load *l, const struct pn_dp_filter_begin *begin, uint64_t now_ms)
{
    pn_filter_load_drop(l);
    l->generation = begin->generation;
    l->block_action = begin->block_action;
    l->touched_ms = now_ms;
}

int pn_filter_load_add(struct pn_filter_load *l, const struct pn_dp_filter_add *add,
                       const struct pn_dp_prefix *prefixes, uint64_t now_ms, struct pn_error *err)
{
    if (l->generation == 0 || l->generation != add->generation)
        return pn_error_set(err, "filter: generation %llx is not being loaded", (unsigned long long)add->generation);
    if (l->count + add->count > PN_FILTER_LOAD_MAX)
        return pn_error_set(err, "filter: more than %u prefixes", PN_FILTER_LOAD_MAX);
    size_t bytes = add->count * sizeof(*prefixes);
    struct pn_filter_chunk *c = malloc(sizeof(*c) + bytes);
    if (c == NULL)
        return pn_error_set(err, "filter: no memory");
    memcpy(c->prefix, prefixes, bytes);
    c->n = add->count;
    c->next = l->chunks;
    l->chunks = c;
    l->count += add->count;
    l->touched_ms = now_ms;
    return 0;
}

int pn_filter_load_whole(const struct pn_filter_load *l, const struct pn_dp_filter_commit *commit, struct pn_error *err)
{
    if (l->generation == 0 || l->generation != commit->generation)
        return pn_error_set(err, "filter: generation %llx is not being loaded", (unsigned long long)commit->generation);
    if (l->count != commit->count)
        return pn_error_set(err, "filter: %llu prefixes came, not %llu", (unsigned long long)l->count,
                            (unsigned long long)commit->count);
    return 0;
}

bool pn_filter_load_expire(struct pn_filter_load *l, uint64_t now_ms)
{
    if (l->generation == 0 || now_ms - l->touched_ms < PN_DP_FILTER_STALL_MS)
        return false;
    pn_filter_load_drop(l);
    return true;
}

struct pn_filter *pn_filter_load_make(struct pn_filter_load *l, struct pn_error *err)
{
    struct pn_filter_set set[PN_FILTER_FAMILIES] = {{0}};
    size_t n[PN_FILTER_FAMILIES] = {0};
    uint64_t generation = l->generation;
    uint8_t action = l->block_action;
    unsigned family;

    for (const struct pn_filter_chunk *c = l->chunks; c != NULL; c = c->next) {
        for (uint32_t i = 0; i < c->n; i++) {
            (void)pn_filter_entry_of(&c->prefix[i], &family);
            n[family]++;
        }
    }
    for (unsigned i = 0; i < PN_FILTER_FAMILIES; i++) {
        set[i].e = malloc((n[i] + 1) * sizeof(*set[i].e));
        if (set[i].e == NULL) {
            free(set[0].e);
            pn_filter_load_drop(l);
            pn_error_set(err, "filter: no memory");
            return NULL;
        }
    }
    while (l->chunks != NULL) {
        struct pn_filter_chunk *c = l->chunks;
        for (uint32_t i = 0; i < c->n; i++) {
            struct pn_filter_entry e = pn_filter_entry_of(&c->prefix[i], &family);
            set[family].e[set[family].n++] = e;
        }
        l->chunks = c->next;
        free(c);
    }
    pn_filter_load_drop(l);
    return pn_filter_make(set, generation, action, err);
}
