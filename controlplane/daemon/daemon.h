/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * posternd's one loop. daemon.c holds what lives as long as the process and what administrators order; the other files
 * of this folder each drive one concern: push.c snapshots, vips.c the ownership of VIPs (a thread of its own, ownership.c), feed.c load and spill, reload.c the
 * configuration, dataplane.c the coming and going of postern-dp, notify.c the service manager.
 */
#ifndef POSTERN_DAEMON_H
#define POSTERN_DAEMON_H

#include "controlplane/api/api.h"
#include "controlplane/daemon/options.h"
#include "controlplane/daemon/ownership.h"
#include "controlplane/daemon/statefile.h"
#include "controlplane/loop/loop.h"
#include "controlplane/metrics/metrics.h"
#include "controlplane/view/view.h"

struct event;
struct event_base;

#define PN_TIER_SLOTS (PN_CONF_MAX_POOLS * PN_MAX_TIERS_PER_POOL)

/* Snapshots on their way. READY: the dataplane's own has been read back, so ids are known. */
enum pn_push_phase { PN_PUSH_OFF, PN_PUSH_LEARN, PN_PUSH_READY };
struct pn_push {
    enum pn_push_phase phase;
    struct event *timer;
    bool dirty, in_flight;
    uint32_t backoff_ms;
    uint64_t generation; /* last one given out */
    uint64_t *work, *running; /* PN_SNAPSHOT_MAX_BYTES each; running: as the dataplane took it */
    size_t work_len, running_len; /* running_len 0: none */
    struct pn_push_status status;
};

struct pn_cluster_actor;
struct pn_rules_actor;
struct pn_filter_feed;
struct pn_quarantine_actor;
struct pn_ask;

struct pn_daemon {
    const struct pn_daemon_options *opt;
    struct event_base *base;
    struct pn_loop *loop; /* of base: where other threads give work */
    struct pn_conf *conf;
    int node;
    struct pn_runtime *rt;
    struct pn_ids ids;
    uint64_t dataplane_ns, dataplane_args; /* start of the one known last, digest of its arguments; 0: none */
    struct pn_state *kept; /* as it is on disk; NULL: not known */
    bool ids_due; /* after a reload: the next compilation retires ids, which are to be kept on disk */
    bool seeded; /* health and spill of the dataplane found at the start were taken over */
    struct pn_health_engine *health;
    struct pn_dplink *dp;
    struct pn_dp_port ports[PN_MAX_PORTS];
    struct pn_stats_reader *reader;
    struct pn_stats_sum stats;
    struct pn_load_gateway loads[PN_MAX_GATEWAYS];
    struct pn_load_tier tier_loads[PN_TIER_SLOTS];
    struct pn_spill_state spills[PN_TIER_SLOTS];
    struct pn_own *own;
    struct pn_ownership ownership; /* as it was when the thread was asked last */
    struct pn_node_conf *node_conf;
    struct pn_seal_ring ring; /* heartbeats' keys: of file_ring and cluster_ring */
    struct pn_seal_ring file_ring, cluster_ring; /* empty: none */
    struct pn_key_sources keys;
    uint64_t leave_until_ms;
    struct pn_cluster_actor *cluster; /* NULL: could not start */
    struct pn_rules_actor *rules; /* likewise */
    struct pn_filter_feed *filter; /* NULL: without rules */
    struct pn_quarantine_actor *quarantine; /* NULL: could not start */
    struct pn_ask *ask;
    struct pn_eventlog *events;
    struct pn_push push;
    struct pn_reload_status reload;
    struct pn_view view;
    struct pn_api_server *api;
    struct pn_metrics_server *metrics;
    struct event *tick, *slow_tick, *leave_timer, *watchdog, *signals[4];
    bool stopping;
};

/* Ready to run, or NULL after errors were logged. opt must outlive it. */
struct pn_daemon *pn_daemon_new(const struct pn_daemon_options *opt);
int pn_daemon_run(struct pn_daemon *d); /* until SIGTERM or SIGINT; the exit status */
void pn_daemon_free(struct pn_daemon *d);

/* push.c */
int pn_push_init(struct pn_daemon *d);
void pn_push_free(struct pn_daemon *d);
void pn_push_changed(struct pn_daemon *d); /* something that the snapshot is made of */
void pn_push_dataplane_up(struct pn_daemon *d);
void pn_push_dataplane_down(struct pn_daemon *d);

/* vips.c */
int pn_vips_init(struct pn_daemon *d, struct pn_error *err);
void pn_vips_configure(struct pn_daemon *d); /* configuration, keys or ids changed */
void pn_vips_installed(struct pn_daemon *d, const struct pn_snapshot *running); /* NULL: none runs */
void pn_vips_ports(struct pn_daemon *d); /* the dataplane named them */
void pn_vips_loads(struct pn_daemon *d); /* to the peers; and what of theirs can be used */
void pn_vips_refresh(void *daemon); /* d->ownership is up to date */
int pn_vips_move(void *daemon, const char *vip, const char *to, struct pn_error *err);
int pn_vips_force(void *daemon, const char *vip, struct pn_error *err);
int pn_vips_hold(void *daemon, uint32_t ms, struct pn_error *err);
void pn_vips_standby(struct pn_daemon *d, bool standby);
void pn_vips_leave(struct pn_daemon *d); /* hands over, or makes leases last; then ends the loop */

/* cluster.c; a cluster that cannot start is an event, not the end: mail matters more */
void pn_daemon_cluster_init(struct pn_daemon *d); /* after privileges are gone: its files are the user's */
void pn_daemon_cluster_go(struct pn_daemon *d); /* once all that uses its thread is made */
void pn_daemon_cluster_follow(struct pn_daemon *d); /* a new configuration */
void pn_daemon_cluster_free(struct pn_daemon *d);
/* The key file's; a lone node needs none. Without a file: empty, or -1 where that would cost a running node its VIPs. */
int pn_daemon_keys_load(const struct pn_daemon *d, const struct pn_conf *conf, struct pn_seal_ring *file,
                        struct pn_error *err);
void pn_daemon_keys(struct pn_daemon *d); /* d->ring from file_ring and cluster_ring */
/* rules.c; between _cluster_init() and _cluster_go(), and freed between the end of its thread and it */
void pn_daemon_rules_init(struct pn_daemon *d);
void pn_daemon_rules_follow(struct pn_daemon *d);
void pn_daemon_rules_free(struct pn_daemon *d);

/* quarantine.c */
void pn_daemon_quarantine_init(struct pn_daemon *d); /* while sockets can still be given to their groups */
void pn_daemon_quarantine_attach(struct pn_daemon *d); /* before the cluster's thread runs */
void pn_daemon_quarantine_go(struct pn_daemon *d); /* without privileges: its files are the user's */
void pn_daemon_quarantine_follow(struct pn_daemon *d);
void pn_daemon_quarantine_stop(struct pn_daemon *d); /* before the cluster goes */
void pn_daemon_quarantine_free(struct pn_daemon *d); /* after the main loop's mailbox is closed */

/* feed.c */
void pn_feed_tick(struct pn_daemon *d);
void pn_feed_seed(struct pn_daemon *d, const struct pn_snapshot *running);
void pn_feed_carry(struct pn_daemon *d, const struct pn_conf *before); /* arrays follow the new configuration */

/* reload.c */
int pn_reload(struct pn_daemon *d, struct pn_conf_error *errors, unsigned max, unsigned *n);

/* dataplane.c */
int pn_dataplane_init(struct pn_daemon *d);
void pn_dataplane_refresh(struct pn_daemon *d); /* now and then: ports, a lost statistics segment */

/* notify.c */
void pn_notify_ready(const struct pn_daemon *d);
void pn_notify_reloading(void);
void pn_notify_stopping(void);
void pn_notify_status(const struct pn_daemon *d);
uint64_t pn_notify_watchdog_us(void); /* how often to say that we live; 0: nobody asks */
void pn_notify_alive(void);

/* orders.c */
int pn_orders_save(struct pn_daemon *d,
                   struct pn_error *err); /* 0, or 1 and err: it counts, a restart would forget it */
void pn_orders_keep(struct pn_daemon *d);
void pn_orders_load(struct pn_daemon *d);
void pn_orders_dataplane(struct pn_daemon *d, uint64_t started_ns); /* the one that we are connected to */

/* Orders to the state file's form and back. */
void pn_daemon_orders_apply(struct pn_daemon *d, const struct pn_state *state);
void pn_daemon_orders_collect(const struct pn_daemon *d, struct pn_state *state);

#endif
