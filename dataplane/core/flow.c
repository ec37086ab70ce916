/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/core/flow.h"

#include <stdlib.h>

#include "common/error.h"
#include "dataplane/core/flow_internal.h"

/* Used until pn_flow_table_set_timers is told better. */
static const struct pn_flow_timers timers_default = {
    .half_open_ms = 30000, .established_ms = 660000, .closing_ms = 30000, .half_open_max = 0};

static void *default_alloc(void *arg, size_t bytes, size_t align)
{
    (void)arg;
    void *mem = aligned_alloc(align, (bytes + align - 1) / align * align);
    if (mem != NULL)
        memset(mem, 0, bytes);
    return mem;
}

static void default_release(void *arg, void *mem)
{
    (void)arg;
    free(mem);
}

struct pn_flow_table *pn_flow_table_new(const struct pn_flow_config *config, struct pn_error *err)
{
    void *(*alloc)(void *, size_t, size_t) = config->alloc ? config->alloc : default_alloc;
    void (*release)(void *, void *) = config->alloc ? config->release : default_release;

    if (config->entries_max == 0 || config->entries_max > PN_FLOW_ENTRIES_MAX) {
        pn_error_set(err, "flow table: %u entries, 1..%u can be had", config->entries_max, PN_FLOW_ENTRIES_MAX);
        return NULL;
    }
    struct pn_flow_table *t = alloc(config->alloc_arg, sizeof(*t), PN_FLOW_ALIGN);
    if (t == NULL) {
        pn_error_set(err, "flow table: no memory");
        return NULL;
    }
    t->release = release;
    t->alloc_arg = config->alloc_arg;
    t->gone = config->gone;
    t->gone_arg = config->gone_arg;
    t->key = pn_hash_key_make(config->hash_seed[0], config->hash_seed[1]);
    t->entries_max = config->entries_max;
    t->unproven_max = config->entries_max / 2 ? config->entries_max / 2 : 1;
    t->unproven_default = config->entries_max / 4 ? config->entries_max / 4 : 1;
    t->log_size = t->unproven_max;
    uint64_t pairs = ((uint64_t)config->entries_max * 100 / PN_FLOW_FILL_PERCENT + 3) / 4;
    t->n_lines = (uint32_t)(pairs < 16 ? 16 : pairs) * 2; /* in fewer, too many flows have home and far in one pair */

    size_t line_bytes = (size_t)t->n_lines * sizeof(struct pn_flow_line);
    size_t log_bytes = (size_t)t->log_size * sizeof(*t->log);
    t->bytes = sizeof(*t) + line_bytes + log_bytes;
    t->lines = alloc(config->alloc_arg, line_bytes, PN_FLOW_ALIGN);
    t->log = alloc(config->alloc_arg, log_bytes, PN_FLOW_ALIGN);
    if (t->lines == NULL || t->log == NULL) {
        pn_error_set(err, "flow table: no memory for %u entries (%zu MiB)", t->entries_max, t->bytes >> 20);
        pn_flow_table_free(t);
        return NULL;
    }
    pn_flow_table_set_timers(t, NULL);
    return t;
}

void pn_flow_table_free(struct pn_flow_table *t)
{
    if (t == NULL)
        return;
    if (t->lines != NULL)
        t->release(t->alloc_arg, t->lines);
    if (t->log != NULL)
        t->release(t->alloc_arg, t->log);
    t->release(t->alloc_arg, t);
}

void pn_flow_table_set_timers(struct pn_flow_table *t, const struct pn_flow_timers *timers)
{
    uint32_t least = timers_default.half_open_ms;

    t->timers = timers;
    for (unsigned i = 0; timers != NULL && i < PN_MAX_SERVICES; i++) {
        const uint32_t each[3] = {timers[i].half_open_ms, timers[i].established_ms, timers[i].closing_ms};
        /* All zero: no such service. Its flows meet no packets any more, so lookups need not care for them. */
        if ((each[0] | each[1] | each[2]) == 0)
            continue;
        for (unsigned j = 0; j < 3; j++)
            least = each[j] < least ? each[j] : least;
    }
    t->live_ms = least;
}

uint32_t pn_flow_limit_ms(const struct pn_flow_table *t, const struct pn_flow *flow)
{
    const struct pn_flow_timers *timers = t->timers ? &t->timers[pn_flow_service(flow)] : &timers_default;

    if (flow->state == PN_FLOW_ESTABLISHED)
        return timers->established_ms;
    return flow->state == PN_FLOW_HALF_OPEN ? timers->half_open_ms : timers->closing_ms;
}

static void leave(struct pn_flow_table *t, struct pn_flow *flow)
{
    if (flow->unproven)
        pn_flow_unproven_clear(t, flow);
    if (flow->place != PN_FLOW_AT_HOME)
        pn_flow_unplace(t, flow);
    static const uint64_t nobody[2] = {0, 0};
    pn_flow_write(flow, nobody, 0, PN_FLOW_FREE, 0, false);
    t->used--;
}

void pn_flow_remove(struct pn_flow_table *t, struct pn_flow *flow)
{
    if (flow->state != PN_FLOW_FREE)
        leave(t, flow);
}

void pn_flow_evict(struct pn_flow_table *t, struct pn_flow *f)
{
    if (t->gone != NULL)
        t->gone(t->gone_arg, f, true);
    leave(t, f);
}

static void __attribute__((noinline)) expire(struct pn_flow_table *t, struct pn_flow *f)
{
    if (t->gone != NULL)
        t->gone(t->gone_arg, f, false);
    leave(t, f);
}

static inline bool key_equal(const struct pn_flow *f, uint64_t c0, uint64_t c1, uint32_t port_svc)
{
    return ((f->client[0] ^ c0) | (f->client[1] ^ c1) | (f->port_svc ^ port_svc)) == 0;
}

/*
 * The slot of the line that holds the key, else `other`. Arithmetic instead of branches: which slot it is cannot be
 * guessed, and compilers make branches of ?: here.
 */
static inline struct pn_flow *line_find(struct pn_flow_line *line, uint64_t c0, uint64_t c1, uint32_t port_svc,
                                        struct pn_flow *other)
{
    uintptr_t in_a = key_equal(&line->slot[0], c0, c1, port_svc), in_b = key_equal(&line->slot[1], c0, c1, port_svc);
    uintptr_t found = (uintptr_t)line + in_b * sizeof(struct pn_flow), no = (in_a | in_b) - 1;
    return (struct pn_flow *)(found ^ ((found ^ (uintptr_t)other) & no));
}

static inline unsigned line_full(const struct pn_flow_line *line)
{
    return (line->slot[0].state != PN_FLOW_FREE) & (line->slot[1].state != PN_FLOW_FREE);
}

/*
 * The other lines to look at: those that flows of the home line live in, where there are none the home line again.
 * The one beside a full home line is one of them in any case: an insert, which follows a miss, goes there.
 */
struct elsewhere {
    struct pn_flow_line *beside, *far, *beside_far;
};

static inline struct elsewhere elsewhere_of(const struct pn_flow_table *t, uint64_t hash)
{
    uint32_t home = pn_flow_home(t, hash), far = pn_flow_far(t, hash);
    struct pn_flow_line *line = &t->lines[home];
    uint32_t beside = (line->slot[0].over != 0) | line_full(line);
    uint32_t none_far = line->slot[1].over == 0 ? UINT32_MAX : 0;

    far ^= (far ^ home) & none_far;
    return (struct elsewhere){&t->lines[home ^ beside], &t->lines[far], &t->lines[far ^ (1 & ~none_far)]};
}

static inline struct pn_flow *find_elsewhere(struct pn_flow_table *t, const uint64_t client[2], uint32_t port_svc,
                                             uint64_t hash)
{
    struct elsewhere e = elsewhere_of(t, hash);
    struct pn_flow *f = line_find(e.beside, client[0], client[1], port_svc, NULL);

    f = line_find(e.far, client[0], client[1], port_svc, f);
    return line_find(e.beside_far, client[0], client[1], port_svc, f);
}

/* An all-zero key equals an empty slot, hence the look at state. */
static struct pn_flow *__attribute__((noinline))
live_or_null(struct pn_flow_table *t, struct pn_flow *f, struct pn_now now)
{
    if (f->state == PN_FLOW_FREE)
        return NULL;
    if (pn_flow_is_idle(t, f, now)) {
        expire(t, f);
        return NULL;
    }
    return f;
}

/* Whether live_or_null has to look closer. */
static inline bool doubtful(const struct pn_flow_table *t, const struct pn_flow *f, struct pn_now now)
{
    return ((int32_t)(now.ms - f->seen_ms) >= (int32_t)t->live_ms) | (f->state == PN_FLOW_FREE);
}

void pn_flow_lookup_bulk(struct pn_flow_table *t, const struct pn_flow_key *keys, unsigned n, struct pn_now now,
                         struct pn_flow **out)
{
    uint8_t away[PN_FLOW_BULK_MAX];
    unsigned n_away = 0, asked = 0;

    /*
     * Where one in six flows is found elsewhere, a branch on it would cost more than all the rest. Other lines are
     * asked for after each half of the burst, so that they come in while work goes on.
     */
    for (unsigned from = 0, to = n / 2; from < n; from = to, to = n) {
        for (unsigned i = from; i < to; i++) {
            const struct pn_flow_key *k = &keys[i];
            struct pn_flow_line *line = &t->lines[pn_flow_home(t, k->hash)];
            struct pn_flow *f = line_find(line, k->client[0], k->client[1], k->port_svc, NULL);
            bool missed = f == NULL;
            out[i] = f;
            away[n_away] = (uint8_t)i;
            n_away += missed & (((line->slot[0].over | line->slot[1].over) != 0) | line_full(line));
            f = missed ? &line->slot[0] : f;
            if (__builtin_expect(!missed & doubtful(t, f, now), 0))
                out[i] = live_or_null(t, f, now);
        }
        for (; asked < n_away; asked++) {
            struct elsewhere e = elsewhere_of(t, keys[away[asked]].hash);
            __builtin_prefetch(e.beside);
            __builtin_prefetch(e.far);
            __builtin_prefetch(e.beside_far);
        }
    }
    for (unsigned j = 0; j < n_away; j++) {
        unsigned i = away[j];
        struct pn_flow *f = find_elsewhere(t, keys[i].client, keys[i].port_svc, keys[i].hash);
        out[i] = f;
        if (f != NULL && __builtin_expect(doubtful(t, f, now), 0))
            out[i] = live_or_null(t, f, now);
    }
}

struct pn_flow *pn_flow_lookup(struct pn_flow_table *t, const uint64_t client[2], uint32_t port_svc, uint64_t hash,
                               struct pn_now now)
{
    struct pn_flow *f = line_find(&t->lines[pn_flow_home(t, hash)], client[0], client[1], port_svc, NULL);

    if (f == NULL) {
        const struct pn_flow_line *home = &t->lines[pn_flow_home(t, hash)];
        if ((home->slot[0].over | home->slot[1].over) == 0)
            return NULL;
        f = find_elsewhere(t, client, port_svc, hash);
    }
    return f == NULL ? NULL : live_or_null(t, f, now);
}

static struct pn_flow *enter(struct pn_flow_table *t, const uint64_t client[2], uint32_t port_svc, uint64_t hash,
                             enum pn_flow_state state, bool unproven, struct pn_now now)
{
    uint16_t svc = (uint16_t)port_svc;

    if (svc >= PN_MAX_SERVICES || (client[0] | client[1]) == 0)
        return NULL;
    uint32_t home = pn_flow_home(t, hash);
    uint16_t whose;
    if (unproven && !pn_flow_unproven_fits(t, svc, &whose) && !pn_flow_evict_oldest(t, whose) &&
        !pn_flow_evict_at_home(t, home, whose))
        return NULL;
    if (t->used >= t->entries_max && !pn_flow_evict_oldest(t, PN_ID_NONE))
        return NULL;
    unsigned place = PN_FLOW_AT_HOME;
    struct pn_flow *f = pn_flow_free_slot(&t->lines[home]);
    if (f == NULL && (f = pn_flow_place_away(t, hash, &place)) == NULL)
        return NULL;
    pn_flow_write(f, client, port_svc, state, place, unproven);
    f->seen_ms = now.ms;
    f->aux = state == PN_FLOW_HALF_OPEN ? now.us : 0;
    if (unproven)
        pn_flow_unproven_count(t, f);
    t->used++;
    return f;
}

struct pn_flow *pn_flow_insert(struct pn_flow_table *t, const uint64_t client[2], uint32_t port_svc, uint64_t hash,
                               enum pn_flow_state state, struct pn_now now)
{
    if (state != PN_FLOW_HALF_OPEN && state != PN_FLOW_ESTABLISHED)
        return NULL;
    return enter(t, client, port_svc, hash, state, state == PN_FLOW_HALF_OPEN, now);
}

struct pn_flow *pn_flow_pick_up(struct pn_flow_table *t, const uint64_t client[2], uint32_t port_svc, uint64_t hash,
                                struct pn_now now)
{
    struct pn_flow *f = enter(t, client, port_svc, hash, PN_FLOW_ESTABLISHED, true, now);

    if (f != NULL)
        f->flags = PN_FLOW_F_PICKED_UP;
    return f;
}

struct pn_flow *pn_flow_import(struct pn_flow_table *t, const uint64_t client[2], uint32_t port_svc, uint64_t hash,
                               enum pn_flow_state state, struct pn_now now)
{
    bool unproven = state == PN_FLOW_HALF_OPEN;
    uint16_t whose;
    if ((uint16_t)port_svc >= PN_MAX_SERVICES || (client[0] | client[1]) == 0 ||
        t->used >= t->entries_max - t->entries_max / 8)
        return NULL;
    if (unproven && !pn_flow_unproven_fits(t, (uint16_t)port_svc, &whose))
        return NULL;
    unsigned place = PN_FLOW_AT_HOME;
    struct pn_flow *f = pn_flow_free_slot(&t->lines[pn_flow_home(t, hash)]);
    if (f == NULL && (f = pn_flow_place_free(t, hash, &place)) == NULL)
        return NULL;
    pn_flow_write(f, client, port_svc, unproven ? PN_FLOW_HALF_OPEN : PN_FLOW_ESTABLISHED, place, unproven);
    f->flags = PN_FLOW_F_SYNCED;
    f->seen_ms = now.ms - PN_FLOW_SEEN_STEP_MS;
    f->aux = 0;
    if (unproven)
        pn_flow_unproven_count(t, f);
    t->used++;
    return f;
}

void pn_flow_sync(struct pn_flow_table *t, struct pn_flow *flow, enum pn_flow_state state, uint32_t expires_ms,
                  struct pn_now now)
{
    if (flow->unproven && state == PN_FLOW_ESTABLISHED)
        pn_flow_unproven_clear(t, flow);
    flow->state = state & 3;
    uint32_t limit_ms = pn_flow_limit_ms(t, flow);
    uint32_t idle_ms = expires_ms < limit_ms ? limit_ms - expires_ms : 0;
    /* Never so fresh that its first packet here would pass for one of many (pn_flow_segment). */
    flow->seen_ms = now.ms - (idle_ms > PN_FLOW_SEEN_STEP_MS ? idle_ms : PN_FLOW_SEEN_STEP_MS);
    flow->aux = state == PN_FLOW_HALF_OPEN ? now.us : 0;
}

uint32_t pn_flow_lines(const struct pn_flow_table *t)
{
    return t->n_lines;
}

void pn_flow_table_set_lapses(struct pn_flow_table *t, const struct pn_flow_lapse *by_gateway, pn_flow_aside_fn *fn,
                              void *arg)
{
    t->lapses = by_gateway;
    t->aside = fn;
    t->aside_arg = arg;
}

static void __attribute__((noinline)) set_aside(struct pn_flow_table *t, struct pn_flow *f, struct pn_now now)
{
    const struct pn_flow_lapse *l = &t->lapses[f->gateway % PN_MAX_GATEWAYS];
    if (!l->set || (int32_t)(l->until_ms - f->seen_ms) < 0 || now.ms - f->seen_ms < PN_FLOW_QUIET_MS ||
        now.ms - l->until_ms >= PN_FLOW_LAPSE_MS || f->flags & PN_FLOW_F_SYNCED || f->unproven)
        return;
    t->aside(t->aside_arg, f);
    f->flags |= PN_FLOW_F_SYNCED;
}

void pn_flow_age(struct pn_flow_table *t, unsigned lines, struct pn_now now)
{
    if (lines > t->n_lines)
        lines = t->n_lines;
    for (; lines > 0; lines--) {
        struct pn_flow_line *line = &t->lines[t->age_line];
        for (unsigned i = 0; i < 2; i++) {
            struct pn_flow *f = &line->slot[i];
            if (f->state != PN_FLOW_FREE && __builtin_expect(pn_flow_is_idle(t, f, now), 0))
                expire(t, f);
            else if (__builtin_expect(t->lapses != NULL && f->state == PN_FLOW_ESTABLISHED, 0))
                set_aside(t, f, now);
        }
        if (++t->age_line == t->n_lines)
            t->age_line = 0;
        __builtin_prefetch(line + 8);
    }
}

unsigned pn_flow_walk(const struct pn_flow_table *t, uint64_t *cursor, struct pn_flow *out, unsigned max,
                      unsigned lines_max, struct pn_now now)
{
    uint64_t slots = (uint64_t)t->n_lines * 2;
    uint64_t end = *cursor + (uint64_t)lines_max * 2;
    unsigned n = 0;

    for (; *cursor < slots && *cursor < end && n < max; ++*cursor) {
        const struct pn_flow *f = pn_flow_at(t, (uint32_t)*cursor);
        if (f->state == PN_FLOW_FREE || pn_flow_is_idle(t, f, now))
            continue;
        out[n] = *f;
        out[n].place = 0;
        out[n].over = 0;
        n++;
    }
    if (*cursor >= slots)
        *cursor = 0;
    return n;
}

struct pn_flow_usage pn_flow_usage(const struct pn_flow_table *t)
{
    return (struct pn_flow_usage){
        .used = t->used, .half_open = t->n_unproven, .slots = t->n_lines * 2, .bytes = t->bytes};
}
