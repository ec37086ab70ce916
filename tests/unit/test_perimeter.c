/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "controlplane/cluster/perimeter.h"

static unsigned parse(const char *const *texts, struct pn_prefix *list)
{
    unsigned n = 0;

    for (; texts[n]; n++)
        assert_int_equal(pn_prefix_parse(texts[n], &list[n], NULL), 0);
    return n;
}

static void assert_folds(const char *const *from, const char *const *to)
{
    struct pn_prefix list[64];
    char text[PN_PREFIX_TEXT_BYTES];
    unsigned n = pn_prefixes_fold(list, parse(from, list)), i = 0;

    for (; to[i]; i++) {
        assert_true(i < n);
        assert_string_equal(pn_prefix_format(&list[i], text, sizeof(text)), to[i]);
    }
    assert_int_equal(n, i);
}

#define LIST(...)                                                                                                      \
    (const char *const[])                                                                                              \
    {                                                                                                                  \
        __VA_ARGS__, NULL                                                                                              \
    }

static void test_fold(void **state)
{
    (void)state;
    assert_folds(LIST("192.0.2.1", "192.0.2.1"), LIST("192.0.2.1/32"));
    assert_folds(LIST("192.0.2.1", "192.0.2.0"), LIST("192.0.2.0/31"));
    assert_folds(LIST("192.0.2.1", "192.0.2.2"), LIST("192.0.2.1/32", "192.0.2.2/32")); /* not one /31 */
    assert_folds(LIST("192.0.2.3", "192.0.2.0", "192.0.2.2", "192.0.2.1"), LIST("192.0.2.0/30"));
    assert_folds(LIST("192.0.2.128/25", "192.0.2.9", "192.0.2.0/25", "192.0.2.200"), LIST("192.0.2.0/24"));
    assert_folds(LIST("2001:db8::/33", "10.0.0.0/8", "2001:db8:8000::/33"), LIST("10.0.0.0/8", "2001:db8::/32"));
    assert_folds(LIST("0.0.0.0/1", "128.0.0.0/1"), LIST("0.0.0.0/0"));
    assert_folds(LIST("0.0.0.0/1", "128.0.0.0/1", "::/0"), LIST("0.0.0.0/0", "::/0")); /* families stay apart */
    assert_folds(LIST("::/1", "8000::/1"), LIST("::/0"));
}

/* Against the definition: a fold covers exactly what the list covers, and no two of it could be one. */
static void test_fold_random(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 300; round++) {
        struct pn_prefix list[40], folded[40];
        unsigned seed = round + 1, n = 1 + (unsigned)rand_r(&seed) % 40;

        for (unsigned i = 0; i < n; i++) {
            unsigned len = 120 + (unsigned)rand_r(&seed) % 9;
            struct pn_addr a = pn_addr_from_v4(htobe32(0x0a000000u | ((unsigned)rand_r(&seed) & 0xff)));
            list[i] = (struct pn_prefix){pn_addr_masked(&a, len), (uint8_t)len};
        }
        memcpy(folded, list, sizeof(list));
        unsigned m = pn_prefixes_fold(folded, n);
        unsigned size = 0;
        for (unsigned host = 0; host < 256; host++) {
            struct pn_addr a = pn_addr_from_v4(htobe32(0x0a000000u | host));
            unsigned in = 0, out = 0;
            for (unsigned i = 0; i < n; i++)
                in += pn_prefix_contains(&list[i], &a);
            for (unsigned i = 0; i < m; i++)
                out += pn_prefix_contains(&folded[i], &a);
            assert_int_equal(out, in > 0);
            size += out;
        }
        for (unsigned i = 0; i < m; i++)
            size -= 1u << (128 - folded[i].len);
        assert_int_equal(size, 0);
        for (unsigned i = 0; i + 1 < m; i++) {
            struct pn_addr up = pn_addr_masked(&folded[i].addr, folded[i].len - 1u),
                           next = pn_addr_masked(&folded[i + 1].addr, folded[i].len - 1u);
            assert_false(folded[i].len == folded[i + 1].len && pn_addr_equal(&up, &next));
        }
    }
}

static void test_members_and_export(void **state)
{
    struct pn_members m;
    struct pn_perimeter *p = calloc(1, sizeof(*p));
    struct pn_id cluster = {{1}};
    struct pn_addr a;
    (void)state;

    assert_int_equal(pn_members_init(&m, &cluster), 0);
    for (unsigned k = 0; k < 3; k++) {
        struct pn_member row = {.id = {{(uint8_t)(k + 1)}},
                                .joined = k + 1,
                                .admin_stamp = 1,
                                .claim_name = "n",
                                .claim_number = (uint8_t)k,
                                .own_stamp = 1,
                                .n_endpoints = 1};
        row.endpoints[0] = (struct pn_endpoint){pn_addr_from_v4(htobe32(0xc0000204 + k)), 9477}; /* .4 .5 .6 */
        row.vips.n = 1;
        assert_int_equal(pn_prefix_parse("2001:db8::25", &row.vips.list[0], NULL), 0);
        row.extra.n = 1;
        assert_int_equal(pn_prefix_parse(k ? "198.51.100.0/24" : "198.51.100.7", &row.extra.list[0], NULL), 0);
        assert_int_equal(pn_members_merge(&m, &row), PN_MERGE_CHANGED);
    }
    pn_perimeter_make(p, &m);
    char *text = pn_perimeter_export(p, PN_PERIMETER_CIDR, "c");
    assert_string_equal(text, "192.0.2.4/31\n192.0.2.6/32\n198.51.100.0/24\n2001:db8::25/128\n");
    free(text);
    text = pn_perimeter_export(p, PN_PERIMETER_POSTFIX, "c");
    assert_non_null(strstr(text, "\n192.0.2.4/31 permit\n"));
    free(text);
    text = pn_perimeter_export(&(struct pn_perimeter){.n = 0}, PN_PERIMETER_POSTFIX, "");
    assert_string_equal(text, "# The perimeter is empty: this node is in no cluster\n");
    free(text);
    pn_addr_parse("198.51.100.200", &a, NULL);
    assert_true(pn_perimeter_has(p, &a));
    pn_addr_parse("198.51.101.1", &a, NULL);
    assert_false(pn_perimeter_has(p, &a));

    assert_int_equal(pn_members_remove(&m, &cluster, 10, "n-3", NULL), 0); /* 192.0.2.6 */
    pn_perimeter_make(p, &m);
    pn_addr_parse("192.0.2.6", &a, NULL);
    assert_false(pn_perimeter_has(p, &a));
    assert_int_equal(pn_perimeter_format_parse("rspamd"), PN_PERIMETER_RSPAMD);
    assert_int_equal(pn_perimeter_format_parse("xml"), -1);
    pn_members_free(&m);
    free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fold),
        cmocka_unit_test(test_fold_random),
        cmocka_unit_test(test_members_and_export),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
