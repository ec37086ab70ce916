/* SPDX-License-Identifier: BSD-3-Clause */
/* The cluster object: what others ask of it. */
#include "controlplane/cluster/cluster_internal.h"

#include <stdlib.h>

const char *const pn_cluster_state_name[3] = {"none", "active", "removed"};

enum pn_cluster_state pn_cluster_state(const struct pn_cluster *c)
{
    return c->state;
}

const char *pn_cluster_name(const struct pn_cluster *c)
{
    return c->cluster_name;
}

uint16_t pn_cluster_port(const struct pn_cluster *c)
{
    return c->mesh ? pn_mesh_port(c->mesh) : 0;
}

const struct pn_id *pn_cluster_self(const struct pn_cluster *c)
{
    return &c->who.node;
}

const struct pn_members *pn_cluster_members(const struct pn_cluster *c)
{
    return &c->members;
}

struct pn_transport *pn_cluster_transport(const struct pn_cluster *c)
{
    return c->mesh ? pn_mesh_transport(c->mesh) : NULL;
}

int pn_cluster_subscribe(struct pn_cluster *c, enum pn_channel channel, const struct pn_channel_ops *ops, void *arg)
{
    if (channel == PN_CHANNEL_CONTROL || channel >= PN_CHANNEL_MAX || (ops && c->channels[channel].ops))
        return -1;
    c->channels[channel] = (struct cluster_subscription){ops, arg};
    return c->mesh ? pn_transport_subscribe(pn_mesh_transport(c->mesh), channel, ops, arg) : 0;
}

void pn_cluster_perimeter(const struct pn_cluster *c, struct pn_perimeter *out)
{
    pn_perimeter_make(out, &c->members);
}

void pn_cluster_status(const struct pn_cluster *c, struct pn_cluster_status *out)
{
    const struct pn_member *self = c->members.rows ? pn_members_find(&c->members, &c->who.node) : NULL;
    int64_t from_s;
    uint64_t now_s = pn_cluster_now_s();

    memset(out, 0, sizeof(*out));
    out->state = c->state;
    out->number = self ? self->number : -1;
    memcpy(out->version, c->opt.self.version, sizeof(out->version));
    if (c->state == PN_CLUSTER_NONE)
        return;
    memcpy(out->cluster_name, c->cluster_name, sizeof(out->cluster_name));
    pn_id_format(&c->who.cluster, out->cluster_id);
    pn_id_format(&c->who.node, out->id);
    memcpy(out->name, self ? self->name : c->who.name, sizeof(out->name));
    out->active = pn_members_active(&c->members);
    pn_cert_validity(c->cert, &from_s, &out->cert_until_s);
    out->ca_locked = c->ca_locked;
    out->keys_phase = c->keyring.phase;
    out->keys_epoch = c->keyring.epoch;
    for (unsigned i = 0; i < c->invites.n; i++)
        out->invites += !c->invites.list[i].used && c->invites.list[i].expires_s > now_s &&
                        c->invites.list[i].wrong < PN_INVITE_WRONG_MAX;
    memcpy(out->mesh_error, c->mesh_error, sizeof(out->mesh_error));
    out->port = pn_cluster_port(c);
    if (!c->mesh)
        return;
    out->counters = *pn_mesh_counters(c->mesh);
    out->n_peers = pn_transport_peers(pn_mesh_transport(c->mesh), out->peers, PN_MAX_NODES);
    for (unsigned i = 0; i < out->n_peers; i++)
        out->skewed[i] = out->peers[i].skew_known && llabs(out->peers[i].skew_us) > PN_CLUSTER_SKEW_ALARM_US;
}
