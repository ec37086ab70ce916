/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/leaving.h"

static bool tail_over(const struct pn_leaving *l, uint64_t now_ms)
{
    return l->held_ms == 0 || now_ms - l->held_ms >= PN_LEAVE_TAIL_MS;
}

void pn_leaving_tick(struct pn_leaving *l, unsigned held, uint64_t now_ms)
{
    if (held)
        l->held_ms = now_ms;
}

bool pn_leaving_begin(struct pn_leaving *l, unsigned held, bool told, uint64_t now_ms)
{
    /* A lease given up right before (posternd was stopped first, or has moved it) has its tail, too. */
    if (held ? !told : tail_over(l, now_ms))
        return false;
    pn_leaving_tick(l, held, now_ms); /* they may have come since the last */
    l->since_ms = now_ms;
    l->held = held;
    return true;
}

bool pn_leaving_over(const struct pn_leaving *l, unsigned held, uint64_t now_ms)
{
    if (!l->since_ms)
        return false;
    if (!held)
        return tail_over(l, now_ms);
    return now_ms - l->since_ms >= (held >= l->held ? PN_LEAVE_UNTAKEN_MS : PN_LEAVE_MAX_MS);
}
