/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/cluster/token.h"

#include <stdio.h>

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "common/error.h"

#define TOKEN_VERSION 1u
#define FLAG_PASSPHRASE 0x01u
#define CHECK_BYTES 4u
#define BYTES_MAX (3 + PN_INVITE_ID_BYTES + PN_INVITE_SECRET_BYTES + PN_FINGERPRINT_BYTES + 4 * 19 + CHECK_BYTES)
#define GROUP 8u

static const char prefix[] = "PN1-";
static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/* Value of a digit as people write it, -1: none, -2: to be skipped. */
static int digit_value(char c)
{
    if (c >= 'a' && c <= 'z')
        c = (char)(c - 'a' + 'A');
    if (c == 'O')
        c = '0';
    if (c == 'I' || c == 'L')
        c = '1';
    if (c == '-' || c == ' ' || c == '\t' || c == '\r' || c == '\n')
        return -2;
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

static void checksum(const uint8_t *bytes, size_t n, uint8_t check[CHECK_BYTES])
{
    static const char label[] = "postern token v1";
    uint8_t text[sizeof(label) + BYTES_MAX], digest[SHA256_DIGEST_LENGTH];

    memcpy(text, label, sizeof(label));
    memcpy(text + sizeof(label), bytes, n);
    SHA256(text, sizeof(label) + n, digest);
    memcpy(check, digest, CHECK_BYTES);
    OPENSSL_cleanse(text, sizeof(text));
}

static size_t put_endpoint(uint8_t *out, const struct pn_endpoint *e)
{
    bool v4 = pn_addr_is_v4(&e->addr);
    size_t n = v4 ? 4 : 16;

    out[0] = v4 ? 4 : 6;
    out[1] = (uint8_t)(e->port >> 8);
    out[2] = (uint8_t)e->port;
    memcpy(out + 3, e->addr.b + 16 - n, n);
    return 3 + n;
}

char *pn_token_format(const struct pn_token *t, char text[PN_TOKEN_TEXT_BYTES])
{
    uint8_t bytes[BYTES_MAX];
    size_t n = 0, at = sizeof(prefix) - 1, written = 0;
    unsigned bits = 0, have = 0;

    if (t->n_endpoints > PN_TOKEN_ENDPOINTS_MAX)
        return NULL;
    bytes[n++] = TOKEN_VERSION;
    bytes[n++] = t->passphrase ? FLAG_PASSPHRASE : 0;
    memcpy(bytes + n, t->invite, PN_INVITE_ID_BYTES);
    n += PN_INVITE_ID_BYTES;
    memcpy(bytes + n, t->secret, PN_INVITE_SECRET_BYTES);
    n += PN_INVITE_SECRET_BYTES;
    memcpy(bytes + n, t->ca, PN_FINGERPRINT_BYTES);
    n += PN_FINGERPRINT_BYTES;
    bytes[n++] = (uint8_t)t->n_endpoints;
    for (unsigned i = 0; i < t->n_endpoints; i++)
        n += put_endpoint(bytes + n, &t->endpoints[i]);
    checksum(bytes, n, bytes + n);
    n += CHECK_BYTES;

    memcpy(text, prefix, sizeof(prefix));
    for (size_t i = 0; i < n || have > 0;) {
        if (have < 5 && i < n) {
            bits = bits << 8 | bytes[i++];
            have += 8;
        } else if (have < 5) {
            bits <<= 5 - have;
            have = 5;
        }
        while (have >= 5) {
            if (written && written % GROUP == 0)
                text[at++] = '-';
            text[at++] = digits[bits >> (have - 5) & 31];
            have -= 5;
            written++;
        }
    }
    text[at] = '\0';
    OPENSSL_cleanse(bytes, sizeof(bytes));
    return text;
}

/* Digits to bytes. The count, -1: a character that is no digit, too long, or bits left over. */
static int decode(const char *text, uint8_t bytes[BYTES_MAX])
{
    unsigned bits = 0, have = 0;
    size_t n = 0;

    for (; *text; text++) {
        int v = digit_value(*text);

        if (v == -2)
            continue;
        if (v < 0)
            return -1;
        bits = (bits << 5 | (unsigned)v) & 0xffff;
        have += 5;
        if (have >= 8) {
            if (n == BYTES_MAX)
                return -1;
            bytes[n++] = (uint8_t)(bits >> (have - 8));
            have -= 8;
        }
    }
    return have < 5 && (bits & ((1u << have) - 1)) == 0 ? (int)n : -1;
}

static int take_endpoints(const uint8_t *p, size_t n, struct pn_token *t)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    unsigned count;

    if (n < 1 || p[0] > PN_TOKEN_ENDPOINTS_MAX)
        return -1;
    count = p[0];
    p++;
    n--;
    for (unsigned i = 0; i < count; i++) {
        struct pn_endpoint *e = &t->endpoints[i];
        size_t len = n >= 1 && p[0] == 4 ? 4 : 16;

        if (n < 3 + len || (p[0] != 4 && p[0] != 6))
            return -1;
        e->port = (uint16_t)(p[1] << 8 | p[2]);
        memcpy(e->addr.b, mapped, sizeof(mapped));
        memcpy(e->addr.b + 16 - len, p + 3, len);
        if (e->port == 0 || (p[0] == 6 && pn_addr_is_v4(&e->addr)))
            return -1;
        p += 3 + len;
        n -= 3 + len;
    }
    t->n_endpoints = count;
    return n == 0 ? 0 : -1;
}

static int take(const uint8_t *bytes, size_t n, struct pn_token *t, struct pn_error *err)
{
    const size_t fixed = 2 + PN_INVITE_ID_BYTES + PN_INVITE_SECRET_BYTES + PN_FINGERPRINT_BYTES;
    uint8_t check[CHECK_BYTES];

    if (n < fixed + 1 + CHECK_BYTES)
        return pn_error_set(err, "the token is too short: part of it is missing");
    checksum(bytes, n - CHECK_BYTES, check);
    if (memcmp(check, bytes + n - CHECK_BYTES, CHECK_BYTES) != 0)
        return pn_error_set(err, "the token is mistyped, or part of it is missing (its checksum does not fit)");
    if (bytes[0] != TOKEN_VERSION || (bytes[1] & ~FLAG_PASSPHRASE))
        return pn_error_set(err, "the token is of a later version of Postern");
    t->passphrase = bytes[1] & FLAG_PASSPHRASE;
    memcpy(t->invite, bytes + 2, PN_INVITE_ID_BYTES);
    memcpy(t->secret, bytes + 2 + PN_INVITE_ID_BYTES, PN_INVITE_SECRET_BYTES);
    memcpy(t->ca, bytes + fixed - PN_FINGERPRINT_BYTES, PN_FINGERPRINT_BYTES);
    if (take_endpoints(bytes + fixed, n - fixed - CHECK_BYTES, t) < 0)
        return pn_error_set(err, "the token names no valid address");
    return 0;
}

int pn_token_parse(const char *text, struct pn_token *t, struct pn_error *err)
{
    static const struct pn_token empty;
    uint8_t bytes[BYTES_MAX];
    int n, rc;

    *t = empty;
    while (*text == ' ' || *text == '\t' || *text == '\r' || *text == '\n')
        text++;
    if (strncasecmp(text, prefix, sizeof(prefix) - 1) != 0)
        return pn_error_set(err, "not a token: it must begin with %s", prefix);
    n = decode(text + sizeof(prefix) - 1, bytes);
    if (n < 0)
        rc = pn_error_set(err, "the token is mistyped: a character that no token has, or too many or too few");
    else
        rc = take(bytes, (size_t)n, t, err);
    OPENSSL_cleanse(bytes, sizeof(bytes));
    if (rc < 0)
        pn_token_wipe(t);
    return rc;
}

void pn_token_wipe(struct pn_token *t)
{
    OPENSSL_cleanse(t, sizeof(*t));
}
