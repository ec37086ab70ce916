/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/quarantine/lmtp.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum state { ST_GREET, ST_READY, ST_MAIL, ST_DATA, ST_WAIT, ST_CLOSED };
enum dot { DOT_LINE, DOT_TEXT, DOT_CR, DOT_DOT, DOT_DOT_CR }; /* DOT_LINE: at the start of a line */

struct pn_lmtp {
    struct pn_lmtp_options o;
    char hostname[256];
    const struct pn_lmtp_ops *ops;
    void *arg;
    enum state state;
    enum dot dot;
    unsigned errors;
    char line[PN_LMTP_LINE_MAX + 1];
    size_t line_len;
    bool line_long;
    char sender[PN_Q_ADDRESS_MAX + 1];
    char **recipients;
    unsigned n_recipients;
    uint64_t size_hint, bytes;
    enum pn_lmtp_result result; /* of the message so far */
};

static void reply(struct pn_lmtp *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void reply(struct pn_lmtp *l, const char *format, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, format);
    int n = vsnprintf(text, sizeof(text) - 2, format, ap);
    va_end(ap);
    if (n < 0)
        return;
    size_t len = (size_t)n < sizeof(text) - 2 ? (size_t)n : sizeof(text) - 3;
    memcpy(text + len, "\r\n", 2);
    l->ops->reply(l->arg, text, len + 2);
}

static void reset(struct pn_lmtp *l)
{
    for (unsigned i = 0; i < l->n_recipients; i++)
        free(l->recipients[i]);
    l->n_recipients = 0;
    l->sender[0] = '\0';
    l->size_hint = l->bytes = 0;
    if (l->state == ST_MAIL || l->state == ST_DATA || l->state == ST_WAIT)
        l->state = ST_READY;
}

struct pn_lmtp *pn_lmtp_new(const struct pn_lmtp_options *o, const struct pn_lmtp_ops *ops, void *arg)
{
    struct pn_lmtp *l = calloc(1, sizeof(*l));

    if (l == NULL)
        return NULL;
    l->o = *o;
    if (l->o.recipients_max == 0)
        l->o.recipients_max = 100;
    if (l->o.recipients_max > PN_Q_RECIPIENTS_MAX)
        l->o.recipients_max = PN_Q_RECIPIENTS_MAX;
    l->recipients = calloc(l->o.recipients_max, sizeof(*l->recipients));
    if (l->recipients == NULL) {
        free(l);
        return NULL;
    }
    snprintf(l->hostname, sizeof(l->hostname), "%s", o->hostname);
    l->ops = ops;
    l->arg = arg;
    reply(l, "220 %s LMTP Postern quarantine", l->hostname);
    return l;
}

void pn_lmtp_free(struct pn_lmtp *l)
{
    if (l == NULL)
        return;
    if (l->state == ST_DATA && l->result == PN_LMTP_STORED)
        l->ops->abort(l->arg);
    reset(l);
    free(l->recipients);
    free(l);
}

const char *pn_lmtp_path(const char *p, char *out)
{
    size_t n = 0;
    bool quoted = false;

    while (*p == ' ')
        p++;
    if (*p++ != '<')
        return NULL;
    if (*p == '@') { /* a source route is passed over (RFC 5321 4.1.1.3) */
        const char *colon = strchr(p, ':');
        if (colon == NULL)
            return NULL;
        p = colon + 1;
    }
    for (; *p && (quoted || *p != '>'); p++) {
        unsigned char c = (unsigned char)*p;
        if (c < 0x20 || c == 0x7f || (!quoted && (c == ' ' || c == '<')) || n == PN_Q_ADDRESS_MAX)
            return NULL;
        if (c == '\\' && quoted) {
            if (p[1] == '\0' || n + 1 == PN_Q_ADDRESS_MAX)
                return NULL;
            out[n++] = *p++;
            if ((unsigned char)*p < 0x20 || *p == 0x7f)
                return NULL;
        } else if (c == '"') {
            quoted = !quoted;
        }
        out[n++] = *p;
    }
    out[n] = '\0';
    return *p == '>' && (p[1] == '\0' || p[1] == ' ') ? p + 1 : NULL;
}

static void bad(struct pn_lmtp *l, const char *text)
{
    if (++l->errors < PN_LMTP_ERRORS_MAX) {
        reply(l, "%s", text);
        return;
    }
    reply(l, "421 4.7.0 %s too many errors", l->hostname);
    l->state = ST_CLOSED;
}

/* What follows the path. 0: known, otherwise the reply is sent. */
static int mail_parameters(struct pn_lmtp *l, const char *p)
{
    while (*p) {
        while (*p == ' ')
            p++;
        size_t n = strcspn(p, " ");
        if (n > 5 && strncasecmp(p, "SIZE=", 5) == 0) {
            char *end;
            l->size_hint = p[5] >= '0' && p[5] <= '9' && n <= 25 ? strtoull(p + 5, &end, 10) : 0;
            if (!(p[5] >= '0' && p[5] <= '9') || n > 25 || end != p + n)
                return bad(l, "501 5.5.4 SIZE is not a number"), -1;
            if (l->o.message_bytes_max && l->size_hint > l->o.message_bytes_max)
                return reply(l, "552 5.3.4 message is larger than %llu bytes",
                             (unsigned long long)l->o.message_bytes_max),
                       -1;
        } else if (n && !(n == 13 && strncasecmp(p, "BODY=8BITMIME", n) == 0) &&
                   !(n == 9 && strncasecmp(p, "BODY=7BIT", n) == 0) &&
                   !(n == 8 && strncasecmp(p, "SMTPUTF8", n) == 0)) {
            return bad(l, "555 5.5.4 parameter not known"), -1;
        }
        p += n;
    }
    return 0;
}

static void cmd_mail(struct pn_lmtp *l, const char *arg)
{
    if (l->state == ST_GREET || l->state == ST_MAIL) {
        bad(l, l->state == ST_GREET ? "503 5.5.1 LHLO first" : "503 5.5.1 MAIL was said already");
        return;
    }
    const char *rest = strncasecmp(arg, "FROM:", 5) == 0 ? pn_lmtp_path(arg + 5, l->sender) : NULL;
    if (rest == NULL) {
        bad(l, "501 5.1.7 MAIL FROM:<address> expected");
        return;
    }
    if (mail_parameters(l, rest) != 0)
        return;
    l->state = ST_MAIL;
    reply(l, "250 2.1.0 sender ok");
}

static void cmd_rcpt(struct pn_lmtp *l, const char *arg)
{
    char path[PN_Q_ADDRESS_MAX + 1];

    if (l->state != ST_MAIL) {
        bad(l, "503 5.5.1 MAIL first");
        return;
    }
    const char *rest = strncasecmp(arg, "TO:", 3) == 0 ? pn_lmtp_path(arg + 3, path) : NULL;
    if (rest == NULL || path[0] == '\0') {
        bad(l, "501 5.1.3 RCPT TO:<address> expected");
        return;
    }
    if (strspn(rest, " ") != strlen(rest)) {
        bad(l, "555 5.5.4 parameter not known");
        return;
    }
    char *copy = l->n_recipients < l->o.recipients_max ? strdup(path) : NULL;
    if (copy == NULL) {
        reply(l, "452 4.5.3 too many recipients");
        return;
    }
    l->recipients[l->n_recipients++] = copy;
    reply(l, "250 2.1.5 recipient ok");
}

static void cmd_data(struct pn_lmtp *l, const char *arg)
{
    if (*arg) {
        bad(l, "501 5.5.4 DATA takes no argument");
    } else if (l->state != ST_MAIL) {
        bad(l, "503 5.5.1 MAIL first");
    } else if (l->n_recipients == 0) {
        bad(l, "503 5.5.1 no valid recipients"); /* RFC 2033 4.2 */
    } else {
        l->result = l->ops->begin(l->arg, l->size_hint);
        if (l->result != PN_LMTP_STORED) { /* said before the message travels */
            reply(l, l->result == PN_LMTP_FULL ? "452 4.3.1 the quarantine is full" : "451 4.3.0 cannot store it now");
            reset(l);
            return;
        }
        l->state = ST_DATA;
        l->dot = DOT_LINE;
        l->bytes = 0;
        reply(l, "354 end with <CRLF>.<CRLF>");
    }
}

static void cmd_lhlo(struct pn_lmtp *l, const char *arg)
{
    if (*arg == '\0') {
        bad(l, "501 5.5.4 LHLO needs a name");
        return;
    }
    reset(l);
    l->state = ST_READY;
    reply(l, "250-%s", l->hostname);
    reply(l, "250-PIPELINING");
    reply(l, "250-8BITMIME");
    reply(l, "250-SMTPUTF8");
    reply(l, "250-ENHANCEDSTATUSCODES");
    if (l->o.message_bytes_max)
        reply(l, "250 SIZE %llu", (unsigned long long)l->o.message_bytes_max);
    else
        reply(l, "250 SIZE");
}

static void command(struct pn_lmtp *l)
{
    char *line = l->line;
    size_t n = strcspn(line, " ");
    const char *arg = line[n] ? line + n + 1 : line + n;

    line[n] = '\0';
    if (strcasecmp(line, "LHLO") == 0) {
        cmd_lhlo(l, arg);
    } else if (strcasecmp(line, "HELO") == 0 || strcasecmp(line, "EHLO") == 0) {
        bad(l, "500 5.5.1 this is LMTP: LHLO"); /* RFC 2033 4.1 */
    } else if (strcasecmp(line, "MAIL") == 0) {
        cmd_mail(l, arg);
    } else if (strcasecmp(line, "RCPT") == 0) {
        cmd_rcpt(l, arg);
    } else if (strcasecmp(line, "DATA") == 0) {
        cmd_data(l, arg);
    } else if (strcasecmp(line, "RSET") == 0) {
        reset(l);
        reply(l, "250 2.0.0 ok");
    } else if (strcasecmp(line, "NOOP") == 0) {
        reply(l, "250 2.0.0 ok");
    } else if (strcasecmp(line, "VRFY") == 0) {
        reply(l, "252 2.1.5 send it and see");
    } else if (strcasecmp(line, "QUIT") == 0) {
        reply(l, "221 2.0.0 %s bye", l->hostname);
        l->state = ST_CLOSED;
    } else {
        bad(l, "500 5.5.2 command not known");
    }
}

static size_t feed_line(struct pn_lmtp *l, const uint8_t *bytes, size_t len)
{
    const uint8_t *nl = memchr(bytes, '\n', len);
    size_t n = nl ? (size_t)(nl - bytes) + 1 : len;

    if (l->line_len + n > PN_LMTP_LINE_MAX)
        l->line_long = true;
    if (!l->line_long) {
        memcpy(l->line + l->line_len, bytes, n);
        l->line_len += n;
    }
    if (nl == NULL)
        return n;
    size_t end = l->line_len;
    bool crlf = end >= 2 && l->line[end - 2] == '\r';
    l->line_len = 0;
    if (l->line_long) {
        l->line_long = false;
        bad(l, "500 5.5.2 line too long");
    } else if (!crlf || memchr(l->line, '\0', end)) {
        bad(l, "500 5.5.2 lines end with CRLF and hold no NUL");
    } else {
        l->line[end - 2] = '\0';
        command(l);
    }
    return n;
}

static void text(struct pn_lmtp *l, const uint8_t *bytes, size_t len)
{
    if (len == 0 || l->result != PN_LMTP_STORED)
        return; /* the rest of what failed is only passed over */
    l->bytes += len;
    if (l->o.message_bytes_max && l->bytes > l->o.message_bytes_max)
        l->result = PN_LMTP_TOO_LARGE;
    else
        l->result = l->ops->data(l->arg, bytes, len);
    if (l->result != PN_LMTP_STORED)
        l->ops->abort(l->arg);
}

void pn_lmtp_done(struct pn_lmtp *l, enum pn_lmtp_result result)
{
    static const char *const texts[] = {
        [PN_LMTP_STORED] = "250 2.0.0 stored for",
        [PN_LMTP_FULL] = "452 4.3.1 the quarantine is full, not stored for",
        [PN_LMTP_FAILED] = "451 4.3.0 not stored for",
        [PN_LMTP_TOO_LARGE] = "552 5.3.4 too large, not stored for",
    };

    if (l->state != ST_WAIT)
        return;
    for (unsigned i = 0; i < l->n_recipients; i++) /* one for each (RFC 2033 4.2) */
        reply(l, "%s <%.200s>", texts[result], l->recipients[i]);
    reset(l);
}

/* Up to and with CRLF.CRLF; dots at line starts are taken off (RFC 5321 4.5.2). */
static size_t feed_data(struct pn_lmtp *l, const uint8_t *bytes, size_t len)
{
    size_t from = 0, i = 0;

    for (; i < len; i++) {
        uint8_t c = bytes[i];
        switch (l->dot) {
        case DOT_LINE:
            if (c == '.') {
                text(l, bytes + from, i - from);
                from = i + 1; /* kept back: goes for good unless more follows */
                l->dot = DOT_DOT;
                continue;
            }
            break;
        case DOT_DOT:
            if (c == '\r') {
                text(l, bytes + from, i - from);
                from = i + 1;
                l->dot = DOT_DOT_CR;
                continue;
            }
            break;
        case DOT_DOT_CR:
            if (c == '\n') {
                l->state = ST_WAIT;
                enum pn_lmtp_result r = l->result;
                if (r == PN_LMTP_STORED)
                    r = l->ops->end(l->arg, l->sender, l->recipients, l->n_recipients);
                if (r != PN_LMTP_STORED)
                    pn_lmtp_done(l, r);
                return i + 1;
            }
            text(l, (const uint8_t *)"\r", 1); /* it was no end: the CR belongs to the text */
            from = i;
            break;
        case DOT_CR:
            if (c == '\n') {
                l->dot = DOT_LINE;
                continue;
            }
            break;
        case DOT_TEXT:
            break;
        }
        l->dot = c == '\r' ? DOT_CR : DOT_TEXT;
    }
    text(l, bytes + from, len - from);
    return len;
}

size_t pn_lmtp_feed(struct pn_lmtp *l, const uint8_t *bytes, size_t len)
{
    size_t used = 0;

    while (used < len && l->state != ST_WAIT && l->state != ST_CLOSED)
        used += l->state == ST_DATA ? feed_data(l, bytes + used, len - used) : feed_line(l, bytes + used, len - used);
    return used;
}

bool pn_lmtp_closed(const struct pn_lmtp *l)
{
    return l->state == ST_CLOSED;
}

bool pn_lmtp_waiting(const struct pn_lmtp *l)
{
    return l->state == ST_WAIT;
}

void pn_lmtp_shutdown(struct pn_lmtp *l, const char *why)
{
    if (l->state == ST_WAIT || l->state == ST_CLOSED)
        return;
    if (l->state == ST_DATA && l->result == PN_LMTP_STORED)
        l->ops->abort(l->arg);
    reply(l, "421 4.3.2 %s %s", l->hostname, why);
    l->state = ST_CLOSED;
}
