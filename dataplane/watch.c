/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/watch.h"

#include <stdlib.h>

#include "common/error.h"
#include "dataplane/builder.h"
#include "dataplane/runtime.h"

struct pn_watch {
    struct pn_build_job job; /* first */
    struct pn_dataplane *dp;
    bool under_way;
    struct pn_port_xdp_look look[PN_MAX_PORTS];
};

static void look_run(struct pn_build_job *job)
{
    struct pn_watch *w = (struct pn_watch *)job;
    for (unsigned i = 0; i < w->dp->ports.n; i++)
        w->look[i] = pn_port_xdp_look(&w->dp->ports.port[i]);
}

static void look_done(struct pn_build_job *job)
{
    struct pn_watch *w = (struct pn_watch *)job;
    w->under_way = false;
    for (unsigned i = 0; !job->dropped && i < w->dp->ports.n; i++)
        pn_port_xdp_tell(&w->dp->ports.port[i], &w->look[i]);
}

int pn_watch_start(struct pn_dataplane *dp, struct pn_error *err)
{
    dp->watch = calloc(1, sizeof(*dp->watch));
    if (!dp->watch)
        return pn_error_set(err, "no memory");
    dp->watch->dp = dp;
    dp->watch->job.run = look_run;
    dp->watch->job.done = look_done;
    return 0;
}

void pn_watch_tick(struct pn_dataplane *dp)
{
    struct pn_watch *w = dp->watch;
    if (w->under_way)
        return;
    w->under_way = true;
    pn_builder_put(dp->kernel, &w->job);
}

void pn_watch_stop(struct pn_dataplane *dp)
{
    free(dp->watch);
    dp->watch = NULL;
}
