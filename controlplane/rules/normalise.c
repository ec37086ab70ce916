/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/rules/normalise.h"

#include <stdio.h>

#include "common/error.h"
#include "controlplane/rules/normalise_internal.h"
#include "controlplane/rules/record.h"

#define LOCAL_MAX 64
#define ADDRESS_MAX 254

/* Blanks at both ends off; input that is too long, not UTF-8 or has control characters is refused. */
static int trimmed(const char *input, char out[PN_RULE_INPUT_MAX + 1], struct pn_error *err)
{
    size_t len;

    while (*input == ' ' || *input == '\t')
        input++;
    len = strnlen(input, PN_RULE_INPUT_MAX + 1);
    if (len > PN_RULE_INPUT_MAX)
        return pn_error_set(err, "\"%.32s...\" is longer than %d octets", input, PN_RULE_INPUT_MAX);
    while (len > 0 && (input[len - 1] == ' ' || input[len - 1] == '\t'))
        len--;
    if (len == 0)
        return pn_error_set(err, "it is empty");
    if (!pn_utf8_valid(input, len))
        return pn_error_set(err, "it is not UTF-8");
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)input[i] < 0x20 || input[i] == 0x7f)
            return pn_error_set(err, "it has a control character (byte 0x%02x)", (unsigned char)input[i]);
    memcpy(out, input, len);
    out[len] = '\0';
    return 0;
}

/* RFC 5322's atext, and all that is not ASCII (RFC 6531). */
static bool is_atext(char c)
{
    return (c & 0x80) || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

static bool is_dot_atom(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!is_atext(text[i]) && !(text[i] == '.' && i > 0 && i + 1 < len && text[i - 1] != '.'))
            return false;
    return len > 0;
}

/* In lower case, without quotes that are not needed. text has len bytes; out has room for LOCAL_MAX + 3. */
static int local_part(const char *text, size_t len, char *out, struct pn_error *err)
{
    char plain[PN_RULE_INPUT_MAX + 1];
    size_t n = 0, at = 0;
    bool quoted = len >= 2 && text[0] == '"' && text[len - 1] == '"';

    for (size_t i = quoted; i < len - quoted; i++) {
        char c = text[i];
        if (quoted && c == '\\' && i + 2 < len)
            c = text[++i];
        else if (quoted && (c == '"' || c == '\\'))
            return pn_error_set(err, "\"%.64s\" has a quote or backslash without a backslash before it", text);
        plain[n++] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
    }
    if (n == 0)
        return pn_error_set(err, "\"%.64s\" has nothing before the @", text);
    if (is_dot_atom(plain, n)) {
        if (n > LOCAL_MAX)
            return pn_error_set(err, "what is before the @ has at most 64 octets, not %zu", n);
        memcpy(out, plain, n);
        out[n] = '\0';
        return 0;
    }
    if (!quoted)
        return pn_error_set(err, "\"%.64s\" has a character before the @ that needs quotes, or a dot out of place",
                            text);
    out[at++] = '"';
    for (size_t i = 0; i < n && at < LOCAL_MAX; i++) {
        if (plain[i] == '"' || plain[i] == '\\')
            out[at++] = '\\';
        out[at++] = plain[i];
        if (i + 1 == n && at < LOCAL_MAX) {
            out[at++] = '"';
            out[at] = '\0';
            return 0;
        }
    }
    return pn_error_set(err, "what is before the @ has at most 64 octets with its quotes");
}

/* [192.0.2.1] or [IPv6:2001:db8::1], RFC 5321, 4.1.3. */
static int literal(const char *text, size_t len, char *out, struct pn_error *err)
{
    char inner[PN_ADDR_TEXT_BYTES];
    struct pn_value v;
    bool v6 = len > 6 && strncasecmp(text + 1, "IPv6:", 5) == 0;
    size_t skip = v6 ? 6 : 1, n = len - skip - 1;

    if (len < 3 || text[len - 1] != ']' || n >= sizeof(inner) || memchr(text, '/', len))
        return pn_error_set(err, "\"%.64s\" is no address literal", text);
    memcpy(inner, text + skip, n);
    inner[n] = '\0';
    if (inner[0] == '[' || pn_value_net(inner, &v, err) != 0)
        return pn_error_set(err, "\"%.64s\" is no address literal", text);
    snprintf(out, 254, strchr(v.text, ':') ? "[IPv6:%s]" : "[%s]", v.text);
    return 0;
}

static int finish(struct pn_value *value, const char *before, const char *domain, uint8_t type, struct pn_error *err)
{
    int n = snprintf(value->text, sizeof(value->text), "%s%s", before, domain);

    if (n > (type == PN_VALUE_ADDRESS ? ADDRESS_MAX : PN_RULE_VALUE_BYTES - 1))
        return pn_error_set(err, "an address has at most 254 octets, not %d", n);
    value->type = type;
    return 0;
}

static int with_at(const char *text, const char *at, struct pn_value *value, struct pn_error *err)
{
    char local[LOCAL_MAX + 4], before[LOCAL_MAX + 6], domain[256];
    size_t n_local = (size_t)(at - text), n_domain = strlen(at + 1);
    bool any = n_local == 0 || (n_local == 1 && text[0] == '*');
    bool below = any && strncmp(at + 1, "*.", 2) == 0;

    if (memchr(text, '*', n_local) && !any)
        return pn_error_set(err, "\"%.64s\": before the @ a * stands alone or not at all", text);
    if (strchr(at + 1 + 2 * below, '*'))
        return pn_error_set(err, "\"%.64s\": in the domain a * stands only as in *@*.example.org", text);
    if (at[1] == '[' ? literal(at + 1, n_domain, domain, err)
                     : pn_value_domain(at + 1 + 2 * below, n_domain - 2 * below, domain, err))
        return -1;
    if (any)
        return finish(value, below ? "*@*." : "*@", domain, below ? PN_VALUE_AT_SUBDOMAINS : PN_VALUE_AT_DOMAIN, err);
    if (local_part(text, n_local, local, err) != 0)
        return -1;
    snprintf(before, sizeof(before), "%s@", local);
    return finish(value, before, domain, PN_VALUE_ADDRESS, err);
}

int pn_value_normalise(const char *input, struct pn_value *value, struct pn_error *err)
{
    char text[PN_RULE_INPUT_MAX + 1], domain[256];
    size_t len;

    if (trimmed(input, text, err) != 0)
        return -1;
    len = strlen(text);
    if (text[0] == '<' && text[len - 1] == '>' && len > 2) { /* as in a log: <user@example.org> */
        text[len - 1] = '\0';
        memmove(text, text + 1, len - 1);
    }
    const char *at = strrchr(text, '@');
    if (at)
        return with_at(text, at, value, err);
    if (pn_value_looks_net(text))
        return pn_value_net(text, value, err);
    bool below = strncmp(text, "*.", 2) == 0;
    const char *rest = text + (below ? 2 : text[0] == '.' ? 1 : 0);
    if (strchr(rest, '*'))
        return pn_error_set(err, "\"%.64s\": a * stands only as in *@example.org and *@*.example.org", text);
    if (pn_value_domain(rest, strlen(rest), domain, err) != 0)
        return -1;
    if (below || rest != text)
        return finish(value, "*@*.", domain, PN_VALUE_AT_SUBDOMAINS, err);
    if (!strchr(domain, '.'))
        return pn_error_set(err,
                            "\"%.64s\" is no address, domain or network: for all of a top-level domain write *@*.%.64s",
                            text, domain);
    return finish(value, "", domain, PN_VALUE_DOMAIN, err);
}

int pn_value_address(const char *input, struct pn_value *value, struct pn_error *err)
{
    if (pn_value_normalise(input, value, err) != 0)
        return -1;
    if (value->type != PN_VALUE_ADDRESS)
        return pn_error_set(err, "\"%.64s\" is not a whole address (user@example.org)", input);
    return 0;
}

int pn_value_name(const char *input, struct pn_value *value, struct pn_error *err)
{
    char text[PN_RULE_INPUT_MAX + 1];

    if (trimmed(input, text, err) != 0)
        return -1;
    if (strlen(text) >= PN_RULE_NAME_BYTES)
        return pn_error_set(err, "a name has at most %d octets, not %zu", PN_RULE_NAME_BYTES - 1, strlen(text));
    memcpy(value->text, text, strlen(text) + 1);
    value->type = PN_VALUE_NAME;
    return 0;
}
