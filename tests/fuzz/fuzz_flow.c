/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A sequence of operations on a small flow table beside a plain array that says what must be in it. First byte: the
 * table's size; then four bytes an operation: what, which key, and two of argument.
 */
#include <stdlib.h>

#include "tests/unit/flow_check.h"

#define KEYS 96u
#define SERVICES 3u
#define OPS_MAX 400u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct model {
    struct pn_flow_table *t;
    struct pn_now now;
    struct pn_flow_timers timers[PN_MAX_SERVICES];
    struct {
        bool present, unproven;
        uint8_t state;
        uint32_t seen_ms;
    } flow[KEYS];
};

#define MUST(condition)                                                                                                \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                            \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

static struct pn_flow_key key_of(const struct model *m, unsigned i)
{
    struct pn_flow_key k = {.port_svc = (1000 + i) << 16 | i % SERVICES};
    k.client[0] = i % 5 == 0 ? 0xb80d0120 : 0;
    k.client[1] = (uint64_t)i << 32 | 0xffff0000u;
    k.hash = pn_flow_hash(m->t, k.client, k.port_svc);
    return k;
}

static unsigned number_of(const struct pn_flow *f)
{
    unsigned i = (f->port_svc >> 16) - 1000;
    MUST(i < KEYS);
    return i;
}

static uint32_t limit_of(const struct model *m, unsigned i)
{
    const struct pn_flow_timers *t = &m->timers[i % SERVICES];
    return m->flow[i].state == PN_FLOW_HALF_OPEN     ? t->half_open_ms
           : m->flow[i].state == PN_FLOW_ESTABLISHED ? t->established_ms
                                                     : t->closing_ms;
}

static bool idle(const struct model *m, unsigned i)
{
    uint32_t since = m->now.ms - m->flow[i].seen_ms;
    /* live_ms tells more only for a service without any timer: its flows wait for the next sweep. */
    return since >= limit_of(m, i) + PN_FLOW_SEEN_STEP_MS && since >= m->t->live_ms;
}

static void gone(void *arg, const struct pn_flow *f, bool evicted)
{
    struct model *m = arg;
    unsigned i = number_of(f);
    MUST(m->flow[i].present);
    MUST(evicted ? m->flow[i].unproven : idle(m, i));
    m->flow[i].present = false;
}

static void learn(struct model *m, const struct pn_flow *f)
{
    unsigned i = number_of(f);
    m->flow[i].present = true;
    m->flow[i].unproven = f->unproven;
    m->flow[i].state = f->state;
    m->flow[i].seen_ms = f->seen_ms;
}

static struct pn_flow *find(struct model *m, unsigned i)
{
    struct pn_flow_key k = key_of(m, i);
    bool expected = m->flow[i].present && !idle(m, i);
    struct pn_flow *f = pn_flow_lookup(m->t, k.client, k.port_svc, k.hash, m->now);
    MUST((f != NULL) == expected);
    MUST(f == NULL || number_of(f) == i);
    MUST(f != NULL || !m->flow[i].present); /* an idle one left with a call of gone */
    return f;
}

static void enter(struct model *m, unsigned i, unsigned how)
{
    struct pn_flow_key k = key_of(m, i);

    if (find(m, i) != NULL)
        return;
    struct pn_flow *f = how == 2 ? pn_flow_pick_up(m->t, k.client, k.port_svc, k.hash, m->now)
                                 : pn_flow_insert(m->t, k.client, k.port_svc, k.hash,
                                                  how ? PN_FLOW_ESTABLISHED : PN_FLOW_HALF_OPEN, m->now);
    if (f == NULL)
        MUST(how != 1 || pn_flow_usage(m->t).used == m->t->entries_max);
    else
        learn(m, f);
}

static void find_many(struct model *m, unsigned first, unsigned n)
{
    struct pn_flow_key keys[PN_FLOW_BULK_MAX];
    struct pn_flow *out[PN_FLOW_BULK_MAX];
    bool expected[PN_FLOW_BULK_MAX];

    for (unsigned j = 0; j < n; j++) {
        unsigned i = (first + j * 7) % KEYS;
        keys[j] = key_of(m, i);
        pn_flow_prefetch(m->t, keys[j].hash);
        expected[j] = m->flow[i].present && !idle(m, i);
    }
    pn_flow_lookup_bulk(m->t, keys, n, m->now, out);
    for (unsigned j = 0; j < n; j++) {
        MUST((out[j] != NULL) == expected[j]);
        MUST(out[j] == NULL || number_of(out[j]) == (first + j * 7) % KEYS);
    }
}

static void walk(struct model *m)
{
    struct pn_flow out[5];
    bool seen[KEYS] = {false};
    uint64_t cursor = 0;

    do {
        unsigned n = pn_flow_walk(m->t, &cursor, out, 5, 3, m->now);
        for (unsigned j = 0; j < n; j++) {
            unsigned i = number_of(&out[j]);
            MUST(!seen[i] && m->flow[i].present && !idle(m, i));
            seen[i] = true;
        }
    } while (cursor != 0);
    for (unsigned i = 0; i < KEYS; i++)
        MUST(seen[i] == (m->flow[i].present && !idle(m, i)));
}

static void set_timers(struct model *m, unsigned a, unsigned b)
{
    for (unsigned s = 0; s < SERVICES; s++)
        m->timers[s] = (struct pn_flow_timers){.half_open_ms = 1000 * (a & 15),
                                               .established_ms = 10000 * (a >> 4),
                                               .closing_ms = 500 * (b & 15) * (s + 1),
                                               .half_open_max = b >> 4};
    pn_flow_table_set_timers(m->t, m->timers);
}

static void step(struct model *m, const uint8_t *op)
{
    unsigned i = op[1] % KEYS;
    uint32_t handshake_us;
    struct pn_flow *f;

    switch (op[0] % 12) {
    case 0:
    case 1:
    case 2:
        enter(m, i, op[0] % 12);
        break;
    case 3:
        find(m, i);
        break;
    case 4:
        find_many(m, i, op[2] % (PN_FLOW_BULK_MAX + 1));
        break;
    case 5:
        if ((f = find(m, i)) != NULL) {
            pn_flow_segment(m->t, f, op[2], m->now, &handshake_us);
            learn(m, f);
        }
        break;
    case 6:
        pn_flow_age(m->t, op[2], m->now);
        break;
    case 7:
        m->now.ms += (uint32_t)(op[2] << 8 | op[3]) * 16;
        m->now.us += (uint32_t)(op[2] << 8 | op[3]) * 16000;
        break;
    case 8:
        if ((f = find(m, i)) != NULL) {
            m->flow[i].present = false;
            pn_flow_remove(m->t, f);
        }
        break;
    case 9:
        set_timers(m, op[2], op[3]);
        break;
    case 10:
        if ((f = find(m, i)) != NULL) {
            pn_flow_reopen(m->t, f, m->now);
            learn(m, f);
        }
        break;
    case 11:
        walk(m);
        break;
    }
    const char *wrong = flow_check(m->t);
    if (wrong != NULL) {
        fprintf(stderr, "%s\n", wrong);
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct model m = {.now = {UINT32_MAX - 60000, UINT32_MAX - 60000000}}; /* the clock wraps on the way */
    struct pn_error err;

    if (size < 5)
        return 0;
    struct pn_flow_config config = {
        .entries_max = 1 + data[0] % 64, .hash_seed = {7, 11}, .gone = gone, .gone_arg = &m};
    m.t = pn_flow_table_new(&config, &err);
    if (m.t == NULL)
        return 0;
    if (data[0] & 0x80)
        m.t->n_lines = 16; /* tighter than it would be by itself: moves are the rule */
    if (data[0] & 0x40 || m.t->entries_max * 2 > m.t->n_lines * 3)
        m.t->entries_max = m.t->n_lines / 2; /* a quarter of the slots */
    set_timers(&m, 0x45, 0x03);
    for (size_t at = 1; at + 4 <= size && at < OPS_MAX * 4; at += 4)
        step(&m, data + at);
    /* In the end all of it leaves by age. */
    m.now.ms += 10000 * 16 + 65536 * 16;
    pn_flow_age(m.t, pn_flow_lines(m.t), m.now);
    MUST(pn_flow_usage(m.t).used == 0 && pn_flow_usage(m.t).half_open == 0);
    for (unsigned i = 0; i < KEYS; i++)
        MUST(!m.flow[i].present);
    pn_flow_table_free(m.t);
    return 0;
}
