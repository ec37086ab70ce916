/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/dplink/stats.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/error.h"

struct pn_stats_reader {
    const uint8_t *map; /* NULL: nothing mapped */
    size_t bytes;
    uint32_t n_blocks;
    uint32_t offset;
    uint64_t boot_id;
};

struct pn_stats_reader *pn_stats_reader_new(void)
{
    return calloc(1, sizeof(struct pn_stats_reader));
}

void pn_stats_reader_close(struct pn_stats_reader *r)
{
    if (r->map)
        munmap((void *)(uintptr_t)r->map, r->bytes);
    memset(r, 0, sizeof(*r));
}

void pn_stats_reader_free(struct pn_stats_reader *r)
{
    if (!r)
        return;
    pn_stats_reader_close(r);
    free(r);
}

/* What the header promises must lie within the mapping; it is read once. */
static int check(const struct pn_stats_header *h, size_t bytes, struct pn_error *err)
{
    if (h->magic != PN_STATS_MAGIC)
        return pn_error_set(err, "not a Postern statistics segment");
    if (h->version != PN_STATS_VERSION || h->worker_bytes != sizeof(struct pn_stats_worker) ||
        h->n_counters != PN_C_COUNT)
        return pn_error_set(err, "statistics segment has another layout (version %u, %u counters, %u bytes a worker)",
                            h->version, h->n_counters, h->worker_bytes);
    if (h->n_workers > PN_MAX_WORKERS)
        return pn_error_set(err, "statistics segment names %u workers", h->n_workers);
    if (h->worker_offset < sizeof(*h) || h->worker_offset % _Alignof(struct pn_stats_worker) != 0 ||
        (uint64_t)h->worker_offset + (uint64_t)(h->n_workers + 1) * h->worker_bytes > bytes)
        return pn_error_set(err, "statistics segment of %zu bytes is too short for %u workers", bytes, h->n_workers);
    return 0;
}

int pn_stats_reader_open(struct pn_stats_reader *r, const char *path, struct pn_error *err)
{
    struct pn_stats_header h;
    struct stat st;
    void *map;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    pn_stats_reader_close(r);
    if (fd < 0)
        return pn_error_set(err, "%s: %s", path, strerror(errno));
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size < (off_t)sizeof(h)) {
        close(fd);
        return pn_error_set(err, "%s: not a Postern statistics segment", path);
    }
    map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (map == MAP_FAILED)
        return pn_error_set(err, "%s: %s", path, strerror(errno));
    memcpy(&h, map, sizeof(h));
    if (check(&h, (size_t)st.st_size, err) < 0) {
        munmap(map, (size_t)st.st_size);
        return -1;
    }
    r->map = map;
    r->bytes = (size_t)st.st_size;
    r->n_blocks = h.n_workers + 1;
    r->offset = h.worker_offset;
    r->boot_id = h.boot_id;
    return 0;
}

void pn_stats_read(const struct pn_stats_reader *r, struct pn_stats_sum *sum)
{
    const volatile struct pn_stats_header *h = (const volatile void *)r->map;
    uint64_t *to = (uint64_t *)&sum->sum;

    _Static_assert(sizeof(struct pn_stats_worker) % sizeof(uint64_t) == 0, "64-bit cells throughout");
    memset(sum, 0, sizeof(*sum));
    if (!h || h->magic != PN_STATS_MAGIC || h->boot_id != r->boot_id)
        return;
    sum->boot_id = r->boot_id;
    sum->generation = h->generation;
    sum->tsc_hz = h->tsc_hz;
    sum->n_workers = r->n_blocks - 1;
    for (unsigned i = 0; i < PN_MAX_VIPS; i++)
        sum->lease_deadline_boottime_ns[i] = h->lease_deadline_boottime_ns[i];

    /* Every cell is a 64-bit counter or gauge, so a block is a row of numbers; a torn sum is at worst a burst behind. */
    for (uint32_t b = 0; b < r->n_blocks; b++) {
        const uint8_t *block = r->map + r->offset + (size_t)b * sizeof(struct pn_stats_worker);
        const volatile uint64_t *from = (const volatile void *)block;
        const volatile struct pn_stats_worker *w = (const volatile void *)block;

        for (size_t i = 0; i < sizeof(struct pn_stats_worker) / sizeof(uint64_t); i++)
            to[i] += from[i];
        if (b < sum->n_workers) {
            sum->worker_heartbeat_ns[b] = w->heartbeat_boottime_ns;
            sum->worker_flows_used[b] = w->flows_used;
            sum->worker_flows_max[b] = w->flows_max;
            sum->worker_busy_cycles[b] = w->busy_cycles;
            sum->worker_total_cycles[b] = w->total_cycles;
        }
    }
    sum->sum.heartbeat_boottime_ns = 0;
    for (uint32_t b = 0; b < sum->n_workers; b++)
        if (b == 0 || sum->worker_heartbeat_ns[b] < sum->sum.heartbeat_boottime_ns)
            sum->sum.heartbeat_boottime_ns = sum->worker_heartbeat_ns[b];
    sum->valid = true;
}
