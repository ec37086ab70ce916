/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Releasing a message: the writer notes the intent, the reader reads the message and hands it to a mail server, the
 * writer notes how it ended. The states and what a crash leaves of them: host.h.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/error.h"
#include "common/log.h"
#include "controlplane/actors/quarantine_internal.h"
#include "controlplane/quarantine/qview.h"

struct release {
    struct pn_quarantine_actor *actor;
    uint64_t number;
    char who[PN_QUARANTINE_WHO_BYTES], detail[1024];
    char *sender, **recipients;
    unsigned n_recipients;
    uint64_t size;
    struct pn_qa_ways ways;
    enum pn_quarantine_released result;
    char text[800];
    pn_quarantine_release_done *done;
    void *arg;
};

static void release_free(struct release *r)
{
    for (unsigned i = 0; i < r->n_recipients; i++)
        free(r->recipients[i]);
    free(r->recipients);
    free(r->sender);
    free(r);
}

/* ---- the end, on the writer ---- */

static void release_end(void *arg)
{
    static const enum pn_host_released how[] = {[PN_QUARANTINE_RELEASED] = PN_HOST_RELEASED_DONE,
                                                [PN_QUARANTINE_NOT_RELEASED] = PN_HOST_RELEASED_NOT,
                                                [PN_QUARANTINE_RELEASE_UNKNOWN] = PN_HOST_RELEASED_UNKNOWN};
    struct release *r = arg;
    struct pn_error err = {"the store is closed"};
    char detail[1900];

    snprintf(detail, sizeof(detail), "%s %s", r->detail, r->text);
    if (!r->actor->host || pn_host_release_end(r->actor->host, r->number, how[r->result], r->who, detail, &err) < 0) {
        /* The mark of the beginning stays: nobody takes this for a message that never left. */
        pn_qa_event(r->actor, PN_LOG_ERROR, "release", "item %llu: %s, which cannot be noted: %s",
                    (unsigned long long)r->number, r->text, err.text);
        if (r->result == PN_QUARANTINE_NOT_RELEASED)
            r->result = PN_QUARANTINE_RELEASE_UNKNOWN;
    }
    r->done(r->arg, r->result, r->text);
    release_free(r);
}

static void release_over(struct release *r, enum pn_quarantine_released result, const char *text)
{
    r->result = result;
    snprintf(r->text, sizeof(r->text), "%s", text);
    if (pn_loop_call(r->actor->writer, release_end, r) < 0)
        release_end(r); /* both threads have ended, and this is the one that ends the actor */
}

/* ---- handing over, on the reader ---- */

static void on_mailed(void *arg, enum pn_smtp_out_status status, const char *text)
{
    release_over(arg,
                 status == PN_SMTP_OUT_ACCEPTED  ? PN_QUARANTINE_RELEASED
                 : status == PN_SMTP_OUT_UNKNOWN ? PN_QUARANTINE_RELEASE_UNKNOWN
                                                 : PN_QUARANTINE_NOT_RELEASED,
                 text);
}

static void release_mail(void *arg)
{
    struct release *r = arg;
    struct pn_qgather g = {.max = r->size + 1};
    struct pn_error err;
    struct pn_host *store = pn_quarantine_actor_store(r->actor, &err);

    if (!store || pn_host_raw(store, r->number, pn_qgather_sink, &g, &err) < 0) {
        free(g.bytes);
        release_over(r, PN_QUARANTINE_NOT_RELEASED, err.text);
        return;
    }
    if (pn_qa_mail_send(r->actor, &r->ways, r->sender, r->recipients, r->n_recipients, g.bytes, g.len, on_mailed, r,
                        &err) < 0)
        release_over(r, PN_QUARANTINE_NOT_RELEASED, err.text);
}

/* ---- the beginning, on the writer ---- */

static int row_take(void *arg, const struct pn_host_row *row)
{
    struct release *r = arg;
    const pn_q_item *item = row->item;

    r->sender = strdup(item->sender);
    r->size = item->size_bytes;
    pn_qa_ways(r->actor, item->node, &r->ways);
    if (r->n_recipients)
        return 0; /* to others than the message says */
    r->recipients = calloc(item->n_recipients ? item->n_recipients : 1, sizeof(*r->recipients));
    for (size_t i = 0; r->recipients && i < item->n_recipients; i++)
        if ((r->recipients[r->n_recipients] = strdup(item->recipients[i])))
            r->n_recipients++;
    return 0;
}

static int refuse(struct release *r, int how, struct pn_error *err)
{
    unsigned long long n = r->number;

    if (how == PN_HOST_RELEASE_NOT_THERE)
        pn_error_set(err, "no message %llu in the quarantine, or its time was over", n);
    else if (how == PN_HOST_RELEASE_FINAL)
        pn_error_set(err, "item %llu was released or deleted already (postern quarantine audit %llu)", n, n);
    else if (how == PN_HOST_RELEASE_OPEN)
        pn_error_set(err,
                     "item %llu: a release began and its end is not known: it may have been delivered (postern "
                     "quarantine audit %llu); --again releases it once more",
                     n, n);
    release_free(r);
    return -1;
}

int pn_quarantine_release(struct pn_quarantine_actor *a, const struct pn_quarantine_release *o,
                          pn_quarantine_release_done *done, void *arg, struct pn_error *err)
{
    struct pn_host *host = pn_quarantine_actor_host(a, err);
    struct release *r = host ? calloc(1, sizeof(*r)) : NULL;
    size_t at;

    if (!r)
        return host ? pn_error_set(err, "out of memory") : -1;
    *r = (struct release){.actor = a, .number = o->number, .done = done, .arg = arg};
    snprintf(r->who, sizeof(r->who), "%s", o->who);
    if (o->to) {
        r->recipients = calloc(1, sizeof(*r->recipients));
        r->n_recipients = r->recipients && (r->recipients[0] = strdup(o->to)) ? 1 : 0;
    }
    int rc = pn_host_get(host, o->number, row_take, r, err);
    if (rc < 0)
        return refuse(r, -1, err);
    if (rc == 0)
        return refuse(r, PN_HOST_RELEASE_NOT_THERE, err);
    if (!r->sender || !r->recipients || r->n_recipients == 0) {
        pn_error_set(err, "item %llu has no recipient: say to whom", (unsigned long long)o->number);
        return refuse(r, -1, err);
    }
    at = (size_t)snprintf(r->detail, sizeof(r->detail), "to");
    for (unsigned i = 0; i < r->n_recipients && at + 8 < sizeof(r->detail); i++)
        at += (size_t)snprintf(r->detail + at, sizeof(r->detail) - at, "%s %s", i ? "," : "", r->recipients[i]);
    rc = pn_host_release_begin(host, o->number, o->again, r->who, r->detail, err);
    if (rc != PN_HOST_RELEASE_BEGUN)
        return refuse(r, rc, err);
    if (pn_loop_call(a->reader, release_mail, r) < 0)
        release_over(r, PN_QUARANTINE_NOT_RELEASED, "posternd is stopping");
    return 0;
}
