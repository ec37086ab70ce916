/* SPDX-License-Identifier: BSD-3-Clause */
/* The mesh as a transport (transport.h): sending, channels, how the peers are. */
#include "controlplane/cluster/mesh_internal.h"

static struct pn_mesh *of(struct pn_transport *t)
{
    return (struct pn_mesh *)t;
}

static enum pn_send_result op_send(struct pn_transport *t, const struct pn_id *to, enum pn_channel channel,
                                   const void *bytes, size_t len)
{
    struct mesh_peer *p = pn_mesh_peer(of(t), to);

    return p && p->link ? pn_link_send(p->link, channel, bytes, len) : PN_SEND_DOWN;
}

static unsigned op_broadcast(struct pn_transport *t, enum pn_channel channel, const void *bytes, size_t len)
{
    struct pn_mesh *m = of(t);
    unsigned refused = 0;

    for (unsigned i = 0; i < m->n_peers; i++)
        refused += m->peers[i]->link && pn_link_send(m->peers[i]->link, channel, bytes, len) != PN_SEND_OK;
    return refused;
}

static int op_subscribe(struct pn_transport *t, enum pn_channel channel, const struct pn_channel_ops *ops, void *arg)
{
    struct pn_mesh *m = of(t);

    if (channel == PN_CHANNEL_CONTROL || channel >= PN_CHANNEL_MAX || (ops && m->channels[channel].ops))
        return -1;
    m->channels[channel] = (struct mesh_channel){ops, arg};
    return 0;
}

static void describe(const struct mesh_peer *p, struct pn_transport_peer *out)
{
    const struct pn_mesh *m = p->mesh;
    const struct pn_member *row = pn_mesh_member(m, &p->id);
    uint64_t members = 0, keyring = 0;

    memset(out, 0, sizeof(*out));
    out->id = p->id;
    out->number = row ? row->number : -1;
    if (row)
        memcpy(out->name, row->name, sizeof(out->name));
    out->up = p->link != NULL;
    out->since_ms = p->since_ms;
    out->connects = p->connects;
    memcpy(out->version, p->version[0] || !row ? p->version : row->version, sizeof(out->version));
    memcpy(out->reason, p->reason, sizeof(out->reason));
    if (!p->link)
        return;
    const struct pn_link_stats *s = pn_link_stats(p->link);
    m->config.digests(m->config.arg, &members, &keyring);
    out->proto = pn_link_proto(p->link);
    out->rtt_us = s->rtt_us;
    out->skew_known = s->skew_known;
    out->skew_us = s->skew_us;
    out->queued_bytes = pn_link_queued(p->link);
    out->heard_ms = s->heard_ms;
    out->sent_messages = s->sent_messages;
    out->received_messages = s->received_messages;
    out->sent_bytes = s->sent_bytes;
    out->received_bytes = s->received_bytes;
    out->refused_sends = s->refused_sends;
    out->digests_known = p->digests_known;
    out->members_equal = p->digests_known && p->members_digest == members;
    out->keyring_equal = p->digests_known && p->keyring_digest == keyring;
}

static unsigned op_peers(const struct pn_transport *t, struct pn_transport_peer *out, unsigned max)
{
    const struct pn_mesh *m = (const struct pn_mesh *)t;
    unsigned n = m->n_peers < max ? m->n_peers : max;

    for (unsigned i = 0; i < n; i++)
        describe(m->peers[i], &out[i]);
    return n;
}

static bool op_peer(const struct pn_transport *t, const struct pn_id *id, struct pn_transport_peer *out)
{
    const struct mesh_peer *p = pn_mesh_peer((const struct pn_mesh *)t, id);

    if (p)
        describe(p, out);
    return p != NULL;
}

static const struct pn_transport_ops transport_ops = {op_send, op_broadcast, op_subscribe, op_peers, op_peer};

bool pn_mesh_all_hold(const struct pn_mesh *m, bool keyring)
{
    uint64_t digests[2] = {0, 0};

    m->config.digests(m->config.arg, &digests[0], &digests[1]);
    for (unsigned i = 0; i < m->config.members->n; i++) {
        const struct pn_member *row = &m->config.members->rows[i];
        const struct mesh_peer *p;

        if (!pn_member_active(row) || pn_id_equal(&row->id, &m->config.self))
            continue;
        p = pn_mesh_peer(m, &row->id);
        if (!p || !p->link || !p->digests_known ||
            (keyring ? p->keyring_digest : p->members_digest) != digests[keyring])
            return false;
    }
    return true;
}

void pn_mesh_transport_init(struct pn_mesh *m)
{
    m->transport.ops = &transport_ops;
}
