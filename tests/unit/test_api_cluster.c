/* SPDX-License-Identifier: BSD-3-Clause */
/* The cluster's commands as a client sees them: two nodes with their threads, joined through the API. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/event.h>

#include "controlplane/actors/cluster.h"
#include "controlplane/api/api.h"
#include "controlplane/conf/load.h"
#include "controlplane/metrics/metrics.h"
#include "controlplane/view/clock.h"
#include "tests/unit/fixture_view.h"

static const char conf_text[] = "cluster { name = \"office\"; perimeter = [\"192.0.2.0/24\"] }\n"
                                "node \"n1\" { port \"p\" { interface = eth0; address-v4 = 192.0.2.1 }\n"
                                "  mesh { listen = \"127.0.0.1:%u\"; address = \"127.0.0.1\" } }\n"
                                "node \"n2\" { port \"p\" { interface = eth0; address-v4 = 192.0.2.2 }\n"
                                "  mesh { listen = \"127.0.0.2:%u\"; address = \"127.0.0.2\" } }\n"
                                "node \"n3\" { port \"p\" { interface = eth0; address-v4 = 192.0.2.3 } }\n";

static struct fixture f;
static struct pn_conf *conf;
static struct pn_loop *main_loop;
static struct pn_key_sources keys;
static struct node {
    struct pn_view view;
    char dir[96];
} nodes[2];
static json_t *got;
static unsigned answers;

static void on_done(void *arg, json_t *reply)
{
    (void)arg;
    json_decref(got);
    got = reply;
    answers++;
}

/* args is taken over. */
static const json_t *ask(int node, const char *command, json_t *args)
{
    json_t *request = json_pack("{s:s, s:o}", "command", command, "args", args ? args : json_object());
    char *text = json_dumps(request, 0);
    unsigned before = answers;

    pn_api_request(&nodes[node].view, (struct pn_api_peer){.may_write = true, .root = true}, text, strlen(text),
                   on_done, NULL);
    for (int i = 0; answers == before && i < 2000; i++)
        fake_dp_run(f.base, 5);
    assert_int_equal(answers, before + 1);
    free(text);
    json_decref(request);
    return got;
}

static const json_t *result(int node, const char *command, json_t *args)
{
    const json_t *reply = ask(node, command, args);

    if (!json_is_true(json_object_get(reply, "ok")))
        fail_msg("%s: %s", command, json_string_value(json_object_get(reply, "error")));
    return json_object_get(reply, "result");
}

static void refused(int node, const char *command, json_t *args, const char *code, const char *why)
{
    const json_t *reply = ask(node, command, args);
    const char *error = json_string_value(json_object_get(reply, "error"));

    assert_string_equal(json_string_value(json_object_get(reply, "code")), code);
    if (!strstr(error, why))
        fail_msg("%s: \"%s\", not \"%s\"", command, error, why);
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static int64_t int_of(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static int setup(void **state)
{
    struct pn_conf_error errors[4];
    struct pn_error err;
    unsigned n = 0, port = 21000u + (unsigned)getpid() % 20000u;
    char path[128];
    FILE *out;

    (void)state;
    fixture_up(&f, false);
    snprintf(path, sizeof(path), "%s/pair.conf", f.dir);
    out = fopen(path, "w");
    fprintf(out, conf_text, port, port);
    fclose(out);
    conf = pn_conf_load(path, errors, 4, &n);
    if (!conf)
        fail_msg("%s: %s", errors[0].key, errors[0].text);
    unlink(path);
    main_loop = pn_loop_new(f.base, &err);
    for (int i = 0; i < 2; i++) {
        struct pn_cluster_actor_options o = {
            .conf = conf, .node = (unsigned)i, .state_dir = nodes[i].dir, .version = "0.9", .main = main_loop};
        snprintf(nodes[i].dir, sizeof(nodes[i].dir), "%s/n%d", f.dir, i + 1);
        snprintf(path, sizeof(path), "mkdir %s", nodes[i].dir);
        assert_int_equal(system(path), 0);
        nodes[i].view = f.view;
        nodes[i].view.conf = conf;
        nodes[i].view.node = i;
        nodes[i].view.now_ms = pn_clock_ms;
        nodes[i].view.loop = main_loop;
        nodes[i].view.keys = &keys;
        nodes[i].view.cluster = pn_cluster_actor_new(&o, &err);
        assert_non_null(nodes[i].view.cluster);
        assert_int_equal(pn_cluster_actor_start(nodes[i].view.cluster, &err), 0);
    }
    return 0;
}

static int teardown(void **state)
{
    char command[128];

    (void)state;
    for (int i = 0; i < 2; i++)
        pn_cluster_actor_free(nodes[i].view.cluster);
    pn_loop_free(main_loop);
    json_decref(got);
    got = NULL;
    pn_conf_free(conf);
    for (int i = 0; i < 2; i++) {
        snprintf(command, sizeof(command), "rm -r %s", nodes[i].dir);
        assert_int_equal(system(command), 0);
    }
    fixture_down(&f);
    return 0;
}

static const json_t *join(int node, json_t *args)
{
    const json_t *r = result(node, "cluster join", args);

    for (int i = 0; i < 200 && strcmp(text_of(r, "state"), "running") == 0; i++) {
        fake_dp_run(f.base, 20);
        r = result(node, "cluster join-progress", NULL);
    }
    return r;
}

static const json_t *status_until_up(int node)
{
    for (int i = 0; i < 200; i++) {
        const json_t *s = result(node, "cluster status", NULL);
        const json_t *peer = json_array_get(json_object_get(s, "peers"), 0);
        if (strcmp(text_of(peer, "link"), "up") == 0 && json_is_true(json_object_get(peer, "keys_equal")))
            return s;
        fake_dp_run(f.base, 50);
    }
    fail_msg("no link");
    return NULL;
}

static void metrics_have(int node, const char *line)
{
    struct evbuffer *out = evbuffer_new();

    assert_int_equal(pn_metrics_write(out, &nodes[node].view), 0);
    evbuffer_add(out, "", 1);
    if (!strstr((char *)evbuffer_pullup(out, -1), line))
        fail_msg("no \"%s\" in %s", line, evbuffer_pullup(out, -1));
    evbuffer_free(out);
}

static void test_from_nothing_to_two(void **state)
{
    char token[400];
    const json_t *r;

    (void)state;
    assert_string_equal(text_of(result(0, "cluster status", NULL), "state"), "none");
    metrics_have(0, "postern_cluster_member{cluster=\"\"} 0\n");
    refused(0, "cluster invite", NULL, "refused", "not in a cluster");
    refused(0, "cluster rotate-keys", NULL, "refused", "not in a cluster");
    refused(0, "cluster init", json_pack("{s:s, s:s}", "name", "x", "passphrase", "short"), "refused", "passphrase");
    r = result(0, "cluster init", NULL); /* named as the configuration names it */
    assert_string_equal(text_of(r, "cluster"), "office");
    assert_int_equal(int_of(r, "members"), 1);
    r = result(0, "cluster status", NULL);
    assert_int_equal(json_array_size(json_object_get(r, "not_members")), 2);

    refused(1, "cluster join", json_pack("{s:s}", "token", "PN1-AAAA"), "refused", "mistyped");
    refused(1, "cluster join", json_pack("{s:s, s:s}", "token", "PN1-AAAA", "host", "mx1.example.org"), "bad-request",
            "host:");
    refused(1, "cluster join", json_pack("{s:s, s:s}", "token", "PN1-AAAA", "host", "127.0.0.1:0"), "bad-request",
            "port");
    r = result(0, "cluster invite", json_pack("{s:I}", "ttl_s", (json_int_t)600));
    snprintf(token, sizeof(token), "%s", text_of(r, "token"));
    assert_int_equal(int_of(result(0, "cluster status", NULL), "invites"), 1);

    r = join(1, json_pack("{s:s, s:s}", "token", token, "host", "127.0.0.1:1"));
    assert_string_equal(text_of(r, "state"), "failed");
    assert_non_null(strstr(text_of(r, "error"), "127.0.0.1 port 1: Connection refused"));
    r = join(1, json_pack("{s:s}", "token", token));
    assert_string_equal(text_of(r, "error"), "");
    assert_string_equal(text_of(r, "state"), "done");
    assert_string_equal(text_of(json_object_get(r, "now"), "cluster"), "office");
    assert_int_equal(int_of(json_object_get(r, "now"), "members"), 2);

    r = status_until_up(0);
    assert_string_equal(json_string_value(json_array_get(json_object_get(r, "not_members"), 0)), "n3");
    assert_int_equal(json_array_size(json_object_get(r, "not_configured")), 0);
    /* Issued for 90 days: whole days, and less than a second or more has gone by. */
    assert_in_range(int_of(json_object_get(r, "certificate"), "days_left"), 89, 90);
    status_until_up(1);
    metrics_have(1, "postern_cluster_peer_up{peer=\"n1\"} 1\n");
    metrics_have(1, "postern_cluster_complete 0\n");
    metrics_have(0, "postern_cluster_members 2\n");

    r = result(1, "cluster members", NULL);
    assert_int_equal(json_array_size(json_object_get(r, "members")), 3);
    assert_true(json_is_false(json_object_get(json_array_get(json_object_get(r, "members"), 2), "member")));
    r = result(1, "perimeter list", NULL);
    assert_string_equal(json_string_value(json_array_get(json_object_get(r, "networks"), 0)), "127.0.0.1/32");
    r = result(0, "perimeter export", json_pack("{s:s}", "format", "postfix"));
    assert_non_null(strstr(text_of(r, "text"), "192.0.2.0/24 permit\n"));
    refused(0, "perimeter export", json_pack("{s:s}", "format", "xml"), "bad-request", "xml");

    r = result(0, "status", NULL);
    assert_int_equal(int_of(json_object_get(r, "cluster"), "connected"), 2);
    assert_non_null(
        strstr(json_string_value(json_array_get(json_object_get(json_object_get(r, "cluster"), "alarms"), 0)),
               "n3 is configured, but not a member"));

    refused(0, "cluster remove", json_pack("{s:s}", "name", "n9"), "not-found", "no member");
    refused(0, "cluster rename", json_pack("{s:s, s:s}", "name", "n9", "new_name", "n8"), "not-found", "no member");
    assert_int_equal(int_of(result(0, "cluster rotate-keys", NULL), "keys_epoch"), 1);
    refused(0, "cluster rotate-keys", NULL, "refused", "under way");
    result(0, "cluster renew", NULL);
    result(0, "cluster rename", json_pack("{s:s, s:s}", "name", "n2", "new_name", "second"));
    r = result(0, "cluster status", NULL);
    assert_string_equal(json_string_value(json_array_get(json_object_get(r, "not_configured"), 0)), "second");
    assert_int_equal(int_of(result(0, "cluster remove", json_pack("{s:s}", "name", "second")), "members"), 1);
    for (int i = 0; i < 100 && strcmp(text_of(result(1, "cluster status", NULL), "state"), "removed") != 0; i++)
        fake_dp_run(f.base, 20);
    assert_string_equal(text_of(result(1, "cluster status", NULL), "state"), "removed");
}

/* Whoever asked and went, or whose daemon ends meanwhile, harms nobody. */
static void test_a_join_that_is_given_up(void **state)
{
    char token[400];
    const json_t *r;

    (void)state;
    result(0, "cluster init", NULL);
    r = result(0, "cluster invite", NULL);
    snprintf(token, sizeof(token), "%s", text_of(r, "token"));
    /* Nobody is there, and nothing says so: an address for documentation. */
    r = result(1, "cluster join", json_pack("{s:s, s:s}", "token", token, "host", "192.0.2.77"));
    if (strcmp(text_of(r, "state"), "running") == 0) {
        refused(1, "cluster join", json_pack("{s:s}", "token", token), "refused", "under way");
        r = result(1, "cluster join-progress", NULL);
        r = result(1, "cluster join-cancel", NULL);
    }
    assert_string_equal(text_of(r, "state"), "failed");
    result(1, "cluster join", json_pack("{s:s, s:s}", "token", token, "host", "192.0.2.77"));
    pn_api_request(&nodes[1].view, (struct pn_api_peer){.may_write = true, .root = true},
                   "{\"command\":\"cluster join-progress\"}", 35, on_done, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_from_nothing_to_two, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_join_that_is_given_up, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
