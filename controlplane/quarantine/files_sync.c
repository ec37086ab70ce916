/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A batch of files onto the disk. fsync() of each costs a flush of the drive each; syncfs() costs one for all, but writes
 * all else on the file system too. So: syncfs() for large batches where little else waits, fsync() otherwise, and
 * where syncfs() reports an error, to learn whose it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "common/error.h"
#include "controlplane/quarantine/files_internal.h"

#define WHOLE_MIN 16u /* files */
#define WHOLE_DIRTY_KB (128u << 10) /* of the whole machine, waiting to be written */
#define XFS_SUPER_MAGIC_ 0x58465342

void pn_qfiles_sync_open(struct pn_qfiles *f)
{
    struct statfs st;

    /* Those that are known to commit and flush in syncfs(); FUSE, for one, does not pass it on. */
    f->whole = fstatfs(f->root, &st) == 0 &&
               (st.f_type == EXT4_SUPER_MAGIC || st.f_type == XFS_SUPER_MAGIC_ || st.f_type == BTRFS_SUPER_MAGIC);
    f->meminfo = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
}

static bool little_dirty(const struct pn_qfiles *f)
{
    char text[2048];
    ssize_t n = pread(f->meminfo, text, sizeof(text) - 1, 0);

    if (n <= 0)
        return false;
    text[n] = '\0';
    const char *dirty = strstr(text, "\nDirty:"), *back = strstr(text, "\nWriteback:");
    return dirty && back &&
           strtoull(dirty + strlen("\nDirty:"), NULL, 10) + strtoull(back + strlen("\nWriteback:"), NULL, 10) <=
               WHOLE_DIRTY_KB;
}

bool pn_qfiles_sync_at_once(const struct pn_qfiles *f, unsigned n)
{
    return f->whole && n >= WHOLE_MIN && little_dirty(f);
}

void pn_qfiles_sync_data(struct pn_qfiles *f, struct pn_qtmp **tmps, unsigned n, bool *ok, struct pn_error *err)
{
    /* All data on its way first, so the fsyncs that follow share the journal's commits. */
    for (unsigned i = 0; n > 1 && i < n; i++)
        if (ok[i])
            sync_file_range(tmps[i]->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
    for (unsigned i = 0; i < n; i++)
        if (ok[i] && fsync(tmps[i]->fd) != 0) {
            pn_error_set(err, "%s: fsync: %s", f->path, strerror(errno));
            ok[i] = false;
        }
}

static int folder_sync(struct pn_qfiles *f, unsigned d)
{
    char name[3];

    snprintf(name, sizeof(name), "%x", d);
    int fd = openat(f->root, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return -1;
    int rc = fsync(fd), why = errno;
    close(fd);
    errno = why;
    return rc;
}

void pn_qfiles_sync_folders(struct pn_qfiles *f, const bool touched[PN_QFOLDERS], bool bad[PN_QFOLDERS],
                            struct pn_error *err)
{
    for (unsigned d = 0; d < PN_QFOLDERS; d++)
        if (touched[d] && folder_sync(f, d) != 0) {
            pn_error_set(err, "%s/%x: fsync: %s", f->path, d, strerror(errno));
            bad[d] = true;
        }
}
