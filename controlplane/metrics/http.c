/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The Prometheus endpoint: one GET or HEAD a connection (RFC 9112), answered and closed. Bounded in connections, bytes and
 * time, since nobody asks who connects.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/util.h>

#include "common/error.h"
#include "common/log.h"
#include "controlplane/loop/listener.h"
#include "controlplane/metrics/metrics.h"

#define CONNECTIONS_MAX 32u
#define HEAD_MAX_BYTES 8192u
#define TIMEOUT_S 10 /* between two bytes, either way */

struct http_conn {
    TAILQ_ENTRY(http_conn) entry;
    struct pn_metrics_server *server;
    struct bufferevent *bev;
    bool answered; /* goes away once that is written */
};

struct pn_metrics_server {
    struct event_base *base;
    struct pn_listener *listener;
    const struct pn_view *view;
    unsigned n;
    TAILQ_HEAD(, http_conn) conns; /* oldest first */
    char listen[64];
};

static void conn_free(struct http_conn *c)
{
    TAILQ_REMOVE(&c->server->conns, c, entry);
    c->server->n--;
    bufferevent_free(c->bev);
    free(c);
}

/* ---- answering ---- */

static void answer(struct http_conn *c, const char *status, const char *type, struct evbuffer *body, bool head)
{
    struct evbuffer *out = bufferevent_get_output(c->bev);

    evbuffer_add_printf(out, "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
                        status, type, evbuffer_get_length(body));
    if (!head)
        evbuffer_add_buffer(out, body);
    c->answered = true;
    bufferevent_disable(c->bev, EV_READ);
}

static void answer_error(struct http_conn *c, const char *status)
{
    struct evbuffer *body = evbuffer_new();

    if (!body) {
        conn_free(c);
        return;
    }
    evbuffer_add_printf(body, "%s\n", status);
    answer(c, status, "text/plain", body, false);
    evbuffer_free(body);
}

static void answer_target(struct http_conn *c, const char *target, bool head)
{
    struct evbuffer *body = evbuffer_new();
    bool metrics = strcmp(target, "/metrics") == 0 || strncmp(target, "/metrics?", 9) == 0;

    if (!metrics && strcmp(target, "/") != 0)
        answer_error(c, "404 Not Found");
    else if (!body || (metrics && pn_metrics_write(body, c->server->view) < 0))
        answer_error(c, "503 Service Unavailable");
    else if (metrics)
        answer(c, "200 OK", "text/plain; version=0.0.4; charset=utf-8", body, head);
    else if (evbuffer_add_printf(body, "posternd " PN_VERSION ": see /metrics\n") >= 0)
        answer(c, "200 OK", "text/plain", body, head);
    if (body)
        evbuffer_free(body);
}

/* METHOD SP TARGET SP HTTP/1.x: in the line's own bytes. */
static void answer_line(struct http_conn *c, char *line)
{
    char *target = strchr(line, ' '), *version = target ? strchr(target + 1, ' ') : NULL;

    if (!version || strncmp(version + 1, "HTTP/1.", 7) != 0) {
        answer_error(c, "400 Bad Request");
        return;
    }
    *target++ = *version = '\0';
    bool head = strcmp(line, "HEAD") == 0;
    if (!head && strcmp(line, "GET") != 0)
        answer_error(c, "405 Method Not Allowed");
    else
        answer_target(c, target, head);
}

static void on_readable(struct bufferevent *bev, void *arg)
{
    struct http_conn *c = arg;
    struct evbuffer *in = bufferevent_get_input(bev);
    bool whole = evbuffer_search(in, "\r\n\r\n", 4, NULL).pos >= 0 || evbuffer_search(in, "\n\n", 2, NULL).pos >= 0;

    if (c->answered)
        return;
    if (!whole && evbuffer_get_length(in) >= HEAD_MAX_BYTES) {
        answer_error(c, "431 Request Header Fields Too Large");
    } else if (whole) {
        char *line = evbuffer_readln(in, NULL, EVBUFFER_EOL_CRLF);

        if (line)
            answer_line(c, line);
        else
            answer_error(c, "400 Bad Request");
        free(line);
    }
}

static void on_written(struct bufferevent *bev, void *arg)
{
    struct http_conn *c = arg;

    if (c->answered && evbuffer_get_length(bufferevent_get_output(bev)) == 0)
        conn_free(c);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    struct http_conn *c = arg;

    (void)bev;
    if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR | BEV_EVENT_TIMEOUT))
        conn_free(c);
}

/* ---- accepting ---- */

static void on_accept(void *arg, int fd, const struct sockaddr *from, socklen_t len)
{
    struct pn_metrics_server *s = arg;
    struct timeval timeout = {.tv_sec = TIMEOUT_S};
    struct http_conn *c;

    (void)from;
    (void)len;
    if (s->n == CONNECTIONS_MAX) {
        /* The oldest is the least likely to be somebody's scrape: those take milliseconds. */
        pn_log_limited(60000, PN_LOG_WARNING, "metrics: more than %u connections, the oldest is closed",
                       CONNECTIONS_MAX);
        conn_free(TAILQ_FIRST(&s->conns));
    }
    c = calloc(1, sizeof(*c));
    if (!c || !(c->bev = bufferevent_socket_new(s->base, fd, BEV_OPT_CLOSE_ON_FREE))) {
        free(c);
        close(fd);
        return;
    }
    c->server = s;
    TAILQ_INSERT_TAIL(&s->conns, c, entry);
    s->n++;
    bufferevent_setcb(c->bev, on_readable, on_written, on_event, c);
    bufferevent_setwatermark(c->bev, EV_READ, 0, HEAD_MAX_BYTES);
    bufferevent_set_timeouts(c->bev, &timeout, &timeout);
    bufferevent_enable(c->bev, EV_READ | EV_WRITE);
}

/* "address:port"; "*" is every address. */
static int parse_listen(const char *listen, struct sockaddr_storage *out, int *len, struct pn_error *err)
{
    char text[64];
    const char *colon = strrchr(listen, ':');

    if (!colon || strlen(listen) >= sizeof(text) - 4)
        return pn_error_set(err, "%s: not an address:port", listen);
    if (strncmp(listen, "*:", 2) == 0)
        snprintf(text, sizeof(text), "[::]%s", colon);
    else
        snprintf(text, sizeof(text), "%s", listen);
    *len = sizeof(*out);
    memset(out, 0, sizeof(*out));
    if (evutil_parse_sockaddr_port(text, (struct sockaddr *)out, len) < 0 ||
        (out->ss_family == AF_INET ? ((struct sockaddr_in *)out)->sin_port : ((struct sockaddr_in6 *)out)->sin6_port) ==
            0)
        return pn_error_set(err, "%s: not an address:port", listen);
    return 0;
}

/* A socket at that address; -1 with errno. */
static int bound(const struct sockaddr_storage *at, socklen_t len)
{
    int fd = socket(at->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;

    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one)) == 0 &&
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0 &&
        bind(fd, (const struct sockaddr *)at, len) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

struct pn_metrics_server *pn_metrics_server_new(struct event_base *base, const char *listen, const struct pn_view *view,
                                                struct pn_error *err)
{
    struct sockaddr_storage at;
    struct pn_metrics_server *s;
    int len, fd;

    if (parse_listen(listen, &at, &len, err) < 0)
        return NULL;
    s = calloc(1, sizeof(*s));
    if (!s) {
        pn_error_set(err, "out of memory");
        return NULL;
    }
    s->base = base;
    s->view = view;
    TAILQ_INIT(&s->conns);
    snprintf(s->listen, sizeof(s->listen), "%s", listen);
    fd = bound(&at, (socklen_t)len);
    if (fd >= 0)
        s->listener = pn_listener_new(base, fd, 64, "metrics", on_accept, s);
    if (!s->listener) {
        pn_error_set(err, "%s: %s", listen, strerror(errno));
        if (fd >= 0)
            close(fd);
        pn_metrics_server_free(s);
        return NULL;
    }
    return s;
}

void pn_metrics_server_free(struct pn_metrics_server *s)
{
    struct http_conn *c;

    if (!s)
        return;
    while ((c = TAILQ_FIRST(&s->conns)))
        conn_free(c);
    pn_listener_free(s->listener);
    free(s);
}

const char *pn_metrics_server_listen(const struct pn_metrics_server *s)
{
    return s->listen;
}
