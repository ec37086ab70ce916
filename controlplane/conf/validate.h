/* SPDX-License-Identifier: BSD-3-Clause */
/* What the validate_*.c files share. */
#ifndef POSTERN_CONF_VALIDATE_H
#define POSTERN_CONF_VALIDATE_H

#include "controlplane/conf/report.h"
#include "controlplane/conf/ucl.h"

struct pn_validate {
    const struct pn_conf *conf;
    const struct pn_ucl_doc *doc;
    struct pn_report *errors, *warnings;
    struct pn_conf_where where; /* the object being looked at */
    const char *name;
    char path[160]; /* "pool.mx.tier.primary" */
};

/* Findings from now on belong to this object. */
void pn_validate_at(struct pn_validate *v, const struct pn_conf_where *where, const char *name, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* key: under the object, "spill.hold-up"; "" the object itself. */
void pn_validate_error(struct pn_validate *v, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void pn_validate_warning(struct pn_validate *v, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

void pn_validate_heartbeat(struct pn_validate *v); /* also of nodes and VIPs, what concerns it */
void pn_validate_nodes(struct pn_validate *v);
void pn_validate_vips(struct pn_validate *v);
void pn_validate_gateways(struct pn_validate *v);
void pn_validate_checks(struct pn_validate *v);
void pn_validate_pools(struct pn_validate *v);
void pn_validate_services(struct pn_validate *v);
void pn_validate_quarantine(struct pn_validate *v);

#endif
