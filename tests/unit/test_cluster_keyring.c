/* SPDX-License-Identifier: BSD-3-Clause */
/* Key rotation: nobody sends with a key that somebody lacks, and no datagram is refused on the way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "controlplane/cluster/codec.h"

static void secret_of(unsigned k, uint8_t secret[PN_SEAL_SECRET_BYTES])
{
    memset(secret, (int)k, PN_SEAL_SECRET_BYTES);
}

static const struct pn_seal_key *sending(const struct pn_keyring *k)
{
    const struct pn_seal_key *found = NULL;

    for (unsigned i = 0; i < k->ring.n_keys; i++)
        if (k->ring.keys[i].send) {
            assert_null(found); /* exactly one */
            found = &k->ring.keys[i];
        }
    assert_non_null(found);
    return found;
}

static bool opens(const struct pn_keyring *k, const struct pn_seal_key *key)
{
    for (unsigned i = 0; i < k->ring.n_keys; i++)
        if (k->ring.keys[i].id == key->id && memcmp(k->ring.keys[i].secret, key->secret, PN_SEAL_SECRET_BYTES) == 0)
            return true;
    return false;
}

static void test_steps(void **state)
{
    struct pn_keyring k;
    uint8_t secret[PN_SEAL_SECRET_BYTES];
    (void)state;

    secret_of(1, secret);
    pn_keyring_first(&k, secret);
    assert_null(pn_keyring_fault(&k));
    assert_false(pn_keyring_step(&k, true, 1u << 30, PN_KEYRING_GRACE_MS));
    secret_of(2, secret);
    assert_int_equal(pn_keyring_rotate(&k, secret), 0);
    assert_int_equal(pn_keyring_rotate(&k, secret), -1);
    assert_int_equal(sending(&k)->secret[0], 1);
    assert_false(pn_keyring_step(&k, false, 1u << 30, PN_KEYRING_GRACE_MS));
    assert_true(pn_keyring_step(&k, true, 0, PN_KEYRING_GRACE_MS));
    assert_null(pn_keyring_fault(&k));
    assert_int_equal(sending(&k)->secret[0], 2);
    assert_int_equal(k.ring.n_keys, 2);
    assert_false(pn_keyring_step(&k, true, PN_KEYRING_GRACE_MS - 1, PN_KEYRING_GRACE_MS));
    assert_true(pn_keyring_step(&k, true, PN_KEYRING_GRACE_MS, PN_KEYRING_GRACE_MS));
    assert_int_equal(k.ring.n_keys, 1);
    assert_int_equal(sending(&k)->secret[0], 2);
    assert_int_equal(k.epoch, 2);
    assert_null(pn_keyring_fault(&k));
    for (unsigned i = 0; i < 600; i++) { /* ids wrap around, rings stay sound */
        secret_of(i, secret);
        assert_int_equal(pn_keyring_rotate(&k, secret), 0);
        assert_null(pn_keyring_fault(&k));
        assert_true(pn_keyring_step(&k, true, 0, PN_KEYRING_GRACE_MS) &&
                    pn_keyring_step(&k, true, PN_KEYRING_GRACE_MS, PN_KEYRING_GRACE_MS));
    }
}

static void test_faults(void **state)
{
    struct pn_keyring k, good;
    struct pn_error err;
    uint8_t secret[PN_SEAL_SECRET_BYTES];
    (void)state;

    secret_of(1, secret);
    pn_keyring_first(&good, secret);
    k = good;
    k.epoch = 0;
    assert_non_null(pn_keyring_fault(&k));
    k = good;
    k.epoch = PN_KEYRING_EPOCH_MAX + 1;
    assert_non_null(pn_keyring_fault(&k));
    k = good;
    k.ring.n_keys = 2;
    assert_non_null(pn_keyring_fault(&k));
    k = good;
    k.ring.keys[0].send = false;
    assert_non_null(pn_keyring_fault(&k));
    k = good;
    assert_int_equal(pn_keyring_rotate(&k, secret), 0);
    k.ring.keys[1].send = true; /* before all have it */
    assert_non_null(pn_keyring_fault(&k));
    k.ring.keys[1].send = false;
    k.ring.keys[1].id = k.ring.keys[0].id;
    assert_non_null(pn_keyring_fault(&k));

    struct pn_bytes b = pn_keyring_encode(&good);
    assert_int_equal(pn_keyring_decode(b.data, b.len, &k, &err), 0);
    assert_int_equal(pn_keyring_digest64(&k), pn_keyring_digest64(&good));
    assert_int_equal(pn_keyring_decode(b.data, b.len - 1, &k, &err), -1);
    pn_bytes_free(&b);
}

/*
 * Four nodes, messages lost and late, rotations begun anywhere at any time. Always: whatever key a node sends with,
 * every other node opens. In the end: one ring.
 */
static void test_no_gap_in_random_histories(void **state)
{
    enum { NODES = 4 };
    unsigned finished = 0;
    (void)state;

    for (unsigned round = 0; round < 300; round++) {
        struct pn_keyring k[NODES];
        uint64_t known[NODES][NODES]; /* [a][b]: what a last heard of b's digest */
        uint8_t secret[PN_SEAL_SECRET_BYTES];
        unsigned seed = round + 1;

        secret_of(0, secret);
        pn_keyring_first(&k[0], secret);
        for (unsigned a = 0; a < NODES; a++) {
            k[a] = k[0];
            for (unsigned b = 0; b < NODES; b++)
                known[a][b] = pn_keyring_digest64(&k[0]);
        }
        for (unsigned step = 0; step < 400; step++) {
            unsigned a = (unsigned)rand_r(&seed) % NODES, b = (unsigned)rand_r(&seed) % NODES;
            bool calm = step > 300;

            if (!calm && rand_r(&seed) % 10 == 0) {
                secret_of((unsigned)rand_r(&seed), secret);
                pn_keyring_rotate(&k[a], secret);
            } else if (rand_r(&seed) % 2) {
                pn_keyring_merge(&k[b], &k[a]);
            } else {
                bool all = true;
                known[a][b] = pn_keyring_digest64(&k[b]); /* a ping */
                for (unsigned c = 0; c < NODES; c++)
                    all &= c == a || known[a][c] == pn_keyring_digest64(&k[a]);
                finished += pn_keyring_step(&k[a], all, PN_KEYRING_GRACE_MS, PN_KEYRING_GRACE_MS) &&
                            k[a].phase == PN_KEYRING_STABLE;
            }
            for (a = 0; a < NODES; a++)
                for (b = 0; b < NODES; b++)
                    assert_true(opens(&k[b], sending(&k[a])));
        }
    }
    assert_true(finished > 300);
}

static void test_two_rotations_at_once_leave_one(void **state)
{
    struct pn_keyring a, b;
    uint8_t secret[PN_SEAL_SECRET_BYTES];
    (void)state;

    secret_of(1, secret);
    pn_keyring_first(&a, secret);
    b = a;
    secret_of(2, secret);
    pn_keyring_rotate(&a, secret);
    secret_of(3, secret);
    pn_keyring_rotate(&b, secret);
    struct pn_keyring a0 = a;
    assert_int_not_equal(pn_keyring_merge(&a, &b), pn_keyring_merge(&b, &a0));
    assert_int_equal(pn_keyring_digest64(&a), pn_keyring_digest64(&b));
    assert_false(pn_keyring_merge(&a, &b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_no_gap_in_random_histories),
        cmocka_unit_test(test_two_rotations_at_once_leave_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
