/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/quarantine/digest_mime.h"

#include <stdbool.h>
#include <string.h>
#include <openssl/evp.h>

#define WORD_BYTES 39u /* 52 of base64 and 12 around it are 64, below RFC 2047's 75 */
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

void pn_mime_words(FILE *f, const char *text, size_t at)
{
    unsigned char b64[WORD_BYTES / 3 * 4 + 1];

    if (plain(text)) {
        fputs(text, f);
        return;
    }
    for (size_t left = strlen(text), first = 1; left > 0; first = 0) {
        size_t n = left < WORD_BYTES ? left : WORD_BYTES;
        while (n > 1 && n < left && ((unsigned char)text[n] & 0xc0) == 0x80)
            n--; /* whole characters in each word (RFC 2047, 5) */
        if (!first || at + 64 > 76)
            fputs("\r\n ", f);
        EVP_EncodeBlock(b64, (const unsigned char *)text, (int)n);
        fprintf(f, "=?utf-8?b?%s?=", (const char *)b64);
        text += n;
        left -= n;
    }
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
