/* SPDX-License-Identifier: BSD-3-Clause */
/* The control socket over a real one: what a client may do to the server. */
#include <sys/stat.h>

#include "tests/unit/ipc_world.h"

static const struct pn_ipc_ops ops = {.hello = fake_hello, .snapshot_put = fake_put, .snapshot_get = fake_get};

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
        cmocka_unit_test_setup_teardown(test_socket_mode, server_up, server_down),
        cmocka_unit_test_setup_teardown(test_byte_by_byte, server_up, server_down),
        cmocka_unit_test_setup_teardown(test_hopeless_length_closes, server_up, server_down),
        cmocka_unit_test_setup_teardown(test_stalled_clients_go, server_up, server_down),
        cmocka_unit_test_setup_teardown(test_slow_reader_gets_it_all, server_up, server_down),
        cmocka_unit_test_setup_teardown(test_answer_comes_later, server_up, server_down),
        cmocka_unit_test_setup_teardown(test_many_clients, server_up, server_down),
    };
    ipc_ops = &ops;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
