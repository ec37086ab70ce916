/* SPDX-License-Identifier: BSD-3-Clause */
/* One handler for each row of commands.c. */
#ifndef POSTERN_API_HANDLERS_H
#define POSTERN_API_HANDLERS_H

#include "controlplane/api/show.h"

void pn_cmd_status(struct pn_api_call *call);
void pn_cmd_node(struct pn_api_call *call);
void pn_cmd_node_list(struct pn_api_call *call);
void pn_cmd_node_hold(struct pn_api_call *call);
void pn_cmd_node_standby(struct pn_api_call *call);
void pn_cmd_node_active(struct pn_api_call *call);
void pn_cmd_vip_list(struct pn_api_call *call);
void pn_cmd_vip_move(struct pn_api_call *call);
void pn_cmd_vip_force(struct pn_api_call *call);
void pn_cmd_service_list(struct pn_api_call *call);
void pn_cmd_pool_list(struct pn_api_call *call);
void pn_cmd_port_list(struct pn_api_call *call);
void pn_cmd_neighbour_list(struct pn_api_call *call);
void pn_cmd_gateway_list(struct pn_api_call *call);
void pn_cmd_gateway_drain(struct pn_api_call *call);
void pn_cmd_gateway_disable(struct pn_api_call *call);
void pn_cmd_gateway_enable(struct pn_api_call *call);
void pn_cmd_gateway_weight(struct pn_api_call *call);
void pn_cmd_check_list(struct pn_api_call *call);
void pn_cmd_gateway_vips(struct pn_api_call *call);
void pn_cmd_flow_list(struct pn_api_call *call);
void pn_cmd_stats(struct pn_api_call *call);
void pn_cmd_explain(struct pn_api_call *call);
void pn_cmd_trace_start(struct pn_api_call *call);
void pn_cmd_trace_read(struct pn_api_call *call);
void pn_cmd_log(struct pn_api_call *call);
void pn_cmd_reload(struct pn_api_call *call);
void pn_cmd_config(struct pn_api_call *call);
void pn_cmd_cluster_status(struct pn_api_call *call);
void pn_cmd_cluster_members(struct pn_api_call *call);
void pn_cmd_cluster_init(struct pn_api_call *call);
void pn_cmd_cluster_invite(struct pn_api_call *call);
void pn_cmd_cluster_join(struct pn_api_call *call);
void pn_cmd_cluster_join_progress(struct pn_api_call *call);
void pn_cmd_cluster_join_cancel(struct pn_api_call *call);
void pn_cmd_cluster_rename(struct pn_api_call *call);
void pn_cmd_cluster_remove(struct pn_api_call *call);
void pn_cmd_cluster_rotate(struct pn_api_call *call);
void pn_cmd_cluster_renew(struct pn_api_call *call);
void pn_cmd_perimeter_list(struct pn_api_call *call);
void pn_cmd_perimeter_export(struct pn_api_call *call);
void pn_cmd_rule_add(struct pn_api_call *call);
void pn_cmd_rule_put(struct pn_api_call *call);
void pn_cmd_rule_remove(struct pn_api_call *call);
void pn_cmd_rule_import(struct pn_api_call *call);
void pn_cmd_rule_hit(struct pn_api_call *call);
void pn_cmd_rule_learn(struct pn_api_call *call);
void pn_cmd_rule_show(struct pn_api_call *call);
void pn_cmd_rule_list(struct pn_api_call *call);
void pn_cmd_rule_log(struct pn_api_call *call);
void pn_cmd_rule_restore(struct pn_api_call *call);
void pn_cmd_rule_held(struct pn_api_call *call);
void pn_cmd_rule_review(struct pn_api_call *call);
void pn_cmd_rule_settle(struct pn_api_call *call);
void pn_cmd_rule_sync(struct pn_api_call *call);
void pn_cmd_rule_status(struct pn_api_call *call);
void pn_cmd_rule_clock_reset(struct pn_api_call *call);
void pn_cmd_quarantine_status(struct pn_api_call *call);
void pn_cmd_quarantine_add_begin(struct pn_api_call *call);
void pn_cmd_quarantine_add_data(struct pn_api_call *call);
void pn_cmd_quarantine_add_end(struct pn_api_call *call);
void pn_cmd_quarantine_waiting(struct pn_api_call *call);
void pn_cmd_quarantine_retry(struct pn_api_call *call);
void pn_cmd_quarantine_list(struct pn_api_call *call);
void pn_cmd_quarantine_audit(struct pn_api_call *call);
void pn_cmd_quarantine_raw(struct pn_api_call *call);
void pn_cmd_quarantine_flag(struct pn_api_call *call);
void pn_cmd_quarantine_delete(struct pn_api_call *call);
void pn_cmd_quarantine_release(struct pn_api_call *call);
void pn_cmd_quarantine_show(struct pn_api_call *call);
void pn_cmd_quarantine_report(struct pn_api_call *call);
void pn_cmd_quarantine_purge(struct pn_api_call *call);
void pn_cmd_quarantine_digest(struct pn_api_call *call);
void pn_cmd_quarantine_link(struct pn_api_call *call);
void pn_cmd_report_add(struct pn_api_call *call);

#endif
