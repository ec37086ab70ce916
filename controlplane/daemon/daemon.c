/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/daemon/daemon.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <event2/event.h>

#include "common/error.h"
#include "controlplane/actors/cluster.h"
#include "controlplane/daemon/confine.h"
#include "controlplane/daemon/filter.h"
#include "controlplane/health/member_fsm.h"
#include "controlplane/view/clock.h"

#define TICK_MS 100
#define SLOW_TICK_S 10

/* ---- health's results ---- */

static void on_member(void *arg, const char *pool, const char *gateway, enum pn_health health, const char *reason)
{
    struct pn_daemon *d = arg;
    int p = pn_view_pool(d->conf, pool), g = pn_view_gateway(d->conf, gateway);
    bool changed = false;
    char subject[72];

    for (unsigned t = 0; p >= 0 && g >= 0 && t < d->conf->pools[p].n_tiers; t++) {
        const struct pn_conf_tier *tier = &d->conf->pools[p].tiers[t];

        for (unsigned i = 0; i < tier->n_gateways; i++) {
            struct pn_rt_member *m;

            if (tier->gateways[i] != g)
                continue;
            m = pn_rt_member(d->rt, (unsigned)p, t, i);
            changed |= m->health != health;
            if (m->health != health || m->since_ms == 0)
                m->since_ms = pn_clock_ms();
            m->health = health;
            snprintf(m->reason, sizeof(m->reason), "%s", reason ? reason : "");
        }
    }
    if (!changed)
        return;
    snprintf(subject, sizeof(subject), "%s/%s", pool, gateway);
    pn_eventlog_add(d->events, health == PN_HEALTH_DOWN ? PN_LOG_WARNING : PN_LOG_NOTICE, "gateway", subject, "%s%s%s",
                    pn_view_health_name[health], reason && *reason ? ": " : "", reason ? reason : "");
    pn_push_changed(d);
}

static void on_agent(void *arg, const char *gateway, const struct pn_agent_report *r)
{
    struct pn_daemon *d = arg;
    int g = pn_view_gateway(d->conf, gateway);
    struct pn_rt_gateway before, *rt;

    if (g < 0)
        return;
    rt = &d->rt->gateways[g];
    before = *rt;
    if (!pn_agent_apply(rt, r))
        return;
    if (before.agent_known != rt->agent_known)
        pn_eventlog_add(d->events, PN_LOG_NOTICE, "agent", gateway, r ? "answers" : "does not answer");
    if (before.agent_drain != rt->agent_drain || before.agent_maint != rt->agent_maint ||
        before.agent_down != rt->agent_down)
        pn_eventlog_add(d->events, PN_LOG_NOTICE, "agent", gateway, "says %s",
                        rt->agent_maint   ? "maint"
                        : rt->agent_down  ? "down"
                        : rt->agent_drain ? "drain"
                                          : "ready");
    pn_push_changed(d);
}

/* ---- administrators' orders ---- */

static int op_gateway_order(void *arg, unsigned gateway, const struct pn_gateway_order *order, struct pn_error *err)
{
    struct pn_daemon *d = arg;
    struct pn_rt_gateway *rt = &d->rt->gateways[gateway];
    const char *name = d->conf->gateways[gateway].name;

    if (order->drain >= 0 && rt->drain != (order->drain == 1)) {
        rt->drain = order->drain == 1;
        rt->ordered_ms = pn_clock_ms();
        pn_eventlog_add(d->events, PN_LOG_NOTICE, "order", name, rt->drain ? "drain" : "drain ended");
    }
    if (order->disabled >= 0 && rt->disabled != (order->disabled == 1)) {
        rt->disabled = order->disabled == 1;
        rt->ordered_ms = pn_clock_ms();
        pn_eventlog_add(d->events, PN_LOG_NOTICE, "order", name, rt->disabled ? "disabled" : "enabled");
    }
    if (order->weight != PN_ORDER_KEEP && rt->weight_override != order->weight) {
        rt->weight_override = order->weight;
        if (order->weight < 0)
            pn_eventlog_add(d->events, PN_LOG_NOTICE, "order", name, "weight as configured");
        else
            pn_eventlog_add(d->events, PN_LOG_NOTICE, "order", name, "weight %d", order->weight);
    }
    pn_push_changed(d);
    return pn_orders_save(d, err);
}

static int op_node_standby(void *arg, bool standby, struct pn_error *err)
{
    struct pn_daemon *d = arg;

    if (d->ownership.standby != standby)
        pn_eventlog_add(d->events, PN_LOG_NOTICE, "order", d->conf->nodes[d->node].name,
                        standby ? "standby: every VIP is given up" : "active");
    pn_vips_standby(d, standby);
    pn_notify_status(d);
    return pn_orders_save(d, err);
}

static int op_reload(void *arg, struct pn_conf_error *errors, unsigned max, unsigned *n)
{
    return pn_reload(arg, errors, max, n);
}

static const struct pn_view_ops ops = {
    .reload = op_reload,
    .gateway_order = op_gateway_order,
    .node_standby = op_node_standby,
    .node_hold = pn_vips_hold,
    .vip_move = pn_vips_move,
    .vip_force = pn_vips_force,
};

/* ---- timers and signals ---- */

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    pn_feed_tick(arg);
}

static void on_slow_tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    pn_dataplane_refresh(arg);
    pn_notify_status(arg);
}

static void on_watchdog(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    pn_notify_alive();
}

static void on_signal(evutil_socket_t sig, short what, void *arg)
{
    struct pn_daemon *d = arg;
    struct pn_conf_error errors[32];
    unsigned n;

    (void)what;
    if (sig == SIGHUP) {
        pn_reload(d, errors, 32, &n);
    } else if (sig == SIGUSR1) {
        pn_log_set_level(pn_log_enabled(PN_LOG_DEBUG) ? (enum pn_log_level)d->opt->log_level : PN_LOG_DEBUG);
        pn_log_notice("debug messages %s", pn_log_enabled(PN_LOG_DEBUG) ? "on" : "off");
    } else {
        pn_eventlog_add(d->events, PN_LOG_NOTICE, "daemon", "", "stopping on signal %d; %s", (int)sig,
                        pn_conf_is_shared(d->conf) ? "VIPs are handed over" : "the leases run on");
        pn_notify_stopping();
        pn_vips_leave(d);
    }
}

static int periodic(struct pn_daemon *d, struct event **e, event_callback_fn fn, struct timeval every)
{
    *e = event_new(d->base, -1, EV_PERSIST, fn, d);
    return *e && event_add(*e, &every) == 0 ? 0 : -1;
}

static int timers_init(struct pn_daemon *d)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1};
    uint64_t watchdog_us = pn_notify_watchdog_us();

    for (unsigned i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        d->signals[i] = evsignal_new(d->base, signals[i], on_signal, d);
        if (!d->signals[i] || event_add(d->signals[i], NULL) < 0)
            return -1;
    }
    if (watchdog_us && periodic(d, &d->watchdog, on_watchdog,
                                (struct timeval){.tv_sec = (time_t)(watchdog_us / 1000000u),
                                                 .tv_usec = (suseconds_t)(watchdog_us % 1000000u)}) < 0)
        return -1;
    if (periodic(d, &d->tick, on_tick, (struct timeval){.tv_usec = TICK_MS * 1000}) < 0)
        return -1;
    return periodic(d, &d->slow_tick, on_slow_tick, (struct timeval){.tv_sec = SLOW_TICK_S});
}

/* ---- start and end ---- */

static int load_first(struct pn_daemon *d)
{
    struct pn_conf_error errors[64];
    char text[PN_CONF_ERROR_TEXT_BYTES];
    unsigned n = 0;

    d->conf = pn_conf_load(d->opt->config, errors, 64, &n);
    for (unsigned i = 0; !d->conf && i < n && i < 64; i++)
        pn_log_error("%s", pn_conf_error_text(&errors[i], text, sizeof(text)));
    if (!d->conf)
        return -1;
    d->node = pn_conf_node_find(d->conf, d->opt->node);
    if (d->node < 0) {
        pn_log_error("%s: %s", d->opt->config, pn_conf_no_node(d->conf, d->opt->node, text, sizeof(text)));
        return -1;
    }
    struct pn_error err;
    if (pn_daemon_keys_load(d, d->conf, &d->file_ring, &err) < 0) {
        pn_log_error("heartbeats: %s", err.text);
        return -1;
    }
    d->rt = pn_runtime_new(d->conf);
    d->reload.last_ok = true;
    d->reload.last_ms = pn_clock_ms();
    return d->rt ? 0 : -1;
}

static void view_init(struct pn_daemon *d)
{
    d->view = (struct pn_view){.version = PN_VERSION,
                               .now_ms = pn_clock_ms,
                               .started_ms = pn_clock_ms(),
                               .conf_path = d->opt->config,
                               .conf = d->conf,
                               .node = d->node,
                               .rt = d->rt,
                               .ids = &d->ids,
                               .loads = d->loads,
                               .spills = d->spills,
                               .health_each = pn_health_each,
                               .health = d->health,
                               .ports = d->ports,
                               .stats = &d->stats,
                               .own = &d->ownership,
                               .own_refresh = pn_vips_refresh,
                               .events = d->events,
                               .push = &d->push.status,
                               .reload = &d->reload,
                               .ops = &ops,
                               .ops_arg = d,
                               .loop = d->loop,
                               .keys = &d->keys};
}

/* The last component of what a first start needs; /run and /var/lib themselves are the system's. */
static void make_folder(const char *path, mode_t mode)
{
    if (mkdir(path, mode) < 0 && errno != EEXIST)
        pn_log_warning("%s: cannot be made: %s", path, strerror(errno));
}

static void make_folder_of(const char *file, mode_t mode)
{
    char path[256];
    const char *slash = strrchr(file, '/');

    if (!slash || slash == file || (size_t)(slash - file) >= sizeof(path))
        return;
    memcpy(path, file, (size_t)(slash - file));
    path[slash - file] = '\0';
    make_folder(path, mode);
}

static int start(struct pn_daemon *d)
{
    struct pn_health_callbacks cb = {.member = on_member, .agent = on_agent, .arg = d};
    const char *listen = d->conf->nodes[d->node].metrics_listen;
    struct pn_error err;

    if (!(d->loop = pn_loop_new(d->base, &err))) {
        pn_log_error("%s", err.text);
        return -1;
    }
    make_folder_of(d->opt->socket, 0755);
    make_folder(d->opt->state_dir, 0750);
    if (d->opt->confine && pn_confine_give(d->opt->user, d->opt->state_dir, &err) < 0)
        pn_log_warning("%s", err.text);
    d->health = pn_health_engine_new(d->base, &cb);
    if (!d->health || pn_push_init(d) < 0) {
        pn_log_error("out of memory");
        return -1;
    }
    if (pn_vips_init(d, &err) < 0) {
        pn_log_error("%s", err.text);
        return -1;
    }
    view_init(d);
    pn_orders_load(d);
    pn_vips_configure(d);
    pn_vips_refresh(d);
    if (pn_dataplane_init(d) < 0)
        return -1;
    d->view.dp = d->dp;
    if (pn_health_apply(d->health, d->conf, &err) < 0) {
        pn_log_error("checks: %s", err.text);
        return -1;
    }
    d->api = pn_api_server_new(d->base, d->opt->socket, d->opt->socket_mode, &d->view, &err);
    if (!d->api) {
        pn_log_error("command line: %s", err.text);
        return -1;
    }
    if (listen[0] && !(d->metrics = pn_metrics_server_new(d->base, listen, &d->view, &err)))
        pn_eventlog_add(d->events, PN_LOG_ERROR, "metrics", "", "%s", err.text); /* mail matters more */
    if (timers_init(d) < 0) {
        pn_log_error("out of memory");
        return -1;
    }
    pn_daemon_quarantine_init(d);
    if (d->opt->confine && pn_confine(d->opt->user, &err) < 0) {
        pn_log_error("%s", err.text);
        return -1;
    }
    pn_daemon_cluster_init(d);
    pn_daemon_rules_init(d);
    pn_daemon_quarantine_attach(d);
    pn_daemon_quarantine_go(d);
    pn_daemon_cluster_go(d);
    pn_own_go(d->own);
    return 0;
}

struct pn_daemon *pn_daemon_new(const struct pn_daemon_options *opt)
{
    struct pn_daemon *d = calloc(1, sizeof(*d));

    if (!d)
        return NULL;
    d->opt = opt;
    d->base = event_base_new();
    d->events = pn_eventlog_new(PN_EVENTLOG_DEFAULT, NULL);
    signal(SIGPIPE, SIG_IGN);
    if (!d->base || !d->events || load_first(d) < 0 || start(d) < 0) {
        pn_daemon_free(d);
        return NULL;
    }
    return d;
}

int pn_daemon_run(struct pn_daemon *d)
{
    pn_eventlog_add(d->events, PN_LOG_NOTICE, "daemon", "", "posternd %s started, node %s, configuration %s (%.12s)",
                    PN_VERSION, d->conf->nodes[d->node].name, d->opt->config, d->conf->digest);
    pn_notify_ready(d);
    pn_notify_status(d);
    return event_base_dispatch(d->base) < 0 ? 1 : 0;
}

void pn_daemon_free(struct pn_daemon *d)
{
    if (!d)
        return;
    pn_daemon_quarantine_stop(d);
    pn_cluster_actor_stop(d->cluster);
    pn_daemon_rules_free(d);
    pn_daemon_cluster_free(d);
    pn_loop_free(d->loop); /* answers that were still on their way */
    pn_daemon_quarantine_free(d);
    pn_api_server_free(d->api);
    pn_metrics_server_free(d->metrics);
    if (d->health)
        pn_health_engine_free(d->health);
    pn_own_free(d->own);
    pn_dplink_free(d->dp); /* what waits for an answer hears that none will come, so it stands until now */
    pn_filter_feed_free(d->filter);
    pn_stats_reader_free(d->reader);
    pn_push_free(d);
    for (unsigned i = 0; i < sizeof(d->signals) / sizeof(d->signals[0]); i++)
        if (d->signals[i])
            event_free(d->signals[i]);
    if (d->tick)
        event_free(d->tick);
    if (d->slow_tick)
        event_free(d->slow_tick);
    if (d->watchdog)
        event_free(d->watchdog);
    if (d->leave_timer)
        event_free(d->leave_timer);
    explicit_bzero(&d->ring, sizeof(d->ring));
    explicit_bzero(&d->file_ring, sizeof(d->file_ring));
    explicit_bzero(&d->cluster_ring, sizeof(d->cluster_ring));
    if (d->node_conf)
        explicit_bzero(d->node_conf, sizeof(*d->node_conf));
    free(d->node_conf);
    free(d->kept);
    pn_runtime_free(d->rt);
    pn_conf_free(d->conf);
    pn_eventlog_free(d->events);
    if (d->base)
        event_base_free(d->base);
    free(d);
}
