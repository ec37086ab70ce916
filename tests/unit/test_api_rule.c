/* SPDX-License-Identifier: BSD-3-Clause */
/* The commands about rules, answered by the rules' own thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "controlplane/actors/rules.h"
#include "controlplane/api/api.h"
#include "tests/unit/fake_dp.h"
#include "tests/unit/fixture_view.h"

static struct fixture f;
static struct pn_loop *loop;
static struct pn_rules_actor *actor;
static char dir[64];
static json_t *got;

static void on_done(void *arg, json_t *reply)
{
    (void)arg;
    json_decref(got);
    got = reply;
}

static const json_t *ask(const char *command, json_t *args)
{
    json_t *request = json_pack("{s:s, s:o}", "command", command, "args", args ? args : json_object());
    char *text = json_dumps(request, 0);

    json_decref(got);
    got = NULL;
    pn_api_request(&f.view, (struct pn_api_peer){.may_write = true}, text, strlen(text), on_done, NULL);
    for (int i = 0; !got && i < 2000; i++)
        fake_dp_run(f.base, 2);
    assert_non_null(got);
    free(text);
    json_decref(request);
    return got;
}

static const json_t *ok(const char *command, json_t *args)
{
    const json_t *reply = ask(command, args);

    if (!json_is_true(json_object_get(reply, "ok")))
        fail_msg("%s: %s", command, json_string_value(json_object_get(reply, "error")));
    return json_object_get(reply, "result");
}

static const char *text(const json_t *o, const char *key)
{
    const char *value = json_string_value(json_object_get(o, key));
    return value ? value : "";
}

/* The code, and a word that the error must have. */
static void refused(const char *command, json_t *args, const char *code, const char *word)
{
    const json_t *reply = ask(command, args);

    assert_string_equal(text(reply, "code"), code);
    if (!strstr(text(reply, "error"), word))
        fail_msg("\"%s\" does not say \"%s\"", text(reply, "error"), word);
}

static json_t *key(const char *list, const char *value)
{
    return json_pack("{s:s, s:s}", "list", list, "value", value);
}

static int setup(void **state)
{
    struct pn_rules_actor_options o = {.classes = UINT64_MAX, .node = "n1"};
    struct pn_error err;

    (void)state;
    fixture_up(&f, true);
    snprintf(dir, sizeof(dir), "/tmp/pn-rule.XXXXXX");
    assert_non_null(mkdtemp(dir));
    memcpy(o.state_dir, dir, strlen(dir) + 1);
    loop = pn_loop_new(f.base, &err);
    o.main = loop;
    f.view.loop = loop;
    actor = pn_rules_actor_new(&o, &err);
    assert_non_null(actor);
    assert_int_equal(pn_rules_actor_start(actor, &err), 0);
    f.view.rules = actor;
    return 0;
}

static int teardown(void **state)
{
    char command[96];

    (void)state;
    pn_rules_actor_free(actor);
    pn_loop_free(loop);
    f.view.loop = NULL;
    f.view.rules = NULL;
    json_decref(got);
    got = NULL;
    fixture_down(&f);
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    return system(command);
}

static void test_one_entry(void **state)
{
    const json_t *r;

    (void)state;
    r = ok("rule add", json_pack("{s:s, s:s, s:s}", "list", "blacklist", "value", "Spam@Example.ORG", "note", "why"));
    assert_string_equal(text(r, "result"), "added");
    assert_string_equal(text(r, "list"), "blocklist");
    assert_string_equal(text(r, "value"), "spam@example.org");
    assert_string_equal(text(ok("rule add", key("blocklist", "spam@example.org")), "result"), "changed");
    assert_string_equal(text(ok("rule show", key("blocklist", "SPAM@example.org")), "note"), "why");
    assert_string_equal(text(ok("rule add", key("blocklist", "192.0.2.9/24")), "list"), "ip-blocklist");
    assert_string_equal(text(ok("rule remove", key("blocklist", "spam@example.org")), "result"), "removed");
    refused("rule remove", key("blocklist", "spam@example.org"), "not-found", "spam@example.org");
    refused("rule show", key("blocklist", "spam@example.org"), "not-found", "blocklist");
    assert_string_equal(text(ok("rule restore", key("blocklist", "spam@example.org")), "result"), "restored");
    r = ok("rule status", NULL);
    assert_int_equal(json_integer_value(json_object_get(r, "entries")), 2);
}

/* The error names the argument that is wrong. */
static void test_what_is_wrong_is_named(void **state)
{
    char note[400];

    (void)state;
    refused("rule add", key("nolist", "a@example.org"), "bad-request", "list: ");
    refused("rule add", key("blocklist", "not an address"), "bad-request", "value: ");
    refused("rule add", key("personal-blocklist", "a@example.org"), "bad-request", "owner: ");
    refused("rule add", json_pack("{s:s, s:s, s:s}", "list", "blocklist", "value", "a@example.org", "owner", "b@c.org"),
            "bad-request", "owner: ");
    refused("rule add", json_pack("{s:s, s:s, s:s}", "list", "blocklist", "value", "a@example.org", "field", "body"),
            "bad-request", "field: ");
    memset(note, 'x', sizeof(note) - 1);
    note[sizeof(note) - 1] = '\0';
    refused("rule add", json_pack("{s:s, s:s, s:s}", "list", "blocklist", "value", "a@example.org", "note", note),
            "bad-request", "note: ");
    refused("rule add", key("keyword", "name"), "bad-request", "rule put");
    refused("rule put", key("blocklist", "a@example.org"), "bad-request", "rule add");
    refused("rule put", json_pack("{s:s, s:s, s:s}", "list", "keyword", "value", "k", "text", "a\001b"), "bad-request",
            "text: ");
    refused("rule restore",
            json_pack("{s:s, s:s, s:s}", "list", "blocklist", "value", "a@example.org", "version", "zz"), "bad-request",
            "version: ");
    refused("rule list", json_pack("{s:s}", "after", "nonsense"), "bad-request", "after: ");
    refused("rule settle", json_pack("{s:b, s:b, s:s}", "accept", 1, "all", 1, "value", "x"), "bad-request",
            "not both");
    assert_int_equal(json_integer_value(json_object_get(ok("rule status", NULL), "entries")), 0);
}

static void test_import_is_all_or_nothing_and_lists_come_in_pages(void **state)
{
    json_t *rows = json_array(), *bad;
    const json_t *r;
    char value[64], after[600] = "";
    unsigned seen = 0, pages = 0;

    (void)state;
    for (int i = 0; i < 5000; i++) {
        snprintf(value, sizeof(value), "u%d@example.org", i);
        json_array_append_new(rows, json_pack("[s, s, s, s, s, s]", "blocklist", value, "", "", "n", ""));
    }
    bad = json_copy(rows);
    json_array_set_new(bad, 4321, json_pack("[s, s]", "blocklist", "no good"));
    refused("rule import", json_pack("{s:o}", "rows", bad), "bad-request", "row 4322: ");
    assert_int_equal(json_integer_value(json_object_get(ok("rule status", NULL), "entries")), 0);
    r = ok("rule import", json_pack("{s:O}", "rows", rows));
    assert_int_equal(json_integer_value(json_object_get(r, "added")), 5000);
    r = ok("rule import", json_pack("{s:o}", "rows", rows));
    assert_int_equal(json_integer_value(json_object_get(r, "unchanged")), 5000);
    do {
        json_t *args = json_pack("{s:i}", "max", 700);
        if (after[0])
            json_object_set_new(args, "after", json_string(after));
        r = ok("rule list", args);
        seen += (unsigned)json_array_size(json_object_get(r, "rules"));
        snprintf(after, sizeof(after), "%s", text(r, "after"));
        pages++;
    } while (json_is_true(json_object_get(r, "more")) && pages < 20);
    assert_int_equal(seen, 5000);
    assert_int_equal(pages, 8);
    r = ok("rule list", json_pack("{s:s}", "search", "U4999@")); /* behind the first slice */
    assert_int_equal(json_array_size(json_object_get(r, "rules")), 1);
    refused("rule import", json_pack("{s:[[], [s, s]]}", "rows", "blocklist", "a@example.org"), "bad-request",
            "row 1: ");
}

static json_t *use(const char *list, const char *value, int count)
{
    return json_pack("{s:[[s, s, s, s, i]]}", "rows", list, value, "", "", count);
}

static int64_t number(const json_t *o, const char *name)
{
    return json_integer_value(json_object_get(o, name));
}

/* The store writes uses every 3 s, by the actor's tick. */
static int64_t hits_of(const char *list, const char *value, int64_t wanted)
{
    int64_t hits = -1;

    for (int i = 0; i < 600 && hits != wanted; i++) {
        const json_t *reply = ask("rule show", key(list, value));
        if (json_is_true(json_object_get(reply, "ok")))
            hits = number(json_object_get(reply, "result"), "hits");
        if (hits != wanted)
            fake_dp_run(f.base, 10);
    }
    return hits;
}

static void test_uses_are_counted_and_learnt(void **state)
{
    const json_t *r;

    (void)state;
    ok("rule add", key("blocklist", "spam@example.org"));
    assert_int_equal(number(ok("rule hit", use("blocklist", "Spam@example.org", 3)), "counted"), 1);
    r = ok("rule hit", json_pack("{s:[[s, s], [s, s]]}", "rows", "blocklist", "spam@example.org", "blocklist",
                                 "other@example.org"));
    assert_int_equal(number(r, "counted"), 1);
    assert_int_equal(number(r, "missing"), 1);
    assert_int_equal(number(ok("rule learn", use("auto-welcomelist", "friend@example.org", 2)), "counted"), 1);
    refused("rule hit", use("nolist", "spam@example.org", 1), "bad-request", "row 1: there is no list");
    refused("rule hit", use("blocklist", "spam@example.org", 0), "bad-request", "row 1: count");
    refused("rule learn", use("blocklist", "spam@example.org", 1), "bad-request", "not learnt");
    /* One bad row: none of the request is counted. */
    refused("rule hit", json_pack("{s:[[s, s], [s]]}", "rows", "blocklist", "spam@example.org", "blocklist"),
            "bad-request", "row 2: ");
    assert_int_equal(hits_of("blocklist", "spam@example.org", 4), 4);
    assert_int_equal(hits_of("auto-welcomelist", "friend@example.org", 2), 2);
    refused("rule show", key("blocklist", "other@example.org"), "not-found", "blocklist");
}

static void test_a_long_history_says_that_there_is_more(void **state)
{
    char *body = malloc(PN_RULE_BODY_MAX + 1);
    const json_t *r;

    (void)state;
    memset(body, 'x', PN_RULE_BODY_MAX);
    body[PN_RULE_BODY_MAX] = '\0';
    for (unsigned i = 0; i < 70; i++) {
        body[0] = (char)('0' + i % 10);
        ok("rule put", json_pack("{s:s, s:s, s:s}", "list", "keyword", "value", "long", "text", body));
    }
    r = ok("rule log", NULL);
    assert_true(json_array_size(json_object_get(r, "versions")) < 69);
    assert_true(json_is_true(json_object_get(r, "more")));
    assert_false(json_is_true(json_object_get(ok("rule held", NULL), "more")));
    free(body);
}

static void test_status_shows_what_is_wrong(void **state)
{
    struct pn_filter_status filter = {.known = true};
    const json_t *r;

    (void)state;
    ok("rule status", NULL); /* it is open from here on */
    r = json_object_get(ok("status", NULL), "rules");
    assert_true(json_is_true(json_object_get(r, "open")));
    assert_int_equal(json_array_size(json_object_get(r, "alarms")), 0);
    snprintf(filter.error, sizeof(filter.error), "too many");
    f.view.filter = &filter;
    r = json_object_get(json_object_get(ok("status", NULL), "rules"), "alarms");
    assert_int_equal(json_array_size(r), 1);
    assert_non_null(strstr(json_string_value(json_array_get(r, 0)), "too many"));
    f.view.filter = NULL;
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_one_entry),
        T(test_what_is_wrong_is_named),
        T(test_import_is_all_or_nothing_and_lists_come_in_pages),
        T(test_uses_are_counted_and_learnt),
        T(test_a_long_history_says_that_there_is_more),
        T(test_status_shows_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
