/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/rules/digest.h"

#include <stdlib.h>
#include <string.h>

#include "common/hash.h"

#define LEAF_MAX 64 /* items; more, and the leaf becomes a node with 16 leaves */

struct node {
    struct pn_digest_sum sum;
    struct node *children; /* [16], NULL: a leaf */
    struct pn_digest_item *items; /* of a leaf, in no order */
    uint32_t n_items, size;
};

struct pn_digest {
    struct node root;
    pn_digest_node_hash_fn *node_hash;
    const void *arg;
};

/* The weight of one version in a sum: fixed for ever, nodes of a cluster agree through it. */
static void item_weight(const struct pn_digest *d, const struct pn_digest_item *i, uint64_t *lo, uint64_t *hi)
{
    uint64_t a = pn_hash_mum(i->id ^ 0x243f6a8885a308d3ull, i->content ^ 0x13198a2e03707344ull);
    uint64_t b = pn_hash_mum(i->stamp ^ 0xa4093822299f31d0ull, d->node_hash(d->arg, i->node) ^ 0x082efa98ec4e6c89ull);
    uint64_t s = a ^ (b << 32 | b >> 32) ^ i->content;

    *lo = pn_hash_split(&s);
    s ^= i->stamp + b;
    *hi = pn_hash_split(&s);
}

static void sum_add(struct pn_digest_sum *sum, uint64_t lo, uint64_t hi)
{
    sum->count++;
    sum->lo += lo;
    sum->hi += hi + (sum->lo < lo);
}

static void sum_sub(struct pn_digest_sum *sum, uint64_t lo, uint64_t hi)
{
    sum->count--;
    sum->hi -= hi + (sum->lo < lo);
    sum->lo -= lo;
}

static unsigned nibble(uint64_t id, unsigned depth)
{
    return (unsigned)(id >> (60 - 4 * depth)) & 15;
}

static bool covers(struct pn_digest_place place, uint64_t id)
{
    return place.depth == 0 || ((id ^ place.prefix) >> (64 - 4 * place.depth)) == 0;
}

static void node_free(struct node *n)
{
    for (unsigned i = 0; n->children && i < 16; i++)
        node_free(&n->children[i]);
    free(n->children);
    free(n->items);
}

struct pn_digest *pn_digest_new(pn_digest_node_hash_fn *node_hash, const void *arg)
{
    struct pn_digest *d = calloc(1, sizeof(*d));

    if (d) {
        d->node_hash = node_hash;
        d->arg = arg;
    }
    return d;
}

void pn_digest_free(struct pn_digest *d)
{
    if (d)
        node_free(&d->root);
    free(d);
}

static int leaf_reserve(struct node *n, uint32_t want)
{
    struct pn_digest_item *items;

    if (want <= n->size)
        return 0;
    want = n->size < 8 ? (want < 8 ? 8 : want) : (want < n->size + n->size / 4 ? n->size + n->size / 4 : want);
    items = realloc(n->items, want * sizeof(*items));
    if (items == NULL)
        return -1;
    n->items = items;
    n->size = want;
    return 0;
}

static void leaf_put(const struct pn_digest *d, struct node *n, const struct pn_digest_item *item)
{
    uint64_t lo, hi;

    item_weight(d, item, &lo, &hi);
    sum_add(&n->sum, lo, hi);
    n->items[n->n_items++] = *item;
}

static int leaf_split(const struct pn_digest *d, struct node *n, unsigned depth)
{
    struct node *children = calloc(16, sizeof(*children));
    uint32_t counts[16] = {0};
    bool ok = children != NULL;

    for (uint32_t i = 0; i < n->n_items; i++)
        counts[nibble(n->items[i].id, depth)]++;
    for (unsigned i = 0; ok && i < 16; i++)
        ok = counts[i] == 0 || leaf_reserve(&children[i], counts[i]) == 0;
    if (!ok) {
        for (unsigned i = 0; children && i < 16; i++)
            free(children[i].items);
        free(children);
        return -1;
    }
    for (uint32_t i = 0; i < n->n_items; i++)
        leaf_put(d, &children[nibble(n->items[i].id, depth)], &n->items[i]);
    free(n->items);
    n->items = NULL;
    n->n_items = n->size = 0;
    n->children = children;
    return 0;
}

int pn_digest_add(struct pn_digest *d, const struct pn_digest_item *item)
{
    struct node *path[PN_DIGEST_DEPTH_MAX + 1], *n = &d->root;
    unsigned depth = 0;
    uint64_t lo, hi;

    for (;; n = &n->children[nibble(item->id, depth - 1)]) {
        path[depth] = n;
        if (n->children == NULL) {
            if (n->n_items < LEAF_MAX || depth == PN_DIGEST_DEPTH_MAX)
                break;
            if (leaf_split(d, n, depth) != 0)
                return -1;
        }
        depth++;
    }
    if (leaf_reserve(n, n->n_items + 1) != 0)
        return -1;
    leaf_put(d, n, item);
    item_weight(d, item, &lo, &hi);
    while (depth > 0)
        sum_add(&path[--depth]->sum, lo, hi);
    return 0;
}

static const struct node *leaf_of(const struct pn_digest *d, uint64_t id)
{
    const struct node *n = &d->root;

    for (unsigned depth = 0; n->children; depth++)
        n = &n->children[nibble(id, depth)];
    return n;
}

const struct pn_digest_item *pn_digest_find(const struct pn_digest *d, uint64_t id, uint32_t seq)
{
    const struct node *n = leaf_of(d, id);

    for (uint32_t i = 0; i < n->n_items; i++)
        if (n->items[i].seq == seq && n->items[i].id == id)
            return &n->items[i];
    return NULL;
}

const struct pn_digest_item *pn_digest_find_content(const struct pn_digest *d, uint64_t id, uint64_t content)
{
    const struct node *n = leaf_of(d, id);
    const struct pn_digest_item *found = NULL;

    for (uint32_t i = 0; i < n->n_items; i++) {
        if (n->items[i].id != id || n->items[i].content != content)
            continue;
        if (found)
            return NULL;
        found = &n->items[i];
    }
    return found;
}

bool pn_digest_remove(struct pn_digest *d, uint64_t id, uint32_t seq)
{
    const struct pn_digest_item *item = pn_digest_find(d, id, seq);
    struct node *n = &d->root;
    uint64_t lo, hi;

    if (item == NULL)
        return false;
    item_weight(d, item, &lo, &hi);
    for (unsigned depth = 0;; depth++) {
        sum_sub(&n->sum, lo, hi);
        if (n->children == NULL)
            break;
        n = &n->children[nibble(id, depth)];
    }
    n->items[item - n->items] = n->items[--n->n_items];
    return true;
}

struct pn_digest_sum pn_digest_sum(const struct pn_digest *d, struct pn_digest_place place)
{
    const struct node *n = &d->root;
    struct pn_digest_sum sum = {0};
    unsigned depth = 0;

    for (; depth < place.depth && n->children; depth++)
        n = &n->children[nibble(place.prefix, depth)];
    if (depth == place.depth)
        return n->sum;
    for (uint32_t i = 0; i < n->n_items; i++) {
        uint64_t lo, hi;
        if (!covers(place, n->items[i].id))
            continue;
        item_weight(d, &n->items[i], &lo, &hi);
        sum_add(&sum, lo, hi);
    }
    return sum;
}

static size_t collect(const struct node *n, struct pn_digest_place place, struct pn_digest_item *out, size_t max,
                      size_t at)
{
    for (unsigned i = 0; n->children && i < 16; i++)
        at = collect(&n->children[i], place, out, max, at);
    for (uint32_t i = 0; i < n->n_items; i++) {
        if (!covers(place, n->items[i].id))
            continue;
        if (at < max)
            out[at] = n->items[i];
        at++;
    }
    return at;
}

static int by_id(const void *a, const void *b)
{
    const struct pn_digest_item *x = a, *y = b;

    if (x->id != y->id)
        return x->id < y->id ? -1 : 1;
    return x->content < y->content ? -1 : x->content > y->content;
}

size_t pn_digest_items(const struct pn_digest *d, struct pn_digest_place place, struct pn_digest_item *out, size_t max)
{
    const struct node *n = &d->root;
    size_t count;

    for (unsigned depth = 0; depth < place.depth && n->children; depth++)
        n = &n->children[nibble(place.prefix, depth)];
    if (n->children && n->sum.count > max)
        return n->sum.count;
    count = collect(n, place, out, max, 0);
    if (count > 0 && count <= max)
        qsort(out, count, sizeof(*out), by_id);
    return count;
}

struct walk {
    uint64_t from, to; /* to: behind the last leaf that was read; 0: it was the last of all */
    uint64_t *ids;
    size_t n, max;
    bool full;
};

static int by_number(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

/* Whole leaves only, so that what is given is in order. first: the lowest id that can be below n. */
static void walk_node(struct walk *w, const struct node *n, uint64_t first, unsigned depth)
{
    uint64_t last = depth == 0 ? UINT64_MAX : first | (UINT64_MAX >> (4 * depth));
    size_t start = w->n;

    if (w->full || last < w->from)
        return;
    if (n->children) {
        for (unsigned i = 0; i < 16; i++)
            walk_node(w, &n->children[i], first | (uint64_t)i << (60 - 4 * depth), depth + 1);
        return;
    }
    if (n->n_items > w->max - w->n && w->n > 0) {
        w->full = true;
        w->to = first;
        return;
    }
    /* More in one leaf than anybody asks for have been made to collide: those beyond are passed over. */
    for (uint32_t i = 0; i < n->n_items && w->n < w->max; i++)
        if (n->items[i].present && n->items[i].id >= w->from)
            w->ids[w->n++] = n->items[i].id;
    if (w->n > start)
        qsort(w->ids + start, w->n - start, sizeof(*w->ids), by_number);
}

size_t pn_digest_walk(const struct pn_digest *d, uint64_t *from, uint64_t *ids, size_t max, bool *end)
{
    struct walk w = {.from = *from, .ids = ids, .max = max};

    walk_node(&w, &d->root, 0, 0);
    *end = !w.full;
    *from = w.full ? w.to : UINT64_MAX;
    return w.n;
}

bool pn_digest_place_ok(struct pn_digest_place place)
{
    return place.depth <= PN_DIGEST_DEPTH_MAX &&
           (place.depth == 0 ? place.prefix == 0 : (place.prefix << 4 * place.depth) == 0);
}

struct pn_digest_place pn_digest_child(struct pn_digest_place place, unsigned which)
{
    struct pn_digest_place child = {place.prefix | (uint64_t)which << (60 - 4 * place.depth), place.depth + 1};
    return child;
}
