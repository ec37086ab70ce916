/* SPDX-License-Identifier: BSD-3-Clause */
/* What may be asked: one row a command. The protocol's reference is docs/api.md. */
#include "controlplane/api/handlers.h"

/* clang-format off */
#define NAME {.name = "name"}
#define NAME_REQUIRED {.name = "name", .required = true}
#define CLIENT {.name = "client", .max = 64}
#define CLIENT_REQUIRED {.name = "client", .required = true, .max = 64}
#define NUMBER(key, low, high) {.name = (key), .type = PN_API_ARG_INT, .min = (low), .max = (high)}

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
};
/* clang-format on */

const unsigned pn_api_n_commands = sizeof(pn_api_commands) / sizeof(pn_api_commands[0]);
