/* SPDX-License-Identifier: BSD-3-Clause */
/* What the parts of the quarantine's actor share: events, timers, and word that something has changed. */
#include <stdarg.h>

#include <event2/event.h>

#include "controlplane/actors/quarantine_internal.h"
#include "controlplane/loop/tell.h"

#define SOON_MS 100u

void pn_qa_event(struct pn_quarantine_actor *a, int log_level, const char *subject, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    pn_tell(a->main, a->event, a->arg, log_level, subject, format, args);
    va_end(args);
}

void pn_qa_after(struct event *timer, uint64_t ms)
{
    struct timeval after = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};

    event_add(timer, &after);
}

bool pn_qa_is_host(const struct pn_qa_settings *s)
{
    return s->conf.host[0] && strcmp(s->conf.host, s->node) == 0;
}

void pn_qa_changed(struct pn_quarantine_actor *a)
{
    if (!evtimer_pending(a->soon, NULL))
        pn_qa_after(a->soon, SOON_MS);
}

void pn_qa_host_changed(struct pn_quarantine_actor *a)
{
    if (!evtimer_pending(a->host_soon, NULL))
        pn_qa_after(a->host_soon, SOON_MS);
}
