/* SPDX-License-Identifier: BSD-3-Clause */
/* The cluster beside the main loop: its start and end, its events, and the keys of heartbeats that come from it. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/error.h"
#include "controlplane/actors/roster.h"
#include "controlplane/daemon/daemon.h"
#include "controlplane/vip/keys.h"

/* ---- keys of heartbeats and flow sync ---- */

int pn_daemon_keys_load(const struct pn_daemon *d, const struct pn_conf *conf, struct pn_seal_ring *file,
                        struct pn_error *err)
{
    const char *path = conf->heartbeat.key_file;
    bool running = d->conf && (d->conf->n_nodes < 2 || d->ring.n_keys);

    pn_keys_forget(file);
    if (conf->n_nodes < 2)
        return 0;
    if (access(path, F_OK) == 0 || errno != ENOENT)
        return pn_keys_load(path, file, err);
    /* At the start that is how a node begins that will join a cluster. One that owns addresses would lose them. */
    if (running && !d->cluster_ring.n_keys)
        return pn_error_set(err,
                            "heartbeat.key-file: %s does not exist, and this node is not in a cluster: %u nodes cannot "
                            "hear each other without keys (postern cluster init makes them)",
                            path, conf->n_nodes);
    return 0;
}

static bool cluster_keys_reach_all(const struct pn_daemon *d)
{
    struct pn_cluster_copy *copy = d->cluster ? malloc(sizeof(*copy)) : NULL;
    bool yes = false;

    if (copy) {
        pn_cluster_actor_copy(d->cluster, copy);
        yes = pn_roster_complete(d->conf, (unsigned)d->node, copy);
    }
    free(copy);
    return yes;
}

static void keys_say(struct pn_daemon *d, const struct pn_key_sources *before)
{
    const struct pn_key_sources *now = &d->keys;

    if (memcmp(before, now, sizeof(*now)) == 0 || d->conf->n_nodes < 2)
        return;
    if (!now->file && !now->cluster)
        pn_eventlog_add(d->events, PN_LOG_ERROR, "keys", "",
                        "none for heartbeats: this node owns no VIP until it is in a cluster (postern cluster init or "
                        "join) or %s exists",
                        d->conf->heartbeat.key_file);
    else
        pn_eventlog_add(d->events, PN_LOG_NOTICE, "keys", "", "heartbeats are sent with the %s%s",
                        now->cluster_sends ? "cluster's key" : "key file's",
                        !now->file || !now->cluster ? ""
                        : now->cluster_sends        ? "; the key file's are received too and may go"
                                                    : "; the cluster's are received too, until all nodes are in it");
    if (now->left_out)
        pn_eventlog_add(d->events, PN_LOG_WARNING, "keys", "",
                        "%u key%s of %s not used: ids from 128 on are the cluster's", now->left_out,
                        now->left_out == 1 ? "" : "s", d->conf->heartbeat.key_file);
}

void pn_daemon_keys(struct pn_daemon *d)
{
    struct pn_key_sources before = d->keys;

    d->keys = (struct pn_key_sources){.file = d->file_ring.n_keys > 0, .cluster = d->cluster_ring.n_keys > 0};
    d->keys.cluster_sends = d->keys.cluster && (!d->keys.file || cluster_keys_reach_all(d));
    d->keys.left_out = pn_keys_combine(&d->file_ring, &d->cluster_ring, d->keys.cluster_sends, &d->ring);
    keys_say(d, &before);
}

static void keys_again(struct pn_daemon *d)
{
    pn_daemon_keys(d);
    pn_vips_configure(d);
    pn_vips_refresh(d);
}

/* ---- what the cluster tells, on the main loop ---- */

static void on_ring(void *arg, const struct pn_seal_ring *ring)
{
    struct pn_daemon *d = arg;

    d->cluster_ring = *ring;
    keys_again(d);
}

static void on_changed(void *arg)
{
    keys_again(arg);
}

static void on_event(void *arg, int level, const char *subject, const char *text)
{
    struct pn_daemon *d = arg;
    pn_eventlog_add(d->events, (enum pn_log_level)level, "cluster", subject, "%s", text);
}

/* ---- life ---- */

void pn_daemon_cluster_init(struct pn_daemon *d)
{
    static const struct pn_cluster_actor_ops ops = {.ring = on_ring, .changed = on_changed, .event = on_event};
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
    if (d->cluster)
        pn_cluster_actor_ring(d->cluster, &d->cluster_ring); /* before the first heartbeat */
    else
        pn_eventlog_add(d->events, PN_LOG_ERROR, "cluster", "", "cannot start: %s", err.text);
    d->keys.none_yet = true; /* so that it is said */
    keys_again(d);
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
