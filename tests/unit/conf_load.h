/* SPDX-License-Identifier: BSD-3-Clause */
/* A configuration from text that must be right. After cmocka.h. */
#ifndef TESTS_CONF_LOAD_H
#define TESTS_CONF_LOAD_H

#include "controlplane/conf/load.h"
#include "tests/unit/conf_memory.h"

static inline struct pn_conf *conf_from(const char *text)
{
    struct pn_conf_error errors[4];
    unsigned n = 0;
    const struct memory_file files[] = {{"f", text, 0}, {0}};
    struct pn_ucl_io io = memory_io(files);
    struct pn_conf *conf = pn_conf_load_io(&io, "f", errors, 4, &n);
    for (unsigned i = 0; i < n; i++)
        print_error("%s:%u:%u: %s: %s\n", errors[i].file, errors[i].line, errors[i].column, errors[i].key,
                    errors[i].text);
    assert_non_null(conf);
    return conf;
}

#endif
