/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/core/filter_table.h"

#include "dataplane/core/filter_memory.h"

#define FIRSTS (1u << 16)

/* Every first part begins with an edge at its lowest address, which repeats the verdict before it where nothing changes. */
struct fill {
    struct pn_filter_table4 *t; /* arrays NULL: only counted */
    uint32_t n; /* edges so far */
    uint32_t next; /* first part that has none yet */
    unsigned verdict;
};

static void push(struct fill *f, uint32_t low, unsigned verdict)
{
    if (f->t->edge != NULL)
        f->t->edge[f->n] = low << 2 | verdict;
    f->n++;
}

static void begin_to(struct fill *f, uint32_t last)
{
    for (; f->next <= last; f->next++) {
        if (f->t->first != NULL)
            f->t->first[f->next] = f->n;
        push(f, 0, f->verdict);
    }
}

static void take_edge(void *arg, struct pn_filter_point at, unsigned verdict)
{
    struct fill *f = arg;
    uint32_t part = (uint32_t)(at.hi >> 48), low = (uint32_t)(at.hi >> 32) & 0xffff;

    if (low != 0)
        begin_to(f, part);
    else if (part != 0)
        begin_to(f, part - 1); /* its own part begins with the new verdict */
    f->verdict = verdict;
    if (low != 0)
        push(f, low, verdict);
}

static uint32_t fill(struct pn_filter_table4 *t, const struct pn_filter_set *s)
{
    const struct pn_filter_slice all = {.from = s->e, .to = s->e + s->n};
    struct fill f = {.t = t, .verdict = PN_FILTER_PASS};

    pn_filter_sweep(&all, take_edge, &f);
    begin_to(&f, FIRSTS - 1);
    if (t->first != NULL)
        t->first[FIRSTS] = f.n;
    return f.n;
}

int pn_filter_table4_make(struct pn_filter_table4 *t, const struct pn_filter_set *s)
{
    *t = (struct pn_filter_table4){0};
    uint32_t n = fill(t, s);
    size_t first_bytes = (FIRSTS + 1) * sizeof(*t->first), edge_bytes = n * sizeof(*t->edge);

    t->first = pn_filter_alloc(first_bytes);
    t->edge = pn_filter_alloc(edge_bytes);
    if (t->first == NULL || t->edge == NULL) {
        pn_filter_table4_free(t);
        return -1;
    }
    t->bytes = first_bytes + edge_bytes;
    fill(t, s);
    return 0;
}

void pn_filter_table4_free(struct pn_filter_table4 *t)
{
    free(t->first);
    free(t->edge);
    *t = (struct pn_filter_table4){0};
}

void pn_filter_table4_find(const struct pn_filter_table4 *t, const uint32_t *addr, unsigned n, uint8_t *verdict)
{
    uint32_t from[PN_FILTER_BURST], count[PN_FILTER_BURST];

    for (unsigned i = 0; i < n; i++)
        __builtin_prefetch(&t->first[addr[i] >> 16]);
    for (unsigned i = 0; i < n; i++) {
        from[i] = t->first[addr[i] >> 16];
        count[i] = t->first[(addr[i] >> 16) + 1] - from[i];
        __builtin_prefetch(&t->edge[from[i] + count[i] / 2]);
    }
    for (unsigned i = 0; i < n; i++) {
        const uint32_t *e = &t->edge[from[i]];
        uint32_t key = (addr[i] & 0xffff) << 2 | 3, left = count[i];

        /* The last edge that is not beyond the address; the first one never is. No branch to mispredict. */
        while (left > 1) {
            uint32_t half = left / 2;
            e = e[half] <= key ? e + half : e;
            left -= half;
        }
        verdict[i] = *e & 3;
    }
}
