/* SPDX-License-Identifier: BSD-3-Clause */
/* What a value should be, and what to write instead for the slips that people make most. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <arpa/inet.h>

#include "common/addr.h"
#include "common/nearest.h"
#include "controlplane/conf/value.h"

const char *pn_value_unit(enum pn_schema_unit unit)
{
    static const char *const units[] = {
        [PN_UNIT_US] = " microseconds",
        [PN_UNIT_PERCENT] = " percent",
        [PN_UNIT_MIB] = " MiB",
        [PN_UNIT_MS] = "",
        [PN_UNIT_S] = "",
        [PN_UNIT_NONE] = "",
    };
    return units[unit];
}

char *pn_value_expected(const struct pn_schema_row *row, char *buf, size_t size)
{
    char range[112];
    size_t at;
    pn_value_range(row, range, sizeof(range));
    switch (row->type) {
    case PN_T_UINT:
    case PN_T_PRIORITIES:
        snprintf(buf, size, "%s from %s%s",
                 row->type == PN_T_UINT ? "a whole number" : "a section of node = priority, each", range,
                 pn_value_unit(row->unit));
        break;
    case PN_T_NUMBER:
        snprintf(buf, size, "a number from %s%s", range, pn_value_unit(row->unit));
        break;
    case PN_T_DURATION:
        snprintf(buf, size, "a duration from %s%s (ms, s, min, h, d)", range,
                 row->unit == PN_UNIT_S ? " in whole seconds" : "");
        break;
    case PN_T_BOOL:
        snprintf(buf, size, "yes or no");
        break;
    case PN_T_WORD:
        at = (size_t)snprintf(buf, size, "one of");
        for (const struct pn_schema_word *w = row->words; w->word && at < size; w++)
            at += (size_t)snprintf(buf + at, size - at, "%s %s", w == row->words ? "" : ",", w->word);
        break;
    case PN_T_NAME:
        snprintf(buf, size, "a name of at most %d characters A-Z a-z 0-9 . _ -", PN_NAME_BYTES - 1);
        break;
    case PN_T_TEXT:
        snprintf(buf, size, "text of at most %zu bytes without control characters", row->size - 1);
        break;
    case PN_T_INTERFACE:
        snprintf(buf, size, "the name of a network interface (at most 15 characters A-Z a-z 0-9 . _ - @)");
        break;
    case PN_T_CORES:
        snprintf(buf, size, "cores as DPDK's --lcores takes them, for example 0@0,1@1");
        break;
    case PN_T_LISTEN:
        snprintf(buf, size, "ADDRESS:PORT, [IPV6]:PORT or *:PORT");
        break;
    case PN_T_ADDRESS:
        snprintf(buf, size, "an IPv4 or IPv6 address");
        break;
    case PN_T_MAC:
        snprintf(buf, size, "a unicast MAC address (aa:bb:cc:dd:ee:ff)");
        break;
    case PN_T_VIP_MAC:
        snprintf(buf, size, "by-protocol, port, auto or a unicast MAC address (aa:bb:cc:dd:ee:ff)");
        break;
    case PN_T_REF:
        snprintf(buf, size, "the name of a %s", pn_schema_sections[row->target].key);
        break;
    case PN_T_NETWORKS:
        snprintf(buf, size, "a list of networks (ADDRESS/LENGTH), at most %.0f", row->max);
        break;
    case PN_T_REFS:
        snprintf(buf, size, "a list of names of %ss, at most %.0f", pn_schema_sections[row->target].key, row->max);
        break;
    default:
        buf[0] = '\0';
        break;
    }
    return buf;
}

/* The part of text that is an address by itself: before a prefix length, a zone or a port, and out of brackets. */
static const char *hint_inner(const char *text, struct pn_addr *addr, char *inner, size_t size)
{
    static const struct {
        const char *ends, *what;
    } tails[] = {{"/", "a prefix length"},
                 {"%", "a zone: the port says which network"},
                 {"]", "brackets and a port"},
                 {":", "a port"}};
    const char *start = text[0] == '[' ? text + 1 : text;
    bool one_colon = strchr(text, ':') && strchr(text, ':') == strrchr(text, ':');
    for (unsigned i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
        const char *end = tails[i].ends[0] == ':' ? strrchr(start, ':') : strchr(start, tails[i].ends[0]);
        if (!end || (size_t)(end - start) >= size || (*end == ':' && !one_colon))
            continue;
        memcpy(inner, start, (size_t)(end - start));
        inner[end - start] = '\0';
        if (pn_addr_parse(inner, addr, NULL) == 0)
            return tails[i].what;
    }
    return NULL;
}

static void hint_address(const char *text, char *buf, size_t size)
{
    struct pn_addr addr;
    char inner[PN_ADDR_TEXT_BYTES];
    struct in6_addr mapped;
    const char *what = hint_inner(text, &addr, inner, sizeof(inner));
    if (what)
        snprintf(buf, size, "; write %s, without %s", inner, what);
    else if (inet_pton(AF_INET6, text, &mapped) == 1 && IN6_IS_ADDR_V4MAPPED(&mapped))
        snprintf(buf, size, "; write it as IPv4: %u.%u.%u.%u", mapped.s6_addr[12], mapped.s6_addr[13],
                 mapped.s6_addr[14], mapped.s6_addr[15]);
    else if (isalpha((unsigned char)text[0]) && !strchr(text, ':'))
        snprintf(buf, size, "; names are not looked up");
}

static void hint_listen(const char *text, char *buf, size_t size)
{
    struct pn_addr addr;
    const char *colon = strrchr(text, ':');
    size_t n = colon ? (size_t)(colon - text) : 0;
    char inner[PN_ADDR_TEXT_BYTES] = "";
    if (colon && n < sizeof(inner))
        memcpy(inner, text, n);
    if (pn_addr_parse(text, &addr, NULL) == 0 && pn_addr_is_v4(&addr))
        snprintf(buf, size, "; the port is missing: %s:PORT", text);
    else if (strchr(inner, ':') && pn_addr_parse(inner, &addr, NULL) == 0)
        snprintf(buf, size, "; write [%s]%s", inner, colon);
    else if (isalpha((unsigned char)text[0]) && !strchr(inner, ':'))
        snprintf(buf, size, "; names are not looked up");
}

static void hint_duration(const char *text, char *buf, size_t size)
{
    static const char *const units[][2] = {
        {"m", "min"},    {"mins", "min"},  {"minute", "min"}, {"minutes", "min"}, {"sec", "s"},  {"secs", "s"},
        {"second", "s"}, {"seconds", "s"}, {"msec", "ms"},    {"hr", "h"},        {"hour", "h"}, {"hours", "h"},
        {"day", "d"},    {"days", "d"},    {"week", "w"},     {"weeks", "w"},     {"ms", "ms"},  {"s", "s"},
        {"min", "min"},  {"h", "h"},       {"d", "d"},        {"w", "w"},
    };
    size_t digits = strspn(text, "0123456789.");
    const char *unit = text + digits + strspn(text + digits, " \t");
    if (digits == 0 || digits > 15)
        return;
    if (!*unit)
        snprintf(buf, size, "; a plain number counts seconds");
    for (unsigned i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (strcasecmp(unit, units[i][0]) == 0 && strcmp(text + digits, units[i][1]) != 0)
            snprintf(buf, size, "; write %.*s%s", (int)digits, text, units[i][1]);
}

static void hint_word(const struct pn_schema_row *row, const char *text, char *buf, size_t size)
{
    struct pn_nearest near = {.key = text};
    for (const struct pn_schema_word *w = row->words; w->word; w++) {
        pn_nearest_try(&near, w->word);
        if (strcasecmp(w->word, text) == 0) {
            snprintf(buf, size, "; in small letters: %s", w->word);
            return;
        }
    }
    if (near.best)
        snprintf(buf, size, "; did you mean \"%s\"?", near.best);
}

static void hint_mac(const char *text, char *buf, size_t size)
{
    char colons[PN_MAC_TEXT_BYTES] = "";
    struct pn_mac mac;
    if (strlen(text) != PN_MAC_TEXT_BYTES - 1 || !strchr(text, '-'))
        return;
    for (unsigned i = 0; text[i]; i++)
        colons[i] = text[i] == '-' ? ':' : text[i];
    if (pn_mac_parse(colons, &mac, NULL) == 0)
        snprintf(buf, size, "; write %s", colons);
}

static void hint_port(const struct pn_schema_row *row, const char *text, char *buf, size_t size)
{
    static const struct {
        const char *name;
        unsigned port;
    } services[] = {{"smtp", 25},   {"submission", 587}, {"submissions", 465},
                    {"smtps", 465}, {"http", 80},        {"https", 443}};
    for (unsigned i = 0; strcmp(row->key, "port") == 0 && i < sizeof(services) / sizeof(services[0]); i++)
        if (strcasecmp(services[i].name, text) == 0)
            snprintf(buf, size, "; write the number: %u", services[i].port);
}

char *pn_value_hint(const struct pn_schema_row *row, const char *text, char *buf, size_t size)
{
    buf[0] = '\0';
    switch (row->type) {
    case PN_T_ADDRESS:
        hint_address(text, buf, size);
        break;
    case PN_T_LISTEN:
        hint_listen(text, buf, size);
        break;
    case PN_T_DURATION:
        hint_duration(text, buf, size);
        break;
    case PN_T_WORD:
        hint_word(row, text, buf, size);
        break;
    case PN_T_MAC:
    case PN_T_VIP_MAC:
        hint_mac(text, buf, size);
        break;
    case PN_T_UINT:
        hint_port(row, text, buf, size);
        break;
    default:
        break;
    }
    return buf;
}
