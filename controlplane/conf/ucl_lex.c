/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "controlplane/conf/ucl_lex.h"

void pn_ucl_lex_start(struct pn_ucl_lex *lex, const char *text, size_t len)
{
    lex->at = text;
    lex->end = text + len;
    lex->line = 1;
    lex->column = 1;
    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        lex->at += 3; /* byte order mark */
}

static enum pn_ucl_token __attribute__((format(printf, 4, 5)))
lex_bad(struct pn_ucl_error *error, uint32_t line, uint32_t column, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(error->text, sizeof(error->text), format, args);
    va_end(args);
    error->line = line;
    error->column = column;
    return PN_UCL_T_BAD;
}

static void lex_step(struct pn_ucl_lex *lex)
{
    unsigned char c = (unsigned char)*lex->at++;
    if (c == '\n') {
        lex->line++;
        lex->column = 1;
    } else if ((c & 0xc0) != 0x80) { /* columns count characters, not bytes */
        lex->column++;
    }
}

/* Does the line end here: LF, CRLF (CRs that were doubled on the way, too), or the file? */
static bool lex_at_line_end(const struct pn_ucl_lex *lex)
{
    const char *at = lex->at;
    while (at < lex->end && *at == '\r')
        at++;
    return at == lex->end || *at == '\n';
}

/* A CR alone ends no line: what follows a comment would be one with it, unseen. -1: there is one. Of several, to the last. */
static int lex_cr(struct pn_ucl_lex *lex, struct pn_ucl_error *error)
{
    if (*lex->at != '\r')
        return 0;
    if (!lex_at_line_end(lex)) {
        lex_bad(error, lex->line, lex->column, "found a carriage return without a line feed: lines end in LF or CRLF");
        return -1;
    }
    while (lex->end - lex->at > 1 && lex->at[1] == '\r')
        lex_step(lex);
    return 0;
}

/* 0, or -1: a comment that never ends, a CR alone. */
static int lex_skip_blanks(struct pn_ucl_lex *lex, struct pn_ucl_error *error)
{
    while (lex->at < lex->end) {
        char c = *lex->at;
        if (c == ' ' || c == '\t' || c == '\r') {
            if (lex_cr(lex, error) != 0)
                return -1;
            lex_step(lex);
        } else if (c == '#') {
            for (; lex->at < lex->end && *lex->at != '\n'; lex_step(lex))
                if (lex_cr(lex, error) != 0)
                    return -1;
        } else if (c == '/' && lex->end - lex->at >= 2 && lex->at[1] == '*') {
            uint32_t line = lex->line, column = lex->column, depth = 0;
            do {
                if (lex->end - lex->at < 2) {
                    lex_bad(error, line, column, "comment is not closed: expected */ before the end of the file");
                    return -1;
                }
                unsigned step = 1;
                if (lex->at[0] == '/' && lex->at[1] == '*') {
                    depth++; /* they nest, as in UCL */
                    step = 2;
                } else if (lex->at[0] == '*' && lex->at[1] == '/') {
                    depth--;
                    step = 2;
                }
                while (step-- > 0)
                    lex_step(lex);
            } while (depth > 0);
        } else {
            break;
        }
    }
    return 0;
}

static bool lex_is_control(unsigned char c)
{
    return c < 0x20 || c == 0x7f;
}

/* Length of the UTF-8 sequence at p (RFC 3629), 0: none there. */
static unsigned lex_utf8_length(const char *at, const char *end)
{
    const unsigned char *p = (const unsigned char *)at;
    size_t left = (size_t)(end - at);
    if (p[0] < 0x80)
        return 1;
    unsigned n = p[0] >= 0xc2 && p[0] <= 0xdf ? 2 : (p[0] & 0xf0) == 0xe0 ? 3 : p[0] >= 0xf0 && p[0] <= 0xf4 ? 4 : 0;
    if (n == 0 || n > left)
        return 0;
    for (unsigned i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
        (p[0] == 0xf4 && p[1] > 0x8f))
        return 0; /* overlong, surrogate, past U+10FFFF */
    return n;
}

/* One character, or -1 and error. */
static int lex_take(struct pn_ucl_lex *lex, struct pn_ucl_lexeme *out, struct pn_ucl_error *error)
{
    unsigned n = lex_utf8_length(lex->at, lex->end);
    if (lex_is_control((unsigned char)*lex->at) || n == 0) {
        lex_bad(error, lex->line, lex->column, "byte 0x%02x is not text (UTF-8 without control characters)",
                (unsigned char)*lex->at);
        return -1;
    }
    if (out->len + n > PN_UCL_MAX_TEXT_BYTES) {
        lex_bad(error, out->line, out->column, "text is longer than %d bytes", PN_UCL_MAX_TEXT_BYTES);
        return -1;
    }
    while (n-- > 0) {
        out->text[out->len++] = *lex->at;
        lex_step(lex);
    }
    return 0;
}

static int lex_hex4(const struct pn_ucl_lex *lex)
{
    if (lex->end - lex->at < 4)
        return -1;
    int value = 0;
    for (int i = 0; i < 4; i++) {
        char c = lex->at[i];
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (c >= 'A' && c <= 'F')
            digit = c - 'A' + 10;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

/* Code point of \u and four hex digits at lex->at, a surrogate pair taken together (RFC 8259, 7); -1: malformed. */
static int32_t lex_unicode(struct pn_ucl_lex *lex)
{
    int high = lex_hex4(lex);
    if (high < 0)
        return -1;
    for (int i = 0; i < 4; i++)
        lex_step(lex);
    if (high < 0xd800 || high > 0xdfff)
        return high;
    if (high > 0xdbff || lex->end - lex->at < 6 || lex->at[0] != '\\' || lex->at[1] != 'u')
        return -1;
    lex_step(lex);
    lex_step(lex);
    int low = lex_hex4(lex);
    if (low < 0xdc00 || low > 0xdfff)
        return -1;
    for (int i = 0; i < 4; i++)
        lex_step(lex);
    return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
}

static unsigned lex_utf8_encode(int32_t c, char out[4])
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | (c >> 6));
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | (c >> 12));
        out[1] = (char)(0x80 | ((c >> 6) & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | (c >> 18));
    out[1] = (char)(0x80 | ((c >> 12) & 0x3f));
    out[2] = (char)(0x80 | ((c >> 6) & 0x3f));
    out[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

/* What follows a backslash in a double-quoted string. */
static int lex_escape(struct pn_ucl_lex *lex, struct pn_ucl_lexeme *out, struct pn_ucl_error *error)
{
    static const char from[] = "nrtbf\\\"/", to[] = "\n\r\t\b\f\\\"/";
    uint32_t line = lex->line, column = lex->column;
    lex_step(lex);
    char c = lex->at < lex->end ? *lex->at : '\0';
    char utf8[4];
    unsigned n = 1;
    const char *known = c != '\0' ? strchr(from, c) : NULL;
    if (known) {
        utf8[0] = to[known - from];
        lex_step(lex);
    } else if (c == 'u') {
        lex_step(lex);
        int32_t code = lex_unicode(lex);
        if (code <= 0) {
            lex_bad(error, line, column, "malformed \\u escape: expected four hexadecimal digits, not 0000");
            return -1;
        }
        n = lex_utf8_encode(code, utf8);
    } else {
        lex_bad(error, line, column,
                "unknown escape: expected one of \\n \\r \\t \\b \\f \\\\ \\\" \\/ \\u and four hex digits");
        return -1;
    }
    if (out->len + n > PN_UCL_MAX_TEXT_BYTES) {
        lex_bad(error, out->line, out->column, "text is longer than %d bytes", PN_UCL_MAX_TEXT_BYTES);
        return -1;
    }
    memcpy(out->text + out->len, utf8, n);
    out->len += n;
    return 0;
}

static enum pn_ucl_token lex_quoted(struct pn_ucl_lex *lex, struct pn_ucl_lexeme *out, struct pn_ucl_error *error)
{
    char quote = *lex->at;
    lex_step(lex);
    for (;;) {
        if (lex_at_line_end(lex))
            return lex_bad(error, out->line, out->column,
                           "string is not closed: expected %c before the end of the line", quote);
        if (*lex->at == quote)
            break;
        if (*lex->at == '\\' && quote == '"') {
            if (lex_escape(lex, out, error) != 0)
                return PN_UCL_T_BAD;
            continue;
        }
        if (*lex->at == '\\' && lex->end - lex->at >= 2 && lex->at[1] == '\'')
            lex_step(lex); /* in single quotes only \' is an escape */
        if (*lex->at == '\t') {
            if (out->len == PN_UCL_MAX_TEXT_BYTES)
                return lex_bad(error, out->line, out->column, "text is longer than %d bytes", PN_UCL_MAX_TEXT_BYTES);
            out->text[out->len++] = '\t';
            lex_step(lex);
        } else if (lex_take(lex, out, error) != 0) {
            return PN_UCL_T_BAD;
        }
    }
    lex_step(lex);
    out->text[out->len] = '\0';
    return PN_UCL_T_QUOTED;
}

static bool lex_ends_word(char c, enum pn_ucl_mode mode)
{
    if (c == '\0')
        return false; /* refused by lex_take, not found by strchr */
    if (strchr(" \t\r\n{}[],;\"'#", c))
        return true;
    return (mode == PN_UCL_KEY && strchr("=:()", c)) || (mode == PN_UCL_OPTION && strchr("=()", c));
}

/* What word processors and web pages put where a blank or a quotation mark was meant. NULL: nothing of that kind. */
static const char *lex_typographic(const struct pn_ucl_lex *lex)
{
    static const struct {
        const char *utf8, *say;
    } rows[] = {
        {"\u00a0", "a no-break space: write a blank"},
        {"\u201c", "a typographic quotation mark: write \""},
        {"\u201d", "a typographic quotation mark: write \""},
        {"\u201e", "a typographic quotation mark: write \""},
        {"\u2018", "a typographic quotation mark: write '"},
        {"\u2019", "a typographic quotation mark: write '"},
        {"\u200b", "an invisible blank (U+200B): take it out"},
        {"\ufeff", "a byte order mark in the middle of the file: take it out"},
    };
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t n = strlen(rows[i].utf8);
        if ((size_t)(lex->end - lex->at) >= n && memcmp(lex->at, rows[i].utf8, n) == 0)
            return rows[i].say;
    }
    return NULL;
}

enum pn_ucl_token pn_ucl_lex_next(struct pn_ucl_lex *lex, enum pn_ucl_mode mode, struct pn_ucl_lexeme *out,
                                  struct pn_ucl_error *error)
{
    out->len = 0;
    out->text[0] = '\0';
    out->punct = '\0';
    out->token = PN_UCL_T_BAD;
    if (lex_skip_blanks(lex, error) != 0)
        return PN_UCL_T_BAD;
    out->line = lex->line;
    out->column = lex->column;
    if (lex->at == lex->end)
        return out->token = PN_UCL_T_END;
    char c = *lex->at;
    if (c == '\n') {
        lex_step(lex);
        return out->token = PN_UCL_T_NEWLINE;
    }
    if (c == '"' || c == '\'')
        return out->token = lex_quoted(lex, out, error);
    if (lex_ends_word(c, mode)) {
        out->punct = c;
        lex_step(lex);
        return out->token = PN_UCL_T_PUNCT;
    }
    while (lex->at < lex->end && !lex_ends_word(*lex->at, mode)) {
        const char *odd = lex_typographic(lex);
        if (odd)
            return lex_bad(error, lex->line, lex->column, "found %s", odd);
        if (lex_take(lex, out, error) != 0)
            return PN_UCL_T_BAD;
    }
    out->text[out->len] = '\0';
    return out->token = PN_UCL_T_WORD;
}

const char *pn_ucl_lexeme_say(const struct pn_ucl_lexeme *lexeme, char *buf, size_t size)
{
    switch (lexeme->token) {
    case PN_UCL_T_END:
        snprintf(buf, size, "the end of the file");
        break;
    case PN_UCL_T_NEWLINE:
        snprintf(buf, size, "the end of the line");
        break;
    case PN_UCL_T_PUNCT:
        snprintf(buf, size, "'%c'", lexeme->punct);
        break;
    default: {
        size_t n = lexeme->len > 60 ? 60 : lexeme->len;
        while (n > 0 && n < lexeme->len && ((unsigned char)lexeme->text[n] & 0xc0) == 0x80)
            n--; /* never half a character */
        snprintf(buf, size, "\"%.*s%s\"", (int)n, lexeme->text, n < lexeme->len ? "..." : "");
        break;
    }
    }
    return buf;
}
