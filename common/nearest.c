/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/nearest.h"

#include <stddef.h>
#include <string.h>

#define NEAR_MAX 31

/* Levenshtein's distance of two short words; large when either is long. */
static unsigned word_distance(const char *a, const char *b)
{
    size_t na = strlen(a), nb = strlen(b);
    unsigned row[NEAR_MAX + 1];

    if (na > NEAR_MAX || nb > NEAR_MAX)
        return NEAR_MAX;
    for (unsigned j = 0; j <= nb; j++)
        row[j] = j;
    for (unsigned i = 1; i <= na; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= nb; j++) {
            unsigned best = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[nb];
}

void pn_nearest_try(struct pn_nearest *n, const char *word)
{
    unsigned most = 1 + (unsigned)strlen(n->key) / 3; /* farther off it is a guess, not a slip */
    unsigned distance = word_distance(n->key, word);

    if (distance <= (most > 3 ? 3 : most) && (!n->best || distance < n->distance)) {
        n->best = word;
        n->distance = distance;
    }
}
