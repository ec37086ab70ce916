/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rules at size: two nodes with N entries each, 90 % in common but added on each by itself, join. Both run in this one
 * process, one after the other, so two machines need about half the time. Usage: bench_rules [-n ENTRIES] [-d FOLDER]
 * [--json]. The folder's disk decides what a local change costs: the time of a bare 4 KiB write and sync stands beside.
 */
#include <fcntl.h>
#include <getopt.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "controlplane/rules/rules.h"
#include "controlplane/rules/sync.h"

#define BATCH 5000
#define ADDS 1000

static char folder[256] = "/var/tmp";

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double cpu_s(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static double rss_mb(void)
{
    FILE *f = fopen("/proc/self/status", "r");
    char line[256];
    double kb = 0;

    while (f && fgets(line, sizeof(line), f))
        if (sscanf(line, "VmRSS: %lf", &kb) == 1)
            break;
    if (f)
        fclose(f);
    return kb / 1024;
}

static void die(const char *what, const struct pn_error *err)
{
    fprintf(stderr, "bench_rules: %s: %s\n", what, err->text);
    exit(1);
}

static struct pn_rules *open_node(const char *name)
{
    struct pn_error err;
    char path[512];

    snprintf(path, sizeof(path), "%s/%s.db", folder, name);
    struct pn_rules_options o = {.path = path, .node = name};
    struct pn_rules *r = pn_rules_open(&o, &err);
    if (r == NULL)
        die("open", &err);
    return r;
}

static void fill(struct pn_rules *r, unsigned n, unsigned node)
{
    static struct pn_rule_key keys[BATCH];
    static struct pn_rules_change changes[BATCH];
    const struct pn_kind *kind = pn_kind_by_name("blocklist");
    struct pn_error err;
    char value[128];

    for (unsigned i = 0; i < n; i += BATCH) {
        unsigned m = n - i < BATCH ? n - i : BATCH;
        for (unsigned j = 0; j < m; j++) {
            unsigned k = i + j;
            unsigned who = k % 10 ? k : k + (node + 1) * 10000000u;
            snprintf(value, sizeof(value), "sender%08x@mail%u.example%u.org", who * 2654435761u, who % 977, who % 31);
            if (pn_rule_key_make(&keys[j], kind, NULL, value, NULL, &err) != 0)
                die("key", &err);
            changes[j] = (struct pn_rules_change){.key = &keys[j], .keep = true, .description = "imported from a feed"};
        }
        if (pn_rules_change(r, changes, m, NULL, &err) != 0)
            die("add", &err);
    }
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void adds(struct pn_rules *r, double *p50, double *p99)
{
    static double ms[ADDS];
    struct pn_rule_key key;
    struct pn_error err;
    char value[64];

    for (unsigned i = 0; i < ADDS; i++) {
        struct pn_rules_change change = {.key = &key};
        snprintf(value, sizeof(value), "one%u@single.example.org", i * 7919u);
        pn_rule_key_make(&key, pn_kind_by_name("blocklist"), NULL, value, NULL, &err);
        double start = now_s();
        if (pn_rules_change(r, &change, 1, NULL, &err) != 0)
            die("add", &err);
        ms[i] = (now_s() - start) * 1e3;
    }
    qsort(ms, ADDS, sizeof(ms[0]), by_value);
    *p50 = ms[ADDS / 2];
    *p99 = ms[ADDS * 99 / 100];
}

/* What the disk itself takes: a 4 KiB overwrite and fdatasync. */
static void disk(double *p50, double *p99)
{
    static double ms[ADDS / 4];
    enum { N = ADDS / 4 };
    char path[512], page[4096] = {1};
    int fd;

    snprintf(path, sizeof(path), "%s/floor", folder);
    fd = open(path, O_RDWR | O_CREAT, 0600);
    for (unsigned i = 0; i < 256; i++)
        if (pwrite(fd, page, sizeof(page), i * 4096) != sizeof(page))
            exit(1);
    fsync(fd);
    for (unsigned i = 0; i < N; i++) {
        double start = now_s();
        page[0]++;
        if (pwrite(fd, page, sizeof(page), (i % 256) * 4096) != sizeof(page) || fdatasync(fd) != 0)
            exit(1);
        ms[i] = (now_s() - start) * 1e3;
    }
    close(fd);
    unlink(path);
    qsort(ms, N, sizeof(ms[0]), by_value);
    *p50 = ms[N / 2];
    *p99 = ms[N * 99 / 100];
}

/* ---- Two nodes and a wire ---- */

struct wire {
    struct {
        uint8_t *data;
        size_t len;
    } * frames;
    size_t head, tail, size;
    uint64_t bytes;
};

static void out(void *arg, const uint8_t *data, size_t len)
{
    struct wire *w = arg;

    if (w->tail == w->size) {
        memmove(w->frames, w->frames + w->head, (w->tail - w->head) * sizeof(*w->frames));
        w->tail -= w->head;
        w->head = 0;
        if (w->tail + 16 > w->size) {
            w->size = 2 * w->size + 64;
            w->frames = realloc(w->frames, w->size * sizeof(*w->frames));
        }
    }
    w->frames[w->tail].data = malloc(len);
    memcpy(w->frames[w->tail].data, data, len);
    w->frames[w->tail++].len = len;
    w->bytes += len;
}

static bool deliver(struct wire *w, struct pn_sync *to)
{
    struct pn_error err;

    if (w->head == w->tail)
        return false;
    if (pn_sync_input(to, w->frames[w->head].data, w->frames[w->head].len, &err) != 0)
        die("sync", &err);
    free(w->frames[w->head++].data);
    return true;
}

int main(int argc, char **argv)
{
    unsigned n = 1000000;
    bool json = false;
    struct pn_error err;
    struct wire ab = {0}, ba = {0};
    double start, fill_s, open_s, join_s, join_prepare_s, p50, p99, floor50, floor99, rss_one, rss_two;
    static const struct option options[] = {{"json", no_argument, NULL, 'j'}, {0}};
    char base[200], command[512];

    for (int c; (c = getopt_long(argc, argv, "n:d:j", options, NULL)) != -1;) {
        if (c == 'n')
            n = (unsigned)strtoul(optarg, NULL, 10);
        else if (c == 'd')
            snprintf(folder, sizeof(folder) - 32, "%s", optarg);
        else if (c == 'j')
            json = true;
        else
            return 2;
    }
    snprintf(base, sizeof(base), "%.180s", folder);
    snprintf(folder, sizeof(folder), "%s/bench-rules.XXXXXX", base);
    if (mkdtemp(folder) == NULL)
        return perror(folder), 1;

    struct pn_rules *a = open_node("a"), *b;
    start = now_s();
    fill(a, n, 0);
    fill_s = now_s() - start;
    pn_rules_close(a);
    malloc_trim(0);
    start = now_s();
    a = open_node("a");
    open_s = now_s() - start;
    disk(&floor50, &floor99);
    adds(a, &p50, &p99);
    rss_one = rss_mb();

    b = open_node("b");
    fill(b, n, 1);
    const char *members[] = {"a", "b"};
    pn_rules_members_set(a, members, 1, &err); /* a is the cluster that b joins */
    pn_rules_tick(a);
    pn_rules_members_set(a, members, 2, &err);
    pn_rules_members_set(b, members, 2, &err);
    start = now_s();
    double cpu = cpu_s();
    if (pn_rules_join(b, UINT64_MAX, &err) != 0)
        die("join", &err);
    join_prepare_s = now_s() - start;
    struct pn_sync *sa = pn_sync_new(a, "b", out, &ab), *sb = pn_sync_new(b, "a", out, &ba);
    pn_sync_start(sa);
    pn_sync_start(sb);
    while (deliver(&ab, sb) | deliver(&ba, sa))
        ;
    join_s = now_s() - start;
    cpu = cpu_s() - cpu;
    rss_two = rss_mb();
    struct pn_sync_status st;
    pn_sync_status(sa, &st);
    uint64_t count = pn_rules_count(a, PN_KIND_BLOCK);
    if (!st.equal || count != pn_rules_count(b, PN_KIND_BLOCK) || count != n + n / 10 + ADDS) {
        fprintf(stderr, "bench_rules: the two are not equal: %llu entries\n", (unsigned long long)count);
        return 1;
    }
    /* The difference: what b has to get and a has to get, as entries on the wire. */
    double entry_bytes = 2 + 2 + 2 + 2 + (double)strlen("sender00000000@mail500.example20.org") + 2 + 9 + 2 + 2 +
                         (double)strlen("imported from a feed");
    double difference = entry_bytes * (2.0 * n / 10 + ADDS), moved = (double)(ab.bytes + ba.bytes);
    pn_sync_free(sa);
    pn_sync_free(sb);
    pn_rules_close(a);
    pn_rules_close(b);
    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    if (system(command) != 0)
        return 1;
    if (json) {
        printf(
            "{\"rules\":{\"entries\":%u,\"fill_s\":%.2f,\"open_s\":%.2f,\"rss_mb\":%.0f,\"add_p50_ms\":%.2f,\"add_p99_"
            "ms\":"
            "%.2f,\"disk_p50_ms\":%.2f,\"disk_p99_ms\":%.2f,\"join_s\":%.2f,\"join_cpu_s\":%.2f,\"join_mb\":%.1f,"
            "\"join_ratio\":%.2f}}\n",
            n, fill_s, open_s, rss_one, p50, p99, floor50, floor99, join_s, cpu, moved / 1e6, moved / difference);
        return 0;
    }
    printf("%u entries: added in %.1f s, opened in %.2f s, resident %.0f MB (two nodes in one process: %.0f MB)\n", n,
           fill_s, open_s, rss_one, rss_two);
    printf("local add, synced: p50 %.2f ms, p99 %.2f ms (the disk alone: %.2f, %.2f)\n", p50, p99, floor50, floor99);
    printf("join of two nodes, 90 %% in common: equal after %.1f s, %.1f s of it before the first frame, one after the "
           "other "
           "in one thread (CPU %.1f s)\n",
           join_s, join_prepare_s, cpu);
    printf("moved %.1f MB for a difference of %.1f MB: %.2f times\n", moved / 1e6, difference / 1e6,
           moved / difference);
    return 0;
}
