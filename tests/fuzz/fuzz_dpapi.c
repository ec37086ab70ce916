/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bytes of a client of postern-dp's control socket: framing as the server does it, every message through the handler,
 * snapshots through the real compiler, leases through the real table. What comes back must be well-formed.
 */
#include <stdlib.h>

#include "dataplane/core/control.h"
#include "dataplane/core/dpsnap.h"
#include "dataplane/core/filter_load.h"
#include "dataplane/core/steer.h"
#include "dataplane/ipc/handler.h"
#include "dataplane/lease.h"

static struct pn_dpsnap *running;
static _Atomic uint64_t published[PN_MAX_VIPS], forward[PN_MAX_VIPS];
static struct pn_lease_table leases = {.published = published, .forward = forward};
static struct pn_lease_clock now = {.tsc = 1u << 30, .tsc_hz = 2450000000ull, .boottime_ns = 1000000000ull};

static void hello(void *arg, struct pn_dp_hello *out)
{
    (void)arg;
    out->generation = running ? running->generation : 0;
}

static int snapshot_put(void *arg, const void *message, size_t len, struct pn_error *err)
{
    (void)arg;
    struct pn_dpsnap *s = pn_dpsnap_build(message, len, 1024, err);
    if (!s)
        return -1;
    pn_dpsnap_free(running);
    running = s;
    return 0;
}

static const void *snapshot_get(void *arg, size_t *len)
{
    (void)arg;
    *len = running ? running->view.header->total_bytes : 0;
    return running ? running->view.header : NULL;
}

static int lease(void *arg, const struct pn_dp_lease *l, unsigned n, struct pn_error *err)
{
    (void)arg;
    uint64_t known = 0, started;
    for (unsigned v = 0; running && v < PN_MAX_VIPS; v++)
        known |= (uint64_t)(running->vips[v].used != 0) << v;
    now.tsc += 1000000;
    now.boottime_ns += 1000000;
    int rc = pn_lease_take(&leases, l, n, known, &now, &started, err);
    for (unsigned v = 0; v < PN_MAX_VIPS; v++) {
        if (leases.deadline_boottime_ns[v] > now.boottime_ns + PN_LEASE_MAX_NS)
            abort();
    }
    return rc;
}

static enum pn_dp_status flows(void *arg, const struct pn_dp_flows_query *q, struct pn_dp_flows_head *head,
                               struct pn_dp_flow *out, struct pn_error *err)
{
    (void)arg;
    (void)err;
    memset(out, 0, q->max * sizeof(*out));
    head->count = q->max;
    return PN_DP_STATUS_OK;
}

static enum pn_dp_status explain(void *arg, const struct pn_dp_explain_query *q, struct pn_dp_explain *out,
                                 struct pn_error *err)
{
    (void)arg;
    if (!running || !running->services[q->service].tier_count) {
        strcpy(err->text, "no such service");
        return PN_DP_STATUS_REJECTED;
    }
    struct pn_steer_choice choice;
    pn_steer(running, q->service, q->client.q, q->client_port, NULL, &choice);
    if (choice.gateway != PN_ID_NONE && !running->gateways[choice.gateway].used)
        abort();
    out->gateway = choice.gateway;
    return PN_DP_STATUS_OK;
}

static enum pn_dp_status trace_start(void *arg, const struct pn_dp_trace_query *q, struct pn_error *err)
{
    (void)arg;
    (void)q;
    strcpy(err->text, "busy");
    return PN_DP_STATUS_BUSY;
}

static unsigned trace_read(void *arg, struct pn_dp_trace_record *out, unsigned max)
{
    (void)arg;
    memset(out, 0, max * sizeof(*out));
    return max;
}

static unsigned neighbours(void *arg, struct pn_dp_neighbour *out, unsigned max)
{
    (void)arg;
    memset(out, 0, max * sizeof(*out));
    return max;
}

static unsigned ports(void *arg, struct pn_dp_port *out, unsigned max)
{
    (void)arg;
    memset(out, 0, max * sizeof(*out));
    return max;
}

static enum pn_dp_status control(void *arg, const struct pn_dp_control *c, struct pn_error *err)
{
    (void)arg;
    (void)err;
    if (c->n_addrs > PN_DP_CONTROL_ADDRS)
        abort();
    return PN_DP_STATUS_OK;
}

static enum pn_dp_status packet_tx(void *arg, const struct pn_dp_packet *packet, const uint8_t *l3,
                                   struct pn_error *err)
{
    static uint8_t frame[PN_CONTROL_FRAME_MAX];
    struct pn_addr dst;
    (void)arg;
    if (pn_control_packet(l3, packet->bytes, &dst, err))
        return PN_DP_STATUS_REJECTED;
    if (!pn_control_frame(frame, sizeof(frame), &packet->dst_mac, &packet->src_mac, packet->vlan, l3, packet->bytes))
        abort();
    return PN_DP_STATUS_OK;
}

static enum pn_dp_status listen_on(void *arg, const struct pn_dp_listen *listen, struct pn_dp_listened *out,
                                   struct pn_error *err)
{
    (void)arg;
    (void)err;
    if (listen->port >= PN_MAX_PORTS || listen->ask > 1 || listen->reserved)
        abort();
    out->port = listen->port;
    return PN_DP_STATUS_OK;
}

static enum pn_dp_status vip_ref(void *arg, uint16_t vip, struct pn_error *err)
{
    (void)arg;
    if (vip >= PN_MAX_VIPS)
        abort();
    if (running && running->vips[vip].used)
        return PN_DP_STATUS_OK;
    strcpy(err->text, "no such VIP");
    return PN_DP_STATUS_REJECTED;
}

static enum pn_dp_status flows_in(void *arg, const struct pn_dp_flow *f, unsigned n, struct pn_error *err)
{
    (void)arg;
    (void)err;
    for (unsigned i = 0; i < n; i++) {
        if (f[i].service >= PN_MAX_SERVICES || f[i].gateway >= PN_MAX_GATEWAYS || f[i].state >= PN_FLOW_STATE_COUNT)
            abort();
    }
    return PN_DP_STATUS_OK;
}

static enum pn_dp_status flows_resync(void *arg, struct pn_error *err)
{
    (void)arg;
    (void)err;
    return PN_DP_STATUS_OK;
}

static struct pn_filter_load loading;
static struct pn_filter *filter;

static void filter_takes(struct pn_filter *made)
{
    if (made) {
        pn_filter_free(filter);
        filter = made;
    }
}

static enum pn_dp_status filter_begin(void *arg, const struct pn_dp_filter_begin *begin, struct pn_error *err)
{
    (void)arg;
    (void)err;
    pn_filter_load_begin(&loading, begin, 0);
    return PN_DP_STATUS_OK;
}

static enum pn_dp_status filter_add(void *arg, const struct pn_dp_filter_add *add, const struct pn_dp_prefix *prefixes,
                                    struct pn_error *err)
{
    (void)arg;
    return pn_filter_load_add(&loading, add, prefixes, 0, err) ? PN_DP_STATUS_REJECTED : PN_DP_STATUS_OK;
}

static enum pn_dp_status filter_commit(void *arg, const struct pn_dp_filter_commit *commit, struct pn_error *err)
{
    (void)arg;
    if (pn_filter_load_whole(&loading, commit, err))
        return PN_DP_STATUS_REJECTED;
    struct pn_filter *made = pn_filter_load_make(&loading, err);
    filter_takes(made);
    return made ? PN_DP_STATUS_OK : PN_DP_STATUS_REJECTED;
}

static enum pn_dp_status filter_patch(void *arg, const struct pn_dp_filter_patch *patch,
                                      const struct pn_dp_prefix *changes, struct pn_error *err)
{
    struct pn_error whole_err;
    (void)arg;
    if (!filter) {
        strcpy(err->text, "nothing to change");
        return PN_DP_STATUS_REJECTED;
    }
    struct pn_filter *made =
        pn_filter_patch(filter, changes, patch->count, patch->generation, patch->block_action, err);
    if (!made)
        return PN_DP_STATUS_REJECTED;
    /* Where something begins or ends the overlay says what whole tables would. */
    struct pn_filter *whole = pn_filter_renew(made, &whole_err);
    for (uint32_t i = 0; whole && i < patch->count; i++) {
        unsigned family;
        struct pn_filter_entry e = pn_filter_entry_of(&changes[i], &family);
        struct pn_dp_prefix at = pn_filter_prefix_of(&e, family, 0);
        uint64_t q[2][2] = {{at.addr.q[0], at.addr.q[1]}, {changes[i].addr.q[0], changes[i].addr.q[1]}};
        uint8_t a[2], b[2];
        pn_filter_find(made, (const uint64_t(*)[2])q, 2, a);
        pn_filter_find(whole, (const uint64_t(*)[2])q, 2, b);
        if (memcmp(a, b, 2) != 0)
            abort();
    }
    pn_filter_free(whole);
    filter_takes(made);
    return PN_DP_STATUS_OK;
}

static void filter_get(void *arg, struct pn_dp_filter *out)
{
    (void)arg;
    out->loading_count = loading.count;
    out->generation = filter ? filter->generation : 0;
}

static void filter_ask(void *arg, const struct pn_addr *client, struct pn_dp_filter_answer *out)
{
    (void)arg;
    pn_filter_ask(filter, client, out);
    unsigned lists = (unsigned)out->found[PN_FILTER_BLOCK] << PN_FILTER_BLOCK | (unsigned)out->found[PN_FILTER_WELCOME]
                                                                                    << PN_FILTER_WELCOME;
    if (out->verdict != pn_filter_verdict_of((uint8_t)lists))
        abort();
}

static const struct pn_ipc_ops ops = {
    .hello = hello,
    .snapshot_put = snapshot_put,
    .snapshot_get = snapshot_get,
    .lease = lease,
    .flows = flows,
    .explain = explain,
    .trace_start = trace_start,
    .trace_read = trace_read,
    .neighbours = neighbours,
    .ports = ports,
    .control = control,
    .packet_tx = packet_tx,
    .probe = vip_ref,
    .listen = listen_on,
    .announce = vip_ref,
    .flows_in = flows_in,
    .flows_resync = flows_resync,
    .filter_begin = filter_begin,
    .filter_add = filter_add,
    .filter_commit = filter_commit,
    .filter_patch = filter_patch,
    .filter_get = filter_get,
    .filter_ask = filter_ask,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t reply[PN_DPAPI_MAX_BYTES] __attribute__((aligned(8)));
    while (size >= sizeof(struct pn_dp_header)) {
        struct pn_dp_header h;
        memcpy(&h, data, sizeof(h));
        size_t whole = pn_ipc_message_bytes(&h);
        if (whole > size)
            break;
        size_t n = whole ? whole : sizeof(h);
        /* A copy of its own, so that reading past the end is seen. */
        uint8_t *message = aligned_alloc(8, (n + 7) & ~7ull);
        memcpy(message, data, n);
        size_t got = pn_ipc_handle(&ops, NULL, message, n, reply);
        free(message);
        const struct pn_dp_header *r = (const void *)reply;
        if (got < sizeof(*r) || got > PN_DPAPI_MAX_BYTES || r->bytes != got || r->type != h.type || r->seq != h.seq)
            abort();
        if (r->status != PN_DP_STATUS_OK && (got == sizeof(*r) || reply[got - 1] != 0))
            abort();
        if (!whole)
            break;
        data += n;
        size -= n;
    }
    pn_dpsnap_free(running);
    running = NULL;
    pn_filter_free(filter);
    filter = NULL;
    pn_filter_load_drop(&loading);
    memset(leases.deadline_boottime_ns, 0, sizeof(leases.deadline_boottime_ns));
    memset(leases.deadline_tsc, 0, sizeof(leases.deadline_tsc));
    return 0;
}
