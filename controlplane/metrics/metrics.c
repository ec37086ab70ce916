/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/metrics/metrics.h"

#include <stdio.h>

#include "controlplane/metrics/exposition.h"
#include "controlplane/metrics/families.h"

#define END (const char *)NULL
#define VIEW const struct pn_view *v

static void daemon_families(struct pn_expo *e, VIEW)
{
    bool up = v->dp && pn_dplink_is_up(v->dp);

    pn_expo_family(e, "postern_build_info", "gauge", "Version of posternd, and of the postern-dp it is connected to.");
    pn_expo_u64(e, 1, "version", v->version, "dataplane_version", up ? pn_dplink_hello(v->dp)->version : "", END);
    pn_expo_family(e, "postern_uptime_seconds", "gauge", "Time since posternd was started.");
    pn_expo_double(e, (double)(v->now_ms() - v->started_ms) / 1e3, END);
    pn_expo_family(e, "postern_config_last_reload_successful", "gauge",
                   "1: the last attempt to load the configuration succeeded.");
    pn_expo_u64(e, v->reload->last_ok, END);
    pn_expo_family(e, "postern_config_reloads_total", "counter", "Configurations loaded since the start.");
    pn_expo_u64(e, v->reload->done, END);
    pn_expo_family(e, "postern_config_reload_failures_total", "counter", "Configurations refused since the start.");
    pn_expo_u64(e, v->reload->failed, END);
    pn_expo_family(e, "postern_node_standby", "gauge", "1: the administrator took this node out of service.");
    pn_expo_u64(e, v->own->standby, END);
    pn_expo_family(e, "postern_dataplane_up", "gauge", "1: posternd is connected to postern-dp.");
    pn_expo_u64(e, up, END);
    pn_expo_family(e, "postern_dataplane_snapshot_generation", "gauge",
                   "Generation of the snapshot that postern-dp runs.");
    pn_expo_u64(e, v->push->running_generation, END);
    pn_expo_family(e, "postern_dataplane_snapshots_total", "counter", "Snapshots that postern-dp took.");
    pn_expo_u64(e, v->push->pushed, END);
    pn_expo_family(e, "postern_dataplane_snapshots_rejected_total", "counter",
                   "Snapshots that could not be compiled or were refused.");
    pn_expo_u64(e, v->push->rejected, END);
}

static void worker_families(struct pn_expo *e, VIEW)
{
    const struct pn_stats_sum *s = v->stats;
    double hz = s->tsc_hz ? (double)s->tsc_hz : 1.0;
    char w[12];

#define EACH_WORKER for (unsigned i = 0; i < s->n_workers && (snprintf(w, sizeof(w), "%u", i), 1); i++)
    pn_expo_family(e, "postern_worker_heartbeat_age_seconds", "gauge", "Time since a worker last went round its loop.");
    EACH_WORKER
    {
        uint64_t beat_ms = s->worker_heartbeat_ns[i] / 1000000u, now = v->now_ms();
        pn_expo_double(e, now > beat_ms ? (double)(now - beat_ms) / 1e3 : 0, "worker", w, END);
    }
    pn_expo_family(e, "postern_worker_flows", "gauge", "Entries in a worker's flow table.");
    EACH_WORKER pn_expo_u64(e, s->worker_flows_used[i], "worker", w, END);
    pn_expo_family(e, "postern_worker_flows_max", "gauge", "Entries that a worker's flow table can hold.");
    EACH_WORKER pn_expo_u64(e, s->worker_flows_max[i], "worker", w, END);
    pn_expo_family(e, "postern_worker_busy_seconds_total", "counter", "Time a worker spent on packets.");
    EACH_WORKER pn_expo_double(e, (double)s->worker_busy_cycles[i] / hz, "worker", w, END);
    pn_expo_family(e, "postern_worker_seconds_total", "counter", "Time a worker ran, busy or not.");
    EACH_WORKER pn_expo_double(e, (double)s->worker_total_cycles[i] / hz, "worker", w, END);
#undef EACH_WORKER
}

static void counter_family(struct pn_expo *e, VIEW, char kind, const char *name, const char *label, const char *help)
{
    pn_expo_family(e, name, "counter", help);
    for (unsigned i = 0; i < PN_C_COUNT; i++)
        if (pn_counter_info[i].kind == kind)
            pn_expo_u64(e, v->stats->sum.counters[i], label, pn_counter_info[i].name, END);
}

static void packet_families(struct pn_expo *e, VIEW)
{
    counter_family(e, v, 'T', "postern_packets_sent_total", "end",
                   "Packets forwarded or answered, by where they ended.");
    counter_family(e, v, 'P', "postern_packets_punted_total", "end",
                   "Packets given to the host or used by the node itself.");
    counter_family(e, v, 'D', "postern_packets_dropped_total", "reason", "Packets dropped, by reason.");
    counter_family(e, v, 'E', "postern_dataplane_events_total", "event",
                   "Events in the dataplane beside the packets' ends.");
    pn_expo_family(e, "postern_packets_held", "gauge", "Packets that wait for a neighbour or a fragment.");
    pn_expo_double(e, (double)v->stats->sum.held, END);
}

/* Cells of one struct: the same samples for each member, a family at a time. */
struct cell {
    const char *name;
    const char *help;
    size_t offset;
};
#define CELL(s, field, text_name, text_help)                                                                           \
    {                                                                                                                  \
        text_name, text_help, offsetof(struct s, field)                                                                \
    }

static uint64_t cell_of(const void *base, const struct cell *c)
{
    uint64_t value;
    memcpy(&value, (const char *)base + c->offset, sizeof(value));
    return value;
}

static const char *port_name(VIEW, unsigned i, char *buf, size_t size)
{
    for (unsigned p = 0; p < v->n_ports; p++)
        if (v->ports[p].index == i)
            return v->ports[p].name;
    if (v->node >= 0 && i < v->conf->nodes[v->node].n_ports)
        return v->conf->nodes[v->node].ports[i].name;
    snprintf(buf, size, "port%u", i);
    return buf;
}

static void port_families(struct pn_expo *e, VIEW)
{
    static const struct cell cells[] = {
        CELL(pn_stats_port, rx_packets, "postern_port_receive_packets_total", "Packets received on a port."),
        CELL(pn_stats_port, rx_bytes, "postern_port_receive_bytes_total", "Bytes received on a port."),
        CELL(pn_stats_port, tx_packets, "postern_port_transmit_packets_total", "Packets sent on a port."),
        CELL(pn_stats_port, tx_bytes, "postern_port_transmit_bytes_total", "Bytes sent on a port."),
    };
    unsigned named = v->n_ports ? v->n_ports : v->node >= 0 ? v->conf->nodes[v->node].n_ports : 0;
    char buf[16];

    for (unsigned c = 0; c < sizeof(cells) / sizeof(cells[0]); c++) {
        pn_expo_family(e, cells[c].name, "counter", cells[c].help);
        for (unsigned i = 0; i < named && i < PN_MAX_PORTS; i++)
            pn_expo_u64(e, cell_of(&v->stats->sum.ports[i], &cells[c]), "port", port_name(v, i, buf, sizeof(buf)), END);
    }
}

static void vrrp_families(struct pn_expo *e, VIEW)
{
    const struct pn_ownership *o = v->own;

    pn_expo_family(e, "postern_foreign_vrrp_total", "counter",
                   "Packets of VRRP speakers that named one of our addresses and were not obeyed.");
    pn_expo_u64(e, o->vrrp_seen, END);
    pn_expo_family(e, "postern_vrrp_refused_total", "counter",
                   "Packets for a virtual router of ours that broke a rule of VRRP.");
    pn_expo_u64(e, o->vrrp_refused, END);
    pn_expo_family(e, "postern_vrrp_advertisements_total", "counter",
                   "Advertisements of a VIP's virtual router, by direction.");
    for (unsigned i = 0; i < o->n; i++) {
        if (o->vips[i].vrrp.vrid == 0)
            continue;
        pn_expo_u64(e, o->vips[i].vrrp.sent, "vip", o->vips[i].name, "direction", "out", END);
        pn_expo_u64(e, o->vips[i].vrrp.received, "vip", o->vips[i].name, "direction", "in", END);
    }
}

static void vip_families(struct pn_expo *e, VIEW)
{
    const struct pn_conf *conf = v->conf;

    pn_expo_family(e, "postern_vip_owner", "gauge", "1: this node owns the VIP.");
    for (unsigned i = 0; i < v->own->n; i++)
        pn_expo_u64(e, v->own->vips[i].state == PN_EL_OWNER, "vip", v->own->vips[i].name, END);
    pn_expo_family(e, "postern_vip_transitions_total", "counter",
                   "Times that this node became owner of the VIP or ceased to be it.");
    for (unsigned i = 0; i < v->own->n; i++)
        pn_expo_u64(e, v->own->vips[i].transitions, "vip", v->own->vips[i].name, END);
    pn_expo_family(e, "postern_vip_path_failed", "gauge",
                   "1: the owner of the VIP answers on the wire, but its heartbeats do not arrive.");
    for (unsigned i = 0; i < v->own->n; i++)
        pn_expo_u64(e, v->own->vips[i].path_failed, "vip", v->own->vips[i].name, END);
    if (!v->stats->valid)
        return;
    pn_expo_family(e, "postern_vip_lease_seconds", "gauge", "Time left of the lease that the dataplane holds.");
    for (unsigned i = 0; i < conf->n_vips; i++) {
        uint16_t id = pn_view_vip_id(v, i);
        uint64_t now = v->now_ms(), end = id < PN_MAX_VIPS ? v->stats->lease_deadline_boottime_ns[id] / 1000000u : 0;
        pn_expo_double(e, end > now ? (double)(end - now) / 1e3 : 0, "vip", conf->vips[i].name, END);
    }
    pn_expo_family(e, "postern_vip_receive_packets_total", "counter", "Packets to a VIP.");
    for (unsigned i = 0; i < conf->n_vips; i++)
        if (pn_view_vip_id(v, i) < PN_MAX_VIPS)
            pn_expo_u64(e, v->stats->sum.vips[pn_view_vip_id(v, i)].rx_packets, "vip", conf->vips[i].name, END);
    pn_expo_family(e, "postern_vip_receive_bytes_total", "counter", "Bytes to a VIP.");
    for (unsigned i = 0; i < conf->n_vips; i++)
        if (pn_view_vip_id(v, i) < PN_MAX_VIPS)
            pn_expo_u64(e, v->stats->sum.vips[pn_view_vip_id(v, i)].rx_bytes, "vip", conf->vips[i].name, END);
}

static void refused_samples(struct pn_expo *e, const struct pn_ownership *o)
{
    pn_expo_family(e, "postern_heartbeat_refused_total", "counter", "Datagrams that changed nothing, by reason.");
    for (unsigned i = PN_HB_UNKNOWN_SENDER; i < PN_HB_SEAL; i++)
        pn_expo_u64(e, o->refused[i], "reason", pn_hb_verdict_name[i], END);
    for (unsigned i = 1; i < PN_SEAL_VERDICT_COUNT; i++)
        if (i != PN_SEAL_REPLAYED)
            pn_expo_u64(e, o->refused_seal[i], "reason", pn_seal_verdict_name[i], END);
    for (unsigned i = 1; i < PN_WIRE_VERDICT_COUNT; i++)
        pn_expo_u64(e, o->refused_wire[i], "reason", pn_wire_verdict_name[i], END);
}

#define EACH_PEER                                                                                                      \
    for (uint8_t i = 0; i < PN_MAX_NODES; i++)                                                                         \
        if (o->peers[i].configured)
#define PEER "peer", pn_view_node_name(v, i), END

static void node_families(struct pn_expo *e, VIEW)
{
    const struct pn_ownership *o = v->own;

    if (o->n_nodes < 2)
        return;
    pn_expo_family(e, "postern_heartbeat_sent_total", "counter", "Heartbeats sent.");
    pn_expo_u64(e, o->heartbeats_sent, END);
    pn_expo_family(e, "postern_heartbeat_skipped_total", "counter",
                   "Heartbeats not sent since the dataplane had not answered the one before.");
    pn_expo_u64(e, o->heartbeats_skipped, END);
    pn_expo_family(e, "postern_heartbeat_late_seconds_max", "gauge",
                   "How late a heartbeat was at worst since the start.");
    pn_expo_double(e, (double)o->late_us_max / 1e6, END);
    pn_expo_family(e, "postern_heartbeat_received_total", "counter", "Heartbeats of a peer that counted.");
    EACH_PEER pn_expo_u64(e, o->peers[i].received, PEER);
    refused_samples(e, o);
    pn_expo_family(e, "postern_peer_heard", "gauge", "1: a heartbeat of the peer counted within the takeover wait.");
    EACH_PEER pn_expo_u64(e, o->peers[i].heard, PEER);
    pn_expo_family(e, "postern_peer_heartbeat_age_seconds", "gauge",
                   "Time since the peer's last heartbeat that counted.");
    EACH_PEER if (o->peers[i].heard_ns)
    {
        uint64_t at_ms = o->peers[i].heard_ns / 1000000u, now_ms = v->now_ms();
        pn_expo_double(e, now_ms > at_ms ? (double)(now_ms - at_ms) / 1e3 : 0, PEER);
    }
    pn_expo_family(e, "postern_peer_path_heard", "gauge",
                   "With several paths for heartbeats: 1: the peer is heard over this one.");
    EACH_PEER for (unsigned p = 0; v->node >= 0 && p < v->conf->nodes[v->node].n_paths && p < PN_OWN_PATHS; p++)
    {
        if (v->conf->nodes[v->node].n_paths > 1 && o->peers[i].paths[p].configured)
            pn_expo_u64(e, !o->peers[i].paths[p].silent, "path", v->conf->nodes[v->node].paths[p].name, PEER);
    }
    pn_expo_family(e, "postern_peer_configuration_same", "gauge", "1: the peer runs the configuration of this node.");
    EACH_PEER pn_expo_u64(e, o->peers[i].same_generation, PEER);
    pn_expo_family(e, "postern_peer_starts_total", "counter", "Starts of the peer that were seen.");
    EACH_PEER pn_expo_u64(e, o->peers[i].boots, PEER);
    pn_expo_family(e, "postern_flow_sync_complete", "gauge", "1: the flows of every peer that is heard are here.");
    pn_expo_u64(e, o->synced, END);
    pn_expo_family(e, "postern_flow_sync_sent_total", "counter", "Flows told to peers.");
    pn_expo_u64(e, o->sync.flows_sent, END);
    pn_expo_family(e, "postern_flow_sync_received_total", "counter", "Flows that peers told of.");
    pn_expo_u64(e, o->sync.flows_received, END);
    pn_expo_family(e, "postern_flow_sync_dropped_total", "counter", "Flows that found no room, by direction.");
    pn_expo_u64(e, o->sync.dropped_out, "direction", "out", END);
    pn_expo_u64(e, o->sync.dropped_in, "direction", "in", END);
    pn_expo_family(e, "postern_flow_sync_unknown_total", "counter",
                   "Flows that peers told of, of services or gateways that are not configured here.");
    pn_expo_u64(e, o->sync.unknown, END);
    pn_expo_family(e, "postern_flow_sync_refused_total", "counter", "Flow sync datagrams that changed nothing.");
    pn_expo_u64(e, o->sync.refused, END);
    pn_expo_family(e, "postern_flow_sync_ends_ignored_total", "counter",
                   "Ends of a walk through the flows that was not, or no longer, waited for.");
    pn_expo_u64(e, o->sync.ends_ignored, END);
}

static void service_families(struct pn_expo *e, VIEW)
{
    static const struct cell cells[] = {
        CELL(pn_stats_service, rx_packets, "postern_service_receive_packets_total",
             "Packets from clients to a service."),
        CELL(pn_stats_service, rx_bytes, "postern_service_receive_bytes_total", "Bytes from clients to a service."),
        CELL(pn_stats_service, flows_new, "postern_service_flows_total", "New flows of a service."),
        CELL(pn_stats_service, no_gateway, "postern_service_no_gateway_total",
             "Packets dropped since no gateway took new flows."),
    };

    for (unsigned c = 0; c < sizeof(cells) / sizeof(cells[0]); c++) {
        pn_expo_family(e, cells[c].name, "counter", cells[c].help);
        for (unsigned s = 0; s < v->conf->n_services; s++) {
            const struct pn_conf_service *svc = &v->conf->services[s];
            for (unsigned k = 0; k < svc->n_vips; k++) {
                uint16_t id = pn_view_service_id(v, s, svc->vips[k]);
                if (id < PN_MAX_SERVICES)
                    pn_expo_u64(e, cell_of(&v->stats->sum.services[id], &cells[c]), "service", svc->name, "vip",
                                v->conf->vips[svc->vips[k]].name, END);
            }
        }
    }
}

#define EACH_TIER                                                                                                      \
    for (unsigned p = 0; p < v->conf->n_pools; p++)                                                                    \
        for (unsigned t = 0; t < v->conf->pools[p].n_tiers; t++)
#define TIER_LABELS "pool", v->conf->pools[p].name, "tier", v->conf->pools[p].tiers[t].name

static void tier_families(struct pn_expo *e, VIEW)
{
    static const struct cell cells[] = {
        CELL(pn_stats_tier, flows_new, "postern_tier_flows_total", "New flows that a tier took."),
        CELL(pn_stats_tier, spilled_from, "postern_tier_spilled_from_total",
             "New flows that left a tier for a later one."),
        CELL(pn_stats_tier, spilled_into, "postern_tier_spilled_into_total",
             "New flows that came from an earlier tier."),
    };

    pn_expo_family(e, "postern_tier_in_spill", "gauge", "1: the tier is above its high mark and passes new flows on.");
    EACH_TIER pn_expo_u64(e, pn_rt_tier(v->rt, p, t)->in_spill, TIER_LABELS, END);
    pn_expo_family(e, "postern_tier_accepts_spill", "gauge", "1: an earlier tier may spill into this one.");
    EACH_TIER pn_expo_u64(e, pn_rt_tier_takes_spill(v->rt, p, t), TIER_LABELS, END);
    pn_expo_family(e, "postern_tier_spill_ratio", "gauge", "Share of new flows that the tier passes on, 0 to 1.");
    EACH_TIER pn_expo_double(e, pn_rt_tier(v->rt, p, t)->share / 65535.0, TIER_LABELS, END);
    pn_expo_family(e, "postern_tier_load_unknown", "gauge",
                   "1: a measure with a mark has no value, so the tier takes no spill.");
    EACH_TIER pn_expo_u64(e, v->spills[p * PN_MAX_TIERS_PER_POOL + t].unknown, TIER_LABELS, END);
    for (unsigned c = 0; v->stats->valid && c < sizeof(cells) / sizeof(cells[0]); c++) {
        pn_expo_family(e, cells[c].name, "counter", cells[c].help);
        EACH_TIER
        {
            uint16_t id = pn_view_tier_id(v, p, t);
            if (id < PN_MAX_TIERS)
                pn_expo_u64(e, cell_of(&v->stats->sum.tiers[id], &cells[c]), TIER_LABELS, END);
        }
    }
}

static void member_families(struct pn_expo *e, VIEW)
{
    pn_expo_family(e, "postern_member_health", "gauge", "1 for the health that a pool's checks found for a gateway.");
    EACH_TIER
    {
        const struct pn_conf_tier *tier = &v->conf->pools[p].tiers[t];
        for (unsigned i = 0; i < tier->n_gateways; i++)
            for (unsigned h = 0; h < PN_HEALTH_COUNT; h++)
                pn_expo_u64(e, pn_rt_member(v->rt, p, t, i)->health == h, TIER_LABELS, "gateway",
                            v->conf->gateways[tier->gateways[i]].name, "health", pn_view_health_name[h], END);
    }
}

static void gateway_families(struct pn_expo *e, VIEW)
{
    static const struct cell cells[] = {
        CELL(pn_stats_gateway, tx_packets, "postern_gateway_transmit_packets_total", "Packets sent to a gateway."),
        CELL(pn_stats_gateway, tx_bytes, "postern_gateway_transmit_bytes_total", "Bytes sent to a gateway."),
        CELL(pn_stats_gateway, flows_new, "postern_gateway_flows_total", "New flows to a gateway."),
        CELL(pn_stats_gateway, flows_established, "postern_gateway_flows_established_total",
             "Flows to a gateway that became established."),
        CELL(pn_stats_gateway, flows_closed, "postern_gateway_flows_closed_total",
             "Flows to a gateway that ended by FIN, RST or idle time."),
        CELL(pn_stats_gateway, syn_retries, "postern_gateway_syn_retries_total",
             "SYNs repeated before a handshake to a gateway was done."),
        CELL(pn_stats_gateway, syn_expired, "postern_gateway_syn_expired_total",
             "Half-open flows to a gateway that ended without an ACK."),
    };
    const struct pn_conf *conf = v->conf;

#define EACH_GATEWAY for (unsigned g = 0; g < conf->n_gateways; g++)
    pn_expo_family(e, "postern_gateway_up", "gauge", "1: alive in every pool, or not checked; 0: down somewhere.");
    EACH_GATEWAY
    {
        const char *reason;
        const struct pn_rt_gateway *rt = &v->rt->gateways[g];
        bool down = rt->agent_down || rt->node_gone || pn_view_gateway_health(v, g, &reason) == PN_HEALTH_DOWN;
        pn_expo_u64(e, !down, "gateway", conf->gateways[g].name, END);
    }
    pn_expo_family(e, "postern_gateway_weight", "gauge",
                   "Effective weight: configured or ordered, times the agent's percentage.");
    EACH_GATEWAY pn_expo_u64(e, pn_rt_gateway_weight(v->rt, g), "gateway", conf->gateways[g].name, END);
    pn_expo_family(e, "postern_gateway_drain", "gauge", "1: no new flows by order, those it has go on.");
    EACH_GATEWAY pn_expo_u64(e, v->rt->gateways[g].drain, "gateway", conf->gateways[g].name, END);
    pn_expo_family(e, "postern_gateway_disabled", "gauge", "1: out of service by order.");
    EACH_GATEWAY pn_expo_u64(e, v->rt->gateways[g].disabled, "gateway", conf->gateways[g].name, END);
    if (!v->stats->valid)
        return;
#define EACH_KNOWN EACH_GATEWAY if (pn_view_gateway_id(v, g) < PN_MAX_GATEWAYS)
#define STATS(g) (&v->stats->sum.gateways[pn_view_gateway_id(v, (g))])
    pn_expo_family(e, "postern_gateway_active_flows", "gauge", "Established flows to a gateway now.");
    EACH_KNOWN pn_expo_double(e, (double)STATS(g)->active, "gateway", conf->gateways[g].name, END);
    pn_expo_family(e, "postern_gateway_half_open_flows", "gauge", "Half-open flows to a gateway now.");
    EACH_KNOWN pn_expo_double(e, (double)STATS(g)->half_open, "gateway", conf->gateways[g].name, END);
    for (unsigned c = 0; c < sizeof(cells) / sizeof(cells[0]); c++) {
        pn_expo_family(e, cells[c].name, "counter", cells[c].help);
        EACH_KNOWN pn_expo_u64(e, cell_of(STATS(g), &cells[c]), "gateway", conf->gateways[g].name, END);
    }
    pn_expo_family(e, "postern_gateway_handshake_seconds", "summary",
                   "Time from SYN to first ACK as the client's side shows it.");
    EACH_KNOWN
    {
        pn_expo_double_suffix(e, "_sum", (double)STATS(g)->handshake_us_sum / 1e6, "gateway", conf->gateways[g].name,
                              END);
        pn_expo_double_suffix(e, "_count", (double)STATS(g)->handshake_count, "gateway", conf->gateways[g].name, END);
    }
#undef STATS
#undef EACH_KNOWN
#undef EACH_GATEWAY
}

struct check_family {
    struct pn_expo *e;
    VIEW;
    unsigned which;
};

static void check_sample(void *arg, const struct pn_health_row *r)
{
    struct check_family *c = arg;
#define CHECK_LABELS "pool", r->pool, "gateway", r->gateway, "check", r->check, END
    switch (c->which) {
    case 0:
        pn_expo_u64(c->e, r->health == PN_HEALTH_UP || r->health == PN_HEALTH_BUSY, CHECK_LABELS);
        break;
    case 1:
        pn_expo_double(c->e, r->last_ms / 1e3, CHECK_LABELS);
        break;
    case 2:
        pn_expo_u64(c->e, r->done, CHECK_LABELS);
        break;
    case 3:
        pn_expo_u64(c->e, r->failed, CHECK_LABELS);
        break;
    default:
        if (r->cert_days_left != INT32_MIN)
            pn_expo_double(c->e, r->cert_days_left * 86400.0, CHECK_LABELS);
    }
#undef CHECK_LABELS
}

static void check_families(struct pn_expo *e, VIEW)
{
    static const char *const family[][3] = {
        {"postern_check_up", "gauge", "1: the check finds the gateway alive (busy included)."},
        {"postern_check_duration_seconds", "gauge", "How long the last check took."},
        {"postern_checks_total", "counter", "Checks done."},
        {"postern_check_failures_total", "counter", "Checks that failed."},
        {"postern_check_certificate_expiry_seconds", "gauge",
         "Time left of the certificate that the gateway showed, whole days."},
    };

    if (!v->health_each)
        return;
    for (unsigned i = 0; i < sizeof(family) / sizeof(family[0]); i++) {
        struct check_family c = {.e = e, .v = v, .which = i};
        pn_expo_family(e, family[i][0], family[i][1], family[i][2]);
        v->health_each(v->health, check_sample, &c);
    }
}

int pn_metrics_write(struct evbuffer *out, const struct pn_view *v)
{
    struct pn_expo e = {.out = out};

    pn_view_refresh(v);
    daemon_families(&e, v);
    node_families(&e, v);
    vip_families(&e, v);
    vrrp_families(&e, v);
    tier_families(&e, v);
    member_families(&e, v);
    gateway_families(&e, v);
    check_families(&e, v);
    pn_metrics_cluster(&e, v);
    pn_metrics_quarantine(&e, v);
    pn_metrics_rules(&e, v);
    if (v->stats->valid) {
        worker_families(&e, v);
        packet_families(&e, v);
        port_families(&e, v);
        service_families(&e, v);
    }
    return e.failed ? -1 : 0;
}
