/* SPDX-License-Identifier: BSD-3-Clause */
/* What the parts of the rules' actor share: its clock, and events told on the main loop. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "controlplane/actors/rules_internal.h"

uint64_t rules_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

struct event_text {
    void (*fn)(void *arg, int log_level, const char *subject, const char *text);
    void *arg; /* the actor may be gone by then, not he */
    int level;
    char subject[72], text[256];
};

static void event_tell(void *arg)
{
    struct event_text *e = arg;

    e->fn(e->arg, e->level, e->subject, e->text);
    free(e);
}

void rules_event(struct pn_rules_actor *a, int level, const char *subject, const char *format, ...)
{
    struct event_text *e = a->options.event ? malloc(sizeof(*e)) : NULL;
    va_list args;

    if (!e)
        return;
    e->fn = a->options.event;
    e->arg = a->options.arg;
    e->level = level;
    snprintf(e->subject, sizeof(e->subject), "%s", subject);
    va_start(args, format);
    vsnprintf(e->text, sizeof(e->text), format, args);
    va_end(args);
    if (pn_loop_call(a->options.main, event_tell, e) < 0)
        free(e);
}
