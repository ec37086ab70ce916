/* SPDX-License-Identifier: BSD-3-Clause */
/* Nodes that meet, part, and meet again. */
#include "tests/unit/rules_nodes.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_10_and_20_with_5_in_common_are_25_on_both),
        T(test_a_change_is_pushed_at_once),
        T(test_both_sides_of_a_partition_count),
        T(test_losers_stay_in_history_and_come_back),
        T(test_hits_of_all_nodes_are_summed),
        T(test_auto_welcomelist_evicts_alike),
        T(test_decompression_merges_check_by_check),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
