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

static inline uint32_t pn_flow_far(const struct pn_flow_table *t, uint64_t hash)
{
    return pn_hash_range((uint32_t)hash, t->n_lines);
}

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

/* flow_evict.c: unproven entries and their order. */
void pn_flow_log_push(struct pn_flow_table *t, uint32_t slot);
void pn_flow_unproven_set(struct pn_flow_table *t, struct pn_flow *f);
void pn_flow_unproven_clear(struct pn_flow_table *t, struct pn_flow *f);
/* Makes room for one more unproven entry of svc; false: none could be pushed out. */
bool pn_flow_unproven_room(struct pn_flow_table *t, uint32_t home, uint16_t svc);
/* Pushes out the oldest unproven entry (of svc, or of any with PN_ID_NONE); false: found none in a few tries. */
bool pn_flow_evict_oldest(struct pn_flow_table *t, uint16_t svc);
void pn_flow_evict(struct pn_flow_table *t, struct pn_flow *f);

/* flow_place.c: an empty slot for the hash, its place and the home line's count entered; NULL when there is none. */
struct pn_flow *pn_flow_place(struct pn_flow_table *t, uint64_t hash);
/* Takes the entry out of its home line's count. */
void pn_flow_unplace(struct pn_flow_table *t, const struct pn_flow *f);

#endif
