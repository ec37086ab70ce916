/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Nodes as posternd runs them (controlplane/vip/node.h), each above a simulated dataplane: a socket in order, leases by the
 * clock, a wire between them. Dataplanes and nodes stop, go on, die and come back, each by itself.
 */
#ifndef NODE_WORLD_H
#define NODE_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "controlplane/vip/node.h"

#define WORLD_MS UINT64_C(1000000)
#define WORLD_STEP (WORLD_MS / 10)
#define WORLD_NODES 3
#define WORLD_QUEUE 4096
#define WORLD_RESTLESS_MAX 3

struct world_message {
    enum pn_dp_type type;
    uint32_t tag;
    unsigned status;
    bool answer;
    size_t bytes;
    uint64_t *payload;
    uint64_t at_ns; /* on the wire: arrival */
};
struct world_queue {
    struct world_message m[WORLD_QUEUE];
    unsigned head, count;
};

struct world_node {
    struct pn_node node;
    bool running, dp_running, dp_there;
    struct world_queue to_dp, from_dp, wire; /* wire: packets on their way to this dataplane */
    uint64_t wire_ns; /* before this its workers have not come round to them */
    uint64_t lease[PN_MAX_VIPS], forward[PN_MAX_VIPS], dataplane;
    uint64_t probe_ns[PN_MAX_VIPS];
    unsigned announced[PN_MAX_VIPS];
    unsigned events, alarms, flows_in, resyncs, rejected_tx;
    char last_event[256];
    uint64_t wake_ns;
    bool written; /* since its last step began: as in the daemon, that leaves before a step and after it */
    unsigned restless; /* steps in a row that ended with a time to wake that had passed */
    struct pn_dp_flow flows[64];
    unsigned n_flows;
    unsigned walk; /* next flow of a walk + 1; 0: none */
    bool walk_end_lost; /* its last message never comes */
    uint64_t walk_ns, walk_every_ns; /* its next message; from one to the next */
    unsigned port_down; /* ports that cannot send, by bits */
    bool deaf; /* what is sent to it is lost */
    unsigned hosts_known, hosts_alive; /* that its dataplane asks; that answer */
    uint64_t frames; /* its port has received */
    unsigned listens;
    bool flows_busy;
    unsigned control_busy; /* so many PN_DP_CONTROL are not taken */
    bool leases_refused;
    bool control_refused; /* REJECTED, not BUSY */
    bool reads; /* it took PN_DP_CONTROL on this connection, so what is unasked comes here */
    bool read_first; /* what the dataplane holds is known before the own connection leads to it */
    struct pn_dp_control control; /* as it was told last */
    struct { /* the packet to a group that left last */
        struct pn_mac src_mac;
        uint16_t port, vlan;
        unsigned bytes, count;
        uint8_t ip[400];
    } group_tx;
};

struct world {
    struct world_node nodes[WORLD_NODES];
    unsigned n, n_vips;
    uint64_t now, dual_ns, gap_ns, worst_gap_ns;
    unsigned loss_percent;
    bool sync_cut; /* no flow sync arrives */
    bool cut[WORLD_NODES][WORLD_NODES];
    unsigned beats_cut; /* ports, by bits, over which no heartbeat passes, but ARP does */
    uint64_t seed;
    bool verbose;
    struct pn_node_conf confs[WORLD_NODES];
};
extern struct world w;

void world_start(unsigned n, unsigned n_vips, void (*tune)(struct pn_node_conf *conf, unsigned node));
void world_end(void);
void world_run(unsigned ms, bool want_single);
void world_step(bool want_single); /* WORLD_STEP of it */
void world_steps(unsigned n, bool want_single);
void world_move(unsigned i, const char *to); /* by order at node i, VIP "out"; NULL: to the best other one */
unsigned world_owner(unsigned vip); /* WORLD_NODES: nobody */
void world_node_start(unsigned i); /* a new process above the dataplane that is there */
void world_node_relink(unsigned i); /* the own connection breaks, and is made again */
void world_node_kill(unsigned i);
void world_dp_kill(unsigned i);
void world_dp_start(unsigned i);
void world_both_kill(unsigned i); /* the node and its dataplane at once */
void world_both_start(unsigned i);
void world_recover(void); /* everything that is stopped goes on, everything dead is started */
void world_wake(unsigned i); /* what was asked of the node from outside is done now */
void world_gap_reset(void); /* gaps and double answers count from now */
void world_show(unsigned i, struct pn_ownership *out);
uint64_t world_random(void *arg);
/* A datagram as it would arrive from the wire. */
void world_inject(unsigned to, const uint8_t *packet, size_t bytes);

/* ---- between the world's own files ---- */

void world_push(struct world_queue *q, struct world_message m, const void *payload);
bool world_pop(struct world_queue *q, struct world_message *m); /* the payload is the caller's to free */
void world_unasked(struct world_node *n, enum pn_dp_type type, const void *payload, size_t bytes);
bool world_responds(const struct world_node *n, unsigned vip);
void world_dp_run(unsigned i); /* one step of node i's dataplane */

#endif
