/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/cluster/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/error.h"

static int sync_parent(const char *dir)
{
    char path[4096];
    char *slash;
    int fd, rc;

    if (snprintf(path, sizeof(path), "%s", dir) >= (int)sizeof(path))
        return -1;
    slash = strrchr(path, '/');
    if (slash && slash != path)
        *slash = '\0';
    else
        strcpy(path, slash ? "/" : ".");
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    rc = fsync(fd);
    close(fd);
    return rc;
}

int pn_store_prepare(const char *dir, struct pn_error *err)
{
    struct stat st;

    if (mkdir(dir, 0700) == 0)
        return sync_parent(dir) == 0 ? 0 : pn_error_set(err, "%s: %s", dir, strerror(errno));
    if (errno != EEXIST || stat(dir, &st) < 0)
        return pn_error_set(err, "%s: %s", dir, strerror(errno));
    if (!S_ISDIR(st.st_mode))
        return pn_error_set(err, "%s is not a folder", dir);
    if ((st.st_mode & 077) && chmod(dir, 0700) < 0)
        return pn_error_set(err, "%s: others can read it, and that cannot be changed: %s", dir, strerror(errno));
    return 0;
}

int pn_store_read(const char *dir, const char *name, size_t max, struct pn_bytes *out, struct pn_error *err)
{
    char path[4096];
    struct stat st;
    int fd;

    *out = (struct pn_bytes){NULL, 0};
    if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
        return pn_error_set(err, "%s: path too long", dir);
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT ? 1 : pn_error_set(err, "%s: %s", path, strerror(errno));
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size < 0 || (uint64_t)st.st_size > max) {
        close(fd);
        return pn_error_set(err, "%s: not a file of at most %zu bytes", path, max);
    }
    out->data = malloc((size_t)st.st_size + 1);
    while (out->data && out->len < (size_t)st.st_size) {
        ssize_t n = read(fd, out->data + out->len, (size_t)st.st_size - out->len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        out->len += (size_t)n;
    }
    close(fd);
    if (!out->data || out->len != (size_t)st.st_size) {
        pn_bytes_free(out);
        return pn_error_set(err, "%s: cannot be read whole", path);
    }
    out->data[out->len] = '\0'; /* PEM readers like it */
    return 0;
}

int pn_store_remove(const char *dir, const char *name, struct pn_error *err)
{
    int folder = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;

    if (folder < 0)
        return errno == ENOENT ? 0 : pn_error_set(err, "%s: %s", dir, strerror(errno));
    if (unlinkat(folder, name, 0) < 0 && errno != ENOENT)
        rc = pn_error_set(err, "%s/%s: %s", dir, name, strerror(errno));
    else if (fsync(folder) < 0)
        rc = pn_error_set(err, "%s: %s", dir, strerror(errno));
    close(folder);
    return rc;
}
