/* SPDX-License-Identifier: BSD-3-Clause */
/* Releasing a message to its recipients, or to somebody else. */
#include <stdlib.h>

#include <event2/event.h>

#include "controlplane/api/quarantine.h"

#define PATIENCE_MS 15000 /* a mail server may take minutes; who asked is told to look later */

struct release {
    struct pn_api_work *work; /* NULL: answered */
    struct event *timer;
    uint64_t id;
};

static void release_free(struct release *r)
{
    if (r->timer)
        event_free(r->timer);
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
        pn_api_work_ok(r->work, json_pack("{s:o, s:s, s:o}", "id", pn_json_u64(r->id), "result", "released", "text",
                                          pn_json_mail(text)));
    else if (r->work && result == PN_QUARANTINE_NOT_RELEASED)
        pn_api_work_fail(r->work, PN_API_REFUSED, "item %llu stays in quarantine: %.400s", id, text);
    else if (r->work)
        pn_api_work_fail(
            r->work, PN_API_REFUSED,
            "item %llu may have been delivered, its end is not known: %.300s (--again releases it once more)", id,
            text);
    release_free(r);
}

static void release_work(struct pn_api_work *w)
{
    struct pn_quarantine_release o = {.number = (uint64_t)pn_api_work_int(w, "id", 0),
                                      .to = pn_api_work_text(w, "to"),
                                      .who = w->who,
                                      .again = pn_api_work_bool(w, "again")};
    struct timeval patience = {PATIENCE_MS / 1000, 0};
    struct release *r = calloc(1, sizeof(*r));
    struct pn_error err;

    if (r)
        r->timer = evtimer_new(pn_loop_base(pn_quarantine_actor_writer(w->arg)), on_patience, r);
    if (!r || !r->timer) {
        free(r);
        pn_api_work_fail(w, PN_API_BUSY, "posternd is out of memory");
        return;
    }
    r->work = w;
    r->id = o.number;
    event_add(r->timer, &patience);
    if (pn_quarantine_release(w->arg, &o, on_released, r, &err) < 0) {
        release_free(r);
        pn_api_work_fail(w, PN_API_REFUSED, "%s", err.text);
    }
}

void pn_cmd_quarantine_release(struct pn_api_call *call)
{
    pn_api_store_write(call, release_work);
}
