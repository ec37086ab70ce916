/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a node has of one class, as a tree over the ids of its rules: 16 children a level, each node with a count and a
 * 128-bit sum over the versions below it. Two nodes compare sums from the root down and find what differs in a few
 * steps. Kept up to date change by change; where few items are the tree ends in a plain array, so it answers for any
 * prefix up to PN_DIGEST_DEPTH_MAX without being that deep itself. About 45 bytes an item. Pure.
 */
#ifndef POSTERN_RULES_DIGEST_H
#define POSTERN_RULES_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PN_DIGEST_DEPTH_MAX 12 /* levels of 4 bits */

struct pn_digest_item {
    uint64_t id; /* pn_rule_id() */
    uint64_t content; /* pn_rule_content_hash() */
    uint64_t stamp;
    uint32_t seq; /* the store's row */
    uint16_t node; /* the store's number of the version's node */
    uint8_t held; /* a version waits for its time (store.h) */
    uint8_t present; /* the version in force is there, not deleted */
};

struct pn_digest_sum {
    uint64_t count;
    uint64_t lo, hi;
};

/* A place in the tree: the first depth x 4 bits of ids. */
struct pn_digest_place {
    uint64_t prefix; /* the bits after depth x 4 are zero */
    unsigned depth; /* 0..PN_DIGEST_DEPTH_MAX */
};

struct pn_digest;
/* pn_hash_name() of the name that an item's node number stands for. */
typedef uint64_t pn_digest_node_hash_fn(const void *arg, uint16_t node);
struct pn_digest *pn_digest_new(pn_digest_node_hash_fn *node_hash, const void *arg); /* NULL: no memory */
void pn_digest_free(struct pn_digest *d);

int pn_digest_add(struct pn_digest *d, const struct pn_digest_item *item); /* 0, or -1: no memory */
bool pn_digest_remove(struct pn_digest *d, uint64_t id, uint32_t seq);
/* The item of row seq, NULL: none. Valid until the next change. */
const struct pn_digest_item *pn_digest_find(const struct pn_digest *d, uint64_t id, uint32_t seq);

/* The one item with that id and content. NULL: none, or more than one. */
const struct pn_digest_item *pn_digest_find_content(const struct pn_digest *d, uint64_t id, uint64_t content);

struct pn_digest_sum pn_digest_sum(const struct pn_digest *d, struct pn_digest_place place);
/* Up to max items of the place into out, ordered by id when all of them fit. Returns how many there are. */
size_t pn_digest_items(const struct pn_digest *d, struct pn_digest_place place, struct pn_digest_item *out, size_t max);
/*
 * The next up to max ids from *from on, ascending, of rules that are there; *from is moved behind the last one, and
 * *end set when nothing follows. max: PN_DIGEST_WALK_MIN at least. May give fewer than there is room for.
 */
#define PN_DIGEST_WALK_MIN 1024
size_t pn_digest_walk(const struct pn_digest *d, uint64_t *from, uint64_t *ids, size_t max, bool *end);

bool pn_digest_place_ok(struct pn_digest_place place);
struct pn_digest_place pn_digest_child(struct pn_digest_place place, unsigned which);
static inline bool pn_digest_sum_equal(const struct pn_digest_sum *a, const struct pn_digest_sum *b)
{
    return a->count == b->count && a->lo == b->lo && a->hi == b->hi;
}

#endif
