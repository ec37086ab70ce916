/* SPDX-License-Identifier: BSD-3-Clause */
/* Whole nodes: how another joins, what a token is good for, and what stops a join. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/replace.h"
#include "controlplane/cluster/store.h"
#include "tests/unit/cluster_world.h"

static void test_tokens_are_for_one_use(void **state)
{
    struct world *w = world_new(false);
    char token[PN_TOKEN_TEXT_BYTES], other[PN_TOKEN_TEXT_BYTES];
    struct pn_error err;
    (void)state;

    world_init(w, 0);
    world_init(w, 4); /* another cluster */
    WORLD_OK(pn_cluster_invite(w->nodes[0].c, 600, NULL, NULL, token, &world_error));
    world_join_try(w, 1, token, NULL, false, NULL);
    assert_string_equal(w->nodes[1].joined, "");
    world_join_try(w, 2, token, NULL, false, NULL);
    assert_non_null(strstr(w->nodes[2].joined, "used already"));
    assert_int_equal(pn_cluster_state(w->nodes[2].c), PN_CLUSTER_NONE);
    /* over a restart too */
    WORLD_OK(pn_cluster_invite(w->nodes[0].c, 600, NULL, NULL, other, &world_error));
    world_join_try(w, 2, other, NULL, false, NULL);
    assert_string_equal(w->nodes[2].joined, "");
    world_down(w, 0);
    world_up(w, 0);
    struct pn_endpoint at = world_endpoint(w, 0);
    world_join_try(w, 3, other, NULL, false, &at);
    assert_non_null(strstr(w->nodes[3].joined, "used already"));

    /* The right token at the wrong cluster: the pin does not fit, nothing of the token is shown. */
    WORLD_OK(pn_cluster_invite(w->nodes[0].c, 600, NULL, NULL, token, &world_error));
    at = world_endpoint(w, 4);
    world_join_try(w, 3, token, NULL, false, &at);
    assert_non_null(strstr(w->nodes[3].joined, "another cluster"));
    /* A token of another member: this one has not given it out. */
    at = world_endpoint(w, 1);
    world_join_try(w, 3, token, NULL, false, &at);
    assert_non_null(strstr(w->nodes[3].joined, "not given out"));
    assert_int_equal(pn_cluster_join(w->nodes[1].c, NULL, token, NULL, false, NULL, NULL, &err), -1); /* a member */
    assert_int_equal(pn_cluster_invite(w->nodes[0].c, 1, NULL, NULL, token, &err), -1);
    world_free(w);
}

static void test_passphrases(void **state)
{
    struct world *w = world_new(false);
    char token[PN_TOKEN_TEXT_BYTES];
    struct pn_cluster_status s;
    struct pn_error err;
    (void)state;

    world_up(w, 0);
    WORLD_OK(pn_cluster_init(w->nodes[0].c, "test", "a good passphrase", &world_error));
    pn_cluster_status(w->nodes[0].c, &s);
    assert_true(s.ca_locked);
    assert_int_equal(pn_cluster_invite(w->nodes[0].c, 600, NULL, NULL, token, &err), -1);
    assert_non_null(strstr(err.text, "passphrase"));
    assert_int_equal(pn_cluster_invite(w->nodes[0].c, 600, NULL, "not that one", token, &err), -1);
    WORLD_OK(pn_cluster_invite(w->nodes[0].c, 600, "for the guest", "a good passphrase", token, &world_error));
    world_up(w, 1);
    assert_int_equal(pn_cluster_join(w->nodes[1].c, NULL, token, NULL, false, NULL, NULL, &err), -1);
    world_join_try(w, 1, token, "wrong", false, NULL);
    assert_non_null(strstr(w->nodes[1].joined, "wrong"));
    world_join_try(w, 1, token, "for the guest", false, NULL);
    assert_string_equal(w->nodes[1].joined, "");
    world_until(w, world_all_linked, 2, 5000);
    pn_cluster_status(w->nodes[1].c, &s);
    assert_true(s.ca_locked); /* the copy is locked as well */
    WORLD_OK(pn_cluster_renew(w->nodes[1].c, "a good passphrase", &world_error));
    assert_int_equal(pn_cluster_renew(w->nodes[1].c, NULL, &err), -1);

    /* A token that outlives the daemon's memory of the key. */
    WORLD_OK(pn_cluster_invite(w->nodes[0].c, 600, NULL, "a good passphrase", token, &world_error));
    world_down(w, 0);
    world_up(w, 0);
    struct pn_endpoint at = world_endpoint(w, 0);
    world_join_try(w, 2, token, NULL, false, &at);
    assert_non_null(strstr(w->nodes[2].joined, "locked"));
    WORLD_OK(
        pn_cluster_invite(w->nodes[0].c, 600, NULL, "a good passphrase", (char[PN_TOKEN_TEXT_BYTES]){0}, &world_error));
    world_join_try(w, 2, token, NULL, false, &at); /* it was not used up by the refusal */
    assert_string_equal(w->nodes[2].joined, "");
    world_free(w);
}

static void test_guessing_voids_the_token(void **state)
{
    struct world *w = world_new(false);
    char token[PN_TOKEN_TEXT_BYTES], second[PN_TOKEN_TEXT_BYTES];
    (void)state;

    world_init(w, 0);
    WORLD_OK(pn_cluster_invite(w->nodes[0].c, 600, "right", NULL, token, &world_error));
    WORLD_OK(pn_cluster_invite(w->nodes[0].c, 600, NULL, NULL, second, &world_error));
    for (int i = 0; i < 5; i++) {
        world_join_try(w, 1, token, "wrong", false, NULL);
        assert_non_null(strstr(w->nodes[1].joined, "wrong"));
    }
    world_join_try(w, 1, token, "right", false, NULL); /* this address is turned away now */
    assert_string_not_equal(w->nodes[1].joined, "");
    world_down(w, 0); /* forgets addresses, not the token */
    world_up(w, 0);
    struct pn_endpoint at = world_endpoint(w, 0);
    world_join_try(w, 1, token, "right", false, &at);
    assert_non_null(strstr(w->nodes[1].joined, "void"));
    world_join_try(w, 1, second, NULL, false, &at);
    assert_string_equal(w->nodes[1].joined, "");
    world_free(w);
}

static bool pair_linked(struct world *w, int node)
{
    struct pn_transport_peer p;

    return world_peer(w, 1, node, &p) && p.up && world_peer(w, node, 1, &p) && p.up;
}

/* n2 joined through n0 while n1 was off, and n0 is off when n1 returns: n2 shows who admitted it. */
static void test_joined_elsewhere(void **state)
{
    struct world *w = world_new(true); /* addresses stay over restarts */
    (void)state;

    world_make(w, 2);
    world_down(w, 1);
    world_join(w, 2, 0);
    world_down(w, 0);
    world_up(w, 1);
    assert_null(pn_members_named(pn_cluster_members(w->nodes[1].c), "n2"));
    world_until(w, pair_linked, 2, 5000);
    world_up(w, 0);
    world_until(w, world_all_linked, 3, 5000);
    world_free(w);
}

struct rehearsal {
    enum pn_join_role role;
    struct pn_join_port *port;
};

static void *rehearsal_begin(void *arg, enum pn_join_role role, struct pn_join_port *port)
{
    struct rehearsal *r = calloc(1, sizeof(*r));

    (void)arg;
    *r = (struct rehearsal){role, port};
    if (role == PN_JOIN_GUEST)
        assert_int_equal(pn_join_port_send(port, "10", 2), 0);
    return r;
}

static void rehearsal_message(void *session, const uint8_t *bytes, size_t len)
{
    struct rehearsal *r = session;
    struct pn_join_row row = {.list = "blocklist", .here = 10, .there = 20, .common = 5, .total = 25};

    if (r->role == PN_JOIN_HOST) {
        assert_memory_equal(bytes, "10", 2);
        pn_join_port_send(r->port, "20", 2);
    } else {
        assert_int_equal(len, 2);
        pn_join_port_done(r->port, &row, 1);
    }
}

static void rehearsal_end(void *session)
{
    free(session);
}

static const struct pn_join_rehearsal rehearsal = {rehearsal_begin, rehearsal_message, rehearsal_end};

static void test_dry_run(void **state)
{
    struct world *w = world_new(false);
    char token[PN_TOKEN_TEXT_BYTES];
    (void)state;

    world_init(w, 0);
    world_up(w, 1);
    WORLD_OK(pn_cluster_invite(w->nodes[0].c, 600, NULL, NULL, token, &world_error));
    pn_cluster_set_rehearsal(w->nodes[1].c, &rehearsal, NULL);
    world_join_try(w, 1, token, NULL, true, NULL);
    assert_non_null(strstr(w->nodes[1].joined, "cannot compare"));
    pn_cluster_set_rehearsal(w->nodes[0].c, &rehearsal, NULL);
    world_join_try(w, 1, token, NULL, true, NULL);
    assert_string_equal(w->nodes[1].joined, "");
    assert_int_equal(w->nodes[1].n_rows, 1);
    assert_int_equal(w->nodes[1].rows[0].total, 25);
    assert_int_equal(pn_cluster_state(w->nodes[1].c), PN_CLUSTER_NONE);
    assert_int_equal(pn_members_active(pn_cluster_members(w->nodes[0].c)), 1);
    world_join_try(w, 1, token, NULL, false, NULL); /* the token is still good */
    assert_string_equal(w->nodes[1].joined, "");
    world_free(w);
}

/* Tokens can be made again: a node must not be lost for them. */
static void test_damaged_invites(void **state)
{
    struct world *w = world_new(false);
    char token[PN_TOKEN_TEXT_BYTES];
    struct pn_cluster_status s;
    struct pn_error err;
    (void)state;

    world_init(w, 0);
    WORLD_OK(pn_cluster_invite(w->nodes[0].c, 600, NULL, NULL, token, &world_error));
    world_down(w, 0);
    assert_int_equal(pn_file_replace(w->nodes[0].dir, "invites", "damaged", 7, &err), 0);
    world_up(w, 0);
    pn_cluster_status(w->nodes[0].c, &s);
    assert_int_equal(s.state, PN_CLUSTER_ACTIVE);
    assert_int_equal(s.invites, 0);
    WORLD_OK(pn_cluster_invite(w->nodes[0].c, 600, NULL, NULL, token, &world_error));
    world_free(w);
}

/* Granted, but the disk of the newcomer fails: it is told, and is in no cluster. */
static void test_join_on_a_broken_disk(void **state)
{
    struct world *w = world_new(false);
    char token[PN_TOKEN_TEXT_BYTES];
    (void)state;

    world_init(w, 0);
    WORLD_OK(pn_cluster_invite(w->nodes[0].c, 600, NULL, NULL, token, &world_error));
    world_up(w, 1);
    fclose(fopen(w->nodes[1].dir, "w")); /* a file where the folder should be */
    world_join_try(w, 1, token, NULL, false, NULL);
    assert_non_null(strstr(w->nodes[1].joined, "is not a folder"));
    assert_int_equal(pn_cluster_state(w->nodes[1].c), PN_CLUSTER_NONE);
    unlink(w->nodes[1].dir);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokens_are_for_one_use),
        cmocka_unit_test(test_passphrases),
        cmocka_unit_test(test_guessing_voids_the_token),
        cmocka_unit_test(test_joined_elsewhere),
        cmocka_unit_test(test_dry_run),
        cmocka_unit_test(test_damaged_invites),
        cmocka_unit_test(test_join_on_a_broken_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
