/* SPDX-License-Identifier: BSD-3-Clause */
/* Families of parts that run beside the main loop, each from the copy that its thread leaves. */
#ifndef POSTERN_METRICS_FAMILIES_H
#define POSTERN_METRICS_FAMILIES_H

#include "controlplane/metrics/exposition.h"
#include "controlplane/view/view.h"

void pn_metrics_cluster(struct pn_expo *e, const struct pn_view *v);
void pn_metrics_quarantine(struct pn_expo *e, const struct pn_view *v);
void pn_metrics_rules(struct pn_expo *e, const struct pn_view *v);

#endif
