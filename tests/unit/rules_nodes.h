/* SPDX-License-Identifier: BSD-3-Clause */
/* A cluster of rules_cluster.h for each test. */
#ifndef TESTS_UNIT_RULES_NODES_H
#define TESTS_UNIT_RULES_NODES_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <sqlite3.h>

#include "controlplane/rules/hlc.h"
#include "controlplane/rules/sync_internal.h"
#include "tests/unit/rules_cluster.h"

#define MINUTE 60
#define HOUR_MS 3600000ull
#define DAY_MS (24 * HOUR_MS)

static struct rc_cluster c;

static inline int setup(void **state)
{
    (void)state;
    memset(&c, 0, sizeof(c));
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    rc_stop(&c);
    return 0;
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static inline void add_range(unsigned node, const char *kind, unsigned from, unsigned to)
{
    char value[64];

    for (unsigned i = from; i < to; i++) {
        snprintf(value, sizeof(value), "user%u@example.org", i);
        rc_change(&c, node, kind, NULL, value, "", false);
    }
}

#endif
