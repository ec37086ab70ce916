/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/rules/kinds.h"

#include <ctype.h>
#include <stdio.h>
#include <strings.h>

#define AUTO_CAP 30000

/* clang-format off */
const struct pn_kind pn_kinds[] = {
    {.number = PN_KIND_WELCOME, .shape = PN_SHAPE_LIST, .welcomes = true, .for_net = PN_KIND_WELCOME_IP,
     .values = PN_VALUE_MAIL, .field = PN_FIELD_SMTP_SENDER,
     .name = "welcomelist", .aliases = "whitelist global-welcomelist global-whitelist allowlist",
     .title = "welcomelist for all recipients"},
    {.number = PN_KIND_BLOCK, .shape = PN_SHAPE_LIST, .present_is_safe = true, .for_net = PN_KIND_BLOCK_IP,
     .values = PN_VALUE_MAIL, .field = PN_FIELD_SMTP_SENDER,
     .name = "blocklist", .aliases = "blacklist global-blocklist global-blacklist denylist",
     .title = "blocklist for all recipients"},
    {.number = PN_KIND_WELCOME_PERSONAL, .shape = PN_SHAPE_LIST, .personal = true, .welcomes = true,
     .values = PN_VALUE_MAIL, .field = PN_FIELD_SMTP_SENDER,
     .name = "personal-welcomelist", .aliases = "personal-whitelist user-welcomelist user-whitelist",
     .title = "welcomelists of single recipients"},
    {.number = PN_KIND_BLOCK_PERSONAL, .shape = PN_SHAPE_LIST, .personal = true, .present_is_safe = true,
     .values = PN_VALUE_MAIL, .field = PN_FIELD_SMTP_SENDER,
     .name = "personal-blocklist", .aliases = "personal-blacklist user-blocklist user-blacklist",
     .title = "blocklists of single recipients"},
    {.number = PN_KIND_WELCOME_AUTO, .shape = PN_SHAPE_LIST, .welcomes = true, .cap = AUTO_CAP,
     .values = PN_VALUE_ADDRESS, .field = PN_FIELD_SMTP_SENDER,
     .name = "auto-welcomelist", .aliases = "auto-whitelist autowhitelist autowelcomelist",
     .title = "addresses that local users wrote to"},
    {.number = PN_KIND_WELCOME_IP, .shape = PN_SHAPE_LIST, .welcomes = true,
     .values = PN_VALUE_NET, .name = "ip-welcomelist", .aliases = "ip-whitelist ip-allowlist",
     .title = "addresses and networks that are let in"},
    {.number = PN_KIND_BLOCK_IP, .shape = PN_SHAPE_LIST, .present_is_safe = true,
     .values = PN_VALUE_NET, .name = "ip-blocklist", .aliases = "ip-blacklist ip-denylist",
     .title = "addresses and networks that are kept out"},
    {.number = PN_KIND_KEYWORD, .shape = PN_SHAPE_NAMED, .present_is_safe = true, .values = PN_VALUE_NAME,
     .name = "keyword", .aliases = "keywords keyword-rule keyword-filtering", .title = "keyword rules"},
    {.number = PN_KIND_ATTACHMENT, .shape = PN_SHAPE_NAMED, .present_is_safe = true, .values = PN_VALUE_NAME,
     .name = "attachment", .aliases = "attachments attachment-rule attachment-filtering", .title = "attachment rules"},
    {.number = PN_KIND_ADVANCED, .shape = PN_SHAPE_NAMED, .present_is_safe = true, .values = PN_VALUE_NAME,
     .name = "advanced", .aliases = "advanced-content advanced-rule advanced-content-filtering",
     .title = "advanced content rules"},
    {.number = PN_KIND_DECOMPRESSION, .shape = PN_SHAPE_NAMED, .present_is_safe = true, .values = PN_VALUE_NAME,
     .name = "decompression", .aliases = "decompression-engine", .title = "checks of the decompression engine"},
    {.number = PN_KIND_ORDER, .shape = PN_SHAPE_NAMED, .present_is_safe = true, .values = PN_VALUE_NAME,
     .name = "order", .aliases = "rule-order", .title = "the order in which an engine's rules are tried"},
};
/* clang-format on */
const unsigned pn_kinds_count = sizeof(pn_kinds) / sizeof(pn_kinds[0]);

static const struct {
    const char *name, *aliases;
} fields[PN_FIELD_COUNT] = {
    [PN_FIELD_SMTP_SENDER] = {"smtp-sender", "smtp smtp-from envelope-sender"},
    [PN_FIELD_MIME_SENDER] = {"mime-sender", "mime mime-from header-sender"},
    [PN_FIELD_SMTP_RECIPIENT] = {"smtp-recipient", "smtp-to envelope-recipient"},
    [PN_FIELD_MIME_RECIPIENT] = {"mime-recipient", "mime-to header-recipient"},
};

/* Equal but for case, and '_' and blanks are '-'. len: of b. */
static bool word_is(const char *a, const char *b, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = a[i] == '_' || a[i] == ' ' ? '-' : (char)tolower((unsigned char)a[i]);
        if (c != b[i])
            return false;
    }
    return a[len] == '\0';
}

static bool word_among(const char *word, const char *list)
{
    while (list && *list) {
        size_t len = strcspn(list, " ");
        if (word_is(word, list, len))
            return true;
        list += len + (list[len] == ' ');
    }
    return false;
}

const struct pn_kind *pn_kind_by_number(unsigned number)
{
    for (unsigned i = 0; i < pn_kinds_count; i++)
        if (pn_kinds[i].number == number)
            return &pn_kinds[i];
    return NULL;
}

const struct pn_kind *pn_kind_by_name(const char *word)
{
    for (unsigned i = 0; i < pn_kinds_count; i++)
        if (word_is(word, pn_kinds[i].name, strlen(pn_kinds[i].name)) || word_among(word, pn_kinds[i].aliases))
            return &pn_kinds[i];
    return NULL;
}

const char *pn_kind_names(char *buf, size_t size)
{
    size_t at = 0;

    for (unsigned i = 0; i < pn_kinds_count && at < size; i++)
        at += (size_t)snprintf(buf + at, size - at, "%s%s", i ? ", " : "", pn_kinds[i].name);
    return buf;
}

const char *pn_field_name(enum pn_field field)
{
    return (unsigned)field < PN_FIELD_COUNT && fields[field].name ? fields[field].name : "-";
}

int pn_field_by_name(const char *word)
{
    for (int f = 1; f < PN_FIELD_COUNT; f++)
        if (word_is(word, fields[f].name, strlen(fields[f].name)) || word_among(word, fields[f].aliases))
            return f;
    return -1;
}
