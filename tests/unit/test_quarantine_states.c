/* SPDX-License-Identifier: BSD-3-Clause */
/* The quarantine's threads: what cannot be opened, is full, off, or has another host. */
#include "tests/unit/quarantine_node.h"

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

/* Who mistypes a word reads which there are. */
static void test_unknown_words(void **state)
{
    (void)state;
    start();
    wait_open();
    assert_string_equal(refused("quarantine list", json_pack("{s:s}", "state", "held"), "bad-request"),
                        "\"held\" is no state (new, released, deleted)");
    assert_string_equal(refused("quarantine list", json_pack("{s:s}", "kind", "mail"), "bad-request"),
                        "\"mail\" is no kind (message, record, any)");
    const char *said = refused("quarantine list", json_pack("{s:s}", "event", "bounced"), "bad-request");
    for (unsigned e = 0; e < PN_Q_EVENT_COUNT; e++)
        assert_non_null(strstr(said, pn_q_event_name(e)));
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

static void reader_anew(void *arg)
{
    struct pn_quarantine_actor *a = arg;

    atomic_store(&a->reader_open, false);
    a->reader_retry_ms = 0;
}

static void wait_event(const char *text)
{
    uint64_t end_ms = now_ms() + PATIENCE_MS;

    while (!strstr(last_event, text) && now_ms() < end_ms) {
        ok("quarantine list", NULL);
        usleep(1000);
    }
    assert_non_null(strstr(last_event, text));
}

/* A store that is open stays the one it is, and that is said. */
static void test_other_database(void **state)
{
    (void)state;
    start();
    wait_open();
    add(1, "in the store that is open");
    wait_listed(1);
    wait_event("is reached");
    conf_make("database = \"host=/nonexistent\""); /* of no store that is meant */
    pn_quarantine_actor_reconfigure(actor, conf, 0);
    ok("quarantine hold", id(1));
    assert_null(strstr(last_event, "restarted"));
    conf_make("store = postgresql; database = \"host=/nonexistent\"");
    pn_quarantine_actor_reconfigure(actor, conf, 0);
    assert_int_equal(listed(NULL, NULL), 1);
    wait_event("until posternd is restarted");
    pn_loop_call(pn_quarantine_actor_keeper(actor), reader_anew, actor);
    add(2, "and this one");
    usleep(1500000);
    wait_listed(2); /* the reader, too */
    stop();
    start(); /* now it counts */
    assert_non_null(strstr(refused("quarantine hold", id(1), "unavailable"), "PostgreSQL"));
}

/* What was only kept for reading is not taken for the new one when the node is the host again. */
static void test_host_again(void **state)
{
    (void)state;
    start();
    wait_open();
    add(1, "in the store of before");
    wait_listed(1);
    host = "n2";
    other_node = "node \"n2\" { port \"lan\" { interface = eth0; address-v4 = 192.0.2.2 } }\n";
    conf_make("");
    pn_quarantine_actor_reconfigure(actor, conf, 0);
    host = "n1";
    conf_make("store = postgresql; database = \"host=/nonexistent\"");
    pn_quarantine_actor_reconfigure(actor, conf, 0);
    other_node = "";
    assert_non_null(strstr(refused("quarantine hold", id(1), "unavailable"), "PostgreSQL"));
    assert_non_null(strstr(refused("quarantine list", NULL, "unavailable"), "PostgreSQL"));
}

static void say_here(void *arg)
{
    atomic_store((atomic_bool *)arg, true);
}

/* A database server that takes connections and says nothing holds up nobody who can do without it, and others not long. */
static void test_silent_database(void **state)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    char more[200];

    (void)state;
    snprintf(at.sun_path, sizeof(at.sun_path), "%s/.s.PGSQL.5432", dir);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(fd, 50), 0);
    snprintf(more, sizeof(more), "store = postgresql; database = \"host=%s\"", dir);
    conf_make(more);
    start();
    uint64_t begun_ms = now_ms();
    add(1, "taken all the same");
    json_t *s = json_object_get(ok("quarantine status", NULL), "quarantine");
    assert_true(json_is_true(json_object_get(s, "is_host")));
    assert_false(json_is_true(json_object_get(json_object_get(s, "store"), "open")));
    assert_int_equal(json_array_size(json_object_get(ok("quarantine waiting", NULL), "items")), 1);
    lmtp_says("220 ");
    assert_in_range(now_ms() - begun_ms, 0, 2500); /* opening it takes 3 s */
    begun_ms = now_ms();
    assert_non_null(strstr(refused("quarantine hold", id(1), "unavailable"), "no answer within 3 s"));
    assert_non_null(strstr(refused("quarantine list", NULL, "unavailable"), "quarantine.database: PostgreSQL"));
    assert_in_range(now_ms() - begun_ms, 0, 6000);
    s = json_object_get(json_object_get(ok("quarantine status", NULL), "quarantine"), "store");
    assert_non_null(strstr(json_string_value(json_object_get(s, "error")), "no answer within 3 s"));
    assert_true(json_integer_value(json_object_get(s, "failures")) >= 1);
    assert_true(json_integer_value(json_object_get(s, "away_ms")) > 1000);
    /* At the beginning of another try, posternd ends. */
    atomic_bool here = true;
    for (unsigned i = 0; i < 200 && here; i++) {
        here = false;
        pn_loop_call(pn_quarantine_actor_keeper(actor), say_here, &here);
        usleep(50000);
    }
    assert_false(here);
    begun_ms = now_ms();
    stop();
    assert_in_range(now_ms() - begun_ms, 0, 2300);
    assert_true(here);
    close(fd);
}

/* What cannot be opened is tried again soon, and then not so often. */
static void test_tries_to_open(void **state)
{
    (void)state;
    conf_make("store = postgresql; database = \"host=/nonexistent\"");
    start();
    usleep(4500000);
    json_t *s = json_object_get(json_object_get(ok("quarantine status", NULL), "quarantine"), "store");
    assert_in_range(json_integer_value(json_object_get(s, "failures")), 2, 3); /* after 1 s, after 2 s more, after 4 */
    assert_non_null(strstr(json_string_value(json_object_get(s, "error")), "No such file or directory"));
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
        cmocka_unit_test_setup_teardown(test_damaged_spool, setup, teardown),
        cmocka_unit_test_setup_teardown(test_quota_of_node, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_database, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_host, setup, teardown),
        cmocka_unit_test_setup_teardown(test_host_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_silent_database, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tries_to_open, setup, teardown),
        cmocka_unit_test_setup_teardown(test_former_host, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unknown_words, setup, teardown),
        cmocka_unit_test_setup_teardown(test_off_and_on, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
