/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TLS of the checks: 1.2 or newer. The chain is always looked at, so that days to expiry and the verdict are known
 * whether or not the configuration asks for verification; only then does it fail the check.
 */
#ifndef POSTERN_HEALTH_TLS_H
#define POSTERN_HEALTH_TLS_H

#include <openssl/ssl.h>

#include "controlplane/conf/conf.h"

/* For all connections of a check. NULL and err: the CA file cannot be read, or has no certificate. */
SSL_CTX *pn_tls_context_new(const struct pn_conf_check *conf, struct pn_error *err);

/* host: name or address to send (SNI, names only) and to verify. NULL: memory. */
SSL *pn_tls_session_new(SSL_CTX *ctx, const char *host);

/* After the handshake. *days_left: whole days to the expiry of the server's certificate, negative when expired;
 * INT32_MIN: it showed none. Returns what verification found at fault, NULL: nothing. */
const char *pn_tls_judge(SSL *ssl, int32_t *days_left);

#endif
