/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control socket. Few clients (posternd, a tool), root or this process's own user; each with one request under
 * way, one reply bounded by PN_DPAPI_MAX_BYTES, and a time limit on both. One of them, the last that sent PN_DP_CONTROL, also
 * gets unasked messages, which wait in a bounded queue.
 */
#ifndef POSTERN_IPC_SERVER_H
#define POSTERN_IPC_SERVER_H

#include "dataplane/ipc/handler.h"
#include "dataplane/ipc/unasked.h"

#define PN_IPC_CLIENTS_MAX 8u
#define PN_IPC_STALL_MS 5000u /* half a request, or a reply not taken, for this long: disconnected */

struct pn_ipc_server;

/* Listens at path (an old socket there is replaced) and joins loop. NULL and err. */
struct pn_ipc_server *pn_ipc_server_new(int loop, const char *path, const struct pn_ipc_ops *ops, void *arg,
                                        struct pn_error *err);
/* Closes all connections and removes the socket. NULL allowed. */
void pn_ipc_server_free(struct pn_ipc_server *s);

/*
 * For a request whose answer comes later: while it is handled, its ticket; then, once, the answer to it (text: an error's,
 * else NULL). Until then nothing more is read of that client. Nothing happens when it has gone. s NULL: nothing either.
 */
uint64_t pn_ipc_server_ticket(const struct pn_ipc_server *s);
void pn_ipc_server_answer(struct pn_ipc_server *s, uint64_t ticket, enum pn_dp_status status, const char *text);

/*
 * An unasked message to the client that reads them: two parts, at most PN_IPC_UNASKED_BYTES in all. Where the queue is full
 * the oldest message makes way, and ops->lost is told. false: there is no such client.
 */
bool pn_ipc_server_push(struct pn_ipc_server *s, enum pn_dp_type type, const void *head, size_t head_bytes,
                        const void *body, size_t body_bytes);
/* Unasked messages that wait; UINT_MAX: nobody reads them. */
unsigned pn_ipc_server_waiting(const struct pn_ipc_server *s);

/* One of this type with a payload of so many bytes is among them. */
bool pn_ipc_server_holds(const struct pn_ipc_server *s, enum pn_dp_type type, size_t bytes);

/* Disconnects clients that stall. Call about once a second. */
void pn_ipc_server_tick(struct pn_ipc_server *s, uint64_t now_ms);

#endif
