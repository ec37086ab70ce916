/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Accepting connections on a loop. When accept(2) fails the listener says so in the log, rests for 200 ms and goes on: a
 * process out of descriptors would otherwise do nothing else.
 */
#ifndef POSTERN_LISTENER_H
#define POSTERN_LISTENER_H

#include <sys/socket.h>

#include "postern/types.h"

struct event_base;
struct pn_listener;

/* fd: non-blocking, closed on exec, the callee's. */
typedef void pn_listener_fn(void *arg, int fd, const struct sockaddr *from, socklen_t len);

/*
 * fd: bound and non-blocking; taken over, and closed with the listener. backlog 0: it listens already. what: for the log,
 * kept by pointer. NULL with errno: fd is still the caller's.
 */
struct pn_listener *pn_listener_new(struct event_base *base, int fd, int backlog, const char *what,
                                    pn_listener_fn *accepted, void *arg);
void pn_listener_free(struct pn_listener *l); /* NULL is fine */

#endif
