/* SPDX-License-Identifier: BSD-3-Clause */
/* Orders to the dataplane, and the leases that begin with a heartbeat. */
#include "controlplane/vip/node.h"

#define MS UINT64_C(1000000)
#define FORWARD_MAX_NS (PN_DP_FORWARD_MAX_MS * MS)

static void write_leases(struct pn_node *n, const struct pn_dp_lease *leases, unsigned count)
{
    if (!count)
        return;
    n->io.send(n->io.arg, PN_DP_LEASE, leases, count * sizeof(leases[0]), PN_TAG_LEASE);
    n->leases_unanswered++;
}

static void wrote(struct pn_node *n, uint16_t vip, uint64_t deadline_ns, uint64_t forward_ns)
{
    n->written[vip] = deadline_ns;
    n->forward[vip] = forward_ns;
    n->wrote[vip] = true;
}

static struct pn_dp_lease lease_of(struct pn_node *n, const struct pn_election_order *o, uint64_t now_ns)
{
    uint64_t forward_ns = o->forward_ns > now_ns ? o->forward_ns - now_ns : 0;
    return (struct pn_dp_lease){
        .vip = o->vip,
        .flags = o->deadline_ns && o->deadline_ns < n->written[o->vip] ? PN_DP_LEASE_SHORTEN : 0,
        .forward_ms = (uint32_t)((forward_ns < FORWARD_MAX_NS ? forward_ns : FORWARD_MAX_NS) / MS),
        .deadline_boottime_ns = o->deadline_ns};
}

void pn_node_leases_again(struct pn_node *n, uint64_t now_ns)
{
    bool lost = n->leases_unanswered > 0;
    n->leases_unanswered = 0;
    for (unsigned held = 0; held < 2 && lost; held++) { /* those given up by themselves: they cannot be refused */
        struct pn_dp_lease leases[PN_MAX_VIPS];
        unsigned count = 0;
        for (uint16_t id = 0; id < PN_MAX_VIPS; id++) {
            struct pn_election_order o = {.vip = id, .deadline_ns = n->written[id], .forward_ns = n->forward[id]};
            if (!n->wrote[id] || (o.deadline_ns != 0) != held)
                continue;
            leases[count] = lease_of(n, &o, now_ns);
            leases[count++].flags = held ? PN_DP_LEASE_SHORTEN : 0; /* which of them it has not read is not known */
        }
        write_leases(n, leases, count);
    }
}

/* What follows the next heartbeat, without this VIP. */
static void beat_forget(struct pn_node_beat *b, uint16_t vip)
{
    for (unsigned i = 0; i < b->n; i++)
        if (b->leases[i].vip == vip)
            b->leases[i--] = b->leases[--b->n];
}

void pn_node_obey(struct pn_node *n, const struct pn_election_out *out, bool defer, uint64_t now_ns)
{
    struct pn_dp_lease leases[PN_MAX_VIPS];
    unsigned count = 0;
    for (unsigned i = 0; i < out->n; i++) {
        const struct pn_election_order *o = &out->orders[i];
        struct pn_dp_vip_ref ref = {.vip = o->vip};
        if (o->type != PN_ORDER_HEARTBEAT && o->vip >= PN_MAX_VIPS)
            continue;
        if (o->type == PN_ORDER_LEASE) {
            struct pn_dp_lease lease = lease_of(n, o, now_ns);
            beat_forget(&n->beat, o->vip);
            /* A shorter one is in force before anyone hears of it, a longer one after. */
            if (defer && o->deadline_ns && !(lease.flags & PN_DP_LEASE_SHORTEN)) {
                n->beat.leases[n->beat.n++] = lease;
                continue;
            }
            wrote(n, o->vip, o->deadline_ns, o->forward_ns);
            leases[count++] = lease;
            if (count == PN_MAX_VIPS) {
                write_leases(n, leases, count);
                count = 0;
            }
            continue;
        }
        write_leases(n, leases, count);
        count = 0;
        if (o->type == PN_ORDER_HEARTBEAT)
            n->beat.again |= !defer; /* deferring: within the heartbeat itself */
        else if (o->type == PN_ORDER_PROBE)
            n->io.send(n->io.arg, PN_DP_PROBE, &ref, sizeof(ref), PN_TAG_PROBE | PN_TAG_OF_PATH((uint32_t)o->vip));
        else
            n->io.send(n->io.arg, PN_DP_ANNOUNCE, &ref, sizeof(ref), PN_TAG_OTHER);
    }
    write_leases(n, leases, count);
}

/*
 * With several paths heartbeats may leave over one while the port of a VIP cannot send (its cable is out): no peer would
 * notice, so such a VIP is given up. One heartbeat may have been late, two are no chance.
 */
static void paths_done(struct pn_node *n, uint64_t now_ns)
{
    for (unsigned i = 0; i < n->conf.n_paths; i++)
        n->path_lost[i] = n->beat.sendable >> i & 1 ? 0 : n->path_lost[i] + 1;
    for (unsigned v = 0; v < n->conf.n_vips && n->beat.sendable; v++) {
        bool there = false, works = false;
        for (unsigned i = 0; i < n->conf.n_paths; i++) {
            there |= n->conf.paths[i].port == n->conf.vips[v].port;
            works |= n->conf.paths[i].port == n->conf.vips[v].port && n->path_lost[i] < 2;
        }
        pn_election_cut(&n->election, n->conf.vips[v].want.id, PN_EL_CUT_SEND, there && !works, now_ns);
    }
}

bool pn_node_doubt(const struct pn_node *n, uint64_t now_ns)
{
    /* The first one after a gap may leave before the workers have come to what was received in the gap. */
    return now_ns - n->left_ns > n->conf.times.lease || now_ns - n->steady_ns < n->conf.times.heartbeat;
}

void pn_node_beat_done(struct pn_node *n, uint64_t now_ns)
{
    struct pn_node_beat *b = &n->beat;
    unsigned kept = 0;
    paths_done(n, now_ns);
    if (b->sendable) {
        n->steady_ns = b->sent_ns - n->left_ns > n->conf.times.lease ? b->sent_ns : n->steady_ns;
        n->left_ns = b->sent_ns;
    }
    n->beats_lost = b->sendable ? 0 : n->beats_lost + 1;
    if (n->beats_lost != 1) /* one may have been late, two are no chance */
        pn_election_mute(&n->election, n->beats_lost > 1, now_ns);
    for (unsigned i = 0; i < b->n; i++) {
        if (!b->sendable || b->leases[i].deadline_boottime_ns <= now_ns) {
            pn_election_unsent(&n->election, b->leases[i].vip, n->written[b->leases[i].vip]);
            continue;
        }
        wrote(n, b->leases[i].vip, b->leases[i].deadline_boottime_ns, 0);
        b->leases[kept++] = b->leases[i];
    }
    write_leases(n, b->leases, kept);
    b->n = 0;
}
