/* SPDX-License-Identifier: BSD-3-Clause */
/* The API: what each command answers, what is refused and with which code, and the frames around it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#include <event2/event.h>

#include "controlplane/api/api.h"
#include "tests/unit/fixture_view.h"

static struct fixture f;
static json_t *got;
static unsigned answers;

static void on_done(void *arg, json_t *reply)
{
    (void)arg;
    json_decref(got);
    got = reply;
    answers++;
}

static const json_t *ask_as(struct pn_api_peer peer, const char *text)
{
    unsigned before = answers;

    pn_api_request(&f.view, peer, text, strlen(text), on_done, NULL);
    for (int i = 0; answers == before && i < 400; i++)
        fake_dp_run(f.base, 5);
    assert_int_equal(answers, before + 1);
    assert_non_null(got);
    return got;
}

static const json_t *ask(const char *text)
{
    return ask_as((struct pn_api_peer){.may_write = true, .root = true}, text);
}

static const json_t *result(const char *text)
{
    const json_t *reply = ask(text);

    if (!json_is_true(json_object_get(reply, "ok")))
        fail_msg("%s: %s", text, json_string_value(json_object_get(reply, "error")));
    return json_object_get(reply, "result");
}

static void refused(const char *text, const char *code)
{
    const json_t *reply = ask(text);

    if (json_is_true(json_object_get(reply, "ok")))
        fail_msg("%s was taken", text);
    assert_string_equal(json_string_value(json_object_get(reply, "code")), code);
    assert_true(json_string_length(json_object_get(reply, "error")) > 0);
}

static int setup(void **state)
{
    (void)state;
    fixture_up(&f, true);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    json_decref(got);
    got = NULL;
    fixture_down(&f);
    return 0;
}

/* Parts with a thread of their own, which the fixture does not have: their own tests ask them. */
static bool beside(const char *command)
{
    static const char *const nouns[] = {"cluster ", "perimeter ", "rule ", "quarantine ", "report "};

    for (unsigned i = 0; i < sizeof(nouns) / sizeof(nouns[0]); i++)
        if (strncmp(command, nouns[i], strlen(nouns[i])) == 0)
            return true;
    return false;
}

static void test_every_command_answers(void **state)
{
    (void)state;
    for (unsigned i = 0; i < pn_api_n_commands; i++) {
        const struct pn_api_command *c = &pn_api_commands[i];
        json_t *args = json_object(), *request;
        char *text;

        for (const struct pn_api_arg *a = c->args; a->name; a++)
            if (a->required && a->type != PN_API_ARG_TEXT && a->type != PN_API_ARG_INT)
                json_object_set_new(args, a->name, a->type == PN_API_ARG_LIST ? json_array() : json_false());
            else if (a->required)
                json_object_set_new(args, a->name,
                                    a->type == PN_API_ARG_INT
                                        ? json_integer(1)
                                        : json_string(strcmp(a->name, "client") == 0     ? "198.51.100.7"
                                                      : strncmp(c->name, "vip ", 4) == 0 ? "in4"
                                                                                         : "mx1"));
        request = json_pack("{s:s, s:o}", "command", c->name, "args", args);
        text = json_dumps(request, 0);
        if (beside(c->name))
            refused(text, "unavailable");
        else
            assert_non_null(result(text));
        free(text);
        json_decref(request);
    }
}

static void test_bad_requests(void **state)
{
    (void)state;
    refused("", "bad-request");
    refused("nonsense", "bad-request");
    refused("[1]", "bad-request");
    refused("{}", "bad-request");
    refused("{\"command\":7}", "bad-request");
    refused("{\"command\":\"status\",\"extra\":1}", "bad-request");
    refused("{\"command\":\"status\",\"command\":\"status\"}", "bad-request");
    refused("{\"command\":\"shutdown\"}", "bad-request");
    refused("{\"command\":\"status\",\"args\":[]}", "bad-request");
    refused("{\"command\":\"status\",\"args\":{\"name\":\"x\"}}", "bad-request");
    refused("{\"command\":\"gateway drain\"}", "bad-request");
    refused("{\"command\":\"gateway drain\",\"args\":{\"name\":7}}", "bad-request");
    refused("{\"command\":\"gateway drain\",\"args\":{\"name\":\"\"}}", "bad-request");
    refused("{\"command\":\"gateway drain\",\"args\":{\"name\":\"a-name-that-is-longer-than-31-bytes\"}}",
            "bad-request");
    refused("{\"command\":\"gateway weight\",\"args\":{\"name\":\"mx1\",\"weight\":257}}", "bad-request");
    refused("{\"command\":\"gateway weight\",\"args\":{\"name\":\"mx1\",\"weight\":1.5}}", "bad-request");
    refused("{\"command\":\"gateway drain\",\"args\":{\"name\":\"mx9\"}}", "not-found");
    refused("{\"command\":\"vip list\",\"args\":{\"name\":\"mx9\"}}", "not-found");
    refused("{\"command\":\"explain\",\"args\":{\"client\":\"1.2.3\"}}", "bad-request");
    refused("{\"command\":\"explain\",\"args\":{\"client\":\"1.2.3.4\",\"service\":\"pop3\"}}", "not-found");
    refused("{\"command\":\"flow list\",\"args\":{\"client\":\"1.2.3.4/8\"}}", "bad-request");
    refused("{\"command\":\"flow list\",\"args\":{\"gateway\":\"mx9\"}}", "not-found");
    assert_int_equal(f.orders, 0);
}

static void test_who_may_what(void **state)
{
    struct pn_api_peer other = {0};
    const json_t *reply;

    (void)state;
    for (unsigned i = 0; i < pn_api_n_commands; i++) {
        char text[256];
        size_t n = (size_t)snprintf(text, sizeof(text), "{\"command\":\"%s\",\"args\":{", pn_api_commands[i].name);

        for (const struct pn_api_arg *a = pn_api_commands[i].args; a->name; a++)
            if (a->required)
                n += (size_t)snprintf(text + n, sizeof(text) - n, "%s\"%s\":%s", text[n - 1] == '{' ? "" : ",", a->name,
                                      a->type == PN_API_ARG_INT        ? "1"
                                      : a->type == PN_API_ARG_LIST     ? "[]"
                                      : a->type != PN_API_ARG_TEXT     ? "true"
                                      : strcmp(a->name, "client") == 0 ? "\"198.51.100.7\""
                                                                       : "\"mx1\"");
        snprintf(text + n, sizeof(text) - n, "}}");
        reply = ask_as(other, text);
        if (pn_api_commands[i].access == PN_API_READ && beside(pn_api_commands[i].name))
            assert_string_equal(json_string_value(json_object_get(reply, "code")), "unavailable");
        else if (pn_api_commands[i].access == PN_API_READ)
            assert_true(json_is_true(json_object_get(reply, "ok")));
        else
            assert_string_equal(json_string_value(json_object_get(reply, "code")), "denied");
    }
    assert_int_equal(f.orders + f.reloads + f.standbys, 0);
}

static void test_orders(void **state)
{
    const json_t *r;

    (void)state;
    r = result("{\"command\":\"gateway drain\",\"args\":{\"name\":\"mx3\"}}");
    assert_string_equal(json_string_value(json_object_get(json_object_get(r, "gateway"), "state")), "drain");
    assert_int_equal(json_array_size(json_object_get(r, "warnings")), 0); /* mx1 is still there */
    r = result("{\"command\":\"gateway disable\",\"args\":{\"name\":\"mx1\"}}");
    assert_int_equal(json_array_size(json_object_get(r, "warnings")), 1); /* mx2 is down: nobody is left */
    assert_true(f.rt->gateways[0].disabled);
    result("{\"command\":\"gateway enable\",\"args\":{\"name\":\"mx1\"}}");
    result("{\"command\":\"gateway enable\",\"args\":{\"name\":\"mx3\"}}");
    assert_false(f.rt->gateways[0].disabled || f.rt->gateways[2].drain);
    result("{\"command\":\"gateway weight\",\"args\":{\"name\":\"mx1\",\"weight\":0}}");
    assert_int_equal(f.rt->gateways[0].weight_override, 0);
    result("{\"command\":\"gateway weight\",\"args\":{\"name\":\"mx1\"}}");
    assert_int_equal(f.rt->gateways[0].weight_override, -1);
    result("{\"command\":\"vip move\",\"args\":{\"name\":\"in4\"}}");
    refused("{\"command\":\"vip move\",\"args\":{\"name\":\"in4\",\"node\":\"n1\"}}", "refused");
    refused("{\"command\":\"vip move\",\"args\":{\"name\":\"in9\"}}", "not-found");
    assert_int_equal(f.moves, 2);
    r = result("{\"command\":\"node hold\",\"args\":{\"ms\":5000}}");
    assert_int_equal(json_integer_value(json_object_get(r, "ms")), 5000);
    r = result("{\"command\":\"node list\"}");
    assert_int_equal(json_integer_value(json_object_get(json_object_get(r, "hold"), "left_ms")), 5000);
    assert_int_equal(json_array_size(json_object_get(r, "nodes")), 1);
    result("{\"command\":\"node hold\"}");
    result("{\"command\":\"node standby\"}");
    assert_true(f.own.standby);
    f.reload_fails = true;
    r = result("{\"command\":\"reload\"}");
    assert_true(json_is_false(json_object_get(r, "loaded")));
    assert_int_equal(json_array_size(json_object_get(r, "errors")), 1);
}

static void test_flows_are_walked_and_cut(void **state)
{
    const json_t *r = result("{\"command\":\"flow list\"}");

    (void)state;
    assert_int_equal(json_array_size(json_object_get(r, "flows")), 2);
    assert_true(json_is_false(json_object_get(r, "more")));
    r = result("{\"command\":\"flow list\",\"args\":{\"max\":1}}");
    assert_int_equal(json_array_size(json_object_get(r, "flows")), 1);
    assert_true(json_is_true(json_object_get(r, "more")));
    r = result("{\"command\":\"flow list\",\"args\":{\"client\":\"198.51.100.7\",\"port\":40002}}");
    assert_int_equal(json_array_size(json_object_get(r, "flows")), 1);
    /* Two VIPs, so two ids: the fake holds both flows under each. */
    r = result("{\"command\":\"flow list\",\"args\":{\"service\":\"smtp-in\"}}");
    assert_int_equal(json_array_size(json_object_get(r, "flows")), 4);
}

static const json_t *explained(bool *blocked, const char **first)
{
    const json_t *data =
        result("{\"command\":\"explain\",\"args\":{\"client\":\"198.51.100.7\",\"service\":\"smtp-in\"}}");
    const json_t *service = json_array_get(json_object_get(data, "services"), 0);

    *blocked = json_is_true(json_object_get(service, "blocked"));
    *first = json_string_value(json_array_get(json_object_get(service, "why"), 0));
    return json_object_get(data, "filter");
}

static void test_explain_names_the_list(void **state)
{
    struct pn_dp_filter_answer *a = &f.dp.filter;
    const char *why;
    bool blocked;

    (void)state;
    const json_t *filter = explained(&blocked, &why);
    assert_false(blocked);
    assert_string_equal(json_string_value(json_object_get(filter, "list")), "none");
    assert_true(json_is_null(json_object_get(filter, "blocklist")));

    a->verdict = PN_FILTER_BLOCKED;
    a->block_action = PN_FILTER_RESET;
    a->found[PN_FILTER_BLOCK] = 1;
    a->match[PN_FILTER_BLOCK].prefix_len = 96 + 24;
    assert_int_equal(pn_addr_parse("198.51.100.0", &a->match[PN_FILTER_BLOCK].addr, NULL), 0);
    filter = explained(&blocked, &why);
    assert_true(blocked);
    assert_string_equal(why, "blocked by the blocklist (198.51.100.0/24): its new flows are reset");
    assert_string_equal(json_string_value(json_object_get(filter, "list")), "blocklist");
    assert_string_equal(json_string_value(json_object_get(filter, "action")), "reset");
    assert_string_equal(json_string_value(json_object_get(filter, "blocklist")), "198.51.100.0/24");

    a->verdict = PN_FILTER_WELCOMED;
    a->found[PN_FILTER_WELCOME] = 1;
    a->match[PN_FILTER_WELCOME] = a->match[PN_FILTER_BLOCK];
    a->match[PN_FILTER_WELCOME].prefix_len = 96 + 25;
    explained(&blocked, &why);
    assert_false(blocked);
    assert_string_equal(why, "let in by the welcomelist (198.51.100.0/25), though 198.51.100.0/24 is in the blocklist");
}

static void test_without_a_dataplane(void **state)
{
    (void)state;
    fake_dp_hang_up(&f.dp);
    fake_dp_run(f.base, 20);
    f.stats.valid = false;
    refused("{\"command\":\"explain\",\"args\":{\"client\":\"1.2.3.4\"}}", "unavailable");
    refused("{\"command\":\"flow list\"}", "unavailable");
    refused("{\"command\":\"stats\"}", "unavailable");
    result("{\"command\":\"status\"}");
}

static void test_abandoned_calls_are_forgotten(void **state)
{
    static const char text[] = "{\"command\":\"flow list\"}";
    struct pn_api_peer peer = {.may_write = true};
    unsigned before = answers;
    struct pn_api_call *call = pn_api_request(&f.view, peer, text, strlen(text), on_done, NULL);

    (void)state;
    assert_non_null(call);
    pn_api_abandon(call);
    fake_dp_run(f.base, 50);
    assert_int_equal(answers, before);
    /* And one that is under way when the link goes. */
    f.dp.mute = true;
    call = pn_api_request(&f.view, peer, text, strlen(text), on_done, NULL);
    assert_non_null(call);
    fake_dp_run(f.base, 20);
    fake_dp_hang_up(&f.dp);
    fake_dp_run(f.base, 20);
    assert_int_equal(answers, before + 1);
    assert_string_equal(json_string_value(json_object_get(got, "code")), "unavailable");
}

/* ---- frames ---- */

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
        cmocka_unit_test_setup_teardown(test_every_command_answers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_requests, setup, teardown),
        cmocka_unit_test_setup_teardown(test_who_may_what, setup, teardown),
        cmocka_unit_test_setup_teardown(test_orders, setup, teardown),
        cmocka_unit_test_setup_teardown(test_flows_are_walked_and_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(test_explain_names_the_list, setup, teardown),
        cmocka_unit_test_setup_teardown(test_without_a_dataplane, setup, teardown),
        cmocka_unit_test_setup_teardown(test_abandoned_calls_are_forgotten, setup, teardown),
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
