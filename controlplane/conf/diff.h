/* SPDX-License-Identifier: BSD-3-Clause */
/* What one configuration changes in another: objects by their names, keys by the schema. */
#ifndef POSTERN_CONF_DIFF_H
#define POSTERN_CONF_DIFF_H

#include <stdio.h>

#include <jansson.h>

#include "controlplane/conf/conf.h"

enum pn_change_kind { PN_CHANGE_ADDED, PN_CHANGE_REMOVED, PN_CHANGE_CHANGED };

struct pn_conf_change {
    enum pn_change_kind kind;
    bool restart; /* needs a restart of postern-dp on that node; otherwise it is applied at run time */
    char object[128]; /* "pool.mx.tier.primary.spill" */
    const char *key; /* "hold-up"; "tier" or "port": their order; "" for an object added or removed whole */
    char *was, *now; /* as written; "" where nothing is set; NULL in whole objects */
};

struct pn_conf_diff {
    struct pn_conf_change *changes;
    unsigned n_changes;
    bool restart; /* of any change */
};

/* NULL: out of memory. Nothing changed: n_changes 0. */
struct pn_conf_diff *pn_conf_diff_new(const struct pn_conf *was, const struct pn_conf *now);
void pn_conf_diff_free(struct pn_conf_diff *diff);

/* For people, one change a line, with a last line on what has to be restarted. */
void pn_conf_diff_print(const struct pn_conf_diff *diff, FILE *out);
/* {"changes":[{"kind","object","key","was","now","restart"}],"restart":false}; the caller's; NULL: out of memory. */
json_t *pn_conf_diff_json(const struct pn_conf_diff *diff);

#endif
