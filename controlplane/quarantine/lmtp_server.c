/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/quarantine/lmtp_server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

#include "common/error.h"
#include "common/log.h"
#include "controlplane/loop/listener.h"
#include "controlplane/quarantine/lmtp.h"

#define IN_MAX (128u << 10) /* read ahead of a session */
#define OUT_MAX (256u << 10) /* replies that a client does not read */

struct session {
    struct pn_lmtp_server *server;
    struct session *next, **prev;
    struct bufferevent *bev; /* NULL: the client is gone, an answer is still to come */
    struct pn_lmtp *lmtp;
    struct pn_intake *intake;
    bool feeding, queued;
};

struct pn_lmtp_server {
    struct event_base *base;
    struct pn_listener *listener;
    struct event *commit;
    struct pn_spool *spool;
    struct pn_lmtp_server_options o;
    char hostname[256], reason[256], rule[256], gateway[256];
    struct session *sessions;
    struct pn_lmtp_server_stats st;
};

static void session_free(struct session *c)
{
    if (c->next)
        c->next->prev = c->prev;
    *c->prev = c->next;
    c->server->st.open--;
    pn_lmtp_free(c->lmtp);
    pn_spool_abort(c->intake);
    if (c->bev)
        bufferevent_free(c->bev);
    free(c);
}

/* The client is gone; a message that is being committed still needs its place. */
static void session_drop(struct session *c)
{
    if (!c->queued) {
        session_free(c);
        return;
    }
    if (c->bev)
        bufferevent_free(c->bev);
    c->bev = NULL;
}

static void on_reply(void *arg, const char *text, size_t len)
{
    struct session *c = arg;

    if (c->bev)
        bufferevent_write(c->bev, text, len);
}

static enum pn_lmtp_result on_begin(void *arg, uint64_t size_hint)
{
    struct session *c = arg;
    struct pn_error err;
    bool full = false;

    c->intake = pn_spool_begin(c->server->spool, size_hint, &full, &err);
    if (c->intake)
        return PN_LMTP_STORED;
    c->server->st.refused++;
    return full ? PN_LMTP_FULL : PN_LMTP_FAILED;
}

static enum pn_lmtp_result on_data(void *arg, const uint8_t *bytes, size_t len)
{
    struct session *c = arg;
    struct pn_error err;

    c->server->st.bytes += len;
    errno = 0;
    if (pn_spool_append(c->intake, bytes, len, &err) == 0)
        return PN_LMTP_STORED;
    bool full = errno == ENOSPC || errno == EDQUOT;
    pn_log_limited(10000, PN_LOG_ERROR, "quarantine: %s", err.text);
    c->server->st.refused++;
    return full ? PN_LMTP_FULL : PN_LMTP_FAILED;
}

static void on_abort(void *arg)
{
    struct session *c = arg;

    pn_spool_abort(c->intake);
    c->intake = NULL;
}

static void session_feed(struct session *c);

static void on_stored(void *arg, const struct pn_spool_result *r)
{
    struct session *c = arg;

    c->queued = false;
    c->server->st.messages += r->ok;
    c->server->st.refused += !r->ok;
    if (!r->ok)
        pn_log_limited(10000, PN_LOG_ERROR, "quarantine: %s", r->reason);
    pn_lmtp_done(c->lmtp, r->ok ? PN_LMTP_STORED : r->full ? PN_LMTP_FULL : PN_LMTP_FAILED);
    if (c->bev == NULL)
        session_free(c);
    else
        bufferevent_trigger(c->bev, EV_READ, BEV_TRIG_IGNORE_WATERMARKS | BEV_TRIG_DEFER_CALLBACKS);
}

static enum pn_lmtp_result on_end(void *arg, const char *sender, char *const *recipients, unsigned n)
{
    static const struct timeval at_once = {0, 0};
    struct session *c = arg;
    struct pn_lmtp_server *s = c->server;
    struct pn_intake *in = c->intake;
    pn_q_item about = PN__Q__ITEM__INIT;
    struct pn_error err;

    c->intake = NULL;
    about.sender = (char *)(uintptr_t)sender;
    about.recipients = (char **)(uintptr_t)recipients;
    about.n_recipients = n;
    about.reason = s->reason;
    about.rule = s->rule;
    about.gateway = s->gateway;
    about.direction = s->o.direction;
    errno = 0;
    if (pn_spool_end(in, &about, on_stored, c, &err) != 0) {
        bool full = errno == ENOSPC || errno == EDQUOT;
        pn_log_limited(10000, PN_LOG_ERROR, "quarantine: %s", err.text);
        s->st.refused++;
        return full ? PN_LMTP_FULL : PN_LMTP_FAILED;
    }
    c->queued = true;
    if (!evtimer_pending(s->commit, NULL)) /* after the sessions that are readable now */
        evtimer_add(s->commit, &at_once);
    return PN_LMTP_STORED;
}

static const struct pn_lmtp_ops lmtp_ops = {on_reply, on_begin, on_data, on_end, on_abort};

static void on_commit(evutil_socket_t fd, short what, void *arg)
{
    struct pn_lmtp_server *s = arg;

    (void)fd, (void)what;
    if (pn_spool_commit(s->spool) > 0 && s->o.committed)
        s->o.committed(s->o.arg);
}

static void session_feed(struct session *c)
{
    struct evbuffer *in = bufferevent_get_input(c->bev), *out = bufferevent_get_output(c->bev);

    while (!pn_lmtp_waiting(c->lmtp) && !pn_lmtp_closed(c->lmtp) && evbuffer_get_length(out) < OUT_MAX) {
        size_t len = evbuffer_get_contiguous_space(in);
        if (len == 0)
            break;
        size_t used = pn_lmtp_feed(c->lmtp, evbuffer_pullup(in, (ev_ssize_t)len), len);
        evbuffer_drain(in, used);
    }
    if (pn_lmtp_closed(c->lmtp)) {
        bufferevent_disable(c->bev, EV_READ);
        if (evbuffer_get_length(out) == 0)
            session_drop(c);
    }
}

static void on_io(struct bufferevent *bev, void *arg)
{
    (void)bev;
    session_feed(arg);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    struct session *c = arg;

    (void)bev;
    if ((what & BEV_EVENT_TIMEOUT) && !(what & BEV_EVENT_WRITING) && !c->queued) {
        pn_lmtp_shutdown(c->lmtp, "idle for too long");
        if (evbuffer_get_length(bufferevent_get_output(c->bev)) > 0)
            return; /* closed when it is written, or when that takes too long */
    }
    session_drop(c);
}

static void on_accept(void *arg, int fd, const struct sockaddr *from, socklen_t len)
{
    static const char busy[] = "421 4.3.2 too many sessions, try later\r\n";
    struct pn_lmtp_server *s = arg;
    struct pn_lmtp_options o = {s->hostname, s->o.recipients_max, s->o.message_bytes_max};
    struct timeval idle = {s->o.idle_ms / 1000, s->o.idle_ms % 1000 * 1000};

    (void)from, (void)len;
    s->st.connections++;
    struct session *c = s->st.open < s->o.connections_max ? calloc(1, sizeof(*c)) : NULL;
    if (c == NULL) {
        s->st.turned_away++;
        if (send(fd, busy, sizeof(busy) - 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
            errno = 0; /* it is being turned away either way */
        evutil_closesocket(fd);
        return;
    }
    c->server = s;
    c->prev = &s->sessions;
    c->next = s->sessions;
    if (c->next)
        c->next->prev = &c->next;
    s->sessions = c;
    s->st.open++;
    c->bev = bufferevent_socket_new(s->base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (c->bev == NULL)
        evutil_closesocket(fd);
    else
        c->lmtp = pn_lmtp_new(&o, &lmtp_ops, c);
    if (c->lmtp == NULL) {
        session_free(c);
        return;
    }
    bufferevent_setwatermark(c->bev, EV_READ, 0, IN_MAX);
    bufferevent_setcb(c->bev, on_io, on_io, on_event, c);
    bufferevent_set_timeouts(c->bev, &idle, &idle);
    bufferevent_enable(c->bev, EV_READ | EV_WRITE);
}

/* Does somebody accept connections there? */
static bool is_live(const struct sockaddr_un *sa)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool live = fd >= 0 && (connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) == 0 || errno == EAGAIN);

    if (fd >= 0)
        close(fd);
    return live;
}

int pn_lmtp_listen_unix(const char *path, mode_t mode, struct pn_error *err)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    struct stat st;

    if (strlen(path) >= sizeof(sa.sun_path))
        return pn_error_set(err, "%s: longer than a socket's path may be", path);
    strcpy(sa.sun_path, path);
    if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode)) {
        if (is_live(&sa))
            return pn_error_set(err, "%s: another process listens there", path);
        unlink(path);
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t old = umask(0177); /* nobody else before the mode is set */
    int rc = fd >= 0 ? bind(fd, (struct sockaddr *)&sa, sizeof(sa)) : -1;
    umask(old);
    if (rc == 0 && chmod(path, mode) == 0 && listen(fd, 128) == 0)
        return fd;
    pn_error_set(err, "%s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

struct pn_lmtp_server *pn_lmtp_server_new(struct event_base *base, int fd, struct pn_spool *spool,
                                          const struct pn_lmtp_server_options *o, struct pn_error *err)
{
    struct pn_lmtp_server *s = calloc(1, sizeof(*s));

    if (s == NULL) {
        pn_error_set(err, "no memory");
        return NULL;
    }
    s->base = base;
    s->spool = spool;
    s->o = *o;
    s->o.connections_max = o->connections_max ? o->connections_max : 100;
    s->o.message_bytes_max = o->message_bytes_max ? o->message_bytes_max : 64u << 20;
    s->o.idle_ms = o->idle_ms ? o->idle_ms : 300000;
    snprintf(s->hostname, sizeof(s->hostname), "%s", o->hostname);
    snprintf(s->reason, sizeof(s->reason), "%s", o->reason ? o->reason : "");
    snprintf(s->rule, sizeof(s->rule), "%s", o->rule ? o->rule : "");
    snprintf(s->gateway, sizeof(s->gateway), "%s", o->gateway ? o->gateway : "");
    s->commit = evtimer_new(base, on_commit, s);
    s->listener = s->commit ? pn_listener_new(base, fd, 0, "LMTP", on_accept, s) : NULL;
    if (s->listener == NULL) {
        pn_error_set(err, "LMTP: cannot listen");
        if (s->commit)
            event_free(s->commit);
        free(s);
        return NULL;
    }
    return s;
}

void pn_lmtp_server_free(struct pn_lmtp_server *s)
{
    if (s == NULL)
        return;
    pn_listener_free(s->listener);
    pn_spool_commit(s->spool); /* so that no session is waiting any more */
    while (s->sessions) {
        struct session *c = s->sessions;
        if (c->bev) { /* at least try to say goodbye */
            pn_lmtp_shutdown(c->lmtp, "going down");
            evbuffer_write(bufferevent_get_output(c->bev), bufferevent_getfd(c->bev));
        }
        session_free(c);
    }
    event_free(s->commit);
    free(s);
}

void pn_lmtp_server_stats(const struct pn_lmtp_server *s, struct pn_lmtp_server_stats *out)
{
    *out = s->st;
}
