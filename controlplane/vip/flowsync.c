/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/vip/flowsync.h"

_Static_assert(PN_FLOWSYNC_MAX_BYTES <= PN_SEAL_MAX_BYTES - PN_SEAL_OVERHEAD, "fits a datagram");
_Static_assert(PN_FLOWSYNC_MAX_FLOWS >= PN_DP_FLOWS_OUT_MAX, "a batch of the dataplane is one datagram");

static uint8_t *put(uint8_t *p, uint64_t v, unsigned bytes)
{
    for (unsigned i = bytes; i-- > 0; v >>= 8)
        p[i] = (uint8_t)v;
    return p + bytes;
}

static uint32_t get(const uint8_t *p, unsigned bytes)
{
    uint32_t v = 0;
    for (unsigned i = 0; i < bytes; i++)
        v = v << 8 | p[i];
    return v;
}

static size_t row_bytes(uint8_t type)
{
    return type == PN_FLOWSYNC_FLOWS ? PN_FLOWSYNC_FLOW_BYTES : PN_FLOWSYNC_MARK_BYTES;
}

static unsigned rows_max(uint8_t type)
{
    return type == PN_FLOWSYNC_FLOWS ? PN_FLOWSYNC_MAX_FLOWS : PN_MAX_NODES;
}

size_t pn_flowsync_encode(const struct pn_flowsync *m, uint8_t *out, size_t cap)
{
    size_t total = PN_FLOWSYNC_HEAD_BYTES + m->n * row_bytes(m->type);
    if (m->type == 0 || m->type >= PN_FLOWSYNC_TYPE_COUNT || m->n == 0 || m->n > rows_max(m->type) || total > cap)
        return 0;
    uint8_t *p = put(out, PN_FLOWSYNC_VERSION, 1);
    p = put(p, m->type, 1);
    p = put(p, m->n, 1);
    p = put(p, m->node, 1);
    p = put(p, 0, 4);
    for (unsigned i = 0; i < m->n; i++) {
        if (m->type == PN_FLOWSYNC_FLOWS) {
            const struct pn_flowsync_flow *f = &m->flows[i];
            memcpy(p, f->client.b, 16);
            p = put(p + 16, f->client_port, 2);
            p = put(p, f->state, 1);
            p = put(p, f->flags, 1);
            p = put(p, f->service, 4);
            p = put(p, f->gateway, 4);
            p = put(p, f->expires_ms, 4);
        } else {
            p = put(p, m->marks[i].node, 1);
            p = put(p, 0, 3);
            p = put(p, m->marks[i].number, 4);
            p = put(p, m->marks[i].lost, 4);
        }
    }
    return total;
}

static const char *decode_flow(const uint8_t *p, struct pn_flowsync_flow *f)
{
    memcpy(f->client.b, p, 16);
    f->client_port = (uint16_t)get(p + 16, 2);
    f->state = p[18];
    f->flags = p[19];
    f->service = get(p + 20, 4);
    f->gateway = get(p + 24, 4);
    f->expires_ms = get(p + 28, 4);
    if (f->client_port == 0)
        return "flow.client_port";
    if (f->state >= PN_FLOW_STATE_COUNT)
        return "flow.state";
    return f->flags & ~PN_FLOW_F_SPILLED ? "flow.flags" : NULL;
}

static const char *decode_mark(const uint8_t *p, uint8_t type, struct pn_flowsync_mark *mark)
{
    mark->node = p[0];
    mark->number = get(p + 4, 4);
    mark->lost = get(p + 8, 4);
    if (mark->node >= PN_MAX_NODES)
        return "mark.node";
    if (get(p + 1, 3) != 0)
        return "mark.reserved";
    return type != PN_FLOWSYNC_END && mark->lost ? "mark.lost" : NULL;
}

int pn_flowsync_decode(const uint8_t *bytes, size_t n, struct pn_flowsync *m, const char **field)
{
    *field = "length";
    if (n < PN_FLOWSYNC_HEAD_BYTES)
        return -1;
    m->type = bytes[1];
    m->n = bytes[2];
    m->node = bytes[3];
    *field = bytes[0] != PN_FLOWSYNC_VERSION                           ? "version"
             : m->type == 0 || m->type >= PN_FLOWSYNC_TYPE_COUNT       ? "type"
             : m->n == 0 || m->n > rows_max(m->type)                   ? "count"
             : m->node >= PN_MAX_NODES                                 ? "node"
             : get(bytes + 4, 4) != 0                                  ? "reserved"
             : n != PN_FLOWSYNC_HEAD_BYTES + m->n * row_bytes(m->type) ? "length"
                                                                       : NULL;
    for (unsigned i = 0; i < m->n && !*field; i++) {
        const uint8_t *row = bytes + PN_FLOWSYNC_HEAD_BYTES + i * row_bytes(m->type);
        *field =
            m->type == PN_FLOWSYNC_FLOWS ? decode_flow(row, &m->flows[i]) : decode_mark(row, m->type, &m->marks[i]);
    }
    return *field ? -1 : 0;
}
