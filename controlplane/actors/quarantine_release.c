/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Releasing a message: the keeper notes the intent, the reader reads the message and hands it to a mail server, the
 * keeper notes how it ended. The states and what a crash leaves of them: host.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "common/error.h"
#include "common/log.h"
#include "controlplane/actors/quarantine_internal.h"
#include "controlplane/quarantine/qview.h"

struct release {
    struct pn_quarantine_actor *actor;
    uint64_t number;
    char who[PN_QUARANTINE_WHO_BYTES], detail[1024];
    char *sender, **recipients; /* who gets it now */
    unsigned n_recipients;
    bool part; /* others of the message's recipients still wait for theirs */
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

/* ---- the end, on the keeper ---- */

static void release_end(void *arg)
{
    static const enum pn_host_released how[] = {[PN_QUARANTINE_RELEASED] = PN_HOST_RELEASED_DONE,
                                                [PN_QUARANTINE_NOT_RELEASED] = PN_HOST_RELEASED_NOT,
                                                [PN_QUARANTINE_RELEASE_UNKNOWN] = PN_HOST_RELEASED_UNKNOWN};
    struct release *r = arg;
    struct pn_error err = {"the store is closed"};
    char detail[1900];

    snprintf(detail, sizeof(detail), "%s %s", r->detail, r->text);
    enum pn_host_released end = r->result == PN_QUARANTINE_RELEASED && r->part ? PN_HOST_RELEASED_PART : how[r->result];
    if (!r->actor->host || pn_host_release_end(r->actor->host, r->number, end, r->who, detail, &err) < 0) {
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
    if (pn_loop_call(r->actor->keeper, release_end, r) < 0)
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

/* ---- the beginning, on the keeper ---- */

static int row_take(void *arg, const struct pn_host_row *row)
{
    struct release *r = arg;
    const pn_q_item *item = row->item;

    r->sender = strdup(item->sender);
    r->size = item->size_bytes;
    pn_qa_ways(r->actor, item->node, &r->ways);
    r->recipients = calloc(item->n_recipients ? item->n_recipients : 1, sizeof(*r->recipients));
    for (size_t i = 0; r->recipients && i < item->n_recipients; i++)
        if ((r->recipients[r->n_recipients] = strdup(item->recipients[i])))
            r->n_recipients++;
    return 0;
}

struct had {
    struct release *release;
    const char *to; /* NULL: everybody who had not */
    bool to_had;
};

/* Who had theirs already leaves the list. The detail begins as pn_quarantine_release() makes it. */
static int had_theirs(void *arg, const struct pn_host_audit *row)
{
    struct had *h = arg;
    struct release *r = h->release;

    for (unsigned i = 0; strcmp(row->what, PN_HOST_RELEASED_PART_WHAT) == 0 && i < r->n_recipients; i++) {
        size_t len = strlen(r->recipients[i]);
        if (strncmp(row->detail, "to ", 3) != 0 || strncasecmp(row->detail + 3, r->recipients[i], len) != 0 ||
            row->detail[3 + len] != ' ')
            continue;
        h->to_had |= h->to && strcasecmp(h->to, r->recipients[i]) == 0;
        free(r->recipients[i]);
        r->recipients[i] = r->recipients[--r->n_recipients];
    }
    return 0;
}

/* One of the message's recipients gets theirs, the others' wait on; anybody else gets it in their place. */
static void only_to(struct release *r, const char *to, bool to_had)
{
    unsigned n = 0;

    for (unsigned i = 0; i < r->n_recipients; i++)
        n += strcasecmp(r->recipients[i], to) == 0;
    r->part = (n > 0 || to_had) && n < r->n_recipients;
    while (r->n_recipients)
        free(r->recipients[--r->n_recipients]);
    if (r->recipients && (r->recipients[0] = strdup(to)))
        r->n_recipients = 1;
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
    struct had had = {.release = r, .to = o->to};
    int rc = pn_host_get(host, o->number, row_take, r, err);
    if (rc < 0)
        return refuse(r, -1, err);
    if (rc == 0)
        return refuse(r, PN_HOST_RELEASE_NOT_THERE, err);
    if (pn_host_audit_list(host, o->number, had_theirs, &had, err) < 0)
        return refuse(r, -1, err);
    if (had.to_had && !o->again) {
        pn_error_set(err, "item %llu was released for %s already (postern quarantine audit %llu)",
                     (unsigned long long)o->number, o->to, (unsigned long long)o->number);
        return refuse(r, -1, err);
    }
    if (o->to)
        only_to(r, o->to, had.to_had);
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
