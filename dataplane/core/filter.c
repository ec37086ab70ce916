/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/core/filter.h"

#include <endian.h>
#include <stdlib.h>

#include "common/error.h"

static void set_free(struct pn_filter_set *s)
{
    free(s->e);
    *s = (struct pn_filter_set){0};
}

static void base_release(struct pn_filter_base *b)
{
    if (b == NULL || --b->users != 0)
        return;
    pn_filter_table4_free(&b->table4);
    pn_filter_table6_free(&b->table6);
    for (unsigned i = 0; i < PN_FILTER_FAMILIES; i++)
        set_free(&b->set[i]);
    free(b);
}

void pn_filter_free(struct pn_filter *f)
{
    if (f == NULL)
        return;
    for (unsigned i = 0; i < PN_FILTER_FAMILIES; i++) {
        free(f->overlay[i].at);
        free(f->overlay[i].verdict);
        set_free(&f->delta[i]);
    }
    base_release(f->base);
    free(f);
}

static struct pn_filter *no_memory(struct pn_filter *f, struct pn_error *err)
{
    pn_error_set(err, "filter: no memory");
    pn_filter_free(f);
    return NULL;
}

static void count_entry(struct pn_filter *f, unsigned family, uint8_t lists, int by)
{
    for (unsigned list = 0; list < PN_FILTER_LISTS; list++) {
        if (lists & 1u << list)
            f->count[list][family] += (uint32_t)by;
    }
}

static int count_check(struct pn_filter *f, struct pn_error *err)
{
    f->empty = true;
    for (unsigned i = 0; i < PN_FILTER_FAMILIES; i++) {
        uint64_t n = (uint64_t)f->count[PN_FILTER_BLOCK][i] + f->count[PN_FILTER_WELCOME][i];

        f->empty = f->empty && n == 0;
        if (n > PN_DP_FILTER_FAMILY_MAX)
            return pn_error_set(err, "filter: %llu %s prefixes, above %u", (unsigned long long)n,
                                i == PN_FILTER_V4 ? "IPv4" : "IPv6", PN_DP_FILTER_FAMILY_MAX);
    }
    return 0;
}

struct pn_filter *pn_filter_make(struct pn_filter_set set[PN_FILTER_FAMILIES], uint64_t generation,
                                 uint8_t block_action, struct pn_error *err)
{
    struct pn_filter *f = calloc(1, sizeof(*f));
    struct pn_filter_base *b = calloc(1, sizeof(*b));

    if (f == NULL || b == NULL) {
        for (unsigned i = 0; i < PN_FILTER_FAMILIES; i++)
            set_free(&set[i]);
        free(b);
        return no_memory(f, err);
    }
    f->base = b;
    f->generation = generation;
    f->block_action = block_action;
    b->users = 1;
    for (unsigned i = 0; i < PN_FILTER_FAMILIES; i++) {
        b->set[i] = set[i];
        set[i] = (struct pn_filter_set){0};
        pn_filter_set_sort(&b->set[i]);
        for (size_t j = 0; j < b->set[i].n; j++)
            count_entry(f, i, b->set[i].e[j].lists, 1);
        b->bytes += b->set[i].n * sizeof(*b->set[i].e);
    }
    if (count_check(f, err) != 0) {
        pn_filter_free(f);
        return NULL;
    }
    if (pn_filter_table4_make(&b->table4, &b->set[PN_FILTER_V4]) != 0 ||
        pn_filter_table6_make(&b->table6, &b->set[PN_FILTER_V6]) != 0)
        return no_memory(f, err);
    b->bytes += b->table4.bytes + b->table6.bytes;
    return f;
}

/* e's place in the delta; where it is base's again it leaves it. 0, or -1: no memory. */
static int delta_put(struct pn_filter_set *delta, size_t room, const struct pn_filter_set *base,
                     const struct pn_filter_entry *e)
{
    size_t i = pn_filter_set_find(delta, e);
    bool there = i < delta->n && pn_filter_entry_cmp(&delta->e[i], e) == 0;

    if (pn_filter_set_lists(base, e) == e->lists) {
        if (there) {
            memmove(&delta->e[i], &delta->e[i + 1], (delta->n - i - 1) * sizeof(*e));
            delta->n--;
        }
        return 0;
    }
    if (!there) {
        if (delta->n == room)
            return -1;
        memmove(&delta->e[i + 1], &delta->e[i], (delta->n - i) * sizeof(*e));
        delta->n++;
    }
    delta->e[i] = *e;
    return 0;
}

static int change(struct pn_filter *f, size_t room, const struct pn_dp_prefix *c)
{
    unsigned family;
    struct pn_filter_entry e = pn_filter_entry_of(c, &family);
    uint8_t list = e.lists, before;
    struct pn_filter_set *delta = &f->delta[family];
    const struct pn_filter_set *base = &f->base->set[family];
    size_t i = pn_filter_set_find(delta, &e);

    before =
        i < delta->n && pn_filter_entry_cmp(&delta->e[i], &e) == 0 ? delta->e[i].lists : pn_filter_set_lists(base, &e);
    e.lists = (uint8_t)(c->remove ? before & ~list : before | list);
    count_entry(f, family, before, -1);
    count_entry(f, family, e.lists, 1);
    return delta_put(delta, room, base, &e);
}

/* Edges of an overlay under way. Later ones at the same place count. */
struct gather {
    struct pn_filter_overlay *o;
    bool full;
};

static void gather_edge(void *arg, struct pn_filter_point at, unsigned verdict)
{
    struct gather *g = arg;
    struct pn_filter_overlay *o = g->o;

    if (o->n != 0 && pn_filter_point_cmp(o->at[o->n - 1], at) == 0)
        o->n--;
    if (o->n != 0 && o->verdict[o->n - 1] == verdict)
        return;
    if (o->n == PN_FILTER_OVERLAY_MAX) {
        g->full = true;
        return;
    }
    o->at[o->n] = at;
    o->verdict[o->n++] = (uint8_t)verdict;
}

/* Position of the first entry behind a prefix. */
static size_t find_behind(const struct pn_filter_set *s, const struct pn_filter_entry *e)
{
    struct pn_filter_entry key = {.at = pn_filter_last(e->at, e->len), .len = UINT8_MAX};

    return pn_filter_set_find(s, &key);
}

/* false: too much lies in what has changed. */
static bool overlay_fill(struct pn_filter_overlay *o, const struct pn_filter_set *base,
                         const struct pn_filter_set *delta)
{
    struct gather g = {.o = o};
    size_t next;

    /* The outermost of the changed prefixes, each with all that lies in it. */
    for (size_t i = 0; i < delta->n && !g.full; i = next) {
        const struct pn_filter_entry *region = &delta->e[i];
        size_t from = pn_filter_set_find(base, region), to = find_behind(base, region);
        struct pn_filter_point behind = pn_filter_last(region->at, region->len);

        next = find_behind(delta, region);
        if (to - from > PN_FILTER_OVERLAY_MAX)
            return false;
        struct pn_filter_slice slice = {base->e + from, base->e + to, region, delta->e + next, 0};
        static const struct pn_filter_set none;
        for (unsigned list = 0; region->len != 0 && list < PN_FILTER_LISTS; list++) {
            if (pn_filter_set_cover(base, &none, region->at, region->len - 1u, (uint8_t)(1u << list)) != NULL)
                slice.under |= (uint8_t)(1u << list);
        }
        gather_edge(&g, region->at, pn_filter_verdict_of(slice.under));
        pn_filter_sweep(&slice, gather_edge, &g);
        if (++behind.lo == 0 && ++behind.hi == 0)
            break; /* up to the last address of all */
        gather_edge(&g, behind, PN_FILTER_AS_BASE);
    }
    return !g.full;
}

static int overlay_make(struct pn_filter *f, unsigned family, bool *fits)
{
    struct pn_filter_overlay *o = &f->overlay[family];

    if (f->delta[family].n == 0)
        return 0;
    o->at = malloc(PN_FILTER_OVERLAY_MAX * sizeof(*o->at));
    o->verdict = malloc(PN_FILTER_OVERLAY_MAX);
    if (o->at == NULL || o->verdict == NULL)
        return -1;
    *fits =
        *fits && f->delta[family].n <= PN_FILTER_DELTA_MAX && overlay_fill(o, &f->base->set[family], &f->delta[family]);
    return 0;
}

struct pn_filter *pn_filter_renew(const struct pn_filter *f, struct pn_error *err)
{
    struct pn_filter_set set[PN_FILTER_FAMILIES] = {{0}};

    for (unsigned i = 0; i < PN_FILTER_FAMILIES; i++) {
        if (pn_filter_set_merge(&f->base->set[i], &f->delta[i], &set[i]) != 0) {
            free(set[0].e);
            return no_memory(NULL, err);
        }
    }
    return pn_filter_make(set, f->generation, f->block_action, err);
}

struct pn_filter *pn_filter_patch(const struct pn_filter *f, const struct pn_dp_prefix *changes, size_t n,
                                  uint64_t generation, uint8_t block_action, struct pn_error *err)
{
    struct pn_filter *p = calloc(1, sizeof(*p));
    bool fits = true;

    if (p == NULL)
        return no_memory(NULL, err);
    p->base = f->base;
    p->base->users++;
    p->generation = generation;
    p->block_action = block_action;
    memcpy(p->count, f->count, sizeof(p->count));
    size_t room[PN_FILTER_FAMILIES];
    for (unsigned i = 0; i < PN_FILTER_FAMILIES; i++) {
        room[i] = f->delta[i].n + n;
        p->delta[i].e = malloc((room[i] + 1) * sizeof(*p->delta[i].e));
        if (p->delta[i].e == NULL)
            return no_memory(p, err);
        p->delta[i].n = f->delta[i].n;
        if (p->delta[i].n != 0)
            memcpy(p->delta[i].e, f->delta[i].e, p->delta[i].n * sizeof(*p->delta[i].e));
    }
    for (size_t i = 0; i < n; i++) {
        unsigned family;
        (void)pn_filter_entry_of(&changes[i], &family);
        if (change(p, room[family], &changes[i]) != 0)
            return no_memory(p, err);
    }
    if (count_check(p, err) != 0) {
        pn_filter_free(p);
        return NULL;
    }
    for (unsigned i = 0; i < PN_FILTER_FAMILIES; i++) {
        if (overlay_make(p, i, &fits) != 0)
            return no_memory(p, err);
    }
    if (fits)
        return p;
    struct pn_filter *whole = pn_filter_renew(p, err);
    pn_filter_free(p);
    return whole;
}

size_t pn_filter_bytes(const struct pn_filter *f)
{
    size_t bytes = sizeof(*f) + f->base->bytes;

    for (unsigned i = 0; i < PN_FILTER_FAMILIES; i++)
        bytes += f->delta[i].n * sizeof(*f->delta[i].e) +
                 (f->overlay[i].at != NULL ? PN_FILTER_OVERLAY_MAX * (sizeof(struct pn_filter_point) + 1) : 0);
    return bytes;
}

static unsigned overlay_find(const struct pn_filter_overlay *o, struct pn_filter_point at)
{
    uint32_t from = 0, left = o->n;

    if (left == 0 || pn_filter_point_cmp(at, o->at[0]) < 0)
        return PN_FILTER_AS_BASE;
    while (left > 1) {
        uint32_t half = left / 2;
        if (pn_filter_point_cmp(o->at[from + half], at) <= 0)
            from += half;
        left -= half;
    }
    return o->verdict[from];
}

void pn_filter_find(const struct pn_filter *f, const uint64_t (*client)[2], unsigned n, uint8_t *verdict)
{
    uint32_t addr4[PN_FILTER_BURST];
    struct pn_filter_point addr6[PN_FILTER_BURST];
    uint8_t index[PN_FILTER_FAMILIES][PN_FILTER_BURST], found[PN_FILTER_BURST];
    unsigned many[PN_FILTER_FAMILIES] = {0};

    for (unsigned i = 0; i < n; i++) {
        unsigned family;
        struct pn_filter_point at = pn_filter_point_of(client[i], &family);

        if (f->overlay[family].n != 0 &&
            (verdict[i] = (uint8_t)overlay_find(&f->overlay[family], at)) != PN_FILTER_AS_BASE)
            continue;
        if (family == PN_FILTER_V4)
            addr4[many[PN_FILTER_V4]] = (uint32_t)(at.hi >> 32);
        else
            addr6[many[PN_FILTER_V6]] = at;
        index[family][many[family]++] = (uint8_t)i;
    }
    if (many[PN_FILTER_V4] != 0) {
        pn_filter_table4_find(&f->base->table4, addr4, many[PN_FILTER_V4], found);
        for (unsigned i = 0; i < many[PN_FILTER_V4]; i++)
            verdict[index[PN_FILTER_V4][i]] = found[i];
    }
    if (many[PN_FILTER_V6] != 0) {
        pn_filter_table6_find(&f->base->table6, addr6, many[PN_FILTER_V6], found);
        for (unsigned i = 0; i < many[PN_FILTER_V6]; i++)
            verdict[index[PN_FILTER_V6][i]] = found[i];
    }
}

void pn_filter_ask(const struct pn_filter *f, const struct pn_addr *client, struct pn_dp_filter_answer *out)
{
    uint64_t q[1][2] = {{client->q[0], client->q[1]}};
    unsigned family;

    memset(out, 0, sizeof(*out));
    if (f == NULL)
        return;
    struct pn_filter_point at = pn_filter_point_of(q[0], &family);
    pn_filter_find(f, q, 1, &out->verdict);
    out->block_action = f->block_action;
    out->generation = f->generation;
    for (unsigned list = 0; list < PN_FILTER_LISTS; list++) {
        const struct pn_filter_entry *e = pn_filter_set_cover(&f->base->set[family], &f->delta[family], at,
                                                              family == PN_FILTER_V4 ? 32 : 128, (uint8_t)(1u << list));
        out->found[list] = e != NULL;
        if (e != NULL)
            out->match[list] = pn_filter_prefix_of(e, family, list);
    }
}
