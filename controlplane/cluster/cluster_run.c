/* SPDX-License-Identifier: BSD-3-Clause */
/* The cluster object: start and stop of what runs only in a cluster. */
#include "controlplane/cluster/cluster_internal.h"

#include <stdio.h>

#include <event2/bufferevent.h>

#include "common/error.h"
#include "common/log.h"
#include "controlplane/cluster/link_internal.h"

static void on_join(void *arg, struct bufferevent *bev, const struct sockaddr_storage *from)
{
    struct pn_cluster *c = arg;

    if (c->hosts && c->state == PN_CLUSTER_ACTIVE)
        pn_join_hosts_take(c->hosts, bev, from);
    else
        bufferevent_free(bev);
}

static void on_removed(void *arg, const struct pn_member *row)
{
    pn_cluster_take_removal(arg, row);
}

static void on_digests(void *arg, uint64_t *members, uint64_t *keyring)
{
    const struct pn_cluster *c = arg;

    *members = pn_members_digest64(&c->members);
    *keyring = c->keyring.epoch ? pn_keyring_digest64(&c->keyring) : 0;
}

static void on_peer_digests(void *arg, const struct pn_id *peer)
{
    pn_cluster_peer_digests(arg, peer);
}

void pn_cluster_describe(struct pn_cluster *c)
{
    struct pn_member self = c->opt.self;
    struct pn_error err;

    for (unsigned i = 0; i < self.n_endpoints; i++)
        if (self.endpoints[i].port == 0)
            self.endpoints[i].port = c->mesh ? pn_mesh_port(c->mesh) : PN_CLUSTER_PORT;
    memset(&self.id, 1, sizeof(self.id));
    self.joined = self.admin_stamp = 1;
    memset(self.claim_name, 0, sizeof(self.claim_name));
    self.claim_name[0] = 'x';
    if (pn_member_fault(&self)) { /* the others would refuse the whole list */
        pn_cluster_event(c, PN_LOG_ERROR, c->who.name, "addresses are not announced: %s", pn_member_fault(&self));
        return;
    }
    if (!pn_members_describe(&c->members, &c->who.node, c->opt.wall_ms(), &self))
        return;
    if (pn_cluster_save_members(c, &err) < 0)
        pn_cluster_event(c, PN_LOG_ERROR, "", "members cannot be saved: %s", err.text);
    pn_cluster_members_changed(c, true);
}

static int mesh_start(struct pn_cluster *c, struct pn_error *err)
{
    struct pn_mesh_config config = {.base = c->opt.base,
                                    .self = c->who.node,
                                    .members = &c->members,
                                    .n_listen = c->opt.n_listen,
                                    .proto_min = c->opt.proto_min,
                                    .proto_max = c->opt.proto_max,
                                    .limits = c->opt.limits,
                                    .timing = c->opt.timing,
                                    .handshakes_max = c->opt.handshakes_max,
                                    .handshakes_per_source = c->opt.handshakes_per_source,
                                    .arg = c,
                                    .admit = pn_cluster_admit_sponsored,
                                    .removed = on_removed,
                                    .join = on_join,
                                    .digests = on_digests,
                                    .peer_digests = on_peer_digests};

    memcpy(config.listen, c->opt.listen, sizeof(config.listen));
    memcpy(config.version, c->opt.self.version, sizeof(config.version));
    config.ctx = pn_cluster_tls(c, err);
    if (!config.ctx)
        return -1;
    c->mesh = pn_mesh_new(&config, err);
    SSL_CTX_free(config.ctx);
    if (!c->mesh)
        return -1;
    if (pn_cluster_hosts_start(c) < 0) {
        pn_mesh_free(c->mesh);
        c->mesh = NULL;
        return pn_error_set(err, "out of memory");
    }
    for (unsigned i = 1; i < PN_CHANNEL_MAX; i++)
        if (c->channels[i].ops)
            pn_transport_subscribe(pn_mesh_transport(c->mesh), (enum pn_channel)i, c->channels[i].ops,
                                   c->channels[i].arg);
    pn_cluster_describe(c);
    return 0;
}

/* An address that is in use, or not there yet, is no reason to be without the cluster's keys: it is tried again. */
void pn_cluster_start(struct pn_cluster *c)
{
    struct pn_error err = {""};
    bool again = c->mesh_error[0];

    if (c->state != PN_CLUSTER_ACTIVE)
        return;
    if (mesh_start(c, &err) < 0) {
        c->mesh_retry_ms = pn_link_now_ms() + c->opt.mesh_retry_ms;
        if (strncmp(c->mesh_error, err.text, sizeof(c->mesh_error) - 1) != 0)
            pn_cluster_event(c, PN_LOG_ERROR, "", "%.180s; tried again each %u s", err.text,
                             c->opt.mesh_retry_ms / 1000);
        snprintf(c->mesh_error, sizeof(c->mesh_error), "%.159s", err.text);
    } else {
        c->mesh_error[0] = '\0';
        if (again)
            pn_cluster_event(c, PN_LOG_NOTICE, "", "listens on port %u now", pn_mesh_port(c->mesh));
    }
    if (!again)
        pn_cluster_ring_tell(c);
}

void pn_cluster_stop(struct pn_cluster *c)
{
    pn_join_hosts_free(c->hosts);
    c->hosts = NULL;
    pn_mesh_free(c->mesh);
    c->mesh = NULL;
    c->held_since_ms = 0;
    memset(c->skewed, 0, sizeof(c->skewed));
    c->mesh_error[0] = '\0';
}
