/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/core/filter_table.h"

#include "dataplane/core/filter_memory.h"

#define NODE PN_FILTER_NODE
#define FAN (NODE + 1)
#define SIGN (1ull << 63)

struct fill {
    struct pn_filter_table6 *t; /* arrays NULL: only counted */
    uint32_t n; /* keys so far */
    uint32_t n_lists, n_low;
    struct pn_filter_point last; /* the newest edge */
    unsigned verdict; /* behind it */
    bool in_list;
};

static int64_t turned(uint64_t key)
{
    return (int64_t)(key ^ SIGN);
}

static void push_low(struct fill *f, uint64_t low, unsigned verdict)
{
    if (f->t->low != NULL) {
        f->t->low[f->n_low] = low;
        f->t->low_verdict[f->n_low] = (uint8_t)verdict;
    }
    f->n_low++;
}

/* A list begins with an edge at the lowest address, as every part of the IPv4 table does. */
static void list_begin(struct fill *f, unsigned verdict)
{
    if (f->t->list != NULL)
        f->t->list[f->n_lists] = f->n_low;
    f->n_lists++;
    f->in_list = true;
    push_low(f, 0, verdict);
}

static void leaf_set(struct fill *f)
{
    if (f->t->leaf != NULL && f->n != 0)
        f->t->leaf[f->n - 1] = (f->in_list ? f->n_lists : 0) << 2 | f->verdict;
}

static void take_edge(void *arg, struct pn_filter_point at, unsigned verdict)
{
    struct fill *f = arg;

    if (f->n == 0 || at.hi != f->last.hi) {
        unsigned before = f->verdict;

        leaf_set(f);
        if (f->t->key[0] != NULL)
            f->t->key[0][f->n] = turned(at.hi);
        f->n++;
        f->in_list = false;
        if (at.lo != 0)
            list_begin(f, before);
    } else if (at.lo != 0 && !f->in_list) {
        list_begin(f, f->verdict);
    }
    if (f->in_list && at.lo != 0)
        push_low(f, at.lo, verdict);
    f->last = at;
    f->verdict = verdict;
}

static struct fill fill(struct pn_filter_table6 *t, const struct pn_filter_set *s)
{
    const struct pn_filter_slice all = {.from = s->e, .to = s->e + s->n};
    struct fill f = {.t = t};

    take_edge(&f, (struct pn_filter_point){0, 0}, PN_FILTER_PASS); /* there is always a key that is not beyond */
    pn_filter_sweep(&all, take_edge, &f);
    leaf_set(&f);
    if (t->list != NULL)
        t->list[f.n_lists] = f.n_low;
    return f;
}

static uint32_t nodes_for(uint32_t children)
{
    return (children + FAN - 1) / FAN;
}

/* A node's keys: of each of its children but the first, the lowest key. stride: leaf nodes below a node of a level. */
static void level_make(struct pn_filter_table6 *t, unsigned level, uint32_t children, const uint32_t *stride)
{
    int64_t *key = t->key[level];

    for (uint32_t node = 0; node < nodes_for(children); node++) {
        for (uint32_t j = 0; j < NODE; j++) {
            uint64_t child = (uint64_t)node * FAN + j + 1;
            uint64_t at = child * stride[level - 1] * NODE; /* in the leaves */
            key[(size_t)node * NODE + j] = child < children && at < t->n ? t->key[0][at] : INT64_MAX;
        }
    }
}

int pn_filter_table6_make(struct pn_filter_table6 *t, const struct pn_filter_set *s)
{
    uint32_t *count = t->count, stride[PN_FILTER_LEVELS] = {1};
    bool whole = true;

    *t = (struct pn_filter_table6){0};
    struct fill f = fill(t, s);
    t->n = f.n;
    count[0] = (f.n + NODE - 1) / NODE;
    for (t->levels = 1; count[t->levels - 1] > 1; t->levels++) {
        count[t->levels] = nodes_for(count[t->levels - 1]);
        stride[t->levels] = stride[t->levels - 1] * FAN;
    }
    for (unsigned l = 0; l < t->levels; l++) {
        size_t bytes = (size_t)count[l] * NODE * sizeof(int64_t);
        t->key[l] = pn_filter_alloc(bytes);
        t->bytes += bytes;
        whole = whole && t->key[l] != NULL;
    }
    t->leaf = pn_filter_alloc(f.n * sizeof(*t->leaf));
    t->list = pn_filter_alloc((f.n_lists + 1) * sizeof(*t->list));
    t->low = pn_filter_alloc(f.n_low * sizeof(*t->low));
    t->low_verdict = pn_filter_alloc(f.n_low);
    t->bytes += f.n * sizeof(*t->leaf) + (f.n_lists + 1) * sizeof(*t->list) + f.n_low * (sizeof(*t->low) + 1);
    if (!whole || t->leaf == NULL || t->list == NULL || t->low == NULL || t->low_verdict == NULL) {
        pn_filter_table6_free(t);
        return -1;
    }
    fill(t, s);
    for (uint32_t i = f.n; i < count[0] * NODE; i++)
        t->key[0][i] = INT64_MAX;
    for (unsigned l = 1; l < t->levels; l++)
        level_make(t, l, count[l - 1], stride);
    return 0;
}

void pn_filter_table6_free(struct pn_filter_table6 *t)
{
    for (unsigned l = 0; l < PN_FILTER_LEVELS; l++)
        free(t->key[l]);
    free(t->leaf);
    free(t->list);
    free(t->low);
    free(t->low_verdict);
    *t = (struct pn_filter_table6){0};
}

/* How many of a node's keys are not beyond x. */
static inline uint32_t rank(const int64_t *key, int64_t x)
{
    int64_t n = 0;

    for (unsigned j = 0; j < NODE; j++)
        n += key[j] <= x;
    return (uint32_t)n;
}

static inline void prefetch_node(const int64_t *key)
{
    __builtin_prefetch(key);
    __builtin_prefetch(key + NODE / 2);
}

static uint8_t find_low(const struct pn_filter_table6 *t, uint32_t list, uint64_t low)
{
    uint32_t from = t->list[list], left = t->list[list + 1] - from;

    while (left > 1) {
        uint32_t half = left / 2;
        from = t->low[from + half] <= low ? from + half : from;
        left -= half;
    }
    return t->low_verdict[from];
}

void pn_filter_table6_find(const struct pn_filter_table6 *t, const struct pn_filter_point *addr, unsigned n,
                           uint8_t *verdict)
{
    uint32_t at[PN_FILTER_BURST] = {0};

    for (unsigned l = t->levels; l-- > 1;) {
        for (unsigned i = 0; i < n; i++) {
            at[i] = at[i] * FAN + rank(t->key[l] + (size_t)at[i] * NODE, turned(addr[i].hi));
            at[i] = at[i] < t->count[l - 1] ? at[i] : t->count[l - 1] - 1; /* what fills nodes up counts for ~0 */
            prefetch_node(t->key[l - 1] + (size_t)at[i] * NODE);
        }
    }
    for (unsigned i = 0; i < n; i++) {
        /* One at least is not beyond. */
        uint32_t k = at[i] * NODE + rank(t->key[0] + (size_t)at[i] * NODE, turned(addr[i].hi)) - 1;
        at[i] = k < t->n ? k : t->n - 1;
        __builtin_prefetch(&t->leaf[at[i]]);
    }
    for (unsigned i = 0; i < n; i++) {
        uint32_t leaf = t->leaf[at[i]];

        if (leaf >> 2 != 0 && t->key[0][at[i]] == turned(addr[i].hi))
            verdict[i] = find_low(t, (leaf >> 2) - 1, addr[i].lo);
        else
            verdict[i] = leaf & 3;
    }
}
