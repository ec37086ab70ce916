/* SPDX-License-Identifier: BSD-3-Clause */
/* Whole nodes: how a cluster shrinks, and the keys and certificates that change with it and with time. */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rename),
        cmocka_unit_test(test_remove),
        cmocka_unit_test(test_leave),
        cmocka_unit_test(test_removed_while_away),
        cmocka_unit_test(test_rotation),
        cmocka_unit_test(test_certificates_renew_themselves),
        cmocka_unit_test(test_expired_certificate),
        cmocka_unit_test(test_rotation_outlives_the_remover),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
