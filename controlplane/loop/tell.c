/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/loop/tell.h"

#include <stdio.h>
#include <stdlib.h>

struct told {
    pn_tell_fn *fn;
    void *arg;
    int level;
    char subject[72], text[300];
};

static void arrive(void *arg)
{
    struct told *t = arg;

    t->fn(t->arg, t->level, t->subject, t->text);
    free(t);
}

void pn_tell(struct pn_loop *to, pn_tell_fn *fn, void *arg, int log_level, const char *subject, const char *format,
             va_list args)
{
    struct told *t = fn ? malloc(sizeof(*t)) : NULL;

    if (!t)
        return;
    t->fn = fn;
    t->arg = arg;
    t->level = log_level;
    snprintf(t->subject, sizeof(t->subject), "%s", subject);
    vsnprintf(t->text, sizeof(t->text), format, args);
    if (pn_loop_call(to, arrive, t) < 0)
        free(t);
}
