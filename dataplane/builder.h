/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A thread that makes large things, one after the other, so that the main lcore goes on with heartbeats, leases and neighbours.
 * It runs where control threads may: beside the workers' CPUs if there are others, else behind the workers.
 */
#ifndef POSTERN_BUILDER_H
#define POSTERN_BUILDER_H

#include <stdbool.h>

#include "postern/types.h"

struct pn_builder;

/* Embedded in what it works on. */
struct pn_build_job {
    void (*run)(struct pn_build_job *job); /* on the builder's thread */
    void (*done)(
        struct pn_build_job *job); /* then on the main lcore; the job is the callee's. NULL: run has freed it */
    bool dropped; /* for done: the builder ended before it was run */
    struct pn_build_job *next;
};

/* name: of the thread, at most 15 characters. done is called from the event loop. NULL and err. */
struct pn_builder *pn_builder_new(int loop, const char *name, struct pn_error *err);
void pn_builder_put(struct pn_builder *b, struct pn_build_job *job);
/*
 * Waits for the job that is being run; calls done for it and all others. Those without done are run all the same.
 * NULL allowed.
 */
void pn_builder_free(struct pn_builder *b);

#endif
