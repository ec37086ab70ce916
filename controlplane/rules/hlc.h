/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Hybrid logical clock: 48 bits of milliseconds since 1970, 16 bits of counter; the node's name stands beside the
 * stamp. Stamps of one node only grow, whatever the wall clock does and over restarts (the owner keeps `last` on disk);
 * a stamp heard moves the clock, so that what is done after hearing it is stamped after it. A stamp further ahead of
 * the wall clock than `skew_ms` does not move it: one wrong clock must not become everyone's. Pure.
 */
#ifndef POSTERN_RULES_HLC_H
#define POSTERN_RULES_HLC_H

#include <stdbool.h>
#include <stdint.h>

#define PN_HLC_SKEW_MS 5000 /* default */

struct pn_hlc {
    uint64_t last; /* newest stamp given or heard */
    uint32_t skew_ms;
};

static inline uint64_t pn_hlc_make(uint64_t ms, uint16_t counter)
{
    return ms << 16 | counter;
}
static inline uint64_t pn_hlc_ms(uint64_t stamp)
{
    return stamp >> 16;
}

/* A stamp above all before. wall_ms: the wall clock now. */
uint64_t pn_hlc_next(struct pn_hlc *clock, uint64_t wall_ms);
/* A stamp above all before and above `floor`, the version that is to be replaced. */
uint64_t pn_hlc_next_above(struct pn_hlc *clock, uint64_t wall_ms, uint64_t floor);
bool pn_hlc_is_future(const struct pn_hlc *clock, uint64_t wall_ms, uint64_t stamp);
/* True: taken. False: too far ahead, the clock stays. */
bool pn_hlc_hear(struct pn_hlc *clock, uint64_t wall_ms, uint64_t stamp);
/* How far our own stamps run ahead of the wall clock, after it was set back; 0: they do not. */
uint64_t pn_hlc_ahead_ms(const struct pn_hlc *clock, uint64_t wall_ms);

#endif
