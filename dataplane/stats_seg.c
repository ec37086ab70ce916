/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/stats_seg.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/error.h"

static int file_make(const char *path, size_t bytes, struct pn_error *err)
{
    char temp[128];
    snprintf(temp, sizeof(temp), "%s.new", path);
    unlink(temp);
    int fd = open(temp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0)
        return pn_error_set(err, "stats %s: %s", temp, strerror(errno));
    /* Allocated now: a full tmpfs must not become a SIGBUS in a worker later. */
    int rc = posix_fallocate(fd, 0, (off_t)bytes);
    if (rc || fchmod(fd, 0644) || rename(temp, path)) {
        pn_error_set(err, "stats %s: %s", path, strerror(rc ? rc : errno));
        unlink(temp);
        close(fd);
        return -1;
    }
    return fd;
}

int pn_stats_seg_new(struct pn_stats_seg *seg, const char *path, unsigned n_workers, uint64_t tsc_hz,
                     struct pn_error *err)
{
    memset(seg, 0, sizeof(*seg));
    snprintf(seg->path, sizeof(seg->path), "%s", path);
    seg->bytes = sizeof(struct pn_stats_header) + (n_workers + 1) * sizeof(struct pn_stats_worker);
    int fd = file_make(path, seg->bytes, err);
    if (fd < 0)
        return -1;
    void *map = mmap(NULL, seg->bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
    close(fd);
    if (map == MAP_FAILED) {
        unlink(path);
        return pn_error_set(err, "stats %s: %s", path, strerror(errno));
    }
    seg->header = map;
    seg->header->version = PN_STATS_VERSION;
    seg->header->n_workers = n_workers;
    seg->header->worker_offset = sizeof(struct pn_stats_header);
    seg->header->worker_bytes = sizeof(struct pn_stats_worker);
    seg->header->n_counters = PN_C_COUNT;
    seg->header->tsc_hz = tsc_hz;
    while (getrandom(&seg->header->boot_id, sizeof(seg->header->boot_id), 0) < 0 && errno == EINTR)
        ;
    /* Last: who finds the magic finds the rest filled in. */
    __atomic_store_n(&seg->header->magic, PN_STATS_MAGIC, __ATOMIC_RELEASE);
    return 0;
}

void pn_stats_seg_free(struct pn_stats_seg *seg)
{
    if (!seg->header)
        return;
    munmap(seg->header, seg->bytes);
    unlink(seg->path);
    seg->header = NULL;
}
