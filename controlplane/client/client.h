/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program's connection to posternd (docs/api.md): one request and its reply at a time, blocking. One thread a
 * connection.
 */
#ifndef POSTERN_CLIENT_H
#define POSTERN_CLIENT_H

#include <jansson.h>

#include "postern/types.h"

/* A connected descriptor, or -1 with errno. patience_s: longest wait for each part of an answer; then EAGAIN. */
int pn_client_open(const char *socket, unsigned patience_s);
/* Sends one request's JSON text; the reply, whatever it says, or NULL with errno: then close the connection. */
json_t *pn_client_exchange(int fd, const char *request);
/* The same for a command; args are taken over. "busy" is asked again for about two seconds. */
json_t *pn_client_ask(int fd, const char *command, json_t *args);

#endif
