/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/smtp_reply.h"

#include <string.h>
#include <strings.h>

static enum pn_smtp_reply_status bad(struct pn_smtp_reply *r, const char *why)
{
    r->bad = why;
    return PN_SMTP_REPLY_BAD;
}

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The keyword of an EHLO line alone, not one that begins with it. */
static bool offers(const char *word, const char *text, size_t len)
{
    size_t n = strlen(word);

    return len >= n && strncasecmp(text, word, n) == 0 && (len == n || text[n] == ' ');
}

static void extension(struct pn_smtp_reply *r, const char *text, size_t len)
{
    r->starttls |= offers("STARTTLS", text, len);
    r->eightbit |= offers("8BITMIME", text, len);
    r->utf8 |= offers("SMTPUTF8", text, len);
    if (offers("SIZE", text, len)) {
        r->size_said = true;
        r->size_bytes = 0;
        for (size_t i = 5; i < len && digit(text[i]); i++) {
            if (r->size_bytes > UINT64_MAX / 10 - 1) {
                r->size_bytes = 0; /* more than can be said is no limit */
                break;
            }
            r->size_bytes = r->size_bytes * 10 + (uint64_t)(text[i] - '0');
        }
    }
}

static enum pn_smtp_reply_status line_end(struct pn_smtp_reply *r)
{
    const char *l = r->line;
    size_t len = r->len;
    bool more;
    int code;

    if (len && l[len - 1] == '\r')
        len--;
    if (len < 3 || !digit(l[0]) || !digit(l[1]) || !digit(l[2]))
        return bad(r, "no SMTP reply code");
    if (len > 3 && l[3] != ' ' && l[3] != '-')
        return bad(r, "no blank or hyphen after the reply code");
    code = (l[0] - '0') * 100 + (l[1] - '0') * 10 + (l[2] - '0');
    if (code < 200 || code > 599)
        return bad(r, "reply code that SMTP does not have");
    if (r->lines && code != r->code)
        return bad(r, "lines of one reply with different codes");
    more = len > 3 && l[3] == '-';
    if (!r->lines) {
        size_t n = len < sizeof(r->text) - 1 ? len : sizeof(r->text) - 1;
        memcpy(r->text, l, n);
        r->text[n] = '\0';
    } else if (len > 4) {
        extension(r, l + 4, len - 4);
    }
    r->code = (uint16_t)code;
    r->lines++;
    r->len = 0;
    if (!more)
        return PN_SMTP_REPLY_DONE;
    if (r->lines >= PN_SMTP_REPLY_LINES)
        return bad(r, "reply with too many lines");
    return PN_SMTP_REPLY_MORE;
}

enum pn_smtp_reply_status pn_smtp_reply_feed(struct pn_smtp_reply *r, const uint8_t *data, size_t len, size_t *used)
{
    for (size_t i = 0; i < len; i++) {
        *used = i + 1;
        if (data[i] == '\n') {
            enum pn_smtp_reply_status status = line_end(r);
            if (status != PN_SMTP_REPLY_MORE)
                return status;
            continue;
        }
        if (data[i] == '\0')
            return bad(r, "NUL byte in a reply");
        if (r->len >= sizeof(r->line))
            return bad(r, "reply line too long");
        /* A server of something else is told by its first bytes, without waiting for a line. */
        if (r->len < 3 && !digit((char)data[i]) && data[i] != '\r')
            return bad(r, "no SMTP reply code");
        r->line[r->len++] = (char)data[i];
    }
    *used = len;
    return PN_SMTP_REPLY_MORE;
}
