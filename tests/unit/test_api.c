/* SPDX-License-Identifier: BSD-3-Clause */
/* The API: what each command answers, what is refused and with which code. */
#include "tests/unit/api_world.h"

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
    f.own.sync.ends_ignored = 3;
    r = result("{\"command\":\"node list\"}");
    assert_int_equal(json_integer_value(json_object_get(json_object_get(r, "sync"), "ends_ignored")), 3);
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
    };

    pn_log_init("test", (enum pn_log_level)0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
