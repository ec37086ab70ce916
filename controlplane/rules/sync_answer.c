/* SPDX-License-Identifier: BSD-3-Clause */
/* What a frame says about trees, versions and entries, and what we say to it. */
#include <stdlib.h>

#include "common/error.h"
#include "common/log.h"
#include "controlplane/rules/sync_internal.h"

static struct pn_digest *digest_of(const struct pn_sync *s, uint8_t kind)
{
    return s->rules->classes[kind].digest;
}

static void say_sums(struct pn_sync *s, uint8_t kind, const struct pn_digest_place *places, size_t n)
{
    struct pn_digest_sum sums[16];

    for (size_t i = 0; i < n; i++)
        sums[i] = pn_digest_sum(digest_of(s, kind), places[i]);
    pn_wire_sums(&s->wire, kind, places, sums, n);
    sync_send_part(s);
}

static void say_children(struct pn_sync *s, uint8_t kind, struct pn_digest_place at)
{
    struct pn_digest_place places[16];

    for (unsigned i = 0; i < 16; i++)
        places[i] = pn_digest_child(at, i);
    say_sums(s, kind, places, 16);
}

/* We were asked about a place that differs. */
static void answer_place(struct pn_sync *s, uint8_t kind, struct pn_digest_place at, uint64_t count)
{
    if (s->answered > SYNC_ANSWER_MAX) {
        say_sums(s, kind, &at, 1); /* later: ask again */
    } else if (count <= SYNC_LEAF || at.depth == PN_DIGEST_DEPTH_MAX) {
        size_t n = pn_digest_items(digest_of(s, kind), at, s->items, SYNC_DEEP_MAX);
        if (n <= SYNC_DEEP_MAX)
            pn_wire_items(&s->wire, kind, at, s->items, n, s->rules->names);
        sync_send_part(s);
    } else {
        say_children(s, kind, at);
    }
}

int sync_take_sums(struct pn_sync *s, const Pn__Sums *m)
{
    if (!sync_class_on(s, m->kind))
        return 0;
    for (size_t i = 0; i < m->n_prefix; i++) {
        struct pn_digest_place at = {m->prefix[i], m->depth[i]};
        struct pn_digest_sum mine = pn_digest_sum(digest_of(s, (uint8_t)m->kind), at);
        struct pn_digest_sum theirs = {m->count[i], m->sum_lo[i], m->sum_hi[i]};

        if (pn_digest_sum_equal(&mine, &theirs))
            continue;
        if (s->asked)
            answer_place(s, (uint8_t)m->kind, at, mine.count);
        else if (sync_queue(s, (uint8_t)m->kind, at) != 0)
            return -1;
    }
    return 0;
}

/* ---- Two lists of one place ---- */

/* The version in force, and the one that waits where there is one. */
static int send_entry(struct pn_sync *s, const struct pn_digest_item *item, struct pn_error *err)
{
    for (int held = 0; held <= (item->held ? 1 : 0); held++) {
        int rc = pn_rdb_get_seq(s->rules, item->seq, held, &s->rules->work, err);
        if (rc < 0)
            return -1;
        if (rc == 0 || s->rules->work.stamp == 0)
            continue;
        pn_wire_entry(&s->wire, &s->rules->work);
        s->st.entries_out++;
        sync_send_part(s);
    }
    return 0;
}

struct findings {
    struct pn_digest_item *newer; /* ours, same content, newer stamp */
    struct pn_digest_item *send; /* ours that they lack or have otherwise */
    uint64_t *want;
    size_t n_newer, n_send, n_want;
    size_t n_adopt; /* theirs, moved to the front of the list */
};

static void compare(struct pn_sync *s, size_t n_mine, const char *const *names, size_t n_theirs, struct findings *f)
{
    struct pn_digest_item *mine = s->items, *theirs = s->theirs;
    size_t i = 0, j = 0;

    while (i < n_mine || j < n_theirs) {
        uint64_t id = j == n_theirs || (i < n_mine && mine[i].id < theirs[j].id) ? mine[i].id : theirs[j].id;
        size_t i_end = i, j_end = j;

        while (i_end < n_mine && mine[i_end].id == id)
            i_end++;
        while (j_end < n_theirs && theirs[j_end].id == id)
            j_end++;
        if (i_end - i == 1 && j_end - j == 1 && mine[i].content == theirs[j].content) {
            int c = mine[i].stamp < theirs[j].stamp   ? -1
                    : mine[i].stamp > theirs[j].stamp ? 1
                                                      : strcmp(s->rules->names[mine[i].node], names[theirs[j].node]);
            if (c < 0)
                theirs[f->n_adopt++] = theirs[j];
            else if (c > 0)
                f->newer[f->n_newer++] = mine[i];
        } else {
            for (size_t k = i; k < i_end; k++)
                f->send[f->n_send++] = mine[k];
            if (j_end > j)
                f->want[f->n_want++] = id;
        }
        i = i_end;
        j = j_end;
    }
}

static int by_id(const void *a, const void *b)
{
    const struct pn_digest_item *x = a, *y = b;

    if (x->id != y->id)
        return x->id < y->id ? -1 : 1;
    return x->content < y->content ? -1 : x->content > y->content;
}

int sync_take_items(struct pn_sync *s, const Pn__Frame *frame, const Pn__Items *m, struct pn_error *err)
{
    struct pn_digest_place at = {m->prefix, m->depth};
    struct findings f = {0};
    size_t n_mine;
    int rc = 0;

    if (!sync_class_on(s, m->kind) || m->n_id > SYNC_DEEP_MAX)
        return 0;
    n_mine = pn_digest_items(digest_of(s, (uint8_t)m->kind), at, s->items,
                             at.depth == PN_DIGEST_DEPTH_MAX ? SYNC_DEEP_MAX : SYNC_LIST_MAX);
    if (n_mine > (at.depth == PN_DIGEST_DEPTH_MAX ? SYNC_DEEP_MAX : SYNC_LIST_MAX)) {
        if (at.depth == PN_DIGEST_DEPTH_MAX)
            return 0;
        if (s->asked)
            say_children(s, (uint8_t)m->kind, at);
        for (unsigned i = 0; !s->asked && i < 16; i++)
            if (sync_queue(s, (uint8_t)m->kind, pn_digest_child(at, i)) != 0)
                return pn_error_set(err, "no memory");
        return 0;
    }
    if (s->asked && s->answered > SYNC_ANSWER_MAX) {
        say_sums(s, (uint8_t)m->kind, &at, 1);
        return 0;
    }
    for (size_t i = 0; i < m->n_id; i++)
        s->theirs[i] = (struct pn_digest_item){.id = m->id[i],
                                               .content = m->content[i],
                                               .stamp = m->stamp[m->version[i]],
                                               .node = (uint16_t)m->stamp_node[m->version[i]]};
    qsort(s->theirs, m->n_id, sizeof(*s->theirs), by_id);
    f.newer = malloc((n_mine + 1) * 2 * sizeof(*f.newer));
    f.want = malloc((m->n_id + 1) * sizeof(*f.want));
    if (f.newer && f.want) {
        f.send = f.newer + n_mine;
        compare(s, n_mine, (const char *const *)frame->nodes, m->n_id, &f);
        /* Wants first: the peer answers them with what it has before ours replaces it, so that losers are seen here. */
        pn_wire_want(&s->wire, (uint8_t)m->kind, f.want, f.n_want);
        pn_wire_versions(&s->wire, (uint8_t)m->kind, f.newer, f.n_newer, s->rules->names);
        sync_send_part(s);
        for (size_t i = 0; rc == 0 && i < f.n_send; i++)
            rc = send_entry(s, &f.send[i], err);
    } else {
        rc = pn_error_set(err, "no memory");
    }
    free(f.newer);
    free(f.want);
    for (size_t i = 0; rc == 0 && i < f.n_adopt; i++)
        if (sync_adopt_add(s, (uint8_t)m->kind, s->theirs[i].id, s->theirs[i].content, s->theirs[i].stamp,
                           frame->nodes[s->theirs[i].node]) != 0)
            rc = pn_error_set(err, "no memory");
    return rc;
}

int sync_take_versions(struct pn_sync *s, const Pn__Frame *f, const Pn__Versions *m, struct pn_error *err)
{
    for (size_t i = 0; sync_class_on(s, m->kind) && i < m->n_id; i++) {
        uint64_t stamp = m->stamp[m->version[i]];
        if (stamp == 0 || stamp > INT64_MAX)
            continue;
        if (sync_adopt_add(s, (uint8_t)m->kind, m->id[i], m->content[i], stamp,
                           f->nodes[m->stamp_node[m->version[i]]]) != 0)
            return pn_error_set(err, "no memory");
    }
    return 0;
}

int sync_take_want(struct pn_sync *s, const Pn__Want *m, struct pn_error *err)
{
    for (size_t i = 0; sync_class_on(s, m->kind) && i < m->n_id && s->answered <= 4 * SYNC_ANSWER_MAX; i++) {
        struct pn_digest_place at = {m->id[i] & ~0xffffull, PN_DIGEST_DEPTH_MAX};
        size_t n = pn_digest_items(digest_of(s, (uint8_t)m->kind), at, s->items, SYNC_DEEP_MAX);

        for (size_t j = 0; n <= SYNC_DEEP_MAX && j < n; j++)
            if (s->items[j].id == m->id[i] && send_entry(s, &s->items[j], err) != 0)
                return -1;
    }
    return 0;
}

int sync_take_refused(struct pn_sync *s, const Pn__Refused *m, struct pn_error *err)
{
    for (size_t i = 0; sync_class_on(s, m->kind) && i < m->n_id; i++) {
        s->st.refused++;
        if (pn_rdb_refused(s->rules, (uint8_t)m->kind, m->id[i], m->stamp[i], err) != 0)
            return -1;
    }
    return 0;
}

int sync_take_entries(struct pn_sync *s, const Pn__Frame *f, struct pn_error *err)
{
    static struct pn_rule rule;
    struct pn_error why;

    for (size_t i = 0; i < f->n_entries; i++) {
        const Pn__Entry *e = f->entries[i];
        int put;

        if (!sync_class_on(s, e->kind))
            continue;
        s->st.entries_in++;
        if (pn_wire_rule(f, e, &rule, &why) != 0 || pn_rule_check(&rule, &why) != 0) {
            s->st.bad_entries++;
            pn_log_limited(10000, PN_LOG_WARNING, "rules: an entry from %s is not taken: %s", s->peer, why.text);
            continue;
        }
        put = pn_rdb_put(s->rules, &rule, false, err);
        if (put < 0)
            return -1;
        if (put == PN_PUT_REFUSED) {
            uint64_t id = pn_rule_id(&rule.key);
            s->st.refused++;
            pn_wire_refused(&s->wire, rule.key.kind, &id, &rule.stamp, 1);
        }
    }
    return 0;
}
