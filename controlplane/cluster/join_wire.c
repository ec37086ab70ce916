/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/cluster/join_wire.h"

#include <errno.h>
#include <stdlib.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <openssl/crypto.h>
#include <openssl/err.h>

#include "common/pb.h"
#include "controlplane/cluster/frame.h"
#include "controlplane/cluster/mtls.h"

#define FINISH_MS 2000u
#define QUEUE_MAX (8u << 20)

struct pn_join_wire {
    struct bufferevent *bev;
    struct event *timer;
    const struct pn_join_wire_ops *ops;
    void *arg;
    size_t limit;
    bool handshaking, finishing, ended;
    bool busy, freed; /* inside a callback: freeing waits until it returns */
};

static void release(struct pn_join_wire *w)
{
    SSL *ssl = bufferevent_openssl_get_ssl(w->bev);

    if (ssl && !w->handshaking)
        SSL_shutdown(ssl);
    ERR_clear_error();
    bufferevent_free(w->bev);
    if (w->timer)
        event_free(w->timer);
    free(w);
}

void pn_join_wire_free(struct pn_join_wire *w)
{
    if (!w)
        return;
    if (w->busy)
        w->freed = true;
    else
        release(w);
}

static void enter(struct pn_join_wire *w)
{
    w->busy = true;
}

/* false: w is gone. */
static bool leave(struct pn_join_wire *w)
{
    bool freed = w->freed;

    w->busy = false;
    if (freed)
        release(w);
    return !freed;
}

static void end(struct pn_join_wire *w, const char *reason)
{
    const struct pn_join_wire_ops *ops = w->ops;
    void *arg = w->arg;

    if (w->ended)
        return;
    w->ended = true;
    bufferevent_disable(w->bev, EV_READ);
    evtimer_del(w->timer);
    ops->end(arg, reason);
}

static void wipe(ProtobufCBinaryData *b)
{
    if (b->data)
        OPENSSL_cleanse(b->data, b->len);
}

/* true: go on. */
static bool take_message(struct pn_join_wire *w, const uint8_t *bytes, size_t len)
{
    struct pn_pb_budget budget;
    Pnpb__Join *m = pn_pb_unpack(&budget, &pnpb__join__descriptor, bytes, len, pn_pb_allowance(len));

    if (!m) {
        end(w, "a malformed message");
        return false;
    }
    w->ops->message(w->arg, m);
    if (m->request)
        wipe(&m->request->secret);
    if (m->grant)
        wipe(&m->grant->sealed);
    pn_pb_free(&budget, m);
    return !w->freed && !w->finishing && !w->ended;
}

/* Inside enter(). Bytes that a whole next message takes. */
static size_t read_all(struct pn_join_wire *w, struct evbuffer *in)
{
    size_t need = PN_FRAME_HEAD_BYTES;
    bool go_on = !w->finishing && !w->ended;

    while (go_on) {
        uint8_t head[PN_FRAME_HEAD_BYTES];

        need = PN_FRAME_HEAD_BYTES;
        if (evbuffer_copyout(in, head, sizeof(head)) < (ev_ssize_t)sizeof(head))
            break;
        size_t body = pn_frame_head_get(head, w->limit);
        if (body == 0) {
            end(w, "a message of a length that is not allowed");
            break;
        }
        need += body;
        if (evbuffer_get_length(in) < need)
            break;
        uint8_t *frame = evbuffer_pullup(in, (ev_ssize_t)need);
        if (!frame) {
            end(w, "out of memory");
            break;
        }
        go_on = take_message(w, frame + PN_FRAME_HEAD_BYTES, body);
        if (!w->freed) {
            OPENSSL_cleanse(frame, need);
            evbuffer_drain(in, need);
        }
    }
    return need;
}

static void on_read(struct bufferevent *bev, void *arg)
{
    struct pn_join_wire *w = arg;
    size_t need;

    enter(w);
    need = read_all(w, bufferevent_get_input(bev));
    if (leave(w))
        bufferevent_setwatermark(bev, EV_READ, need, need + 16384);
}

static void on_write(struct bufferevent *bev, void *arg)
{
    struct pn_join_wire *w = arg;

    if (!w->finishing || evbuffer_get_length(bufferevent_get_output(bev)) > 0)
        return;
    enter(w);
    end(w, NULL);
    leave(w);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    struct pn_join_wire *w = arg;
    int err = EVUTIL_SOCKET_ERROR();

    if (what & BEV_EVENT_CONNECTED) {
        w->handshaking = false;
        enter(w);
        if (w->ops->secured)
            w->ops->secured(w->arg, bufferevent_openssl_get_ssl(bev));
        leave(w);
        return;
    }
    enter(w);
    /* What came last may be a refusal, and says more than a closed connection. */
    if (!w->handshaking)
        read_all(w, bufferevent_get_input(bev));
    if (!w->freed && !w->ended)
        end(w, w->finishing ? NULL
                            : pn_mtls_reason(bufferevent_openssl_get_ssl(bev), bufferevent_get_openssl_error(bev),
                                             what & BEV_EVENT_ERROR ? err : 0));
    leave(w);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct pn_join_wire *w = arg;

    (void)fd;
    (void)what;
    enter(w);
    end(w, w->finishing ? NULL : w->handshaking ? "no answer to the TLS handshake" : "no answer in time");
    leave(w);
}

void pn_join_wire_extend(struct pn_join_wire *w, uint32_t timeout_ms)
{
    const struct timeval tv = {timeout_ms / 1000, (suseconds_t)(timeout_ms % 1000) * 1000};

    evtimer_add(w->timer, &tv);
}

struct pn_join_wire *pn_join_wire_new(struct event_base *base, struct bufferevent *bev, bool handshaking,
                                      uint32_t timeout_ms, const struct pn_join_wire_ops *ops, void *arg)
{
    struct pn_join_wire *w = calloc(1, sizeof(*w));

    if (!w || !(w->timer = evtimer_new(base, on_timer, w))) {
        free(w);
        bufferevent_free(bev);
        return NULL;
    }
    w->bev = bev;
    w->ops = ops;
    w->arg = arg;
    w->limit = PN_FRAME_HELLO_MAX;
    w->handshaking = handshaking;
    bufferevent_setcb(bev, on_read, on_write, on_event, w);
    bufferevent_setwatermark(bev, EV_READ, PN_FRAME_HEAD_BYTES, PN_FRAME_HELLO_MAX + 16384);
    bufferevent_setwatermark(bev, EV_WRITE, 0, 0);
    bufferevent_enable(bev, EV_READ | EV_WRITE);
    pn_join_wire_extend(w, timeout_ms);
    /* What came together with the end of the handshake is in the buffer already. */
    if (!handshaking)
        bufferevent_trigger(bev, EV_READ, BEV_OPT_DEFER_CALLBACKS);
    return w;
}

SSL *pn_join_wire_ssl(struct pn_join_wire *w)
{
    return bufferevent_openssl_get_ssl(w->bev);
}

void pn_join_wire_limit(struct pn_join_wire *w, size_t message_bytes)
{
    w->limit = message_bytes < PN_FRAME_BYTES_MAX ? message_bytes : PN_FRAME_BYTES_MAX;
}

int pn_join_wire_send(struct pn_join_wire *w, const Pnpb__Join *m)
{
    struct evbuffer *out = bufferevent_get_output(w->bev);
    size_t body = pnpb__join__get_packed_size(m), all = PN_FRAME_HEAD_BYTES + body;
    struct evbuffer_iovec vec;

    if (w->finishing || body == 0 || body > PN_FRAME_BYTES_MAX || evbuffer_get_length(out) > QUEUE_MAX ||
        evbuffer_reserve_space(out, (ev_ssize_t)all, &vec, 1) != 1 || vec.iov_len < all)
        return -1;
    pn_frame_head_put(vec.iov_base, body);
    pnpb__join__pack(m, (uint8_t *)vec.iov_base + PN_FRAME_HEAD_BYTES);
    vec.iov_len = all;
    return evbuffer_commit_space(out, &vec, 1);
}

int pn_join_wire_refuse(struct pn_join_wire *w, const char *text)
{
    Pnpb__Join m = PNPB__JOIN__INIT;
    Pnpb__JoinRefusal refusal = PNPB__JOIN_REFUSAL__INIT;
    int rc;

    refusal.text = (char *)(uintptr_t)text;
    m.refusal = &refusal;
    rc = pn_join_wire_send(w, &m);
    pn_join_wire_finish(w);
    return rc;
}

void pn_join_wire_finish(struct pn_join_wire *w)
{
    if (w->finishing)
        return;
    w->finishing = true;
    bufferevent_disable(w->bev, EV_READ);
    /* Also when nothing waits: the end comes from the loop, never from within this call. */
    pn_join_wire_extend(w, evbuffer_get_length(bufferevent_get_output(w->bev)) > 0 ? FINISH_MS : 0);
}
