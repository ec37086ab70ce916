/* SPDX-License-Identifier: BSD-3-Clause */
/* The socket: who asks, frames in, frames out. Bounded in connections, bytes and time; see api.h for the format. */
#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

#include "common/error.h"
#include "common/log.h"
#include "common/wipe.h"
#include "controlplane/api/api.h"
#include "controlplane/loop/listener.h"

#define CONNECTIONS_MAX 64u
#define CONNECTIONS_RESERVED 16u /* of them for those who may change something */
#define CONNECTIONS_PER_UID 8u /* of others */
#define IDLE_S 300 /* between requests */
#define FRAME_BYTES 4u

struct conn {
    TAILQ_ENTRY(conn) entry;
    struct pn_api_server *server;
    struct bufferevent *bev;
    struct pn_api_call *call; /* under way */
    struct pn_api_peer peer;
    char who[PN_API_WHO_BYTES];
    uid_t uid;
    bool busy; /* a request is being worked on: nothing more is read */
    bool closing; /* goes away once its output is written */
    bool ended; /* the peer sends no more (half-closed), but may wait for answers */
};

struct pn_api_server {
    struct event_base *base;
    struct pn_listener *listener;
    const struct pn_view *view;
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
    gid_t group;
    bool has_group;
    unsigned n;
    TAILQ_HEAD(, conn) conns;
};

static void conn_free(struct conn *c)
{
    if (c->call)
        pn_api_abandon(c->call);
    TAILQ_REMOVE(&c->server->conns, c, entry);
    c->server->n--;
    bufferevent_free(c->bev);
    free(c);
}

static void send_reply(struct conn *c, json_t *reply)
{
    struct evbuffer *out = bufferevent_get_output(c->bev);
    char *text = reply ? json_dumps(reply, JSON_COMPACT) : NULL;
    static const char short_of_memory[] = "{\"ok\":false,\"code\":\"busy\",\"error\":\"posternd is out of memory\"}";
    const char *body = text && strlen(text) <= PN_API_REPLY_MAX ? text : short_of_memory;
    uint32_t frame = htonl((uint32_t)strlen(body));

    evbuffer_add(out, &frame, sizeof(frame));
    evbuffer_add(out, body, strlen(body));
    pn_wiping_free(text);
    json_decref(reply);
}

static void on_readable(struct bufferevent *bev, void *arg);

static bool whole_request(struct conn *c)
{
    struct evbuffer *in = bufferevent_get_input(c->bev);
    uint32_t frame;

    return evbuffer_copyout(in, &frame, FRAME_BYTES) == (ev_ssize_t)FRAME_BYTES &&
           evbuffer_get_length(in) >= FRAME_BYTES + (size_t)ntohl(frame);
}

/* Nothing is under way, nothing to be written, and nothing more will come. */
static bool finished(struct conn *c)
{
    bool written = evbuffer_get_length(bufferevent_get_output(c->bev)) == 0;
    return written && (c->closing || (c->ended && !c->busy && !whole_request(c)));
}

static void on_done(void *arg, json_t *reply)
{
    struct conn *c = arg;

    send_reply(c, reply);
    if (c->call) {
        c->call = NULL;
        c->busy = false;
        if (!c->ended)
            bufferevent_enable(c->bev, EV_READ);
        /* What came in meanwhile is looked at from the loop, not from here. */
        if (evbuffer_get_length(bufferevent_get_input(c->bev)) > 0)
            bufferevent_trigger(c->bev, EV_READ, BEV_TRIG_IGNORE_WATERMARKS | BEV_TRIG_DEFER_CALLBACKS);
    }
}

static void refuse_and_close(struct conn *c, const char *why)
{
    pn_log_limited(1000, PN_LOG_WARNING, "api: uid %u: %s, closing its connection", (unsigned)c->uid, why);
    send_reply(c, json_pack("{s:b, s:s, s:s}", "ok", 0, "code", pn_api_code_name[PN_API_BAD_REQUEST], "error", why));
    c->closing = true;
    bufferevent_disable(c->bev, EV_READ);
}

static uint32_t request_max(const struct conn *c)
{
    return c->peer.may_write ? PN_API_REQUEST_MAX : PN_API_READER_REQUEST_MAX;
}

static void on_readable(struct bufferevent *bev, void *arg)
{
    struct conn *c = arg;
    struct evbuffer *in = bufferevent_get_input(bev);

    while (!c->busy && !c->closing) {
        uint32_t frame;
        unsigned char *text;

        if (evbuffer_copyout(in, &frame, FRAME_BYTES) < (ev_ssize_t)FRAME_BYTES)
            return;
        frame = ntohl(frame);
        if (frame == 0 || frame > request_max(c)) {
            refuse_and_close(c, c->peer.may_write ? "request length out of range (1..1048576 bytes)"
                                                  : "request length out of range (1..65536 bytes)");
            return;
        }
        if (evbuffer_get_length(in) < FRAME_BYTES + frame)
            return;
        evbuffer_drain(in, FRAME_BYTES);
        text = evbuffer_pullup(in, frame);
        if (!text) {
            refuse_and_close(c, "out of memory");
            return;
        }
        c->call = pn_api_request(c->server->view, c->peer, text, frame, on_done, c);
        explicit_bzero(text, frame); /* it may have brought a passphrase */
        evbuffer_drain(in, frame);
        if (c->call) {
            c->busy = true;
            bufferevent_disable(bev, EV_READ);
        } else if (evbuffer_get_length(bufferevent_get_output(bev)) > PN_API_REPLY_MAX) {
            /* It asks and does not read. */
            conn_free(c);
            return;
        }
    }
}

static void on_written(struct bufferevent *bev, void *arg)
{
    struct conn *c = arg;
    (void)bev;
    if (finished(c))
        conn_free(c);
}

/* It has shut down its sending side only, and still reads: POLLHUP would say that both are gone. */
static bool half_closed(struct bufferevent *bev)
{
    struct pollfd p = {.fd = bufferevent_getfd(bev)};
    return poll(&p, 1, 0) == 0 || !(p.revents & (POLLHUP | POLLERR | POLLNVAL));
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    struct conn *c = arg;

    if (what == (BEV_EVENT_EOF | BEV_EVENT_READING) && half_closed(bev)) {
        c->ended = true;
        bufferevent_disable(bev, EV_READ);
        if (!finished(c))
            return;
    }
    if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR | BEV_EVENT_TIMEOUT))
        conn_free(c);
}

static bool in_group(const struct pn_api_server *s, int fd, gid_t primary)
{
    gid_t groups[256];
    socklen_t len = sizeof(groups);

    if (!s->has_group)
        return false;
    if (primary == s->group)
        return true;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) < 0)
        return false;
    for (size_t i = 0; i < len / sizeof(groups[0]); i++)
        if (groups[i] == s->group)
            return true;
    return false;
}

static bool has_room(const struct pn_api_server *s, uid_t uid, bool may_write)
{
    const struct conn *c;
    unsigned same = 0;

    if (may_write)
        return s->n < CONNECTIONS_MAX;
    TAILQ_FOREACH(c, &s->conns, entry)
    same += c->uid == uid;
    return s->n < CONNECTIONS_MAX - CONNECTIONS_RESERVED && same < CONNECTIONS_PER_UID;
}

/* For audits; only of those who may change something, since a look-up can take its time. */
static void name_of(uid_t uid, bool may_write, char who[PN_API_WHO_BYTES])
{
    const struct passwd *pw = may_write && uid ? getpwuid(uid) : NULL;

    if (uid == 0)
        snprintf(who, PN_API_WHO_BYTES, "root");
    else if (pw)
        snprintf(who, PN_API_WHO_BYTES, "%s", pw->pw_name);
    else
        snprintf(who, PN_API_WHO_BYTES, "uid %u", (unsigned)uid);
}

int pn_api_server_adopt(struct pn_api_server *s, int fd)
{
    struct timeval idle = {.tv_sec = IDLE_S};
    struct ucred cred = {.uid = (uid_t)-1, .gid = (gid_t)-1};
    socklen_t len = sizeof(cred);
    struct conn *c;
    bool may_write, root;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0) {
        close(fd);
        return -1;
    }
    root = cred.uid == 0 || cred.uid == geteuid();
    may_write = root || in_group(s, fd, cred.gid);
    c = has_room(s, cred.uid, may_write) ? calloc(1, sizeof(*c)) : NULL;
    if (!c) {
        pn_log_limited(1000, PN_LOG_WARNING, "api: too many connections, uid %u turned away", (unsigned)cred.uid);
        close(fd);
        return -1;
    }
    evutil_make_socket_nonblocking(fd);
    c->bev = bufferevent_socket_new(s->base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (!c->bev) {
        close(fd);
        free(c);
        return -1;
    }
    c->server = s;
    c->uid = cred.uid;
    name_of(cred.uid, may_write, c->who);
    c->peer = (struct pn_api_peer){.may_write = may_write, .root = root, .who = c->who};
    TAILQ_INSERT_TAIL(&s->conns, c, entry);
    s->n++;
    bufferevent_setcb(c->bev, on_readable, on_written, on_event, c);
    bufferevent_setwatermark(c->bev, EV_READ, 0, FRAME_BYTES + request_max(c));
    bufferevent_set_timeouts(c->bev, &idle, &idle);
    bufferevent_enable(c->bev, EV_READ | EV_WRITE);
    return 0;
}

static void on_accept(void *arg, int fd, const struct sockaddr *from, socklen_t len)
{
    (void)from;
    (void)len;
    pn_api_server_adopt(arg, fd);
}

/* 0: path is free now. A socket that nobody listens on any more is what a killed daemon leaves. */
static int clear_path(const struct sockaddr_un *sun, struct pn_error *err)
{
    struct stat st;
    int fd, rc, error;

    if (lstat(sun->sun_path, &st) < 0)
        return errno == ENOENT ? 0 : pn_error_set(err, "%s: %s", sun->sun_path, strerror(errno));
    if (!S_ISSOCK(st.st_mode))
        return pn_error_set(err, "%s exists and is not a socket", sun->sun_path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    rc = fd < 0 ? -1 : connect(fd, (const struct sockaddr *)sun, sizeof(*sun));
    error = errno;
    if (fd >= 0)
        close(fd);
    if (rc == 0 || error == EAGAIN) /* or somebody listens there whose queue is full */
        return pn_error_set(err, "%s: another posternd is running", sun->sun_path);
    if (error != ECONNREFUSED)
        return pn_error_set(err, "%s: %s", sun->sun_path, strerror(error));
    if (unlink(sun->sun_path) < 0)
        return pn_error_set(err, "%s: %s", sun->sun_path, strerror(errno));
    return 0;
}

struct pn_api_server *pn_api_server_new(struct event_base *base, const char *path, mode_t mode,
                                        const struct pn_view *view, struct pn_error *err)
{
    struct pn_api_server *s = calloc(1, sizeof(*s));
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    const struct group *group = getgrnam(PN_API_GROUP);
    mode_t before;
    int fd = -1, rc;

    if (!s) {
        pn_error_set(err, "out of memory");
        return NULL;
    }
    s->base = base;
    s->view = view;
    TAILQ_INIT(&s->conns);
    if (group) {
        s->group = group->gr_gid;
        s->has_group = true;
    }
    if (!path)
        return s;
    if (strlen(path) >= sizeof(sun.sun_path)) {
        pn_error_set(err, "%s: socket path longer than %zu bytes", path, sizeof(sun.sun_path) - 1);
        goto fail;
    }
    memcpy(sun.sun_path, path, strlen(path) + 1);
    if (clear_path(&sun, err) < 0)
        goto fail;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    before = umask(0177);
    rc = fd < 0 ? -1 : bind(fd, (struct sockaddr *)&sun, sizeof(sun));
    umask(before);
    if (rc < 0) {
        pn_error_set(err, "%s: %s", path, strerror(errno));
        goto fail;
    }
    memcpy(s->path, path, strlen(path) + 1); /* from here on it is ours to remove */
    if (s->has_group && chown(path, (uid_t)-1, s->group) < 0)
        pn_log_warning("api: %s: cannot give it to group %s: %s", path, PN_API_GROUP, strerror(errno));
    if (chmod(path, mode) < 0 || !(s->listener = pn_listener_new(base, fd, 64, "api", on_accept, s))) {
        pn_error_set(err, "%s: %s", path, strerror(errno));
        goto fail;
    }
    return s;
fail:
    if (fd >= 0)
        close(fd);
    pn_api_server_free(s);
    return NULL;
}

void pn_api_server_free(struct pn_api_server *s)
{
    struct conn *c;

    if (!s)
        return;
    while ((c = TAILQ_FIRST(&s->conns)))
        conn_free(c);
    pn_listener_free(s->listener);
    if (s->path[0])
        unlink(s->path);
    free(s);
}

unsigned pn_api_server_connections(const struct pn_api_server *s)
{
    return s->n;
}
