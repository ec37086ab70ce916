/* SPDX-License-Identifier: BSD-3-Clause */
/* The quarantine's threads behind the API, one node that is its own host: in, found, shown, released, digests. */
#include "tests/unit/quarantine_node.h"

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

/* Released mail goes to s. */
static void releasing_start(struct server *s)
{
    char more[96];

    server_start(s);
    snprintf(more, sizeof(more), "release-to = \"127.0.0.1:%u\"", s->port);
    conf_make(more);
    start();
    wait_open();
}

static void test_released_once(void **state)
{
    struct server s = {.messages = 0};

    (void)state;
    releasing_start(&s);
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

    (void)state;
    releasing_start(&s);
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
    pn_loop_call(pn_quarantine_actor_keeper(actor), retry_now, actor);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_in_and_found, setup, teardown),
        cmocka_unit_test_setup_teardown(test_released_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_recipient_after_another, setup, teardown),
        cmocka_unit_test_setup_teardown(test_digest_once_a_day, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
