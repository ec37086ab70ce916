/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/vip/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "common/error.h"

#define BASE64_CHARS 44u
#define WORDS 3u
#define PN_KEYS_CLUSTER_ID 0x80u

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static bool secret_parse(const char *text, uint8_t secret[PN_SEAL_SECRET_BYTES])
{
    if (strlen(text) == 2 * PN_SEAL_SECRET_BYTES) {
        for (unsigned i = 0; i < PN_SEAL_SECRET_BYTES; i++) {
            int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);
            if (high < 0 || low < 0)
                return false;
            secret[i] = (uint8_t)(high << 4 | low);
        }
        return true;
    }
    uint8_t bytes[PN_SEAL_SECRET_BYTES + 1]; /* the padding's byte counts for OpenSSL */
    bool ok = strlen(text) == BASE64_CHARS && text[BASE64_CHARS - 1] == '=' && text[BASE64_CHARS - 2] != '=' &&
              EVP_DecodeBlock(bytes, (const uint8_t *)text, BASE64_CHARS) == PN_SEAL_SECRET_BYTES + 1;
    if (ok)
        memcpy(secret, bytes, PN_SEAL_SECRET_BYTES);
    OPENSSL_cleanse(bytes, sizeof(bytes));
    return ok;
}

static int id_parse(const char *text)
{
    char *end;
    long id = strtol(text, &end, 10);
    return *end || text[0] < '0' || text[0] > '9' || id > 255 ? -1 : (int)id;
}

static int line_parse(char *line, struct pn_seal_ring *ring, struct pn_error *err)
{
    char *words[WORDS + 1], *save = NULL;
    unsigned n = 0;
    line[strcspn(line, "#")] = '\0';
    for (char *w = strtok_r(line, " \t\r", &save); w && n <= WORDS; w = strtok_r(NULL, " \t\r", &save))
        words[n++] = w;
    if (n == 0)
        return 0;
    if (n != WORDS)
        return pn_error_set(err, "expected three words: ID send|receive-only SECRET");
    int id = id_parse(words[0]);
    bool send = strcmp(words[1], "send") == 0;
    if (id < 0)
        return pn_error_set(err, "the id is not a number from 0 to 255");
    if (!send && strcmp(words[1], "receive-only") != 0)
        return pn_error_set(err, "key %d: expected send or receive-only", id);
    if (ring->n_keys == PN_KEYS_FILE_MAX)
        return pn_error_set(err, "more than %u keys", PN_KEYS_FILE_MAX);
    for (unsigned i = 0; i < ring->n_keys; i++) {
        if (ring->keys[i].id == id)
            return pn_error_set(err, "key %d is given twice", id);
        if (ring->keys[i].send && send)
            return pn_error_set(err, "keys %u and %d are both for sending: exactly one is", ring->keys[i].id, id);
    }
    struct pn_seal_key *key = &ring->keys[ring->n_keys];
    key->id = (uint8_t)id;
    key->send = send;
    if (!secret_parse(words[2], key->secret))
        return pn_error_set(err, "key %d: the secret is not 32 bytes as base64 or hexadecimal", id);
    ring->n_keys++;
    return 0;
}

int pn_keys_parse(const char *text, size_t bytes, struct pn_seal_ring *ring, struct pn_error *err)
{
    struct pn_error why = {""};
    unsigned number = 0, senders = 0;
    char line[256];
    memset(ring, 0, sizeof(*ring));
    for (size_t at = 0; at < bytes && !why.text[0];) {
        const char *end = memchr(text + at, '\n', bytes - at);
        size_t n = end ? (size_t)(end - text) - at : bytes - at;
        number++;
        if (n >= sizeof(line) || memchr(text + at, '\0', n)) {
            pn_error_set(&why, "too long, or not text");
        } else {
            memcpy(line, text + at, n);
            line[n] = '\0';
            line_parse(line, ring, &why);
        }
        at += n + 1;
    }
    OPENSSL_cleanse(line, sizeof(line));
    for (unsigned i = 0; i < ring->n_keys; i++)
        senders += ring->keys[i].send;
    if (!why.text[0] && senders == 1)
        return 0;
    pn_keys_forget(ring);
    if (why.text[0])
        return pn_error_set(err, "line %u: %s", number, why.text);
    return pn_error_set(err, "no key is for sending");
}

static ssize_t read_all(int fd, char *buf, size_t cap)
{
    size_t len = 0;
    while (len < cap) {
        ssize_t n = read(fd, buf + len, cap - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -1 : (ssize_t)len;
        len += (size_t)n;
    }
    errno = EFBIG;
    return -1;
}

int pn_keys_load(const char *path, struct pn_seal_ring *ring, struct pn_error *err)
{
    struct pn_error why;
    struct stat st;
    int rc = -1, fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    memset(ring, 0, sizeof(*ring));
    if (fd < 0)
        return pn_error_set(err, "%s: %s", path,
                            errno == ELOOP ? "is a symbolic link, expected the file itself" : strerror(errno));
    char *text = malloc(PN_KEYS_MAX_BYTES);
    ssize_t n = text ? read_all(fd, text, PN_KEYS_MAX_BYTES) : -1;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        pn_error_set(err, "%s: not a regular file", path);
    else if (st.st_mode & 077)
        pn_error_set(err, "%s: mode %03o lets others read or change the keys, expected 0600", path,
                     (unsigned)st.st_mode & 0777);
    else if (st.st_uid != 0 && st.st_uid != geteuid())
        pn_error_set(err, "%s: belongs to user %u, expected root", path, (unsigned)st.st_uid);
    else if (n < 0)
        pn_error_set(err, "%s: %s", path, text ? strerror(errno) : "out of memory");
    else if (pn_keys_parse(text, (size_t)n, ring, &why) < 0)
        pn_error_set(err, "%s: %s", path, why.text);
    else
        rc = 0;
    if (text)
        OPENSSL_cleanse(text, PN_KEYS_MAX_BYTES);
    free(text);
    close(fd);
    return rc;
}

int pn_keys_look(const char *path, struct pn_error *err)
{
    struct pn_seal_ring ring;
    struct stat st;
    if (lstat(path, &st) < 0)
        return errno == ENOENT || errno == EACCES ? 0 : pn_error_set(err, "%s: %s", path, strerror(errno));
    if (access(path, R_OK) != 0 && errno == EACCES && (st.st_mode & 077) == 0)
        return 0; /* as it should be: only its owner can say more */
    int rc = pn_keys_load(path, &ring, err);
    pn_keys_forget(&ring);
    return rc;
}

char *pn_keys_line(const struct pn_seal_key *key, char line[PN_KEYS_LINE_BYTES])
{
    char secret[BASE64_CHARS + 1];
    EVP_EncodeBlock((uint8_t *)secret, key->secret, PN_SEAL_SECRET_BYTES);
    snprintf(line, PN_KEYS_LINE_BYTES, "%u %s %s\n", key->id, key->send ? "send" : "receive-only", secret);
    OPENSSL_cleanse(secret, sizeof(secret));
    return line;
}

unsigned pn_keys_combine(const struct pn_seal_ring *file, const struct pn_seal_ring *cluster, bool cluster_sends,
                         struct pn_seal_ring *out)
{
    unsigned left_out = 0;
    pn_keys_forget(out);
    cluster_sends = cluster->n_keys && (cluster_sends || !file->n_keys);
    for (unsigned i = 0; i < cluster->n_keys && out->n_keys < PN_SEAL_MAX_KEYS; i++) {
        struct pn_seal_key *key = &out->keys[out->n_keys++];
        *key = cluster->keys[i];
        key->id |= PN_KEYS_CLUSTER_ID;
        key->send &= cluster_sends;
    }
    for (unsigned i = 0; i < file->n_keys; i++) {
        bool taken = out->n_keys == PN_SEAL_MAX_KEYS;
        for (unsigned j = 0; j < out->n_keys; j++)
            taken |= out->keys[j].id == file->keys[i].id;
        left_out += taken;
        if (taken)
            continue;
        out->keys[out->n_keys] = file->keys[i];
        out->keys[out->n_keys++].send &= !cluster_sends;
    }
    return left_out;
}

void pn_keys_forget(struct pn_seal_ring *ring)
{
    OPENSSL_cleanse(ring, sizeof(*ring));
}
