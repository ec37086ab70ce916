/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Unproven entries: half-open flows and others of which only one packet has come. They have a limited share of the
 * table, and the oldest make way for the newest. A ring logs their slots in order of arrival; an item whose entry has
 * been proven, removed or moved since is skipped when the ring's tail reaches it.
 */
#include "dataplane/core/flow_internal.h"

#define PN_FLOW_EVICT_TRIES 16u
#define PN_FLOW_EVICT_AHEAD 12u /* evictions between a victim's prefetch and its turn */

/*
 * Asks for what the evictions after this one will touch: an entry's line, and later its home line if it is far away.
 * Inlined by force: gcc takes a function that only prefetches for one without effect and drops the call.
 */
static inline __attribute__((always_inline)) void look_ahead(const struct pn_flow_table *t)
{
    if (t->log_used <= PN_FLOW_EVICT_AHEAD)
        return;
    __builtin_prefetch(pn_flow_at(t, t->log[pn_flow_log_index(t, PN_FLOW_EVICT_AHEAD)]), 1);
    const struct pn_flow *near = pn_flow_at(t, t->log[pn_flow_log_index(t, PN_FLOW_EVICT_AHEAD / 3)]);
    if (near->unproven && near->place >= PN_FLOW_AT_FAR)
        pn_flow_prefetch(t, pn_flow_hash(t, near->client, near->port_svc));
}

bool pn_flow_evict_oldest(struct pn_flow_table *t, uint16_t svc)
{
    for (unsigned tries = 0; tries < PN_FLOW_EVICT_TRIES && t->log_used > 0; tries++) {
        look_ahead(t);
        struct pn_flow *f = pn_flow_at(t, pn_flow_log_pop(t));
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

bool pn_flow_evict_at_home(struct pn_flow_table *t, uint32_t home, uint16_t svc)
{
    for (unsigned i = 0; i < 2; i++) {
        struct pn_flow *f = &t->lines[home].slot[i];
        if (f->unproven && (svc == PN_ID_NONE || pn_flow_service(f) == svc)) {
            pn_flow_evict(t, f);
            return true;
        }
    }
    return false;
}
