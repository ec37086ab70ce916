/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/cluster/perimeter.h"

#include <stdio.h>
#include <stdlib.h>

const char *const pn_perimeter_format_name[PN_PERIMETER_FORMAT_COUNT] = {"postfix", "cidr", "rspamd"};

/* IPv4 before IPv6, by address, the wider of two with the same address first. */
static int compare(const void *a, const void *b)
{
    const struct pn_prefix *x = a, *y = b;
    bool x4 = pn_addr_is_v4(&x->addr) && x->len >= 96, y4 = pn_addr_is_v4(&y->addr) && y->len >= 96;

    if (x4 != y4)
        return x4 ? -1 : 1;
    int c = memcmp(x->addr.b, y->addr.b, 16);
    return c ? c : (int)x->len - (int)y->len;
}

/* Two halves of one network: same length, equal but for the last bit of it. IPv4 ends at its own /0. */
static bool siblings(const struct pn_prefix *a, const struct pn_prefix *b)
{
    bool v4 = pn_addr_is_v4(&a->addr) && a->len >= 96;

    if (a->len != b->len || a->len == 0 || (v4 && a->len == 96))
        return false;
    struct pn_addr up_a = pn_addr_masked(&a->addr, a->len - 1u), up_b = pn_addr_masked(&b->addr, b->len - 1u);
    return pn_addr_equal(&up_a, &up_b) && !pn_addr_equal(&a->addr, &b->addr);
}

unsigned pn_prefixes_fold(struct pn_prefix *list, unsigned n)
{
    unsigned out = 0;

    qsort(list, n, sizeof(*list), compare);
    for (unsigned i = 0; i < n; i++) {
        struct pn_prefix p = list[i];

        if (out > 0 && list[out - 1].len <= p.len && pn_prefix_contains(&list[out - 1], &p.addr))
            continue;
        while (out > 0 && siblings(&list[out - 1], &p)) {
            p = list[--out];
            p.len--;
        }
        list[out++] = p;
    }
    return out;
}

static void add(struct pn_perimeter *p, struct pn_prefix prefix)
{
    if (p->n < PN_PERIMETER_MAX)
        p->list[p->n++] = prefix;
}

void pn_perimeter_make(struct pn_perimeter *p, const struct pn_members *m)
{
    p->n = 0;
    for (unsigned i = 0; i < m->n; i++) {
        const struct pn_member *row = &m->rows[i];

        if (!pn_member_active(row))
            continue;
        for (unsigned e = 0; e < row->n_endpoints; e++)
            add(p, (struct pn_prefix){row->endpoints[e].addr, 128});
        for (unsigned v = 0; v < row->vips.n; v++)
            add(p, row->vips.list[v]);
        for (unsigned x = 0; x < row->extra.n; x++)
            add(p, row->extra.list[x]);
    }
    p->n = pn_prefixes_fold(p->list, p->n);
}

bool pn_perimeter_has(const struct pn_perimeter *p, const struct pn_addr *addr)
{
    for (unsigned i = 0; i < p->n; i++) {
        const struct pn_prefix *prefix = &p->list[i];
        bool v4 = pn_addr_is_v4(&prefix->addr) && prefix->len >= 96; /* ::/0 is no IPv4 network */
        if (v4 == pn_addr_is_v4(addr) && pn_prefix_contains(prefix, addr))
            return true;
    }
    return false;
}

int pn_perimeter_format_parse(const char *word)
{
    for (int f = 0; f < PN_PERIMETER_FORMAT_COUNT; f++)
        if (strcmp(word, pn_perimeter_format_name[f]) == 0)
            return f;
    return -1;
}

char *pn_perimeter_export(const struct pn_perimeter *p, enum pn_perimeter_format format, const char *cluster_name)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);

    if (!f)
        return NULL;
    if (format != PN_PERIMETER_CIDR && *cluster_name)
        fprintf(f, "# Perimeter of the Postern cluster %s\n", cluster_name);
    else if (format != PN_PERIMETER_CIDR)
        fputs("# The perimeter is empty: this node is in no cluster\n", f);
    for (unsigned i = 0; i < p->n; i++) {
        char prefix[PN_PREFIX_TEXT_BYTES];

        pn_prefix_format(&p->list[i], prefix, sizeof(prefix));
        fprintf(f, "%s%s\n", prefix, format == PN_PERIMETER_POSTFIX ? " permit" : "");
    }
    if (ferror(f) | fclose(f)) {
        free(text);
        return NULL;
    }
    return text;
}
