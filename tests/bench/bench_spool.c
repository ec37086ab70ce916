/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Durable intake with group commit beside what the disk's fsync allows, in one run: turns alternate, so drift hits both.
 * usage: bench_spool FOLDER [MESSAGES] [BYTES] [BATCH]
 * The yardstick writes the same bytes as plain files: write, fsync, rename, fsync of the folder, a message at a time
 * and in batches.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../unit/quarantine_fixture.h"

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Seconds for n files, dir synced after each `batch`. */
static double plain(const char *path, char **text, size_t size, unsigned n, unsigned batch)
{
    char from[512], to[512];
    int fds[1024];
    int dir = open(path, O_RDONLY | O_DIRECTORY);
    double start = now();

    for (unsigned i = 0; i < n; i += batch) {
        unsigned m = n - i < batch ? n - i : batch;
        for (unsigned k = 0; k < m; k++) {
            snprintf(from, sizeof(from), "%s/t%u", path, k);
            fds[k] = open(from, O_CREAT | O_WRONLY | O_TRUNC, 0600);
            if (fds[k] < 0 || write(fds[k], text[i + k], size) != (ssize_t)size)
                perror(from);
            if (m > 1)
                sync_file_range(fds[k], 0, 0, SYNC_FILE_RANGE_WRITE);
        }
        for (unsigned k = 0; k < m; k++) {
            fsync(fds[k]);
            close(fds[k]);
            snprintf(from, sizeof(from), "%s/t%u", path, k);
            snprintf(to, sizeof(to), "%s/f%u", path, i + k);
            if (rename(from, to) != 0)
                perror(to);
        }
        fsync(dir);
    }
    double took = now() - start;
    close(dir);
    for (unsigned i = 0; i < n; i++) {
        snprintf(to, sizeof(to), "%s/f%u", path, i);
        unlink(to);
    }
    return took;
}

static unsigned stored;
static void done(void *arg, const struct pn_spool_result *r)
{
    (void)arg;
    stored += r->ok;
}

static double spool(struct pn_spool *s, char **text, size_t size, unsigned n, unsigned batch)
{
    struct pn_error err = {""};
    pn_q_item about = PN__Q__ITEM__INIT;
    char *rcpt[] = {(char *)"user@example.net"};
    double start = now();
    bool full;

    about.sender = (char *)"sender@example.org";
    about.recipients = rcpt;
    about.n_recipients = 1;
    for (unsigned i = 0; i < n; i++) {
        struct pn_intake *in = pn_spool_begin(s, size, &full, &err);
        if (in == NULL || pn_spool_append(in, text[i], size, &err) != 0 ||
            pn_spool_end(in, &about, done, NULL, &err) != 0)
            fprintf(stderr, "%s\n", err.text);
        if (pn_spool_queued(s) == batch)
            pn_spool_commit(s);
    }
    pn_spool_commit(s);
    return now() - start;
}

int main(int argc, char **argv)
{
    unsigned n = argc > 2 ? (unsigned)atoi(argv[2]) : 2000, batch = argc > 4 ? (unsigned)atoi(argv[4]) : 64;
    size_t size = argc > 3 ? (size_t)atol(argv[3]) : 20000;
    struct pn_spool_options o = {.node = "bench", .ballast_bytes = 8 << 20};
    struct pn_spool *s = NULL;
    struct pn_error err;
    double t_one = 0, t_batch = 0, t_spool = 0, t_single = 0;
    char path[400], sub[420];
    const unsigned turns = 3;

    if (argc < 2 || batch == 0 || batch > 1024 || n == 0 || size < 200) {
        fprintf(stderr, "usage: %s FOLDER [MESSAGES] [BYTES] [BATCH]\n", argv[0]);
        return 2;
    }
    snprintf(path, sizeof(path), "%s/bench-spool.%d", argv[1], (int)getpid());
    if (mkdir(path, 0700) != 0) {
        perror(path);
        return 1;
    }
    char **text = calloc(n, sizeof(*text));
    snprintf(sub, sizeof(sub), "%s/spool", path);
    o.path = sub;
    if (text == NULL || pn_spool_open(&o, &s, NULL, &err) != 0) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    for (unsigned t = 0; t < turns; t++) {
        for (unsigned i = 0; i < n; i++)
            text[i] = fixture_message(t * n + i, size);
        t_one += plain(path, text, size, n, 1);
        t_spool += spool(s, text, size, n, batch);
        t_batch += plain(path, text, size, n, batch);
        for (unsigned i = 0; i < n; i++) {
            text[i][size - 1] ^= 1; /* other messages */
        }
        t_single += spool(s, text, size, n / 4 + 1, 1);
        for (unsigned i = 0; i < n; i++)
            free(text[i]);
    }
    double all = (double)turns * n;
    printf("messages of %zu bytes, %u turns of %u, batches of %u\n", size, turns, n, batch);
    printf("plain files, fsync each              %8.0f/s\n", all / t_one);
    printf("plain files, in batches              %8.0f/s\n", all / t_batch);
    printf("spool, group commit                  %8.0f/s  (%.2f of plain files in batches)\n", all / t_spool,
           t_batch / t_spool);
    printf("spool, one message a commit          %8.0f/s\n", turns * (n / 4 + 1) / t_single);
    bool ok = stored == turns * n + turns * (n / 4 + 1);
    if (!ok)
        fprintf(stderr, "only %u were stored\n", stored);
    pn_spool_close(s);
    fixture_remove(path);
    free(text);
    return ok ? 0 : 1;
}
