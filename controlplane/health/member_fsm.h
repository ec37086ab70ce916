/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From results of runs to the health of a check, and from its checks to that of a member. Pure.
 *
 * The first result decides at once. UP and BUSY both mean alive: rise alive results in a row bring a check out of DOWN,
 * fall failures in a row bring it there; between UP and BUSY each result decides at once. The round after a suspicion
 * needs one failure.
 */
#ifndef POSTERN_HEALTH_MEMBER_FSM_H
#define POSTERN_HEALTH_MEMBER_FSM_H

#include "controlplane/health/health.h"

/* Zeroes are the state to start from. */
struct pn_check_fsm {
    enum pn_health health;
    uint16_t ok_run, fail_run; /* results in a row */
    bool decided; /* a first result came (cleared: the next one decides at once) */
    bool suspect; /* the next result is that of the round after a suspicion */
};

/* result: UP, BUSY or DOWN. rise and fall: 0 counts as 1. true: health changed. */
bool pn_check_fsm_step(struct pn_check_fsm *f, enum pn_health result, uint16_t rise, uint16_t fall);

/* The worse of two checks of a member: DOWN, BUSY, UNKNOWN, UP. */
enum pn_health pn_health_worse(enum pn_health a, enum pn_health b);

/*
 * What an agent's report changes of a gateway, as HAProxy has it: a word holds until another takes it back, what the
 * line does not mention stays as it is; only queue is as old as the report. NULL: not reachable. What it ordered stands
 * (a host in maintenance may well be off), what it measured is unknown: weight and maxconn are free again. true:
 * something changed.
 */
bool pn_agent_apply(struct pn_rt_gateway *g, const struct pn_agent_report *report);

#endif
