/* SPDX-License-Identifier: BSD-3-Clause */
/* Domains as A-labels, and UTF-8. */
#include <idn2.h>
#include <stdlib.h>

#include "common/error.h"
#include "controlplane/rules/normalise.h"

#define DOMAIN_MAX 253
#define LABEL_MAX 63

bool pn_utf8_valid(const char *text, size_t len)
{
    const uint8_t *p = (const uint8_t *)text, *end = p + len;

    while (p < end) {
        unsigned n = *p < 0x80                 ? 0
                     : *p >= 0xc2 && *p < 0xe0 ? 1
                     : (*p & 0xf0) == 0xe0     ? 2
                     : *p >= 0xf0 && *p < 0xf5 ? 3
                                               : 9;
        if (n == 9 || *p == 0 || (size_t)(end - p) < n + 1)
            return false;
        uint32_t c = n == 0 ? *p : *p & (0x3fu >> n);
        for (unsigned i = 1; i <= n; i++) {
            if ((p[i] & 0xc0) != 0x80)
                return false;
            c = c << 6 | (p[i] & 0x3f);
        }
        if ((n == 2 && (c < 0x800 || (c >= 0xd800 && c < 0xe000))) || (n == 3 && (c < 0x10000 || c > 0x10ffff)))
            return false;
        p += n + 1;
    }
    return true;
}

/* Letters, digits, hyphen inside, and underscore, which mail domains do use. */
static int check_labels(const char *domain, const char *shown, struct pn_error *err)
{
    for (const char *label = domain;;) {
        size_t len = strcspn(label, ".");
        if (len == 0)
            return pn_error_set(err, "\"%.64s\" has an empty part between its dots", shown);
        if (len > LABEL_MAX)
            return pn_error_set(err, "\"%.64s\": the part \"%.16s...\" is longer than 63 octets", shown, label);
        if (label[0] == '-' || label[len - 1] == '-')
            return pn_error_set(err, "\"%.64s\": a part of a domain cannot begin or end with a hyphen", shown);
        for (size_t i = 0; i < len; i++) {
            char c = label[i];
            if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'))
                return pn_error_set(err, "\"%.64s\" has a character that no domain has (byte 0x%02x)", shown,
                                    (unsigned char)c);
        }
        if (label[len] == '\0')
            return 0;
        label += len + 1;
    }
}

int pn_value_domain(const char *input, size_t len, char *out, struct pn_error *err)
{
    char lower[PN_RULE_INPUT_MAX + 1];
    bool idn = false;

    if (len > 0 && input[len - 1] == '.')
        len--;
    if (len == 0)
        return pn_error_set(err, "there is no domain in it");
    if (len > PN_RULE_INPUT_MAX)
        return pn_error_set(err, "a domain has at most 253 octets, not %zu", len);
    for (size_t i = 0; i < len; i++) {
        char c = input[i];
        lower[i] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
        idn |= (c & 0x80) != 0;
    }
    lower[len] = '\0';
    idn |= strncmp(lower, "xn--", 4) == 0 || strstr(lower, ".xn--") != NULL;
    if (idn) {
        char *ascii = NULL;
        int rc;

        if (!pn_utf8_valid(lower, len))
            return pn_error_set(err, "the domain is not UTF-8");
        rc = idn2_to_ascii_8z(lower, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
        if (rc != IDN2_OK)
            return pn_error_set(err, "\"%.64s\" is no international domain: %s", lower, idn2_strerror(rc));
        len = strlen(ascii);
        if (len <= DOMAIN_MAX)
            memcpy(lower, ascii, len + 1);
        idn2_free(ascii);
        if (len > 0 && len <= DOMAIN_MAX && lower[len - 1] == '.') /* an ideographic full stop at the end */
            lower[--len] = '\0';
    }
    if (len > DOMAIN_MAX)
        return pn_error_set(err, "a domain has at most 253 octets, not %zu", len);
    if (len == 0)
        return pn_error_set(err, "there is no domain in it");
    if (check_labels(lower, lower, err) != 0)
        return -1;
    memcpy(out, lower, len + 1);
    return 0;
}
