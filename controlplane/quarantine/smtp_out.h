/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One message to one MTA by SMTP, on libevent (RFC 5321; SIZE 1870, 8BITMIME 6152, SMTPUTF8 6531, STARTTLS 3207): for
 * releases and digests. All recipients or none: the first refused one ends it. Bare CR and LF leave as CRLF.
 */
#ifndef POSTERN_QUARANTINE_SMTP_OUT_H
#define POSTERN_QUARANTINE_SMTP_OUT_H

#include <openssl/ssl.h>

#include "controlplane/quarantine/item.h"

struct event_base;

enum pn_smtp_out_status {
    PN_SMTP_OUT_ACCEPTED, /* 2xx after the final dot; text: what the server said, with its queue id */
    PN_SMTP_OUT_TEMPORARY, /* not taken; try later */
    PN_SMTP_OUT_PERMANENT, /* not taken, and will not be */
    PN_SMTP_OUT_UNKNOWN /* the connection was lost after the final dot: it may have been taken */
};
const char *pn_smtp_out_status_name(enum pn_smtp_out_status status);

enum pn_smtp_out_tls { PN_SMTP_OUT_PLAIN, PN_SMTP_OUT_STARTTLS_MAY, PN_SMTP_OUT_STARTTLS_MUST };

struct pn_smtp_out_request { /* all is copied but the message, which stays as it is until done or cancel */
    struct pn_addr addr;
    uint16_t port; /* 0: 25 */
    const char *helo;
    const char *server_name; /* SNI, and verified where tls_ctx verifies; NULL: none */
    enum pn_smtp_out_tls tls;
    SSL_CTX *tls_ctx; /* an own reference is kept; may be NULL when plain */
    const char *sender; /* "": the null reverse-path */
    char *const *recipients;
    unsigned n_recipients;
    const uint8_t *message;
    size_t message_len;
    uint32_t connect_ms, reply_ms, data_reply_ms; /* 0: 30 s, 5 min, 10 min (RFC 5321 4.5.3.2) */
};
struct pn_smtp_out_result {
    enum pn_smtp_out_status status;
    int code; /* 0: no reply, it was something else */
    const char *text; /* one line, clean UTF-8 */
    bool tls;
};
/* Once, never from within start; the connection is gone by then. */
typedef void pn_smtp_out_done(void *arg, const struct pn_smtp_out_result *result);

struct pn_smtp_out;
/* NULL with err: an envelope that cannot be sent, no memory. Everything else comes through done. */
struct pn_smtp_out *pn_smtp_out_start(struct event_base *base, const struct pn_smtp_out_request *request,
                                      pn_smtp_out_done *done, void *arg, struct pn_error *err);
void pn_smtp_out_cancel(struct pn_smtp_out *s); /* without done; not from within done. NULL is fine */

#endif
