/* SPDX-License-Identifier: BSD-3-Clause */
/* An HTTP/1.x response's status line and the end of its header (RFC 9112), read incrementally and bounded. */
#ifndef POSTERN_HEALTH_HTTP_REPLY_H
#define POSTERN_HEALTH_HTTP_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PN_HTTP_STATUS_BYTES 512u
#define PN_HTTP_HEADER_BYTES 32768u
#define PN_HTTP_INTERIM_MAX 8u /* 1xx responses before the final one */

enum pn_http_reply_status {
    PN_HTTP_REPLY_MORE,
    PN_HTTP_REPLY_DONE, /* header complete: code and text stand; the body begins after *used */
    PN_HTTP_REPLY_BAD,
};

/* Zeroes are the state to start from. */
struct pn_http_reply {
    uint16_t code; /* 200..999 once have_code */
    bool have_code; /* the final status line is in, the header may not be */
    char text[96]; /* status line */
    const char *bad;
    /* ---- */
    bool in_header;
    bool line_empty;
    uint8_t interim;
    uint32_t header_bytes;
    uint16_t len;
    char line[PN_HTTP_STATUS_BYTES];
};

enum pn_http_reply_status pn_http_reply_feed(struct pn_http_reply *r, const uint8_t *data, size_t len, size_t *used);

#endif
