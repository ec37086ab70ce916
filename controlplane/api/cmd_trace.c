/* SPDX-License-Identifier: BSD-3-Clause */
/* A few packets on their way through the stages. The dataplane keeps one trace at a time. */
#include "common/addr.h"
#include "controlplane/api/handlers.h"

static void on_started(struct pn_api_call *call, const void *payload, size_t len)
{
    (void)payload;
    (void)len;
    pn_api_ok(call, json_object());
}

void pn_cmd_trace_start(struct pn_api_call *call)
{
    const char *client = pn_api_text(call, "client");
    struct pn_prefix prefix = {.len = 0};
    struct pn_dp_trace_query query;
    struct pn_error err;

    if (client && pn_prefix_parse(client, &prefix, &err) < 0) {
        pn_api_fail(call, PN_API_BAD_REQUEST, "client: %s", err.text);
        return;
    }
    query = (struct pn_dp_trace_query){
        .client = prefix.addr, .prefix_len = prefix.len, .packets = (uint32_t)pn_api_int(call, "packets", 10)};
    pn_api_ask_dp(call, PN_DP_TRACE_START, &query, sizeof(query), on_started);
}

static json_t *record(const struct pn_view *v, const struct pn_dp_trace_record *r)
{
    int vip = -1, service = pn_view_service_of_id(v, r->service, &vip), gateway = pn_view_gateway_of_id(v, r->gateway);
    bool known = r->counter < PN_C_COUNT;
    char port[PN_NAME_BYTES], kind[2] = {known ? pn_counter_info[r->counter].kind : '?', '\0'};
    static const char *const state[PN_FLOW_STATE_COUNT] = {"none", "half-open", "established", "closing"};

    return json_pack("{s:I, s:o, s:o, s:i, s:i, s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:o, s:o, s:o, s:b, s:s, s:b, s:b, "
                     "s:b, s:s, s:s, s:s}",
                     "at_us", (json_int_t)(r->boottime_ns / 1000u), "source", pn_json_addr(&r->src), "destination",
                     pn_json_addr(&r->dst), "source_port", r->src_port, "destination_port", r->dst_port, "port",
                     pn_show_port_name(v, r->port, port), "worker", r->worker, "frame_bytes", r->frame_bytes, "vlan",
                     r->vlan, "ether_type", r->ether_type, "ip_protocol", r->ip_proto, "tcp_flags", r->tcp_flags,
                     "service", service >= 0 ? json_string(v->conf->services[service].name) : json_null(), "vip",
                     vip >= 0 ? json_string(v->conf->vips[vip].name) : json_null(), "gateway",
                     gateway >= 0 ? json_string(v->conf->gateways[gateway].name) : json_null(), "flow_hit",
                     r->flow_hit != 0, "flow_state", r->flow_state < PN_FLOW_STATE_COUNT ? state[r->flow_state] : "?",
                     "spilled", (r->flow_flags & PN_FLOW_F_SPILLED) != 0, "picked_up",
                     (r->flow_flags & PN_FLOW_F_PICKED_UP) != 0, "steered", r->steered != 0, "end",
                     known ? pn_counter_info[r->counter].name : "?", "end_kind", kind, "end_help",
                     known ? pn_counter_info[r->counter].help : "");
}

static void on_records(struct pn_api_call *call, const void *payload, size_t len)
{
    const struct pn_dp_trace_record *r = payload;
    json_t *list;

    if (len % sizeof(*r) != 0) {
        pn_api_fail(call, PN_API_REFUSED, "postern-dp sent a malformed trace (%zu bytes)", len);
        return;
    }
    list = json_array();
    for (size_t i = 0; i < len / sizeof(*r); i++)
        json_array_append_new(list, record(call->view, &r[i]));
    pn_api_ok(call, json_pack("{s:o}", "packets", list));
}

void pn_cmd_trace_read(struct pn_api_call *call)
{
    pn_api_ask_dp(call, PN_DP_TRACE_READ, NULL, 0, on_records);
}
