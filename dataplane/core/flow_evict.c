/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Unproven entries: half-open flows and others of which only one packet has come. They have a limited share of the
 * table, and the oldest make way for the newest. A ring logs their slots in order of arrival; an item whose entry has
 * been proven, removed or moved since is skipped when the ring's tail reaches it.
 */
#include "dataplane/core/flow_internal.h"

#define PN_FLOW_EVICT_TRIES 16u
#define PN_FLOW_EVICT_AHEAD 12u /* evictions between a victim's prefetch and its turn */

void pn_flow_log_push(struct pn_flow_table *t, uint32_t slot)
{
    if (t->log_used == t->log_size) { /* the oldest is no longer tracked; its timer ends it */
        t->log_tail = t->log_tail + 1 == t->log_size ? 0 : t->log_tail + 1;
        t->log_used--;
    }
    uint64_t head = (uint64_t)t->log_tail + t->log_used++;
    t->log[head >= t->log_size ? head - t->log_size : head] = slot;
}

void pn_flow_unproven_set(struct pn_flow_table *t, struct pn_flow *f)
{
    if (!f->unproven) {
        f->unproven = 1;
        t->n_unproven++;
        t->unproven_of[pn_flow_service(f)]++;
    }
    pn_flow_log_push(t, pn_flow_slot_of(t, f));
}

void pn_flow_unproven_clear(struct pn_flow_table *t, struct pn_flow *f)
{
    f->unproven = 0;
    t->n_unproven--;
    t->unproven_of[pn_flow_service(f)]--;
}

bool pn_flow_evict_oldest(struct pn_flow_table *t, uint16_t svc)
{
    for (unsigned tries = 0; tries < PN_FLOW_EVICT_TRIES && t->log_used > 0; tries++) {
        uint64_t ahead = (uint64_t)t->log_tail + PN_FLOW_EVICT_AHEAD;
        if (PN_FLOW_EVICT_AHEAD < t->log_used)
            __builtin_prefetch(pn_flow_at(t, t->log[ahead >= t->log_size ? ahead - t->log_size : ahead]), 1);
        struct pn_flow *f = pn_flow_at(t, t->log[t->log_tail]);
        t->log_tail = t->log_tail + 1 == t->log_size ? 0 : t->log_tail + 1;
        t->log_used--;
        if (!f->unproven)
            continue;
        if (svc != PN_ID_NONE && pn_flow_service(f) != svc) { /* another's: to the end of the queue with it */
            pn_flow_log_push(t, pn_flow_slot_of(t, f));
            continue;
        }
        pn_flow_evict(t, f);
        return true;
    }
    return false;
}

static bool evict_at_home(struct pn_flow_table *t, uint32_t home, uint16_t svc)
{
    struct pn_flow_line *line = &t->lines[home];

    for (unsigned i = 0; i < 2; i++) {
        struct pn_flow *f = &line->slot[i];
        if (f->unproven && (svc == PN_ID_NONE || pn_flow_service(f) == svc)) {
            pn_flow_evict(t, f);
            return true;
        }
    }
    return false;
}

bool pn_flow_unproven_room(struct pn_flow_table *t, uint32_t home, uint16_t svc)
{
    uint32_t limit = t->timers ? t->timers[svc].half_open_max : 0;

    if (limit == 0)
        limit = t->entries_max / 4 ? t->entries_max / 4 : 1;
    uint16_t whose = PN_ID_NONE;
    if (t->unproven_of[svc] >= limit)
        whose = svc;
    else if (t->n_unproven < t->unproven_max)
        return true;
    return pn_flow_evict_oldest(t, whose) || evict_at_home(t, home, whose);
}
