/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/health/http_reply.h"

#include <string.h>

static enum pn_http_reply_status bad(struct pn_http_reply *r, const char *why)
{
    r->bad = why;
    return PN_HTTP_REPLY_BAD;
}

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "HTTP/1.1 200 OK"; the reason phrase may be missing with its blank. */
static enum pn_http_reply_status status_line(struct pn_http_reply *r)
{
    const char *l = r->line;
    size_t len = r->len, n;
    int code;

    if (len && l[len - 1] == '\r')
        len--;
    if (len < 12 || memcmp(l, "HTTP/1.", 7) != 0 || !digit(l[7]) || l[8] != ' ' || !digit(l[9]) || !digit(l[10]) ||
        !digit(l[11]) || (len > 12 && l[12] != ' '))
        return bad(r, "no HTTP/1 status line");
    code = (l[9] - '0') * 100 + (l[10] - '0') * 10 + (l[11] - '0');
    if (code < 100)
        return bad(r, "HTTP status that does not exist");
    r->in_header = true;
    r->line_empty = true;
    if (code < 200)
        return PN_HTTP_REPLY_MORE; /* interim: the final one follows its header */
    n = len < sizeof(r->text) - 1 ? len : sizeof(r->text) - 1;
    memcpy(r->text, l, n);
    r->text[n] = '\0';
    r->code = (uint16_t)code;
    r->have_code = true;
    return PN_HTTP_REPLY_MORE;
}

/* The end of a header. */
static enum pn_http_reply_status header_end(struct pn_http_reply *r)
{
    if (r->have_code)
        return PN_HTTP_REPLY_DONE;
    if (++r->interim > PN_HTTP_INTERIM_MAX)
        return bad(r, "too many interim responses");
    r->in_header = false;
    r->len = 0;
    return PN_HTTP_REPLY_MORE;
}

static enum pn_http_reply_status byte(struct pn_http_reply *r, uint8_t c)
{
    if (!r->in_header) {
        if (c == '\n')
            return status_line(r);
        if (r->len >= sizeof(r->line))
            return bad(r, "HTTP status line too long");
        if (r->len < 5 && c != (uint8_t) "HTTP/"[r->len])
            return bad(r, "no HTTP/1 status line");
        r->line[r->len++] = (char)c;
        return PN_HTTP_REPLY_MORE;
    }
    if (c == '\n') {
        if (r->line_empty)
            return header_end(r);
        r->line_empty = true;
    } else if (c != '\r') {
        r->line_empty = false;
    }
    return PN_HTTP_REPLY_MORE;
}

enum pn_http_reply_status pn_http_reply_feed(struct pn_http_reply *r, const uint8_t *data, size_t len, size_t *used)
{
    for (size_t i = 0; i < len; i++) {
        enum pn_http_reply_status status;

        *used = i + 1;
        if (data[i] == '\0')
            return bad(r, "NUL byte in an HTTP header");
        if (++r->header_bytes > PN_HTTP_HEADER_BYTES)
            return bad(r, "HTTP header too long");
        status = byte(r, data[i]);
        if (status != PN_HTTP_REPLY_MORE)
            return status;
    }
    *used = len;
    return PN_HTTP_REPLY_MORE;
}
