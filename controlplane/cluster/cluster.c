/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/cluster/cluster.h"

#include <stdlib.h>

#include <event2/event.h>

#include "common/error.h"
#include "common/log.h"
#include "controlplane/cluster/cluster_internal.h"
#include "controlplane/cluster/link_internal.h"

#define TICK_MS 500
#define MESH_RETRY_MS 5000

void pn_cluster_options_defaults(struct pn_cluster_options *o)
{
    memset(o, 0, sizeof(*o));
    o->proto_min = PN_CLUSTER_PROTO_MIN;
    o->proto_max = PN_CLUSTER_PROTO_MAX;
    o->cert_days = PN_CERT_DAYS;
    o->limits = pn_link_limits_default;
    o->timing = pn_mesh_timing_default;
    o->key_grace_ms = PN_KEYRING_GRACE_MS;
    o->mesh_retry_ms = MESH_RETRY_MS;
    o->handshakes_max = 32;
    o->handshakes_per_source = 8;
    o->wall_ms = pn_cluster_wall_ms;
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct pn_cluster *c = arg;

    (void)fd;
    (void)what;
    if (c->state == PN_CLUSTER_REMOVED && c->mesh && pn_link_now_ms() >= c->stop_at_ms)
        pn_cluster_stop(c);
    if (c->state == PN_CLUSTER_ACTIVE && !c->mesh && pn_link_now_ms() >= c->mesh_retry_ms)
        pn_cluster_start(c);
    pn_cluster_sync_tick(c);
}

struct pn_cluster *pn_cluster_new(const struct pn_cluster_options *options, const struct pn_cluster_ops *ops, void *arg,
                                  struct pn_error *err)
{
    static const struct timeval every = {0, TICK_MS * 1000};
    static const struct pn_cluster_ops none;
    struct pn_cluster *c = calloc(1, sizeof(*c));

    if (!c) {
        pn_error_set(err, "out of memory");
        return NULL;
    }
    c->opt = *options;
    c->ops = ops ? ops : &none;
    c->arg = arg;
    c->tick = event_new(c->opt.base, -1, EV_PERSIST, on_tick, c);
    if (!c->tick || event_add(c->tick, &every) < 0 || pn_cluster_sync_subscribe(c) < 0) {
        pn_error_set(err, "out of memory");
        pn_cluster_free(c);
        return NULL;
    }
    if (pn_cluster_load(c, err) < 0) {
        pn_cluster_free(c);
        return NULL;
    }
    pn_cluster_start(c);
    return c;
}

void pn_cluster_free(struct pn_cluster *c)
{
    if (!c)
        return;
    pn_cluster_join_cancel(c);
    pn_cluster_stop(c);
    pn_cluster_unload(c);
    if (c->tick)
        event_free(c->tick);
    free(c);
}

void pn_cluster_set_rehearsal(struct pn_cluster *c, const struct pn_join_rehearsal *rehearsal, void *arg)
{
    c->rehearsal = rehearsal;
    c->rehearsal_arg = arg;
    if (c->hosts) {
        pn_join_hosts_free(c->hosts);
        pn_cluster_hosts_start(c);
    }
}

void pn_cluster_reconfigure(struct pn_cluster *c, const struct pn_cluster_options *options)
{
    bool moved = c->opt.n_listen != options->n_listen ||
                 memcmp(c->opt.listen, options->listen, options->n_listen * sizeof(options->listen[0])) != 0;

    memcpy(c->opt.name, options->name, sizeof(c->opt.name));
    c->opt.n_listen = options->n_listen;
    memcpy(c->opt.listen, options->listen, sizeof(c->opt.listen));
    c->opt.self = options->self;
    if (c->state != PN_CLUSTER_ACTIVE)
        return;
    if (moved) {
        pn_cluster_stop(c);
        pn_cluster_start(c);
    } else if (c->mesh) {
        pn_cluster_describe(c);
    }
}
