/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/realtime.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <time.h>

#include "common/log.h"

bool pn_realtime_due(struct pn_realtime *r, uint64_t now_ns, uint64_t cpu_ns)
{
    if (r->refused)
        return false;
    if (!r->on)
        return now_ns >= r->again_ns;
    if (!r->window_ns) {
        r->window_ns = now_ns;
        r->window_cpu_ns = cpu_ns;
        return false;
    }
    uint64_t passed_ns = now_ns - r->window_ns, used_ns = cpu_ns - r->window_cpu_ns;
    if (passed_ns < PN_REALTIME_WINDOW_NS)
        return false;
    r->window_ns = now_ns;
    r->window_cpu_ns = cpu_ns;
    if (used_ns * 100 <= passed_ns * PN_REALTIME_USE_PERCENT)
        return false;
    r->again_ns = now_ns + PN_REALTIME_PAUSE_NS;
    return true;
}

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec ts;
    clock_gettime(clock, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void pn_realtime_tick(struct pn_realtime *r)
{
    if (!pn_realtime_due(r, clock_ns(CLOCK_MONOTONIC), clock_ns(CLOCK_THREAD_CPUTIME_ID)))
        return;
    const struct sched_param param = {.sched_priority = r->on ? 0 : PN_REALTIME_WORKER};
    if (sched_setscheduler(0, (r->on ? SCHED_OTHER : SCHED_FIFO) | SCHED_RESET_ON_FORK, &param) == 0) {
        if (r->on)
            pn_log_limited(60000, PN_LOG_WARNING,
                           "a worker is overloaded: ordinary priority, heartbeats may be late when others are busy");
        r->on = !r->on;
        r->window_ns = 0;
        return;
    }
    r->refused = true;
    pn_log_warning("--realtime: a worker stays %s: %s", r->on ? "in SCHED_FIFO" : "without real-time priority",
                   strerror(errno));
}
