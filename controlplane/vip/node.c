/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/vip/node.h"

#include "common/error.h"
#include "controlplane/vip/protocol.h"
#include "controlplane/vip/transition.h"

#define MS UINT64_C(1000000)
#define CONTROL_TOLD_NS (60000 * MS)
#define LEASE_TOLD_NS (1000 * MS)

void pn_node_init(struct pn_node *n, const struct pn_node_io *io)
{
    memset(n, 0, sizeof(*n));
    n->io = *io;
}

void pn_node_release(struct pn_node *n)
{
    PN_EACH_VIP_PROTOCOL(p)
        p->release(n);
    pn_sync_release(&n->sync);
    pn_sealer_free(n->sealer);
    pn_opener_free(n->opener);
    n->sealer = NULL;
    n->opener = NULL;
    explicit_bzero(&n->conf.ring, sizeof(n->conf.ring));
}

/* ---- configuration ---- */

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
        n->election.standby = pn_node_aside(n);
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
    PN_EACH_VIP_PROTOCOL(p)
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
    PN_EACH_VIP_PROTOCOL(p)
        p->installed(n, n->installed.ids, held, there ? n->installed.n : 0, now_ns);
    n->due_ns = now_ns;
}

void pn_node_linked(struct pn_node *n, bool linked, uint64_t dataplane, uint64_t now_ns)
{
    bool other = dataplane != n->dataplane, gone = n->going && linked && other;
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
        pn_node_leases_again(n, now_ns);
        if (n->configured)
            pn_node_control(n);
        if (n->sync.node)
            pn_sync_dataplane(&n->sync, now_ns);
    }
    if (gone) {
        n->going = false;
        PN_EACH_VIP_PROTOCOL(p)
            p->standby(n, n->show.standby, now_ns);
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

/* ---- answers and unasked messages ---- */

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
            pn_node_beat_done(n, now_ns);
        break;
    case PN_TAG_LEASE:
        n->leases_unanswered -= n->leases_unanswered > 0;
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
        pn_sync_walk_answer(&n->sync, tag / PN_TAG_OF_PATH(1), status, now_ns);
        break;
    case PN_TAG_PROBE:
        pn_election_probed(&n->election, (uint16_t)(tag / PN_TAG_OF_PATH(1)), status == PN_DP_STATUS_OK, now_ns);
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
    else if (type == PN_DP_LEAVING && bytes == 0)
        pn_node_dataplane_leaves(n, now_ns);
    else if (type == PN_DP_FLOWS_OUT && bytes % sizeof(struct pn_dp_flow) == 0 && n->sync.node)
        pn_sync_flows_out(&n->sync, payload, (unsigned)(bytes / sizeof(struct pn_dp_flow)), now_ns);
}

/* ---- time ---- */

void pn_node_step(struct pn_node *n, uint64_t now_ns, uint64_t *wake_ns)
{
    *wake_ns = UINT64_MAX;
    if (!n->configured || !n->linked)
        return;
    n->clear = n->io.clear(n->io.arg);
    if (n->control_ns && now_ns >= n->control_ns)
        pn_node_control(n);
    if (n->control_ns)
        *wake_ns = n->control_ns;
    pn_node_listen(n, now_ns, wake_ns);
    PN_EACH_VIP_PROTOCOL(p)
        p->step(n, now_ns, wake_ns);
    if (n->sync.node)
        pn_sync_step(&n->sync, now_ns, wake_ns);
}
