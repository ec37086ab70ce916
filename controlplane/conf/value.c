/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/conf/value.h"

#include <ctype.h>
#include <math.h>
#include <strings.h>

#include "common/addr.h"
#include "common/error.h"

struct value_suffix {
    const char *suffix;
    double factor;
};

static const struct value_suffix count_suffixes[] = {
    {"", 1}, {"k", 1e3}, {"m", 1e6}, {"g", 1e9}, {"kb", 1024}, {"mb", 1048576}, {"gb", 1073741824}, {0},
};
/* To milliseconds. No "m": UCL reads it as a million, people as minutes. */
static const struct value_suffix duration_suffixes[] = {
    {"", 1e3}, {"ms", 1}, {"s", 1e3}, {"min", 6e4}, {"h", 36e5}, {"d", 864e5}, {"w", 6048e5}, {0},
};

bool pn_value_is_name(const char *text)
{
    size_t n = 0;
    while (isalnum((unsigned char)text[n]) || text[n] == '.' || text[n] == '_' || text[n] == '-')
        n++;
    return n > 0 && n < PN_NAME_BYTES && text[n] == '\0';
}

/* A decimal number without sign and exponent, up to six digits after the point, and a suffix. Independent of locale. */
static bool value_decimal(const char *text, const struct value_suffix *suffixes, double *value)
{
    double mantissa = 0, scale = 1;
    unsigned digits = 0, decimals = 0;
    for (; isdigit((unsigned char)*text) && digits < 15; text++, digits++)
        mantissa = mantissa * 10 + (*text - '0');
    if (digits == 0)
        return false;
    if (*text == '.') {
        for (text++; isdigit((unsigned char)*text) && decimals < 6; text++, decimals++) {
            mantissa = mantissa * 10 + (*text - '0');
            scale *= 10;
        }
        if (decimals == 0)
            return false;
    }
    for (; suffixes->suffix; suffixes++) {
        if (strcasecmp(text, suffixes->suffix) == 0) {
            *value = mantissa * suffixes->factor / scale;
            return true;
        }
    }
    return false;
}

static bool value_uint(const char *text, uint64_t *value)
{
    uint64_t n = 0;
    bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
    const char *at = hex ? text + 2 : text, *first = at;
    for (; hex ? isxdigit((unsigned char)*at) : isdigit((unsigned char)*at); at++) {
        unsigned digit = isdigit((unsigned char)*at) ? (unsigned)(*at - '0') : (unsigned)(tolower(*at) - 'a' + 10);
        if (__builtin_mul_overflow(n, hex ? 16u : 10u, &n) || __builtin_add_overflow(n, digit, &n))
            return false;
    }
    if (at == first)
        return false;
    for (const struct value_suffix *s = count_suffixes; s->suffix && !(hex && *at); s++)
        if (strcasecmp(at, s->suffix) == 0)
            return !__builtin_mul_overflow(n, (uint64_t)s->factor, value);
    return false;
}

static void value_store_uint(const struct pn_schema_row *row, void *field, uint64_t value)
{
    uint8_t u8 = (uint8_t)value;
    uint16_t u16 = (uint16_t)value;
    uint32_t u32 = (uint32_t)value;
    const void *from = row->size == 1 ? (void *)&u8 : row->size == 2 ? (void *)&u16 : (void *)&u32;
    memcpy(field, row->size == 8 ? (void *)&value : from, row->size);
}

static bool value_duration(const struct pn_schema_row *row, const char *text, void *field)
{
    double ms;
    if (!value_decimal(text, duration_suffixes, &ms))
        return false;
    double value = row->unit == PN_UNIT_S ? ms / 1e3 : ms;
    if (value < row->min || value > row->max)
        return false;
    if (row->flags & PN_ROW_DOUBLE) {
        memcpy(field, &value, sizeof(value));
        return true;
    }
    if (value != floor(value))
        return false;
    value_store_uint(row, field, (uint64_t)value);
    return true;
}

static bool value_word(const struct pn_schema_row *row, const char *text, void *field)
{
    for (const struct pn_schema_word *w = row->words; w->word; w++) {
        if (strcmp(w->word, text) == 0) {
            value_store_uint(row, field, (uint64_t)w->value);
            return true;
        }
    }
    return false;
}

static bool value_bool(const char *text, bool *value)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on"};
    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcasecmp(text, words[i]) == 0) {
            *value = i & 1;
            return true;
        }
    }
    return false;
}

static bool value_text(const struct pn_schema_row *row, const char *text, char *field)
{
    size_t len = strlen(text);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return false; /* ends in files of arguments, SMTP and HTTP lines */
    if (len >= row->size)
        return false;
    memset(field, 0, row->size);
    memcpy(field, text, len);
    return true;
}

static bool value_interface(const char *text)
{
    size_t len = strlen(text);
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)text[i]) && !strchr("._-@", text[i]))
            return false;
    return len > 0 && len < 16 && strcmp(text, ".") != 0 && strcmp(text, "..") != 0;
}

static bool value_listen(const char *text)
{
    char host[PN_ADDR_TEXT_BYTES];
    const char *colon = strrchr(text, ':');
    uint64_t port;
    if (!colon || strlen(colon + 1) > 5 || !isdigit((unsigned char)colon[1]) || !value_uint(colon + 1, &port) ||
        port == 0 || port > 65535 || strspn(colon + 1, "0123456789") != strlen(colon + 1))
        return false;
    size_t len = (size_t)(colon - text);
    bool bracketed = len >= 2 && text[0] == '[' && text[len - 1] == ']';
    if (bracketed) {
        text++;
        len -= 2;
    }
    if (len == 0 || len >= sizeof(host))
        return false;
    memcpy(host, text, len);
    host[len] = '\0';
    struct pn_addr addr;
    if (strcmp(host, "*") == 0)
        return !bracketed;
    return pn_addr_parse(host, &addr, NULL) == 0 && bracketed == !pn_addr_is_v4(&addr);
}

static bool value_address(const char *text, void *field)
{
    struct pn_addr addr;
    if (pn_addr_parse(text, &addr, NULL) != 0)
        return false;
    memcpy(field, &addr, sizeof(addr));
    return true;
}

static bool value_mac(const char *text, void *field)
{
    struct pn_mac mac;
    if (pn_mac_parse(text, &mac, NULL) != 0 || pn_mac_is_zero(&mac) || pn_mac_is_multicast(&mac))
        return false;
    memcpy(field, &mac, sizeof(mac));
    return true;
}

static bool value_vip_mac(const char *text, void *field)
{
    struct pn_mac mac = {{0}};
    if (strcmp(text, "auto") == 0)
        mac = PN_CONF_MAC_AUTO;
    else if (strcmp(text, "by-protocol") == 0)
        mac = PN_CONF_MAC_BY_PROTOCOL;
    else if (strcmp(text, "port") != 0)
        return value_mac(text, field);
    memcpy(field, &mac, sizeof(mac));
    return true;
}

static bool value_parse(const struct pn_schema_row *row, const char *text, void *field)
{
    uint64_t n;
    double number;
    switch (row->type) {
    case PN_T_UINT:
        if (!value_uint(text, &n) || (double)n < row->min || (double)n > row->max)
            return false;
        value_store_uint(row, field, n);
        return true;
    case PN_T_NUMBER:
        if (!value_decimal(text, count_suffixes, &number) || number < row->min || number > row->max)
            return false;
        memcpy(field, &number, sizeof(number));
        return true;
    case PN_T_DURATION:
        return value_duration(row, text, field);
    case PN_T_BOOL:
        return value_bool(text, field);
    case PN_T_WORD:
        return value_word(row, text, field);
    case PN_T_NAME:
        return pn_value_is_name(text) && value_text(row, text, field);
    case PN_T_TEXT:
        return value_text(row, text, field);
    case PN_T_INTERFACE:
        return value_interface(text) && value_text(row, text, field);
    case PN_T_CORES:
        return text[0] && strspn(text, "0123456789,@()-") == strlen(text) && value_text(row, text, field);
    case PN_T_LISTEN:
        return value_listen(text) && value_text(row, text, field);
    case PN_T_ADDRESS:
        return value_address(text, field);
    case PN_T_MAC:
        return value_mac(text, field);
    case PN_T_VIP_MAC:
        return value_vip_mac(text, field);
    default:
        return false;
    }
}

int pn_value_parse(const struct pn_schema_row *row, const char *text, void *field, struct pn_error *err)
{
    char quoted[200], expected[PN_CONF_TEXT_BYTES], hint[PN_VALUE_HINT_BYTES];
    if (value_parse(row, text, field))
        return 0;
    return pn_error_set(err, "found %s, expected %s%s", pn_value_quote(text, quoted, 64),
                        pn_value_expected(row, expected, sizeof(expected)),
                        pn_value_hint(row, text, hint, sizeof(hint)));
}

int pn_value_parse_priority(const struct pn_schema_row *row, const char *text, uint16_t *priority, struct pn_error *err)
{
    char quoted[64];
    uint64_t n;
    if (!value_uint(text, &n) || (double)n < row->min || (double)n > row->max)
        return pn_error_set(err, "found %s, expected a whole number from %.0f to %.0f",
                            pn_value_quote(text, quoted, sizeof(quoted)), row->min, row->max);
    *priority = (uint16_t)n;
    return 0;
}
