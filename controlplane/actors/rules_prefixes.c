/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Networks of the two IP lists for the dataplane's filter. The main loop asks, a piece at a time, so neither loop is held
 * up and nothing piles up: what changes while nobody asks waits here, up to a bound beyond which the whole set is told
 * again. A change that is told twice, or that the set had already, does no harm there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/error.h"
#include "controlplane/actors/rules_internal.h"

static const struct {
    uint8_t kind, list;
} lists[] = {{PN_KIND_BLOCK_IP, PN_FILTER_BLOCK}, {PN_KIND_WELCOME_IP, PN_FILTER_WELCOME}};
#define LISTS (sizeof(lists) / sizeof(lists[0]))

static int list_of(uint8_t kind)
{
    for (unsigned i = 0; i < LISTS; i++)
        if (lists[i].kind == kind)
            return lists[i].list;
    return -1;
}

static uint64_t generation(const struct rules_filter *f, uint64_t seq)
{
    return f->base + seq;
}

static void set_begin(struct rules_filter *f)
{
    f->loading = true;
    f->overflow = false;
    f->list = 0;
    f->n_patch = 0;
    f->sent_seq = f->seq;
    memset(&f->page, 0, sizeof(f->page));
}

static int set_row(void *arg, const struct pn_rule *rule)
{
    struct pn_rules_prefixes *p = arg;
    struct pn_prefix prefix;

    if (pn_value_prefix(rule->key.value, &prefix) == 0)
        p->list[p->n++] = (struct pn_dp_prefix){
            .addr = prefix.addr, .prefix_len = prefix.len, .list = (uint8_t)list_of(rule->key.kind)};
    return 0;
}

static void set_fill(struct pn_rules_actor *a, struct pn_rules_prefixes *p)
{
    struct rules_filter *f = &a->filter;
    struct pn_error err;
    bool end = false;

    p->kind = PN_RULES_PREFIXES_SET;
    p->first = f->list == 0 && f->page.kind == PN_KIND_NONE;
    p->generation = generation(f, f->sent_seq);
    while (f->list < LISTS && p->n == 0) {
        const struct pn_rules_query query = {.kind = lists[f->list].kind};

        if (pn_rules_scan(a->store, &query, &f->page, PN_DP_PREFIXES_MAX, set_row, p, &end, &err) < 0) {
            p->kind = PN_RULES_PREFIXES_FAILED;
            snprintf(p->error, sizeof(p->error), "%s", err.text);
            return;
        }
        if (end) {
            memset(&f->page, 0, sizeof(f->page));
            f->list++;
        }
    }
    p->last = f->list == LISTS;
    if (p->last)
        f->loading = false;
}

static void patch_fill(struct rules_filter *f, struct pn_rules_prefixes *p)
{
    p->kind = PN_RULES_PREFIXES_PATCH;
    p->n = f->n_patch < PN_DP_PREFIXES_MAX ? f->n_patch : PN_DP_PREFIXES_MAX;
    if (p->n)
        memcpy(p->list, f->patch, p->n * sizeof(p->list[0]));
    f->n_patch -= p->n;
    if (f->n_patch)
        memmove(f->patch, f->patch + p->n, f->n_patch * sizeof(f->patch[0]));
    p->from = generation(f, f->sent_seq);
    f->sent_seq += p->n;
    p->generation = generation(f, f->sent_seq);
}

struct delivery {
    pn_rules_prefixes_fn *fn;
    void *arg;
    struct pn_rules_prefixes *p;
};

static void deliver(void *arg)
{
    struct delivery d = *(struct delivery *)arg;

    free(arg);
    d.fn(d.arg, d.p);
}

/* Is there something to say to whoever asked? Says it. */
static void answer(struct pn_rules_actor *a)
{
    struct rules_filter *f = &a->filter;
    struct delivery *d;

    f->due = false;
    if (!f->asked || !a->store || (!f->loading && !f->overflow && f->n_patch == 0))
        return;
    d = malloc(sizeof(*d));
    if (!d || !(d->p = malloc(sizeof(*d->p)))) {
        free(d);
        return; /* with the next change, or when it is asked again */
    }
    d->fn = f->fn;
    d->arg = f->fn_arg;
    d->p->n = 0;
    d->p->ticket = f->ticket;
    d->p->first = d->p->last = false;
    if (f->overflow)
        d->p->kind = PN_RULES_PREFIXES_AGAIN;
    else if (f->loading)
        set_fill(a, d->p);
    else
        patch_fill(f, d->p);
    f->asked = false;
    if (pn_loop_call(a->options.main, deliver, d) < 0) {
        free(d->p);
        free(d);
    }
}

static void answer_later(void *arg)
{
    answer(arg);
}

void rules_prefixes_watch(void *actor, const struct pn_rule_key *key, bool present)
{
    struct pn_rules_actor *a = actor;
    struct rules_filter *f = &a->filter;
    int list = key ? list_of(key->kind) : -1;
    struct pn_prefix prefix;

    if (key && (list < 0 || pn_value_prefix(key->value, &prefix) < 0))
        return;
    f->seq++;
    if (key && !f->overflow && f->n_patch < RULES_PATCH_MAX) {
        if (!f->patch)
            f->patch = malloc(RULES_PATCH_MAX * sizeof(*f->patch));
        if (f->patch)
            f->patch[f->n_patch++] = (struct pn_dp_prefix){
                .addr = prefix.addr, .prefix_len = prefix.len, .list = (uint8_t)list, .remove = !present};
        f->overflow = !f->patch;
    } else {
        f->overflow = true;
        f->n_patch = 0;
    }
    /* Once for all the changes of a transaction. */
    if (f->asked && !f->due && pn_loop_call(a->loop, answer_later, a) == 0)
        f->due = true;
}

void rules_prefixes_open(struct pn_rules_actor *a)
{
    struct rules_filter *f = &a->filter;
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    f->base = ((uint64_t)now.tv_sec << 30 | (uint64_t)now.tv_nsec >> 10) << 2; /* no two starts share one */
    f->overflow = true;
    f->n_patch = 0;
    answer(a);
}

void rules_prefixes_free(struct pn_rules_actor *a)
{
    free(a->filter.patch);
}

/* ---- The question ---- */

struct question {
    struct pn_rules_actor *a;
    bool restart;
    uint64_t ticket;
    pn_rules_prefixes_fn *fn;
    void *arg;
};

static void ask(void *arg)
{
    struct question q = *(struct question *)arg;
    struct rules_filter *f = &q.a->filter;

    free(arg);
    f->asked = true;
    f->ticket = q.ticket;
    f->fn = q.fn;
    f->fn_arg = q.arg;
    if (q.restart)
        set_begin(f);
    answer(q.a);
}

int pn_rules_actor_prefixes(struct pn_rules_actor *a, bool restart, uint64_t ticket, pn_rules_prefixes_fn *fn,
                            void *arg)
{
    struct question *q = malloc(sizeof(*q));

    if (!q)
        return -1;
    *q = (struct question){a, restart, ticket, fn, arg};
    if (pn_loop_call(a->loop, ask, q) == 0)
        return 0;
    free(q);
    return -1;
}
