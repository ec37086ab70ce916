/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dataplane/core/maglev.h"
#include "postern/types.h"

#define SIZE 16381u

static uint16_t one[SIZE], two[SIZE];

static void nodes_make(struct pn_maglev_node *nodes, unsigned n, uint16_t weight)
{
    for (unsigned i = 0; i < n; i++) {
        char name[PN_NAME_BYTES];
        snprintf(name, sizeof(name), "mx%u.example", i);
        nodes[i] = (struct pn_maglev_node){.name_hash = pn_maglev_name_hash(name), .id = (uint16_t)i, .weight = weight};
    }
}

static unsigned share_of(const uint16_t *table, uint16_t id)
{
    unsigned n = 0;
    for (unsigned i = 0; i < SIZE; i++)
        n += table[i] == id;
    return n;
}

/* Part of the protocol between nodes: these must never change. Computed by another program. */
static void test_name_hash_is_fixed(void **state)
{
    (void)state;
    assert_true(pn_maglev_name_hash("mx1") == 0xd0b017d2d50b17c9ull);
    assert_true(pn_maglev_name_hash("mx2") == 0x00f3a0199aa38812ull);
    assert_true(pn_maglev_name_hash("") == 0xc3817c016ba4ff30ull);
}

static uint64_t digest(const uint16_t *table)
{
    uint64_t h = 0xcbf29ce484222325ull;
    for (unsigned i = 0; i < SIZE; i++)
        h = (h ^ table[i]) * 0x100000001b3ull;
    return h;
}

static void test_table_is_fixed(void **state)
{
    (void)state;
    struct pn_maglev_node nodes[5];
    nodes_make(nodes, 5, 100);
    nodes[2].weight = 37;
    assert_int_equal(pn_maglev_build(nodes, 5, one, SIZE), 5);
    assert_true(digest(one) == 0xe6273738d1679946ull);
}

static void test_equal_shares(void **state)
{
    (void)state;
    static const unsigned counts[] = {1, 2, 3, 10, 50, 100};
    for (unsigned c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
        struct pn_maglev_node nodes[100];
        unsigned n = counts[c];
        nodes_make(nodes, n, 100);
        assert_int_equal(pn_maglev_build(nodes, n, one, SIZE), (int)n);
        for (unsigned i = 0; i < n; i++) {
            double share = share_of(one, (uint16_t)i), want = (double)SIZE / n;
            assert_true(share > want * 0.99 - 1 && share < want * 1.01 + 1);
        }
    }
}

static void test_weighted_shares(void **state)
{
    (void)state;
    static const uint16_t weights[] = {100, 50, 25, 10, 1, 200, 256};
    struct pn_maglev_node nodes[7];
    unsigned sum = 0;
    nodes_make(nodes, 7, 0);
    for (unsigned i = 0; i < 7; i++)
        sum += nodes[i].weight = weights[i];
    assert_int_equal(pn_maglev_build(nodes, 7, one, SIZE), 7);
    for (unsigned i = 0; i < 7; i++) {
        double share = share_of(one, (uint16_t)i), want = (double)SIZE * weights[i] / sum;
        assert_true(share > want * 0.98 - 1 && share < want * 1.02 + 1);
    }
}

static void test_order_does_not_matter(void **state)
{
    (void)state;
    struct pn_maglev_node nodes[20], other[20];
    nodes_make(nodes, 20, 100);
    for (unsigned i = 0; i < 20; i++)
        nodes[i].weight = (uint16_t)(50 + i * 7);
    for (unsigned i = 0; i < 20; i++)
        other[i] = nodes[(i * 7 + 3) % 20];
    assert_int_equal(pn_maglev_build(nodes, 20, one, SIZE), 20);
    assert_int_equal(pn_maglev_build(other, 20, two, SIZE), 20);
    assert_memory_equal(one, two, sizeof(one));
}

/* Ids are this machine's own: the same names under other ids give the same choice. */
static void test_ids_take_no_part(void **state)
{
    (void)state;
    struct pn_maglev_node nodes[20];
    nodes_make(nodes, 20, 100);
    assert_int_equal(pn_maglev_build(nodes, 20, one, SIZE), 20);
    for (unsigned i = 0; i < 20; i++)
        nodes[i].id = (uint16_t)(200 - i);
    assert_int_equal(pn_maglev_build(nodes, 20, two, SIZE), 20);
    for (unsigned i = 0; i < SIZE; i++)
        assert_int_equal(two[i], 200 - one[i]);
}

/* Slots of those that stay, moved by a change: Maglev promises few, not none. */
static unsigned moved(uint16_t gone)
{
    unsigned n = 0;
    for (unsigned i = 0; i < SIZE; i++)
        n += one[i] != gone && one[i] != two[i];
    return n;
}

static void test_removal_moves_few(void **state)
{
    (void)state;
    static const unsigned counts[] = {2, 3, 5, 10, 30};
    for (unsigned c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
        struct pn_maglev_node nodes[30];
        unsigned n = counts[c];
        nodes_make(nodes, n, 100);
        pn_maglev_build(nodes, n, one, SIZE);
        nodes[n / 2].weight = 0; /* as good as gone */
        assert_int_equal(pn_maglev_build(nodes, n, two, SIZE), (int)n - 1);
        assert_int_equal(share_of(two, (uint16_t)(n / 2)), 0);
        assert_true(moved((uint16_t)(n / 2)) < SIZE * 4 / 100);
    }
}

static void test_small_weight_change_moves_few(void **state)
{
    (void)state;
    struct pn_maglev_node nodes[10];
    nodes_make(nodes, 10, 100);
    pn_maglev_build(nodes, 10, one, SIZE);
    nodes[4].weight = 90;
    pn_maglev_build(nodes, 10, two, SIZE);
    assert_true(moved(PN_ID_NONE) < SIZE * 6 / 100);
}

static void test_edges(void **state)
{
    (void)state;
    static struct pn_maglev_node many[PN_MAX_GATEWAYS + 1];
    struct pn_maglev_node nodes[3];
    nodes_make(nodes, 3, 0);
    memset(one, 0x55, sizeof(one));
    memcpy(two, one, sizeof(one));
    assert_int_equal(pn_maglev_build(nodes, 3, one, SIZE), 0);
    assert_int_equal(pn_maglev_build(nodes, 0, one, SIZE), 0);
    assert_memory_equal(one, two, sizeof(one)); /* untouched */
    nodes[1].weight = 1;
    assert_int_equal(pn_maglev_build(nodes, 3, one, SIZE), 1);
    assert_int_equal(share_of(one, 1), SIZE);

    nodes_make(many, PN_MAX_GATEWAYS + 1, 100);
    memcpy(one, two, sizeof(one));
    assert_int_equal(pn_maglev_build(many, PN_MAX_GATEWAYS + 1, one, SIZE), -1);
    assert_int_equal(pn_maglev_build(many, 2, one, 1), -1);
    many[1].id = PN_ID_NONE;
    assert_int_equal(pn_maglev_build(many, 2, one, SIZE), -1);
    assert_memory_equal(one, two, sizeof(one));
    many[1].id = 1;
    assert_int_equal(pn_maglev_build(many, PN_MAX_GATEWAYS, one, SIZE), PN_MAX_GATEWAYS);

    /* A weight too small for a slot among giants counts as none. */
    nodes_make(nodes, 3, UINT16_MAX);
    nodes[0].weight = 1;
    assert_int_equal(pn_maglev_build(nodes, 3, one, SIZE), 2);
    assert_int_equal(share_of(one, 0), 0);
}

/* Two names with one hash: no choice is right, but it is the same each time and nothing hangs. */
static void test_equal_hashes(void **state)
{
    (void)state;
    struct pn_maglev_node nodes[2] = {{7, 1, 100}, {7, 2, 100}}, turned[2] = {{7, 2, 100}, {7, 1, 100}};
    assert_int_equal(pn_maglev_build(nodes, 2, one, SIZE), 2);
    assert_int_equal(pn_maglev_build(turned, 2, two, SIZE), 2);
    assert_memory_equal(one, two, sizeof(one));
    assert_true(share_of(one, 1) > SIZE * 49 / 100 && share_of(one, 1) < SIZE * 51 / 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_name_hash_is_fixed),
        cmocka_unit_test(test_table_is_fixed),
        cmocka_unit_test(test_equal_shares),
        cmocka_unit_test(test_weighted_shares),
        cmocka_unit_test(test_order_does_not_matter),
        cmocka_unit_test(test_ids_take_no_part),
        cmocka_unit_test(test_removal_moves_few),
        cmocka_unit_test(test_small_weight_change_moves_few),
        cmocka_unit_test(test_edges),
        cmocka_unit_test(test_equal_hashes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
