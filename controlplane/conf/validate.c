/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/conf/load.h"
#include "controlplane/conf/validate.h"

void pn_conf_validate(const struct pn_conf *conf, const struct pn_ucl_doc *doc, struct pn_report *errors,
                      struct pn_report *warnings)
{
    struct pn_validate v = {.conf = conf, .doc = doc, .errors = errors, .warnings = warnings};
    pn_validate_nodes(&v);
    pn_validate_vips(&v);
    pn_validate_heartbeat(&v);
    pn_validate_gateways(&v);
    pn_validate_checks(&v);
    pn_validate_pools(&v);
    pn_validate_services(&v);
    pn_validate_quarantine(&v);
}
