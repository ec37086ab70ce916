/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Newer stamps of entries that both nodes have: at a first join that may be nearly all. They come in the order of ids,
 * which scatters over the whole table, so they are gathered and written in the order of rows.
 */
#include <stdlib.h>

#include "controlplane/rules/sync_internal.h"

static int name_of(struct pn_sync *s, const char *node)
{
    for (unsigned i = 0; i < s->n_names; i++)
        if (strcmp(s->names[i], node) == 0)
            return (int)i;
    if (s->n_names >= 4 * PN_WIRE_NODES_MAX)
        return -1;
    void *names = realloc(s->names, (s->n_names + 1) * sizeof(*s->names));
    if (names == NULL)
        return -1;
    s->names = names;
    memcpy(s->names[s->n_names], node, strlen(node) + 1);
    return (int)s->n_names++;
}

int sync_adopt_add(struct pn_sync *s, uint8_t kind, uint64_t id, uint64_t content, uint64_t stamp, const char *node)
{
    const struct pn_digest_item *item = pn_digest_find_content(s->rules->classes[kind].digest, id, content);
    int name;

    if (item == NULL)
        return 0; /* it has changed meanwhile: the next comparison sees to it */
    name = name_of(s, node);
    if (name < 0)
        return -1; /* more names than there can be */
    if (s->n_adopt == s->adopt_size) {
        size_t size = s->adopt_size ? 2 * s->adopt_size : 1024;
        void *adopt = realloc(s->adopt, size * sizeof(*s->adopt));
        if (adopt == NULL)
            return -1;
        s->adopt = adopt;
        s->adopt_size = size;
    }
    s->adopt[s->n_adopt++] = (struct sync_adopt){id, content, stamp, item->seq, kind, (uint16_t)name};
    return 0;
}

static int by_row(const void *a, const void *b)
{
    const struct sync_adopt *x = a, *y = b;

    if (x->seq != y->seq)
        return x->seq < y->seq ? -1 : 1;
    return x->stamp < y->stamp ? -1 : x->stamp > y->stamp;
}

int sync_adopt_flush(struct pn_sync *s, struct pn_error *err)
{
    int rc = 0;

    if (s->n_adopt == 0)
        return 0;
    qsort(s->adopt, s->n_adopt, sizeof(*s->adopt), by_row);
    rc = pn_rdb_begin(s->rules, false, err);
    for (size_t i = 0; rc == 0 && i < s->n_adopt; i++)
        rc = pn_rdb_put_stamp(s->rules, s->adopt[i].kind, s->adopt[i].id, s->adopt[i].content, s->adopt[i].stamp,
                              s->names[s->adopt[i].name], err);
    if (rc == 0)
        rc = pn_rdb_commit(s->rules, err);
    else
        pn_rdb_rollback(s->rules);
    s->n_adopt = s->n_names = 0;
    if (s->adopt_size > 4096) { /* rarely needed so large */
        free(s->adopt);
        s->adopt = NULL;
        s->adopt_size = 0;
    }
    return rc;
}
