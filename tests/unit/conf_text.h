/* SPDX-License-Identifier: BSD-3-Clause */
/* Configurations to build upon, and what loading one says. */
#ifndef TESTS_UNIT_CONF_TEXT_H
#define TESTS_UNIT_CONF_TEXT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "controlplane/conf/canon.h"
#include "controlplane/conf/load.h"
#include "controlplane/conf/value.h"
#include "tests/unit/conf_memory.h"

#define NODE "node n1 { port lan { interface = eth1 } local-interface = tap0 }\n"
#define VIP "vip a { address = 192.0.2.25 }\n"
#define GW "gateway g { address = 192.0.2.11 } gateway h { address = 192.0.2.12 }\n"
#define CHECKS "check c { }\n"
#define POOL "pool p { checks = c; tier t { gateways = g } tier u { gateways = h } }\n"
#define SERVICE "service s { vips = a; port = 25; pool = p }\n"
#define BASE NODE VIP GW CHECKS POOL SERVICE

static struct pn_conf_error errors[32];

static unsigned n_errors;

static inline struct pn_conf *load_text(const char *text)
{
    const struct memory_file files[] = {{"f", text, 0}, {0}};
    struct pn_ucl_io io = memory_io(files);
    return pn_conf_load_io(&io, "f", errors, 32, &n_errors);
}

static inline struct pn_conf *load_good(const char *text)
{
    struct pn_conf *conf = load_text(text);
    for (unsigned i = 0; i < n_errors; i++)
        print_error("%s:%u:%u: %s: %s\n", errors[i].file, errors[i].line, errors[i].column, errors[i].key,
                    errors[i].text);
    assert_non_null(conf);
    assert_int_equal(n_errors, 0);
    return conf;
}

#endif
