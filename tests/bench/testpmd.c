/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/bench/testpmd.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define START_MS 20000 /* EAL start, reading the file */
#define SKIP 1 /* first figures, while it warms up */

uint64_t thread_cpu_ns(pid_t pid, pid_t tid)
{
    char path[64];
    unsigned long ns = 0;

    snprintf(path, sizeof(path), "/proc/%d/task/%d/schedstat", pid == 0 ? getpid() : pid, tid);
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return 0;
    if (fscanf(f, "%lu", &ns) != 1)
        ns = 0;
    fclose(f);
    return ns;
}

pid_t thread_named(pid_t pid, const char *name)
{
    char path[300], comm[32];
    struct dirent *e;
    pid_t found = 0;

    snprintf(path, sizeof(path), "/proc/%d/task", pid == 0 ? getpid() : pid);
    DIR *d = opendir(path);
    if (d == NULL)
        return 0;
    while (found == 0 && (e = readdir(d)) != NULL) {
        snprintf(path, sizeof(path), "/proc/%d/task/%s/comm", pid == 0 ? getpid() : pid, e->d_name);
        FILE *f = e->d_name[0] == '.' ? NULL : fopen(path, "re");
        if (f == NULL)
            continue;
        if (fgets(comm, sizeof(comm), f) != NULL && strncmp(comm, name, strlen(name)) == 0)
            found = (pid_t)atoi(e->d_name);
        fclose(f);
    }
    closedir(d);
    return found;
}

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static pid_t start(const char *program, const char *cores, const char *mode, const char *pcap, unsigned mbufs, int *out)
{
    char vdev[400], total[40], forward[40];
    int fds[2];

    snprintf(vdev, sizeof(vdev), "net_pcap0,rx_pcap=%s,infinite_rx=1", pcap);
    snprintf(total, sizeof(total), "--total-num-mbufs=%u", mbufs);
    snprintf(forward, sizeof(forward), "--forward-mode=%s", mode);
    if (pipe(fds) != 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0) {
        dup2(fds[1], 1);
        dup2(fds[1], 2);
        close(fds[0]);
        close(fds[1]);
        /* In a pipe its figures would come in blocks of 4 KB. */
        execlp("stdbuf", "stdbuf", "-o0", program, "-l", cores, "--in-memory", "--no-pci", "--no-telemetry", "--vdev",
               vdev, "--", forward, "--auto-start", "--stats-period=1", "--port-topology=loop", total, (char *)NULL);
        _exit(127);
    }
    close(fds[1]);
    *out = fds[0];
    return pid;
}

/* Next line of its output; false: none within ms, or it has ended. */
static bool next_line(int fd, char *line, size_t size, int64_t ms)
{
    uint64_t end = now_ns() + (uint64_t)ms * 1000000;
    size_t n = 0;

    while (n + 1 < size) {
        int64_t left = (int64_t)(end - now_ns()) / 1000000;
        struct pollfd p = {.fd = fd, .events = POLLIN};
        char c;

        if (left <= 0 || poll(&p, 1, (int)left) <= 0 || read(fd, &c, 1) != 1)
            return false;
        if (c == '\n')
            break;
        line[n++] = c;
    }
    line[n] = '\0';
    return true;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double testpmd_pps(const char *program, const char *cores, const char *mode, const char *pcap, unsigned mbufs,
                   unsigned ms)
{
    double value[16];
    char line[512], last[512] = "";
    unsigned n = 0, seen = 0, wanted = ms < 1000 ? 1 : ms / 1000;
    uint64_t cpu = 0, wall = 0;
    pid_t tid = 0;
    int fd = -1;
    pid_t pid = start(program, cores, mode, pcap, mbufs, &fd);

    if (pid < 0)
        return 0;
    while (n < wanted && n < 16 && next_line(fd, line, sizeof(line), START_MS)) {
        const char *at = strstr(line, "Rx-pps:");

        if (line[0] != '\0')
            memcpy(last, line, sizeof(last));
        if (at == NULL)
            continue;
        if (tid == 0 && (tid = thread_named(pid, "rte-worker")) == 0)
            tid = thread_named(pid, "lcore-worker");
        uint64_t c = thread_cpu_ns(pid, tid), w = now_ns();
        /* pps is over wall time since the last figure; the thread had only a share of that. */
        if (seen++ > SKIP && c > cpu)
            value[n++] = strtod(at + 7, NULL) * (double)(w - wall) / (double)(c - cpu);
        cpu = c;
        wall = w;
    }
    kill(pid, SIGINT);
    for (unsigned i = 0; i < 100 && waitpid(pid, NULL, WNOHANG) == 0; i++) {
        while (next_line(fd, line, sizeof(line), 20))
            ;
        if (i == 80)
            kill(pid, SIGKILL);
    }
    close(fd);
    if (n == 0) {
        printf("pcap  %s %s gave no figures; its last line: %s\n", program, mode, last);
        return 0;
    }
    qsort(value, n, sizeof(*value), compare);
    return value[n / 2];
}
