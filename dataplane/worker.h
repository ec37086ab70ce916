/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One worker: an lcore that takes bursts from its receive queues and runs each to completion through the stages.
 * The main lcore reaches it through rings and a one-request mailbox only; nothing on its way takes a lock.
 *
 * Who does what. Main lcore: fills struct pn_shared, publishes snapshots and load, sets leases and neighbours' MACs,
 * drains each worker's neigh_wait, learn and traced rings, feeds inject. Worker: all else.
 */
#ifndef POSTERN_WORKER_H
#define POSTERN_WORKER_H

#include "dataplane/realtime.h"
#include "dataplane/stages/batch.h"
#include "dataplane/stages/ctx.h"
#include "postern/dpapi.h"

#define PN_WORKER_QUEUES 128 /* receive queues one worker may poll: all that there can be (PN_DP_QUEUES_MAX a port) */
#define PN_WORKER_BURST 32
#define PN_WORKER_INJECT 512 /* room of the rings */
#define PN_WORKER_HANDOFF 512
#define PN_WORKER_NEIGH_WAIT 512
#define PN_WORKER_LEARN 512
#define PN_WORKER_CONTROL 1024
#define PN_WORKER_SYNC 8192 /* either way */
#define PN_WORKER_WALK 256 /* flows one walk request returns at most */

struct pn_worker_queue {
    uint8_t port; /* index in pn_shared.ports */
    uint16_t queue; /* DPDK receive queue */
};

struct pn_worker_config {
    struct pn_shared *shared; /* ports, tsc_hz, hash_seed and n_workers set; outlives the worker */
    struct pn_stats_worker *stats; /* zeroed block */
    uint16_t id; /* 0 .. n_workers-1 */
    int socket; /* NUMA, SOCKET_ID_ANY allowed */
    uint32_t flows_max;
    uint32_t frags_max; /* datagrams in reassembly order tracking; 0: default */
    uint32_t idle_sleep_us; /* longest sleep between empty polls; 0: pure polling */
    bool realtime; /* real-time priority while it leaves time to others; only with sleeps */
    unsigned n_queues;
    struct pn_worker_queue queues[PN_WORKER_QUEUES];
};

/* A request that the worker executes between bursts. One at a time for each worker, from the main lcore only. */
enum pn_worker_op {
    PN_WORKER_OP_WALK = 1, /* one bounded slice of the flow table */
    PN_WORKER_OP_LOOKUP, /* one flow, for explain */
    PN_WORKER_OP_TRACE, /* arm or disarm */
};

struct pn_worker_request {
    uint32_t op; /* enum pn_worker_op */
    union {
        struct {
            struct pn_dp_flows_query query; /* cursor: the worker's own, as returned; max <= PN_WORKER_WALK */
        } walk;
        struct {
            struct pn_addr client;
            uint16_t client_port;
            uint16_t service;
        } lookup;
        struct pn_dp_trace_query trace; /* packets 0: disarm */
    };
};

struct pn_worker_reply {
    uint32_t op;
    uint32_t count; /* flows filled in; LOOKUP: 0 or 1 */
    uint64_t cursor; /* WALK: where to go on, 0: the table's end. count may be 0 with a cursor: ask again */
    struct pn_dp_flow flows[PN_WORKER_WALK];
};

#define PN_MAILBOX_FREE 0u
#define PN_MAILBOX_POSTED 1u
#define PN_MAILBOX_ANSWERED 2u
struct pn_mailbox {
    _Atomic uint32_t state; /* PN_MAILBOX_* */
    struct pn_worker_request request;
    struct pn_worker_reply reply;
};

struct pn_worker {
    struct pn_ctx ctx;
    unsigned n_queues;
    struct pn_worker_queue queues[PN_WORKER_QUEUES];
    struct rte_ring *inject; /* main -> worker: mbufs with pn_mbuf_meta TX or REWRITE; single producer */
    struct rte_ring *handoff; /* its own, as in shared */
    uint32_t idle_sleep_us;
    bool may_realtime;
    _Atomic bool running; /* its loop has begun, with the priority it got */
    struct pn_realtime realtime;
    uint32_t idle_rounds;
    uint32_t sleep_us; /* of the next sleep */
    uint64_t age_tsc; /* up to where ageing has been done */
    uint64_t age_tsc_per_line;
    uint64_t fine_tsc; /* next time for flows from and to the peers */
    uint64_t coarse_step_tsc;
    uint64_t coarse_tsc; /* next time for gauges and heartbeat */
    const struct pn_dpsnap *timers_of; /* snapshot whose timers the flow table holds, and its generation, since an */
    uint64_t timers_generation; /* address may come again */
    bool gateway_down[PN_MAX_GATEWAYS]; /* by id, in the snapshot of before */
    struct pn_flow_lapse lapses[PN_MAX_GATEWAYS];
    void *frag_memory;
    struct pn_batch batch;
    struct pn_mailbox mailbox;
} __attribute__((aligned(128)));

/*
 * Allocates the worker with its flow table, fragment table and rings on socket, and enters its handoff ring in
 * shared. NULL and err when memory is short or a field out of range. No EAL device needed yet.
 */
struct pn_worker *pn_worker_new(const struct pn_worker_config *config, struct pn_error *err);
/* Frees packets in its rings too. Not while its loop runs. */
void pn_worker_free(struct pn_worker *w);

/* For rte_eal_remote_launch: arg is the worker. Runs until shared->stop; reports to shared->qsbr. Returns 0. */
int pn_worker_loop(void *arg);

/* The parts of one round, for tests, fuzzing and benches. tsc never goes back. */
void pn_worker_round_begin(struct pn_worker *w, uint64_t tsc);
/* The whole pipeline on n <= PN_WORKER_BURST mbufs received on port; all are consumed. mbufs may be w->batch.m. */
void pn_worker_burst(struct pn_worker *w, uint8_t port, struct rte_mbuf **mbufs, unsigned n);
/* Inject and handoff rings, mailbox, ageing, gauges. Returns packets handled. */
unsigned pn_worker_side_work(struct pn_worker *w);
/* begin, all receive queues, side work. Returns packets handled. */
unsigned pn_worker_round(struct pn_worker *w, uint64_t tsc);

/* Main lcore: false when the mailbox is taken (an earlier request not yet answered). */
bool pn_worker_post(struct pn_worker *w, const struct pn_worker_request *request);
/* NULL: no answer yet. The reply stays valid until the next post. */
const struct pn_worker_reply *pn_worker_reply(struct pn_worker *w);

/* Sums the workers' load into out, which is not the one now published; then the caller publishes it. */
void pn_workers_load(struct pn_worker *const *workers, unsigned n, struct pn_load_pub *out);

#endif
