/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The daemon as its API and metrics see it: pointers for reading, and the few orders they may give. Only the event
 * loop's thread uses it. Tests fill one by hand.
 */
#ifndef POSTERN_VIEW_H
#define POSTERN_VIEW_H

#include "controlplane/conf/conf.h"
#include "controlplane/dplink/dplink.h"
#include "controlplane/dplink/stats.h"
#include "controlplane/health/health.h"
#include "controlplane/load/load.h"
#include "controlplane/state/runtime.h"
#include "controlplane/view/eventlog.h"
#include "controlplane/vip/ownership.h"

/* The way of snapshots to the dataplane. */
struct pn_push_status {
    uint64_t running_generation; /* that the dataplane runs; 0 none */
    uint64_t pushed, rejected;
    bool pending; /* something changed that the dataplane does not know yet */
    uint64_t rejected_at_ms; /* CLOCK_BOOTTIME; 0: the last one was taken */
    char error[256]; /* of the last rejected or uncompilable one; "" when the last one was taken */
};

struct pn_reload_status {
    uint64_t done, failed;
    uint64_t last_ms; /* CLOCK_BOOTTIME; of the last attempt, start included */
    bool last_ok;
    bool restart_needed; /* something was loaded that counts only after a restart of postern-dp */
    char error[704]; /* first error of the last attempt when it failed */
};

/* The address filter, as posternd feeds it. */
struct pn_filter_status {
    bool known; /* dp is as the dataplane said after the last change */
    bool loading; /* a whole set is on its way */
    uint64_t sent, loads, patches, failures; /* prefixes, whole sets, changes told, attempts that failed */
    struct pn_dp_filter dp;
    char error[256]; /* of the last failure; "": none since the last success */
};

/* What an administrator may order; fields that are not set stay as they are. */
struct pn_gateway_order {
    int drain; /* 1 drain, 0 end it, -1 as it is */
    int disabled;
    int32_t weight; /* 0..256; -1: back to the configured one; PN_ORDER_KEEP: as it is */
};
#define PN_ORDER_KEEP INT32_MIN

struct pn_view_ops {
    /* 0, or -1 and errors as pn_conf_load() gives them; a failed one leaves everything as it was. */
    int (*reload)(void *arg, struct pn_conf_error *errors, unsigned max_errors, unsigned *n_errors);
    /* Both take effect at once: 0 and on disk; 1 and err: not on disk, a restart would forget it. -1: refused. */
    int (*gateway_order)(void *arg, unsigned gateway, const struct pn_gateway_order *order, struct pn_error *err);
    int (*node_standby)(void *arg, bool standby, struct pn_error *err);
    /* Not kept on disk. -1 and err: refused. */
    int (*node_hold)(void *arg, uint32_t ms, struct pn_error *err); /* 0: ends it */
    int (*vip_move)(void *arg, const char *vip, const char *to, struct pn_error *err); /* to NULL: the best other */
    int (*vip_force)(void *arg, const char *vip, struct pn_error *err);
};

/* Where the keys of heartbeats and flow sync come from; with both, all are received. */
struct pn_key_sources {
    bool file, cluster;
    bool cluster_sends; /* else the file's are sent with */
    bool none_yet; /* at the start only */
    unsigned left_out; /* keys of the file whose ids are the cluster's */
};

struct pn_id;
struct pn_loop;
struct pn_ask;
struct pn_cluster_actor;
struct pn_rules_actor;
struct pn_quarantine_actor;

struct pn_view {
    const char *version;
    uint64_t (*now_ms)(void); /* CLOCK_BOOTTIME */
    uint64_t started_ms;
    const char *conf_path;
    const struct pn_conf *conf;
    int node; /* position of this node in conf */
    const struct pn_runtime *rt;
    const struct pn_ids *ids;
    const struct pn_load_gateway *loads; /* [conf.n_gateways] */
    const struct pn_spill_state *spills; /* [pool * PN_MAX_TIERS_PER_POOL + tier] */
    void (*health_each)(const struct pn_health_engine *h, void (*fn)(void *arg, const struct pn_health_row *row),
                        void *arg);
    const struct pn_health_engine *health;
    struct pn_dplink *dp;
    const struct pn_dp_port *ports; /* as the dataplane named them last */
    unsigned n_ports;
    const struct pn_stats_sum *stats;
    const struct pn_ownership *own;
    void (*own_refresh)(void *ops_arg); /* makes *own what is true now; NULL: it stands still */
    const struct pn_eventlog *events;
    const struct pn_push_status *push;
    const struct pn_reload_status *reload;
    const struct pn_view_ops *ops;
    void *ops_arg;
    struct pn_loop *loop; /* the API's own: answers of other threads come back there; NULL: there are none */
    /* Beside the main loop, each with a loop of its own; NULL: it could not start, the event log says why. */
    struct pn_cluster_actor *cluster;
    struct pn_rules_actor *rules;
    struct pn_quarantine_actor *quarantine;
    const struct pn_filter_status *filter; /* NULL: there is none */
    struct pn_ask *ask; /* commands that another node answers */
    const struct pn_key_sources *keys;
    /* Whether a peer's rules are ours: 1, 0, -1 not known. NULL: nobody can tell. */
    int (*rules_equal)(struct pn_rules_actor *rules, const struct pn_id *peer);
};

/* Before a look at v->own: what is true now. */
void pn_view_refresh(const struct pn_view *v);
/* A node's name by its number in heartbeats; "": unknown. */
const char *pn_view_node_name(const struct pn_view *v, uint8_t number);

/* Positions by name in a configuration; -1: no such. */
int pn_view_gateway(const struct pn_conf *conf, const char *name);
int pn_view_vip(const struct pn_conf *conf, const char *name);
int pn_view_service(const struct pn_conf *conf, const char *name);
int pn_view_pool(const struct pn_conf *conf, const char *name);

/* Ids in the dataplane; PN_ID_NONE: none given out yet. */
uint16_t pn_view_vip_id(const struct pn_view *v, unsigned vip);
uint16_t pn_view_gateway_id(const struct pn_view *v, unsigned gateway);
uint16_t pn_view_service_id(const struct pn_view *v, unsigned service, unsigned vip);
uint16_t pn_view_tier_id(const struct pn_view *v, unsigned pool, unsigned tier);

/* The way back, for what the dataplane reports. gateway -1, service/vip -1: gone from the configuration. */
int pn_view_gateway_of_id(const struct pn_view *v, uint16_t id);
int pn_view_service_of_id(const struct pn_view *v, uint16_t id, int *vip);

/* A gateway over all pools: the worst of its members' healths decides what people see first. */
enum pn_health pn_view_gateway_health(const struct pn_view *v, unsigned gateway, const char **reason);
/* "up", "drain", "disabled", "down", "busy", "unknown". */
const char *pn_view_gateway_state(const struct pn_view *v, unsigned gateway);
/* Why a member takes no new flows ("drain", "down", ...); NULL when it does. */
const char *pn_view_member_refuses(const struct pn_view *v, unsigned pool, unsigned tier, unsigned i);

extern const char *const pn_view_health_name[PN_HEALTH_COUNT];
extern const char *const pn_view_affinity_name[PN_AFFINITY_COUNT];
extern const char *const pn_view_fwd_name[PN_FWD_COUNT];
extern const char *const pn_view_check_type_name[PN_CHECK_TYPE_COUNT];

#endif
