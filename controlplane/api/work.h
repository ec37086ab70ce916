/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calls that another thread answers: arguments go to that thread's loop, the reply comes back to the API's. A handler on
 * the API's side is one line, pn_api_work(); the rest runs beside the data it is about and never waits for the API.
 */
#ifndef POSTERN_API_WORK_H
#define POSTERN_API_WORK_H

#include "controlplane/api/api.h"
#include "controlplane/loop/loop.h"

struct pn_api_work {
    const char *command;
    const json_t *args; /* checked; for reading */
    json_t *partial; /* the call's, what its handler put there before; the call keeps it */
    bool root; /* the peer is root or the daemon's own user */
    bool remote; /* asked by another node, so the answer is bounded by what travels between nodes */
    char who[PN_API_WHO_BYTES];
    void *arg;
    void *job; /* a handler's own; freed with free() when it ends */
    /* work.c's own */
    struct pn_api_call *call;
    struct pn_loop *back;
    json_t *result;
    enum pn_api_code code;
    char error[512];
};

/* Runs on `to`; there it must end in pn_api_work_ok() or pn_api_work_fail() once, at once or later. */
typedef void pn_api_work_fn(struct pn_api_work *work);

/* From a handler. to NULL: the part does not run; the call is answered "unavailable". */
void pn_api_work(struct pn_api_call *call, struct pn_loop *to, pn_api_work_fn *fn, void *arg);

const char *pn_api_work_text(const struct pn_api_work *work, const char *name); /* NULL: not given */
int64_t pn_api_work_int(const struct pn_api_work *work, const char *name, int64_t otherwise);
bool pn_api_work_bool(const struct pn_api_work *work, const char *name);

void pn_api_work_ok(struct pn_api_work *work, json_t *result); /* taken over; NULL: memory ran out */
void pn_api_work_fail(struct pn_api_work *work, enum pn_api_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
