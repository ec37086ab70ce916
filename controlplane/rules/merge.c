/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/rules/merge.h"

static int cmp_u64(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

static int cmp_bytes(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t n = a_len < b_len ? a_len : b_len;
    int c = n ? memcmp(a, b, n) : 0;

    return c ? c : cmp_u64(a_len, b_len);
}

/* Blocked stays blocked, allowed goes: 1 when the present version is the safe one. */
static int safe_side(const struct pn_rule *rule)
{
    const struct pn_kind *kind = pn_kind_by_number(rule->key.kind);
    return rule->present == (kind != NULL && kind->present_is_safe);
}

int pn_rule_version_cmp(const struct pn_rule *a, const struct pn_rule *b)
{
    const struct pn_kind *kind = pn_kind_by_number(a->key.kind);
    int c = cmp_u64(a->stamp, b->stamp);

    if (c == 0 && kind != NULL && kind->shape == PN_SHAPE_LIST)
        c = safe_side(a) - safe_side(b);
    if (c == 0)
        c = strcmp(a->node, b->node);
    /* One node stamps no two versions alike; these are for one that was put back from a copy, or lies. */
    if (c == 0)
        c = (int)a->present - (int)b->present;
    if (c == 0)
        c = strcmp(a->description, b->description);
    if (c == 0)
        c = cmp_bytes(a->body, a->body_len, b->body, b->body_len);
    return c;
}

static bool merge_hits(struct pn_rule *into, const struct pn_rule *from)
{
    struct pn_rule_hit all[2 * PN_RULE_HITS_MAX];
    unsigned i = 0, j = 0, n = 0, first;
    bool changed = false;

    while (i < into->n_hits || j < from->n_hits) {
        int c = i == into->n_hits ? 1 : j == from->n_hits ? -1 : strcmp(into->hits[i].node, from->hits[j].node);
        if (c < 0) {
            all[n++] = into->hits[i++];
        } else if (c > 0) {
            all[n++] = from->hits[j++];
        } else {
            all[n] = into->hits[i++];
            if (from->hits[j].count > all[n].count)
                all[n].count = from->hits[j].count;
            if (from->hits[j].last_ms > all[n].last_ms)
                all[n].last_ms = from->hits[j].last_ms;
            n++;
            j++;
        }
    }
    first = n > PN_RULE_HITS_MAX ? n - PN_RULE_HITS_MAX : 0;
    n -= first;
    changed = n != into->n_hits;
    for (i = 0; i < n; i++) {
        const struct pn_rule_hit *h = &all[first + i];
        if (!changed)
            changed = strcmp(h->node, into->hits[i].node) != 0 || h->count != into->hits[i].count ||
                      h->last_ms != into->hits[i].last_ms;
        into->hits[i] = *h;
    }
    into->n_hits = (uint8_t)n;
    return changed;
}

int pn_rule_merge(struct pn_rule *into, const struct pn_rule *from)
{
    int result = PN_MERGE_SAME;

    if (pn_rule_version_cmp(into, from) < 0) {
        if (pn_rule_body_set(into, from->body, from->body_len) != 0)
            return PN_MERGE_MEMORY;
        into->present = from->present;
        into->stamp = from->stamp;
        memcpy(into->node, from->node, sizeof(into->node));
        memcpy(into->description, from->description, sizeof(into->description));
        result |= PN_MERGE_VERSION;
    }
    if (from->n_hits && merge_hits(into, from))
        result |= PN_MERGE_HITS;
    return result;
}
