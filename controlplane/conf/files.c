/* SPDX-License-Identifier: BSD-3-Clause */
/* Configuration files on the disk. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/error.h"
#include "controlplane/conf/load.h"

static int disk_read_fd(int fd, char **text, size_t *len, struct pn_error *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return pn_error_set(err, "%s", strerror(errno));
    if (!S_ISREG(st.st_mode))
        return pn_error_set(err, "is not a regular file");
    if (st.st_size > (off_t)PN_UCL_MAX_FILE_BYTES)
        return pn_error_set(err, "is longer than %u bytes", PN_UCL_MAX_FILE_BYTES);
    char *buf = malloc(PN_UCL_MAX_FILE_BYTES + 1);
    size_t n = 0;
    if (!buf)
        return pn_error_set(err, "out of memory");
    for (;;) {
        ssize_t got = read(fd, buf + n, PN_UCL_MAX_FILE_BYTES + 1 - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 || (n += (size_t)got) > PN_UCL_MAX_FILE_BYTES) {
            pn_error_set(err, "%s", got < 0 ? strerror(errno) : "grew while it was read");
            free(buf);
            return -1;
        }
        if (got == 0)
            break;
    }
    *text = buf;
    *len = n;
    return 0;
}

/* What is missing because a link leads to nothing was meant to be there. -1: the path, or a folder of it, is such a link. */
static int disk_links(const char *path, size_t len, struct pn_error *err)
{
    char way[512];
    struct stat st;
    for (size_t n = 1; n <= len && n < sizeof(way); n++) {
        if (n < len && path[n] != '/')
            continue;
        snprintf(way, sizeof(way), "%.*s", (int)n, path);
        if (lstat(way, &st) == 0 && stat(way, &st) != 0 && errno == ENOENT)
            return pn_error_set(err, "the link %s leads to nothing", way);
    }
    return 0;
}

static int disk_read(void *arg, const char *path, char **text, size_t *len, struct pn_error *err)
{
    (void)arg;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); /* a FIFO must not block */
    if (fd < 0 && errno != ENOENT)
        return pn_error_set(err, "%s", strerror(errno));
    if (fd < 0)
        return disk_links(path, strlen(path), err) < 0 ? -1 : 1;
    int rc = disk_read_fd(fd, text, len, err);
    close(fd);
    return rc;
}

static int disk_compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int disk_glob(void *arg, const char *pattern, char ***paths, unsigned *n, struct pn_error *err)
{
    glob_t found;
    size_t folder = strcspn(pattern, "*?[");
    while (folder > 0 && pattern[folder - 1] != '/')
        folder--;
    if (folder > 1 && disk_links(pattern, folder - 1, err) < 0)
        return -1;
    int rc = glob(pattern, GLOB_NOSORT | GLOB_ERR, NULL, &found);
    (void)arg;
    *paths = NULL;
    *n = 0;
    if (rc == GLOB_NOMATCH)
        return 0;
    if (rc != 0) {
        int cause = errno;
        globfree(&found);
        if (rc == GLOB_ABORTED && (cause == ENOENT || cause == ENOTDIR))
            return 0; /* no such folder: nothing to include */
        return pn_error_set(err, "%s", rc == GLOB_NOSPACE ? "out of memory" : strerror(cause));
    }
    /* Sorted by bytes: the locale must not change the order of files. */
    qsort(found.gl_pathv, found.gl_pathc, sizeof(char *), disk_compare);
    char **list = calloc(found.gl_pathc + 1, sizeof(*list));
    unsigned count = 0;
    while (list && count < found.gl_pathc && (list[count] = strdup(found.gl_pathv[count])))
        count++;
    if (!list || count < found.gl_pathc) {
        for (unsigned i = 0; i < count; i++)
            free(list[i]);
        free(list);
        globfree(&found);
        return pn_error_set(err, "out of memory");
    }
    globfree(&found);
    *paths = list;
    *n = count;
    return 0;
}

const struct pn_ucl_io pn_conf_disk = {.read = disk_read, .glob = disk_glob};
