/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Keyed hash of a flow: two 64x64->128-bit multiplies, each folded. Keys come from attackers, so CRC and other linear
 * functions are out: whoever does not know the key cannot choose flows that fall together. About 1 ns.
 */
#ifndef POSTERN_COMMON_HASH_H
#define POSTERN_COMMON_HASH_H

#include <stdint.h>

struct pn_hash_key {
    uint64_t k[4];
};

/* a * b: the upper half in *high, the lower returned. Compilers move 128-bit values whole, by way of memory. */
static inline uint64_t pn_hash_mul(uint64_t a, uint64_t b, uint64_t *high)
{
#if defined(__x86_64__) && defined(__BMI2__)
    uint64_t low;
    __asm__("mulx %3, %0, %1" : "=r"(low), "=r"(*high) : "%d"(a), "rm"(b));
    return low;
#else
    __extension__ unsigned __int128 m = (unsigned __int128)a * b;
    *high = (uint64_t)(m >> 64);
    return (uint64_t)m;
#endif
}

static inline uint64_t pn_hash_mum(uint64_t a, uint64_t b)
{
    uint64_t high, low = pn_hash_mul(a, b, &high);
    return low ^ high;
}

/* splitmix64: one step of a sequence in which each output is a bijection of the state. */
static inline uint64_t pn_hash_split(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15ull;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

/* Stretches 128 bits of seed to the four words; the same seed gives the same key on every machine. */
static inline struct pn_hash_key pn_hash_key_make(uint64_t seed0, uint64_t seed1)
{
    uint64_t a = seed0, b = seed1;
    struct pn_hash_key key;
    for (unsigned i = 0; i < 4; i++)
        key.k[i] = pn_hash_split(&a) ^ (pn_hash_split(&b) * 0xd6e8feb86659fd93ull);
    return key;
}

/* (client, word) -> 64 bits, all of them good. client: struct pn_addr's words; word: port and service. */
static inline uint64_t pn_hash_flow(const struct pn_hash_key *key, const uint64_t client[2], uint32_t word)
{
    uint64_t h = pn_hash_mum(client[0] ^ key->k[0], client[1] ^ key->k[1]);
    return pn_hash_mum(h ^ key->k[2], word ^ key->k[3]);
}

/* FNV-1a over a name, then one mixing step: fixed for ever, nodes of a cluster agree through it. */
static inline uint64_t pn_hash_name(const char *name)
{
    uint64_t h = 0xcbf29ce484222325ull;
    for (; *name; name++)
        h = (h ^ (uint8_t)*name) * 0x100000001b3ull;
    return pn_hash_split(&h);
}

/* hash32 spread evenly over 0..n-1 without a division. */
static inline uint32_t pn_hash_range(uint32_t hash32, uint32_t n)
{
    return (uint32_t)(((uint64_t)hash32 * n) >> 32);
}

#endif
