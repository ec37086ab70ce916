/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/nearest.h"

#include <stddef.h>
#include <string.h>

#define NEAR_MAX 31

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Letters more, less, other, or two in the wrong order (optimal string alignment); large when a word is long. */
static unsigned word_distance(const char *a, const char *b)
{
    size_t na = strlen(a), nb = strlen(b);
    unsigned rows[3][NEAR_MAX + 1];

    if (na > NEAR_MAX || nb > NEAR_MAX)
        return NEAR_MAX;
    for (unsigned j = 0; j <= nb; j++)
        rows[0][j] = j;
    for (unsigned i = 1; i <= na; i++) {
        unsigned *now = rows[i % 3], *before = rows[(i + 2) % 3], *earlier = rows[(i + 1) % 3];

        now[0] = i;
        for (unsigned j = 1; j <= nb; j++) {
            now[j] = least(before[j - 1] + (a[i - 1] != b[j - 1]), least(before[j], now[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = least(now[j], earlier[j - 2] + 1);
        }
    }
    return rows[na % 3][nb];
}

void pn_nearest_try(struct pn_nearest *n, const char *word)
{
    unsigned length = (unsigned)strlen(n->key), distance = word_distance(n->key, word);
    unsigned most = length < 6 ? 1 : length < 12 ? 2 : 3; /* farther off it is a guess, not a slip */

    if (distance <= most && distance < length && (!n->best || distance < n->distance)) {
        n->best = word;
        n->distance = distance;
    }
}
