/* SPDX-License-Identifier: BSD-3-Clause */
/* The election: its configuration, what the dataplane runs and holds, and what people order. */
#include "controlplane/vip/election.h"

#include <stdio.h>

#include "controlplane/vip/transition.h"

void pn_election_init(struct pn_election *e, struct pn_peers *peers, uint8_t self)
{
    memset(e, 0, sizeof(*e));
    e->peers = peers;
    e->self = self;
}

void pn_election_configure(struct pn_election *e, const struct pn_election_times *times, unsigned n_nodes,
                           const struct pn_election_want *want, unsigned n, uint64_t now_ns,
                           struct pn_election_out *out)
{
    struct pn_election_vip *old = e->before;
    unsigned n_old = e->n;
    memcpy(old, e->vips, sizeof(e->before));
    memset(e->vips, 0, sizeof(e->vips));
    e->n = n < PN_MAX_VIPS ? n : PN_MAX_VIPS;
    e->times = *times;
    e->n_nodes = n_nodes;
    for (unsigned i = 0; i < e->n; i++) {
        struct pn_election_vip *v = &e->vips[i];
        v->owner = v->vote = v->successor = PN_HB_NO_NODE;
        v->since_ns = now_ns;
        v->vote_until_ns = now_ns + times->takeover; /* the process before may have voted */
        for (unsigned o = 0; o < n_old; o++) {
            if (strcmp(old[o].name, want[i].name) == 0 && old[o].id == want[i].id) {
                *v = old[o];
                old[o].name[0] = '\0'; /* taken over */
            }
        }
        snprintf(v->name, sizeof(v->name), "%s", want[i].name);
        v->name_hash = pn_heartbeat_name_hash(v->name);
        v->id = want[i].id;
        v->priority = want[i].priority;
        v->group = want[i].group;
        v->preempt = want[i].preempt;
        v->preempt_delay_ns = want[i].preempt_delay_ns;
        v->exclusive = want[i].exclusive;
        v->forced &= v->exclusive;
        v->alone_lease_ns = want[i].alone_lease_ns;
    }
    for (unsigned o = 0; o < n_old; o++)
        if (old[o].name[0] && old[o].state == PN_EL_OWNER)
            pn_el_give_up_lease(&old[o], 0, out);
}

void pn_election_installed(struct pn_election *e, const uint16_t *ids, const uint64_t *leases, unsigned n,
                           uint64_t now_ns)
{
    for (unsigned i = 0; i < e->n; i++) {
        struct pn_election_vip *v = &e->vips[i];
        bool was = v->installed;
        uint64_t lease_ns = 0;
        v->installed = false;
        for (unsigned j = 0; j < n; j++) {
            if (ids[j] == v->id) {
                v->installed = true;
                lease_ns = leases ? leases[j] : 0;
            }
        }
        if (!v->installed && v->state != PN_EL_INIT) {
            v->lease_ns = 0;
            v->owner = v->owner == e->self ? PN_HB_NO_NODE : v->owner;
            pn_el_enter(e, v, PN_EL_INIT, now_ns, "the dataplane does not run it");
        } else if (v->installed && !was && v->state == PN_EL_INIT && lease_ns > now_ns && v->priority > 0) {
            v->owner = e->self;
            v->lease_ns = lease_ns;
            pn_el_enter(e, v, PN_EL_OWNER, now_ns, "the dataplane still holds our lease");
        }
    }
}

static struct pn_election_vip *by_name(struct pn_election *e, const char *vip)
{
    for (unsigned i = 0; i < e->n; i++)
        if (strcmp(e->vips[i].name, vip) == 0)
            return &e->vips[i];
    return NULL;
}

int pn_election_move(struct pn_election *e, const char *vip, uint8_t successor, uint64_t now_ns,
                     struct pn_election_out *out, struct pn_error *err)
{
    struct pn_election_vip *v = by_name(e, vip);
    if (v && successor == PN_HB_NO_NODE)
        successor = pn_el_best_peer(e, v, now_ns);
    const struct pn_hb_vip *row =
        v && successor < PN_MAX_NODES && successor != e->self && pn_el_heard(e, successor, now_ns)
            ? pn_el_row(&e->peers->peers[successor], v)
            : NULL;
    if (!v)
        snprintf(err->text, sizeof(err->text), "no VIP \"%s\"", vip);
    else if (v->state != PN_EL_OWNER)
        snprintf(err->text, sizeof(err->text), "VIP \"%s\": this node is %s, only the owner can move it", vip,
                 pn_election_state_name[v->state]);
    else if (successor == PN_HB_NO_NODE)
        snprintf(err->text, sizeof(err->text), "VIP \"%s\": no living node could take it", vip);
    else if (!row)
        snprintf(err->text, sizeof(err->text), "VIP \"%s\": that node is not heard, or does not run it", vip);
    else if (row->priority == 0)
        snprintf(err->text, sizeof(err->text), "VIP \"%s\": that node has priority 0, or is in standby", vip);
    else {
        pn_el_release(e, v, successor, now_ns, "moved by order", out);
        for (unsigned i = 0; i < e->n; i++)
            if (&e->vips[i] == v || (v->group != PN_NO_GROUP && e->vips[i].group == v->group))
                e->vips[i].yielded = e->vips[i].state != PN_EL_OWNER;
        return 0;
    }
    return -1;
}

int pn_election_force(struct pn_election *e, const char *vip, uint64_t now_ns, struct pn_error *err)
{
    struct pn_election_vip *v = by_name(e, vip);
    if (!v)
        snprintf(err->text, sizeof(err->text), "no VIP \"%s\"", vip);
    else if (!v->exclusive)
        snprintf(err->text, sizeof(err->text), "VIP \"%s\" is not exclusive: it needs no force", vip);
    else if (pn_el_majority_heard(e, now_ns))
        snprintf(err->text, sizeof(err->text), "VIP \"%s\": a majority of the nodes is heard, votes decide", vip);
    else if (v->state == PN_EL_INIT || pn_el_priority(e, v) == 0)
        snprintf(err->text, sizeof(err->text), "VIP \"%s\": this node cannot own it (%s)", vip,
                 v->state == PN_EL_INIT ? "the dataplane does not run it" : "priority 0 or standby");
    else {
        v->forced = true;
        return 0;
    }
    return -1;
}

void pn_election_standby(struct pn_election *e, bool standby, uint64_t now_ns, struct pn_election_out *out)
{
    e->standby = standby;
    for (unsigned i = 0; standby && i < e->n; i++)
        if (e->vips[i].state == PN_EL_OWNER)
            pn_el_release(e, &e->vips[i], pn_el_best_peer(e, &e->vips[i], now_ns), now_ns, "standby", out);
}

bool pn_election_takeable(const struct pn_election *e, uint64_t now_ns)
{
    for (unsigned i = 0; i < e->n; i++)
        if (e->vips[i].state == PN_EL_OWNER && pn_el_best_peer(e, &e->vips[i], now_ns) != PN_HB_NO_NODE)
            return true;
    return false;
}

bool pn_election_leave(struct pn_election *e, uint64_t now_ns, struct pn_election_out *out)
{
    bool left = true;
    for (unsigned i = 0; i < e->n; i++) {
        struct pn_election_vip *v = &e->vips[i];
        uint8_t peer = v->state == PN_EL_OWNER ? pn_el_best_peer(e, v, now_ns) : PN_HB_NO_NODE;
        if (peer != PN_HB_NO_NODE)
            pn_el_release(e, v, peer, now_ns, "standby", out);
        left &= v->state != PN_EL_OWNER;
        v->yielded = true;
    }
    return left;
}

void pn_election_hold(struct pn_election *e, uint32_t ms)
{
    e->hold_ms = ms < PN_HOLD_MAX_MS ? ms : PN_HOLD_MAX_MS;
    e->hold_granted = false;
    e->hold_counter = e->last_counter; /* an answer to an earlier hold is none to this one */
}
