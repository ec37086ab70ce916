/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One run of one check, as a state machine without I/O: bytes in, what to do next out. The connection (conn.h) does the
 * sending, waiting and TLS; what a server says is judged only here and in the files of the check types.
 *
 * A new check type is one file with its functions and one row in check.c.
 */
#ifndef POSTERN_HEALTH_CHECK_H
#define POSTERN_HEALTH_CHECK_H

#include "controlplane/health/agent_reply.h"
#include "controlplane/health/health.h"
#include "controlplane/health/http_reply.h"
#include "common/smtp_reply.h"

#define PN_CHECK_MAX_BYTES 65536u /* all that a server may say in one run */
#define PN_CHECK_LINGER_MS 1000u /* how long a goodbye is waited for when the verdict is known */
#define PN_CHECK_OUT_BYTES 1100u

enum pn_check_act {
    PN_CHECK_MORE, /* wait for bytes */
    PN_CHECK_SEND, /* send out[out_len], then go on with the bytes left over, or wait */
    PN_CHECK_TLS, /* throw away what is left over, do the TLS handshake, then pn_check_tls_done() */
    PN_CHECK_DONE, /* verdict and reason stand; close */
};

/* What the run is about; outlives it. Texts without control characters (pn_check_conf_valid). */
struct pn_check_target {
    const struct pn_conf_check *conf;
    const char *addr; /* gateway's address as text */
    const char *helo; /* EHLO argument: conf's, or this host's name */
    const char *host; /* conf's host, or addr */
};

enum pn_smtp_state {
    PN_SMTP_BANNER,
    PN_SMTP_EHLO,
    PN_SMTP_HELO,
    PN_SMTP_STARTTLS,
    PN_SMTP_HANDSHAKE,
    PN_SMTP_EHLO_TLS,
    PN_SMTP_QUIT,
};

struct pn_check_run {
    const struct pn_check_type_ops *ops;
    const struct pn_check_target *target;
    enum pn_health verdict; /* UNKNOWN: none yet */
    char reason[128]; /* printable ASCII */
    const char *waiting; /* "the banner": what is waited for, for timeouts */
    uint32_t wait_ms; /* limit of this wait from its beginning; 0: the check's timeout alone */
    bool linger; /* verdict known, saying goodbye: nothing can change it */
    char out[PN_CHECK_OUT_BYTES];
    size_t out_len;
    size_t in_bytes;
    struct pn_agent_report agent; /* agent checks that succeeded */
    char agent_unknown[32]; /* the first word nobody knows, "" none */
    union {
        struct {
            enum pn_smtp_state state;
            bool early; /* the reply being read came before it was due */
            struct pn_smtp_reply reply;
        } smtp;
        struct pn_http_reply http;
        struct pn_agent_line agent;
    } u;
};

struct pn_check_type_ops {
    enum pn_check_type type;
    const char *name; /* as in the configuration */
    bool tls_first; /* the connection begins with a TLS handshake */
    bool agent; /* tells load, says nothing about the member's health */
    uint16_t default_port; /* left out of HTTP's Host */
    /* Connected (and through TLS with tls_first). */
    enum pn_check_act (*start)(struct pn_check_run *r);
    /* *used: bytes taken, all of them unless act is SEND or TLS. NULL: the type reads nothing. */
    enum pn_check_act (*input)(struct pn_check_run *r, const uint8_t *data, size_t len, size_t *used);
    /* Closed by the server before a verdict. NULL: "connection closed waiting for ...", DOWN. */
    enum pn_check_act (*eof)(struct pn_check_run *r);
    /* After PN_CHECK_TLS. error: why verification failed, NULL: fine. */
    enum pn_check_act (*tls_done)(struct pn_check_run *r, const char *error);
};

extern const struct pn_check_type_ops pn_check_tcp, pn_check_smtp, pn_check_smtp_starttls, pn_check_smtps,
    pn_check_http, pn_check_https, pn_check_agent;

/* NULL: no such type. */
const struct pn_check_type_ops *pn_check_type_ops(enum pn_check_type type);

void pn_check_init(struct pn_check_run *r, const struct pn_check_target *target);
/* After connect(2); for tls_first types after the handshake, tls_error as in tls_done. */
enum pn_check_act pn_check_start(struct pn_check_run *r, const char *tls_error);
enum pn_check_act pn_check_input(struct pn_check_run *r, const uint8_t *data, size_t len, size_t *used);
enum pn_check_act pn_check_eof(struct pn_check_run *r);
enum pn_check_act pn_check_tls_done(struct pn_check_run *r, const char *error);
/* after_ms: how long was waited. A goodbye that did not come keeps its verdict. */
void pn_check_timeout(struct pn_check_run *r, uint32_t after_ms);
/* A failure of the connection itself, in the same way. */
void pn_check_broken(struct pn_check_run *r, const char *what);

/* For the types: sets verdict and reason (control characters become '?') and returns DONE. */
enum pn_check_act pn_check_verdict(struct pn_check_run *r, enum pn_health verdict, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Sends text and waits for what. */
enum pn_check_act pn_check_send(struct pn_check_run *r, const char *waiting, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Nothing in the configuration may add lines to the protocol. -1 and err. */
int pn_check_conf_valid(const struct pn_conf_check *conf, struct pn_error *err);

#endif
