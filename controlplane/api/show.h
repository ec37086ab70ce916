/* SPDX-License-Identifier: BSD-3-Clause */
/* Objects of the daemon as JSON: what the commands' results are made of. Each returns a new reference. */
#ifndef POSTERN_API_SHOW_H
#define POSTERN_API_SHOW_H

#include "controlplane/api/api.h"
#include "controlplane/api/json.h"

json_t *pn_show_vip(const struct pn_view *v, unsigned vip);
json_t *pn_show_service(const struct pn_view *v, unsigned service);
json_t *pn_show_pool(const struct pn_view *v, unsigned pool);
json_t *pn_show_tier(const struct pn_view *v, unsigned pool, unsigned tier);
/* checks: with every check of it. */
json_t *pn_show_gateway(const struct pn_view *v, unsigned gateway, bool checks);
/* Checks of one gateway, or of all (NULL). */
json_t *pn_show_checks(const struct pn_view *v, const char *gateway);
json_t *pn_show_dataplane(const struct pn_view *v);
json_t *pn_show_config(const struct pn_view *v);
json_t *pn_show_node(const struct pn_view *v);
json_t *pn_show_nodes(const struct pn_view *v); /* all of them, this one too */
json_t *pn_show_cluster(const struct pn_view *v); /* state and alarms; null: the part does not run */
json_t *pn_show_rules(const struct pn_view *v); /* how many, and alarms; null: the part does not run */
json_t *pn_show_totals(const struct pn_view *v);
json_t *pn_show_flow(const struct pn_view *v, const struct pn_dp_flow *flow);

/* The whole list, or with name the one that has it; NULL after answering "not found". */
json_t *pn_show_list(struct pn_api_call *call, const char *name, unsigned n,
                     json_t *(*one)(const struct pn_view *v, unsigned i), int found, const char *noun);

/* Milliseconds left until deadline_ns; 0 when it is over. */
uint64_t pn_show_left_ms(const struct pn_view *v, uint64_t deadline_ns);
const char *pn_show_port_name(const struct pn_view *v, unsigned port, char buf[PN_NAME_BYTES]);

#endif
