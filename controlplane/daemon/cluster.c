/* SPDX-License-Identifier: BSD-3-Clause */
/* The cluster beside the main loop: its start and end, its keys for heartbeats, its events. */
#include "controlplane/actors/cluster.h"

#include "common/error.h"
#include "controlplane/daemon/daemon.h"

void pn_daemon_keys(struct pn_daemon *d)
{
    d->ring = d->cluster_ring.n_keys ? d->cluster_ring : d->file_ring;
}

static void on_ring(void *arg, const struct pn_seal_ring *ring)
{
    struct pn_daemon *d = arg;

    d->cluster_ring = *ring;
    pn_daemon_keys(d);
    pn_vips_configure(d);
}

static void on_event(void *arg, int level, const char *subject, const char *text)
{
    struct pn_daemon *d = arg;
    pn_eventlog_add(d->events, (enum pn_log_level)level, "cluster", subject, "%s", text);
}

void pn_daemon_cluster_init(struct pn_daemon *d)
{
    static const struct pn_cluster_actor_ops ops = {.ring = on_ring, .event = on_event};
    struct pn_cluster_actor_options o = {.conf = d->conf,
                                         .node = (unsigned)d->node,
                                         .state_dir = d->opt->state_dir,
                                         .version = PN_VERSION,
                                         .main = d->loop,
                                         .ops = &ops,
                                         .arg = d};
    struct pn_error err;

    d->cluster = pn_cluster_actor_new(&o, &err);
    d->view.cluster = d->cluster;
    if (!d->cluster) {
        pn_eventlog_add(d->events, PN_LOG_ERROR, "cluster", "", "cannot start: %s", err.text);
        return;
    }
    pn_cluster_actor_ring(d->cluster, &d->cluster_ring); /* before the first heartbeat */
    pn_daemon_keys(d);
    pn_vips_configure(d);
}

void pn_daemon_cluster_go(struct pn_daemon *d)
{
    struct pn_error err;

    if (d->cluster && pn_cluster_actor_start(d->cluster, &err) < 0)
        pn_eventlog_add(d->events, PN_LOG_ERROR, "cluster", "", "%s", err.text);
}

void pn_daemon_cluster_follow(struct pn_daemon *d)
{
    if (d->cluster)
        pn_cluster_actor_reconfigure(d->cluster, d->conf, (unsigned)d->node);
}

void pn_daemon_cluster_free(struct pn_daemon *d)
{
    pn_cluster_actor_free(d->cluster);
    d->cluster = d->view.cluster = NULL;
}
