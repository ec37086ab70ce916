/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Link-layer addresses of the gateways (RFC 4861 7.3 for both families; ARP as RFC 1122 2.3.2.1 wants it). Owned by
 * the main lcore; workers read only pn_neigh_published. Pure: time comes in, what must be sent comes out of the tick.
 * An entry that was resolved once keeps its MAC in use while it is verified (STALE, PROBE), so that refreshing
 * loses nothing; it leaves use only when it has FAILED.
 */
#ifndef PN_CORE_NEIGH_H
#define PN_CORE_NEIGH_H

#include "postern/counters.h"
#include "postern/dpapi.h"
#include "postern/types.h"

#define PN_NEIGH_QUEUE 32u /* packets that wait for one neighbour */
#define PN_NEIGH_HELD_MAX 2048u /* and for all of them: the rest of a receive queue's buffers is for those that go on */

/* One u64 per gateway id, written whole with release order, read with pn_neigh_read. */
#define PN_NEIGH_VALID (1ull << 63)
#define PN_NEIGH_DEAD (1ull << 62) /* resolution failed: drop at once (REWRITE_NO_NEIGHBOUR), do not queue */
#define PN_NEIGH_MAC(v) ((v)&0xffffffffffffull) /* u48 of rewrite.h */
struct pn_neigh_published {
    uint64_t mac[PN_MAX_GATEWAYS] __attribute__((aligned(64)));
};
static inline uint64_t pn_neigh_read(const struct pn_neigh_published *pub, uint16_t gateway)
{
    return __atomic_load_n(&pub->mac[gateway], __ATOMIC_RELAXED);
}

enum pn_neigh_source {
    PN_NEIGH_WIRE = 0, /* our own ARP or NDP */
    PN_NEIGH_KERNEL = 1, /* the kernel's table, through netlink */
    PN_NEIGH_CONFIGURED = 2,
};

/* Zero fields take the defaults. */
struct pn_neigh_timers {
    uint32_t retrans_ms; /* 500: between two requests */
    uint32_t probes; /* 3: requests of each kind (unicast, then multicast) before FAILED */
    uint32_t reachable_ms; /* 30000: trusted this long after a confirmation */
    uint32_t stale_ms; /* 1000: a MAC that was only overheard is used this long before it is verified */
    uint32_t failed_ms; /* 1000: between two requests while FAILED */
};

struct pn_neigh_table;
struct pn_neigh_table *pn_neigh_table_new(const struct pn_neigh_timers *timers, struct pn_neigh_published *pub,
                                          struct pn_error *err);
/* Handles still held must be taken first (pn_neigh_take). */
void pn_neigh_table_free(struct pn_neigh_table *t);

/*
 * The gateway is wanted at this address, port and VLAN. A new or changed one starts INCOMPLETE (STATIC with static_mac)
 * and asks at the next tick; an unchanged one stays as it is. Packets held for an old address stay held for the new one.
 */
void pn_neigh_want(struct pn_neigh_table *t, uint16_t gateway, const struct pn_addr *addr, uint16_t port, uint16_t vlan,
                   const struct pn_mac *static_mac, uint32_t now_ms);
/* No longer in the snapshot; take its handles before or after. */
void pn_neigh_forget(struct pn_neigh_table *t, uint16_t gateway);

/*
 * addr was heard to be at mac on port and vlan. confirmed: it answered a question of ours (ARP reply to us, solicited
 * advertisement), else overheard. override: may replace another MAC (always for ARP; the O flag for NDP). Returns how
 * many gateways now have held packets to send: the next tick says RELEASE for each, so call it at once.
 */
unsigned pn_neigh_learned(struct pn_neigh_table *t, const struct pn_addr *addr, uint16_t port, uint16_t vlan,
                          const struct pn_mac *mac, bool confirmed, bool override, enum pn_neigh_source source,
                          uint32_t now_ms);
/* The kernel gave up on addr. Only an entry whose MAC came from the kernel fails with it. */
void pn_neigh_kernel_failed(struct pn_neigh_table *t, const struct pn_addr *addr, uint16_t port, uint16_t vlan,
                            uint32_t now_ms);

enum pn_neigh_hold {
    PN_NEIGH_HOLD_KEPT = 0, /* waits */
    PN_NEIGH_HOLD_SEND, /* resolved meanwhile: send to pn_neigh_read */
    PN_NEIGH_HOLD_DROP, /* FAILED or not wanted: REWRITE_NO_NEIGHBOUR */
    PN_NEIGH_HOLD_FULL, /* too many wait for others: REWRITE_QUEUE_FULL */
};
/* *pushed_out: when the queue was full, the oldest handle, to be dropped as REWRITE_QUEUE_FULL; else 0. handle: not 0. */
enum pn_neigh_hold pn_neigh_hold(struct pn_neigh_table *t, uint16_t gateway, uint64_t handle, uint64_t *pushed_out);
/* Moves up to max handles held for the gateway out, oldest first. */
unsigned pn_neigh_take(struct pn_neigh_table *t, uint16_t gateway, uint64_t *handles, unsigned max);

enum pn_neigh_act {
    PN_NEIGH_ACT_SOLICIT = 0, /* ask everyone (broadcast, solicited-node multicast) */
    PN_NEIGH_ACT_PROBE, /* ask mac alone */
    PN_NEIGH_ACT_RELEASE, /* held packets may go to mac: pn_neigh_take */
    PN_NEIGH_ACT_DROP, /* held packets must go: pn_neigh_take, REWRITE_NO_NEIGHBOUR */
};
struct pn_neigh_action {
    struct pn_addr addr;
    struct pn_mac mac;
    uint16_t gateway;
    uint16_t port;
    uint16_t vlan;
    uint8_t act; /* enum pn_neigh_act */
};
/*
 * What is due now, at most max (>= 2) actions; call again until it returns 0, and take all that is held at RELEASE and
 * DROP. Neighbours on the same address, port and VLAN ask once.
 */
unsigned pn_neigh_tick(struct pn_neigh_table *t, uint32_t now_ms, struct pn_neigh_action *actions, unsigned max);

/* For PN_DP_NEIGHBOURS. false: no such gateway. */
bool pn_neigh_get(const struct pn_neigh_table *t, uint16_t gateway, uint32_t now_ms, struct pn_dp_neighbour *out);
uint32_t pn_neigh_held(const struct pn_neigh_table *t); /* packets waiting in all */

#endif
