/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Load and spill of one tier, pure: samples and time in, decisions out. A tier enters spill when any measure is at or
 * above its high mark for hold-up, leaves it when all are at or below their low marks for hold-down. docs/load.md says
 * the same for administrators, with the reasons.
 *
 * The daemon's round, every half second or second:
 *   pn_load_gateway_step() for each gateway, pn_load_tier_step() for each tier, from the dataplane's counters;
 *   pn_load_tier_combine() makes the tier's sample of both; pn_spill_step() decides;
 *   suspect gateways go to pn_health_suspect().
 */
#ifndef POSTERN_LOAD_H
#define POSTERN_LOAD_H

#include "controlplane/conf/conf.h"

/*
 * One tier's measures now: the load that the tier itself carries, spilled flows not in it. Flows and rates are summed
 * over all its gateways, times and percent and queues are those of the worst gateway that takes new flows.
 */
struct pn_load_sample {
    double value[PN_MEASURE_COUNT];
    bool known[PN_MEASURE_COUNT]; /* at least one gateway has a value */
    bool partial[PN_MEASURE_COUNT]; /* known, but not of every gateway that takes flows: the tier takes no spill */
    /*
     * New flows a second that left this tier for a later one. With it the offered rate is known, which is what
     * new-flows' marks are held against: the tier's own rate falls because it spills. Not known: estimated from share.
     */
    double spilled_per_s;
    bool spilled_known;
};

/*
 * Zeroes are the state to start from; or, when the dataplane is in spill already, in_spill, share and above_active as it
 * has them. Fields below the line are the machine's own.
 */
struct pn_spill_state {
    bool in_spill;
    bool at_mark; /* some measure >= high; until all are below half way to low. Takes no spill from others */
    bool unknown; /* a measure with a mark has no value, or not of every gateway. Takes no spill from others */
    uint16_t share; /* of 65535, what the dataplane passes on; in spill it may be 0 (nothing to pass on just now) */
    uint32_t above_active; /* overflow mode on active-flows alone: the dataplane's own limit; 0 none */
    uint64_t above_since_ms, below_since_ms, since_ms; /* since_ms: of in_spill's last change; all 0: not so */
    char reason[128]; /* why in_spill last changed: "active-flows 412 >= 400 for 2 s"; "" never */
    /* ---- */
    uint64_t step_ms; /* time of the last step */
    uint64_t told_ms; /* when share last changed */
    double level[PN_MEASURE_COUNT]; /* share that each measure asks for, 0..1 */
    double last_value[PN_MEASURE_COUNT];
    double slope[PN_MEASURE_COUNT]; /* units a second, smoothed */
    uint64_t high_since_ms[PN_MEASURE_COUNT], low_since_ms[PN_MEASURE_COUNT]; /* at or above high, at or below low */
    bool relieved; /* was below high since it entered: the share is about right, steps get smaller */
    bool stepped;
};

/*
 * now_ms: any monotonic clock. Returns true when in_spill, share (by more than 1/64, at most once a second unless by
 * more than 1/8), above_active or the answer of pn_spill_accepts() changed, so that a new snapshot is due. Marks may
 * differ from the call before (a reload).
 */
bool pn_spill_step(struct pn_spill_state *s, const struct pn_conf_tier *tier, const struct pn_load_sample *sample,
                   uint64_t now_ms);

/* May an earlier tier spill into this one? members_up: gateways of the tier that take new flows. */
static inline bool pn_spill_accepts(const struct pn_spill_state *s, unsigned members_up)
{
    return members_up > 0 && !s->in_spill && !s->at_mark && !s->unknown;
}

/* Per gateway, from two readings of the dataplane's counters. */
struct pn_load_reading {
    uint64_t flows_new, handshake_count, handshake_us_sum, syn_retries, syn_expired, flows_established;
    int64_t active, half_open;
};

/* Zeroes are the state to start from. */
struct pn_load_gateway {
    struct pn_load_reading last;
    uint64_t last_ms;
    double new_per_s; /* smoothed over about a second */
    double handshake_ms; /* smoothed mean of those lately; negative: none seen for PN_LOAD_HANDSHAKE_KEEP_MS */
    uint64_t handshake_at_ms;
    /* Set by the step that finds repeated SYNs and no handshake, and again every PN_LOAD_SUSPECT_AGAIN_MS while it lasts;
     * the next step clears it. */
    bool suspect;
    /* ---- */
    bool primed; /* last holds a reading */
    uint32_t silent_syns; /* SYNs repeated or expired since the last handshake */
    uint64_t silent_at_ms; /* when the last of them was seen */
    uint64_t suspect_at_ms; /* 0: not in an episode */
    uint64_t waiting_since_ms; /* half-open flows and no handshake since; 0: not so */
};

#define PN_LOAD_HANDSHAKE_KEEP_MS 10000u
#define PN_LOAD_SUSPECT_SYNS 3u
#define PN_LOAD_SUSPECT_KEEP_MS 10000u /* silent SYNs are forgotten after this long without another */
#define PN_LOAD_SUSPECT_AGAIN_MS 10000u

/* A counter that went back (the dataplane restarted) makes this reading the new start; no rate comes of it. */
void pn_load_gateway_step(struct pn_load_gateway *g, const struct pn_load_reading *now, uint64_t now_ms);

/*
 * Handshake time as the spill machine sees it: the mean lately; while SYNs are repeated and none completes, at least as
 * long as that has lasted; 0 for a gateway that nobody asked (idle, not unknown: it has to be able to take a spill).
 */
double pn_load_gateway_handshake_ms(const struct pn_load_gateway *g, uint64_t now_ms);

/* Per tier: its spilled_from counter as a rate. Zeroes are the state to start from. */
struct pn_load_tier {
    uint64_t last_spilled;
    uint64_t last_ms;
    double spilled_per_s;
    bool primed;
};
void pn_load_tier_step(struct pn_load_tier *t, uint64_t spilled_from, uint64_t now_ms);

/* What the tier's sample is made of: one row for each gateway of the tier. */
struct pn_load_member {
    const struct pn_load_gateway *load; /* NULL: the dataplane's counters cannot be read */
    bool takes_flows; /* healthy, not drained, not disabled: its times and percent count */
    bool agent_known;
    uint8_t agent_percent; /* 0..100 */
    int64_t agent_queue; /* -1: not said */
};
/* tier NULL: spilled rate not known. */
void pn_load_tier_combine(struct pn_load_sample *sample, const struct pn_load_tier *tier,
                          const struct pn_load_member *m, unsigned n, uint64_t now_ms);

/*
 * An agent's maxconn:N for the compiler of snapshots: a gateway with N active flows gets weight 0 until it has dropped
 * to 15/16 of N (at least one below), so that weights do not change with every flow. was_full: the answer before.
 * maxconn 0: never full.
 */
bool pn_load_maxconn_full(bool was_full, uint32_t maxconn, int64_t active);

#endif
