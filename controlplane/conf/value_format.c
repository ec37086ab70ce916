/* SPDX-License-Identifier: BSD-3-Clause */
/* Values as one would write them, and the range of what a row takes. */
#include "controlplane/conf/value.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "common/addr.h"

static uint64_t value_load_uint(const struct pn_schema_row *row, const void *field)
{
    uint64_t u64 = 0;
    uint32_t u32;
    uint16_t u16;
    switch (row->size) {
    case 1:
        return *(const uint8_t *)field;
    case 2:
        memcpy(&u16, field, sizeof(u16));
        return u16;
    case 4:
        memcpy(&u32, field, sizeof(u32));
        return u32;
    default:
        memcpy(&u64, field, sizeof(u64));
        return u64;
    }
}

char *pn_value_quote(const char *text, char *buf, size_t size)
{
    size_t at = 0;
    buf[at++] = '"';
    while (*text) {
        char piece[8] = {*text, '\0'};
        size_t take = 1, n = 1;
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            n = (size_t)snprintf(piece, sizeof(piece), "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            n = (size_t)snprintf(piece, sizeof(piece), "\\u%04x", c);
        else if (c >= 0xc0) /* keep a UTF-8 character whole when the text is cut */
            while (take < 4 && ((unsigned char)text[take] & 0xc0) == 0x80)
                take++, n++;
        if (at + n + 5 > size) {
            memcpy(buf + at, "...", 3);
            at += 3;
            break;
        }
        memcpy(buf + at, c >= 0xc0 ? text : piece, n);
        at += n;
        text += take;
    }
    buf[at++] = '"';
    buf[at] = '\0';
    return buf;
}

static void value_format_duration(double ms, char *buf, size_t size)
{
    static const struct {
        const char *suffix;
        double factor;
    } units[] = {{"d", 864e5}, {"h", 36e5}, {"min", 6e4}, {"s", 1e3}};
    for (unsigned i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        double n = ms / units[i].factor;
        if (n >= 1 && n == floor(n)) {
            snprintf(buf, size, "%.0f%s", n, units[i].suffix);
            return;
        }
    }
    if (ms == floor(ms)) {
        snprintf(buf, size, ms == 0 ? "0" : "%.0fms", ms);
    } else {
        uint64_t millionths = (uint64_t)llround(ms * 1e6);
        snprintf(buf, size, "%" PRIu64 ".%06" PRIu64 "ms", millionths / 1000000, millionths % 1000000);
    }
}

/* Without the locale's decimal point. */
static void value_format_number(double value, char *buf, size_t size)
{
    if (value >= 1e12) { /* too large for millionths, and whole anyway */
        snprintf(buf, size, "%.0f", value);
        return;
    }
    uint64_t millionths = (uint64_t)llround(value * 1e6);
    snprintf(buf, size, "%" PRIu64 ".%06" PRIu64, millionths / 1000000, millionths % 1000000);
    size_t n = strlen(buf);
    while (n > 0 && buf[n - 1] == '0')
        n--;
    if (n > 0 && buf[n - 1] == '.')
        n--;
    buf[n] = '\0';
}

char *pn_value_format(const struct pn_schema_row *row, const void *field, char *buf, size_t size)
{
    char text[PN_ADDR_TEXT_BYTES];
    double number = 0;
    buf[0] = '\0';
    switch (row->type) {
    case PN_T_UINT:
        snprintf(buf, size, "%" PRIu64, value_load_uint(row, field));
        break;
    case PN_T_NUMBER:
        memcpy(&number, field, sizeof(number));
        value_format_number(number, buf, size);
        break;
    case PN_T_DURATION:
        if (row->flags & PN_ROW_DOUBLE)
            memcpy(&number, field, sizeof(number));
        else
            number = (double)value_load_uint(row, field) * (row->unit == PN_UNIT_S ? 1e3 : 1);
        value_format_duration(number, buf, size);
        break;
    case PN_T_BOOL:
        snprintf(buf, size, "%s", *(const bool *)field ? "yes" : "no");
        break;
    case PN_T_WORD:
        for (const struct pn_schema_word *w = row->words; w->word; w++)
            if ((uint64_t)w->value == value_load_uint(row, field))
                snprintf(buf, size, "%s", w->word);
        break;
    case PN_T_ADDRESS:
        if (!pn_addr_is_zero(field))
            pn_value_quote(pn_addr_format(field, text, sizeof(text)), buf, size);
        break;
    case PN_T_MAC:
        if (!pn_mac_is_zero(field))
            pn_value_quote(pn_mac_format(field, text, sizeof(text)), buf, size);
        break;
    case PN_T_VIP_MAC:
        if (pn_mac_is_zero(field) || pn_mac_is_multicast(field))
            snprintf(buf, size, "%s",
                     pn_mac_is_zero(field)                                          ? "port"
                     : memcmp(field, &PN_CONF_MAC_AUTO, sizeof(struct pn_mac)) == 0 ? "auto"
                                                                                    : "by-protocol");
        else
            pn_value_quote(pn_mac_format(field, text, sizeof(text)), buf, size);
        break;
    case PN_T_NAME:
    case PN_T_TEXT:
    case PN_T_INTERFACE:
    case PN_T_CORES:
    case PN_T_LISTEN:
        if (*(const char *)field)
            pn_value_quote(field, buf, size);
        break;
    default:
        break;
    }
    return buf;
}

char *pn_value_range(const struct pn_schema_row *row, char *buf, size_t size)
{
    char min[48], max[48];
    buf[0] = '\0';
    if (row->type == PN_T_DURATION) {
        double factor = row->unit == PN_UNIT_S ? 1e3 : 1;
        value_format_duration(row->min * factor, min, sizeof(min));
        value_format_duration(row->max * factor, max, sizeof(max));
    } else if (row->type != PN_T_UINT && row->type != PN_T_NUMBER && row->type != PN_T_PRIORITIES) {
        return buf;
    } else if (row->max > 1e15) { /* more than a double counts */
        snprintf(min, sizeof(min), "%.0f", row->min);
        snprintf(max, sizeof(max), "%" PRIu64, UINT64_MAX);
    } else {
        value_format_number(row->min, min, sizeof(min));
        value_format_number(row->max, max, sizeof(max));
    }
    snprintf(buf, size, "%s to %s", min, max);
    return buf;
}
