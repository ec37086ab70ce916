/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/quarantine/syncdir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "common/error.h"

int pn_qsync_folder_of(const char *path, struct pn_error *err)
{
    char dir[512];
    int rc = -1;

    if (snprintf(dir, sizeof(dir), "%s", path) >= (int)sizeof(dir))
        return pn_error_set(err, "%s: the path is too long", path);
    char *slash = strrchr(dir, '/');
    while (slash && slash > dir && slash[1] == '\0') { /* "a/b/" is b in a */
        *slash = '\0';
        slash = strrchr(dir, '/');
    }
    if (slash == NULL)
        strcpy(dir, ".");
    else
        slash[slash == dir] = '\0';
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno == EACCES)
        return 0; /* a folder that is not ours to read: who made it for us saw to the name */
    if (fd >= 0) {
        rc = fsync(fd);
        int why = errno;
        close(fd);
        errno = why;
    }
    return rc == 0 ? 0 : pn_error_set(err, "%s: fsync: %s", dir, strerror(errno));
}
