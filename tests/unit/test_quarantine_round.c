/* SPDX-License-Identifier: BSD-3-Clause */
/* Rounds of a host's store in the background, on each of its databases. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <poll.h>

#include "quarantine_store.h"

#define ITEMS_MAX 4000u

struct world {
    char dir[64], path[80];
    struct pn_host *host;
    uint64_t sequence;
    unsigned answers, failed;
    unsigned times[ITEMS_MAX];
};

static void world_start(struct world *w)
{
    struct pn_host_options o = {.path = w->path, .background = true};
    struct pn_error err;

    memset(w, 0, sizeof(*w));
    fixture_dir(w->dir);
    snprintf(w->path, sizeof(w->path), "%s/host", w->dir);
    store_new();
    store_options(&o);
    if (pn_host_open(&o, &w->host, &err) != 0)
        fail_msg("%s", err.text);
    assert_true(pn_host_commit_fd(w->host) >= 0);
}

static void done(void *arg, const struct pn_q_id *id, bool ok, const char *reason)
{
    struct world *w = arg;

    (void)reason;
    w->answers++;
    w->failed += !ok;
    w->times[id->sequence]++;
    if (ok) /* nobody hears of it before the database has it */
        assert_int_equal(pn_host_known(w->host, "mx1", id), 1);
}

/* Every third one a record, every fifth the same message again under a new number. */
static void put(struct world *w, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        pn_q_item item = PN__Q__ITEM__INIT;
        uint8_t sha[PN_Q_SHA_BYTES];
        char raw[100];

        item.node = (char *)"mx1";
        item.sequence = ++w->sequence;
        item.kind = i % 3 == 2 ? PN_Q_RECORD : PN_Q_MESSAGE;
        item.size_bytes = 100;
        item.received_ms = 1700000000000ull;
        snprintf(raw, sizeof(raw), "Subject: %u\r\n\r\ntext", i % 5 ? (unsigned)w->sequence : 0);
        store_put(w->host, &item, raw, sha, done, w);
    }
}

static void all_once(struct world *w)
{
    assert_int_equal(w->answers, w->sequence);
    for (uint64_t i = 1; i <= w->sequence; i++)
        assert_int_equal(w->times[i], 1);
}

/* Turns as an event loop has them: each item is answered once, and all are there. */
static void test_turns(void **state)
{
    struct pn_hostdb_totals t;
    struct world w;

    (void)state;
    world_start(&w);
    for (unsigned turn = 0; turn < 60; turn++) {
        struct pollfd p = {.fd = pn_host_commit_fd(w.host), .events = POLLIN};
        put(&w, turn % 7 * 5);
        pn_host_commit_begin(w.host);
        if (turn % 3 && poll(&p, 1, turn % 2 ? 0 : 1000) > 0)
            pn_host_commit_poll(w.host);
    }
    while (w.answers < w.sequence) {
        struct pollfd p = {.fd = pn_host_commit_fd(w.host), .events = POLLIN};
        pn_host_commit_begin(w.host); /* may have ended the last one */
        if (w.answers == w.sequence)
            break;
        assert_int_equal(poll(&p, 1, 10000), 1);
        pn_host_commit_poll(w.host);
    }
    all_once(&w);
    assert_int_equal(w.failed, 0);
    assert_int_equal(pn_host_totals(w.host, &t), 0);
    assert_int_equal(t.items, w.sequence);
    pn_host_close(w.host);
    fixture_remove(w.dir);
}

/* Whoever asks the database meanwhile waits for the round, and sees it; a commit that waits takes both. */
static void test_asked(void **state)
{
    struct pn_hostdb_totals t;
    struct world w;

    (void)state;
    world_start(&w);
    put(&w, 40);
    pn_host_commit_begin(w.host);
    assert_int_equal(pn_host_totals(w.host, &t), 0);
    assert_int_equal(t.items, 40);
    assert_int_equal(w.answers, 0);
    put(&w, 30);
    assert_int_equal(pn_host_commit(w.host), 70);
    all_once(&w);
    assert_int_equal(pn_host_commit_poll(w.host), 0);
    pn_host_close(w.host);
    fixture_remove(w.dir);
}

/* More than may be queued, and nobody polls: begin itself waits. */
static void test_too_much(void **state)
{
    struct world w;

    (void)state;
    world_start(&w);
    for (unsigned turn = 0; turn < 5; turn++) {
        put(&w, 300);
        pn_host_commit_begin(w.host);
        assert_int_equal(pn_host_queued(w.host), 0);
    }
    assert_in_range(w.answers, 1200, 1500);
    assert_true(pn_host_commit(w.host) <= 300);
    all_once(&w);
    pn_host_close(w.host);
    fixture_remove(w.dir);
}

/* A store that is closed answers what is under way as it went, and the rest as failed. */
static void test_closed(void **state)
{
    struct world w;

    (void)state;
    world_start(&w);
    put(&w, 20);
    pn_host_commit_begin(w.host);
    put(&w, 10);
    pn_host_close(w.host);
    all_once(&w);
    assert_int_equal(w.failed, 10);
    fixture_remove(w.dir);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_turns), cmocka_unit_test(test_asked),
                                       cmocka_unit_test(test_too_much), cmocka_unit_test(test_closed)};
    int end = store_begin(argc, argv);

    return end >= 0 ? end : cmocka_run_group_tests(tests, NULL, NULL);
}
