/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Load and spill of one tier, pure: samples and time in, decisions out. A tier enters spill when any measure is at or
 * above its high mark for hold-up, leaves it when all are at or below their low marks for hold-down.
 */
#ifndef POSTERN_LOAD_H
#define POSTERN_LOAD_H

#include "controlplane/conf/conf.h"

/* One tier's measures now. */
struct pn_load_sample {
    double value[PN_MEASURE_COUNT];
    bool known[PN_MEASURE_COUNT];
};

struct pn_spill_state {
    bool in_spill;
    bool at_mark; /* some measure >= high now: takes no spill from others */
    bool unknown; /* a measure with a mark has no value: takes no spill from others */
    uint16_t share; /* of 65535, what the dataplane passes on */
    uint32_t above_active; /* overflow mode on active-flows: the dataplane's own limit; 0 none */
    uint64_t above_since_ms, below_since_ms, since_ms;
    char reason[128];
};

/*
 * now_ms: any monotonic clock. Returns true when in_spill, share (by more than 1/64), above_active, at_mark or unknown
 * changed, so that a new snapshot is due.
 */
bool pn_spill_step(struct pn_spill_state *s, const struct pn_conf_tier *tier, const struct pn_load_sample *sample,
                   uint64_t now_ms);

/* Per gateway, from two readings of the dataplane's counters. */
struct pn_load_reading {
    uint64_t flows_new, handshake_count, handshake_us_sum, syn_retries, syn_expired, flows_established;
    int64_t active, half_open;
};
struct pn_load_gateway {
    struct pn_load_reading last;
    uint64_t last_ms;
    double new_per_s; /* smoothed over about a second */
    double handshake_ms; /* mean of those since the last reading; negative: none seen lately */
    uint64_t handshake_at_ms;
    bool suspect; /* repeated SYNs and no handshake */
};
void pn_load_gateway_step(struct pn_load_gateway *g, const struct pn_load_reading *now, uint64_t now_ms);

#endif
