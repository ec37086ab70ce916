/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The API server on hostile bytes: the first byte chooses the peer's rights and whether the rest is one request's text
 * or a stream of frames to the server; a fake dataplane answers behind it. One loop and one state for all inputs, as
 * in the daemon; orders change it, which is part of the game.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "controlplane/api/api.h"
#include "tests/unit/fixture_view.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct fixture f;
static struct pn_api_server *server;

static void end(void) /* the fixture has a folder */
{
    pn_api_server_free(server);
    fixture_down(&f);
}

static void start(void)
{
    struct pn_error err;

    signal(SIGPIPE, SIG_IGN); /* as the daemon does */
    pn_log_init("fuzz", (enum pn_log_level)0);
    fixture_up(&f, true);
    server = pn_api_server_new(f.base, NULL, 0, &f.view, &err);
    if (!server)
        abort();
    atexit(end);
}

/* Every reply is an object that says whether it is ok; a failure has a code and a text. */
static void on_done(void *arg, json_t *reply)
{
    unsigned *answers = arg;

    if (!json_is_object(reply) || !json_is_boolean(json_object_get(reply, "ok")))
        abort();
    if (json_is_false(json_object_get(reply, "ok")) && !json_is_string(json_object_get(reply, "error")))
        abort();
    (*answers)++;
    json_decref(reply);
}

static void one_request(uint8_t how, const uint8_t *data, size_t size)
{
    struct pn_api_peer peer = {.may_write = how & 1, .root = how & 1, .remote = how & 4, .who = "fuzz"};
    static unsigned answers;
    unsigned before = answers;
    struct pn_api_call *call = pn_api_request(&f.view, peer, data, size, on_done, &answers);

    if (call && (how & 2)) {
        pn_api_abandon(call);
        event_base_loop(f.base, EVLOOP_NONBLOCK);
        return;
    }
    for (int i = 0; answers == before && i < 20000; i++)
        event_base_loop(f.base, EVLOOP_NONBLOCK);
    if (answers != before + 1)
        abort();
}

static void frames(const uint8_t *data, size_t size)
{
    char sink[4096];
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) < 0)
        abort();
    if (pn_api_server_adopt(server, pair[0]) < 0)
        abort();
    for (size_t at = 0; at < size;) {
        ssize_t n = write(pair[1], data + at, size - at > 512 ? 512 : size - at);

        if (n > 0)
            at += (size_t)n;
        else if (at < size && n < 0)
            break; /* the server closed it */
        event_base_loop(f.base, EVLOOP_NONBLOCK);
        while (read(pair[1], sink, sizeof(sink)) > 0)
            ;
    }
    close(pair[1]);
    for (int i = 0; pn_api_server_connections(server) && i < 20000; i++)
        event_base_loop(f.base, EVLOOP_NONBLOCK);
    if (pn_api_server_connections(server))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!f.base)
        start();
    if (size == 0)
        return 0;
    if (data[0] & 4)
        frames(data + 1, size - 1);
    else
        one_request(data[0], data + 1, size - 1);
    return 0;
}
