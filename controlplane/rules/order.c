/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/rules/order.h"

#include <stdlib.h>

struct place {
    const char *name;
    size_t at;
};

static int by_place(const void *a, const void *b)
{
    const struct place *x = a, *y = b;

    if (x->at != y->at)
        return x->at < y->at ? -1 : 1;
    return strcmp(x->name, y->name);
}

static size_t place_of(const char *order, const char *name)
{
    size_t len = strlen(name), at = 0;

    for (const char *line = order; line && *line; at++) {
        size_t n = strcspn(line, "\n");
        if (n == len && memcmp(line, name, n) == 0)
            return at;
        line += n + (line[n] == '\n');
    }
    return SIZE_MAX;
}

void pn_rule_order_apply(const char *order, const char **names, size_t n)
{
    struct place *places = calloc(n ? n : 1, sizeof(*places));

    for (size_t i = 0; places && i < n; i++)
        places[i] = (struct place){names[i], place_of(order, names[i])};
    if (places)
        qsort(places, n, sizeof(*places), by_place);
    for (size_t i = 0; places && i < n; i++)
        names[i] = places[i].name;
    free(places);
}
