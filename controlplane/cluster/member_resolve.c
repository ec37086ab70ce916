/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/cluster/member_resolve.h"

#include <stdio.h>
#include <stdlib.h>

static int by_age(const void *a, const void *b)
{
    const struct pn_member *x = *(const struct pn_member *const *)a, *y = *(const struct pn_member *const *)b;

    if (x->joined != y->joined)
        return x->joined < y->joined ? -1 : 1;
    return pn_id_compare(&x->id, &y->id);
}

static bool name_taken(struct pn_member *const *rows, unsigned n, const char *name)
{
    for (unsigned i = 0; i < n; i++)
        if (strcmp(rows[i]->name, name) == 0)
            return true;
    return false;
}

static void free_name(struct pn_member *const *rows, unsigned n, struct pn_member *row)
{
    for (unsigned k = 2; row->name[0] == '\0'; k++) {
        char name[PN_NAME_BYTES + 12];
        char tail[12];

        snprintf(tail, sizeof(tail), "-%u", k);
        snprintf(name, sizeof(name), "%.*s%s", (int)(PN_NAME_BYTES - 1 - strlen(tail)), row->claim_name, tail);
        if (!name_taken(rows, n, name))
            memcpy(row->name, name, PN_NAME_BYTES);
    }
}

void pn_members_resolve(struct pn_members *m)
{
    struct pn_member *rows[PN_MEMBER_ROWS_MAX];
    uint32_t numbers = 0;
    unsigned n = 0;

    m->highest_stamp = 0;
    for (unsigned i = 0; i < m->n; i++) {
        struct pn_member *row = &m->rows[i];
        row->number = -1;
        memset(row->name, 0, sizeof(row->name));
        if (!row->removed)
            rows[n++] = row;
        else
            memcpy(row->name, row->claim_name, sizeof(row->name));
        if (row->admin_stamp > m->highest_stamp)
            m->highest_stamp = row->admin_stamp;
        if (row->own_stamp > m->highest_stamp)
            m->highest_stamp = row->own_stamp;
    }
    qsort(rows, n, sizeof(rows[0]), by_age);
    unsigned seats = n < PN_MAX_NODES ? n : PN_MAX_NODES;
    for (unsigned i = 0; i < seats; i++) {
        if (numbers & 1u << rows[i]->claim_number)
            continue;
        numbers |= 1u << rows[i]->claim_number;
        rows[i]->number = rows[i]->claim_number;
    }
    for (unsigned i = 0; i < seats; i++) {
        if (rows[i]->number >= 0)
            continue;
        rows[i]->number = __builtin_ctz(~numbers);
        numbers |= 1u << rows[i]->number;
    }
    for (unsigned i = 0; i < n; i++)
        if (!name_taken(rows, n, rows[i]->claim_name))
            memcpy(rows[i]->name, rows[i]->claim_name, sizeof(rows[i]->name));
    for (unsigned i = 0; i < n; i++)
        free_name(rows, n, rows[i]);
}
