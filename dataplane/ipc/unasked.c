/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/ipc/unasked.h"

#include <stdlib.h>

struct message {
    struct pn_dp_header header;
    uint8_t bytes[PN_IPC_UNASKED_BYTES];
};
_Static_assert(PN_DP_FLOWS_OUT_MAX * sizeof(struct pn_dp_flow) <= PN_IPC_UNASKED_BYTES, "fits");
_Static_assert(sizeof(struct pn_dp_probe_seen) <= PN_IPC_UNASKED_BYTES, "fits");

struct pn_ipc_unasked {
    unsigned head, count;
    size_t sent; /* of the oldest */
    uint16_t order[PN_IPC_UNASKED_MAX]; /* slots, a ring */
    struct message slots[PN_IPC_UNASKED_MAX];
};

struct pn_ipc_unasked *pn_ipc_unasked_new(void)
{
    struct pn_ipc_unasked *u = calloc(1, sizeof(*u));
    for (unsigned i = 0; u && i < PN_IPC_UNASKED_MAX; i++)
        u->order[i] = (uint16_t)i;
    return u;
}

void pn_ipc_unasked_free(struct pn_ipc_unasked *u)
{
    free(u);
}

static uint16_t *order_at(struct pn_ipc_unasked *u, unsigned i)
{
    return &u->order[(u->head + i) % PN_IPC_UNASKED_MAX];
}

/* One makes way: the oldest, or the one after it if that is half on its way. */
static struct pn_dp_header push_out(struct pn_ipc_unasked *u)
{
    if (u->sent) {
        uint16_t begun = *order_at(u, 0);
        *order_at(u, 0) = *order_at(u, 1);
        *order_at(u, 1) = begun;
    }
    struct pn_dp_header lost = u->slots[*order_at(u, 0)].header;
    u->head = (u->head + 1) % PN_IPC_UNASKED_MAX;
    u->count--;
    return lost;
}

struct pn_dp_header pn_ipc_unasked_add(struct pn_ipc_unasked *u, enum pn_dp_type type, const void *head,
                                       size_t head_bytes, const void *body, size_t body_bytes)
{
    struct pn_dp_header header = {.bytes = (uint32_t)(sizeof(header) + head_bytes + body_bytes),
                                  .type = (uint16_t)type};
    struct pn_dp_header lost = {.type = 0};
    if (head_bytes + body_bytes > PN_IPC_UNASKED_BYTES)
        return header;
    if (u->count == PN_IPC_UNASKED_MAX)
        lost = push_out(u);
    struct message *m = &u->slots[*order_at(u, u->count)];
    m->header = header;
    if (head_bytes)
        memcpy(m->bytes, head, head_bytes);
    if (body_bytes)
        memcpy(m->bytes + head_bytes, body, body_bytes);
    u->count++;
    return lost;
}

void pn_ipc_unasked_count(const struct pn_dp_header *lost, uint64_t *counters)
{
    size_t bytes = lost->bytes - sizeof(*lost);
    if (lost->type == PN_DP_FLOWS_OUT && bytes)
        counters[PN_C_SYNC_DROPPED] += bytes / sizeof(struct pn_dp_flow);
    else
        counters[PN_C_CONTROL_UNREAD]++;
}

bool pn_ipc_unasked_holds(const struct pn_ipc_unasked *u, enum pn_dp_type type, size_t bytes)
{
    for (unsigned i = 0; i < u->count; i++) {
        const struct pn_dp_header *h = &u->slots[u->order[(u->head + i) % PN_IPC_UNASKED_MAX]].header;
        if (h->type == type && h->bytes == sizeof(*h) + bytes)
            return true;
    }
    return false;
}

unsigned pn_ipc_unasked_waiting(const struct pn_ipc_unasked *u)
{
    return u->count;
}

const uint8_t *pn_ipc_unasked_next(const struct pn_ipc_unasked *u, size_t *n)
{
    if (!u->count)
        return NULL;
    const struct message *m = &u->slots[u->order[u->head]];
    *n = m->header.bytes - u->sent;
    return (const uint8_t *)m + u->sent;
}

void pn_ipc_unasked_sent(struct pn_ipc_unasked *u, size_t n)
{
    u->sent += n;
    if (u->sent < u->slots[u->order[u->head]].header.bytes)
        return;
    u->sent = 0;
    u->head = (u->head + 1) % PN_IPC_UNASKED_MAX;
    u->count--;
}

bool pn_ipc_unasked_begun(const struct pn_ipc_unasked *u)
{
    return u->sent != 0;
}
