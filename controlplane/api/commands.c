/* SPDX-License-Identifier: BSD-3-Clause */
/* What may be asked: one row a command. The protocol's reference is docs/api.md. */
#include "controlplane/api/handlers.h"
#include "controlplane/api/rule.h"
#include "controlplane/quarantine/item.h"

/* clang-format off */
#define NAME {.name = "name"}
#define NAME_REQUIRED {.name = "name", .required = true}
#define CLIENT {.name = "client", .max = 64}
#define CLIENT_REQUIRED {.name = "client", .required = true, .max = 64}
#define TOKEN {.name = "token", .required = true, .max = 512}
#define PASSPHRASE(key) {.name = (key), .max = 1024}
#define NUMBER(key, low, high) {.name = (key), .type = PN_API_ARG_INT, .min = (low), .max = (high)}

#define FLAG(key) {.name = (key), .type = PN_API_ARG_BOOL}
#define ROWS(key, most) {.name = (key), .type = PN_API_ARG_LIST, .required = true, .max = (most)}
#define LIST {.name = "list", .required = true, .max = 64}
#define VALUE {.name = "value", .required = true, .max = PN_RULE_INPUT_MAX}
#define OWNER {.name = "owner", .max = PN_RULE_INPUT_MAX}
#define FIELD {.name = "field", .max = 64}
#define NOTE {.name = "note", .max = 1024}
#define TEXT(name_, max_) {.name = name_, .max = max_}
#define ID_REQUIRED(name_) {name_, PN_API_ARG_INT, true, 1, INT64_MAX}
#define AT {.name = "at"}

const struct pn_api_command pn_api_commands[] = {
    {"status",          pn_cmd_status,          PN_API_READ,    {{0}}},
    {"node show",       pn_cmd_node,            PN_API_READ,    {{0}}},
    {"node standby",    pn_cmd_node_standby,    PN_API_WRITE,   {{0}}},
    {"node active",     pn_cmd_node_active,     PN_API_WRITE,   {{0}}},
    {"node list",       pn_cmd_node_list,       PN_API_READ,    {{0}}},
    {"node hold",       pn_cmd_node_hold,       PN_API_WRITE,   {NUMBER("ms", 0, PN_HOLD_MAX_MS)}},
    {"vip list",        pn_cmd_vip_list,        PN_API_READ,    {NAME}},
    {"vip move",        pn_cmd_vip_move,        PN_API_WRITE,   {NAME_REQUIRED, {.name = "node"}}},
    {"vip force",       pn_cmd_vip_force,       PN_API_WRITE,   {NAME_REQUIRED}},
    {"service list",    pn_cmd_service_list,    PN_API_READ,    {NAME}},
    {"pool list",       pn_cmd_pool_list,       PN_API_READ,    {NAME}},
    {"port list",       pn_cmd_port_list,       PN_API_READ,    {{0}}},
    {"neighbour list",  pn_cmd_neighbour_list,  PN_API_READ,    {{0}}},
    {"gateway list",    pn_cmd_gateway_list,    PN_API_READ,    {NAME}},
    {"gateway drain",   pn_cmd_gateway_drain,   PN_API_WRITE,   {NAME_REQUIRED}},
    {"gateway disable", pn_cmd_gateway_disable, PN_API_WRITE,   {NAME_REQUIRED}},
    {"gateway enable",  pn_cmd_gateway_enable,  PN_API_WRITE,   {NAME_REQUIRED}},
    {"gateway weight",  pn_cmd_gateway_weight,  PN_API_WRITE,   {NAME_REQUIRED, NUMBER("weight", -1, 256)}},
    {"check list",      pn_cmd_check_list,      PN_API_READ,    {{.name = "gateway"}}},
    {"gateway vips",    pn_cmd_gateway_vips,    PN_API_READ,    {NAME_REQUIRED}},
    {"flow list",       pn_cmd_flow_list,       PN_API_PRIVATE, {CLIENT, NUMBER("port", 1, 65535),
                                                                 {.name = "service"}, {.name = "gateway"},
                                                                 NUMBER("max", 1, 65536)}},
    {"stats",           pn_cmd_stats,           PN_API_READ,    {{0}}},
    {"explain",         pn_cmd_explain,         PN_API_PRIVATE, {CLIENT_REQUIRED,
                                                                 NUMBER("port", 0, 65535), {.name = "service"}}},
    {"trace start",     pn_cmd_trace_start,     PN_API_WRITE,   {CLIENT, NUMBER("packets", 1, PN_DP_TRACE_MAX)}},
    {"trace read",      pn_cmd_trace_read,      PN_API_PRIVATE, {{0}}},
    {"log",             pn_cmd_log,             PN_API_READ,    {NUMBER("after", 0, INT64_MAX), NUMBER("max", 1, 10000)}},
    {"reload",          pn_cmd_reload,          PN_API_WRITE,   {{0}}},
    {"config",          pn_cmd_config,          PN_API_PRIVATE,    {{0}}},
    {"cluster status",  pn_cmd_cluster_status,  PN_API_READ,    {{0}}},
    {"cluster members", pn_cmd_cluster_members, PN_API_READ,    {{0}}},
    {"cluster init",    pn_cmd_cluster_init,    PN_API_WRITE,   {NAME, PASSPHRASE("passphrase")}},
    {"cluster invite",  pn_cmd_cluster_invite,  PN_API_WRITE,   {NUMBER("ttl_s", 60, 604800), PASSPHRASE("passphrase"),
                                                                 PASSPHRASE("ca_passphrase")}},
    {"cluster join",    pn_cmd_cluster_join,    PN_API_WRITE,   {TOKEN, {.name = "host", .max = 80},
                                                                 PASSPHRASE("passphrase"),
                                                                 {.name = "dry_run", .type = PN_API_ARG_BOOL}}},
    {"cluster join-progress", pn_cmd_cluster_join_progress, PN_API_WRITE, {{0}}},
    {"cluster join-cancel", pn_cmd_cluster_join_cancel, PN_API_WRITE, {{0}}},
    {"cluster rename",  pn_cmd_cluster_rename,  PN_API_WRITE,   {NAME_REQUIRED, {.name = "new_name", .required = true}}},
    {"cluster remove",  pn_cmd_cluster_remove,  PN_API_WRITE,   {NAME_REQUIRED}},
    {"cluster rotate-keys", pn_cmd_cluster_rotate, PN_API_WRITE, {{0}}},
    {"cluster renew",   pn_cmd_cluster_renew,   PN_API_WRITE,   {PASSPHRASE("ca_passphrase")}},
    {"perimeter list",  pn_cmd_perimeter_list,  PN_API_READ,    {{0}}},
    {"perimeter export", pn_cmd_perimeter_export, PN_API_READ,  {{.name = "format", .required = true, .max = 16}}},

    {"rule add",        pn_cmd_rule_add,        PN_API_WRITE,   {LIST, VALUE, OWNER, FIELD, NOTE}},
    {"rule put",        pn_cmd_rule_put,        PN_API_WRITE,   {LIST, VALUE, NOTE, {.name = "text", .max = PN_RULE_BODY_MAX}}},
    {"rule remove",     pn_cmd_rule_remove,     PN_API_WRITE,   {LIST, VALUE, OWNER, FIELD}},
    {"rule import",     pn_cmd_rule_import,     PN_API_WRITE,   {ROWS("rows", PN_RULE_IMPORT_MAX)}},
    {"rule hit",        pn_cmd_rule_hit,        PN_API_WRITE,   {ROWS("rows", PN_RULE_IMPORT_MAX)}},
    {"rule learn",      pn_cmd_rule_learn,      PN_API_WRITE,   {ROWS("rows", PN_RULE_IMPORT_MAX)}},
    {"rule show",       pn_cmd_rule_show,       PN_API_PRIVATE, {LIST, VALUE, OWNER, FIELD}},
    {"rule list",       pn_cmd_rule_list,       PN_API_PRIVATE, {{.name = "list", .max = 64}, OWNER, {.name = "search", .max = 256},
                                                                 FLAG("deleted"), FLAG("text"), NUMBER("max", 1, 10000),
                                                                 {.name = "after", .max = 1024}}},
    {"rule log",        pn_cmd_rule_log,        PN_API_PRIVATE, {{.name = "list", .max = 64}, {.name = "value", .max = PN_RULE_INPUT_MAX},
                                                                 OWNER, FIELD, NUMBER("max", 1, 10000)}},
    {"rule restore",    pn_cmd_rule_restore,    PN_API_WRITE,   {LIST, VALUE, OWNER, FIELD, {.name = "version"}, {.name = "node"}}},
    {"rule held",       pn_cmd_rule_held,       PN_API_PRIVATE, {{0}}},
    {"rule review",     pn_cmd_rule_review,     PN_API_PRIVATE, {NUMBER("max", 1, 10000)}},
    {"rule settle",     pn_cmd_rule_settle,     PN_API_WRITE,   {{.name = "accept", .type = PN_API_ARG_BOOL, .required = true},
                                                                 {.name = "list", .max = 64}, {.name = "value", .max = PN_RULE_INPUT_MAX},
                                                                 OWNER, FIELD, FLAG("all")}},
    {"rule sync",       pn_cmd_rule_sync,       PN_API_PRIVATE, {{0}}},
    {"rule status",     pn_cmd_rule_status,     PN_API_READ,    {{0}}},
    {"rule clock-reset", pn_cmd_rule_clock_reset, PN_API_WRITE, {{0}}},
    {"quarantine status", pn_cmd_quarantine_status, PN_API_READ,  {{0}}},
    {"quarantine add begin", pn_cmd_quarantine_add_begin, PN_API_WRITE, {TEXT("sender", PN_Q_ADDRESS_MAX),
                                                                 TEXT("recipients", 32768), TEXT("reason", PN_Q_TEXT_MAX),
                                                                 TEXT("rule", PN_Q_NAME_MAX), TEXT("gateway", PN_Q_NAME_MAX),
                                                                 TEXT("event", 32), TEXT("direction", 32),
                                                                 NUMBER("size_bytes", 0, INT64_MAX)}},
    {"quarantine add data", pn_cmd_quarantine_add_data, PN_API_WRITE, {ID_REQUIRED("number"),
                                                                 {.name = "base64", .required = true, .max = 60000}}},
    {"quarantine add end", pn_cmd_quarantine_add_end, PN_API_WRITE, {ID_REQUIRED("number")}},
    {"quarantine waiting", pn_cmd_quarantine_waiting, PN_API_PRIVATE, {NUMBER("limit", 1, 1000),
                                                                 NUMBER("after", 0, INT64_MAX)}},
    {"quarantine retry", pn_cmd_quarantine_retry, PN_API_WRITE,   {{0}}},
    {"quarantine list", pn_cmd_quarantine_list, PN_API_PRIVATE | PN_API_REMOTE,  {TEXT("sender", PN_Q_ADDRESS_MAX),
                                                                 TEXT("recipient", PN_Q_ADDRESS_MAX),
                                                                 {.name = "node"}, TEXT("rule", PN_Q_NAME_MAX),
                                                                 TEXT("subject", PN_Q_TEXT_MAX), TEXT("reason", PN_Q_TEXT_MAX),
                                                                 TEXT("text", PN_Q_TEXT_MAX), TEXT("kind", 16),
                                                                 TEXT("event", 32), TEXT("state", 16),
                                                                 NUMBER("from_ms", 0, INT64_MAX), NUMBER("to_ms", 0, INT64_MAX),
                                                                 NUMBER("before", 0, INT64_MAX), {"unseen", PN_API_ARG_BOOL, false, 0, 0},
                                                                 NUMBER("limit", 1, 1000), AT}},
    {"quarantine show", pn_cmd_quarantine_show, PN_API_PRIVATE | PN_API_REMOTE, {ID_REQUIRED("id"), AT}},
    {"quarantine release", pn_cmd_quarantine_release, PN_API_WRITE | PN_API_REMOTE, {ID_REQUIRED("id"),
                                                                 TEXT("to", PN_Q_ADDRESS_MAX), FLAG("again"), AT}},
    {"quarantine report", pn_cmd_quarantine_report, PN_API_PRIVATE | PN_API_REMOTE, {NUMBER("from_ms", 0, INT64_MAX),
                                                                 NUMBER("to_ms", 0, INT64_MAX), NUMBER("step_ms", 0, INT64_MAX),
                                                                 NUMBER("offset_ms", -86400000, 86400000), {.name = "node"},
                                                                 NUMBER("top", 1, 100), TEXT("format", 8),
                                                                 TEXT("section", 16), AT}},
    {"quarantine digest run", pn_cmd_quarantine_digest, PN_API_WRITE | PN_API_REMOTE, {FLAG("dry_run"), AT}},
    {"quarantine link", pn_cmd_quarantine_link, PN_API_WRITE | PN_API_REMOTE, {{.name = "token", .required = true, .max = 1024}, AT}},
    {"quarantine purge", pn_cmd_quarantine_purge, PN_API_WRITE | PN_API_REMOTE, {FLAG("dry_run"), AT}},
    {"quarantine audit", pn_cmd_quarantine_audit, PN_API_PRIVATE | PN_API_REMOTE, {ID_REQUIRED("id"), AT}},
    {"quarantine raw",  pn_cmd_quarantine_raw,  PN_API_PRIVATE | PN_API_REMOTE, {ID_REQUIRED("id"), NUMBER("offset", 0, INT64_MAX), AT}},
    {"quarantine seen", pn_cmd_quarantine_flag, PN_API_WRITE | PN_API_REMOTE,   {ID_REQUIRED("id"), AT}},
    {"quarantine unseen", pn_cmd_quarantine_flag, PN_API_WRITE | PN_API_REMOTE, {ID_REQUIRED("id"), AT}},
    {"quarantine hold", pn_cmd_quarantine_flag, PN_API_WRITE | PN_API_REMOTE,   {ID_REQUIRED("id"), AT}},
    {"quarantine unhold", pn_cmd_quarantine_flag, PN_API_WRITE | PN_API_REMOTE, {ID_REQUIRED("id"), AT}},
    {"quarantine delete", pn_cmd_quarantine_delete, PN_API_WRITE | PN_API_REMOTE, {ID_REQUIRED("id"), AT}},
    {"report add",      pn_cmd_report_add,      PN_API_WRITE,   {TEXT("event", 32), TEXT("sender", PN_Q_ADDRESS_MAX),
                                                                 TEXT("recipients", 32768), TEXT("reason", PN_Q_TEXT_MAX),
                                                                 TEXT("rule", PN_Q_NAME_MAX), TEXT("gateway", PN_Q_NAME_MAX),
                                                                 TEXT("subject", PN_Q_TEXT_MAX), TEXT("about", PN_Q_NAME_MAX),
                                                                 TEXT("direction", 32), NUMBER("size_bytes", 0, INT64_MAX)}},
};
/* clang-format on */

const unsigned pn_api_n_commands = sizeof(pn_api_commands) / sizeof(pn_api_commands[0]);
