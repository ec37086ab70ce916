/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/health/tls.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "common/addr.h"
#include "common/error.h"

static const char *openssl_reason(void)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());

    ERR_clear_error();
    return reason ? reason : "unknown error";
}

SSL_CTX *pn_tls_context_new(const struct pn_conf_check *conf, struct pn_error *err)
{
    SSL_CTX *ctx;

    ERR_clear_error();
    ctx = SSL_CTX_new(TLS_client_method());
    if (!ctx || SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1) {
        pn_error_set(err, "check \"%s\": TLS: %s", conf->name, openssl_reason());
        SSL_CTX_free(ctx);
        return NULL;
    }
    SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL); /* pn_tls_judge() asks for the result */
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    if (conf->ca_file[0]) {
        if (SSL_CTX_load_verify_locations(ctx, conf->ca_file, NULL) != 1) {
            pn_error_set(err, "check \"%s\": ca-file %.100s: %s", conf->name, conf->ca_file, openssl_reason());
            SSL_CTX_free(ctx);
            return NULL;
        }
    } else {
        SSL_CTX_set_default_verify_paths(ctx);
        ERR_clear_error();
    }
    return ctx;
}

SSL *pn_tls_session_new(SSL_CTX *ctx, const char *host)
{
    SSL *ssl = SSL_new(ctx);
    X509_VERIFY_PARAM *param;
    struct pn_addr addr;
    bool ok;

    if (!ssl)
        return NULL;
    param = SSL_get0_param(ssl);
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (pn_addr_parse(host, &addr, NULL) == 0)
        ok = X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1;
    else
        ok = X509_VERIFY_PARAM_set1_host(param, host, 0) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
    if (!ok) {
        SSL_free(ssl);
        return NULL;
    }
    return ssl;
}

const char *pn_tls_judge(SSL *ssl, int32_t *days_left)
{
    X509 *cert = SSL_get0_peer_certificate(ssl);
    long result;
    int days, seconds;

    *days_left = INT32_MIN;
    if (!cert)
        return "the server showed no certificate";
    if (ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(cert)) == 1)
        *days_left = seconds < 0 ? days - 1 : days;
    result = SSL_get_verify_result(ssl);
    return result == X509_V_OK ? NULL : X509_verify_cert_error_string(result);
}
