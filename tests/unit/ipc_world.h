/* SPDX-License-Identifier: BSD-3-Clause */
/* The control socket with handlers that a test says, asked directly and over a real socket. */
#ifndef TESTS_UNIT_IPC_WORLD_H
#define TESTS_UNIT_IPC_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/error.h"
#include "common/log.h"
#include "dataplane/ipc/server.h"
#include "dataplane/loop.h"

static const struct pn_ipc_ops *ipc_ops; /* set by main */

static unsigned calls;
static bool put_later;
static uint8_t big[PN_SNAPSHOT_MAX_BYTES] __attribute__((aligned(8)));
static uint8_t message[PN_DPAPI_MAX_BYTES] __attribute__((aligned(8)));
static uint8_t reply[PN_DPAPI_MAX_BYTES] __attribute__((aligned(8)));
static const struct pn_dp_header *const reply_head = (const void *)reply;

static char path[64];
static int loop;
static struct pn_ipc_server *server;
static uint64_t clock_ms;

static inline void fake_hello(void *arg, struct pn_dp_hello *out)
{
    (void)arg;
    calls++;
    out->api_version = PN_DPAPI_VERSION;
}

static inline int fake_put(void *arg, const void *snapshot, size_t len, struct pn_error *err)
{
    (void)arg;
    calls++;
    assert_int_equal((uintptr_t)snapshot % 8, 0);
    if (put_later)
        return 1;
    return len > 100 ? pn_error_set(err, "vip[0]: no") : 0;
}

static inline const void *fake_get(void *arg, size_t *len)
{
    (void)arg;
    calls++;
    *len = sizeof(big);
    return big;
}

static inline size_t message_make(uint16_t type, const void *body, size_t n)
{
    struct pn_dp_header h = {.bytes = (uint32_t)(sizeof(h) + n), .type = type, .seq = 77};
    memcpy(message, &h, sizeof(h));
    if (n)
        memcpy(message + sizeof(h), body, n);
    return h.bytes;
}

static inline uint16_t ask(uint16_t type, const void *body, size_t n)
{
    size_t len = message_make(type, body, n);
    size_t got = pn_ipc_handle(ipc_ops, NULL, message, len, reply);
    assert_int_equal(got, reply_head->bytes);
    assert_int_equal(reply_head->type, type);
    assert_int_equal(reply_head->seq, 77);
    assert_int_equal(reply_head->reserved, 0);
    if (reply_head->status) /* the reason, as text */
        assert_int_equal(reply[got - 1], 0);
    return reply_head->status;
}

static inline int server_up(void **state)
{
    (void)state;
    struct pn_error err;
    pn_log_set_level(PN_LOG_ERROR);
    snprintf(path, sizeof(path), "/tmp/pn_ipc_%d.sock", (int)getpid());
    loop = pn_loop_new();
    server = pn_ipc_server_new(loop, path, ipc_ops, NULL, &err);
    clock_ms = 1000;
    if (server)
        pn_ipc_server_tick(server, clock_ms);
    return server ? 0 : -1;
}

static inline int server_down(void **state)
{
    (void)state;
    pn_ipc_server_free(server);
    server = NULL;
    close(loop);
    return access(path, F_OK) == 0 ? -1 : 0;
}

static inline void serve(void)
{
    for (int i = 0; i < 50; i++)
        pn_loop_run_once(loop, 0);
}

static inline int client(void)
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    strcpy(sun.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
    serve();
    return fd;
}

#endif
