/* SPDX-License-Identifier: BSD-3-Clause */
/* ca.h: keys, requests, sponsorship. */
#include "controlplane/cluster/ca.h"

#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/rand.h>

#include "common/error.h"

/* scrypt, RFC 7914: 16 MiB and a few tens of milliseconds a guess. Greater N exceeds what OpenSSL decrypts. */
#define SCRYPT_N 16384
#define SCRYPT_R 8
#define SCRYPT_P 1
#define SALT_BYTES 16

EVP_PKEY *pn_key_new(struct pn_error *err)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");

    ERR_clear_error();
    if (!key)
        pn_error_set(err, "no key could be made");
    return key;
}

int pn_key_public(const EVP_PKEY *key, uint8_t out[PN_KEY_BYTES])
{
    size_t len = PN_KEY_BYTES;

    if (!key || EVP_PKEY_get_id(key) != EVP_PKEY_ED25519 || EVP_PKEY_get_raw_public_key(key, out, &len) != 1 ||
        len != PN_KEY_BYTES) {
        ERR_clear_error();
        return -1;
    }
    return 0;
}

/* PBES2 with scrypt: PEM_write_bio_PKCS8PrivateKey() would use PBKDF2 with 2048 rounds. */
static X509_SIG *encrypt(PKCS8_PRIV_KEY_INFO *plain, const char *passphrase)
{
    uint8_t salt[SALT_BYTES];
    X509_ALGOR *how = NULL;
    X509_SIG *sealed = NULL;

    if (RAND_bytes(salt, sizeof(salt)) == 1)
        how = PKCS5_pbe2_set_scrypt(EVP_aes_256_cbc(), salt, sizeof(salt), NULL, SCRYPT_N, SCRYPT_R, SCRYPT_P);
    if (how)
        sealed = PKCS8_set0_pbe(passphrase, (int)strlen(passphrase), plain, how);
    if (!sealed)
        X509_ALGOR_free(how);
    return sealed;
}

struct pn_bytes pn_key_to_pem(EVP_PKEY *key, const char *passphrase)
{
    PKCS8_PRIV_KEY_INFO *plain = EVP_PKEY2PKCS8(key);
    BIO *bio = BIO_new(BIO_s_secmem());
    struct pn_bytes b = {NULL, 0};
    X509_SIG *sealed = NULL;
    BUF_MEM *mem = NULL;
    bool ok = false;

    if (plain && bio && passphrase) {
        sealed = encrypt(plain, passphrase);
        ok = sealed && PEM_write_bio_PKCS8(bio, sealed) == 1;
    } else if (plain && bio) {
        ok = PEM_write_bio_PKCS8_PRIV_KEY_INFO(bio, plain) == 1;
    }
    if (ok && BIO_get_mem_ptr(bio, &mem) > 0 && (b.data = malloc(mem->length + 1))) {
        memcpy(b.data, mem->data, mem->length);
        b.data[mem->length] = '\0';
        b.len = mem->length;
    }
    X509_SIG_free(sealed);
    PKCS8_PRIV_KEY_INFO_free(plain);
    BIO_free(bio); /* secmem: wiped */
    ERR_clear_error();
    return b;
}

struct ask {
    const char *passphrase;
    bool asked;
};

static int on_passphrase(char *buf, int size, int writing, void *arg)
{
    struct ask *ask = arg;
    size_t n;

    (void)writing;
    ask->asked = true;
    if (!ask->passphrase || (n = strlen(ask->passphrase)) > (size_t)size)
        return -1;
    memcpy(buf, ask->passphrase, n);
    return (int)n;
}

EVP_PKEY *pn_key_from_pem(const struct pn_bytes *pem, const char *passphrase, bool *locked, struct pn_error *err)
{
    struct ask ask = {passphrase, false};
    BIO *bio = BIO_new_mem_buf(pem->data, (int)pem->len);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, on_passphrase, &ask) : NULL;

    BIO_free(bio);
    ERR_clear_error();
    if (locked)
        *locked = !key && ask.asked;
    if (!key && ask.asked)
        pn_error_set(err, passphrase ? "the passphrase does not fit" : "the key is locked by a passphrase");
    else if (!key)
        pn_error_set(err, "the key cannot be read");
    return key;
}

/* ---- requests ---- */

struct pn_bytes pn_csr_new(EVP_PKEY *key)
{
    X509_REQ *req = X509_REQ_new();
    struct pn_bytes b = {NULL, 0};
    uint8_t *der = NULL;
    int len;

    if (req && X509_REQ_set_version(req, X509_REQ_VERSION_1) == 1 && X509_REQ_set_pubkey(req, key) == 1 &&
        X509_REQ_sign(req, key, NULL) > 0 && (len = i2d_X509_REQ(req, &der)) > 0) {
        b.data = malloc((size_t)len);
        b.len = (size_t)len;
        if (b.data)
            memcpy(b.data, der, b.len);
    }
    OPENSSL_free(der);
    X509_REQ_free(req);
    ERR_clear_error();
    return b;
}

int pn_csr_key(const uint8_t *der, size_t len, uint8_t key[PN_KEY_BYTES], struct pn_error *err)
{
    const uint8_t *p = der;
    X509_REQ *req = len > 0 && len <= 4096 ? d2i_X509_REQ(NULL, &p, (long)len) : NULL;
    EVP_PKEY *public = req ? X509_REQ_get0_pubkey(req) : NULL;
    int rc = -1;

    if (!public || p != der + len || pn_key_public(public, key) < 0)
        pn_error_set(err, "the certificate request is malformed, or its key is not Ed25519");
    else if (X509_REQ_verify(req, public) != 1)
        pn_error_set(err, "the certificate request is not signed by its own key");
    else
        rc = 0;
    X509_REQ_free(req);
    ERR_clear_error();
    return rc;
}

/* ---- sponsorship ---- */

#define SPONSOR_LABEL "postern sponsorship v1"
#define SPONSOR_BYTES (sizeof(SPONSOR_LABEL) + 2 * PN_ID_BYTES + 8 + PN_KEY_BYTES)

static void sponsor_text(const struct pn_id *cluster, const struct pn_member *row, uint8_t out[SPONSOR_BYTES])
{
    size_t n = sizeof(SPONSOR_LABEL);

    memcpy(out, SPONSOR_LABEL, n);
    memcpy(out + n, cluster->b, PN_ID_BYTES);
    memcpy(out + n + PN_ID_BYTES, row->id.b, PN_ID_BYTES);
    n += 2 * PN_ID_BYTES;
    for (int i = 0; i < 8; i++)
        out[n++] = (uint8_t)(row->joined >> (56 - 8 * i));
    memcpy(out + n, row->key, PN_KEY_BYTES);
}

int pn_sponsor_sign(EVP_PKEY *key, const struct pn_id *cluster, struct pn_member *row)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    uint8_t text[SPONSOR_BYTES];
    size_t len = PN_SIGNATURE_BYTES;
    bool ok;

    sponsor_text(cluster, row, text);
    ok = ctx && EVP_DigestSignInit(ctx, NULL, NULL, NULL, key) == 1 &&
         EVP_DigestSign(ctx, row->sponsorship, &len, text, sizeof(text)) == 1 && len == PN_SIGNATURE_BYTES;
    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    return ok ? 0 : -1;
}

bool pn_sponsor_verify(const uint8_t key[PN_KEY_BYTES], const struct pn_id *cluster, const struct pn_member *row)
{
    EVP_PKEY *public = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key, PN_KEY_BYTES);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    uint8_t text[SPONSOR_BYTES];
    bool ok;

    sponsor_text(cluster, row, text);
    ok = public && ctx && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, public) == 1 &&
         EVP_DigestVerify(ctx, row->sponsorship, PN_SIGNATURE_BYTES, text, sizeof(text)) == 1;
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(public);
    ERR_clear_error();
    return ok;
}
