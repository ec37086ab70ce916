/* SPDX-License-Identifier: BSD-3-Clause */
/* Flows, ports and neighbours: what only the dataplane knows. */
#include <stdlib.h>

#include "common/addr.h"
#include "controlplane/api/handlers.h"

/* A walk over the flow tables: for each service id asked for, batches until the dataplane's cursor is back at 0. */
struct flow_job {
    struct pn_dp_flows_query query;
    uint16_t ids[PN_MAX_VIPS]; /* of the service's VIPs; PN_ID_NONE alone: any */
    unsigned n_ids, at;
    uint16_t client_port; /* 0 any */
    uint32_t max;
    unsigned rounds;
};

#define ROUNDS_MAX 4096u /* a cursor that never comes home must not keep the call for ever */

static void flow_batch(struct pn_api_call *call);

static void flow_done(struct pn_api_call *call, bool more)
{
    json_t *rows = call->partial;

    call->partial = NULL;
    pn_api_ok(call, json_pack("{s:o, s:b}", "flows", rows, "more", more));
}

static void on_flows(struct pn_api_call *call, const void *payload, size_t len)
{
    struct flow_job *job = call->job;
    const struct pn_dp_flows_head *head = payload;
    const struct pn_dp_flow *flows = (const void *)(head + 1);

    if (len < sizeof(*head) || head->count > PN_DP_FLOWS_MAX || len != sizeof(*head) + head->count * sizeof(*flows)) {
        pn_api_fail(call, PN_API_REFUSED, "postern-dp sent a malformed list of flows (%zu bytes)", len);
        return;
    }
    for (uint32_t i = 0; i < head->count; i++) {
        if (job->client_port && flows[i].client_port != job->client_port)
            continue;
        if (json_array_size(call->partial) >= job->max) {
            flow_done(call, true);
            return;
        }
        json_array_append_new(call->partial, pn_show_flow(call->view, &flows[i]));
    }
    job->query.cursor = head->cursor;
    if (head->cursor == 0)
        job->at++;
    if (job->at == job->n_ids || ++job->rounds > ROUNDS_MAX)
        flow_done(call, job->at != job->n_ids);
    else
        flow_batch(call);
}

static void flow_batch(struct pn_api_call *call)
{
    struct flow_job *job = call->job;

    job->query.service = job->ids[job->at];
    pn_api_ask_dp(call, PN_DP_FLOWS, &job->query, sizeof(job->query), on_flows);
}

static int flow_filter(struct pn_api_call *call, struct flow_job *job)
{
    const struct pn_view *v = call->view;
    const char *client = pn_api_text(call, "client"), *service = pn_api_text(call, "service"),
               *gateway = pn_api_text(call, "gateway");
    struct pn_prefix prefix = {.len = 0};
    struct pn_error err;

    if (client && pn_prefix_parse(client, &prefix, &err) < 0) {
        pn_api_fail(call, PN_API_BAD_REQUEST, "client: %s", err.text);
        return -1;
    }
    job->query = (struct pn_dp_flows_query){.client = prefix.addr,
                                            .prefix_len = prefix.len,
                                            .service = PN_ID_NONE,
                                            .gateway = PN_ID_NONE,
                                            .max = PN_DP_FLOWS_MAX};
    job->ids[0] = PN_ID_NONE;
    job->n_ids = 1;
    job->client_port = (uint16_t)pn_api_int(call, "port", 0);
    job->max = (uint32_t)pn_api_int(call, "max", 1000);
    if (gateway) {
        int i = pn_view_gateway(v->conf, gateway);

        if (i < 0) {
            pn_api_fail(call, PN_API_NOT_FOUND, "no gateway \"%s\" in the running configuration", gateway);
            return -1;
        }
        job->query.gateway = pn_view_gateway_id(v, (unsigned)i);
        if (job->query.gateway == PN_ID_NONE)
            job->n_ids = 0; /* the dataplane does not know it yet: no flows */
    }
    if (service) {
        int i = pn_view_service(v->conf, service);

        if (i < 0) {
            pn_api_fail(call, PN_API_NOT_FOUND, "no service \"%s\" in the running configuration", service);
            return -1;
        }
        if (job->n_ids == 0)
            return 0;
        job->n_ids = 0;
        for (unsigned k = 0; k < v->conf->services[i].n_vips; k++) {
            uint16_t id = pn_view_service_id(v, (unsigned)i, v->conf->services[i].vips[k]);
            if (id != PN_ID_NONE)
                job->ids[job->n_ids++] = id;
        }
    }
    return 0;
}

void pn_cmd_flow_list(struct pn_api_call *call)
{
    struct flow_job *job = calloc(1, sizeof(*job));

    call->job = job;
    if (!job) {
        pn_api_fail(call, PN_API_BUSY, "posternd is out of memory");
        return;
    }
    if (flow_filter(call, job) < 0)
        return;
    call->partial = json_array();
    if (job->n_ids == 0)
        flow_done(call, false);
    else
        flow_batch(call);
}

static void on_ports(struct pn_api_call *call, const void *payload, size_t len)
{
    static const char *const kind[PN_PORT_KIND_COUNT] = {"af_xdp", "dpdk", "tap"};
    const struct pn_dp_port *p = payload;
    const struct pn_view *v = call->view;
    json_t *list;

    if (len % sizeof(*p) != 0) {
        pn_api_fail(call, PN_API_REFUSED, "postern-dp sent a malformed list of ports (%zu bytes)", len);
        return;
    }
    list = json_array();
    for (size_t i = 0; i < len / sizeof(*p); i++) {
        static const struct pn_stats_port none;
        const struct pn_stats_port *s = p[i].index < PN_MAX_PORTS ? &v->stats->sum.ports[p[i].index] : &none;

        json_array_append_new(list,
                              json_pack("{s:o, s:o, s:s, s:o, s:i, s:I, s:i, s:b, s:o, s:o, s:o, s:o}", "name",
                                        pn_json_text_n(p[i].name, sizeof(p[i].name)), "device",
                                        pn_json_text_n(p[i].device, sizeof(p[i].device)), "kind",
                                        p[i].kind < PN_PORT_KIND_COUNT ? kind[p[i].kind] : "?", "mac",
                                        pn_json_mac(&p[i].mac), "index", p[i].index, "mtu", (json_int_t)p[i].mtu,
                                        "rx_queues", p[i].rx_queues, "link_up", p[i].link_up != 0, "rx_packets",
                                        pn_json_u64(s->rx_packets), "rx_bytes", pn_json_u64(s->rx_bytes), "tx_packets",
                                        pn_json_u64(s->tx_packets), "tx_bytes", pn_json_u64(s->tx_bytes)));
    }
    pn_api_ok(call, json_pack("{s:o, s:I}", "ports", list, "at_ms", (json_int_t)v->now_ms()));
}

void pn_cmd_port_list(struct pn_api_call *call)
{
    pn_api_ask_dp(call, PN_DP_PORTS, NULL, 0, on_ports);
}

static void on_neighbours(struct pn_api_call *call, const void *payload, size_t len)
{
    static const char *const state[PN_NEIGH_STATE_COUNT] = {"incomplete", "reachable", "stale",
                                                            "probe",      "failed",    "static"};
    static const char *const source[] = {"wire", "kernel", "configured"};
    const struct pn_dp_neighbour *n = payload;
    const struct pn_view *v = call->view;
    json_t *list;

    if (len % sizeof(*n) != 0) {
        pn_api_fail(call, PN_API_REFUSED, "postern-dp sent a malformed list of neighbours (%zu bytes)", len);
        return;
    }
    list = json_array();
    for (size_t i = 0; i < len / sizeof(*n); i++) {
        int g = pn_view_gateway_of_id(v, n[i].gateway);
        char port[PN_NAME_BYTES];

        json_array_append_new(list,
                              json_pack("{s:o, s:s, s:s, s:o, s:s, s:s, s:I, s:I}", "address", pn_json_addr(&n[i].addr),
                                        "gateway", g >= 0 ? v->conf->gateways[g].name : "", "port",
                                        pn_show_port_name(v, n[i].port, port), "mac", pn_json_mac(&n[i].mac), "state",
                                        n[i].state < PN_NEIGH_STATE_COUNT ? state[n[i].state] : "?", "source",
                                        n[i].source < 3 ? source[n[i].source] : "?", "queued", (json_int_t)n[i].queued,
                                        "age_ms", (json_int_t)n[i].age_ms));
    }
    pn_api_ok(call, json_pack("{s:o}", "neighbours", list));
}

void pn_cmd_neighbour_list(struct pn_api_call *call)
{
    pn_api_ask_dp(call, PN_DP_NEIGHBOURS, NULL, 0, on_neighbours);
}
