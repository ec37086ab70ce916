/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/health/conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <openssl/err.h>

#include "common/addr.h"
#include "controlplane/health/tls.h"

#define READ_CHUNK_BYTES 4096u

struct pn_conn {
    struct pn_conn_request rq;
    struct pn_check_run run;
    struct event *timer;
    struct event *connecting; /* until connect(2) is done; owns fd meanwhile */
    struct bufferevent *bev; /* afterwards; owns fd and ssl */
    SSL *ssl; /* bev's, NULL: plain */
    int fd; /* -1: bev has it */
    bool handshaking;
    const char *local_failure; /* this machine's, not the gateway's */
    uint64_t started_ms, wait_from_ms, judged_ms;
    const char *wait_seen; /* run.waiting as the timer was last set for */
    uint32_t limit_ms; /* what the timer stands for, as configured */
    int32_t cert_days_left;
};

static uint64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_BOOTTIME, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void conn_free(struct pn_conn *c)
{
    if (c->timer)
        event_free(c->timer);
    if (c->connecting)
        event_free(c->connecting);
    if (c->bev) {
        if (c->ssl && !c->handshaking)
            SSL_shutdown(c->ssl); /* close_notify, so that the gateway logs no broken TLS session */
        ERR_clear_error();
        bufferevent_free(c->bev);
    }
    if (c->fd >= 0)
        close(c->fd);
    SSL_CTX_free(c->rq.ctx);
    free(c);
}

void pn_conn_cancel(struct pn_conn *conn)
{
    if (conn)
        conn_free(conn);
}

/* The last thing any callback of a connection does with it. */
static void finish(struct pn_conn *c)
{
    struct pn_check_run run = c->run;
    uint64_t end_ms = c->judged_ms ? c->judged_ms : now_ms();
    bool agent = run.ops->agent && run.verdict == PN_HEALTH_UP;
    struct pn_conn_result result = {.verdict = run.verdict,
                                    .reason = run.reason,
                                    .took_ms = (uint32_t)(end_ms - c->started_ms),
                                    .cert_days_left = c->cert_days_left,
                                    .agent = agent ? &run.agent : NULL,
                                    .agent_unknown = run.agent_unknown};
    pn_conn_done_fn done = c->rq.done;
    void *arg = c->rq.arg;

    if (c->local_failure) {
        result.verdict = PN_HEALTH_UNKNOWN;
        result.reason = c->local_failure;
    }
    conn_free(c);
    done(arg, &result);
}

static void broken(struct pn_conn *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void broken(struct pn_conn *c, const char *format, ...)
{
    char text[160];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    pn_check_broken(&c->run, text);
    finish(c);
}

/* Sets the timer to the nearest of: the check's timeout, this wait's own limit, the patience for goodbyes. */
static void timer_set(struct pn_conn *c)
{
    uint64_t now = now_ms(), end;
    struct timeval tv;

    if (c->run.waiting != c->wait_seen) {
        c->wait_seen = c->run.waiting;
        c->wait_from_ms = now;
    }
    if (c->run.verdict != PN_HEALTH_UNKNOWN && !c->judged_ms)
        c->judged_ms = now;
    c->limit_ms = c->rq.target->conf->timeout_ms;
    end = c->started_ms + c->limit_ms;
    if (c->judged_ms) {
        end = c->judged_ms + PN_CHECK_LINGER_MS;
    } else if (c->connecting && c->rq.connect_ms && c->rq.connect_ms < c->limit_ms) {
        c->limit_ms = c->rq.connect_ms;
        end = c->started_ms + c->limit_ms;
    } else if (c->run.wait_ms && c->wait_from_ms + c->run.wait_ms < end) {
        c->limit_ms = c->run.wait_ms;
        end = c->wait_from_ms + c->limit_ms;
    }
    end = end > now ? end - now : 0;
    tv.tv_sec = (time_t)(end / 1000);
    tv.tv_usec = (suseconds_t)(end % 1000 * 1000);
    evtimer_add(c->timer, &tv);
}

static void tls_begin(struct pn_conn *c);

/* false: the connection has finished and is gone. */
static bool act(struct pn_conn *c, enum pn_check_act a)
{
    switch (a) {
    case PN_CHECK_SEND:
        if (bufferevent_write(c->bev, c->run.out, c->run.out_len) != 0) {
            c->local_failure = "out of memory";
            finish(c);
            return false;
        }
        break;
    case PN_CHECK_TLS:
        tls_begin(c);
        return false;
    case PN_CHECK_DONE:
        finish(c);
        return false;
    case PN_CHECK_MORE:
        break;
    }
    timer_set(c);
    return true;
}

/* false: this connection, or this bufferevent, is gone. */
static bool take_input(struct pn_conn *c)
{
    struct evbuffer *in = bufferevent_get_input(c->bev);
    uint8_t chunk[READ_CHUNK_BYTES];
    size_t n, used;

    while ((n = evbuffer_get_length(in)) > 0) {
        enum pn_check_act a;

        n = (size_t)evbuffer_copyout(in, chunk, n < sizeof(chunk) ? n : sizeof(chunk));
        a = pn_check_input(&c->run, chunk, n, &used);
        evbuffer_drain(in, used);
        if (!act(c, a))
            return false;
    }
    return true;
}

static void on_read(struct bufferevent *bev, void *arg)
{
    (void)bev;
    take_input(arg);
}

static void tls_failed(struct pn_conn *c, short what)
{
    unsigned long e = bufferevent_get_openssl_error(c->bev);
    const char *reason = e ? ERR_reason_error_string(e) : NULL;

    if (!reason)
        reason = what & BEV_EVENT_ERROR && errno ? strerror(errno) : "connection closed";
    broken(c, "TLS handshake: %s", reason);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    struct pn_conn *c = arg;
    int err = EVUTIL_SOCKET_ERROR();

    (void)bev;
    if (what & BEV_EVENT_CONNECTED) {
        const char *fault = pn_tls_judge(c->ssl, &c->cert_days_left);

        c->handshaking = false;
        if (!c->rq.target->conf->verify)
            fault = NULL;
        act(c, c->run.ops->tls_first ? pn_check_start(&c->run, fault) : pn_check_tls_done(&c->run, fault));
        return;
    }
    if (c->handshaking) {
        tls_failed(c, what);
        return;
    }
    /* What came before the end counts. */
    if (!take_input(c))
        return;
    /* OpenSSL calls an end without close_notify an error; to a check it is an end. */
    if (what & BEV_EVENT_EOF || c->ssl) {
        pn_check_eof(&c->run);
        finish(c);
        return;
    }
    broken(c, "waiting for %s: %s", c->run.waiting, strerror(err ? err : ECONNRESET));
}

static void tls_begin(struct pn_conn *c)
{
    int fd = c->fd;

    if (c->bev) {
        /* STARTTLS: what the server sent in clear after its reply goes with the buffer it is in, so that it is never
         * read as if it came through TLS. */
        fd = bufferevent_getfd(c->bev);
        bufferevent_disable(c->bev, EV_READ | EV_WRITE);
        bufferevent_setfd(c->bev, -1);
        bufferevent_free(c->bev);
        c->bev = NULL;
        c->fd = fd;
    }
    ERR_clear_error();
    c->ssl = pn_tls_session_new(c->rq.ctx, c->rq.target->host);
    if (c->ssl)
        c->bev = bufferevent_openssl_socket_new(c->rq.base, fd, c->ssl, BUFFEREVENT_SSL_CONNECTING,
                                                BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
    if (!c->bev) {
        SSL_free(c->ssl);
        c->ssl = NULL;
        c->local_failure = "out of memory for TLS";
        finish(c);
        return;
    }
    c->fd = -1;
    c->handshaking = true;
    c->run.waiting = "the TLS handshake";
    bufferevent_setcb(c->bev, on_read, NULL, on_event, c);
    bufferevent_setwatermark(c->bev, EV_READ, 0, READ_CHUNK_BYTES);
    bufferevent_enable(c->bev, EV_READ | EV_WRITE);
    timer_set(c);
}

static void connected(struct pn_conn *c)
{
    if (c->run.ops->tls_first) {
        tls_begin(c);
        return;
    }
    c->bev = bufferevent_socket_new(c->rq.base, c->fd, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
    if (!c->bev) {
        c->local_failure = "out of memory";
        finish(c);
        return;
    }
    c->fd = -1;
    bufferevent_setcb(c->bev, on_read, NULL, on_event, c);
    bufferevent_setwatermark(c->bev, EV_READ, 0, READ_CHUNK_BYTES);
    if (act(c, pn_check_start(&c->run, NULL)))
        bufferevent_enable(c->bev, EV_READ | EV_WRITE);
}

static void on_connect(evutil_socket_t fd, short what, void *arg)
{
    struct pn_conn *c = arg;
    int err = 0;
    socklen_t len = sizeof(err);

    (void)what;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) != 0)
        err = errno;
    if (err) {
        broken(c, "connect: %s", strerror(err));
        return;
    }
    event_free(c->connecting);
    c->connecting = NULL;
    connected(c);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct pn_conn *c = arg;

    (void)fd;
    (void)what;
    if (!c->local_failure)
        pn_check_timeout(&c->run, c->limit_ms);
    finish(c);
}

/* Errors that say nothing about the gateway. */
static bool local_errno(int err)
{
    return err == EMFILE || err == ENFILE || err == ENOBUFS || err == ENOMEM || err == EADDRNOTAVAIL || err == EAGAIN ||
           err == EACCES || err == EPERM || err == EAFNOSUPPORT;
}

/* 0: under way or done. An errno, and *local says whose fault it is. */
static int connect_begin(struct pn_conn *c)
{
    struct sockaddr_storage ss;
    socklen_t len = pn_addr_sockaddr(&c->rq.addr, c->rq.target->conf->port, &ss);
    int one = 1;

    c->fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        return errno;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (connect(c->fd, (struct sockaddr *)&ss, len) != 0 && errno != EINPROGRESS)
        return errno;
    c->connecting = event_new(c->rq.base, c->fd, EV_WRITE, on_connect, c);
    if (!c->connecting || event_add(c->connecting, NULL) != 0)
        return ENOMEM;
    return 0;
}

struct pn_conn *pn_conn_start(const struct pn_conn_request *request)
{
    static const struct timeval at_once;
    struct pn_conn *c = calloc(1, sizeof(*c));
    int err;

    if (!c)
        return NULL;
    c->rq = *request;
    if (c->rq.ctx)
        SSL_CTX_up_ref(c->rq.ctx);
    c->fd = -1;
    c->cert_days_left = INT32_MIN;
    c->started_ms = now_ms();
    pn_check_init(&c->run, request->target);
    c->timer = evtimer_new(request->base, on_timer, c);
    if (!c->timer) {
        conn_free(c);
        return NULL;
    }
    err = connect_begin(c);
    if (!err) {
        timer_set(c);
        return c;
    }
    /* Told from the event loop, as every other result. */
    if (local_errno(err))
        c->local_failure = strerror(err);
    else
        pn_check_verdict(&c->run, PN_HEALTH_DOWN, "connect: %s", strerror(err));
    c->run.linger = true;
    c->judged_ms = c->started_ms;
    evtimer_add(c->timer, &at_once);
    return c;
}
