/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>

#include "controlplane/vip/protocol.h"
#include "controlplane/vip/transition.h"

const char *const pn_sync_state_name[PN_SYNC_STATE_COUNT] = {"off", "waiting", "done", "incomplete"};

const struct pn_own_vip *pn_own_vip_find(const struct pn_ownership *o, const char *name)
{
    for (unsigned i = 0; i < o->n; i++)
        if (strcmp(o->vips[i].name, name) == 0)
            return &o->vips[i];
    return NULL;
}

static void show_peer(const struct pn_node *n, uint8_t node, uint64_t now_ns, struct pn_own_peer *out)
{
    const struct pn_peer *p = &n->peers.peers[node];
    uint64_t received = out->received, late = out->late, boots = out->boots;
    *out = (struct pn_own_peer){.configured = p->configured,
                                .heard = p->configured && pn_el_heard(&n->election, node, now_ns),
                                .heard_ns = p->heard_ns,
                                .boots = boots,
                                .received = received,
                                .late = late};
    for (unsigned i = 0; i < n->conf.n_paths; i++) {
        const struct pn_node_path *path = &n->conf.paths[i];
        out->paths[i].configured = !pn_addr_is_zero(&path->peers[node].v4) || !pn_addr_is_zero(&path->peers[node].v6);
        out->paths[i].silent = n->watch[node].paths[i].silent || !out->heard;
        out->paths[i].heard_ns = n->watch[node].paths[i].heard_ns;
    }
    if (!p->configured || !p->known)
        return;
    out->same_generation = p->last.generation == n->conf.generation;
    out->standby = p->last.flags & PN_HB_SHUTTING_DOWN;
    out->hold_ms = p->last.flags & PN_HB_HOLD ? p->last.hold_ms : 0;
    if (n->sync.node) {
        out->sync = n->sync.peers[node].state;
        out->sync_heard_ns = n->sync.peers[node].heard_ns;
    }
    for (unsigned v = 0; v < n->conf.n_vips; v++) {
        uint32_t hash = pn_heartbeat_name_hash(n->conf.vips[v].name);
        for (unsigned i = 0; i < p->last.n_vips; i++)
            if (p->last.vips[i].name_hash == hash)
                out->vips[v] = (struct pn_own_peer_vip){.load = p->last.vips[i].load,
                                                        .priority = p->last.vips[i].priority,
                                                        .state = p->last.vips[i].state,
                                                        .there = true};
    }
}

void pn_node_show(const struct pn_node *n, uint64_t now_ns, struct pn_ownership *out)
{
    *out = n->show;
    out->n = n->conf.n_vips;
    out->self = n->conf.self;
    out->n_nodes = n->conf.n_nodes;
    out->linked = n->linked;
    out->synced = n->election.synced;
    out->hold_ms = n->election.hold_ms;
    out->hold_granted = pn_election_held(&n->election, now_ns);
    out->hold_until_ns = n->hold_until_ns;
    out->generation = n->conf.generation;
    memcpy(out->refused, n->peers.counts, sizeof(out->refused));
    memcpy(out->refused_seal, n->peers.seal_counts, sizeof(out->refused_seal));
    for (unsigned i = 0; i < out->n; i++) {
        const struct pn_node_vip *v = &n->conf.vips[i];
        struct pn_own_vip *o = &out->vips[i];
        *o = (struct pn_own_vip){
            .id = v->want.id, .priority = v->want.priority, .protocol = v->protocol, .owner = PN_HB_NO_NODE};
        snprintf(o->name, sizeof(o->name), "%s", v->name);
        snprintf(o->reason, sizeof(o->reason), "%s",
                 pn_vip_protocols[v->protocol] ? "not in the dataplane yet" : "its protocol is not built in");
        o->foreign = n->foreign[i];
        if (pn_vip_protocols[v->protocol])
            pn_vip_protocols[v->protocol]->show(n, i, now_ns, o);
    }
    for (unsigned i = 0; i < PN_MAX_NODES; i++)
        show_peer(n, (uint8_t)i, now_ns, &out->peers[i]);
    out->sync.queued = n->sync.count;
}
