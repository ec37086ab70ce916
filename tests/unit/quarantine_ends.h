/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A spool and a host in one process, for tests that end it hard: a child works and tells what is durable on descriptor
 * 3; afterwards all that was told must be found, exactly once.
 */
#ifndef POSTERN_TESTS_QUARANTINE_ENDS_H
#define POSTERN_TESTS_QUARANTINE_ENDS_H

#include <signal.h>

#include "controlplane/quarantine/forward_spool.h"
#include "controlplane/quarantine/receive.h"
#include "quarantine_fixture.h"

struct ends {
    struct pn_spool *spool;
    struct pn_host *host;
    struct pn_forward *forward;
    struct pn_receive *receive;
    struct {
        uint8_t *bytes[64];
        size_t len[64];
        unsigned n;
    } up, down;
};

#define SEND(name)                                                                                                     \
    static inline int send_##name(void *arg, const uint8_t *bytes, size_t len)                                         \
    {                                                                                                                  \
        struct ends *e = arg;                                                                                          \
        if (e->name.n == 64)                                                                                           \
            return 1;                                                                                                  \
        e->name.bytes[e->name.n] = malloc(len);                                                                        \
        memcpy(e->name.bytes[e->name.n], bytes, len);                                                                  \
        e->name.len[e->name.n++] = len;                                                                                \
        return 0;                                                                                                      \
    }
SEND(up)
SEND(down)

static inline int ends_open(struct ends *e, const char *dir)
{
    static char spool[96], host[96];
    struct pn_spool_options so = {.path = spool, .node = "mx1", .ballast_bytes = 4096};
    struct pn_host_options ho = {.path = host};
    struct pn_forward_options fo = {.node = "mx1", .seed = 1};
    struct pn_error err;

    memset(e, 0, sizeof(*e));
    snprintf(spool, sizeof(spool), "%s/spool", dir);
    snprintf(host, sizeof(host), "%s/host", dir);
    if (pn_spool_open(&so, &e->spool, NULL, &err) != 0 || pn_host_open(&ho, &e->host, &err) != 0) {
        fprintf(stderr, "%s\n", err.text);
        return -1;
    }
    e->forward = pn_forward_new(&fo, &pn_forward_spool_ops, e->spool, send_up, e);
    e->receive = pn_receive_new(e->host, "mx1", send_down, e);
    return 0;
}

static inline void ends_close(struct ends *e)
{
    pn_forward_free(e->forward);
    pn_spool_close(e->spool);
    pn_host_close(e->host);
    pn_receive_free(e->receive);
    for (unsigned i = 0; i < e->up.n; i++)
        free(e->up.bytes[i]);
    for (unsigned i = 0; i < e->down.n; i++)
        free(e->down.bytes[i]);
}

static inline void ends_carry(struct ends *e)
{
    struct pn_spool_totals t;
    struct pn_error err;
    uint64_t now = 1;

    pn_forward_up(e->forward, 77, now);
    for (unsigned turn = 0; turn < 100; turn++) {
        now += 500; /* broken pieces start anew after a while */
        pn_forward_pump(e->forward, now);
        for (unsigned i = 0; i < e->up.n; i++) {
            pn_receive_frame(e->receive, e->up.bytes[i], e->up.len[i]);
            free(e->up.bytes[i]);
        }
        e->up.n = 0;
        pn_host_commit(e->host);
        pn_receive_flush(e->receive);
        unsigned n = e->down.n;
        for (unsigned i = 0; i < n; i++) {
            pn_forward_frame(e->forward, e->down.bytes[i], e->down.len[i], now);
            free(e->down.bytes[i]);
        }
        e->down.n = 0;
        pn_spool_totals(e->spool, &t);
        if (t.pending_messages == 0 && t.pending_records == 0)
            break;
    }
    pn_spool_purge(e->spool, INT64_MAX, 100, &err);
}

static inline void ends_tell(void *arg, const struct pn_spool_result *r)
{
    unsigned char number = (unsigned char)(uintptr_t)arg;
    if (r->ok && write(3, &number, 1) != 1)
        _exit(9);
}

/* In the child: numbers of what is durable go to descriptor 3. */
static inline void ends_work(const char *dir, unsigned messages)
{
    struct pn_error err;
    struct ends e;
    pn_q_item rec = PN__Q__ITEM__INIT;

    raise(SIGUSR1); /* counting starts here */
    if (ends_open(&e, dir) != 0)
        _exit(8);
    for (unsigned i = 1; i <= messages; i++) {
        fixture_intake(e.spool, i, i == 3 ? 400000 : 900, ends_tell, (void *)(uintptr_t)i);
        if (i % (messages < 10 ? 3 : 20) == 0)
            pn_spool_commit(e.spool);
    }
    for (unsigned i = 1; messages >= 10 && i <= 20; i++) /* a batch of files that are there already */
        fixture_intake_as(e.spool, messages + i, i, i == 3 ? 400000 : 900, ends_tell,
                          (void *)(uintptr_t)(messages + i));
    pn_spool_record(e.spool, &rec, ends_tell, (void *)(uintptr_t)200, &err);
    pn_spool_commit(e.spool);
    ends_carry(&e);
    ends_close(&e);
    _exit(0);
}

struct ends_shown {
    unsigned seen[256], n;
    struct pn_host *host;
    uint64_t messages[64];
    unsigned n_messages;
};
static inline int ends_show(void *arg, const struct pn_host_row *row)
{
    struct ends_shown *s = arg;
    unsigned number = row->item->kind == PN_Q_RECORD ? 200 : (unsigned)(row->item->received_ms - 1700000000000ull);
    s->seen[number & 255]++;
    s->n++;
    if (row->item->kind == PN_Q_MESSAGE && s->n_messages < 64)
        s->messages[s->n_messages++] = row->number;
    return 0;
}
static inline int ends_nothing(void *arg, const uint8_t *bytes, size_t len)
{
    (void)arg, (void)bytes, (void)len;
    return 0;
}

static inline void ends_check(const char *dir, const char *when, const uint8_t *told, unsigned n_told)
{
    struct pn_host_query q = PN_HOST_QUERY_ANY;
    struct pn_spool_totals t;
    struct ends_shown s = {.n = 0};
    struct pn_error err;
    struct ends e;

    if (ends_open(&e, dir) != 0)
        fail_msg("%s: cannot be opened again", when);
    ends_carry(&e);
    pn_spool_totals(e.spool, &t);
    if (t.pending_messages || t.pending_records || t.refused)
        fail_msg("%s: %u wait, %u refused", when, (unsigned)t.pending_messages, (unsigned)t.refused);
    q.limit = 1000;
    assert_int_equal(pn_host_find(e.host, &q, ends_show, &s, &err), 0);
    for (unsigned i = 0; i < 256; i++)
        if (s.seen[i] > 1)
            fail_msg("%s: item %u is shown %u times", when, i, s.seen[i]);
    for (unsigned i = 0; i < n_told; i++)
        if (s.seen[told[i]] != 1)
            fail_msg("%s: item %u was promised and is lost", when, told[i]);
    for (unsigned i = 0; i < s.n_messages; i++)
        if (pn_host_raw(e.host, s.messages[i], ends_nothing, NULL, &err) != 0)
            fail_msg("%s: %s", when, err.text);
    ends_close(&e);
}

#endif
