/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * LMTP, the server's side of one session (RFC 2033, with RFC 5321's syntax; SIZE 1870, PIPELINING 2920, 8BITMIME 6152,
 * SMTPUTF8 6531, ENHANCEDSTATUSCODES 2034). Pure: bytes in, replies and messages out. Data ends with CRLF.CRLF only, so
 * a bare LF smuggles nothing.
 */
#ifndef POSTERN_QUARANTINE_LMTP_H
#define POSTERN_QUARANTINE_LMTP_H

#include "controlplane/quarantine/item.h"

#define PN_LMTP_LINE_MAX 2048u /* of a command with CRLF; RFC 5321 4.5.3.1.4 asks for 512, extensions add to it */
#define PN_LMTP_ERRORS_MAX 20u /* then the session ends */

enum pn_lmtp_result {
    PN_LMTP_STORED, /* 250 */
    PN_LMTP_FULL, /* 452 4.3.1 */
    PN_LMTP_FAILED, /* 451 4.3.0 */
    PN_LMTP_TOO_LARGE /* 552 5.3.4 */
};

struct pn_lmtp_ops {
    void (*reply)(void *arg, const char *text, size_t len);
    enum pn_lmtp_result (*begin)(void *arg, uint64_t size_hint); /* a message comes; STORED: go on */
    enum pn_lmtp_result (*data)(void *arg, const uint8_t *bytes, size_t len);
    /* All of it is there. STORED: pn_lmtp_done() follows, perhaps from within. Otherwise it is over. */
    enum pn_lmtp_result (*end)(void *arg, const char *sender, char *const *recipients, unsigned n);
    void (*abort)(void *arg); /* a message that began does not end */
};

struct pn_lmtp_options {
    const char *hostname;
    unsigned recipients_max; /* 0: 100 (RFC 5321 4.5.3.1.8); at most PN_Q_RECIPIENTS_MAX */
    uint64_t message_bytes_max; /* 0: not said, not checked here */
};

struct pn_lmtp;
struct pn_lmtp *pn_lmtp_new(const struct pn_lmtp_options *o, const struct pn_lmtp_ops *ops, void *arg); /* greets */
void pn_lmtp_free(struct pn_lmtp *l);
/* Bytes used; fewer while a message waits for pn_lmtp_done(), and once closed. */
size_t pn_lmtp_feed(struct pn_lmtp *l, const uint8_t *bytes, size_t len);
void pn_lmtp_done(struct pn_lmtp *l, enum pn_lmtp_result result);
bool pn_lmtp_closed(const struct pn_lmtp *l); /* close the connection once the replies are sent */
bool pn_lmtp_waiting(const struct pn_lmtp *l);
void pn_lmtp_shutdown(struct pn_lmtp *l, const char *why); /* 421, unless a message waits */

/* "<path>" as in MAIL FROM:, to out of PN_Q_ADDRESS_MAX + 1 bytes; what follows it, or NULL when malformed. */
const char *pn_lmtp_path(const char *text, char *out);

#endif
