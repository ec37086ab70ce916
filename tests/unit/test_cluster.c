/* SPDX-License-Identifier: BSD-3-Clause */
/* Whole nodes: how a cluster is made, grows, changes and shrinks. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "controlplane/cluster/store.h"
#include "tests/unit/cluster_world.h"

static bool all_send(struct world *w, int secret)
{
    for (int i = 0; i < 3; i++)
        for (unsigned k = 0; k < w->nodes[i].ring.n_keys; k++)
            if (w->nodes[i].ring.keys[k].send && w->nodes[i].ring.keys[k].id != secret)
                return false;
    return true;
}

static void test_init_and_restart(void **state)
{
    struct world *w = world_new(false);
    struct pn_cluster_status s, again;
    struct pn_error err;
    struct stat st;
    char path[300];
    (void)state;

    world_up(w, 0);
    assert_int_equal(pn_cluster_state(w->nodes[0].c), PN_CLUSTER_NONE);
    assert_int_equal(pn_cluster_rotate_keys(w->nodes[0].c, &err), -1);
    assert_int_equal(pn_cluster_init(w->nodes[0].c, "no blanks", NULL, &err), -1);
    assert_int_equal(pn_cluster_init(w->nodes[0].c, "test", "short", &err), -1);
    WORLD_OK(pn_cluster_init(w->nodes[0].c, "test", NULL, &world_error));
    assert_int_equal(pn_cluster_init(w->nodes[0].c, "test", NULL, &err), -1);
    assert_int_equal(w->nodes[0].rings, 1);
    assert_int_equal(w->nodes[0].ring.n_keys, 1);
    pn_cluster_status(w->nodes[0].c, &s);
    assert_int_equal(s.state, PN_CLUSTER_ACTIVE);
    assert_int_equal(s.number, 0);
    assert_string_equal(s.cluster_name, "test");
    assert_true(s.cert_until_s > 1700000000 && !s.ca_locked);
    static const char *const secret[] = {"ca.key", "node.key", "keyring", "members", "node.crt"};
    for (unsigned i = 0; i < 5; i++) {
        snprintf(path, sizeof(path), "%s/%s", w->nodes[0].dir, secret[i]);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
    }
    assert_int_equal(stat(w->nodes[0].dir, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);

    world_down(w, 0);
    world_up(w, 0);
    pn_cluster_status(w->nodes[0].c, &again);
    assert_string_equal(again.id, s.id);
    assert_string_equal(again.cluster_id, s.cluster_id);
    assert_int_equal(w->nodes[0].rings, 2);
    world_free(w);
}

/* What a crash leaves behind: a damaged file is an error that names it, an identity without node.crt is none. */
static void test_damaged_files(void **state)
{
    static const char *const names[] = {"ca.crt", "node.key", "keyring", "members", "node.crt"};
    struct world *w = world_new(false);
    struct pn_error err;
    char path[300];
    (void)state;

    world_init(w, 0);
    world_down(w, 0);
    for (unsigned i = 0; i < 5; i++) {
        struct pn_bytes kept;

        assert_int_equal(pn_store_read(w->nodes[0].dir, names[i], 1 << 20, &kept, &err), 0);
        assert_int_equal(pn_store_write(w->nodes[0].dir, names[i], kept.data, kept.len / 2, &err), 0);
        err.text[0] = '\0';
        assert_null(pn_cluster_new(&w->nodes[0].opt, NULL, NULL, &err));
        assert_non_null(strstr(err.text, names[i]));
        assert_int_equal(pn_store_write(w->nodes[0].dir, names[i], kept.data, kept.len, &err), 0);
        pn_bytes_free(&kept);
    }
    snprintf(path, sizeof(path), "%s/node.crt", w->nodes[0].dir);
    assert_int_equal(unlink(path), 0);
    world_up(w, 0);
    assert_int_equal(pn_cluster_state(w->nodes[0].c), PN_CLUSTER_NONE);
    WORLD_OK(pn_cluster_init(w->nodes[0].c, "again", NULL, &world_error));
    world_free(w);
}

static void test_join_and_mesh(void **state)
{
    struct world *w = world_new(false);
    struct pn_cluster_status s;
    (void)state;

    world_make(w, 5);
    for (int i = 0; i < 5; i++) {
        pn_cluster_status(w->nodes[i].c, &s);
        assert_int_equal(s.active, 5);
        assert_int_equal(s.n_peers, 4);
        assert_int_equal(s.number, i);
        assert_memory_equal(&w->nodes[i].ring, &w->nodes[0].ring, sizeof(struct pn_seal_ring));
    }
    world_run(w, 300);
    for (int i = 0; i < 5; i++) {
        pn_cluster_status(w->nodes[i].c, &s);
        for (unsigned k = 0; k < s.n_peers; k++) {
            assert_true(s.peers[k].rtt_us > 0 && s.peers[k].rtt_us < 500000);
            assert_true(s.peers[k].skew_known && llabs(s.peers[k].skew_us) < 100000);
            assert_false(s.skewed[k]);
            assert_int_equal(s.peers[k].version[0], '0');
        }
    }
    for (int i = 0; i < 5; i++)
        w->nodes[i].got = 0;
    assert_int_equal(pn_transport_broadcast(pn_cluster_transport(w->nodes[2].c), PN_CHANNEL_RULES, "hello", 5), 0);
    world_run(w, 100);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(w->nodes[i].got, i != 2);
        if (i != 2)
            assert_string_equal(w->nodes[i].last, "hello");
    }
    struct pn_perimeter *p = calloc(1, sizeof(*p));
    pn_cluster_perimeter(w->nodes[4].c, p);
    char *text = pn_perimeter_export(p, PN_PERIMETER_CIDR, "test");
    assert_string_equal(text, "127.0.0.1/32\n192.0.2.0/30\n192.0.2.4/32\n");
    free(text);
    free(p);
    world_free(w);
}

static bool linked_again(struct world *w, int n)
{
    return world_all_linked(w, n);
}

static void test_restart_of_a_member(void **state)
{
    struct world *w = world_new(false);
    (void)state;

    world_make(w, 3);
    world_down(w, 1);
    world_run(w, 200);
    assert_true(w->nodes[0].downs >= 1);
    world_up(w, 1); /* on another port: it dials, and tells */
    world_until(w, linked_again, 3, 5000);
    world_free(w);
}

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

static bool renamed(struct world *w, int n)
{
    for (int i = 0; i < n; i++)
        if (!pn_members_named(pn_cluster_members(w->nodes[i].c), "mail"))
            return false;
    return true;
}

static bool certified(struct world *w, int node)
{
    struct pn_cert_name who;
    struct pn_bytes pem;
    bool is = false;

    if (pn_store_read(w->nodes[node].dir, "node.crt", 65536, &pem, NULL) == 0) {
        X509 *cert = pn_cert_from_pem(&pem);
        is = cert && pn_cert_read(cert, &who, NULL) == 0 && strcmp(who.name, "mail") == 0;
        X509_free(cert);
        pn_bytes_free(&pem);
    }
    return is;
}

static void test_rename(void **state)
{
    struct world *w = world_new(false);
    struct pn_error err;
    (void)state;

    world_make(w, 3);
    world_down(w, 2);
    WORLD_OK(pn_cluster_rename(w->nodes[0].c, "n1", "mail", &world_error));
    assert_int_equal(pn_cluster_rename(w->nodes[0].c, "n1", "x", &err), -1);
    assert_int_equal(pn_cluster_rename(w->nodes[0].c, "n0", "mail", &err), -1);
    world_until(w, renamed, 2, 3000);
    world_run(w, 1200);
    WORLD_OK(pn_cluster_renew(w->nodes[1].c, NULL, &world_error));
    assert_false(certified(w, 1)); /* n2 does not know the name yet: it would refuse it */
    world_up(w, 2);
    world_until(w, renamed, 3, 5000);
    world_until(w, certified, 1, 5000);
    world_down(w, 1);
    world_up(w, 1);
    world_until(w, world_all_linked, 3, 5000);
    world_free(w);
}

static bool removed_everywhere(struct world *w, int node)
{
    for (int i = 0; i < 3; i++)
        if (i != node && pn_members_active(pn_cluster_members(w->nodes[i].c)) != 2)
            return false;
    return pn_cluster_state(w->nodes[node].c) == PN_CLUSTER_REMOVED;
}

static bool rotated(struct world *w, int skip)
{
    for (int i = 0; i < 3; i++) {
        struct pn_cluster_status s;
        pn_cluster_status(w->nodes[i].c, &s);
        if (i != skip && s.keys_phase != PN_KEYRING_SWITCH)
            return false;
    }
    return true;
}

static void test_remove(void **state)
{
    struct world *w = world_new(false);
    struct pn_transport_peer p;
    struct pn_error err;
    (void)state;

    world_make(w, 3);
    struct pn_id gone = *pn_cluster_self(w->nodes[2].c);
    WORLD_OK(pn_cluster_remove(w->nodes[0].c, "n2", &world_error));
    /* At once, not when a timer says so. */
    assert_false(pn_transport_peer(pn_cluster_transport(w->nodes[0].c), &gone, &p));
    world_until(w, removed_everywhere, 2, 3000);
    world_until(w, rotated, 2, 5000);
    assert_memory_not_equal(&w->nodes[0].ring.keys[1], &w->nodes[2].ring.keys[0], sizeof(struct pn_seal_key));
    assert_int_equal(access(strcat(strcpy((char[300]){0}, w->nodes[2].dir), "/ca.key"), F_OK), -1);
    assert_int_equal(pn_cluster_remove(w->nodes[0].c, "n2", &err), -1);
    world_run(w, 300);
    assert_false(pn_transport_peer(pn_cluster_transport(w->nodes[0].c), &gone, &p));
    world_down(w, 2);
    world_up(w, 2);
    assert_int_equal(pn_cluster_state(w->nodes[2].c), PN_CLUSTER_REMOVED);
    world_join(w, 2, 1); /* as a new member */
    world_until(w, world_all_linked, 3, 5000);
    assert_false(pn_id_equal(&gone, pn_cluster_self(w->nodes[2].c)));
    world_free(w);
}

/* n0 and n2 are done with the rotation to this epoch. */
static bool epoch_is(struct world *w, int epoch)
{
    for (int i = 0; i < 3; i += 2) {
        struct pn_cluster_status st;
        pn_cluster_status(w->nodes[i].c, &st);
        if (st.keys_epoch != (uint64_t)epoch || st.keys_phase != PN_KEYRING_STABLE)
            return false;
    }
    return true;
}

static bool left(struct world *w, int node)
{
    return pn_cluster_state(w->nodes[node].c) == PN_CLUSTER_REMOVED &&
           pn_members_active(pn_cluster_members(w->nodes[0].c)) == 2;
}

static void test_leave(void **state)
{
    struct world *w = world_new(false);
    struct pn_error err;
    (void)state;

    world_make(w, 3);
    WORLD_OK(pn_cluster_remove(w->nodes[1].c, "n1", &world_error));
    world_until(w, left, 1, 3000);
    assert_int_equal(pn_cluster_rotate_keys(w->nodes[1].c, &err), -1);
    /* It knew the keys. One of those that stay changes them, once. */
    world_until(w, epoch_is, 2, 9000);
    world_run(w, 700);
    assert_true(epoch_is(w, 2));
    world_free(w);
}

static bool left_alone(struct world *w, int node)
{
    return pn_cluster_state(w->nodes[node].c) == PN_CLUSTER_REMOVED;
}

/* Removed while it was off: it comes back with everything on its disk, the CA's key too, and nobody takes it. */
static void test_removed_while_away(void **state)
{
    struct world *w = world_new(false);
    struct pn_transport_peer p;
    (void)state;

    world_make(w, 3);
    struct pn_id gone = *pn_cluster_self(w->nodes[2].c);
    world_down(w, 2);
    WORLD_OK(pn_cluster_remove(w->nodes[0].c, "n2", &world_error));
    world_run(w, 100);
    world_up(w, 2);
    unsigned ups = w->nodes[2].ups;
    world_until(w, left_alone, 2, 3000);
    assert_int_equal(w->nodes[2].ups, ups);
    assert_false(pn_transport_peer(pn_cluster_transport(w->nodes[0].c), &gone, &p));
    /* It is told, so that it neither knocks for ever nor keeps what it must not know. */
    assert_int_equal(access(strcat(strcpy((char[300]){0}, w->nodes[2].dir), "/ca.key"), F_OK), -1);
    world_down(w, 2);
    world_up(w, 2);
    assert_int_equal(pn_cluster_state(w->nodes[2].c), PN_CLUSTER_REMOVED);
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

static void test_rotation(void **state)
{
    struct world *w = world_new(false);
    struct pn_error err;
    (void)state;

    world_make(w, 3);
    uint8_t before = w->nodes[0].ring.keys[0].id;
    world_down(w, 2);
    WORLD_OK(pn_cluster_rotate_keys(w->nodes[0].c, &world_error));
    assert_int_equal(pn_cluster_rotate_keys(w->nodes[0].c, &err), -1);
    world_run(w, 1200);
    assert_true(all_send(w, before)); /* n2 lacks the new key: nobody may use it */
    assert_int_equal(w->nodes[1].ring.n_keys, 2);
    world_up(w, 2);
    world_until(w, all_send, before + 1, 5000);
    assert_int_equal(w->nodes[2].ring.n_keys, 2);
    world_free(w);
}

/* ---- dry run ---- */

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

/* ---- partition ---- */

static void test_partition_and_heal(void **state)
{
    struct world *w = world_new(true);
    (void)state;

    world_make(w, 4);
    world_doors(w, false);
    world_run(w, 100);
    WORLD_OK(pn_cluster_rename(w->nodes[0].c, "n3", "zero", &world_error));
    WORLD_OK(pn_cluster_rename(w->nodes[1].c, "n3", "one", &world_error));
    WORLD_OK(pn_cluster_rename(w->nodes[2].c, "n0", "two", &world_error));
    WORLD_OK(pn_cluster_rename(w->nodes[3].c, "n1", "two", &world_error)); /* one name for two members */
    world_doors(w, true);
    world_until(w, world_all_linked, 4, 8000);
    uint64_t digest = pn_members_digest64(pn_cluster_members(w->nodes[0].c));
    for (int i = 1; i < 4; i++)
        assert_int_equal(pn_members_digest64(pn_cluster_members(w->nodes[i].c)), digest);
    assert_non_null(pn_members_named(pn_cluster_members(w->nodes[2].c), "two"));
    assert_non_null(pn_members_named(pn_cluster_members(w->nodes[2].c), "two-2"));
    world_free(w);
}

/* ---- certificates and time ---- */

#define DAY_MS (24 * 3600 * INT64_C(1000))

static bool fresh(struct world *w, int days)
{
    struct pn_cluster_status s;

    pn_cluster_status(w->nodes[0].c, &s);
    return s.cert_until_s * 1000 > (int64_t)w->nodes[0].opt.wall_ms() + days * DAY_MS;
}

static void test_certificates_renew_themselves(void **state)
{
    struct world *w = world_new(false);
    (void)state;

    world_wall_offset_ms = -59 * DAY_MS;
    world_init(w, 0);
    assert_true(fresh(w, 89));
    world_wall_offset_ms = 0;
    world_run(w, 700);
    assert_false(fresh(w, 32)); /* 59 of 90 days: not yet */
    world_down(w, 0);
    world_wall_offset_ms = 2 * DAY_MS;
    world_up(w, 0);
    world_until(w, fresh, 89, 3000);
    world_free(w);
}

static bool told_expired(struct world *w, int node)
{
    struct pn_transport_peer p;

    return world_peer(w, 0, node, &p) && !p.up && strstr(p.reason, "expired");
}

static void test_expired_certificate(void **state)
{
    struct world *w = world_new(true);
    struct pn_error err;
    (void)state;

    world_make(w, 2);
    world_down(w, 1);
    w->nodes[1].opt.cert_days = -1;
    world_up(w, 1);
    assert_int_equal(pn_cluster_renew(w->nodes[1].c, NULL, &err), 0);
    world_doors(w, false); /* what is up stays up: a new connection is needed */
    world_doors(w, true);
    unsigned ups = w->nodes[0].ups;
    world_until(w, told_expired, 1, 5000);
    assert_int_equal(w->nodes[0].ups, ups);
    world_free(w);
}

static bool proto_is(struct world *w, int proto)
{
    struct pn_transport_peer p;

    return world_peer(w, 0, 1, &p) && p.proto == proto && world_peer(w, 1, 0, &p) && p.proto == proto;
}

static bool told_version(struct world *w, int node)
{
    struct pn_transport_peer p;

    return world_peer(w, node, !node, &p) && strstr(p.reason, "protocol versions");
}

static bool heard_after(struct world *w, int node)
{
    return strcmp(w->nodes[node].last, "after") == 0;
}

static void test_versions(void **state)
{
    struct world *w = world_new(false);
    (void)state;

    w->nodes[0].opt.proto_min = 1;
    w->nodes[0].opt.proto_max = 2;
    w->nodes[1].opt.proto_min = 2;
    w->nodes[1].opt.proto_max = 3;
    world_make(w, 2);
    assert_true(proto_is(w, 2));
    for (int i = 0; i < 2; i++) /* found again where they were */
        w->nodes[i].opt.listen[0].port = pn_cluster_port(w->nodes[i].c);
    world_down(w, 1);
    w->nodes[1].opt.proto_min = 3;
    w->nodes[1].opt.proto_max = 4;
    world_up(w, 1);
    world_until(w, told_version, 0, 3000);
    world_until(w, told_version, 1, 3000);
    /* Each release speaks its own and the one before: one node after the other, and they find each other again. */
    world_down(w, 0);
    w->nodes[0].opt.proto_min = 2;
    w->nodes[0].opt.proto_max = 3;
    world_up(w, 0);
    world_until(w, world_all_linked, 2, 5000);
    assert_true(proto_is(w, 3));
    assert_int_equal(pn_transport_broadcast(pn_cluster_transport(w->nodes[0].c), PN_CHANNEL_RULES, "after", 6), 0);
    world_until(w, heard_after, 1, 3000);
    w->nodes[2].opt.proto_min = w->nodes[2].opt.proto_max = 9;
    char token[PN_TOKEN_TEXT_BYTES];
    WORLD_OK(pn_cluster_invite(w->nodes[0].c, 600, NULL, NULL, token, &world_error));
    world_join_try(w, 2, token, NULL, false, NULL);
    assert_non_null(strstr(w->nodes[2].joined, "protocol versions"));
    world_free(w);
}

/* What a removed member knew is changed, even when the remover ends before it could begin. */
static void test_rotation_outlives_the_remover(void **state)
{
    struct world *w = world_new(false);
    (void)state;

    world_make(w, 3);
    WORLD_OK(pn_cluster_remove(w->nodes[0].c, "n1", &world_error));
    world_down(w, 0); /* before its next tick */
    world_up(w, 0);
    world_until(w, epoch_is, 2, 9000);
    assert_int_equal(access(strcat(strcpy((char[300]){0}, w->nodes[0].dir), "/rotate"), F_OK), -1);
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
    assert_int_equal(pn_store_write(w->nodes[0].dir, "invites", "damaged", 7, &err), 0);
    world_up(w, 0);
    pn_cluster_status(w->nodes[0].c, &s);
    assert_int_equal(s.state, PN_CLUSTER_ACTIVE);
    assert_int_equal(s.invites, 0);
    WORLD_OK(pn_cluster_invite(w->nodes[0].c, 600, NULL, NULL, token, &world_error));
    world_free(w);
}

static bool listens(struct world *w, int node)
{
    return pn_cluster_port(w->nodes[node].c) != 0;
}

/* Somebody else has the port: the node is a member all the same, with its keys, and listens as soon as it can. */
static void test_port_in_use(void **state)
{
    struct world *w = world_new(false);
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001)};
    struct pn_cluster_status s;
    socklen_t len = sizeof(in);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct pn_error err;
    (void)state;

    world_init(w, 0);
    world_down(w, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
    assert_int_equal(listen(fd, 1), 0);
    getsockname(fd, (struct sockaddr *)&in, &len);
    w->nodes[0].opt.listen[0].port = ntohs(in.sin_port);
    unsigned rings = w->nodes[0].rings;
    world_up(w, 0);
    pn_cluster_status(w->nodes[0].c, &s);
    assert_int_equal(s.state, PN_CLUSTER_ACTIVE);
    assert_int_equal(s.port, 0);
    assert_non_null(strstr(s.mesh_error, "in use"));
    assert_int_equal(w->nodes[0].rings, rings + 1);
    WORLD_OK(pn_cluster_renew(w->nodes[0].c, NULL, &world_error)); /* nothing counts on a mesh */
    assert_int_equal(pn_cluster_rename(w->nodes[0].c, "n0", "first", &err), 0);
    close(fd);
    world_until(w, listens, 0, 7000);
    pn_cluster_status(w->nodes[0].c, &s);
    assert_string_equal(s.mesh_error, "");
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

/* Another address to listen on, while it runs. */
static void test_listens_elsewhere(void **state)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000009)};
    struct world *w = world_new(false);
    (void)state;

    world_make(w, 2);
    struct pn_cluster_options o = w->nodes[0].opt;
    uint16_t before = pn_cluster_port(w->nodes[0].c);
    pn_cluster_reconfigure(w->nodes[0].c, &o);
    assert_int_equal(pn_cluster_port(w->nodes[0].c), before);
    assert_true(world_all_linked(w, 2)); /* nothing changed, no link went */
    o.listen[0].addr.b[15] = 9; /* 127.0.0.9 */
    o.self.endpoints[0].addr.b[15] = 9;
    pn_cluster_reconfigure(w->nodes[0].c, &o);
    world_until(w, world_all_linked, 2, 5000);
    const struct pn_member *row = pn_members_named(pn_cluster_members(w->nodes[1].c), "n0");
    assert_int_equal(row->endpoints[0].addr.b[15], 9);
    in.sin_port = htons(pn_cluster_port(w->nodes[0].c));
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&in, sizeof(in)), 0);
    close(fd);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_init_and_restart),
        cmocka_unit_test(test_damaged_files),
        cmocka_unit_test(test_join_and_mesh),
        cmocka_unit_test(test_restart_of_a_member),
        cmocka_unit_test(test_tokens_are_for_one_use),
        cmocka_unit_test(test_passphrases),
        cmocka_unit_test(test_guessing_voids_the_token),
        cmocka_unit_test(test_rename),
        cmocka_unit_test(test_remove),
        cmocka_unit_test(test_leave),
        cmocka_unit_test(test_removed_while_away),
        cmocka_unit_test(test_joined_elsewhere),
        cmocka_unit_test(test_rotation),
        cmocka_unit_test(test_dry_run),
        cmocka_unit_test(test_partition_and_heal),
        cmocka_unit_test(test_certificates_renew_themselves),
        cmocka_unit_test(test_expired_certificate),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_rotation_outlives_the_remover),
        cmocka_unit_test(test_damaged_invites),
        cmocka_unit_test(test_port_in_use),
        cmocka_unit_test(test_join_on_a_broken_disk),
        cmocka_unit_test(test_listens_elsewhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
