/* SPDX-License-Identifier: BSD-3-Clause */
/* Which known word somebody may have meant. */
#ifndef POSTERN_NEAREST_H
#define POSTERN_NEAREST_H

/* Set key, offer each known word to pn_nearest_try(), then look at best: NULL when none is near. */
struct pn_nearest {
    const char *key;
    const char *best; /* borrowed from the caller's words */
    unsigned distance; /* of best */
};

void pn_nearest_try(struct pn_nearest *n, const char *word);

#endif
