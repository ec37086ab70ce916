/* SPDX-License-Identifier: BSD-3-Clause */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/wipe.h"
#include "controlplane/cli/cli.h"

#define REPLY_MAX (16u << 20)
#define REPLY_TIMEOUT_S 30
#define BUSY_TRIES 20
#define BUSY_PAUSE_US 100000

static int fail(const struct pn_cli *cli, bool quiet, int status, const char *code, const char *text)
{
    if (quiet)
        return status;
    fprintf(stderr, "postern: %s\n", text);
    if (cli->json)
        pn_cli_print_json(json_pack("{s:s, s:s}", "code", code, "error", text));
    return status;
}

static int unreachable(const struct pn_cli *cli, bool quiet, int error)
{
    char text[512];

    if (error == ENOENT || error == ECONNREFUSED)
        snprintf(text, sizeof(text), "%s: posternd is not running (start it with: systemctl start posternd)",
                 cli->socket);
    else if (error == EACCES || error == EPERM)
        snprintf(text, sizeof(text), "%s: permission denied (be root, or a member of group postern)", cli->socket);
    else if (error == EAGAIN)
        snprintf(text, sizeof(text), "%s: posternd does not answer", cli->socket);
    else
        snprintf(text, sizeof(text), "%s: %s", cli->socket, strerror(error));
    return fail(cli, quiet, PN_EXIT_UNREACHABLE, "unreachable", text);
}

static int open_socket(struct pn_cli *cli)
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = REPLY_TIMEOUT_S};

    if (strlen(cli->socket) >= sizeof(sun.sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(sun.sun_path, cli->socket, strlen(cli->socket) + 1);
    cli->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (cli->fd < 0)
        return -1;
    setsockopt(cli->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(cli->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    if (connect(cli->fd, (struct sockaddr *)&sun, sizeof(sun)) == 0)
        return 0;
    int error = errno;
    close(cli->fd);
    cli->fd = -1;
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

/* One frame out, one in; NULL with errno. */
static json_t *exchange(int fd, const char *request)
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

static int status_of(const char *code)
{
    static const struct {
        const char *code;
        int status;
    } row[] = {{"bad-request", PN_EXIT_USAGE}, {"not-found", PN_EXIT_NOT_FOUND}, {"unavailable", PN_EXIT_UNREACHABLE}};

    for (unsigned i = 0; i < sizeof(row) / sizeof(row[0]); i++)
        if (strcmp(row[i].code, code) == 0)
            return row[i].status;
    return PN_EXIT_FAILED;
}

int pn_cli_ask(struct pn_cli *cli, const char *command, json_t *args, json_t **result, bool quiet)
{
    json_t *request = json_pack("{s:s, s:o}", "command", command, "args", args ? args : json_object());
    char *text = request ? json_dumps(request, JSON_COMPACT) : NULL;
    json_t *reply = NULL;
    int status, error = 0;

    *result = NULL;
    json_decref(request);
    if (!text)
        return fail(cli, quiet, PN_EXIT_FAILED, "failed", "out of memory");
    /* "busy" is "not done, ask again": on a loaded machine a worker may not get to answer at once. */
    for (int tries = 0; tries < BUSY_TRIES; tries++) {
        json_decref(reply);
        reply = cli->fd >= 0 || open_socket(cli) == 0 ? exchange(cli->fd, text) : NULL;
        error = errno;
        if (!reply || strcmp(pn_js(reply, "code"), "busy") != 0)
            break;
        usleep(BUSY_PAUSE_US);
    }
    pn_wiping_free(text);
    if (!reply) {
        if (cli->fd >= 0)
            close(cli->fd);
        cli->fd = -1;
        return unreachable(cli, quiet, error);
    }
    if (pn_jb(reply, "ok")) {
        *result = json_incref(pn_jo(reply, "result"));
        json_decref(reply);
        return PN_EXIT_OK;
    }
    status = fail(cli, quiet, status_of(pn_js(reply, "code")), pn_js(reply, "code"), pn_js(reply, "error"));
    json_decref(reply);
    return status;
}

int pn_cli_call(struct pn_cli *cli, const char *command, json_t *args, json_t **result)
{
    return pn_cli_ask(cli, command, args, result, false);
}

int pn_cli_print_json(json_t *value)
{
    json_dumpf(value, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(value);
    return PN_EXIT_OK;
}
