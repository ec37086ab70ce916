/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/cluster/keyring.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

const char *const pn_keyring_phase_name[PN_KEYRING_PHASE_COUNT] = {"stable", "distribute", "switch"};

void pn_keyring_wipe(struct pn_keyring *k)
{
    OPENSSL_cleanse(k, sizeof(*k));
}

void pn_keyring_first(struct pn_keyring *k, const uint8_t secret[PN_SEAL_SECRET_BYTES])
{
    pn_keyring_wipe(k);
    k->epoch = 1;
    k->phase = PN_KEYRING_STABLE;
    k->ring.n_keys = 1;
    k->ring.keys[0].id = 1;
    k->ring.keys[0].send = true;
    memcpy(k->ring.keys[0].secret, secret, PN_SEAL_SECRET_BYTES);
}

int pn_keyring_rotate(struct pn_keyring *k, const uint8_t secret[PN_SEAL_SECRET_BYTES])
{
    if (k->phase != PN_KEYRING_STABLE || k->ring.n_keys != 1)
        return -1;
    struct pn_seal_key *fresh = &k->ring.keys[1];
    fresh->id = (uint8_t)(k->ring.keys[0].id + 1);
    fresh->send = false;
    memcpy(fresh->secret, secret, PN_SEAL_SECRET_BYTES);
    k->ring.n_keys = 2;
    k->phase = PN_KEYRING_DISTRIBUTE;
    return 0;
}

bool pn_keyring_step(struct pn_keyring *k, bool all_hold, uint64_t since_ms, uint64_t grace_ms)
{
    if (!all_hold)
        return false;
    if (k->phase == PN_KEYRING_DISTRIBUTE) {
        k->ring.keys[0].send = false;
        k->ring.keys[1].send = true;
        k->phase = PN_KEYRING_SWITCH;
        return true;
    }
    if (k->phase == PN_KEYRING_SWITCH && since_ms >= grace_ms) {
        k->ring.keys[0] = k->ring.keys[1];
        OPENSSL_cleanse(&k->ring.keys[1], sizeof(k->ring.keys[1]));
        k->ring.n_keys = 1;
        k->phase = PN_KEYRING_STABLE;
        k->epoch++;
        return true;
    }
    return false;
}

const char *pn_keyring_fault(const struct pn_keyring *k)
{
    if (k->epoch == 0 || k->epoch > PN_KEYRING_EPOCH_MAX)
        return "an epoch out of range";
    if ((unsigned)k->phase >= PN_KEYRING_PHASE_COUNT)
        return "an unknown phase";
    if (k->ring.n_keys != (k->phase == PN_KEYRING_STABLE ? 1u : 2u))
        return "a number of keys that the phase does not have";
    if (k->ring.n_keys == 2 && k->ring.keys[0].id == k->ring.keys[1].id)
        return "two keys of one id";
    if (k->ring.keys[0].send != (k->phase != PN_KEYRING_SWITCH) ||
        (k->ring.n_keys == 2 && k->ring.keys[1].send != (k->phase == PN_KEYRING_SWITCH)))
        return "a sending key that the phase does not have";
    return NULL;
}

void pn_keyring_digest(const struct pn_keyring *k, uint8_t digest[32])
{
    uint8_t bytes[16 + PN_SEAL_MAX_KEYS * (2 + PN_SEAL_SECRET_BYTES)];
    size_t n = 0;

    for (int shift = 56; shift >= 0; shift -= 8)
        bytes[n++] = (uint8_t)(k->epoch >> shift);
    bytes[n++] = (uint8_t)k->phase;
    for (unsigned i = 0; i < k->ring.n_keys && i < PN_SEAL_MAX_KEYS; i++) {
        bytes[n++] = k->ring.keys[i].id;
        bytes[n++] = k->ring.keys[i].send;
        memcpy(bytes + n, k->ring.keys[i].secret, PN_SEAL_SECRET_BYTES);
        n += PN_SEAL_SECRET_BYTES;
    }
    SHA256(bytes, n, digest);
    OPENSSL_cleanse(bytes, sizeof(bytes));
}

uint64_t pn_keyring_digest64(const struct pn_keyring *k)
{
    uint8_t digest[32];
    uint64_t v;

    pn_keyring_digest(k, digest);
    memcpy(&v, digest, sizeof(v));
    return v;
}

bool pn_keyring_merge(struct pn_keyring *k, const struct pn_keyring *theirs)
{
    uint8_t mine[32], other[32];

    if (theirs->epoch != k->epoch) {
        if (theirs->epoch < k->epoch)
            return false;
    } else if (theirs->phase != k->phase) {
        if (theirs->phase < k->phase)
            return false;
    } else {
        pn_keyring_digest(k, mine);
        pn_keyring_digest(theirs, other);
        if (memcmp(other, mine, sizeof(mine)) <= 0)
            return false;
    }
    *k = *theirs;
    return true;
}
