/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/worker_request.h"

#include "common/addr.h"
#include "dataplane/stages/trace.h"

#define PN_WALK_LINES 2048 /* of the table in one slice: some 10 us */

static void fill(const struct pn_ctx *c, const struct pn_flow *f, struct pn_dp_flow *out)
{
    uint32_t idle_ms = c->now.ms - f->seen_ms, limit_ms = pn_flow_limit_ms(c->flows, f);

    *out = (struct pn_dp_flow){
        .client.q = {f->client[0], f->client[1]},
        .client_port = (uint16_t)(f->port_svc >> 16),
        .service = (uint16_t)f->port_svc,
        .gateway = f->gateway,
        .state = f->state,
        .flags = f->flags,
        .idle_ms = idle_ms,
        .expires_ms = idle_ms < limit_ms ? limit_ms - idle_ms : 0,
        .worker = c->id,
    };
}

static void walk(struct pn_worker *w)
{
    const struct pn_dp_flows_query *q = &w->mailbox.request.walk.query;
    struct pn_worker_reply *reply = &w->mailbox.reply;
    struct pn_flow flows[PN_WORKER_WALK];
    unsigned bits = q->prefix_len > 128 ? 128 : q->prefix_len;
    struct pn_addr net = pn_addr_masked(&q->client, bits);
    uint64_t cursor = q->cursor;
    unsigned max = q->max == 0 || q->max > PN_WORKER_WALK ? PN_WORKER_WALK : q->max;
    unsigned n = pn_flow_walk(w->ctx.flows, &cursor, flows, max, PN_WALK_LINES, w->ctx.now);

    for (unsigned i = 0; i < n; i++) {
        const struct pn_flow *f = &flows[i];
        const struct pn_addr client = {.q = {f->client[0], f->client[1]}}, in = pn_addr_masked(&client, bits);

        if (!pn_addr_equal(&in, &net))
            continue;
        if (q->service != PN_ID_NONE && q->service != (uint16_t)f->port_svc)
            continue;
        if (q->gateway != PN_ID_NONE && q->gateway != f->gateway)
            continue;
        fill(&w->ctx, f, &reply->flows[reply->count++]);
    }
    reply->cursor = cursor;
}

static void lookup(struct pn_worker *w)
{
    const struct pn_worker_request *r = &w->mailbox.request;
    struct pn_ctx *c = &w->ctx;
    uint32_t port_svc = (uint32_t)r->lookup.client_port << 16 | r->lookup.service;
    uint64_t hash = pn_flow_hash(c->flows, r->lookup.client.q, port_svc);
    const struct pn_flow *f = pn_flow_lookup(c->flows, r->lookup.client.q, port_svc, hash, c->now);

    if (f != NULL)
        fill(c, f, &w->mailbox.reply.flows[w->mailbox.reply.count++]);
}

void pn_worker_answer(struct pn_worker *w)
{
    struct pn_mailbox *box = &w->mailbox;

    if (atomic_load_explicit(&box->state, memory_order_acquire) != PN_MAILBOX_POSTED)
        return;
    box->reply.op = box->request.op;
    box->reply.count = 0;
    box->reply.cursor = 0;
    switch ((enum pn_worker_op)box->request.op) {
    case PN_WORKER_OP_WALK:
        walk(w);
        break;
    case PN_WORKER_OP_LOOKUP:
        lookup(w);
        break;
    case PN_WORKER_OP_TRACE:
        pn_trace_arm(&w->ctx, &box->request.trace);
        break;
    }
    atomic_store_explicit(&box->state, PN_MAILBOX_ANSWERED, memory_order_release);
}

bool pn_worker_post(struct pn_worker *w, const struct pn_worker_request *request)
{
    struct pn_mailbox *box = &w->mailbox;

    if (atomic_load_explicit(&box->state, memory_order_acquire) == PN_MAILBOX_POSTED)
        return false;
    box->request = *request;
    atomic_store_explicit(&box->state, PN_MAILBOX_POSTED, memory_order_release);
    return true;
}

const struct pn_worker_reply *pn_worker_reply(struct pn_worker *w)
{
    struct pn_mailbox *box = &w->mailbox;

    return atomic_load_explicit(&box->state, memory_order_acquire) == PN_MAILBOX_ANSWERED ? &box->reply : NULL;
}
