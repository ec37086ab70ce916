/* SPDX-License-Identifier: BSD-3-Clause */
/* The address filter on the main lcore: what the PN_DP_FILTER_* messages do. The caller has checked their form. */
#ifndef POSTERN_FILTERING_H
#define POSTERN_FILTERING_H

#include "postern/dpapi.h"

struct pn_dataplane;

/* After shared and qsbr are there; its thread begins. */
int pn_filtering_start(struct pn_dataplane *dp, struct pn_error *err);
/* After the workers have stopped. */
void pn_filtering_stop(struct pn_dataplane *dp);
void pn_filtering_tick(struct pn_dataplane *dp);

enum pn_dp_status pn_filtering_begin(struct pn_dataplane *dp, const struct pn_dp_filter_begin *begin,
                                     struct pn_error *err);
enum pn_dp_status pn_filtering_add(struct pn_dataplane *dp, const struct pn_dp_filter_add *add,
                                   const struct pn_dp_prefix *prefixes, struct pn_error *err);
enum pn_dp_status pn_filtering_commit(struct pn_dataplane *dp, const struct pn_dp_filter_commit *commit,
                                      struct pn_error *err);
enum pn_dp_status pn_filtering_patch(struct pn_dataplane *dp, const struct pn_dp_filter_patch *patch,
                                     const struct pn_dp_prefix *changes, struct pn_error *err);
/* out is zeroed. */
void pn_filtering_get(const struct pn_dataplane *dp, struct pn_dp_filter *out);
void pn_filtering_ask(const struct pn_dataplane *dp, const struct pn_addr *client, struct pn_dp_filter_answer *out);

#endif
