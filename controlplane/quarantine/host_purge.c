/* SPDX-License-Identifier: BSD-3-Clause */
/* What a host forgets: rows first, then files. */
#include <stdlib.h>

#include "common/error.h"
#include "controlplane/quarantine/host_internal.h"

#define PURGE_DOWN_MAX 2048 /* messages in one call: the caller has other things to do */

struct gone {
    uint8_t (*sha)[PN_Q_SHA_BYTES];
    unsigned n, size;
};

static void note_gone(void *arg, const uint8_t sha[PN_Q_SHA_BYTES], uint64_t file_bytes)
{
    struct gone *g = arg;

    (void)file_bytes;
    if (g->n < g->size)
        memcpy(g->sha[g->n++], sha, PN_Q_SHA_BYTES);
}

static int rows_purge(struct pn_host *h, const struct pn_host_purge *p, struct gone *g, struct pn_error *err)
{
    struct pn_host_purge one = *p;
    int n = 0;

    for (one.kind = PN_Q_RECORD; one.kind <= PN_Q_MESSAGE && n < (int)p->max; one.kind++)
        if (p->kind < 0 || p->kind == one.kind) {
            one.max = p->max - (unsigned)n;
            int some = h->ops->purge(pn_host_db(h), &one, note_gone, g, err);
            if (some < 0)
                return -1;
            n += some;
        }
    return n;
}

int pn_host_purge(struct pn_host *h, const struct pn_host_purge *p, struct pn_error *err)
{
    struct gone g = {.size = p->max};

    g.sha = calloc(p->max ? p->max : 1, PN_Q_SHA_BYTES);
    if (g.sha == NULL)
        return pn_error_set(err, "no memory");
    int n = h->ops->begin(pn_host_db(h), err) == 0 ? 0 : -1;
    if (n == 0 && (n = rows_purge(h, p, &g, err)) < 0)
        h->ops->rollback(pn_host_db(h));
    else if (n >= 0 && h->ops->commit(pn_host_db(h), err) != 0)
        n = -1;
    for (unsigned i = 0; n > 0 && i < g.n; i++) /* rows first: a crash here leaves orphans for the next opening */
        if (h->ops->sha_used(pn_host_db(h), g.sha[i]) == 0)
            pn_qfiles_remove(h->files, g.sha[i]);
    free(g.sha);
    return n;
}

/* Oldest messages go until few enough bytes are left; of one node, or of all (NULL). */
struct size_of {
    const char *node;
    struct pn_hostdb_totals totals;
};

static int note_size(void *arg, const char *node, const struct pn_hostdb_totals *totals)
{
    struct size_of *s = arg;

    if (strcmp(node, s->node) == 0)
        s->totals = *totals;
    return 0;
}

static int purge_down(struct pn_host *h, const char *node, uint64_t max_bytes, struct pn_error *err)
{
    struct pn_host_purge p = PN_HOST_PURGE_ANY;
    int all = 0;

    p.kind = PN_Q_MESSAGE;
    p.node = node;
    for (;;) {
        struct size_of s = {.node = node};
        int rc = node ? h->ops->node_totals(pn_host_db(h), note_size, &s) : h->ops->totals(pn_host_db(h), &s.totals);
        if (rc != 0)
            return pn_error_set(err, "quarantine host: the totals cannot be read");
        if (s.totals.file_bytes <= max_bytes || all >= PURGE_DOWN_MAX)
            return all;
        uint64_t mean = s.totals.messages ? s.totals.file_bytes / s.totals.messages + 1 : 1;
        uint64_t want = (s.totals.file_bytes - max_bytes) / mean + 1;
        p.max = want < 64 ? (unsigned)want : 64;
        int n = pn_host_purge(h, &p, err);
        if (n <= 0)
            return n < 0 ? -1 : all;
        all += n;
    }
}

int pn_host_purge_size(struct pn_host *h, uint64_t max_bytes, struct pn_error *err)
{
    return purge_down(h, NULL, max_bytes, err);
}

int pn_host_purge_node(struct pn_host *h, const char *node, uint64_t max_bytes, struct pn_error *err)
{
    return purge_down(h, node, max_bytes, err);
}
