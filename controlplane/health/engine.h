/* SPDX-License-Identifier: BSD-3-Clause */
/* The engine's parts to each other: engine.c tells, apply.c takes configurations, runner.c runs the checks. */
#ifndef POSTERN_HEALTH_ENGINE_H
#define POSTERN_HEALTH_ENGINE_H

#include "controlplane/health/registry.h"

struct pn_health_engine {
    struct event_base *base;
    struct pn_health_callbacks cb;
    struct pn_health_registry reg;
    struct event *flush;
    TAILQ_HEAD(, pn_health_member) dirty;
    TAILQ_HEAD(, pn_health_check) agents;
    TAILQ_HEAD(, pn_health_check) waiting;
    char (*lost)[PN_NAME_BYTES]; /* gateways whose agent went out of the configuration */
    unsigned n_lost;
    unsigned running;
    bool flushing, dead;
    char helo[256];
};

uint64_t pn_health_now_ms(void); /* CLOCK_BOOTTIME */
uint32_t pn_health_random_below(uint32_t n); /* 0 for 0 */

/* Calls the callbacks from the event loop, soon. */
void pn_health_flush_soon(struct pn_health_engine *h);
/* A check of the member has a new health: sums up, and has the callback called if that changed. */
void pn_health_member_changed(struct pn_health_engine *h, struct pn_health_member *m);

/* Gives the check its timer. -1: memory. */
int pn_health_check_timer_new(struct pn_health_check *c);
void pn_health_check_schedule(struct pn_health_check *c, uint64_t delay_ms);
/* An interval after the last start. */
void pn_health_check_schedule_next(struct pn_health_check *c);
/* Takes the check off every list and stops it; its state stays. */
void pn_health_check_stop(struct pn_health_check *c);
bool pn_health_check_is_agent(const struct pn_health_check *c);
/* Starts what had to wait for descriptors. */
void pn_health_start_waiting(struct pn_health_engine *h);

#endif
