/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the stages of one worker work on. struct pn_shared is the one thing all workers and the main lcore have in
 * common: written by the main lcore, read by the workers. struct pn_ctx belongs to one worker alone.
 */
#ifndef POSTERN_STAGES_CTX_H
#define POSTERN_STAGES_CTX_H

#include <stdatomic.h>
#include <string.h>

#include <rte_mbuf.h>
#include <rte_mbuf_dyn.h>
#include <rte_ring.h>

#include "dataplane/core/control_guard.h"
#include "dataplane/core/dpsnap.h"
#include "dataplane/core/flow.h"
#include "dataplane/core/neigh.h"
#include "dataplane/core/steer.h"
#include "postern/stats.h"
#include "postern/types.h"

#define PN_PORT_NONE 0xffu
#define PN_TXQ_NONE UINT16_MAX

struct pn_filter;
struct pn_frag_table;
struct pn_straight;

/* One dataplane port at run time. Set before the workers start, constant afterwards. */
struct pn_port_rt {
    uint16_t port_id; /* DPDK's */
    uint8_t kind; /* enum pn_port_kind */
    uint8_t used;
    uint8_t exception; /* DPDK and AF_XDP: index of the tap that gets the host's packets, or PN_PORT_NONE */
    uint8_t peer; /* TAP: index of the port that what the host sends leaves through, or PN_PORT_NONE */
    struct pn_mac mac;
    uint16_t mtu;
    /* By worker id. PN_TXQ_NONE: this worker has no queue of its own, tx_via (a worker id) sends for it. */
    uint16_t txq[PN_MAX_WORKERS];
    uint8_t tx_via;
    uint8_t reserved[3];
};

/* Load as the main lcore last published it; two of these take turns. */
struct pn_load_pub {
    int64_t active[PN_MAX_GATEWAYS]; /* established and half-open flows, all workers */
    int64_t share[PN_MAX_WORKERS][PN_MAX_GATEWAYS]; /* each worker's part of it */
};

/* What a worker saw of a neighbour, on its learn ring (rte_ring of elements, PN_LEARN_BYTES each). */
struct pn_learn_msg {
    struct pn_addr addr;
    struct pn_mac mac;
    uint8_t port; /* index */
    uint8_t flags; /* PN_LEARN_* */
    uint16_t vlan;
    uint8_t reserved[6];
};
#define PN_LEARN_BYTES 32u
#define PN_LEARN_SOLICITED 0x01u /* an answer sent to us (confirmed); without it overheard */
#define PN_LEARN_OVERRIDE 0x02u /* NDP: RFC 4861 7.2.5; set for ARP */
_Static_assert(sizeof(struct pn_learn_msg) == PN_LEARN_BYTES, "one ring element");

/* For posternd, on its control ring (rte_ring of elements): a packet, or a word about another node's ARP or NDP. */
struct pn_control_msg {
    struct rte_mbuf *m; /* NULL: kind and mac say what was seen */
    uint64_t boottime_ns; /* of receipt */
    struct pn_mac mac;
    uint16_t vip; /* vip.id */
    uint16_t vlan;
    uint8_t port; /* index */
    uint8_t kind; /* enum pn_dp_probe_kind */
    uint8_t l3_off; /* of the packet in its frame */
    uint8_t reserved[3];
};
_Static_assert(sizeof(struct pn_control_msg) == 32, "one ring element");

/* A flow on its way to the peers or from them (rte_ring of elements). */
struct pn_sync_msg {
    uint64_t client[2];
    uint32_t port_svc;
    uint16_t gateway; /* id */
    uint8_t state; /* enum pn_flow_state */
    uint8_t flags; /* PN_FLOW_F_SPILLED; PN_SYNC_END: no flow, the worker has sent all it has */
    uint32_t expires_ms;
    uint32_t reserved;
};
#define PN_SYNC_END 0x80u
_Static_assert(sizeof(struct pn_sync_msg) == 32, "one ring element");

struct pn_shared {
    _Atomic(const struct pn_dpsnap *) snap; /* NULL: none yet. Freed by main after a grace period of qsbr */
    _Atomic(const struct pn_filter *) filter; /* NULL: everybody may come in. As snap */
    _Atomic(const struct pn_load_pub *) load; /* NULL: not published yet */
    _Atomic(const struct pn_dp_control *) control; /* NULL: no packet is posternd's. As snap */
    _Atomic bool stop; /* workers leave their loop */
    _Atomic bool sync; /* flows are noted for the peers */
    _Atomic uint32_t resync; /* each time it changes every worker sends all its flows once */
    int wake_fd; /* eventfd: something waits in a control ring; 0: nobody to wake */
    uint64_t (*clock)(void); /* the TSC; another clock where time is simulated. NULL: the TSC */
    struct rte_rcu_qsbr *qsbr; /* thread ids are worker ids; NULL in tests */

    /* TSC at which leave to answer ends or ended, by vip.id; 0: never held. Given up means: set to now. */
    _Atomic uint64_t lease_tsc[PN_MAX_VIPS] __attribute__((aligned(64)));
    /* TSC until which a VIP given up is forwarded as if it were leased, by vip.id; 0: not. */
    _Atomic uint64_t forward_tsc[PN_MAX_VIPS];
    /* Gateways' MACs, written by the main lcore's neighbour table; unknown: packets go to the worker's neigh_wait ring */
    struct pn_neigh_published neigh;

    struct pn_port_rt ports[PN_MAX_PORTS] __attribute__((aligned(64)));
    uint8_t n_ports;
    uint8_t local_port; /* index of the local delivery tap, or PN_PORT_NONE */
    uint16_t n_workers;
    uint64_t tsc_hz;
    uint64_t hash_seed[2]; /* random, for the flow tables */
    struct rte_ring *handoff[PN_MAX_WORKERS]; /* each worker's, filled in by pn_worker_new */
} __attribute__((aligned(64)));

/*
 * What travels with an mbuf between lcores (a dynamic mbuf field). Registered once by pn_mbuf_meta_register(),
 * which pn_worker_new calls too.
 */
enum pn_meta_kind {
    PN_META_TX = 0, /* a finished frame: send through port, count tx_counter when the port took it */
    PN_META_REWRITE, /* waited for gateway's MAC: rewrite and send, held falls by one */
    PN_META_ENTER, /* handoff: enters the pipeline as received on port, with hops looked by others */
    PN_META_ANSWER, /* as TX, only while the lease of the VIP in gateway holds */
    PN_META_FRAG_CHOSEN, /* handoff: first fragment coming back to where it landed, gateway chosen */
};

struct pn_mbuf_meta {
    uint8_t kind; /* enum pn_meta_kind */
    uint8_t port; /* index: out for TX, in for the others */
    uint8_t tx_counter; /* enum pn_counter (T, P or E) */
    uint8_t hops; /* workers that have looked already */
    uint16_t gateway; /* gateway.id or PN_ID_NONE; ANSWER: vip.id */
    uint16_t origin; /* worker id where the packet landed */
    uint64_t until_tsc; /* TX: not to be sent later than this; 0: no limit */
};
_Static_assert(sizeof(struct pn_mbuf_meta) == 16, "dynamic field");

extern int pn_mbuf_meta_offset; /* -1 until registered */
int pn_mbuf_meta_register(void); /* 0, or -1 with rte_errno; idempotent */

static inline struct pn_mbuf_meta *pn_mbuf_meta(struct rte_mbuf *m)
{
    return RTE_MBUF_DYNFIELD(m, pn_mbuf_meta_offset, struct pn_mbuf_meta *);
}

/* Packet trace, armed by a request to the worker. */
struct pn_trace {
    uint32_t left; /* packets yet to trace; 0: not armed */
    struct pn_addr net; /* masked */
    uint8_t prefix_len;
    uint64_t set; /* packets of this batch that are traced */
    struct pn_dp_trace_record record[64]; /* theirs, by position in the batch */
};

/* One worker's own. Hot fields first. */
struct pn_ctx {
    const struct pn_dpsnap *snap; /* of this round; NULL: none */
    struct pn_flow_table *flows;
    const struct pn_filter *filter; /* of this round; NULL: none */
    struct pn_stats_worker *stats; /* its block in the shared segment */
    struct pn_shared *shared;
    uint64_t tsc; /* of this round */
    struct pn_now now;
    uint16_t id; /* worker id */
    uint16_t n_workers;
    struct pn_straight *straight;
    struct pn_frag_table *frags;
    struct rte_ring *neigh_wait; /* mbufs with PN_META_REWRITE, to the main lcore */
    struct rte_ring *learn; /* struct pn_learn_msg elements, to the main lcore */
    struct rte_ring *traced; /* struct pn_dp_trace_record elements, to the main lcore */
    struct rte_ring *control; /* struct pn_control_msg elements, to the main lcore */
    struct rte_ring *sync_out, *sync_in; /* struct pn_sync_msg elements, to and from the main lcore */
    bool wake; /* the main lcore is to be woken after this round */
    uint32_t resync; /* the one done, or being done */
    bool resyncing;
    uint64_t sync_cursor; /* of the walk through the table */
    uint64_t sync_walk_tsc; /* when it began */
    uint32_t sync_half_ms; /* window of the half-open flows noted, and how many it still has room for */
    uint32_t sync_half_left;
    uint64_t ms_mult, us_mult; /* tsc to ms/us, 64.64 fixed point */
    uint64_t tsc_origin;
    const struct pn_load_pub *load_pub; /* of this round */
    struct pn_trace trace;
    struct pn_control_guard guard;
    uint64_t seen_tsc[PN_MAX_VIPS][PN_PROBE_KIND_COUNT]; /* when such a thing was last told */
    int64_t load[PN_MAX_GATEWAYS]; /* this worker's established + half-open flows by gateway.id; main reads it */
} __attribute__((aligned(64)));

static inline void pn_count(struct pn_ctx *c, enum pn_counter counter, uint64_t n)
{
    c->stats->counters[counter] += n;
}

#endif
