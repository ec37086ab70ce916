/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/quarantine/digest_mime.h"

#include <stdbool.h>
#include <string.h>

#define WORD_COLUMN 74u /* a line with encoded words ends before 76 (RFC 2047, 2) */
#define PLAIN_MAX 60u

static bool plain(const char *text)
{
    size_t n = strlen(text);

    if (n > PLAIN_MAX || strstr(text, "=?"))
        return false;
    for (; *text; text++)
        if (*text < ' ' || *text > '~')
            return false;
    return true;
}

/* One byte of an encoded word's text (RFC 2047, 4.2), as it may stand in a display name, too. */
static unsigned word_byte(unsigned char c, char out[4])
{
    bool bare = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');

    return (unsigned)(c == ' ' ? snprintf(out, 4, "_")
                      : bare   ? snprintf(out, 4, "%c", c)
                               : snprintf(out, 4, "=%02X", c));
}

/* Quoted, not base64: readers join neighbours, and some stumble over padding in the middle. */
void pn_mime_words(FILE *f, const char *text, size_t at)
{
    bool open = false;
    size_t col = at;

    if (plain(text)) {
        fputs(text, f);
        return;
    }
    while (*text) {
        char whole[4 * 3 + 1];
        unsigned n = 0;
        do /* a character stays whole (RFC 2047, 5) */
            n += word_byte((unsigned char)*text++, whole + n);
        while (((unsigned char)*text & 0xc0) == 0x80 && n <= 9);
        if (open && col + n + 2 > WORD_COLUMN) {
            fputs("?=\r\n ", f);
            open = false;
            col = 1;
        }
        if (!open) {
            fputs("=?utf-8?q?", f);
            open = true;
            col += 10;
        }
        fputs(whole, f);
        col += n;
    }
    fputs("?=", f);
}

void pn_mime_name(FILE *f, const char *name)
{
    if (name == NULL || name[0] == '\0')
        return;
    if (!plain(name)) {
        pn_mime_words(f, name, 8);
        fputs("\r\n ", f);
        return;
    }
    fputc('"', f);
    for (; *name; name++) {
        if (*name == '"' || *name == '\\')
            fputc('\\', f);
        fputc(*name, f);
    }
    fputs("\" ", f);
}

void pn_mime_qp(FILE *f, const char *text, size_t len)
{
    size_t col = 0;

    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '\n') {
            fputs("\r\n", f);
            col = 0;
            continue;
        }
        bool last = i + 1 == len || text[i + 1] == '\n';
        /* A blank at a line's end is encoded, a dot at its begin too: it survives careless servers. */
        bool bare = (c > ' ' && c <= '~' && c != '=' && !(c == '.' && col == 0)) || (c == ' ' && !last);
        size_t want = bare ? 1 : 3;
        if (col + want > (last ? 76u : 75u)) {
            fputs("=\r\n", f);
            col = 0;
            bare = bare && c != '.';
            want = bare ? 1 : 3;
        }
        if (bare)
            fputc(c, f);
        else
            fprintf(f, "=%02X", c);
        col += want;
    }
}

void pn_mime_html(FILE *f, const char *text)
{
    for (; *text; text++) {
        const char *as = *text == '&'    ? "&amp;"
                         : *text == '<'  ? "&lt;"
                         : *text == '>'  ? "&gt;"
                         : *text == '"'  ? "&quot;"
                         : *text == '\'' ? "&#39;"
                                         : NULL;
        if (as)
            fputs(as, f);
        else
            fputc(*text, f);
    }
}
