/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The daemon's side of include/postern/dpapi.h: requests to postern-dp over its UNIX socket, asynchronous on the
 * daemon's event loop. Connects by itself, again and again (100 ms, doubling to 2 s) for as long as it lives. What
 * comes back is checked for length, type and sequence before anyone sees it; a violation closes the connection.
 */
#ifndef POSTERN_DPLINK_H
#define POSTERN_DPLINK_H

#include <stddef.h>

#include "postern/dpapi.h"

struct event_base;
struct pn_dplink;

#define PN_DPLINK_PENDING_MAX 512u /* requests without an answer */
#define PN_DPLINK_REPLY_TIMEOUT_MS 10000u /* the oldest request's; then the connection is given up */

/* Beside enum pn_dp_status: the connection ended before the answer came. */
#define PN_DPLINK_LOST 0xffffu

/* payload: valid during the call only, 8-byte aligned, len bytes; error text (not terminated) when status is not OK. */
typedef void pn_dplink_reply_fn(void *arg, unsigned status, const void *payload, size_t len);

struct pn_dplink_callbacks {
    void (*up)(void *arg, const struct pn_dp_hello *hello); /* HELLO was answered, versions fit */
    void (*down)(void *arg, const char *reason); /* after an up; every pending reply has had its LOST */
    void *arg;
};

/* path: copied. NULL: memory or path too long (err). The first attempt to connect is made from the event loop. */
struct pn_dplink *pn_dplink_new(struct event_base *base, const char *path, const struct pn_dplink_callbacks *cb,
                                struct pn_error *err);
void pn_dplink_free(struct pn_dplink *l);

bool pn_dplink_is_up(const struct pn_dplink *l);
const struct pn_dp_hello *pn_dplink_hello(const struct pn_dplink *l); /* of the last up; zeros before */
const char *pn_dplink_problem(const struct pn_dplink *l); /* why it is not up, for people; "" while up */
const char *pn_dplink_path(const struct pn_dplink *l);

/*
 * Sends a request; fn is called exactly once, never from within this call. Returns its sequence number (not 0), or
 * 0: not up, too many pending, too long or memory short, and fn is not called.
 */
uint32_t pn_dplink_send(struct pn_dplink *l, enum pn_dp_type type, const void *payload, size_t len,
                        pn_dplink_reply_fn *fn, void *arg);
/* The asker goes away: its fn will not be called any more. */
void pn_dplink_cancel(struct pn_dplink *l, uint32_t seq);

/* Words for a status, e.g. "dataplane busy". */
const char *pn_dplink_status_text(unsigned status);

#endif
