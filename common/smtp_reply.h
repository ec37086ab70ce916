/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SMTP replies (RFC 5321 4.2), read incrementally from a server that may be hostile. Lines may be ended by a bare LF,
 * as clients commonly allow; NUL bytes, lines without a code, codes that differ within a reply and anything longer than
 * the limits are no replies.
 */
#ifndef PN_COMMON_SMTP_REPLY_H
#define PN_COMMON_SMTP_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PN_SMTP_LINE_BYTES 2048u /* RFC 5321 4.5.3.1.5 says 512 */
#define PN_SMTP_REPLY_LINES 128u

enum pn_smtp_reply_status {
    PN_SMTP_REPLY_MORE, /* not complete */
    PN_SMTP_REPLY_DONE, /* code and text stand; bytes after *used belong to the next reply */
    PN_SMTP_REPLY_BAD, /* bad says why */
};

/* Zeroes are the state to start each reply from. */
struct pn_smtp_reply {
    uint16_t code; /* 200..599 */
    uint16_t lines;
    /* What an EHLO reply offers. */
    bool starttls; /* RFC 3207 */
    bool eightbit, utf8; /* 8BITMIME (RFC 6152), SMTPUTF8 (RFC 6531) */
    bool size_said; /* SIZE (RFC 1870) */
    uint64_t size_bytes; /* its limit; 0: none said */
    char text[96]; /* the first line, code included, as it came (not NUL) */
    const char *bad;
    /* ---- */
    uint16_t len;
    char line[PN_SMTP_LINE_BYTES];
};

/* Takes bytes up to the end of the reply. */
enum pn_smtp_reply_status pn_smtp_reply_feed(struct pn_smtp_reply *r, const uint8_t *data, size_t len, size_t *used);

#endif
