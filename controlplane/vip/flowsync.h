/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The plain text of flow sync (docs/ownership.md, "Flow sync"): flows by names, since ids are each node's own, and the
 * three messages around a full resync. To bytes and back. Pure; sealing is common/seal.h's (purpose 2), when to send what
 * is sync.h's.
 */
#ifndef POSTERN_FLOWSYNC_H
#define POSTERN_FLOWSYNC_H

#include <stddef.h>

#include "common/seal.h"
#include "postern/dpapi.h"

#define PN_FLOWSYNC_VERSION 1u
#define PN_FLOWSYNC_HEAD_BYTES 8u
#define PN_FLOWSYNC_FLOW_BYTES 32u
#define PN_FLOWSYNC_MARK_BYTES 12u
#define PN_FLOWSYNC_MAX_FLOWS 42u /* what a datagram of PN_SEAL_MAX_BYTES carries */
#define PN_FLOWSYNC_MAX_BYTES (PN_FLOWSYNC_HEAD_BYTES + PN_FLOWSYNC_MAX_FLOWS * PN_FLOWSYNC_FLOW_BYTES)

enum pn_flowsync_type {
    PN_FLOWSYNC_FLOWS = 1,
    PN_FLOWSYNC_REQUEST = 2, /* marks: of whom all flows are wanted, and a number to tell the answer by */
    PN_FLOWSYNC_BEGIN = 3, /* marks: whose request is answered by what follows */
    PN_FLOWSYNC_END = 4, /* marks: that was all; lost says how many flows could not be sent */
    PN_FLOWSYNC_TYPE_COUNT
};

struct pn_flowsync_flow {
    struct pn_addr client;
    uint16_t client_port; /* host byte order */
    uint8_t state; /* enum pn_flow_state */
    uint8_t flags; /* PN_FLOW_F_SPILLED or 0 */
    uint32_t service; /* hash of "SERVICE/VIP" */
    uint32_t gateway; /* hash of its name */
    uint32_t expires_ms;
};

struct pn_flowsync_mark {
    uint8_t node; /* REQUEST: asked; BEGIN, END: who had asked */
    uint32_t number; /* of the request */
    uint32_t lost; /* END only, else 0 */
};

struct pn_flowsync {
    uint8_t type; /* enum pn_flowsync_type */
    uint8_t node; /* the sender */
    uint8_t n; /* of flows or marks: at least 1 */
    union {
        struct pn_flowsync_flow flows[PN_FLOWSYNC_MAX_FLOWS];
        struct pn_flowsync_mark marks[PN_MAX_NODES];
    };
};

/* Bytes written to out, or 0: count out of range or cap too small. */
size_t pn_flowsync_encode(const struct pn_flowsync *m, uint8_t *out, size_t cap);
/* 0, or -1 and *field names what was wrong (static text). */
int pn_flowsync_decode(const uint8_t *bytes, size_t n, struct pn_flowsync *m, const char **field);

#endif
