/* SPDX-License-Identifier: BSD-3-Clause */
/* A view and an API above it, anew for each test. */
#ifndef TESTS_UNIT_API_WORLD_H
#define TESTS_UNIT_API_WORLD_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#include <event2/event.h>

#include "controlplane/api/api.h"
#include "tests/unit/fixture_view.h"

static struct fixture f;

static json_t *got;

static inline int setup(void **state)
{
    (void)state;
    fixture_up(&f, true);
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    json_decref(got);
    got = NULL;
    fixture_down(&f);
    return 0;
}

#endif
