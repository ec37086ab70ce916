/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>

#include "controlplane/api/show.h"

#define WORKER_SILENT_MS 1000u

const char *pn_show_port_name(const struct pn_view *v, unsigned port, char buf[PN_NAME_BYTES])
{
    for (unsigned i = 0; i < v->n_ports; i++) {
        if (v->ports[i].index == port) {
            snprintf(buf, PN_NAME_BYTES, "%s", v->ports[i].name);
            return buf;
        }
    }
    if (v->node >= 0 && port < v->conf->nodes[v->node].n_ports)
        snprintf(buf, PN_NAME_BYTES, "%s", v->conf->nodes[v->node].ports[port].name);
    else
        snprintf(buf, PN_NAME_BYTES, "port%u", port);
    return buf;
}

static json_t *workers(const struct pn_view *v)
{
    const struct pn_stats_sum *s = v->stats;
    json_t *list = json_array();

    for (unsigned i = 0; s->valid && i < s->n_workers; i++) {
        uint64_t beat_ms = s->worker_heartbeat_ns[i] / 1000000u, now = v->now_ms();
        uint64_t silent_ms = now > beat_ms ? now - beat_ms : 0;

        json_array_append_new(list, json_pack("{s:i, s:b, s:I, s:o, s:o, s:o, s:o}", "index", (int)i, "alive",
                                              silent_ms < WORKER_SILENT_MS, "silent_ms", (json_int_t)silent_ms, "flows",
                                              pn_json_u64(s->worker_flows_used[i]), "flows_max",
                                              pn_json_u64(s->worker_flows_max[i]), "busy_cycles",
                                              pn_json_u64(s->worker_busy_cycles[i]), "total_cycles",
                                              pn_json_u64(s->worker_total_cycles[i])));
    }
    return list;
}

json_t *pn_show_dataplane(const struct pn_view *v)
{
    bool up = v->dp && pn_dplink_is_up(v->dp);
    static const struct pn_dp_hello none;
    const struct pn_dp_hello *h = v->dp ? pn_dplink_hello(v->dp) : &none;
    const struct pn_push_status *p = v->push;

    return json_pack("{s:b, s:s, s:o, s:o, s:I, s:I, s:i, s:o, s:b, s:{s:I, s:I, s:I, s:b, s:o, s:o}}", "connected", up,
                     "socket", v->dp ? pn_dplink_path(v->dp) : "", "problem",
                     pn_json_text(v->dp ? pn_dplink_problem(v->dp) : "no link"), "version", pn_json_text(h->version),
                     "pid", (json_int_t)h->pid, "uptime_ms",
                     (json_int_t)(up && h->started_boottime_ns ? v->now_ms() - h->started_boottime_ns / 1000000u : 0),
                     "n_workers", h->n_workers, "workers", workers(v), "stats", v->stats->valid, "snapshot", "running",
                     (json_int_t)p->running_generation, "pushed", (json_int_t)p->pushed, "rejected",
                     (json_int_t)p->rejected, "pending", p->pending, "rejected_ago_ms",
                     p->rejected_at_ms ? pn_json_u64(v->now_ms() - p->rejected_at_ms) : json_null(), "error",
                     pn_json_text(p->error));
}

json_t *pn_show_config(const struct pn_view *v)
{
    return json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:b, s:b, s:o}", "file", v->conf_path, "digest", v->conf->digest,
                     "cluster", v->conf->cluster_name, "reloads", (json_int_t)v->reload->done, "reloads_failed",
                     (json_int_t)v->reload->failed, "last_ago_ms", (json_int_t)(v->now_ms() - v->reload->last_ms),
                     "last_ok", v->reload->last_ok, "restart_needed", v->reload->restart_needed, "error",
                     pn_json_text(v->reload->error));
}

json_t *pn_show_node(const struct pn_view *v)
{
    unsigned owned = 0, heard = 1;

    for (unsigned i = 0; i < v->own->n; i++)
        owned += v->own->vips[i].state == PN_EL_OWNER;
    for (unsigned i = 0; i < PN_MAX_NODES; i++)
        heard += v->own->peers[i].configured && v->own->peers[i].heard;
    return json_pack("{s:s, s:s, s:I, s:b, s:i, s:i, s:b}", "name", v->node >= 0 ? v->conf->nodes[v->node].name : "",
                     "version", v->version, "uptime_ms", (json_int_t)(v->now_ms() - v->started_ms), "standby",
                     v->own->standby, "vips_owned", (int)owned, "vips", (int)v->own->n, "majority",
                     heard > v->own->n_nodes / 2);
}

json_t *pn_show_totals(const struct pn_view *v)
{
    const struct pn_stats_worker *s = &v->stats->sum;
    uint64_t sent = 0, punted = 0, dropped = 0, rx = 0, rx_bytes = 0;

    for (unsigned i = 0; i < PN_C_COUNT; i++) {
        char kind = pn_counter_info[i].kind;
        sent += kind == 'T' ? s->counters[i] : 0;
        punted += kind == 'P' ? s->counters[i] : 0;
        dropped += kind == 'D' ? s->counters[i] : 0;
    }
    for (unsigned i = 0; i < PN_MAX_PORTS; i++) {
        rx += s->ports[i].rx_packets;
        rx_bytes += s->ports[i].rx_bytes;
    }
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:I, s:o, s:o, s:o, s:o}", "rx_packets", pn_json_u64(rx), "rx_bytes",
                     pn_json_u64(rx_bytes), "sent_packets", pn_json_u64(sent), "punted_packets", pn_json_u64(punted),
                     "dropped_packets", pn_json_u64(dropped), "held_packets", (json_int_t)s->held, "flows",
                     pn_json_u64(s->flows_used), "flows_max", pn_json_u64(s->flows_max), "flows_new",
                     pn_json_u64(s->counters[PN_C_FLOW_NEW]), "flows_established",
                     pn_json_u64(s->counters[PN_C_FLOW_ESTABLISHED]));
}
