/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/vip/election.h"

#include <stdio.h>

#include "controlplane/vip/transition.h"

#define MS UINT64_C(1000000)
#define PROBE_LATE_PART 4 /* of probe-lead: what it may take until a probe leaves */

const char *const pn_election_state_name[PN_EL_STATE_COUNT] = {"init", "backup", "probe", "owner"};
const char *const pn_el_wait_name[PN_EL_WAIT_COUNT] = {
    [PN_EL_WAIT_NONE] = "",
    [PN_EL_WAIT_PREEMPT] = "not taken from its owner: preempt = no",
    [PN_EL_WAIT_ORDER] = "moved away by order: not taken back while its owner lives",
    [PN_EL_WAIT_SYNC] = "not taken back yet: the flows of the other nodes are not all here",
    [PN_EL_WAIT_CONF] = "not taken back yet: its owner has another configuration",
    [PN_EL_WAIT_DELAY] = "not taken back yet: preempt-delay",
};

static bool alone(const struct pn_election *e)
{
    return e->n_nodes <= 1;
}

/*
 * Living peers that claim before us: each gets one heartbeat's time for its claim to reach us. Those that have been as
 * silent as the owner do not count: they went with it.
 */
static unsigned rank_of(const struct pn_election *e, const struct pn_election_vip *v, uint64_t now_ns)
{
    unsigned rank = 0;
    for (unsigned i = 0; i < PN_MAX_NODES; i++) {
        const struct pn_peer *p = &e->peers->peers[i];
        if (i == e->self || i == v->owner || !pn_el_heard(e, (uint8_t)i, now_ns) ||
            now_ns - p->heard_ns >= e->times.takeover - e->times.probe_lead)
            continue;
        const struct pn_hb_vip *row = pn_el_row(p, v);
        if (row && row->priority > 0 && row->state != PN_EL_INIT &&
            pn_el_goes_before(row->priority, (uint8_t)i, pn_el_priority(e, v), e->self))
            rank++;
    }
    return rank;
}

static uint64_t bounded_ns(uint32_t ms)
{
    return (ms < PN_HOLD_MAX_MS ? ms : PN_HOLD_MAX_MS) * MS;
}

static uint64_t hold_of_owner(const struct pn_election *e, const struct pn_election_vip *v)
{
    if (v->owner >= PN_MAX_NODES || v->owner == e->self)
        return 0;
    const struct pn_peer *p = &e->peers->peers[v->owner];
    const struct pn_hb_vip *row = pn_el_row(p, v);
    uint64_t hold_ns = bounded_ns(p->last.flags & PN_HB_HOLD        ? p->last.hold_ms
                                  : row && row->state == PN_EL_INIT ? v->told.hold_ms
                                                                    : 0);
    return hold_ns + hold_ns / PN_HOLD_DRIFT_PART;
}

/*
 * Its lease is over before the probe leaves. Our own times see to that, unless it keeps others: a reload came to one node
 * before the other.
 */
static uint64_t lease_of_owner(const struct pn_election *e, const struct pn_election_vip *v)
{
    const struct pn_peer *p = v->owner < PN_MAX_NODES && v->owner != e->self ? &e->peers->peers[v->owner] : NULL;
    const struct pn_hb_vip *row = p ? pn_el_row(p, v) : NULL;
    bool owner = row && row->state == PN_EL_OWNER;
    if (!row || (!owner && row->state != PN_EL_INIT))
        return 0;
    uint64_t lease_ns = bounded_ns(owner ? row->lease_ms : v->told.lease_ms);
    return (owner ? p->heard_ns : v->told.heard_ns) + lease_ns + lease_ns / PN_LEASE_DRIFT_PART + e->times.probe_lead;
}

static uint64_t claim_time(const struct pn_election *e, const struct pn_election_vip *v, uint64_t now_ns)
{
    uint64_t silent_ns = v->silent_since_ns + e->times.takeover + hold_of_owner(e, v), lease_ns = lease_of_owner(e, v);
    return (silent_ns > lease_ns ? silent_ns : lease_ns) + rank_of(e, v, now_ns) * e->times.heartbeat;
}

static struct pn_election_vip *by_id(struct pn_election *e, uint16_t id)
{
    for (unsigned i = 0; i < e->n; i++)
        if (e->vips[i].id == id)
            return &e->vips[i];
    return NULL;
}

/*
 * A dataplane that was stopped sends it late: who could answer has the whole time from then on. One more, sent for a rival to
 * hear, is not waited for.
 */
void pn_election_probed(struct pn_election *e, uint16_t vip, bool left, uint64_t now_ns)
{
    struct pn_election_vip *v = by_id(e, vip);
    if (!v || v->state != PN_EL_PROBE || !left)
        return;
    if (!v->probe_left && now_ns > v->probe_sent_ns + e->times.probe_lead / PROBE_LATE_PART)
        v->probe_sent_ns = now_ns;
    v->probe_left = true;
}

static void probe(struct pn_election_vip *v, uint64_t now_ns, struct pn_election_out *out)
{
    v->probe_sent_ns = now_ns;
    v->probe_left = false;
    pn_el_order(out, (struct pn_election_order){.type = PN_ORDER_PROBE, .vip = v->id});
}

void pn_election_answered(struct pn_election *e, uint16_t vip, uint64_t now_ns)
{
    struct pn_election_vip *v = by_id(e, vip);
    if (!v || v->state != PN_EL_PROBE)
        return;
    bool news = !v->path_told && now_ns >= v->silent_since_ns + PN_PATH_ALARM_TAKEOVERS * e->times.takeover;
    v->path_failed = true;
    v->answered_ns = now_ns;
    v->state = PN_EL_BACKUP; /* no pn_el_enter(): it repeats each heartbeat while the path is broken */
    v->retry_ns = now_ns + e->times.heartbeat;
    v->path_told |= news;
    if (news)
        pn_el_say(e, v, "alarm: the owner answers ARP/ND but its heartbeats do not arrive; not taking over");
}

void pn_election_rival(struct pn_election *e, uint16_t vip, bool rival_goes_first, uint64_t now_ns,
                       struct pn_election_out *out)
{
    struct pn_election_vip *v = by_id(e, vip);
    if (!v || v->state != PN_EL_PROBE || v->exclusive) /* exclusive: votes decide */
        return;
    if (rival_goes_first && v->rival_told) {
        v->state = PN_EL_BACKUP;
        v->silent_since_ns = now_ns;
    } else if (rival_goes_first) {
        pn_el_back_up(e, v, now_ns, "another backup probes for it too and goes first");
        v->rival_told = true;
    } else {
        pn_el_order(out, (struct pn_election_order){.type = PN_ORDER_PROBE, .vip = v->id}); /* so that it hears of us */
    }
}

/* --- time --- */

static bool needs_votes(const struct pn_election_vip *v)
{
    return v->exclusive && !v->forced;
}

static void step_owner(struct pn_election *e, struct pn_election_vip *v, uint64_t now_ns, bool sending,
                       struct pn_election_out *out)
{
    /* A claim not followed by its first heartbeat at once has no lease yet, and is worth no more than a lost one. */
    bool claim_stale = !v->lease_ns && now_ns - v->since_ns > e->times.heartbeat;
    if (claim_stale || (v->lease_ns && now_ns >= v->lease_ns)) {
        /* We were stopped, or could not send: somebody may own it by now. The ordinary way back. */
        v->lease_ns = 0;
        pn_el_back_up(e, v, now_ns, "the lease ran out before it was renewed");
        if (!alone(e))
            return;
        pn_el_own(e, v, now_ns, "no peers", out);
    }
    if (pn_el_priority(e, v) == 0) {
        pn_el_release(e, v, e->mute ? PN_HB_NO_NODE : pn_el_best_peer(e, v, now_ns), now_ns,
                      e->standby                ? "standby"
                      : e->mute                 ? "its heartbeats cannot leave"
                      : v->cut & PN_EL_CUT_SEND ? "its port cannot send"
                      : v->cut                  ? "its port receives nothing"
                                                : "priority 0",
                      out);
        return;
    }
    if (!sending)
        return;
    if (alone(e)) {
        pn_el_renew(e, v, now_ns + (v->alone_lease_ns ? v->alone_lease_ns : e->times.alone_lease), out);
        return;
    }
    /*
     * Longer than what this heartbeat promises the peers: from before a restart that was held for, or from when we were
     * alone. It ends in time before they hear of the shorter one.
     */
    uint64_t promised = now_ns + (e->hold_granted && !needs_votes(v) ? e->hold_ms * MS : e->times.lease);
    if (v->lease_ns > promised)
        pn_el_shorten(v, promised, out);
    else if (!needs_votes(v))
        pn_el_renew(e, v, promised, out);
}

static void claim(struct pn_election *e, struct pn_election_vip *v, uint64_t now_ns, struct pn_election_out *out)
{
    if (!v->exclusive) {
        pn_el_own(e, v, now_ns, "no heartbeat of an owner, no answer to the probe", out);
        return;
    }
    if (!v->forced && !pn_el_vote_free(v, e->self, now_ns))
        return;
    v->vote = e->self;
    v->vote_until_ns = now_ns + e->times.takeover;
    if (v->forced) {
        pn_el_own(e, v, now_ns, "forced by order", out);
        return;
    }
    uint64_t sent = pn_el_voted_until(e, v);
    if (sent && now_ns < sent + e->times.lease) {
        pn_el_own(e, v, now_ns, "voted in by a majority", out);
        pn_el_renew(e, v, sent + e->times.lease, out);
        return;
    }
    snprintf(v->reason, sizeof(v->reason), "no heartbeat of an owner; waits for the votes of a majority");
}

static void step_candidate(struct pn_election *e, struct pn_election_vip *v, uint64_t now_ns,
                           struct pn_election_out *out)
{
    if (alone(e)) {
        pn_el_own(e, v, now_ns, "no peers", out);
        return;
    }
    uint64_t claim_ns = claim_time(e, v, now_ns);
    if (v->state == PN_EL_BACKUP && now_ns + e->times.probe_lead >= claim_ns && now_ns >= v->retry_ns) {
        pn_el_enter(e, v, PN_EL_PROBE, now_ns, "no heartbeat of an owner");
        probe(v, now_ns, out);
    }
    /* A late timer: what the probe found out is old, somebody may have claimed since. Ask again. */
    if (v->state == PN_EL_PROBE && now_ns > v->probe_sent_ns + e->times.probe_lead + e->times.heartbeat)
        probe(v, now_ns, out);
    /*
     * An owner that is known to live, by its answers alone: one of them that is lost or late must not pass for its death,
     * so it is asked again and again for as long as a silent one has.
     */
    if (v->state == PN_EL_PROBE && v->path_failed && now_ns >= v->probe_sent_ns + e->times.probe_lead &&
        now_ns < v->answered_ns + e->times.takeover)
        probe(v, now_ns, out);
    /*
     * Nor must a late one shorten the time an answer has. Silence is believed only from a dataplane that works: one that was
     * stopped has the owner's heartbeats still before it.
     */
    if (v->state == PN_EL_PROBE && v->probe_left && now_ns >= claim_ns &&
        now_ns >= v->probe_sent_ns + e->times.probe_lead)
        claim(e, v, now_ns, out);
}

static uint64_t wake_of(const struct pn_election *e, const struct pn_election_vip *v, uint64_t now_ns)
{
    switch (v->state) {
    case PN_EL_OWNER:
        return v->lease_ns;
    case PN_EL_BACKUP: {
        if (pn_el_priority(e, v) == 0)
            return 0;
        uint64_t probe_ns = claim_time(e, v, now_ns) - e->times.probe_lead;
        return probe_ns > v->retry_ns ? probe_ns : v->retry_ns;
    }
    case PN_EL_PROBE: {
        uint64_t claim_ns = claim_time(e, v, now_ns), listened_ns = v->probe_sent_ns + e->times.probe_lead;
        uint64_t at_ns = claim_ns > listened_ns ? claim_ns : listened_ns;
        uint64_t again_ns = listened_ns + e->times.heartbeat + 1;
        if (v->probe_left && at_ns > now_ns)
            return at_ns;
        /* The probe's answer wakes us, or votes do; and a vote of ours for another ends. Else it is asked for again. */
        return v->vote_until_ns > now_ns && v->vote_until_ns < again_ns ? v->vote_until_ns : again_ns;
    }
    default:
        return 0;
    }
}

static void update_hold(struct pn_election *e, uint64_t now_ns, struct pn_election_out *out)
{
    bool granted = e->hold_ms > 0;
    for (unsigned i = 0; i < PN_MAX_NODES && granted; i++) {
        if (i == e->self || !pn_el_heard(e, (uint8_t)i, now_ns))
            continue;
        const struct pn_heartbeat *last = &e->peers->peers[i].last;
        bool acked = false;
        for (unsigned j = 0; j < last->n_peers; j++)
            acked |= last->peers[j].node == e->self && last->peers[j].flags & PN_HB_PEER_HOLD_ACK &&
                     last->peers[j].counter > e->hold_counter && last->peers[j].counter <= e->last_counter;
        granted = acked;
    }
    if (granted && !e->hold_granted)
        pn_el_order(out, (struct pn_election_order){.type = PN_ORDER_HEARTBEAT}); /* the longer leases, at once */
    e->hold_granted = granted;
}

bool pn_election_held(const struct pn_election *e, uint64_t now_ns)
{
    bool held = e->hold_granted;
    for (unsigned i = 0; i < e->n; i++) {
        const struct pn_election_vip *v = &e->vips[i];
        if (v->state == PN_EL_OWNER && !needs_votes(v))
            held &= v->lease_ns + e->times.takeover >= now_ns + e->hold_ms * MS;
    }
    return held;
}

void pn_election_step(struct pn_election *e, uint64_t now_ns, bool sending, struct pn_election_out *out,
                      uint64_t *wake_ns)
{
    *wake_ns = UINT64_MAX;
    update_hold(e, now_ns, out);
    bool voters = pn_el_majority_heard(e, now_ns);
    for (unsigned i = 0; i < e->n; i++) {
        struct pn_election_vip *v = &e->vips[i];
        if (voters)
            v->forced = false; /* those who vote are back */
        if (v->state == PN_EL_INIT && v->installed)
            pn_el_back_up(e, v, now_ns, "started");
        if (v->state == PN_EL_PROBE && pn_el_priority(e, v) == 0)
            pn_el_back_up(e, v, now_ns, "priority 0");
        if ((v->state == PN_EL_BACKUP || v->state == PN_EL_PROBE) && pn_el_priority(e, v) > 0)
            step_candidate(e, v, now_ns, out);
        if (v->state == PN_EL_OWNER)
            step_owner(e, v, now_ns, sending, out);
        uint64_t at = wake_of(e, v, now_ns);
        if (at && at < *wake_ns)
            *wake_ns = at;
    }
}

/* --- our own heartbeat --- */

static uint32_t lease_left_ms(const struct pn_election_vip *v, uint64_t now_ns)
{
    if (v->state == PN_EL_INIT)
        return UINT32_MAX; /* we cannot know what a dataplane out of reach still holds */
    if (v->lease_ns <= now_ns)
        return 0;
    return (uint32_t)((v->lease_ns - now_ns + MS - 1) / MS);
}

void pn_election_fill(struct pn_election *e, uint64_t now_ns, struct pn_heartbeat *hb)
{
    hb->generation = e->generation;
    hb->interval_us = (uint32_t)(e->times.heartbeat / 1000);
    hb->hold_ms = e->hold_ms;
    hb->flags = (uint8_t)((e->synced ? PN_HB_SYNCED : 0) | (e->hold_ms ? PN_HB_HOLD : 0) |
                          (e->standby ? PN_HB_SHUTTING_DOWN : 0));
    for (unsigned i = 0; i < hb->n_peers; i++)
        if (e->peers->peers[hb->peers[i].node].last.flags & PN_HB_HOLD && hb->peers[i].flags & PN_HB_PEER_HEARD)
            hb->peers[i].flags |= PN_HB_PEER_HOLD_ACK;
    hb->n_vips = 0;
    for (unsigned i = 0; i < e->n && hb->n_vips < PN_HEARTBEAT_MAX_VIPS; i++) {
        struct pn_election_vip *v = &e->vips[i];
        if (e->doubt || now_ns >= v->release_until_ns) /* others may be about to claim, or have done so */
            v->release_left = 0;
        bool releasing = v->release_left > 0;
        hb->vips[hb->n_vips++] = (struct pn_hb_vip){
            .name_hash = v->name_hash,
            .state = (uint8_t)v->state,
            .flags = (uint8_t)((v->want ? PN_HB_VIP_WANT : 0) | (releasing ? PN_HB_VIP_RELEASED : 0)),
            .successor = releasing ? v->successor : PN_HB_NO_NODE,
            .vote = v->exclusive ? v->vote : PN_HB_NO_NODE,
            .priority = pn_el_priority(e, v),
            .lease_ms = lease_left_ms(v, now_ns),
            .vote_counter = v->exclusive ? v->vote_counter : 0,
        };
        if (releasing)
            v->release_left--;
    }
}

void pn_election_sent(struct pn_election *e, uint64_t counter, uint64_t sent_ns)
{
    e->last_counter = counter;
    e->sent[counter % PN_SENT_RING].counter = counter;
    e->sent[counter % PN_SENT_RING].sent_ns = sent_ns;
}

void pn_election_expire(struct pn_election *e, uint64_t now_ns)
{
    for (unsigned i = 0; i < e->n && !alone(e); i++) {
        struct pn_election_vip *v = &e->vips[i];
        if (v->state != PN_EL_OWNER || !v->lease_ns || now_ns < v->lease_ns)
            continue;
        v->lease_ns = 0;
        pn_el_back_up(e, v, now_ns, "the lease ran out before it was renewed");
    }
}

void pn_election_unsent(struct pn_election *e, uint16_t vip, uint64_t held_ns)
{
    struct pn_election_vip *v = by_id(e, vip);
    if (v && v->state == PN_EL_OWNER && v->lease_ns > held_ns)
        v->lease_ns = held_ns;
}

void pn_election_mute(struct pn_election *e, bool mute, uint64_t now_ns)
{
    for (unsigned i = 0; i < e->n && e->mute && !mute; i++)
        e->vips[i].silent_since_ns = now_ns; /* what was not heard meanwhile says nothing */
    e->mute = mute;
}

void pn_election_cut(struct pn_election *e, uint16_t vip, enum pn_el_cut why, bool cut, uint64_t now_ns)
{
    struct pn_election_vip *v = by_id(e, vip);
    if (!v)
        return;
    uint8_t bits = (uint8_t)(cut ? v->cut | why : v->cut & ~why);
    if (v->cut && !bits)
        v->silent_since_ns = now_ns;
    v->cut = bits;
}
