/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages for several nodes: what each must look like, and unasked ones on their way to the client that reads them. */
#include <limits.h>

#include "tests/unit/ipc_world.h"

static unsigned flows_taken;
static uint16_t vip_taken;
static uint32_t packet_bytes;
static int lease_result;

static int fake_lease(void *arg, const struct pn_dp_lease *leases, unsigned n, struct pn_error *err)
{
    (void)arg, (void)leases, (void)n;
    calls++;
    return lease_result ? pn_error_set(err, "late"), lease_result : 0;
}

static enum pn_dp_status fake_control(void *arg, const struct pn_dp_control *control, struct pn_error *err)
{
    (void)arg;
    calls++;
    if (control->heartbeat_udp_port == 13) {
        pn_error_set(err, "not that one");
        return PN_DP_STATUS_BUSY;
    }
    return PN_DP_STATUS_OK;
}

static enum pn_dp_status fake_packet(void *arg, const struct pn_dp_packet *packet, const uint8_t *l3,
                                     struct pn_error *err)
{
    (void)arg, (void)l3, (void)err;
    calls++;
    packet_bytes = packet->bytes;
    return PN_DP_STATUS_OK;
}

static enum pn_dp_status fake_vip(void *arg, uint16_t vip, struct pn_error *err)
{
    (void)arg, (void)err;
    calls++;
    vip_taken = vip;
    return PN_DP_STATUS_OK;
}

static enum pn_dp_status fake_flows_in(void *arg, const struct pn_dp_flow *flows, unsigned n, struct pn_error *err)
{
    (void)arg, (void)flows, (void)err;
    calls++;
    flows_taken = n;
    return PN_DP_STATUS_OK;
}

/* Says something itself before it is answered. */
static enum pn_dp_status fake_resync(void *arg, struct pn_error *err)
{
    (void)arg, (void)err;
    calls++;
    pn_ipc_server_push(server, PN_DP_FLOWS_OUT, NULL, 0, NULL, 0);
    return PN_DP_STATUS_OK;
}

static enum pn_dp_status fake_listen(void *arg, const struct pn_dp_listen *listen, struct pn_dp_listened *out,
                                     struct pn_error *err)
{
    (void)arg;
    (void)err;
    calls++;
    *out = (struct pn_dp_listened){.frames = 5, .port = listen->port, .hosts = listen->ask};
    return PN_DP_STATUS_OK;
}

static unsigned lost[PN_DP_TYPE_COUNT]; /* pushed out, by type */

static uint64_t counters[PN_C_COUNT];

static void fake_lost(void *arg, const struct pn_dp_header *gone)
{
    (void)arg;
    lost[gone->type]++;
    pn_ipc_unasked_count(gone, counters);
}

static const struct pn_ipc_ops ops = {
    .snapshot_get = fake_get,
    .lease = fake_lease,
    .control = fake_control,
    .packet_tx = fake_packet,
    .probe = fake_vip,
    .announce = fake_vip,
    .listen = fake_listen,
    .flows_in = fake_flows_in,
    .flows_resync = fake_resync,
    .lost = fake_lost,
};

static void test_lease(void **state)
{
    (void)state;
    struct pn_dp_lease l = {.vip = 1};
    assert_int_equal(ask(PN_DP_LEASE, &l, sizeof(l)), PN_DP_STATUS_OK);
    lease_result = 1; /* taken, but not everywhere yet: who releases must not tell another node */
    assert_int_equal(ask(PN_DP_LEASE, &l, sizeof(l)), PN_DP_STATUS_BUSY);
    lease_result = -1;
    assert_int_equal(ask(PN_DP_LEASE, &l, sizeof(l)), PN_DP_STATUS_REJECTED);
    lease_result = 0;
}

static void test_control(void **state)
{
    (void)state;
    struct pn_dp_control good = {.heartbeat_udp_port = 24625, .n_addrs = 2}, c;
    good.addrs[0] = good.addrs[1] = pn_addr_from_v4(1);
    calls = 0;
    assert_int_equal(ask(PN_DP_CONTROL, &good, sizeof(good)), PN_DP_STATUS_OK);
    assert_int_equal(calls, 1);
    c = good, c.n_addrs = PN_DP_CONTROL_ADDRS + 1;
    assert_int_equal(ask(PN_DP_CONTROL, &c, sizeof(c)), PN_DP_STATUS_BAD_MESSAGE);
    c = good, c.n_addrs = 1; /* one more is there */
    assert_int_equal(ask(PN_DP_CONTROL, &c, sizeof(c)), PN_DP_STATUS_BAD_MESSAGE);
    c = good, c.n_addrs = 3; /* one is not */
    assert_int_equal(ask(PN_DP_CONTROL, &c, sizeof(c)), PN_DP_STATUS_BAD_MESSAGE);
    good.n_peers = 1;
    good.peers[0].addr = pn_addr_from_v4(1);
    assert_int_equal(ask(PN_DP_CONTROL, &good, sizeof(good)), PN_DP_STATUS_OK);
    calls = 1;
    c = good, c.n_peers = PN_DP_CONTROL_PEERS + 1;
    assert_int_equal(ask(PN_DP_CONTROL, &c, sizeof(c)), PN_DP_STATUS_BAD_MESSAGE);
    c = good, c.n_peers = 2; /* one is not there */
    assert_int_equal(ask(PN_DP_CONTROL, &c, sizeof(c)), PN_DP_STATUS_BAD_MESSAGE);
    c = good, c.n_peers = 0;
    assert_int_equal(ask(PN_DP_CONTROL, &c, sizeof(c)), PN_DP_STATUS_BAD_MESSAGE);
    c = good, c.n_networks = PN_DP_CONTROL_NETWORKS + 1;
    assert_int_equal(ask(PN_DP_CONTROL, &c, sizeof(c)), PN_DP_STATUS_BAD_MESSAGE);
    c = good, c.n_networks = 1, c.networks[0].vlan = 4095;
    assert_int_equal(ask(PN_DP_CONTROL, &c, sizeof(c)), PN_DP_STATUS_BAD_MESSAGE);
    c = good, c.vrrp = 2;
    assert_int_equal(ask(PN_DP_CONTROL, &c, sizeof(c)), PN_DP_STATUS_BAD_MESSAGE);
    c = good, c.reserved = 1;
    assert_int_equal(ask(PN_DP_CONTROL, &c, sizeof(c)), PN_DP_STATUS_BAD_MESSAGE);
    assert_int_equal(ask(PN_DP_CONTROL, &good, sizeof(good) - 8), PN_DP_STATUS_BAD_MESSAGE);
    assert_int_equal(calls, 1);
}

static uint16_t packet(const struct pn_dp_packet *p, size_t bytes)
{
    static uint8_t body[sizeof(*p) + 4096];
    memcpy(body, p, sizeof(*p));
    return ask(PN_DP_PACKET_TX, body, sizeof(*p) + bytes);
}

static void test_packet(void **state)
{
    (void)state;
    struct pn_dp_packet good = {.port = 1, .vlan = 4094, .bytes = 2048}, p;
    calls = 0;
    assert_int_equal(packet(&good, 2048), PN_DP_STATUS_OK);
    assert_int_equal(packet_bytes, 2048);
    assert_int_equal(packet(&good, 2047), PN_DP_STATUS_BAD_MESSAGE);
    assert_int_equal(packet(&good, 2049), PN_DP_STATUS_BAD_MESSAGE);
    p = good, p.bytes = 2049;
    assert_int_equal(packet(&p, 2049), PN_DP_STATUS_BAD_MESSAGE);
    p.bytes = 0;
    assert_int_equal(packet(&p, 0), PN_DP_STATUS_BAD_MESSAGE);
    p = good, p.port = PN_MAX_PORTS;
    assert_int_equal(packet(&p, 2048), PN_DP_STATUS_BAD_MESSAGE);
    p = good, p.vlan = 4095;
    assert_int_equal(packet(&p, 2048), PN_DP_STATUS_BAD_MESSAGE);
    p = good, p.src_mac.b[0] = 1;
    assert_int_equal(packet(&p, 2048), PN_DP_STATUS_BAD_MESSAGE);
    p = good, p.reserved = 1;
    assert_int_equal(packet(&p, 2048), PN_DP_STATUS_BAD_MESSAGE);
    assert_int_equal(ask(PN_DP_PACKET_TX, &good, sizeof(good) - 8), PN_DP_STATUS_BAD_MESSAGE);
    assert_int_equal(calls, 1);
}

static void test_vip_ref(void **state)
{
    (void)state;
    static const uint16_t types[] = {PN_DP_PROBE, PN_DP_ANNOUNCE};
    for (unsigned i = 0; i < 2; i++) {
        struct pn_dp_vip_ref ref = {.vip = PN_MAX_VIPS - 1};
        calls = vip_taken = 0;
        assert_int_equal(ask(types[i], &ref, sizeof(ref)), PN_DP_STATUS_OK);
        assert_int_equal(vip_taken, PN_MAX_VIPS - 1);
        ref.vip = PN_MAX_VIPS;
        assert_int_equal(ask(types[i], &ref, sizeof(ref)), PN_DP_STATUS_BAD_MESSAGE);
        ref = (struct pn_dp_vip_ref){.reserved = {0, 0, 1}};
        assert_int_equal(ask(types[i], &ref, sizeof(ref)), PN_DP_STATUS_BAD_MESSAGE);
        assert_int_equal(calls, 1);
    }
    /* What only the dataplane says. */
    for (uint16_t type = 1; type < PN_DP_TYPE_COUNT; type++) {
        if (type == PN_DP_PACKET_RX || type == PN_DP_PROBE_SEEN || type == PN_DP_FLOWS_OUT || type == PN_DP_LEAVING)
            assert_int_equal(ask(type, NULL, 0), PN_DP_STATUS_BAD_MESSAGE);
    }
}

static void test_listen(void **state)
{
    (void)state;
    const struct pn_dp_listened *found = (const void *)(reply_head + 1);
    struct pn_dp_listen good = {.port = PN_MAX_PORTS - 1, .ask = 1}, bad;
    calls = 0;
    assert_int_equal(ask(PN_DP_LISTEN, &good, sizeof(good)), PN_DP_STATUS_OK);
    assert_int_equal(reply_head->bytes, sizeof(*reply_head) + sizeof(*found));
    assert_true(found->frames == 5 && found->port == PN_MAX_PORTS - 1 && found->hosts == 1);
    bad = good, bad.port = PN_MAX_PORTS;
    assert_int_equal(ask(PN_DP_LISTEN, &bad, sizeof(bad)), PN_DP_STATUS_BAD_MESSAGE);
    bad = good, bad.ask = 2;
    assert_int_equal(ask(PN_DP_LISTEN, &bad, sizeof(bad)), PN_DP_STATUS_BAD_MESSAGE);
    bad = good, bad.reserved = 1;
    assert_int_equal(ask(PN_DP_LISTEN, &bad, sizeof(bad)), PN_DP_STATUS_BAD_MESSAGE);
    assert_int_equal(ask(PN_DP_LISTEN, &good, sizeof(good) - 4), PN_DP_STATUS_BAD_MESSAGE);
    assert_int_equal(calls, 1);
}

static void test_flows_in(void **state)
{
    (void)state;
    static struct pn_dp_flow flows[PN_DP_FLOWS_IN_MAX + 1];
    struct pn_dp_flow good = {.client = pn_addr_from_v4(7),
                              .service = PN_MAX_SERVICES - 1,
                              .gateway = PN_MAX_GATEWAYS - 1,
                              .state = PN_FLOW_ESTABLISHED,
                              .flags = PN_FLOW_F_SPILLED,
                              .expires_ms = UINT32_MAX};
    calls = 0;
    for (unsigned i = 0; i <= PN_DP_FLOWS_IN_MAX; i++)
        flows[i] = good;
    assert_int_equal(ask(PN_DP_FLOWS_IN, flows, PN_DP_FLOWS_IN_MAX * sizeof(good)), PN_DP_STATUS_OK);
    assert_int_equal(flows_taken, PN_DP_FLOWS_IN_MAX);
    assert_int_equal(ask(PN_DP_FLOWS_IN, flows, sizeof(flows)), PN_DP_STATUS_BAD_MESSAGE);
    assert_int_equal(ask(PN_DP_FLOWS_IN, flows, 0), PN_DP_STATUS_BAD_MESSAGE);
    assert_int_equal(ask(PN_DP_FLOWS_IN, flows, sizeof(good) + 8), PN_DP_STATUS_BAD_MESSAGE);
#define REFUSED(field, value)                                                                                          \
    do {                                                                                                               \
        flows[1] = good;                                                                                               \
        flows[1].field = (value);                                                                                      \
        assert_int_equal(ask(PN_DP_FLOWS_IN, flows, 2 * sizeof(good)), PN_DP_STATUS_BAD_MESSAGE);                      \
        flows[1] = good;                                                                                               \
    } while (0)
    REFUSED(client, (struct pn_addr){{{0}}});
    REFUSED(service, PN_MAX_SERVICES);
    REFUSED(gateway, PN_MAX_GATEWAYS);
    REFUSED(state, PN_FLOW_STATE_COUNT);
    REFUSED(flags, PN_FLOW_F_SYNCED);
    REFUSED(flags, PN_FLOW_F_PICKED_UP);
    REFUSED(idle_ms, 1);
    REFUSED(worker, 1);
    REFUSED(reserved[2], 1);
    assert_int_equal(calls, 1);
}

/* The queue by itself: the newest stay, what was begun is finished. */
static void test_queue(void **state)
{
    (void)state;
    struct pn_ipc_unasked *u = pn_ipc_unasked_new();
    size_t n;
    assert_null(pn_ipc_unasked_next(u, &n));
    for (uint32_t i = 0; i < PN_IPC_UNASKED_MAX; i++)
        assert_int_equal(pn_ipc_unasked_add(u, PN_DP_PACKET_RX, &i, sizeof(i), NULL, 0).type, 0);
    const uint8_t *first = pn_ipc_unasked_next(u, &n);
    assert_int_equal(n, sizeof(struct pn_dp_header) + 4);
    assert_false(pn_ipc_unasked_begun(u));
    pn_ipc_unasked_sent(u, 5);
    assert_true(pn_ipc_unasked_begun(u));
    for (uint32_t i = 1000; i < 1003; i++) /* numbers 1, 2 and 3 make way, not the one under way */
        assert_int_equal(pn_ipc_unasked_add(u, PN_DP_PROBE_SEEN, &i, 2, (uint8_t *)&i + 2, 2).type, PN_DP_PACKET_RX);
    assert_int_equal(pn_ipc_unasked_waiting(u), PN_IPC_UNASKED_MAX);
    assert_true(pn_ipc_unasked_holds(u, PN_DP_PROBE_SEEN, 4));
    assert_true(pn_ipc_unasked_holds(u, PN_DP_PACKET_RX, 4));
    assert_false(pn_ipc_unasked_holds(u, PN_DP_PROBE_SEEN, 0));
    assert_false(pn_ipc_unasked_holds(u, PN_DP_FLOWS_OUT, 4));
    assert_ptr_equal(pn_ipc_unasked_next(u, &n), first + 5);
    assert_int_equal(n, sizeof(struct pn_dp_header) - 1);
    pn_ipc_unasked_sent(u, n);
    uint32_t expected = 4;
    for (const uint8_t *m; (m = pn_ipc_unasked_next(u, &n)) != NULL; pn_ipc_unasked_sent(u, n)) {
        struct pn_dp_header h;
        uint32_t i;
        memcpy(&h, m, sizeof(h));
        memcpy(&i, m + sizeof(h), 4);
        assert_int_equal(h.bytes, n);
        assert_int_equal(h.seq | h.status | h.reserved, 0);
        assert_int_equal(i, expected);
        assert_int_equal(h.type, i < 1000 ? PN_DP_PACKET_RX : PN_DP_PROBE_SEEN);
        expected = i == PN_IPC_UNASKED_MAX - 1 ? 1000 : i + 1;
    }
    assert_int_equal(expected, 1003);
    assert_false(pn_ipc_unasked_holds(u, PN_DP_PROBE_SEEN, 4));
    static uint8_t large[PN_IPC_UNASKED_BYTES + 1];
    assert_int_equal(pn_ipc_unasked_add(u, PN_DP_PACKET_RX, large, sizeof(large), NULL, 0).type, PN_DP_PACKET_RX);
    assert_int_equal(pn_ipc_unasked_waiting(u), 0);
    pn_ipc_unasked_free(u);
}

static void say(int fd, uint16_t type, const void *body, size_t n)
{
    size_t len = message_make(type, body, n);
    assert_int_equal(send(fd, message, len, 0), len);
    serve();
}

/* The next message on fd, with its header, in reply. */
static bool next(int fd)
{
    size_t got = 0, want = sizeof(*reply_head);
    while (got < want) {
        ssize_t n = recv(fd, reply + got, want - got, 0);
        if (n <= 0) {
            serve();
            n = recv(fd, reply + got, want - got, 0);
        }
        if (n <= 0)
            return false;
        got += (size_t)n;
        if (got == sizeof(*reply_head))
            want = reply_head->bytes;
    }
    return true;
}

static bool push(uint32_t number, size_t bytes)
{
    static uint8_t body[2048];
    unsigned before = lost[PN_DP_PACKET_RX];
    return pn_ipc_server_push(server, PN_DP_PACKET_RX, &number, sizeof(number), body, bytes) &&
           lost[PN_DP_PACKET_RX] == before;
}

static int controller(void)
{
    struct pn_dp_control control = {.heartbeat_udp_port = 1};
    int fd = client();
    say(fd, PN_DP_CONTROL, &control, sizeof(control));
    assert_true(next(fd));
    return fd;
}

static void test_reader(void **state)
{
    (void)state;
    struct pn_dp_control control = {.heartbeat_udp_port = 1};
    int a = client(), b = client();
    assert_false(push(1, 0));
    assert_int_equal(pn_ipc_server_waiting(server), UINT_MAX);
    control.heartbeat_udp_port = 13; /* refused: no reader either */
    say(a, PN_DP_CONTROL, &control, sizeof(control));
    assert_true(next(a));
    assert_false(push(1, 0));
    control.heartbeat_udp_port = 1;
    say(a, PN_DP_CONTROL, &control, sizeof(control));
    assert_true(next(a));
    assert_int_equal(reply_head->seq, 77);
    assert_true(push(2, 100));
    assert_int_equal(pn_ipc_server_waiting(server), 0); /* on its way at once */
    assert_true(next(a));
    assert_int_equal(reply_head->type, PN_DP_PACKET_RX);
    assert_int_equal(reply_head->seq, 0);
    assert_int_equal(reply_head->bytes, sizeof(*reply_head) + 104);
    /* Said while a request is handled: whole messages, whatever their order. */
    say(a, PN_DP_FLOWS_RESYNC, NULL, 0);
    bool answered = false, told = false;
    for (int i = 0; i < 2; i++) {
        assert_true(next(a));
        answered |= reply_head->type == PN_DP_FLOWS_RESYNC && reply_head->seq == 77;
        told |= reply_head->type == PN_DP_FLOWS_OUT && reply_head->seq == 0;
    }
    assert_true(answered && told);
    /* The newest to ask for it gets it. */
    say(b, PN_DP_CONTROL, &control, sizeof(control));
    assert_true(next(b));
    assert_true(push(3, 0));
    assert_false(next(a));
    assert_true(next(b));
    close(b);
    serve();
    assert_false(push(4, 0));
    close(a);
    serve();
}

/* A reader that does not read: the newest are kept, and come in one piece each, replies too. */
static void test_deaf_reader(void **state)
{
    (void)state;
    int fd = controller();
    uint32_t pushed = 0;
    while (push(pushed, 2000))
        assert_true(++pushed < 100000);
    assert_int_equal(pn_ipc_server_waiting(server), PN_IPC_UNASKED_MAX);
    say(fd, PN_DP_SNAPSHOT_GET, NULL, 0); /* a long reply between them */
    uint32_t last = 0, count = 0, replies = 0;
    while (next(fd)) {
        uint32_t number;
        if (reply_head->type == PN_DP_SNAPSHOT_GET) {
            assert_int_equal(reply_head->bytes, sizeof(*reply_head) + PN_SNAPSHOT_MAX_BYTES);
            replies++;
            continue;
        }
        assert_int_equal(reply_head->type, PN_DP_PACKET_RX);
        memcpy(&number, reply_head + 1, sizeof(number));
        assert_true(count == 0 || number > last);
        last = number;
        count++;
    }
    assert_int_equal(replies, 1);
    assert_int_equal(last, pushed); /* the one that pushed another out */
    assert_int_equal(count, pushed); /* of pushed + 1, one was lost */
    close(fd);
    serve();
}

/* Whoever pushes, and whatever makes way, is told, and has a counter: the news that the dataplane ends, too. */
static void test_what_makes_way_is_told(void **state)
{
    (void)state;
    int fd = controller();
    memset(lost, 0, sizeof(lost));
    memset(counters, 0, sizeof(counters));
    for (uint32_t i = 0; push(i, 2000); i++)
        assert_true(i < 100000);
    assert_int_equal(lost[PN_DP_PACKET_RX], 1);
    assert_true(pn_ipc_server_push(server, PN_DP_LEAVING, NULL, 0, NULL, 0));
    assert_int_equal(lost[PN_DP_PACKET_RX], 2);
    for (uint32_t i = 0; i < PN_IPC_UNASKED_MAX - 1; i++)
        assert_false(push(i, 2000));
    assert_int_equal(lost[PN_DP_LEAVING], 0);
    assert_true(push(0, 2000)); /* no packet: the news itself */
    assert_int_equal(lost[PN_DP_LEAVING], 1);
    assert_int_equal(counters[PN_C_CONTROL_UNREAD], lost[PN_DP_PACKET_RX] + 1);
    assert_int_equal(counters[PN_C_SYNC_DROPPED], 0);
    /* Flows count each; the end of a walk is a notice. */
    struct pn_dp_flow flows[3] = {{.client_port = 1}};
    assert_true(pn_ipc_server_push(server, PN_DP_FLOWS_OUT, flows, sizeof(flows), NULL, 0));
    assert_true(pn_ipc_server_push(server, PN_DP_FLOWS_OUT, NULL, 0, NULL, 0));
    for (uint32_t i = 0; i <= PN_IPC_UNASKED_MAX && lost[PN_DP_FLOWS_OUT] < 2; i++)
        push(i, 2000);
    assert_int_equal(counters[PN_C_SYNC_DROPPED], 3);
    assert_int_equal(counters[PN_C_CONTROL_UNREAD], lost[PN_DP_PACKET_RX] + 2);
    close(fd);
    serve();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lease),
        cmocka_unit_test(test_control),
        cmocka_unit_test(test_packet),
        cmocka_unit_test(test_vip_ref),
        cmocka_unit_test(test_listen),
        cmocka_unit_test(test_flows_in),
        cmocka_unit_test(test_queue),
        cmocka_unit_test_setup_teardown(test_reader, server_up, server_down),
        cmocka_unit_test_setup_teardown(test_deaf_reader, server_up, server_down),
        cmocka_unit_test_setup_teardown(test_what_makes_way_is_told, server_up, server_down),
    };
    ipc_ops = &ops;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
