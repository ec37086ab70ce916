/* SPDX-License-Identifier: BSD-3-Clause */
/* Folders and messages for the quarantine's tests. */
#ifndef POSTERN_TESTS_QUARANTINE_FIXTURE_H
#define POSTERN_TESTS_QUARANTINE_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ftw.h>
#include <unistd.h>

#include "controlplane/quarantine/spool.h"

static inline int fixture_rm(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}
static inline void fixture_remove(const char *path)
{
    nftw(path, fixture_rm, 16, FTW_DEPTH | FTW_PHYS);
}
static inline char *fixture_dir(char buf[64])
{
    /* Memory where there is some: these tests are about order and answers, not about the disk's speed. */
    strcpy(buf, access("/dev/shm", W_OK) == 0 ? "/dev/shm/pn-quarantine.XXXXXX" : "/tmp/pn-quarantine.XXXXXX");
    return mkdtemp(buf);
}

/* Message `number`: text that compresses, `size` bytes; its number can be read back from its subject. */
static inline char *fixture_message(unsigned number, size_t size)
{
    char *m = malloc(size + 256);
    int n = snprintf(m, 256, "From: <s%u@example.org>\r\nSubject: message %u\r\n\r\n", number, number);
    uint32_t x = number * 2654435761u + 1;
    for (size_t i = (size_t)n; i < size; i++) {
        x = x * 1664525u + 1013904223u;
        m[i] = i % 72 == 71 ? '\n' : (char)('a' + (x >> 27) % 26);
    }
    m[size > (size_t)n ? size : (size_t)n] = '\0';
    return m;
}

struct fixture_result {
    unsigned calls;
    struct pn_spool_result last;
    char reason[256];
};
static inline void fixture_done(void *arg, const struct pn_spool_result *r)
{
    struct fixture_result *f = arg;
    f->calls++;
    f->last = *r;
    snprintf(f->reason, sizeof(f->reason), "%s", r->reason ? r->reason : "");
}

/* Queued, not committed. 0, -1. */
/* text: the number of the message whose bytes it has. */
static inline int fixture_intake_as(struct pn_spool *s, unsigned number, unsigned text, size_t size,
                                    pn_spool_done *done, void *arg)
{
    struct pn_error err;
    bool full;
    char *m = fixture_message(text, size), rcpt[64];
    char *rcpts[] = {rcpt};
    pn_q_item about = PN__Q__ITEM__INIT;
    struct pn_intake *in = pn_spool_begin(s, size, &full, &err);

    snprintf(rcpt, sizeof(rcpt), "r%u@example.net", number);
    about.sender = (char *)"sender@example.org";
    about.n_recipients = 1;
    about.recipients = rcpts;
    about.reason = (char *)"test";
    about.received_ms = 1700000000000ull + number;
    size_t len = strlen(m);
    int rc = -1;
    if (in && pn_spool_append(in, m, len / 2, &err) == 0 && pn_spool_append(in, m + len / 2, len - len / 2, &err) == 0)
        rc = pn_spool_end(in, &about, done, arg, &err);
    else
        pn_spool_abort(in);
    free(m);
    return rc;
}
static inline int fixture_intake(struct pn_spool *s, unsigned number, size_t size, pn_spool_done *done, void *arg)
{
    return fixture_intake_as(s, number, number, size, done, arg);
}

#endif
