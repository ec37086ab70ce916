/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the control socket asks. Flow tables belong to the workers, so questions about flows go through their
 * mailboxes, with a bound on the time the main lcore waits: BUSY, or a cursor to go on from, when it is over.
 */
#include <sched.h>
#include <time.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_ring_elem.h>

#include "common/addr.h"
#include "common/error.h"
#include "dataplane/core/steer.h"
#include "dataplane/filtering.h"
#include "dataplane/ipc/handler.h"
#include "dataplane/ipc/unasked.h"
#include "dataplane/runtime.h"

#define ANSWER_US 20000 /* a worker answers between bursts: far sooner, unless it is stopped */
#define WALK_US 5000 /* one flows request; the client asks for the rest */
#define CURSOR_SHIFT 56 /* worker, then its own cursor */

static uint64_t clock_us(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

/* NULL: no answer in time. */
static const struct pn_worker_reply *worker_ask(struct pn_worker *w, const struct pn_worker_request *request)
{
    uint64_t until = clock_us() + ANSWER_US;
    while (!pn_worker_post(w, request)) {
        if (clock_us() > until)
            return NULL;
        usleep(50);
    }
    const struct pn_worker_reply *reply;
    /* Worker and main may share a CPU: it must get there to answer. */
    while (!(reply = pn_worker_reply(w))) {
        if (clock_us() > until)
            return NULL;
        usleep(50);
    }
    return reply;
}

static void query_hello(void *arg, struct pn_dp_hello *out)
{
    struct pn_dataplane *dp = arg;
    out->api_version = PN_DPAPI_VERSION;
    out->pid = (uint32_t)getpid();
    out->started_boottime_ns = dp->started_boottime_ns;
    out->generation = dp->snap ? dp->snap->generation : 0;
    out->n_workers = (uint16_t)dp->n_workers;
    out->n_ports = (uint16_t)dp->ports.n;
    out->flows_max = dp->args->flows;
    snprintf(out->stats_path, sizeof(out->stats_path), "%s", dp->stats.path);
    snprintf(out->version, sizeof(out->version), "%s", PN_VERSION);
}

static int query_snapshot_put(void *arg, const void *message, size_t len, struct pn_error *err)
{
    return pn_publish_snapshot(arg, message, len, err);
}

static const void *query_snapshot_get(void *arg, size_t *len)
{
    struct pn_dataplane *dp = arg;
    *len = dp->snap ? dp->snap->view.header->total_bytes : 0;
    return dp->snap ? dp->snap->view.header : NULL;
}

static int query_lease(void *arg, const struct pn_dp_lease *leases, unsigned n, struct pn_error *err)
{
    return pn_publish_leases(arg, leases, n, err);
}

static enum pn_dp_status busy(struct pn_error *err)
{
    pn_error_set(err, "a worker did not answer in time");
    return PN_DP_STATUS_BUSY;
}

static enum pn_dp_status query_flows(void *arg, const struct pn_dp_flows_query *q, struct pn_dp_flows_head *head,
                                     struct pn_dp_flow *out, struct pn_error *err)
{
    struct pn_dataplane *dp = arg;
    uint64_t worker = q->cursor >> CURSOR_SHIFT;
    uint64_t at = q->cursor & ((1ull << CURSOR_SHIFT) - 1);
    uint64_t until = clock_us() + WALK_US;
    if (worker >= dp->n_workers) {
        pn_error_set(err, "flows.cursor: no such worker");
        return PN_DP_STATUS_BAD_MESSAGE;
    }
    while (worker < dp->n_workers && head->count < q->max && clock_us() < until) {
        struct pn_worker_request request = {.op = PN_WORKER_OP_WALK};
        request.walk.query = *q;
        request.walk.query.cursor = at;
        if (request.walk.query.max > q->max - head->count)
            request.walk.query.max = q->max - head->count;
        if (request.walk.query.max > PN_WORKER_WALK)
            request.walk.query.max = PN_WORKER_WALK;
        const struct pn_worker_reply *reply = worker_ask(dp->workers[worker], &request);
        if (!reply)
            return busy(err);
        memcpy(out + head->count, reply->flows, reply->count * sizeof(*out));
        head->count += reply->count;
        at = reply->cursor;
        if (!at)
            worker++;
    }
    head->cursor = worker < dp->n_workers ? worker << CURSOR_SHIFT | at : 0;
    return PN_DP_STATUS_OK;
}

static enum pn_dp_status flow_find(struct pn_dataplane *dp, const struct pn_dp_explain_query *q,
                                   struct pn_dp_explain *out, struct pn_error *err)
{
    struct pn_worker_request request = {.op = PN_WORKER_OP_LOOKUP};
    request.lookup.client = q->client;
    request.lookup.client_port = q->client_port;
    request.lookup.service = q->service;
    bool known = false;
    for (unsigned w = 0; w < dp->n_workers; w++) {
        const struct pn_worker_reply *reply = worker_ask(dp->workers[w], &request);
        if (!reply)
            return busy(err);
        /* Peers' flows are in every worker's table; the worker that has its packets knows better. */
        if (reply->count && (!known || !(reply->flows[0].flags & PN_FLOW_F_SYNCED))) {
            known = true;
            out->flow_known = 1;
            out->flow = reply->flows[0];
        }
    }
    return PN_DP_STATUS_OK;
}

static enum pn_dp_status query_explain(void *arg, const struct pn_dp_explain_query *q, struct pn_dp_explain *out,
                                       struct pn_error *err)
{
    struct pn_dataplane *dp = arg;
    const struct pn_dpsnap *snap = dp->snap;
    if (!snap || !snap->services[q->service].tier_count) {
        pn_error_set(err, "explain.service: no service %u in the running snapshot", q->service);
        return PN_DP_STATUS_REJECTED;
    }
    const struct pn_dp_service *svc = &snap->services[q->service];
    static const int64_t nobody[PN_MAX_GATEWAYS];
    struct pn_steer_load load = {.active = dp->load[dp->load_current]->active, .own_now = nobody, .own_then = nobody};
    struct pn_steer_choice choice;
    pn_steer(snap, q->service, q->client.q, q->client_port, &load, &choice);
    out->gateway = choice.gateway;
    out->default_gateway = choice.default_gateway;
    out->tier = choice.tier < snap->view.header->n_tiers ? snap->tiers[choice.tier].id : PN_ID_NONE;
    out->maglev_slot = choice.slot;
    out->maglev_size = PN_MAGLEV_SIZE;
    out->spilled = choice.spilled;
    out->no_choice = choice.verdict;
    out->affinity_hash = choice.hash;
    out->generation = snap->generation;

    struct pn_lease_clock now = pn_dataplane_clock(dp);
    uint64_t deadline = dp->leases.deadline_boottime_ns[svc->vip];
    out->lease_valid = deadline > now.boottime_ns;
    out->lease_left_ms = out->lease_valid ? (uint32_t)((deadline - now.boottime_ns) / 1000000u) : 0;
    return q->client_port ? flow_find(dp, q, out, err) : PN_DP_STATUS_OK;
}

static enum pn_dp_status query_trace_start(void *arg, const struct pn_dp_trace_query *q, struct pn_error *err)
{
    struct pn_dataplane *dp = arg;
    struct pn_worker_request request = {.op = PN_WORKER_OP_TRACE};
    request.trace = *q;
    for (unsigned w = 0; w < dp->n_workers; w++) {
        if (!worker_ask(dp->workers[w], &request))
            return busy(err);
        /* What an earlier trace left; the new one may have begun already, but its records come after. */
        struct pn_dp_trace_record old[32];
        unsigned left = rte_ring_count(dp->workers[w]->ctx.traced);
        while (left) {
            unsigned n = rte_ring_sc_dequeue_burst_elem(dp->workers[w]->ctx.traced, old, sizeof(old[0]),
                                                        left < 32 ? left : 32, NULL);
            if (!n)
                break;
            left -= n;
        }
    }
    return PN_DP_STATUS_OK;
}

static unsigned query_trace_read(void *arg, struct pn_dp_trace_record *out, unsigned max)
{
    struct pn_dataplane *dp = arg;
    unsigned n = 0;
    for (unsigned w = 0; w < dp->n_workers && n < max; w++)
        n += rte_ring_sc_dequeue_burst_elem(dp->workers[w]->ctx.traced, out + n, sizeof(*out), max - n, NULL);
    return n;
}

static unsigned query_neighbours(void *arg, struct pn_dp_neighbour *out, unsigned max)
{
    struct pn_dataplane *dp = arg;
    unsigned n = 0;
    for (uint16_t g = 0; g < PN_MAX_GATEWAYS && n < max; g++) {
        if (!pn_neigh_get(dp->neigh, g, (uint32_t)dp->now_ms, &out[n]))
            continue;
        if (pn_mac_is_zero(&out[n].mac)) /* never confirmed */
            out[n].age_ms = 0;
        n++;
    }
    return n;
}

static unsigned query_ports(void *arg, struct pn_dp_port *out, unsigned max)
{
    struct pn_dataplane *dp = arg;
    unsigned n = 0;
    for (; n < dp->ports.n && n < max; n++) {
        const struct pn_port *p = &dp->ports.port[n];
        memset(&out[n], 0, sizeof(out[n]));
        memcpy(out[n].name, p->name, sizeof(out[n].name));
        memcpy(out[n].device, p->device, sizeof(out[n].device));
        out[n].mac = p->mac;
        out[n].index = (uint16_t)n;
        out[n].mtu = p->mtu;
        out[n].rx_queues = p->n_rxq;
        out[n].link_up = p->link_up;
        out[n].kind = (uint8_t)p->kind;
    }
    return n;
}

static enum pn_dp_status query_control(void *arg, const struct pn_dp_control *control, struct pn_error *err)
{
    return pn_control_put(arg, control, err);
}

static enum pn_dp_status query_packet_tx(void *arg, const struct pn_dp_packet *packet, const uint8_t *l3,
                                         struct pn_error *err)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    if (packet->boottime_ns && packet->boottime_ns < (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec) {
        pn_error_set(err, "packet: too late");
        return PN_DP_STATUS_REJECTED;
    }
    return pn_control_send(arg, packet, l3, err);
}

static enum pn_dp_status query_probe(void *arg, uint16_t vip, struct pn_error *err)
{
    return pn_control_probe(arg, vip, err);
}

static enum pn_dp_status query_listen(void *arg, const struct pn_dp_listen *listen, struct pn_dp_listened *out,
                                      struct pn_error *err)
{
    struct pn_dataplane *dp = arg;
    if (listen->port >= dp->ports.n_configured) {
        pn_error_set(err, "listen.port: %u, there are %u", listen->port, dp->ports.n_configured);
        return PN_DP_STATUS_REJECTED;
    }
    out->port = listen->port;
    if (pn_port_frames(&dp->ports.port[listen->port], &out->frames) == 0 && listen->ask)
        out->hosts = (uint16_t)pn_resolve_ask_some(dp, listen->port);
    return PN_DP_STATUS_OK;
}

static enum pn_dp_status query_announce(void *arg, uint16_t vip, struct pn_error *err)
{
    return pn_control_announce(arg, vip, err);
}

static enum pn_dp_status query_flows_in(void *arg, const struct pn_dp_flow *flows, unsigned n, struct pn_error *err)
{
    return pn_flowsync_in(arg, flows, n, err);
}

static enum pn_dp_status query_flows_resync(void *arg, struct pn_error *err)
{
    return pn_flowsync_again(arg, err);
}

static enum pn_dp_status query_filter_begin(void *arg, const struct pn_dp_filter_begin *begin, struct pn_error *err)
{
    return pn_filtering_begin(arg, begin, err);
}

static enum pn_dp_status query_filter_add(void *arg, const struct pn_dp_filter_add *add,
                                          const struct pn_dp_prefix *prefixes, struct pn_error *err)
{
    return pn_filtering_add(arg, add, prefixes, err);
}

static enum pn_dp_status query_filter_commit(void *arg, const struct pn_dp_filter_commit *commit, struct pn_error *err)
{
    return pn_filtering_commit(arg, commit, err);
}

static enum pn_dp_status query_filter_patch(void *arg, const struct pn_dp_filter_patch *patch,
                                            const struct pn_dp_prefix *changes, struct pn_error *err)
{
    return pn_filtering_patch(arg, patch, changes, err);
}

static void query_filter_get(void *arg, struct pn_dp_filter *out)
{
    pn_filtering_get(arg, out);
}

static void query_filter_ask(void *arg, const struct pn_addr *client, struct pn_dp_filter_answer *out)
{
    pn_filtering_ask(arg, client, out);
}

static void query_lost(void *arg, const struct pn_dp_header *message)
{
    struct pn_dataplane *dp = arg;
    pn_ipc_unasked_count(message, dp->main_stats->counters);
}

const struct pn_ipc_ops pn_query_ops = {
    .hello = query_hello,
    .snapshot_put = query_snapshot_put,
    .snapshot_get = query_snapshot_get,
    .lease = query_lease,
    .flows = query_flows,
    .explain = query_explain,
    .trace_start = query_trace_start,
    .trace_read = query_trace_read,
    .neighbours = query_neighbours,
    .ports = query_ports,
    .control = query_control,
    .packet_tx = query_packet_tx,
    .probe = query_probe,
    .listen = query_listen,
    .announce = query_announce,
    .flows_in = query_flows_in,
    .flows_resync = query_flows_resync,
    .filter_begin = query_filter_begin,
    .filter_add = query_filter_add,
    .filter_commit = query_filter_commit,
    .filter_patch = query_filter_patch,
    .filter_get = query_filter_get,
    .filter_ask = query_filter_ask,
    .lost = query_lost,
};
