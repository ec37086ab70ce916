/* SPDX-License-Identifier: BSD-3-Clause */
/* Flows between workers and posternd, which carries them to the peers: a bounded number each tick, either way. */
#include <rte_ring_elem.h>

#include "common/error.h"
#include "dataplane/ipc/server.h"
#include "dataplane/runtime.h"

#define OUT_EACH_TICK 2 /* messages: some 64,000 flows a second, 20 Mbit/s on the wire */
#define WAITING_MAX 16 /* flows wait for their turn where posternd has so much to read already */

static void flow_fill(struct pn_dp_flow *out, const struct pn_sync_msg *in)
{
    *out = (struct pn_dp_flow){
        .client.q = {in->client[0], in->client[1]},
        .client_port = (uint16_t)(in->port_svc >> 16),
        .service = (uint16_t)in->port_svc,
        .gateway = in->gateway,
        .state = in->state,
        .flags = in->flags,
        .expires_ms = in->expires_ms,
    };
}

static void push(struct pn_dataplane *dp, const struct pn_dp_flow *flows, unsigned n)
{
    if (pn_ipc_server_push(dp->ipc, PN_DP_FLOWS_OUT, flows, n * sizeof(*flows), NULL, 0))
        dp->main_stats->counters[PN_C_SYNC_SENT] += n;
    else
        dp->main_stats->counters[PN_C_SYNC_DROPPED] += n;
}

/* Up to max flows of one worker. */
static unsigned collect(struct pn_dataplane *dp, struct pn_worker *w, struct pn_dp_flow *out, unsigned max)
{
    struct pn_sync_msg msgs[PN_DP_FLOWS_OUT_MAX];
    unsigned n = rte_ring_sc_dequeue_burst_elem(w->ctx.sync_out, msgs, sizeof(msgs[0]), max, NULL), count = 0;
    for (unsigned i = 0; i < n; i++) {
        if (msgs[i].flags & PN_SYNC_END)
            dp->resync_ends -= dp->resync_ends > 0;
        else
            flow_fill(&out[count++], &msgs[i]);
    }
    return count;
}

static bool all_empty(const struct pn_dataplane *dp)
{
    for (unsigned w = 0; w < dp->n_workers; w++) {
        if (!rte_ring_empty(dp->workers[w]->ctx.sync_out))
            return false;
    }
    return true;
}

void pn_flowsync_tick(struct pn_dataplane *dp)
{
    for (unsigned sent = 0; sent < OUT_EACH_TICK; sent++) {
        struct pn_dp_flow flows[PN_DP_FLOWS_OUT_MAX];
        unsigned n = 0, ends = dp->resync_ends;
        if (all_empty(dp))
            return;
        unsigned waiting = pn_ipc_server_waiting(dp->ipc);
        if (waiting > WAITING_MAX && waiting <= PN_IPC_UNASKED_MAX)
            return;
        for (unsigned i = 0; i < dp->n_workers && n < PN_DP_FLOWS_OUT_MAX; i++)
            n += collect(dp, dp->workers[(dp->sync_next + i) % dp->n_workers], flows + n, PN_DP_FLOWS_OUT_MAX - n);
        dp->sync_next = (dp->sync_next + 1) % dp->n_workers;
        if (n)
            push(dp, flows, n);
        if (ends && !dp->resync_ends)
            push(dp, flows, 0);
    }
}

enum pn_dp_status pn_flowsync_in(struct pn_dataplane *dp, const struct pn_dp_flow *flows, unsigned n,
                                 struct pn_error *err)
{
    if (dp->snap_building) { /* it may bring the services and gateways that they have */
        pn_error_set(err, "a snapshot is being taken");
        return PN_DP_STATUS_BUSY;
    }
    if (!dp->shared->sync) {
        pn_error_set(err, "flows: no heartbeat port is set");
        return PN_DP_STATUS_REJECTED;
    }
    for (unsigned w = 0; w < dp->n_workers; w++) {
        if (rte_ring_free_count(dp->workers[w]->ctx.sync_in) < n) {
            pn_error_set(err, "worker %u has not entered the flows before these", w);
            return PN_DP_STATUS_BUSY;
        }
    }
    for (unsigned i = 0; i < n; i++) {
        const struct pn_dp_flow *f = &flows[i];
        struct pn_sync_msg msg = {
            .client = {f->client.q[0], f->client.q[1]},
            .port_svc = (uint32_t)f->client_port << 16 | f->service,
            .gateway = f->gateway,
            .state = f->state,
            .flags = f->flags,
            .expires_ms = f->expires_ms,
        };
        for (unsigned w = 0; w < dp->n_workers; w++)
            rte_ring_sp_enqueue_elem(dp->workers[w]->ctx.sync_in, &msg, sizeof(msg));
    }
    return PN_DP_STATUS_OK;
}

enum pn_dp_status pn_flowsync_again(struct pn_dataplane *dp, struct pn_error *err)
{
    if (!dp->shared->sync) {
        pn_error_set(err, "flows: no heartbeat port is set");
        return PN_DP_STATUS_REJECTED;
    }
    /* Answers overtake what waits: after an OK, the next end must be this one's. */
    if (dp->resync_ends || pn_ipc_server_holds(dp->ipc, PN_DP_FLOWS_OUT, 0)) {
        pn_error_set(err, "flows: the resync before is not complete");
        return PN_DP_STATUS_BUSY;
    }
    dp->resync_ends = dp->n_workers;
    atomic_fetch_add(&dp->shared->resync, 1);
    return PN_DP_STATUS_OK;
}
