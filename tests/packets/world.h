/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A dataplane in a test's own process: real stages, real workers, three net_ring ports whose wires the test holds, a
 * snapshot it may change, and a clock that stands still until it is moved. Errors of set-up abort: tests only.
 */
#ifndef PN_TESTS_WORLD_H
#define PN_TESTS_WORLD_H

#include "dataplane/worker.h"
#include "tests/packets/frames.h"

#define WORLD_WORKERS 3

enum world_port {
    WORLD_WAN = 0, /* clients and gateways; MAC pn_fb_node_mac */
    WORLD_TAP = 1, /* the host's exception port */
    WORLD_LOCAL = 2, /* local delivery */
    WORLD_PORTS
};

enum world_vip {
    WORLD_VIP4 = 0, /* 203.0.113.25 */
    WORLD_VIP6 = 1, /* 2001:db8:25::25 */
    WORLD_VIP_VLAN = 2, /* 203.0.113.26 on VLAN 100, MAC 02:00:5e:00:00:1a */
    WORLD_VIP_MUTE = 3, /* 203.0.113.27: does not echo */
    WORLD_VIPS
};

enum world_gateway {
    WORLD_MX1 = 0,
    WORLD_MX2 = 1,
    WORLD_SELF = 2, /* mode local */
    WORLD_MX_VLAN = 3, /* on VLAN 200 */
    WORLD_MX_FAR = 4, /* MAC unknown yet */
    WORLD_MX_DEAD = 5, /* MAC could not be resolved */
    WORLD_MX_DOWN = 6, /* its checks failed */
    WORLD_GATEWAYS
};

enum world_tier {
    WORLD_T_PRIMARY = 0, /* mx1; then */
    WORLD_T_SECONDARY, /* mx2, accepts spill */
    WORLD_T_PAIR, /* mx1 and mx2 */
    WORLD_T_SELF,
    WORLD_T_VLAN,
    WORLD_T_FAR,
    WORLD_T_DEAD,
    WORLD_T_DOWN,
    WORLD_TIERS
};

enum world_service {
    WORLD_SMTP = 0, /* VIP4:25, primary and secondary */
    WORLD_SMTP6, /* VIP6:25, the same */
    WORLD_SMTPS, /* VIP4:465, pair */
    WORLD_SUBMISSION, /* VIP4:587, self */
    WORLD_VLAN_GW, /* VIP4:2525, mx_vlan */
    WORLD_FAR, /* VIP4:2526 */
    WORLD_DEAD, /* VIP4:2527 */
    WORLD_DOWN, /* VIP4:2528 */
    WORLD_SMTP_VLAN, /* VIP_VLAN:25, primary and secondary */
    WORLD_SMTP_MUTE, /* VIP_MUTE:25, primary and secondary */
    WORLD_SMTP_LOCAL6, /* VIP6:587, self */
    WORLD_SERVICES
};

struct world_message {
    struct pn_snap_header header;
    struct pn_snap_vip vips[WORLD_VIPS];
    struct pn_snap_service services[WORLD_SERVICES];
    struct pn_snap_tier tiers[WORLD_TIERS];
    struct pn_snap_gateway gateways[WORLD_GATEWAYS];
    struct pn_snap_member members[WORLD_TIERS + 1];
} __attribute__((aligned(8)));

struct world {
    struct pn_shared shared;
    struct world_message message; /* change it, then world_publish() */
    struct pn_dpsnap *snap;
    struct pn_load_pub load;
    struct pn_filter *filter;
    struct pn_stats_worker *stats[WORLD_WORKERS];
    struct pn_worker *worker[WORLD_WORKERS];
    struct rte_mempool *pool;
    struct rte_ring *tx[WORLD_PORTS]; /* what was sent, all workers' queues together */
    uint64_t tsc; /* now; 1 tick is 1 ns */
    uint64_t late_tsc; /* how much later it is when answers are about to leave */
};

struct world_config {
    unsigned workers; /* 1..WORLD_WORKERS */
    uint32_t flows_max; /* 0: 1024 */
    bool no_snapshot;
    bool no_leases;
};

extern const char *const world_vip_text[WORLD_VIPS];
extern const struct pn_mac world_gateway_mac[WORLD_GATEWAYS];
extern const struct pn_mac world_vlan_vip_mac, world_tap_mac, world_local_mac;

/* EAL without huge pages, devices or files. Once a process. */
void world_eal(void);
struct rte_mempool *world_pool(void);
struct world *world_new(const struct world_config *config);
void world_free(struct world *w);

void world_publish(struct world *w);
/* Lists as text: "-192.0.2.0/24" blocked, "+192.0.2.9/32" welcome; NULL ends it. None at all: no filter. */
void world_filter(struct world *w, uint8_t block_action, const char *const *list);
/* ms from now on; negative: ended that long ago (at least 1). */
void world_lease(struct world *w, unsigned vip, int64_t ms);
void world_leases(struct world *w, int64_t ms);
void world_wait_ms(struct world *w, uint64_t ms); /* moves the clock, one round of side work for every worker */

/* An mbuf with these bytes; segment_bytes > 0: cut into segments of that size. */
struct rte_mbuf *world_mbuf(struct world *w, const void *bytes, uint32_t n, uint32_t segment_bytes);
/* One burst to one worker, then side work of all workers until the handoffs are done. */
void world_receive(struct world *w, unsigned worker, unsigned port, struct rte_mbuf **mbufs, unsigned n);
void world_receive_fb(struct world *w, unsigned worker, unsigned port, const struct pn_fb *fb);
/* What left through a port, oldest first; NULL: nothing. */
struct rte_mbuf *world_sent(struct world *w, unsigned port);
unsigned world_drain(struct world *w); /* frees all that was sent on every port; how many */

uint64_t world_counter(const struct world *w, enum pn_counter counter); /* all workers */
int64_t world_held(const struct world *w);
/* rx = T + D + P + held; *text filled when not. */
bool world_identity(const struct world *w, char text[200]);

#endif
