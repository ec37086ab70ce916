/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * All that the main lcore keeps while postern-dp runs. Each part has its own file: publish.c snapshots and load,
 * resolve.c neighbours, inject.c frames of our own and announcements, query.c what the control socket asks, control.c
 * posternd's packets and probes, peers.c where they go, flowsync.c flows to and from the peers.
 */
#ifndef POSTERN_DATAPLANE_RUNTIME_H
#define POSTERN_DATAPLANE_RUNTIME_H

#include "dataplane/args.h"
#include "dataplane/core/announce.h"
#include "dataplane/core/neigh.h"
#include "dataplane/groups.h"
#include "dataplane/lease.h"
#include "dataplane/leaving.h"
#include "dataplane/loop.h"
#include "dataplane/neigh_link.h"
#include "dataplane/ports/port.h"
#include "dataplane/stats_seg.h"
#include "dataplane/worker.h"

#define PN_PEERS_MAX 32 /* addresses that posternd sends packets to; those not used for long make way */
#define PN_RETIRED_MAX 8 /* old snapshots that workers may still read */

struct rte_rcu_qsbr;
struct pn_filtering;
struct pn_builder;
struct pn_ipc_server;
struct pn_watch;
struct pn_neigh_link;

struct pn_retired {
    struct pn_dpsnap *snap;
    uint64_t token; /* of the qsbr */
};

struct pn_dataplane {
    const struct pn_dp_args *args;
    struct pn_ports ports;
    struct pn_stats_seg stats;
    struct pn_stats_worker *main_stats; /* the segment's last block */
    struct pn_shared *shared;
    struct rte_rcu_qsbr *qsbr;
    struct pn_worker *workers[PN_MAX_WORKERS];
    unsigned n_workers;
    unsigned worker_lcores[PN_MAX_WORKERS];
    bool workers_running;
    struct rte_mempool *pool; /* main's own frames */
    int loop;
    uint64_t tsc_hz;
    uint64_t now_ms; /* CLOCK_BOOTTIME, of this tick */
    uint64_t tick;
    uint64_t started_boottime_ns;

    struct pn_dpsnap *snap; /* running; NULL: none */
    struct pn_retired retired[PN_RETIRED_MAX];
    unsigned n_retired;
    struct pn_builder *builder; /* of snapshots */
    struct pn_builder *kernel; /* asks the kernel what may wait for its locks */
    struct pn_watch *watch;
    bool snap_building;
    struct pn_load_pub *load[2];
    unsigned load_current;
    uint64_t load_token; /* from here on nobody reads the other one */

    struct pn_lease_table leases;
    struct pn_announce announce[PN_MAX_VIPS];
    struct pn_neigh_table *neigh;
    struct pn_neigh_link *link; /* the kernel's neighbour table */
    uint16_t ask_next; /* gateway that pn_resolve_ask_some() begins with */

    struct pn_loop_source wake; /* eventfd: workers have something for posternd */
    struct pn_dp_control control[2]; /* they take turns */
    unsigned control_current;
    struct pn_neigh_published peer_macs;
    struct pn_neigh_table *peer_neigh; /* peers' addresses, by position in peers */
    struct pn_peer {
        struct pn_addr addr;
        uint64_t used_ms; /* 0: free */
        uint16_t port, vlan;
        uint64_t last; /* as pn_neigh_read() gave it when it was valid; 0: never */
    } peers[PN_PEERS_MAX];
    unsigned resync_ends; /* workers that still walk through their tables */
    unsigned sync_next; /* worker whose flows are taken first */

    struct pn_groups groups;
    struct pn_filtering *filtering; /* filtering.h */
    struct pn_ipc_server *ipc;
    struct pn_leaving leaving;
};

/* A planned end: posternd is told, so that others can take what is answered for here. false: there is nothing to wait for. */
bool pn_dataplane_leave(struct pn_dataplane *dp);
/* The wait is over (PN_DP_LEAVING says when). */
bool pn_dataplane_left(const struct pn_dataplane *dp);

struct pn_lease_clock pn_dataplane_clock(const struct pn_dataplane *dp);

/*
 * publish.c. -1 and err: refused. 1: of many tiers, a builder's thread looks at it, and the control socket's client is answered later. A
 * rejected snapshot changes nothing.
 */
int pn_publish_snapshot(struct pn_dataplane *dp, const void *message, size_t len, struct pn_error *err);
int pn_publish_leases(struct pn_dataplane *dp, const struct pn_dp_lease *leases, unsigned n, struct pn_error *err);
/* Waits until every worker has come round, or us are over: false. */
bool pn_publish_settle(struct pn_dataplane *dp, unsigned us);
/* Leases that ended, load, memory that nobody reads any more. */
void pn_publish_tick(struct pn_dataplane *dp);
/* After the workers have stopped. */
void pn_publish_free(struct pn_dataplane *dp);
/* The running snapshot's VIP with this id, "?" for none. */
const char *pn_publish_vip_name(const struct pn_dataplane *dp, unsigned id);

/* resolve.c: packets that wait, questions, answers. */
int pn_resolve_start(struct pn_dataplane *dp, struct pn_error *err);
void pn_resolve_snapshot(struct pn_dataplane *dp, const struct pn_dpsnap *snap);
void pn_resolve_tick(struct pn_dataplane *dp);
void pn_resolve_stop(struct pn_dataplane *dp);
/* Asks for the address, through the kernel where the network is its too, else on the wire. */
void pn_resolve_ask(struct pn_dataplane *dp, const struct pn_neigh_action *a);
/* Asks some of the gateways on the port that were confirmed for their MAC, others each time, on the wire; how many. */
unsigned pn_resolve_ask_some(struct pn_dataplane *dp, uint16_t port);
/* The kernel's interface on the port's network and VLAN; 0: there is none. */
int pn_resolve_interface(const struct pn_dataplane *dp, uint16_t port, uint16_t vlan);

/* peers.c: the MAC addresses of those that posternd sends packets to. */
int pn_peers_start(struct pn_dataplane *dp, struct pn_error *err);
void pn_peers_stop(struct pn_dataplane *dp);
void pn_peers_tick(struct pn_dataplane *dp);
/* false: not known yet, it is asked for. */
bool pn_peers_find(struct pn_dataplane *dp, const struct pn_addr *addr, uint16_t port, uint16_t vlan,
                   struct pn_mac *mac);
void pn_peers_learned(struct pn_dataplane *dp, const struct pn_learn_msg *msg);
void pn_peers_kernel_heard(struct pn_dataplane *dp, int ifindex, const struct pn_addr *addr, enum pn_neigh_heard heard,
                           const struct pn_mac *mac);

/* control.c */
int pn_control_start(struct pn_dataplane *dp, struct pn_error *err);
void pn_control_stop(struct pn_dataplane *dp);
/* What workers have for posternd. */
void pn_control_tick(struct pn_dataplane *dp);
enum pn_dp_status pn_control_put(struct pn_dataplane *dp, const struct pn_dp_control *control, struct pn_error *err);
enum pn_dp_status pn_control_send(struct pn_dataplane *dp, const struct pn_dp_packet *packet, const uint8_t *l3,
                                  struct pn_error *err);
enum pn_dp_status pn_control_probe(struct pn_dataplane *dp, uint16_t vip, struct pn_error *err);
enum pn_dp_status pn_control_announce(struct pn_dataplane *dp, uint16_t vip, struct pn_error *err);

/* flowsync.c */
void pn_flowsync_tick(struct pn_dataplane *dp);
enum pn_dp_status pn_flowsync_in(struct pn_dataplane *dp, const struct pn_dp_flow *flows, unsigned n,
                                 struct pn_error *err);
enum pn_dp_status pn_flowsync_again(struct pn_dataplane *dp, struct pn_error *err);

/*
 * inject.c: a frame of our own through a port, counted as counter once it is sent (GEN_DROPPED if not). vip: leaves only
 * while that VIP's lease holds; PN_ID_NONE: in any case. false: dropped already.
 */
bool pn_inject_frame(struct pn_dataplane *dp, unsigned port, uint16_t vip, const uint8_t *frame, uint32_t len,
                     enum pn_counter counter);
/* The same for one that is worth nothing after until_tsc; 0: no limit. */
bool pn_inject_until(struct pn_dataplane *dp, unsigned port, uint64_t until_tsc, const uint8_t *frame, uint32_t len,
                     enum pn_counter counter);
/* Announcements that are due, for VIPs whose lease holds. */
void pn_inject_announcements(struct pn_dataplane *dp);
/* After a link came up: the burst anew. ports: bits. */
void pn_inject_announce_again(struct pn_dataplane *dp, uint32_t ports);

/* query.c: the operations of the control socket; arg is the struct pn_dataplane. */
struct pn_ipc_ops;
extern const struct pn_ipc_ops pn_query_ops;

/* runtime.c: ports up, workers running, control socket open; EAL is initialised. */
int pn_dataplane_start(struct pn_dataplane *dp, const struct pn_dp_args *args, struct pn_error *err);
/* Everything that is due; about every millisecond. */
void pn_dataplane_tick(struct pn_dataplane *dp);
/* Every worker came round lately. */
bool pn_dataplane_alive(const struct pn_dataplane *dp);
/* In the order that loses least: socket, leases, workers, ports. */
void pn_dataplane_stop(struct pn_dataplane *dp);

#endif
