/* SPDX-License-Identifier: BSD-3-Clause */
/* Files in the making: from raw bytes, whole from another node, or in pieces. */
#include "controlplane/quarantine/files_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/error.h"

#define LEVEL 1

int pn_qfiles_write(int fd, const void *bytes, size_t len, uint64_t *count)
{
    const uint8_t *p = bytes;

    while (len > 0) {
        ssize_t n = write(fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        p += n;
        len -= (size_t)n;
        *count += (uint64_t)n;
    }
    return 0;
}

struct pn_qtmp *pn_qtmp_new(struct pn_qfiles *f)
{
    struct pn_qtmp *t = calloc(1, sizeof(*t));

    if (t == NULL)
        return NULL;
    t->f = f;
    t->fd = -1;
    t->dir = f->tmp;
    snprintf(t->name, sizeof(t->name), "%llu", (unsigned long long)++f->next_tmp);
    return t;
}

struct pn_qtmp *pn_qtmp_begin(struct pn_qfiles *f)
{
    struct pn_qtmp *t = pn_qtmp_new(f);

    if (t == NULL)
        return NULL;
    t->hash = EVP_MD_CTX_new();
    if (t->hash == NULL || EVP_DigestInit_ex(t->hash, EVP_sha256(), NULL) != 1) {
        pn_qtmp_drop(t);
        return NULL;
    }
    return t;
}

static int failed(struct pn_qtmp *t, const char *doing, struct pn_error *err)
{
    return pn_error_set(err, "%s: %s: %s", t->f->path, doing, strerror(errno));
}

static int file_open(struct pn_qtmp *t, struct pn_error *err)
{
    t->fd = openat(t->dir, t->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    return t->fd >= 0 ? 0 : failed(t, "making a file", err);
}

static int stream_write(struct pn_qtmp *t, const void *bytes, size_t len, bool last, struct pn_error *err)
{
    ZSTD_inBuffer in = {bytes, len, 0};

    for (;;) {
        ZSTD_outBuffer out = {t->f->out, t->f->out_size, 0};
        size_t left = ZSTD_compressStream2(t->stream, &out, &in, last ? ZSTD_e_end : ZSTD_e_continue);
        if (ZSTD_isError(left))
            return pn_error_set(err, "zstd: %s", ZSTD_getErrorName(left));
        if (pn_qfiles_write(t->fd, t->f->out, out.pos, &t->file_bytes) != 0)
            return failed(t, "write", err);
        if (last ? left == 0 : in.pos == in.size)
            return 0;
    }
}

/* The message outgrew its buffer: what it held goes to the file, its head stays. */
static int stream_begin(struct pn_qtmp *t, struct pn_error *err)
{
    if (file_open(t, err) != 0)
        return -1;
    t->stream = ZSTD_createCCtx();
    if (t->stream == NULL)
        return pn_error_set(err, "no memory");
    ZSTD_CCtx_setParameter(t->stream, ZSTD_c_compressionLevel, LEVEL);
    if (stream_write(t, t->buf, t->len, false, err) != 0)
        return -1;
    t->len = PN_QTMP_HEAD_MAX;
    uint8_t *head = realloc(t->buf, t->len);
    if (head)
        t->buf = head;
    return 0;
}

int pn_qtmp_append(struct pn_qtmp *t, const void *bytes, size_t len, struct pn_error *err)
{
    if (len == 0)
        return 0;
    if (EVP_DigestUpdate(t->hash, bytes, len) != 1)
        return pn_error_set(err, "SHA-256 failed");
    t->raw_bytes += len;
    if (t->stream == NULL && t->len + len <= PN_QSMALL_BYTES) {
        if (t->len + len > t->size) {
            size_t want = t->size ? t->size : 16384;
            while (want < t->len + len)
                want *= 2;
            uint8_t *grown = realloc(t->buf, want);
            if (grown == NULL)
                return pn_error_set(err, "no memory");
            t->buf = grown;
            t->size = want;
        }
        memcpy(t->buf + t->len, bytes, len);
        t->len += len;
        return 0;
    }
    if (t->stream == NULL) {
        if (t->len < PN_QTMP_HEAD_MAX) { /* one large piece: its start is the head */
            size_t more = PN_QTMP_HEAD_MAX - t->len;
            uint8_t *grown = realloc(t->buf, PN_QTMP_HEAD_MAX);
            if (grown == NULL)
                return pn_error_set(err, "no memory");
            t->buf = grown;
            memcpy(t->buf + t->len, bytes, more);
            t->len = PN_QTMP_HEAD_MAX;
            bytes = (const uint8_t *)bytes + more;
            len -= more;
        }
        if (stream_begin(t, err) != 0)
            return -1;
    }
    return stream_write(t, bytes, len, false, err);
}

int pn_qtmp_finish(struct pn_qtmp *t, struct pn_error *err)
{
    if (EVP_DigestFinal_ex(t->hash, t->sha, NULL) != 1)
        return pn_error_set(err, "SHA-256 failed");
    if (t->stream) {
        if (stream_write(t, NULL, 0, true, err) != 0)
            return -1;
        ZSTD_freeCCtx(t->stream);
        t->stream = NULL;
    } else {
        size_t n = ZSTD_compressCCtx(t->f->small, t->f->out, t->f->out_size, t->buf, t->len, LEVEL);
        if (ZSTD_isError(n))
            return pn_error_set(err, "zstd: %s", ZSTD_getErrorName(n));
        if (file_open(t, err) != 0)
            return -1;
        if (pn_qfiles_write(t->fd, t->f->out, n, &t->file_bytes) != 0)
            return failed(t, "write", err);
    }
    t->finished = true;
    return 0;
}

void pn_qtmp_drop(struct pn_qtmp *t)
{
    if (t == NULL)
        return;
    if (t->fd >= 0) {
        if (!t->published)
            unlinkat(t->dir, t->name, 0);
        close(t->fd);
    }
    ZSTD_freeCCtx(t->stream);
    EVP_MD_CTX_free(t->hash);
    free(t->buf);
    free(t);
}

const uint8_t *pn_qtmp_sha(const struct pn_qtmp *t)
{
    return t->sha;
}
uint64_t pn_qtmp_raw_bytes(const struct pn_qtmp *t)
{
    return t->raw_bytes;
}
uint64_t pn_qtmp_file_bytes(const struct pn_qtmp *t)
{
    return t->file_bytes;
}
const uint8_t *pn_qtmp_head(const struct pn_qtmp *t, size_t *len)
{
    *len = t->len < PN_QTMP_HEAD_MAX ? t->len : PN_QTMP_HEAD_MAX;
    return t->buf;
}

/* For what comes from others: keeps the head. */
static int head_sink(void *arg, const uint8_t *bytes, size_t len)
{
    struct pn_qtmp *t = arg;
    size_t n = len < PN_QTMP_HEAD_MAX - t->len ? len : PN_QTMP_HEAD_MAX - t->len;

    if (t->buf == NULL && (t->buf = malloc(PN_QTMP_HEAD_MAX)) == NULL)
        return 0; /* no head, but the check goes on */
    memcpy(t->buf + t->len, bytes, n);
    t->len += n;
    return 0;
}

struct unpack {
    struct pn_qfiles *f;
    const uint8_t *sha; /* NULL: not checked */
    uint64_t raw_bytes, total;
    size_t left;
    pn_qsink *sink;
    void *arg;
};

static int unpack_begin(struct unpack *u, struct pn_error *err)
{
    u->left = 1;
    ZSTD_DCtx_reset(u->f->unpack, ZSTD_reset_session_and_parameters);
    ZSTD_DCtx_setParameter(u->f->unpack, ZSTD_d_windowLogMax, PN_QWINDOW_LOG_MAX);
    return EVP_DigestInit_ex(u->f->hash, EVP_sha256(), NULL) == 1 ? 0 : pn_error_set(err, "SHA-256 failed");
}

/* 0; 1: the sink has enough; -1 with err. Uses the second half of f->out. */
static int unpack_piece(struct unpack *u, const void *bytes, size_t len, struct pn_error *err)
{
    const size_t half = u->f->out_size / 2;
    uint8_t *out = (uint8_t *)u->f->out + half;
    ZSTD_inBuffer i = {bytes, len, 0};
    bool more = false;

    while (i.pos < i.size || more) {
        ZSTD_outBuffer o = {out, half, 0};
        if (u->left == 0)
            return pn_error_set(err, "%s: bytes after the end of a message file", u->f->path);
        u->left = ZSTD_decompressStream(u->f->unpack, &o, &i);
        more = o.pos == o.size && u->left != 0;
        u->total += o.pos;
        if (ZSTD_isError(u->left) || u->total > u->raw_bytes || u->total > PN_Q_MESSAGE_BYTES_MAX)
            return pn_error_set(err, "%s: damaged message file (%s)", u->f->path,
                                ZSTD_isError(u->left) ? ZSTD_getErrorName(u->left) : "too long");
        if (u->sha)
            EVP_DigestUpdate(u->f->hash, out, o.pos);
        if (u->sink && o.pos && u->sink(u->arg, out, o.pos) != 0)
            return 1;
    }
    return 0;
}

static int unpack_end(struct unpack *u, struct pn_error *err)
{
    uint8_t got[PN_Q_SHA_BYTES];

    if (u->left != 0 || (u->raw_bytes != UINT64_MAX && u->total != u->raw_bytes))
        return pn_error_set(err, "%s: message file is cut short", u->f->path);
    if (u->sha && (EVP_DigestFinal_ex(u->f->hash, got, NULL) != 1 || memcmp(got, u->sha, PN_Q_SHA_BYTES) != 0))
        return pn_error_set(err, "%s: message file is not the message it is named for", u->f->path);
    return 0;
}

int pn_qfiles_unpack(struct pn_qfiles *f, int fd, const uint8_t *sha, uint64_t raw_bytes, pn_qsink *sink, void *arg,
                     struct pn_error *err)
{
    struct unpack u = {.f = f, .sha = sha, .raw_bytes = raw_bytes, .sink = sink, .arg = arg};
    uint64_t at = 0;

    if (unpack_begin(&u, err) != 0)
        return -1;
    for (ssize_t n; (n = pread(fd, f->out, f->out_size / 2, (off_t)at)) != 0; at += (uint64_t)n) {
        if (n < 0)
            return pn_error_set(err, "%s: read: %s", f->path, strerror(errno));
        int rc = unpack_piece(&u, f->out, (size_t)n, err);
        if (rc != 0)
            return rc > 0 ? 0 : -1;
    }
    return unpack_end(&u, err);
}

static struct pn_qtmp *finished(struct pn_qtmp *t, const uint8_t *sha, uint64_t raw_bytes)
{
    memcpy(t->sha, sha, PN_Q_SHA_BYTES);
    t->raw_bytes = raw_bytes;
    t->finished = true;
    return t;
}

struct pn_qtmp *pn_qtmp_import(struct pn_qfiles *f, const uint8_t sha[PN_Q_SHA_BYTES], uint64_t raw_bytes,
                               const void *bytes, size_t len, struct pn_error *err)
{
    struct pn_qtmp *t = pn_qtmp_new(f);
    struct unpack u = {.f = f, .sha = sha, .raw_bytes = raw_bytes, .sink = head_sink, .arg = t};

    if (t == NULL) {
        pn_error_set(err, "no memory");
        return NULL;
    }
    if (unpack_begin(&u, err) != 0 || unpack_piece(&u, bytes, len, err) < 0 || unpack_end(&u, err) != 0 ||
        file_open(t, err) != 0) {
        pn_qtmp_drop(t);
        return NULL;
    }
    if (pn_qfiles_write(t->fd, bytes, len, &t->file_bytes) != 0) {
        failed(t, "write", err);
        pn_qtmp_drop(t);
        return NULL;
    }
    return finished(t, sha, raw_bytes);
}

/* The name carries the total: pieces of a file that was compressed anew never mix with older ones. */
static void partial_name(char *name, size_t size, const uint8_t *sha, uint64_t total)
{
    char text[PN_Q_SHA_TEXT_BYTES];

    snprintf(name, size, "%.48s.%llu", pn_q_sha_format(sha, text), (unsigned long long)total);
}

int64_t pn_qpartial_bytes(struct pn_qfiles *f, const uint8_t sha[PN_Q_SHA_BYTES], uint64_t total)
{
    char name[96];
    struct stat st;

    partial_name(name, sizeof(name), sha, total);
    if (fstatat(f->partial, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? 0 : -1;
    return (uint64_t)st.st_size <= total ? st.st_size : 0;
}

int64_t pn_qpartial_append(struct pn_qfiles *f, const uint8_t sha[PN_Q_SHA_BYTES], uint64_t total, uint64_t offset,
                           const void *bytes, size_t len, struct pn_error *err)
{
    int64_t had = pn_qpartial_bytes(f, sha, total);
    char name[96];
    uint64_t done = 0;

    if (had < 0)
        return pn_error_set(err, "%s/partial: %s", f->path, strerror(errno));
    if (offset != (uint64_t)had || len > total - offset)
        return had;
    partial_name(name, sizeof(name), sha, total);
    int fd = openat(f->partial, name, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | (had ? 0 : O_TRUNC), 0600);
    if (fd < 0 || lseek(fd, had, SEEK_SET) < 0 || pn_qfiles_write(fd, bytes, len, &done) != 0) {
        pn_error_set(err, "%s/partial: %s", f->path, strerror(errno));
        if (fd >= 0) {
            if (ftruncate(fd, had) != 0)
                unlinkat(f->partial, name, 0);
            close(fd);
        }
        return -1;
    }
    close(fd);
    return had + (int64_t)len;
}

struct pn_qtmp *pn_qpartial_finish(struct pn_qfiles *f, const uint8_t sha[PN_Q_SHA_BYTES], uint64_t total,
                                   uint64_t raw_bytes, struct pn_error *err)
{
    struct pn_qtmp *t = pn_qtmp_new(f);

    if (t == NULL) {
        pn_error_set(err, "no memory");
        return NULL;
    }
    t->dir = f->partial;
    t->file_bytes = total;
    partial_name(t->name, sizeof(t->name), sha, total);
    t->fd = openat(t->dir, t->name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (t->fd < 0) {
        failed(t, "partial", err);
        pn_qtmp_drop(t);
        return NULL;
    }
    if (pn_qfiles_unpack(f, t->fd, sha, raw_bytes, head_sink, t, err) != 0) {
        pn_qtmp_drop(t);
        return NULL;
    }
    return finished(t, sha, raw_bytes);
}

unsigned pn_qpartial_purge(struct pn_qfiles *f, uint64_t before_ms)
{
    int copy = openat(f->partial, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
    unsigned removed = 0;

    if (d == NULL) {
        if (copy >= 0)
            close(copy);
        return 0;
    }
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        struct stat st;
        if (e->d_name[0] != '.' && fstatat(f->partial, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            (uint64_t)st.st_mtime * 1000 < before_ms && unlinkat(f->partial, e->d_name, 0) == 0)
            removed++;
    }
    closedir(d);
    return removed;
}
