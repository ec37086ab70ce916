/* SPDX-License-Identifier: BSD-3-Clause */
/* The quarantine's threads of one node that is its own host, asked through the API. */
#ifndef TESTS_UNIT_QUARANTINE_NODE_H
#define TESTS_UNIT_QUARANTINE_NODE_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <cmocka.h>

#include <event2/event.h>

#include "controlplane/actors/quarantine_internal.h"
#include "controlplane/api/api.h"
#include "controlplane/view/clock.h"
#include "tests/unit/quarantine_fixture.h"

#define PATIENCE_MS 20000u

static struct event_base *base;

static struct pn_loop *loop;

static struct pn_conf *conf;

static struct pn_quarantine_actor *actor;

static struct pn_view view;

static char dir[64], lmtp[96], last_event[300];

static unsigned events;

static json_t *reply;

static inline void on_event(void *arg, int level, const char *subject, const char *text)
{
    (void)arg, (void)level, (void)subject;
    events++;
    snprintf(last_event, sizeof(last_event), "%s", text);
}

static const char *recipients = "a@example.net\nb@example.net"; /* of what add() hands in */

static const char *host = "n1", *other_node = "", *node_more = "";

static inline uint64_t now_ms(void)
{
    return pn_clock_ms();
}

static inline void conf_make(const char *more)
{
    struct pn_conf_error errors[8];
    unsigned n = 0;
    char path[96];
    FILE *f;

    snprintf(path, sizeof(path), "%s/conf", dir);
    f = fopen(path, "w");
    assert_non_null(f);
    fprintf(
        f,
        "node \"n1\" { %s port \"lan\" { interface = eth0; address-v4 = 192.0.2.1 } }\n%s"
        "vip \"a\" { address = 192.0.2.25; %s }\ngateway \"g\" { address = 192.0.2.11 }\n"
        "pool \"p\" { tier \"t\" { gateways = [\"g\"] } }\nservice \"s\" { vips = [\"a\"]; port = 25; pool = \"p\" }\n"
        "quarantine { host = %s; listen = \"%s\"; listen-group = \"\"; keep-free = 0; ballast = 0; %s }\n",
        node_more, other_node, *other_node ? "priority { n1 = 200; n2 = 100 }" : "", host, lmtp, more);
    fclose(f);
    pn_conf_free(conf);
    conf = pn_conf_load(path, errors, 8, &n);
    if (!conf)
        fail_msg("%u: %s", errors[0].line, errors[0].text);
    view.conf = conf;
}

static inline void start(void)
{
    struct pn_error err;

    loop = pn_loop_new(base, &err);
    struct pn_quarantine_actor_options o = {.conf = conf, .state_dir = dir, .main = loop, .event = on_event};
    actor = pn_quarantine_actor_new(&o, &err);
    assert_non_null(actor);
    assert_int_equal(pn_quarantine_actor_start(actor, &err), 0);
    view.loop = loop;
    view.quarantine = actor;
}

static inline void stop(void)
{
    pn_quarantine_actor_stop(actor);
    pn_loop_free(loop);
    pn_quarantine_actor_free(actor);
    actor = NULL;
}

static inline int setup(void **state)
{
    (void)state;
    fixture_dir(dir);
    snprintf(lmtp, sizeof(lmtp), "%s/lmtp", dir);
    base = event_base_new();
    view = (struct pn_view){.now_ms = now_ms};
    events = 0;
    conf_make("");
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    if (actor)
        stop();
    json_decref(reply);
    reply = NULL;
    pn_conf_free(conf);
    conf = NULL;
    event_base_free(base);
    fixture_remove(dir);
    return 0;
}

static inline void on_reply(void *arg, json_t *r)
{
    *(bool *)arg = true;
    json_decref(reply);
    reply = r;
}

/* The whole reply of a command; args as json_pack() has them. */
static inline json_t *ask(const char *command, json_t *args)
{
    json_t *request = json_pack("{s:s, s:o}", "command", command, "args", args ? args : json_object());
    char *text = json_dumps(request, 0);
    uint64_t end_ms = now_ms() + PATIENCE_MS;
    bool done = false;

    pn_api_request(&view, (struct pn_api_peer){.may_write = true, .root = true, .who = "tester"}, text, strlen(text),
                   on_reply, &done);
    while (!done && now_ms() < end_ms) {
        event_base_loop(base, EVLOOP_NONBLOCK);
        usleep(1000);
    }
    free(text);
    json_decref(request);
    assert_true(done);
    return reply;
}

static inline json_t *ok(const char *command, json_t *args)
{
    json_t *r = ask(command, args);

    if (!json_is_true(json_object_get(r, "ok")))
        fail_msg("%s: %s", command, json_string_value(json_object_get(r, "error")));
    return json_object_get(r, "result");
}

static inline const char *refused(const char *command, json_t *args, const char *code)
{
    json_t *r = ask(command, args);

    assert_false(json_is_true(json_object_get(r, "ok")));
    assert_string_equal(json_string_value(json_object_get(r, "code")), code);
    return json_string_value(json_object_get(r, "error"));
}

static inline json_t *id(int n)
{
    return json_pack("{s:i}", "id", n);
}

static inline void add(unsigned number, const char *subject)
{
    char message[512];
    json_int_t n;

    snprintf(message, sizeof(message), "From: <s@example.org>\r\nSubject: %s\r\n\r\nhello\r\n", subject);
    n = json_integer_value(
        json_object_get(ok("quarantine add begin", json_pack("{s:s, s:s, s:s}", "sender", "s@example.org", "recipients",
                                                             recipients, "reason", "test")),
                        "number"));
    char text[1024];
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t at = 0, len = strlen(message);
    for (size_t i = 0; i < len; i += 3) {
        uint32_t v = (uint32_t)(uint8_t)message[i] << 16 | (i + 1 < len ? (uint32_t)(uint8_t)message[i + 1] << 8 : 0) |
                     (i + 2 < len ? (uint8_t)message[i + 2] : 0);
        text[at++] = digits[v >> 18];
        text[at++] = digits[v >> 12 & 63];
        text[at++] = i + 1 < len ? digits[v >> 6 & 63] : '=';
        text[at++] = i + 2 < len ? digits[v & 63] : '=';
    }
    text[at] = '\0';
    ok("quarantine add data", json_pack("{s:I, s:s}", "number", n, "base64", text));
    assert_int_equal(
        json_integer_value(json_object_get(ok("quarantine add end", json_pack("{s:I}", "number", n)), "sequence")),
        number);
}

static inline size_t listed(const char *key, const char *value)
{
    json_t *args = key ? json_pack("{s:s}", key, value) : NULL;
    return json_array_size(json_object_get(ok("quarantine list", args), "items"));
}

static inline void wait_listed(size_t n)
{
    uint64_t end_ms = now_ms() + PATIENCE_MS;

    while (listed(NULL, NULL) < n && now_ms() < end_ms)
        usleep(10000);
    assert_int_equal(listed(NULL, NULL), n);
}

/* Until the store is open: the threads have only just begun. */
static inline void wait_open(void)
{
    uint64_t end_ms = now_ms() + PATIENCE_MS;

    while (!json_is_true(json_object_get(ask("quarantine list", NULL), "ok")) && now_ms() < end_ms)
        usleep(10000);
}

#endif
