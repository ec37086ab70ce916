/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An event loop that other threads may give work to: the loop of a thread of its own, or a mailbox on a loop that runs
 * already. Work runs in the order in which it came, on the loop's thread; objects of that loop are touched nowhere else.
 * How much may wait is the giver's to bound.
 */
#ifndef POSTERN_LOOP_H
#define POSTERN_LOOP_H

#include "postern/types.h"

struct event_base;
struct pn_loop;
typedef void pn_loop_fn(void *arg);

/* base: of a loop that somebody else runs and frees; NULL: the loop gets its own. NULL and err: no memory, no descriptor. */
struct pn_loop *pn_loop_new(struct event_base *base, struct pn_error *err);
struct event_base *pn_loop_base(struct pn_loop *loop);

/*
 * Runs the loop's own base in a new thread; until then its objects may be made from the caller's. start (may be NULL)
 * runs first there. All signals are blocked in the thread. -1 and err: no thread.
 */
int pn_loop_start(struct pn_loop *loop, const char *name, pn_loop_fn *start, void *arg, struct pn_error *err);
bool pn_loop_here(const struct pn_loop *loop); /* the caller is on the loop's thread, or the loop has none of its own */

/* From any thread; never waits for the work. -1: no memory, or stopped: fn will not run. */
int pn_loop_call(struct pn_loop *loop, pn_loop_fn *fn, void *arg);

/*
 * Ends the thread once what was given so far has run, and runs what came meanwhile here. Nothing is taken afterwards.
 * Objects of the loop may then be freed from here, before pn_loop_free().
 */
void pn_loop_stop(struct pn_loop *loop);
void pn_loop_free(struct pn_loop *loop); /* stops first; NULL is fine */

#endif
