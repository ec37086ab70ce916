/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/quarantine/link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "common/error.h"
#include "controlplane/quarantine/syncdir.h"

#define MAGIC "postern-link-keys 1\n"
#define MAC_BYTES 32u
#define MAC_TEXT_BYTES 44u /* base64url of 32 bytes is 43 */

static const char *const actions[PN_QLINK_ACTION_COUNT] = {"release", "release-whitelist", "view"};

const char *pn_qlink_action_name(enum pn_qlink_action action)
{
    return (unsigned)action < PN_QLINK_ACTION_COUNT ? actions[action] : "?";
}

/* --- the key file: a line a key, "ID MADE_MS KEY" in hex, newest first --- */

static int key_new(uint64_t now_ms, struct pn_qlink_key *k, struct pn_error *err)
{
    k->made_ms = now_ms;
    if (RAND_bytes(k->key, sizeof(k->key)) != 1 || RAND_bytes((unsigned char *)&k->id, sizeof(k->id)) != 1)
        return pn_error_set(err, "no randomness");
    k->id |= 1; /* never 0 */
    return 0;
}

static int keys_write(const char *path, const struct pn_qlink_keys *keys, struct pn_error *err)
{
    char tmp[512], hex[2 * PN_QLINK_KEY_BYTES + 1], text[sizeof(MAGIC) + PN_QLINK_KEYS * 128];
    int n = snprintf(tmp, sizeof(tmp), "%s.new", path), fd;
    size_t len = (size_t)snprintf(text, sizeof(text), MAGIC);

    if (n < 0 || (size_t)n >= sizeof(tmp))
        return pn_error_set(err, "%s: the path is too long", path);
    for (unsigned i = 0; i < PN_QLINK_KEYS && keys->keys[i].id; i++) {
        pn_q_sha_format(keys->keys[i].key, hex); /* the same 32 bytes as hex */
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%08x %llu %s\n", keys->keys[i].id,
                                (unsigned long long)keys->keys[i].made_ms, hex);
    }
    unlink(tmp);
    fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool ok = fd >= 0 && fchmod(fd, 0600) == 0 && write(fd, text, len) == (ssize_t)len && fsync(fd) == 0;
    int saved = errno;
    if (fd >= 0 && close(fd) != 0 && ok) {
        ok = false;
        saved = errno;
    }
    if (ok && (rename(tmp, path) != 0 || pn_qsync_folder_of(path, NULL) != 0)) {
        ok = false;
        saved = errno;
    }
    OPENSSL_cleanse(text, sizeof(text));
    OPENSSL_cleanse(hex, sizeof(hex));
    if (ok)
        return 0;
    unlink(tmp);
    return pn_error_set(err, "%s: %s", path, strerror(saved));
}

static int key_parse(const char *line, struct pn_qlink_key *k)
{
    unsigned long long made;
    int at = 0;

    if (sscanf(line, "%8x %20llu %n", &k->id, &made, &at) != 2 || at == 0 || k->id == 0 || made > INT64_MAX)
        return -1;
    k->made_ms = made;
    return pn_q_sha_parse(line + at, k->key);
}

static int keys_parse(const char *path, char *text, struct pn_qlink_keys *out, struct pn_error *err)
{
    unsigned n = 0;
    char *rest = text + sizeof(MAGIC) - 1, *line;

    memset(out, 0, sizeof(*out));
    if (strncmp(text, MAGIC, sizeof(MAGIC) - 1) != 0)
        return pn_error_set(err, "%s: is no file of link keys", path);
    while ((line = strsep(&rest, "\n")) != NULL) {
        if (*line == '\0')
            continue;
        if (n == PN_QLINK_KEYS || key_parse(line, &out->keys[n]) != 0) {
            pn_qlink_keys_wipe(out);
            return pn_error_set(err, "%s: line %u is damaged", path, n + 2);
        }
        n++;
    }
    return n ? 0 : pn_error_set(err, "%s: has no key", path);
}

int pn_qlink_keys_load(const char *path, uint64_t now_ms, struct pn_qlink_keys *out, struct pn_error *err)
{
    char text[1024];
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), rc;

    memset(out, 0, sizeof(*out));
    if (fd < 0 && errno == ENOENT) {
        if (key_new(now_ms, &out->keys[0], err) != 0)
            return -1;
        rc = keys_write(path, out, err);
        if (rc != 0)
            pn_qlink_keys_wipe(out);
        return rc;
    }
    if (fd < 0)
        return pn_error_set(err, "%s: %s", path, strerror(errno));
    ssize_t n = read(fd, text, sizeof(text) - 1);
    if (fstat(fd, &st) != 0 || n < 0)
        rc = pn_error_set(err, "%s: %s", path, strerror(errno));
    else if (!S_ISREG(st.st_mode) || (st.st_mode & 077))
        rc = pn_error_set(err, "%s: others may read it; chmod 600, and rotate the key", path);
    else {
        text[n] = '\0';
        rc = keys_parse(path, text, out, err);
    }
    close(fd);
    OPENSSL_cleanse(text, sizeof(text));
    return rc;
}

int pn_qlink_keys_rotate(const char *path, uint64_t now_ms, uint64_t every_ms, struct pn_qlink_keys *keys,
                         struct pn_error *err)
{
    struct pn_qlink_keys next = {0};

    if (keys->keys[0].id && now_ms < keys->keys[0].made_ms + every_ms)
        return 0;
    if (key_new(now_ms, &next.keys[0], err) != 0)
        return -1;
    memcpy(&next.keys[1], &keys->keys[0], (PN_QLINK_KEYS - 1) * sizeof(next.keys[0]));
    int rc = keys_write(path, &next, err);
    if (rc == 0)
        *keys = next;
    pn_qlink_keys_wipe(&next);
    return rc == 0 ? 1 : -1;
}

void pn_qlink_keys_wipe(struct pn_qlink_keys *keys)
{
    OPENSSL_cleanse(keys, sizeof(*keys));
}

/* --- tokens --- */

/* base64url without padding (RFC 4648, 5). */
static void b64_encode(const uint8_t *in, size_t len, char *out)
{
    int n = EVP_EncodeBlock((unsigned char *)out, in, (int)len);

    while (n > 0 && out[n - 1] == '=')
        out[--n] = '\0';
    for (char *p = out; *p; p++)
        *p = *p == '+' ? '-' : *p == '/' ? '_' : *p;
}

/* Bytes, or -1: not what b64_encode() writes. */
static int b64_decode(const char *in, size_t len, uint8_t *out, size_t size)
{
    uint32_t bits = 0;
    unsigned have = 0;
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        char c = in[i];
        int v = c >= 'A' && c <= 'Z'   ? c - 'A'
                : c >= 'a' && c <= 'z' ? c - 'a' + 26
                : c >= '0' && c <= '9' ? c - '0' + 52
                : c == '-'             ? 62
                : c == '_'             ? 63
                                       : -1;
        if (v < 0)
            return -1;
        bits = bits << 6 | (uint32_t)v;
        have += 6;
        if (have >= 8) {
            if (n == size)
                return -1;
            have -= 8;
            out[n++] = (uint8_t)(bits >> have);
        }
    }
    /* One spelling for each content: left-over bits are none, and zero. */
    return have < 6 && (bits & ((1u << have) - 1)) == 0 ? (int)n : -1;
}

static int mac(const struct pn_qlink_key *k, const char *text, size_t len, uint8_t out[MAC_BYTES])
{
    unsigned n = 0;

    return HMAC(EVP_sha256(), k->key, sizeof(k->key), (const unsigned char *)text, len, out, &n) && n == MAC_BYTES ? 0
                                                                                                                   : -1;
}

int pn_qlink_sign(const struct pn_qlink_keys *keys, const struct pn_qlink *l, char token[PN_QLINK_TOKEN_BYTES],
                  struct pn_error *err)
{
    char recipient[(PN_Q_ADDRESS_MAX / 3 + 1) * 4 + 1];
    uint8_t sum[MAC_BYTES];
    size_t len = strnlen(l->recipient, sizeof(l->recipient));

    if (keys->keys[0].id == 0 || len == 0 || len > PN_Q_ADDRESS_MAX || (unsigned)l->action >= PN_QLINK_ACTION_COUNT)
        return pn_error_set(err, "link: %s", keys->keys[0].id ? "no recipient or action" : "no key");
    b64_encode((const uint8_t *)l->recipient, len, recipient);
    int n = snprintf(token, PN_QLINK_TOKEN_BYTES - MAC_TEXT_BYTES - 1, "1.%08x.%llx.%llx.%x.%llx.%s", keys->keys[0].id,
                     (unsigned long long)l->store, (unsigned long long)l->number, (unsigned)l->action,
                     (unsigned long long)(l->expiry_ms / 1000), recipient);
    if (n < 0 || (size_t)n >= PN_QLINK_TOKEN_BYTES - MAC_TEXT_BYTES - 1 ||
        mac(&keys->keys[0], token, (size_t)n, sum) != 0)
        return pn_error_set(err, "link: cannot be signed");
    token[n] = '.';
    b64_encode(sum, sizeof(sum), token + n + 1);
    return 0;
}

int pn_qlink_verify(const struct pn_qlink_keys *keys, uint64_t store, uint64_t now_ms, const char *token,
                    struct pn_qlink *out, struct pn_error *err)
{
    static const char wrong[] = "This link is not valid.";
    struct pn_qlink l = {0};
    unsigned long long of, number, expiry;
    unsigned key, action;
    uint8_t sum[MAC_BYTES], said[MAC_BYTES + 1], name[PN_Q_ADDRESS_MAX];
    const struct pn_qlink_key *k = NULL;
    char again[PN_QLINK_TOKEN_BYTES];
    int at = 0;

    memset(out, 0, sizeof(*out));
    size_t len = strnlen(token, PN_QLINK_TOKEN_BYTES);
    const char *last = len < PN_QLINK_TOKEN_BYTES ? strrchr(token, '.') : NULL;
    if (last == NULL ||
        sscanf(token, "1.%8x.%16llx.%16llx.%x.%16llx.%n", &key, &of, &number, &action, &expiry, &at) != 5 || at == 0 ||
        token + at > last)
        return pn_error_set(err, wrong);
    for (unsigned i = 0; i < PN_QLINK_KEYS; i++)
        if (keys->keys[i].id && keys->keys[i].id == key)
            k = &keys->keys[i];
    if (k == NULL)
        return pn_error_set(err, "This link is too old.");
    if (b64_decode(last + 1, len - (size_t)(last + 1 - token), said, sizeof(said)) != (int)MAC_BYTES ||
        mac(k, token, (size_t)(last - token), sum) != 0 || CRYPTO_memcmp(sum, said, MAC_BYTES) != 0)
        return pn_error_set(err, wrong);
    /* Genuine. What scanf let pass that we never write is still not ours. */
    int n = b64_decode(token + at, (size_t)(last - token) - (size_t)at, name, sizeof(name));
    if (n <= 0 || memchr(name, 0, (size_t)n) || action >= PN_QLINK_ACTION_COUNT)
        return pn_error_set(err, wrong);
    l.store = of;
    l.number = number;
    l.action = (enum pn_qlink_action)action;
    l.expiry_ms = expiry * 1000;
    memcpy(l.recipient, name, (size_t)n);
    struct pn_qlink_keys one = {.keys = {*k}};
    bool same = pn_qlink_sign(&one, &l, again, NULL) == 0 && strcmp(again, token) == 0;
    pn_qlink_keys_wipe(&one);
    if (!same || of != store)
        return pn_error_set(err, same ? "This link is of another quarantine." : wrong);
    if (expiry > INT64_MAX / 1000 || now_ms >= l.expiry_ms)
        return pn_error_set(err, "This link has expired.");
    *out = l;
    return 0;
}
