/* SPDX-License-Identifier: BSD-3-Clause */
/* Looking things up in the schema. */
#include <stdlib.h>

#include "controlplane/conf/schema.h"

unsigned pn_schema_count(const struct pn_schema_section *section, const void *parent)
{
    if (section->shape == PN_SHAPE_SINGLE)
        return 1;
    return *(const unsigned *)((const char *)parent + section->count_offset);
}

void *pn_schema_object(const struct pn_schema_section *section, const void *parent, unsigned i)
{
    char *base = (char *)(uintptr_t)parent;
    if (section->shape == PN_SHAPE_SINGLE)
        return base;
    if (section->shape == PN_SHAPE_LIST)
        base = *(char **)(base + section->offset);
    else
        base += section->offset;
    return base + i * section->stride;
}

const struct pn_schema_row *pn_schema_row_find(enum pn_schema_id section, const char *key)
{
    for (unsigned i = 0; i < pn_schema_n_rows; i++)
        if (pn_schema_rows[i].section == section && strcmp(pn_schema_rows[i].key, key) == 0)
            return &pn_schema_rows[i];
    return NULL;
}

const struct pn_schema_section *pn_schema_section_find(enum pn_schema_id parent, const char *key)
{
    for (unsigned i = 0; i < PN_SEC_COUNT; i++)
        if (pn_schema_sections[i].parent == parent && strcmp(pn_schema_sections[i].key, key) == 0)
            return &pn_schema_sections[i];
    return NULL;
}

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

const char *pn_schema_nearest(enum pn_schema_id section, const char *key)
{
    const char *best = NULL;
    unsigned best_distance = 1 + (unsigned)strlen(key) / 3; /* farther off it is a guess, not a slip */
    if (best_distance > 3)
        best_distance = 3;
    for (unsigned i = 0; i < pn_schema_n_rows + PN_SEC_COUNT; i++) {
        bool is_row = i < pn_schema_n_rows;
        const struct pn_schema_section *s = is_row ? NULL : &pn_schema_sections[i - pn_schema_n_rows];
        if ((is_row ? pn_schema_rows[i].section : s->parent) != section)
            continue;
        const char *word = is_row ? pn_schema_rows[i].key : s->key;
        unsigned distance = word_distance(key, word);
        if (distance < best_distance || (distance == best_distance && !best)) {
            best = word;
            best_distance = distance;
        }
    }
    return best;
}
