/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/vip/transition.h"

#include <stdio.h>

void pn_el_order(struct pn_election_out *out, struct pn_election_order o)
{
    if (out->n < PN_ELECTION_MAX_ORDERS)
        out->orders[out->n++] = o;
}

void pn_el_say(struct pn_election *e, const struct pn_election_vip *v, const char *text)
{
    if (e->event)
        e->event(e->arg, v, text);
}

void pn_el_enter(struct pn_election *e, struct pn_election_vip *v, enum pn_election_state state, uint64_t now_ns,
                 const char *reason)
{
    bool ownership = (v->state == PN_EL_OWNER) != (state == PN_EL_OWNER);
    v->state = state;
    v->wait = PN_EL_WAIT_NONE;
    v->since_ns = now_ns;
    snprintf(v->reason, sizeof(v->reason), "%s", reason);
    if (ownership)
        v->transitions++;
    if (state != PN_EL_PROBE)
        pn_el_say(e, v, v->reason);
}

void pn_el_give_up_lease(struct pn_election_vip *v, uint64_t forward_ns, struct pn_election_out *out)
{
    pn_el_order(out, (struct pn_election_order){.type = PN_ORDER_LEASE, .vip = v->id, .forward_ns = forward_ns});
    v->lease_ns = 0;
}

void pn_el_back_up(struct pn_election *e, struct pn_election_vip *v, uint64_t now_ns, const char *reason)
{
    if (v->owner == e->self)
        v->owner = PN_HB_NO_NODE;
    v->silent_since_ns = now_ns;
    v->want = false;
    v->better_since_ns = 0;
    if (v->vote == e->self) { /* no lease of ours is left that it could back, and no candidacy */
        v->vote = PN_HB_NO_NODE;
        v->vote_until_ns = now_ns;
    }
    pn_el_enter(e, v, PN_EL_BACKUP, now_ns, reason);
}

void pn_el_renew(struct pn_election *e, struct pn_election_vip *v, uint64_t deadline_ns, struct pn_election_out *out)
{
    (void)e;
    if (deadline_ns <= v->lease_ns)
        return;
    v->lease_ns = deadline_ns;
    pn_el_order(out, (struct pn_election_order){.type = PN_ORDER_LEASE, .vip = v->id, .deadline_ns = deadline_ns});
}

void pn_el_shorten(struct pn_election_vip *v, uint64_t deadline_ns, struct pn_election_out *out)
{
    v->lease_ns = deadline_ns;
    pn_el_order(out, (struct pn_election_order){.type = PN_ORDER_LEASE, .vip = v->id, .deadline_ns = deadline_ns});
}

void pn_el_own(struct pn_election *e, struct pn_election_vip *v, uint64_t now_ns, const char *reason,
               struct pn_election_out *out)
{
    v->owner = e->self;
    v->want = false;
    v->yielded = false;
    v->path_failed = v->path_told = v->rival_told = false;
    v->release_left = 0;
    pn_el_enter(e, v, PN_EL_OWNER, now_ns, reason);
    /* The claim goes out at once; the lease starts with it, in the step that sends it. */
    pn_el_order(out, (struct pn_election_order){.type = PN_ORDER_HEARTBEAT});
}

bool pn_el_heard(const struct pn_election *e, uint8_t node, uint64_t now_ns)
{
    const struct pn_peer *p = &e->peers->peers[node];
    return p->configured && p->known && p->heard_ns && now_ns <= p->heard_ns + e->times.takeover;
}

uint16_t pn_el_priority(const struct pn_election *e, const struct pn_election_vip *v)
{
    if (e->standby || e->mute || v->cut || !v->installed || v->priority == 0)
        return 0;
    /*
     * Where one of a group is cut off the rest comes last, so that the group stays together. Not 0: every node may have one
     * cut off. Nor for one that is not installed yet: a reload that adds one to the group moves nothing.
     */
    for (unsigned i = 0; i < e->n && v->group != PN_NO_GROUP; i++)
        if (e->vips[i].group == v->group && e->vips[i].cut)
            return PN_EL_PRIORITY_LAST;
    return v->priority;
}

const struct pn_hb_vip *pn_el_row(const struct pn_peer *p, const struct pn_election_vip *v)
{
    for (unsigned i = 0; i < p->last.n_vips; i++)
        if (p->last.vips[i].name_hash == v->name_hash)
            return &p->last.vips[i];
    return NULL;
}

/* Claim order: higher effective priority, then the lower node number. */
bool pn_el_goes_before(uint16_t priority_a, uint8_t node_a, uint16_t priority_b, uint8_t node_b)
{
    return priority_a != priority_b ? priority_a > priority_b : node_a < node_b;
}

/* --- votes (prefer = exclusive) --- */

static unsigned majority(const struct pn_election *e)
{
    return e->n_nodes / 2 + 1;
}

bool pn_el_vote_free(const struct pn_election_vip *v, uint8_t node, uint64_t now_ns)
{
    return v->vote == node || now_ns >= v->vote_until_ns;
}

void pn_el_vote_for(const struct pn_election *e, struct pn_election_vip *v, uint8_t node, uint64_t counter,
                    uint64_t now_ns)
{
    v->vote = node;
    v->vote_counter = counter;
    v->vote_until_ns = now_ns + e->times.takeover;
}

static uint64_t sent_time(const struct pn_election *e, uint64_t counter)
{
    for (unsigned i = 0; i < PN_SENT_RING; i++)
        if (e->sent[i].counter == counter && counter)
            return e->sent[i].sent_ns;
    return 0;
}

/* Send time of the newest heartbeat of ours that a majority, ourselves included, has answered with its vote; 0 none. */
uint64_t pn_el_voted_until(const struct pn_election *e, const struct pn_election_vip *v)
{
    uint64_t counters[PN_MAX_NODES];
    unsigned n = 0, need = majority(e) - 1;
    if (need == 0)
        return e->sent[e->last_counter % PN_SENT_RING].sent_ns;
    for (unsigned i = 0; i < PN_MAX_NODES; i++) {
        const struct pn_peer *p = &e->peers->peers[i];
        const struct pn_hb_vip *row = i != e->self && p->configured && p->known ? pn_el_row(p, v) : NULL;
        if (!row || row->vote != e->self || row->vote_counter > e->last_counter)
            continue;
        unsigned at = n++;
        for (; at > 0 && counters[at - 1] < row->vote_counter; at--)
            counters[at] = counters[at - 1];
        counters[at] = row->vote_counter;
    }
    return n >= need ? sent_time(e, counters[need - 1]) : 0;
}

/* --- releasing --- */

/* What it said of it last; NULL: it cannot own it. */
static const struct pn_hb_vip *can_have(const struct pn_election *e, const struct pn_election_vip *v, uint8_t node)
{
    const struct pn_hb_vip *row = node < PN_MAX_NODES ? pn_el_row(&e->peers->peers[node], v) : NULL;
    return row && row->priority > 0 && row->state != PN_EL_INIT ? row : NULL;
}

uint8_t pn_el_best_peer(const struct pn_election *e, const struct pn_election_vip *v, uint64_t now_ns)
{
    uint8_t best = PN_HB_NO_NODE;
    uint16_t priority = 0;
    for (unsigned i = 0; i < PN_MAX_NODES; i++) {
        const struct pn_hb_vip *row =
            i != e->self && pn_el_heard(e, (uint8_t)i, now_ns) ? can_have(e, v, (uint8_t)i) : NULL;
        if (row && (best == PN_HB_NO_NODE || pn_el_goes_before(row->priority, (uint8_t)i, priority, best))) {
            best = (uint8_t)i;
            priority = row->priority;
        }
    }
    return best;
}

static void release_one(struct pn_election *e, struct pn_election_vip *v, uint8_t successor, uint64_t now_ns,
                        const char *reason, struct pn_election_out *out)
{
    pn_el_give_up_lease(v, successor == PN_HB_NO_NODE ? 0 : now_ns + e->grace_ns, out);
    pn_el_back_up(e, v, now_ns, reason);
    v->successor = successor;
    v->release_left = PN_RELEASE_REPEATS;
    v->release_until_ns = now_ns + e->times.takeover - e->times.probe_lead;
    pn_el_order(out, (struct pn_election_order){.type = PN_ORDER_HEARTBEAT});
}

/* What its successor cannot have stays: given up, it would be unanswered until we had it back. */
void pn_el_release(struct pn_election *e, struct pn_election_vip *v, uint8_t successor, uint64_t now_ns,
                   const char *reason, struct pn_election_out *out)
{
    for (unsigned i = 0; i < e->n; i++) {
        struct pn_election_vip *w = &e->vips[i];
        bool with = v->group != PN_NO_GROUP && w->group == v->group && can_have(e, w, successor);
        if (w->state == PN_EL_OWNER && (w == v || with))
            release_one(e, w, successor, now_ns, reason, out);
    }
}

bool pn_el_majority_heard(const struct pn_election *e, uint64_t now_ns)
{
    unsigned heard = 1;
    for (unsigned i = 0; i < PN_MAX_NODES; i++)
        heard += i != e->self && pn_el_heard(e, (uint8_t)i, now_ns);
    return heard > e->n_nodes / 2;
}
