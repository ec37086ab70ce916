/* SPDX-License-Identifier: BSD-3-Clause */
/* Several stores in one process, a wire between each two of them, and a clock that the test moves. */
#ifndef POSTERN_TEST_RULES_CLUSTER_H
#define POSTERN_TEST_RULES_CLUSTER_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/hash.h"
#include "controlplane/rules/rules.h"
#include "controlplane/rules/sync.h"

#define RC_NODES 9
#define RC_T0 1800000000000ull /* the wall clock at the start, ms */

struct rc_frame {
    uint8_t *data;
    size_t len;
};

struct rc_link { /* one direction */
    struct rc_frame *frames;
    size_t n, size;
};

struct rc_cluster;
struct rc_end {
    struct rc_cluster *c;
    unsigned from, to;
};

struct rc_cluster {
    char dir[64];
    unsigned n;
    uint64_t now_ms;
    int64_t skew_ms[RC_NODES];
    struct pn_rules_options options;
    struct pn_rules *rules[RC_NODES];
    struct pn_sync *sync[RC_NODES][RC_NODES]; /* NULL: no link */
    struct rc_end end[RC_NODES][RC_NODES];
    struct rc_link link[RC_NODES][RC_NODES];
    uint64_t bytes;
    uint64_t seed;
    unsigned chaos; /* percent of frames that are lost, come twice or out of order, each */
};

static inline const char *rc_name(unsigned i)
{
    static const char *const names[RC_NODES] = {"n1", "n2", "n3", "n4", "n5", "n6", "n7", "n8", "n9"};
    return names[i];
}

static inline uint64_t rc_wall(void *arg)
{
    struct rc_end *e = arg;
    return e->c->now_ms + (uint64_t)e->c->skew_ms[e->from];
}

static inline void rc_out(void *arg, const uint8_t *data, size_t len)
{
    struct rc_end *e = arg;
    struct rc_link *l = &e->c->link[e->from][e->to];

    if (l->n == l->size) {
        l->size = l->size ? 2 * l->size : 16;
        l->frames = realloc(l->frames, l->size * sizeof(*l->frames));
    }
    l->frames[l->n].data = malloc(len ? len : 1);
    memcpy(l->frames[l->n].data, data, len);
    l->frames[l->n++].len = len;
    e->c->bytes += len;
}

static inline void rc_push(void *arg, uint8_t kind, const uint8_t *frame, size_t len)
{
    struct rc_end *e = arg;

    for (unsigned j = 0; j < e->c->n; j++)
        if (e->c->sync[e->from][j])
            pn_sync_push(e->c->sync[e->from][j], kind, frame, len);
}

static inline void rc_open(struct rc_cluster *c, unsigned i)
{
    struct pn_rules_options o = c->options;
    struct pn_error err;
    char path[128];

    snprintf(path, sizeof(path), "%s/%s.db", c->dir, rc_name(i));
    c->end[i][i] = (struct rc_end){c, i, i};
    o.path = path;
    o.node = rc_name(i);
    o.wall_ms = rc_wall;
    o.wall_arg = &c->end[i][i];
    c->rules[i] = pn_rules_open(&o, &err);
    if (c->rules[i] == NULL) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    pn_rules_push_set(c->rules[i], rc_push, &c->end[i][i]);
}

static inline void rc_members(struct rc_cluster *c, unsigned from, unsigned n)
{
    const char *names[RC_NODES];
    struct pn_error err;

    for (unsigned i = 0; i < n; i++)
        names[i] = rc_name(i);
    for (unsigned i = from; i < n; i++)
        pn_rules_members_set(c->rules[i], names, n, &err);
}

static inline void rc_start(struct rc_cluster *c, unsigned n)
{
    /* In memory where that is possible: these tests are about what is merged, not about the disk. */
    snprintf(c->dir, sizeof(c->dir), "%s/pn-rules.XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (mkdtemp(c->dir) == NULL)
        abort();
    c->n = n;
    c->now_ms = RC_T0;
    for (unsigned i = 0; i < n; i++)
        rc_open(c, i);
}

static inline void rc_cut_one(struct rc_cluster *c, unsigned i, unsigned j)
{
    struct rc_link *l = &c->link[i][j];

    for (size_t k = 0; k < l->n; k++)
        free(l->frames[k].data);
    l->n = 0;
    pn_sync_free(c->sync[i][j]);
    c->sync[i][j] = NULL;
}

static inline void rc_cut(struct rc_cluster *c, unsigned i, unsigned j)
{
    rc_cut_one(c, i, j);
    rc_cut_one(c, j, i);
}

static inline void rc_connect(struct rc_cluster *c, unsigned i, unsigned j)
{
    if (c->sync[i][j])
        return;
    c->end[i][j] = (struct rc_end){c, i, j};
    c->end[j][i] = (struct rc_end){c, j, i};
    c->sync[i][j] = pn_sync_new(c->rules[i], rc_name(j), rc_out, &c->end[i][j]);
    c->sync[j][i] = pn_sync_new(c->rules[j], rc_name(i), rc_out, &c->end[j][i]);
    pn_sync_start(c->sync[i][j]);
    pn_sync_start(c->sync[j][i]);
}

static inline void rc_connect_all(struct rc_cluster *c)
{
    for (unsigned i = 0; i < c->n; i++)
        for (unsigned j = 0; j < i; j++)
            rc_connect(c, i, j);
}

/* Delivers one frame of i to j. False: there was none. */
static inline bool rc_deliver(struct rc_cluster *c, unsigned i, unsigned j)
{
    struct rc_link *l = &c->link[i][j];
    struct rc_frame f;
    size_t at = 0;
    unsigned luck;
    struct pn_error err;

    if (l->n == 0 || c->sync[j][i] == NULL)
        return false;
    luck = (unsigned)(pn_hash_split(&c->seed) % 100);
    if (luck < c->chaos)
        at = pn_hash_split(&c->seed) % l->n; /* overtakes those before it */
    f = l->frames[at];
    if (!(luck >= c->chaos && luck < 2 * c->chaos)) { /* otherwise it stays, to come again */
        memmove(&l->frames[at], &l->frames[at + 1], (l->n - at - 1) * sizeof(f));
        l->n--;
        if (luck >= 2 * c->chaos && luck < 3 * c->chaos) { /* lost */
            free(f.data);
            return true;
        }
    } else {
        uint8_t *copy = malloc(f.len ? f.len : 1);
        memcpy(copy, f.data, f.len);
        f.data = copy;
    }
    if (pn_sync_input(c->sync[j][i], f.data, f.len, &err) != 0) {
        fprintf(stderr, "%s -> %s: %s\n", rc_name(i), rc_name(j), err.text);
        abort();
    }
    free(f.data);
    return true;
}

/* Delivers all that is under way, and what comes of it. */
static inline void rc_settle(struct rc_cluster *c)
{
    bool any = true;

    while (any) {
        any = false;
        for (unsigned i = 0; i < c->n; i++)
            for (unsigned j = 0; j < c->n; j++)
                any |= i != j && rc_deliver(c, i, j);
    }
}

/* Lets time pass in steps of a second, everybody doing what they do. */
static inline void rc_run(struct rc_cluster *c, unsigned seconds)
{
    for (unsigned t = 0; t < seconds; t++) {
        c->now_ms += 1000;
        for (unsigned i = 0; i < c->n; i++) {
            if (c->rules[i])
                pn_rules_tick(c->rules[i]);
            for (unsigned j = 0; j < c->n; j++)
                if (c->sync[i][j])
                    pn_sync_tick(c->sync[i][j]);
        }
        rc_settle(c);
    }
}

static inline bool rc_all_equal(struct rc_cluster *c)
{
    for (unsigned k = 0; k < pn_kinds_count; k++) {
        struct pn_digest_sum first = pn_rules_digest(c->rules[0], pn_kinds[k].number);
        for (unsigned i = 1; i < c->n; i++) {
            struct pn_digest_sum s = pn_rules_digest(c->rules[i], pn_kinds[k].number);
            if (!pn_digest_sum_equal(&first, &s))
                return false;
        }
    }
    return true;
}

static inline void rc_stop(struct rc_cluster *c)
{
    char command[128];

    for (unsigned i = 0; i < c->n; i++)
        for (unsigned j = 0; j < c->n; j++) {
            rc_cut_one(c, i, j);
            free(c->link[i][j].frames);
        }
    for (unsigned i = 0; i < c->n; i++)
        pn_rules_close(c->rules[i]);
    snprintf(command, sizeof(command), "rm -rf %s", c->dir);
    if (system(command) != 0)
        abort();
}

/* One change on node i. Returns its stamp. */
static inline uint64_t rc_change(struct rc_cluster *c, unsigned i, const char *kind, const char *owner,
                                 const char *value, const char *text, bool remove)
{
    struct pn_rule_key key;
    struct pn_rules_result result;
    struct pn_error err;
    const struct pn_kind *k = pn_kind_by_name(kind);
    struct pn_rules_change change = {.key = &key, .remove = remove};

    if (k->shape == PN_SHAPE_LIST)
        change.description = text;
    else
        change.body = text, change.body_len = text ? strlen(text) : 0;
    if (pn_rule_key_make(&key, k, owner, value, NULL, &err) != 0 ||
        pn_rules_change(c->rules[i], &change, 1, &result, &err) != 0) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    return result.stamp;
}

static inline int rc_get(struct rc_cluster *c, unsigned i, const char *kind, const char *value, struct pn_rule *rule)
{
    struct pn_rule_key key;
    struct pn_error err;

    if (pn_rule_key_make(&key, pn_kind_by_name(kind), NULL, value, NULL, &err) != 0)
        abort();
    return pn_rules_get(c->rules[i], &key, rule, &err);
}

#endif
