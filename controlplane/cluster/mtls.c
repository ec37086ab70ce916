/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/cluster/mtls.h"

#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "common/error.h"

static const unsigned char alpn_mesh[] = "\x0epostern-mesh/1";
static const unsigned char alpn_join[] = "\x0epostern-join/1";
#define ALPN_BYTES 15u

/*
 * The server's choice. Certificates are asked for and required unless the client names the join protocol: that is
 * the only way to lower the guard, and what lies behind it asks for a token.
 */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
                   unsigned in_len, void *arg)
{
    unsigned char *chosen = NULL;

    (void)arg;
    if (SSL_select_next_proto(&chosen, out_len, alpn_mesh, ALPN_BYTES, in, in_len) == OPENSSL_NPN_NEGOTIATED) {
        *out = chosen;
        return SSL_TLSEXT_ERR_OK;
    }
    if (SSL_select_next_proto(&chosen, out_len, alpn_join, ALPN_BYTES, in, in_len) == OPENSSL_NPN_NEGOTIATED) {
        *out = chosen;
        SSL_set_verify(ssl, SSL_VERIFY_NONE, NULL);
        return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static SSL_CTX *base_new(void)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_method());

    if (!ctx || SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) != 1 || SSL_CTX_set_num_tickets(ctx, 0) != 1) {
        SSL_CTX_free(ctx);
        return NULL;
    }
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_verify_depth(ctx, 1);
    return ctx;
}

SSL_CTX *pn_mtls_member_new(X509 *ca, X509 *cert, EVP_PKEY *key, struct pn_error *err)
{
    SSL_CTX *ctx = base_new();
    X509_STORE *store = X509_STORE_new();

    if (ctx && store && X509_STORE_add_cert(store, ca) == 1 && SSL_CTX_use_certificate(ctx, cert) == 1 &&
        SSL_CTX_use_PrivateKey(ctx, key) == 1 && SSL_CTX_check_private_key(ctx) == 1 &&
        SSL_CTX_add1_chain_cert(ctx, ca) == 1 && SSL_CTX_set_alpn_protos(ctx, alpn_mesh, ALPN_BYTES) == 0) {
        SSL_CTX_set_cert_store(ctx, store);
        SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
        return ctx;
    }
    X509_STORE_free(store);
    SSL_CTX_free(ctx);
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    ERR_clear_error();
    pn_error_set(err, "TLS: %s", reason ? reason : "out of memory");
    return NULL;
}

/* ---- a guest: trust is a fingerprint ---- */

static int ex_index = -1;

static void pin_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
    (void)parent;
    (void)ad;
    (void)idx;
    (void)argl;
    (void)argp;
    free(ptr);
}

static int on_verify(X509_STORE_CTX *store, void *arg)
{
    const uint8_t *pin = arg;
    STACK_OF(X509) *shown = X509_STORE_CTX_get0_untrusted(store), *trusted = sk_X509_new_null();
    uint8_t print[PN_FINGERPRINT_BYTES];
    int rc = 0;

    for (int i = 0; trusted && i < sk_X509_num(shown); i++) {
        X509 *cert = sk_X509_value(shown, i);
        if (pn_cert_fingerprint(cert, print) == 0 && CRYPTO_memcmp(print, pin, sizeof(print)) == 0 &&
            X509_check_ca(cert) == 1)
            sk_X509_push(trusted, cert);
    }
    if (trusted && sk_X509_num(trusted) > 0) {
        X509_STORE_CTX_set0_trusted_stack(store, trusted);
        rc = X509_verify_cert(store);
    } else {
        X509_STORE_CTX_set_error(store, X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN);
    }
    sk_X509_free(trusted);
    return rc == 1;
}

SSL_CTX *pn_mtls_guest_new(const uint8_t ca[PN_FINGERPRINT_BYTES], struct pn_error *err)
{
    SSL_CTX *ctx = base_new();
    uint8_t *pin = malloc(PN_FINGERPRINT_BYTES);

    if (ex_index < 0)
        ex_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, pin_free);
    if (!ctx || !pin || ex_index < 0 || SSL_CTX_set_ex_data(ctx, ex_index, pin) != 1) {
        free(pin);
        SSL_CTX_free(ctx);
        ERR_clear_error();
        pn_error_set(err, "TLS: out of memory");
        return NULL;
    }
    memcpy(pin, ca, PN_FINGERPRINT_BYTES);
    SSL_CTX_set_cert_verify_callback(ctx, on_verify, pin);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    if (SSL_CTX_set_alpn_protos(ctx, alpn_join, ALPN_BYTES) != 0) {
        SSL_CTX_free(ctx);
        pn_error_set(err, "TLS: out of memory");
        return NULL;
    }
    return ctx;
}

/* ---- afterwards ---- */

enum pn_alpn pn_mtls_alpn(const SSL *ssl)
{
    const unsigned char *name;
    unsigned len;

    SSL_get0_alpn_selected(ssl, &name, &len);
    if (len != ALPN_BYTES - 1)
        return PN_ALPN_NONE;
    if (memcmp(name, alpn_mesh + 1, len) == 0)
        return PN_ALPN_MESH;
    return memcmp(name, alpn_join + 1, len) == 0 ? PN_ALPN_JOIN : PN_ALPN_NONE;
}

X509 *pn_mtls_peer_cert(SSL *ssl)
{
    return SSL_get_verify_result(ssl) == X509_V_OK ? SSL_get1_peer_certificate(ssl) : NULL;
}

X509 *pn_mtls_peer_ca(SSL *ssl)
{
    STACK_OF(X509) *chain = SSL_get0_verified_chain(ssl);
    X509 *last = chain && sk_X509_num(chain) > 1 ? sk_X509_value(chain, sk_X509_num(chain) - 1) : NULL;

    if (last)
        X509_up_ref(last);
    return last;
}

const char *pn_mtls_reason(SSL *ssl, unsigned long bev_error, int socket_errno)
{
    long verify = ssl ? SSL_get_verify_result(ssl) : X509_V_OK;
    const char *reason = bev_error ? ERR_reason_error_string(bev_error) : NULL;

    ERR_clear_error();
    if (verify != X509_V_OK)
        return verify == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN || verify == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY
                   ? "its certificate is of another cluster"
                   : X509_verify_cert_error_string(verify);
    if (reason)
        return reason;
    return socket_errno ? strerror(socket_errno) : "the connection was closed";
}
