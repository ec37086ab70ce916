/* SPDX-License-Identifier: BSD-3-Clause */
/* The rules as the daemon runs them: over real links, with peers that lie or are slow, and for the dataplane's filter. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <sqlite3.h>

#include "controlplane/actors/rules.h"
#include "tests/unit/cluster_world.h"

static struct world *w;
static struct pn_loop *loop;
static struct pn_rules_actor *actor[WORLD_NODES];
static char dir[WORLD_NODES][64], events[4096];

static void on_event(void *arg, int level, const char *subject, const char *text)
{
    size_t at = strlen(events);

    (void)arg;
    (void)level;
    snprintf(events + at, sizeof(events) - at, "%s: %s\n", subject, text);
}

/* The cluster's loop, the actor's and the main loop are one here; only the order of calls is as in the daemon. */
static void actor_up(int i)
{
    struct pn_rules_actor_options o = {
        .loop = loop, .main = loop, .classes = UINT64_MAX, .event = on_event, .cluster = w->nodes[i].c};

    snprintf(dir[i], sizeof(dir[i]), "/tmp/pn-actor.XXXXXX");
    assert_non_null(mkdtemp(dir[i]));
    memcpy(o.state_dir, dir[i], strlen(dir[i]) + 1);
    snprintf(o.node, sizeof(o.node), "alone");
    if (w->nodes[i].c)
        pn_cluster_subscribe(w->nodes[i].c, PN_CHANNEL_RULES, NULL, NULL); /* the world's own */
    actor[i] = pn_rules_actor_new(&o, &world_error);
    assert_non_null(actor[i]);
    WORLD_OK(pn_rules_actor_start(actor[i], &world_error));
}

static void actor_down(int i)
{
    char command[128];

    pn_rules_actor_free(actor[i]);
    actor[i] = NULL;
    snprintf(command, sizeof(command), "rm -rf %.64s", dir[i]);
    if (dir[i][0] && system(command) != 0)
        fail();
    dir[i][0] = '\0';
}

static int setup(void **state)
{
    (void)state;
    events[0] = '\0';
    w = world_new(false);
    loop = pn_loop_new(w->base, &world_error);
    return loop ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    for (int i = 0; i < WORLD_NODES; i++)
        actor_down(i);
    pn_loop_free(loop);
    world_free(w);
    return 0;
}

static int change(int node, const char *list, const char *value, bool remove)
{
    struct pn_rule_key key;
    struct pn_rules_change c = {.key = &key, .remove = remove};

    WORLD_OK(pn_rule_key_make(&key, pn_kind_by_name(list), NULL, value, NULL, &world_error));
    return pn_rules_change(pn_rules_actor_store(actor[node]), &c, 1, NULL, &world_error);
}

static uint64_t count(int node, uint8_t kind)
{
    return pn_rules_count(pn_rules_actor_store(actor[node]), kind);
}

static struct pn_rules_actor_status *status(int node)
{
    static struct pn_rules_actor_status s;

    pn_rules_actor_refresh(actor[node]);
    pn_rules_actor_status(actor[node], &s);
    return &s;
}

static bool all_equal(struct world *world, int n)
{
    (void)world;
    for (int i = 0; i < n; i++) {
        const struct pn_rules_actor_status *s = status(i);
        if (s->n_peers != (unsigned)n - 1)
            return false;
        for (unsigned p = 0; p < s->n_peers; p++)
            if (!s->peers[p].up || !s->peers[p].sync.equal)
                return false;
    }
    return true;
}

static bool has_25(struct world *world, int node)
{
    (void)world;
    return count(node, PN_KIND_BLOCK) == 25;
}

static bool opened(struct world *world, int node)
{
    (void)world;
    return pn_rules_actor_store(actor[node]) != NULL;
}

/* Of the node's two peers one is down; since when is still known. */
static bool one_down_and_behind(struct world *world, int node)
{
    const struct pn_rules_actor_status *s = status(node);
    const struct pn_rules_peer_status *p = s->peers[0].up ? &s->peers[1] : &s->peers[0];

    (void)world;
    return s->n_peers == 2 && s->peers[0].up != s->peers[1].up && p->sync.equal_ms && p->lag_ms && !p->sync.equal;
}

static void test_10_and_20_over_links(void **state)
{
    char value[64], token[PN_TOKEN_TEXT_BYTES];

    (void)state;
    world_init(w, 0);
    world_up(w, 1);
    world_up(w, 2);
    for (int i = 0; i < 3; i++)
        actor_up(i);
    world_until(w, opened, 2, 2000);
    for (int i = 1; i <= 25; i++) {
        snprintf(value, sizeof(value), "u%d@example.org", i);
        if (i <= 10)
            assert_int_equal(change(0, "blocklist", value, false), 0);
        if (i > 5)
            assert_int_equal(change(1, "blocklist", value, false), 0);
    }
    assert_false(status(1)->clustered);
    assert_string_equal(status(1)->node, "alone");
    WORLD_OK(pn_cluster_invite(w->nodes[0].c, 600, NULL, NULL, token, &world_error));
    world_join_try(w, 1, token, NULL, true, NULL);
    assert_string_equal(w->nodes[1].joined, "");
    assert_int_equal(w->nodes[1].n_rows, 1); /* lists that are empty on both sides say nothing */
    assert_string_equal(w->nodes[1].rows[0].list, "blocklist");
    assert_int_equal(w->nodes[1].rows[0].here, 20);
    assert_int_equal(w->nodes[1].rows[0].there, 10);
    assert_int_equal(w->nodes[1].rows[0].common, 5);
    assert_int_equal(w->nodes[1].rows[0].total, 25);
    assert_int_equal(count(0, PN_KIND_BLOCK), 10);
    assert_int_equal(count(1, PN_KIND_BLOCK), 20);
    world_join(w, 1, 0);
    pn_rules_actor_members(actor[1]);
    pn_rules_actor_members(actor[0]);
    world_until(w, has_25, 0, 5000);
    world_until(w, has_25, 1, 5000);
    world_until(w, all_equal, 2, 5000);
    assert_string_equal(status(1)->node, w->nodes[1].opt.name); /* the cluster's name of it counts now */
    world_join(w, 2, 1);
    for (int i = 0; i < 3; i++)
        pn_rules_actor_members(actor[i]);
    world_until(w, all_equal, 3, 10000);
    assert_int_equal(count(2, PN_KIND_BLOCK), 25);
    /* One change, seen by both. */
    assert_int_equal(change(2, "blocklist", "u1@example.org", true), 0);
    world_until(w, all_equal, 3, 5000);
    assert_int_equal(count(0, PN_KIND_BLOCK), 24);
    assert_int_equal(count(1, PN_KIND_BLOCK), 24);
    actor_down(2);
    world_down(w, 2);
    world_until(w, one_down_and_behind, 0, 5000);
}

static bool told_of_it(struct world *world, int node)
{
    (void)world;
    (void)node;
    return strstr(events, "does not keep to the protocol") != NULL;
}

static bool two_messages(struct world *world, int node)
{
    return world->nodes[node].got >= 2;
}

static bool listened_to_again(struct world *world, int node)
{
    const struct pn_rules_actor_status *s = status(0);
    (void)world;
    (void)node;
    return s->n_peers == 1 && s->peers[0].retry_ms == 0;
}

static void lie(void)
{
    static const uint8_t garbage[] = {0xff, 0xff, 0xff, 0xff, 0x01};

    assert_int_equal(pn_transport_send(pn_cluster_transport(w->nodes[1].c), pn_cluster_self(w->nodes[0].c),
                                       PN_CHANNEL_RULES, garbage, sizeof(garbage)),
                     PN_SEND_OK);
}

static void test_a_peer_that_lies_is_left_alone_for_a_while(void **state)
{
    struct pn_transport_peer peer;
    const struct pn_rules_peer_status *p;

    (void)state;
    world_make(w, 2);
    actor_up(0);
    world_until(w, opened, 0, 2000);
    pn_rules_actor_members(actor[0]);
    lie();
    world_until(w, told_of_it, 0, 2000);
    p = &status(0)->peers[0];
    assert_int_equal(p->violations, 1);
    assert_true(p->retry_ms > 0 && p->retry_ms <= 1000);
    assert_string_equal(pn_rules_actor_problem(actor[0]), "");
    world_run(w, 500); /* more than two ticks */
    lie(); /* not heard now */
    world_run(w, 50);
    assert_int_equal(status(0)->peers[0].violations, 1);
    w->nodes[1].got = 0;
    world_until(w, listened_to_again, 0, 3000);
    world_until(w, two_messages, 1, 8000); /* it says Hello again */
    assert_int_equal(status(0)->peers[0].violations, 1);
    events[0] = '\0';
    lie();
    world_until(w, told_of_it, 0, 2000);
    assert_true(status(0)->peers[0].retry_ms > 1000); /* longer each time */
    assert_true(world_peer(w, 0, 1, &peer) && peer.up); /* others go on using the link */
    assert_int_equal(change(0, "blocklist", "a@example.org", false), 0);
}

/* Links that take little at a time: what does not fit waits, and all of it arrives. */
static void test_narrow_links(void **state)
{
    struct pn_rules_change *changes = calloc(20000, sizeof(*changes));
    struct pn_rule_key *keys = calloc(20000, sizeof(*keys));
    struct pn_transport_peer peer;
    char value[64];

    (void)state;
    for (int i = 0; i < 2; i++) {
        w->nodes[i].opt.limits.queue_high_bytes = 16384;
        w->nodes[i].opt.limits.queue_low_bytes = 4096;
    }
    world_init(w, 0);
    world_up(w, 1);
    for (int i = 0; i < 2; i++)
        actor_up(i);
    world_until(w, opened, 1, 2000);
    for (int i = 0; i < 20000; i++) {
        snprintf(value, sizeof(value), "user%d@d%d.example", i, i % 977);
        WORLD_OK(pn_rule_key_make(&keys[i], pn_kind_by_name("blocklist"), NULL, value, NULL, &world_error));
        changes[i] = (struct pn_rules_change){.key = &keys[i]};
    }
    WORLD_OK(pn_rules_change(pn_rules_actor_store(actor[0]), changes, 12000, NULL, &world_error));
    WORLD_OK(pn_rules_change(pn_rules_actor_store(actor[1]), changes + 8000, 12000, NULL, &world_error));
    world_join(w, 1, 0);
    pn_rules_actor_members(actor[1]);
    pn_rules_actor_members(actor[0]);
    world_until(w, all_equal, 2, 40000);
    assert_int_equal(count(0, PN_KIND_BLOCK), 20000);
    assert_int_equal(count(1, PN_KIND_BLOCK), 20000);
    assert_true(world_peer(w, 0, 1, &peer));
    assert_true(peer.refused_sends > 0); /* or this was no test */
    free(changes);
    free(keys);
}

/* ---- Prefixes for the dataplane ---- */

static struct pn_rules_prefixes *got;
static unsigned n_got;

static void on_prefixes(void *arg, struct pn_rules_prefixes *p)
{
    (void)arg;
    free(got);
    got = p;
    n_got++;
}

static bool answered(struct world *world, int before)
{
    (void)world;
    return n_got > (unsigned)before;
}

static const struct pn_rules_prefixes *next(bool restart, uint64_t ticket)
{
    int before = (int)n_got;

    assert_int_equal(pn_rules_actor_prefixes(actor[0], restart, ticket, on_prefixes, NULL), 0);
    world_until(w, answered, before, 2000);
    assert_int_equal(got->ticket, ticket);
    return got;
}

static void test_prefixes(void **state)
{
    const struct pn_rules_prefixes *p;
    uint64_t generation, seen = 0;
    char value[64];

    (void)state;
    actor_up(0);
    world_until(w, opened, 0, 2000);
    p = next(false, 1);
    assert_int_equal(p->kind, PN_RULES_PREFIXES_AGAIN); /* the whole set comes first */
    p = next(true, 2);
    assert_int_equal(p->kind, PN_RULES_PREFIXES_SET);
    assert_true(p->first && p->last && p->n == 0 && p->generation != 0);
    generation = p->generation;

    /* Nothing to say: the question waits, and is answered once for all that one transaction changes. */
    assert_int_equal(pn_rules_actor_prefixes(actor[0], false, 3, on_prefixes, NULL), 0);
    n_got = 0;
    world_run(w, 50);
    assert_int_equal(n_got, 0);
    assert_int_equal(change(0, "blocklist", "mail@example.org", false), 0); /* no network */
    world_run(w, 50);
    assert_int_equal(n_got, 0);
    assert_int_equal(change(0, "blocklist", "192.0.2.77/24", false), 0);
    world_until(w, answered, 0, 2000);
    assert_int_equal(got->kind, PN_RULES_PREFIXES_PATCH);
    assert_int_equal(got->from, generation);
    assert_true(got->generation != generation);
    assert_int_equal(got->n, 1);
    assert_int_equal(got->list[0].prefix_len, 96 + 24);
    assert_int_equal(got->list[0].list, PN_FILTER_BLOCK);
    assert_int_equal(got->list[0].remove, 0);
    generation = got->generation;

    assert_int_equal(change(0, "welcomelist", "2001:db8::1", false), 0);
    assert_int_equal(change(0, "ip-blocklist", "192.0.2.0/24", true), 0);
    p = next(false, 4);
    assert_int_equal(p->kind, PN_RULES_PREFIXES_PATCH);
    assert_int_equal(p->from, generation);
    assert_int_equal(p->n, 2);
    assert_int_equal(p->list[0].list, PN_FILTER_WELCOME);
    assert_int_equal(p->list[1].remove, 1);

    /* More than one part; what changes while the set is told comes behind it. */
    struct pn_rules_change *changes = calloc(5000, sizeof(*changes));
    struct pn_rule_key *keys = calloc(5000, sizeof(*keys));
    for (unsigned i = 0; i < 5000; i++) {
        snprintf(value, sizeof(value), "198.18.%u.%u", i / 256, i % 256);
        WORLD_OK(pn_rule_key_make(&keys[i], pn_kind_by_name("ip-blocklist"), NULL, value, NULL, &world_error));
        changes[i] = (struct pn_rules_change){.key = &keys[i]};
    }
    WORLD_OK(pn_rules_change(pn_rules_actor_store(actor[0]), changes, 5000, NULL, &world_error));
    p = next(true, 5);
    assert_true(p->kind == PN_RULES_PREFIXES_SET && p->first && !p->last);
    generation = p->generation;
    seen = p->n;
    assert_int_equal(change(0, "ip-blocklist", "198.18.0.0", true), 0);
    for (unsigned parts = 1; !p->last; parts++) {
        assert_true(parts < 10);
        p = next(false, 6);
        assert_true(p->kind == PN_RULES_PREFIXES_SET && !p->first);
        assert_int_equal(p->generation, generation);
        seen += p->n;
    }
    assert_int_equal(seen, 5001); /* 198.18.0.0 was told before it went; and 2001:db8::1 */
    p = next(false, 7);
    assert_int_equal(p->kind, PN_RULES_PREFIXES_PATCH);
    assert_int_equal(p->from, generation);
    assert_true(p->n == 1 && p->list[0].remove);

    /* More than one message has room for. */
    for (unsigned i = 0; i < 5000; i++)
        changes[i].remove = true;
    WORLD_OK(pn_rules_change(pn_rules_actor_store(actor[0]), changes, 5000, NULL, &world_error));
    p = next(false, 70);
    assert_true(p->kind == PN_RULES_PREFIXES_PATCH && p->n == PN_DP_PREFIXES_MAX);
    generation = p->generation;
    p = next(false, 71);
    assert_true(p->kind == PN_RULES_PREFIXES_PATCH && p->from == generation);
    assert_int_equal(p->n, 5000 - 1 - PN_DP_PREFIXES_MAX); /* one was gone already */

    /* Nobody asks for long: the bound is kept, and the whole set is told again. */
    for (unsigned round = 0; round < 14; round++) {
        for (unsigned i = 0; i < 5000; i++)
            changes[i].remove = round % 2 != 0;
        WORLD_OK(pn_rules_change(pn_rules_actor_store(actor[0]), changes, 5000, NULL, &world_error));
    }
    assert_int_equal(next(false, 8)->kind, PN_RULES_PREFIXES_AGAIN);
    assert_int_equal(next(true, 9)->kind, PN_RULES_PREFIXES_SET);
    free(changes);
    free(keys);
    free(got);
    got = NULL;
}

static void db_do(const char *text)
{
    char path[128];
    sqlite3 *db;

    snprintf(path, sizeof(path), "%s/%s", dir[0], PN_RULES_DB_NAME);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void test_a_switch_that_failed_is_tried_again(void **state)
{
    uint64_t want = ~PN_KIND_BIT(PN_KIND_BLOCK);

    (void)state;
    actor_up(0);
    world_until(w, opened, 0, 2000);
    db_do("ALTER TABLE meta RENAME TO gone");
    pn_rules_actor_reconfigure(actor[0], "alone", want);
    world_run(w, 50);
    assert_non_null(strstr(events, "stays as it was"));
    assert_true(pn_rules_classes(pn_rules_actor_store(actor[0])) == UINT64_MAX);
    db_do("ALTER TABLE gone RENAME TO meta");
    pn_rules_actor_reconfigure(actor[0], "alone", want);
    world_run(w, 50);
    assert_true(pn_rules_classes(pn_rules_actor_store(actor[0])) == want);
}

static bool empty_again(struct world *world, int node)
{
    char path[128];

    (void)world;
    snprintf(path, sizeof(path), "%s/%s", dir[node], PN_RULES_DB_NAME);
    return pn_rules_actor_store(actor[node]) && count(node, PN_KIND_BLOCK) == 0 && access(path, F_OK) == 0;
}

static void test_a_file_that_is_moved_away_while_it_is_used(void **state)
{
    char path[128], away[136];

    (void)state;
    actor_up(0);
    world_until(w, opened, 0, 2000);
    assert_int_equal(change(0, "blocklist", "a@example.org", false), 0);
    snprintf(path, sizeof(path), "%s/%s", dir[0], PN_RULES_DB_NAME);
    snprintf(away, sizeof(away), "%s.away", path);
    assert_int_equal(rename(path, away), 0);
    world_until(w, empty_again, 0, 2000);
    world_run(w, 20);
    assert_non_null(strstr(events, "was moved away"));
    assert_int_equal(change(0, "blocklist", "b@example.org", false), 0);
    actor_down(0);
}

/* A database that breaks is no reason to ask again at once: the answer is another one than "ask again". */
static void test_prefixes_that_cannot_be_read(void **state)
{
    (void)state;
    actor_up(0);
    world_until(w, opened, 0, 2000);
    db_do("ALTER TABLE entry RENAME TO gone");
    assert_int_equal(next(true, 1)->kind, PN_RULES_PREFIXES_FAILED);
    assert_non_null(strstr(got->error, "entry"));
    free(got);
    got = NULL;
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_10_and_20_over_links),
        T(test_a_peer_that_lies_is_left_alone_for_a_while),
        T(test_narrow_links),
        T(test_prefixes),
        T(test_prefixes_that_cannot_be_read),
        T(test_a_file_that_is_moved_away_while_it_is_used),
        T(test_a_switch_that_failed_is_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
