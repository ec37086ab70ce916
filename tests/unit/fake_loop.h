/* SPDX-License-Identifier: BSD-3-Clause */
/* pn_loop_call() of paper, for one test file: calls wait until the test runs them, or find no memory. */
#ifndef FAKE_LOOP_H
#define FAKE_LOOP_H

#include <string.h>

#include "controlplane/loop/loop.h"

static struct {
    struct {
        pn_loop_fn *fn;
        void *arg;
    } calls[16]; /* that wait for their loop, whichever */
    unsigned n;
    bool no_memory;
} fake_loop;

int pn_loop_call(struct pn_loop *loop, pn_loop_fn *fn, void *arg)
{
    (void)loop;
    if (fake_loop.no_memory)
        return -1;
    assert_true(fake_loop.n < 16);
    fake_loop.calls[fake_loop.n].fn = fn;
    fake_loop.calls[fake_loop.n++].arg = arg;
    return 0;
}

/* Those that wait now; what they give waits in turn. */
static void fake_loop_run(void)
{
    unsigned n = fake_loop.n;

    for (unsigned i = 0; i < n; i++)
        fake_loop.calls[i].fn(fake_loop.calls[i].arg);
    fake_loop.n -= n;
    memmove(fake_loop.calls, &fake_loop.calls[n], fake_loop.n * sizeof(fake_loop.calls[0]));
}

#endif
