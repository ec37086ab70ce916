/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/rules/export.h"

#include <errno.h>

#include "common/error.h"

static int on_row(void *arg, const struct pn_rule *rule)
{
    return pn_export_row(arg, rule);
}

long pn_rules_export(struct pn_rules *rules, const struct pn_rules_query *query, enum pn_import_format format,
                     FILE *file, struct pn_error *err)
{
    struct pn_export e;

    pn_export_begin(&e, format, file);
    if (pn_rules_list(rules, query, NULL, on_row, &e, err) < 0)
        return -1;
    if (pn_export_end(&e) < 0)
        return pn_error_set(err, "writing: %s", strerror(errno));
    return (long)e.rows;
}
