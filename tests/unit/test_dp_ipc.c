/* SPDX-License-Identifier: BSD-3-Clause */
/* The control socket: what each message must look like. */
#include "tests/unit/ipc_world.h"

static unsigned leases_taken;
static bool workers_hang;

static int fake_lease(void *arg, const struct pn_dp_lease *leases, unsigned n, struct pn_error *err)
{
    (void)arg;
    calls++;
    leases_taken = n;
    return leases[0].vip == 63 ? pn_error_set(err, "lease[0]: refused") : 0;
}

static enum pn_dp_status fake_flows(void *arg, const struct pn_dp_flows_query *q, struct pn_dp_flows_head *head,
                                    struct pn_dp_flow *out, struct pn_error *err)
{
    (void)arg;
    calls++;
    if (workers_hang) {
        pn_error_set(err, "busy");
        return PN_DP_STATUS_BUSY;
    }
    head->count = q->max;
    memset(out, 0xaa, q->max * sizeof(*out));
    return PN_DP_STATUS_OK;
}

static enum pn_dp_status fake_explain(void *arg, const struct pn_dp_explain_query *q, struct pn_dp_explain *out,
                                      struct pn_error *err)
{
    (void)arg;
    (void)err;
    calls++;
    out->gateway = q->service;
    return PN_DP_STATUS_OK;
}

static enum pn_dp_status fake_trace(void *arg, const struct pn_dp_trace_query *q, struct pn_error *err)
{
    (void)arg;
    (void)q;
    (void)err;
    calls++;
    return PN_DP_STATUS_OK;
}

static unsigned fake_trace_read(void *arg, struct pn_dp_trace_record *out, unsigned max)
{
    (void)arg;
    calls++;
    memset(out, 0, max * sizeof(*out));
    return max;
}

static unsigned fake_neighbours(void *arg, struct pn_dp_neighbour *out, unsigned max)
{
    (void)arg;
    calls++;
    memset(out, 0, max * sizeof(*out));
    return max;
}

static unsigned fake_ports(void *arg, struct pn_dp_port *out, unsigned max)
{
    (void)arg;
    calls++;
    memset(out, 0, max * sizeof(*out));
    return max;
}

static uint32_t prefixes_taken;

static enum pn_dp_status fake_filter_begin(void *arg, const struct pn_dp_filter_begin *begin, struct pn_error *err)
{
    (void)arg;
    (void)begin;
    (void)err;
    calls++;
    return PN_DP_STATUS_OK;
}

static enum pn_dp_status fake_filter_add(void *arg, const struct pn_dp_filter_add *add,
                                         const struct pn_dp_prefix *prefixes, struct pn_error *err)
{
    (void)arg;
    (void)err;
    calls++;
    prefixes_taken = prefixes[add->count - 1].prefix_len;
    return PN_DP_STATUS_OK;
}

static enum pn_dp_status fake_filter_commit(void *arg, const struct pn_dp_filter_commit *commit, struct pn_error *err)
{
    (void)arg;
    (void)commit;
    (void)err;
    calls++;
    return PN_DP_STATUS_OK;
}

static enum pn_dp_status fake_filter_patch(void *arg, const struct pn_dp_filter_patch *patch,
                                           const struct pn_dp_prefix *changes, struct pn_error *err)
{
    (void)arg;
    (void)changes;
    (void)err;
    calls++;
    prefixes_taken = patch->count;
    return PN_DP_STATUS_OK;
}

static void fake_filter_get(void *arg, struct pn_dp_filter *out)
{
    (void)arg;
    calls++;
    out->generation = 5;
}

static void fake_filter_ask(void *arg, const struct pn_addr *client, struct pn_dp_filter_answer *out)
{
    (void)arg;
    calls++;
    out->verdict = client->b[15];
}

static const struct pn_ipc_ops ops = {
    .hello = fake_hello,
    .snapshot_put = fake_put,
    .snapshot_get = fake_get,
    .lease = fake_lease,
    .flows = fake_flows,
    .explain = fake_explain,
    .trace_start = fake_trace,
    .trace_read = fake_trace_read,
    .neighbours = fake_neighbours,
    .ports = fake_ports,
    .filter_begin = fake_filter_begin,
    .filter_add = fake_filter_add,
    .filter_commit = fake_filter_commit,
    .filter_patch = fake_filter_patch,
    .filter_get = fake_filter_get,
    .filter_ask = fake_filter_ask,
};

static void test_answers(void **state)
{
    (void)state;
    struct pn_dp_flows_query flows = {.max = 4096, .service = PN_ID_NONE, .gateway = PN_ID_NONE};
    struct pn_dp_explain_query explain = {.service = 9};
    struct pn_dp_trace_query trace = {.packets = 10};
    struct pn_dp_lease leases[64] = {{.vip = 1}};
    assert_int_equal(ask(PN_DP_HELLO, NULL, 0), PN_DP_STATUS_OK);
    assert_int_equal(reply_head->bytes, sizeof(struct pn_dp_header) + sizeof(struct pn_dp_hello));
    assert_int_equal(ask(PN_DP_SNAPSHOT_PUT, big, 64), PN_DP_STATUS_OK);
    assert_int_equal(ask(PN_DP_SNAPSHOT_PUT, big, 104), PN_DP_STATUS_REJECTED);
    assert_string_equal((char *)(reply + sizeof(*reply_head)), "vip[0]: no");
    assert_int_equal(ask(PN_DP_SNAPSHOT_GET, NULL, 0), PN_DP_STATUS_OK);
    assert_int_equal(reply_head->bytes, sizeof(struct pn_dp_header) + PN_SNAPSHOT_MAX_BYTES);
    assert_int_equal(ask(PN_DP_LEASE, leases, sizeof(leases)), PN_DP_STATUS_OK);
    assert_int_equal(leases_taken, 64);
    leases[0].vip = 63;
    assert_int_equal(ask(PN_DP_LEASE, leases, sizeof(leases[0])), PN_DP_STATUS_REJECTED);
    assert_int_equal(ask(PN_DP_FLOWS, &flows, sizeof(flows)), PN_DP_STATUS_OK);
    assert_int_equal(reply_head->bytes,
                     sizeof(struct pn_dp_header) + sizeof(struct pn_dp_flows_head) + 4096 * sizeof(struct pn_dp_flow));
    workers_hang = true;
    assert_int_equal(ask(PN_DP_FLOWS, &flows, sizeof(flows)), PN_DP_STATUS_BUSY);
    workers_hang = false;
    assert_int_equal(ask(PN_DP_EXPLAIN, &explain, sizeof(explain)), PN_DP_STATUS_OK);
    assert_int_equal(ask(PN_DP_TRACE_START, &trace, sizeof(trace)), PN_DP_STATUS_OK);
    assert_int_equal(ask(PN_DP_TRACE_READ, NULL, 0), PN_DP_STATUS_OK);
    assert_int_equal(ask(PN_DP_NEIGHBOURS, NULL, 0), PN_DP_STATUS_OK);
    assert_int_equal(ask(PN_DP_PORTS, NULL, 0), PN_DP_STATUS_OK);
}

static void test_refused(void **state)
{
    (void)state;
    struct pn_dp_lease leases[65] = {{.vip = 1}};
    struct pn_dp_flows_query flows = {.max = 1, .service = PN_ID_NONE, .gateway = PN_ID_NONE}, f;
    struct pn_dp_explain_query explain = {.service = PN_MAX_SERVICES};
    struct pn_dp_trace_query trace = {.packets = 1}, t;
    calls = 0;
    assert_int_equal(ask(0, NULL, 0), PN_DP_STATUS_BAD_MESSAGE);
    assert_int_equal(ask(PN_DP_TYPE_COUNT, NULL, 0), PN_DP_STATUS_BAD_MESSAGE);
    assert_int_equal(ask(UINT16_MAX, NULL, 0), PN_DP_STATUS_BAD_MESSAGE);
    for (uint16_t type = 1; type < PN_DP_TYPE_COUNT; type++)
        assert_int_equal(ask(type, leases, 3), PN_DP_STATUS_BAD_MESSAGE); /* a length that fits none */
    assert_int_equal(ask(PN_DP_LEASE, NULL, 0), PN_DP_STATUS_BAD_MESSAGE);
    assert_int_equal(ask(PN_DP_LEASE, leases, sizeof(leases)), PN_DP_STATUS_BAD_MESSAGE);
    assert_int_equal(ask(PN_DP_LEASE, leases, sizeof(leases[0]) + 8), PN_DP_STATUS_BAD_MESSAGE);
    f = flows, f.max = 0;
    assert_int_equal(ask(PN_DP_FLOWS, &f, sizeof(f)), PN_DP_STATUS_BAD_MESSAGE);
    f = flows, f.max = PN_DP_FLOWS_MAX + 1;
    assert_int_equal(ask(PN_DP_FLOWS, &f, sizeof(f)), PN_DP_STATUS_BAD_MESSAGE);
    f = flows, f.prefix_len = 129;
    assert_int_equal(ask(PN_DP_FLOWS, &f, sizeof(f)), PN_DP_STATUS_BAD_MESSAGE);
    f = flows, f.service = PN_MAX_SERVICES;
    assert_int_equal(ask(PN_DP_FLOWS, &f, sizeof(f)), PN_DP_STATUS_BAD_MESSAGE);
    f = flows, f.gateway = PN_MAX_GATEWAYS;
    assert_int_equal(ask(PN_DP_FLOWS, &f, sizeof(f)), PN_DP_STATUS_BAD_MESSAGE);
    assert_int_equal(ask(PN_DP_EXPLAIN, &explain, sizeof(explain)), PN_DP_STATUS_BAD_MESSAGE);
    t = trace, t.packets = 0;
    assert_int_equal(ask(PN_DP_TRACE_START, &t, sizeof(t)), PN_DP_STATUS_BAD_MESSAGE);
    t = trace, t.packets = PN_DP_TRACE_MAX + 1;
    assert_int_equal(ask(PN_DP_TRACE_START, &t, sizeof(t)), PN_DP_STATUS_BAD_MESSAGE);
    t = trace, t.prefix_len = 129;
    assert_int_equal(ask(PN_DP_TRACE_START, &t, sizeof(t)), PN_DP_STATUS_BAD_MESSAGE);
    assert_int_equal(calls, 0); /* nothing of it reached the dataplane */
}

/* Head and n prefixes behind it. */
static struct {
    union {
        struct pn_dp_filter_add add;
        struct pn_dp_filter_patch patch;
    };
    struct pn_dp_prefix prefix[PN_DP_PREFIXES_MAX + 1];
} prefixes;

static uint16_t ask_add(uint32_t n, uint32_t sent)
{
    static uint8_t body[sizeof(prefixes)];
    prefixes.add.count = n;
    memcpy(body, &prefixes.add, sizeof(prefixes.add));
    memcpy(body + sizeof(prefixes.add), prefixes.prefix, sent * sizeof(prefixes.prefix[0]));
    return ask(PN_DP_FILTER_ADD, body, sizeof(prefixes.add) + sent * sizeof(prefixes.prefix[0]));
}

static uint16_t ask_patch(const struct pn_dp_filter_patch *patch, uint32_t sent)
{
    static uint8_t body[sizeof(prefixes)];
    memcpy(body, patch, sizeof(*patch));
    memcpy(body + sizeof(*patch), prefixes.prefix, sent * sizeof(prefixes.prefix[0]));
    return ask(PN_DP_FILTER_PATCH, body, sizeof(*patch) + sent * sizeof(prefixes.prefix[0]));
}

static void test_filter(void **state)
{
    (void)state;
    struct pn_dp_filter_begin begin = {.generation = 1}, b;
    struct pn_dp_filter_commit commit = {.generation = 1};
    struct pn_dp_filter_query query = {.client.b[15] = 2};
    struct pn_dp_filter_patch patch = {.generation = 2, .count = 1}, p;
    const struct pn_dp_filter *got = (const void *)(reply + sizeof(*reply_head));
    const struct pn_dp_filter_answer *answer = (const void *)(reply + sizeof(*reply_head));
    memset(&prefixes, 0, sizeof(prefixes));
    assert_int_equal(ask(PN_DP_FILTER_BEGIN, &begin, sizeof(begin)), PN_DP_STATUS_OK);
    prefixes.prefix[PN_DP_PREFIXES_MAX - 1].prefix_len = 128;
    assert_int_equal(ask_add(PN_DP_PREFIXES_MAX, PN_DP_PREFIXES_MAX), PN_DP_STATUS_OK);
    assert_int_equal(prefixes_taken, 128);
    assert_int_equal(ask(PN_DP_FILTER_COMMIT, &commit, sizeof(commit)), PN_DP_STATUS_OK);
    assert_int_equal(ask(PN_DP_FILTER_GET, NULL, 0), PN_DP_STATUS_OK);
    assert_int_equal(reply_head->bytes, sizeof(struct pn_dp_header) + sizeof(*got));
    assert_int_equal(got->generation, 5);
    assert_int_equal(ask(PN_DP_FILTER_ASK, &query, sizeof(query)), PN_DP_STATUS_OK);
    assert_int_equal(reply_head->bytes, sizeof(struct pn_dp_header) + sizeof(*answer));
    assert_int_equal(answer->verdict, 2);
    prefixes.prefix[0].remove = 1;
    assert_int_equal(ask_patch(&patch, 1), PN_DP_STATUS_OK);
    assert_int_equal(prefixes_taken, 1);
    p = patch, p.count = 0;
    assert_int_equal(ask_patch(&p, 0), PN_DP_STATUS_OK);

    calls = 0;
    b = begin, b.generation = 0;
    assert_int_equal(ask(PN_DP_FILTER_BEGIN, &b, sizeof(b)), PN_DP_STATUS_BAD_MESSAGE);
    b = begin, b.block_action = PN_FILTER_ACTION_COUNT;
    assert_int_equal(ask(PN_DP_FILTER_BEGIN, &b, sizeof(b)), PN_DP_STATUS_BAD_MESSAGE);
    b = begin, b.reserved[6] = 1;
    assert_int_equal(ask(PN_DP_FILTER_BEGIN, &b, sizeof(b)), PN_DP_STATUS_BAD_MESSAGE);
    assert_int_equal(ask_add(1, 1), PN_DP_STATUS_BAD_MESSAGE); /* a removal */
    prefixes.prefix[0].remove = 0;
    assert_int_equal(ask_add(0, 0), PN_DP_STATUS_BAD_MESSAGE);
    assert_int_equal(ask_add(2, 1), PN_DP_STATUS_BAD_MESSAGE);
    assert_int_equal(ask_add(1, 2), PN_DP_STATUS_BAD_MESSAGE);
    assert_int_equal(ask_add(UINT32_MAX, 1), PN_DP_STATUS_BAD_MESSAGE);
    assert_int_equal(ask_add(PN_DP_PREFIXES_MAX + 1, PN_DP_PREFIXES_MAX + 1), PN_DP_STATUS_BAD_MESSAGE);
    prefixes.add.reserved = 1;
    assert_int_equal(ask_add(1, 1), PN_DP_STATUS_BAD_MESSAGE);
    prefixes.add.reserved = 0;
    prefixes.prefix[1].prefix_len = 129;
    assert_int_equal(ask_add(2, 2), PN_DP_STATUS_BAD_MESSAGE);
    assert_string_equal((char *)(reply + sizeof(*reply_head)),
                        "filter: prefix[1]: length, list, remove or reserved is impossible");
    prefixes.prefix[1] = (struct pn_dp_prefix){.list = PN_FILTER_LISTS};
    assert_int_equal(ask_patch(&(struct pn_dp_filter_patch){.generation = 2, .count = 2}, 2), PN_DP_STATUS_BAD_MESSAGE);
    prefixes.prefix[1] = (struct pn_dp_prefix){.reserved = {0, 0, 0, 0, 1}};
    assert_int_equal(ask_add(2, 2), PN_DP_STATUS_BAD_MESSAGE);
    prefixes.prefix[1] = (struct pn_dp_prefix){.remove = 2};
    assert_int_equal(ask_patch(&(struct pn_dp_filter_patch){.generation = 2, .count = 2}, 2), PN_DP_STATUS_BAD_MESSAGE);
    p = patch, p.generation = 0;
    assert_int_equal(ask_patch(&p, 1), PN_DP_STATUS_BAD_MESSAGE);
    p = patch, p.block_action = PN_FILTER_ACTION_COUNT;
    assert_int_equal(ask_patch(&p, 1), PN_DP_STATUS_BAD_MESSAGE);
    p = patch, p.reserved[2] = 1;
    assert_int_equal(ask_patch(&p, 1), PN_DP_STATUS_BAD_MESSAGE);
    p = patch, p.count = 2;
    assert_int_equal(ask_patch(&p, 1), PN_DP_STATUS_BAD_MESSAGE);
    assert_int_equal(ask(PN_DP_FILTER_PATCH, &patch, sizeof(patch) - 8), PN_DP_STATUS_BAD_MESSAGE);
    assert_int_equal(ask(PN_DP_FILTER_ADD, &begin, 8), PN_DP_STATUS_BAD_MESSAGE);
    assert_int_equal(calls, 0);
}

static void test_header(void **state)
{
    (void)state;
    struct pn_dp_header h = {.bytes = sizeof(h)};
    assert_int_equal(pn_ipc_message_bytes(&h), sizeof(h));
    h.bytes = sizeof(h) - 1;
    assert_int_equal(pn_ipc_message_bytes(&h), 0);
    h.bytes = PN_DPAPI_MAX_BYTES;
    assert_int_equal(pn_ipc_message_bytes(&h), PN_DPAPI_MAX_BYTES);
    h.bytes = PN_DPAPI_MAX_BYTES + 1;
    assert_int_equal(pn_ipc_message_bytes(&h), 0);
    h = (struct pn_dp_header){.bytes = sizeof(h), .type = PN_DP_HELLO, .status = 1};
    pn_ipc_handle(&ops, NULL, &h, sizeof(h), reply);
    assert_int_equal(reply_head->status, PN_DP_STATUS_BAD_MESSAGE);
    h = (struct pn_dp_header){.bytes = sizeof(h), .type = PN_DP_HELLO, .reserved = 1};
    pn_ipc_handle(&ops, NULL, &h, sizeof(h), reply);
    assert_int_equal(reply_head->status, PN_DP_STATUS_BAD_MESSAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_filter),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_header),
    };
    ipc_ops = &ops;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
