/* SPDX-License-Identifier: BSD-3-Clause */
/* Clock, merge and digest of rules: the parts that touch nothing. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/hash.h"
#include "controlplane/rules/digest.h"
#include "controlplane/rules/hlc.h"
#include "controlplane/rules/merge.h"

static void test_clock_only_grows(void **state)
{
    struct pn_hlc c = {.skew_ms = PN_HLC_SKEW_MS};
    uint64_t last = 0;

    (void)state;
    for (unsigned i = 0; i < 200000; i++) { /* more than a counter holds in one millisecond */
        uint64_t s = pn_hlc_next(&c, 1000);
        assert_true(s > last);
        last = s;
    }
    assert_true(pn_hlc_ms(last) > 1000);
    assert_true(pn_hlc_next(&c, 500) > last); /* set back */
    assert_int_equal(pn_hlc_next(&c, 50000), pn_hlc_make(50000, 0)); /* set forward */
    struct pn_hlc again = {.last = c.last, .skew_ms = PN_HLC_SKEW_MS}; /* a restart with the clock behind */
    assert_true(pn_hlc_next(&again, 10) > c.last);
    assert_int_equal(pn_hlc_ahead_ms(&again, 20000), 30000);
    assert_int_equal(pn_hlc_ahead_ms(&again, 60000), 0);
}

static void test_clock_hears(void **state)
{
    struct pn_hlc c = {.skew_ms = 5000};
    uint64_t heard = pn_hlc_make(14000, 7);

    (void)state;
    assert_true(pn_hlc_hear(&c, 10000, heard));
    assert_true(pn_hlc_next(&c, 10001) > heard);
    assert_true(pn_hlc_hear(&c, 10000, pn_hlc_make(15000, 65535)));
    uint64_t before = c.last;
    assert_false(pn_hlc_hear(&c, 10000, pn_hlc_make(15001, 0)));
    assert_int_equal(c.last, before);
    assert_true(pn_hlc_is_future(&c, 10000, UINT64_MAX));
    assert_true(pn_hlc_next_above(&c, 10000, pn_hlc_make(900000, 3)) == pn_hlc_make(900000, 4));
    assert_true(c.last < pn_hlc_make(900000, 0));
    c.last = UINT64_MAX;
    assert_true(pn_hlc_next(&c, 10000) == UINT64_MAX); /* never round to zero */
}

static struct pn_rule entry(uint8_t kind, bool present, uint64_t stamp, const char *node)
{
    struct pn_rule r;

    pn_rule_init(&r);
    r.key.kind = kind;
    r.key.field = PN_FIELD_SMTP_SENDER;
    strcpy(r.key.value, "a@b.example");
    r.present = present;
    r.stamp = stamp;
    strcpy(r.node, node);
    return r;
}

static bool merged_present(struct pn_rule a, struct pn_rule b)
{
    struct pn_rule ab = a, ba = b;

    assert_true(pn_rule_merge(&ab, &b) >= 0);
    assert_true(pn_rule_merge(&ba, &a) >= 0);
    assert_int_equal(ab.present, ba.present);
    assert_int_equal(pn_rule_content_hash(&ab), pn_rule_content_hash(&ba));
    return ab.present;
}

static void test_later_wins_and_ties_are_safe(void **state)
{
    (void)state;
    assert_true(merged_present(entry(PN_KIND_WELCOME, false, 10, "n1"), entry(PN_KIND_WELCOME, true, 11, "n2")));
    assert_false(merged_present(entry(PN_KIND_WELCOME, true, 10, "n1"), entry(PN_KIND_WELCOME, false, 11, "n2")));
    assert_true(merged_present(entry(PN_KIND_BLOCK, false, 10, "n9"), entry(PN_KIND_BLOCK, true, 10, "n1")));
    assert_true(merged_present(entry(PN_KIND_BLOCK, false, 10, "n1"), entry(PN_KIND_BLOCK, true, 10, "n9")));
    assert_false(merged_present(entry(PN_KIND_WELCOME, false, 10, "n1"), entry(PN_KIND_WELCOME, true, 10, "n9")));
    assert_false(merged_present(entry(PN_KIND_WELCOME, false, 10, "n9"), entry(PN_KIND_WELCOME, true, 10, "n1")));
    /* rules: at a tie the node's name alone */
    assert_true(merged_present(entry(PN_KIND_KEYWORD, false, 10, "n1"), entry(PN_KIND_KEYWORD, true, 10, "n9")));
    assert_false(merged_present(entry(PN_KIND_KEYWORD, false, 10, "n9"), entry(PN_KIND_KEYWORD, true, 10, "n1")));
}

static void test_hits_add_up(void **state)
{
    struct pn_rule a = entry(PN_KIND_BLOCK, true, 5, "n1"), b = a;

    (void)state;
    pn_rule_hit_add(&a, "n2", 3, 100);
    pn_rule_hit_add(&a, "n1", 4, 50);
    pn_rule_hit_add(&b, "n1", 6, 40);
    pn_rule_hit_add(&b, "n3", 1, 70);
    assert_int_equal(pn_rule_merge(&a, &b), PN_MERGE_HITS);
    assert_int_equal(pn_rule_hits_total(&a), 3 + 6 + 1);
    assert_int_equal(pn_rule_last_ms(&a), 100);
    assert_int_equal(a.hits[0].last_ms, 50);
    assert_string_equal(a.hits[2].node, "n3");
    assert_int_equal(pn_rule_merge(&a, &b), PN_MERGE_SAME);
    pn_rule_hit_add(&a, "n1", UINT64_MAX, 0);
    assert_true(pn_rule_hits_total(&a) == UINT64_MAX);
}

static void test_too_many_nodes_count(void **state)
{
    struct pn_rule a = entry(PN_KIND_BLOCK, true, 5, "n1"), b = a, c = a;
    char name[16];

    (void)state;
    for (unsigned i = 0; i < 60; i++) {
        snprintf(name, sizeof(name), "n%02u", (i * 7) % 60);
        pn_rule_hit_add(i & 1 ? &a : &b, name, i, i);
        pn_rule_hit_add(&c, name, i, i);
    }
    assert_true(pn_rule_merge(&a, &b) & PN_MERGE_HITS);
    assert_int_equal(a.n_hits, PN_RULE_HITS_MAX);
    assert_string_equal(a.hits[0].node, "n28");
    assert_int_equal(pn_rule_content_hash(&a), pn_rule_content_hash(&c));
}

static void test_merge_is_a_join(void **state)
{
    uint64_t seed = 7;

    (void)state;
    for (unsigned round = 0; round < 3000; round++) {
        struct pn_rule r[3], x, y;
        for (unsigned i = 0; i < 3; i++) {
            const char *const nodes[] = {"n1", "n2", "n3"};
            r[i] = entry(round & 1 ? PN_KIND_BLOCK : PN_KIND_KEYWORD, pn_hash_split(&seed) & 1,
                         1 + pn_hash_split(&seed) % 3, nodes[pn_hash_split(&seed) % 3]);
            snprintf(r[i].description, sizeof(r[i].description), "%u", (unsigned)(pn_hash_split(&seed) % 3));
            pn_rule_hit_add(&r[i], nodes[pn_hash_split(&seed) % 3], pn_hash_split(&seed) % 5, pn_hash_split(&seed) % 5);
        }
        x = r[0], y = r[2];
        pn_rule_merge(&x, &r[1]);
        pn_rule_merge(&x, &r[2]);
        pn_rule_merge(&y, &r[0]);
        pn_rule_merge(&y, &r[1]);
        pn_rule_merge(&y, &r[0]);
        assert_int_equal(pn_rule_content_hash(&x), pn_rule_content_hash(&y));
        assert_int_equal(x.stamp, y.stamp);
        assert_string_equal(x.node, y.node);
        assert_int_equal(pn_rule_merge(&x, &y), PN_MERGE_SAME);
    }
}

/* ---- Digest ---- */

static uint64_t node_hash(const void *arg, uint16_t node)
{
    (void)arg;
    return node * 77u;
}

static struct pn_digest_item item(uint64_t *seed, uint32_t seq)
{
    struct pn_digest_item i = {.id = pn_hash_split(seed),
                               .content = pn_hash_split(seed),
                               .stamp = pn_hash_split(seed),
                               .seq = seq,
                               .node = seq % 3};
    return i;
}

static void test_digest_knows_its_content(void **state)
{
    enum { N = 5000 };
    static struct pn_digest_item items[N], out[N];
    struct pn_digest *a = pn_digest_new(node_hash, NULL), *b = pn_digest_new(node_hash, NULL);
    struct pn_digest_place root = {0};
    uint64_t seed = 3;

    (void)state;
    for (unsigned i = 0; i < N; i++) {
        items[i] = item(&seed, i);
        if (i >= N - 100) /* crowded at one id: the tree ends at its greatest depth */
            items[i].id = (items[i].id & 0xffff) | 0xabcdef0123450000ull;
        assert_int_equal(pn_digest_add(a, &items[i]), 0);
    }
    for (unsigned i = N; i-- > 0;)
        assert_int_equal(pn_digest_add(b, &items[i]), 0);
    struct pn_digest_sum sa = pn_digest_sum(a, root), sb = pn_digest_sum(b, root);
    assert_int_equal(sa.count, N);
    assert_true(pn_digest_sum_equal(&sa, &sb));
    assert_int_equal(pn_digest_items(a, root, out, 10), N);
    assert_int_equal(pn_digest_items(a, root, out, N), N);
    for (unsigned i = 1; i < N; i++)
        assert_true(out[i - 1].id <= out[i].id);
    /* children add up to their parent, at places deeper than the tree too */
    struct pn_digest_place p = {0};
    for (unsigned depth = 0; depth < PN_DIGEST_DEPTH_MAX; depth++) {
        struct pn_digest_sum whole = pn_digest_sum(a, p);
        uint64_t count = 0, lo = 0;
        for (unsigned c = 0; c < 16; c++) {
            struct pn_digest_sum s = pn_digest_sum(a, pn_digest_child(p, c));
            count += s.count;
            lo += s.lo;
            assert_int_equal(s.count, pn_digest_items(a, pn_digest_child(p, c), out, N));
        }
        assert_int_equal(count, whole.count);
        assert_true(lo == whole.lo);
        p = pn_digest_child(p, (unsigned)(0xabcdef0123450000ull >> (60 - 4 * depth)) & 15);
        assert_true(pn_digest_place_ok(p));
    }
    /* one version changes, and only the way to it does */
    const struct pn_digest_item *found = pn_digest_find(a, items[9].id, 9);
    assert_non_null(found);
    assert_null(pn_digest_find(a, items[9].id, 10));
    assert_true(pn_digest_remove(a, items[9].id, 9));
    assert_false(pn_digest_remove(a, items[9].id, 9));
    items[9].stamp++;
    pn_digest_add(a, &items[9]);
    sa = pn_digest_sum(a, root);
    assert_false(pn_digest_sum_equal(&sa, &sb));
    unsigned differ = 0;
    for (unsigned c = 0; c < 16; c++) {
        sa = pn_digest_sum(a, pn_digest_child(root, c));
        sb = pn_digest_sum(b, pn_digest_child(root, c));
        differ += !pn_digest_sum_equal(&sa, &sb);
    }
    assert_int_equal(differ, 1);
    for (unsigned i = 0; i < N; i++)
        assert_true(pn_digest_remove(a, items[i].id, i));
    sa = pn_digest_sum(a, root);
    assert_int_equal(sa.count | sa.lo | sa.hi, 0);
    pn_digest_free(a);
    pn_digest_free(b);
}

static void test_places(void **state)
{
    (void)state;
    assert_true(pn_digest_place_ok((struct pn_digest_place){0, 0}));
    assert_false(pn_digest_place_ok((struct pn_digest_place){1, 0}));
    assert_true(pn_digest_place_ok((struct pn_digest_place){0xf000000000000000ull, 1}));
    assert_false(pn_digest_place_ok((struct pn_digest_place){0xf100000000000000ull, 1}));
    assert_false(pn_digest_place_ok((struct pn_digest_place){0, PN_DIGEST_DEPTH_MAX + 1}));
    assert_false(pn_digest_place_ok((struct pn_digest_place){0, 16}));
}

/* Every id that is there once, in order, however small the pieces; a place that was made to overflow ends it, not us. */
static void test_ids_in_order(void **state)
{
    struct pn_digest *d = pn_digest_new(node_hash, NULL);
    uint64_t seed = 11, from = 0, last = 0, *ids = malloc(8192 * sizeof(*ids));
    unsigned there = 0, seen = 0;
    bool end = false;

    (void)state;
    for (uint32_t i = 0; i < 20000; i++) {
        struct pn_digest_item x = item(&seed, i + 1);
        x.present = i % 3 != 0;
        there += x.present;
        assert_int_equal(pn_digest_add(d, &x), 0);
    }
    while (!end) {
        size_t n = pn_digest_walk(d, &from, ids, PN_DIGEST_WALK_MIN, &end);
        for (size_t i = 0; i < n; i++, seen++) {
            assert_true(seen == 0 || ids[i] > last);
            last = ids[i];
        }
    }
    assert_int_equal(seen, there);
    for (uint32_t i = 0; i < 3000; i++) {
        struct pn_digest_item x = {.id = 0x1234567890ab0000ull + i % 7, .seq = 30000 + i, .present = true};
        assert_int_equal(pn_digest_add(d, &x), 0);
    }
    end = false;
    from = 0;
    for (unsigned pieces = 0; !end; pieces++) {
        assert_true(pieces < 100);
        pn_digest_walk(d, &from, ids, PN_DIGEST_WALK_MIN, &end);
    }
    free(ids);
    pn_digest_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids_in_order),    cmocka_unit_test(test_clock_only_grows),
        cmocka_unit_test(test_clock_hears),     cmocka_unit_test(test_later_wins_and_ties_are_safe),
        cmocka_unit_test(test_hits_add_up),     cmocka_unit_test(test_too_many_nodes_count),
        cmocka_unit_test(test_merge_is_a_join), cmocka_unit_test(test_digest_knows_its_content),
        cmocka_unit_test(test_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
