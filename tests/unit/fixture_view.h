/* SPDX-License-Identifier: BSD-3-Clause */
/* A daemon's state made by hand, with clocks that stand still: for tests of the API, the metrics and the command line. */
#ifndef FIXTURE_VIEW_H
#define FIXTURE_VIEW_H

#include "controlplane/view/view.h"
#include "tests/unit/fake_dp.h"

#define FIXTURE_NOW_MS UINT64_C(10000000) /* CLOCK_BOOTTIME */

struct fixture {
    struct event_base *base;
    char dir[64];
    struct fake_dp dp;
    struct pn_dplink *link;
    struct pn_conf *conf;
    struct pn_runtime *rt;
    struct pn_ids ids;
    struct pn_stats_sum stats;
    struct pn_load_gateway loads[PN_MAX_GATEWAYS];
    struct pn_spill_state spills[PN_CONF_MAX_POOLS * PN_MAX_TIERS_PER_POOL];
    struct pn_ownership own;
    struct pn_eventlog *events;
    struct pn_push_status push;
    struct pn_reload_status reload;
    struct pn_view view;
    unsigned reloads, orders, standbys, moves, forces; /* times each was asked for */
    bool reload_fails;
};

/* Connected to its fake dataplane when with_dp. Large: one for each test program, static. */
void fixture_up(struct fixture *f, bool with_dp);
void fixture_down(struct fixture *f);

#endif
