/* SPDX-License-Identifier: BSD-3-Clause */
/* What an accepted heartbeat of a peer does to the VIPs of this node. */
#include "controlplane/vip/transition.h"

static enum pn_el_wait wait_for(const struct pn_election *e, const struct pn_election_vip *v, uint8_t owner)
{
    return v->preempt == PN_PREEMPT_NO                               ? PN_EL_WAIT_PREEMPT
           : v->yielded                                              ? PN_EL_WAIT_ORDER
           : e->generation != e->peers->peers[owner].last.generation ? PN_EL_WAIT_CONF
           : !e->synced                                              ? PN_EL_WAIT_SYNC
                                                                     : PN_EL_WAIT_NONE;
}

static void hear_owner(struct pn_election *e, struct pn_election_vip *v, uint8_t node, const struct pn_hb_vip *row,
                       uint64_t now_ns, struct pn_election_out *out)
{
    const struct pn_heartbeat *last = &e->peers->peers[node].last;
    if (v->state == PN_EL_OWNER && !v->lease_ns) /* a claim that nobody has heard of is none */
        pn_el_back_up(e, v, now_ns, "an owner was heard before the claim had left");
    if (v->state == PN_EL_OWNER) {
        if (pn_el_goes_before(pn_el_priority(e, v), e->self, row->priority, node)) {
            pn_el_say(e, v, "dual claim: the other yields, announcing again");
            pn_el_order(out, (struct pn_election_order){.type = PN_ORDER_ANNOUNCE, .vip = v->id});
            pn_el_order(out, (struct pn_election_order){.type = PN_ORDER_HEARTBEAT});
            return;
        }
        pn_el_give_up_lease(v, now_ns + e->grace_ns, out);
        pn_el_back_up(e, v, now_ns, "dual claim: yielded to the better one");
    }
    if (v->state == PN_EL_PROBE)
        pn_el_back_up(e, v, now_ns, "an owner was heard");
    v->owner = node;
    v->told.heard_ns = now_ns;
    v->told.lease_ms = row->lease_ms;
    v->told.hold_ms = last->flags & PN_HB_HOLD ? last->hold_ms : 0;
    v->silent_since_ns = now_ns;
    v->path_failed = v->path_told = v->rival_told = false;
    v->release_left = 0;

    bool better = pn_el_priority(e, v) > row->priority;
    v->wait = better ? wait_for(e, v, node) : PN_EL_WAIT_NONE;
    better &= v->wait == PN_EL_WAIT_NONE;
    if (!better)
        v->better_since_ns = 0;
    else if (!v->better_since_ns)
        v->better_since_ns = now_ns;
    v->want = better && (v->preempt == PN_PREEMPT_YES || now_ns - v->better_since_ns >= v->preempt_delay_ns);
    if (better && !v->want)
        v->wait = PN_EL_WAIT_DELAY;
}

static void hear_other(struct pn_election *e, struct pn_election_vip *v, uint8_t node, const struct pn_hb_vip *row,
                       uint64_t now_ns, struct pn_election_out *out)
{
    bool candidate = v->state == PN_EL_BACKUP || v->state == PN_EL_PROBE;
    if (row->flags & PN_HB_VIP_RELEASED && v->owner == node) {
        v->owner = PN_HB_NO_NODE;
        v->silent_since_ns = now_ns;
        if (row->successor == e->self && candidate && pn_el_priority(e, v) > 0 && !v->exclusive && !e->doubt) {
            pn_el_own(e, v, now_ns, "released to this node by its owner", out);
            return;
        }
        /* The wait is over: votes (exclusive), or the wire, are asked at once. */
        if (row->successor == e->self && candidate && pn_el_priority(e, v) > 0)
            v->silent_since_ns = now_ns - e->times.takeover;
    } else if (v->owner == node && row->lease_ms == 0) {
        /*
         * It says itself that it holds no lease: nothing is left to wait for but better backups. Unless it was heard as owner
         * before we were deaf (INIT): another one may have come meanwhile.
         */
        v->owner = PN_HB_NO_NODE;
        if (v->told.heard_ns >= v->since_ns)
            v->silent_since_ns = now_ns - (e->times.takeover - e->times.probe_lead);
    }
    if (v->state == PN_EL_OWNER && row->flags & PN_HB_VIP_WANT && row->priority > pn_el_priority(e, v) &&
        v->preempt != PN_PREEMPT_NO)
        pn_el_release(e, v, node, now_ns, "released to a node of higher priority", out);
}

static void hear_vote(struct pn_election *e, struct pn_election_vip *v, uint8_t node, const struct pn_hb_vip *row,
                      uint64_t now_ns)
{
    /*
     * A node that votes for itself asks for ours; an owner's heartbeats do so all the time. A vote for ourselves that
     * made us no owner backs no lease, so it gives way to a better candidate: else two of them wait for ever.
     */
    bool gives_way = v->vote == e->self && pn_el_goes_before(row->priority, node, pn_el_priority(e, v), e->self);
    if (row->vote == node && row->priority > 0 && v->state != PN_EL_OWNER &&
        (gives_way || pn_el_vote_free(v, node, now_ns)))
        pn_el_vote_for(e, v, node, e->peers->peers[node].counter, now_ns);
}

void pn_election_heard(struct pn_election *e, uint8_t node, uint64_t now_ns, struct pn_election_out *out)
{
    const struct pn_peer *p = &e->peers->peers[node];
    for (unsigned i = 0; i < e->n; i++) {
        struct pn_election_vip *v = &e->vips[i];
        const struct pn_hb_vip *row = pn_el_row(p, v);
        if (!row || v->state == PN_EL_INIT)
            continue;
        if (row->state == PN_EL_OWNER)
            hear_owner(e, v, node, row, now_ns, out);
        else
            hear_other(e, v, node, row, now_ns, out);
        if (v->exclusive)
            hear_vote(e, v, node, row, now_ns);
        if (v->exclusive && v->state == PN_EL_OWNER) {
            uint64_t sent = pn_el_voted_until(e, v);
            if (sent)
                pn_el_renew(e, v, sent + e->times.lease, out);
        }
    }
}
