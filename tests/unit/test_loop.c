/* SPDX-License-Identifier: BSD-3-Clause */
/* Work between threads: order, nothing lost at the end, and API calls that another thread answers. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <pthread.h>
#include <stdlib.h>
#include <cmocka.h>

#include <event2/event.h>

#include "controlplane/api/work.h"
#include "tests/unit/fake_dp.h"

#define N 1000u

struct seen {
    struct pn_loop *loop;
    unsigned count, out_of_order, elsewhere;
};
struct item {
    struct seen *seen;
    unsigned number;
};

static void note(void *arg)
{
    struct item *i = arg;

    i->seen->out_of_order += i->number != i->seen->count;
    i->seen->elsewhere += !pn_loop_here(i->seen->loop);
    i->seen->count++;
}

static void test_order(void **state)
{
    struct pn_error err;
    struct pn_loop *l = pn_loop_new(NULL, &err);
    struct seen seen = {.loop = l};
    static struct item items[N];

    (void)state;
    assert_non_null(l);
    for (unsigned i = 0; i < N; i++) {
        items[i] = (struct item){&seen, i};
        if (i == N / 2)
            assert_int_equal(pn_loop_start(l, "test", NULL, NULL, &err), 0);
        assert_int_equal(pn_loop_call(l, note, &items[i]), 0);
    }
    pn_loop_stop(l);
    assert_int_equal(seen.count, N);
    assert_int_equal(seen.out_of_order, 0);
    assert_int_equal(seen.elsewhere, 0);
    assert_int_equal(pn_loop_call(l, note, &items[0]), -1);
    assert_int_equal(seen.count, N);
    pn_loop_free(l);
}

/* A mailbox on a loop that runs already. */
static void test_mailbox(void **state)
{
    struct event_base *base = event_base_new();
    struct pn_error err;
    struct pn_loop *l = pn_loop_new(base, &err);
    struct seen seen = {.loop = l};
    struct item items[2] = {{&seen, 0}, {&seen, 1}};

    (void)state;
    pn_loop_call(l, note, &items[0]);
    assert_int_equal(seen.count, 0);
    event_base_loop(base, EVLOOP_ONCE);
    assert_int_equal(seen.count, 1);
    pn_loop_call(l, note, &items[1]);
    pn_loop_free(l); /* runs what waits */
    assert_int_equal(seen.count, 2);
    event_base_free(base);
}

static json_t *reply;
static void on_done(void *arg, json_t *r)
{
    (void)arg;
    reply = r;
}

static struct pn_api_call *call_make(const struct pn_view *view)
{
    static const struct pn_api_command command = {.name = "test"};
    struct pn_api_call *c = calloc(1, sizeof(*c));

    *c = (struct pn_api_call){.view = view,
                              .command = &command,
                              .args = json_pack("{s:s, s:i, s:b}", "name", "x", "n", 7, "yes", 1),
                              .root = true,
                              .done = on_done};
    json_decref(reply);
    reply = NULL;
    return c;
}

static void work_ok(struct pn_api_work *w)
{
    w->job = malloc(1);
    if (!w->root || pn_api_work_int(w, "n", 0) != 7 || pn_api_work_int(w, "m", 8) != 8 || !pn_api_work_bool(w, "yes"))
        pn_api_work_fail(w, PN_API_REFUSED, "arguments");
    else
        pn_api_work_ok(w, json_string(pn_api_work_text(w, "name")));
}

static void work_fail(struct pn_api_work *w)
{
    pn_api_work_fail(w, PN_API_NOT_FOUND, "no %s", pn_api_work_text(w, "name"));
}

static void test_work(void **state)
{
    struct event_base *base = event_base_new();
    struct pn_error err;
    struct pn_loop *here = pn_loop_new(base, &err), *there = pn_loop_new(NULL, &err);
    struct pn_view view = {.loop = here};
    struct pn_api_call *gone;

    (void)state;
    assert_int_equal(pn_loop_start(there, "there", NULL, NULL, &err), 0);
    pn_api_work(call_make(&view), there, work_ok, NULL);
    while (!reply)
        event_base_loop(base, EVLOOP_ONCE);
    assert_string_equal(json_string_value(json_object_get(reply, "result")), "x");

    pn_api_work(call_make(&view), there, work_fail, NULL);
    while (!reply)
        event_base_loop(base, EVLOOP_ONCE);
    assert_string_equal(json_string_value(json_object_get(reply, "code")), "not-found");
    assert_string_equal(json_string_value(json_object_get(reply, "error")), "no x");

    /* The peer goes meanwhile. */
    gone = call_make(&view);
    pn_api_work(gone, there, work_ok, NULL);
    pn_api_abandon(gone);
    pn_loop_free(there);
    pn_api_work(call_make(&view), NULL, work_ok, NULL);
    assert_string_equal(json_string_value(json_object_get(reply, "code")), "unavailable");
    json_decref(reply);
    reply = NULL;
    pn_loop_free(here); /* frees the abandoned call */
    assert_null(reply);
    event_base_free(base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_mailbox),
        cmocka_unit_test(test_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
