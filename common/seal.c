/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/seal.h"

#include <stdlib.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#define SEAL_VERSION 1u
#define KEY_BYTES 32u
#define NONCE_BYTES 12u
#define CACHE_SLOTS 32u /* senders times the keys in use during a rotation */

const char *const pn_seal_verdict_name[PN_SEAL_VERDICT_COUNT] = {
    "ok", "short", "format", "unknown-key", "forged", "replayed", "error",
};

static void put_be64(uint8_t *p, uint64_t v)
{
    for (int i = 7; i >= 0; i--, v >>= 8)
        p[i] = (uint8_t)v;
}

static uint64_t get_be64(const uint8_t *p)
{
    uint64_t v = 0;
    for (int i = 0; i < 8; i++)
        v = v << 8 | p[i];
    return v;
}

static int derive_key(const struct pn_seal_key *key, uint8_t purpose, uint8_t sender, uint64_t boot_id,
                      uint8_t out[KEY_BYTES])
{
    static const char label[] = "postern seal v1";
    uint8_t info[sizeof(label) + 10];
    memcpy(info, label, sizeof(label));
    info[sizeof(label)] = purpose;
    info[sizeof(label) + 1] = sender;
    put_be64(info + sizeof(label) + 2, boot_id);

    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)"SHA256", 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)(uintptr_t)key->secret, sizeof(key->secret)),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, sizeof(info)),
        OSSL_PARAM_construct_end(),
    };
    int ok = ctx && EVP_KDF_derive(ctx, out, KEY_BYTES, params) > 0;
    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
    return ok ? 0 : -1;
}

/* A cipher context that already holds the key; each datagram only sets its nonce. */
static EVP_CIPHER_CTX *cipher_new(const uint8_t key[KEY_BYTES], int encrypt)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    if (ctx && EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, NULL, encrypt) <= 0) {
        EVP_CIPHER_CTX_free(ctx);
        ctx = NULL;
    }
    return ctx;
}

static EVP_CIPHER_CTX *cipher_derive(const struct pn_seal_key *key, uint8_t purpose, uint8_t sender, uint64_t boot_id,
                                     int encrypt)
{
    uint8_t derived[KEY_BYTES];
    EVP_CIPHER_CTX *ctx = NULL;
    if (derive_key(key, purpose, sender, boot_id, derived) == 0)
        ctx = cipher_new(derived, encrypt);
    OPENSSL_cleanse(derived, sizeof(derived));
    return ctx;
}

static void nonce_of(uint64_t counter, uint8_t nonce[NONCE_BYTES])
{
    memset(nonce, 0, NONCE_BYTES);
    put_be64(nonce + 4, counter);
}

static const struct pn_seal_key *sending_key(const struct pn_seal_ring *ring)
{
    for (unsigned i = 0; i < ring->n_keys && i < PN_SEAL_MAX_KEYS; i++)
        if (ring->keys[i].send)
            return &ring->keys[i];
    return NULL;
}

struct pn_sealer {
    EVP_CIPHER_CTX *ctx;
    uint64_t boot_id, counter;
    uint8_t purpose, sender, key_id;
};

struct pn_sealer *pn_sealer_new(const struct pn_seal_ring *ring, enum pn_seal_purpose purpose, uint8_t sender,
                                uint64_t boot_id)
{
    struct pn_sealer *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    s->purpose = (uint8_t)purpose;
    s->sender = sender;
    s->boot_id = boot_id;
    if (pn_sealer_rekey(s, ring) != 0) {
        free(s);
        return NULL;
    }
    return s;
}

void pn_sealer_free(struct pn_sealer *s)
{
    if (!s)
        return;
    EVP_CIPHER_CTX_free(s->ctx);
    free(s);
}

int pn_sealer_rekey(struct pn_sealer *s, const struct pn_seal_ring *ring)
{
    const struct pn_seal_key *key = sending_key(ring);
    EVP_CIPHER_CTX *ctx = key ? cipher_derive(key, s->purpose, s->sender, s->boot_id, 1) : NULL;
    if (!ctx)
        return -1;
    EVP_CIPHER_CTX_free(s->ctx);
    s->ctx = ctx;
    s->key_id = key->id;
    return 0;
}

size_t pn_seal(struct pn_sealer *s, const void *plain, size_t plain_bytes, uint8_t *out, size_t cap)
{
    if (plain_bytes > PN_SEAL_MAX_BYTES - PN_SEAL_OVERHEAD || cap < plain_bytes + PN_SEAL_OVERHEAD ||
        s->counter >= INT64_MAX)
        return 0;

    uint64_t counter = ++s->counter; /* used up even when sealing fails: a nonce never serves twice */
    memset(out, 0, PN_SEAL_HEADER_BYTES);
    out[0] = 'P';
    out[1] = 'N';
    out[2] = SEAL_VERSION;
    out[3] = s->purpose;
    out[4] = s->key_id;
    out[5] = s->sender;
    put_be64(out + 8, s->boot_id);
    put_be64(out + 16, counter);

    uint8_t nonce[NONCE_BYTES];
    nonce_of(counter, nonce);
    uint8_t *text = out + PN_SEAL_HEADER_BYTES;
    int n = 0, last = 0;
    if (EVP_EncryptInit_ex(s->ctx, NULL, NULL, NULL, nonce) <= 0 ||
        EVP_EncryptUpdate(s->ctx, NULL, &n, out, PN_SEAL_HEADER_BYTES) <= 0 ||
        EVP_EncryptUpdate(s->ctx, text, &n, plain, (int)plain_bytes) <= 0 ||
        EVP_EncryptFinal_ex(s->ctx, text + n, &last) <= 0 ||
        EVP_CIPHER_CTX_ctrl(s->ctx, EVP_CTRL_AEAD_GET_TAG, PN_SEAL_TAG_BYTES, text + plain_bytes) <= 0)
        return 0;
    return plain_bytes + PN_SEAL_OVERHEAD;
}

struct cached_cipher {
    EVP_CIPHER_CTX *ctx; /* NULL: slot free */
    uint64_t boot_id;
    uint64_t used; /* for replacement */
    uint8_t key_id, sender;
};

struct pn_opener {
    struct pn_seal_ring ring;
    uint64_t clock;
    struct cached_cipher cache[CACHE_SLOTS];
    uint8_t purpose;
};

static void cache_clear(struct pn_opener *o)
{
    for (unsigned i = 0; i < CACHE_SLOTS; i++)
        EVP_CIPHER_CTX_free(o->cache[i].ctx);
    memset(o->cache, 0, sizeof(o->cache));
}

struct pn_opener *pn_opener_new(const struct pn_seal_ring *ring, enum pn_seal_purpose purpose)
{
    struct pn_opener *o = calloc(1, sizeof(*o));
    if (!o)
        return NULL;
    o->purpose = (uint8_t)purpose;
    if (pn_opener_rekey(o, ring) != 0) {
        free(o);
        return NULL;
    }
    return o;
}

void pn_opener_free(struct pn_opener *o)
{
    if (!o)
        return;
    cache_clear(o);
    OPENSSL_cleanse(o, sizeof(*o));
    free(o);
}

int pn_opener_rekey(struct pn_opener *o, const struct pn_seal_ring *ring)
{
    if (ring->n_keys == 0 || ring->n_keys > PN_SEAL_MAX_KEYS)
        return -1;
    cache_clear(o);
    o->ring = *ring;
    return 0;
}

static struct cached_cipher *cache_find(struct pn_opener *o, const struct pn_seal_header *h)
{
    for (unsigned i = 0; i < CACHE_SLOTS; i++) {
        struct cached_cipher *c = &o->cache[i];
        if (c->ctx && c->boot_id == h->boot_id && c->key_id == h->key_id && c->sender == h->sender)
            return c;
    }
    return NULL;
}

/* Only a cipher that has opened an authentic datagram is kept: forged boot ids cannot wash the cache out. */
static void cache_keep(struct pn_opener *o, const struct pn_seal_header *h, EVP_CIPHER_CTX *ctx)
{
    struct cached_cipher *slot = &o->cache[0];
    for (unsigned i = 0; i < CACHE_SLOTS && slot->ctx; i++)
        if (!o->cache[i].ctx || o->cache[i].used < slot->used)
            slot = &o->cache[i];
    EVP_CIPHER_CTX_free(slot->ctx);
    *slot = (struct cached_cipher){
        .ctx = ctx, .boot_id = h->boot_id, .used = ++o->clock, .key_id = h->key_id, .sender = h->sender};
}

static bool open_with(EVP_CIPHER_CTX *ctx, const struct pn_seal_header *h, const uint8_t *datagram, size_t text_bytes,
                      uint8_t *plain)
{
    const uint8_t *text = datagram + PN_SEAL_HEADER_BYTES;
    uint8_t nonce[NONCE_BYTES], tag[PN_SEAL_TAG_BYTES];
    nonce_of(h->counter, nonce);
    memcpy(tag, text + text_bytes, sizeof(tag));
    int n = 0, last = 0;
    return EVP_DecryptInit_ex(ctx, NULL, NULL, NULL, nonce) > 0 &&
           EVP_DecryptUpdate(ctx, NULL, &n, datagram, PN_SEAL_HEADER_BYTES) > 0 &&
           EVP_DecryptUpdate(ctx, plain, &n, text, (int)text_bytes) > 0 &&
           EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, sizeof(tag), tag) > 0 &&
           EVP_DecryptFinal_ex(ctx, plain + n, &last) > 0;
}

static enum pn_seal_verdict header_read(const struct pn_opener *o, const uint8_t *d, size_t bytes,
                                        struct pn_seal_header *h)
{
    if (bytes < PN_SEAL_OVERHEAD || bytes > PN_SEAL_MAX_BYTES)
        return PN_SEAL_SHORT;
    if (d[0] != 'P' || d[1] != 'N' || d[2] != SEAL_VERSION || d[3] != o->purpose || d[6] != 0 || d[7] != 0)
        return PN_SEAL_FORMAT;
    *h = (struct pn_seal_header){
        .purpose = d[3], .key_id = d[4], .sender = d[5], .boot_id = get_be64(d + 8), .counter = get_be64(d + 16)};
    return h->counter > 0 && h->counter <= INT64_MAX ? PN_SEAL_OK : PN_SEAL_FORMAT;
}

enum pn_seal_verdict pn_unseal(struct pn_opener *o, const uint8_t *datagram, size_t bytes,
                               struct pn_seal_header *header, uint8_t *plain, size_t *plain_bytes)
{
    *plain_bytes = 0;
    enum pn_seal_verdict verdict = header_read(o, datagram, bytes, header);
    if (verdict != PN_SEAL_OK)
        return verdict;
    size_t text_bytes = bytes - PN_SEAL_OVERHEAD;

    struct cached_cipher *known = cache_find(o, header);
    if (known) {
        if (!open_with(known->ctx, header, datagram, text_bytes, plain)) {
            OPENSSL_cleanse(plain, text_bytes);
            return PN_SEAL_FORGED;
        }
        known->used = ++o->clock;
        *plain_bytes = text_bytes;
        return PN_SEAL_OK;
    }

    const struct pn_seal_key *key = NULL;
    for (unsigned i = 0; i < o->ring.n_keys; i++)
        if (o->ring.keys[i].id == header->key_id)
            key = &o->ring.keys[i];
    if (!key)
        return PN_SEAL_UNKNOWN_KEY;
    EVP_CIPHER_CTX *ctx = cipher_derive(key, header->purpose, header->sender, header->boot_id, 0);
    if (!ctx)
        return PN_SEAL_ERROR;
    if (!open_with(ctx, header, datagram, text_bytes, plain)) {
        OPENSSL_cleanse(plain, text_bytes);
        EVP_CIPHER_CTX_free(ctx);
        return PN_SEAL_FORGED;
    }
    cache_keep(o, header, ctx);
    *plain_bytes = text_bytes;
    return PN_SEAL_OK;
}

enum pn_seal_verdict pn_replay_accept(struct pn_replay *r, uint64_t counter)
{
    if (counter == 0)
        return PN_SEAL_REPLAYED;
    if (counter > r->highest) {
        uint64_t ahead = counter - r->highest;
        if (ahead >= PN_REPLAY_WINDOW)
            memset(r->bits, 0, sizeof(r->bits));
        else
            for (uint64_t c = r->highest + 1; c <= counter; c++)
                r->bits[c / 64 % (PN_REPLAY_WINDOW / 64)] &= ~(1ull << (c % 64));
        r->highest = counter;
    } else if (r->highest - counter >= PN_REPLAY_WINDOW) {
        return PN_SEAL_REPLAYED;
    }
    uint64_t *word = &r->bits[counter / 64 % (PN_REPLAY_WINDOW / 64)], bit = 1ull << (counter % 64);
    if (*word & bit)
        return PN_SEAL_REPLAYED;
    *word |= bit;
    return PN_SEAL_OK;
}
