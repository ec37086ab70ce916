/* SPDX-License-Identifier: BSD-3-Clause */
/* The cluster object: its clock, and what it tells. */
#include "controlplane/cluster/cluster_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "common/log.h"

uint64_t pn_cluster_wall_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

uint64_t pn_cluster_now_s(void)
{
    return pn_cluster_wall_ms() / 1000;
}

void pn_cluster_event(struct pn_cluster *c, int level, const char *subject, const char *format, ...)
{
    char text[256];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (c->ops->event)
        c->ops->event(c->arg, level, subject, text);
    else
        pn_log((enum pn_log_level)level, "cluster%s%s: %s", *subject ? " " : "", subject, text);
}
