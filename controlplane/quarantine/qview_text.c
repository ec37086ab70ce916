/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/quarantine/qview_text.h"

#include <errno.h>
#include <iconv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controlplane/quarantine/headers.h"
#include "controlplane/quarantine/qview.h"

static bool is_utf8(const void *bytes, size_t len)
{
    char one[8];
    const uint8_t *p = bytes;

    for (size_t i = 0; i < len;) {
        if (p[i] < 0x80) {
            i++;
            continue;
        }
        size_t n = p[i] >= 0xf0 ? 4 : p[i] >= 0xe0 ? 3 : 2;
        if (n > len - i)
            return true; /* cut in a character */
        pn_q_text_clean(p + i, n, one, sizeof(one));
        if (memcmp(one, p + i, n) != 0 && !(p[i] == 0xc2 && (p[i + 1] & 0xe0) == 0x80)) /* c2 80..9f: controls */
            return false;
        i += n;
    }
    return true;
}

/* A name that iconv may see: no suffixes, no paths. */
static bool charset_ok(const char *c)
{
    size_t n = c ? strlen(c) : 0;

    return n > 0 && n <= 40 && strspn(c, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:-") == n;
}

char *pn_qtext_utf8(const char *charset, const void *bytes, size_t len)
{
    char *in = (char *)(uintptr_t)bytes, *out, *at;
    size_t left = len, size = 4 * len + 1, room = size - 1;
    iconv_t cd = (iconv_t)-1;

    if (charset_ok(charset) && strcasecmp(charset, "utf-8") != 0 && strcasecmp(charset, "us-ascii") != 0)
        cd = iconv_open("UTF-8", charset);
    if (cd == (iconv_t)-1 && !is_utf8(bytes, len))
        cd = iconv_open("UTF-8", "WINDOWS-1252");
    out = at = malloc(size);
    if (out == NULL || cd == (iconv_t)-1) {
        if (out) {
            memcpy(out, bytes, len);
            out[len] = '\0';
        }
        if (cd != (iconv_t)-1)
            iconv_close(cd);
        return out;
    }
    while (left > 0 && iconv(cd, &in, &left, &at, &room) == (size_t)-1) {
        if (errno == E2BIG || room == 0 || left == 0)
            break;
        *at++ = '?'; /* a byte that means nothing here, or a character cut at the end */
        room--;
        in++;
        left--;
    }
    iconv_close(cd);
    *at = '\0';
    return out;
}

char *pn_qtext_clean(const char *text, size_t len)
{
    char *out = malloc(len + 2);
    size_t n = 0;

    for (size_t i = 0; out && i < len;) {
        const char *nl = memchr(text + i, '\n', len - i);
        size_t end = nl ? (size_t)(nl - text) : len, stop = end;
        if (stop > i && text[stop - 1] == '\r')
            stop--;
        n += pn_q_text_clean((const uint8_t *)text + i, stop - i, out + n, len + 2 - n);
        if (nl)
            out[n++] = '\n';
        i = end + 1;
    }
    if (out)
        out[n] = '\0';
    return out;
}

/* --- HTML --- */

struct html {
    char *out;
    size_t n, max;
    bool blank, line; /* owed before the next character */
};

static void put(struct html *h, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] == ' ' || text[i] == '\t' || text[i] == '\r' || text[i] == '\n') {
            h->blank = true;
            continue;
        }
        if (h->n > 0 && (h->line || h->blank) && h->n < h->max)
            h->out[h->n++] = h->line ? '\n' : ' ';
        h->line = h->blank = false;
        if (h->n < h->max)
            h->out[h->n++] = text[i];
    }
}

static bool tag_is(const char *tag, size_t len, const char *name)
{
    size_t n = strlen(name);

    return len >= n && strncasecmp(tag, name, n) == 0 && (len == n || strchr(" \t\r\n/>", tag[n]));
}

static void utf8_put(struct html *h, unsigned long c)
{
    char b[4];

    if (c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0xd800 && c < 0xe000) || c > 0x10ffff) {
        put(h, c == '\n' || c == '\t' ? " " : "?", 1);
    } else if (c < 0x80) {
        b[0] = (char)c;
        put(h, b, 1);
    } else if (c < 0x800) {
        b[0] = (char)(0xc0 | c >> 6);
        b[1] = (char)(0x80 | (c & 63));
        put(h, b, 2);
    } else if (c < 0x10000) {
        b[0] = (char)(0xe0 | c >> 12);
        b[1] = (char)(0x80 | (c >> 6 & 63));
        b[2] = (char)(0x80 | (c & 63));
        put(h, b, 3);
    } else {
        b[0] = (char)(0xf0 | c >> 18);
        b[1] = (char)(0x80 | (c >> 12 & 63));
        b[2] = (char)(0x80 | (c >> 6 & 63));
        b[3] = (char)(0x80 | (c & 63));
        put(h, b, 4);
    }
}

/* "&...;" at p; how many bytes it took, 0: none. */
static size_t entity(struct html *h, const char *p, size_t len)
{
    static const struct {
        const char *name;
        unsigned long c;
    } known[] = {{"amp", '&'},      {"lt", '<'},       {"gt", '>'},       {"quot", '"'},
                 {"apos", '\''},    {"nbsp", ' '},     {"copy", 0xa9},    {"euro", 0x20ac},
                 {"ndash", 0x2013}, {"mdash", 0x2014}, {"hellip", 0x2026}};
    const char *end = memchr(p, ';', len < 12 ? len : 12);
    size_t n = end ? (size_t)(end - p) : 0;
    char name[12];

    if (n < 2)
        return 0;
    memcpy(name, p + 1, n - 1);
    name[n - 1] = '\0';
    if (name[0] == '#') {
        bool hex = name[1] == 'x' || name[1] == 'X';
        char *stop;
        unsigned long c = strtoul(name + 1 + hex, &stop, hex ? 16 : 10);
        if (*stop || stop == name + 1 + hex)
            return 0;
        utf8_put(h, c);
        return n + 1;
    }
    for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (strcmp(name, known[i].name) == 0) {
            utf8_put(h, known[i].c);
            return n + 1;
        }
    return 0;
}

char *pn_qhtml_text(const char *html, size_t len, size_t max)
{
    static const char *const blocks[] = {"p",  "/p", "br", "div",    "/div", "tr",         "li",    "h1",
                                         "h2", "h3", "h4", "/table", "hr",   "blockquote", "title", "/title"};
    static const char *const silent[] = {"script", "style", "head"};
    struct html h = {.max = max};
    const char *until = NULL; /* text is passed over up to this end tag */

    h.out = malloc(max + 1);
    for (size_t i = 0; h.out && i < len && h.n < max;) {
        if (html[i] == '<') {
            size_t left = len - i - 1;
            const char *tag = html + i + 1, *end;
            if (left >= 3 && memcmp(tag, "!--", 3) == 0) {
                end = memmem(tag + 3, left - 3, "-->", 3);
                i = end ? (size_t)(end - html) + 3 : len;
                continue;
            }
            end = memchr(tag, '>', left);
            size_t n = end ? (size_t)(end - tag) : left;
            i = end ? (size_t)(end - html) + 1 : len;
            if (until) {
                if (n > 0 && tag[0] == '/' && tag_is(tag + 1, n - 1, until))
                    until = NULL;
                continue;
            }
            for (unsigned k = 0; k < sizeof(silent) / sizeof(silent[0]); k++)
                if (tag_is(tag, n, silent[k]))
                    until = silent[k];
            for (unsigned k = 0; k < sizeof(blocks) / sizeof(blocks[0]); k++)
                h.line |= tag_is(tag, n, blocks[k]);
            if (tag_is(tag, n, "td") || tag_is(tag, n, "th"))
                h.blank = true;
            continue;
        }
        if (until) {
            const char *next = memchr(html + i, '<', len - i);
            i = next ? (size_t)(next - html) : len;
            continue;
        }
        size_t took = html[i] == '&' ? entity(&h, html + i, len - i) : 0;
        if (took == 0) {
            put(&h, html + i, 1);
            took = 1;
        }
        i += took;
    }
    if (h.out)
        h.out[h.n] = '\0';
    return h.out;
}
