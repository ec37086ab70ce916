/* SPDX-License-Identifier: BSD-3-Clause */
/* What the main lcore hands to the workers whole: snapshots, leases, load. Old ones are freed when nobody reads them. */
#include <stdatomic.h>
#include <stdlib.h>

#include <rte_cycles.h>
#include <rte_malloc.h>
#include <rte_rcu_qsbr.h>

#include "common/error.h"
#include "common/log.h"
#include "dataplane/builder.h"
#include "dataplane/ipc/server.h"
#include "dataplane/runtime.h"
#include "dataplane/settle.h"

#define LOAD_EVERY_MS 4
#define TIERS_AT_ONCE 32 /* some 50 us each: what comes after a snapshot mostly wants it there */
#define SETTLE_US 5000 /* a worker comes round in microseconds, unless the machine keeps it from running */

static uint64_t snap_vip_bits(const struct pn_dpsnap *snap)
{
    uint64_t bits = 0;
    for (unsigned v = 0; snap && v < PN_MAX_VIPS; v++)
        bits |= (uint64_t)(snap->vips[v].used != 0) << v;
    return bits;
}

/* Positions that only this process knows the limits of. */
static int snapshot_fits(const struct pn_dataplane *dp, const struct pn_dpsnap *snap, struct pn_error *err)
{
    for (unsigned v = 0; v < snap->view.header->n_vips; v++) {
        const struct pn_snap_vip *vip = &snap->view.vips[v];
        if (vip->port >= dp->ports.n_configured)
            return pn_error_set(err, "vip[%u].port: %s is on port %u, there are %u", v, vip->name, vip->port,
                                dp->ports.n_configured);
    }
    for (unsigned g = 0; g < snap->view.header->n_gateways; g++) {
        const struct pn_snap_gateway *gw = &snap->view.gateways[g];
        if (gw->mode == PN_FWD_L2DSR && gw->port >= dp->ports.n_configured)
            return pn_error_set(err, "gateway[%u].port: %s is on port %u, there are %u", g, gw->name, gw->port,
                                dp->ports.n_configured);
        if (gw->mode == PN_FWD_LOCAL && dp->ports.local == PN_PORT_NO_INDEX)
            return pn_error_set(err, "gateway[%u].mode: %s is local, but there is no --local-interface", g, gw->name);
    }
    return 0;
}

static void retired_free(struct pn_dataplane *dp, bool wait)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < dp->n_retired; i++) {
        if (wait || rte_rcu_qsbr_check(dp->qsbr, dp->retired[i].token, false) == 1)
            pn_dpsnap_free(dp->retired[i].snap);
        else
            dp->retired[kept++] = dp->retired[i];
    }
    dp->n_retired = kept;
}

/* A VIP that now stands for something else must be announced anew. */
static void announce_follow(struct pn_dataplane *dp, const struct pn_dpsnap *old, const struct pn_dpsnap *snap)
{
    for (unsigned v = 0; v < PN_MAX_VIPS; v++) {
        const struct pn_dp_vip *b = &snap->vips[v];
        if (!b->used || !(b->flags & PN_SNAP_VIP_ANNOUNCE)) {
            pn_announce_stop(&dp->announce[v]);
            continue;
        }
        const struct pn_dp_vip *a = old ? &old->vips[v] : NULL;
        bool same = a && a->used && pn_addr_equal(&a->addr, &b->addr) && a->port == b->port && a->vlan == b->vlan &&
                    !memcmp(&a->mac, &b->mac, sizeof(a->mac)) && (a->flags & PN_SNAP_VIP_ANNOUNCE);
        if (!same && pn_lease_held(&dp->leases, v))
            pn_announce_start(&dp->announce[v], (uint32_t)dp->now_ms);
    }
}

static void install(struct pn_dataplane *dp, struct pn_dpsnap *snap)
{
    /* Nothing fails here. VIPs that go: first the interface stops redirecting them, then workers forget. */
    struct pn_dpsnap *old = dp->snap;
    struct pn_lease_clock now = pn_dataplane_clock(dp);
    pn_ports_vips_keep(&dp->ports, &snap->view);
    pn_lease_drop(&dp->leases, snap_vip_bits(old) & ~snap_vip_bits(snap), &now);
    pn_resolve_snapshot(dp, snap);

    dp->snap = snap;
    atomic_store_explicit(&dp->shared->snap, snap, memory_order_release);
    dp->stats.header->generation = snap->generation;
    /* VIPs that come: workers know them, now the interface may redirect. */
    pn_ports_vips_add(&dp->ports, &snap->view);
    announce_follow(dp, old, snap);
    if (old)
        dp->retired[dp->n_retired++] = (struct pn_retired){.snap = old, .token = rte_rcu_qsbr_start(dp->qsbr)};

    const struct pn_snap_header *h = snap->view.header;
    pn_log(old && old->view.header->n_vips == h->n_vips ? PN_LOG_DEBUG : PN_LOG_INFO,
           "snapshot %llu: %u VIPs, %u services, %u tiers, %u gateways", (unsigned long long)snap->generation,
           h->n_vips, h->n_services, h->n_tiers, h->n_gateways);
}

/* A snapshot on its way: hundreds of Maglev tables take longer than heartbeats can wait. */
struct snap_job {
    struct pn_build_job job; /* first */
    struct pn_dataplane *dp;
    const struct pn_dpsnap *previous; /* stays while this is under way */
    struct pn_dpsnap *snap;
    uint64_t ticket; /* of the request */
    struct pn_error err;
    size_t len;
    uint8_t message[] __attribute__((aligned(8)));
};

static void snap_run(struct pn_build_job *job)
{
    struct snap_job *j = (struct snap_job *)job;
    j->snap = pn_dpsnap_rebuild(j->message, j->len, j->dp->args->flows / 4, j->previous, &j->err);
}

static bool snap_take(struct pn_dataplane *dp, struct pn_dpsnap *snap, struct pn_error *err)
{
    bool fits = snap && snapshot_fits(dp, snap, err) == 0;
    if (fits)
        install(dp, snap);
    else
        pn_dpsnap_free(snap);
    return fits;
}

static void snap_done(struct pn_build_job *job)
{
    struct snap_job *j = (struct snap_job *)job;
    struct pn_dataplane *dp = j->dp;
    dp->snap_building = false;
    if (!dp->ipc) { /* the end: nobody asks any more */
        pn_dpsnap_free(j->snap);
        free(j);
        return;
    }
    bool taken = snap_take(dp, j->snap, &j->err);
    pn_ipc_server_answer(dp->ipc, j->ticket, taken ? PN_DP_STATUS_OK : PN_DP_STATUS_REJECTED,
                         taken ? NULL : j->err.text);
    free(j);
}

int pn_publish_snapshot(struct pn_dataplane *dp, const void *message, size_t len, struct pn_error *err)
{
    retired_free(dp, false);
    if (dp->n_retired == PN_RETIRED_MAX)
        return pn_error_set(err, "workers have not let go of %d earlier snapshots", PN_RETIRED_MAX);
    if (dp->snap_building)
        return pn_error_set(err, "another client's snapshot is being taken");
    const struct pn_snap_header *h = message;
    if (h->n_tiers <= TIERS_AT_ONCE)
        return snap_take(dp, pn_dpsnap_rebuild(message, len, dp->args->flows / 4, dp->snap, err), err) ? 0 : -1;
    struct snap_job *j = calloc(1, sizeof(*j) + len);
    if (!j)
        return pn_error_set(err, "snapshot: no memory");
    j->job = (struct pn_build_job){.run = snap_run, .done = snap_done};
    j->dp = dp;
    j->previous = dp->snap;
    j->ticket = pn_ipc_server_ticket(dp->ipc);
    j->len = len;
    memcpy(j->message, message, len);
    dp->snap_building = true;
    pn_builder_put(dp->builder, &j->job);
    return 1;
}

static void leases_show(struct pn_dataplane *dp)
{
    for (unsigned v = 0; v < PN_MAX_VIPS; v++)
        __atomic_store_n(&dp->stats.header->lease_deadline_boottime_ns[v], dp->leases.deadline_boottime_ns[v],
                         __ATOMIC_RELAXED);
}

const char *pn_publish_vip_name(const struct pn_dataplane *dp, unsigned id)
{
    for (unsigned v = 0; dp->snap && v < dp->snap->view.header->n_vips; v++) {
        if (dp->snap->view.vips[v].id == id)
            return dp->snap->view.vips[v].name;
    }
    return "?";
}

int pn_publish_leases(struct pn_dataplane *dp, const struct pn_dp_lease *leases, unsigned n, struct pn_error *err)
{
    struct pn_lease_clock now = pn_dataplane_clock(dp);
    uint64_t held = 0, started;
    bool gave_up = false;
    for (unsigned v = 0; v < PN_MAX_VIPS; v++)
        held |= (uint64_t)pn_lease_held(&dp->leases, v) << v;
    if (pn_lease_take(&dp->leases, leases, n, snap_vip_bits(dp->snap), &now, &started, err))
        return -1;
    for (unsigned v = 0; v < PN_MAX_VIPS; v++) {
        if (started >> v & 1) {
            pn_log_notice("VIP %s: lease held, answering", pn_publish_vip_name(dp, v));
            dp->main_stats->counters[PN_C_LEASE_STARTED]++;
            if (dp->snap->vips[v].flags & PN_SNAP_VIP_ANNOUNCE)
                pn_announce_start(&dp->announce[v], (uint32_t)dp->now_ms);
        } else if ((held >> v & 1) && !pn_lease_held(&dp->leases, v)) {
            pn_log_notice("VIP %s: lease given up", pn_publish_vip_name(dp, v));
            dp->main_stats->counters[PN_C_LEASE_RELEASED]++;
            gave_up = true;
            pn_announce_stop(&dp->announce[v]);
        }
    }
    leases_show(dp);
    /* Who gives a VIP up may tell another node so with the next message. */
    return gave_up && !pn_publish_settle(dp, SETTLE_US) ? 1 : 0;
}

bool pn_publish_settle(struct pn_dataplane *dp, unsigned us)
{
    return pn_settle(dp->qsbr, dp->tsc_hz, us);
}

void pn_publish_tick(struct pn_dataplane *dp)
{
    struct pn_lease_clock now = pn_dataplane_clock(dp);
    uint64_t ended = pn_lease_tick(&dp->leases, &now);
    for (unsigned v = 0; ended && v < PN_MAX_VIPS; v++) {
        if (!(ended >> v & 1))
            continue;
        pn_log_warning("VIP %s: lease ended, no longer answering", pn_publish_vip_name(dp, v));
        dp->main_stats->counters[PN_C_LEASE_EXPIRED]++;
        pn_announce_stop(&dp->announce[v]);
    }
    if (ended)
        leases_show(dp);
    if (dp->n_retired)
        retired_free(dp, false);
    if (dp->tick % LOAD_EVERY_MS)
        return;
    /* Two take turns: the one to be written must have been let go by all since the other was published. */
    if (dp->load_token && rte_rcu_qsbr_check(dp->qsbr, dp->load_token, false) != 1)
        return;
    struct pn_load_pub *next = dp->load[dp->load_current ^ 1];
    pn_workers_load(dp->workers, dp->n_workers, next);
    atomic_store_explicit(&dp->shared->load, next, memory_order_release);
    dp->load_current ^= 1;
    dp->load_token = rte_rcu_qsbr_start(dp->qsbr);
}

void pn_publish_free(struct pn_dataplane *dp)
{
    if (dp->shared) {
        atomic_store_explicit(&dp->shared->snap, NULL, memory_order_release);
        atomic_store_explicit(&dp->shared->load, NULL, memory_order_release);
    }
    retired_free(dp, true);
    pn_dpsnap_free(dp->snap);
    dp->snap = NULL;
}
