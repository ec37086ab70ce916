/* SPDX-License-Identifier: BSD-3-Clause */
/* What the engine's parts share: its clock, chance, and word that a member has changed. */
#include "controlplane/health/engine.h"

#include <time.h>

#include <event2/event.h>
#include <event2/util.h>

uint64_t pn_health_now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_BOOTTIME, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

uint32_t pn_health_random_below(uint32_t n)
{
    uint32_t v;

    evutil_secure_rng_get_bytes(&v, sizeof(v));
    return n ? v % n : 0;
}

void pn_health_flush_soon(struct pn_health_engine *h)
{
    event_active(h->flush, EV_TIMEOUT, 0);
}

void pn_health_member_changed(struct pn_health_engine *h, struct pn_health_member *m)
{
    pn_health_member_sum(m);
    if (m->dirty || m->health == m->told)
        return;
    m->dirty = true;
    TAILQ_INSERT_TAIL(&h->dirty, m, dirty_link);
    pn_health_flush_soon(h);
}
