/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/vip/node.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/error.h"
#include "controlplane/vip/protocol.h"
#include "controlplane/vip/transition.h"

#define MS UINT64_C(1000000)
#define CONTROL_TOLD_NS (60000 * MS)
#define LEASE_TOLD_NS (1000 * MS)
#define FORWARD_MAX_NS (PN_DP_FORWARD_MAX_MS * MS)

#define EACH_PROTOCOL(p)                                                                                               \
    for (unsigned p##_at = 0; p##_at < PN_VIP_PROTOCOL_COUNT; p##_at++)                                                \
        for (const struct pn_vip_protocol *p = pn_vip_protocols[p##_at]; p; p = NULL)

const struct pn_vip_protocol *const pn_vip_protocols[PN_VIP_PROTOCOL_COUNT] = {
    [PN_VIP_SEALED] = &pn_vip_sealed,
    [PN_VIP_VRRP] = &pn_vip_vrrp,
};

void pn_node_say(struct pn_node *n, enum pn_log_level level, const char *kind, const char *subject, const char *format,
                 ...)
{
    char text[200];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    n->io.event(n->io.arg, level, kind, subject, text);
}

const char *pn_node_name(const struct pn_node *n, uint8_t node)
{
    return node < PN_MAX_NODES && n->conf.names[node][0] ? n->conf.names[node] : "(unknown)";
}

void pn_node_init(struct pn_node *n, const struct pn_node_io *io)
{
    memset(n, 0, sizeof(*n));
    n->io = *io;
}

void pn_node_release(struct pn_node *n)
{
    EACH_PROTOCOL(p)
    p->release(n);
    pn_sync_release(&n->sync);
    pn_sealer_free(n->sealer);
    pn_opener_free(n->opener);
    n->sealer = NULL;
    n->opener = NULL;
    explicit_bzero(&n->conf.ring, sizeof(n->conf.ring));
}

/* ---- configuration ---- */

static void control_addr(struct pn_dp_control *c, const struct pn_addr *addr)
{
    for (unsigned i = 0; i < c->n_addrs; i++)
        if (pn_addr_equal(&c->addrs[i], addr))
            return;
    if (!pn_addr_is_zero(addr) && c->n_addrs < PN_DP_CONTROL_ADDRS)
        c->addrs[c->n_addrs++] = *addr;
}

/* Its own address on each path, and the start of it that is proved. */
static void control_peer(const struct pn_node *n, struct pn_dp_control *c, uint8_t node, const struct pn_addr *addr)
{
    const struct pn_peer *peer = &n->peers.peers[node];
    if (pn_addr_is_zero(addr) || node == n->conf.self || !n->conf.names[node][0] || c->n_peers == PN_DP_CONTROL_PEERS)
        return;
    c->peers[c->n_peers++] =
        (struct pn_dp_control_peer){.addr = *addr, .boot_id = peer->known ? peer->boot_id : 0, .sender = node};
}

void pn_node_control(struct pn_node *n)
{
    struct pn_dp_control c = {.vrrp = n->conf.watch_vrrp};
    for (unsigned i = 0; i < n->conf.n_vips; i++) {
        const struct pn_vip_protocol *p = pn_vip_protocols[n->conf.vips[i].protocol];
        c.vrrp |= p && p->ip_proto == PN_IPPROTO_VRRP;
    }
    if (n->conf.n_nodes > 1) {
        c.heartbeat_udp_port = n->conf.udp_port;
        for (unsigned i = 0; i < n->conf.n_paths; i++) {
            c.networks[c.n_networks++] =
                (struct pn_dp_control_network){.port = n->conf.paths[i].port, .vlan = n->conf.paths[i].vlan};
            control_addr(&c, &n->conf.paths[i].v4);
            control_addr(&c, &n->conf.paths[i].v6);
            for (uint8_t k = 0; k < PN_MAX_NODES; k++) {
                control_peer(n, &c, k, &n->conf.paths[i].peers[k].v4);
                control_peer(n, &c, k, &n->conf.paths[i].peers[k].v6);
            }
        }
        if (n->conf.multicast) {
            control_addr(&c, &n->conf.group_v4);
            control_addr(&c, &n->conf.group_v6);
        }
    }
    n->control_ns = 0;
    n->io.send(n->io.arg, PN_DP_CONTROL, &c, sizeof(c), PN_TAG_CONTROL);
}

static int make_seals(struct pn_node *n, struct pn_error *err)
{
    if (!n->conf.ring.n_keys)
        return 0;
    pn_sealer_free(n->sealer);
    pn_opener_free(n->opener);
    n->boot_id = n->io.random64(n->io.arg);
    n->counter = 0;
    n->sealer = pn_sealer_new(&n->conf.ring, PN_SEAL_HEARTBEAT, n->conf.self, n->boot_id);
    n->opener = pn_opener_new(&n->conf.ring, PN_SEAL_HEARTBEAT);
    if (!n->sealer || !n->opener || pn_sync_init(&n->sync, n) < 0)
        return pn_error_set(err, "heartbeats cannot be sealed (memory, or no key for sending)");
    return 0;
}

static uint32_t node_bits(const struct pn_node_conf *conf)
{
    uint32_t bits = 0;
    for (unsigned i = 0; i < PN_MAX_NODES; i++)
        bits |= conf->names[i][0] ? 1u << i : 0;
    return bits;
}

static void release_gone_peers(struct pn_node *n, uint32_t bits, uint64_t now_ns)
{
    for (unsigned i = 0; i < PN_MAX_NODES; i++) {
        if (bits >> i & 1)
            continue;
        n->watch[i] = (struct pn_node_watch){.heard = false};
        if (n->sync.node)
            pn_sync_peer(&n->sync, (uint8_t)i, 0, now_ns);
    }
}

int pn_node_configure(struct pn_node *n, const struct pn_node_conf *conf, uint64_t now_ns, struct pn_error *err)
{
    bool first = !n->configured || n->conf.self != conf->self;
    bool keys = memcmp(&n->conf.ring, &conf->ring, sizeof(conf->ring)) != 0;
    if (n->configured && memcmp(&n->conf, conf, sizeof(*conf)) == 0)
        return 0;
    if (!first && keys && n->sealer && conf->ring.n_keys &&
        (pn_sealer_rekey(n->sealer, &conf->ring) < 0 || pn_opener_rekey(n->opener, &conf->ring) < 0 ||
         pn_sync_rekey(&n->sync, &conf->ring) < 0))
        return pn_error_set(err, "the heartbeats' keys cannot be used");
    n->conf = *conf;
    memset(n->foreign, 0, sizeof(n->foreign));
    if (first) {
        memset(n->watch, 0, sizeof(n->watch)); /* nothing of them is known, or told, any more */
        pn_peers_init(&n->peers, conf->self, n->io.random64, n->io.arg);
        pn_election_init(&n->election, &n->peers, conf->self);
        n->election.standby = n->show.standby;
    }
    n->show.keyless = conf->n_nodes > 1 && !conf->ring.n_keys;
    if ((first || !n->sealer) && make_seals(n, err) < 0)
        return -1;
    n->configured = true;
    pn_peers_configure(&n->peers, node_bits(conf));
    release_gone_peers(n, node_bits(conf), now_ns);
    if (n->linked)
        pn_node_control(n);
    for (unsigned i = 0; i < conf->n_vips; i++)
        if (!pn_vip_protocols[conf->vips[i].protocol])
            pn_node_say(n, PN_LOG_ERROR, "vip", conf->vips[i].name, "its protocol is not built in: never owned here");
    EACH_PROTOCOL(p)
    if (p->configure(n, now_ns, err) < 0)
        return -1;
    pn_node_installed(n, n->installed.dataplane, n->installed.ids, n->installed.leases, n->installed.n, now_ns);
    n->due_ns = now_ns;
    return 0;
}

/* ---- the dataplane's coming and going ---- */

static void apply_installed(struct pn_node *n, uint64_t now_ns)
{
    /* Who cannot hear yet must not take silence for a death, nor miss the answer to a probe. */
    bool there =
        n->configured && n->linked && n->hears && n->installed.dataplane && n->installed.dataplane == n->dataplane;
    uint64_t before[PN_MAX_VIPS], held[PN_MAX_VIPS] = {0};
    if (!n->configured)
        return;
    memcpy(before, n->written, sizeof(before));
    if (there)
        memset(n->written, 0, sizeof(n->written)); /* of VIPs that it does not run it holds none */
    for (unsigned i = 0; there && i < n->installed.n; i++) {
        uint16_t id = n->installed.ids[i];
        if (id < PN_MAX_VIPS)
            held[i] = n->written[id] = n->wrote[id] ? before[id] : n->installed.leases[i];
    }
    EACH_PROTOCOL(p)
    p->installed(n, n->installed.ids, held, there ? n->installed.n : 0, now_ns);
    n->due_ns = now_ns;
}

void pn_node_linked(struct pn_node *n, bool linked, uint64_t dataplane, uint64_t now_ns)
{
    bool other = dataplane != n->dataplane;
    n->linked = linked;
    n->hears = false;
    n->beat = (struct pn_node_beat){.unanswered = 0};
    for (unsigned i = 0; i < PN_MAX_PORTS; i++)
        pn_deaf_relinked(&n->deaf[i]);
    if (linked) {
        n->dataplane = dataplane;
        if (other) {
            memset(n->written, 0, sizeof(n->written));
            memset(n->wrote, 0, sizeof(n->wrote));
        }
        if (n->configured)
            pn_node_control(n);
        if (n->sync.node)
            pn_sync_dataplane(&n->sync, now_ns);
    }
    apply_installed(n, now_ns);
}

void pn_node_installed(struct pn_node *n, uint64_t dataplane, const uint16_t *ids, const uint64_t *leases,
                       unsigned n_ids, uint64_t now_ns)
{
    n->installed.dataplane = dataplane;
    n->installed.n = n_ids < PN_MAX_VIPS ? n_ids : PN_MAX_VIPS;
    memmove(n->installed.ids, ids, n->installed.n * sizeof(ids[0]));
    memmove(n->installed.leases, leases, n->installed.n * sizeof(leases[0]));
    apply_installed(n, now_ns);
}

void pn_node_port_mac(struct pn_node *n, unsigned port, const struct pn_mac *mac)
{
    if (port < PN_MAX_PORTS)
        n->port_mac[port] = *mac;
}

void pn_node_load(struct pn_node *n, unsigned vip, uint16_t load)
{
    if (vip < PN_MAX_VIPS)
        n->load[vip] = load;
}

/* ---- orders to the dataplane ---- */

static void write_leases(struct pn_node *n, const struct pn_dp_lease *leases, unsigned count)
{
    if (count)
        n->io.send(n->io.arg, PN_DP_LEASE, leases, count * sizeof(leases[0]), PN_TAG_LEASE);
}

static void wrote(struct pn_node *n, uint16_t vip, uint64_t deadline_ns)
{
    n->written[vip] = deadline_ns;
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
            wrote(n, o->vip, o->deadline_ns);
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
        else
            n->io.send(n->io.arg, o->type == PN_ORDER_PROBE ? PN_DP_PROBE : PN_DP_ANNOUNCE, &ref, sizeof(ref),
                       PN_TAG_OTHER);
    }
    write_leases(n, leases, count);
}

/* ---- answers and unasked messages ---- */

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

/* All packets of the heartbeat have left, or could not: the leases it carries begin now. */
static void beat_done(struct pn_node *n, uint64_t now_ns)
{
    struct pn_node_beat *b = &n->beat;
    unsigned kept = 0;
    paths_done(n, now_ns);
    n->beats_lost = b->sendable ? 0 : n->beats_lost + 1;
    if (n->beats_lost != 1) /* one may have been late, two are no chance */
        pn_election_mute(&n->election, n->beats_lost > 1, now_ns);
    for (unsigned i = 0; i < b->n; i++) {
        if (!b->sendable || b->leases[i].deadline_boottime_ns <= now_ns) {
            pn_election_unsent(&n->election, b->leases[i].vip, n->written[b->leases[i].vip]);
            continue;
        }
        wrote(n, b->leases[i].vip, b->leases[i].deadline_boottime_ns);
        b->leases[kept++] = b->leases[i];
    }
    write_leases(n, b->leases, kept);
    b->n = 0;
}

void pn_node_answer(struct pn_node *n, uint32_t tag, unsigned status, const void *payload, size_t bytes,
                    uint64_t now_ns)
{
    const struct pn_vip_protocol *p =
        tag & 0x80u && (tag & 0x7fu) < PN_VIP_PROTOCOL_COUNT ? pn_vip_protocols[tag & 0x7fu] : NULL;
    if (p && p->answer) {
        p->answer(n, tag >> 8, status, now_ns);
        return;
    }
    switch (tag % PN_TAG_OF_PATH(1)) {
    case PN_TAG_BEAT:
        /* BUSY: that peer's MAC is not known (it may be dead), but the port works. */
        if (status == PN_DP_STATUS_OK || status == PN_DP_STATUS_BUSY)
            n->beat.sendable |= 1u << tag / PN_TAG_OF_PATH(1);
        if (n->beat.unanswered && --n->beat.unanswered == 0)
            beat_done(n, now_ns);
        break;
    case PN_TAG_LEASE:
        if (status != PN_DP_STATUS_OK && status != PN_DP_STATUS_BUSY) {
            n->retry_ns = now_ns + PN_NODE_RETRY_NS;
            if (pn_node_may_tell(&n->lease_told_ns, LEASE_TOLD_NS, now_ns))
                pn_node_say(n, PN_LOG_ERROR, "lease", "", "refused by the dataplane: %.*s",
                            (int)(bytes < 120 ? bytes : 120), (const char *)payload);
        }
        break;
    case PN_TAG_CONTROL: /* most likely BUSY: a worker has not come round. The one before is in force, or none */
        n->control_ns = status == PN_DP_STATUS_OK ? 0 : now_ns + PN_NODE_RETRY_NS;
        if (status == PN_DP_STATUS_OK && !n->hears) {
            n->hears = true;
            apply_installed(n, now_ns);
        }
        if (status != PN_DP_STATUS_OK && status != PN_DP_STATUS_BUSY &&
            pn_node_may_tell(&n->control_told_ns, CONTROL_TOLD_NS, now_ns))
            pn_node_say(n, PN_LOG_ERROR, "node", pn_node_name(n, n->conf.self),
                        "what is ours on the wire was refused by the dataplane, heartbeats may not arrive: %.*s",
                        (int)(bytes < 80 ? bytes : 80), (const char *)payload);
        break;
    case PN_TAG_SYNC_TX:
        pn_sync_sent(&n->sync);
        break;
    case PN_TAG_FLOWS_IN:
        pn_sync_taken(&n->sync, status, now_ns);
        break;
    case PN_TAG_RESYNC:
        pn_sync_walk_answer(&n->sync, status, now_ns);
        break;
    case PN_TAG_LISTEN:
        pn_node_listened(n, tag / PN_TAG_OF_PATH(1), status, payload, bytes, now_ns);
        break;
    default:
        break;
    }
}

void pn_node_message(struct pn_node *n, enum pn_dp_type type, const void *payload, size_t bytes, uint64_t now_ns)
{
    if (!n->configured)
        return;
    pn_election_expire(&n->election, now_ns);
    if (type == PN_DP_PACKET_RX && bytes >= sizeof(struct pn_dp_packet))
        pn_node_packet(n, payload, bytes, now_ns);
    else if (type == PN_DP_PROBE_SEEN && bytes == sizeof(struct pn_dp_probe_seen))
        pn_node_probe_seen(n, payload, now_ns);
    else if (type == PN_DP_FLOWS_OUT && bytes % sizeof(struct pn_dp_flow) == 0 && n->sync.node)
        pn_sync_flows_out(&n->sync, payload, (unsigned)(bytes / sizeof(struct pn_dp_flow)), now_ns);
}

/* ---- time ---- */

void pn_node_step(struct pn_node *n, uint64_t now_ns, uint64_t *wake_ns)
{
    *wake_ns = UINT64_MAX;
    if (!n->configured || !n->linked)
        return;
    if (n->control_ns && now_ns >= n->control_ns)
        pn_node_control(n);
    if (n->control_ns)
        *wake_ns = n->control_ns;
    pn_node_listen(n, now_ns, wake_ns);
    EACH_PROTOCOL(p)
    p->step(n, now_ns, wake_ns);
    if (n->sync.node)
        pn_sync_step(&n->sync, now_ns, wake_ns);
}

/* ---- orders of people ---- */

static const struct pn_node_vip *find(const struct pn_node *n, const char *vip, struct pn_error *err)
{
    for (unsigned i = 0; i < n->conf.n_vips; i++)
        if (strcmp(n->conf.vips[i].name, vip) == 0)
            return &n->conf.vips[i];
    pn_error_set(err, "no VIP \"%s\" on this node", vip);
    return NULL;
}

int pn_node_move(struct pn_node *n, const char *vip, const char *to, uint64_t now_ns, struct pn_error *err)
{
    const struct pn_node_vip *v = find(n, vip, err);
    const struct pn_vip_protocol *p = v ? pn_vip_protocols[v->protocol] : NULL;
    if (!v)
        return -1;
    if (!p || !p->move)
        return pn_error_set(err, "VIP \"%s\": its protocol moves it only by standby or priority", vip);
    return p->move(n, v, to, now_ns, err);
}

int pn_node_force(struct pn_node *n, const char *vip, uint64_t now_ns, struct pn_error *err)
{
    const struct pn_node_vip *v = find(n, vip, err);
    if (!v)
        return -1;
    if (v->protocol != PN_VIP_SEALED)
        return pn_error_set(err, "VIP \"%s\": there are no votes in its protocol", vip);
    if (pn_election_force(&n->election, vip, now_ns, err) < 0)
        return -1;
    pn_node_say(n, PN_LOG_WARNING, "order", vip, "forced: owned without votes until a majority is heard again");
    return 0;
}

int pn_node_hold(struct pn_node *n, uint32_t ms, uint64_t now_ns, struct pn_error *err)
{
    if (ms > PN_HOLD_MAX_MS)
        return pn_error_set(err, "a hold lasts at most %u s", PN_HOLD_MAX_MS / 1000);
    pn_election_hold(&n->election, ms);
    n->hold_until_ns = ms ? now_ns + (ms + 1000) * MS : 0;
    n->hold_told = false;
    n->beat.again = true;
    return 0;
}

void pn_node_standby(struct pn_node *n, bool standby, uint64_t now_ns)
{
    n->show.standby = standby;
    EACH_PROTOCOL(p)
    p->standby(n, standby, now_ns);
}

static bool owns_any(const struct pn_node *n)
{
    bool any = false;
    EACH_PROTOCOL(p)
    any |= p->owns(n);
    return any;
}

void pn_node_leave(struct pn_node *n, uint64_t now_ns)
{
    struct pn_election_out out = {.n = 0};
    struct pn_error err;
    n->leaving = true;
    if (!n->configured || !n->linked)
        return;
    EACH_PROTOCOL(p)
    if (p->leaves_always)
        p->standby(n, true, now_ns);
    if (n->conf.n_nodes <= 1 || n->election.hold_granted || !owns_any(n))
        return;
    bool left = pn_election_leave(&n->election, now_ns, &out);
    pn_node_obey(n, &out, false, now_ns);
    if (left) {
        EACH_PROTOCOL(p)
        p->standby(n, true, now_ns);
    } else {
        /* What nobody could take: the leases last until we are back. A peer that comes asks the wire before it claims. */
        pn_node_hold(n, PN_NODE_LEAVE_HOLD_MS, now_ns, &err);
    }
}

bool pn_node_left(const struct pn_node *n, uint64_t now_ns)
{
    if (!n->configured || !n->linked)
        return true;
    EACH_PROTOCOL(p)
    if (p->leaves_always && p->owns(n))
        return false;
    if (n->conf.n_nodes <= 1)
        return true;
    if (n->beat.unanswered || n->beat.again)
        return false;
    for (unsigned i = 0; i < n->election.n; i++)
        if (n->election.vips[i].release_left)
            return false;
    return pn_election_held(&n->election, now_ns) || !owns_any(n);
}
