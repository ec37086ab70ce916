/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/addr.h"
#include "controlplane/cluster/link.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>

#include "common/error.h"
#include "common/log.h"
#include "controlplane/cluster/link_internal.h"
#include "controlplane/cluster/mtls.h"

const struct pn_link_limits pn_link_limits_default = {
    .handshake_ms = 5000,
    .ping_ms = 2000,
    .dead_ms = 10000,
    .stall_ms = 30000,
    .linger_ms = 500,
    .queue_high_bytes = 4u << 20,
    .queue_low_bytes = 1u << 20,
};

bool pn_link_is_up(const struct pn_link *l)
{
    return l->state == LINK_UP;
}

bool pn_link_accepted(const struct pn_link *l)
{
    return l->accepted;
}

const struct sockaddr_storage *pn_link_address(const struct pn_link *l)
{
    return &l->address;
}

const struct pn_cert_name *pn_link_peer(const struct pn_link *l)
{
    return &l->who;
}

uint16_t pn_link_proto(const struct pn_link *l)
{
    return l->proto;
}

const char *pn_link_version(const struct pn_link *l)
{
    return l->version;
}

const struct pn_link_stats *pn_link_stats(const struct pn_link *l)
{
    return &l->stats;
}

/* ---- writing ---- */

static void on_write(struct bufferevent *bev, void *arg)
{
    struct pn_link *l = arg;

    (void)bev;
    if (l->state == LINK_GONE) {
        if (pn_link_queued(l) == 0)
            pn_link_timer_set(l, 0);
    } else if (l->state == LINK_UP && l->was_full && pn_link_queued(l) <= l->rq.limits->queue_low_bytes) {
        l->was_full = false;
        l->rq.ops->writable(l->rq.arg, l);
    }
}

/* ---- receiving ---- */

static void take_hello(struct pn_link *l, const struct pn_control *c)
{
    enum pn_bye reason = PN_BYE_OTHER;
    struct pn_control own = {.kind = PN_CONTROL_HELLO};
    char text[PN_BYE_TEXT_BYTES];
    const char *why;

    l->rq.ops->fill_hello(l->rq.arg, &own);
    if (!pn_id_equal(&c->hello.cluster, &l->who.cluster) || !pn_id_equal(&c->hello.node, &l->who.node)) {
        pn_link_refuse(l, PN_BYE_NOT_MEMBER, "the hello names another node than the certificate");
        return;
    }
    if (c->hello.proto_max < own.hello.proto_min || c->hello.proto_min > own.hello.proto_max) {
        snprintf(text, sizeof(text), "protocol versions %u to %u here, %u to %u there (Postern %.20s and %.20s)",
                 own.hello.proto_min, own.hello.proto_max, c->hello.proto_min, c->hello.proto_max, own.hello.version,
                 c->hello.version);
        pn_link_refuse(l, PN_BYE_VERSION, text);
        return;
    }
    memcpy(l->version, c->hello.version, sizeof(l->version));
    l->proto = own.hello.proto_max < c->hello.proto_max ? own.hello.proto_max : c->hello.proto_max;
    why = l->rq.ops->hello(l->rq.arg, l, c, &reason);
    if (why) {
        pn_link_refuse(l, reason, why);
        return;
    }
    l->state = LINK_UP;
    l->stats.heard_ms = pn_link_now_ms();
    l->rq.ops->up(l->rq.arg, l);
    if (l->state == LINK_UP)
        pn_link_keepalive_start(l);
}

static void take_control(struct pn_link *l, const uint8_t *bytes, size_t len)
{
    struct pn_control *c = malloc(sizeof(*c));
    struct pn_error err;

    if (!c) {
        pn_link_broken(l, "out of memory");
        return;
    }
    if (pn_control_decode(bytes, len, c, &err) < 0)
        pn_link_broken(l, "%.140s", err.text);
    else if (c->kind == PN_CONTROL_BYE) {
        if (c->bye.has_row)
            l->rq.ops->removed(l->rq.arg, l, &c->bye.row);
        pn_link_broken(l, "it says: %.120s", c->bye.text);
    } else if ((c->kind == PN_CONTROL_HELLO) != (l->state == LINK_HELLO))
        pn_link_broken(l, "a message out of order");
    else if (c->kind == PN_CONTROL_HELLO)
        take_hello(l, c);
    else if (c->kind == PN_CONTROL_PING)
        pn_link_ping_taken(l, c);
    else
        pn_link_pong_taken(l, c);
    free(c);
}

static void take_frame(struct pn_link *l, const uint8_t *body, size_t len)
{
    struct pn_envelope e;

    if (pn_envelope_decode(body, len, &e) < 0) {
        pn_link_broken(l, "a malformed frame of %zu bytes", len);
        return;
    }
    l->stats.heard_ms = pn_link_now_ms();
    l->stats.received_messages++;
    l->stats.received_bytes += PN_FRAME_HEAD_BYTES + len;
    if (e.channel == PN_CHANNEL_CONTROL)
        take_control(l, e.payload, e.len);
    else if (l->state != LINK_UP)
        pn_link_broken(l, "a message before the hello");
    else
        l->rq.ops->message(l->rq.arg, l, e.channel, e.payload, e.len);
    pn_envelope_free(&e);
}

static void on_read(struct bufferevent *bev, void *arg)
{
    struct pn_link *l = arg;
    struct evbuffer *in = bufferevent_get_input(bev);
    size_t need = PN_FRAME_HEAD_BYTES;

    while (l->state == LINK_HELLO || l->state == LINK_UP) {
        uint8_t head[PN_FRAME_HEAD_BYTES];
        size_t body, max = l->state == LINK_UP ? PN_FRAME_BYTES_MAX : PN_FRAME_HELLO_MAX;

        need = PN_FRAME_HEAD_BYTES;
        if (evbuffer_copyout(in, head, sizeof(head)) < (ev_ssize_t)sizeof(head))
            break;
        body = pn_frame_head_get(head, max);
        if (body == 0) {
            pn_link_broken(l, "a frame of %u bytes, at most %zu are allowed",
                           (unsigned)head[0] << 24 | (unsigned)head[1] << 16 | (unsigned)head[2] << 8 | head[3], max);
            return;
        }
        need = PN_FRAME_HEAD_BYTES + body;
        if (evbuffer_get_length(in) < need)
            break;
        uint8_t *frame = evbuffer_pullup(in, (ev_ssize_t)need);
        if (!frame) {
            pn_link_broken(l, "out of memory");
            return;
        }
        take_frame(l, frame + PN_FRAME_HEAD_BYTES, body);
        evbuffer_drain(in, need);
        l->drained_bytes += need;
    }
    if (l->state == LINK_GONE) {
        evbuffer_drain(in, evbuffer_get_length(in));
        return;
    }
    /* Memory held for a peer: the frame under way and a little more. */
    bufferevent_setwatermark(bev, EV_READ, need, need + LINK_READ_AHEAD_BYTES);
}

/* ---- handshake ---- */

static void hand_over_join(struct pn_link *l)
{
    struct bufferevent *bev = l->bev;
    struct sockaddr_storage from = l->address;
    const struct pn_link_ops *ops = l->rq.ops;
    void *arg = l->rq.arg;

    bufferevent_setcb(bev, NULL, NULL, NULL, NULL);
    l->bev = NULL;
    l->fd = -1;
    l->state = LINK_GONE;
    ops->down(arg, l, "joins"); /* the owner forgets it */
    pn_link_free(l);
    ops->join(arg, bev, &from);
}

static void secured(struct pn_link *l)
{
    SSL *ssl = bufferevent_openssl_get_ssl(l->bev);
    enum pn_alpn alpn = pn_mtls_alpn(ssl);
    struct pn_control own = {.kind = PN_CONTROL_HELLO};
    enum pn_bye reason = PN_BYE_OTHER;
    struct pn_error err;
    const char *why;
    X509 *cert;

    if (l->accepted && alpn == PN_ALPN_JOIN) {
        hand_over_join(l);
        return;
    }
    cert = pn_mtls_peer_cert(ssl);
    if (alpn != PN_ALPN_MESH || !cert || pn_cert_read(cert, &l->who, &err) < 0) {
        X509_free(cert);
        pn_link_broken(l, "%s",
                       alpn != PN_ALPN_MESH ? "it does not speak the mesh's protocol"
                       : cert               ? err.text
                                            : "it showed no certificate");
        return;
    }
    X509_free(cert);
    l->state = LINK_HELLO;
    why = l->rq.ops->judge(l->rq.arg, l, &l->who, &reason);
    if (why) {
        pn_link_refuse(l, reason, why);
        return;
    }
    l->rq.ops->fill_hello(l->rq.arg, &own);
    pn_link_control(l, &own);
    on_read(l->bev, l);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    struct pn_link *l = arg;
    int err = EVUTIL_SOCKET_ERROR();

    if (l->state == LINK_GONE) {
        if (!(what & BEV_EVENT_CONNECTED))
            pn_link_timer_set(l, 0);
        return;
    }
    if (what & BEV_EVENT_CONNECTED) {
        secured(l);
        return;
    }
    if (l->state >= LINK_HELLO)
        on_read(bev, l); /* a goodbye may be among what came last */
    if (l->state == LINK_TLS)
        pn_link_broken(l, "TLS handshake: %s",
                       pn_mtls_reason(bufferevent_openssl_get_ssl(bev), bufferevent_get_openssl_error(bev),
                                      what & BEV_EVENT_ERROR ? err : 0));
    else {
        unsigned long e = bufferevent_get_openssl_error(bev);
        pn_link_broken(l, "%s",
                       e ? ERR_reason_error_string(e) ? ERR_reason_error_string(e) : "TLS failed"
                       : what & BEV_EVENT_ERROR && err ? strerror(err)
                                                       : "it closed the connection");
    }
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct pn_link *l = arg;

    (void)fd;
    (void)what;
    if (l->state == LINK_GONE)
        pn_link_free(l);
    else if (l->state == LINK_UP)
        pn_link_keepalive(l);
    else
        pn_link_broken(l,
                       l->state == LINK_TLS ? "no answer to the TLS handshake within %u ms" : "no hello within %u ms",
                       l->rq.limits->handshake_ms);
}

struct pn_link *pn_link_new(const struct pn_link_request *request, int fd, bool accepted,
                            const struct sockaddr_storage *peer)
{
    struct pn_link *l = calloc(1, sizeof(*l));
    SSL *ssl = SSL_new(request->ctx);
    int one = 1;

    if (!l || !ssl) {
        free(l);
        SSL_free(ssl);
        close(fd);
        errno = ENOMEM;
        return NULL;
    }
    l->rq = *request;
    SSL_CTX_up_ref(l->rq.ctx);
    l->next = *request->all;
    l->back = request->all;
    if (l->next)
        l->next->back = &l->next;
    *request->all = l;
    l->fd = fd;
    l->accepted = accepted;
    if (peer)
        l->address = *peer;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    l->timer = evtimer_new(request->base, on_timer, l);
    l->bev = l->timer
                 ? bufferevent_openssl_socket_new(request->base, fd, ssl,
                                                  accepted ? BUFFEREVENT_SSL_ACCEPTING : BUFFEREVENT_SSL_CONNECTING,
                                                  BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS)
                 : NULL;
    if (!l->bev) {
        SSL_free(ssl);
        pn_link_free(l);
        errno = ENOMEM;
        return NULL;
    }
    bufferevent_setcb(l->bev, on_read, on_write, on_event, l);
    bufferevent_setwatermark(l->bev, EV_READ, PN_FRAME_HEAD_BYTES, PN_FRAME_HEAD_BYTES + LINK_READ_AHEAD_BYTES);
    bufferevent_setwatermark(l->bev, EV_WRITE, request->limits->queue_low_bytes, 0);
    bufferevent_enable(l->bev, EV_READ | EV_WRITE);
    pn_link_timer_set(l, request->limits->handshake_ms);
    return l;
}

struct pn_link *pn_link_dial(const struct pn_link_request *request, const struct pn_endpoint *to)
{
    struct sockaddr_storage ss;
    socklen_t len = pn_addr_sockaddr(&to->addr, to->port, &ss);
    int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return NULL;
    if (connect(fd, (struct sockaddr *)&ss, len) != 0 && errno != EINPROGRESS) {
        int saved = errno;
        close(fd);
        errno = saved;
        return NULL;
    }
    return pn_link_new(request, fd, false, &ss);
}
