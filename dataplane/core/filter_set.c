/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/core/filter_set.h"

#include <endian.h>
#include <stdlib.h>

#define V4_OFFSET 96u /* of an IPv4 length in the 128-bit form */

struct pn_filter_point pn_filter_point_of(const uint64_t q[2], unsigned *family)
{
    struct pn_filter_point p = {be64toh(q[0]), be64toh(q[1])};

    *family = p.hi == 0 && p.lo >> 32 == 0xffff ? PN_FILTER_V4 : PN_FILTER_V6;
    if (*family == PN_FILTER_V4)
        p = (struct pn_filter_point){p.lo << 32, 0};
    return p;
}

static struct pn_filter_point tail(unsigned len) /* ones behind len */
{
    return (struct pn_filter_point){
        .hi = len >= 64 ? 0 : ~0ull >> len,
        .lo = len >= 128  ? 0
              : len <= 64 ? ~0ull
                          : ~0ull >> (len - 64),
    };
}

struct pn_filter_point pn_filter_first(struct pn_filter_point at, unsigned len)
{
    struct pn_filter_point t = tail(len);
    return (struct pn_filter_point){at.hi & ~t.hi, at.lo & ~t.lo};
}

struct pn_filter_point pn_filter_last(struct pn_filter_point at, unsigned len)
{
    struct pn_filter_point t = tail(len);
    return (struct pn_filter_point){at.hi | t.hi, at.lo | t.lo};
}

struct pn_filter_entry pn_filter_entry_of(const struct pn_dp_prefix *prefix, unsigned *family)
{
    struct pn_filter_entry e = {.lists = (uint8_t)(1u << prefix->list)};
    unsigned len = prefix->prefix_len;

    e.at = pn_filter_point_of(prefix->addr.q, family);
    if (*family == PN_FILTER_V4 && len < V4_OFFSET) { /* an IPv6 network that happens to hold the mapped ones */
        *family = PN_FILTER_V6;
        e.at = (struct pn_filter_point){be64toh(prefix->addr.q[0]), be64toh(prefix->addr.q[1])};
    }
    e.len = (uint8_t)(*family == PN_FILTER_V4 ? len - V4_OFFSET : len);
    e.at = pn_filter_first(e.at, e.len);
    return e;
}

struct pn_dp_prefix pn_filter_prefix_of(const struct pn_filter_entry *e, unsigned family, unsigned list)
{
    struct pn_dp_prefix p = {.prefix_len = e->len, .list = (uint8_t)list};

    p.addr.q[0] = htobe64(e->at.hi);
    p.addr.q[1] = htobe64(e->at.lo);
    if (family == PN_FILTER_V4) {
        p.prefix_len = (uint8_t)(e->len + V4_OFFSET);
        p.addr = pn_addr_from_v4(htobe32((uint32_t)(e->at.hi >> 32)));
    }
    return p;
}

static int compare(const void *a, const void *b)
{
    return pn_filter_entry_cmp(a, b);
}

void pn_filter_set_sort(struct pn_filter_set *s)
{
    size_t kept = 0;
    bool sorted = true;

    for (size_t i = 1; i < s->n && sorted; i++)
        sorted = pn_filter_entry_cmp(&s->e[i - 1], &s->e[i]) <= 0;
    if (!sorted)
        qsort(s->e, s->n, sizeof(*s->e), compare);
    for (size_t i = 0; i < s->n; i++) {
        if (kept != 0 && pn_filter_entry_cmp(&s->e[kept - 1], &s->e[i]) == 0)
            s->e[kept - 1].lists |= s->e[i].lists;
        else
            s->e[kept++] = s->e[i];
    }
    s->n = kept;
}

size_t pn_filter_set_find(const struct pn_filter_set *s, const struct pn_filter_entry *key)
{
    size_t from = 0, n = s->n;

    while (n != 0) {
        size_t half = n / 2;
        if (pn_filter_entry_cmp(&s->e[from + half], key) < 0) {
            from += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    return from;
}

static const struct pn_filter_entry *exact(const struct pn_filter_set *s, const struct pn_filter_entry *key)
{
    size_t i = pn_filter_set_find(s, key);
    return i < s->n && pn_filter_entry_cmp(&s->e[i], key) == 0 ? &s->e[i] : NULL;
}

uint8_t pn_filter_set_lists(const struct pn_filter_set *s, const struct pn_filter_entry *key)
{
    const struct pn_filter_entry *e = exact(s, key);
    return e == NULL ? 0 : e->lists;
}

/* The next entry of base and delta together; false: both are at their ends. */
static bool slice_next(struct pn_filter_slice *s, const struct pn_filter_entry **e)
{
    while (s->from != s->to || s->delta_from != s->delta_to) {
        int c = s->from == s->to ? 1 : s->delta_from == s->delta_to ? -1 : pn_filter_entry_cmp(s->from, s->delta_from);
        *e = c < 0 ? s->from : s->delta_from;
        s->from += c <= 0;
        s->delta_from += c >= 0;
        if ((*e)->lists != 0)
            return true;
    }
    return false;
}

int pn_filter_set_merge(const struct pn_filter_set *base, const struct pn_filter_set *delta, struct pn_filter_set *out)
{
    struct pn_filter_slice s = {base->e, base->e + base->n, delta->e, delta->e + delta->n, 0};
    const struct pn_filter_entry *e;

    out->n = 0;
    out->e = malloc((base->n + delta->n + 1) * sizeof(*out->e));
    if (out->e == NULL)
        return -1;
    while (slice_next(&s, &e))
        out->e[out->n++] = *e;
    return 0;
}

static unsigned common_bits(struct pn_filter_point a, struct pn_filter_point b)
{
    if (a.hi != b.hi)
        return (unsigned)__builtin_clzll(a.hi ^ b.hi);
    return a.lo == b.lo ? 128 : 64 + (unsigned)__builtin_clzll(a.lo ^ b.lo);
}

/*
 * The longest entry of s that covers at with at most bits bits. Whatever covers at and stands before it in order also covers
 * its predecessor, with no more bits than the two have in common: each step ends there or gets shorter.
 */
static const struct pn_filter_entry *set_cover(const struct pn_filter_set *s, struct pn_filter_point at, unsigned bits)
{
    for (;;) {
        const struct pn_filter_entry key = {.at = pn_filter_first(at, bits), .len = (uint8_t)bits};
        size_t i = pn_filter_set_find(s, &key);

        if (i < s->n && pn_filter_entry_cmp(&s->e[i], &key) == 0)
            return &s->e[i];
        if (i == 0)
            return NULL;
        const struct pn_filter_entry *before = &s->e[i - 1];
        unsigned common = common_bits(before->at, key.at);
        if (common >= before->len)
            return before;
        bits = common;
    }
}

const struct pn_filter_entry *pn_filter_set_cover(const struct pn_filter_set *base, const struct pn_filter_set *delta,
                                                  struct pn_filter_point at, unsigned bits, uint8_t mask)
{
    for (;;) {
        const struct pn_filter_entry *b = set_cover(base, at, bits), *d = set_cover(delta, at, bits);
        const struct pn_filter_entry *e = b == NULL || (d != NULL && d->len >= b->len) ? d : b;

        if (e == NULL || (e->lists & mask))
            return e;
        if (e->len == 0)
            return NULL;
        bits = e->len - 1u;
    }
}

/* Edges are held back until the next one is elsewhere, so that several at one place count as the last of them. */
struct sweep {
    pn_filter_edge_fn fn;
    void *arg;
    struct pn_filter_point at;
    unsigned verdict, told;
    bool pending;
};

static void edge_flush(struct sweep *s)
{
    if (s->pending && s->verdict != s->told) {
        s->fn(s->arg, s->at, s->verdict);
        s->told = s->verdict;
    }
    s->pending = false;
}

static void edge_at(struct sweep *s, struct pn_filter_point at, unsigned verdict)
{
    if (s->pending && pn_filter_point_cmp(s->at, at) != 0)
        edge_flush(s);
    s->at = at;
    s->verdict = verdict;
    s->pending = true;
}

/* An open prefix: those that cover the place where the sweep is lie in each other. */
struct open {
    struct pn_filter_point last;
    uint8_t lists; /* its own and those of all around it */
};

static void close_one(struct sweep *s, const struct open *open, unsigned depth, uint8_t under)
{
    struct pn_filter_point next = open[depth].last;

    if (next.hi == ~0ull && next.lo == ~0ull)
        return; /* nothing comes after */
    if (++next.lo == 0)
        next.hi++;
    edge_at(s, next, pn_filter_verdict_of(depth != 0 ? open[depth - 1].lists : under));
}

void pn_filter_sweep(const struct pn_filter_slice *slice, pn_filter_edge_fn edge, void *arg)
{
    struct pn_filter_slice rest = *slice;
    struct sweep s = {.fn = edge, .arg = arg, .told = pn_filter_verdict_of(slice->under)};
    struct open open[129]; /* one of each length */
    const struct pn_filter_entry *e;
    unsigned depth = 0;

    while (slice_next(&rest, &e)) {
        while (depth != 0 && pn_filter_point_cmp(open[depth - 1].last, e->at) < 0) {
            depth--;
            close_one(&s, open, depth, slice->under);
        }
        uint8_t lists = (uint8_t)(e->lists | (depth != 0 ? open[depth - 1].lists : slice->under));
        open[depth] = (struct open){pn_filter_last(e->at, e->len), lists};
        depth++;
        edge_at(&s, e->at, pn_filter_verdict_of(lists));
    }
    while (depth != 0) {
        depth--;
        close_one(&s, open, depth, slice->under);
    }
    edge_flush(&s);
}
