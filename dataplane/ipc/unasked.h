/* SPDX-License-Identifier: BSD-3-Clause */
/* Unasked messages on their way to one client: a bounded queue, the newest stay. Pure but for malloc. */
#ifndef POSTERN_IPC_UNASKED_H
#define POSTERN_IPC_UNASKED_H

#include <stddef.h>

#include "postern/counters.h"
#include "postern/dpapi.h"

#define PN_IPC_UNASKED_MAX 256u /* messages */
#define PN_IPC_UNASKED_BYTES (sizeof(struct pn_dp_packet) + PN_DP_PACKET_MAX_BYTES) /* of one, without its header */

struct pn_ipc_unasked;
struct pn_ipc_unasked *pn_ipc_unasked_new(void); /* NULL: no memory */
void pn_ipc_unasked_free(struct pn_ipc_unasked *u); /* NULL allowed */

/* Two parts, PN_IPC_UNASKED_BYTES in all at most. Returns the header of the message that made way for it; type 0: none. */
struct pn_dp_header pn_ipc_unasked_add(struct pn_ipc_unasked *u, enum pn_dp_type type, const void *head,
                                       size_t head_bytes, const void *body, size_t body_bytes);
/* A message that made way: its flows, or one. counters: PN_C_COUNT of them. */
void pn_ipc_unasked_count(const struct pn_dp_header *lost, uint64_t *counters);
/* One of this type with a payload of so many bytes waits, or is half on its way. */
bool pn_ipc_unasked_holds(const struct pn_ipc_unasked *u, enum pn_dp_type type, size_t bytes);
unsigned pn_ipc_unasked_waiting(const struct pn_ipc_unasked *u);

/* The oldest message's bytes yet to be sent; NULL: none waits. Then: n of them were sent. */
const uint8_t *pn_ipc_unasked_next(const struct pn_ipc_unasked *u, size_t *n);
void pn_ipc_unasked_sent(struct pn_ipc_unasked *u, size_t n);
/* Part of the oldest one was sent: nothing else may come in between. */
bool pn_ipc_unasked_begun(const struct pn_ipc_unasked *u);

#endif
