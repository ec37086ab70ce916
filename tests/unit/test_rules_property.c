/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random edits, deletions, joins, restarts, partitions, clocks that differ, frames lost, repeated and out of order, on
 * 3 to 9 nodes: in the end all digests are equal, and every node has what a reference merge says. The reference is
 * written apart from the store: it keeps a list of what each change said, and for each key takes the greatest.
 * PN_PROPERTY_ROUNDS and PN_PROPERTY_SEED in the environment ask for more.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/rules_cluster.h"

/* ---- The reference ---- */

struct ref_change {
    const char *kind;
    char value[32], owner[32];
    unsigned node;
    uint64_t stamp;
    bool present;
    char text[32];
};

struct ref_hits {
    char value[32];
    uint64_t count[RC_NODES];
};

struct ref {
    struct ref_change *changes;
    size_t n, size;
    struct ref_hits hits[64];
    unsigned n_hits;
};

static const struct ref_change *ref_newest(const struct ref *ref, const char *kind, const char *owner,
                                           const char *value, int only_node)
{
    const struct ref_change *best = NULL;
    bool list = strcmp(kind, "keyword") != 0 && strcmp(kind, "decompression") != 0;
    bool block = strstr(kind, "block") != NULL;

    for (size_t i = 0; i < ref->n; i++) {
        const struct ref_change *x = &ref->changes[i];
        if (strcmp(x->kind, kind) || strcmp(x->owner, owner) || strcmp(x->value, value) ||
            (only_node >= 0 && x->node != (unsigned)only_node))
            continue;
        bool newer = best == NULL || x->stamp > best->stamp;
        if (best && x->stamp == best->stamp) {
            if (list && x->present != best->present)
                newer = x->present == block; /* blocked stays, allowed goes */
            else
                newer = x->node >= best->node; /* names sort as numbers; a node's last word counts */
        }
        if (newer)
            best = x;
    }
    return best;
}

static void ref_add(struct ref *ref, struct ref_change change)
{
    if (ref->n == ref->size) {
        ref->size = ref->size ? 2 * ref->size : 256;
        ref->changes = realloc(ref->changes, ref->size * sizeof(*ref->changes));
    }
    ref->changes[ref->n++] = change;
}

/* What a node had before it joined counts as added when it joined; what it deleted before does not count. */
static void ref_join(struct ref *ref, unsigned node, uint64_t stamp)
{
    struct ref all = *ref;
    struct ref mine = {0};

    for (size_t i = 0; i < all.n; i++) {
        struct ref_change x = all.changes[i];
        bool list = strcmp(x.kind, "keyword") != 0 && strcmp(x.kind, "decompression") != 0;
        if (x.node != node || ref_newest(&all, x.kind, x.owner, x.value, (int)node) != &all.changes[i])
            continue;
        if (!x.present)
            continue;
        if (list)
            x.stamp = stamp;
        ref_add(&mine, x);
    }
    size_t kept = 0;
    for (size_t i = 0; i < ref->n; i++)
        if (ref->changes[i].node != node)
            ref->changes[kept++] = ref->changes[i];
    ref->n = kept;
    for (size_t i = 0; i < mine.n; i++)
        ref_add(ref, mine.changes[i]);
    free(mine.changes);
}

/* ---- The world ---- */

static struct rc_cluster c;
static struct ref ref;
static bool joined[RC_NODES];

static unsigned rnd(unsigned n)
{
    return (unsigned)(pn_hash_split(&c.seed) % n);
}

/* What to change; who does it and how is the caller's. */
static struct ref_change choose(void)
{
    static const char *const kinds[] = {"blocklist", "welcomelist",   "personal-blocklist", "personal-welcomelist",
                                        "keyword",   "decompression", "ip-blocklist",       "blocklist"};
    struct ref_change x = {.kind = kinds[rnd(8)]};

    if (strcmp(x.kind, "ip-blocklist") == 0)
        snprintf(x.value, sizeof(x.value), "10.0.%u.0/24", rnd(20));
    else if (pn_kind_by_name(x.kind)->shape == PN_SHAPE_LIST)
        snprintf(x.value, sizeof(x.value), "u%u@example.org", rnd(20));
    else
        snprintf(x.value, sizeof(x.value), "rule %u", rnd(10));
    if (pn_kind_by_name(x.kind)->personal)
        snprintf(x.owner, sizeof(x.owner), "o%u@example.net", rnd(3));
    return x;
}

static void edit(struct ref_change x, unsigned node, bool present)
{
    struct pn_rule_key key;
    struct pn_rules_result result;
    struct pn_error err;
    const struct pn_kind *kind = pn_kind_by_name(x.kind);
    struct pn_rules_change change = {.key = &key, .remove = !present};
    char typed[40];

    x.node = node;
    x.present = present;
    if (present)
        snprintf(x.text, sizeof(x.text), "text %u", rnd(1000));
    snprintf(typed, sizeof(typed), "%s", x.value);
    if (kind->shape == PN_SHAPE_LIST && rnd(2))
        typed[0] = typed[0] == 'u' ? 'U' : typed[0];
    change.description = kind->shape == PN_SHAPE_LIST && present ? x.text : NULL;
    change.body = kind->shape == PN_SHAPE_NAMED && present ? x.text : NULL;
    change.body_len = change.body ? strlen(x.text) : 0;
    assert_int_equal(pn_rule_key_make(&key, kind, x.owner, typed, NULL, &err), 0);
    if (pn_rules_change(c.rules[node], &change, 1, &result, &err) != 0)
        fail_msg("%s", err.text);
    if (result.missing)
        return; /* nothing was there to delete: no change */
    x.stamp = result.stamp;
    ref_add(&ref, x);
}

/* Several nodes change one thing in the same millisecond, their counters fresh: stamps tie. */
static void collide(void)
{
    struct ref_change x = choose();

    c.now_ms += 5000; /* past all skew: every counter starts anew */
    for (unsigned i = 0; i < c.n; i++)
        c.skew_ms[i] = 0;
    for (unsigned i = 0; i < c.n; i++)
        if (rnd(3))
            edit(x, i, rnd(2));
}

static void count_hit(unsigned node)
{
    struct pn_rule_key key;
    struct pn_error err;
    char value[32];
    unsigned i, tries = 0;
    unsigned count = 1 + rnd(5);

    do { /* among the first few, so that nodes hit the same */
        snprintf(value, sizeof(value), "u%u@example.org", rnd(6));
        assert_int_equal(pn_rule_key_make(&key, pn_kind_by_name("blocklist"), NULL, value, NULL, &err), 0);
    } while (pn_rules_get(c.rules[node], &key, NULL, &err) != 1 && ++tries < 10);
    if (tries == 10)
        return;
    pn_rules_hit(c.rules[node], &key, count);
    c.now_ms += 4000; /* written at once, while the entry is there */
    pn_rules_tick(c.rules[node]);
    for (i = 0; i < ref.n_hits && strcmp(ref.hits[i].value, value) != 0; i++)
        ;
    if (i == ref.n_hits)
        snprintf(ref.hits[ref.n_hits++].value, sizeof(ref.hits[0].value), "%s", value);
    ref.hits[i].count[node] += count;
}

static void join(unsigned node)
{
    struct pn_error err;
    struct pn_rule rule;
    uint64_t stamp = 0;

    /* The moment of joining is the stamp that its entries have afterwards; a change in a class of its own tells it. */
    assert_int_equal(pn_rules_join(c.rules[node], UINT64_MAX, &err), 0);
    pn_rule_init(&rule);
    for (size_t i = 0; i < ref.n && stamp == 0; i++) {
        const struct ref_change *x = &ref.changes[i];
        struct pn_rule_key key;
        const struct pn_kind *kind = pn_kind_by_name(x->kind);
        if (x->node != node || kind->shape != PN_SHAPE_LIST)
            continue;
        assert_int_equal(pn_rule_key_make(&key, kind, x->owner, x->value, NULL, &err), 0);
        if (pn_rules_get(c.rules[node], &key, &rule, &err) == 1)
            stamp = rule.stamp;
    }
    pn_rule_clear(&rule);
    ref_join(&ref, node, stamp);
    joined[node] = true;
}

static void restart(unsigned node)
{
    for (unsigned j = 0; j < c.n; j++)
        if (j != node)
            rc_cut(&c, node, j);
    pn_rules_close(c.rules[node]);
    rc_open(&c, node);
}

/* ---- The end ---- */

struct found {
    unsigned node, rows;
};

static int check_row(void *arg, const struct pn_rule *rule)
{
    struct found *f = arg;
    const struct pn_kind *kind = pn_kind_by_number(rule->key.kind);
    const struct ref_change *want = ref_newest(&ref, kind->name, rule->key.owner, rule->key.value, -1);
    const char *text = kind->shape == PN_SHAPE_LIST ? rule->description : rule->body ? rule->body : "";

    if (want == NULL || !want->present)
        fail_msg("n%u has %s %s, which the reference has not", f->node + 1, kind->name, rule->key.value);
    if (strcmp(text, want->text) != 0 || rule->stamp < want->stamp)
        fail_msg("n%u: %s %s says \"%s\" of %s, the reference \"%s\" of n%u", f->node + 1, kind->name, rule->key.value,
                 text, rule->node, want->text, want->node + 1);
    for (unsigned i = 0; i < ref.n_hits; i++)
        if (rule->key.kind == PN_KIND_BLOCK && strcmp(ref.hits[i].value, rule->key.value) == 0)
            for (unsigned h = 0; h < rule->n_hits; h++)
                assert_int_equal(rule->hits[h].count, ref.hits[i].count[rule->hits[h].node[1] - '1']);
    f->rows++;
    return 0;
}

static unsigned ref_rows(void)
{
    unsigned rows = 0;

    for (size_t i = 0; i < ref.n; i++) {
        const struct ref_change *x = &ref.changes[i];
        rows += x->present && ref_newest(&ref, x->kind, x->owner, x->value, -1) == x;
    }
    return rows;
}

static void one_world(uint64_t seed)
{
    struct pn_rules_query all = {0};
    struct pn_error err;

    memset(&c, 0, sizeof(c));
    memset(joined, 0, sizeof(joined));
    ref.n = 0;
    ref.n_hits = 0;
    memset(ref.hits, 0, sizeof(ref.hits));
    c.seed = seed;
    rc_start(&c, 3 + rnd(7));
    c.chaos = rnd(3) * 8;
    rc_members(&c, 0, c.n);
    for (unsigned i = 0; i < c.n; i++) {
        joined[i] = i == 0 || rnd(2);
        c.skew_ms[i] = (int64_t)rnd(4000) - 2000; /* within what is taken */
    }
    unsigned steps = 100 + rnd(150);
    for (unsigned step = 0; step < steps; step++) {
        unsigned node = rnd(c.n), other = rnd(c.n);
        switch (rnd(12)) {
        case 0:
            if (node != other)
                rc_cut(&c, node, other);
            break;
        case 1:
        case 2:
            if (node != other && joined[node] && joined[other])
                rc_connect(&c, node, other);
            break;
        case 3:
            if (!joined[node] && rnd(4) == 0)
                join(node);
            break;
        case 4:
            if (rnd(4) == 0)
                restart(node);
            break;
        case 5:
            if (joined[node])
                count_hit(node);
            break;
        case 6:
            for (unsigned i = 0; i < 20; i++)
                rc_deliver(&c, rnd(c.n), rnd(c.n));
            break;
        case 7:
            collide();
            break;
        case 8:
            if (joined[node])
                count_hit(node);
            break;
        default:
            edit(choose(), node, rnd(3) != 0);
        }
        c.now_ms += rnd(2) ? 0 : rnd(3000); /* often the same millisecond */
        for (unsigned i = 0; i < 3; i++)
            rc_deliver(&c, rnd(c.n), rnd(c.n));
    }
    for (unsigned i = 0; i < c.n; i++)
        if (!joined[i])
            join(i);
    c.chaos = 0;
    rc_connect_all(&c);
    rc_run(&c, 60); /* questions whose answer was lost are given up meanwhile */
    if (!rc_all_equal(&c))
        fail_msg("seed %llu: %u nodes are not equal", (unsigned long long)seed, c.n);
    for (unsigned i = 0; i < c.n; i++) {
        struct found f = {.node = i};
        assert_true(pn_rules_list(c.rules[i], &all, NULL, check_row, &f, &err) >= 0);
        if (f.rows != ref_rows())
            fail_msg("seed %llu: n%u has %u entries, the reference %u", (unsigned long long)seed, i + 1, f.rows,
                     ref_rows());
    }
    rc_stop(&c);
}

static void test_random_worlds(void **state)
{
    const char *rounds = getenv("PN_PROPERTY_ROUNDS"), *first = getenv("PN_PROPERTY_SEED");
    uint64_t seed = first ? strtoull(first, NULL, 10) : 1;
    unsigned n = rounds ? (unsigned)strtoul(rounds, NULL, 10) : 12;

    (void)state;
    for (unsigned i = 0; i < n; i++)
        one_world(seed + i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_worlds)};
    int rc = cmocka_run_group_tests(tests, NULL, NULL);

    free(ref.changes);
    return rc;
}
