/* SPDX-License-Identifier: BSD-3-Clause */
/* Releasing a message to its recipients, or to somebody else. */
#include <stdio.h>
#include <stdlib.h>

#include <event2/event.h>

#include "common/error.h"
#include "controlplane/api/quarantine.h"

#define PATIENCE_MS 15000 /* a mail server may take minutes; who asked is told to look later */

struct release {
    struct pn_api_work *work; /* NULL: answered */
    struct event *timer;
    uint64_t id;
    json_t *welcome; /* who is welcome to whom once it is released; NULL: nobody */
};

static void release_free(struct release *r)
{
    if (r->timer)
        event_free(r->timer);
    json_decref(r->welcome);
    free(r);
}

static void on_patience(evutil_socket_t fd, short what, void *arg)
{
    struct release *r = arg;

    (void)fd;
    (void)what;
    if (r->work)
        pn_api_work_ok(r->work, json_pack("{s:o, s:s, s:s}", "id", pn_json_u64(r->id), "result", "begun", "text",
                                          "the mail server takes its time; the audit will say how it ended"));
    r->work = NULL;
}

static void on_released(void *arg, enum pn_quarantine_released result, const char *text)
{
    struct release *r = arg;
    unsigned long long id = r->id;

    if (r->work && result == PN_QUARANTINE_RELEASED)
        pn_api_work_ok(r->work, json_pack("{s:o, s:s, s:o, s:O?}", "id", pn_json_u64(r->id), "result", "released",
                                          "text", pn_json_mail(text), "welcome", r->welcome));
    else if (r->work && result == PN_QUARANTINE_NOT_RELEASED)
        pn_api_work_fail(r->work, PN_API_REFUSED, "item %llu stays in quarantine: %.400s", id, text);
    else if (r->work)
        pn_api_work_fail(
            r->work, PN_API_REFUSED,
            "item %llu may have been delivered, its end is not known: %.300s (--again releases it once more)", id,
            text);
    release_free(r);
}

/* welcome: taken over. */
static void release_begin(struct pn_api_work *w, const struct pn_quarantine_release *o, json_t *welcome)
{
    struct timeval patience = {PATIENCE_MS / 1000, 0};
    struct release *r = calloc(1, sizeof(*r));
    struct pn_error err;

    if (r)
        r->timer = evtimer_new(pn_loop_base(pn_quarantine_actor_keeper(w->arg)), on_patience, r);
    if (!r || !r->timer) {
        free(r);
        json_decref(welcome);
        pn_api_work_fail(w, PN_API_BUSY, "posternd is out of memory");
        return;
    }
    r->welcome = welcome;
    r->work = w;
    r->id = o->number;
    event_add(r->timer, &patience);
    if (pn_quarantine_release(w->arg, o, on_released, r, &err) < 0) {
        struct pn_host *host = pn_quarantine_actor_host(w->arg, NULL);
        release_free(r);
        if (host)
            pn_api_store_fail(w, host, &err);
        else
            pn_api_work_fail(w, PN_API_UNAVAILABLE, "%s", err.text);
    }
}

static void release_work(struct pn_api_work *w)
{
    struct pn_quarantine_release o = {.number = (uint64_t)pn_api_work_int(w, "id", 0),
                                      .to = pn_api_work_text(w, "to"),
                                      .who = w->who,
                                      .again = pn_api_work_bool(w, "again")};

    release_begin(w, &o, NULL);
}

void pn_cmd_quarantine_release(struct pn_api_call *call)
{
    pn_api_store_write(call, release_work);
}

static int sender_take(void *arg, const struct pn_host_row *row)
{
    *(json_t **)arg = pn_json_mail(row->item->sender);
    return 0;
}

/* The rule itself is the asking side's to make: rules are not the quarantine's. */
static json_t *welcome_of(struct pn_api_work *w, const struct pn_qlink *link)
{
    struct pn_error err;
    struct pn_host *host = pn_quarantine_actor_host(w->arg, &err);
    json_t *sender = NULL;

    if (!host || pn_host_get(host, link->number, sender_take, &sender, &err) != 1 || !sender)
        return NULL;
    return json_pack("{s:o, s:[o]}", "sender", sender, "recipients", pn_json_mail(link->recipient));
}

/* A link of a digest: whoever has it may do what it says, for the recipient that it was sent to. */
static void link_work(struct pn_api_work *w)
{
    char who[PN_QUARANTINE_WHO_BYTES];
    struct pn_error err;
    struct pn_qlink link;

    if (pn_quarantine_link(w->arg, pn_api_work_text(w, "token"), &link, &err) < 0) {
        pn_api_work_fail(w, PN_API_REFUSED, "%s", err.text);
        return;
    }
    if (link.action == PN_QLINK_VIEW) {
        pn_api_work_ok(w, json_pack("{s:o, s:s, s:o}", "id", pn_json_u64(link.number), "result", "view", "recipient",
                                    pn_json_mail(link.recipient)));
        return;
    }
    snprintf(who, sizeof(who), "link of %.80s", link.recipient);
    release_begin(w, &(struct pn_quarantine_release){.number = link.number, .to = link.recipient, .who = who},
                  link.action == PN_QLINK_RELEASE_WHITELIST ? welcome_of(w, &link) : NULL);
}

void pn_cmd_quarantine_link(struct pn_api_call *call)
{
    pn_api_store_write(call, link_work);
}

/* ---- digests ---- */

struct digest {
    struct pn_api_work *work;
    json_t *list;
};

static void digest_each(void *arg, const char *recipient, unsigned items)
{
    struct digest *d = arg;

    if (json_array_size(d->list) < 1000)
        json_array_append_new(d->list,
                              json_pack("{s:o, s:i}", "recipient", pn_json_mail(recipient), "items", (int)items));
}

static void digest_done(void *arg, const struct pn_quarantine_digest_sum *s)
{
    struct digest *d = arg;

    pn_api_work_ok(d->work, json_pack("{s:i, s:i, s:i, s:i, s:i, s:o, s:o, s:o}", "recipients", (int)s->recipients,
                                      "items", (int)s->items, "sent", (int)s->sent, "failed", (int)s->failed, "refused",
                                      (int)s->refused, "last_failure", pn_json_mail(s->last), "problem",
                                      pn_json_mail(s->problem), "due", d->list));
    free(d);
}

static void digest_work(struct pn_api_work *w)
{
    struct digest *d = calloc(1, sizeof(*d));
    struct pn_error err = {"out of memory"};

    if (d) {
        d->work = w;
        d->list = json_array();
        if (pn_quarantine_digest_run(w->arg, pn_api_work_bool(w, "dry_run"), digest_each, digest_done, d, &err) == 0)
            return;
        json_decref(d->list);
    }
    free(d);
    pn_api_work_fail(w, PN_API_REFUSED, "%s", err.text);
}

void pn_cmd_quarantine_digest(struct pn_api_call *call)
{
    pn_api_store_write(call, digest_work);
}
