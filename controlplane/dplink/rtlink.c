/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/dplink/rtlink.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/error.h"

#define RETRY_NS UINT64_C(20000000) /* a dataplane that comes back is needed soon */
#define REPLY_TIMEOUT_NS UINT64_C(10000000000)
#define OUT_BYTES (256u << 10)
#define IN_BYTES (128u << 10)
#define READ_MAX_BYTES (1u << 20) /* at a time: more than a socket holds */
#define MESSAGE_MAX_BYTES 65536u /* what is answered or told here is small */
#define PENDING_MAX 1024u

struct pn_rtlink {
    struct pn_rtlink_callbacks cb;
    char path[108];
    int fd;
    bool up;
    bool overrun; /* a message found no room: what follows it must not be sent either */
    uint64_t retry_ns;
    uint32_t next_seq;
    struct {
        uint32_t seq, tag;
        uint16_t type;
        uint64_t sent_ns;
    } pending[PENDING_MAX];
    unsigned head, count;
    size_t out_at, out_bytes; /* of out: sent, filled */
    size_t in_bytes;
    uint8_t out[OUT_BYTES] __attribute__((aligned(8)));
    uint8_t in[IN_BYTES] __attribute__((aligned(8)));
    uint8_t payload[MESSAGE_MAX_BYTES] __attribute__((aligned(8)));
};

struct pn_rtlink *pn_rtlink_new(const char *path, const struct pn_rtlink_callbacks *cb, struct pn_error *err)
{
    struct pn_rtlink *l = NULL;
    if (strlen(path) >= sizeof(l->path)) {
        pn_error_set(err, "%s: socket path longer than %zu bytes", path, sizeof(l->path) - 1);
        return NULL;
    }
    l = calloc(1, sizeof(*l));
    if (!l) {
        pn_error_set(err, "out of memory");
        return NULL;
    }
    l->cb = *cb;
    l->fd = -1;
    memcpy(l->path, path, strlen(path) + 1);
    return l;
}

void pn_rtlink_free(struct pn_rtlink *l)
{
    if (!l)
        return;
    if (l->fd >= 0)
        close(l->fd);
    free(l);
}

static void drop(struct pn_rtlink *l, uint64_t now_ns, const char *reason)
{
    bool was_up = l->up;
    if (l->fd >= 0)
        close(l->fd);
    l->fd = -1;
    l->up = l->overrun = false;
    l->head = l->count = 0;
    l->out_at = l->out_bytes = l->in_bytes = 0;
    l->retry_ns = now_ns + RETRY_NS;
    if (was_up)
        l->cb.down(l->cb.arg, reason);
}

int pn_rtlink_fd(const struct pn_rtlink *l)
{
    return l->fd;
}

bool pn_rtlink_is_up(const struct pn_rtlink *l)
{
    return l->up;
}

bool pn_rtlink_clear(const struct pn_rtlink *l)
{
    return l->out_at == l->out_bytes;
}

bool pn_rtlink_wants_write(const struct pn_rtlink *l)
{
    return l->fd >= 0 && !pn_rtlink_clear(l);
}

static bool put(struct pn_rtlink *l, enum pn_dp_type type, const void *payload, size_t bytes, uint32_t tag)
{
    struct pn_dp_header h = {.bytes = (uint32_t)(sizeof(h) + bytes), .type = (uint16_t)type};
    if (l->fd < 0 || l->count == PENDING_MAX)
        return false;
    if (l->out_at == l->out_bytes)
        l->out_at = l->out_bytes = 0;
    if (h.bytes > OUT_BYTES - l->out_bytes)
        return false;
    if (++l->next_seq == 0)
        l->next_seq = 1;
    h.seq = l->next_seq;
    memcpy(l->out + l->out_bytes, &h, sizeof(h));
    if (bytes)
        memcpy(l->out + l->out_bytes + sizeof(h), payload, bytes);
    l->out_bytes += h.bytes;
    unsigned at = (l->head + l->count++) % PENDING_MAX;
    l->pending[at].seq = h.seq;
    l->pending[at].tag = tag;
    l->pending[at].type = h.type;
    l->pending[at].sent_ns = 0;
    return true;
}

bool pn_rtlink_send(struct pn_rtlink *l, enum pn_dp_type type, const void *payload, size_t bytes, uint32_t tag)
{
    if (!l->up || l->overrun)
        return false;
    l->overrun = !put(l, type, payload, bytes, tag);
    return !l->overrun;
}

void pn_rtlink_flush(struct pn_rtlink *l, uint64_t now_ns)
{
    if (l->overrun)
        drop(l, now_ns, "too much waits for it");
    while (l->fd >= 0 && l->out_at < l->out_bytes) {
        ssize_t n = send(l->fd, l->out + l->out_at, l->out_bytes - l->out_at, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (n <= 0) {
            drop(l, now_ns, strerror(errno));
            return;
        }
        l->out_at += (size_t)n;
    }
}

uint64_t pn_rtlink_run(struct pn_rtlink *l, uint64_t now_ns)
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    if (l->fd >= 0)
        pn_rtlink_flush(l, now_ns);
    if (l->fd >= 0) {
        if (l->count && l->pending[l->head].sent_ns == 0)
            l->pending[l->head].sent_ns = now_ns;
        if (l->count && now_ns - l->pending[l->head].sent_ns > REPLY_TIMEOUT_NS)
            drop(l, now_ns, "no answer");
        if (l->fd >= 0)
            return l->count ? now_ns + REPLY_TIMEOUT_NS : UINT64_MAX;
    }
    if (now_ns < l->retry_ns)
        return l->retry_ns;
    l->retry_ns = now_ns + RETRY_NS;
    memcpy(sun.sun_path, l->path, sizeof(l->path));
    l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (l->fd >= 0 && connect(l->fd, (struct sockaddr *)&sun, sizeof(sun)) < 0) {
        close(l->fd);
        l->fd = -1;
    }
    if (l->fd < 0)
        return l->retry_ns;
    put(l, PN_DP_HELLO, NULL, 0, 0);
    pn_rtlink_flush(l, now_ns);
    return l->fd >= 0 ? now_ns + REPLY_TIMEOUT_NS : l->retry_ns;
}

static void take_hello(struct pn_rtlink *l, unsigned status, size_t bytes, uint64_t now_ns)
{
    struct pn_dp_hello hello;
    if (status != PN_DP_STATUS_OK || bytes != sizeof(hello)) {
        drop(l, now_ns, "HELLO refused");
        return;
    }
    memcpy(&hello, l->payload, sizeof(hello));
    if (hello.api_version != PN_DPAPI_VERSION) {
        drop(l, now_ns, "postern-dp speaks another API version");
        return;
    }
    l->up = true;
    l->cb.up(l->cb.arg, &hello);
}

/* One whole message at in[at]; its length, 0: more bytes are needed, or the connection was dropped. */
static size_t take(struct pn_rtlink *l, size_t at, uint64_t now_ns)
{
    struct pn_dp_header h;
    if (l->in_bytes - at < sizeof(h))
        return 0;
    memcpy(&h, l->in + at, sizeof(h));
    if (h.bytes < sizeof(h) || h.bytes - sizeof(h) > MESSAGE_MAX_BYTES) {
        drop(l, now_ns, "a message's length is out of range");
        return 0;
    }
    if (l->in_bytes - at < h.bytes)
        return 0;
    size_t bytes = h.bytes - sizeof(h);
    memcpy(l->payload, l->in + at + sizeof(h), bytes);
    if (h.seq == 0) {
        if (l->up)
            l->cb.message(l->cb.arg, h.type, l->payload, bytes);
        return h.bytes;
    }
    if (l->count == 0 || l->pending[l->head].seq != h.seq || l->pending[l->head].type != h.type) {
        drop(l, now_ns, "an answer that was not asked for");
        return 0;
    }
    uint32_t tag = l->pending[l->head].tag;
    l->head = (l->head + 1) % PENDING_MAX;
    l->count--;
    if (h.type == PN_DP_HELLO)
        take_hello(l, h.status, bytes, now_ns);
    else
        l->cb.answer(l->cb.arg, tag, h.status, l->payload, bytes);
    return h.bytes;
}

void pn_rtlink_readable(struct pn_rtlink *l, uint64_t now_ns)
{
    for (size_t taken = 0; l->fd >= 0 && taken < READ_MAX_BYTES;) {
        ssize_t n = recv(l->fd, l->in + l->in_bytes, IN_BYTES - l->in_bytes, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (n <= 0) {
            drop(l, now_ns, n ? strerror(errno) : "closed by postern-dp");
            return;
        }
        l->in_bytes += (size_t)n;
        taken += (size_t)n;
        size_t at = 0, step;
        while (l->fd >= 0 && (step = take(l, at, now_ns)) > 0)
            at += step;
        if (l->fd < 0)
            return;
        memmove(l->in, l->in + at, l->in_bytes - at);
        l->in_bytes -= at;
    }
}
