/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/ipc/handler.h"

#include "common/error.h"

#define BODY_MAX (PN_DPAPI_MAX_BYTES - sizeof(struct pn_dp_header))

_Static_assert(sizeof(struct pn_dp_header) % 8 == 0, "the body is aligned as the message is");
_Static_assert(sizeof(struct pn_dp_flows_head) + PN_DP_FLOWS_MAX * sizeof(struct pn_dp_flow) <= BODY_MAX, "fits");
_Static_assert(PN_DP_TRACE_MAX * sizeof(struct pn_dp_trace_record) <= BODY_MAX, "fits");
_Static_assert(PN_MAX_GATEWAYS * sizeof(struct pn_dp_neighbour) <= BODY_MAX, "fits");

/* One request on its way: body in, body out. */
struct call {
    const struct pn_ipc_ops *ops;
    void *arg;
    const uint8_t *in;
    size_t in_bytes;
    uint8_t *out;
    size_t out_bytes;
    bool later;
    struct pn_error err;
};

static enum pn_dp_status bad(struct call *c, const char *what)
{
    pn_error_set(&c->err, "%s", what);
    return PN_DP_STATUS_BAD_MESSAGE;
}

static enum pn_dp_status call_hello(struct call *c)
{
    memset(c->out, 0, sizeof(struct pn_dp_hello));
    c->ops->hello(c->arg, (struct pn_dp_hello *)c->out);
    c->out_bytes = sizeof(struct pn_dp_hello);
    return PN_DP_STATUS_OK;
}

static enum pn_dp_status call_snapshot_put(struct call *c)
{
    if (c->in_bytes < sizeof(struct pn_snap_header) || c->in_bytes > PN_SNAPSHOT_MAX_BYTES)
        return bad(c, "snapshot: impossible length");
    int rc = c->ops->snapshot_put(c->arg, c->in, c->in_bytes, &c->err);
    c->later = rc > 0;
    return rc < 0 ? PN_DP_STATUS_REJECTED : PN_DP_STATUS_OK;
}

static enum pn_dp_status call_snapshot_get(struct call *c)
{
    size_t len = 0;
    const void *message = c->ops->snapshot_get(c->arg, &len);
    if (message && len <= BODY_MAX) {
        memcpy(c->out, message, len);
        c->out_bytes = len;
    }
    return PN_DP_STATUS_OK;
}

static enum pn_dp_status call_lease(struct call *c)
{
    size_t n = c->in_bytes / sizeof(struct pn_dp_lease);
    if (n == 0 || n > PN_IPC_LEASES_MAX || n * sizeof(struct pn_dp_lease) != c->in_bytes)
        return bad(c, "lease: expected 1 to 64 elements");
    int rc = c->ops->lease(c->arg, (const struct pn_dp_lease *)c->in, (unsigned)n, &c->err);
    return rc < 0 ? PN_DP_STATUS_REJECTED : rc > 0 ? PN_DP_STATUS_BUSY : PN_DP_STATUS_OK;
}

static enum pn_dp_status call_flows(struct call *c)
{
    const struct pn_dp_flows_query *q = (const void *)c->in;
    if (q->prefix_len > 128)
        return bad(c, "flows.prefix_len: above 128");
    if (q->max == 0 || q->max > PN_DP_FLOWS_MAX)
        return bad(c, "flows.max: expected 1 to 4096");
    if (q->service != PN_ID_NONE && q->service >= PN_MAX_SERVICES)
        return bad(c, "flows.service: no such id");
    if (q->gateway != PN_ID_NONE && q->gateway >= PN_MAX_GATEWAYS)
        return bad(c, "flows.gateway: no such id");
    struct pn_dp_flows_head *head = (void *)c->out;
    memset(head, 0, sizeof(*head));
    enum pn_dp_status status = c->ops->flows(c->arg, q, head, (struct pn_dp_flow *)(head + 1), &c->err);
    if (status == PN_DP_STATUS_OK)
        c->out_bytes = sizeof(*head) + head->count * sizeof(struct pn_dp_flow);
    return status;
}

static enum pn_dp_status call_explain(struct call *c)
{
    const struct pn_dp_explain_query *q = (const void *)c->in;
    if (q->service >= PN_MAX_SERVICES)
        return bad(c, "explain.service: no such id");
    memset(c->out, 0, sizeof(struct pn_dp_explain));
    enum pn_dp_status status = c->ops->explain(c->arg, q, (struct pn_dp_explain *)c->out, &c->err);
    if (status == PN_DP_STATUS_OK)
        c->out_bytes = sizeof(struct pn_dp_explain);
    return status;
}

static enum pn_dp_status call_trace_start(struct call *c)
{
    const struct pn_dp_trace_query *q = (const void *)c->in;
    if (q->prefix_len > 128)
        return bad(c, "trace.prefix_len: above 128");
    if (q->packets == 0 || q->packets > PN_DP_TRACE_MAX)
        return bad(c, "trace.packets: expected 1 to 1024");
    return c->ops->trace_start(c->arg, q, &c->err);
}

static enum pn_dp_status call_trace_read(struct call *c)
{
    c->out_bytes = c->ops->trace_read(c->arg, (struct pn_dp_trace_record *)c->out, PN_DP_TRACE_MAX) *
                   sizeof(struct pn_dp_trace_record);
    return PN_DP_STATUS_OK;
}

static enum pn_dp_status call_neighbours(struct call *c)
{
    c->out_bytes =
        c->ops->neighbours(c->arg, (struct pn_dp_neighbour *)c->out, PN_MAX_GATEWAYS) * sizeof(struct pn_dp_neighbour);
    return PN_DP_STATUS_OK;
}

static enum pn_dp_status call_ports(struct call *c)
{
    c->out_bytes = c->ops->ports(c->arg, (struct pn_dp_port *)c->out, PN_MAX_PORTS) * sizeof(struct pn_dp_port);
    return PN_DP_STATUS_OK;
}

static enum pn_dp_status call_control(struct call *c)
{
    const struct pn_dp_control *control = (const void *)c->in;
    if (control->vrrp > 1 || control->reserved)
        return bad(c, "control: vrrp must be 0 or 1, reserved 0");
    if (control->n_addrs > PN_DP_CONTROL_ADDRS)
        return bad(c, "control.n_addrs: above 16");
    for (unsigned i = 0; i < PN_DP_CONTROL_ADDRS; i++) {
        if (pn_addr_is_zero(&control->addrs[i]) != (i >= control->n_addrs))
            return bad(c, "control.addrs: an address too few or too many");
    }
    if (control->n_peers > PN_DP_CONTROL_PEERS || control->n_networks > PN_DP_CONTROL_NETWORKS)
        return bad(c, "control.n_peers: above 32, or n_networks above 2");
    for (unsigned i = 0; i < control->n_networks; i++) {
        if (control->networks[i].port >= PN_MAX_PORTS || control->networks[i].vlan > 4094)
            return bad(c, "control.networks: no such port or VLAN");
    }
    for (unsigned i = 0; i < PN_DP_CONTROL_PEERS; i++) {
        if (pn_addr_is_zero(&control->peers[i].addr) != (i >= control->n_peers))
            return bad(c, "control.peers: an address too few or too many");
    }
    return c->ops->control(c->arg, control, &c->err);
}

static enum pn_dp_status call_packet_tx(struct call *c)
{
    const struct pn_dp_packet *p = (const void *)c->in;
    if (c->in_bytes < sizeof(*p) || p->bytes != c->in_bytes - sizeof(*p))
        return bad(c, "packet.bytes: does not match the message");
    if (p->bytes == 0 || p->bytes > PN_DP_PACKET_MAX_BYTES)
        return bad(c, "packet.bytes: expected 1 to 2048");
    if (p->port >= PN_MAX_PORTS || p->vlan > 4094)
        return bad(c, "packet: no such port or VLAN");
    if (p->reserved || (p->src_mac.b[0] & 1))
        return bad(c, "packet: reserved must be 0, src_mac no group");
    return c->ops->packet_tx(c->arg, p, c->in + sizeof(*p), &c->err);
}

static enum pn_dp_status vip_ref(struct call *c, uint16_t *vip)
{
    const struct pn_dp_vip_ref *ref = (const void *)c->in;
    *vip = ref->vip;
    if (ref->vip >= PN_MAX_VIPS || ref->reserved[0] || ref->reserved[1] || ref->reserved[2])
        return bad(c, "vip: no such id, or reserved is not 0");
    return PN_DP_STATUS_OK;
}

static enum pn_dp_status call_probe(struct call *c)
{
    uint16_t vip;
    enum pn_dp_status status = vip_ref(c, &vip);
    return status == PN_DP_STATUS_OK ? c->ops->probe(c->arg, vip, &c->err) : status;
}

static enum pn_dp_status call_listen(struct call *c)
{
    const struct pn_dp_listen *listen = (const void *)c->in;
    if (listen->port >= PN_MAX_PORTS || listen->ask > 1 || listen->reserved)
        return bad(c, "listen: no such port, ask not 0 or 1, or reserved is not 0");
    memset(c->out, 0, sizeof(struct pn_dp_listened));
    enum pn_dp_status status = c->ops->listen(c->arg, listen, (struct pn_dp_listened *)c->out, &c->err);
    if (status == PN_DP_STATUS_OK)
        c->out_bytes = sizeof(struct pn_dp_listened);
    return status;
}

static enum pn_dp_status call_announce(struct call *c)
{
    uint16_t vip;
    enum pn_dp_status status = vip_ref(c, &vip);
    return status == PN_DP_STATUS_OK ? c->ops->announce(c->arg, vip, &c->err) : status;
}

static enum pn_dp_status call_flows_in(struct call *c)
{
    const struct pn_dp_flow *flows = (const void *)c->in;
    size_t n = c->in_bytes / sizeof(*flows);
    if (n == 0 || n > PN_DP_FLOWS_IN_MAX || n * sizeof(*flows) != c->in_bytes)
        return bad(c, "flows: expected 1 to 256 elements");
    for (size_t i = 0; i < n; i++) {
        const struct pn_dp_flow *f = &flows[i];
        if (pn_addr_is_zero(&f->client) || f->service >= PN_MAX_SERVICES || f->gateway >= PN_MAX_GATEWAYS ||
            f->state >= PN_FLOW_STATE_COUNT || (f->flags & ~PN_FLOW_F_SPILLED) || f->idle_ms || f->worker ||
            f->reserved[0] || f->reserved[1] || f->reserved[2]) {
            pn_error_set(&c->err, "flows[%zu]: client, id, state, flags or a reserved field is impossible", i);
            return PN_DP_STATUS_BAD_MESSAGE;
        }
    }
    return c->ops->flows_in(c->arg, flows, (unsigned)n, &c->err);
}

static enum pn_dp_status call_flows_resync(struct call *c)
{
    return c->ops->flows_resync(c->arg, &c->err);
}

static enum pn_dp_status call_filter_begin(struct call *c)
{
    const struct pn_dp_filter_begin *b = (const void *)c->in;
    static const uint8_t zero[sizeof(b->reserved)];
    if (b->generation == 0 || b->block_action >= PN_FILTER_ACTION_COUNT || memcmp(b->reserved, zero, sizeof(zero)) != 0)
        return bad(c, "filter: generation is 0, action unknown, or reserved not 0");
    return c->ops->filter_begin(c->arg, b, &c->err);
}

/* The prefixes behind head, count of them. patch: they may be removals. */
static enum pn_dp_status prefixes_check(struct call *c, size_t head_bytes, uint32_t count, bool patch,
                                        const struct pn_dp_prefix **out)
{
    const struct pn_dp_prefix *p = (const void *)(c->in + head_bytes);
    static const uint8_t zero[sizeof(p->reserved)];
    if (count > PN_DP_PREFIXES_MAX || c->in_bytes != head_bytes + count * sizeof(*p))
        return bad(c, "filter.count: above 4096, or does not match the message");
    for (uint32_t i = 0; i < count; i++) {
        if (p[i].prefix_len > 128 || p[i].list >= PN_FILTER_LISTS || p[i].remove > patch ||
            memcmp(p[i].reserved, zero, sizeof(zero)) != 0) {
            pn_error_set(&c->err, "filter: prefix[%u]: length, list, remove or reserved is impossible", i);
            return PN_DP_STATUS_BAD_MESSAGE;
        }
    }
    *out = p;
    return PN_DP_STATUS_OK;
}

static enum pn_dp_status call_filter_add(struct call *c)
{
    const struct pn_dp_filter_add *add = (const void *)c->in;
    const struct pn_dp_prefix *prefixes = NULL;
    if (c->in_bytes < sizeof(*add) || add->count == 0 || add->reserved)
        return bad(c, "filter: too short, no prefixes, or reserved is not 0");
    enum pn_dp_status status = prefixes_check(c, sizeof(*add), add->count, false, &prefixes);
    return status == PN_DP_STATUS_OK ? c->ops->filter_add(c->arg, add, prefixes, &c->err) : status;
}

static enum pn_dp_status call_filter_commit(struct call *c)
{
    return c->ops->filter_commit(c->arg, (const void *)c->in, &c->err);
}

static enum pn_dp_status call_filter_patch(struct call *c)
{
    const struct pn_dp_filter_patch *patch = (const void *)c->in;
    const struct pn_dp_prefix *changes = NULL;
    if (c->in_bytes < sizeof(*patch) || patch->generation == 0 || patch->block_action >= PN_FILTER_ACTION_COUNT ||
        patch->reserved[0] || patch->reserved[1] || patch->reserved[2])
        return bad(c, "filter: too short, generation is 0, action unknown, or reserved not 0");
    enum pn_dp_status status = prefixes_check(c, sizeof(*patch), patch->count, true, &changes);
    return status == PN_DP_STATUS_OK ? c->ops->filter_patch(c->arg, patch, changes, &c->err) : status;
}

static enum pn_dp_status call_filter_get(struct call *c)
{
    memset(c->out, 0, sizeof(struct pn_dp_filter));
    c->ops->filter_get(c->arg, (struct pn_dp_filter *)c->out);
    c->out_bytes = sizeof(struct pn_dp_filter);
    return PN_DP_STATUS_OK;
}

static enum pn_dp_status call_filter_ask(struct call *c)
{
    const struct pn_dp_filter_query *q = (const void *)c->in;
    memset(c->out, 0, sizeof(struct pn_dp_filter_answer));
    c->ops->filter_ask(c->arg, &q->client, (struct pn_dp_filter_answer *)c->out);
    c->out_bytes = sizeof(struct pn_dp_filter_answer);
    return PN_DP_STATUS_OK;
}

#define BODY_ANY SIZE_MAX /* the call checks it */

static const struct {
    enum pn_dp_status (*fn)(struct call *c);
    size_t body_bytes;
} calls[PN_DP_TYPE_COUNT] = {
    [PN_DP_HELLO] = {call_hello, 0},
    [PN_DP_SNAPSHOT_PUT] = {call_snapshot_put, BODY_ANY},
    [PN_DP_SNAPSHOT_GET] = {call_snapshot_get, 0},
    [PN_DP_LEASE] = {call_lease, BODY_ANY},
    [PN_DP_FLOWS] = {call_flows, sizeof(struct pn_dp_flows_query)},
    [PN_DP_EXPLAIN] = {call_explain, sizeof(struct pn_dp_explain_query)},
    [PN_DP_TRACE_START] = {call_trace_start, sizeof(struct pn_dp_trace_query)},
    [PN_DP_TRACE_READ] = {call_trace_read, 0},
    [PN_DP_NEIGHBOURS] = {call_neighbours, 0},
    [PN_DP_PORTS] = {call_ports, 0},
    [PN_DP_CONTROL] = {call_control, sizeof(struct pn_dp_control)},
    [PN_DP_PACKET_TX] = {call_packet_tx, BODY_ANY},
    [PN_DP_PROBE] = {call_probe, sizeof(struct pn_dp_vip_ref)},
    [PN_DP_ANNOUNCE] = {call_announce, sizeof(struct pn_dp_vip_ref)},
    [PN_DP_LISTEN] = {call_listen, sizeof(struct pn_dp_listen)},
    [PN_DP_FLOWS_IN] = {call_flows_in, BODY_ANY},
    [PN_DP_FLOWS_RESYNC] = {call_flows_resync, 0},
    [PN_DP_FILTER_BEGIN] = {call_filter_begin, sizeof(struct pn_dp_filter_begin)},
    [PN_DP_FILTER_ADD] = {call_filter_add, BODY_ANY},
    [PN_DP_FILTER_COMMIT] = {call_filter_commit, sizeof(struct pn_dp_filter_commit)},
    [PN_DP_FILTER_PATCH] = {call_filter_patch, BODY_ANY},
    [PN_DP_FILTER_GET] = {call_filter_get, 0},
    [PN_DP_FILTER_ASK] = {call_filter_ask, sizeof(struct pn_dp_filter_query)},
};

size_t pn_ipc_message_bytes(const struct pn_dp_header *header)
{
    return header->bytes < sizeof(*header) || header->bytes > PN_DPAPI_MAX_BYTES ? 0 : header->bytes;
}

static enum pn_dp_status dispatch(struct call *c, const struct pn_dp_header *h)
{
    if (h->bytes != c->in_bytes + sizeof(*h))
        return bad(c, "message: impossible length");
    if (h->status || h->reserved)
        return bad(c, "message: status and reserved must be 0 in a request");
    if (h->type >= PN_DP_TYPE_COUNT || !calls[h->type].fn) {
        pn_error_set(&c->err, "message: unknown type %u", h->type);
        return PN_DP_STATUS_BAD_MESSAGE;
    }
    if (calls[h->type].body_bytes != BODY_ANY && calls[h->type].body_bytes != c->in_bytes) {
        pn_error_set(&c->err, "message of type %u: %zu bytes, expected %zu", h->type, c->in_bytes,
                     calls[h->type].body_bytes);
        return PN_DP_STATUS_BAD_MESSAGE;
    }
    return calls[h->type].fn(c);
}

size_t pn_ipc_handle(const struct pn_ipc_ops *ops, void *arg, const void *message, size_t len, void *reply)
{
    const struct pn_dp_header *h = message;
    struct pn_dp_header *r = reply;
    struct call c = {
        .ops = ops,
        .arg = arg,
        .in = (const uint8_t *)message + sizeof(*h),
        .in_bytes = len - sizeof(*h),
        .out = (uint8_t *)reply + sizeof(*r),
    };
    enum pn_dp_status status = dispatch(&c, h);
    if (c.later)
        return 0;
    if (status != PN_DP_STATUS_OK) {
        c.out_bytes = strlen(c.err.text) + 1;
        memcpy(c.out, c.err.text, c.out_bytes);
    }
    memset(r, 0, sizeof(*r));
    r->bytes = (uint32_t)(sizeof(*r) + c.out_bytes);
    r->type = h->type;
    r->status = (uint16_t)status;
    r->seq = h->seq;
    return r->bytes;
}
