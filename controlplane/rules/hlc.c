/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/rules/hlc.h"

#define MS_MAX ((1ull << 48) - 1)

uint64_t pn_hlc_next(struct pn_hlc *clock, uint64_t wall_ms)
{
    uint64_t wall = pn_hlc_make(wall_ms > MS_MAX ? MS_MAX : wall_ms, 0);

    /* A full counter carries into the milliseconds by itself. At the end of time the last stamp is given for ever. */
    if (wall > clock->last)
        clock->last = wall;
    else if (clock->last != UINT64_MAX)
        clock->last++;
    return clock->last;
}

uint64_t pn_hlc_next_above(struct pn_hlc *clock, uint64_t wall_ms, uint64_t floor)
{
    uint64_t stamp = pn_hlc_next(clock, wall_ms);

    /* What is replaced may lie in the future of the clock; only this stamp follows it there, the clock does not. */
    if (stamp <= floor)
        stamp = floor == UINT64_MAX ? floor : floor + 1;
    return stamp;
}

bool pn_hlc_is_future(const struct pn_hlc *clock, uint64_t wall_ms, uint64_t stamp)
{
    return pn_hlc_ms(stamp) > wall_ms && pn_hlc_ms(stamp) - wall_ms > clock->skew_ms;
}

bool pn_hlc_hear(struct pn_hlc *clock, uint64_t wall_ms, uint64_t stamp)
{
    if (pn_hlc_is_future(clock, wall_ms, stamp))
        return false;
    if (stamp > clock->last)
        clock->last = stamp;
    return true;
}

uint64_t pn_hlc_ahead_ms(const struct pn_hlc *clock, uint64_t wall_ms)
{
    uint64_t ms = pn_hlc_ms(clock->last);
    return ms > wall_ms ? ms - wall_ms : 0;
}
