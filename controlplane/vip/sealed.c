/* SPDX-License-Identifier: BSD-3-Clause */
/* Postern's own protocol: sealed heartbeats and the election (docs/ownership.md). */
#include <stdio.h>

#include "common/error.h"
#include "controlplane/vip/protocol.h"
#include "controlplane/vip/transition.h"

#define MS UINT64_C(1000000)

static bool alone(const struct pn_node *n)
{
    return n->conf.n_nodes <= 1;
}

static const struct pn_election_vip *election_vip(const struct pn_node *n, const char *name)
{
    for (unsigned i = 0; i < n->election.n; i++)
        if (strcmp(n->election.vips[i].name, name) == 0)
            return &n->election.vips[i];
    return NULL;
}

static void on_event(void *arg, const struct pn_election_vip *v, const char *text)
{
    struct pn_node *n = arg;
    static const char *const alarms[] = {"alarm", "dual claim", "the lease ran out", "the dataplane does not"};
    enum pn_log_level level = PN_LOG_NOTICE;
    for (unsigned i = 0; i < sizeof(alarms) / sizeof(alarms[0]); i++)
        if (strncmp(text, alarms[i], strlen(alarms[i])) == 0)
            level = PN_LOG_WARNING;
    pn_node_say(n, level, "vip", v->name, "%s: %s", pn_election_state_name[v->state], text);
}

/* ---- sending ---- */

static uint64_t interval(const struct pn_node *n)
{
    uint64_t lease_ns = n->conf.times.alone_lease;
    if (!alone(n))
        return n->conf.times.heartbeat;
    for (unsigned i = 0; i < n->conf.n_vips; i++)
        if (n->conf.vips[i].want.alone_lease_ns && n->conf.vips[i].want.alone_lease_ns < lease_ns)
            lease_ns = n->conf.vips[i].want.alone_lease_ns;
    return lease_ns / 3;
}

static void fill(struct pn_node *n, uint64_t now_ns, struct pn_heartbeat *hb)
{
    memset(hb, 0, sizeof(*hb));
    pn_peers_fill(&n->peers, now_ns, n->conf.times.takeover, hb);
    pn_election_fill(&n->election, now_ns, hb);
    for (unsigned i = 0; i < hb->n_vips; i++)
        for (unsigned v = 0; v < n->conf.n_vips; v++)
            if (n->election.vips[i].id == n->conf.vips[v].want.id)
                hb->vips[i].load = n->load[v];
}

/*
 * One heartbeat and the leases that follow it. Alone, only the leases. Over two paths it is sealed twice: the receiver
 * takes the first that comes, the other is late.
 */
static void beat(struct pn_node *n, uint64_t now_ns)
{
    struct pn_election_out out = {.n = 0};
    struct pn_heartbeat hb;
    uint8_t plain[PN_HEARTBEAT_MAX_BYTES], datagram[PN_SEAL_MAX_BYTES];
    uint64_t wake;
    n->beat = (struct pn_node_beat){.sent_ns = now_ns};
    n->retry_ns = 0;
    n->send_by_ns = now_ns + n->conf.times.heartbeat; /* one that a stopped dataplane finds later is wrong by then */
    pn_election_step(&n->election, now_ns, true, &out, &wake);
    pn_node_obey(n, &out, !alone(n), now_ns);
    if (alone(n) || !n->sealer)
        return;
    n->election.doubt = pn_node_doubt(n, now_ns);
    fill(n, now_ns, &hb);
    size_t plain_bytes = pn_heartbeat_encode(&hb, plain, sizeof(plain));
    for (unsigned path = 0; path < n->conf.n_paths; path++) {
        size_t bytes = pn_seal(n->sealer, plain, plain_bytes, datagram, sizeof(datagram));
        n->counter++;
        if (bytes == 0)
            continue;
        pn_election_sent(&n->election, n->counter, now_ns);
        n->beat.unanswered +=
            pn_node_transmit(n, path, PN_HB_NO_NODE, datagram, bytes, PN_TAG_BEAT | PN_TAG_OF_PATH(path));
    }
    n->send_by_ns = 0;
    if (n->beat.unanswered)
        n->show.heartbeats_sent++;
}

/* ---- time ---- */

/* A path that fails while another carries on moves nothing, but somebody has to see to it. */
static void watch_paths(struct pn_node *n, uint8_t node, uint64_t now_ns)
{
    struct pn_node_watch *w = &n->watch[node];
    uint64_t limit_ns =
        n->conf.times.takeover > PN_NODE_PATH_SILENT_NS ? n->conf.times.takeover : PN_NODE_PATH_SILENT_NS;
    for (unsigned i = 0; i < n->conf.n_paths && n->conf.n_paths > 1; i++) {
        uint64_t since_ns = w->paths[i].heard_ns > w->heard_since_ns ? w->paths[i].heard_ns : w->heard_since_ns;
        bool silent = pn_node_path_there(n, i, node) && now_ns - since_ns > limit_ns;
        if (!w->heard || silent == w->paths[i].silent)
            continue;
        w->paths[i].silent = silent;
        if (silent)
            pn_node_say(n, PN_LOG_WARNING, "peer", pn_node_name(n, node),
                        "alarm: not heard over path %s for %llu ms, only over the other", n->conf.paths[i].name,
                        (unsigned long long)((now_ns - since_ns) / MS));
        else
            pn_node_say(n, PN_LOG_NOTICE, "peer", pn_node_name(n, node), "heard over path %s again",
                        n->conf.paths[i].name);
    }
}

/* What changed with a peer since it was said last. */
static void watch(struct pn_node *n, uint8_t node, uint64_t now_ns)
{
    struct pn_node_watch *w = &n->watch[node];
    const struct pn_peer *p = &n->peers.peers[node];
    const char *name = pn_node_name(n, node);
    bool heard = pn_el_heard(&n->election, node, now_ns);
    bool differs = heard && p->last.generation != n->conf.generation;
    if (p->known && p->boot_id != w->boot_id) {
        pn_node_say(n, PN_LOG_NOTICE, "peer", name, "%s", w->boot_id ? "has started anew" : "its start is proved");
        w->boot_id = p->boot_id;
        w->heard = false;
        pn_node_control(n);
        n->show.peers[node].boots++;
    }
    if (heard != w->heard) {
        w->heard = heard;
        w->heard_since_ns = now_ns;
        if (heard)
            pn_node_say(n, PN_LOG_NOTICE, "peer", name, "heard");
        else
            pn_node_say(n, PN_LOG_WARNING, "peer", name, "not heard for %llu ms",
                        (unsigned long long)((now_ns - p->heard_ns) / MS));
        pn_sync_peer(&n->sync, node, heard ? p->boot_id : 0, now_ns);
    }
    watch_paths(n, node, now_ns);
    if (differs != w->generation_differs && heard) {
        w->generation_differs = differs;
        pn_node_say(n, differs ? PN_LOG_WARNING : PN_LOG_NOTICE, "peer", name, "%s",
                    differs ? "has another configuration: nothing is preempted until both are the same"
                            : "has our configuration now");
    }
}

void pn_node_heard(struct pn_node *n, uint8_t node, uint64_t now_ns)
{
    watch(n, node, now_ns);
    n->election.synced = !n->sync.node || pn_sync_complete(&n->sync);
}

static void watch_all(struct pn_node *n, uint64_t now_ns)
{
    for (unsigned i = 0; i < PN_MAX_NODES; i++)
        if (n->peers.peers[i].configured)
            watch(n, (uint8_t)i, now_ns);
    n->election.synced = !n->sync.node || pn_sync_complete(&n->sync);
    if (n->hold_until_ns && now_ns >= n->hold_until_ns) {
        pn_election_hold(&n->election, 0);
        n->hold_until_ns = 0;
        pn_node_say(n, PN_LOG_NOTICE, "node", pn_node_name(n, n->conf.self), "the hold is over");
    }
    if (n->election.hold_granted && !n->hold_told) {
        n->hold_told = true;
        pn_node_say(n, PN_LOG_NOTICE, "node", pn_node_name(n, n->conf.self),
                    "hold of %u ms granted by all that are heard", n->election.hold_ms);
    }
}

static void sealed_step(struct pn_node *n, uint64_t now_ns, uint64_t *wake_ns)
{
    struct pn_election_out out = {.n = 0};
    uint64_t wake;
    bool timer = now_ns >= n->due_ns;
    if (timer) {
        uint64_t late_us = (now_ns - n->due_ns) / 1000;
        if (n->due_ns && late_us > n->show.late_us_max && !alone(n))
            n->show.late_us_max = late_us;
        /* Receiving never moves it; only when whole intervals were missed it starts anew. */
        n->due_ns += interval(n);
        if (n->due_ns <= now_ns)
            n->due_ns = now_ns + interval(n);
    }
    watch_all(n, now_ns);
    /* A dataplane that does not answer cannot probe either: whatever we would claim, nobody hears of it. */
    if (n->beat.unanswered && now_ns - n->beat.sent_ns >= n->conf.times.lease)
        pn_election_mute(&n->election, true, now_ns);
    pn_election_step(&n->election, now_ns, false, &out, &wake);
    pn_node_obey(n, &out, false, now_ns);
    bool ready = n->beat.unanswered == 0 && n->clear;
    bool wanted = timer || n->beat.again || (n->retry_ns && now_ns >= n->retry_ns);
    if (wanted && (ready || alone(n))) {
        beat(n, now_ns);
        out.n = 0;
        pn_election_step(&n->election, now_ns, false, &out, &wake);
        pn_node_obey(n, &out, false, now_ns);
    } else if (timer && !ready) {
        n->show.heartbeats_skipped++;
    }
    if (wake < *wake_ns)
        *wake_ns = wake;
    if (n->due_ns < *wake_ns)
        *wake_ns = n->due_ns;
    /* One that has passed waits for an answer, or for room to write, and either wakes us. */
    if (n->retry_ns > now_ns && n->retry_ns < *wake_ns)
        *wake_ns = n->retry_ns;
}

/* ---- configuration, orders, display ---- */

static void sealed_standby(struct pn_node *n, bool standby, uint64_t now_ns)
{
    struct pn_election_out out = {.n = 0};
    pn_election_standby(&n->election, standby || n->show.keyless, now_ns, &out);
    pn_node_obey(n, &out, false, now_ns);
}

static int sealed_configure(struct pn_node *n, uint64_t now_ns, struct pn_error *err)
{
    struct pn_election_want want[PN_MAX_VIPS];
    struct pn_election_out out = {.n = 0};
    unsigned count = 0;
    (void)err;
    for (unsigned i = 0; i < n->conf.n_vips; i++) {
        if (n->conf.vips[i].protocol != PN_VIP_SEALED)
            continue;
        want[count] = n->conf.vips[i].want;
        want[count++].name = n->conf.vips[i].name;
    }
    n->election.event = on_event;
    n->election.arg = n;
    n->election.generation = n->conf.generation;
    n->election.grace_ns = n->conf.grace_ns;
    pn_election_configure(&n->election, &n->conf.times, n->conf.n_nodes, want, count, now_ns, &out);
    pn_node_obey(n, &out, false, now_ns);
    /* Who cannot be heard must not answer: another may. */
    if (n->election.standby != (pn_node_aside(n) || n->show.keyless) && !n->leaving)
        sealed_standby(n, pn_node_aside(n), now_ns);
    return 0;
}

static void sealed_release(struct pn_node *n)
{
    (void)n;
}

static void sealed_installed(struct pn_node *n, const uint16_t *ids, const uint64_t *leases, unsigned n_ids,
                             uint64_t now_ns)
{
    uint16_t all[2 * PN_MAX_VIPS];
    uint64_t held[2 * PN_MAX_VIPS] = {0};
    unsigned count = 0;
    for (; count < n_ids && count < PN_MAX_VIPS; count++) {
        all[count] = ids[count];
        held[count] = leases[count];
    }
    /* No dataplane runs what can never be owned here, but votes count. */
    for (unsigned i = 0; i < n->conf.n_vips && n->linked; i++)
        if (n->conf.vips[i].want.id >= PN_NODE_WITNESS_ID && n->conf.vips[i].want.id != PN_ID_NONE)
            all[count++] = n->conf.vips[i].want.id;
    pn_election_installed(&n->election, all, held, count, now_ns);
}

static void sealed_probe_seen(struct pn_node *n, const struct pn_node_vip *vip, const struct pn_dp_probe_seen *seen,
                              uint64_t now_ns)
{
    struct pn_election_out out = {.n = 0};
    const struct pn_mac *ours = &n->port_mac[vip->port < PN_MAX_PORTS ? vip->port : 0];
    if (seen->kind == PN_PROBE_ANSWER)
        pn_election_answered(&n->election, seen->vip, now_ns);
    else if (seen->kind == PN_PROBE_RIVAL)
        pn_election_rival(&n->election, seen->vip, memcmp(seen->mac.b, ours->b, sizeof(ours->b)) < 0, now_ns, &out);
    pn_node_obey(n, &out, false, now_ns);
}

static int sealed_move(struct pn_node *n, const struct pn_node_vip *vip, const char *to, uint64_t now_ns,
                       struct pn_error *err)
{
    struct pn_election_out out = {.n = 0};
    uint8_t node = PN_HB_NO_NODE;
    if (to) {
        for (uint8_t i = 0; i < PN_MAX_NODES && node == PN_HB_NO_NODE; i++)
            node = strcmp(n->conf.names[i], to) == 0 ? i : node;
        if (node == PN_HB_NO_NODE)
            return pn_error_set(err, "no node \"%s\"", to);
        if (node == n->conf.self)
            return pn_error_set(err, "VIP \"%s\": %s is this node", vip->name, to);
        if (!pn_el_heard(&n->election, node, now_ns))
            return pn_error_set(err, "VIP \"%s\": node %s is not heard", vip->name, to);
    }
    const struct pn_election_vip *v = election_vip(n, vip->name);
    if (v && v->state != PN_EL_OWNER)
        return pn_error_set(err, "VIP \"%s\": this node is %s; only its owner%s%s can move it", vip->name,
                            pn_election_state_name[v->state], v->owner == PN_HB_NO_NODE ? "" : " ",
                            v->owner == PN_HB_NO_NODE ? "" : pn_node_name(n, v->owner));
    if (pn_election_move(&n->election, vip->name, node, now_ns, &out, err) < 0)
        return -1;
    pn_node_obey(n, &out, false, now_ns);
    return 0;
}

static bool sealed_owns(const struct pn_node *n)
{
    for (unsigned i = 0; i < n->election.n; i++)
        if (n->election.vips[i].state == PN_EL_OWNER)
            return true;
    return false;
}

static void sealed_show(const struct pn_node *n, unsigned vip, uint64_t now_ns, struct pn_own_vip *out)
{
    const struct pn_election_vip *v = election_vip(n, n->conf.vips[vip].name);
    (void)now_ns;
    if (!v)
        return;
    out->state = v->state;
    out->since_ns = v->since_ns;
    if (v->reason[0])
        snprintf(out->reason, sizeof(out->reason), "%s", v->reason);
    out->owner = v->owner;
    out->lease_ns = v->lease_ns;
    out->transitions = v->transitions;
    out->wanted = v->want;
    out->wait = v->wait;
    out->path_failed = v->path_told;
    out->exclusive = v->exclusive;
    out->forced = v->forced;
}

const struct pn_vip_protocol pn_vip_sealed = {
    .name = "sealed",
    .configure = sealed_configure,
    .release = sealed_release,
    .installed = sealed_installed,
    .probe_seen = sealed_probe_seen,
    .step = sealed_step,
    .standby = sealed_standby,
    .move = sealed_move,
    .owns = sealed_owns,
    .show = sealed_show,
};
