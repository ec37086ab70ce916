/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/loop/listener.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>
#include <event2/listener.h>

#include "common/log.h"

#define REST_US 200000
#define LOG_MS 1000

struct pn_listener {
    struct evconnlistener *accept;
    struct event *again;
    const char *what;
    pn_listener_fn *accepted;
    void *arg;
    struct pn_log_limit limit;
};

static void on_accept(struct evconnlistener *accept, evutil_socket_t fd, struct sockaddr *from, int len, void *arg)
{
    const struct pn_listener *l = arg;

    (void)accept;
    l->accepted(l->arg, fd, from, len > 0 ? (socklen_t)len : 0);
}

static void on_error(struct evconnlistener *accept, void *arg)
{
    static const struct timeval rest = {.tv_usec = REST_US};
    struct pn_listener *l = arg;

    pn_log_limited_at(&l->limit, LOG_MS, PN_LOG_WARNING, "%s: accept: %s", l->what, strerror(errno));
    evconnlistener_disable(accept);
    evtimer_add(l->again, &rest);
}

static void on_again(evutil_socket_t fd, short what, void *arg)
{
    const struct pn_listener *l = arg;

    (void)fd;
    (void)what;
    evconnlistener_enable(l->accept);
}

struct pn_listener *pn_listener_new(struct event_base *base, int fd, int backlog, const char *what,
                                    pn_listener_fn *accepted, void *arg)
{
    struct pn_listener *l = calloc(1, sizeof(*l));

    errno = l ? 0 : ENOMEM;
    if (!l)
        return NULL;
    l->what = what;
    l->accepted = accepted;
    l->arg = arg;
    l->again = evtimer_new(base, on_again, l);
    if (l->again)
        l->accept = evconnlistener_new(base, on_accept, l, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, backlog, fd);
    if (!l->accept) {
        int saved = errno ? errno : ENOMEM;
        pn_listener_free(l);
        errno = saved;
        return NULL;
    }
    evconnlistener_set_error_cb(l->accept, on_error);
    return l;
}

void pn_listener_free(struct pn_listener *l)
{
    if (!l)
        return;
    if (l->accept)
        evconnlistener_free(l->accept);
    if (l->again)
        event_free(l->again);
    free(l);
}
