/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/cluster/ident.h"

#include <openssl/rand.h>

int pn_id_random(struct pn_id *id)
{
    return RAND_bytes(id->b, sizeof(id->b)) == 1 ? 0 : -1;
}

char *pn_id_format(const struct pn_id *id, char buf[PN_ID_TEXT_BYTES])
{
    static const char digits[] = "0123456789abcdef";

    for (unsigned i = 0; i < PN_ID_BYTES; i++) {
        buf[2 * i] = digits[id->b[i] >> 4];
        buf[2 * i + 1] = digits[id->b[i] & 15];
    }
    buf[2 * PN_ID_BYTES] = '\0';
    return buf;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int pn_id_parse(const char *text, size_t len, struct pn_id *id)
{
    struct pn_id parsed;

    if (len != 2 * PN_ID_BYTES)
        return -1;
    for (unsigned i = 0; i < PN_ID_BYTES; i++) {
        int hi = hex_digit(text[2 * i]), lo = hex_digit(text[2 * i + 1]);
        if (hi < 0 || lo < 0)
            return -1;
        parsed.b[i] = (uint8_t)(hi << 4 | lo);
    }
    *id = parsed;
    return 0;
}

bool pn_node_name_valid(const char *name)
{
    size_t n = strnlen(name, PN_NAME_BYTES);

    if (n == 0 || n >= PN_NAME_BYTES || name[0] == '.' || name[0] == '-')
        return false;
    for (const char *p = name; *p; p++) {
        bool letter = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9');
        if (!letter && *p != '.' && *p != '_' && *p != '-')
            return false;
    }
    return true;
}

static bool printable(char c)
{
    return c >= ' ' && c <= '~';
}

char *pn_text_clean(const char *text, char *out, size_t size)
{
    size_t n = 0;

    for (; text && text[n] && n + 1 < size; n++)
        out[n] = printable(text[n]) ? text[n] : '?';
    out[n] = '\0';
    return out;
}

bool pn_text_is_clean(const char *text)
{
    while (*text && printable(*text))
        text++;
    return *text == '\0';
}
