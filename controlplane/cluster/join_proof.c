/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/cluster/join_proof.h"

#include <stdlib.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/sha.h>

#include "controlplane/cluster/codec.h"

#define EXPORTER_LABEL "EXPORTER-postern-join"
#define TAG_BYTES 16u

static void hash_labelled(const char *label, const void *a, size_t na, const void *b, size_t nb, uint8_t out[32])
{
    uint8_t text[256];
    size_t n = strlen(label) + 1;

    memcpy(text, label, n);
    memcpy(text + n, a, na);
    if (nb)
        memcpy(text + n + na, b, nb);
    SHA256(text, n + na + nb, out);
    OPENSSL_cleanse(text, sizeof(text));
}

void pn_join_secret_verifier(const uint8_t whole[PN_PROOF_BYTES], uint8_t verifier[PN_PROOF_BYTES])
{
    hash_labelled("postern invite verifier v1", whole, PN_PROOF_BYTES, NULL, 0, verifier);
}

int pn_join_secret_make(struct pn_join_secret *s, const struct pn_token *t, const char *passphrase)
{
    uint8_t stretched[32] = {0};

    if (passphrase && EVP_PBE_scrypt(passphrase, strlen(passphrase), t->invite, PN_INVITE_ID_BYTES, 16384, 8, 1, 0,
                                     stretched, sizeof(stretched)) != 1) {
        ERR_clear_error();
        return -1;
    }
    hash_labelled("postern invite secret v1", t->secret, PN_INVITE_SECRET_BYTES, stretched, sizeof(stretched),
                  s->whole);
    OPENSSL_cleanse(stretched, sizeof(stretched));
    pn_join_secret_verifier(s->whole, s->verifier);
    return 0;
}

int pn_join_channel(SSL *ssl, uint8_t channel[PN_PROOF_BYTES])
{
    int ok = SSL_export_keying_material(ssl, channel, PN_PROOF_BYTES, EXPORTER_LABEL, sizeof(EXPORTER_LABEL) - 1, NULL,
                                        0, 0);

    ERR_clear_error();
    return ok == 1 ? 0 : -1;
}

int pn_join_prove(const uint8_t verifier[PN_PROOF_BYTES], const uint8_t channel[PN_PROOF_BYTES], enum pn_join_role role,
                  uint8_t proof[PN_PROOF_BYTES])
{
    uint8_t text[PN_PROOF_BYTES + 1];
    unsigned len = PN_PROOF_BYTES;

    memcpy(text, channel, PN_PROOF_BYTES);
    text[PN_PROOF_BYTES] = (uint8_t)role;
    return HMAC(EVP_sha256(), verifier, PN_PROOF_BYTES, text, sizeof(text), proof, &len) ? 0 : -1;
}

static int key_of(const uint8_t *whole, const uint8_t *channel, uint8_t key[32])
{
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)"SHA256", 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)(uintptr_t)whole, PN_PROOF_BYTES),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)(uintptr_t)channel, PN_PROOF_BYTES),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (char *)"postern join secrets v1", 23),
        OSSL_PARAM_construct_end(),
    };
    int ok = ctx && EVP_KDF_derive(ctx, key, 32, params) > 0;

    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
    return ok ? 0 : -1;
}

/* One key, one message, one direction: the nonce may be fixed. */
static const uint8_t nonce[12];

struct pn_bytes pn_join_seal(const uint8_t whole[PN_PROOF_BYTES], const uint8_t channel[PN_PROOF_BYTES],
                             const void *plain, size_t len)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    struct pn_bytes b = {malloc(len + TAG_BYTES), len + TAG_BYTES};
    uint8_t key[32];
    int n = 0, last = 0;
    bool ok = ctx && b.data && key_of(whole, channel, key) == 0 &&
              EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, nonce) > 0 &&
              EVP_EncryptUpdate(ctx, b.data, &n, plain, (int)len) > 0 &&
              EVP_EncryptFinal_ex(ctx, b.data + n, &last) > 0 &&
              EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES, b.data + len) > 0;

    OPENSSL_cleanse(key, sizeof(key));
    EVP_CIPHER_CTX_free(ctx);
    if (!ok)
        pn_bytes_free(&b);
    ERR_clear_error();
    return b;
}

struct pn_bytes pn_join_unseal(const uint8_t whole[PN_PROOF_BYTES], const uint8_t channel[PN_PROOF_BYTES],
                               const void *sealed, size_t len)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    struct pn_bytes b = {NULL, 0};
    uint8_t key[32], tag[TAG_BYTES];
    int n = 0, last = 0;
    bool ok = false;

    if (len >= TAG_BYTES && len < (1u << 20)) {
        b.len = len - TAG_BYTES;
        b.data = malloc(b.len ? b.len : 1);
        memcpy(tag, (const uint8_t *)sealed + b.len, TAG_BYTES);
        ok = ctx && b.data && key_of(whole, channel, key) == 0 &&
             EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, nonce) > 0 &&
             EVP_DecryptUpdate(ctx, b.data, &n, sealed, (int)b.len) > 0 &&
             EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG_BYTES, tag) > 0 &&
             EVP_DecryptFinal_ex(ctx, b.data + n, &last) > 0;
    }
    OPENSSL_cleanse(key, sizeof(key));
    EVP_CIPHER_CTX_free(ctx);
    if (!ok)
        pn_bytes_free(&b);
    ERR_clear_error();
    return b;
}
