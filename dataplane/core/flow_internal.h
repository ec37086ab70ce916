/* SPDX-License-Identifier: BSD-3-Clause */
/* What the flow table's own files share. */
#ifndef POSTERN_CORE_FLOW_INTERNAL_H
#define POSTERN_CORE_FLOW_INTERNAL_H

#include "dataplane/core/flow.h"

/* Values of pn_flow.place: the entry's line is ... of its key's home line or far line. */
enum pn_flow_place {
    PN_FLOW_AT_HOME = 0,
    PN_FLOW_BESIDE_HOME = 1,
    PN_FLOW_AT_FAR = 2,
    PN_FLOW_BESIDE_FAR = 3,
};

#define PN_FLOW_OVER_MANY 7u /* slot[1].over stays there: the exact number is lost */

static inline uint16_t pn_flow_service(const struct pn_flow *f)
{
    return (uint16_t)f->port_svc & (PN_MAX_SERVICES - 1);
}

static inline uint32_t pn_flow_slot_of(const struct pn_flow_table *t, const struct pn_flow *f)
{
    return (uint32_t)(f - t->lines[0].slot);
}

static inline struct pn_flow *pn_flow_at(const struct pn_flow_table *t, uint32_t slot)
{
    return &t->lines[slot >> 1].slot[slot & 1];
}

/* Idle past its timer? Signed: a burst's time may be a little behind the entry's. */
static inline bool pn_flow_is_idle(const struct pn_flow_table *t, const struct pn_flow *f, struct pn_now now)
{
    int32_t idle = (int32_t)(now.ms - f->seen_ms);
    if (__builtin_expect(idle < (int32_t)t->live_ms, 1))
        return false;
    return idle >= (int32_t)(pn_flow_limit_ms(t, f) + PN_FLOW_SEEN_STEP_MS);
}

/* Writes the whole entry but the line's count, without reading any of its other fields. */
static inline void pn_flow_write(struct pn_flow *f, const uint64_t client[2], uint32_t port_svc, unsigned state,
                                 unsigned place, bool unproven)
{
    const struct pn_flow b = {.state = state & 3, .place = place & 3, .unproven = unproven, .over = f->over};
    f->client[0] = client[0];
    f->client[1] = client[1];
    f->port_svc = port_svc;
    f->gateway = 0;
    f->bits = b.bits;
    f->flags = 0;
}

/* The log of unproven entries: a ring of slots, oldest at its tail. */
static inline uint32_t pn_flow_log_index(const struct pn_flow_table *t, uint32_t from_tail)
{
    uint32_t i = t->log_tail + from_tail; /* both below 2^29 */
    return i >= t->log_size ? i - t->log_size : i;
}

static inline uint32_t pn_flow_log_pop(struct pn_flow_table *t)
{
    uint32_t slot = t->log[t->log_tail];
    t->log_tail = pn_flow_log_index(t, 1);
    t->log_used--;
    return slot;
}

static inline void pn_flow_log_push(struct pn_flow_table *t, uint32_t slot)
{
    if (t->log_used == t->log_size) /* the oldest is no longer tracked; its timer ends it */
        pn_flow_log_pop(t);
    t->log[pn_flow_log_index(t, t->log_used++)] = slot;
}

static inline void pn_flow_unproven_count(struct pn_flow_table *t, const struct pn_flow *f)
{
    t->n_unproven++;
    t->unproven_of[pn_flow_service(f)]++;
    pn_flow_log_push(t, pn_flow_slot_of(t, f));
}

static inline void pn_flow_unproven_set(struct pn_flow_table *t, struct pn_flow *f)
{
    if (f->unproven)
        return;
    f->unproven = 1;
    pn_flow_unproven_count(t, f);
}

static inline void pn_flow_unproven_clear(struct pn_flow_table *t, struct pn_flow *f)
{
    f->unproven = 0;
    t->n_unproven--;
    t->unproven_of[pn_flow_service(f)]--;
}

/* May one more unproven entry of svc come in? *whose: whose share is used up, PN_ID_NONE for the common one. */
static inline bool pn_flow_unproven_fits(const struct pn_flow_table *t, uint16_t svc, uint16_t *whose)
{
    uint32_t limit = t->timers ? t->timers[svc].half_open_max : 0;

    limit = limit ? limit : t->unproven_default;
    *whose = t->unproven_of[svc] >= limit ? svc : PN_ID_NONE;
    return t->unproven_of[svc] < limit && t->n_unproven < t->unproven_max;
}

/* flow_evict.c */
/* Pushes out the oldest unproven entry (of svc, or of any with PN_ID_NONE); false: found none in a few tries. */
bool pn_flow_evict_oldest(struct pn_flow_table *t, uint16_t svc);
void pn_flow_evict(struct pn_flow_table *t, struct pn_flow *f);

/* Pushes out an unproven entry in the home line; false: there is none. */
bool pn_flow_evict_at_home(struct pn_flow_table *t, uint32_t home, uint16_t svc);

/* The empty slot of the line with the lower index, or NULL; no branch on which. */
static inline struct pn_flow *pn_flow_free_slot(struct pn_flow_line *line)
{
    unsigned used_a = line->slot[0].state != PN_FLOW_FREE, used_b = line->slot[1].state != PN_FLOW_FREE;
    return used_a & used_b ? NULL : &line->slot[used_a];
}

/* flow_place.c: an empty slot for the hash outside its full home line, entered in the home line's count, and its place; NULL: there is none. */
struct pn_flow *pn_flow_place_away(struct pn_flow_table *t, uint64_t hash, unsigned *place);
/* The same, but nothing is moved or pushed out for it. */
struct pn_flow *pn_flow_place_free(struct pn_flow_table *t, uint64_t hash, unsigned *place);
/* Takes the entry out of its home line's count. */
void pn_flow_unplace(struct pn_flow_table *t, const struct pn_flow *f);

#endif
