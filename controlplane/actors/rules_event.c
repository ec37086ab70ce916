/* SPDX-License-Identifier: BSD-3-Clause */
/* What the parts of the rules' actor share: its clock, and events told on the main loop. */
#include <stdarg.h>
#include <time.h>

#include "controlplane/actors/rules_internal.h"
#include "controlplane/loop/tell.h"

uint64_t rules_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void rules_event(struct pn_rules_actor *a, int level, const char *subject, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    pn_tell(a->options.main, a->options.event, a->options.arg, level, subject, format, args);
    va_end(args);
}
