/* SPDX-License-Identifier: BSD-3-Clause */
/* Nodes that meet, part, and meet again; and what goes over the wire for it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <sqlite3.h>

#include "controlplane/rules/hlc.h"
#include "controlplane/rules/sync_internal.h"
#include "tests/unit/rules_cluster.h"

#define MINUTE 60
#define HOUR_MS 3600000ull
#define DAY_MS (24 * HOUR_MS)

static struct rc_cluster c;

static int setup(void **state)
{
    (void)state;
    memset(&c, 0, sizeof(c));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rc_stop(&c);
    return 0;
}

static void add_range(unsigned node, const char *kind, unsigned from, unsigned to)
{
    char value[64];

    for (unsigned i = from; i < to; i++) {
        snprintf(value, sizeof(value), "user%u@example.org", i);
        rc_change(&c, node, kind, NULL, value, "", false);
    }
}

/* "10 entries + 20 entries with 5 in common = 25 on both" */
static void test_10_and_20_with_5_in_common_are_25_on_both(void **state)
{
    struct pn_error err;

    (void)state;
    rc_start(&c, 2);
    add_range(0, "blocklist", 0, 10);
    add_range(1, "blocklist", 5, 25);
    add_range(0, "welcomelist", 0, 10);
    add_range(1, "welcomelist", 5, 25);
    rc_change(&c, 0, "blocklist", NULL, "user20@example.org", "", false); /* deleted here, there on the other */
    rc_change(&c, 0, "blocklist", NULL, "user20@example.org", "", true);
    rc_change(&c, 1, "blocklist", NULL, "user2@example.org", "", false); /* and the reverse */
    rc_change(&c, 1, "blocklist", NULL, "user2@example.org", "", true);
    assert_int_equal(pn_rules_count(c.rules[0], PN_KIND_BLOCK), 10);
    assert_int_equal(pn_rules_count(c.rules[1], PN_KIND_BLOCK), 20);
    rc_members(&c, 0, 1);
    rc_run(&c, 10);
    rc_members(&c, 0, 2);
    assert_int_equal(pn_rules_join(c.rules[1], UINT64_MAX, &err), 0);
    rc_connect(&c, 0, 1);
    rc_settle(&c);
    assert_int_equal(pn_rules_count(c.rules[1], PN_KIND_BLOCK), 25);
    assert_int_equal(pn_rules_count(c.rules[0], PN_KIND_WELCOME), 25);
    assert_int_equal(pn_rules_count(c.rules[1], PN_KIND_WELCOME), 25);
    assert_true(rc_all_equal(&c));
    /* the first member's deletion of before is not the joining node's */
    assert_int_equal(pn_rules_count(c.rules[0], PN_KIND_BLOCK), 25);
    assert_int_equal(rc_get(&c, 0, "blocklist", "user20@example.org", NULL), 1);
    struct pn_sync_status st;
    pn_sync_status(c.sync[0][1], &st);
    assert_true(st.equal);
    assert_true(st.classes[PN_KIND_BLOCK].equal);
}

static void test_a_change_is_pushed_at_once(void **state)
{
    (void)state;
    rc_start(&c, 3);
    rc_connect_all(&c);
    rc_settle(&c);
    rc_change(&c, 1, "blocklist", NULL, "spam@example.org", "bulk", false);
    assert_int_equal(c.link[1][0].n, 1);
    assert_int_equal(c.link[1][2].n, 1);
    assert_int_equal(rc_deliver(&c, 1, 2), true);
    struct pn_rule rule;
    pn_rule_init(&rule);
    assert_int_equal(rc_get(&c, 2, "blocklist", "SPAM@example.org", &rule), 1);
    assert_string_equal(rule.description, "bulk");
    assert_string_equal(rule.node, "n2");
    rc_change(&c, 2, "blocklist", NULL, "spam@example.org", NULL, true);
    rc_settle(&c);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(rc_get(&c, i, "blocklist", "spam@example.org", NULL), 0);
    assert_true(rc_all_equal(&c));
    pn_rule_clear(&rule);
}

static void test_both_sides_of_a_partition_count(void **state)
{
    struct pn_rule rule;

    (void)state;
    rc_start(&c, 2);
    rc_connect(&c, 0, 1);
    rc_settle(&c);
    rc_change(&c, 0, "welcomelist", NULL, "a@example.org", "", false);
    rc_change(&c, 0, "keyword", NULL, "phishing", "old", false);
    rc_settle(&c);
    rc_cut(&c, 0, 1);
    c.now_ms += 1000;
    rc_change(&c, 0, "welcomelist", NULL, "a@example.org", NULL, true);
    rc_change(&c, 0, "keyword", NULL, "phishing", "from n1", false);
    c.now_ms += 1000;
    rc_change(&c, 1, "welcomelist", NULL, "a@example.org", "again", false); /* later than the deletion */
    rc_change(&c, 1, "keyword", NULL, "phishing", "from n2", false);
    rc_connect(&c, 0, 1);
    rc_settle(&c);
    assert_true(rc_all_equal(&c));
    pn_rule_init(&rule);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(rc_get(&c, i, "welcomelist", "a@example.org", &rule), 1);
        assert_string_equal(rule.description, "again");
        assert_int_equal(rc_get(&c, i, "keyword", "phishing", &rule), 1);
        assert_string_equal(rule.body, "from n2");
    }
    pn_rule_clear(&rule);
}

static int collect_bodies(void *arg, const struct pn_rules_version *v)
{
    char *text = arg;
    snprintf(text + strlen(text), 200 - strlen(text), "%s:%s ", v->why, v->rule->body ? v->rule->body : "-");
    return 0;
}

static void test_losers_stay_in_history_and_come_back(void **state)
{
    struct pn_rule_key key;
    struct pn_error err;
    char text[200] = "";
    uint64_t stamp;

    (void)state;
    rc_start(&c, 2);
    rc_change(&c, 0, "keyword", NULL, "phishing", "one", false);
    stamp = rc_change(&c, 0, "keyword", NULL, "phishing", "two", false);
    c.now_ms += 10;
    rc_change(&c, 1, "keyword", NULL, "phishing", "three", false);
    rc_connect(&c, 0, 1);
    rc_settle(&c);
    pn_rule_key_make(&key, pn_kind_by_name("keyword"), NULL, "phishing", NULL, &err);
    assert_int_equal(pn_rules_log(c.rules[0], &key, 0, collect_bodies, text, &err), 0);
    assert_string_equal(text, "current:three merged:two replaced:one ");
    text[0] = '\0';
    assert_int_equal(pn_rules_log(c.rules[1], &key, 0, collect_bodies, text, &err), 0);
    assert_string_equal(text, "current:three lost:two ");
    assert_int_equal(pn_rules_restore(c.rules[1], &key, stamp, "n1", NULL, &err), 0);
    rc_settle(&c);
    text[0] = '\0';
    assert_int_equal(pn_rules_log(c.rules[0], &key, 1, collect_bodies, text, &err), 0);
    assert_string_equal(text, "current:two ");
    assert_int_equal(pn_rules_restore(c.rules[1], &key, 12345, NULL, NULL, &err), -1);
    assert_non_null(strstr(err.text, "12345"));
}

static void test_hits_of_all_nodes_are_summed(void **state)
{
    struct pn_rule_key key;
    struct pn_rule rule;
    struct pn_error err;

    (void)state;
    rc_start(&c, 3);
    rc_connect_all(&c);
    rc_change(&c, 0, "blocklist", NULL, "a@example.org", "", false);
    rc_settle(&c);
    pn_rule_key_make(&key, pn_kind_by_name("blocklist"), NULL, "a@example.org", NULL, &err);
    for (unsigned i = 0; i < 3; i++)
        for (unsigned n = 0; n <= i; n++)
            pn_rules_hit(c.rules[i], &key, 10);
    rc_run(&c, 5);
    pn_rule_init(&rule);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(pn_rules_get(c.rules[i], &key, &rule, &err), 1);
        assert_int_equal(pn_rule_hits_total(&rule), 60);
        assert_int_equal(rule.n_hits, 3);
        assert_int_equal(pn_rule_last_ms(&rule), RC_T0);
    }
    assert_true(rc_all_equal(&c));
    pn_rule_clear(&rule);
}

static void test_auto_welcomelist_evicts_alike(void **state)
{
    struct pn_rule_key key;
    struct pn_error err;
    char value[64];

    (void)state;
    c.options.auto_cap = 50;
    rc_start(&c, 3);
    for (unsigned n = 0; n < 3; n++)
        for (unsigned i = 0; i < 60; i++) {
            snprintf(value, sizeof(value), "u%u@example.org", (i * 7 + n * 13) % 100);
            pn_rule_key_make(&key, pn_kind_by_name("auto-whitelist"), NULL, value, NULL, &err);
            c.now_ms += 5;
            pn_rules_learn(c.rules[n], &key, 1);
            if (i % 10 == 0)
                pn_rules_tick(c.rules[n]);
        }
    rc_run(&c, 5);
    rc_connect_all(&c);
    rc_run(&c, 20);
    assert_true(rc_all_equal(&c));
    for (unsigned n = 0; n < 3; n++)
        assert_int_equal(pn_rules_count(c.rules[n], PN_KIND_WELCOME_AUTO), 50);
    assert_int_equal(pn_rules_get(c.rules[0], &key, NULL, &err), 1); /* the last one used is in */
}

static int count_row(void *arg, const struct pn_rule *rule)
{
    (void)rule;
    *(unsigned *)arg += 1;
    return 0;
}

static unsigned waiting(unsigned node, bool held)
{
    struct pn_error err;
    unsigned n = 0;

    assert_int_equal((held ? pn_rules_held : pn_rules_review)(c.rules[node], count_row, &n, &err), 0);
    return n;
}

static void test_a_wrong_clock_is_held_back_and_shown(void **state)
{
    struct pn_sync_status st;
    struct pn_rule rule;
    struct pn_rules_status rs;

    (void)state;
    rc_start(&c, 3);
    c.skew_ms[1] = 10 * MINUTE * 1000;
    rc_change(&c, 0, "keyword", NULL, "k", "right", false);
    rc_connect_all(&c);
    rc_settle(&c);
    rc_change(&c, 1, "keyword", NULL, "k", "from the future", false);
    rc_change(&c, 1, "blocklist", NULL, "f@example.org", "", false);
    rc_run(&c, 10);
    assert_true(rc_all_equal(&c)); /* what waits is known, so sync does not stop */
    pn_rule_init(&rule);
    assert_int_equal(rc_get(&c, 0, "keyword", "k", &rule), 1);
    assert_string_equal(rule.body, "right");
    assert_int_equal(rc_get(&c, 0, "blocklist", "f@example.org", NULL), 0);
    assert_int_equal(waiting(0, true), 2);
    pn_rules_status(c.rules[2], &rs);
    assert_int_equal(rs.held, 2);
    pn_sync_status(c.sync[0][1], &st);
    assert_true(st.skew_alarm);
    assert_true(st.skew_ms > 590000 && st.skew_ms < 610000);
    pn_sync_status(c.sync[0][2], &st);
    assert_false(st.skew_alarm);
    /* edits on the right side hold meanwhile, everywhere but on the wrong node */
    rc_change(&c, 0, "keyword", NULL, "k", "edited", false);
    rc_change(&c, 0, "blocklist", NULL, "g@example.org", "", false);
    rc_run(&c, 10);
    assert_int_equal(rc_get(&c, 2, "keyword", "k", &rule), 1);
    assert_string_equal(rule.body, "edited");
    assert_true(rc_all_equal(&c));
    /* a restart while something waits */
    for (unsigned j = 0; j < 3; j++)
        if (j != 2)
            rc_cut(&c, 2, j);
    pn_rules_close(c.rules[2]);
    rc_open(&c, 2);
    rc_connect_all(&c);
    rc_settle(&c);
    assert_true(rc_all_equal(&c));
    assert_int_equal(waiting(2, true), 2);
    c.now_ms += 9 * MINUTE * 1000;
    rc_run(&c, 2 * MINUTE);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(waiting(i, true), 0);
        assert_int_equal(rc_get(&c, i, "keyword", "k", &rule), 1);
        assert_string_equal(rule.body, "from the future");
        assert_int_equal(rc_get(&c, i, "blocklist", "f@example.org", NULL), 1);
    }
    assert_true(rc_all_equal(&c));
    /* a clock set back: stamps go on growing, and the status says so */
    c.skew_ms[1] = 0;
    rc_run(&c, 5);
    uint64_t before = rc_change(&c, 1, "blocklist", NULL, "h@example.org", "", false);
    rc_settle(&c);
    c.skew_ms[1] = -3600000;
    assert_true(rc_change(&c, 1, "blocklist", NULL, "h@example.org", NULL, true) > before);
    rc_settle(&c);
    assert_int_equal(rc_get(&c, 0, "blocklist", "h@example.org", NULL), 0);
    pn_rules_status(c.rules[1], &rs);
    assert_true(rs.clock_ahead_ms > 3000000);
    pn_rule_clear(&rule);
}

static void test_tombstones_go_when_all_have_seen_them(void **state)
{
    struct pn_rules_status st;

    (void)state;
    rc_start(&c, 3);
    rc_members(&c, 0, 3);
    rc_connect_all(&c);
    add_range(0, "blocklist", 0, 20);
    rc_settle(&c);
    for (unsigned i = 0; i < 10; i++) {
        char value[64];
        snprintf(value, sizeof(value), "user%u@example.org", i);
        rc_change(&c, i % 3, "blocklist", NULL, value, NULL, true);
        for (unsigned j = 0; j < 2; j++)
            while (rc_deliver(&c, j, 1 - j) | rc_deliver(&c, 2, j))
                ;
    }
    rc_cut(&c, 0, 2);
    rc_cut(&c, 1, 2);
    rc_run(&c, 20);
    c.now_ms += 2 * DAY_MS;
    rc_run(&c, 30);
    pn_rules_status(c.rules[0], &st);
    assert_int_equal(st.tombstones, 10); /* n3 has not seen them */
    rc_connect_all(&c);
    rc_run(&c, 30);
    c.now_ms += 2 * HOUR_MS;
    rc_run(&c, 30);
    for (unsigned i = 0; i < 3; i++) {
        pn_rules_status(c.rules[i], &st);
        assert_int_equal(st.tombstones, 0);
        assert_int_equal(st.entries, 10);
    }
    assert_true(rc_all_equal(&c));
    /* a new node that comes after that gets all */
    assert_int_equal(waiting(0, false), 0);
}

static void test_a_node_away_for_long_comes_back_with_a_review(void **state)
{
    struct pn_rules_status st;
    struct pn_rules_result result;
    struct pn_error err;

    (void)state;
    rc_start(&c, 3);
    rc_members(&c, 0, 3);
    rc_connect_all(&c);
    add_range(0, "blocklist", 0, 20);
    rc_run(&c, 20);
    rc_cut(&c, 0, 2);
    rc_cut(&c, 1, 2);
    c.now_ms += HOUR_MS;
    rc_change(&c, 0, "blocklist", NULL, "user3@example.org", NULL, true); /* n3 still has it */
    rc_change(&c, 2, "blocklist", NULL, "only3@example.org", "", false); /* n3 adds */
    rc_change(&c, 2, "blocklist", NULL, "user5@example.org", NULL, true); /* and deletes */
    for (unsigned day = 0; day < 45; day++) {
        c.now_ms += DAY_MS;
        rc_run(&c, 6);
    }
    rc_change(&c, 2, "blocklist", NULL, "late@example.org", "", false);
    rc_change(&c, 0, "blocklist", NULL, "meanwhile@example.org", "", false);
    pn_rules_status(c.rules[0], &st);
    assert_int_equal(st.tombstones, 0);
    rc_connect_all(&c);
    rc_run(&c, 30);
    assert_true(rc_all_equal(&c));
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(rc_get(&c, i, "blocklist", "user3@example.org", NULL), 0);
        assert_int_equal(rc_get(&c, i, "blocklist", "only3@example.org", NULL), 0);
        assert_int_equal(rc_get(&c, i, "blocklist", "user5@example.org", NULL), 0); /* the deletion is not lost */
        assert_int_equal(rc_get(&c, i, "blocklist", "late@example.org", NULL), 1); /* younger than the floor */
        assert_int_equal(rc_get(&c, i, "blocklist", "meanwhile@example.org", NULL), 1);
        assert_int_equal(pn_rules_count(c.rules[i], PN_KIND_BLOCK), 20);
    }
    assert_int_equal(waiting(2, false), 2); /* user3, only3 */
    assert_int_equal(waiting(0, false), 2);
    struct pn_rule_key key;
    pn_rule_key_make(&key, pn_kind_by_name("blocklist"), NULL, "only3@example.org", NULL, &err);
    assert_int_equal(pn_rules_review_settle(c.rules[0], &key, true, &result, &err), 0);
    assert_int_equal(pn_rules_review_settle(c.rules[0], &key, true, &result, &err), -1);
    rc_run(&c, 10);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(rc_get(&c, i, "blocklist", "only3@example.org", NULL), 1);
    assert_int_equal(waiting(2, false), 1); /* what came alive is off the review */
    assert_int_equal(pn_rules_review_settle(c.rules[2], NULL, false, &result, &err), 0);
    assert_int_equal(result.removed, 1);
    assert_int_equal(waiting(2, false), 0);
}

static void test_a_new_node_after_collected_tombstones(void **state)
{
    struct pn_error err;

    (void)state;
    rc_start(&c, 2);
    rc_members(&c, 0, 1); /* n1 alone */
    add_range(0, "blocklist", 0, 10);
    rc_change(&c, 0, "blocklist", NULL, "user0@example.org", NULL, true);
    add_range(1, "blocklist", 0, 3);
    for (unsigned day = 0; day < 10; day++) {
        c.now_ms += DAY_MS;
        pn_rules_tick(c.rules[0]);
        c.now_ms += 2000;
        pn_rules_tick(c.rules[0]);
    }
    struct pn_rules_status st;
    pn_rules_status(c.rules[0], &st);
    assert_int_equal(st.tombstones, 0);
    rc_members(&c, 0, 2);
    assert_int_equal(pn_rules_join(c.rules[1], UINT64_MAX, &err), 0);
    rc_connect(&c, 0, 1);
    rc_run(&c, 10);
    assert_true(rc_all_equal(&c));
    assert_int_equal(pn_rules_count(c.rules[0], PN_KIND_BLOCK), 10);
    assert_int_equal(waiting(0, false), 0);
    assert_int_equal(waiting(1, false), 0);
}

static void test_a_class_switched_off_and_on(void **state)
{
    struct pn_error err;

    (void)state;
    rc_start(&c, 2);
    rc_connect(&c, 0, 1);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(
            pn_rules_classes_set(c.rules[i], ~PN_KIND_BIT(PN_KIND_KEYWORD) & ~PN_KIND_BIT(PN_KIND_BLOCK), &err), 0);
    rc_settle(&c);
    rc_change(&c, 0, "keyword", NULL, "mine", "x", false);
    rc_change(&c, 0, "blocklist", NULL, "a@example.org", "", false);
    rc_change(&c, 1, "blocklist", NULL, "a@example.org", "", false);
    rc_change(&c, 1, "blocklist", NULL, "a@example.org", NULL, true);
    rc_change(&c, 1, "blocklist", NULL, "b@example.org", "", false);
    rc_change(&c, 0, "welcomelist", NULL, "w@example.org", "", false);
    rc_run(&c, 10);
    assert_int_equal(pn_rules_count(c.rules[1], PN_KIND_KEYWORD), 0);
    assert_int_equal(pn_rules_count(c.rules[1], PN_KIND_WELCOME), 1);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(pn_rules_classes_set(c.rules[i], UINT64_MAX, &err), 0);
    rc_run(&c, 10);
    assert_int_equal(pn_rules_count(c.rules[1], PN_KIND_KEYWORD), 1);
    assert_int_equal(pn_rules_count(c.rules[0], PN_KIND_BLOCK), 2);
    assert_int_equal(pn_rules_count(c.rules[1], PN_KIND_BLOCK), 2); /* what every node had by then */
    assert_true(rc_all_equal(&c));
}

static void test_decompression_merges_check_by_check(void **state)
{
    struct pn_rule rule;

    (void)state;
    rc_start(&c, 2);
    rc_change(&c, 0, "decompression", NULL, "recursion", "{\"max\":4}", false);
    rc_change(&c, 0, "decompression", NULL, "password-protected", "{\"action\":\"quarantine\"}", false);
    c.now_ms += 5;
    rc_change(&c, 1, "decompression", NULL, "recursion", "{\"max\":9}", false);
    rc_connect(&c, 0, 1);
    rc_settle(&c);
    pn_rule_init(&rule);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(rc_get(&c, i, "decompression", "recursion", &rule), 1);
        assert_string_equal(rule.body, "{\"max\":9}");
        assert_int_equal(rc_get(&c, i, "decompression", "password-protected", &rule), 1);
    }
    pn_rule_clear(&rule);
}

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

static uint64_t changed_at(unsigned node, const char *kind, const char *value)
{
    struct pn_rule rule;
    uint64_t stamp;

    pn_rule_init(&rule);
    assert_int_equal(rc_get(&c, node, kind, value, &rule), 1);
    stamp = rule.stamp;
    pn_rule_clear(&rule);
    return stamp;
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

static void test_a_cluster_is_joined_once(void **state)
{
    struct pn_error err;
    uint64_t before;
    struct pn_digest_sum sum, again;

    (void)state;
    rc_start(&c, 1);
    before = rc_change(&c, 0, "blocklist", NULL, "a@example.org", "", false);
    c.now_ms += 1000;
    assert_int_equal(pn_rules_cluster_set(c.rules[0], 0, &err), 0);
    assert_int_equal(pn_rules_cluster_set(c.rules[0], 7, &err), 1);
    sum = pn_rules_digest(c.rules[0], PN_KIND_BLOCK);
    assert_true(changed_at(0, "blocklist", "a@example.org") > before);
    assert_int_equal(pn_rules_cluster_set(c.rules[0], 7, &err), 0);
    pn_rules_close(c.rules[0]);
    rc_open(&c, 0);
    assert_int_equal(pn_rules_cluster_set(c.rules[0], 7, &err), 0); /* nor after a restart */
    again = pn_rules_digest(c.rules[0], PN_KIND_BLOCK);
    assert_true(pn_digest_sum_equal(&sum, &again));
    assert_int_equal(pn_rules_cluster_set(c.rules[0], 8, &err), 1); /* another one */
}

static void count_watch(void *arg, const struct pn_rule_key *key, bool present)
{
    (void)present;
    *(unsigned *)arg += key == NULL;
}

/* Off is only noted; on is a join, and watchers are told when what they would read is there. */
static void test_switching_off_is_no_join(void **state)
{
    struct pn_error err;
    unsigned joins = 0;

    (void)state;
    rc_start(&c, 1);
    pn_rules_watch_add(c.rules[0], count_watch, &joins);
    assert_int_equal(pn_rules_classes_set(c.rules[0], ~PN_KIND_BIT(PN_KIND_BLOCK), &err), 0);
    assert_int_equal(joins, 0);
    pn_rules_close(c.rules[0]);
    rc_open(&c, 0);
    assert_true(pn_rules_classes(c.rules[0]) == ~PN_KIND_BIT(PN_KIND_BLOCK));
    pn_rules_watch_add(c.rules[0], count_watch, &joins);
    assert_int_equal(pn_rules_classes_set(c.rules[0], UINT64_MAX, &err), 0);
    assert_int_equal(joins, 1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_10_and_20_with_5_in_common_are_25_on_both),
        T(test_a_change_is_pushed_at_once),
        T(test_both_sides_of_a_partition_count),
        T(test_losers_stay_in_history_and_come_back),
        T(test_hits_of_all_nodes_are_summed),
        T(test_auto_welcomelist_evicts_alike),
        T(test_a_wrong_clock_is_held_back_and_shown),
        T(test_tombstones_go_when_all_have_seen_them),
        T(test_a_node_away_for_long_comes_back_with_a_review),
        T(test_a_new_node_after_collected_tombstones),
        T(test_a_class_switched_off_and_on),
        T(test_decompression_merges_check_by_check),
        T(test_a_slow_peer_misses_nothing),
        T(test_what_an_exchange_costs),
        T(test_an_empty_node_takes_all_in_bounded_steps),
        T(test_many_entries_are_few_transactions),
        T(test_a_frame_that_ends_full),
        T(test_a_cluster_is_joined_once),
        T(test_switching_off_is_no_join),
        T(test_peers_that_lie),
        T(test_what_stays_different_is_not_compared_all_the_time),
        T(test_answers_without_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
