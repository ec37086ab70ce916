/* SPDX-License-Identifier: BSD-3-Clause */
/* The ownership thread's way to the dataplane: whatever ends it, it says when it wants to try again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "controlplane/dplink/rtlink.h"

#define SECOND UINT64_C(1000000000)
#define SOON (SECOND / 10)

static struct {
    char dir[64];
    struct sockaddr_un sun;
    int listening, accepted;
    unsigned ups, downs;
    struct pn_rtlink *link;
    unsigned flood, messages; /* each message that is read brings another, so many in all */
} w;

static void on_up(void *arg, const struct pn_dp_hello *hello)
{
    (void)arg;
    (void)hello;
    w.ups++;
}

static void on_down(void *arg, const char *reason)
{
    (void)arg;
    (void)reason;
    w.downs++;
}

static void on_answer(void *arg, uint32_t tag, unsigned status, const void *payload, size_t bytes)
{
    (void)arg;
    (void)tag;
    (void)status;
    (void)payload;
    (void)bytes;
}

static void say_something(void)
{
    struct {
        struct pn_dp_header head;
        uint8_t rest[2000];
    } m = {.head = {.bytes = sizeof(m), .type = PN_DP_PACKET_RX}};
    assert_int_equal(send(w.accepted, &m, sizeof(m), 0), sizeof(m));
}

static void on_message(void *arg, enum pn_dp_type type, const void *payload, size_t bytes)
{
    (void)arg;
    (void)type;
    (void)payload;
    (void)bytes;
    if (++w.messages < w.flood)
        say_something();
}

static int setup(void **state)
{
    struct pn_rtlink_callbacks cb = {.up = on_up, .down = on_down, .answer = on_answer, .message = on_message};
    struct pn_error err;
    (void)state;
    memset(&w, 0, sizeof(w));
    snprintf(w.dir, sizeof(w.dir), "/tmp/pn-rtlink-XXXXXX");
    assert_non_null(mkdtemp(w.dir));
    w.sun.sun_family = AF_UNIX;
    snprintf(w.sun.sun_path, sizeof(w.sun.sun_path), "%s/s", w.dir);
    w.accepted = -1;
    w.listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(w.listening, (struct sockaddr *)&w.sun, sizeof(w.sun)), 0);
    assert_int_equal(listen(w.listening, 4), 0);
    w.link = pn_rtlink_new(w.sun.sun_path, &cb, &err);
    assert_non_null(w.link);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pn_rtlink_free(w.link);
    close(w.listening);
    if (w.accepted >= 0)
        close(w.accepted);
    unlink(w.sun.sun_path);
    rmdir(w.dir);
    return 0;
}

static void hello(uint64_t now_ns)
{
    struct {
        struct pn_dp_header head;
        struct pn_dp_hello hello;
    } m = {.hello = {.api_version = PN_DPAPI_VERSION}};
    w.accepted = accept(w.listening, NULL, NULL);
    assert_true(w.accepted >= 0);
    assert_int_equal(recv(w.accepted, &m.head, sizeof(m.head), 0), sizeof(m.head));
    m.head.bytes = sizeof(m);
    assert_int_equal(send(w.accepted, &m, sizeof(m), 0), sizeof(m));
    pn_rtlink_readable(w.link, now_ns);
    assert_true(pn_rtlink_is_up(w.link));
}

/* A dataplane that was stopped for long. */
static void test_no_answer(void **state)
{
    uint64_t now = 1000 * SECOND;
    (void)state;
    pn_rtlink_run(w.link, now);
    hello(now);
    assert_true(pn_rtlink_run(w.link, now) == UINT64_MAX); /* nothing is due */
    assert_true(pn_rtlink_send(w.link, PN_DP_CONTROL, &now, sizeof(now), 1));
    pn_rtlink_flush(w.link, now);
    pn_rtlink_run(w.link, now);
    now += 11 * SECOND;
    assert_in_range(pn_rtlink_run(w.link, now), now, now + SOON);
    assert_int_equal(w.downs, 1);
    now += SOON;
    pn_rtlink_run(w.link, now);
    assert_true(pn_rtlink_fd(w.link) >= 0);
}

/* Its end is noticed in writing: nothing will make the descriptor readable any more. */
static void test_ends_while_writing(void **state)
{
    uint64_t now = 1000 * SECOND;
    (void)state;
    pn_rtlink_run(w.link, now);
    hello(now);
    close(w.accepted);
    w.accepted = -1;
    assert_true(pn_rtlink_send(w.link, PN_DP_CONTROL, &now, sizeof(now), 1));
    pn_rtlink_flush(w.link, now);
    assert_int_equal(pn_rtlink_fd(w.link), -1);
    assert_int_equal(w.downs, 1);
    assert_in_range(pn_rtlink_run(w.link, now), now + 1, now + SOON);
}

/* Nobody is there: asked again and again. */
static void test_nobody_there(void **state)
{
    uint64_t now = 1000 * SECOND;
    (void)state;
    unlink(w.sun.sun_path);
    for (unsigned i = 0; i < 5; i++) {
        uint64_t next = pn_rtlink_run(w.link, now);
        assert_in_range(next, now + 1, now + SOON);
        now = next;
    }
    assert_int_equal(w.downs, 0); /* after an up only */
}

/* More comes than can be read: what was there is read, then the heartbeats have their turn. */
static void test_more_than_can_be_read(void **state)
{
    uint64_t now = 1000 * SECOND;
    (void)state;
    pn_rtlink_run(w.link, now);
    hello(now);
    w.flood = 20000;
    for (unsigned i = 0; i < 20; i++)
        say_something();
    pn_rtlink_readable(w.link, now);
    assert_in_range(w.messages, 100, 2000);
    for (unsigned turns = 0; w.messages < w.flood && turns < 1000; turns++)
        pn_rtlink_readable(w.link, now);
    assert_true(w.messages >= w.flood);
    assert_int_equal(w.downs, 0);
}

/* What answers and orders made us write must not look as if the dataplane did not read. */
static void test_writes_first(void **state)
{
    uint64_t now = 1000 * SECOND;
    struct {
        struct pn_dp_header head;
        uint64_t payload;
    } m;
    (void)state;
    pn_rtlink_run(w.link, now);
    hello(now);
    assert_true(pn_rtlink_send(w.link, PN_DP_CONTROL, &now, sizeof(now), 1));
    assert_false(pn_rtlink_clear(w.link));
    pn_rtlink_run(w.link, now);
    assert_true(pn_rtlink_clear(w.link));
    assert_int_equal(recv(w.accepted, &m, sizeof(m), MSG_DONTWAIT), sizeof(m));
    assert_int_equal(m.head.type, PN_DP_CONTROL);
    for (unsigned i = 0; pn_rtlink_clear(w.link) && i < 100000; i++) { /* now it does not */
        assert_true(pn_rtlink_send(w.link, PN_DP_CONTROL, &now, sizeof(now), 1));
        pn_rtlink_run(w.link, now);
    }
    assert_false(pn_rtlink_clear(w.link));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_no_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ends_while_writing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nobody_there, setup, teardown),
        cmocka_unit_test_setup_teardown(test_more_than_can_be_read, setup, teardown),
        cmocka_unit_test_setup_teardown(test_writes_first, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
