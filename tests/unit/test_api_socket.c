/* SPDX-License-Identifier: BSD-3-Clause */
/* The API's socket: frames, lengths, half-closed connections, how many, and whose socket it is. */
#include "tests/unit/api_world.h"

static int client_of(struct pn_api_server *s)
{
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    assert_int_equal(pn_api_server_adopt(s, pair[0]), 0);
    return pair[1];
}

static void send_frame(int fd, const char *text)
{
    uint32_t len = htonl((uint32_t)strlen(text));

    assert_int_equal(write(fd, &len, 4), 4);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

/* The next reply as JSON, NULL: closed. */
static json_t *receive(int fd)
{
    static char buf[1 << 20];
    size_t have = 0;
    uint32_t len = 0;

    for (int i = 0; i < 400; i++) {
        ssize_t n = read(fd, buf + have, (have < 4 ? 4 : 4 + len) - have);

        if (n == 0)
            return NULL;
        if (n > 0)
            have += (size_t)n;
        if (have >= 4)
            len = ntohl(*(uint32_t *)buf);
        if (have >= 4 && have == 4 + len)
            return json_loadb(buf + 4, len, 0, NULL);
        if (n < 0)
            fake_dp_run(f.base, 5);
    }
    fail_msg("no reply");
    return NULL;
}

static void test_frames(void **state)
{
    struct pn_error err;
    struct pn_api_server *s = pn_api_server_new(f.base, NULL, 0, &f.view, &err);
    static const char split[] = "\0\0\0\x17{\"command\":\"node show";
    int fd = client_of(s);
    json_t *r;

    (void)state;
    /* Several in one write; a slow one among them keeps its place. */
    send_frame(fd, "{\"command\":\"node show\"}");
    send_frame(fd, "{\"command\":\"flow list\"}");
    send_frame(fd, "{\"command\":\"nothing\"}");
    r = receive(fd);
    assert_string_equal(json_string_value(json_object_get(json_object_get(r, "result"), "name")), "n1");
    json_decref(r);
    r = receive(fd);
    assert_non_null(json_object_get(json_object_get(r, "result"), "flows"));
    json_decref(r);
    r = receive(fd);
    assert_string_equal(json_string_value(json_object_get(r, "code")), "bad-request");
    json_decref(r);
    /* A byte at a time. */
    for (size_t i = 0; i < sizeof(split) - 1; i++) {
        assert_int_equal(write(fd, split + i, 1), 1);
        fake_dp_run(f.base, 1);
    }
    assert_int_equal(write(fd, "\"}", 2), 2);
    r = receive(fd);
    assert_true(json_is_true(json_object_get(r, "ok")));
    json_decref(r);
    /* The peer goes while its call is under way. */
    send_frame(fd, "{\"command\":\"flow list\"}");
    close(fd);
    fake_dp_run(f.base, 50);
    assert_int_equal(pn_api_server_connections(s), 0);
    /* The server goes while a call is under way (the address sanitizer sees what would be touched). */
    fd = client_of(s);
    f.dp.mute = true;
    send_frame(fd, "{\"command\":\"flow list\"}");
    fake_dp_run(f.base, 20);
    assert_int_equal(pn_api_server_connections(s), 1);
    pn_api_server_free(s);
    fake_dp_hang_up(&f.dp);
    fake_dp_run(f.base, 20);
    assert_null(receive(fd));
    close(fd);
}

/* A peer that has said all (shutdown) gets every answer, then the connection ends. */
static void test_half_close(void **state)
{
    struct pn_error err;
    struct pn_api_server *s = pn_api_server_new(f.base, NULL, 0, &f.view, &err);
    int fd = client_of(s);
    json_t *r;

    (void)state;
    send_frame(fd, "{\"command\":\"flow list\"}"); /* takes a while */
    send_frame(fd, "{\"command\":\"node show\"}");
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    r = receive(fd);
    assert_non_null(r);
    assert_non_null(json_object_get(json_object_get(r, "result"), "flows"));
    json_decref(r);
    r = receive(fd);
    assert_non_null(r);
    assert_string_equal(json_string_value(json_object_get(json_object_get(r, "result"), "name")), "n1");
    json_decref(r);
    assert_null(receive(fd));
    assert_int_equal(pn_api_server_connections(s), 0);
    close(fd);
    /* Nothing asked, or half a request. */
    fd = client_of(s);
    assert_int_equal(write(fd, "\0\0\0\x17{", 5), 5);
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    assert_null(receive(fd));
    close(fd);
    pn_api_server_free(s);
}

static void test_lengths_out_of_range_close_it(void **state)
{
    static const uint32_t lengths[] = {0, PN_API_REQUEST_MAX + 1, UINT32_MAX};
    struct pn_error err;
    struct pn_api_server *s = pn_api_server_new(f.base, NULL, 0, &f.view, &err);

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        uint32_t len = htonl(lengths[i]);
        int fd = client_of(s);
        json_t *r;

        assert_int_equal(write(fd, &len, 4), 4);
        r = receive(fd);
        assert_string_equal(json_string_value(json_object_get(r, "code")), "bad-request");
        json_decref(r);
        assert_null(receive(fd));
        close(fd);
    }
    assert_int_equal(pn_api_server_connections(s), 0);
    pn_api_server_free(s);
}

static void test_connections_are_bounded(void **state)
{
    struct pn_error err;
    struct pn_api_server *s = pn_api_server_new(f.base, NULL, 0, &f.view, &err);
    int fds[80];
    unsigned taken = 0;

    (void)state;
    for (unsigned i = 0; i < 80; i++) {
        int pair[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
        fds[i] = pair[1];
        taken += pn_api_server_adopt(s, pair[0]) == 0;
    }
    assert_int_equal(taken, 64);
    for (unsigned i = 0; i < 80; i++)
        close(fds[i]);
    fake_dp_run(f.base, 20);
    assert_int_equal(pn_api_server_connections(s), 0);
    pn_api_server_free(s);
}

/* Where all others are out, busy ones take flows: what people read says so too. */
static void test_only_busy_is_not_out(void **state)
{
    (void)state;
    pn_rt_member(f.rt, 0, 0, 0)->health = PN_HEALTH_BUSY;
    assert_string_equal(pn_view_member_refuses(&f.view, 0, 0, 0), "busy");
    f.rt->gateways[2].drain = true;
    assert_null(pn_view_member_refuses(&f.view, 0, 0, 0));
    f.rt->gateways[0].drain = true;
    assert_string_equal(pn_view_member_refuses(&f.view, 0, 0, 0), "drain");
}

/* A daemon whose queue is full still lives: its socket is not a dead one's. */
static void test_a_busy_socket_is_not_replaced(void **state)
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    struct pn_api_server *s;
    struct pn_error err;
    int fds[9], n = 1;

    (void)state;
    snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/busy.sock", f.dir);
    fds[0] = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fds[0], (struct sockaddr *)&sun, sizeof(sun)), 0);
    assert_int_equal(listen(fds[0], 0), 0);
    for (; n < 9; n++) {
        fds[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        if (connect(fds[n], (struct sockaddr *)&sun, sizeof(sun)) < 0)
            break;
    }
    assert_true(n < 9);
    assert_null(pn_api_server_new(f.base, sun.sun_path, 0600, &f.view, &err));
    assert_non_null(strstr(err.text, "another posternd"));
    assert_int_equal(access(sun.sun_path, F_OK), 0);
    for (int i = 0; i <= n; i++)
        close(fds[i]);
    s = pn_api_server_new(f.base, sun.sun_path, 0600, &f.view, &err); /* now it is */
    assert_non_null(s);
    pn_api_server_free(s);
    assert_int_equal(access(sun.sun_path, F_OK), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_frames, setup, teardown),
        cmocka_unit_test_setup_teardown(test_half_close, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lengths_out_of_range_close_it, setup, teardown),
        cmocka_unit_test_setup_teardown(test_connections_are_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_only_busy_is_not_out, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_busy_socket_is_not_replaced, setup, teardown),
    };

    pn_log_init("test", (enum pn_log_level)0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
