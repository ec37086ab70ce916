/* SPDX-License-Identifier: BSD-3-Clause */
/* A host's store with mail in it. */
#ifndef TESTS_UNIT_QUARANTINE_TAKEN_H
#define TESTS_UNIT_QUARANTINE_TAKEN_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "controlplane/quarantine/retention.h"
#include "quarantine_store.h"

#define HOUR PN_REPORT_HOUR_MS
#define T0 (1700000000000ull / HOUR * HOUR)

struct world {
    char dir[64], path[80];
    struct pn_host *host;
    uint64_t sequence;
};

static inline void done(void *arg, const struct pn_q_id *id, bool ok, const char *reason)
{
    (void)arg, (void)id;
    if (!ok)
        fail_msg("%s", reason);
}

static inline void host_start(struct world *w)
{
    struct pn_host_options o = {.path = w->path};
    struct pn_error err;

    store_options(&o);
    if (pn_host_open(&o, &w->host, &err) != 0)
        fail_msg("%s", err.text);
}

static inline void world_start(struct world *w)
{
    memset(w, 0, sizeof(*w));
    fixture_dir(w->dir);
    snprintf(w->path, sizeof(w->path), "%s/host", w->dir);
    store_new();
    host_start(w);
}

static inline void world_stop(struct world *w)
{
    pn_host_close(w->host);
    fixture_remove(w->dir);
}

struct mail {
    const char *node, *sender, *recipient, *recipient2, *subject, *reason, *rule, *headers, *about;
    unsigned kind, event;
    uint64_t at_ms;
};

/* Into the store, and durable. */
static inline void take(struct world *w, const struct mail *m)
{
    pn_q_item item = PN__Q__ITEM__INIT;
    char *rcpts[] = {(char *)(uintptr_t)m->recipient, (char *)(uintptr_t)m->recipient2}, raw[600];
    uint8_t sha[PN_Q_SHA_BYTES];

    item.node = (char *)(uintptr_t)(m->node ? m->node : "mx1");
    item.sequence = ++w->sequence;
    item.kind = m->kind ? m->kind : PN_Q_MESSAGE;
    item.event = m->event;
    item.sender = (char *)(uintptr_t)(m->sender ? m->sender : "");
    item.n_recipients = (m->recipient != NULL) + (m->recipient2 != NULL);
    item.recipients = rcpts;
    item.subject = (char *)(uintptr_t)(m->subject ? m->subject : "");
    item.reason = (char *)(uintptr_t)(m->reason ? m->reason : "");
    item.rule = (char *)(uintptr_t)(m->rule ? m->rule : "");
    item.about = (char *)(uintptr_t)(m->about ? m->about : "");
    item.received_ms = m->at_ms ? m->at_ms : T0;
    item.size_bytes = 1000;
    snprintf(raw, sizeof(raw), "Subject: %s\r\nX-Number: %llu\r\n%s\r\ntext", item.subject,
             (unsigned long long)w->sequence, m->headers ? m->headers : "");
    store_put(w->host, &item, raw, sha, done, NULL);
    assert_int_equal(pn_host_commit(w->host), 1);
}

struct found {
    unsigned n;
    uint64_t numbers[64], sequences[64];
};

static inline int note(void *arg, const struct pn_host_row *row)
{
    struct found *f = arg;
    f->sequences[f->n] = row->item->sequence;
    f->numbers[f->n++] = row->number;
    return f->n == 64;
}

static inline struct found find(struct world *w, struct pn_host_query q)
{
    struct found f = {.n = 0};
    struct pn_error err;
    if (pn_host_find(w->host, &q, note, &f, &err) != 0)
        fail_msg("%s", err.text);
    return f;
}

#endif
