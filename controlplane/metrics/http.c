/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>

#include "common/error.h"
#include "common/log.h"
#include "controlplane/metrics/metrics.h"

#define ACCEPT_PAUSE_MS 500

struct pn_metrics_server {
    struct evhttp *http;
    struct event *again; /* accepting goes on after an error and a pause */
    struct evconnlistener *listener; /* http's */
    const struct pn_view *view;
    char listen[64];
};

/* evhttp sends a body with the answer to HEAD as well; that answer has the length and nothing else. */
static void reply(struct evhttp_request *req, struct evbuffer *body, const char *type)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(req);
    bool head = evhttp_request_get_command(req) == EVHTTP_REQ_HEAD;
    char length[24];

    evhttp_add_header(headers, "Content-Type", type);
    snprintf(length, sizeof(length), "%zu", evbuffer_get_length(body));
    evhttp_add_header(headers, "Content-Length", length);
    evhttp_send_reply(req, HTTP_OK, "OK", head ? NULL : body);
}

static void on_metrics(struct evhttp_request *req, void *arg)
{
    struct pn_metrics_server *s = arg;
    struct evbuffer *body = evbuffer_new();

    if (!body || pn_metrics_write(body, s->view) < 0)
        evhttp_send_error(req, HTTP_SERVUNAVAIL, "Out of memory");
    else
        reply(req, body, "text/plain; version=0.0.4; charset=utf-8");
    if (body)
        evbuffer_free(body);
}

static void on_other(struct evhttp_request *req, void *arg)
{
    struct evbuffer *body;

    (void)arg;
    if (strcmp(evhttp_request_get_uri(req), "/") != 0 || !(body = evbuffer_new())) {
        evhttp_send_error(req, HTTP_NOTFOUND, NULL);
        return;
    }
    evbuffer_add_printf(body, "posternd " PN_VERSION ": see /metrics\n");
    reply(req, body, "text/plain");
    evbuffer_free(body);
}

/* "address:port" in two; brackets off. "*" is every address. */
static int split(const char *listen, char *host, size_t size, uint16_t *port, struct pn_error *err)
{
    const char *colon = strrchr(listen, ':');
    char *end;
    unsigned long number = colon ? strtoul(colon + 1, &end, 10) : 0;
    size_t len = colon ? (size_t)(colon - listen) : 0;

    if (!colon || colon[1] == '\0' || *end || number == 0 || number > 65535 || len == 0 || len >= size)
        return pn_error_set(err, "%s: not an address:port", listen);
    if (listen[0] == '[' && listen[len - 1] == ']') {
        listen++;
        len -= 2;
    }
    memcpy(host, listen, len);
    host[len] = '\0';
    if (strcmp(host, "*") == 0)
        snprintf(host, size, "::");
    *port = (uint16_t)number;
    return 0;
}

/*
 * A process out of descriptors would otherwise spin here. The argument is evhttp's, so the listener is all that this can
 * reach; on_again() takes care of the rest.
 */
static void on_accept_error(struct evconnlistener *listener, void *arg)
{
    (void)arg;
    pn_log_limited(1000, PN_LOG_WARNING, "metrics: accept: %s", strerror(errno));
    evconnlistener_disable(listener);
}

static void on_again(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    evconnlistener_enable(((struct pn_metrics_server *)arg)->listener);
}

struct pn_metrics_server *pn_metrics_server_new(struct event_base *base, const char *listen, const struct pn_view *view,
                                                struct pn_error *err)
{
    struct timeval pause = {.tv_usec = ACCEPT_PAUSE_MS * 1000};
    struct evhttp_bound_socket *bound;
    struct pn_metrics_server *s;
    char host[64];
    uint16_t port = 0;

    if (split(listen, host, sizeof(host), &port, err) < 0)
        return NULL;
    s = calloc(1, sizeof(*s));
    if (!s || !(s->http = evhttp_new(base)) || !(s->again = event_new(base, -1, EV_PERSIST, on_again, s))) {
        pn_error_set(err, "out of memory");
        pn_metrics_server_free(s);
        return NULL;
    }
    s->view = view;
    snprintf(s->listen, sizeof(s->listen), "%s", listen);
    evhttp_set_allowed_methods(s->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
    evhttp_set_max_headers_size(s->http, 8192);
    evhttp_set_max_body_size(s->http, 0);
    evhttp_set_timeout(s->http, 10);
    evhttp_set_cb(s->http, "/metrics", on_metrics, s);
    evhttp_set_gencb(s->http, on_other, s);
    errno = 0;
    bound = evhttp_bind_socket_with_handle(s->http, host, port);
    if (!bound) {
        pn_error_set(err, "%s: %s", listen, errno ? strerror(errno) : "cannot listen there");
        pn_metrics_server_free(s);
        return NULL;
    }
    s->listener = evhttp_bound_socket_get_listener(bound);
    evconnlistener_set_error_cb(s->listener, on_accept_error);
    event_add(s->again, &pause);
    return s;
}

void pn_metrics_server_free(struct pn_metrics_server *s)
{
    if (!s)
        return;
    if (s->again)
        event_free(s->again);
    if (s->http)
        evhttp_free(s->http);
    free(s);
}

const char *pn_metrics_server_listen(const struct pn_metrics_server *s)
{
    return s->listen;
}
