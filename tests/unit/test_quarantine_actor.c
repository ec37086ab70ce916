/* SPDX-License-Identifier: BSD-3-Clause */
/* The quarantine's threads behind the API, one node that is its own host: in, found, shown, released, what cannot open. */
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

static void on_event(void *arg, int level, const char *subject, const char *text)
{
    (void)arg, (void)level, (void)subject;
    events++;
    snprintf(last_event, sizeof(last_event), "%s", text);
}

static const char *recipients = "a@example.net\nb@example.net"; /* of what add() hands in */

static const char *host = "n1", *other_node = "", *node_more = "";

static uint64_t now_ms(void)
{
    return pn_clock_ms();
}

static void conf_make(const char *more)
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

static void start(void)
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

static void stop(void)
{
    pn_quarantine_actor_stop(actor);
    pn_loop_free(loop);
    pn_quarantine_actor_free(actor);
    actor = NULL;
}

static int setup(void **state)
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

static int teardown(void **state)
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

static void on_reply(void *arg, json_t *r)
{
    *(bool *)arg = true;
    json_decref(reply);
    reply = r;
}

/* The whole reply of a command; args as json_pack() has them. */
static json_t *ask(const char *command, json_t *args)
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

static json_t *ok(const char *command, json_t *args)
{
    json_t *r = ask(command, args);

    if (!json_is_true(json_object_get(r, "ok")))
        fail_msg("%s: %s", command, json_string_value(json_object_get(r, "error")));
    return json_object_get(r, "result");
}

static const char *refused(const char *command, json_t *args, const char *code)
{
    json_t *r = ask(command, args);

    assert_false(json_is_true(json_object_get(r, "ok")));
    assert_string_equal(json_string_value(json_object_get(r, "code")), code);
    return json_string_value(json_object_get(r, "error"));
}

static json_t *id(int n)
{
    return json_pack("{s:i}", "id", n);
}

static void add(unsigned number, const char *subject)
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

static size_t listed(const char *key, const char *value)
{
    json_t *args = key ? json_pack("{s:s}", key, value) : NULL;
    return json_array_size(json_object_get(ok("quarantine list", args), "items"));
}

static void wait_listed(size_t n)
{
    uint64_t end_ms = now_ms() + PATIENCE_MS;

    while (listed(NULL, NULL) < n && now_ms() < end_ms)
        usleep(10000);
    assert_int_equal(listed(NULL, NULL), n);
}

/* Until the store is open: the threads have only just begun. */
static void wait_open(void)
{
    uint64_t end_ms = now_ms() + PATIENCE_MS;

    while (!json_is_true(json_object_get(ask("quarantine list", NULL), "ok")) && now_ms() < end_ms)
        usleep(10000);
}

static void test_in_and_found(void **state)
{
    (void)state;
    start();
    wait_open();
    add(1, "first letter");
    add(2, "second letter");
    wait_listed(2);
    assert_int_equal(listed("text", "first"), 1);
    assert_int_equal(listed("recipient", "b@example.net"), 2);
    assert_int_equal(listed("recipient", "c@example.net"), 0);
    json_t *r = ok("quarantine show", id(1));
    assert_string_equal(json_string_value(json_object_get(json_object_get(r, "item"), "item")), "n1/1");
    assert_non_null(strstr(json_string_value(json_object_get(r, "text")), "hello"));
    refused("quarantine show", id(7), "not-found");
    refused("quarantine add data", json_pack("{s:i, s:s}", "number", 99, "base64", "AAAA"), "refused");
    refused("quarantine add begin", json_pack("{s:s}", "event", "birthday"), "bad-request");
    ok("quarantine hold", id(1));
    r = ok("quarantine audit", id(1));
    json_t *row = json_array_get(json_object_get(r, "audit"), 0);
    assert_string_equal(json_string_value(json_object_get(row, "what")), "held");
    assert_string_equal(json_string_value(json_object_get(row, "who")), "tester");
    ok("quarantine delete", id(1));
    refused("quarantine delete", id(1), "refused");
    assert_non_null(strstr(refused("quarantine release", id(1), "refused"), "already"));
    /* Again from the disk. */
    stop();
    start();
    wait_open();
    assert_int_equal(listed(NULL, NULL), 2);
    assert_int_equal(listed("state", "deleted"), 1);
}

/* ---- a mail server, said line by line ---- */

struct server {
    int listener, fd;
    uint16_t port;
    bool drop_after_dot, refuse;
    const char *refuse_one; /* a recipient */
    unsigned messages, rcpts[2]; /* recipients of all of them: a, b */
    bool in_data;
    char got[4096];
    size_t len;
    struct event *accept, *read;
};

static void say(struct server *s, const char *text)
{
    assert_int_equal(send(s->fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void server_close(struct server *s)
{
    event_free(s->read);
    close(s->fd);
    s->read = NULL;
    s->fd = -1;
    s->len = 0;
    s->in_data = false;
}

static void on_line(struct server *s, const char *line)
{
    if (s->in_data && strcmp(line, ".") == 0) {
        s->messages++;
        s->in_data = false;
        if (s->drop_after_dot) {
            server_close(s);
            return;
        }
        say(s, "250 2.0.0 queued\r\n");
    } else if (s->in_data) {
        ;
    } else if (strncmp(line, "DATA", 4) == 0) {
        s->in_data = true;
        say(s, "354 go on\r\n");
    } else if (strncmp(line, "RCPT", 4) == 0 && (s->refuse || (s->refuse_one && strstr(line, s->refuse_one)))) {
        say(s, "451 4.3.0 not now\r\n");
    } else if (strncmp(line, "QUIT", 4) == 0) {
        say(s, "221 bye\r\n");
        server_close(s);
    } else {
        s->rcpts[0] += strcasecmp(line, "RCPT TO:<a@example.net>") == 0;
        s->rcpts[1] += strcasecmp(line, "RCPT TO:<b@example.net>") == 0;
        say(s, "250 fine\r\n");
    }
}

static void on_server_read(evutil_socket_t fd, short what, void *arg)
{
    struct server *s = arg;
    char *end;
    ssize_t n = recv(fd, s->got + s->len, sizeof(s->got) - 1 - s->len, 0);

    (void)what;
    if (n <= 0) {
        server_close(s);
        return;
    }
    s->len += (size_t)n;
    s->got[s->len] = '\0';
    while (s->fd >= 0 && (end = strstr(s->got, "\r\n"))) {
        char line[1024];
        snprintf(line, sizeof(line), "%.*s", (int)(end - s->got), s->got);
        s->len -= (size_t)(end + 2 - s->got);
        memmove(s->got, end + 2, s->len + 1);
        on_line(s, line);
    }
}

static void on_server_accept(evutil_socket_t fd, short what, void *arg)
{
    struct server *s = arg;

    (void)what;
    s->fd = accept(fd, NULL, NULL);
    s->read = event_new(base, s->fd, EV_READ | EV_PERSIST, on_server_read, s);
    event_add(s->read, NULL);
    say(s, "220 here\r\n");
}

static void server_start(struct server *s)
{
    struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(sin);

    s->fd = -1;
    s->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(s->listener, (struct sockaddr *)&sin, sizeof(sin)), 0);
    assert_int_equal(listen(s->listener, 8), 0);
    getsockname(s->listener, (struct sockaddr *)&sin, &len);
    s->port = ntohs(sin.sin_port);
    s->accept = event_new(base, s->listener, EV_READ | EV_PERSIST, on_server_accept, s);
    event_add(s->accept, NULL);
}

static void server_stop(struct server *s)
{
    if (s->read)
        server_close(s);
    event_free(s->accept);
    close(s->listener);
}

static void test_released_once(void **state)
{
    struct server s = {.messages = 0};
    char more[96];

    (void)state;
    server_start(&s);
    snprintf(more, sizeof(more), "release-to = \"127.0.0.1:%u\"", s.port);
    conf_make(more);
    start();
    wait_open();
    for (unsigned i = 1; i <= 3; i++)
        add(i, "letter");
    wait_listed(3);
    assert_string_equal(json_string_value(json_object_get(ok("quarantine release", id(1)), "result")), "released");
    assert_int_equal(s.messages, 1);
    refused("quarantine release", id(1), "refused");
    assert_int_equal(s.messages, 1);
    /* Not taken: as before, and tried again later. */
    s.refuse = true;
    assert_non_null(strstr(refused("quarantine release", id(2), "refused"), "not now"));
    s.refuse = false;
    ok("quarantine release", id(2));
    assert_int_equal(s.messages, 2);
    /* Lost after the dot: nobody knows, so not again by itself. */
    s.drop_after_dot = true;
    refused("quarantine release", id(3), "refused");
    s.drop_after_dot = false;
    assert_int_equal(s.messages, 3);
    assert_non_null(strstr(refused("quarantine release", id(3), "refused"), "--again"));
    refused("quarantine delete", id(3), "refused");
    assert_int_equal(s.messages, 3);
    ok("quarantine release", json_pack("{s:i, s:b, s:s}", "id", 3, "again", 1, "to", "c@example.net"));
    assert_int_equal(s.messages, 4);
    assert_int_equal(listed("state", "released"), 3);
    server_stop(&s);
}

static json_t *release_to(int item, const char *to)
{
    return json_pack("{s:i, s:s}", "id", item, "to", to);
}

/* A link of one recipient's digest must not take the message from the others. */
static void test_one_recipient_after_another(void **state)
{
    struct server s = {.messages = 0};
    char more[96];

    (void)state;
    server_start(&s);
    snprintf(more, sizeof(more), "release-to = \"127.0.0.1:%u\"", s.port);
    conf_make(more);
    start();
    wait_open();
    add(1, "to both");
    add(2, "to both again");
    wait_listed(2);
    ok("quarantine release", release_to(1, "a@example.net"));
    assert_int_equal(listed("state", "released"), 0);
    assert_non_null(strstr(refused("quarantine release", release_to(1, "A@example.net"), "refused"), "already"));
    assert_int_equal(s.rcpts[0], 1);
    ok("quarantine release", json_pack("{s:i, s:s, s:b}", "id", 1, "to", "a@example.net", "again", 1));
    ok("quarantine release", release_to(1, "b@example.net"));
    assert_int_equal(listed("state", "released"), 1);
    refused("quarantine release", release_to(1, "b@example.net"), "refused");
    assert_int_equal(s.messages, 3);
    /* For everybody: those who had theirs get it once. */
    ok("quarantine release", release_to(2, "b@example.net"));
    ok("quarantine release", id(2));
    assert_int_equal(s.rcpts[0], 3);
    assert_int_equal(s.rcpts[1], 2);
    assert_int_equal(listed("state", "released"), 2);
    server_stop(&s);
}

/* ---- digests ---- */

static int64_t number_of(const json_t *o, const char *key)
{
    return json_integer_value(json_object_get(o, key));
}

static void retry_now(void *arg)
{
    ((struct pn_quarantine_actor *)arg)->digest_retry_ms = 1;
}

/* Who could not be reached is tried again; the others have had their one of the day, whatever came in between. */
static void test_digest_once_a_day(void **state)
{
    struct server s = {.refuse_one = "b@example.net"};
    char more[200], at[8];
    time_t before = time(NULL) - 120;
    struct tm tm;
    uint64_t end_ms;

    (void)state;
    localtime_r(&before, &tm);
    strftime(at, sizeof(at), "%H:%M", &tm);
    server_start(&s);
    snprintf(more, sizeof(more),
             "release-to = \"127.0.0.1:%u\"; digest = yes; digest-at = \"%s\"; digest-from = \"q@example.org\"", s.port,
             at);
    conf_make(more);
    start();
    wait_open();
    add(1, "for both");
    recipients = "root";
    add(2, "for nobody with an address");
    wait_listed(2);
    json_t *r = ok("quarantine digest run", NULL);
    assert_int_equal(number_of(r, "sent"), 1);
    assert_int_equal(number_of(r, "failed"), 1);
    assert_int_equal(number_of(r, "refused"), 1);
    recipients = "a@example.net";
    add(3, "came later");
    wait_listed(3);
    s.refuse_one = NULL;
    pn_loop_call(pn_quarantine_actor_writer(actor), retry_now, actor);
    end_ms = now_ms() + PATIENCE_MS;
    while (s.rcpts[1] == 0 && now_ms() < end_ms)
        listed(NULL, NULL);
    assert_int_equal(s.rcpts[1], 1);
    /* The round is over: the next one has only what came later. */
    end_ms = now_ms() + PATIENCE_MS;
    while (!json_is_true(json_object_get(ask("quarantine digest run", json_pack("{s:b}", "dry_run", 1)), "ok")) &&
           now_ms() < end_ms)
        usleep(1000);
    assert_int_equal(s.rcpts[0], 1);
    r = ok("quarantine digest run", NULL);
    assert_int_equal(number_of(r, "recipients"), 1);
    assert_int_equal(number_of(r, "sent"), 1);
    assert_int_equal(number_of(r, "refused"), 0);
    assert_int_equal(s.rcpts[0], 2);
    recipients = "a@example.net\nb@example.net";
    server_stop(&s);
}

/* ---- what cannot be opened ---- */

static void lmtp_says(const char *expected)
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    char text[128] = "";
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    struct timeval patience = {10, 0};

    snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", lmtp);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    assert_int_equal(connect(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
    assert_true(recv(fd, text, sizeof(text) - 1, 0) > 0);
    assert_memory_equal(text, expected, strlen(expected));
    close(fd);
}

static void test_damaged_spool(void **state)
{
    char path[128];
    FILE *f;

    (void)state;
    snprintf(path, sizeof(path), "%s/spool", dir);
    mkdir(path, 0700);
    snprintf(path, sizeof(path), "%s/spool/spool.db", dir);
    f = fopen(path, "w");
    for (int i = 0; i < 1000; i++)
        fputs("this is no database ", f);
    fclose(f);
    start();
    wait_open();
    lmtp_says("421 4.3.2");
    refused("quarantine waiting", NULL, "unavailable");
    refused("quarantine add begin", json_pack("{s:s}", "recipients", "a@example.net"), "refused");
    assert_int_equal(listed(NULL, NULL), 0);
    assert_true(events > 0);
    assert_non_null(strstr(last_event, "turned away"));
    /* The configuration is read again once the file is out of the way: nothing has to be restarted. */
    assert_int_equal(unlink(path), 0);
    pn_quarantine_actor_reconfigure(actor, conf, 0);
    ok("quarantine waiting", NULL);
    lmtp_says("220 ");
}

/* A node that sends too much does not push out what the others sent: its own oldest go. */
static void test_quota_of_node(void **state)
{
    uint64_t end_ms = now_ms() + PATIENCE_MS;

    (void)state;
    node_more = "host-quota = 1;";
    conf_make("");
    start();
    wait_open();
    for (unsigned i = 1; i <= 3; i++)
        add(i, i == 1 ? "the oldest, on hold" : "letter");
    wait_listed(3);
    ok("quarantine hold", id(1));
    ok("quarantine purge", NULL);
    while (listed(NULL, NULL) > 1 && now_ms() < end_ms)
        usleep(10000);
    assert_int_equal(listed(NULL, NULL), 1);
    assert_int_equal(listed("text", "oldest"), 1);
    node_more = "";
}

/* What a node took while it was the host does not stay for ever once another is. */
static void test_former_host(void **state)
{
    uint64_t end_ms = now_ms() + PATIENCE_MS;
    size_t left = 2;

    (void)state;
    start();
    wait_open();
    add(1, "letter");
    add(2, "on hold");
    wait_listed(2);
    ok("quarantine hold", id(2));
    host = "n2";
    other_node = "node \"n2\" { port \"lan\" { interface = eth0; address-v4 = 192.0.2.2 } }\n";
    node_more = "host-quota = 1;";
    conf_make("");
    pn_quarantine_actor_reconfigure(actor, conf, 0);
    while (left > 1 && now_ms() < end_ms) {
        ok("quarantine purge", json_pack("{s:s}", "at", "n1"));
        usleep(10000);
        left = json_array_size(json_object_get(ok("quarantine list", json_pack("{s:s}", "at", "n1")), "items"));
    }
    assert_int_equal(left, 1);
    host = "n1";
    other_node = node_more = "";
}

/* A database that only one may have is left to the new host. */
static void test_other_host(void **state)
{
    (void)state;
    start();
    wait_open();
    host = "n2";
    other_node = "node \"n2\" { port \"lan\" { interface = eth0; address-v4 = 192.0.2.2 } }\n";
    conf_make("");
    pn_quarantine_actor_reconfigure(actor, conf, 0);
    refused("quarantine hold", json_pack("{s:i, s:s}", "id", 1, "at", "n1"), "not-found");
    conf_make("store = postgresql; database = \"host=/nonexistent\"");
    pn_quarantine_actor_reconfigure(actor, conf, 0);
    refused("quarantine hold", json_pack("{s:i, s:s}", "id", 1, "at", "n1"), "unavailable");
    host = "n1";
    other_node = "";
}

static void test_off_and_on(void **state)
{
    (void)state;
    start();
    wait_open();
    conf_make("forward = no");
    pn_quarantine_actor_reconfigure(actor, conf, 0);
    add(1, "stays here");
    usleep(300000);
    json_t *items = json_object_get(ok("quarantine waiting", NULL), "items");
    assert_int_equal(json_array_size(items), 1);
    assert_int_equal(listed(NULL, NULL), 0);
    conf_make("");
    pn_quarantine_actor_reconfigure(actor, conf, 0);
    wait_listed(1);
    assert_int_equal(json_array_size(json_object_get(ok("quarantine waiting", NULL), "items")), 0);
}

/* Whoever does not say how large a message is gets no further than others. */
static void test_full(void **state)
{
    (void)state;
    conf_make("forward = no; quota = 1");
    start();
    wait_open();
    add(1, "fills it");
    assert_non_null(
        strstr(refused("quarantine add begin", json_pack("{s:s}", "recipients", "a@example.net"), "refused"), "full"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_in_and_found, setup, teardown),
        cmocka_unit_test_setup_teardown(test_released_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_recipient_after_another, setup, teardown),
        cmocka_unit_test_setup_teardown(test_digest_once_a_day, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damaged_spool, setup, teardown),
        cmocka_unit_test_setup_teardown(test_quota_of_node, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_host, setup, teardown),
        cmocka_unit_test_setup_teardown(test_former_host, setup, teardown),
        cmocka_unit_test_setup_teardown(test_off_and_on, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
