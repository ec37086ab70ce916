/* SPDX-License-Identifier: BSD-3-Clause */
/* Entries and lists in words, for requests and for people. */
#include "controlplane/cli/rule.h"

#include <string.h>

json_t *pn_rule_args(const char *list, const char *value, const char *owner, const char *field)
{
    return json_pack("{s:s*, s:s*, s:s*, s:s*}", "list", list, "value", value, "owner", owner, "field", field);
}

const char *pn_rule_words(const json_t *rule, char *buf, size_t size)
{
    const char *field = pn_js(rule, "field"), *owner = pn_js(rule, "owner");
    bool usual = !*field || strcmp(field, "smtp-sender") == 0;

    snprintf(buf, size, "%s %s%s%s%s%s", pn_js(rule, "list"), pn_js(rule, "value"), *owner ? " of " : "", owner,
             usual ? "" : " as ", usual ? "" : field);
    return buf;
}

const char *pn_rule_lists(char *buf, size_t size, bool with_text_only)
{
    size_t at = 0;

    buf[0] = '\0';
    for (unsigned i = 0; i < pn_kinds_count && at < size; i++)
        if (!with_text_only || pn_kinds[i].shape == PN_SHAPE_NAMED)
            at += (size_t)snprintf(buf + at, size - at, "%s%s", at ? ", " : "", pn_kinds[i].name);
    return buf;
}
