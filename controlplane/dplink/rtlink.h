/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A second way to postern-dp, for the ownership thread: the same protocol (include/postern/dpapi.h) without an event loop,
 * without allocation after pn_rtlink_new(), and with unasked messages. One thread at a time; the owner polls fd.
 */
#ifndef POSTERN_RTLINK_H
#define POSTERN_RTLINK_H

#include <stddef.h>

#include "postern/dpapi.h"

struct pn_rtlink;

struct pn_rtlink_callbacks {
    void (*up)(void *arg, const struct pn_dp_hello *hello); /* HELLO was answered, versions fit */
    void (*down)(void *arg, const char *reason); /* after an up */
    /* payload: 8-byte aligned, during the call only; with status not OK error text, not terminated */
    void (*answer)(void *arg, uint32_t tag, unsigned status, const void *payload, size_t bytes);
    void (*message)(void *arg, enum pn_dp_type type, const void *payload, size_t bytes); /* unasked */
    void *arg;
};

/* path: copied. NULL: memory or path too long (err). */
struct pn_rtlink *pn_rtlink_new(const char *path, const struct pn_rtlink_callbacks *cb, struct pn_error *err);
void pn_rtlink_free(struct pn_rtlink *l);

/*
 * Writes what waits, so that what is not clear() then is what the dataplane does not read; connects when that is due.
 * Returns when to call it again at the latest (CLOCK_BOOTTIME ns); UINT64_MAX: never by itself.
 */
uint64_t pn_rtlink_run(struct pn_rtlink *l, uint64_t now_ns);
int pn_rtlink_fd(const struct pn_rtlink *l); /* -1: none */
bool pn_rtlink_wants_write(const struct pn_rtlink *l);
/* Reads and hands on all that was there; what comes meanwhile may be left for the next time. */
void pn_rtlink_readable(struct pn_rtlink *l, uint64_t now_ns);
/* Puts a message behind those waiting. false: not up, or no room for it, and then the next flush ends the connection. */
bool pn_rtlink_send(struct pn_rtlink *l, enum pn_dp_type type, const void *payload, size_t bytes, uint32_t tag);
/* Writes what waits, as far as the socket takes it. */
void pn_rtlink_flush(struct pn_rtlink *l, uint64_t now_ns);
/* Nothing waits to be written. */
bool pn_rtlink_clear(const struct pn_rtlink *l);
bool pn_rtlink_is_up(const struct pn_rtlink *l);

#endif
