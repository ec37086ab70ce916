/* SPDX-License-Identifier: BSD-3-Clause */
/* What goes over the wire between nodes: how much of it, in what steps, and peers that lie. */
#include "tests/unit/rules_nodes.h"

static void test_a_slow_peer_misses_nothing(void **state)
{
    struct pn_sync_status st;

    (void)state;
    rc_start(&c, 2);
    rc_connect(&c, 0, 1);
    rc_settle(&c);
    pn_sync_pause(c.sync[0][1], true);
    add_range(0, "blocklist", 0, 50);
    assert_int_equal(c.link[0][1].n, 0);
    pn_sync_status(c.sync[0][1], &st);
    assert_int_equal(st.missed_pushes, 50);
    assert_false(st.equal);
    pn_sync_pause(c.sync[0][1], false);
    rc_settle(&c);
    assert_int_equal(pn_rules_count(c.rules[1], PN_KIND_BLOCK), 50);
    pn_sync_status(c.sync[0][1], &st);
    assert_true(st.equal);
}

static void test_what_an_exchange_costs(void **state)
{
    enum { N = 4000 };
    static struct pn_rule_key keys[N];
    static struct pn_rules_change changes[N];
    struct pn_error err;
    char value[64];
    uint64_t difference;

    (void)state;
    rc_start(&c, 2);
    for (unsigned node = 0; node < 2; node++) {
        for (unsigned i = 0; i < N; i++) { /* 9 of 10 in common, added on each by itself */
            snprintf(value, sizeof(value), "sender%u@mail%u.example.org", i % 10 ? i : i + node * N, i % 37);
            pn_rule_key_make(&keys[i], pn_kind_by_name("blocklist"), NULL, value, NULL, &err);
            changes[i] = (struct pn_rules_change){.key = &keys[i]};
        }
        assert_int_equal(pn_rules_change(c.rules[node], changes, N, NULL, &err), 0);
        c.now_ms += 100;
    }
    rc_connect(&c, 0, 1);
    rc_settle(&c);
    assert_true(rc_all_equal(&c));
    assert_int_equal(pn_rules_count(c.rules[0], PN_KIND_BLOCK), N + N / 10);
    difference = 2 * (N / 10) * 60; /* entries take about 60 bytes */
    if (c.bytes > 5 * difference)
        fail_msg("%llu bytes for a difference of %llu", (unsigned long long)c.bytes, (unsigned long long)difference);
    /* and one entry among 4,400, after a break, costs little */
    rc_cut(&c, 0, 1);
    rc_change(&c, 1, "blocklist", NULL, "one@example.org", "", false);
    c.bytes = 0;
    rc_connect(&c, 0, 1);
    rc_settle(&c);
    assert_true(rc_all_equal(&c));
    assert_true(c.bytes < 10000);
    c.bytes = 0;
    rc_cut(&c, 0, 1);
    rc_connect(&c, 0, 1);
    rc_settle(&c);
    assert_true(c.bytes < 4000); /* nothing differs: Hellos */
}

static void test_an_empty_node_takes_all_in_bounded_steps(void **state)
{
    enum { N = 20000 };
    static struct pn_rule_key keys[N];
    static struct pn_rules_change changes[N];
    struct pn_error err;
    char value[64];
    size_t longest = 0;

    (void)state;
    rc_start(&c, 2);
    for (unsigned side = 0; side < 2; side++) { /* the asker is empty, then full */
        const char *kind = side ? "blocklist" : "welcomelist";
        for (unsigned i = 0; i < N; i++) {
            snprintf(value, sizeof(value), "sender%u@example.org", i);
            pn_rule_key_make(&keys[i], pn_kind_by_name(kind), NULL, value, NULL, &err);
            changes[i] = (struct pn_rules_change){.key = &keys[i], .description = "one of many, with a description"};
        }
        assert_int_equal(pn_rules_change(c.rules[side], changes, N, NULL, &err), 0);
    }
    rc_connect(&c, 0, 1);
    bool any = true;
    while (any) {
        any = rc_deliver(&c, 0, 1) | rc_deliver(&c, 1, 0);
        size_t queued = 0;
        for (unsigned i = 0; i < 2; i++)
            for (size_t k = 0; k < c.link[i][1 - i].n; k++)
                queued += c.link[i][1 - i].frames[k].len;
        if (queued > longest)
            longest = queued;
    }
    assert_true(rc_all_equal(&c));
    assert_int_equal(pn_rules_count(c.rules[0], PN_KIND_BLOCK), N);
    assert_int_equal(pn_rules_count(c.rules[1], PN_KIND_WELCOME), N);
    assert_true(longest < (16u << 20));
}

static void test_peers_that_lie(void **state)
{
    struct pn_error err;
    struct pn_sync_status st;
    static const uint8_t no_version[] = {0x20, 1}; /* request only */
    static uint8_t big[PN_SYNC_FRAME_MAX + 1];
    static uint8_t bomb[1 << 20]; /* half a million empty lists of wants: 40 MB when unpacked */
    static const uint8_t no_node[] = {1 << 3, 1, 13 << 3 | 2, 0}; /* an entry of a node that has no name */

    (void)state;
    rc_start(&c, 3);
    rc_connect(&c, 0, 1);
    rc_settle(&c);
    assert_int_equal(pn_sync_input(c.sync[0][1], no_version, sizeof(no_version), &err), -1);
    assert_int_equal(pn_sync_input(c.sync[0][1], big, sizeof(big), &err), -1);
    assert_non_null(strstr(err.text, "1048577"));
    for (size_t i = 0; i + 1 < sizeof(bomb); i += 2)
        bomb[i] = 11 << 3 | 2, bomb[i + 1] = 0;
    bomb[0] = 1 << 3, bomb[1] = 1;
    assert_int_equal(pn_sync_input(c.sync[0][1], bomb, sizeof(bomb), &err), -1);
    assert_int_equal(pn_sync_input(c.sync[0][1], no_node, sizeof(no_node), &err), -1);
    /* somebody else's Hello */
    rc_connect(&c, 1, 2);
    struct rc_frame f = c.link[2][1].frames[0];
    assert_int_equal(pn_sync_input(c.sync[0][1], f.data, f.len, &err), -1);
    assert_non_null(strstr(err.text, "n3"));
    pn_sync_status(c.sync[0][1], &st);
    assert_int_equal(pn_rules_count(c.rules[0], PN_KIND_BLOCK), 0);
}

/* What a peer of another version, or one with a full disk, cannot take stays different: no reason to compare all the time. */
static void test_what_stays_different_is_not_compared_all_the_time(void **state)
{
    struct pn_sync_status st;
    uint64_t frames;
    char path[128];
    sqlite3 *db;

    (void)state;
    rc_start(&c, 2);
    rc_change(&c, 0, "blocklist", NULL, "a@example.org", "", false);
    pn_rules_close(c.rules[0]);
    snprintf(path, sizeof(path), "%s/n1.db", c.dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "UPDATE entry SET value = 'A@example.org'", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    rc_open(&c, 0);
    rc_connect(&c, 0, 1);
    for (frames = 0; rc_deliver(&c, 0, 1) | rc_deliver(&c, 1, 0); frames++)
        assert_true(frames < 100);
    rc_run(&c, MINUTE);
    pn_sync_status(c.sync[1][0], &st);
    assert_true(st.bad_entries >= 2 && !st.equal); /* now and then it is tried again */
    assert_true(st.frames_in < 300);
    /* Anything else goes its way at once, also what only a comparison brings. */
    rc_cut(&c, 0, 1);
    rc_change(&c, 0, "blocklist", NULL, "b@example.org", "", false);
    rc_connect(&c, 0, 1);
    rc_deliver(&c, 0, 1);
    for (frames = 0; rc_deliver(&c, 0, 1) | rc_deliver(&c, 1, 0); frames++)
        assert_true(frames < 100);
    assert_int_equal(rc_get(&c, 1, "blocklist", "b@example.org", NULL), 1);
}

/* A peer that answers with places that nobody asked about does not make us grow. */
static void test_answers_without_end(void **state)
{
    static struct pn_digest_place places[16];
    static struct pn_digest_sum sums[16];
    struct pn_wire_out w = {0};
    struct pn_error err;

    (void)state;
    rc_start(&c, 2);
    add_range(0, "blocklist", 0, 200);
    rc_connect(&c, 0, 1);
    rc_deliver(&c, 1, 0); /* n1 begins to ask; nobody answers */
    assert_true(c.sync[0][1]->st.running);
    for (unsigned i = 0; i < 16; i++) {
        places[i] = pn_digest_child((struct pn_digest_place){0, 0}, i);
        sums[i] = (struct pn_digest_sum){1000, i, 7};
    }
    for (unsigned round = 0; round < 400; round++) {
        pn_wire_begin(&w, 1, c.now_ms, 0, 0);
        for (unsigned i = 0; i < 60; i++)
            pn_wire_sums(&w, PN_KIND_BLOCK, places, sums, 16);
        if (pn_sync_input(c.sync[0][1], w.data, w.len, &err) != 0)
            fail_msg("%s", err.text);
    }
    assert_true(c.sync[0][1]->n_queue > 1000);
    assert_true(c.sync[0][1]->queue_size <= SYNC_QUEUE_MAX);
    pn_wire_free(&w);
}

/* What comes by the thousand is written together, and is in force once the nodes have compared; a push is at once. */
static void test_many_entries_are_few_transactions(void **state)
{
    struct pn_rules_status st;
    uint64_t before;

    (void)state;
    rc_start(&c, 2);
    add_range(0, "blocklist", 0, 4000); /* one by one: stamps of their own */
    rc_members(&c, 0, 2);
    rc_connect(&c, 0, 1);
    rc_settle(&c);
    rc_cut(&c, 0, 1);
    for (unsigned i = 0; i < 4000; i += 9)
        add_range(0, "blocklist", 10000 + i, 10001 + i);
    pn_rules_status(c.rules[1], &st);
    before = st.changes;
    rc_connect(&c, 0, 1);
    rc_settle(&c);
    assert_true(rc_all_equal(&c));
    assert_int_equal(pn_rules_count(c.rules[1], PN_KIND_BLOCK), 4445);
    pn_rules_status(c.rules[1], &st);
    assert_in_range(st.changes - before, 1, 2);
    rc_change(&c, 0, "blocklist", NULL, "now@example.org", "", false);
    rc_settle(&c);
    assert_int_equal(pn_rules_count(c.rules[1], PN_KIND_BLOCK), 4446);
}

/* The last entry fills a frame to the brim, and nothing is left to say: that must not look like a question on its way. */
static void test_a_frame_that_ends_full(void **state)
{
    static char body[PN_RULE_BODY_MAX + 1];
    struct pn_sync_status st;

    (void)state;
    memset(body, 'x', PN_RULE_BODY_MAX);
    rc_start(&c, 2);
    rc_change(&c, 0, "keyword", NULL, "one", body, false);
    rc_change(&c, 0, "keyword", NULL, "two", body, false);
    rc_change(&c, 0, "keyword", NULL, "three", body, false);
    rc_members(&c, 0, 2);
    rc_connect(&c, 0, 1);
    rc_settle(&c);
    assert_true(rc_all_equal(&c));
    pn_sync_status(c.sync[0][1], &st);
    assert_false(st.running);
    assert_true(st.equal);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_a_slow_peer_misses_nothing),
        T(test_what_an_exchange_costs),
        T(test_an_empty_node_takes_all_in_bounded_steps),
        T(test_many_entries_are_few_transactions),
        T(test_a_frame_that_ends_full),
        T(test_peers_that_lie),
        T(test_what_stays_different_is_not_compared_all_the_time),
        T(test_answers_without_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
