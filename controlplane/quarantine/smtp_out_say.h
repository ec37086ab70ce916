/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The client's side of one SMTP session without I/O: replies in, what to do next out. The message's bytes are dot-stuffed
 * by pn_smtp_stuff(). smtp_out.c carries both.
 */
#ifndef POSTERN_QUARANTINE_SMTP_OUT_SAY_H
#define POSTERN_QUARANTINE_SMTP_OUT_SAY_H

#include "common/smtp_reply.h"
#include "controlplane/quarantine/smtp_out.h"

enum pn_smtp_out_at {
    PN_SMTP_AT_BANNER,
    PN_SMTP_AT_EHLO,
    PN_SMTP_AT_HELO,
    PN_SMTP_AT_STARTTLS,
    PN_SMTP_AT_MAIL,
    PN_SMTP_AT_RCPT,
    PN_SMTP_AT_DATA,
    PN_SMTP_AT_BODY, /* the message is on its way; a reply now is early */
    PN_SMTP_AT_DOT,
    PN_SMTP_AT_QUIT
};

enum pn_smtp_out_act {
    PN_SMTP_ACT_SAY, /* line[] goes out */
    PN_SMTP_ACT_TLS, /* handshake, then pn_smtp_say_tls() */
    PN_SMTP_ACT_BODY, /* the message goes out, then pn_smtp_say_dot() */
    PN_SMTP_ACT_END /* close; the verdict stands */
};

struct pn_smtp_say {
    const struct pn_smtp_out_request *rq;
    enum pn_smtp_out_at at;
    bool tls, helo; /* TLS is on; EHLO was refused */
    bool eightbit_message, utf8_needed; /* of the request */
    unsigned rcpt;
    bool decided;
    enum pn_smtp_out_status status;
    int code;
    char text[256]; /* clean */
    char line[PN_Q_ADDRESS_MAX + 128];
};

/* -1 with err: an envelope that cannot be sent. rq stays where it is. */
int pn_smtp_say_init(struct pn_smtp_say *s, const struct pn_smtp_out_request *rq, struct pn_error *err);
enum pn_smtp_out_act pn_smtp_say_reply(struct pn_smtp_say *s, const struct pn_smtp_reply *reply);
enum pn_smtp_out_act pn_smtp_say_tls(struct pn_smtp_say *s, const char *fault); /* NULL: the handshake is done */
void pn_smtp_say_dot(struct pn_smtp_say *s); /* from now on a loss is UNKNOWN */
/* The connection ended or broke, or time is up: why, in words. */
void pn_smtp_say_broken(struct pn_smtp_say *s, const char *why);
uint32_t pn_smtp_say_wait_ms(const struct pn_smtp_say *s); /* for the reply that is due */

/* A message as it goes over the wire: bare CR and LF become CRLF, dots at a line's begin are doubled (RFC 5321 4.5.2).
 * Zeroes to start. Takes from in what fits out (at least 4 bytes); returns bytes written, *used of in. */
struct pn_smtp_stuff {
    bool cr; /* the last byte was a CR, which has been written as CRLF */
    bool middle; /* not at a line's begin */
};
size_t pn_smtp_stuff(struct pn_smtp_stuff *st, const uint8_t *in, size_t len, size_t *used, char *out, size_t size);
/* What ends it: "\r\n.\r\n" or, after a whole line, ".\r\n". */
const char *pn_smtp_stuff_end(const struct pn_smtp_stuff *st);

#endif
