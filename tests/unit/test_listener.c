/* SPDX-License-Identifier: BSD-3-Clause */
/* Accepting connections when descriptors run out: it rests, does not spin, and goes on when there are some again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "common/log.h"
#include "controlplane/loop/listener.h"

static unsigned accepted;

static void on_accept(void *arg, int fd, const struct sockaddr *from, socklen_t len)
{
    (void)arg, (void)from, (void)len;
    accepted++;
    close(fd);
}

static uint64_t cpu_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void run_ms(struct event_base *base, unsigned ms)
{
    const struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

    event_base_loopexit(base, &tv);
    event_base_dispatch(base);
}

static void test_out_of_descriptors(void **state)
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    struct event_base *base = event_base_new();
    struct rlimit before, none;

    (void)state;
    pn_log_set_level(PN_LOG_ERROR);
    snprintf(sun.sun_path, sizeof(sun.sun_path), "/tmp/pn_listener_%d.sock", (int)getpid());
    unlink(sun.sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
    struct pn_listener *l = pn_listener_new(base, fd, 8, "test", on_accept, NULL);
    assert_non_null(l);
    int client = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(client, (struct sockaddr *)&sun, sizeof(sun)), 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 1;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    uint64_t cpu = cpu_ms();
    run_ms(base, 500);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(accepted, 0);
    assert_true(cpu_ms() - cpu < 200);
    run_ms(base, 500);
    assert_int_equal(accepted, 1);
    close(client);
    pn_listener_free(l);
    event_base_free(base);
    unlink(sun.sun_path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_out_of_descriptors)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
