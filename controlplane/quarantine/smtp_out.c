/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/quarantine/smtp_out.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <netinet/in.h>
#include <unistd.h>
#include <sys/socket.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "common/addr.h"
#include "common/error.h"
#include "controlplane/quarantine/smtp_out_say.h"

#define BODY_AHEAD_BYTES (128u << 10) /* of the message, in the connection's buffer */
#define SESSION_MS 3600000u /* all of it: a server that trickles does not keep us for ever */
#define CONNECT_MS 30000u

struct pn_smtp_out {
    struct event_base *base;
    struct pn_smtp_out_request rq; /* with copies */
    struct pn_smtp_say say;
    struct pn_smtp_reply reply;
    struct pn_smtp_stuff stuff;
    struct bufferevent *bev;
    struct event *timer;
    SSL *ssl; /* bev's */
    bool handshaking, connected, fell_back;
    size_t sent; /* of the message */
    uint64_t end_ms;
    pn_smtp_out_done *done;
    void *arg;
};

static uint64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_BOOTTIME, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void connection_free(struct pn_smtp_out *s)
{
    if (s->bev) {
        if (s->ssl && !s->handshaking)
            SSL_shutdown(s->ssl);
        ERR_clear_error();
        bufferevent_free(s->bev);
    }
    s->bev = NULL;
    s->ssl = NULL;
    s->handshaking = s->connected = false;
}

void pn_smtp_out_cancel(struct pn_smtp_out *s)
{
    if (s == NULL)
        return;
    connection_free(s);
    if (s->timer)
        event_free(s->timer);
    SSL_CTX_free(s->rq.tls_ctx);
    for (unsigned i = 0; s->rq.recipients && i < s->rq.n_recipients; i++)
        free(s->rq.recipients[i]);
    free((void *)(uintptr_t)s->rq.recipients);
    free((void *)(uintptr_t)s->rq.helo);
    free((void *)(uintptr_t)s->rq.server_name);
    free((void *)(uintptr_t)s->rq.sender);
    free(s);
}

/* The last thing any callback does. */
static void finish(struct pn_smtp_out *s)
{
    struct pn_smtp_out_result r = {
        .status = s->say.status, .code = s->say.code, .text = s->say.text, .tls = s->say.tls};

    connection_free(s);
    s->done(s->arg, &r);
    pn_smtp_out_cancel(s);
}

static void broken(struct pn_smtp_out *s, const char *why)
{
    pn_smtp_say_broken(&s->say, why);
    finish(s);
}

static void timer_set(struct pn_smtp_out *s, uint32_t wait_ms)
{
    uint64_t now = now_ms(), left = s->end_ms > now ? s->end_ms - now : 0;
    struct timeval tv;

    if (left > wait_ms)
        left = wait_ms;
    tv.tv_sec = (time_t)(left / 1000);
    tv.tv_usec = (suseconds_t)(left % 1000 * 1000);
    evtimer_add(s->timer, &tv);
}

/* More of the message into the connection's buffer; after the last byte the final dot. false: over. */
static bool body(struct pn_smtp_out *s)
{
    struct evbuffer *out = bufferevent_get_output(s->bev);
    char chunk[16384];

    while (s->sent < s->rq.message_len && evbuffer_get_length(out) < BODY_AHEAD_BYTES) {
        size_t used, n = pn_smtp_stuff(&s->stuff, s->rq.message + s->sent, s->rq.message_len - s->sent, &used, chunk,
                                       sizeof(chunk));
        if (evbuffer_add(out, chunk, n) != 0) {
            broken(s, "no memory");
            return false;
        }
        s->sent += used;
    }
    if (s->sent == s->rq.message_len) {
        const char *end = pn_smtp_stuff_end(&s->stuff);
        if (evbuffer_add(out, end, strlen(end)) != 0) {
            broken(s, "no memory");
            return false;
        }
        pn_smtp_say_dot(&s->say);
    }
    timer_set(s, pn_smtp_say_wait_ms(&s->say));
    return true;
}

static void tls_begin(struct pn_smtp_out *s);

/* false: it is over, or the bufferevent was changed. */
static bool act(struct pn_smtp_out *s, enum pn_smtp_out_act a)
{
    switch (a) {
    case PN_SMTP_ACT_SAY:
        if (bufferevent_write(s->bev, s->say.line, strlen(s->say.line)) != 0) {
            broken(s, "no memory");
            return false;
        }
        timer_set(s, pn_smtp_say_wait_ms(&s->say));
        return true;
    case PN_SMTP_ACT_TLS:
        tls_begin(s);
        return false;
    case PN_SMTP_ACT_BODY:
        return body(s);
    case PN_SMTP_ACT_END:
        break;
    }
    finish(s);
    return false;
}

/* false: it is over, or the bufferevent was changed. */
static bool take_input(struct pn_smtp_out *s)
{
    struct evbuffer *in = bufferevent_get_input(s->bev);
    uint8_t chunk[4096];
    size_t n, used;

    while ((n = evbuffer_get_length(in)) > 0) {
        n = (size_t)evbuffer_copyout(in, chunk, n < sizeof(chunk) ? n : sizeof(chunk));
        enum pn_smtp_reply_status status = pn_smtp_reply_feed(&s->reply, chunk, n, &used);
        evbuffer_drain(in, used);
        if (status == PN_SMTP_REPLY_MORE)
            continue;
        if (status == PN_SMTP_REPLY_BAD) {
            broken(s, s->reply.bad);
            return false;
        }
        enum pn_smtp_out_act a = pn_smtp_say_reply(&s->say, &s->reply);
        memset(&s->reply, 0, sizeof(s->reply));
        if (!act(s, a))
            return false;
        if (evbuffer_get_length(in) > 0 && !s->say.decided) {
            /* Sent before it could know what we say next: it answers something else. */
            broken(s, "the server spoke out of turn");
            return false;
        }
    }
    return true;
}

static void on_read(struct bufferevent *bev, void *arg)
{
    (void)bev;
    take_input(arg);
}

static void on_write(struct bufferevent *bev, void *arg)
{
    struct pn_smtp_out *s = arg;

    (void)bev;
    if (s->say.at == PN_SMTP_AT_BODY && !s->say.decided)
        body(s);
}

static int connect_begin(struct pn_smtp_out *s);

/* TLS that was only wished for failed: once more without, as mail servers do. true: it is on its way. */
static bool fall_back(struct pn_smtp_out *s)
{
    if (s->rq.tls != PN_SMTP_OUT_STARTTLS_MAY || s->fell_back)
        return false;
    s->fell_back = true;
    s->rq.tls = PN_SMTP_OUT_PLAIN;
    connection_free(s);
    memset(&s->reply, 0, sizeof(s->reply));
    return pn_smtp_say_init(&s->say, &s->rq, NULL) == 0 && connect_begin(s) == 0;
}

static void tls_failed(struct pn_smtp_out *s, int err)
{
    unsigned long e = bufferevent_get_openssl_error(s->bev);
    const char *reason = e ? ERR_reason_error_string(e) : NULL;

    if (reason == NULL)
        reason = err ? strerror(err) : "connection closed";
    if (fall_back(s))
        return;
    pn_smtp_say_tls(&s->say, reason);
    finish(s);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    struct pn_smtp_out *s = arg;
    int err = EVUTIL_SOCKET_ERROR();
    char why[160];

    (void)bev;
    if (what & BEV_EVENT_CONNECTED) {
        if (s->handshaking) {
            s->handshaking = false;
            act(s, pn_smtp_say_tls(&s->say, NULL));
        } else {
            s->connected = true;
            timer_set(s, pn_smtp_say_wait_ms(&s->say));
        }
        return;
    }
    if (s->handshaking) {
        tls_failed(s, what & BEV_EVENT_ERROR ? err : 0);
        return;
    }
    if (s->connected && !take_input(s)) /* what came before the end counts */
        return;
    snprintf(why, sizeof(why), "%s: %s", s->connected ? "the connection was lost" : "connect",
             what & BEV_EVENT_EOF   ? "closed by the server"
             : err && err != EAGAIN ? strerror(err)
                                    : "broken");
    broken(s, why);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct pn_smtp_out *s = arg;

    (void)fd, (void)what;
    if (s->handshaking && fall_back(s))
        return;
    broken(s, s->connected || s->ssl ? "the server did not answer in time" : "connect: no answer in time");
}

static int session_name(SSL *ssl, const char *name)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    struct pn_addr addr;

    if (name == NULL)
        return 0;
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (pn_addr_parse(name, &addr, NULL) == 0)
        return X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1 ? 0 : -1;
    return X509_VERIFY_PARAM_set1_host(param, name, 0) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1 ? 0 : -1;
}

static void callbacks(struct pn_smtp_out *s)
{
    bufferevent_setcb(s->bev, on_read, on_write, on_event, s);
    bufferevent_setwatermark(s->bev, EV_READ, 0, 4 * PN_SMTP_LINE_BYTES);
    bufferevent_setwatermark(s->bev, EV_WRITE, BODY_AHEAD_BYTES / 2, 0);
    bufferevent_enable(s->bev, EV_READ | EV_WRITE);
}

static void tls_begin(struct pn_smtp_out *s)
{
    evutil_socket_t fd = bufferevent_getfd(s->bev);

    /* What the server sent in clear behind its reply goes with the buffer it is in (CVE-2011-0411). */
    bufferevent_disable(s->bev, EV_READ | EV_WRITE);
    bufferevent_setfd(s->bev, -1);
    bufferevent_free(s->bev);
    s->bev = NULL;
    ERR_clear_error();
    SSL *ssl = SSL_new(s->rq.tls_ctx);
    if (ssl && session_name(ssl, s->rq.server_name) == 0)
        s->bev = bufferevent_openssl_socket_new(s->base, fd, ssl, BUFFEREVENT_SSL_CONNECTING,
                                                BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
    if (s->bev == NULL) {
        SSL_free(ssl);
        close(fd);
        broken(s, "no memory for TLS");
        return;
    }
    s->ssl = ssl;
    s->handshaking = true;
    callbacks(s);
    timer_set(s, s->rq.connect_ms ? s->rq.connect_ms : CONNECT_MS);
}

static int connect_begin(struct pn_smtp_out *s)
{
    struct sockaddr_storage to;
    int len = (int)pn_addr_sockaddr(&s->rq.addr, s->rq.port ? s->rq.port : 25, &to);

    s->bev = bufferevent_socket_new(s->base, -1, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
    if (s->bev == NULL)
        return -1;
    callbacks(s);
    timer_set(s, s->rq.connect_ms ? s->rq.connect_ms : CONNECT_MS);
    /* Failing at once comes through on_event as well, later. */
    if (bufferevent_socket_connect(s->bev, (struct sockaddr *)&to, len) != 0)
        timer_set(s, 0);
    return 0;
}

static int copy_request(struct pn_smtp_out *s, const struct pn_smtp_out_request *rq)
{
    char **recipients = calloc(rq->n_recipients, sizeof(*recipients));
    bool ok = recipients != NULL;

    s->rq = *rq;
    s->rq.recipients = recipients;
    s->rq.helo = strdup(rq->helo);
    s->rq.sender = strdup(rq->sender);
    s->rq.server_name = rq->server_name ? strdup(rq->server_name) : NULL;
    if (s->rq.tls_ctx)
        SSL_CTX_up_ref(s->rq.tls_ctx);
    for (unsigned i = 0; ok && i < rq->n_recipients; i++)
        ok = (recipients[i] = strdup(rq->recipients[i])) != NULL;
    return ok && s->rq.helo && s->rq.sender && (rq->server_name == NULL || s->rq.server_name) ? 0 : -1;
}

struct pn_smtp_out *pn_smtp_out_start(struct event_base *base, const struct pn_smtp_out_request *rq,
                                      pn_smtp_out_done *done, void *arg, struct pn_error *err)
{
    struct pn_smtp_say check;
    struct pn_smtp_out *s;

    if (pn_smtp_say_init(&check, rq, err) != 0)
        return NULL;
    s = calloc(1, sizeof(*s));
    if (s == NULL || copy_request(s, rq) != 0 || (s->timer = evtimer_new(base, on_timer, s)) == NULL) {
        pn_smtp_out_cancel(s);
        pn_error_set(err, "no memory");
        return NULL;
    }
    s->base = base;
    s->done = done;
    s->arg = arg;
    s->end_ms = now_ms() + SESSION_MS;
    pn_smtp_say_init(&s->say, &s->rq, NULL);
    if (connect_begin(s) != 0) {
        pn_smtp_out_cancel(s);
        pn_error_set(err, "no memory");
        return NULL;
    }
    return s;
}
