/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/dplink/dplink.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

#include "common/error.h"
#include "common/log.h"

#define RETRY_FIRST_MS 100u
#define RETRY_MAX_MS 2000u
#define SEND_BACKLOG_MAX (4u * PN_DPAPI_MAX_BYTES)

struct pending {
    uint32_t seq;
    uint16_t type;
    uint64_t sent_ms;
    pn_dplink_reply_fn *fn; /* NULL: cancelled */
    void *arg;
};

struct pn_dplink {
    struct event_base *base;
    struct pn_dplink_callbacks cb;
    struct bufferevent *bev;
    struct event *retry; /* next attempt, or while connected the look for overdue answers */
    struct pn_dp_hello hello;
    char path[108];
    char problem[256];
    uint32_t next_seq;
    uint32_t retry_ms;
    bool up;
    bool closing; /* close_link is at work: callbacks must not send */
    unsigned head, count;
    struct pending pending[PN_DPLINK_PENDING_MAX]; /* ring in order of sending: answers come in that order */
    uint64_t *reply; /* aligned copy of one payload */
    size_t reply_cap;
};

static uint64_t now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_BOOTTIME, &ts);
    return (uint64_t)ts.tv_sec * 1000u + (uint64_t)ts.tv_nsec / 1000000u;
}

static void arm(struct pn_dplink *l, uint32_t ms)
{
    struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000};
    evtimer_add(l->retry, &tv);
}

static void close_link(struct pn_dplink *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void close_link(struct pn_dplink *l, const char *format, ...)
{
    char reason[sizeof(l->problem)];
    bool was_up = l->up;
    va_list args;

    va_start(args, format);
    vsnprintf(reason, sizeof(reason), format, args);
    va_end(args);

    /* Said once for each new reason, not at each attempt. */
    if (was_up || strcmp(reason, l->problem) != 0)
        pn_log_warning("dataplane %s: %s", l->path, reason);
    memcpy(l->problem, reason, sizeof(reason));

    l->up = false;
    l->closing = true;
    if (l->bev) {
        bufferevent_free(l->bev);
        l->bev = NULL;
    }
    while (l->count) {
        struct pending p = l->pending[l->head];
        l->head = (l->head + 1) % PN_DPLINK_PENDING_MAX;
        l->count--;
        if (p.fn)
            p.fn(p.arg, PN_DPLINK_LOST, reason, strlen(reason));
    }
    if (was_up && l->cb.down)
        l->cb.down(l->cb.arg, reason);
    l->closing = false;

    arm(l, l->retry_ms);
    l->retry_ms = l->retry_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : l->retry_ms * 2;
}

static uint32_t send_request(struct pn_dplink *l, unsigned type, const void *payload, size_t len,
                             pn_dplink_reply_fn *fn, void *arg)
{
    struct pn_dp_header h = {.type = (uint16_t)type};
    struct evbuffer *out;

    if (!l->bev || l->closing || l->count == PN_DPLINK_PENDING_MAX || len > PN_DPAPI_MAX_BYTES - sizeof(h))
        return 0;
    out = bufferevent_get_output(l->bev);
    if (evbuffer_get_length(out) > SEND_BACKLOG_MAX)
        return 0;
    if (++l->next_seq == 0)
        l->next_seq = 1;
    h.bytes = (uint32_t)(sizeof(h) + len);
    h.seq = l->next_seq;
    if (evbuffer_expand(out, h.bytes) < 0)
        return 0;
    evbuffer_add(out, &h, sizeof(h));
    if (len)
        evbuffer_add(out, payload, len);

    l->pending[(l->head + l->count) % PN_DPLINK_PENDING_MAX] =
        (struct pending){.seq = h.seq, .type = h.type, .sent_ms = now_ms(), .fn = fn, .arg = arg};
    l->count++;
    return h.seq;
}

static void on_hello(void *arg, unsigned status, const void *payload, size_t len)
{
    struct pn_dplink *l = arg;
    struct pn_dp_hello hello;

    if (status == PN_DPLINK_LOST)
        return;
    if (status != PN_DP_STATUS_OK || len != sizeof(hello)) {
        close_link(l, "HELLO refused (%s, %zu bytes): not a postern-dp of this version?", pn_dplink_status_text(status),
                   len);
        return;
    }
    memcpy(&hello, payload, sizeof(hello));
    hello.stats_path[sizeof(hello.stats_path) - 1] = '\0';
    hello.version[sizeof(hello.version) - 1] = '\0';
    if (hello.api_version != PN_DPAPI_VERSION) {
        close_link(l, "postern-dp speaks API version %u, this posternd %u", hello.api_version, PN_DPAPI_VERSION);
        return;
    }
    l->hello = hello;
    l->up = true;
    l->problem[0] = '\0';
    l->retry_ms = RETRY_FIRST_MS;
    if (l->cb.up)
        l->cb.up(l->cb.arg, &l->hello);
}

/* One whole reply from the input, or false: more bytes needed, or the link was closed. */
static bool take_reply(struct pn_dplink *l)
{
    struct evbuffer *in = bufferevent_get_input(l->bev);
    struct pn_dp_header h;
    struct pending p;
    size_t len;

    if (evbuffer_copyout(in, &h, sizeof(h)) < (ev_ssize_t)sizeof(h))
        return false;
    if (h.bytes < sizeof(h) || h.bytes > PN_DPAPI_MAX_BYTES) {
        close_link(l, "reply of %u bytes is out of range", h.bytes);
        return false;
    }
    if (evbuffer_get_length(in) < h.bytes)
        return false;
    if (l->count == 0 || l->pending[l->head].seq != h.seq || l->pending[l->head].type != h.type) {
        close_link(l, "reply of type %u, number %u was not asked for", h.type, h.seq);
        return false;
    }
    len = h.bytes - sizeof(h);
    if (len > l->reply_cap) {
        uint64_t *grown = realloc(l->reply, (len + 7) & ~(size_t)7);
        if (!grown) {
            close_link(l, "no memory for a reply of %zu bytes", len);
            return false;
        }
        l->reply = grown;
        l->reply_cap = len;
    }
    evbuffer_drain(in, sizeof(h));
    if (len)
        evbuffer_remove(in, l->reply, len);
    p = l->pending[l->head];
    l->head = (l->head + 1) % PN_DPLINK_PENDING_MAX;
    l->count--;
    if (p.fn)
        p.fn(p.arg, h.status, l->reply, len);
    return l->bev != NULL; /* the callback may have closed it */
}

static void on_readable(struct bufferevent *bev, void *arg)
{
    struct pn_dplink *l = arg;
    (void)bev;
    while (l->bev && take_reply(l))
        ;
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    struct pn_dplink *l = arg;
    (void)bev;

    if (what & BEV_EVENT_CONNECTED) {
        /* All through the ordinary queue, so that nothing can overtake the greeting. */
        if (send_request(l, PN_DP_HELLO, NULL, 0, on_hello, l) == 0)
            close_link(l, "cannot send HELLO");
        else
            arm(l, 1000);
        return;
    }
    if (what & BEV_EVENT_EOF)
        close_link(l, "connection closed by postern-dp");
    else if (what & BEV_EVENT_ERROR)
        close_link(l, "%s", evutil_socket_error_to_string(EVUTIL_SOCKET_ERROR()));
}

static void try_connect(struct pn_dplink *l)
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    memcpy(sun.sun_path, l->path, sizeof(sun.sun_path));
    if (fd < 0 || connect(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0) {
        int e = errno;
        if (fd >= 0)
            close(fd);
        close_link(l, "%s%s", strerror(e), e == ENOENT || e == ECONNREFUSED ? " (is postern-dp running?)" : "");
        return;
    }
    l->bev = bufferevent_socket_new(l->base, fd, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
    if (!l->bev) {
        close(fd);
        close_link(l, "no memory for the connection");
        return;
    }
    bufferevent_setcb(l->bev, on_readable, NULL, on_event, l);
    /* More than one message is never needed to make progress. */
    bufferevent_setwatermark(l->bev, EV_READ, 0, 2 * PN_DPAPI_MAX_BYTES);
    bufferevent_enable(l->bev, EV_READ | EV_WRITE);
    on_event(l->bev, BEV_EVENT_CONNECTED, l);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct pn_dplink *l = arg;
    (void)fd;
    (void)what;

    if (!l->bev) {
        try_connect(l);
        return;
    }
    if (l->count && now_ms() - l->pending[l->head].sent_ms > PN_DPLINK_REPLY_TIMEOUT_MS) {
        close_link(l, "no answer to request type %u for %u s", l->pending[l->head].type,
                   PN_DPLINK_REPLY_TIMEOUT_MS / 1000);
        return;
    }
    arm(l, 1000);
}

struct pn_dplink *pn_dplink_new(struct event_base *base, const char *path, const struct pn_dplink_callbacks *cb,
                                struct pn_error *err)
{
    struct pn_dplink *l;

    if (strlen(path) >= sizeof(l->path)) {
        pn_error_set(err, "%s: socket path longer than %zu bytes", path, sizeof(l->path) - 1);
        return NULL;
    }
    l = calloc(1, sizeof(*l));
    if (!l || !(l->retry = evtimer_new(base, on_timer, l))) {
        free(l);
        pn_error_set(err, "out of memory");
        return NULL;
    }
    l->base = base;
    l->cb = *cb;
    memcpy(l->path, path, strlen(path) + 1);
    snprintf(l->problem, sizeof(l->problem), "not connected yet");
    l->retry_ms = RETRY_FIRST_MS;
    arm(l, 0);
    return l;
}

void pn_dplink_free(struct pn_dplink *l)
{
    if (!l)
        return;
    event_free(l->retry);
    if (l->bev)
        bufferevent_free(l->bev);
    l->bev = NULL;
    l->up = false;
    l->closing = true;
    for (; l->count; l->count--, l->head = (l->head + 1) % PN_DPLINK_PENDING_MAX)
        if (l->pending[l->head].fn)
            l->pending[l->head].fn(l->pending[l->head].arg, PN_DPLINK_LOST, "", 0);
    free(l->reply);
    free(l);
}

bool pn_dplink_is_up(const struct pn_dplink *l)
{
    return l->up;
}

const struct pn_dp_hello *pn_dplink_hello(const struct pn_dplink *l)
{
    return &l->hello;
}

const char *pn_dplink_problem(const struct pn_dplink *l)
{
    return l->problem;
}

const char *pn_dplink_path(const struct pn_dplink *l)
{
    return l->path;
}

uint32_t pn_dplink_send(struct pn_dplink *l, enum pn_dp_type type, const void *payload, size_t len,
                        pn_dplink_reply_fn *fn, void *arg)
{
    return l->up ? send_request(l, type, payload, len, fn, arg) : 0;
}

void pn_dplink_cancel(struct pn_dplink *l, uint32_t seq)
{
    for (unsigned i = 0; i < l->count; i++) {
        struct pending *p = &l->pending[(l->head + i) % PN_DPLINK_PENDING_MAX];
        if (p->seq == seq)
            p->fn = NULL;
    }
}

const char *pn_dplink_status_text(unsigned status)
{
    switch (status) {
    case PN_DP_STATUS_OK:
        return "ok";
    case PN_DP_STATUS_BAD_MESSAGE:
        return "dataplane found the message malformed";
    case PN_DP_STATUS_REJECTED:
        return "dataplane refused";
    case PN_DP_STATUS_BUSY:
        return "dataplane busy";
    case PN_DPLINK_LOST:
        return "dataplane connection lost";
    default:
        return "unknown status";
    }
}
