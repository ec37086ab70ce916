/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/client/client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/wipe.h"

#define REPLY_MAX (16u << 20)
#define BUSY_TRIES 20
#define BUSY_PAUSE_US 100000

int pn_client_open(const char *path, unsigned patience_s)
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = (time_t)patience_s};
    int fd, error;

    if (strlen(path) >= sizeof(sun.sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(sun.sun_path, path, strlen(path) + 1);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0)
        return fd;
    error = errno;
    close(fd);
    errno = error;
    return -1;
}

static int send_all(int fd, const void *data, size_t len)
{
    const char *p = data;

    while (len) {
        ssize_t n = send(fd, p, len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

static int receive_all(int fd, void *data, size_t len)
{
    char *p = data;

    while (len) {
        ssize_t n = recv(fd, p, len, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0)
            errno = ECONNRESET;
        if (n <= 0)
            return -1;
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

json_t *pn_client_exchange(int fd, const char *request)
{
    size_t len = strlen(request);
    uint32_t frame = htonl((uint32_t)len);
    json_error_t json_err;
    json_t *reply;
    char *text;

    if (send_all(fd, &frame, sizeof(frame)) < 0 || send_all(fd, request, len) < 0 ||
        receive_all(fd, &frame, sizeof(frame)) < 0)
        return NULL;
    len = ntohl(frame);
    if (len == 0 || len > REPLY_MAX || !(text = malloc(len))) {
        errno = EPROTO;
        return NULL;
    }
    if (receive_all(fd, text, len) < 0) {
        int error = errno;
        free(text);
        errno = error;
        return NULL;
    }
    reply = json_loadb(text, len, 0, &json_err);
    pn_wiping_free(text);
    if (!reply)
        errno = EPROTO;
    return reply;
}

json_t *pn_client_ask(int fd, const char *command, json_t *args)
{
    json_t *request = json_pack("{s:s, s:o}", "command", command, "args", args ? args : json_object());
    char *text = request ? json_dumps(request, JSON_COMPACT) : NULL;
    json_t *reply = NULL;
    int error;

    json_decref(request);
    errno = ENOMEM;
    /* "busy" is "not done, ask again": on a loaded machine a worker may not get to answer at once. */
    for (int tries = 0; text && tries < BUSY_TRIES; tries++) {
        const char *code;

        json_decref(reply);
        reply = pn_client_exchange(fd, text);
        code = json_string_value(json_object_get(reply, "code"));
        if (!reply || !code || strcmp(code, "busy") != 0)
            break;
        usleep(BUSY_PAUSE_US);
    }
    error = errno;
    pn_wiping_free(text);
    errno = error;
    return reply;
}
