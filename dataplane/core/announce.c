/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/core/announce.h"

static const uint16_t burst_ms[] = {0, 50, 250, 1100, 2500, 5000};
#define BURST (sizeof(burst_ms) / sizeof(burst_ms[0]))
#define GAP_MS 50u /* a late caller catches up at this pace */

void pn_announce_start(struct pn_announce *a, uint32_t now_ms)
{
    a->start_ms = now_ms;
    a->next_ms = now_ms;
    a->sent = 0;
    a->running = true;
}

void pn_announce_stop(struct pn_announce *a)
{
    a->running = false;
}

bool pn_announce_due(struct pn_announce *a, uint32_t now_ms, uint32_t refresh_ms)
{
    if (!a->running || (int32_t)(now_ms - a->next_ms) < 0)
        return false;
    if (a->sent < UINT16_MAX)
        a->sent++;
    if (a->sent < BURST) {
        a->next_ms = a->start_ms + burst_ms[a->sent];
        if ((int32_t)(a->next_ms - now_ms) < (int32_t)GAP_MS)
            a->next_ms = now_ms + GAP_MS;
    } else if (refresh_ms == 0) {
        a->running = false;
    } else {
        a->next_ms = now_ms + refresh_ms;
    }
    return true;
}

uint32_t pn_announce_wait_ms(const struct pn_announce *a, uint32_t now_ms)
{
    if (!a->running)
        return UINT32_MAX;
    int32_t wait = (int32_t)(a->next_ms - now_ms);
    return wait > 0 ? (uint32_t)wait : 0;
}
