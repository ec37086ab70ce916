/* SPDX-License-Identifier: BSD-3-Clause */
/* One run of one check on the network: connects, carries bytes between the socket and check.h, keeps time. */
#ifndef POSTERN_HEALTH_CONN_H
#define POSTERN_HEALTH_CONN_H

#include <openssl/ssl.h>

#include "controlplane/health/check.h"

struct event_base;
struct pn_conn;

struct pn_conn_result {
    enum pn_health
        verdict; /* UP, BUSY, DOWN; UNKNOWN: this machine failed (no descriptors, no memory), nothing is judged */
    const char *reason;
    uint32_t took_ms; /* until the verdict, goodbyes not counted */
    int32_t cert_days_left; /* INT32_MIN: none seen */
    const struct pn_agent_report *agent; /* agent checks that succeeded, else NULL */
    const char *agent_unknown; /* "" none */
};
/* The connection is gone when this is called, the result's texts are when it returns. */
typedef void (*pn_conn_done_fn)(void *arg, const struct pn_conn_result *result);

struct pn_conn_request {
    struct event_base *base;
    const struct pn_check_target *target; /* lives as long as the connection */
    struct pn_addr addr;
    SSL_CTX *ctx; /* of types that use TLS; an own reference is kept */
    uint32_t connect_ms; /* limit for the TCP handshake; 0: the check's timeout alone */
    pn_conn_done_fn done; /* never called from within pn_conn_start() */
    void *arg;
};

/* NULL: out of memory. All other failures come through done. */
struct pn_conn *pn_conn_start(const struct pn_conn_request *request);
/* Closes without calling done. Not from within done. */
void pn_conn_cancel(struct pn_conn *conn);

#endif
