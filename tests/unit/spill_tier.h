/* SPDX-License-Identifier: BSD-3-Clause */
/* A tier and what is measured of it. */
#ifndef TESTS_UNIT_SPILL_TIER_H
#define TESTS_UNIT_SPILL_TIER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "controlplane/load/load.h"

#define A PN_MEASURE_ACTIVE_FLOWS
#define H PN_MEASURE_HANDSHAKE_MS

static inline struct pn_conf_tier tier_of(enum pn_measure m, double high, enum pn_spill_mode mode)
{
    struct pn_conf_tier t = {.name = "primary",
                             .spill_mode = mode,
                             .has_marks = true,
                             .ramp_full = 2,
                             .hold_up_ms = 2000,
                             .hold_down_ms = 10000};
    t.marks[m] = (struct pn_conf_mark){.high = high, .low = high * 0.75};
    return t;
}

#endif
