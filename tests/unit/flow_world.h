/* SPDX-License-Identifier: BSD-3-Clause */
/* A flow table with a memory of what left it, and keys by number. Shared by the flow tests. */
#ifndef TESTS_UNIT_FLOW_WORLD_H
#define TESTS_UNIT_FLOW_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/flow_check.h"

#define HALF_OPEN_MS 20000u
#define ESTABLISHED_MS 700000u
#define CLOSING_MS 10000u
#define STEP PN_FLOW_SEEN_STEP_MS

struct world {
    struct pn_flow_table *t;
    struct pn_flow_timers timers[PN_MAX_SERVICES];
    unsigned n_idle, n_evicted;
    struct pn_flow last_gone;
};

static inline void world_gone(void *arg, const struct pn_flow *flow, bool evicted)
{
    struct world *w = arg;
    *(evicted ? &w->n_evicted : &w->n_idle) += 1;
    w->last_gone = *flow;
}

static inline struct world *world_new(uint32_t entries_max)
{
    struct world *w = calloc(1, sizeof(*w));
    struct pn_error err;
    struct pn_flow_config config = {
        .entries_max = entries_max, .hash_seed = {0x1234, 0x5678}, .gone = world_gone, .gone_arg = w};

    w->t = pn_flow_table_new(&config, &err);
    assert_non_null(w->t);
    for (unsigned i = 0; i < PN_MAX_SERVICES; i++)
        w->timers[i] = (struct pn_flow_timers){HALF_OPEN_MS, ESTABLISHED_MS, CLOSING_MS, 0};
    pn_flow_table_set_timers(w->t, w->timers);
    return w;
}

static inline void world_check(const struct world *w)
{
    const char *wrong = flow_check(w->t);
    if (wrong != NULL)
        fail_msg("%s", wrong);
}

static inline void world_free(struct world *w)
{
    world_check(w);
    pn_flow_table_free(w->t);
    free(w);
}

/* Key number i of a service; every fourth is IPv6. */
static inline struct pn_flow_key key_make(const struct world *w, uint32_t i, uint16_t service)
{
    struct pn_flow_key k = {.port_svc = (i * 7919u) << 16 | service};
    if (i % 4 == 3) {
        k.client[0] = 0x00000000b80d0120ull;
        k.client[1] = (uint64_t)i << 32 | 1;
    } else {
        k.client[1] = (uint64_t)(i + 1) << 32 | 0xffff0000u;
    }
    k.hash = pn_flow_hash(w->t, k.client, k.port_svc);
    return k;
}

static inline struct pn_flow *find(struct world *w, uint32_t i, uint16_t service, struct pn_now now)
{
    struct pn_flow_key k = key_make(w, i, service);
    return pn_flow_lookup(w->t, k.client, k.port_svc, k.hash, now);
}

static inline struct pn_flow *insert(struct world *w, uint32_t i, uint16_t service, enum pn_flow_state state,
                                     struct pn_now now)
{
    struct pn_flow_key k = key_make(w, i, service);
    return pn_flow_insert(w->t, k.client, k.port_svc, k.hash, state, now);
}

static inline struct pn_flow *pick_up(struct world *w, uint32_t i, uint16_t service, struct pn_now now)
{
    struct pn_flow_key k = key_make(w, i, service);
    return pn_flow_pick_up(w->t, k.client, k.port_svc, k.hash, now);
}

/* One sweep over the whole table. */
static inline void age_all(struct world *w, struct pn_now now)
{
    for (uint32_t done = 0; done < pn_flow_lines(w->t); done += 13)
        pn_flow_age(w->t, 13, now);
}

#endif
