/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/ipc/server.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/error.h"
#include "common/log.h"
#include "dataplane/loop.h"

#define READS_AT_ONCE 16 /* two a message */

struct client {
    struct pn_loop_source source; /* first: found from the source */
    struct pn_ipc_server *server;
    uint8_t *in; /* the request under way */
    size_t in_bytes, in_want; /* in_want: header first, then the whole message */
    uint8_t *out; /* the reply under way */
    size_t out_bytes, out_sent;
    struct pn_ipc_unasked *unasked; /* NULL: it gets none */
    uint32_t events; /* it is waited for */
    bool closing; /* after the reply */
    uint64_t ticket; /* of the newest request */
    struct pn_dp_header asked; /* its header, while later */
    bool later; /* its reply is still to come */
    uint64_t since_ms; /* when the pending request or reply began */
    bool pending;
    pid_t pid;
};

struct pn_ipc_server {
    struct pn_loop_source listener; /* first */
    int loop;
    const struct pn_ipc_ops *ops;
    void *arg;
    char path[108];
    uint8_t *reply; /* PN_DPAPI_MAX_BYTES, where every reply is made */
    struct client *clients[PN_IPC_CLIENTS_MAX];
    struct client *reader; /* of unasked messages; NULL: nobody */
    uint64_t tickets; /* given out */
    bool answering; /* a request is being handled: its client stays */
    uint64_t now_ms;
};

static void client_close(struct client *c, const char *why)
{
    if (why)
        pn_log_limited(1000, PN_LOG_WARNING, "control socket: client (pid %d) disconnected: %s", (int)c->pid, why);
    for (unsigned i = 0; i < PN_IPC_CLIENTS_MAX; i++) {
        if (c->server->clients[i] == c)
            c->server->clients[i] = NULL;
    }
    if (c->server->reader == c)
        c->server->reader = NULL;
    pn_loop_remove(c->server->loop, &c->source);
    close(c->source.fd);
    pn_ipc_unasked_free(c->unasked);
    free(c->in);
    free(c->out);
    free(c);
}

/* Requests are read while no reply is under way. */
static bool client_wait(struct client *c, bool more)
{
    uint32_t events = (c->out || c->later ? 0 : EPOLLIN) | (more ? EPOLLOUT : 0);
    if (events == c->events)
        return true;
    c->events = events;
    return pn_loop_change(c->server->loop, &c->source, events) == 0;
}

/* -1: it takes no more now; -2: the client is gone. */
static ssize_t client_write(struct client *c, const uint8_t *bytes, size_t n)
{
    ssize_t sent;
    do {
        sent = send(c->source.fd, bytes, n, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return -1;
    if (sent > 0)
        return sent;
    client_close(c, errno == EPIPE || errno == ECONNRESET ? NULL : strerror(errno));
    return -2;
}

static void reply_sent(struct client *c)
{
    free(c->out);
    c->out = NULL;
    c->out_bytes = c->out_sent = 0;
    c->pending = false;
}

/* What is left of an unasked message begun, then the reply, then other unasked messages. false: the client is gone. */
static bool client_send(struct client *c)
{
    for (;;) {
        size_t n = 0;
        const uint8_t *bytes = NULL;
        bool unasked = c->unasked && (!c->out || pn_ipc_unasked_begun(c->unasked));
        if (unasked)
            bytes = pn_ipc_unasked_next(c->unasked, &n);
        else if (c->out)
            bytes = c->out + c->out_sent, n = c->out_bytes - c->out_sent;
        if (!bytes)
            return client_wait(c, false);
        ssize_t sent = client_write(c, bytes, n);
        if (sent < 0)
            return sent == -1 ? client_wait(c, true) : false;
        if (unasked) {
            pn_ipc_unasked_sent(c->unasked, (size_t)sent);
            continue;
        }
        c->out_sent += (size_t)sent;
        if (c->out_sent < c->out_bytes)
            continue;
        reply_sent(c);
        if (c->closing) {
            client_close(c, "bad message");
            return false;
        }
    }
}

/* From now on unasked messages come to this client. false: it is gone. */
static bool client_reads_unasked(struct client *c)
{
    struct pn_ipc_server *s = c->server;
    if (!c->unasked)
        c->unasked = pn_ipc_unasked_new();
    if (!c->unasked) {
        client_close(c, "out of memory");
        return false;
    }
    if (s->reader && s->reader != c)
        pn_log_info("control socket: unasked messages go to pid %d now, no longer to %d", (int)c->pid,
                    (int)s->reader->pid);
    s->reader = c;
    return true;
}

/* r is on its way from now on. false: the client is gone. */
static bool client_reply(struct client *c, const struct pn_dp_header *r)
{
    struct pn_ipc_server *s = c->server;
    if (r->status == PN_DP_STATUS_BAD_MESSAGE || r->status == PN_DP_STATUS_REJECTED)
        pn_log_limited(1000, PN_LOG_WARNING, "control socket: message of type %u from pid %d refused: %.*s", r->type,
                       (int)c->pid, (int)(r->bytes - sizeof(*r)), (const char *)(r + 1));
    c->out = malloc(r->bytes);
    if (!c->out) {
        client_close(c, "out of memory");
        return false;
    }
    memcpy(c->out, r, r->bytes);
    c->out_bytes = r->bytes;
    c->since_ms = s->now_ms;
    c->pending = true;
    return client_send(c);
}

uint64_t pn_ipc_server_ticket(const struct pn_ipc_server *s)
{
    return s->tickets;
}

void pn_ipc_server_answer(struct pn_ipc_server *s, uint64_t ticket, enum pn_dp_status status, const char *text)
{
    for (unsigned i = 0; s && i < PN_IPC_CLIENTS_MAX; i++) {
        struct client *c = s->clients[i];
        if (!c || !c->later || c->ticket != ticket)
            continue;
        struct {
            struct pn_dp_header h;
            char text[sizeof(struct pn_error)];
        } r = {.h = {.type = c->asked.type, .status = (uint16_t)status, .seq = c->asked.seq}};
        size_t n = text ? (size_t)snprintf(r.text, sizeof(r.text), "%s", text) + 1 : 0;
        r.h.bytes = (uint32_t)(sizeof(r.h) + (n < sizeof(r.text) ? n : sizeof(r.text)));
        c->later = false;
        client_reply(c, &r.h);
        return;
    }
}

/* The request is whole (or hopeless): answer it. */
static bool client_answer(struct client *c)
{
    struct pn_ipc_server *s = c->server;
    c->closing = pn_ipc_message_bytes((const struct pn_dp_header *)c->in) == 0;
    s->answering = true;
    c->ticket = ++s->tickets;
    size_t n = pn_ipc_handle(s->ops, s->arg, c->in, c->in_bytes, s->reply);
    s->answering = false;
    const struct pn_dp_header *r = (const void *)s->reply;
    if (n != 0 && r->type == PN_DP_CONTROL && r->status == PN_DP_STATUS_OK && !client_reads_unasked(c))
        return false;
    memcpy(&c->asked, c->in, sizeof(c->asked));
    free(c->in);
    c->in = NULL;
    c->in_bytes = 0;
    if (n != 0)
        return client_reply(c, r);
    c->later = true;
    c->pending = false;
    return client_wait(c, false);
}

/* Reads up to the request's end, never beyond: replies come in order, and memory stays bounded. false: no more now. */
static bool client_read(struct client *c)
{
    if (!c->in) {
        c->in_want = sizeof(struct pn_dp_header);
        c->in = malloc(c->in_want);
        if (!c->in) {
            client_close(c, "out of memory");
            return false;
        }
    }
    ssize_t n = recv(c->source.fd, c->in + c->in_bytes, c->in_want - c->in_bytes, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (n <= 0) {
        client_close(c, c->in_bytes ? "closed in the middle of a message" : NULL);
        return false;
    }
    if (!c->in_bytes) {
        c->since_ms = c->server->now_ms;
        c->pending = true;
    }
    c->in_bytes += (size_t)n;
    if (c->in_bytes < c->in_want)
        return true;
    if (c->in_want == sizeof(struct pn_dp_header)) {
        size_t whole = pn_ipc_message_bytes((const struct pn_dp_header *)c->in);
        if (whole > c->in_want) {
            uint8_t *in = realloc(c->in, whole);
            if (!in) {
                client_close(c, "out of memory");
                return false;
            }
            c->in = in;
            c->in_want = whole;
            return true;
        }
    }
    return client_answer(c);
}

static void client_ready(struct pn_loop_source *source, uint32_t events)
{
    struct client *c = (struct client *)source;
    if (events & EPOLLOUT) {
        if (!client_send(c))
            return;
    } else if ((c->out || c->later) && (events & (EPOLLERR | EPOLLHUP))) {
        client_close(c, NULL);
        return;
    }
    /* Several at once: a lease and the heartbeat that goes with it come in one write. Not for ever: others wait too. */
    for (unsigned i = 0; i < READS_AT_ONCE && !c->out && !c->later && client_read(c); i++)
        ;
}

/* Root, or the user that this process runs as. */
static bool peer_allowed(int fd, pid_t *pid)
{
    struct ucred cred;
    socklen_t len = sizeof(cred);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) || len != sizeof(cred))
        return false;
    *pid = cred.pid;
    if (cred.uid == 0 || cred.uid == geteuid())
        return true;
    pn_log_limited(1000, PN_LOG_WARNING, "control socket: pid %d of user %u refused", (int)cred.pid, cred.uid);
    return false;
}

static void listener_ready(struct pn_loop_source *source, uint32_t events)
{
    (void)events;
    struct pn_ipc_server *s = (struct pn_ipc_server *)source;
    int fd = accept4(s->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    unsigned slot = 0;
    while (slot < PN_IPC_CLIENTS_MAX && s->clients[slot])
        slot++;
    pid_t pid = 0;
    if (slot == PN_IPC_CLIENTS_MAX) {
        pn_log_limited(1000, PN_LOG_WARNING, "control socket: more than %u clients", PN_IPC_CLIENTS_MAX);
        close(fd);
        return;
    }
    struct client *c = peer_allowed(fd, &pid) ? calloc(1, sizeof(*c)) : NULL;
    if (!c) {
        close(fd);
        return;
    }
    c->source = (struct pn_loop_source){.fd = fd, .ready = client_ready};
    c->server = s;
    c->pid = pid;
    c->events = EPOLLIN;
    if (pn_loop_add(s->loop, &c->source, EPOLLIN)) {
        close(fd);
        free(c);
        return;
    }
    s->clients[slot] = c;
}

static int listen_at(struct pn_ipc_server *s, struct pn_error *err)
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    if (strlen(s->path) >= sizeof(sun.sun_path))
        return pn_error_set(err, "socket %s: path too long", s->path);
    strcpy(sun.sun_path, s->path);

    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return pn_error_set(err, "socket %s: %s", s->path, strerror(errno));
    struct stat st;
    if (lstat(s->path, &st) == 0 && S_ISSOCK(st.st_mode)) {
        /* One that is there, if too busy to take us (EAGAIN), is another instance's too. */
        if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0 || errno == EAGAIN) {
            close(fd);
            return pn_error_set(err, "socket %s: another postern-dp answers there", s->path);
        }
        unlink(s->path);
    }
    mode_t old = umask(0177);
    int rc = bind(fd, (struct sockaddr *)&sun, sizeof(sun));
    int saved = errno;
    umask(old);
    if (rc || listen(fd, PN_IPC_CLIENTS_MAX)) {
        if (!rc)
            saved = errno;
        close(fd);
        return pn_error_set(err, "socket %s: %s", s->path, strerror(saved));
    }
    s->listener = (struct pn_loop_source){.fd = fd, .ready = listener_ready};
    return 0;
}

struct pn_ipc_server *pn_ipc_server_new(int loop, const char *path, const struct pn_ipc_ops *ops, void *arg,
                                        struct pn_error *err)
{
    struct pn_ipc_server *s = calloc(1, sizeof(*s));
    if (s)
        s->reply = malloc(PN_DPAPI_MAX_BYTES);
    if (!s || !s->reply) {
        pn_error_set(err, "out of memory");
        free(s);
        return NULL;
    }
    s->loop = loop;
    s->ops = ops;
    s->arg = arg;
    s->listener.fd = -1;
    snprintf(s->path, sizeof(s->path), "%s", path);
    if (listen_at(s, err)) {
        free(s->reply);
        free(s);
        return NULL;
    }
    if (pn_loop_add(loop, &s->listener, EPOLLIN)) {
        pn_error_set(err, "socket %s: %s", path, strerror(errno));
        pn_ipc_server_free(s);
        return NULL;
    }
    return s;
}

void pn_ipc_server_free(struct pn_ipc_server *s)
{
    if (!s)
        return;
    for (unsigned i = 0; i < PN_IPC_CLIENTS_MAX; i++) {
        if (s->clients[i])
            client_close(s->clients[i], NULL);
    }
    pn_loop_remove(s->loop, &s->listener);
    close(s->listener.fd);
    unlink(s->path);
    free(s->reply);
    free(s);
}

bool pn_ipc_server_push(struct pn_ipc_server *s, enum pn_dp_type type, const void *head, size_t head_bytes,
                        const void *body, size_t body_bytes)
{
    struct client *c = s->reader;
    if (!c)
        return false;
    bool idle = pn_ipc_unasked_waiting(c->unasked) == 0 && !c->out;
    struct pn_dp_header lost = pn_ipc_unasked_add(c->unasked, type, head, head_bytes, body, body_bytes);
    if (lost.type && s->ops->lost)
        s->ops->lost(s->arg, &lost);
    if (s->answering)
        return true; /* its reply takes it along */
    if (idle)
        client_send(c);
    else
        client_wait(c, true);
    return true;
}

unsigned pn_ipc_server_waiting(const struct pn_ipc_server *s)
{
    return s->reader ? pn_ipc_unasked_waiting(s->reader->unasked) : UINT_MAX;
}

bool pn_ipc_server_holds(const struct pn_ipc_server *s, enum pn_dp_type type, size_t bytes)
{
    return s->reader && pn_ipc_unasked_holds(s->reader->unasked, type, bytes);
}

void pn_ipc_server_tick(struct pn_ipc_server *s, uint64_t now_ms)
{
    s->now_ms = now_ms;
    for (unsigned i = 0; i < PN_IPC_CLIENTS_MAX; i++) {
        struct client *c = s->clients[i];
        if (c && c->pending && now_ms - c->since_ms > PN_IPC_STALL_MS)
            client_close(c, c->out ? "reply not taken" : "message not finished");
    }
}
