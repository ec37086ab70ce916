/* SPDX-License-Identifier: BSD-3-Clause */
/* Which walk an end belongs to: dataplane/flowsync.c with a socket whose reader may not read, and rings for workers. */
#include <rte_ring_elem.h>

#include "dataplane/runtime.h"
#include "tests/unit/ipc_world.h"

#define RING 64

static struct pn_dataplane dp;
static struct pn_shared shared;
static struct pn_stats_worker main_stats;
static struct pn_worker *worker;

static enum pn_dp_status fake_control(void *arg, const struct pn_dp_control *control, struct pn_error *err)
{
    (void)arg, (void)control, (void)err;
    return PN_DP_STATUS_OK;
}

static enum pn_dp_status fake_resync(void *arg, struct pn_error *err)
{
    (void)arg;
    return pn_flowsync_again(&dp, err);
}

static const struct pn_ipc_ops ops = {.hello = fake_hello, .control = fake_control, .flows_resync = fake_resync};

static struct rte_ring *ring_new(void)
{
    ssize_t bytes = rte_ring_get_memsize_elem(sizeof(struct pn_sync_msg), RING);
    struct rte_ring *r = aligned_alloc(64, ((size_t)bytes + 63) / 64 * 64);
    assert_int_equal(rte_ring_init(r, "flows", RING, RING_F_SP_ENQ | RING_F_SC_DEQ), 0);
    return r;
}

static int up(void **state)
{
    if (server_up(state) < 0)
        return -1;
    memset(&dp, 0, sizeof(dp));
    worker = aligned_alloc(64, (sizeof(*worker) + 63) / 64 * 64);
    memset(worker, 0, sizeof(*worker));
    worker->ctx.sync_out = ring_new();
    atomic_store(&shared.sync, true);
    dp.shared = &shared;
    dp.main_stats = &main_stats;
    dp.workers[0] = worker;
    dp.n_workers = 1;
    dp.ipc = server;
    return 0;
}

static int down(void **state)
{
    free(worker->ctx.sync_out);
    free(worker);
    return server_down(state);
}

/* What the worker says: a flow, or that its walk is over. */
static void worker_says(uint8_t flags)
{
    const struct pn_sync_msg msg = {.client = {1, 2}, .port_svc = 25u << 16, .flags = flags};
    assert_int_equal(rte_ring_sp_enqueue_elem(worker->ctx.sync_out, (void *)(uintptr_t)&msg, sizeof(msg)), 0);
}

static void say(int fd, uint16_t type, const void *body, size_t n)
{
    size_t len = message_make(type, body, n);
    assert_int_equal(send(fd, message, len, 0), len);
    serve();
}

/* The next message, with its header, in reply. false: none is there. */
static bool next(int fd)
{
    serve();
    if (recv(fd, reply, sizeof(*reply_head), MSG_DONTWAIT) != sizeof(*reply_head))
        return false;
    for (size_t got = sizeof(*reply_head); got < reply_head->bytes;) {
        ssize_t n = recv(fd, reply + got, reply_head->bytes - got, MSG_DONTWAIT);
        assert_true(n > 0);
        got += (size_t)n;
    }
    return true;
}

static int reader(void)
{
    static const struct pn_dp_control control = {.heartbeat_udp_port = 24625};
    int fd = client();
    say(fd, PN_DP_CONTROL, &control, sizeof(control));
    assert_true(next(fd));
    return fd;
}

static uint16_t resync(int fd)
{
    say(fd, PN_DP_FLOWS_RESYNC, NULL, 0);
    while (next(fd))
        if (reply_head->type == PN_DP_FLOWS_RESYNC)
            return reply_head->status;
    fail_msg("no answer");
    return PN_DP_STATUS_BAD_MESSAGE;
}

static bool is_end(void)
{
    return reply_head->type == PN_DP_FLOWS_OUT && reply_head->bytes == sizeof(*reply_head);
}

static void test_a_walk(void **state)
{
    (void)state;
    int fd = reader();
    assert_int_equal(resync(fd), PN_DP_STATUS_OK);
    assert_int_equal(resync(fd), PN_DP_STATUS_BUSY);
    worker_says(0);
    worker_says(PN_SYNC_END);
    pn_flowsync_tick(&dp);
    assert_true(next(fd));
    assert_int_equal(reply_head->bytes, sizeof(*reply_head) + sizeof(struct pn_dp_flow));
    assert_true(next(fd));
    assert_true(is_end());
    assert_false(next(fd));
    assert_int_equal(resync(fd), PN_DP_STATUS_OK);
    close(fd);
    serve();
}

/* The end waits in the queue of a reader that has fallen behind; the answer to the next resync would overtake it. */
static void test_no_walk_while_an_end_waits(void **state)
{
    static uint8_t packet[PN_IPC_UNASKED_BYTES];
    unsigned ends = 0, answers = 0;
    (void)state;
    int fd = reader();
    assert_int_equal(resync(fd), PN_DP_STATUS_OK);
    for (unsigned i = 0; pn_ipc_server_waiting(server) == 0; i++) {
        assert_true(i < 10000);
        assert_true(pn_ipc_server_push(server, PN_DP_PACKET_RX, packet, sizeof(packet), NULL, 0));
    }
    worker_says(PN_SYNC_END);
    pn_flowsync_tick(&dp);
    assert_int_equal(dp.resync_ends, 0);
    say(fd, PN_DP_FLOWS_RESYNC, NULL, 0);
    while (next(fd)) {
        ends += is_end();
        if (reply_head->type != PN_DP_FLOWS_RESYNC)
            continue;
        assert_int_equal(reply_head->status, PN_DP_STATUS_BUSY);
        assert_int_equal(ends, 0); /* it was overtaken */
        answers++;
    }
    assert_int_equal(answers, 1);
    assert_int_equal(ends, 1);
    assert_int_equal(resync(fd), PN_DP_STATUS_OK);
    close(fd);
    serve();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_walk, up, down),
        cmocka_unit_test_setup_teardown(test_no_walk_while_an_end_waits, up, down),
    };
    ipc_ops = &ops;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
