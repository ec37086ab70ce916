/* SPDX-License-Identifier: BSD-3-Clause */
/* Between the daemon and the ownership thread: configuration, what the dataplane runs, orders, and what is shown. */
#include <stdlib.h>

#include <event2/event.h>

#include "common/error.h"
#include "controlplane/daemon/daemon.h"
#include "controlplane/view/clock.h"

#define MS UINT64_C(1000000)
#define LEAVE_STEP_MS 2u
#define LEAVE_MAX_MS 500u
#define FIRST_HEARD_MS 3000u

static void gateways_follow(struct pn_daemon *d);

static void on_event(void *arg, enum pn_log_level level, const char *kind, const char *subject, const char *text)
{
    struct pn_daemon *d = arg;
    pn_eventlog_add(d->events, level, kind, subject, "%s", text);
    pn_vips_refresh(d);
    gateways_follow(d);
    pn_notify_status(d);
}

int pn_vips_init(struct pn_daemon *d, struct pn_error *err)
{
    struct pn_own_options opt = {
        .dp_socket = d->opt->dp_socket,
        .realtime = d->opt->realtime && pn_conf_is_shared(d->conf) && d->conf->heartbeat.realtime,
        .confine = d->opt->confine,
    };
    d->own = pn_own_new(d->base, &opt, on_event, d, err);
    d->node_conf = calloc(1, sizeof(*d->node_conf));
    if (d->own && !d->node_conf)
        pn_error_set(err, "out of memory");
    return d->own && d->node_conf ? 0 : -1;
}

/* ---- configuration ---- */

static uint8_t number_of(const struct pn_conf *conf, unsigned node)
{
    return (uint8_t)(conf->nodes[node].number - 1);
}

static uint16_t port_of(const struct pn_conf_node *node, const char *name)
{
    for (unsigned i = 0; i < node->n_ports; i++)
        if (!name[0] || strcmp(node->ports[i].name, name) == 0)
            return (uint16_t)i;
    return 0;
}

static void fill_paths(const struct pn_daemon *d, struct pn_node_conf *c)
{
    const struct pn_conf *conf = d->conf;
    const struct pn_conf_node *self = &conf->nodes[d->node];
    for (unsigned i = 0; i < self->n_paths && i < PN_NODE_PATHS; i++) {
        const struct pn_conf_path *own = &self->paths[i];
        struct pn_node_path *path = &c->paths[c->n_paths++];
        memcpy(path->name, own->name, sizeof(path->name));
        path->port = port_of(self, own->port);
        path->vlan = own->vlan;
        path->v4 = own->address_v4;
        path->v6 = own->address_v6;
        for (unsigned n = 0; n < conf->n_nodes; n++) {
            for (unsigned k = 0; k < conf->nodes[n].n_paths; k++) {
                const struct pn_conf_path *there = &conf->nodes[n].paths[k];
                if (strcmp(there->name, own->name) != 0)
                    continue;
                path->peers[number_of(conf, n)].v4 = there->address_v4;
                path->peers[number_of(conf, n)].v6 = there->address_v6;
            }
        }
    }
}

static uint16_t group_of(const struct pn_conf *conf, unsigned vip)
{
    for (unsigned i = 0; conf->vips[vip].group[0] && i <= vip; i++)
        if (strcmp(conf->vips[i].group, conf->vips[vip].group) == 0)
            return (uint16_t)i;
    return PN_NO_GROUP;
}

static void fill_vips(const struct pn_daemon *d, struct pn_node_conf *c)
{
    static const enum pn_preempt preempt[] = {[PN_CONF_PREEMPT_YES] = PN_PREEMPT_YES,
                                              [PN_CONF_PREEMPT_NO] = PN_PREEMPT_NO,
                                              [PN_CONF_PREEMPT_DELAY] = PN_PREEMPT_DELAY};
    for (unsigned i = 0; i < d->conf->n_vips && i < PN_MAX_VIPS; i++) {
        const struct pn_conf_vip *conf = &d->conf->vips[i];
        struct pn_node_vip *vip = &c->vips[c->n_vips++];
        uint16_t id = pn_view_vip_id(&d->view, i), priority = conf->priority[d->node];
        snprintf(vip->name, sizeof(vip->name), "%s", conf->name);
        vip->addr = conf->addr;
        vip->protocol = conf->protocol == PN_CONF_VRRP ? PN_VIP_VRRP : PN_VIP_SEALED;
        vip->vrid = (uint8_t)conf->vrid;
        vip->vrrp_interval_cs = (uint16_t)(conf->vrrp_interval_ms / 10);
        vip->vrrp_source = pn_conf_vip_source(&d->conf->nodes[d->node], conf);
        vip->port = port_of(&d->conf->nodes[d->node], conf->port);
        vip->vlan = conf->vlan;
        vip->mac = pn_conf_vip_mac(conf);
        vip->want.id = priority ? id : (uint16_t)(PN_NODE_WITNESS_ID + i);
        vip->want.priority = priority;
        vip->want.group = group_of(d->conf, i);
        vip->want.preempt = preempt[conf->preempt];
        vip->want.preempt_delay_ns = conf->preempt_delay_ms * MS;
        vip->want.exclusive = conf->prefer == PN_CONF_EXCLUSIVE;
        vip->want.alone_lease_ns = conf->lease_ms * MS;
        if (conf->grace_ms * MS > c->grace_ns)
            c->grace_ns = conf->grace_ms * MS;
    }
}

static void add_name(struct pn_sync_name *names, unsigned *n, uint16_t id, const char *name)
{
    struct pn_sync_name *row = &names[(*n)++];
    *row = (struct pn_sync_name){.hash = pn_heartbeat_name_hash(name), .id = id, .used = id != PN_ID_NONE};
    for (unsigned i = 0; i + 1 < *n; i++)
        if (names[i].hash == row->hash)
            names[i].clash = row->clash = true;
}

static void fill_sync(const struct pn_daemon *d, struct pn_sync_conf *c)
{
    const struct pn_conf *conf = d->conf;
    char name[2 * PN_NAME_BYTES];
    c->on = conf->heartbeat.flow_sync;
    c->rate = conf->heartbeat.flow_sync_rate;
    c->timeout_ns = conf->heartbeat.flow_sync_timeout_ms * MS;
    for (unsigned s = 0; s < conf->n_services; s++) {
        const struct pn_conf_service *service = &conf->services[s];
        for (unsigned i = 0; i < service->n_vips && c->n_services < PN_MAX_SERVICES; i++) {
            snprintf(name, sizeof(name), "%s/%s", service->name, conf->vips[service->vips[i]].name);
            add_name(c->services, &c->n_services, pn_view_service_id(&d->view, s, service->vips[i]), name);
        }
    }
    for (unsigned g = 0; g < conf->n_gateways && g < PN_MAX_GATEWAYS; g++)
        add_name(c->gateways, &c->n_gateways, pn_view_gateway_id(&d->view, g), conf->gateways[g].name);
}

static uint64_t generation_of(const struct pn_conf *conf)
{
    char first[17];
    snprintf(first, sizeof(first), "%.16s", conf->digest);
    return strtoull(first, NULL, 16);
}

static void fill(const struct pn_daemon *d, struct pn_node_conf *c)
{
    const struct pn_conf_heartbeat *h = &d->conf->heartbeat;
    memset(c, 0, sizeof(*c));
    c->self = number_of(d->conf, (unsigned)d->node);
    c->n_nodes = d->conf->n_nodes;
    for (unsigned i = 0; i < d->conf->n_nodes; i++)
        snprintf(c->names[number_of(d->conf, i)], PN_NAME_BYTES, "%s", d->conf->nodes[i].name);
    c->times = (struct pn_election_times){.heartbeat = h->interval_ms * MS,
                                          .lease = h->lease_ms * MS,
                                          .takeover = h->takeover_ms * MS,
                                          .probe_lead = h->probe_lead_ms * MS,
                                          .alone_lease = 30000 * MS};
    c->generation = generation_of(d->conf);
    c->udp_port = h->port;
    c->multicast = h->mode == PN_CONF_MULTICAST;
    c->group_v4 = h->group_v4;
    c->group_v6 = h->group_v6;
    c->watch_vrrp = h->watch_vrrp && d->conf->n_nodes > 1;
    c->ring = d->ring;
    fill_paths(d, c);
    fill_vips(d, c);
    fill_sync(d, &c->sync);
}

void pn_vips_configure(struct pn_daemon *d)
{
    struct pn_error err;
    fill(d, d->node_conf);
    struct pn_node *n = pn_own_lock(d->own);
    int rc = pn_node_configure(n, d->node_conf, pn_clock_ns(), &err);
    pn_own_unlock(d->own);
    if (rc < 0)
        pn_eventlog_add(d->events, PN_LOG_ERROR, "node", "", "ownership goes on as it was: %s", err.text);
}

/* ---- what is known of the dataplane ---- */

void pn_vips_installed(struct pn_daemon *d, const struct pn_snapshot *running)
{
    uint16_t ids[PN_MAX_VIPS];
    uint64_t leases[PN_MAX_VIPS];
    unsigned count = 0;
    pn_stats_read(d->reader, &d->stats);
    for (; running && count < running->header->n_vips && count < PN_MAX_VIPS; count++) {
        ids[count] = running->vips[count].id;
        leases[count] = d->stats.valid ? d->stats.lease_deadline_boottime_ns[ids[count]] : 0;
    }
    struct pn_node *n = pn_own_lock(d->own);
    pn_node_installed(n, running ? pn_dplink_hello(d->dp)->started_boottime_ns : 0, ids, leases, count, pn_clock_ns());
    pn_own_unlock(d->own);
    pn_vips_refresh(d);
}

void pn_vips_ports(struct pn_daemon *d)
{
    struct pn_node *n = pn_own_lock(d->own);
    for (unsigned i = 0; i < d->view.n_ports; i++)
        pn_node_port_mac(n, d->ports[i].index, &d->ports[i].mac);
    pn_own_unlock(d->own);
}

/* How loaded this node's own gateways are that the VIP's services use: of the mark for active flows, else as agents say. */
static uint16_t load_of(const struct pn_daemon *d, unsigned vip)
{
    const struct pn_conf *conf = d->conf;
    double worst = 0;
    for (unsigned s = 0; s < conf->n_services; s++) {
        const struct pn_conf_pool *pool = &conf->pools[conf->services[s].pool];
        bool uses = false;
        for (unsigned i = 0; i < conf->services[s].n_vips; i++)
            uses |= conf->services[s].vips[i] == vip;
        for (unsigned t = 0; uses && t < pool->n_tiers; t++) {
            const struct pn_conf_tier *tier = &pool->tiers[t];
            double high = tier->marks[PN_MEASURE_ACTIVE_FLOWS].high, active = 0, agent = 0;
            for (unsigned i = 0; i < tier->n_gateways; i++) {
                const struct pn_conf_gateway *g = &conf->gateways[tier->gateways[i]];
                uint16_t id = pn_view_gateway_id(&d->view, tier->gateways[i]);
                if (g->mode != PN_FWD_LOCAL || (g->node[0] && strcmp(g->node, conf->nodes[d->node].name) != 0))
                    continue;
                active += id < PN_MAX_GATEWAYS ? (double)d->stats.sum.gateways[id].active : 0;
                if (d->rt->gateways[tier->gateways[i]].agent_known)
                    agent = (100 - d->rt->gateways[tier->gateways[i]].agent_percent) / 100.0;
            }
            double load = high > 0 ? active / high : agent;
            worst = load > worst ? load : worst;
        }
    }
    return (uint16_t)(worst >= 1 ? 65535 : worst * 65535);
}

void pn_vips_loads(struct pn_daemon *d)
{
    uint16_t loads[PN_MAX_VIPS];
    if (d->conf->n_nodes < 2)
        return;
    gateways_follow(d);
    for (unsigned i = 0; i < d->conf->n_vips && i < PN_MAX_VIPS; i++)
        loads[i] = load_of(d, i);
    struct pn_node *n = pn_own_lock(d->own);
    for (unsigned i = 0; i < d->conf->n_vips && i < PN_MAX_VIPS; i++)
        pn_node_load(n, i, loads[i]);
    pn_own_unlock(d->own);
}

/* ---- gateways of the other nodes ---- */

/* It is heard and its dataplane runs: what is handed over to it arrives. */
static bool delivers(const struct pn_daemon *d, uint8_t number)
{
    const struct pn_own_peer *p = &d->ownership.peers[number];
    for (unsigned i = 0; p->heard && i < d->ownership.n; i++)
        if (p->vips[i].there && p->vips[i].state != PN_EL_INIT)
            return true;
    return false;
}

/*
 * A mail server behind another node's dataplane (mode local) gets its packets only through that: it may answer checks at its
 * own address and still be out of reach. Those that were not heard since we started get some time to be.
 */
static void gateways_follow(struct pn_daemon *d)
{
    bool changed = false;
    for (unsigned g = 0; g < d->conf->n_gateways; g++) {
        const struct pn_conf_gateway *gw = &d->conf->gateways[g];
        struct pn_rt_gateway *rt = &d->rt->gateways[g];
        int node = gw->mode == PN_FWD_LOCAL && gw->node[0] ? pn_conf_node_find(d->conf, gw->node) : -1;
        uint8_t number = node >= 0 && node != d->node ? number_of(d->conf, (unsigned)node) : PN_HB_NO_NODE;
        bool gone = number != PN_HB_NO_NODE && !delivers(d, number);
        if (gone && !d->ownership.peers[number].heard_ns && pn_clock_ms() - d->view.started_ms < FIRST_HEARD_MS)
            gone = rt->node_gone;
        if (gone == rt->node_gone)
            continue;
        rt->node_gone = gone;
        changed = true;
        pn_eventlog_add(d->events, gone ? PN_LOG_WARNING : PN_LOG_NOTICE, "gateway", gw->name,
                        gone ? "down: its node %s is not there to deliver" : "its node %s delivers again", gw->node);
    }
    if (changed)
        pn_push_changed(d);
}

void pn_vips_refresh(void *arg)
{
    struct pn_daemon *d = arg;
    pn_own_show(d->own, &d->ownership);
}

/* ---- orders ---- */

/* The time is read under the lock: the ownership thread may have gone on while we waited for it. */

int pn_vips_move(void *arg, const char *vip, const char *to, struct pn_error *err)
{
    struct pn_daemon *d = arg;
    struct pn_node *n = pn_own_lock(d->own);
    int rc = pn_node_move(n, vip, to, pn_clock_ns(), err);
    pn_own_unlock(d->own);
    if (rc == 0)
        pn_eventlog_add(d->events, PN_LOG_NOTICE, "order", vip, "move to %s", to ? to : "the best other node");
    pn_vips_refresh(d);
    return rc;
}

int pn_vips_force(void *arg, const char *vip, struct pn_error *err)
{
    struct pn_daemon *d = arg;
    struct pn_node *n = pn_own_lock(d->own);
    int rc = pn_node_force(n, vip, pn_clock_ns(), err);
    pn_own_unlock(d->own);
    pn_vips_refresh(d);
    return rc;
}

int pn_vips_hold(void *arg, uint32_t ms, struct pn_error *err)
{
    struct pn_daemon *d = arg;
    struct pn_node *n = pn_own_lock(d->own);
    int rc = pn_node_hold(n, ms, pn_clock_ns(), err);
    pn_own_unlock(d->own);
    if (rc == 0)
        pn_eventlog_add(d->events, PN_LOG_NOTICE, "order", d->conf->nodes[d->node].name,
                        ms ? "hold: the others are asked to wait %u ms for us" : "hold ended", ms);
    pn_vips_refresh(d);
    return rc;
}

void pn_vips_standby(struct pn_daemon *d, bool standby)
{
    struct pn_node *n = pn_own_lock(d->own);
    pn_node_standby(n, standby, pn_clock_ns());
    pn_own_unlock(d->own);
    pn_vips_refresh(d);
}

/* ---- leaving ---- */

static bool left(struct pn_daemon *d)
{
    struct pn_node *n = pn_own_lock(d->own);
    bool yes = pn_node_left(n, pn_clock_ns());
    pn_own_unlock(d->own);
    return yes;
}

static void on_leave(evutil_socket_t fd, short what, void *arg)
{
    struct pn_daemon *d = arg;
    struct timeval tv = {.tv_usec = LEAVE_STEP_MS * 1000};
    (void)fd;
    (void)what;
    if (left(d) || pn_clock_ms() > d->leave_until_ms)
        event_base_loopbreak(d->base);
    else
        evtimer_add(d->leave_timer, &tv);
}

void pn_vips_leave(struct pn_daemon *d)
{
    struct pn_node *n = pn_own_lock(d->own);
    pn_node_leave(n, pn_clock_ns());
    pn_own_unlock(d->own);
    d->leave_until_ms = pn_clock_ms() + LEAVE_MAX_MS;
    if (!d->leave_timer)
        d->leave_timer = evtimer_new(d->base, on_leave, d);
    if (left(d) || !d->leave_timer)
        event_base_loopbreak(d->base);
    else
        on_leave(-1, 0, d);
}
