/* SPDX-License-Identifier: BSD-3-Clause */
/* Folders, names, syncing, reading. */
#include "controlplane/quarantine/files_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/error.h"

static int folder(int at, const char *name, struct pn_error *err, const char *path)
{
    if (mkdirat(at, name, 0700) != 0 && errno != EEXIST)
        return pn_error_set(err, "%s/%s: %s", path, name, strerror(errno));
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return fd >= 0 ? fd : pn_error_set(err, "%s/%s: %s", path, name, strerror(errno));
}

static void tmp_clear(struct pn_qfiles *f)
{
    int copy = dup(f->tmp);
    DIR *d = copy >= 0 ? fdopendir(copy) : NULL;

    if (d == NULL) {
        if (copy >= 0)
            close(copy);
        return;
    }
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        if (e->d_name[0] != '.')
            unlinkat(f->tmp, e->d_name, 0);
    closedir(d);
}

static int open_all(const char *path, bool reader, struct pn_qfiles **out, struct pn_error *err)
{
    struct pn_qfiles *f = calloc(1, sizeof(*f));
    char name[3];

    if (f == NULL)
        return pn_error_set(err, "no memory");
    f->root = f->tmp = f->partial = f->read_fd = f->meminfo = -1;
    snprintf(f->path, sizeof(f->path), "%s", path);
    f->out_size = ZSTD_compressBound(PN_QSMALL_BYTES);
    f->out = malloc(f->out_size);
    f->small = ZSTD_createCCtx();
    f->unpack = ZSTD_createDCtx();
    f->hash = EVP_MD_CTX_new();
    if (f->out == NULL || f->small == NULL || f->unpack == NULL || f->hash == NULL) {
        pn_error_set(err, "no memory");
        goto fail;
    }
    f->root = folder(AT_FDCWD, path, err, "");
    if (f->root < 0 || (f->tmp = folder(f->root, "tmp", err, path)) < 0 ||
        (f->partial = folder(f->root, "partial", err, path)) < 0)
        goto fail;
    for (unsigned i = 0; i < PN_QFOLDERS; i++) {
        snprintf(name, sizeof(name), "%x", i);
        int fd = folder(f->root, name, err, path);
        if (fd < 0)
            goto fail;
        close(fd);
    }
    if (!reader)
        tmp_clear(f);
    if (!reader && fsync(f->root) != 0) {
        pn_error_set(err, "%s: fsync: %s", path, strerror(errno));
        goto fail;
    }
    pn_qfiles_sync_open(f);
    *out = f;
    return 0;
fail:
    pn_qfiles_close(f);
    return -1;
}

int pn_qfiles_open(const char *path, struct pn_qfiles **out, struct pn_error *err)
{
    return open_all(path, false, out, err);
}

int pn_qfiles_open_reader(const char *path, struct pn_qfiles **out, struct pn_error *err)
{
    return open_all(path, true, out, err);
}

void pn_qfiles_close(struct pn_qfiles *f)
{
    if (f == NULL)
        return;
    const int fds[] = {f->root, f->tmp, f->partial, f->read_fd, f->meminfo};
    for (unsigned i = 0; i < 5; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    ZSTD_freeCCtx(f->small);
    ZSTD_freeDCtx(f->unpack);
    EVP_MD_CTX_free(f->hash);
    free(f->out);
    free(f);
}

char *pn_qfiles_name(const uint8_t sha[PN_Q_SHA_BYTES], char name[PN_QNAME_BYTES])
{
    pn_q_sha_format(sha, name + 2);
    name[0] = name[2];
    name[1] = '/';
    memcpy(name + 2 + PN_Q_SHA_TEXT_BYTES - 1, ".zst", 5);
    return name;
}

static bool name_give(struct pn_qfiles *f, struct pn_qtmp *t, unsigned flags)
{
    char name[PN_QNAME_BYTES];

    t->published = renameat2(t->dir, t->name, f->root, pn_qfiles_name(t->sha, name), flags) == 0;
    return t->published;
}

void pn_qfiles_publish(struct pn_qfiles *f, struct pn_qtmp **tmps, unsigned n, bool *ok, struct pn_error *err)
{
    bool touched[PN_QFOLDERS] = {false}, bad[PN_QFOLDERS] = {false};
    bool at_once = pn_qfiles_sync_at_once(f, n);
    unsigned named = 0, all = 0;

    for (unsigned i = 0; i < n; i++)
        all += ok[i] = tmps[i]->finished;
    /* Names first, then one sync for all: after a cut a name may be there without its data, so only where there was
     * none before, which no row means yet. */
    for (unsigned i = 0; at_once && i < n; i++)
        if (ok[i] && name_give(f, tmps[i], RENAME_NOREPLACE)) {
            touched[tmps[i]->sha[0] >> 4] = true;
            named++;
        }
    if (at_once && syncfs(f->root) == 0) {
        if (named == all)
            return;
        memset(touched, 0, sizeof(touched)); /* these are done */
    } else {
        pn_qfiles_sync_data(f, tmps, n, ok, err);
    }
    for (unsigned i = 0; i < n; i++) {
        struct pn_qtmp *t = tmps[i];
        if (!ok[i] || t->published)
            continue;
        if (!name_give(f, t, 0)) {
            pn_error_set(err, "%s: rename: %s", f->path, strerror(errno));
            ok[i] = false;
            continue;
        }
        touched[t->sha[0] >> 4] = true;
    }
    pn_qfiles_sync_folders(f, touched, bad, err);
    for (unsigned i = 0; i < n; i++)
        ok[i] = ok[i] && !bad[tmps[i]->sha[0] >> 4];
}

bool pn_qfiles_have(struct pn_qfiles *f, const uint8_t sha[PN_Q_SHA_BYTES])
{
    char name[PN_QNAME_BYTES];
    struct stat st;

    return fstatat(f->root, pn_qfiles_name(sha, name), &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
}

int pn_qfiles_remove(struct pn_qfiles *f, const uint8_t sha[PN_Q_SHA_BYTES])
{
    char name[PN_QNAME_BYTES];

    if (f->read_fd >= 0 && memcmp(f->read_sha, sha, PN_Q_SHA_BYTES) == 0) {
        close(f->read_fd);
        f->read_fd = -1;
    }
    return unlinkat(f->root, pn_qfiles_name(sha, name), 0) == 0 || errno == ENOENT ? 0 : -1;
}

ssize_t pn_qfiles_read(struct pn_qfiles *f, const uint8_t sha[PN_Q_SHA_BYTES], uint64_t offset, void *buf, size_t len)
{
    char name[PN_QNAME_BYTES];

    if (f->read_fd < 0 || memcmp(f->read_sha, sha, PN_Q_SHA_BYTES) != 0) {
        int fd = openat(f->root, pn_qfiles_name(sha, name), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
            return -1;
        if (f->read_fd >= 0)
            close(f->read_fd);
        f->read_fd = fd;
        memcpy(f->read_sha, sha, PN_Q_SHA_BYTES);
    }
    return pread(f->read_fd, buf, len, (off_t)offset);
}

int pn_qfiles_raw(struct pn_qfiles *f, const uint8_t sha[PN_Q_SHA_BYTES], bool check, pn_qsink *sink, void *arg,
                  struct pn_error *err)
{
    char name[PN_QNAME_BYTES];
    int fd = openat(f->root, pn_qfiles_name(sha, name), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0)
        return pn_error_set(err, "%s/%s: %s", f->path, name, strerror(errno));
    int rc = pn_qfiles_unpack(f, fd, check ? sha : NULL, UINT64_MAX, sink, arg, err);
    close(fd);
    return rc;
}

int pn_qfiles_sweep(struct pn_qfiles *f, pn_qkeep *keep, void *arg)
{
    int removed = 0;

    for (unsigned i = 0; i < PN_QFOLDERS; i++) {
        char folder_name[3];
        snprintf(folder_name, sizeof(folder_name), "%x", i);
        int copy = openat(f->root, folder_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
        if (d == NULL) {
            if (copy >= 0)
                close(copy);
            return -1;
        }
        for (struct dirent *e; (e = readdir(d)) != NULL;) {
            uint8_t sha[PN_Q_SHA_BYTES];
            struct stat st;
            char text[PN_Q_SHA_TEXT_BYTES] = "";
            if (e->d_name[0] == '.' || fstatat(copy, e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
                continue;
            size_t len = strlen(e->d_name);
            bool named = len == PN_Q_SHA_TEXT_BYTES + 3 && strcmp(e->d_name + PN_Q_SHA_TEXT_BYTES - 1, ".zst") == 0;
            if (named)
                memcpy(text, e->d_name, PN_Q_SHA_TEXT_BYTES - 1);
            if (!named || pn_q_sha_parse(text, sha) != 0 || sha[0] >> 4 != i || !S_ISREG(st.st_mode))
                continue; /* not ours: left alone */
            if (!keep(arg, sha, (uint64_t)st.st_size) && unlinkat(copy, e->d_name, 0) == 0)
                removed++;
        }
        closedir(d);
    }
    return removed;
}

int pn_qfiles_free_bytes(struct pn_qfiles *f, uint64_t *free_bytes, uint64_t *size_bytes)
{
    struct statvfs v;

    if (fstatvfs(f->root, &v) != 0)
        return -1;
    *free_bytes = (uint64_t)v.f_bavail * v.f_frsize;
    *size_bytes = (uint64_t)v.f_blocks * v.f_frsize;
    return 0;
}
