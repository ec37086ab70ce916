/* SPDX-License-Identifier: BSD-3-Clause */
/* When a port is deaf, and when it is not: quiet, dead peers, nobody to ask, one that comes and goes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "controlplane/vip/deaf.h"

#define MS UINT64_C(1000000)
#define TAKEOVER (35 * MS)

static struct {
    struct pn_deaf d;
    uint64_t now, frames, deaf_at;
    unsigned known, alive, looks, asked;
    bool cut, silent;
    uint64_t answer_in;
    unsigned verdicts;
} s;

static void start(unsigned known, unsigned alive)
{
    memset(&s, 0, sizeof(s));
    s.now = 1000 * MS;
    s.frames = 77;
    s.known = known;
    s.alive = alive;
    s.silent = true;
    s.answer_in = MS;
}

static void run(unsigned ms)
{
    static uint64_t answer_at, seen;
    static unsigned hosts;
    for (uint64_t end = s.now + ms * MS; s.now < end; s.now += MS) {
        bool ask = false, was = s.d.deaf;
        if (s.d.waiting && answer_at && s.now >= answer_at) {
            answer_at = 0;
            pn_deaf_answer(&s.d, seen, hosts, TAKEOVER, s.now);
        }
        if (pn_deaf_step(&s.d, s.silent, TAKEOVER, s.now, &ask)) {
            seen = s.frames;
            hosts = ask ? s.known : 0;
            s.frames += ask && !s.cut ? s.alive : 0;
            s.looks++;
            s.asked += ask;
            answer_at = s.now + s.answer_in;
        }
        if (s.d.deaf && !was) {
            s.deaf_at = s.now;
            s.verdicts++;
        }
    }
}

static void test_the_time(void **state)
{
    (void)state;
    assert_int_equal(pn_deaf_time(TAKEOVER), 150 * MS);
    assert_int_equal(pn_deaf_time(250 * MS), 1000 * MS);
}

static void test_deaf(void **state)
{
    (void)state;
    start(2, 2);
    s.cut = true;
    run(1000);
    assert_true(s.d.deaf);
    assert_in_range(s.deaf_at, 1150 * MS, 1190 * MS);
    s.cut = false;
    run(2000); /* frames come again, no peer does */
    assert_false(s.d.deaf);
    assert_int_equal(s.verdicts, 1);
}

static void test_peers_are_heard(void **state)
{
    (void)state;
    start(2, 0);
    s.silent = false;
    run(1000);
    assert_int_equal(s.looks, 0);
    s.silent = true;
    run(1000);
    assert_true(s.d.deaf);
    s.silent = false;
    run(1);
    assert_false(s.d.deaf); /* at once */
}

/* A lone survivor in a network where nothing moves but what it asks for, and asks seldom. */
static void test_quiet_network(void **state)
{
    (void)state;
    start(2, 1);
    run(60000);
    assert_int_equal(s.verdicts, 0);
    assert_in_range(s.asked, 50, 150);
}

static void test_frames_without_answers(void **state)
{
    (void)state;
    start(2, 0);
    for (unsigned i = 0; i < 200; i++) {
        run(100);
        s.frames++;
    }
    assert_int_equal(s.verdicts, 0);
}

static void test_nobody_to_ask(void **state)
{
    (void)state;
    start(0, 0);
    s.cut = true;
    run(5000);
    assert_int_equal(s.verdicts, 0);
    assert_true(s.looks > 50);
    s.known = 1;
    run(1000);
    assert_true(s.d.deaf);
    s.known = 0; /* those that it knew are not known any more: because it is deaf */
    run(60000);
    assert_true(s.d.deaf);
}

/* A frame now and then is no way back, and a way that comes and goes is told once each time. */
static void test_flapping(void **state)
{
    (void)state;
    start(1, 1);
    s.cut = true;
    run(500);
    assert_true(s.d.deaf);
    for (unsigned i = 0; i < 10; i++) {
        s.frames++;
        run(1000);
        assert_true(s.d.deaf);
    }
    assert_int_equal(s.verdicts, 1);
    s.cut = false;
    run(1000);
    assert_false(s.d.deaf);
    s.cut = true;
    run(2000);
    assert_true(s.d.deaf);
    assert_int_equal(s.verdicts, 2);
}

/* An answer that was long under way (one of the processes was stopped) says nothing of what came meanwhile. */
static void test_stopped(void **state)
{
    (void)state;
    start(1, 1);
    s.cut = true;
    s.answer_in = 200 * MS;
    run(5000);
    assert_int_equal(s.verdicts, 0);
    s.answer_in = MS;
    run(1000);
    assert_true(s.d.deaf);
}

static void test_another_dataplane(void **state)
{
    (void)state;
    start(1, 1);
    s.cut = true;
    run(140);
    pn_deaf_relinked(&s.d);
    run(100);
    assert_false(s.d.deaf);
    run(200);
    assert_true(s.d.deaf);
    s.frames = 3; /* counts from the beginning: no frame that came */
    pn_deaf_relinked(&s.d);
    run(3000);
    assert_true(s.d.deaf);
    pn_deaf_unanswered(&s.d, s.now);
    run(3000);
    assert_true(s.d.deaf);
    assert_int_equal(s.verdicts, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_time),
        cmocka_unit_test(test_deaf),
        cmocka_unit_test(test_peers_are_heard),
        cmocka_unit_test(test_quiet_network),
        cmocka_unit_test(test_frames_without_answers),
        cmocka_unit_test(test_nobody_to_ask),
        cmocka_unit_test(test_flapping),
        cmocka_unit_test(test_stopped),
        cmocka_unit_test(test_another_dataplane),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
