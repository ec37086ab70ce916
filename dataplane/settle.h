/* SPDX-License-Identifier: BSD-3-Clause */
/* Waits until workers have come round: from then on none of them uses what was taken back before. */
#ifndef POSTERN_DATAPLANE_SETTLE_H
#define POSTERN_DATAPLANE_SETTLE_H

#include <stdbool.h>
#include <stdint.h>

struct rte_rcu_qsbr;

/* false: one has not within us. May be called in SCHED_FIFO on the CPU of a worker. */
bool pn_settle(struct rte_rcu_qsbr *qsbr, uint64_t tsc_hz, unsigned us);

#endif
