/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/cluster/link_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>

void pn_link_timer_set(struct pn_link *l, uint32_t ms)
{
    const struct timeval tv = {ms / 1000, (suseconds_t)(ms % 1000) * 1000};

    evtimer_add(l->timer, &tv);
}

void pn_link_free(struct pn_link *l)
{
    if (!l)
        return;
    if (l->back) {
        *l->back = l->next;
        if (l->next)
            l->next->back = l->back;
    }
    if (l->bev) {
        SSL *ssl = bufferevent_openssl_get_ssl(l->bev);
        if (ssl && l->state >= LINK_HELLO)
            SSL_shutdown(ssl);
        ERR_clear_error();
        bufferevent_free(l->bev);
    } else if (l->fd >= 0) {
        close(l->fd);
    }
    if (l->timer)
        event_free(l->timer);
    SSL_CTX_free(l->rq.ctx);
    free(l);
}

/* Into the last state: nothing is heard, the timer frees. Callers up the stack still hold l. */
static void retire(struct pn_link *l, uint32_t after_ms)
{
    l->state = LINK_GONE;
    bufferevent_disable(l->bev, EV_READ);
    pn_link_timer_set(l, after_ms);
}

static void report_down(struct pn_link *l, const char *reason)
{
    l->state = LINK_GONE;
    l->rq.ops->down(l->rq.arg, l, reason);
}

void pn_link_broken(struct pn_link *l, const char *format, ...)
{
    char text[PN_BYE_TEXT_BYTES];
    va_list args;

    if (l->state == LINK_GONE)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    report_down(l, text);
    retire(l, 0);
}

static void bye(struct pn_link *l, enum pn_bye reason, const char *text)
{
    struct pn_control c = {.kind = PN_CONTROL_BYE};

    c.bye.reason = reason;
    snprintf(c.bye.text, sizeof(c.bye.text), "%s", text ? text : pn_bye_text[reason]);
    l->rq.ops->fill_bye(l->rq.arg, l, &c);
    pn_link_control(l, &c);
}

void pn_link_close(struct pn_link *l, enum pn_bye reason, const char *text)
{
    if (l->state == LINK_GONE)
        return;
    bool talks = l->state >= LINK_HELLO;
    if (talks)
        bye(l, reason, text);
    retire(l, talks ? l->rq.limits->linger_ms : 0);
}

void pn_link_refuse(struct pn_link *l, enum pn_bye reason, const char *text)
{
    char copy[PN_BYE_TEXT_BYTES];

    snprintf(copy, sizeof(copy), "%s", text);
    bye(l, reason, copy);
    report_down(l, copy);
    retire(l, l->rq.limits->linger_ms);
}
