/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/replace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/error.h"

static int write_all(int fd, const uint8_t *data, size_t len)
{
    while (len) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

int pn_file_replace(const char *dir, const char *name, const void *data, size_t len, struct pn_error *err)
{
    char temporary[64];
    int folder = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = -1, rc = -1;

    if (folder < 0)
        return pn_error_set(err, "%s: %s", dir, strerror(errno));
    snprintf(temporary, sizeof(temporary), "%s.new", name);
    unlinkat(folder, temporary, 0); /* left over: may have another mode */
    fd = openat(folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || write_all(fd, data, len) < 0 || fsync(fd) < 0)
        pn_error_set(err, "%s/%s: %s", dir, temporary, strerror(errno));
    else if (renameat(folder, temporary, folder, name) < 0 || fsync(folder) < 0)
        pn_error_set(err, "%s/%s: %s", dir, name, strerror(errno));
    else
        rc = 0;
    if (fd >= 0)
        close(fd);
    if (rc < 0 && fd >= 0)
        unlinkat(folder, temporary, 0);
    close(folder);
    return rc;
}
