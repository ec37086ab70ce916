/* SPDX-License-Identifier: BSD-3-Clause */
/* IP addresses and networks as entries. */
#include "controlplane/rules/normalise_internal.h"

#include <stdlib.h>

#include "common/error.h"

/* "0".."128", no sign, no blanks. -1: it is not that. */
static int parse_len(const char *text)
{
    int value = 0;

    if (text[0] == '\0' || strlen(text) > 3)
        return -1;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return -1;
        value = value * 10 + (*text - '0');
    }
    return value;
}

/* inet_pton's view, with the IPv4-mapped form taken as what it means. */
static int parse_addr(const char *text, struct pn_addr *addr, bool *mapped, struct pn_error *err)
{
    struct pn_error ignored;
    struct in6_addr v6;

    *mapped = false;
    if (pn_addr_parse(text, addr, &ignored) == 0)
        return 0;
    if (inet_pton(AF_INET6, text, &v6) == 1) { /* only the mapped form is left */
        memcpy(addr->b, &v6, sizeof(addr->b));
        *mapped = true;
        return 0;
    }
    return pn_error_set(err, "\"%.64s\" is not an IP address", text);
}

int pn_value_net(const char *text, struct pn_value *value, struct pn_error *err)
{
    char head[PN_ADDR_TEXT_BYTES];
    const char *slash = strchr(text, '/');
    size_t n = slash ? (size_t)(slash - text) : strlen(text);
    struct pn_prefix prefix = {.len = 128};
    bool mapped;

    if (n > 1 && text[0] == '[' && text[n - 1] == ']') { /* as in a URL */
        text++;
        n -= 2;
    }
    if (n >= sizeof(head))
        return pn_error_set(err, "\"%.64s\" is not an IP address", text);
    memcpy(head, text, n);
    head[n] = '\0';
    if (parse_addr(head, &prefix.addr, &mapped, err) != 0)
        return -1;
    if (slash) {
        bool v4 = pn_addr_is_v4(&prefix.addr) && !mapped;
        int len = parse_len(slash + 1), max = v4 ? 32 : 128;

        if (len < 0 || len > max)
            return pn_error_set(err, "\"%.64s\": the prefix length is 0 to %d, not \"%.16s\"", head, max, slash + 1);
        if (mapped && len < 96)
            return pn_error_set(err, "\"%.64s\": an IPv4-mapped network has a prefix length of 97 to 128", head);
        if (len == 0 || (mapped && len == 96))
            return pn_error_set(err, "\"%.64s/%d\" is every address: that is no entry of a list", head, len);
        prefix.len = (uint8_t)(v4 ? 96 + len : len);
        prefix.addr = pn_addr_masked(&prefix.addr, prefix.len);
    }
    if (prefix.len == 128) {
        value->type = PN_VALUE_IP;
        pn_addr_format(&prefix.addr, value->text, sizeof(value->text));
    } else {
        value->type = PN_VALUE_CIDR;
        pn_prefix_format(&prefix, value->text, sizeof(value->text));
    }
    return 0;
}

int pn_value_prefix(const char *value, struct pn_prefix *prefix)
{
    struct pn_error err;
    return pn_prefix_parse(value, prefix, &err);
}

bool pn_value_looks_net(const char *text)
{
    size_t len = strlen(text);

    if (text[0] == '[' && strchr(text, ']') && !strchr(text, '@'))
        return true;
    if (strchr(text, '@'))
        return false;
    if (strchr(text, ':') || strchr(text, '/'))
        return true;
    return len > 0 && strspn(text, "0123456789.") == len && strchr(text, '.');
}
