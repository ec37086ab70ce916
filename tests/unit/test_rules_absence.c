/* SPDX-License-Identifier: BSD-3-Clause */
/* Nodes that were away, are new or have a wrong clock: what they bring, what they miss, when tombstones go. */
#include "tests/unit/rules_nodes.h"

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
    const struct CMUnitTest tests[] = {
        T(test_a_wrong_clock_is_held_back_and_shown),
        T(test_tombstones_go_when_all_have_seen_them),
        T(test_a_node_away_for_long_comes_back_with_a_review),
        T(test_a_new_node_after_collected_tombstones),
        T(test_a_class_switched_off_and_on),
        T(test_a_cluster_is_joined_once),
        T(test_switching_off_is_no_join),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
