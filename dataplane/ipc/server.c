/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/ipc/server.h"

#include <errno.h>
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

struct client {
    struct pn_loop_source source; /* first: found from the source */
    struct pn_ipc_server *server;
    uint8_t *in; /* the request under way */
    size_t in_bytes, in_want; /* in_want: header first, then the whole message */
    uint8_t *out; /* the reply under way */
    size_t out_bytes, out_sent;
    bool closing; /* after the reply */
    uint64_t since_ms; /* when the pending request or reply began; 0: nothing pending */
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
    pn_loop_remove(c->server->loop, &c->source);
    close(c->source.fd);
    free(c->in);
    free(c->out);
    free(c);
}

/* What is left of the reply. false: the client is gone. */
static bool client_send(struct client *c)
{
    while (c->out_sent < c->out_bytes) {
        ssize_t n = send(c->source.fd, c->out + c->out_sent, c->out_bytes - c->out_sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return pn_loop_change(c->server->loop, &c->source, EPOLLOUT) == 0;
        if (n <= 0) {
            client_close(c, errno == EPIPE || errno == ECONNRESET ? NULL : strerror(errno));
            return false;
        }
        c->out_sent += (size_t)n;
    }
    free(c->out);
    c->out = NULL;
    c->out_bytes = c->out_sent = 0;
    c->since_ms = 0;
    if (c->closing) {
        client_close(c, "bad message");
        return false;
    }
    return pn_loop_change(c->server->loop, &c->source, EPOLLIN) == 0;
}

/* The request is whole (or hopeless): answer it. */
static bool client_answer(struct client *c)
{
    struct pn_ipc_server *s = c->server;
    c->closing = pn_ipc_message_bytes((const struct pn_dp_header *)c->in) == 0;
    size_t n = pn_ipc_handle(s->ops, s->arg, c->in, c->in_bytes, s->reply);
    const struct pn_dp_header *r = (const void *)s->reply;
    if (r->status == PN_DP_STATUS_BAD_MESSAGE || r->status == PN_DP_STATUS_REJECTED)
        pn_log_limited(1000, PN_LOG_WARNING, "control socket: message of type %u from pid %d refused: %.*s", r->type,
                       (int)c->pid, (int)(n - sizeof(*r)), (const char *)(r + 1));
    free(c->in);
    c->in = NULL;
    c->in_bytes = 0;
    c->out = malloc(n);
    if (!c->out) {
        client_close(c, "out of memory");
        return false;
    }
    memcpy(c->out, s->reply, n);
    c->out_bytes = n;
    c->since_ms = s->now_ms;
    return client_send(c);
}

/* Reads up to the request's end, never beyond: replies come in order, and memory stays bounded. false: gone. */
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
        return true;
    if (n <= 0) {
        client_close(c, c->in_bytes ? "closed in the middle of a message" : NULL);
        return false;
    }
    if (!c->in_bytes)
        c->since_ms = c->server->now_ms;
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
    if (c->out) {
        if ((events & (EPOLLERR | EPOLLHUP)) && !(events & EPOLLOUT))
            client_close(c, NULL);
        else
            client_send(c);
        return;
    }
    client_read(c);
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
        /* One that still answers is another instance's. */
        if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0) {
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

void pn_ipc_server_tick(struct pn_ipc_server *s, uint64_t now_ms)
{
    s->now_ms = now_ms;
    for (unsigned i = 0; i < PN_IPC_CLIENTS_MAX; i++) {
        struct client *c = s->clients[i];
        if (c && c->since_ms && now_ms - c->since_ms > PN_IPC_STALL_MS)
            client_close(c, c->out ? "reply not taken" : "message not finished");
    }
}
