/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/settle.h"

#include <time.h>

#include <rte_cycles.h>
#include <rte_pause.h>
#include <rte_rcu_qsbr.h>

#define SPIN_US 10 /* a round takes less, where a worker has a CPU of its own */
#define SLEEP_NS 20000

bool pn_settle(struct rte_rcu_qsbr *qsbr, uint64_t tsc_hz, unsigned us)
{
    const struct timespec t = {.tv_nsec = SLEEP_NS};
    uint64_t token = rte_rcu_qsbr_start(qsbr), begin = rte_rdtsc(), per_us = tsc_hz / 1000000;
    while (rte_rcu_qsbr_check(qsbr, token, false) != 1) {
        uint64_t gone = rte_rdtsc() - begin;
        if (gone > per_us * us)
            return false;
        /* A worker may share this CPU, with less priority: to yield would leave it nothing. */
        if (gone > per_us * SPIN_US)
            clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
        else
            rte_pause();
    }
    return true;
}
