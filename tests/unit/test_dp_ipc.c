/* SPDX-License-Identifier: BSD-3-Clause */
/* The control socket: what each message must look like, and what a client may do to the server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/error.h"
#include "common/log.h"
#include "dataplane/ipc/server.h"
#include "dataplane/loop.h"

static int calls;
static unsigned leases_taken;
static uint8_t big[PN_SNAPSHOT_MAX_BYTES] __attribute__((aligned(8)));
static bool workers_hang, put_later;

static void fake_hello(void *arg, struct pn_dp_hello *out)
{
    (void)arg;
    calls++;
    out->api_version = PN_DPAPI_VERSION;
}

static int fake_put(void *arg, const void *message, size_t len, struct pn_error *err)
{
    (void)arg;
    calls++;
    assert_int_equal((uintptr_t)message % 8, 0);
    if (put_later)
        return 1;
    return len > 100 ? pn_error_set(err, "vip[0]: no") : 0;
}

static const void *fake_get(void *arg, size_t *len)
{
    (void)arg;
    calls++;
    *len = sizeof(big);
    return big;
}

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

static uint8_t message[PN_DPAPI_MAX_BYTES] __attribute__((aligned(8)));
static uint8_t reply[PN_DPAPI_MAX_BYTES] __attribute__((aligned(8)));
static const struct pn_dp_header *const reply_head = (const void *)reply;

static size_t message_make(uint16_t type, const void *body, size_t n)
{
    struct pn_dp_header h = {.bytes = (uint32_t)(sizeof(h) + n), .type = type, .seq = 77};
    memcpy(message, &h, sizeof(h));
    if (n)
        memcpy(message + sizeof(h), body, n);
    return h.bytes;
}

static uint16_t ask(uint16_t type, const void *body, size_t n)
{
    size_t len = message_make(type, body, n);
    size_t got = pn_ipc_handle(&ops, NULL, message, len, reply);
    assert_int_equal(got, reply_head->bytes);
    assert_int_equal(reply_head->type, type);
    assert_int_equal(reply_head->seq, 77);
    assert_int_equal(reply_head->reserved, 0);
    if (reply_head->status) /* the reason, as text */
        assert_int_equal(reply[got - 1], 0);
    return reply_head->status;
}

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
    uint8_t *body = calloc(1, sizeof(prefixes));
    prefixes.add.count = n;
    memcpy(body, &prefixes.add, sizeof(prefixes.add));
    memcpy(body + sizeof(prefixes.add), prefixes.prefix, sent * sizeof(prefixes.prefix[0]));
    uint16_t status = ask(PN_DP_FILTER_ADD, body, sizeof(prefixes.add) + sent * sizeof(prefixes.prefix[0]));
    free(body);
    return status;
}

static uint16_t ask_patch(const struct pn_dp_filter_patch *patch, uint32_t sent)
{
    uint8_t *body = calloc(1, sizeof(prefixes));
    memcpy(body, patch, sizeof(*patch));
    memcpy(body + sizeof(*patch), prefixes.prefix, sent * sizeof(prefixes.prefix[0]));
    uint16_t status = ask(PN_DP_FILTER_PATCH, body, sizeof(*patch) + sent * sizeof(prefixes.prefix[0]));
    free(body);
    return status;
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

/* The server over a real socket. */
static char path[64];
static int loop;
static struct pn_ipc_server *server;
static uint64_t clock_ms;

static int server_up(void **state)
{
    (void)state;
    struct pn_error err;
    pn_log_set_level(PN_LOG_ERROR);
    snprintf(path, sizeof(path), "/tmp/pn_ipc_%d.sock", (int)getpid());
    loop = pn_loop_new();
    server = pn_ipc_server_new(loop, path, &ops, NULL, &err);
    clock_ms = 1000;
    if (server)
        pn_ipc_server_tick(server, clock_ms);
    return server ? 0 : -1;
}

static int server_down(void **state)
{
    (void)state;
    pn_ipc_server_free(server);
    close(loop);
    return access(path, F_OK) == 0 ? -1 : 0;
}

static void serve(void)
{
    for (int i = 0; i < 50; i++)
        pn_loop_run_once(loop, 0);
}

static int client(void)
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    strcpy(sun.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
    serve();
    return fd;
}

static bool closed(int fd)
{
    serve();
    char c;
    ssize_t n = recv(fd, &c, 1, MSG_DONTWAIT);
    return n == 0 || (n < 0 && errno != EAGAIN);
}

static void test_socket_mode(void **state)
{
    (void)state;
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    struct pn_error err;
    assert_null(pn_ipc_server_new(loop, path, &ops, NULL, &err)); /* one that lives is not pushed aside */
    assert_non_null(strstr(err.text, "another"));
}

static void test_byte_by_byte(void **state)
{
    (void)state;
    int fd = client();
    size_t n = message_make(PN_DP_SNAPSHOT_PUT, big, 64);
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(send(fd, message + i, 1, 0), 1);
            serve();
        }
        assert_int_equal(recv(fd, reply, sizeof(reply), 0), sizeof(struct pn_dp_header));
        assert_int_equal(reply_head->status, 0);
    }
    /* Two at once: answered in order, none lost. */
    memcpy(message + n, message, n);
    assert_int_equal(send(fd, message, 2 * n, 0), 2 * n);
    serve();
    assert_int_equal(recv(fd, reply, sizeof(reply), 0), 2 * sizeof(struct pn_dp_header));
    close(fd);
    serve();
}

static void test_hopeless_length_closes(void **state)
{
    (void)state;
    int fd = client();
    struct pn_dp_header h = {.bytes = UINT32_MAX, .type = PN_DP_HELLO};
    assert_int_equal(send(fd, &h, sizeof(h), 0), sizeof(h));
    serve();
    assert_true(recv(fd, reply, sizeof(reply), 0) > (ssize_t)sizeof(h));
    assert_int_equal(reply_head->status, PN_DP_STATUS_BAD_MESSAGE);
    assert_true(closed(fd));
    close(fd);
}

static void test_stalled_clients_go(void **state)
{
    (void)state;
    int half = client(), idle = client(), deaf = client();
    assert_int_equal(send(half, message, 5, 0), 5);
    size_t n = message_make(PN_DP_SNAPSHOT_GET, NULL, 0);
    assert_int_equal(send(deaf, message, n, 0), n); /* a megabyte comes back, and is not read */
    serve();
    clock_ms += PN_IPC_STALL_MS - 1;
    pn_ipc_server_tick(server, clock_ms);
    assert_false(closed(half));
    clock_ms += 2;
    pn_ipc_server_tick(server, clock_ms);
    assert_true(closed(half));
    assert_false(closed(idle)); /* nothing pending: it may wait for ever */
    size_t got = 0;
    ssize_t r;
    while ((r = recv(deaf, reply, sizeof(reply), 0)) > 0)
        got += (size_t)r;
    assert_int_equal(r, 0);
    assert_true(got < PN_SNAPSHOT_MAX_BYTES);
    close(half);
    close(idle);
    close(deaf);
    serve();
}

static void test_slow_reader_gets_it_all(void **state)
{
    (void)state;
    int fd = client();
    size_t n = message_make(PN_DP_SNAPSHOT_GET, NULL, 0), got = 0;
    assert_int_equal(send(fd, message, n, 0), n);
    while (got < sizeof(struct pn_dp_header) + PN_SNAPSHOT_MAX_BYTES) {
        serve();
        ssize_t r = recv(fd, reply, 50000, 0);
        assert_true(r > 0);
        got += (size_t)r;
    }
    assert_int_equal(got, sizeof(struct pn_dp_header) + PN_SNAPSHOT_MAX_BYTES);
    n = message_make(PN_DP_HELLO, NULL, 0);
    assert_int_equal(send(fd, message, n, 0), n);
    serve();
    assert_int_equal(recv(fd, reply, sizeof(reply), 0), sizeof(struct pn_dp_header) + sizeof(struct pn_dp_hello));
    close(fd);
    serve();
}

/* A snapshot that takes a while: nothing more of that client is read, others are served. */
static void test_answer_comes_later(void **state)
{
    (void)state;
    const struct pn_dp_header *h = (const void *)reply;
    int fd = client(), other = client();
    put_later = true;
    size_t n = message_make(PN_DP_SNAPSHOT_PUT, big, 64);
    assert_int_equal(send(fd, message, n, 0), n);
    n = message_make(PN_DP_HELLO, NULL, 0);
    assert_int_equal(send(fd, message, n, 0), n);
    calls = 0;
    serve();
    assert_int_equal(calls, 1);
    uint64_t ticket = pn_ipc_server_ticket(server);
    pn_ipc_server_tick(server, clock_ms += PN_IPC_STALL_MS + 1000); /* our time, not its */
    assert_int_equal(send(other, message, n, 0), n);
    serve();
    assert_int_equal(recv(other, reply, sizeof(reply), 0), sizeof(*h) + sizeof(struct pn_dp_hello));
    assert_int_equal(recv(fd, reply, sizeof(reply), MSG_DONTWAIT), -1);
    pn_ipc_server_answer(server, ticket + 1, PN_DP_STATUS_OK, NULL);
    assert_int_equal(recv(fd, reply, sizeof(reply), MSG_DONTWAIT), -1);
    pn_ipc_server_answer(server, ticket, PN_DP_STATUS_REJECTED, "no");
    pn_ipc_server_answer(server, ticket, PN_DP_STATUS_OK, NULL); /* only once */
    assert_int_equal(recv(fd, reply, sizeof(*h) + 3, 0), sizeof(*h) + 3);
    assert_int_equal(h->type, PN_DP_SNAPSHOT_PUT);
    assert_int_equal(h->status, PN_DP_STATUS_REJECTED);
    assert_int_equal(h->seq, 77);
    assert_string_equal((const char *)(h + 1), "no");
    serve();
    assert_int_equal(recv(fd, reply, sizeof(reply), 0), sizeof(*h) + sizeof(struct pn_dp_hello));

    n = message_make(PN_DP_SNAPSHOT_PUT, big, 64);
    assert_int_equal(send(fd, message, n, 0), n);
    serve();
    ticket = pn_ipc_server_ticket(server);
    close(fd);
    serve();
    pn_ipc_server_answer(server, ticket, PN_DP_STATUS_OK, NULL); /* nobody is there */
    pn_ipc_server_answer(NULL, ticket, PN_DP_STATUS_OK, NULL);
    put_later = false;
    close(other);
    serve();
}

static void test_many_clients(void **state)
{
    (void)state;
    int fd[PN_IPC_CLIENTS_MAX + 1];
    for (unsigned i = 0; i <= PN_IPC_CLIENTS_MAX; i++)
        fd[i] = client();
    assert_true(closed(fd[PN_IPC_CLIENTS_MAX]));
    assert_false(closed(fd[0]));
    close(fd[0]);
    serve();
    int again = client(); /* a place is free again */
    assert_false(closed(again));
    close(again);
    for (unsigned i = 1; i <= PN_IPC_CLIENTS_MAX; i++)
        close(fd[i]);
    serve();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_filter),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_header),
        cmocka_unit_test_setup_teardown(test_socket_mode, server_up, server_down),
        cmocka_unit_test_setup_teardown(test_byte_by_byte, server_up, server_down),
        cmocka_unit_test_setup_teardown(test_hopeless_length_closes, server_up, server_down),
        cmocka_unit_test_setup_teardown(test_stalled_clients_go, server_up, server_down),
        cmocka_unit_test_setup_teardown(test_slow_reader_gets_it_all, server_up, server_down),
        cmocka_unit_test_setup_teardown(test_answer_comes_later, server_up, server_down),
        cmocka_unit_test_setup_teardown(test_many_clients, server_up, server_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
