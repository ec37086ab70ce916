/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/addr.h"
#include "dataplane/core/filter.h"

/* The same rules without any cleverness: a list of what is in, looked through from end to end. */
#define PLAIN_MAX 4096
struct plain {
    struct pn_dp_prefix p[PLAIN_MAX];
    unsigned n;
};

static bool is_v4(const struct pn_dp_prefix *p)
{
    return pn_addr_is_v4(&p->addr) && p->prefix_len >= 96;
}

static struct pn_dp_prefix masked(struct pn_dp_prefix p)
{
    p.addr = pn_addr_masked(&p.addr, p.prefix_len);
    return p;
}

static void plain_change(struct plain *s, struct pn_dp_prefix p)
{
    unsigned i = 0;

    p = masked(p);
    while (i < s->n &&
           (!pn_addr_equal(&s->p[i].addr, &p.addr) || s->p[i].prefix_len != p.prefix_len || s->p[i].list != p.list))
        i++;
    if (!p.remove && i == s->n) {
        assert_true(s->n < PLAIN_MAX);
        s->p[s->n++] = p;
    } else if (p.remove && i < s->n) {
        s->p[i] = s->p[--s->n];
    }
}

static bool covers(const struct pn_dp_prefix *p, const struct pn_addr *a)
{
    struct pn_addr m = pn_addr_masked(a, p->prefix_len);
    return is_v4(p) == pn_addr_is_v4(a) && pn_addr_equal(&m, &p->addr);
}

static struct pn_dp_filter_answer plain_ask(const struct plain *s, const struct pn_addr *a)
{
    struct pn_dp_filter_answer out = {0};

    for (unsigned i = 0; i < s->n; i++) {
        const struct pn_dp_prefix *p = &s->p[i];
        if (covers(p, a) && (!out.found[p->list] || p->prefix_len > out.match[p->list].prefix_len)) {
            out.found[p->list] = 1;
            out.match[p->list] = *p;
        }
    }
    out.verdict = out.found[PN_FILTER_WELCOME] ? PN_FILTER_WELCOMED
                  : out.found[PN_FILTER_BLOCK] ? PN_FILTER_BLOCKED
                                               : PN_FILTER_PASS;
    return out;
}

static struct pn_filter *made(const struct plain *s, uint64_t generation)
{
    struct pn_filter_set set[PN_FILTER_FAMILIES];
    struct pn_error err = {{0}};

    for (unsigned i = 0; i < PN_FILTER_FAMILIES; i++) {
        set[i].n = 0;
        set[i].e = malloc((s->n + 1) * sizeof(*set[i].e));
    }
    for (unsigned i = 0; i < s->n; i++) {
        unsigned family;
        struct pn_filter_entry e = pn_filter_entry_of(&s->p[i], &family);
        set[family].e[set[family].n++] = e;
    }
    struct pn_filter *f = pn_filter_make(set, generation, PN_FILTER_DROP, &err);
    assert_string_equal(err.text, "");
    assert_non_null(f);
    return f;
}

static struct pn_dp_prefix prefix(const char *text, unsigned list, bool remove)
{
    char addr[64];
    struct pn_dp_prefix p = {.list = (uint8_t)list, .remove = remove};
    const char *slash = strchr(text, '/');

    memcpy(addr, text, (size_t)(slash - text));
    addr[slash - text] = '\0';
    assert_int_equal(pn_addr_parse(addr, &p.addr, NULL), 0);
    p.prefix_len = (uint8_t)(atoi(slash + 1) + (pn_addr_is_v4(&p.addr) ? 96 : 0));
    return p;
}

static unsigned verdict(const struct pn_filter *f, const char *text)
{
    struct pn_addr a;
    uint8_t v = 99;

    assert_int_equal(pn_addr_parse(text, &a, NULL), 0);
    const uint64_t q[1][2] = {{a.q[0], a.q[1]}};
    pn_filter_find(f, q, 1, &v);
    return v;
}

static uint64_t seed = 88172645463325252ull;
static uint32_t rnd(uint32_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)((seed >> 32) * below >> 32);
}

/* Few bits vary, at both ends of a part and of the space, so that prefixes lie in each other and side by side. */
static struct pn_addr random_addr(bool v4)
{
    struct pn_addr a = {0};
    static const uint8_t odd[] = {0, 0, 1, 0x7f, 0x80, 0xff, 0xff, 0xfe};

    for (unsigned i = v4 ? 12 : 0; i < 16; i++)
        a.b[i] = odd[rnd(8)];
    if (v4)
        a.b[10] = a.b[11] = 0xff;
    if (!v4 && rnd(2))
        memset(a.b + 2, 0, 6);
    if (!v4 && rnd(2))
        memset(a.b + 8, 0, 6);
    if (!v4 && a.q[0] == 0)
        a.b[0] = 0x20;
    return a;
}

static struct pn_dp_prefix random_prefix(void)
{
    static const uint8_t len6[] = {0, 1, 16, 32, 48, 63, 64, 65, 96, 112, 127, 128, 128, 64};
    bool v4 = rnd(2);
    struct pn_dp_prefix p = {.addr = random_addr(v4), .list = (uint8_t)(rnd(3) == 0)};

    p.prefix_len = v4 ? (uint8_t)(96 + (rnd(4) ? 12 + rnd(21) : rnd(33))) : len6[rnd(sizeof(len6))];
    if (p.prefix_len < 100 && rnd(8))
        p.prefix_len = (uint8_t)(p.prefix_len + 24);
    return p;
}

static struct pn_addr beside(const struct pn_dp_prefix *p, bool behind)
{
    struct pn_addr a = pn_addr_masked(&p->addr, p->prefix_len);

    if (behind) {
        for (unsigned bit = p->prefix_len; bit < 128; bit++)
            a.b[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
        for (int i = 15; i >= 0 && ++a.b[i] == 0; i--)
            ;
    } else {
        for (int i = 15; i >= 0 && a.b[i]-- == 0; i--)
            ;
    }
    return a;
}

/* Addresses of which one family's arithmetic left the other. */
static bool askable(const struct pn_addr *a)
{
    return pn_addr_is_v4(a) || a->q[0] != 0;
}

static void same(const struct plain *s, const struct pn_filter *f)
{
    struct pn_addr asked[PN_FILTER_BURST];
    uint64_t q[PN_FILTER_BURST][2];
    uint8_t got[PN_FILTER_BURST];

    for (unsigned round = 0; round < 24; round++) {
        unsigned n = 1 + rnd(PN_FILTER_BURST);
        for (unsigned i = 0; i < n; i++) {
            if (i == 0) { /* beyond every key of a tree */
                memset(&asked[0], 0xff, sizeof(asked[0]));
                q[0][0] = q[0][1] = ~0ull;
                continue;
            }
            do {
                asked[i] = random_addr(rnd(2));
                if (s->n != 0 && rnd(2))
                    asked[i] = beside(&s->p[rnd(s->n)], rnd(2));
                else if (s->n != 0 && rnd(2))
                    asked[i] = s->p[rnd(s->n)].addr;
            } while (!askable(&asked[i]));
            q[i][0] = asked[i].q[0];
            q[i][1] = asked[i].q[1];
        }
        pn_filter_find(f, (const uint64_t(*)[2])q, n, got);
        for (unsigned i = 0; i < n; i++) {
            char text[PN_ADDR_TEXT_BYTES];
            struct pn_dp_filter_answer expected = plain_ask(s, &asked[i]), answer;

            pn_filter_ask(f, &asked[i], &answer);
            if (got[i] != expected.verdict || answer.verdict != expected.verdict)
                fail_msg("%s of %u prefixes: %u, by itself %u, expected %u",
                         pn_addr_format(&asked[i], text, sizeof(text)), s->n, got[i], answer.verdict, expected.verdict);
            for (unsigned list = 0; list < PN_FILTER_LISTS; list++) {
                assert_int_equal(answer.found[list], expected.found[list]);
                if (expected.found[list])
                    assert_memory_equal(&answer.match[list], &expected.match[list], sizeof(answer.match[list]));
            }
        }
    }
}

static void counts_same(const struct plain *s, const struct pn_filter *f)
{
    uint32_t count[PN_FILTER_LISTS][PN_FILTER_FAMILIES] = {{0}};

    for (unsigned i = 0; i < s->n; i++)
        count[s->p[i].list][is_v4(&s->p[i]) ? PN_FILTER_V4 : PN_FILTER_V6]++;
    assert_memory_equal(count, f->count, sizeof(count));
    assert_int_equal(f->empty, s->n == 0);
}

static void test_like_plain(void **state)
{
    static struct plain s;

    (void)state;
    for (unsigned round = 0; round < 150; round++) {
        unsigned n = round < 20 ? round : rnd(300);
        struct pn_error err;

        s.n = 0;
        while (s.n < n)
            plain_change(&s, random_prefix());
        struct pn_filter *f = made(&s, 1);
        same(&s, f);
        counts_same(&s, f);
        /* Changes on top of each other, now and then all made anew. */
        for (unsigned step = 0; step < 6; step++) {
            struct pn_dp_prefix changes[8];
            unsigned m = rnd(8);

            for (unsigned i = 0; i < m; i++) {
                changes[i] = s.n != 0 && rnd(2) ? s.p[rnd(s.n)] : random_prefix();
                changes[i].remove = (uint8_t)rnd(2);
                plain_change(&s, changes[i]);
            }
            struct pn_filter *next = rnd(4) == 0 && pn_filter_is_patched(f)
                                         ? pn_filter_renew(f, &err)
                                         : pn_filter_patch(f, changes, m, step + 2, PN_FILTER_RESET, &err);
            assert_non_null(next);
            if (next->generation == f->generation) { /* anew: the changes are still to come */
                struct pn_filter *patched = pn_filter_patch(next, changes, m, step + 2, PN_FILTER_RESET, &err);
                pn_filter_free(next);
                next = patched;
                assert_non_null(next);
            }
            assert_int_equal(next->generation, step + 2);
            assert_int_equal(next->block_action, PN_FILTER_RESET);
            pn_filter_free(f);
            f = next;
            same(&s, f);
            counts_same(&s, f);
        }
        pn_filter_free(f);
    }
}

static void test_welcome_wins(void **state)
{
    static struct plain s;

    (void)state;
    s.n = 0;
    plain_change(&s, prefix("192.0.2.0/24", PN_FILTER_BLOCK, false));
    plain_change(&s, prefix("192.0.2.77/32", PN_FILTER_WELCOME, false)); /* inside */
    plain_change(&s, prefix("198.51.0.0/16", PN_FILTER_WELCOME, false));
    plain_change(&s, prefix("198.51.100.9/32", PN_FILTER_BLOCK, false)); /* the reverse */
    plain_change(&s, prefix("203.0.113.5/32", PN_FILTER_BLOCK, false));
    plain_change(&s, prefix("203.0.113.5/32", PN_FILTER_WELCOME, false)); /* in both */
    plain_change(&s, prefix("2001:db8::1/128", PN_FILTER_BLOCK, false));
    struct pn_filter *f = made(&s, 7);
    static const struct {
        const char *addr;
        unsigned verdict;
    } rows[] = {
        {"192.0.1.255", PN_FILTER_PASS},     {"192.0.2.0", PN_FILTER_BLOCKED},     {"192.0.2.76", PN_FILTER_BLOCKED},
        {"192.0.2.77", PN_FILTER_WELCOMED},  {"192.0.2.78", PN_FILTER_BLOCKED},    {"192.0.2.255", PN_FILTER_BLOCKED},
        {"192.0.3.0", PN_FILTER_PASS},       {"198.51.100.9", PN_FILTER_WELCOMED}, {"198.51.0.0", PN_FILTER_WELCOMED},
        {"198.52.0.0", PN_FILTER_PASS},      {"203.0.113.5", PN_FILTER_WELCOMED},  {"203.0.113.6", PN_FILTER_PASS},
        {"2001:db8::1", PN_FILTER_BLOCKED},  {"2001:db8::2", PN_FILTER_PASS},      {"2001:db8::", PN_FILTER_PASS},
        {"2001:db8:0:1::1", PN_FILTER_PASS},
    };
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (verdict(f, rows[i].addr) != rows[i].verdict)
            fail_msg("%s: %u", rows[i].addr, verdict(f, rows[i].addr));
    }
    pn_filter_free(f);
}

static void test_whole_space(void **state)
{
    static struct plain s;
    struct pn_error err;

    (void)state;
    s.n = 0;
    plain_change(&s, prefix("0.0.0.0/0", PN_FILTER_BLOCK, false));
    struct pn_filter *f = made(&s, 1);
    assert_int_equal(verdict(f, "1.2.3.4"), PN_FILTER_BLOCKED);
    assert_int_equal(verdict(f, "255.255.255.255"), PN_FILTER_BLOCKED);
    assert_int_equal(verdict(f, "2001:db8::1"), PN_FILTER_PASS); /* each family has its own */
    struct pn_dp_prefix swap[] = {prefix("0.0.0.0/0", PN_FILTER_BLOCK, true), prefix("::/0", PN_FILTER_BLOCK, false),
                                  prefix("255.255.255.255/32", PN_FILTER_WELCOME, false)};
    struct pn_filter *g = pn_filter_patch(f, swap, 3, 2, PN_FILTER_DROP, &err);
    assert_int_equal(verdict(g, "1.2.3.4"), PN_FILTER_PASS);
    assert_int_equal(verdict(g, "255.255.255.255"), PN_FILTER_WELCOMED);
    assert_int_equal(verdict(g, "2001:db8::1"), PN_FILTER_BLOCKED);
    assert_int_equal(verdict(g, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), PN_FILTER_BLOCKED);
    struct pn_filter *h = pn_filter_renew(g, &err);
    assert_false(pn_filter_is_patched(h));
    assert_int_equal(verdict(h, "1.2.3.4"), PN_FILTER_PASS);
    assert_int_equal(verdict(h, "255.255.255.255"), PN_FILTER_WELCOMED);
    assert_int_equal(verdict(h, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), PN_FILTER_BLOCKED);
    pn_filter_free(f);
    assert_int_equal(verdict(g, "2001:db8::1"), PN_FILTER_BLOCKED); /* the base lives as long as one uses it */
    pn_filter_free(g);
    pn_filter_free(h);
}

static void test_host_bits(void **state)
{
    static struct plain s;
    struct pn_error err;

    (void)state;
    s.n = 0;
    struct pn_filter *f = made(&s, 1);
    assert_true(f->empty);
    struct pn_dp_prefix add = prefix("192.0.2.77/24", PN_FILTER_BLOCK, false),
                        again = prefix("192.0.2.1/24", PN_FILTER_BLOCK, false),
                        gone = prefix("192.0.2.200/24", PN_FILTER_BLOCK, true);
    struct pn_filter *g = pn_filter_patch(f, (struct pn_dp_prefix[]){add, again}, 2, 2, 0, &err);
    assert_int_equal(g->count[PN_FILTER_BLOCK][PN_FILTER_V4], 1);
    assert_false(g->empty);
    assert_int_equal(verdict(g, "192.0.2.3"), PN_FILTER_BLOCKED);
    struct pn_filter *h = pn_filter_patch(g, &gone, 1, 3, 0, &err);
    assert_true(h->empty);
    assert_false(pn_filter_is_patched(h)); /* what is as it was needs no overlay */
    assert_int_equal(verdict(h, "192.0.2.3"), PN_FILTER_PASS);
    pn_filter_free(f);
    pn_filter_free(g);
    pn_filter_free(h);
}

/* Changes that hold too much for an overlay, and too many of them, are made anew; nobody sees a difference. */
static void test_overlay_bounds(void **state)
{
    static struct plain s;
    struct pn_error err;
    char text[64];

    (void)state;
    s.n = 0;
    for (unsigned i = 0; i < 4000; i++) {
        snprintf(text, sizeof(text), "10.%u.%u.%u/32", i / 512, i / 2 % 256, i % 2 * 2);
        s.p[s.n++] = prefix(text, PN_FILTER_BLOCK, false);
    }
    struct pn_filter *f = made(&s, 1);
    struct pn_dp_prefix wide = prefix("10.0.0.0/8", PN_FILTER_WELCOME, false);
    struct pn_filter *g = pn_filter_patch(f, &wide, 1, 2, 0, &err);
    assert_int_equal(g->overlay[PN_FILTER_V4].n, 2); /* all in it is welcome: two edges */
    assert_int_equal(verdict(g, "10.0.0.2"), PN_FILTER_WELCOMED);
    struct pn_dp_prefix other = prefix("10.0.0.0/8", PN_FILTER_BLOCK, false);
    other.prefix_len = 96 + 7;
    other.remove = 1;
    other.addr = prefix("10.0.0.0/7", PN_FILTER_BLOCK, false).addr;
    struct pn_dp_prefix back[] = {prefix("10.0.0.0/7", PN_FILTER_BLOCK, false)};
    struct pn_filter *h = pn_filter_patch(f, back, 1, 2, 0, &err);
    assert_int_equal(verdict(h, "10.0.0.1"), PN_FILTER_BLOCKED);
    assert_int_equal(verdict(h, "12.0.0.0"), PN_FILTER_PASS);
    struct pn_filter *i = pn_filter_patch(h, &other, 1, 3, 0, &err);
    assert_int_equal(verdict(i, "10.0.0.1"), PN_FILTER_PASS);
    assert_int_equal(verdict(i, "10.0.0.2"), PN_FILTER_BLOCKED);
    pn_filter_free(h);
    pn_filter_free(i);

    /* A welcome /8 whose removal lays open what is blocked: 8000 edges. */
    plain_change(&s, wide);
    h = made(&s, 4);
    wide.remove = 1;
    plain_change(&s, wide);
    i = pn_filter_patch(h, &wide, 1, 5, 0, &err);
    assert_false(pn_filter_is_patched(i));
    same(&s, i);
    pn_filter_free(h);
    pn_filter_free(i);

    struct pn_dp_prefix *many = calloc(2 * PN_FILTER_DELTA_MAX, sizeof(*many));
    for (unsigned j = 0; j < 2 * PN_FILTER_DELTA_MAX; j++) {
        snprintf(text, sizeof(text), "172.16.%u.%u/32", j / 256, j % 256);
        many[j] = prefix(text, PN_FILTER_BLOCK, false);
    }
    h = pn_filter_patch(f, many, PN_FILTER_DELTA_MAX, 6, 0, &err);
    assert_true(pn_filter_is_patched(h));
    i = pn_filter_patch(h, many + PN_FILTER_DELTA_MAX, 1, 7, 0, &err);
    assert_false(pn_filter_is_patched(i));
    assert_int_equal(verdict(i, "172.16.4.0"), PN_FILTER_BLOCKED);
    assert_int_equal(verdict(i, "172.16.4.1"), PN_FILTER_PASS);
    free(many);
    pn_filter_free(f);
    pn_filter_free(g);
    pn_filter_free(h);
    pn_filter_free(i);
}

static struct pn_filter_set numbered(uint32_t n)
{
    struct pn_filter_set s = {.n = n, .e = calloc(n, sizeof(*s.e))};

    for (uint32_t i = 0; i < n; i++) /* backwards, so that there is something to sort */
        s.e[i] = (struct pn_filter_entry){.at.hi = (uint64_t)(n - i) << 33, .len = 32, .lists = 1};
    return s;
}

static void test_limit(void **state)
{
    struct pn_error err;
    struct pn_filter_set set[PN_FILTER_FAMILIES] = {numbered(PN_DP_FILTER_FAMILY_MAX), {0}};

    (void)state;
    struct pn_filter *f = pn_filter_make(set, 1, 0, &err);
    assert_non_null(f);
    assert_null(set[0].e);
    assert_int_equal(verdict(f, "0.0.0.2"), PN_FILTER_BLOCKED);
    assert_int_equal(verdict(f, "0.0.0.3"), PN_FILTER_PASS);
    struct pn_dp_prefix more = prefix("192.0.2.0/24", PN_FILTER_WELCOME, false);
    assert_null(pn_filter_patch(f, &more, 1, 2, 0, &err));
    assert_string_equal(err.text, "filter: 2000001 IPv4 prefixes, above 2000000");
    pn_filter_free(f);
    set[0] = numbered(PN_DP_FILTER_FAMILY_MAX + 1);
    assert_null(pn_filter_make(set, 1, 0, &err));
    assert_string_equal(err.text, "filter: 2000001 IPv4 prefixes, above 2000000");
    assert_null(set[0].e);
}

static void test_none(void **state)
{
    struct pn_dp_filter_answer out;
    struct pn_addr a = pn_addr_from_v4(1);

    (void)state;
    memset(&out, 0xff, sizeof(out));
    pn_filter_ask(NULL, &a, &out);
    static const struct pn_dp_filter_answer nothing;
    assert_memory_equal(&out, &nothing, sizeof(out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_welcome_wins),   cmocka_unit_test(test_whole_space), cmocka_unit_test(test_host_bits),
        cmocka_unit_test(test_overlay_bounds), cmocka_unit_test(test_like_plain),  cmocka_unit_test(test_limit),
        cmocka_unit_test(test_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
