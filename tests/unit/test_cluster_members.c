/* SPDX-License-Identifier: BSD-3-Clause */
/* Membership: what makes it one list on all nodes, whatever the order in which they hear of changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "controlplane/cluster/codec.h"

static const struct pn_id cluster_id = {{0xc1}};

static struct pn_member member(unsigned k, const char *name, unsigned number)
{
    struct pn_member row;

    memset(&row, 0, sizeof(row));
    row.id.b[0] = (uint8_t)k;
    row.id.b[15] = 7;
    row.joined = 1000 + k;
    memset(row.key, (int)k, sizeof(row.key));
    row.admin_stamp = 1000 + k;
    row.admin_author = row.id;
    snprintf(row.claim_name, sizeof(row.claim_name), "%s", name);
    row.claim_number = (uint8_t)number;
    row.own_stamp = 1;
    row.endpoints[0].addr = pn_addr_from_v4(htobe32(0x0a000000u + k));
    row.endpoints[0].port = 9477;
    row.n_endpoints = 1;
    return row;
}

static void add(struct pn_members *m, struct pn_member row)
{
    assert_null(pn_member_fault(&row));
    assert_int_equal(pn_members_merge(m, &row), PN_MERGE_CHANGED);
}

static void start(struct pn_members *m, unsigned n)
{
    char name[8];

    assert_int_equal(pn_members_init(m, &cluster_id), 0);
    for (unsigned k = 0; k < n; k++) {
        snprintf(name, sizeof(name), "n%u", k);
        add(m, member(k + 1, name, k));
    }
}

static void assert_same(const struct pn_members *a, const struct pn_members *b)
{
    uint8_t da[32], db[32];

    pn_members_digest(a, da);
    pn_members_digest(b, db);
    assert_memory_equal(da, db, sizeof(da));
    assert_int_equal(a->n, b->n);
    for (unsigned i = 0; i < a->n; i++) {
        assert_string_equal(a->rows[i].name, b->rows[i].name);
        assert_int_equal(a->rows[i].number, b->rows[i].number);
    }
}

static void merge_all(struct pn_members *to, const struct pn_members *from)
{
    for (unsigned i = 0; i < from->n; i++) {
        struct pn_member row = from->rows[i];
        assert_int_not_equal(pn_members_merge(to, &row), PN_MERGE_REFUSED);
    }
}

static void test_rename_and_former_names(void **state)
{
    struct pn_members m;
    struct pn_error err;
    (void)state;

    start(&m, 3);
    assert_int_equal(pn_members_rename(&m, &m.rows[0].id, 50, "n1", "mail1", &err), 0);
    struct pn_member *row = pn_members_named(&m, "mail1");
    assert_non_null(row);
    assert_null(pn_members_named(&m, "n1"));
    assert_true(pn_member_answers_to(row, "n1"));
    assert_true(pn_member_answers_to(row, "mail1"));
    assert_false(pn_member_answers_to(row, "n2"));
    assert_int_equal(pn_members_rename(&m, &m.rows[0].id, 50, "mail1", "n2", &err), -1);
    assert_int_equal(pn_members_rename(&m, &m.rows[0].id, 50, "n7", "x", &err), -1);
    assert_int_equal(pn_members_rename(&m, &m.rows[0].id, 50, "n2", "../x", &err), -1);
    assert_int_equal(pn_members_rename(&m, &m.rows[0].id, 50, "n2", "", &err), -1);
    pn_members_free(&m);
}

static void test_removed_never_comes_back(void **state)
{
    struct pn_members m;
    struct pn_error err;
    (void)state;

    start(&m, 2);
    struct pn_member before = *pn_members_named(&m, "n1");
    assert_int_equal(pn_members_remove(&m, &m.rows[0].id, 50, "n1", &err), 0);
    assert_null(pn_members_named(&m, "n1"));
    assert_int_equal(pn_members_active(&m), 1);
    before.admin_stamp = PN_STAMP_MAX; /* later than the removal, and claims not to know of it */
    before.own_stamp = PN_STAMP_MAX;
    assert_int_equal(pn_members_merge(&m, &before), PN_MERGE_CHANGED);
    assert_int_equal(pn_members_active(&m), 1);
    assert_true(pn_members_find(&m, &before.id)->removed);
    assert_int_equal(pn_members_find(&m, &before.id)->n_endpoints, 0);
    assert_int_equal(pn_members_remove(&m, &m.rows[0].id, 50, "n0", &err), -1); /* the last one */
    assert_int_equal(pn_members_remove(&m, &m.rows[0].id, 50, "n1", &err), -1);
    pn_members_free(&m);
}

static void test_same_number_and_name_twice(void **state)
{
    struct pn_members a, b;
    struct pn_member x = member(10, "new", 2), y = member(11, "new", 2);
    (void)state;

    start(&a, 2);
    start(&b, 2);
    add(&a, x); /* invited on one node */
    add(&b, y); /* and on the other, at the same time */
    merge_all(&a, &b);
    merge_all(&b, &a);
    assert_same(&a, &b);
    assert_int_equal(pn_members_find(&a, &x.id)->number, 2); /* the one that joined first keeps both */
    assert_string_equal(pn_members_find(&a, &x.id)->name, "new");
    assert_int_equal(pn_members_find(&a, &y.id)->number, 3);
    assert_string_equal(pn_members_find(&a, &y.id)->name, "new-2");
    /* It claims what it got, so that it stays when the other goes. */
    assert_false(pn_members_settle(&a, &x.id, 60));
    assert_true(pn_members_settle(&a, &y.id, 60));
    assert_false(pn_members_settle(&a, &y.id, 60));
    assert_int_equal(pn_members_remove(&a, &y.id, 70, "new", NULL), 0);
    assert_int_equal(pn_members_find(&a, &y.id)->number, 3);
    assert_string_equal(pn_members_find(&a, &y.id)->name, "new-2");
    assert_true(pn_member_answers_to(pn_members_find(&a, &y.id), "new"));
    pn_members_free(&a);
    pn_members_free(&b);
}

static void test_a_tenth_member_has_no_seat(void **state)
{
    struct pn_members m;
    (void)state;

    start(&m, 9);
    assert_int_equal(pn_members_free_number(&m), -1);
    struct pn_member late = member(20, "late", 0);
    add(&m, late);
    assert_int_equal(pn_members_active(&m), 9);
    assert_int_equal(pn_members_find(&m, &late.id)->number, -1);
    assert_null(pn_members_named(&m, "late"));
    assert_int_equal(pn_members_remove(&m, &m.rows[0].id, 50, "n4", NULL), 0);
    assert_int_equal(pn_members_named(&m, "late")->number, 4);
    pn_members_free(&m);
}

static void test_refuses_what_is_not_possible(void **state)
{
    struct pn_members m;
    struct pn_member row = member(1, "n0", 0);
    (void)state;

    start(&m, 1);
    row.key[0] ^= 1;
    row.admin_stamp = 5000;
    assert_int_equal(pn_members_merge(&m, &row), PN_MERGE_REFUSED);
    row = member(1, "n0", 0);
    row.joined++;
    assert_int_equal(pn_members_merge(&m, &row), PN_MERGE_REFUSED);
    assert_int_equal(m.rows[0].admin_stamp, 1001);

    row = member(2, "n0", 9);
    assert_non_null(pn_member_fault(&row));
    row = member(2, "a b", 0);
    assert_non_null(pn_member_fault(&row));
    row = member(2, "a", 0);
    row.admin_stamp = PN_STAMP_MAX + 1; /* would win for ever */
    assert_non_null(pn_member_fault(&row));
    row = member(2, "a", 0);
    row.endpoints[0].port = 0;
    assert_non_null(pn_member_fault(&row));
    row = member(2, "a", 0);
    row.vips.n = 1;
    row.vips.list[0] = (struct pn_prefix){pn_addr_from_v4(htobe32(0x0a000001)), 120}; /* host bits */
    assert_non_null(pn_member_fault(&row));
    pn_members_free(&m);
}

static void test_tombstones_are_bounded(void **state)
{
    struct pn_members m;
    (void)state;

    start(&m, 2);
    for (unsigned k = 0; k < 2 * PN_MEMBER_ROWS_MAX; k++) {
        struct pn_member row = member(100, "gone", 0);
        row.id.b[1] = (uint8_t)k;
        row.id.b[2] = (uint8_t)(k >> 8);
        row.admin_stamp = 5000 + k;
        row.removed = true;
        pn_members_merge(&m, &row);
    }
    assert_int_equal(m.n, PN_MEMBER_ROWS_MAX);
    assert_int_equal(pn_members_active(&m), 2);
    struct pn_member row = member(3, "n2", 2);
    assert_int_equal(pn_members_merge(&m, &row), PN_MERGE_CHANGED); /* the oldest gives way */
    assert_int_equal(m.n, PN_MEMBER_ROWS_MAX);
    assert_int_equal(pn_members_active(&m), 3);
    pn_members_free(&m);
}

static bool take_row(void *arg, const struct pn_member *row)
{
    assert_int_not_equal(pn_members_merge(arg, row), PN_MERGE_REFUSED);
    return true;
}

static void test_encoded_and_back(void **state)
{
    struct pn_members m, back;
    struct pn_error err;
    struct pn_id other = {{1}};
    (void)state;

    start(&m, 9);
    struct pn_member row = m.rows[3];
    row.vips.n = 2;
    row.vips.list[0] = (struct pn_prefix){pn_addr_from_v4(htobe32(0xc0000219)), 128};
    row.vips.list[1] = (struct pn_prefix){pn_addr_from_v4(htobe32(0xc0000200)), 120};
    strcpy(row.version, "0.2.0");
    assert_true(pn_members_describe(&m, &row.id, 99, &row));
    assert_false(pn_members_describe(&m, &row.id, 99, &row));
    assert_int_equal(pn_members_rename(&m, &row.id, 99, "n1", "m1", &err), 0);
    assert_int_equal(pn_members_remove(&m, &row.id, 99, "n2", &err), 0);
    struct pn_bytes b = pn_members_encode(&m);
    assert_non_null(b.data);
    assert_int_equal(pn_members_init(&back, &cluster_id), 0);
    assert_int_equal(pn_members_decode(b.data, b.len, &cluster_id, NULL, take_row, &back, &err), 0);
    assert_same(&m, &back);
    assert_int_equal(pn_members_decode(b.data, b.len, &other, NULL, take_row, &back, &err), -1);
    assert_int_equal(pn_members_decode(b.data, b.len - 1, &cluster_id, NULL, take_row, &back, &err), -1);
    pn_bytes_free(&b);
    pn_members_free(&m);
    pn_members_free(&back);
}

/* Five copies, random changes on each, rows carried in random order and more than once: one list in the end. */
static void test_random_histories_converge(void **state)
{
    enum { COPIES = 5, STEPS = 120 };
    (void)state;

    for (unsigned round = 0; round < 60; round++) {
        struct pn_members m[COPIES];
        unsigned seed = round + 1, fresh = 10;

        for (unsigned c = 0; c < COPIES; c++)
            start(&m[c], COPIES);
        for (unsigned step = 0; step < STEPS; step++) {
            struct pn_members *at = &m[rand_r(&seed) % COPIES], *from = &m[rand_r(&seed) % COPIES];
            struct pn_id author = at->rows[rand_r(&seed) % COPIES].id;
            uint64_t now_ms = 5000 + (uint64_t)(rand_r(&seed) % 50); /* clocks go back and forth */
            char name[16], other[16];

            snprintf(name, sizeof(name), "n%d", rand_r(&seed) % 8);
            snprintf(other, sizeof(other), "n%d", rand_r(&seed) % 8);
            switch (rand_r(&seed) % 6) {
            case 0:
                pn_members_rename(at, &author, now_ms, name, other, NULL);
                break;
            case 1:
                if (rand_r(&seed) % 8 == 0)
                    pn_members_remove(at, &author, now_ms, name, NULL);
                break;
            case 2:
                if (rand_r(&seed) % 4 == 0 && at->n < PN_MEMBER_ROWS_MAX) {
                    struct pn_member row = member(fresh++, other, (unsigned)rand_r(&seed) % 9);
                    row.joined = 2000 + (uint64_t)rand_r(&seed) % 3;
                    pn_members_merge(at, &row);
                }
                break;
            case 3: {
                struct pn_member row = at->rows[(unsigned)rand_r(&seed) % at->n];
                struct pn_id id = row.id;
                row.endpoints[0].port = (uint16_t)(1 + rand_r(&seed) % 5);
                row.n_endpoints = 1;
                pn_members_describe(at, &id, now_ms, &row);
                break;
            }
            case 4: {
                struct pn_id id = at->rows[(unsigned)rand_r(&seed) % at->n].id;
                pn_members_settle(at, &id, now_ms);
                break;
            }
            default:
                for (unsigned i = 0; i < from->n; i++) {
                    struct pn_member row = from->rows[(unsigned)rand_r(&seed) % from->n];
                    pn_members_merge(at, &row);
                }
            }
        }
        for (unsigned twice = 0; twice < 2; twice++)
            for (unsigned a = 0; a < COPIES; a++)
                for (unsigned b = 0; b < COPIES; b++)
                    if (a != b)
                        merge_all(&m[a], &m[b]);
        for (unsigned c = 1; c < COPIES; c++)
            assert_same(&m[0], &m[c]);
        for (unsigned i = 0; i < m[0].n; i++) /* names and numbers are unique */
            for (unsigned k = i + 1; k < m[0].n; k++) {
                const struct pn_member *x = &m[0].rows[i], *y = &m[0].rows[k];
                if (!x->removed && !y->removed)
                    assert_string_not_equal(x->name, y->name);
                if (pn_member_active(x) && pn_member_active(y))
                    assert_int_not_equal(x->number, y->number);
            }
        for (unsigned c = 0; c < COPIES; c++)
            pn_members_free(&m[c]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rename_and_former_names),
        cmocka_unit_test(test_removed_never_comes_back),
        cmocka_unit_test(test_same_number_and_name_twice),
        cmocka_unit_test(test_a_tenth_member_has_no_seat),
        cmocka_unit_test(test_refuses_what_is_not_possible),
        cmocka_unit_test(test_tombstones_are_bounded),
        cmocka_unit_test(test_encoded_and_back),
        cmocka_unit_test(test_random_histories_converge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
